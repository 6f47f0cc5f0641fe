/* lanes.h - how the sixteen lanes of a sum become one number at this level, always in this order. */
#ifndef HADAL_KERNEL_X86_AVX512_LANES_H
#define HADAL_KERNEL_X86_AVX512_LANES_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/* Lanes i and i + 8, then i and i + 4, i + 2, i + 1. */
INLINE float sum_lanes(__m512 v) {
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

/* All lanes, or those of the last step. */
INLINE __mmask16 lanes_left(int64_t elements) {
    return elements >= LANES ? 0xffff : (__mmask16)((1u << elements) - 1);
}

#endif
