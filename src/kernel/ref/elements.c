/* elements.c - element by element operations at the scalar level. All but the sums are defined by
 * single rounded operations and have the same bits at every level. */
#include "kernel/level.h"

#include <math.h>
#include <string.h>

static float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Unsigned arithmetic on the bits: whatever NaN leaves there is harmless, the result is NaN anyway. */
static float exponential(float x) {
    x = x < exp_lowest ? exp_lowest : x;
    x = x > exp_highest ? exp_highest : x;
    float shifted = x * exp_log2_e + exp_round, n = shifted - exp_round;
    uint32_t shifted_bits, round_bits;
    memcpy(&shifted_bits, &shifted, sizeof shifted_bits);
    memcpy(&round_bits, &exp_round, sizeof round_bits);
    int32_t power = (int32_t)(shifted_bits - round_bits), half = power >> 1;
    float r = (x - n * exp_ln2_high) - n * exp_ln2_low;
    float p = exp_terms[4];
    for (int i = 3; i >= 0; i--) p = p * r + exp_terms[i];
    p = 1.0f + (r + (r * r) * p);
    return p * float_of((uint32_t)(half + 127) << 23) *
           float_of(((uint32_t)power - (uint32_t)half + 127u) << 23);
}

static void rms_norm(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * (double)x[i];
    float mean = (float)(sum / (double)(n > 0 ? n : 1)), factor = 1.0f / sqrtf(mean + epsilon);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

/* The numerator stops at the largest finite number, so that silu(-infinity) is -0 and not NaN. */
static void silu_multiply(const float *gate, const float *up, float *y, int64_t n) {
    const float lowest = -0x1.fffffep+127f;
    for (int64_t i = 0; i < n; i++) {
        float numerator = gate[i] < lowest ? lowest : gate[i];
        y[i] = numerator / (1.0f + exponential(-gate[i])) * up[i];
    }
}

static float exp_sum(float *x, int64_t n, float maximum) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = exponential(x[i] - maximum);
        sum += (double)x[i];
    }
    return (float)sum;
}

static void add(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

static void scale(float a, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] *= a;
}

static float maximum(const float *x, int64_t n) {
    float best = -INFINITY;
    for (int64_t i = 0; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}

static void softmax_fold(const struct softmax_fold *op) {
    for (int64_t r = 0; r < op->rows; r++) {
        int64_t seen = op->keys + r * op->keys_step, keys = seen < FOLD_KEYS ? seen : FOLD_KEYS;
        float *score = op->score + r * FOLD_KEYS, before = op->maximum[r];
        scale(op->scale, score, keys);
        float highest = maximum(score, keys), now = highest > before ? highest : before;
        op->shrink[r] = before;
        exp_sum(&op->shrink[r], 1, now);
        op->sum[r] = op->sum[r] * op->shrink[r] + exp_sum(score, keys, now);
        op->maximum[r] = now;
        memset(score + keys, 0, (size_t)(FOLD_KEYS - keys) * sizeof *score);
    }
}

void reference_add_elements(struct kernels *kernels) {
    kernels->rms_norm = rms_norm;
    kernels->silu_multiply = silu_multiply;
    kernels->exp_sum = exp_sum;
    kernels->add = add;
    kernels->scale = scale;
    kernels->maximum = maximum;
    kernels->softmax_fold = softmax_fold;
}
