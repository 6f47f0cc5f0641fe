/* panel_low.c - integer products over panels whose numbers are places in a table of 16 levels, and over those of two and
 * three bits. As panel.c in everything else. */
#include "kernel/x86/avx512/panel_tile.h"
#include "tensor/block.h"

/* ---- levels: the unsigned operand is level + 128, and 128 times the sum of x is taken off first ---- */

INLINE __m512i raised_levels(const int8_t levels[16]) {
    __m128i table = _mm_loadu_si128((const __m128i *)(const void *)levels);
    return _mm512_broadcast_i32x4(_mm_xor_si128(table, _mm_set1_epi8((char)0x80)));
}

/* Block b of a quarter. */
INLINE void level_sums(const struct tile *t, const uint8_t *quarter, int b, __m512i table, int rows,
                       __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    start_sums(t, rows, sum);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        __m512i place = _mm512_and_si512(nibbles(t, quarter, b, g), low);
        add_products(t, _mm512_shuffle_epi8(table, place), g * 4, rows, sum);
    }
}

INLINE void iq4_nl_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    __m512i table = raised_levels(iq4_levels), sum[ROWS_MOST];
    stream_scales(t, unit + I4_SCALE, I4_BYTES - I4_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
        level_sums(t, unit, b, table, rows, sum);
        fold_rows(t, halves(unit + I4_SCALE + b * 32), rows, sum, acc);
    }
}

INLINE void iq4_xs_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    __m512i table = raised_levels(iq4_levels), sum[ROWS_MOST];
    __m512 factor = halves(unit + IQ4_XS_FACTOR);
    stream_scales(t, unit + IQ4_XS_SCALE, IQ4_XS_BYTES - IQ4_XS_SCALE);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
            __m512 scale = signed_bytes(unit + IQ4_XS_SCALE + (2 * q + b) * PANEL_OUTS);
            level_sums(t, unit + q * K_QUARTER, b, table, rows, sum);
            fold_rows(t, _mm512_mul_ps(factor, scale), rows, sum, acc);
        }
    }
}

/* 2^(e - 128), which is denormal for the lowest two. */
INLINE __m512 half_powers(const uint8_t *at) {
    __m512i exponent = _mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(const void *)at));
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(1)), 23);
    __mmask16 lowest = _mm512_cmplt_epu32_mask(exponent, _mm512_set1_epi32(2));
    bits = _mm512_mask_sllv_epi32(bits, lowest, _mm512_set1_epi32(1 << 21), exponent);
    return _mm512_castsi512_ps(bits);
}

INLINE void mxfp4_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    __m512i table = raised_levels(mxfp4_levels), sum[ROWS_MOST];
    stream_scales(t, unit + MXFP4_EXPONENT, MXFP4_BYTES - MXFP4_EXPONENT);
#pragma GCC unroll 4
    for (int b = 0; b < MXFP4_UNIT / PANEL_BLOCK; b++, next_block(t, PANEL_BLOCK)) {
        level_sums(t, unit + b / 2 * K_QUARTER, b % 2, table, rows, sum);
        fold_rows(t, half_powers(unit + MXFP4_EXPONENT + b * PANEL_OUTS), rows, sum, acc);
    }
}

/* ---- Q2_K and Q3_K: both halves of a block joined in integers, pairs of 16 bits times pairs of scales ---- */

/* The sums of x over the halves of each block, as pairs of 16 bits: they are at most 16 * 127. */
INLINE __m512i pairs_of_halves(__m512i of_halves, __m256 scale) {
    (void)scale;
    return _mm512_castsi256_si512(_mm512_cvtepi32_epi16(of_halves));
}
INLINE __m512i pairs_times_four(__m512i of_halves, __m256 scale) {
    return pairs_of_halves(_mm512_slli_epi32(of_halves, 2), scale);
}

/* Two sums of at most 16 bits as a pair. */
INLINE __m512i paired(__m512i first, __m512i second) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

INLINE __m256i load_half(const uint8_t *at) {
    return _mm256_load_si256((const __m256i *)(const void *)at);
}

/* Adds the products of half h of the block: two bits of each byte of its line for each group. */
INLINE void half_products(const struct tile *t, __m512i line, int h, int rows, __m512i *sum) {
#pragma GCC unroll 4
    for (int g = 0; g < HALF_GROUPS; g++) {
        __m512i w = _mm512_and_si512(moved(line, 2 * g, 0), _mm512_set1_epi8(3));
        add_products(t, w, h * 16 + g * 4, rows, sum);
    }
}

