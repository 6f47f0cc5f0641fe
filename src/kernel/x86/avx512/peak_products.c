/* peak_products.c - dot products of bytes (AVX512-VNNI) and of bf16 (AVX512-BF16), each of which select.c asks for
 * apart from the level. */
#include "kernel/peak.h"

#include <immintrin.h>

enum { SUMS = 16, BYTES = 64, PAIRS = 32 };

static float multiply_bytes(int64_t rounds) {
    const __m512i a = _mm512_set1_epi8(5), b = _mm512_set1_epi8(3);
    __m512i sum[SUMS];
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) sum[k] = _mm512_set1_epi8((char)k);
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] = _mm512_dpbusd_epi32(sum[k], a, b);
#pragma GCC unroll 16
    for (int k = 1; k < SUMS; k++) sum[0] = _mm512_add_epi32(sum[0], sum[k]);
    return _mm512_cvtss_f32(_mm512_cvtepi32_ps(sum[0]));
}

static float multiply_pairs(int64_t rounds) {
    const __m512 ones = _mm512_set1_ps(1.0f);
    const __m512bh a = _mm512_cvtne2ps_pbh(ones, ones);
    __m512 sum[SUMS];
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) sum[k] = _mm512_set1_ps((float)k);
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] = _mm512_dpbf16_ps(sum[k], a, a);
#pragma GCC unroll 16
    for (int k = 1; k < SUMS; k++) sum[0] = _mm512_add_ps(sum[0], sum[k]);
    return _mm512_cvtss_f32(sum[0]);
}

void avx512_add_int8_peak(struct peak_kernels *peaks) {
    peaks->multiply[PEAK_INT8].run = multiply_bytes;
    peaks->multiply[PEAK_INT8].operations = 2 * SUMS * BYTES;
}

void avx512_add_bf16_peak(struct peak_kernels *peaks) {
    peaks->multiply[PEAK_BF16].run = multiply_pairs;
    peaks->multiply[PEAK_BF16].operations = 2 * SUMS * PAIRS;
}
