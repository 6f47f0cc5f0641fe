/* decode.c - decoders with 256-bit registers: unpack to signed bytes, convert, then multiply and add in
 * the order of the scalar definition, each operation rounded by itself. */
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

/* The last elements of the formats without blocks go by way of a whole step in a buffer. */
static void decode_tail(void (*decode)(const void *, float *, int64_t), const uint8_t *at, int bytes,
                        float *values, int64_t elements) {
    uint8_t in[8 * 2] = {0};
    float out[8];
    if (elements == 0) return;
    memcpy(in, at, (size_t)(elements * bytes));
    decode(in, out, 8);
    memcpy(values, out, (size_t)elements * sizeof *values);
}

static void decode_f16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    int64_t i = 0;
    for (; i + 8 <= elements; i += 8) _mm256_storeu_ps(values + i, _mm256_cvtph_ps(load_16(at + 2 * i)));
    decode_tail(decode_f16, at + 2 * i, 2, values + i, elements - i);
}

static void decode_bf16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    int64_t i = 0;
    for (; i + 8 <= elements; i += 8) {
        __m256i bits = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load_16(at + 2 * i)), 16);
        _mm256_storeu_ps(values + i, _mm256_castsi256_ps(bits));
    }
    decode_tail(decode_bf16, at + 2 * i, 2, values + i, elements - i);
}

/* With its exponent and mantissa moved to their places, an e4m3 number reads as an f16 of 1/256 of its value,
 * denormals included; only NaN has to be put in by hand. */
static void decode_e4m3(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    const __m128i highest = _mm_set1_epi16(0x7f << 7);
    const __m256 factor = _mm256_set1_ps(256.0f), nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    int64_t i = 0;
    for (; i + 8 <= elements; i += 8) {
        __m128i wide = _mm_cvtepu8_epi16(_mm_loadl_epi64((const void *)(at + i)));
        __m128i magnitude = _mm_and_si128(_mm_slli_epi16(wide, 7), highest);
        __m128i sign = _mm_and_si128(_mm_slli_epi16(wide, 8), _mm_set1_epi16((short)0x8000));
        __m256 value = _mm256_mul_ps(_mm256_cvtph_ps(_mm_or_si128(magnitude, sign)), factor);
        __m256i is_nan = _mm256_cvtepi16_epi32(_mm_cmpeq_epi16(magnitude, highest));
        _mm256_storeu_ps(values + i, _mm256_blendv_ps(value, nan, _mm256_castsi256_ps(is_nan)));
    }
    decode_tail(decode_e4m3, at + i, 1, values + i, elements - i);
}

/* eight signed bytes as floats */
INLINE __m256 widen(__m128i bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
}

/* sixteen signed bytes, times one number */
INLINE void put_bytes(float *values, __m128i bytes, __m256 scale) {
    _mm256_storeu_ps(values, _mm256_mul_ps(widen(bytes), scale));
    _mm256_storeu_ps(values + 8, _mm256_mul_ps(widen(_mm_srli_si128(bytes, 8)), scale));
}

/* ... and plus another */
INLINE void put_bytes_plus(float *values, __m128i bytes, __m256 scale, __m256 plus) {
    _mm256_storeu_ps(values, _mm256_add_ps(_mm256_mul_ps(widen(bytes), scale), plus));
    _mm256_storeu_ps(values + 8, _mm256_add_ps(_mm256_mul_ps(widen(_mm_srli_si128(bytes, 8)), scale), plus));
}

INLINE __m128i low_nibbles(__m128i bytes) {
    return _mm_and_si128(bytes, _mm_set1_epi8(15));
}

INLINE __m128i high_nibbles(__m128i bytes) {
    return low_nibbles(_mm_srli_epi16(bytes, 4));
}

static void decode_q8_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q8_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m256 scale = _mm256_set1_ps(read_f16(block->scale));
        put_bytes(values, load_16(block->quants), scale);
        put_bytes(values + 16, load_16(block->quants + 16), scale);
    }
}

static void decode_q4_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_0 *block = blocks;
    const __m128i bias = _mm_set1_epi8(8);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m256 scale = _mm256_set1_ps(read_f16(block->scale));
        __m128i bytes = load_16(block->quants);
        put_bytes(values, _mm_sub_epi8(low_nibbles(bytes), bias), scale);
        put_bytes(values + 16, _mm_sub_epi8(high_nibbles(bytes), bias), scale);
    }
}

static void decode_q4_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m256 scale = _mm256_set1_ps(read_f16(block->scale)),
               minimum = _mm256_set1_ps(read_f16(block->minimum));
        __m128i bytes = load_16(block->quants);
        put_bytes_plus(values, low_nibbles(bytes), scale, minimum);
        put_bytes_plus(values + 16, high_nibbles(bytes), scale, minimum);
    }
}

