/* unpack.h - blocks of weights as vectors of eight floats, for decoders that store them and for dot products
 * that use them at once: unpack to signed bytes, convert, then multiply and add in the order of the scalar
 * definition, each operation rounded by itself. */
#ifndef HADAL_KERNEL_X86_AVX2_UNPACK_H
#define HADAL_KERNEL_X86_AVX2_UNPACK_H

#include "kernel/x86/avx2/lanes.h"
#include "tensor/block.h"

#include <stdbool.h>
#include <string.h>

/* Where the values of a block go, one vector after the other in the order of the elements: to memory, or times
 * x into a sum. */
struct sink {
    bool multiply;
    float *values;
    const float *x; /* of the block's first element */
    __m256 sum;
};

INLINE void put(struct sink *sink, int at, __m256 value) {
    if (sink->multiply)
        sink->sum = _mm256_fmadd_ps(_mm256_loadu_ps(sink->x + at), value, sink->sum);
    else
        _mm256_storeu_ps(sink->values + at, value);
}

typedef void unpack(const void *block, struct sink *sink);

INLINE uint16_t read_u16(const void *at) {
    uint16_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

INLINE uint32_t read_u32(const void *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

INLINE float read_f16(const void *at) {
    return _cvtsh_ss(read_u16(at));
}

INLINE __m128i load_16(const void *at) {
    return _mm_loadu_si128(at);
}

/* ---- formats without blocks: units of 8 elements ---- */

INLINE void unpack_f16(const void *unit, struct sink *sink) {
    put(sink, 0, _mm256_cvtph_ps(load_16(unit)));
}

INLINE void unpack_bf16(const void *unit, struct sink *sink) {
    put(sink, 0, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(unit)), 16)));
}

/* With its exponent and mantissa moved to their places, an e4m3 number reads as an f16 of 1/256 of its value,
 * denormals included; only NaN has to be put in by hand. */
INLINE void unpack_e4m3(const void *unit, struct sink *sink) {
    const __m128i highest = _mm_set1_epi16(0x7f << 7);
    const __m256 factor = _mm256_set1_ps(256.0f), nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64(unit));
    __m128i magnitude = _mm_and_si128(_mm_slli_epi16(wide, 7), highest);
    __m128i sign = _mm_and_si128(_mm_slli_epi16(wide, 8), _mm_set1_epi16((short)0x8000));
    __m256 value = _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(magnitude, sign)), factor);
    __m256i is_nan = _mm256_cvtepi16_epi32(_mm_cmpeq_epi16(magnitude, highest));
    put(sink, 0, _mm256_blendv_ps(value, nan, _mm256_castsi256_ps(is_nan)));
}

/* ---- blocks of 32 ---- */

