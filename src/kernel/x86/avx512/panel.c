/* panel.c - integer products over panels with VNNI: sixteen outputs in a register, four inputs a step. The bits are
 * those of ref/panel.c. Needs AVX512-VNNI, which select.c asks for apart from the level. */
#include "kernel/x86/avx512/panel_tile.h"

/* ---- I8: the unsigned operand is q + 128, and 128 times the sum of x is taken off first ---- */

INLINE void i8_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    stream_scales(t, unit + I8_SCALE, I8_BYTES - I8_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
        __m512i sum[ROWS_MOST];
        start_sums(t, rows, sum);
#pragma GCC unroll 8
        for (int g = 0; g < BLOCK_GROUPS; g++) {
            __m512i w = _mm512_xor_si512(stream(t, unit + (b * BLOCK_GROUPS + g) * LINE), flip);
            add_products(t, w, g * 4, rows, sum);
        }
        fold_rows(t, halves(unit + I8_SCALE + b * 32), rows, sum, acc);
    }
}

/* ---- four bits ---- */

/* Numbers of the second block of a quarter stand in high nibbles. For a few rows they are multiplied there and the sums
 * moved, which are 16 times as large; for many rows it is less work to move the numbers. */
INLINE void high_nibble_sums(const struct tile *t, const uint8_t *quarter, int rows, __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i in_place[ROWS_MOST];
    zero_sums(rows, in_place);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++)
        add_products(t, _mm512_andnot_si512(low, load(quarter + g * LINE)), g * 4, rows, in_place);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = _mm512_add_epi32(sum[r], _mm512_srai_epi32(in_place[r], 4));
}

/* Adds the products of block b of a quarter. */
INLINE void four_bit_sums(const struct tile *t, const uint8_t *quarter, int b, int rows, __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    if (b == 1 && rows < 8) {
        high_nibble_sums(t, quarter, rows, sum);
        return;
    }
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++)
        add_products(t, _mm512_and_si512(nibbles(t, quarter, b, g), low), g * 4, rows, sum);
}

/* 8 times the sum of x is taken off first. */
INLINE void i4_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    stream_scales(t, unit + I4_SCALE, I4_BYTES - I4_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
        __m512i sum[ROWS_MOST];
        start_sums(t, rows, sum);
        four_bit_sums(t, unit, b, rows, sum);
        fold_rows(t, halves(unit + I4_SCALE + b * 32), rows, sum, acc);
    }
}

/* ---- K formats ---- */

struct k_scales {
    const uint8_t *scale, *minimum;
    __m512 of_scales, of_minima;
};

INLINE struct k_scales read_k_scales(const struct tile *t, const uint8_t *scale, const uint8_t *minimum,
                                     const uint8_t *factor) {
    stream_scales(t, scale, Q4_K_BYTES - Q4_K_SCALE);
    return (struct k_scales){scale, minimum, halves(factor), halves(factor + 32)};
}

/* What minima are multiplied by: scale times sum of a block's activations. */
INLINE __m512i of_minima(__m512i of_halves, __m256 scale) {
    __m256i sums = _mm512_castsi512_si256(block_sums(of_halves));
    __m256 products = _mm256_mul_ps(scale, _mm256_cvtepi32_ps(sums));
    return _mm512_castsi256_si512(_mm256_castps_si256(products));
}

INLINE void fold_with_minimum(const struct tile *t, const struct k_scales *k, int block, int rows,
                              const __m512i *sum, __m512 *acc) {
    __m512 w_scale = _mm512_mul_ps(k->of_scales, unsigned_bytes(k->scale + block * PANEL_OUTS));
    __m512 w_minimum = _mm512_mul_ps(k->of_minima, unsigned_bytes(k->minimum + block * PANEL_OUTS));
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        float of_minimum = t->of_minimum[r * (chunk_of(rows) / PANEL_BLOCK)];
        acc[r] = fold(sum[r], w_scale, scale_of(t, r, rows), acc[r]);
        acc[r] = _mm512_fnmadd_ps(w_minimum, _mm512_set1_ps(of_minimum), acc[r]);
    }
}

