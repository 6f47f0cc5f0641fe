/* score.c - one window after the other through a sequence that is emptied in between. */
#include "engine/score.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>

enum { HEAD_ROWS = 32 }; /* rows whose logits are held at once */

int64_t score_windows_count(int64_t tokens, int window, int64_t limit) {
    int64_t windows = tokens / window;
    return limit && limit < windows ? limit : windows;
}

int score_window_rows(const struct score_windows *windows) {
    return windows->window - 1 - windows->first;
}

enum status scorer_open(struct scorer *scorer, struct engine *engine) {
    size_t floats = HEAD_ROWS * (size_t)engine->model.desc.vocab;
    *scorer = (struct scorer){.engine = engine};
    scorer->logits = malloc(floats * sizeof *scorer->logits);
    if (!scorer->logits) return fail(STATUS_MEMORY, "no memory for %d rows of logits", HEAD_ROWS);
    return sequence_open(&scorer->sequence, engine);
}

void scorer_close(struct scorer *scorer) {
    free(scorer->logits);
    sequence_close(scorer->sequence);
    *scorer = (struct scorer){0};
}

static enum status fill_sequence(struct sequence *sequence, const struct score_windows *windows,
                                 const int32_t *token) {
    sequence_truncate(sequence, 0);
    int kept = windows->begin < 0 ? 0 : 1;
    if (kept) TRY(sequence_append(sequence, &windows->begin, 1, TOKEN_PROMPT));
    return sequence_append(sequence, token + kept, windows->window - kept, TOKEN_PROMPT);
}

/* Positions [begin, end) of the window, which are the last step's rows from `row` on. */
static enum status visit_positions(struct scorer *scorer, const struct score_windows *windows, int64_t index,
                                   int begin, int end, int row, score_visit *visit, void *context) {
    const int32_t *token = windows->token + index * windows->window;
    int64_t vocab = scorer->engine->model.desc.vocab;
    for (int at = begin; at < end; at += HEAD_ROWS) {
        int32_t rows[HEAD_ROWS];
        int count = (int)min_i64(end - at, HEAD_ROWS);
        for (int i = 0; i < count; i++) rows[i] = row + at - begin + i;
        engine_logits(scorer->engine, rows, count, scorer->logits);
        for (int i = 0; i < count; i++)
            TRY(visit(context, &(struct score_row){index, at + i - windows->first, token[at + i + 1],
                                                   scorer->logits + i * vocab}));
    }
    return STATUS_OK;
}

enum status score_window(struct scorer *scorer, const struct score_windows *windows, int64_t index,
                         score_visit *visit, void *context) {
    struct sequence *sequence = scorer->sequence;
    TRY(fill_sequence(sequence, windows, windows->token + index * windows->window));
    while (sequence->cached < windows->window) {
        int begin = sequence->cached;
        int rows = (int)min_i64(windows->window - begin, scorer->engine->model.max_rows);
        struct step_item item = {sequence, rows};
        TRY(engine_step(scorer->engine, &item, 1));
        int first = (int)max_i64(begin, windows->first);
        int last = (int)min_i64(begin + rows, windows->window - 1);
        if (first < last)
            TRY(visit_positions(scorer, windows, index, first, last, first - begin, visit, context));
        if (scorer->step_done) TRY(scorer->step_done(scorer->step_context, &item));
    }
    return STATUS_OK;
}

void score_log_softmax(const float *logits, int64_t vocab, float *logprob) {
    float most = -INFINITY;
    double sum = 0;
    for (int64_t i = 0; i < vocab; i++) most = fmaxf(most, logits[i]);
    for (int64_t i = 0; i < vocab; i++) sum += expf(logits[i] - most);
    double log_sum = log(sum) + most;
    for (int64_t i = 0; i < vocab; i++) logprob[i] = (float)(logits[i] - log_sum);
}

int32_t score_likeliest(const float *row, int64_t vocab) {
    int64_t best = 0;
    for (int64_t i = 1; i < vocab; i++)
        if (row[i] > row[best]) best = i;
    return (int32_t)best;
}