/* eight signed bytes as floats */
INLINE __m256 widen(__m128i bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* sixteen signed bytes, times one number */
INLINE void put_bytes(struct sink *sink, int at, __m128i bytes, __m256 scale) {
    put(sink, at, _mm256_mul_ps(widen(bytes), scale));
    put(sink, at + 8, _mm256_mul_ps(widen(_mm_srli_si128(bytes, 8)), scale));
}

/* ... and plus another */
INLINE void put_bytes_plus(struct sink *sink, int at, __m128i bytes, __m256 scale, __m256 plus) {
    put(sink, at, _mm256_add_ps(_mm256_mul_ps(widen(bytes), scale), plus));
    put(sink, at + 8, _mm256_add_ps(_mm256_mul_ps(widen(_mm_srli_si128(bytes, 8)), scale), plus));
}

INLINE __m128i low_nibbles(__m128i bytes) {
    return _mm_and_si128(bytes, _mm_set1_epi8(15));
}

INLINE __m128i high_nibbles(__m128i bytes) {
    return low_nibbles(_mm_srli_epi16(bytes, 4));
}

INLINE __m256 spread_f16(const uint8_t at[2]) {
    return _mm256_set1_ps(read_f16(at));
}

INLINE void unpack_q8_0(const void *at, struct sink *sink) {
    const struct block_q8_0 *block = at;
    __m256 scale = spread_f16(block->scale);
    put_bytes(sink, 0, load_16(block->quants), scale);
    put_bytes(sink, 16, load_16(block->quants + 16), scale);
}

INLINE void unpack_q4_0(const void *at, struct sink *sink) {
    const struct block_q4_0 *block = at;
    const __m128i bias = _mm_set1_epi8(8);
    __m256 scale = spread_f16(block->scale);
    __m128i bytes = load_16(block->quants);
    put_bytes(sink, 0, _mm_sub_epi8(low_nibbles(bytes), bias), scale);
    put_bytes(sink, 16, _mm_sub_epi8(high_nibbles(bytes), bias), scale);
}

INLINE void unpack_q4_1(const void *at, struct sink *sink) {
    const struct block_q4_1 *block = at;
    __m256 scale = spread_f16(block->scale), minimum = spread_f16(block->minimum);
    __m128i bytes = load_16(block->quants);
    put_bytes_plus(sink, 0, low_nibbles(bytes), scale, minimum);
    put_bytes_plus(sink, 16, high_nibbles(bytes), scale, minimum);
}

/* Sixteen bits as sixteen bytes of 0 or 16. */
INLINE __m128i spread_bits(uint32_t bits) {
    const __m128i select =
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 1, 2, 4, 8, 16, 32, 64, (char)128);
    const __m128i source = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    __m128i spread = _mm_and_si128(_mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits), source), select);
    return _mm_and_si128(_mm_cmpeq_epi8(spread, select), _mm_set1_epi8(16));
}

INLINE void unpack_q5_0(const void *at, struct sink *sink) {
    const struct block_q5_0 *block = at;
    const __m128i bias = _mm_set1_epi8(16);
    __m256 scale = spread_f16(block->scale);
    __m128i bytes = load_16(block->quants);
    uint32_t high = read_u32(block->high);
    put_bytes(sink, 0, _mm_sub_epi8(_mm_or_si128(low_nibbles(bytes), spread_bits(high)), bias), scale);
    put_bytes(sink, 16, _mm_sub_epi8(_mm_or_si128(high_nibbles(bytes), spread_bits(high >> 16)), bias),
              scale);
}

INLINE void unpack_q5_1(const void *at, struct sink *sink) {
    const struct block_q5_1 *block = at;
    __m256 scale = spread_f16(block->scale), minimum = spread_f16(block->minimum);
    __m128i bytes = load_16(block->quants);
    uint32_t high = read_u32(block->high);
    put_bytes_plus(sink, 0, _mm_or_si128(low_nibbles(bytes), spread_bits(high)), scale, minimum);
    put_bytes_plus(sink, 16, _mm_or_si128(high_nibbles(bytes), spread_bits(high >> 16)), scale, minimum);
}

INLINE void put_levels(struct sink *sink, int at, const uint8_t quants[16], __m128i levels, float factor) {
    __m256 scale = _mm256_set1_ps(factor);
    __m128i bytes = load_16(quants);
    put_bytes(sink, at, _mm_shuffle_epi8(levels, low_nibbles(bytes)), scale);
    put_bytes(sink, at + 16, _mm_shuffle_epi8(levels, high_nibbles(bytes)), scale);
}

INLINE void unpack_iq4_nl(const void *at, struct sink *sink) {
    const struct block_iq4_nl *block = at;
    put_levels(sink, 0, block->quants, load_16(iq4_levels), read_f16(block->scale));
}

INLINE void unpack_mxfp4(const void *at, struct sink *sink) {
    const struct block_mxfp4 *block = at;
    uint32_t exponent = block->exponent, bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    put_levels(sink, 0, block->quants, load_16(mxfp4_levels), scale);
}

/* ---- blocks of 256 ---- */

