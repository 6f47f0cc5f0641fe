/* bench_model.c - prefill at some depths of context, decode at some depths and batch sizes, over random ids.
 *
 * Depths come in ascending order: the sequences grow from one to the next, and are cut back to the depth
 * between samples, so that no depth is computed twice. */
#include "cli/bench.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/rng.h"
#include "cli/progress.h"

#include <stdlib.h>

static const uint64_t ids_seed = 20250120;

struct runner {
    const struct bench_subject *subject;
    const struct bench_plan *plan;
    struct engine *engine;
    struct sequence **sequence; /* [sequences] */
    int sequences;
    struct step_item *item; /* [sequences] */
    int32_t *row;           /* [sequences] 0, 1, 2 ... */
    float *logits;          /* [sequences, vocab] */
    double *rate;           /* [repeat] */
    struct rng rng;
    struct progress progress;
    int64_t done; /* tokens computed */
};

static enum status append_random(struct runner *runner, struct sequence *sequence, int64_t count,
                                 enum token_role role) {
    for (int64_t i = 0; i < count; i++) {
        int32_t id = (int32_t)(rng_next(&runner->rng) % (uint64_t)runner->engine->model.desc.vocab);
        TRY(sequence_append(sequence, &id, 1, role));
    }
    return STATUS_OK;
}

/* ---- filling ---- */

struct fill {
    struct runner *runner;
    int64_t before;
};

static bool show_fill(void *context, int cached) {
    const struct fill *fill = context;
    progress_update(&fill->runner->progress, fill->runner->done + cached - fill->before);
    return true;
}

static enum status fill_to(struct runner *runner, int64_t depth) {
    for (int s = 0; s < runner->sequences; s++) {
        struct sequence *sequence = runner->sequence[s];
        struct fill fill = {runner, sequence->tokens};
        int32_t last_row;
        if (sequence->tokens >= depth) continue;
        TRY(append_random(runner, sequence, depth - sequence->tokens, TOKEN_PROMPT));
        TRY(engine_prefill(runner->engine, sequence, show_fill, &fill, &last_row));
        runner->done += depth - fill.before;
    }
    return STATUS_OK;
}

/* ---- one sample each; they leave the sequences as they were ---- */

/* Up to the logits behind the prompt: what a user waits for. */
static enum status sample_prefill(struct runner *runner, int batch, double *seconds) {
    struct sequence *sequence = runner->sequence[0];
    int depth = sequence->tokens;
    int32_t last_row;
    MUST(batch == 1);
    TRY(append_random(runner, sequence, runner->plan->prompt, TOKEN_PROMPT));
    double started = clock_seconds();
    TRY(engine_prefill(runner->engine, sequence, NULL, NULL, &last_row));
    engine_logits(runner->engine, &last_row, 1, runner->logits);
    *seconds = clock_seconds() - started;
    sequence_truncate(sequence, depth);
    return STATUS_OK;
}

static enum status sample_decode(struct runner *runner, int batch, double *seconds) {
    int depth = runner->sequence[0]->tokens;
    double started = clock_seconds();
    for (int64_t step = 0; step < runner->plan->tokens; step++) {
        for (int s = 0; s < batch; s++) {
            TRY(append_random(runner, runner->sequence[s], 1, TOKEN_GENERATED));
            runner->item[s] = (struct step_item){runner->sequence[s], 1};
        }
        TRY(engine_step(runner->engine, runner->item, batch));
        engine_logits(runner->engine, runner->row, batch, runner->logits);
    }
    *seconds = clock_seconds() - started;
    for (int s = 0; s < batch; s++) sequence_truncate(runner->sequence[s], depth);
    return STATUS_OK;
}

typedef enum status sample_function(struct runner *runner, int batch, double *seconds);

static enum status measure(struct runner *runner, sample_function *sample, struct bench_result *result) {
    double seconds, tokens = (double)result->tokens * result->batch;
    for (int i = -1; i < runner->plan->repeat; i++) { /* -1 warms up */
        TRY(sample(runner, result->batch, &seconds));
        if (i >= 0) runner->rate[i] = tokens / (seconds > 1e-9 ? seconds : 1e-9);
        runner->done += (int64_t)tokens;
        progress_update(&runner->progress, runner->done);
    }
    result->rate = runner->rate;
    result->samples = runner->plan->repeat;
    result->threads = runner->plan->threads;
    progress_finish(&runner->progress); /* the table's line takes its place */
    return bench_report(runner->subject, result);
}

static enum status run_depth(struct runner *runner, int64_t depth) {
    const struct bench_plan *plan = runner->plan;
    TRY(fill_to(runner, depth));
    if (plan->prefill) {
        struct bench_result result = {.test = "prefill", .tokens = plan->prompt, .depth = depth, .batch = 1};
        TRY(measure(runner, sample_prefill, &result));
    }
    for (int b = 0; plan->decode && b < plan->batches; b++) {
        struct bench_result result = {
            .test = "decode", .tokens = plan->tokens, .depth = depth, .batch = (int)plan->batch[b]};
        TRY(measure(runner, sample_decode, &result));
    }
    return STATUS_OK;
}

/* ---- whole ---- */

static int64_t tokens_to_compute(const struct runner *runner) {
    const struct bench_plan *plan = runner->plan;
    int64_t samples = plan->repeat + 1, each = plan->prefill ? plan->prompt : 0;
    for (int b = 0; plan->decode && b < plan->batches; b++) each += plan->tokens * plan->batch[b];
    return plan->depth[plan->depths - 1] * runner->sequences + each * samples * plan->depths;
}

static enum status open_runner(struct runner *runner) {
    size_t sequences = (size_t)runner->engine->sequences, vocab = (size_t)runner->engine->model.desc.vocab;
    runner->sequence = calloc(sequences, sizeof *runner->sequence);
    runner->item = calloc(sequences, sizeof *runner->item);
    runner->row = calloc(sequences, sizeof *runner->row);
    runner->rate = calloc((size_t)runner->plan->repeat, sizeof *runner->rate);
    runner->logits = calloc(sequences * vocab, sizeof *runner->logits);
    if (!runner->sequence || !runner->item || !runner->row || !runner->rate || !runner->logits)
        return fail(STATUS_MEMORY, "no memory for %zu sequences", sequences);
    for (; runner->sequences < (int)sequences; runner->sequences++) {
        TRY(sequence_open(&runner->sequence[runner->sequences], runner->engine));
        runner->row[runner->sequences] = runner->sequences;
    }
    return STATUS_OK;
}

static void close_runner(struct runner *runner) {
    for (int s = 0; s < runner->sequences; s++) sequence_close(runner->sequence[s]);
    free(runner->sequence);
    free(runner->item);
    free(runner->row);
    free(runner->rate);
    free(runner->logits);
}

static enum status run_depths(struct runner *runner) {
    rng_seed(&runner->rng, ids_seed);
    progress_start(&runner->progress, "measuring", tokens_to_compute(runner), "tokens");
    for (int d = 0; d < runner->plan->depths; d++) TRY(run_depth(runner, runner->plan->depth[d]));
    return STATUS_OK;
}

enum status bench_model(const struct bench_subject *subject, struct engine *engine) {
    struct runner runner = {.subject = subject, .plan = subject->plan, .engine = engine};
    enum status status = open_runner(&runner);
    if (status == STATUS_OK) status = run_depths(&runner);
    progress_finish(&runner.progress);
    close_runner(&runner);
    return status;
}
