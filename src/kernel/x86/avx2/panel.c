/* panel.c - integer products over panels with byte products summed in 16 bits: eight outputs in a register, four inputs a
 * step. The bits are those of ref/panel.c.
 *
 * A product of bytes adds pairs into 16 bits and saturates. Activations lie in -127..127, so that a pair is at most
 * 2 * 15 * 127 for four bits, and eight such steps still fit; for five bits four do, for six bits two. */
#include "kernel/level.h"
#include "kernel/panel_layout.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS_MOST = 4, LANES = 8, LINE = 64, BLOCK_GROUPS = 8, HALF_GROUPS = 4, AHEAD_BYTES = 4096 };

/* Rows that share one reading of half a panel, eight outputs; pointers at the panel's first input. */
struct tile {
    const uint8_t *panel;
    const int8_t *x;
    const float *scale;
    const int32_t *sum;
    int64_t in, units;
    int64_t ahead; /* how far in front to ask for the panel: nothing once it is in the caches */
    int first;     /* of the eight outputs: 0 or 8 */
    const float *bias;
    float *y;
    int64_t y_stride;
    __m256i outs; /* all ones where there is an output */
};

INLINE __m256i four_inputs(const int8_t *x) {
    int word;
    __builtin_memcpy(&word, x, sizeof word);
    return _mm256_set1_epi32(word);
}

INLINE __m256i load(const struct tile *t, const uint8_t *line) {
    _mm_prefetch((const char *)line + t->ahead, _MM_HINT_T0);
    return _mm256_load_si256((const __m256i *)(const void *)(line + t->first * 4));
}

INLINE __m256 halves(const struct tile *t, const uint8_t *at) {
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)(const void *)(at + t->first * 2)));
}

INLINE __m256 unsigned_bytes(const struct tile *t, const uint8_t *at) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(at + t->first))));
}

INLINE __m256 signed_bytes(const struct tile *t, const uint8_t *at) {
    return _mm256_cvtepi32_ps(
        _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(at + t->first))));
}

INLINE __m256 fold(__m256i sum, __m256 w_scale, float x_scale, __m256 acc) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), _mm256_mul_ps(w_scale, _mm256_set1_ps(x_scale)), acc);
}

/* Pairs of 16 bits to sums of 32. */
INLINE __m256i widened(__m256i pairs) {
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

INLINE void zero_sums(int rows, __m256i *sum) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r] = _mm256_setzero_si256();
}

INLINE void start_sums(const struct tile *t, int64_t at, int rows, int factor, bool both, __m256i *sum) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        const int32_t *of_x = t->sum + (r * t->in + at) / 16;
        sum[r] = _mm256_set1_epi32(-factor * (of_x[0] + (both ? of_x[1] : 0)));
    }
}

INLINE void fold_rows(const struct tile *t, __m256 w_scale, int64_t at, int rows, const __m256i *sum,
                      __m256 *acc) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r] = fold(sum[r], w_scale, t->scale[(r * t->in + at) / 32], acc[r]);
}

/* ---- I8: the magnitude of the weight times the activation with the weight's sign ---- */

INLINE void i8_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
        __m256i sum[ROWS_MOST];
        zero_sums(rows, sum);
#pragma GCC unroll 8
        for (int g = 0; g < BLOCK_GROUPS; g++) {
            __m256i w = load(t, unit + (b * BLOCK_GROUPS + g) * LINE), size = _mm256_abs_epi8(w);
#pragma GCC unroll 4
            for (int r = 0; r < rows; r++) {
                __m256i x = _mm256_sign_epi8(four_inputs(t->x + r * t->in + at + g * 4), w);
                sum[r] = _mm256_add_epi32(sum[r], widened(_mm256_maddubs_epi16(size, x)));
            }
        }
        fold_rows(t, halves(t, unit + I8_SCALE + b * 32), at, rows, sum, acc);
    }
}

/* ---- the others: unsigned weights ---- */