INLINE void unpack_iq4_xs(const void *at, struct sink *sink) {
    const struct block_iq4_xs *block = at;
    __m128i levels = load_16(iq4_levels);
    float scale = read_f16(block->scale);
    uint32_t low = read_u32(block->scales_low), high = read_u16(block->scales_high);
    for (int sub = 0; sub < 8; sub++) {
        int number = (int)((low >> (4 * sub) & 15) | (high >> (2 * sub) & 3) << 4) - 32;
        put_levels(sink, 32 * sub, block->quants + 16 * sub, levels, scale * (float)number);
    }
}

/* Of the sub-blocks of a Q4_K or Q5_K block: what multiplies a number, and what is added then. In memory: from there
 * they spread over a register without a shuffle, and the empty statement keeps the compiler from going back. */
struct k_factors {
    float scale[8], plus[8];
};

INLINE void k_factors(struct k_factors *factors, const uint8_t scale[2], const uint8_t minimum[2],
                      const uint8_t scales[12]) {
    const uint32_t whole = 0x3f3f3f3f, nibbles = 0x0f0f0f0f, tops = 0x30303030;
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    __m128i low = _mm_setr_epi32((int)(a & whole), (int)((c & nibbles) | (a >> 2 & tops)), 0, 0);
    __m128i high = _mm_setr_epi32((int)(b & whole), (int)((c >> 4 & nibbles) | (b >> 2 & tops)), 0, 0);
    __m256 minus = _mm256_xor_ps(spread_f16(minimum), _mm256_set1_ps(-0.0f));
    _mm256_storeu_ps(factors->scale, _mm256_mul_ps(spread_f16(scale), widen(low)));
    _mm256_storeu_ps(factors->plus, _mm256_mul_ps(minus, widen(high)));
    __asm__("" : "+m"(*factors));
}

INLINE void put_sub(struct sink *sink, int sub, __m128i first, __m128i second,
                    const struct k_factors *factors) {
    __m256 scale = _mm256_set1_ps(factors->scale[sub]), plus = _mm256_set1_ps(factors->plus[sub]);
    put_bytes_plus(sink, 32 * sub, first, scale, plus);
    put_bytes_plus(sink, 32 * sub + 16, second, scale, plus);
}

INLINE void unpack_q4_k(const void *at, struct sink *sink) {
    const struct block_q4_k *block = at;
    struct k_factors factors;
    k_factors(&factors, block->scale, block->minimum, block->scales);
    for (int sub = 0; sub < 8; sub += 2) {
        __m128i first = load_16(block->quants + 16 * sub), second = load_16(block->quants + 16 * sub + 16);
        put_sub(sink, sub, low_nibbles(first), low_nibbles(second), &factors);
        put_sub(sink, sub + 1, high_nibbles(first), high_nibbles(second), &factors);
    }
}

/* bit `bit` of each byte as 0 or 16 */
INLINE __m128i fifth_bits(__m128i high, int bit) {
    __m128i moved = bit < 4 ? _mm_slli_epi16(high, 4 - bit) : _mm_srli_epi16(high, bit - 4);
    return _mm_and_si128(moved, _mm_set1_epi8(16));
}

INLINE void unpack_q5_k(const void *at, struct sink *sink) {
    const struct block_q5_k *block = at;
    __m128i high_first = load_16(block->high), high_second = load_16(block->high + 16);
    struct k_factors factors;
    k_factors(&factors, block->scale, block->minimum, block->scales);
#pragma GCC unroll 4
    for (int sub = 0; sub < 8; sub += 2) {
        __m128i first = load_16(block->quants + 16 * sub), second = load_16(block->quants + 16 * sub + 16);
        put_sub(sink, sub, _mm_or_si128(low_nibbles(first), fifth_bits(high_first, sub)),
                _mm_or_si128(low_nibbles(second), fifth_bits(high_second, sub)), &factors);
        put_sub(sink, sub + 1, _mm_or_si128(high_nibbles(first), fifth_bits(high_first, sub + 1)),
                _mm_or_si128(high_nibbles(second), fifth_bits(high_second, sub + 1)), &factors);
    }
}

