/* panel_low.c - integer products over panels whose numbers are places in a table of 16 levels, and over those of two and
 * three bits. As panel.c in everything else. */
#include "kernel/x86/avx2/panel_tile.h"
#include "tensor/block.h"

/* ---- levels: the magnitude of the level times the activation with the level's sign ---- */

INLINE __m256i read_levels(const int8_t levels[16]) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)levels));
}

/* Block b of a quarter; at: its first input. */
INLINE void level_sums(const struct tile *t, const uint8_t *quarter, int b, __m256i levels, int64_t at,
                       int rows, __m256i *sum) {
    zero_sums(rows, sum);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        __m256i w = _mm256_shuffle_epi8(levels, nibbles(t, quarter, b, g)), size = _mm256_abs_epi8(w);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m256i x = _mm256_sign_epi8(four_inputs(t->x + r * t->in + at + g * 4), w);
            sum[r] = _mm256_add_epi32(sum[r], widened(_mm256_maddubs_epi16(size, x)));
        }
    }
}

INLINE void iq4_nl_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256i levels = read_levels(iq4_levels), sum[ROWS_MOST];
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
        level_sums(t, unit, b, levels, at, rows, sum);
        fold_rows(t, halves(t, unit + I4_SCALE + b * 32), at, rows, sum, acc);
    }
}

INLINE void iq4_xs_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256i levels = read_levels(iq4_levels), sum[ROWS_MOST];
    __m256 factor = halves(t, unit + IQ4_XS_FACTOR);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
            __m256 scale = signed_bytes(t, unit + IQ4_XS_SCALE + (2 * q + b) * PANEL_OUTS);
            level_sums(t, unit + q * K_QUARTER, b, levels, at, rows, sum);
            fold_rows(t, _mm256_mul_ps(factor, scale), at, rows, sum, acc);
        }
    }
}

/* 2^(e - 128), which is denormal for the lowest two. */
INLINE __m256 half_powers(const struct tile *t, const uint8_t *at) {
    const __m256i two = _mm256_set1_epi32(2);
    __m256i exponent = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(at + t->first)));
    __m256i bits = _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(1)), 23);
    __m256i lowest = _mm256_sllv_epi32(_mm256_set1_epi32(1 << 21), exponent);
    return _mm256_castsi256_ps(_mm256_blendv_epi8(bits, lowest, _mm256_cmpgt_epi32(two, exponent)));
}

INLINE void mxfp4_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256i levels = read_levels(mxfp4_levels), sum[ROWS_MOST];
#pragma GCC unroll 4
    for (int b = 0; b < MXFP4_UNIT / PANEL_BLOCK; b++, at += PANEL_BLOCK) {
        level_sums(t, unit + b / 2 * K_QUARTER, b % 2, levels, at, rows, sum);
        fold_rows(t, half_powers(t, unit + MXFP4_EXPONENT + b * PANEL_OUTS), at, rows, sum, acc);
    }
}

/* ---- Q2_K and Q3_K: the sums of 16 bits of a half, two for each output, are multiplied by its scale and added in one
 * step. A half of three bits sums to at most 2 * 4 * 7 * 127. ---- */

/* Eight outputs' bytes for both halves, as pairs of 16 bits, to one half's byte twice. */
INLINE __m256i twice(__m256i pairs, int half) {
    return half == 0 ? _mm256_blend_epi16(pairs, _mm256_slli_epi32(pairs, 16), 0xaa)
                     : _mm256_blend_epi16(_mm256_srli_epi32(pairs, 16), pairs, 0xaa);
}

INLINE __m128i half_bytes(const struct tile *t, const uint8_t *at) {
    return _mm_load_si128((const __m128i *)(const void *)(at + t->first * 2));
}

/* The sums of x over both halves of a block, as a pair of 16 bits. */
INLINE __m256i half_sums(const struct tile *t, int r, int64_t at) {
    const int32_t *of_x = t->sum + (r * t->in + at) / 16;
    return _mm256_set1_epi32((int32_t)((uint32_t)(uint16_t)of_x[0] | (uint32_t)of_x[1] << 16));
}

