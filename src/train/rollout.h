/* rollout.h - answers of the model that is being trained, made by the engine that serves: many prompts at once, a prompt's pages
 * shared by its group, on the trainer's own weights and backend.
 *
 * With the trainer `strict` the log-probability that a token was sampled with is, bit for bit, the one that the trainer
 * computes for it (sampled_logprob() of equal logits). What is sampled depends on weights, prompt and seed alone, not
 * on how many answers are made at once. Owned by the trainer's thread, which does nothing else meanwhile. */
#ifndef HADAL_TRAIN_ROLLOUT_H
#define HADAL_TRAIN_ROLLOUT_H

#include "engine/answers.h"
#include "train/trainer.h"

struct rollout_answer {
    int32_t *id;       /* [tokens] the end token included */
    double *logprob;   /* [tokens] of each, among what could be sampled; NULL at temperature 0 */
    int32_t *kept;     /* what could be sampled, token by token; NULL: the whole vocabulary */
    int64_t *kept_end; /* [tokens] where that ends */
    int tokens, capacity;
    int64_t kept_capacity;
    bool truncated; /* it has no end */
};
void rollout_answer_free(struct rollout_answer *answer); /* zeroed allowed */

struct rollout;
struct rollout_options {
    struct trainer *trainer;
    struct tokenizer *tokenizer; /* for its end token; NULL: the model's alone */
    int64_t context;             /* tokens of prompt and answer */
    int at_once;                 /* answers; no more than the trainer's rows */
};
must_use enum status rollout_open(struct rollout **rollout, const struct rollout_options *options);
/* Over an engine of the caller's whose weights stay what they are: a teacher's. It must outlive the rollout. */
must_use enum status rollout_open_engine(struct rollout **rollout, struct engine *engine);
void rollout_close(struct rollout *rollout); /* NULL allowed; before the trainer */

struct rollout_prompt {
    const int32_t *id;
    int tokens;
    uint64_t seed;
};
struct rollout_request {
    const struct rollout_prompt *prompt;
    int prompts, group; /* answers to each prompt */
    struct sampling
        sampling; /* temperature 0: the likeliest. Its seed and `traced` are set from the prompts' */
    int longest;  /* tokens of an answer */
    bool (*going)(void *context); /* false: stop with STATUS_CANCELLED; NULL: go on */
    void *context;
};
/* answer [prompts * group], zeroed: those of prompt p from p * group on. Freed by the caller, also on failure. */
must_use enum status rollout_run(struct rollout *rollout, const struct rollout_request *request,
                                 struct rollout_answer *answer);

#endif
