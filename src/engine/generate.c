/* generate.c - the loop behind generate.h. */
#include "engine/generate.h"

#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

static double speed(int tokens, double seconds) {
    return tokens > 0 && seconds > 0 ? tokens / seconds : 0;
}

double prefill_speed(const struct generation_timings *timings) {
    return speed(timings->prompt_tokens - timings->cached_tokens, timings->prefill_seconds);
}

double decode_speed(const struct generation_timings *timings) {
    return speed(timings->generated_tokens - 1, timings->decode_seconds);
}

double draft_acceptance(const struct generation_timings *timings) {
    return timings->drafted > 0 ? (double)timings->accepted / timings->drafted : 0;
}

struct sampling sampling_of_checkpoint(const struct generation_defaults *defaults) {
    struct sampling sampling = sampling_default();
    if (!defaults->greedy && !isnan(defaults->temperature)) sampling.temperature = defaults->temperature;
    if (!isnan(defaults->top_p)) sampling.top_p = defaults->top_p;
    if (!isnan(defaults->min_p)) sampling.min_p = defaults->min_p;
    if (defaults->repetition_penalty >= REPETITION_PENALTY_LOWEST) /* false for NaN, and 0 means none */
        sampling.repetition_penalty = defaults->repetition_penalty;
    sampling.top_k = defaults->top_k;
    return sampling;
}

/* ---- opening ---- */

static enum status open_parts(struct generation *generation, const struct generation_options *options) {
    const struct engine *engine = generation->sequence->engine;
    int64_t vocab = engine->model.desc.vocab, room = engine->context - generation->sequence->tokens;
    struct reply_options reply = {.sampling = options->sampling,
                                  .max_tokens = options->max_tokens,
                                  .stop = options->stop,
                                  .stops = options->stops,
                                  .show_special = options->show_special};
    TRY(reply_open(&generation->reply, engine, &reply, room));
    TRY(sample_space_open(&generation->space, (int32_t)vocab));
    TRY(speculation_open(&generation->speculation, generation->sequence, options->speculate));
    generation->logits = calloc((size_t)vocab, 2 * sizeof *generation->logits);
    return generation->logits ? STATUS_OK : fail(STATUS_MEMORY, "no memory for an answer");
}

enum status generation_open(struct generation *generation, struct sequence *sequence,
                            const struct generation_options *options) {
    *generation = (struct generation){.sequence = sequence, .cancel = options->cancel};
    enum status status = open_parts(generation, options);
    if (status != STATUS_OK) generation_close(generation);
    return status;
}

void generation_close(struct generation *generation) {
    reply_close(&generation->reply);
    sample_space_close(&generation->space);
    speculation_close(&generation->speculation);
    free(generation->logits);
    *generation = (struct generation){0};
}

/* ---- prompt ---- */

struct prefill_listener {
    struct generation *generation;
    const struct generation_events *events;
    int cached;         /* so far */
    enum status status; /* of what follows each step */
    bool stopped;       /* also in the last step, behind which engine_prefill() has nothing to stop */
};

static bool is_cancelled(const struct generation *generation) {
    return generation->cancel && atomic_load(generation->cancel);
}

static bool hear_prefill(void *context, int cached) {
    struct prefill_listener *listener = context;
    const struct generation_events *events = listener->events;
    int total = listener->generation->sequence->tokens;
    listener->status = speculation_follow(&listener->generation->speculation, cached - listener->cached);
    listener->cached = cached;
    if (listener->status != STATUS_OK) return false;
    listener->stopped = (events->prefill && !events->prefill(events->context, cached, total)) ||
                        is_cancelled(listener->generation);
    return !listener->stopped;
}

