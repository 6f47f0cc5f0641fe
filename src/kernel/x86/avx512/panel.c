/* panel.c - integer products over panels with VNNI: sixteen outputs in a register, four inputs a step. The bits are
 * those of ref/panel.c. Needs AVX512-VNNI, which select.c asks for apart from the level. */
#include "kernel/level.h"
#include "kernel/panel_layout.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS_MOST = 8, BLOCK_GROUPS = 8, AHEAD_BYTES = 4096, LINE = 64 };

/* Rows that share one reading of a panel; pointers at the panel's first input. */
struct tile {
    const uint8_t *panel;
    const int8_t *x;
    const float *scale;
    const int32_t *sum;
    int64_t in, units;
    const float *bias;
    float *y;
    int64_t y_stride;
    __mmask16 outs;
};

INLINE __m512i four_inputs(const int8_t *x) {
    int word;
    __builtin_memcpy(&word, x, sizeof word);
    return _mm512_set1_epi32(word);
}

INLINE __m512 halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)at));
}

INLINE __m512 unsigned_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}

INLINE __m512 signed_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}

INLINE __m512i load(const uint8_t *at) {
    return _mm512_load_si512((const void *)at);
}

/* A single row takes the panel from memory: ask for it early. */
INLINE void prefetch(const uint8_t *unit, int bytes, int rows) {
    if (rows > 2) return;
    for (int at = 0; at < bytes; at += LINE) _mm_prefetch((const char *)unit + AHEAD_BYTES + at, _MM_HINT_T0);
}

INLINE __m512 fold(__m512i sum, __m512 w_scale, float x_scale, __m512 acc) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale)), acc);
}

/* ---- I8: the unsigned operand is q + 128, and 128 times the sum of x is taken off again ---- */

INLINE void i8_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    const __m512i flip = _mm512_set1_epi8((char)0x80);
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
            __m512i w = _mm512_xor_si512(load(unit + (b * BLOCK_GROUPS + g) * LINE), flip);
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++)
                sum[r] = _mm512_dpbusd_epi32(sum[r], w, four_inputs(t->x + r * t->in + at + b * 32 + g * 4));
        }
        __m512 w_scale = halves(unit + I8_SCALE + b * 32);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + at) / 32 + b], acc[r]);
    }
}

/* ---- formats of nibbles: 64 inputs as two blocks ---- */

struct pair {
    __m512i of[2][ROWS_MOST];
};

/* Integer sums of both blocks of a quarter; start[r] is what each begins with. `high` returns the bits to add to group g
 * of a block, shifted into place. */
INLINE void quarter_sums(const struct tile *t, const uint8_t *quarter, int64_t at, int rows,
                         struct pair *sum) {
    const __m512i low = _mm512_set1_epi8(15);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        __m512i both = load(quarter + g * LINE);
        __m512i w0 = _mm512_and_si512(both, low), w1 = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int8_t *x = t->x + r * t->in + at + g * 4;
            sum->of[0][r] = _mm512_dpbusd_epi32(sum->of[0][r], w0, four_inputs(x));
            sum->of[1][r] = _mm512_dpbusd_epi32(sum->of[1][r], w1, four_inputs(x + 32));
        }
    }
}

INLINE void i4_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    struct pair sum;
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++)
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int32_t *of_x = t->sum + (r * t->in + at) / 16 + 2 * b;
            sum.of[b][r] = _mm512_set1_epi32(-8 * (of_x[0] + of_x[1]));
        }
    quarter_sums(t, unit, at, rows, &sum);
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++) {
        __m512 w_scale = halves(unit + I4_SCALE + b * 32);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            acc[r] = fold(sum.of[b][r], w_scale, t->scale[(r * t->in + at) / 32 + b], acc[r]);
    }
}

/* ---- Q4_K and Q5_K ---- */

struct k_scales {
    const uint8_t *scale, *minimum;
    __m512 of_scales, of_minima;
};

INLINE void fold_with_minimum(const struct tile *t, const struct k_scales *k, int block, int64_t at, int rows,
                              const __m512i *sum, __m512 *acc) {
    __m512 w_scale = _mm512_mul_ps(k->of_scales, unsigned_bytes(k->scale + block * PANEL_OUTS));
    __m512 w_minimum = _mm512_mul_ps(k->of_minima, unsigned_bytes(k->minimum + block * PANEL_OUTS));
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        float x_scale = t->scale[(r * t->in + at) / 32];
        const int32_t *of_x = t->sum + (r * t->in + at) / 16;
        acc[r] = fold(sum[r], w_scale, x_scale, acc[r]);
        acc[r] = _mm512_fnmadd_ps(w_minimum, _mm512_set1_ps(x_scale * (float)(of_x[0] + of_x[1])), acc[r]);
    }
}