/* The numbers of group g of a half, `high` with their third bits in bits `from` and up. */
INLINE __m256i low_numbers(__m256i line, int g) {
    return _mm256_and_si256(moved(line, 2 * g, 0), _mm256_set1_epi8(3));
}
INLINE __m256i third_bits(__m256i high, int from) {
    return _mm256_and_si256(moved(high, from, 2), _mm256_set1_epi8(4));
}

INLINE void q2_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256 of_scales = halves(t, unit + Q2_K_FACTOR), of_minima = halves(t, unit + Q2_K_FACTOR + 32);
#pragma GCC unroll 2
    for (int b = 0; b < K_UNIT / PANEL_BLOCK; b++, at += PANEL_BLOCK) {
        __m256i both = _mm256_cvtepu8_epi16(half_bytes(t, unit + Q2_K_SCALE + b * 2 * PANEL_OUTS));
        __m256i scale = _mm256_and_si256(both, _mm256_set1_epi16(15)), sum[ROWS_MOST], pairs[ROWS_MOST];
        zero_sums(rows, sum);
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m256i line = load(t, unit + (2 * b + h) * LINE), of_half = twice(scale, h);
            zero_sums(rows, pairs);
#pragma GCC unroll 4
            for (int g = 0; g < HALF_GROUPS; g++)
                add_products(t, low_numbers(line, g), at + h * 16 + g * 4, rows, pairs);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs[r], of_half));
        }
        fold_rows(t, of_scales, at, rows, sum, acc);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m256i lower = _mm256_madd_epi16(_mm256_srli_epi16(both, 4), half_sums(t, r, at));
            __m256 factor = _mm256_mul_ps(of_minima, _mm256_set1_ps(t->scale[(r * t->in + at) / 32]));
            acc[r] = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(lower), factor, acc[r]);
        }
    }
}

INLINE void q3_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256 factor = halves(t, unit + Q3_K_FACTOR);
#pragma GCC unroll 2
    for (int b = 0; b < K_UNIT / PANEL_BLOCK; b++, at += PANEL_BLOCK) {
        __m256i scale = _mm256_cvtepi8_epi16(half_bytes(t, unit + Q3_K_SCALE + b * 2 * PANEL_OUTS));
        __m256i high = load(t, unit + Q3_K_HIGH + b * LINE), sum[ROWS_MOST], pairs[ROWS_MOST];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) /* four times the sums of x are taken off */
            sum[r] = _mm256_madd_epi16(scale, _mm256_mullo_epi16(half_sums(t, r, at), _mm256_set1_epi16(-4)));
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            __m256i line = load(t, unit + (2 * b + h) * LINE), of_half = twice(scale, h);
            zero_sums(rows, pairs);
#pragma GCC unroll 4
            for (int g = 0; g < HALF_GROUPS; g++) {
                __m256i w = _mm256_or_si256(low_numbers(line, g), third_bits(high, h * HALF_GROUPS + g));
                add_products(t, w, at + h * 16 + g * 4, rows, pairs);
            }
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++)
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs[r], of_half));
        }
        fold_rows(t, factor, at, rows, sum, acc);
    }
}

static void multiply_iq4_nl(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, iq4_nl_unit, I4_UNIT, I4_BYTES);
}
static void multiply_iq4_xs(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, iq4_xs_unit, K_UNIT, IQ4_XS_BYTES);
}
static void multiply_mxfp4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, mxfp4_unit, MXFP4_UNIT, MXFP4_BYTES);
}
static void multiply_q2_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q2_k_unit, K_UNIT, Q2_K_BYTES);
}
static void multiply_q3_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q3_k_unit, K_UNIT, Q3_K_BYTES);
}

void avx2_add_low_panels(struct kernels *kernels) {
    kernels->panel_multiply[PANEL_IQ4_NL] = multiply_iq4_nl;
    kernels->panel_multiply[PANEL_IQ4_XS] = multiply_iq4_xs;
    kernels->panel_multiply[PANEL_MXFP4] = multiply_mxfp4;
    kernels->panel_multiply[PANEL_Q2_K] = multiply_q2_k;
    kernels->panel_multiply[PANEL_Q3_K] = multiply_q3_k;
}
