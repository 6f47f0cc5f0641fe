/* score.h - how well a model predicts a text: windows of tokens, each run by itself, and what is gathered over the
 * tokens that are predicted. Owned by the engine's thread. */
#ifndef HADAL_ENGINE_SCORE_H
#define HADAL_ENGINE_SCORE_H

#include "engine/engine.h"

/* Consecutive windows without overlap; a rest that fills no window is left out. In each, the tokens behind position
 * `first` are predicted from all that stand before them in the window: with first = window / 2, as llama-perplexity has
 * it, window - 1 - first of them. */
struct score_windows {
    const int32_t *token;
    int64_t windows;
    int window, first;
    int32_t begin; /* stands in for the first token of every window; -1: the token itself */
};

/* How many windows the tokens fill, at most `limit` (0: no limit). */
int64_t score_windows_count(int64_t tokens, int window, int64_t limit);
int score_window_rows(const struct score_windows *windows); /* predicted tokens of one window */

/* One predicted token. */
struct score_row {
    int64_t window;
    int row; /* of the window, from 0 */
    int32_t target;
    const float *logits; /* [vocab] */
};

struct scorer {
    struct engine *engine;
    struct sequence *sequence;
    float *logits; /* a few rows */
    /* Behind every step that was made; NULL allowed. */
    enum status (*step_done)(void *context, const struct step_item *item);
    void *step_context;
};
must_use enum status scorer_open(struct scorer *scorer, struct engine *engine);
void scorer_close(struct scorer *scorer); /* zeroed allowed */

typedef enum status score_visit(void *context, const struct score_row *row);
/* Runs window `index` and visits its predicted tokens in order. */
must_use enum status score_window(struct scorer *scorer, const struct score_windows *windows, int64_t index,
                                  score_visit *visit, void *context);

/* log-softmax of `logits` into `logprob` [vocab], which may be the same. Sums in double. */
void score_log_softmax(const float *logits, int64_t vocab, float *logprob);
int32_t score_likeliest(const float *row, int64_t vocab); /* of equal ones the first */

#endif
