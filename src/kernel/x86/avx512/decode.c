/* decode.c - decoders with 512-bit registers.
 *
 * Four-bit (and five-bit) formats look their values up: a sub-block has only 16 (32) different ones,
 * which are computed once, with the operations of the scalar definition, into one (two) registers, and
 * each element's number selects from there. The other formats convert and multiply in the order of
 * the definition. Both give its bits. */
#include "kernel/level.h"
#include "tensor/block.h"

#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

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

/* The last elements of the formats without blocks go by way of a whole step in a buffer. */
static void decode_tail(void (*decode)(const void *, float *, int64_t), const uint8_t *at, int bytes,
                        float *values, int64_t elements) {
    uint8_t in[32 * 2] = {0};
    float out[32];
    if (elements == 0) return;
    memcpy(in, at, (size_t)(elements * bytes));
    decode(in, out, 32);
    memcpy(values, out, (size_t)elements * sizeof *values);
}

static void decode_f16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    int64_t i = 0;
    for (; i + 16 <= elements; i += 16) _mm512_storeu_ps(values + i, _mm512_cvtph_ps(load_32(at + 2 * i)));
    decode_tail(decode_f16, at + 2 * i, 2, values + i, elements - i);
}

static void decode_bf16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    int64_t i = 0;
    for (; i + 16 <= elements; i += 16) {
        __m512i bits = _mm512_slli_epi32(_mm512_cvtepu16_epi32(load_32(at + 2 * i)), 16);
        _mm512_storeu_ps(values + i, _mm512_castsi512_ps(bits));
    }
    decode_tail(decode_bf16, at + 2 * i, 2, values + i, elements - i);
}

/* With its exponent and mantissa moved to their places, an e4m3 number reads as an f16 of 1/256 of its value,
 * denormals included; only NaN has to be put in by hand. */
static void decode_e4m3(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    const __m512 factor = _mm512_set1_ps(256.0f), nan = _mm512_castsi512_ps(_mm512_set1_epi32(0x7fc00000));
    int64_t i = 0;
    for (; i + 32 <= elements; i += 32) {
        __m512i wide = _mm512_cvtepu8_epi16(load_32(at + i));
        __m512i magnitude = _mm512_slli_epi16(_mm512_and_si512(wide, _mm512_set1_epi16(0x7f)), 7);
        __mmask32 is_nan = _mm512_cmpeq_epi16_mask(magnitude, _mm512_set1_epi16(0x7f << 7));
        __m512i sign = _mm512_and_si512(_mm512_slli_epi16(wide, 8), _mm512_set1_epi16((short)0x8000));
        __m512i half = _mm512_or_si512(magnitude, sign);
        __m512 low = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_castsi512_si256(half)), factor);
        __m512 high = _mm512_mul_ps(_mm512_cvtph_ps(_mm512_extracti64x4_epi64(half, 1)), factor);
        _mm512_storeu_ps(values + i, _mm512_mask_blend_ps((__mmask16)is_nan, low, nan));
        _mm512_storeu_ps(values + i + 16, _mm512_mask_blend_ps((__mmask16)(is_nan >> 16), high, nan));
    }
    decode_tail(decode_e4m3, at + i, 1, values + i, elements - i);
}

/* sixteen signed bytes, times one number */
INLINE void put_bytes(float *values, __m128i bytes, __m512 scale) {
    _mm512_storeu_ps(values, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale));
}

static void decode_q8_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q8_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m512 scale = _mm512_set1_ps(read_f16(block->scale));
        put_bytes(values, load_16(block->quants), scale);
        put_bytes(values + 16, load_16(block->quants + 16), scale);
    }
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
INLINE void put_nibbles(float *low_values, float *high_values, __m128i bytes, __m512 low_table,
                        __m512 high_table) {
    __m512i numbers = _mm512_cvtepu8_epi32(bytes);
    _mm512_storeu_ps(low_values, _mm512_permutexvar_ps(numbers, low_table));
    _mm512_storeu_ps(high_values, _mm512_permutexvar_ps(_mm512_srli_epi32(numbers, 4), high_table));
}

INLINE void put_level_block(float *values, const uint8_t quants[16], __m512 levels, float scale) {
    __m512 table = _mm512_mul_ps(levels, _mm512_set1_ps(scale));
    put_nibbles(values, values + 16, load_16(quants), table, table);
}

