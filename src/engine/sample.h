/* sample.h - choosing the next token from a row of logits.
 *
 * The logits go through these steps, in this order; the first three also with temperature 0. Tokens that are not allowed
 * are at -infinity from the third step on:
 *   1. logit bias is added
 *   2. repetition penalty, over prompt and generated tokens: positive logits are divided by it, negative ones multiplied
 *   3. presence and frequency penalty, over generated tokens: logit - presence - frequency * times generated
 *   4. division by the temperature
 *   5. top-k: only the k likeliest remain
 *   6. top-p: only the likeliest that together reach p of what step 5 left, at least one
 *   7. min-p: only those at least min-p times as likely as the likeliest
 * Where logits are equal the lower id counts as the likelier. A NaN counts as -infinity, +infinity as the largest number;
 * a token at -infinity is never chosen. Tokens less likely than e^-50 times the likeliest are left out: all of them
 * together are less than the random number can tell.
 *
 * Log-probabilities are those of the model: log-softmax of the logits before step 1.
 *
 * A sampler belongs to one sequence, a sample space to the thread that samples. Nothing is allocated per token. */
#ifndef HADAL_ENGINE_SAMPLE_H
#define HADAL_ENGINE_SAMPLE_H

#include "base/rng.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOGPROBS_LIMIT = 20, LOGIT_BIAS_LIMIT = 1 << 20 };

#define REPETITION_PENALTY_LOWEST 0.01

#define LOGPROB_LOWEST (-9999.0f) /* stands for -infinity, which JSON cannot say */

struct logit_bias {
    int32_t id;
    float bias;
};

/* What a request asks for. */
struct sampling {
    double temperature;                         /* 0 .. 100; below 1e-5: the likeliest token every time */
    int64_t top_k;                              /* 0: all */
    double top_p;                               /* 0 .. 1; 1: all */
    double min_p;                               /* 0 .. 1; 0: all */
    double repetition_penalty;                  /* 0.01 .. 100; 1: none */
    double presence_penalty, frequency_penalty; /* -2 .. 2; 0: none */
    const struct logit_bias *bias;              /* [biases] each -100 .. 100; several for one id add up */
    int biases;
    uint64_t seed;
    int logprobs; /* likeliest tokens to report besides the chosen one, 0 .. LOGPROBS_LIMIT; -1: no log-probabilities */
    bool
        traced; /* report what the choice was made from. Without bias, penalties and masks, at a temperature */
};

/* The log-probability of `id` in softmax(logits / temperature) over the ids of `kept` [kepts], ascending, or over the whole
 * vocabulary where that is NULL. The same bits for the same logits, whoever asks: a sampler for its choice, a trainer for
 * that choice's derivative. */
double sampled_logprob(const float *logits, int32_t vocab, double temperature, const int32_t *kept, int kepts,
                       int32_t id);

/* Greedy, with nothing limited or penalised. */
struct sampling sampling_default(void);

struct token_logprob {
    int32_t id;
    float logprob;
};

struct choice {
    int32_t id;
    float logprob; /* 0 unless log-probabilities were asked for, like `top` */
    int tops;
    struct token_logprob top[LOGPROBS_LIMIT]; /* likeliest first */
    double traced;                            /* `traced`: sampled_logprob() of the choice */
    const int32_t *kept; /* `traced`: [kepts] what steps 5 to 7 left, until the next choice; NULL: all */
    int kepts;
};

struct sampler {
    struct sampling sampling; /* `bias` is the sampler's own copy */
    struct rng rng;
    int32_t vocab;
    uint32_t *seen; /* [vocab] times generated, and a bit for the prompt; NULL without penalties */
    const uint32_t
        *allowed; /* a bit for each token, lowest first: may it be chosen next? NULL: any. The caller's */
};

/* STATUS_INPUT, naming the field, for a value out of its range or a bias outside the vocabulary. */
must_use enum status sampler_open(struct sampler *sampler, const struct sampling *sampling, int32_t vocab);
void sampler_close(struct sampler *sampler); /* also of a zeroed one */
/* What the penalties look at, whose memory is taken with the prompt. Ids outside the vocabulary are ignored. */
must_use enum status sampler_see_prompt(struct sampler *sampler, const int32_t *id, int count);
void sampler_see_generated(struct sampler *sampler, int32_t id);

struct sample_space {
    float *adjusted; /* [vocab] */
    uint64_t *key;   /* [vocab + 3] */
    int32_t *kept;   /* [vocab] */
    int32_t vocab;   /* of the largest sampler that may use it */
};
must_use enum status sample_space_open(struct sample_space *space, int32_t vocab);
void sample_space_close(struct sample_space *space); /* also of a zeroed one */

/* Chooses from logits [vocab]. STATUS_INTERNAL when no logit is a number above -infinity. */
must_use enum status sampler_choose(struct sampler *sampler, struct sample_space *space, const float *logits,
                                    struct choice *choice);

#endif
