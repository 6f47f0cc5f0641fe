/* columns.c - rounding a matrix that lies by inputs into panels of int8, sixteen outputs at once: a lane is an output all
 * the way, so that nothing has to change places. */
#include "kernel/level.h"
#include "kernel/panel_layout.h"
#include "kernel/x86/avx512/lanes.h"

enum { BLOCK = 32, LARGEST_HALF = 0x7bff, NAN_HALF = 0x7e00 };

/* Scales of a block, written as f16; returns what numbers are multiplied by. */
INLINE __m512 block_scales(__m512i largest_bits, __mmask16 finite, uint8_t *scale) {
    __m512 largest = _mm512_castsi512_ps(largest_bits);
    __m256i half = _mm512_cvtps_ph(_mm512_div_ps(largest, _mm512_set1_ps(127)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __mmask16 small =
        _mm512_cmp_ps_mask(_mm512_mul_ps(_mm512_cvtph_ps(half), _mm512_set1_ps(127)), largest, _CMP_LT_OQ);
    half = _mm256_mask_add_epi16(half, small, half, _mm256_set1_epi16(1));
    half = _mm256_min_epu16(half, _mm256_set1_epi16(LARGEST_HALF));
    __m512 value = _mm512_cvtph_ps(half);
    half = _mm256_mask_blend_epi16(finite, _mm256_set1_epi16(NAN_HALF), half);
    _mm256_storeu_si256((__m256i *)(void *)scale, half);
    __mmask16 nonzero = _mm512_cmp_ps_mask(value, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_div_ps(nonzero & finite, _mm512_set1_ps(1), value);
}

/* Four inputs of sixteen outputs as bytes side by side. */
INLINE __m512i four_bytes(const float *x, int64_t stride, __mmask16 outs, __mmask16 finite, __m512 inverse) {
    const __m512i low = _mm512_set1_epi32(0xff);
    __m512i whole[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m512 value = _mm512_mul_ps(_mm512_maskz_loadu_ps(outs, x + i * stride), inverse);
        value = _mm512_max_ps(_mm512_min_ps(value, _mm512_set1_ps(127)), _mm512_set1_ps(-127));
        whole[i] = _mm512_maskz_cvtps_epi32(finite, value);
    }
    __m512i even = _mm512_or_si512(_mm512_and_si512(whole[0], low),
                                   _mm512_slli_epi32(_mm512_and_si512(whole[2], low), 16));
    __m512i odd = _mm512_or_si512(_mm512_slli_epi32(_mm512_and_si512(whole[1], low), 8),
                                  _mm512_slli_epi32(whole[3], 24));
    return _mm512_or_si512(even, odd);
}

INLINE void round_block(const float *x, int64_t stride, __mmask16 outs, uint8_t *value, uint8_t *scale) {
    const __m512i size = _mm512_set1_epi32(0x7fffffff), infinity = _mm512_set1_epi32(0x7f800000);
    __m512i largest = _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int i = 0; i < BLOCK; i++) {
        __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(outs, x + i * stride));
        largest = _mm512_max_epi32(largest, _mm512_and_si512(bits, size));
    }
    __mmask16 finite = _mm512_cmplt_epi32_mask(largest, infinity);
    __m512 inverse = block_scales(largest, finite, scale);
    for (int g = 0; g < BLOCK / 4; g++)
        _mm512_storeu_si512(value + g * 64, four_bytes(x + 4 * g * stride, stride, outs, finite, inverse));
}

static void columns(const float *x, int64_t x_stride, int64_t in, int64_t outs, uint8_t *panels) {
    for (int64_t o = 0; o < outs; o += LANES)
        for (int64_t i = 0; i < in; i += I8_UNIT, panels += I8_BYTES)
            for (int b = 0; b < 2; b++)
                round_block(x + (i + b * BLOCK) * x_stride + o, x_stride, lanes_left(outs - o),
                            panels + b * I8_SCALE / 2, panels + I8_SCALE + b * LANES * 2);
}

void avx512_add_columns(struct kernels *kernels) {
    kernels->panel_from_columns = columns;
}