static void decode_q4_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_0 *block = blocks;
    __m512 levels = _mm512_sub_ps(ramp(), _mm512_set1_ps(8));
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++)
        put_level_block(values, block->quants, levels, read_f16(block->scale));
}

static void decode_q4_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m512 table = _mm512_mul_ps(ramp(), _mm512_set1_ps(read_f16(block->scale)));
        table = _mm512_add_ps(table, _mm512_set1_ps(read_f16(block->minimum)));
        put_nibbles(values, values + 16, load_16(block->quants), table, table);
    }
}

static void decode_iq4_nl(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_nl *block = blocks;
    __m512 levels = load_levels(iq4_levels);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++)
        put_level_block(values, block->quants, levels, read_f16(block->scale));
}

static void decode_mxfp4(const void *blocks, float *values, int64_t elements) {
    const struct block_mxfp4 *block = blocks;
    __m512 levels = load_levels(mxfp4_levels);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        uint32_t exponent = block->exponent,
                 bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
        float scale;
        memcpy(&scale, &bits, sizeof scale);
        put_level_block(values, block->quants, levels, scale);
    }
}

static void decode_iq4_xs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_xs *block = blocks;
    __m512 levels = load_levels(iq4_levels);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        uint32_t low = read_u32(block->scales_low), high = read_u16(block->scales_high);
        for (int sub = 0; sub < 8; sub++) {
            int number = (int)((low >> (4 * sub) & 15) | (high >> (2 * sub) & 3) << 4) - 32;
            put_level_block(values + 32 * sub, block->quants + 16 * sub, levels, scale * (float)number);
        }
    }
}

/* Thirty-two bytes of five-bit numbers through a table of two registers. */
INLINE void put_five_bits(float *values, __m256i numbers, __m512 low_table, __m512 high_table) {
    __m512i first = _mm512_cvtepu8_epi32(_mm256_castsi256_si128(numbers));
    __m512i second = _mm512_cvtepu8_epi32(_mm256_extracti128_si256(numbers, 1));
    _mm512_storeu_ps(values, _mm512_permutex2var_ps(low_table, first, high_table));
    _mm512_storeu_ps(values + 16, _mm512_permutex2var_ps(low_table, second, high_table));
}

/* The numbers of Q5_0 and Q5_1: nibbles, and the fifth bits from a word. */
INLINE __m256i small_five_bits(const uint8_t quants[16], const uint8_t high[4]) {
    __m128i bytes = load_16(quants), mask = _mm_set1_epi8(15);
    __m256i nibbles =
        _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(bytes, 4), mask), _mm_and_si128(bytes, mask));
    __m256i fifth = _mm256_maskz_set1_epi8(read_u32(high), 16);
    return _mm256_or_si256(nibbles, fifth);
}

static void decode_q5_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_0 *block = blocks;
    __m512 low = _mm512_sub_ps(ramp(), _mm512_set1_ps(16));
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m512 scale = _mm512_set1_ps(read_f16(block->scale));
        put_five_bits(values, small_five_bits(block->quants, block->high), _mm512_mul_ps(low, scale),
                      _mm512_mul_ps(ramp(), scale));
    }
}

/* multiply * (ramp + 16 * half) + add */
INLINE __m512 ramp_table(__m512 numbers, __m512 multiply, __m512 add) {
    return _mm512_add_ps(_mm512_mul_ps(numbers, multiply), add);
}

static void decode_q5_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_1 *block = blocks;
    __m512 upper = _mm512_add_ps(ramp(), _mm512_set1_ps(16));
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m512 scale = _mm512_set1_ps(read_f16(block->scale)),
               minimum = _mm512_set1_ps(read_f16(block->minimum));
        put_five_bits(values, small_five_bits(block->quants, block->high), ramp_table(ramp(), scale, minimum),
                      ramp_table(upper, scale, minimum));
    }
}