INLINE void q2_k_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    const __m512i nibble = _mm512_set1_epi16(15);
    __m512 of_scales = halves(unit + Q2_K_FACTOR), of_minima = halves(unit + Q2_K_FACTOR + 32);
    stream_scales(t, unit + Q2_K_SCALE, Q2_K_BYTES - Q2_K_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < ALL_BLOCKS; b++, next_block(t, PANEL_BLOCK)) {
        __m512i first[ROWS_MOST], second[ROWS_MOST];
        zero_sums(rows, first);
        zero_sums(rows, second);
        half_products(t, stream(t, unit + 2 * b * LINE), 0, rows, first);
        half_products(t, stream(t, unit + (2 * b + 1) * LINE), 1, rows, second);
        __m512i both = _mm512_cvtepu8_epi16(load_half(unit + Q2_K_SCALE + b * 2 * PANEL_OUTS));
        __m512i scale = _mm512_and_si512(both, nibble), minimum = _mm512_srli_epi16(both, 4);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512 x_scale = _mm512_set1_ps(scale_of(t, r, rows));
            __m512i whole = _mm512_madd_epi16(paired(first[r], second[r]), scale);
            __m512i lower = _mm512_madd_epi16(minimum, start_of(t, 0, r, rows, PANEL_BLOCK));
            acc[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(whole), _mm512_mul_ps(of_scales, x_scale), acc[r]);
            acc[r] = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(lower), _mm512_mul_ps(of_minima, x_scale), acc[r]);
        }
    }
}

/* As half_products, with the third bits, of which every byte of `high` has four for each half. */
INLINE void half_products_high(const struct tile *t, __m512i line, __m512i high, int h, int rows,
                               __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(3), three = _mm512_set1_epi8(7);
#pragma GCC unroll 4
    for (int g = 0; g < HALF_GROUPS; g++) {
        __m512i w = select_bits(low, moved(line, 2 * g, 0), moved(high, h * HALF_GROUPS + g, 2));
        add_products(t, _mm512_and_si512(w, three), h * 16 + g * 4, rows, sum);
    }
}

/* Four times the sums of x are taken off by their pairs. */
INLINE void q3_k_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    __m512 factor = halves(unit + Q3_K_FACTOR);
    stream_scales(t, unit + Q3_K_SCALE, Q3_K_BYTES - Q3_K_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < ALL_BLOCKS; b++, next_block(t, PANEL_BLOCK)) {
        __m512i first[ROWS_MOST], second[ROWS_MOST], high = stream(t, unit + Q3_K_HIGH + b * LINE);
        zero_sums(rows, first);
        zero_sums(rows, second);
        half_products_high(t, stream(t, unit + 2 * b * LINE), high, 0, rows, first);
        half_products_high(t, stream(t, unit + (2 * b + 1) * LINE), high, 1, rows, second);
        __m512i scale = _mm512_cvtepi8_epi16(load_half(unit + Q3_K_SCALE + b * 2 * PANEL_OUTS));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            __m512 x_scale = _mm512_set1_ps(scale_of(t, r, rows));
            __m512i sums =
                _mm512_sub_epi16(paired(first[r], second[r]), start_of(t, 0, r, rows, PANEL_BLOCK));
            __m512 whole = _mm512_cvtepi32_ps(_mm512_madd_epi16(sums, scale));
            acc[r] = _mm512_fmadd_ps(whole, _mm512_mul_ps(factor, x_scale), acc[r]);
        }
    }
}

static void multiply_iq4_nl(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){iq4_nl_unit, less_128, I4_UNIT, I4_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_iq4_xs(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){iq4_xs_unit, less_128, K_UNIT, IQ4_XS_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_mxfp4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){mxfp4_unit, less_128, MXFP4_UNIT, MXFP4_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_q2_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){q2_k_unit, pairs_of_halves, K_UNIT, Q2_K_BYTES, PANEL_BLOCK, 8});
}
static void multiply_q3_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){q3_k_unit, pairs_times_four, K_UNIT, Q3_K_BYTES, PANEL_BLOCK, 8});
}

/* The formats of this file. */
static panel_multiply *const own[PANEL_COUNT] = {[PANEL_IQ4_NL] = multiply_iq4_nl,
                                                 [PANEL_IQ4_XS] = multiply_iq4_xs,
                                                 [PANEL_MXFP4] = multiply_mxfp4,
                                                 [PANEL_Q2_K] = multiply_q2_k,
                                                 [PANEL_Q3_K] = multiply_q3_k};

void avx512_low_panel_multiply(const struct panel_product *product, int64_t begin, int64_t end) {
    own[product->w->format](product, begin, end);
}

void avx512_add_low_panels(struct kernels *kernels) {
    for (int format = PANEL_I8; format < PANEL_COUNT; format++)
        if (own[format]) kernels->panel_multiply[format] = own[format];
}