INLINE void zero_pair(struct pair *sum, int rows) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum->of[0][r] = sum->of[1][r] = _mm512_setzero_si512();
}

INLINE void q4_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    struct k_scales k = {unit + Q4_K_SCALE, unit + Q4_K_MINIMUM, halves(unit + Q4_K_FACTOR),
                         halves(unit + Q4_K_FACTOR + 32)};
    for (int q = 0; q < 4; q++) {
        struct pair sum;
        zero_pair(&sum, rows);
        quarter_sums(t, unit + q * K_QUARTER, at + q * 64, rows, &sum);
        fold_with_minimum(t, &k, 2 * q, at + q * 64, rows, sum.of[0], acc);
        fold_with_minimum(t, &k, 2 * q + 1, at + q * 64 + 32, rows, sum.of[1], acc);
    }
}

/* Bit g of every byte, moved to bit 4. */
INLINE __m512i fifth_bit(__m512i bits, int g) {
    __m512i moved =
        g <= 4 ? _mm512_slli_epi16(bits, (unsigned)(4 - g)) : _mm512_srli_epi16(bits, (unsigned)(g - 4));
    return _mm512_and_si512(moved, _mm512_set1_epi8(16));
}

INLINE void q5_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    const __m512i low = _mm512_set1_epi8(15);
    struct k_scales k = {unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, halves(unit + Q5_K_FACTOR),
                         halves(unit + Q5_K_FACTOR + 32)};
    for (int q = 0; q < 4; q++) {
        struct pair sum;
        __m512i bits0 = load(unit + Q5_K_HIGH + q * 128), bits1 = load(unit + Q5_K_HIGH + q * 128 + LINE);
        zero_pair(&sum, rows);
#pragma GCC unroll 8
        for (int g = 0; g < BLOCK_GROUPS; g++) {
            __m512i both = load(unit + q * K_QUARTER + g * LINE);
            __m512i w0 = _mm512_or_si512(_mm512_and_si512(both, low), fifth_bit(bits0, g));
            __m512i w1 =
                _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(both, 4), low), fifth_bit(bits1, g));
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                const int8_t *x = t->x + r * t->in + at + q * 64 + g * 4;
                sum.of[0][r] = _mm512_dpbusd_epi32(sum.of[0][r], w0, four_inputs(x));
                sum.of[1][r] = _mm512_dpbusd_epi32(sum.of[1][r], w1, four_inputs(x + 32));
            }
        }
        fold_with_minimum(t, &k, 2 * q, at + q * 64, rows, sum.of[0], acc);
        fold_with_minimum(t, &k, 2 * q + 1, at + q * 64 + 32, rows, sum.of[1], acc);
    }
}

/* ---- Q6_K: a scale for each half block ---- */

/* Two bits of group g (of four), moved to bits 4 and 5. */
INLINE __m512i high_bits(__m512i bits, int g) {
    __m512i moved = g < 2 ? _mm512_slli_epi16(bits, (unsigned)(4 - 2 * g))
                          : _mm512_srli_epi16(bits, (unsigned)(2 * g - 4));
    return _mm512_and_si512(moved, _mm512_set1_epi8(0x30));
}

/* Half `h` (0 or 1) of both blocks of quarter `q`. */
INLINE void q6_k_half(const struct tile *t, const uint8_t *unit, int64_t at, int q, int h, int rows,
                      struct pair *sum) {
    const __m512i low = _mm512_set1_epi8(15);
    __m512i bits0 = load(unit + Q6_K_HIGH + (q * 4 + h) * LINE),
            bits1 = load(unit + Q6_K_HIGH + (q * 4 + 2 + h) * LINE);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        const int32_t *of_x = t->sum + (r * t->in + at + q * 64) / 16 + h;
        sum->of[0][r] = _mm512_set1_epi32(-32 * of_x[0]);
        sum->of[1][r] = _mm512_set1_epi32(-32 * of_x[2]);
    }
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m512i both = load(unit + q * K_QUARTER + (h * 4 + g) * LINE);
        __m512i w0 = _mm512_or_si512(_mm512_and_si512(both, low), high_bits(bits0, g));
        __m512i w1 = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(both, 4), low), high_bits(bits1, g));
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const int8_t *x = t->x + r * t->in + at + q * 64 + h * 16 + g * 4;
            sum->of[0][r] = _mm512_dpbusd_epi32(sum->of[0][r], w0, four_inputs(x));
            sum->of[1][r] = _mm512_dpbusd_epi32(sum->of[1][r], w1, four_inputs(x + 32));
        }
    }
}