/* The eight scales (bytes 0..7) and minima (8..15) of a Q4_K or Q5_K block, unpacked from twelve bytes. */
INLINE void unpack_scales(const uint8_t scales[12], uint8_t bytes[16]) {
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    uint32_t words[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030), b & 0x3f3f3f3f,
                         (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
    memcpy(bytes, words, 16);
}

/* scale * sub_scale in lanes 0..7, minimum * sub_minimum in lanes 8..15, ready to be picked one by one. */
INLINE void sub_factors(const uint8_t scale[2], const uint8_t minimum[2], const uint8_t scales[12],
                        float factors[16]) {
    uint8_t bytes[16];
    unpack_scales(scales, bytes);
    __m512 both =
        _mm512_mask_blend_ps(0xff00, _mm512_set1_ps(read_f16(scale)), _mm512_set1_ps(read_f16(minimum)));
    _mm512_storeu_ps(factors, _mm512_mul_ps(both, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(load_16(bytes)))));
}

INLINE __m512 k_table(__m512 numbers, const float factors[16], int sub) {
    return _mm512_sub_ps(_mm512_mul_ps(_mm512_set1_ps(factors[sub]), numbers),
                         _mm512_set1_ps(factors[8 + sub]));
}

static void decode_q4_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_k *block = blocks;
    float factors[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        sub_factors(block->scale, block->minimum, block->scales, factors);
        for (int pair = 0; pair < 4; pair++) {
            __m512 low = k_table(ramp(), factors, 2 * pair), high = k_table(ramp(), factors, 2 * pair + 1);
            float *at = values + 64 * pair;
            put_nibbles(at, at + 32, load_16(block->quants + 32 * pair), low, high);
            put_nibbles(at + 16, at + 48, load_16(block->quants + 32 * pair + 16), low, high);
        }
    }
}

static void decode_q5_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_k *block = blocks;
    const __m512 upper = _mm512_add_ps(ramp(), _mm512_set1_ps(16));
    const __m256i nibble = _mm256_set1_epi8(15), fifth = _mm256_set1_epi8(16);
    float factors[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        sub_factors(block->scale, block->minimum, block->scales, factors);
        __m256i high = load_32(block->high);
        for (int sub = 0; sub < 8; sub++) {
            __m256i bytes = load_32(block->quants + sub / 2 * 32);
            if (sub % 2) bytes = _mm256_srli_epi16(bytes, 4);
            __mmask32 set = _mm256_test_epi8_mask(high, _mm256_set1_epi8((char)(1 << sub)));
            __m256i numbers = _mm256_and_si256(bytes, nibble);
            numbers = _mm256_or_si256(numbers, _mm256_maskz_mov_epi8(set, fifth));
            put_five_bits(values + 32 * sub, numbers, k_table(ramp(), factors, sub),
                          k_table(upper, factors, sub));
        }
    }
}

static void decode_q6_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q6_k *block = blocks;
    const __m256i nibble = _mm256_set1_epi8(15), two_bits = _mm256_set1_epi8(0x30),
                  bias = _mm256_set1_epi8(32);
    float factors[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        __m512 scale = _mm512_set1_ps(read_f16(block->scale));
        _mm512_storeu_ps(
            factors, _mm512_mul_ps(scale, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(load_16(block->scales)))));
        for (int part = 0; part < 8; part++) {
            int half = part / 4, quarter = part % 4;
            __m256i bytes = load_32(block->quants + half * 64 + quarter % 2 * 32);
            if (quarter >= 2) bytes = _mm256_srli_epi16(bytes, 4);
            __m256i high = load_32(block->high + half * 32);
            high = quarter < 2 ? _mm256_slli_epi16(high, 4 - 2 * quarter)
                               : _mm256_srli_epi16(high, 2 * quarter - 4);
            __m256i numbers =
                _mm256_or_si256(_mm256_and_si256(bytes, nibble), _mm256_and_si256(high, two_bits));
            numbers = _mm256_sub_epi8(numbers, bias);
            float *at = values + 32 * part;
            put_bytes(at, _mm256_castsi256_si128(numbers), _mm512_set1_ps(factors[2 * part]));
            put_bytes(at + 16, _mm256_extracti128_si256(numbers, 1), _mm512_set1_ps(factors[2 * part + 1]));
        }
    }
}

