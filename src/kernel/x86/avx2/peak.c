/* peak.c - the loops of the avx2 level. Sums tend to 2, so that no value is denormal or infinite; they
 * begin apart, so that the compiler cannot see one in another. */
#include "kernel/peak.h"

#include <immintrin.h>

enum { SUMS = 12, LINE = 64, AHEAD_BYTES = 2048, LANES = 8, BYTES = 32 };

static uint64_t read_lines(const void *data, int64_t bytes) {
    const uint8_t *at = data;
    __m256i sum[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                      _mm256_setzero_si256()};
    for (int64_t i = 0; i < bytes; i += 2 * LINE) {
        _mm_prefetch((const char *)at + i + AHEAD_BYTES, _MM_HINT_T0);
        _mm_prefetch((const char *)at + i + AHEAD_BYTES + LINE, _MM_HINT_T0);
#pragma GCC unroll 16
        for (int k = 0; k < 4; k++)
            sum[k] = _mm256_add_epi64(sum[k],
                                      _mm256_load_si256((const __m256i *)(const void *)(at + i + BYTES * k)));
    }
    uint64_t word[4];
    _mm256_storeu_si256((__m256i *)(void *)word,
                        _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3])));
    return word[0] + word[1] + word[2] + word[3];
}

static void copy_lines(void *to, const void *from, int64_t bytes) {
    const uint8_t *source = from;
    uint8_t *target = to;
    for (int64_t i = 0; i < bytes; i += LINE) {
        _mm_prefetch((const char *)source + i + AHEAD_BYTES, _MM_HINT_T0);
#pragma GCC unroll 16
        for (int k = 0; k < 2; k++)
            _mm256_stream_si256((__m256i *)(void *)(target + i + BYTES * k),
                                _mm256_load_si256((const __m256i *)(const void *)(source + i + BYTES * k)));
    }
    _mm_sfence();
}

static float multiply_floats(int64_t rounds) {
    const __m256 half = _mm256_set1_ps(0.5f), one = _mm256_set1_ps(1.0f);
    __m256 sum[SUMS], total = _mm256_setzero_ps();
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) sum[k] = _mm256_set1_ps((float)k);
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] = _mm256_fmadd_ps(sum[k], half, one);
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) total = _mm256_add_ps(total, sum[k]);
    return _mm256_cvtss_f32(total);
}

/* Pairs to 16 bits, pairs of those to 32, and the sum: what a product of bytes takes without VNNI. */
static float multiply_bytes(int64_t rounds) {
    const __m256i ones = _mm256_set1_epi16(1), b = _mm256_set1_epi8(3);
    __m256i sum[SUMS], a = _mm256_set1_epi8(5);
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) sum[k] = _mm256_set1_epi8((char)k);
    for (int64_t i = 0; i < rounds; i++) {
        a = _mm256_xor_si256(a, ones); /* another operand each round: the products are made each time */
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) {
            __m256i pairs = _mm256_maddubs_epi16(_mm256_xor_si256(a, sum[k]), b);
            sum[k] = _mm256_add_epi32(sum[k], _mm256_madd_epi16(pairs, ones));
        }
    }
#pragma GCC unroll 16
    for (int k = 1; k < SUMS; k++) sum[0] = _mm256_add_epi32(sum[0], sum[k]);
    return _mm256_cvtss_f32(_mm256_cvtepi32_ps(sum[0]));
}

void avx2_add_peaks(struct peak_kernels *peaks) {
    peaks->read = read_lines;
    peaks->copy = copy_lines;
    peaks->multiply[PEAK_F32].run = multiply_floats;
    peaks->multiply[PEAK_F32].operations = 2 * SUMS * LANES;
    peaks->multiply[PEAK_INT8].run = multiply_bytes;
    peaks->multiply[PEAK_INT8].operations = 2 * SUMS * BYTES;
}
