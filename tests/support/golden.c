/* golden.c - see golden.h. Sums in double. */
#include "support/golden.h"

#include <math.h>

int64_t argmax_of(const float *logits, int64_t vocab) {
    int64_t best = 0;
    for (int64_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

static double log_sum(const float *x, int64_t n) {
    double highest = x[argmax_of(x, n)], sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp(x[i] - highest);
    return highest + log(sum);
}

static double row_divergence(const float *reference, const float *ours, int64_t n) {
    double a = log_sum(reference, n), b = log_sum(ours, n), sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp(reference[i] - a) * ((reference[i] - a) - (ours[i] - b));
    return sum;
}

static double top_gap(const float *x, int64_t n) {
    int64_t best = argmax_of(x, n);
    double second = -INFINITY;
    for (int64_t i = 0; i < n; i++)
        if (i != best && x[i] > second) second = x[i];
    return x[best] - second;
}

void difference_add(struct difference *sum, const float *reference, const float *ours, int64_t rows,
                    int64_t vocab) {
    for (int64_t r = 0; r < rows; r++) {
        const float *a = reference + r * vocab, *b = ours + r * vocab;
        for (int64_t i = 0; i < vocab; i++) {
            double d = fabs((double)a[i] - b[i]);
            if (!(d <= sum->largest)) sum->largest = d; /* NaN counts as larger */
        }
        sum->divergence = (sum->divergence * sum->rows + row_divergence(a, b, vocab)) / (sum->rows + 1);
        sum->flips += argmax_of(a, vocab) != argmax_of(b, vocab) && top_gap(a, vocab) > 0.1;
        sum->rows++;
    }
}