/* Only two bits of a number count, so the table repeats every four entries. */
static void decode_q2_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q2_k *block = blocks;
    const __m512 levels = _mm512_setr_ps(0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3);
    const __m128i nibble = _mm_set1_epi8(15);
    float scales[16], minima[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        __m128i bytes = load_16(block->scales);
        __m512 low = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(bytes, nibble)));
        __m512 high =
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_and_si128(_mm_srli_epi16(bytes, 4), nibble)));
        _mm512_storeu_ps(scales, _mm512_mul_ps(_mm512_set1_ps(read_f16(block->scale)), low));
        _mm512_storeu_ps(minima, _mm512_mul_ps(_mm512_set1_ps(read_f16(block->minimum)), high));
        for (int sub = 0; sub < 16; sub++) {
            __m512i numbers = _mm512_cvtepu8_epi32(load_16(block->quants + sub / 8 * 32 + sub % 2 * 16));
            numbers = _mm512_srl_epi32(numbers, _mm_cvtsi32_si128(sub % 8 / 2 * 2));
            __m512 table = _mm512_mul_ps(_mm512_set1_ps(scales[sub]), levels);
            table = _mm512_sub_ps(table, _mm512_set1_ps(minima[sub]));
            _mm512_storeu_ps(values + 16 * sub, _mm512_permutexvar_ps(numbers, table));
        }
    }
}

/* Sixteen six-bit scales, biased by 32: low nibbles in eight bytes, the top two bits in four more. */
INLINE __m128i unpack_q3_k_scales(const uint8_t scales[12]) {
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    const uint32_t nibbles = 0x0f0f0f0f, tops = 0x30303030;
    __m128i words =
        _mm_setr_epi32((int)((a & nibbles) | (c << 4 & tops)), (int)((b & nibbles) | (c << 2 & tops)),
                       (int)((a >> 4 & nibbles) | (c & tops)), (int)((b >> 4 & nibbles) | (c >> 2 & tops)));
    return _mm_sub_epi8(words, _mm_set1_epi8(32));
}

static void decode_q3_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q3_k *block = blocks;
    float factors[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        __m512 scales = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(unpack_q3_k_scales(block->scales)));
        _mm512_storeu_ps(factors, _mm512_mul_ps(_mm512_set1_ps(read_f16(block->scale)), scales));
        for (int part = 0; part < 8; part++) {
            __m256i bytes =
                _mm256_srl_epi16(load_32(block->quants + part / 4 * 32), _mm_cvtsi32_si128(part % 4 * 2));
            __m256i numbers = _mm256_and_si256(bytes, _mm256_set1_epi8(3));
            __mmask32 set = _mm256_test_epi8_mask(load_32(block->high), _mm256_set1_epi8((char)(1 << part)));
            numbers = _mm256_mask_sub_epi8(numbers, (__mmask32)~set, numbers, _mm256_set1_epi8(4));
            float *at = values + 32 * part;
            put_bytes(at, _mm256_castsi256_si128(numbers), _mm512_set1_ps(factors[2 * part]));
            put_bytes(at + 16, _mm256_extracti128_si256(numbers, 1), _mm512_set1_ps(factors[2 * part + 1]));
        }
    }
}

void avx512_add_decoders(struct kernels *kernels) {
    kernels->decode[DTYPE_F16] = decode_f16;
    kernels->decode[DTYPE_BF16] = decode_bf16;
    kernels->decode[DTYPE_F8_E4M3] = decode_e4m3;
    kernels->decode[DTYPE_Q8_0] = decode_q8_0;
    kernels->decode[DTYPE_Q4_0] = decode_q4_0;
    kernels->decode[DTYPE_Q4_1] = decode_q4_1;
    kernels->decode[DTYPE_Q5_0] = decode_q5_0;
    kernels->decode[DTYPE_Q5_1] = decode_q5_1;
    kernels->decode[DTYPE_Q2_K] = decode_q2_k;
    kernels->decode[DTYPE_Q3_K] = decode_q3_k;
    kernels->decode[DTYPE_Q4_K] = decode_q4_k;
    kernels->decode[DTYPE_Q5_K] = decode_q5_k;
    kernels->decode[DTYPE_Q6_K] = decode_q6_k;
    kernels->decode[DTYPE_IQ4_NL] = decode_iq4_nl;
    kernels->decode[DTYPE_IQ4_XS] = decode_iq4_xs;
    kernels->decode[DTYPE_MXFP4] = decode_mxfp4;
}
