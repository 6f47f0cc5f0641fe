/* policy.h - what a policy is to learn from answers and their rewards: GRPO (arXiv 2402.03300) and what became of it, as
 * derivatives by the log-probability of each sampled token. Pure functions and plain data.
 *
 * With r = now / old, the ratio of a token's probabilities, and A the answer's advantage the loss of a token is
 *     -min(r A, clip(r, 1 - clip_low, 1 + clip_high) A) + kl * KL(now || reference)
 * where for A < 0 it is at most -dual_clip * A. With RATIO_SEQUENCE r is the geometric mean over the answer (GSPO,
 * arXiv 2507.18071), whose bounds are narrower. */
#ifndef HADAL_TRAIN_POLICY_H
#define HADAL_TRAIN_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum policy_advantage {
    ADVANTAGE_MEAN, /* reward - mean of the group */
    ADVANTAGE_STD   /* the same in units of the group's deviation */
};
enum policy_ratio { RATIO_TOKEN, RATIO_SEQUENCE };
enum policy_normaliser {                     /* what the sum over all tokens is divided by */
                         NORMALISE_CONSTANT, /* answers * the longest that is allowed (arXiv 2503.20783) */
                         NORMALISE_TOKENS,   /* tokens of all answers (arXiv 2503.14476) */
                         NORMALISE_SEQUENCES /* answers, and each answer's sum by its own tokens */
};

struct policy_options {
    enum policy_advantage advantage;
    enum policy_ratio ratio;
    enum policy_normaliser normaliser;
    int longest;                           /* tokens of an answer, for NORMALISE_CONSTANT */
    double clip_low, clip_high, dual_clip; /* dual_clip 0: none */
    double kl;
    bool
        kl_unbiased; /* the estimate is weighted by the ratio, so that its derivative is that of the KL divergence */
    double off_policy; /* answers with A < 0 whose mean of log(old / now) is above it are left out; 0: none */
};

/* Rewards [count] of a group to advantages. False: all are equal, and all advantages 0. */
bool policy_advantages(enum policy_advantage kind, const double *reward, int count, double *advantage);

struct policy_answer {
    const double *now, *old, *reference; /* [tokens] log-probabilities; reference NULL without kl */
    int tokens;
    double advantage;
};

struct policy_sums { /* over the tokens of answers */
    double loss;
    double kl;                         /* of the plain estimate */
    double deviation;                  /* largest |now / old - 1| of a token */
    double clipped_low, clipped_high;  /* tokens without a derivative for their ratio */
    int64_t tokens, answers, left_out; /* left_out: answers, by off_policy */
};

/* What the loss of each token is multiplied by, for `tokens` of one answer out of so many. */
double policy_share(const struct policy_options *options, int tokens, int64_t all_answers,
                    int64_t all_tokens);

/* The derivative of the loss by each token's log-probability goes to slope [tokens]. */
void policy_slopes(const struct policy_options *options, const struct policy_answer *answer, double share,
                   double *slope, struct policy_sums *sums);

/* What is taken off the reward of an answer that nears its limit: 0 up to `longest - cache` tokens, 1 at `longest`. */
double policy_overlong(int tokens, int longest, int cache);

#endif
