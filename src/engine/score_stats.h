/* score_stats.h - what is gathered over predicted tokens: perplexity, and how far one model's predictions are from
 * another's. Means with their standard errors, as if tokens were independent. One thread at a time. */
#ifndef HADAL_ENGINE_SCORE_STATS_H
#define HADAL_ENGINE_SCORE_STATS_H

#include "base/status.h"

#include <stdint.h>

struct estimate {
    double value, error; /* the standard error; 0 where there is one observation or none */
};

/* Sums of a quantity and of its square. */
struct moments {
    int64_t count;
    double sum, squares;
};
void moments_add(struct moments *moments, double value);
struct estimate moments_mean(const struct moments *moments);
/* e to the mean, for perplexity out of losses. */
struct estimate moments_exp_mean(const struct moments *moments);

struct comparison {
    struct moments loss, base_loss; /* nats */
    struct moments divergence;      /* KL(base || model), nats */
    struct moments difference;      /* of the target's probability, model - base */
    struct moments squared_difference;
    double products; /* sum of loss * base_loss */
    int64_t same_top;
    float *divergences; /* one for each token, for the percentiles */
    int64_t capacity;
};

/* Room for `tokens` observations. */
must_use enum status comparison_open(struct comparison *comparison, int64_t tokens);
void comparison_close(struct comparison *comparison); /* zeroed allowed */
/* One token: the log-probabilities [vocab] of both, and what followed. */
void comparison_add(struct comparison *comparison, const float *base, const float *model, int64_t vocab,
                    int32_t target);

struct comparison_result {
    int64_t tokens;
    struct estimate perplexity, base_perplexity;
    struct estimate log_ratio, ratio; /* of perplexity to base_perplexity; errors with their covariance */
    struct estimate divergence;
    double median, percentile_90, percentile_99, percentile_999, largest; /* of the divergences */
    struct estimate same_top; /* share of tokens for which both hold the same one likeliest */
    struct estimate difference, rms_difference;
};
/* Sorts the divergences. */
struct comparison_result comparison_finish(struct comparison *comparison);

#endif
