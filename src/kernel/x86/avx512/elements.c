/* elements.c - element by element operations with 512-bit registers: the same rounded operations in
 * the same order as at the scalar level, hence the same bits; only the two sums have 16 lanes, added
 * in the order of sum_lanes(). */
#include "kernel/level.h"
#include "kernel/x86/avx512/lanes.h"

INLINE __m512 power_of_two(__m512i exponent) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(exponent, _mm512_set1_epi32(127)), 23));
}

/* Operand order of the two limits: a NaN in x comes out. */
INLINE __m512 exponential(__m512 x) {
    const __m512 shift = _mm512_set1_ps(exp_round);
    x = _mm512_max_ps(_mm512_set1_ps(exp_lowest), x);
    x = _mm512_min_ps(_mm512_set1_ps(exp_highest), x);
    __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(exp_log2_e)), shift);
    __m512 n = _mm512_sub_ps(shifted, shift);
    __m512i power = _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(shift));
    __m512i half = _mm512_srai_epi32(power, 1);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(n, _mm512_set1_ps(exp_ln2_high)));
    r = _mm512_sub_ps(r, _mm512_mul_ps(n, _mm512_set1_ps(exp_ln2_low)));
    __m512 p = _mm512_set1_ps(exp_terms[4]);
    for (int i = 3; i >= 0; i--) p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(exp_terms[i]));
    p = _mm512_add_ps(r, _mm512_mul_ps(_mm512_mul_ps(r, r), p));
    p = _mm512_add_ps(_mm512_set1_ps(1.0f), p);
    p = _mm512_mul_ps(p, power_of_two(half));
    return _mm512_mul_ps(p, power_of_two(_mm512_sub_epi32(power, half)));
}

static void rms_norm(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
    __m512 sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < n; i += LANES) {
        __m512 value = _mm512_maskz_loadu_ps(lanes_left(n - i), x + i);
        sum = _mm512_fmadd_ps(value, value, sum);
    }
    __m128 mean = _mm_set_ss(sum_lanes(sum) / (float)(n > 0 ? n : 1) + epsilon);
    __m512 factor = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 mask = lanes_left(n - i);
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), factor);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(value, _mm512_maskz_loadu_ps(mask, weight + i)));
    }
}

static void silu_multiply(const float *gate, const float *up, float *y, int64_t n) {
    const __m512 lowest = _mm512_set1_ps(-0x1.fffffep+127f), sign = _mm512_set1_ps(-0.0f),
                 one = _mm512_set1_ps(1.0f);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 mask = lanes_left(n - i);
        __m512 g = _mm512_maskz_loadu_ps(mask, gate + i);
        __m512 below = _mm512_add_ps(one, exponential(_mm512_xor_ps(g, sign)));
        __m512 value = _mm512_div_ps(_mm512_max_ps(lowest, g), below);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(value, _mm512_maskz_loadu_ps(mask, up + i)));
    }
}

static float exp_sum(float *x, int64_t n, float maximum) {
    __m512 sum = _mm512_setzero_ps(), highest = _mm512_set1_ps(maximum);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 mask = lanes_left(n - i);
        __m512 value = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), highest));
        _mm512_mask_storeu_ps(x + i, mask, value);
        sum = _mm512_mask_add_ps(sum, mask, sum, value);
    }
    return sum_lanes(sum);
}

static void add(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 mask = lanes_left(n - i);
        __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, y + i), _mm512_maskz_loadu_ps(mask, x + i));
        _mm512_mask_storeu_ps(y + i, mask, sum);
    }
}

static void scale(float a, float *y, int64_t n) {
    __m512 factor = _mm512_set1_ps(a);
    for (int64_t i = 0; i < n; i += LANES) {
        __mmask16 mask = lanes_left(n - i);
        _mm512_mask_storeu_ps(y + i, mask, _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, y + i), factor));
    }
}

/* max returns its second operand when the first is NaN. */
static float maximum(const float *x, int64_t n) {
    const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
    __m512 best = lowest;
    for (int64_t i = 0; i < n; i += LANES)
        best = _mm512_max_ps(_mm512_mask_loadu_ps(lowest, lanes_left(n - i), x + i), best);
    return _mm512_reduce_max_ps(best);
}

/* The largest of the first `keys` scaled scores. */
INLINE float highest_scaled(const float *score, int64_t keys, __m512 factor) {
    const __m512 lowest = _mm512_set1_ps(-__builtin_inff());
    __m512 best = lowest;
#pragma GCC unroll 4
    for (int i = 0; i < FOLD_KEYS; i += LANES) {
        __mmask16 mask = i < keys ? lanes_left(keys - i) : 0;
        __m512 value = _mm512_mul_ps(_mm512_loadu_ps(score + i), factor);
        best = _mm512_mask_max_ps(best, mask, value, best);
    }
    return _mm512_reduce_max_ps(best);
}

/* Weights in place; their sum in the order of exp_sum. */
INLINE float weigh(float *score, int64_t keys, __m512 factor, float maximum) {
    __m512 sum = _mm512_setzero_ps(), highest = _mm512_set1_ps(maximum);
#pragma GCC unroll 4
    for (int i = 0; i < FOLD_KEYS; i += LANES) {
        __mmask16 mask = i < keys ? lanes_left(keys - i) : 0;
        __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(score + i), factor);
        __m512 value = _mm512_maskz_mov_ps(mask, exponential(_mm512_sub_ps(scaled, highest)));
        _mm512_storeu_ps(score + i, value);
        sum = _mm512_mask_add_ps(sum, mask, sum, value);
    }
    return sum_lanes(sum);
}

/* Maxima of all rows first, so that sixteen rows share one exponential of what they shrink by. */
static void softmax_fold(const struct softmax_fold *op) {
    __m512 factor = _mm512_set1_ps(op->scale);
    for (int64_t r = 0; r < op->rows; r++) {
        float highest = highest_scaled(op->score + r * FOLD_KEYS, op->keys + r * op->keys_step, factor);
        float before = op->maximum[r], now = highest > before ? highest : before;
        op->shrink[r] = before - now;
        op->maximum[r] = now;
    }
    for (int64_t r = 0; r < op->rows; r += LANES) {
        __mmask16 mask = lanes_left(op->rows - r);
        _mm512_mask_storeu_ps(op->shrink + r, mask, exponential(_mm512_maskz_loadu_ps(mask, op->shrink + r)));
    }
    for (int64_t r = 0; r < op->rows; r++) {
        float sum = weigh(op->score + r * FOLD_KEYS, op->keys + r * op->keys_step, factor, op->maximum[r]);
        op->sum[r] = op->sum[r] * op->shrink[r] + sum;
    }
}

void avx512_add_elements(struct kernels *kernels) {
    kernels->rms_norm = rms_norm;
    kernels->silu_multiply = silu_multiply;
    kernels->exp_sum = exp_sum;
    kernels->add = add;
    kernels->scale = scale;
    kernels->maximum = maximum;
    kernels->softmax_fold = softmax_fold;
}
