/* elements.c - element by element operations with 256-bit registers: the same rounded operations in
 * the same order as at the scalar level, hence the same bits; only the two sums have 8 lanes, added in
 * the order of sum_lanes(). The last step loads and stores under a mask. */
#include "kernel/level.h"
#include "kernel/x86/avx2/lanes.h"

#include <string.h>

INLINE __m256 power_of_two(__m256i exponent) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23));
}

/* Operand order of the two limits: a NaN in x comes out. */
INLINE __m256 exponential(__m256 x) {
    const __m256 shift = _mm256_set1_ps(exp_round);
    x = _mm256_max_ps(_mm256_set1_ps(exp_lowest), x);
    x = _mm256_min_ps(_mm256_set1_ps(exp_highest), x);
    __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(exp_log2_e)), shift);
    __m256 n = _mm256_sub_ps(shifted, shift);
    __m256i power = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(shift));
    __m256i half = _mm256_srai_epi32(power, 1);
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(n, _mm256_set1_ps(exp_ln2_high)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(n, _mm256_set1_ps(exp_ln2_low)));
    __m256 p = _mm256_set1_ps(exp_terms[4]);
    for (int i = 3; i >= 0; i--) p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(exp_terms[i]));
    p = _mm256_add_ps(r, _mm256_mul_ps(_mm256_mul_ps(r, r), p));
    p = _mm256_add_ps(_mm256_set1_ps(1.0f), p);
    p = _mm256_mul_ps(p, power_of_two(half));
    return _mm256_mul_ps(p, power_of_two(_mm256_sub_epi32(power, half)));
}

static void rms_norm(const float *x, const float *weight, float *y, int64_t n, float epsilon) {
    __m256 sum = _mm256_setzero_ps();
    for (int64_t i = 0; i < n; i += LANES) {
        __m256 value = _mm256_maskload_ps(x + i, lanes_left(n - i));
        sum = _mm256_fmadd_ps(value, value, sum);
    }
    __m128 mean = _mm_set_ss(sum_lanes(sum) / (float)(n > 0 ? n : 1) + epsilon);
    __m256 factor = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(mean)));
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        __m256 value = _mm256_mul_ps(_mm256_maskload_ps(x + i, mask), factor);
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(value, _mm256_maskload_ps(weight + i, mask)));
    }
}

static void silu_multiply(const float *gate, const float *up, float *y, int64_t n) {
    const __m256 lowest = _mm256_set1_ps(-0x1.fffffep+127f), sign = _mm256_set1_ps(-0.0f),
                 one = _mm256_set1_ps(1.0f);
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        __m256 g = _mm256_maskload_ps(gate + i, mask);
        __m256 below = _mm256_add_ps(one, exponential(_mm256_xor_ps(g, sign)));
        __m256 value = _mm256_div_ps(_mm256_max_ps(lowest, g), below);
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(value, _mm256_maskload_ps(up + i, mask)));
    }
}

static float exp_sum(float *x, int64_t n, float maximum) {
    __m256 sum = _mm256_setzero_ps(), highest = _mm256_set1_ps(maximum);
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        __m256 value = exponential(_mm256_sub_ps(_mm256_maskload_ps(x + i, mask), highest));
        _mm256_maskstore_ps(x + i, mask, value);
        sum = _mm256_add_ps(sum, _mm256_and_ps(value, _mm256_castsi256_ps(mask)));
    }
    return sum_lanes(sum);
}

static void add(const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        _mm256_maskstore_ps(y + i, mask,
                            _mm256_add_ps(_mm256_maskload_ps(y + i, mask), _mm256_maskload_ps(x + i, mask)));
    }
}

static void scale(float a, float *y, int64_t n) {
    __m256 factor = _mm256_set1_ps(a);
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        _mm256_maskstore_ps(y + i, mask, _mm256_mul_ps(_mm256_maskload_ps(y + i, mask), factor));
    }
}

/* max returns its second operand when the first is NaN. */
static float maximum(const float *x, int64_t n) {
    const __m256 lowest = _mm256_set1_ps(-__builtin_inff());
    __m256 best = lowest;
    for (int64_t i = 0; i < n; i += LANES) {
        __m256i mask = lanes_left(n - i);
        __m256 value = _mm256_blendv_ps(lowest, _mm256_maskload_ps(x + i, mask), _mm256_castsi256_ps(mask));
        best = _mm256_max_ps(value, best);
    }
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(best), _mm256_extractf128_ps(best, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
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

void avx2_add_elements(struct kernels *kernels) {
    kernels->rms_norm = rms_norm;
    kernels->silu_multiply = silu_multiply;
    kernels->exp_sum = exp_sum;
    kernels->add = add;
    kernels->scale = scale;
    kernels->maximum = maximum;
    kernels->softmax_fold = softmax_fold;
}
