/* task.h - one exercise of the reasoner's school: what is asked, how it is thought through, what is answered.
 *
 * A maker of tasks draws from the generator's random stream and fills a struct task. The same draw always gives the same
 * task, so a seed and a count name a whole data set. `key` names the problem itself, apart from its wording: problems
 * are dealt to the training and the held-out half by it, so that no wording of a held-out problem is ever trained on. */
#ifndef RECIPE_TASK_H
#define RECIPE_TASK_H

#include "base/rng.h"

#include <stdbool.h>
#include <stddef.h>

enum { TEXT_BYTES = 4096 };

/* Text that grows to a fixed limit; going past it ends the program, for a task that long is a mistake of ours. */
struct text {
    char data[TEXT_BYTES];
    size_t used;
};

void text_clear(struct text *text);
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum language { ENGLISH, CHINESE, LANGUAGES };

struct task {
    struct text question, thought, reply;
    struct text answer; /* the number that counts; empty: the whole reply does */
    struct text key;
    enum language language;
};

struct maker {
    const char *kind; /* the name by which a mix asks for it */
    int weight;       /* its share of the default mix */
    void (*make)(struct task *, struct rng *);
};

extern const struct maker makers[];
extern const size_t maker_count;

/* ---- drawing ---- */
static inline int draw(struct rng *rng, int low, int high) { /* both ends included */
    return low + (int)(rng_uniform(rng) * (high - low + 1));
}
static inline bool chance(struct rng *rng, double share) {
    return rng_uniform(rng) < share;
}
int draw_digits(struct rng *rng, int digits);                     /* a number with exactly so many digits */
const char *draw_word(struct rng *rng, const char *const *words); /* of a list that NULL ends */

/* ---- thinking: each appends its steps and gives the result ---- */
int think_add(struct text *thought, int a, int b);
int think_subtract(struct text *thought, int a, int b); /* may be below zero */
int think_multiply(struct text *thought, int a, int b);
int think_divide(struct text *thought, int a, int b, const char *word, int *remainder); /* a >= 0, b > 0 */

/* ---- wording ---- */

/* Fills a pattern: %a and %b are numbers, %o an operator, written in one of the ways that people write them. */
struct wording {
    const char *const *patterns[LANGUAGES];
    const char *const *operators; /* NULL where no pattern has %o */
};
void task_begin(struct task *task, struct rng *rng);
void task_ask(struct task *task, struct rng *rng, const struct wording *wording, int a, int b);
/* Politeness, capital letters, end marks and blanks vary as they do in what people type. */
void task_vary(struct task *task, struct rng *rng);

/* ---- makers ---- */
void make_addition(struct task *task, struct rng *rng);
void make_subtraction(struct task *task, struct rng *rng);
void make_product_small(struct task *task, struct rng *rng);
void make_product_3x2(struct task *task, struct rng *rng);
void make_product_3x3(struct task *task, struct rng *rng);
void make_division(struct task *task, struct rng *rng);
void make_chain(struct task *task, struct rng *rng);
void make_comparison(struct task *task, struct rng *rng);
void make_sorting(struct task *task, struct rng *rng);
void make_parity(struct task *task, struct rng *rng);
void make_ranking(struct task *task, struct rng *rng);
void make_story(struct task *task, struct rng *rng);
void make_talk(struct task *task, struct rng *rng);

#endif
