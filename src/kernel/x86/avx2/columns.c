/* columns.c - rounding a matrix that lies by inputs into panels of int8, eight outputs at once: a lane is an output all the
 * way, so that nothing has to change places. */
#include "kernel/level.h"
#include "kernel/panel_layout.h"
#include "kernel/x86/avx2/lanes.h"

enum { BLOCK = 32, LARGEST_HALF = 0x7bff, NAN_HALF = 0x7e00 };

/* Scales of a block, written as f16; returns what numbers are multiplied by. */
INLINE __m256 block_scales(__m256 largest, __m256 finite, uint8_t *scale) {
    __m128i half = _mm256_cvtps_ph(_mm256_div_ps(largest, _mm256_set1_ps(127)),
                                   _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256i small = _mm256_castps_si256(
        _mm256_cmp_ps(_mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(127)), largest, _CMP_LT_OQ));
    /* -1 where one has to be added */
    __m128i more = _mm_packs_epi32(_mm256_castsi256_si128(small), _mm256_extracti128_si256(small, 1));
    half = _mm_min_epu16(_mm_sub_epi16(half, more), _mm_set1_epi16(LARGEST_HALF));
    __m256 value = _mm256_cvtph_ps(half);
    __m256i whole = _mm256_castps_si256(finite);
    __m128i kept = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storeu_si128((__m128i *)(void *)scale, _mm_blendv_epi8(_mm_set1_epi16(NAN_HALF), half, kept));
    __m256 usable = _mm256_and_ps(_mm256_cmp_ps(value, _mm256_setzero_ps(), _CMP_GT_OQ), finite);
    return _mm256_and_ps(_mm256_div_ps(_mm256_set1_ps(1), value), usable);
}

/* Four inputs of eight outputs as bytes side by side. */
INLINE __m256i four_bytes(const float *x, int64_t stride, __m256i outs, __m256 finite, __m256 inverse) {
    const __m256i low = _mm256_set1_epi32(0xff);
    __m256i whole[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        __m256 value = _mm256_mul_ps(_mm256_maskload_ps(x + i * stride, outs), inverse);
        value = _mm256_max_ps(_mm256_min_ps(value, _mm256_set1_ps(127)), _mm256_set1_ps(-127));
        whole[i] = _mm256_cvtps_epi32(_mm256_and_ps(value, finite));
    }
    __m256i even = _mm256_or_si256(_mm256_and_si256(whole[0], low),
                                   _mm256_slli_epi32(_mm256_and_si256(whole[2], low), 16));
    __m256i odd = _mm256_or_si256(_mm256_slli_epi32(_mm256_and_si256(whole[1], low), 8),
                                  _mm256_slli_epi32(whole[3], 24));
    return _mm256_or_si256(even, odd);
}

INLINE void round_block(const float *x, int64_t stride, __m256i outs, uint8_t *value, uint8_t *scale) {
    const __m256i size = _mm256_set1_epi32(0x7fffffff), infinity = _mm256_set1_epi32(0x7f800000);
    __m256i largest = _mm256_setzero_si256();
    for (int i = 0; i < BLOCK; i++) {
        __m256i bits = _mm256_castps_si256(_mm256_maskload_ps(x + i * stride, outs));
        largest = _mm256_max_epi32(largest, _mm256_and_si256(bits, size));
    }
    __m256 finite = _mm256_castsi256_ps(_mm256_cmpgt_epi32(infinity, largest));
    __m256 inverse = block_scales(_mm256_castsi256_ps(largest), finite, scale);
    for (int g = 0; g < BLOCK / 4; g++)
        _mm256_storeu_si256((__m256i *)(void *)(value + g * 64),
                            four_bytes(x + 4 * g * stride, stride, outs, finite, inverse));
}

static void columns(const float *x, int64_t x_stride, int64_t in, int64_t outs, uint8_t *panels) {
    for (int64_t o = 0; o < outs; o += PANEL_OUTS)
        for (int64_t i = 0; i < in; i += I8_UNIT, panels += I8_BYTES)
            for (int part = 0; part < 4; part++) { /* blocks, and halves of the outputs */
                int b = part / 2, lane = part % 2 * LANES;
                int64_t left = outs - o - lane;
                round_block(x + (i + b * BLOCK) * x_stride + o + lane, x_stride,
                            lanes_left(left > 0 ? left : 0), panels + b * I8_SCALE / 2 + lane * 4,
                            panels + I8_SCALE + (b * PANEL_OUTS + lane) * 2);
            }
}

void avx2_add_columns(struct kernels *kernels) {
    kernels->panel_from_columns = columns;
}
