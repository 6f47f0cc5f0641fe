/* unpack.h - blocks of weights as vectors of sixteen floats, for decoders that store them and for dot
 * products that use them at once.
 *
 * Four-bit (and five-bit) formats look their values up: a sub-block has only 16 (32) different ones,
 * which are computed once, with the operations of the scalar definition, into one (two) registers, and
 * each element's number selects from there. The other formats convert and multiply in the order of
 * the definition. Both give its bits. */
#ifndef HADAL_KERNEL_X86_AVX512_UNPACK_H
#define HADAL_KERNEL_X86_AVX512_UNPACK_H

#include "kernel/x86/avx512/lanes.h"
#include "tensor/block.h"

#include <stdbool.h>
#include <string.h>

/* Where the values of a block go, one vector after the other in the order of the elements: to memory, or times
 * x into a sum. */
struct sink {
    bool multiply;
    float *values;
    const float *x; /* of the block's first element */
    __m512 sum;
};

INLINE void put(struct sink *sink, int at, __m512 value) {
    if (sink->multiply)
        sink->sum = _mm512_fmadd_ps(_mm512_loadu_ps(sink->x + at), value, sink->sum);
    else
        _mm512_storeu_ps(sink->values + at, value);
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

INLINE __m256i load_32(const void *at) {
    return _mm256_loadu_si256(at);
}

/* ---- formats without blocks: units of 32 elements ---- */

INLINE void unpack_f16(const void *unit, struct sink *sink) {
    const uint8_t *at = unit;
    put(sink, 0, _mm512_cvtph_ps(load_32(at)));
    put(sink, 16, _mm512_cvtph_ps(load_32(at + 32)));
}

INLINE __m512 widen_bf16(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE void unpack_bf16(const void *unit, struct sink *sink) {
    const uint8_t *at = unit;
    put(sink, 0, widen_bf16(load_32(at)));
    put(sink, 16, widen_bf16(load_32(at + 32)));
}

/* With its exponent and mantissa moved to their places, an e4m3 number reads as an f16 of 1/256 of its value,
 * denormals included; only NaN has to be put in by hand. */
INLINE void unpack_e4m3(const void *unit, struct sink *sink) {
    const __m512 factor = _mm512_set1_ps(256.0f), nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000));
    __m512i wide = _mm512_cvtepu8_epi16(load_32(unit));
    __m512i magnitude = _mm512_slli_epi16(_mm512_and_si512(wide, _mm512_set1_epi16(0x7f)), 7);
    __mmask32 is_nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7f << 7));
    __m512i sign = _mm512_and_si512(_mm512_slli_epi16(wide, 8), _mm512_set1_epi16((short)0x8000));
    __m512i half = _mm512_or_si512(magnitude, sign);
    __m512 low = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), factor);
    __m512 high = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), factor);
    put(sink, 0, _mm512_mask_blend_ps((__mmask16)is_nan, low, nan));
    put(sink, 16, _mm512_mask_blend_ps((__mmask16)(is_nan >> 16), high, nan));
}

/* ---- blocks of 32 ---- */

/* sixteen signed bytes, times one number */
INLINE __m512 scale_bytes(__m128i bytes, __m512 scale) {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale);
}

INLINE void unpack_q8_0(const void *at, struct sink *sink) {
    const struct block_q8_0 *block = at;
    __m512 scale = _mm512_set1_ps(read_f16(block->scale));
    put(sink, 0, scale_bytes(load_16(block->quants), scale));
    put(sink, 16, scale_bytes(load_16(block->quants + 16), scale));
}

/* 0, 1, ... 15 */
INLINE __m512 ramp(void) {
    return _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

INLINE __m512 load_levels(const int8_t levels[16]) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(levels)));
}

/* Sixteen bytes hold thirty-two nibbles: the low ones are the first half. The look-up reads four bits of a number,
 * whatever stands above them. */
INLINE void put_nibbles(struct sink *sink, int at, __m128i bytes, __m512 table) {
    __m512i numbers = _mm512_cvtepu8_epi32(bytes);
    put(sink, at, _mm512_permutexvar_ps(numbers, table));
    put(sink, at + 16, _mm512_permutexvar_ps(_mm512_srli_epi32(numbers, 4), table));
}