/* Sixteen bits as sixteen bytes of 0 or 16. */
INLINE __m128i spread_bits(uint32_t bits) {
    const __m128i select =
        _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 1, 2, 4, 8, 16, 32, 64, (char)128);
    const __m128i source = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    __m128i spread = _mm_and_si128(_mm_shuffle_epi8(_mm_cvtsi32_si128((int)bits), source), select);
    return _mm_and_si128(_mm_cmpeq_epi8(spread, select), _mm_set1_epi8(16));
}

static void decode_q5_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_0 *block = blocks;
    const __m128i bias = _mm_set1_epi8(16);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m256 scale = _mm256_set1_ps(read_f16(block->scale));
        __m128i bytes = load_16(block->quants);
        uint32_t high = read_u32(block->high);
        put_bytes(values, _mm_sub_epi8(_mm_or_si128(low_nibbles(bytes), spread_bits(high)), bias), scale);
        put_bytes(values + 16, _mm_sub_epi8(_mm_or_si128(high_nibbles(bytes), spread_bits(high >> 16)), bias),
                  scale);
    }
}

static void decode_q5_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        __m256 scale = _mm256_set1_ps(read_f16(block->scale)),
               minimum = _mm256_set1_ps(read_f16(block->minimum));
        __m128i bytes = load_16(block->quants);
        uint32_t high = read_u32(block->high);
        put_bytes_plus(values, _mm_or_si128(low_nibbles(bytes), spread_bits(high)), scale, minimum);
        put_bytes_plus(values + 16, _mm_or_si128(high_nibbles(bytes), spread_bits(high >> 16)), scale,
                       minimum);
    }
}

INLINE void put_levels(float *values, const uint8_t quants[16], __m128i levels, float factor) {
    __m256 scale = _mm256_set1_ps(factor);
    __m128i bytes = load_16(quants);
    put_bytes(values, _mm_shuffle_epi8(levels, low_nibbles(bytes)), scale);
    put_bytes(values + 16, _mm_shuffle_epi8(levels, high_nibbles(bytes)), scale);
}

static void decode_iq4_nl(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_nl *block = blocks;
    __m128i levels = load_16(iq4_levels);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++)
        put_levels(values, block->quants, levels, read_f16(block->scale));
}

static void decode_mxfp4(const void *blocks, float *values, int64_t elements) {
    const struct block_mxfp4 *block = blocks;
    __m128i levels = load_16(mxfp4_levels);
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        uint32_t exponent = block->exponent,
                 bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1) << 23;
        float scale;
        memcpy(&scale, &bits, sizeof scale);
        put_levels(values, block->quants, levels, scale);
    }
}

static void decode_iq4_xs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_xs *block = blocks;
    __m128i levels = load_16(iq4_levels);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        uint32_t low = read_u32(block->scales_low), high = read_u16(block->scales_high);
        for (int sub = 0; sub < 8; sub++) {
            int number = (int)((low >> (4 * sub) & 15) | (high >> (2 * sub) & 3) << 4) - 32;
            put_levels(values + 32 * sub, block->quants + 16 * sub, levels, scale * (float)number);
        }
    }
}

/* The factors of sub-block `sub` of a Q4_K or Q5_K block: what multiplies a number, and what is added then. */
struct k_factors {
    __m256 scale[8], plus[8];
};

INLINE struct k_factors unpack_factors(const uint8_t scale[2], const uint8_t minimum[2],
                                       const uint8_t scales[12]) {
    uint32_t a = read_u32(scales), b = read_u32(scales + 4), c = read_u32(scales + 8);
    uint32_t words[4] = {a & 0x3f3f3f3f, (c & 0x0f0f0f0f) | (a >> 2 & 0x30303030), b & 0x3f3f3f3f,
                         (c >> 4 & 0x0f0f0f0f) | (b >> 2 & 0x30303030)};
    uint8_t bytes[16];
    memcpy(bytes, words, sizeof bytes);
    float step = read_f16(scale), low = read_f16(minimum);
    struct k_factors factors;
    for (int sub = 0; sub < 8; sub++) {
        factors.scale[sub] = _mm256_set1_ps(step * (float)bytes[sub]);
        factors.plus[sub] = _mm256_set1_ps(-(low * (float)bytes[8 + sub]));
    }
    return factors;
}

