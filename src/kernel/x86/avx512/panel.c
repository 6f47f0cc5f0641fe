/* panel.c - integer products over panels with VNNI: sixteen outputs in a register, four inputs a step. The bits are
 * those of ref/panel.c. Needs AVX512-VNNI, which select.c asks for apart from the level. */
#include "kernel/x86/avx512/panel_tile.h"

/* ---- I8: the unsigned operand is q + 128, and 128 times the sum of x is taken off again ---- */

INLINE void i8_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
    stream_scales(t, unit + I8_SCALE, I8_BYTES - I8_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++) {
        __m512i sum[ROWS_MOST];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int32_t *of_x = t->sum + (r * t->in + at) / 16 + 2 * b;
            sum[r] = _mm512_set1_epi32(-128 * (of_x[0] + of_x[1]));
        }
#pragma GCC unroll 8
        for (int g = 0; g < BLOCK_GROUPS; g++) {
            __m512i w = _mm512_xor_si512(stream(t, unit + (b * BLOCK_GROUPS + g) * LINE), flip);
            add_products(t, w, at + b * 32 + g * 4, rows, sum);
        }
        __m512 w_scale = halves(unit + I8_SCALE + b * 32);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + at) / 32 + b], acc[r]);
    }
}

/* ---- I4: 64 inputs as two blocks, in low and high nibbles ---- */

struct pair {
    __m512i of[2][ROWS_MOST];
};

/* What a number of block b of a quarter counts where it stands in its byte. */
INLINE int nibble_place(int b) {
    return b == 0 ? 1 : 16;
}

/* A sum of such numbers as if they stood in low nibbles; exact. */
INLINE __m512i in_place(__m512i sum, int b) {
    return b == 0 ? sum : _mm512_srai_epi32(sum, 4);
}

/* Adds the products of both blocks of a quarter to the sums. The second block's numbers are multiplied where they stand,
 * in the high nibbles: its sums are 16 times as large. */
INLINE void quarter_sums(const struct tile *t, const uint8_t *quarter, int64_t at, int rows,
                         struct pair *sum) {
    const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        __m512i both = stream(t, quarter + g * LINE);
        __m512i w0 = _mm512_and_si512(both, low), w1 = _mm512_andnot_si512(low, both);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int8_t *x = t->x + r * t->in + at + g * 4;
            sum->of[0][r] = add_dots(sum->of[0][r], w0, x);
            sum->of[1][r] = add_dots(sum->of[1][r], w1, x + 32);
        }
    }
}

INLINE void i4_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    struct pair sum;
    stream_scales(t, unit + I4_SCALE, I4_BYTES - I4_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++)
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int32_t *of_x = t->sum + (r * t->in + at) / 16 + 2 * b;
            sum.of[b][r] = _mm512_set1_epi32(-8 * nibble_place(b) * (of_x[0] + of_x[1]));
        }
    quarter_sums(t, unit, at, rows, &sum);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++) {
        __m512 w_scale = halves(unit + I4_SCALE + b * 32);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = fold(in_place(sum.of[b][r], b), w_scale, t->scale[(r * t->in + at) / 32 + b], acc[r]);
    }
}

/* ---- K formats: a block at a time, so that eight rows fit the registers ---- */

struct k_scales {
    const uint8_t *scale, *minimum;
    __m512 of_scales, of_minima;
    float of_x[ROWS_MOST][ALL_BLOCKS]; /* scale times sum of the block's activations */
};

INLINE void read_k_scales(const struct tile *t, const uint8_t *scale, const uint8_t *minimum,
                          const uint8_t *factor, int64_t at, int rows, struct k_scales *k) {
    k->scale = scale;
    k->minimum = minimum;
    k->of_scales = halves(factor);
    k->of_minima = halves(factor + 32);
    stream_scales(t, scale, Q4_K_BYTES - Q4_K_SCALE);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        __m512i of_halves = _mm512_loadu_si512(t->sum + (r * t->in + at) / 16);
        __m256i of_blocks =
            _mm512_cvtepi64_epi32(_mm512_add_epi64(of_halves, _mm512_srli_epi64(of_halves, 32)));
        __m256 scales = _mm256_loadu_ps(t->scale + (r * t->in + at) / 32);
        _mm256_storeu_ps(k->of_x[r], _mm256_mul_ps(scales, _mm256_cvtepi32_ps(of_blocks)));
    }
}

INLINE void fold_with_minimum(const struct tile *t, const struct k_scales *k, int block, int64_t at, int rows,
                              const __m512i *sum, __m512 *acc) {
    __m512 w_scale = _mm512_mul_ps(k->of_scales, unsigned_bytes(k->scale + block * PANEL_OUTS));
    __m512 w_minimum = _mm512_mul_ps(k->of_minima, unsigned_bytes(k->minimum + block * PANEL_OUTS));
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + at) / 32], acc[r]);
        acc[r] = _mm512_fnmadd_ps(w_minimum, _mm512_set1_ps(k->of_x[r][block]), acc[r]);
    }
}