INLINE void unpack_q6_k(const void *at, struct sink *sink) {
    const struct block_q6_k *block = at;
    const __m128i two_bits = _mm_set1_epi8(0x30), bias = _mm_set1_epi8(32);
    float scale = read_f16(block->scale);
#pragma GCC unroll 16
    for (int part = 0; part < 16; part++) {
        int half = part / 8, quarter = part % 8 / 2, side = part % 2 * 16;
        __m128i bytes = load_16(block->quants + half * 64 + quarter % 2 * 32 + side);
        bytes = quarter < 2 ? low_nibbles(bytes) : high_nibbles(bytes);
        __m128i high = load_16(block->high + half * 32 + side);
        high = quarter < 2 ? _mm_slli_epi16(high, 4 - 2 * quarter) : _mm_srli_epi16(high, 2 * quarter - 4);
        __m128i numbers = _mm_sub_epi8(_mm_or_si128(bytes, _mm_and_si128(high, two_bits)), bias);
        put_bytes(sink, 16 * part, numbers, _mm256_set1_ps(scale * (float)block->scales[part]));
    }
}

INLINE void unpack_q2_k(const void *at, struct sink *sink) {
    const struct block_q2_k *block = at;
    const __m128i two_bits = _mm_set1_epi8(3);
    float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
#pragma GCC unroll 16
    for (int sub = 0; sub < 16; sub++) {
        __m128i bytes = load_16(block->quants + sub / 8 * 32 + sub % 2 * 16);
        bytes = _mm_and_si128(_mm_srli_epi16(bytes, sub % 8 / 2 * 2), two_bits);
        float multiply = scale * (float)(block->scales[sub] & 15),
              subtract = minimum * (float)(block->scales[sub] >> 4);
        put_bytes_plus(sink, 16 * sub, bytes, _mm256_set1_ps(multiply), _mm256_set1_ps(-subtract));
    }
}

/* Sixteen six-bit scales, biased by 32: low nibbles in eight bytes, the top two bits in four more. */
INLINE void q3_k_scales(const uint8_t packed[12], uint8_t scales[16]) {
    const uint32_t nibbles = 0x0f0f0f0f, tops = 0x30303030;
    uint32_t a = read_u32(packed), b = read_u32(packed + 4), c = read_u32(packed + 8);
    uint32_t words[4] = {(a & nibbles) | (c << 4 & tops), (b & nibbles) | (c << 2 & tops),
                         (a >> 4 & nibbles) | (c & tops), (b >> 4 & nibbles) | (c >> 2 & tops)};
    memcpy(scales, words, sizeof words);
}

INLINE void unpack_q3_k(const void *at, struct sink *sink) {
    const struct block_q3_k *block = at;
    const __m128i two_bits = _mm_set1_epi8(3), bias = _mm_set1_epi8(4);
    float scale = read_f16(block->scale);
    uint8_t scales[16];
    q3_k_scales(block->scales, scales);
#pragma GCC unroll 16
    for (int sub = 0; sub < 16; sub++) {
        __m128i bytes = load_16(block->quants + sub / 8 * 32 + sub % 2 * 16);
        bytes = _mm_and_si128(_mm_srli_epi16(bytes, sub % 8 / 2 * 2), two_bits);
        __m128i high = load_16(block->high + sub % 2 * 16);
        high = sub < 4 ? _mm_slli_epi16(high, 2 - sub / 2) : _mm_srli_epi16(high, sub / 2 - 2);
        bytes = _mm_sub_epi8(_mm_or_si128(bytes, _mm_and_si128(high, bias)), bias);
        put_bytes(sink, 16 * sub, bytes, _mm256_set1_ps(scale * (float)((int)scales[sub] - 32)));
    }
}

#endif