INLINE void q4_k_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    struct k_scales k = read_k_scales(t, unit + Q4_K_SCALE, unit + Q4_K_MINIMUM, unit + Q4_K_FACTOR);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
            __m512i sum[ROWS_MOST];
            zero_sums(rows, sum);
            four_bit_sums(t, unit + q * K_QUARTER, b, rows, sum);
            fold_with_minimum(t, &k, 2 * q + b, rows, sum, acc);
        }
    }
}

/* Block b of a quarter, with its fifth bits. With only every fourth of them left, nothing but a group's own stands above
 * its nibble once it is moved there: so the groups come in pairs of one remainder. */
INLINE void five_bit_sums(const struct tile *t, const uint8_t *quarter, int b, __m512i bits, int rows,
                          __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 4
    for (int first = 0; first < 4; first++) {
        __m512i fourth = _mm512_and_si512(bits, _mm512_set1_epi8((char)(0x11 << first)));
#pragma GCC unroll 2
        for (int g = first; g < BLOCK_GROUPS; g += 4)
            add_products(t, select_bits(low, nibbles(t, quarter, b, g), moved(fourth, g, 4)), g * 4, rows,
                         sum);
    }
}

INLINE void q5_k_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    struct k_scales k = read_k_scales(t, unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, unit + Q5_K_FACTOR);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
            __m512i sum[ROWS_MOST], bits = stream(t, unit + Q5_K_HIGH + (2 * q + b) * LINE);
            zero_sums(rows, sum);
            five_bit_sums(t, unit + q * K_QUARTER, b, bits, rows, sum);
            fold_with_minimum(t, &k, 2 * q + b, rows, sum, acc);
        }
    }
}

/* Q5_0: 16 times the sum of x is taken off first. */
INLINE void i5_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    stream_scales(t, unit + I5_SCALE, I5_BYTES - I5_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, next_block(t, PANEL_BLOCK)) {
        __m512i sum[ROWS_MOST];
        start_sums(t, rows, sum);
        five_bit_sums(t, unit, b, stream(t, unit + I5_HIGH + b * LINE), rows, sum);
        fold_rows(t, halves(unit + I5_SCALE + b * 32), rows, sum, acc);
    }
}

/* ---- Q6_K: a scale for each half block; 32 times the sum of x is taken off first ---- */

INLINE __m512i less_32_of_halves(__m512i of_halves, __m256 scale) {
    (void)scale;
    return less(of_halves, 32);
}

/* Half h of block b of a quarter. With every other pair of bits cleared, nothing but a group's own stands above its
 * nibble once it is moved there. */
INLINE void q6_k_half(const struct tile *t, const uint8_t *quarter, int b, int h, __m512i bits, int rows,
                      __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15), even = _mm512_set1_epi8(0x33);
    __m512i pairs[2] = {_mm512_and_si512(even, bits), _mm512_andnot_si512(even, bits)};
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = start_of(t, h, r, rows, PANEL_BLOCK / 2);
#pragma GCC unroll 4
    for (int g = h * HALF_GROUPS; g < (h + 1) * HALF_GROUPS; g++) {
        __m512i high = moved(pairs[g % 2], g % HALF_GROUPS * 2, 4);
        add_products(t, select_bits(low, nibbles(t, quarter, b, g), high), g * 4, rows, sum);
    }
}