static void decode_q4_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct k_factors factors = unpack_factors(block->scale, block->minimum, block->scales);
        for (int part = 0; part < 8; part++) {
            __m128i bytes = load_16(block->quants + 16 * part);
            int sub = part / 2 * 2;
            float *at = values + 32 * sub + part % 2 * 16;
            put_bytes_plus(at, low_nibbles(bytes), factors.scale[sub], factors.plus[sub]);
            put_bytes_plus(at + 32, high_nibbles(bytes), factors.scale[sub + 1], factors.plus[sub + 1]);
        }
    }
}

/* bit `bit` of each byte as 0 or 16 */
INLINE __m128i fifth_bits(__m128i high, int bit) {
    __m128i selected = _mm_set1_epi8((char)(1 << bit));
    return _mm_and_si128(_mm_cmpeq_epi8(_mm_and_si128(high, selected), selected), _mm_set1_epi8(16));
}

static void decode_q5_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct k_factors factors = unpack_factors(block->scale, block->minimum, block->scales);
        for (int part = 0; part < 8; part++) {
            __m128i bytes = load_16(block->quants + 16 * part), high = load_16(block->high + part % 2 * 16);
            int sub = part / 2 * 2;
            float *at = values + 32 * sub + part % 2 * 16;
            __m128i low = _mm_or_si128(low_nibbles(bytes), fifth_bits(high, sub));
            put_bytes_plus(at, low, factors.scale[sub], factors.plus[sub]);
            low = _mm_or_si128(high_nibbles(bytes), fifth_bits(high, sub + 1));
            put_bytes_plus(at + 32, low, factors.scale[sub + 1], factors.plus[sub + 1]);
        }
    }
}

static void decode_q6_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q6_k *block = blocks;
    const __m128i two_bits = _mm_set1_epi8(0x30), bias = _mm_set1_epi8(32);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int part = 0; part < 16; part++) {
            int half = part / 8, quarter = part % 8 / 2, side = part % 2 * 16;
            __m128i bytes = load_16(block->quants + half * 64 + quarter % 2 * 32 + side);
            bytes = quarter < 2 ? low_nibbles(bytes) : high_nibbles(bytes);
            __m128i high = load_16(block->high + half * 32 + side);
            high =
                quarter < 2 ? _mm_slli_epi16(high, 4 - 2 * quarter) : _mm_srli_epi16(high, 2 * quarter - 4);
            __m128i numbers = _mm_sub_epi8(_mm_or_si128(bytes, _mm_and_si128(high, two_bits)), bias);
            put_bytes(values + 16 * part, numbers, _mm256_set1_ps(scale * (float)block->scales[part]));
        }
    }
}

static void decode_q2_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q2_k *block = blocks;
    const __m128i two_bits = _mm_set1_epi8(3);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        for (int sub = 0; sub < 16; sub++) {
            __m128i bytes = load_16(block->quants + sub / 8 * 32 + sub % 2 * 16);
            bytes = _mm_and_si128(_mm_srli_epi16(bytes, sub % 8 / 2 * 2), two_bits);
            float multiply = scale * (float)(block->scales[sub] & 15),
                  subtract = minimum * (float)(block->scales[sub] >> 4);
            put_bytes_plus(values + 16 * sub, bytes, _mm256_set1_ps(multiply), _mm256_set1_ps(-subtract));
        }
    }
}

static void decode_q3_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q3_k *block = blocks;
    const __m128i two_bits = _mm_set1_epi8(3), bias = _mm_set1_epi8(4);
    const uint32_t nibbles = 0x0f0f0f0f, tops = 0x30303030;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        uint32_t a = read_u32(block->scales), b = read_u32(block->scales + 4),
                 c = read_u32(block->scales + 8);
        uint32_t words[4] = {(a & nibbles) | (c << 4 & tops), (b & nibbles) | (c << 2 & tops),
                             (a >> 4 & nibbles) | (c & tops), (b >> 4 & nibbles) | (c >> 2 & tops)};
        uint8_t scales[16];
        memcpy(scales, words, sizeof scales);
        for (int sub = 0; sub < 16; sub++) {
            __m128i bytes = load_16(block->quants + sub / 8 * 32 + sub % 2 * 16);
            bytes = _mm_and_si128(_mm_srli_epi16(bytes, sub % 8 / 2 * 2), two_bits);
            __m128i bit = _mm_set1_epi8((char)(1 << (sub / 2)));
            __m128i set = _mm_cmpeq_epi8(_mm_and_si128(load_16(block->high + sub % 2 * 16), bit), bit);
            bytes = _mm_sub_epi8(bytes, _mm_andnot_si128(set, bias));
            put_bytes(values + 16 * sub, bytes, _mm256_set1_ps(scale * (float)((int)scales[sub] - 32)));
        }
    }
}

void avx2_add_decoders(struct kernels *kernels) {
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