static enum status run_prefill(struct generation *generation, const struct generation_events *events,
                               int32_t *row) {
    struct sequence *sequence = generation->sequence;
    generation->timings.prompt_tokens = sequence->tokens;
    generation->timings.cached_tokens = sequence->cached;
    speculation_start(&generation->speculation);
    if (sequence->tokens == 0) return fail(STATUS_INPUT, "the prompt is empty");
    MUST(sequence->cached < sequence->tokens);
    TRY(reply_begin(&generation->reply, sequence->token, sequence->tokens));
    struct prefill_listener listener = {generation, events, sequence->cached, STATUS_OK, false};
    enum status status = engine_prefill(sequence->engine, sequence, hear_prefill, &listener, row);
    TRY(listener.status);
    if (!listener.stopped) return status;
    generation->reply.finish = FINISH_CANCELLED;
    return STATUS_OK;
}

/* ---- answer ---- */

static void send(struct generation *generation, const struct generation_events *events,
                 const struct piece *piece) {
    if (events->piece && (piece->choice || piece->bytes) && !events->piece(events->context, piece) &&
        generation->reply.finish == FINISH_NONE)
        generation->reply.finish = FINISH_CANCELLED;
}

static enum status take_token(struct generation *generation, const struct generation_events *events,
                              const struct choice *choice) {
    struct piece piece;
    TRY(speculation_append(&generation->speculation, choice->id));
    enum status status = reply_take(&generation->reply, choice, &piece);
    generation->timings.generated_tokens = generation->reply.tokens;
    if (status == STATUS_OK) send(generation, events, &piece);
    return status;
}

/* What was held back. */
static enum status flush(struct generation *generation, const struct generation_events *events) {
    struct piece piece;
    TRY(reply_flush(&generation->reply, &piece));
    send(generation, events, &piece);
    return STATUS_OK;
}

/* Those of the sequence's last token. `row` is where the prefill left it. */
static enum status next_logits(struct generation *generation, int32_t row, const float **logits) {
    const struct sequence *sequence = generation->sequence;
    *logits = generation->logits;
    if (sequence->cached < sequence->tokens)
        return speculation_step(&generation->speculation, &generation->reply.sampler, &generation->space,
                                !reply_is_full(&generation->reply, 1), generation->logits);
    if (generation->speculation.ahead)
        *logits += sequence->engine->model.desc.vocab;
    else
        engine_logits(sequence->engine, &row, 1, generation->logits);
    return STATUS_OK;
}

static enum status decode(struct generation *generation, const struct generation_events *events,
                          int32_t row) {
    struct reply *reply = &generation->reply;
    while (reply->finish == FINISH_NONE) {
        struct choice choice;
        const float *logits;
        if (is_cancelled(generation)) {
            reply->finish = FINISH_CANCELLED;
        } else if (reply_is_full(reply, 0)) {
            reply->finish = FINISH_LENGTH;
        } else {
            TRY(next_logits(generation, row, &logits));
            TRY(reply_choose(reply, &generation->space, logits, &choice));
            TRY(take_token(generation, events, &choice));
        }
    }
    return STATUS_OK;
}

enum status generation_run(struct generation *generation, const struct generation_events *events) {
    static const struct generation_events deaf = {0};
    struct generation_timings *timings = &generation->timings;
    int32_t row = 0;
    double start = clock_seconds();
    if (!events) events = &deaf;
    MUST(generation->reply.finish == FINISH_NONE && timings->generated_tokens == 0);
    enum status status = run_prefill(generation, events, &row);
    timings->prefill_seconds = clock_seconds() - start;
    start = clock_seconds();
    if (status == STATUS_OK) status = decode(generation, events, row);
    enum status finished = speculation_finish(&generation->speculation);
    timings->drafted = generation->speculation.drafted;
    timings->draft_gain = draft_pace_gain(&generation->sequence->engine->pace);
    timings->accepted = generation->speculation.accepted;
    if (status == STATUS_OK) status = finished;
    if (status == STATUS_OK) status = flush(generation, events);
    timings->decode_seconds = clock_seconds() - start;
    return status;
}
