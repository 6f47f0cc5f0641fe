/* decode_grid.c - decoders of the codebook formats with 256-bit registers: a grid entry is spread over
 * the lanes by shifts, its numbers select from a table of levels that is already scaled, and sign bits
 * are moved to their places. All products are exact, so scaling the table gives the defined bits. */
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

/* Eight numbers of two bits. The look-up reads three bits of each, hence tables that repeat every four. */
INLINE __m256i spread_pairs(uint16_t entry) {
    return _mm256_srlv_epi32(_mm256_set1_epi32(entry), _mm256_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14));
}

/* Twice four numbers of three bits. */
INLINE __m256i spread_triples(uint16_t low, uint16_t high) {
    __m256i both = _mm256_set1_epi32(low | high << 12);
    return _mm256_srlv_epi32(both, _mm256_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21));
}

/* Bit i of `signs` turns the sign of lane i. */
INLINE __m256 with_signs(__m256 magnitudes, uint8_t signs) {
    __m256i moved =
        _mm256_sllv_epi32(_mm256_set1_epi32(signs), _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24));
    __m256i sign_bits = _mm256_and_si256(moved, _mm256_set1_epi32((int)0x80000000u));
    return _mm256_xor_ps(magnitudes, _mm256_castsi256_ps(sign_bits));
}

INLINE __m256 pair_levels(void) {
    return _mm256_setr_ps(8, 25, 43, 0, 8, 25, 43, 0);
}

INLINE void put_eight(float *values, uint16_t entry, uint8_t signs, __m256 table) {
    _mm256_storeu_ps(values, with_signs(_mm256_permutevar8x32_ps(table, spread_pairs(entry)), signs));
}

static void decode_iq2_xxs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_xxs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int group = 0; group < 8; group++) {
            const uint8_t *at = block->groups[group];
            uint32_t tail = read_u32(at + 4);
            __m256 table =
                _mm256_mul_ps(pair_levels(), _mm256_set1_ps(scale * (0.5f + (float)(tail >> 28)) * 0.25f));
            for (int i = 0; i < 4; i++)
                put_eight(values + group * 32 + i * 8, iq2_xxs_grid[at[i]], even_signs[tail >> (7 * i) & 127],
                          table);
        }
    }
}

/* The scaled levels of the sixteen elements that `pair` (0..15) counts, in IQ2_XS and IQ2_S. */
INLINE __m256 half_table(float scale, const uint8_t scales[8], int pair) {
    int number = scales[pair / 2] >> (pair % 2 * 4) & 15;
    return _mm256_mul_ps(pair_levels(), _mm256_set1_ps(scale * (0.5f + (float)number) * 0.25f));
}

static void decode_iq2_xs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_xs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int pair = 0; pair < 16; pair++) {
            __m256 table = half_table(scale, block->scales, pair);
            uint16_t first = read_u16(block->quants[2 * pair]),
                     second = read_u16(block->quants[2 * pair + 1]);
            put_eight(values + 16 * pair, iq2_xs_grid[first & 511], even_signs[first >> 9], table);
            put_eight(values + 16 * pair + 8, iq2_xs_grid[second & 511], even_signs[second >> 9], table);
        }
    }
}

static void decode_iq2_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_s *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 32; i++) {
            int high = block->high[i / 4] >> (i % 4 * 2) & 3;
            put_eight(values + 8 * i, iq2_s_grid[block->quants[i] | high << 8], block->signs[i],
                      half_table(scale, block->scales, i / 2));
        }
    }
}