INLINE void q6_k_unit(struct tile *t, const uint8_t *unit, int rows, __m512 *acc) {
    __m512 factor = halves(unit + Q6_K_FACTOR);
    stream_scales(t, unit + Q6_K_SCALE, Q6_K_BYTES - Q6_K_SCALE);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 4
        for (int half = 0; half < 4; half++) {
            __m512i sum[ROWS_MOST], bits = stream(t, unit + Q6_K_HIGH + (q * 4 + half) * LINE);
            __m512 scale = signed_bytes(unit + Q6_K_SCALE + (q * 4 + half) * PANEL_OUTS);
            q6_k_half(t, unit + q * K_QUARTER, half / 2, half % 2, bits, rows, sum);
            fold_rows(t, _mm512_mul_ps(factor, scale), rows, sum, acc);
            if (half % 2 == 1) next_block(t, PANEL_BLOCK / 2);
        }
    }
}

static void multiply_i8(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){i8_unit, less_128, I8_UNIT, I8_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_i4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){i4_unit, less_8, I4_UNIT, I4_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_i5(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, &(struct recipe){i5_unit, less_16, I4_UNIT, I5_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_q4_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){q4_k_unit, of_minima, K_UNIT, Q4_K_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_q5_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){q5_k_unit, of_minima, K_UNIT, Q5_K_BYTES, PANEL_BLOCK, ROWS_MOST});
}
static void multiply_q6_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end,
             &(struct recipe){q6_k_unit, less_32_of_halves, K_UNIT, Q6_K_BYTES, PANEL_BLOCK / 2, ROWS_MOST});
}

/* The formats of this file. */
static panel_multiply *const own[PANEL_COUNT] = {
    [PANEL_I8] = multiply_i8,     [PANEL_I4] = multiply_i4,     [PANEL_I5] = multiply_i5,
    [PANEL_Q4_K] = multiply_q4_k, [PANEL_Q5_K] = multiply_q5_k, [PANEL_Q6_K] = multiply_q6_k};

void avx512_panel_multiply(const struct panel_product *product, int64_t begin, int64_t end) {
    own[product->w->format](product, begin, end);
}

/* ---- rounding activations ---- */

static void round_row(const float *x, int64_t n, int8_t *value, float *scale, int32_t *sum) {
    const __m512 infinity = _mm512_set1_ps(__builtin_inff());
    for (int64_t b = 0; b < n / PANEL_BLOCK; b++, x += PANEL_BLOCK, value += PANEL_BLOCK) {
        __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
        __m512 a0 = _mm512_abs_ps(x0), a1 = _mm512_abs_ps(x1);
        /* not less than infinity: infinities and NaN */
        bool finite =
            !(_mm512_cmp_ps_mask(a0, infinity, _CMP_NLT_UQ) | _mm512_cmp_ps_mask(a1, infinity, _CMP_NLT_UQ));
        float largest = finite ? _mm512_reduce_max_ps(_mm512_max_ps(a0, a1)) : 0;
        float factor = largest > 0 ? 127 / largest : 0;
        if (!(factor < __builtin_inff())) factor = 0;
        __m512i v0 = _mm512_setzero_si512(), v1 = v0;
        if (finite) {
            v0 = _mm512_cvtps_epi32(_mm512_mul_ps(x0, _mm512_set1_ps(factor)));
            v1 = _mm512_cvtps_epi32(_mm512_mul_ps(x1, _mm512_set1_ps(factor)));
        }
        _mm_storeu_si128((__m128i *)(void *)value, _mm512_cvtepi32_epi8(v0));
        _mm_storeu_si128((__m128i *)(void *)(value + 16), _mm512_cvtepi32_epi8(v1));
        scale[b] = finite ? largest / 127 : __builtin_nanf("");
        sum[2 * b] = _mm512_reduce_add_epi32(v0);
        sum[2 * b + 1] = _mm512_reduce_add_epi32(v1);
    }
}

void avx512_add_panels(struct kernels *kernels) {
    for (int format = PANEL_I8; format < PANEL_COUNT; format++)
        if (own[format]) kernels->panel_multiply[format] = avx512_panel_multiply;
    kernels->panel_round = round_row;
    kernels->integer_products = true;
}
