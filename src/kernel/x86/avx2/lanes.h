/* lanes.h - how the eight lanes of a sum become one number at this level, always in this order. */
#ifndef HADAL_KERNEL_X86_AVX2_LANES_H
#define HADAL_KERNEL_X86_AVX2_LANES_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 8 };

/* Lanes i and i + 4, then i and i + 2, i + 1. */
INLINE float sum_lanes(__m256 v) {
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* All lanes, or those of the last step. */
INLINE __m256i lanes_left(int64_t elements) {
    int lanes = elements >= LANES ? LANES : (int)elements;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

#endif