INLINE void q6_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc) {
    __m512 factor = halves(unit + Q6_K_FACTOR);
    for (int q = 0; q < 4; q++) {
        struct pair half[2];
        q6_k_half(t, unit, at, q, 0, rows, &half[0]);
        q6_k_half(t, unit, at, q, 1, rows, &half[1]);
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++)
#pragma GCC unroll 2
            for (int h = 0; h < 2; h++) {
                __m512 w_scale =
                    _mm512_mul_ps(factor, signed_bytes(unit + Q6_K_SCALE + (q * 4 + b * 2 + h) * PANEL_OUTS));
#pragma GCC unroll 8
                for (int r = 0; r < rows; r++)
                    acc[r] =
                        fold(half[h].of[b][r], w_scale, t->scale[(r * t->in + at + q * 64) / 32 + b], acc[r]);
            }
    }
}

/* ---- walking ---- */

typedef void unit_function(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc);

INLINE void tile_rows(const struct tile *t, unit_function *unit, int unit_inputs, int unit_bytes, int rows) {
    __m512 acc[ROWS_MOST];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) acc[r] = _mm512_setzero_ps();
    for (int64_t u = 0; u < t->units; u++) {
        prefetch(t->panel + u * unit_bytes, unit_bytes, rows);
        unit(t, t->panel + u * unit_bytes, u * unit_inputs, rows, acc);
    }
    __m512 bias = t->bias ? _mm512_maskz_loadu_ps(t->outs, t->bias) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(t->y + r * t->y_stride, t->outs,
                              t->bias ? _mm512_add_ps(acc[r], bias) : acc[r]);
}

/* Rows in groups of `most`, then four, two and one: a row's sums are the same in every group. */
INLINE void multiply(const struct panel_product *product, int64_t begin, int64_t end, unit_function *unit,
                     int unit_inputs, int unit_bytes, int most) {
    const struct panels *w = product->w;
    struct tile t = {.in = w->in, .units = w->in / unit_inputs, .y_stride = product->y_stride};
    for (int64_t p = begin; p < end; p++) {
        int64_t outs = w->outs - p * PANEL_OUTS;
        t.panel = w->data + p * t.units * unit_bytes;
        t.outs = outs >= PANEL_OUTS ? 0xffff : (__mmask16)((1u << outs) - 1);
        t.bias = product->bias ? product->bias + p * PANEL_OUTS : NULL;
        for (int64_t r = 0, group; r < product->rows; r += group) {
            int64_t left = product->rows - r;
            t.x = product->x->value + r * w->in;
            t.scale = product->x->scale + r * w->in / 32;
            t.sum = product->x->sum + r * w->in / 16;
            t.y = product->y + r * product->y_stride + p * PANEL_OUTS;
            group = left >= most ? most : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            switch (group) {
            case 8: tile_rows(&t, unit, unit_inputs, unit_bytes, 8); break;
            case 6: tile_rows(&t, unit, unit_inputs, unit_bytes, 6); break;
            case 4: tile_rows(&t, unit, unit_inputs, unit_bytes, 4); break;
            case 2: tile_rows(&t, unit, unit_inputs, unit_bytes, 2); break;
            default: tile_rows(&t, unit, unit_inputs, unit_bytes, 1); break;
            }
        }
    }
}

/* The most rows whose sums fit the registers: one sum a row for I8, two for nibbles, four for Q6_K. */
static void multiply_i8(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i8_unit, I8_UNIT, I8_BYTES, 8);
}
static void multiply_i4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i4_unit, I4_UNIT, I4_BYTES, 8);
}
static void multiply_q4_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q4_k_unit, K_UNIT, Q4_K_BYTES, 8);
}
static void multiply_q5_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q5_k_unit, K_UNIT, Q5_K_BYTES, 6);
}
static void multiply_q6_k(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, q6_k_unit, K_UNIT, Q6_K_BYTES, 4);
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
    kernels->panel_multiply[PANEL_I8] = multiply_i8;
    kernels->panel_multiply[PANEL_I4] = multiply_i4;
    kernels->panel_multiply[PANEL_Q4_K] = multiply_q4_k;
    kernels->panel_multiply[PANEL_Q5_K] = multiply_q5_k;
    kernels->panel_multiply[PANEL_Q6_K] = multiply_q6_k;
    kernels->panel_round = round_row;
    kernels->integer_products = true;
}
