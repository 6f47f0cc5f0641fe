/* Fuzz target: grammars in GBNF; what comes out is followed for a while by the bytes that it allows. Any input must end in
 * a grammar or a sentence, and each place leads to its end. */
#include "support/grammar_end.h"
#include "text/gbnf.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The allowed byte that the input picks at each step. A grammar may leave no way to its end, and then none at all. */
static void follow(const struct grammar *grammar, const uint8_t *data, size_t bytes) {
    struct matcher matcher;
    if (matcher_open(&matcher, grammar) != STATUS_OK) return;
    for (size_t step = 0; step < 200 && matcher.set.places > 0; step++) {
        if (step % 8 == 0) check_grammar_end(&matcher);
        if (matcher.failed) break;
        const struct place place = matcher.set.place[data[step % bytes] % matcher.set.places];
        const struct byte_set *set = &grammar->set[grammar->node[place.node].other];
        int byte = data[(step * 7 + 1) % bytes];
        for (int tries = 0; tries < 256 && !byte_set_has(set, (unsigned char)byte); tries++)
            byte = (byte + 1) & 255;
        const char text = (char)byte;
        if (!matcher_push(&matcher, &text, 1)) break;
    }
    MUST(matcher_restart(&matcher) || matcher.failed);
    matcher_close(&matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct grammar *grammar;
    if (bytes == 0) return 0;
    if (gbnf_grammar(&grammar, (const char *)data, bytes, "fuzz") == STATUS_OK)
        follow(grammar, data, bytes);
    else
        MUST(*status_message() && !grammar);
    grammar_close(grammar);
    return 0;
}