INLINE void q4_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    const __m512i low = _mm512_set1_epi8(15);
    struct k_scales k;
    read_k_scales(t, unit + Q4_K_SCALE, unit + Q4_K_MINIMUM, unit + Q4_K_FACTOR, at, rows, &k);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++) {
            __m512i sum[ROWS_MOST];
            zero_sums(rows, sum);
#pragma GCC unroll 8
            for (int g = 0; g < BLOCK_GROUPS; g++) {
                const uint8_t *line = unit + q * K_QUARTER + g * LINE;
                __m512i w =
                    b == 0 ? _mm512_and_si512(low, stream(t, line)) : _mm512_andnot_si512(low, load(line));
                add_products(t, w, at + q * 64 + b * 32 + g * 4, rows, sum);
            }
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) sum[r] = in_place(sum[r], b);
            fold_with_minimum(t, &k, 2 * q + b, at + q * 64 + b * 32, rows, sum, acc);
        }
    }
}

/* Block b of a quarter, with its fifth bits. With only every fourth of them left, nothing but a group's own stands above
 * its nibble once it is moved there. */
INLINE void five_bit_sums(const struct tile *t, const uint8_t *quarter, int b, __m512i bits, int64_t at,
                          int rows, __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i fourth[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) fourth[g] = _mm512_and_si512(bits, _mm512_set1_epi8((char)(0x11 << g)));
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        __m512i w = select_bits(low, nibbles(t, quarter, b, g), moved(fourth[g % 4], g, 4));
        add_products(t, w, at + g * 4, rows, sum);
    }
}

INLINE void q5_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    struct k_scales k;
    read_k_scales(t, unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, unit + Q5_K_FACTOR, at, rows, &k);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++) {
            __m512i sum[ROWS_MOST], bits = stream(t, unit + Q5_K_HIGH + (2 * q + b) * LINE);
            zero_sums(rows, sum);
            five_bit_sums(t, unit + q * K_QUARTER, b, bits, at + q * 64 + b * 32, rows, sum);
            fold_with_minimum(t, &k, 2 * q + b, at + q * 64 + b * 32, rows, sum, acc);
        }
    }
}

/* Q5_0: 16 times the sum of x is taken off first. */
INLINE void i5_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    stream_scales(t, unit + I5_SCALE, I5_BYTES - I5_SCALE);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
        __m512i sum[ROWS_MOST];
        __m512 w_scale = halves(unit + I5_SCALE + b * 32);
        start_sums(t, at, 16, rows, sum);
        five_bit_sums(t, unit, b, stream(t, unit + I5_HIGH + b * LINE), at, rows, sum);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + at) / 32], acc[r]);
    }
}

/* ---- Q6_K: a scale for each half block; 32 times the sum of x is taken off first ---- */

/* Half block `half` of the unit's sixteen. With every other pair of bits cleared, nothing but a group's own stands above
 * its nibble once it is moved there. */
INLINE void q6_k_half(const struct tile *t, const uint8_t *unit, int q, int b, int h, int64_t at, int rows,
                      __m512i *sum) {
    const __m512i low = _mm512_set1_epi8(15), even = _mm512_set1_epi8(0x33);
    __m512i bits = stream(t, unit + Q6_K_HIGH + (q * 4 + b * 2 + h) * LINE);
    __m512i pairs[2] = {_mm512_and_si512(even, bits), _mm512_andnot_si512(even, bits)};
#pragma GCC unroll 4
    for (int g = 0; g < HALF_GROUPS; g++) {
        __m512i nibble = nibbles(t, unit + q * K_QUARTER, b, h * HALF_GROUPS + g);
        add_products(t, select_bits(low, nibble, moved(pairs[g % 2], 2 * g, 4)), at + g * 4, rows, sum);
    }
}

INLINE void q6_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    __m512 factor = halves(unit + Q6_K_FACTOR);
    int32_t start[ROWS_MOST][K_UNIT / 16];
    stream_scales(t, unit + Q6_K_SCALE, Q6_K_BYTES - Q6_K_SCALE);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        __m512i of_x = _mm512_loadu_si512(t->sum + (r * t->in + at) / 16);
        _mm512_storeu_si512(start[r], _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(of_x, 5)));
    }
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 4
        for (int half = 0; half < 4; half++) {
            int64_t here = at + q * 64 + half * 16;
            __m512i sum[ROWS_MOST];
            __m512 w_scale =
                _mm512_mul_ps(factor, signed_bytes(unit + Q6_K_SCALE + (q * 4 + half) * PANEL_OUTS));
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) sum[r] = _mm512_set1_epi32(start[r][q * 4 + half]);
            q6_k_half(t, unit, q, half / 2, half % 2, here, rows, sum);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + here) / 32], acc[r]);
        }
    }
}

static void multiply_i8(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i8_unit, I8_UNIT, I8_BYTES);
}
static void multiply_i4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i4_unit, I4_UNIT, I4_BYTES);
}
static void multiply_i5(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i5_unit, I4_UNIT, I5_BYTES);
}
static void multiply_q4_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q4_k_unit, K_UNIT, Q4_K_BYTES);
}
static void multiply_q5_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q5_k_unit, K_UNIT, Q5_K_BYTES);
}
static void multiply_q6_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q6_k_unit, K_UNIT, Q6_K_BYTES);
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