INLINE void put_levels(struct sink *sink, int at, const uint8_t quants[16], __m512 levels, float scale) {
    put_nibbles(sink, at, load_16(quants), _mm512_mul_ps(levels, _mm512_set1_ps(scale)));
}

INLINE void unpack_q4_0(const void *at, struct sink *sink) {
    const struct block_q4_0 *block = at;
    put_levels(sink, 0, block->quants, _mm512_sub_ps(ramp(), _mm512_set1_ps(8)), read_f16(block->scale));
}

INLINE void unpack_q4_1(const void *at, struct sink *sink) {
    const struct block_q4_1 *block = at;
    __m512 table = _mm512_mul_ps(ramp(), _mm512_set1_ps(read_f16(block->scale)));
    table = _mm512_add_ps(table, _mm512_set1_ps(read_f16(block->minimum)));
    put_nibbles(sink, 0, load_16(block->quants), table);
}

INLINE void unpack_iq4_nl(const void *at, struct sink *sink) {
    const struct block_iq4_nl *block = at;
    put_levels(sink, 0, block->quants, load_levels(iq4_levels), read_f16(block->scale));
}

INLINE void unpack_mxfp4(const void *at, struct sink *sink) {
    const struct block_mxfp4 *block = at;
    uint32_t exponent = block->exponent, bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    put_levels(sink, 0, block->quants, load_levels(mxfp4_levels), scale);
}

/* Thirty-two bytes of five-bit numbers through a table of two registers. */
INLINE void put_five_bits(struct sink *sink, int at, __m256i numbers, __m512 low_table, __m512 high_table) {
    __m512i first = _mm512_cvtepu8_epi32(_mm256_castsi256_si128(numbers));
    __m512i second = _mm512_cvtepu8_epi32(_mm256_extracti128_si256(numbers, 1));
    put(sink, at, _mm512_permutex2var_ps(low_table, first, high_table));
    put(sink, at + 16, _mm512_permutex2var_ps(low_table, second, high_table));
}

/* The numbers of Q5_0 and Q5_1: nibbles, and the fifth bits from a word. */
INLINE __m256i small_five_bits(const uint8_t quants[16], const uint8_t high[4]) {
    __m128i bytes = load_16(quants), mask = _mm_set1_epi8(15);
    __m256i nibbles =
        _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), _mm_and_si128(bytes, mask));
    return _mm256_or_si256(nibbles, _mm256_maskz_set1_epi8(read_u32(high), 16));
}

INLINE void unpack_q5_0(const void *at, struct sink *sink) {
    const struct block_q5_0 *block = at;
    __m512 scale = _mm512_set1_ps(read_f16(block->scale));
    __m512 low = _mm512_mul_ps(_mm512_sub_ps(ramp(), _mm512_set1_ps(16)), scale);
    put_five_bits(sink, 0, small_five_bits(block->quants, block->high), low, _mm512_mul_ps(ramp(), scale));
}

INLINE __m512 upper_ramp(void) {
    return _mm512_add_ps(ramp(), _mm512_set1_ps(16));
}

INLINE void unpack_q5_1(const void *at, struct sink *sink) {
    const struct block_q5_1 *block = at;
    __m512 scale = _mm512_set1_ps(read_f16(block->scale)), minimum = _mm512_set1_ps(read_f16(block->minimum));
    __m512 low = _mm512_add_ps(_mm512_mul_ps(ramp(), scale), minimum);
    __m512 high = _mm512_add_ps(_mm512_mul_ps(upper_ramp(), scale), minimum);
    put_five_bits(sink, 0, small_five_bits(block->quants, block->high), low, high);
}

/* ---- blocks of 256 ---- */

/* Sixteen factors in memory: from there they spread over a register without a shuffle. The empty statement keeps
 * the compiler from going back to the register that they came from. */
struct factors {
    float lane[16];
};

INLINE void keep_factors(struct factors *factors, __m512 values) {
    _mm512_storeu_ps(factors->lane, values);
    __asm__("" : "+m"(*factors));
}

INLINE __m512 lane_of(const struct factors *factors, int lane) {
    return _mm512_set1_ps(factors->lane[lane]);
}