/* Adds the products of one group to sums of 16 bits. */
INLINE void add_products(const struct tile *t, __m256i w, int64_t at, int rows, __m256i *pairs) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        pairs[r] = _mm256_add_epi16(pairs[r], _mm256_maddubs_epi16(w, four_inputs(t->x + r * t->in + at)));
}

INLINE void add_widened(int rows, const __m256i *pairs, __m256i *sum) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) sum[r] = _mm256_add_epi32(sum[r], widened(pairs[r]));
}

/* The low four bits of group g of a block; those of the second block are in the high nibbles. */
INLINE __m256i nibbles(const struct tile *t, const uint8_t *quarter, int b, int g) {
    __m256i both = load(t, quarter + g * LINE);
    return _mm256_and_si256(b == 0 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(15));
}

INLINE void four_bit_sums(const struct tile *t, const uint8_t *quarter, int b, int64_t at, int rows,
                          __m256i *sum) {
    __m256i pairs[ROWS_MOST];
    zero_sums(rows, pairs);
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++)
        add_products(t, nibbles(t, quarter, b, g), at + g * 4, rows, pairs);
    add_widened(rows, pairs, sum);
}

INLINE void i4_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
        __m256i sum[ROWS_MOST];
        start_sums(t, at, rows, 8, true, sum);
        four_bit_sums(t, unit, b, at, rows, sum);
        fold_rows(t, halves(t, unit + I4_SCALE + b * 32), at, rows, sum, acc);
    }
}

struct k_scales {
    const uint8_t *scale, *minimum;
    __m256 of_scales, of_minima;
    float of_x[ROWS_MOST][K_UNIT / 32]; /* scale times sum of the block's activations */
};

INLINE struct k_scales read_k_scales(const struct tile *t, const uint8_t *scale, const uint8_t *minimum,
                                     const uint8_t *factor, int64_t at, int rows) {
    struct k_scales k = {scale, minimum, halves(t, factor), halves(t, factor + 32), {{0}}};
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        const __m256i *of_halves = (const __m256i *)(const void *)(t->sum + (r * t->in + at) / 16);
        __m256i sums = _mm256_hadd_epi32(_mm256_loadu_si256(of_halves), _mm256_loadu_si256(of_halves + 1));
        sums = _mm256_permute4x64_epi64(sums, 0xd8); /* the halves' blocks in order */
        __m256 scales = _mm256_loadu_ps(t->scale + (r * t->in + at) / 32);
        _mm256_storeu_ps(k.of_x[r], _mm256_mul_ps(scales, _mm256_cvtepi32_ps(sums)));
    }
    return k;
}

INLINE void fold_with_minimum(const struct tile *t, const struct k_scales *k, int block, int64_t at, int rows,
                              const __m256i *sum, __m256 *acc) {
    __m256 w_scale = _mm256_mul_ps(k->of_scales, unsigned_bytes(t, k->scale + block * PANEL_OUTS));
    __m256 w_minimum = _mm256_mul_ps(k->of_minima, unsigned_bytes(t, k->minimum + block * PANEL_OUTS));
    fold_rows(t, w_scale, at, rows, sum, acc);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        acc[r] = _mm256_fnmadd_ps(w_minimum, _mm256_set1_ps(k->of_x[r][block]), acc[r]);
}

INLINE void q4_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    struct k_scales k =
        read_k_scales(t, unit + Q4_K_SCALE, unit + Q4_K_MINIMUM, unit + Q4_K_FACTOR, at, rows);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
            __m256i sum[ROWS_MOST];
            zero_sums(rows, sum);
            four_bit_sums(t, unit + q * K_QUARTER, b, at, rows, sum);
            fold_with_minimum(t, &k, 2 * q + b, at, rows, sum, acc);
        }
    }
}

/* Bit g of every byte, moved to bit 4. */
INLINE __m256i fifth_bit(__m256i bits, int g) {
    __m256i moved = g <= 4 ? _mm256_slli_epi16(bits, 4 - g) : _mm256_srli_epi16(bits, g - 4);
    return _mm256_and_si256(moved, _mm256_set1_epi8(16));
}

