/* figures.c - see figures.h. Random numbers are those of a fixed seed, so that a report says the same each time. */
#include "eval/figures.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { RESAMPLES = 10000 };
static const double z95 = 1.959963984540054; /* of the normal distribution */

static double mean_of(const double *value, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += value[i];
    return count ? sum / count : 0;
}

struct share share_of(const double *mean, int questions) {
    double p = mean_of(mean, questions), scatter = 0, n = questions;
    if (questions < 1) return (struct share){0, 0, 1};
    for (int i = 0; i < questions; i++) scatter += (mean[i] - p) * (mean[i] - p);
    scatter /= n;
    if (scatter > 0)
        n *= p * (1 - p) / scatter; /* no less than the questions: means scatter less than outcomes */
    double middle = (p + z95 * z95 / (2 * n)) / (1 + z95 * z95 / n);
    double half = z95 / (1 + z95 * z95 / n) * sqrt(p * (1 - p) / n + z95 * z95 / (4 * n * n));
    return (struct share){p, fmax(0, middle - half), fmin(1, middle + half)};
}

double pass_at(int samples, int right, int k) {
    double none = 1;
    MUST(k >= 1 && k <= samples && right >= 0 && right <= samples);
    if (samples - right < k) return 1;
    for (int i = samples - right + 1; i <= samples; i++) none *= 1 - (double)k / i;
    return 1 - none;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int count, double share) {
    double place = share * (count - 1);
    int below = (int)place, above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

enum status paired_compare(const double *first, const double *second, int questions, struct paired *paired) {
    struct rng rng;
    double *drawn = malloc(RESAMPLES * sizeof *drawn);
    int larger = 0;
    *paired = (struct paired){.questions = questions, .chance = 1};
    if (!drawn) return fail(STATUS_MEMORY, "no memory for a comparison");
    rng_seed(&rng, 1);
    paired->difference = mean_of(second, questions) - mean_of(first, questions);
    for (int r = 0; r < RESAMPLES && questions; r++) {
        double resampled = 0, turned = 0;
        for (int i = 0; i < questions; i++) {
            int at = (int)(rng_uniform(&rng) * questions);
            double difference = second[i] - first[i];
            resampled += second[at] - first[at];
            turned += rng_next(&rng) >> 63 ? difference : -difference;
        }
        drawn[r] = resampled / questions;
        larger += fabs(turned / questions) >= fabs(paired->difference) - 1e-12;
    }
    if (questions) {
        qsort(drawn, RESAMPLES, sizeof *drawn, by_value);
        paired->low = quantile(drawn, RESAMPLES, 0.025);
        paired->high = quantile(drawn, RESAMPLES, 0.975);
        paired->chance = (larger + 1.0) / (RESAMPLES + 1.0);
    }
    free(drawn);
    return STATUS_OK;
}

struct mcnemar mcnemar_test(const double *first, const double *second, int questions) {
    struct mcnemar test = {.chance = 1};
    for (int i = 0; i < questions; i++) {
        test.first_only += first[i] > 0.5 && second[i] < 0.5;
        test.second_only += first[i] < 0.5 && second[i] > 0.5;
    }
    int n = test.first_only + test.second_only;
    int fewer = test.first_only < test.second_only ? test.first_only : test.second_only;
    double sum = 0;
    for (int i = 0; i <= fewer; i++)
        sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) - n * log(2));
    if (n) test.chance = fmin(1, 2 * sum);
    return test;
}
