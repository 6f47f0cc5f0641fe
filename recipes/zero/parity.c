/* parity.c - the exercises of recipes/zero, one JSON object a line on standard output:
 *
 *     zero-parity texts SEED COUNT BITS LONG    {"text": "0110:=0"}, or with probability LONG {"text": "0110:0100=0"}
 *     zero-parity tasks SEED COUNT BITS         {"prompt": "0110:", "answer": "0", "verifier": "numeric"}
 *
 * The question is whether the number of ones is odd. Texts answer at once, by a coin as far as a small network can tell, or
 * rarely write down the parity of each beginning first. */
#include "base/rng.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BITS = 256 };

struct exercise {
    char bits[MOST_BITS + 1], parities[MOST_BITS + 1];
    int answer;
};

static struct exercise make_exercise(struct rng *rng, int bits) {
    struct exercise exercise = {.answer = 0};
    for (int i = 0; i < bits; i++) {
        int bit = (int)(rng_next(rng) >> 63);
        exercise.answer ^= bit;
        exercise.bits[i] = (char)('0' + bit);
        exercise.parities[i] = (char)('0' + exercise.answer);
    }
    return exercise;
}

static int usage(void) {
    fputs("usage: zero-parity texts SEED COUNT BITS LONG | zero-parity tasks SEED COUNT BITS\n", stderr);
    return 2;
}

int main(int arguments, char **argument) {
    bool texts = arguments == 6 && !strcmp(argument[1], "texts");
    if (!texts && (arguments != 5 || strcmp(argument[1], "tasks") != 0)) return usage();
    long long count = atoll(argument[3]);
    int bits = atoi(argument[4]);
    double share = texts ? atof(argument[5]) : 0;
    if (count < 1 || bits < 1 || bits > MOST_BITS || share < 0 || share > 1) return usage();
    for (long long i = 0; i < count; i++) {
        struct rng rng;
        rng_seed_stream(&rng, strtoull(argument[2], NULL, 10), (uint64_t)i);
        struct exercise exercise = make_exercise(&rng, bits);
        bool thinks = rng_uniform(&rng) < share;
        if (texts)
            printf("{\"text\": \"%s:%s=%d\"}\n", exercise.bits, thinks ? exercise.parities : "",
                   exercise.answer);
        else
            printf("{\"prompt\": \"%s:\", \"answer\": \"%d\", \"verifier\": \"numeric\"}\n", exercise.bits,
                   exercise.answer);
    }
    return 0;
}