INLINE void q5_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    struct k_scales k =
        read_k_scales(t, unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, unit + Q5_K_FACTOR, at, rows);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
            __m256i sum[ROWS_MOST], pairs[ROWS_MOST], bits = load(t, unit + Q5_K_HIGH + (2 * q + b) * LINE);
            zero_sums(rows, sum);
#pragma GCC unroll 8
            for (int g = 0; g < BLOCK_GROUPS; g++) {
                if (g % 4 == 0) zero_sums(rows, pairs);
                __m256i w = _mm256_or_si256(nibbles(t, unit + q * K_QUARTER, b, g), fifth_bit(bits, g));
                add_products(t, w, at + g * 4, rows, pairs);
                if (g % 4 == 3) add_widened(rows, pairs, sum);
            }
            fold_with_minimum(t, &k, 2 * q + b, at, rows, sum, acc);
        }
    }
}

/* Two bits of group g (of four), moved to bits 4 and 5. */
INLINE __m256i high_bits(__m256i bits, int g) {
    __m256i moved = g < 2 ? _mm256_slli_epi16(bits, 4 - 2 * g) : _mm256_srli_epi16(bits, 2 * g - 4);
    return _mm256_and_si256(moved, _mm256_set1_epi8(0x30));
}

INLINE void q6_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    __m256 factor = halves(t, unit + Q6_K_FACTOR);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 4
        for (int h = 0; h < 4; h++, at += PANEL_BLOCK / 2) {
            __m256i sum[ROWS_MOST], pairs[ROWS_MOST], bits = load(t, unit + Q6_K_HIGH + (q * 4 + h) * LINE);
            start_sums(t, at, rows, 32, false, sum);
#pragma GCC unroll 4
            for (int g = 0; g < HALF_GROUPS; g++) {
                if (g % 2 == 0) zero_sums(rows, pairs);
                __m256i low = nibbles(t, unit + q * K_QUARTER, h / 2, h % 2 * HALF_GROUPS + g);
                add_products(t, _mm256_or_si256(low, high_bits(bits, g)), at + g * 4, rows, pairs);
                if (g % 2 == 1) add_widened(rows, pairs, sum);
            }
            __m256 scale = signed_bytes(t, unit + Q6_K_SCALE + (q * 4 + h) * PANEL_OUTS);
            fold_rows(t, _mm256_mul_ps(factor, scale), at, rows, sum, acc);
        }
    }
}

/* ---- walking ---- */

typedef void unit_function(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc);

INLINE void tile_rows(const struct tile *t, unit_function *unit, int unit_inputs, int unit_bytes, int rows) {
    __m256 acc[ROWS_MOST];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) acc[r] = _mm256_setzero_ps();
    for (int64_t u = 0; u < t->units; u++) unit(t, t->panel + u * unit_bytes, u * unit_inputs, rows, acc);
    __m256 bias = t->bias ? _mm256_maskload_ps(t->bias, t->outs) : _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        _mm256_maskstore_ps(t->y + r * t->y_stride, t->outs, t->bias ? _mm256_add_ps(acc[r], bias) : acc[r]);
}

