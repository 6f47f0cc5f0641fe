/* score_stats.c - sums, and what they say. */
#include "engine/score_stats.h"

#include "engine/score.h"

#include <math.h>
#include <stdlib.h>

void moments_add(struct moments *moments, double value) {
    moments->count++;
    moments->sum += value;
    moments->squares += value * value;
}

struct estimate moments_mean(const struct moments *moments) {
    struct estimate mean = {0, 0};
    if (!moments->count) return mean;
    double count = (double)moments->count;
    mean.value = moments->sum / count;
    double variance = moments->squares / count - mean.value * mean.value;
    if (moments->count > 1 && variance > 0) mean.error = sqrt(variance / (count - 1));
    return mean;
}

struct estimate moments_exp_mean(const struct moments *moments) {
    struct estimate mean = moments_mean(moments);
    return (struct estimate){exp(mean.value), exp(mean.value) * mean.error};
}

enum status comparison_open(struct comparison *comparison, int64_t tokens) {
    *comparison = (struct comparison){.capacity = tokens};
    comparison->divergences = calloc((size_t)(tokens ? tokens : 1), sizeof *comparison->divergences);
    if (comparison->divergences) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for the divergences of %lld tokens", (long long)tokens);
}

void comparison_close(struct comparison *comparison) {
    free(comparison->divergences);
    *comparison = (struct comparison){0};
}

/* Tokens that the base holds impossible add nothing: p log p goes to 0. */
static double divergence_of(const float *base, const float *model, int64_t vocab) {
    double sum = 0;
    for (int64_t i = 0; i < vocab; i++) {
        float p = expf(base[i]);
        if (p > 0) sum += (double)p * ((double)base[i] - model[i]);
    }
    return sum;
}

void comparison_add(struct comparison *comparison, const float *base, const float *model, int64_t vocab,
                    int32_t target) {
    double loss = -model[target], base_loss = -base[target];
    double divergence = divergence_of(base, model, vocab), difference = exp(-loss) - exp(-base_loss);
    MUST(comparison->divergence.count < comparison->capacity);
    comparison->divergences[comparison->divergence.count] = (float)divergence;
    moments_add(&comparison->loss, loss);
    moments_add(&comparison->base_loss, base_loss);
    moments_add(&comparison->divergence, divergence);
    moments_add(&comparison->difference, difference);
    moments_add(&comparison->squared_difference, difference * difference);
    comparison->products += loss * base_loss;
    comparison->same_top += score_likeliest(base, vocab) == score_likeliest(model, vocab);
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Between the two nearest of the sorted ones. */
static double percentile(const float *sorted, int64_t count, double share) {
    if (!count) return 0;
    double at = share * (double)(count - 1);
    int64_t below = (int64_t)at, above = below + 1 < count ? below + 1 : below;
    double rest = at - (double)below;
    return (1 - rest) * sorted[below] + rest * sorted[above];
}

/* The losses of one text are correlated, so that their difference is known better than either. */
static struct estimate log_ratio_of(const struct comparison *comparison) {
    struct estimate loss = moments_mean(&comparison->loss), base = moments_mean(&comparison->base_loss);
    struct estimate ratio = {loss.value - base.value, 0};
    double count = (double)comparison->loss.count;
    if (count < 2) return ratio;
    double covariance = (comparison->products / count - loss.value * base.value) / (count - 1);
    double variance = loss.error * loss.error + base.error * base.error - 2 * covariance;
    ratio.error = variance > 0 ? sqrt(variance) : 0;
    return ratio;
}

struct comparison_result comparison_finish(struct comparison *comparison) {
    int64_t count = comparison->divergence.count;
    float *sorted = comparison->divergences;
    qsort(sorted, (size_t)count, sizeof *sorted, ascending);
    struct comparison_result result = {.tokens = count,
                                       .perplexity = moments_exp_mean(&comparison->loss),
                                       .base_perplexity = moments_exp_mean(&comparison->base_loss),
                                       .log_ratio = log_ratio_of(comparison),
                                       .divergence = moments_mean(&comparison->divergence),
                                       .median = percentile(sorted, count, 0.5),
                                       .percentile_90 = percentile(sorted, count, 0.9),
                                       .percentile_99 = percentile(sorted, count, 0.99),
                                       .percentile_999 = percentile(sorted, count, 0.999),
                                       .largest = percentile(sorted, count, 1),
                                       .difference = moments_mean(&comparison->difference)};
    double ratio = exp(result.log_ratio.value);
    result.ratio = (struct estimate){ratio, ratio * result.log_ratio.error};
    double share = count ? (double)comparison->same_top / (double)count : 0;
    result.same_top =
        (struct estimate){share, count > 1 ? sqrt(share * (1 - share) / (double)(count - 1)) : 0};
    struct estimate square = moments_mean(&comparison->squared_difference);
    double root = sqrt(square.value);
    result.rms_difference = (struct estimate){root, root > 0 ? square.error / (2 * root) : 0};
    return result;
}