INLINE void unpack_iq4_xs(const void *at, struct sink *sink) {
    const struct block_iq4_xs *block = at;
    __m512 levels = load_levels(iq4_levels);
    float scale = read_f16(block->scale);
    uint32_t low = read_u32(block->scales_low), high = read_u16(block->scales_high);
#pragma GCC unroll 8
    for (int sub = 0; sub < 8; sub++) {
        int number = (int)((low >> (4 * sub) & 15) | (high >> (2 * sub) & 3) << 4) - 32;
        put_levels(sink, 32 * sub, block->quants + 16 * sub, levels, scale * (float)number);
    }
}

/* The scales (bytes 0..7) and minima (8..15) of a Q4_K or Q5_K block, unpacked from twelve bytes, times the block's
 * own: lane `sub` and lane 8 + `sub` belong to sub-block `sub`. */
INLINE void k_factors(struct factors *factors, const uint8_t scale[2], const uint8_t minimum[2],
                      const uint8_t scales[12]) {
    const uint32_t whole = 0x3f3f3f3f, nibbles = 0x0f0f0f0f, tops = 0x30303030;
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    __m128i bytes = _mm_setr_epi32((int)(a & whole), (int)((c & nibbles) | (a >> 2 & tops)), (int)(b & whole),
                                   (int)((c >> 4 & nibbles) | (b >> 2 & tops)));
    __m512 both =
        _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(read_f16(scale)), _mm512_set1_ps(read_f16(minimum)));
    keep_factors(factors, _mm512_mul_ps(both, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes))));
}

INLINE __m512 k_table(__m512 numbers, const struct factors *factors, int sub) {
    return _mm512_sub_ps(_mm512_mul_ps(lane_of(factors, sub), numbers), lane_of(factors, 8 + sub));
}

INLINE void unpack_q4_k(const void *at, struct sink *sink) {
    const struct block_q4_k *block = at;
    struct factors factors;
    k_factors(&factors, block->scale, block->minimum, block->scales);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
        __m512 low = k_table(ramp(), &factors, 2 * pair), high = k_table(ramp(), &factors, 2 * pair + 1);
        __m512i first = _mm512_cvtepu8_epi32(load_16(block->quants + 32 * pair));
        __m512i second = _mm512_cvtepu8_epi32(load_16(block->quants + 32 * pair + 16));
        put(sink, 64 * pair, _mm512_permutexvar_ps(first, low));
        put(sink, 64 * pair + 16, _mm512_permutexvar_ps(second, low));
        put(sink, 64 * pair + 32, _mm512_permutexvar_ps(_mm512_srli_epi32(first, 4), high));
        put(sink, 64 * pair + 48, _mm512_permutexvar_ps(_mm512_srli_epi32(second, 4), high));
    }
}

INLINE void unpack_q5_k(const void *at, struct sink *sink) {
    const struct block_q5_k *block = at;
    const __m256i nibble = _mm256_set1_epi8(15), fifth = _mm256_set1_epi8(16);
    struct factors factors;
    k_factors(&factors, block->scale, block->minimum, block->scales);
    __m256i high = load_32(block->high);
#pragma GCC unroll 8
    for (int sub = 0; sub < 8; sub++) {
        __m256i bytes = load_32(block->quants + sub / 2 * 32);
        if (sub % 2) bytes = _mm256_srli_epi16(bytes, 4);
        __m256i bits = sub < 4 ? _mm256_slli_epi16(high, 4 - sub) : _mm256_srli_epi16(high, sub - 4);
        __m256i numbers = _mm256_or_si256(_mm256_and_si256(bytes, nibble), _mm256_and_si256(bits, fifth));
        put_five_bits(sink, 32 * sub, numbers, k_table(ramp(), &factors, sub),
                      k_table(upper_ramp(), &factors, sub));
    }
}