/* Rows in groups of four, two and one: a row's sums are the same in every group. */
INLINE void half_panel(const struct panel_product *product, struct tile *t, int64_t out, unit_function *unit,
                       int unit_inputs, int unit_bytes) {
    int64_t in = product->w->in, outs = product->w->outs - out;
    t->outs = _mm256_cmpgt_epi32(_mm256_set1_epi32(outs < LANES ? (int)outs : LANES),
                                 _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    t->bias = product->bias ? product->bias + out : NULL;
    for (int64_t r = 0, group; r < product->rows; r += group) {
        int64_t left = product->rows - r;
        t->x = product->x->value + r * in;
        t->scale = product->x->scale + r * in / 32;
        t->sum = product->x->sum + r * in / 16;
        t->y = product->y + r * product->y_stride + out;
        t->ahead = r == 0 && t->first == 0 ? AHEAD_BYTES : 0;
        group = left >= 4 ? 4 : left >= 2 ? 2 : 1;
        switch (group) {
        case 4: tile_rows(t, unit, unit_inputs, unit_bytes, 4); break;
        case 2: tile_rows(t, unit, unit_inputs, unit_bytes, 2); break;
        default: tile_rows(t, unit, unit_inputs, unit_bytes, 1); break;
        }
    }
}

INLINE void multiply(const struct panel_product *product, int64_t begin, int64_t end, unit_function *unit,
                     int unit_inputs, int unit_bytes) {
    const struct panels *w = product->w;
    struct tile t = {.in = w->in, .units = w->in / unit_inputs, .y_stride = product->y_stride};
    for (int64_t p = begin; p < end; p++) {
        t.panel = w->data + p * t.units * unit_bytes;
        for (t.first = 0; t.first < PANEL_OUTS && p * PANEL_OUTS + t.first < w->outs; t.first += LANES)
            half_panel(product, &t, p * PANEL_OUTS + t.first, unit, unit_inputs, unit_bytes);
    }
}

static void multiply_i8(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i8_unit, I8_UNIT, I8_BYTES);
}
static void multiply_i4(const struct panel_product *p, int64_t begin, int64_t end) {
    multiply(p, begin, end, i4_unit, I4_UNIT, I4_BYTES);
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

/* ---- rounding activations ---- */

/* Eight lanes to one number. */
static float largest_of(__m256 x) {
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_movehdup_ps(four)));
}
static int32_t sum_of(__m256i x) {
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    four = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 1)));
}

static void round_block(const float *x, int8_t *value, float *scale, int32_t *sum) {
    const __m256 sign = _mm256_set1_ps(-0.0f), infinity = _mm256_set1_ps(__builtin_inff());
    __m256 part[4], most = _mm256_setzero_ps(), special = _mm256_setzero_ps();
    __m256i whole[4];
    for (int i = 0; i < 4; i++) {
        part[i] = _mm256_loadu_ps(x + i * LANES);
        __m256 size = _mm256_andnot_ps(sign, part[i]);
        most = _mm256_max_ps(most, size);
        special = _mm256_or_ps(special, _mm256_cmp_ps(size, infinity, _CMP_NLT_UQ)); /* infinities and NaN */
    }
    bool finite = _mm256_movemask_ps(special) == 0;
    float largest = finite ? largest_of(most) : 0, factor = largest > 0 ? 127 / largest : 0;
    if (!(factor < __builtin_inff())) factor = 0;
    for (int i = 0; i < 4; i++)
        whole[i] = finite ? _mm256_cvtps_epi32(_mm256_mul_ps(part[i], _mm256_set1_ps(factor)))
                          : _mm256_setzero_si256();
    __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(whole[0], whole[1]), _mm256_packs_epi32(whole[2], whole[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)value, bytes);
    *scale = finite ? largest / 127 : __builtin_nanf("");
    sum[0] = sum_of(_mm256_add_epi32(whole[0], whole[1]));
    sum[1] = sum_of(_mm256_add_epi32(whole[2], whole[3]));
}

static void round_row(const float *x, int64_t n, int8_t *value, float *scale, int32_t *sum) {
    for (int64_t b = 0; b < n / PANEL_BLOCK; b++)
        round_block(x + b * PANEL_BLOCK, value + b * PANEL_BLOCK, scale + b, sum + 2 * b);
}

void avx2_add_panels(struct kernels *kernels) {
    kernels->panel_multiply[PANEL_I8] = multiply_i8;
    kernels->panel_multiply[PANEL_I4] = multiply_i4;
    kernels->panel_multiply[PANEL_Q4_K] = multiply_q4_k;
    kernels->panel_multiply[PANEL_Q5_K] = multiply_q5_k;
    kernels->panel_multiply[PANEL_Q6_K] = multiply_q6_k;
    kernels->panel_round = round_row;
    kernels->integer_products = true;
}
