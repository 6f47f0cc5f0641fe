/* generate.c - the loop behind generate.h. */
#include "engine/generate.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>

static const char *const finish_names[] = {
    [FINISH_NONE] = "none",
    [FINISH_STOP] = "stop",
    [FINISH_LENGTH] = "length",
    [FINISH_CANCELLED] = "cancelled",
};

const char *finish_name(enum finish finish) {
    return finish_names[finish];
}

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
    if (options->max_tokens >= 0 && options->max_tokens < room) room = options->max_tokens;
    MUST(vocab > 0 && vocab < INT32_MAX && room >= 0);
    TRY(sampler_open(&generation->sampler, &options->sampling, (int32_t)vocab));
    TRY(sample_space_open(&generation->space, (int32_t)vocab));
    TRY(stop_matcher_open(&generation->stop, options->stop, options->stops));
    TRY(speculation_open(&generation->speculation, generation->sequence, options->speculate));
    generation->logits = calloc((size_t)vocab, 2 * sizeof *generation->logits);
    generation->id = calloc((size_t)room + 1, sizeof *generation->id);
    if (!generation->logits || !generation->id) return fail(STATUS_MEMORY, "no memory for an answer");
    generation->detokenizer = (struct detokenizer){engine->tokenizer, .show_special = options->show_special};
    return STATUS_OK;
}

enum status generation_open(struct generation *generation, struct sequence *sequence,
                            const struct generation_options *options) {
    *generation = (struct generation){.options = *options, .sequence = sequence};
    enum status status = open_parts(generation, options);
    if (status != STATUS_OK) generation_close(generation);
    return status;
}

void generation_close(struct generation *generation) {
    sampler_close(&generation->sampler);
    sample_space_close(&generation->space);
    stop_matcher_close(&generation->stop);
    speculation_close(&generation->speculation);
    buffer_free(&generation->raw);
    buffer_free(&generation->shown);
    free(generation->logits);
    free(generation->id);
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
    return generation->options.cancel && atomic_load(generation->options.cancel);
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
    sampler_see_prompt(&generation->sampler, sequence->token, sequence->tokens);
    struct prefill_listener listener = {generation, events, sequence->cached, STATUS_OK, false};
    enum status status = engine_prefill(sequence->engine, sequence, hear_prefill, &listener, row);
    TRY(listener.status);
    if (!listener.stopped) return status;
    generation->finish = FINISH_CANCELLED;
    return STATUS_OK;
}

/* ---- answer ---- */

static bool is_end_token(const struct engine *engine, int32_t id) {
    for (int i = 0; i < engine->end_tokens; i++)
        if (engine->end_token[i] == id) return true;
    return false;
}

/* Would it be with so many tokens more? */
static bool is_full(const struct generation *generation, int more) {
    const struct sequence *sequence = generation->sequence;
    int64_t most = generation->options.max_tokens;
    return sequence->tokens + more >= sequence->engine->context ||
           (most >= 0 && generation->timings.generated_tokens + more >= most);
}

static enum status send(struct generation *generation, const struct generation_events *events,
                        const struct choice *choice) {
    struct buffer *shown = &generation->shown;
    TRY(buffer_check(&generation->raw, "a token's text"));
    TRY(buffer_check(shown, "a token's text"));
    struct piece piece = {shown->bytes ? shown->data : "", shown->bytes, choice};
    if (events->piece && (choice || piece.bytes) && !events->piece(events->context, &piece) &&
        generation->finish == FINISH_NONE)
        generation->finish = FINISH_CANCELLED;
    buffer_clear(&generation->raw);
    buffer_clear(shown);
    return STATUS_OK;
}

/* Turns a chosen token into what can be shown. */
static enum status take_token(struct generation *generation, const struct generation_events *events,
                              const struct choice *choice) {
    const struct engine *engine = generation->sequence->engine;
    bool end = is_end_token(engine, choice->id);
    generation->id[generation->timings.generated_tokens++] = choice->id;
    sampler_see_generated(&generation->sampler, choice->id);
    TRY(speculation_append(&generation->speculation, choice->id));
    if (engine->tokenizer && (!end || generation->options.show_special))
        detokenizer_push(&generation->detokenizer, choice->id, &generation->raw);
    generation->cut =
        stop_matcher_push(&generation->stop, generation->raw.data, generation->raw.bytes, &generation->shown);
    if (generation->cut || end) generation->finish = FINISH_STOP;
    return send(generation, events, choice);
}

/* What was held back. */
static enum status flush(struct generation *generation, const struct generation_events *events) {
    if (generation->cut) return STATUS_OK;
    if (generation->detokenizer.tokenizer) detokenizer_finish(&generation->detokenizer, &generation->raw);
    if (!stop_matcher_push(&generation->stop, generation->raw.data, generation->raw.bytes,
                           &generation->shown))
        stop_matcher_finish(&generation->stop, &generation->shown);
    return send(generation, events, NULL);
}

/* Those of the sequence's last token. `row` is where the prefill left it. */
static enum status next_logits(struct generation *generation, int32_t row, const float **logits) {
    const struct sequence *sequence = generation->sequence;
    *logits = generation->logits;
    if (sequence->cached < sequence->tokens)
        return speculation_step(&generation->speculation, &generation->sampler, &generation->space,
                                !is_full(generation, 1), generation->logits);
    if (generation->speculation.ahead)
        *logits += sequence->engine->model.desc.vocab;
    else
        engine_logits(sequence->engine, &row, 1, generation->logits);
    return STATUS_OK;
}

static enum status decode(struct generation *generation, const struct generation_events *events,
                          int32_t row) {
    while (generation->finish == FINISH_NONE) {
        struct choice choice;
        const float *logits;
        if (is_cancelled(generation)) {
            generation->finish = FINISH_CANCELLED;
        } else if (is_full(generation, 0)) {
            generation->finish = FINISH_LENGTH;
        } else {
            TRY(next_logits(generation, row, &logits));
            TRY(sampler_choose(&generation->sampler, &generation->space, logits, &choice));
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
    MUST(generation->finish == FINISH_NONE && timings->generated_tokens == 0);
    enum status status = run_prefill(generation, events, &row);
    timings->prefill_seconds = clock_seconds() - start;
    start = clock_seconds();
    if (status == STATUS_OK) status = decode(generation, events, row);
    enum status finished = speculation_finish(&generation->speculation);
    timings->drafted = generation->speculation.drafted;
    timings->accepted = generation->speculation.accepted;
    if (status == STATUS_OK) status = finished;
    if (status == STATUS_OK) status = flush(generation, events);
    timings->decode_seconds = clock_seconds() - start;
    return status;
}