INLINE void unpack_q6_k(const void *at, struct sink *sink) {
    const struct block_q6_k *block = at;
    const __m256i nibble = _mm256_set1_epi8(15), two_bits = _mm256_set1_epi8(0x30),
                  bias = _mm256_set1_epi8(32);
    struct factors factors;
    keep_factors(&factors, scale_bytes(load_16(block->scales), _mm512_set1_ps(read_f16(block->scale))));
#pragma GCC unroll 8
    for (int part = 0; part < 8; part++) {
        int half = part / 4, quarter = part % 4;
        __m256i bytes = load_32(block->quants + half * 64 + quarter % 2 * 32);
        if (quarter >= 2) bytes = _mm256_srli_epi16(bytes, 4);
        __m256i high = load_32(block->high + half * 32);
        high =
            quarter < 2 ? _mm256_slli_epi16(high, 4 - 2 * quarter) : _mm256_srli_epi16(high, 2 * quarter - 4);
        __m256i numbers = _mm256_or_si256(_mm256_and_si256(bytes, nibble), _mm256_and_si256(high, two_bits));
        numbers = _mm256_sub_epi8(numbers, bias);
        put(sink, 32 * part, scale_bytes(_mm256_castsi256_si128(numbers), lane_of(&factors, 2 * part)));
        put(sink, 32 * part + 16,
            scale_bytes(_mm256_extracti128_si256(numbers, 1), lane_of(&factors, 2 * part + 1)));
    }
}

/* Only two bits of a number count, so the table repeats every four entries. */
INLINE void unpack_q2_k(const void *at, struct sink *sink) {
    const struct block_q2_k *block = at;
    const __m512 levels = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    const __m128i nibble = _mm_set1_epi8(15);
    __m128i bytes = load_16(block->scales);
    __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
    struct factors scales, minima;
    keep_factors(&scales, scale_bytes(_mm_and_si128(bytes, nibble), _mm512_set1_ps(read_f16(block->scale))));
    keep_factors(&minima, scale_bytes(high, _mm512_set1_ps(read_f16(block->minimum))));
#pragma GCC unroll 16
    for (int sub = 0; sub < 16; sub++) {
        __m512i numbers = _mm512_cvtepu8_epi32(load_16(block->quants + sub / 8 * 32 + sub % 2 * 16));
        __m512 table = _mm512_sub_ps(_mm512_mul_ps(lane_of(&scales, sub), levels), lane_of(&minima, sub));
        put(sink, 16 * sub,
            _mm512_permutexvar_ps(_mm512_srli_epi32(numbers, (unsigned)sub % 8 / 2 * 2), table));
    }
}

/* Sixteen six-bit scales, biased by 32: low nibbles in eight bytes, the top two bits in four more. */
INLINE __m128i q3_k_scales(const uint8_t scales[12]) {
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    const uint32_t nibbles = 0x0f0f0f0f, tops = 0x30303030;
    __m128i words =
        _mm_setr_epi32((int)((a & nibbles) | (c << 4 & tops)), (int)((b & nibbles) | (c << 2 & tops)),
                       (int)((a >> 4 & nibbles) | (c & tops)), (int)((b >> 4 & nibbles) | (c >> 2 & tops)));
    return _mm_sub_epi8(words, _mm_set1_epi8(32));
}

INLINE void unpack_q3_k(const void *at, struct sink *sink) {
    const struct block_q3_k *block = at;
    const __m256i two_bits = _mm256_set1_epi8(3), bias = _mm256_set1_epi8(4);
    struct factors factors;
    keep_factors(&factors, scale_bytes(q3_k_scales(block->scales), _mm512_set1_ps(read_f16(block->scale))));
    __m256i high = load_32(block->high);
#pragma GCC unroll 8
    for (int part = 0; part < 8; part++) {
        __m256i bytes = _mm256_srli_epi16(load_32(block->quants + part / 4 * 32), part % 4 * 2);
        __m256i bits = part < 2 ? _mm256_slli_epi16(high, 2 - part) : _mm256_srli_epi16(high, part - 2);
        __m256i numbers = _mm256_or_si256(_mm256_and_si256(bytes, two_bits), _mm256_and_si256(bits, bias));
        numbers = _mm256_sub_epi8(numbers, bias);
        put(sink, 32 * part, scale_bytes(_mm256_castsi256_si128(numbers), lane_of(&factors, 2 * part)));
        put(sink, 32 * part + 16,
            scale_bytes(_mm256_extracti128_si256(numbers, 1), lane_of(&factors, 2 * part + 1)));
    }
}

#endif
