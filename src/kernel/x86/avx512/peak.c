/* peak.c - the loops of the avx512 level. Sums tend to 2, so that no value is denormal or infinite; they
 * begin apart, so that the compiler cannot see one in another. */
#include "kernel/peak.h"

#include <immintrin.h>

enum { SUMS = 16, LINE = 64, LINES = 4, AHEAD_BYTES = 4096, LANES = 16 };

static uint64_t read_lines(const void *data, int64_t bytes) {
    const uint8_t *at = data;
    __m512i sum[LINES];
#pragma GCC unroll 16
    for (int k = 0; k < LINES; k++) sum[k] = _mm512_setzero_si512();
    for (int64_t i = 0; i < bytes; i += LINES * LINE)
#pragma GCC unroll 16
        for (int k = 0; k < LINES; k++) {
            _mm_prefetch((const char *)at + i + AHEAD_BYTES + k * LINE, _MM_HINT_T0);
            sum[k] = _mm512_add_epi64(sum[k], _mm512_load_si512((const void *)(at + i + k * LINE)));
        }
    sum[0] = _mm512_add_epi64(_mm512_add_epi64(sum[0], sum[1]), _mm512_add_epi64(sum[2], sum[3]));
    return (uint64_t)_mm512_reduce_add_epi64(sum[0]);
}

static void copy_lines(void *to, const void *from, int64_t bytes) {
    const uint8_t *source = from;
    uint8_t *target = to;
    for (int64_t i = 0; i < bytes; i += LINE) {
        _mm_prefetch((const char *)source + i + AHEAD_BYTES, _MM_HINT_T0);
        _mm512_stream_si512((__m512i *)(void *)(target + i), _mm512_load_si512((const void *)(source + i)));
    }
    _mm_sfence();
}

static float multiply_floats(int64_t rounds) {
    const __m512 half = _mm512_set1_ps(0.5f), one = _mm512_set1_ps(1.0f);
    __m512 sum[SUMS], total = _mm512_setzero_ps();
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) sum[k] = _mm512_set1_ps((float)k);
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] = _mm512_fmadd_ps(sum[k], half, one);
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) total = _mm512_add_ps(total, sum[k]);
    return _mm512_cvtss_f32(total);
}

void avx512_add_peaks(struct peak_kernels *peaks) {
    peaks->read = read_lines;
    peaks->copy = copy_lines;
    peaks->multiply[PEAK_F32].run = multiply_floats;
    peaks->multiply[PEAK_F32].operations = 2 * SUMS * LANES;
}
