/* generate.h - the answer of one sequence: prefill, then one token after the other until something ends it.
 *
 * The caller gives a sequence that holds the prompt; afterwards it holds prompt and answer, of which all
 * but the last token are cached. Runs on the engine's thread. */
#ifndef HADAL_ENGINE_GENERATE_H
#define HADAL_ENGINE_GENERATE_H

#include "engine/reply.h"
#include "engine/speculate.h"

#include <stdatomic.h>

struct generation_options {
    struct sampling sampling;
    int64_t max_tokens; /* -1: until the context is full */
    const char *const *stop;
    int stops;
    enum speculate speculate;
    bool show_special;         /* special tokens are text, the end token too */
    const atomic_bool *cancel; /* looked at between steps; NULL: none */
};

/* Both may be NULL. Returning false ends the generation as cancelled. */
struct generation_events {
    void *context;
    bool (*prefill)(void *context, int done, int total); /* prompt tokens in the cache, after each chunk */
    bool (*piece)(void *context, const struct piece *piece);
};

struct generation_timings {
    int prompt_tokens, cached_tokens; /* the cached ones were not computed again, unless to begin drafting */
    int generated_tokens;
    int drafted, accepted; /* drafts, and those that were right: each saved a step */
    double draft_gain;     /* draft_pace_gain() so far */
    double prefill_seconds, decode_seconds;
};
/* Accepted drafts over drafts; 0 when there were none. */
double draft_acceptance(const struct generation_timings *timings);
/* Tokens per second; 0 when there is nothing to divide. The first token comes out of the prefill. */
double prefill_speed(const struct generation_timings *timings);
double decode_speed(const struct generation_timings *timings);

struct generation {
    struct sequence *sequence;
    struct reply reply;
    struct sample_space space;
    struct speculation speculation;
    const atomic_bool *cancel;
    float *logits; /* [2, vocab] the second row behind an accepted draft */
    struct generation_timings timings;
};

/* The sequence must outlive the generation. STATUS_INPUT for options out of range. */
must_use enum status generation_open(struct generation *generation, struct sequence *sequence,
                                     const struct generation_options *options);
/* Once per generation. STATUS_INPUT for an empty prompt. A failure leaves what was generated in `reply.id`. */
must_use enum status generation_run(struct generation *generation, const struct generation_events *events);
void generation_close(struct generation *generation); /* also of a zeroed one */

/* generation_config.json's wishes where it has some: temperature 0 where it is silent. */
struct sampling sampling_of_checkpoint(const struct generation_defaults *defaults);

#endif