static void decode_iq3_xxs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq3_xxs *block = blocks;
    const __m256 levels = _mm256_setr_ps(4, 12, 20, 28, 36, 44, 52, 62);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int group = 0; group < 8; group++) {
            uint32_t tail = read_u32(block->groups[group]);
            __m256 table = _mm256_mul_ps(levels, _mm256_set1_ps(scale * (0.5f + (float)(tail >> 28)) * 0.5f));
            for (int i = 0; i < 4; i++) {
                const uint8_t *quants = block->quants + group * 8 + i * 2;
                __m256i numbers = spread_triples(iq3_xxs_grid[quants[0]], iq3_xxs_grid[quants[1]]);
                __m256 magnitudes = _mm256_permutevar8x32_ps(table, numbers);
                _mm256_storeu_ps(values + group * 32 + i * 8,
                                 with_signs(magnitudes, even_signs[tail >> (7 * i) & 127]));
            }
        }
    }
}

static void decode_iq3_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq3_s *block = blocks;
    const __m256 levels = _mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int group = 0; group < 8; group++) {
            int number = block->scales[group / 2] >> (group % 2 * 4) & 15, high = block->high[group];
            __m256 table = _mm256_mul_ps(levels, _mm256_set1_ps(scale * (float)(1 + 2 * number)));
            for (int i = 0; i < 4; i++) {
                const uint8_t *quants = block->quants + group * 8 + i * 2;
                int first = quants[0] | (high >> (2 * i) & 1) << 8,
                    second = quants[1] | (high >> (2 * i + 1) & 1) << 8;
                __m256i numbers = spread_triples(iq3_s_grid[first], iq3_s_grid[second]);
                __m256 magnitudes = _mm256_permutevar8x32_ps(table, numbers);
                _mm256_storeu_ps(values + group * 32 + i * 8,
                                 with_signs(magnitudes, block->signs[group * 4 + i]));
            }
        }
    }
}

/* Minus one, zero or one, moved by an eighth, scaled. */
INLINE void put_ternary(float *values, uint16_t entry, int down, float scale) {
    __m256 levels =
        _mm256_add_ps(_mm256_setr_ps(-1, 0, 1, 2, -1, 0, 1, 2), _mm256_set1_ps(down ? -0.125f : 0.125f));
    __m256 table = _mm256_mul_ps(levels, _mm256_set1_ps(scale));
    _mm256_storeu_ps(values, _mm256_permutevar8x32_ps(table, spread_pairs(entry)));
}

static void decode_iq1_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq1_s *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 32; i++) {
            int group = read_u16(block->groups[i / 4]), high = group >> (i % 4 * 3) & 7;
            put_ternary(values + 8 * i, iq1_grid[block->quants[i] | high << 8], group >> 15,
                        scale * (float)(2 * (group >> 12 & 7) + 1));
        }
    }
}

static void decode_iq1_m(const void *blocks, float *values, int64_t elements) {
    const struct block_iq1_m *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        unsigned bits = 0;
        for (int i = 0; i < 4; i++) bits |= (unsigned)(read_u16(block->scales[i]) >> 12) << (4 * i);
        float scale = _cvtsh_ss((unsigned short)bits);
        for (int i = 0; i < 32; i++) {
            int nibble = block->high[i / 2] >> (i % 2 * 4) & 15;
            int number = read_u16(block->scales[i / 8]) >> (i / 2 % 4 * 3) & 7;
            put_ternary(values + 8 * i, iq1_grid[block->quants[i] | (nibble & 7) << 8], nibble >> 3,
                        scale * (float)(2 * number + 1));
        }
    }
}

void avx2_add_grid_decoders(struct kernels *kernels) {
    kernels->decode[DTYPE_IQ2_XXS] = decode_iq2_xxs;
    kernels->decode[DTYPE_IQ2_XS] = decode_iq2_xs;
    kernels->decode[DTYPE_IQ2_S] = decode_iq2_s;
    kernels->decode[DTYPE_IQ3_XXS] = decode_iq3_xxs;
    kernels->decode[DTYPE_IQ3_S] = decode_iq3_s;
    kernels->decode[DTYPE_IQ1_S] = decode_iq1_s;
    kernels->decode[DTYPE_IQ1_M] = decode_iq1_m;
}
