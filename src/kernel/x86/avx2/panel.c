/* panel.c - integer products over panels with byte products summed in 16 bits: eight outputs in a register, four inputs a
 * step. The bits are those of ref/panel.c. */
#include "kernel/x86/avx2/panel_tile.h"

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

/* Block b of a quarter, with its fifth bits. */
INLINE void five_bit_sums(const struct tile *t, const uint8_t *quarter, int b, __m256i bits, int64_t at,
                          int rows, __m256i *sum) {
    __m256i pairs[ROWS_MOST];
#pragma GCC unroll 8
    for (int g = 0; g < BLOCK_GROUPS; g++) {
        if (g % 4 == 0) zero_sums(rows, pairs);
        __m256i fifth = _mm256_and_si256(moved(bits, g, 4), _mm256_set1_epi8(16));
        add_products(t, _mm256_or_si256(nibbles(t, quarter, b, g), fifth), at + g * 4, rows, pairs);
        if (g % 4 == 3) add_widened(rows, pairs, sum);
    }
}

INLINE void i5_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
        __m256i sum[ROWS_MOST];
        start_sums(t, at, rows, 16, true, sum);
        five_bit_sums(t, unit, b, load(t, unit + I5_HIGH + b * LINE), at, rows, sum);
        fold_rows(t, halves(t, unit + I5_SCALE + b * 32), at, rows, sum, acc);
    }
}

INLINE void q5_k_unit(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m256 *acc) {
    struct k_scales k =
        read_k_scales(t, unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, unit + Q5_K_FACTOR, at, rows);
    for (int q = 0; q < 4; q++) {
#pragma GCC unroll 2
        for (int b = 0; b < 2; b++, at += PANEL_BLOCK) {
            __m256i sum[ROWS_MOST];
            zero_sums(rows, sum);
            five_bit_sums(t, unit + q * K_QUARTER, b, load(t, unit + Q5_K_HIGH + (2 * q + b) * LINE), at,
                          rows, sum);
            fold_with_minimum(t, &k, 2 * q + b, at, rows, sum, acc);
        }
    }
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
                add_products(
                    t, _mm256_or_si256(low, _mm256_and_si256(moved(bits, 2 * g, 4), _mm256_set1_epi8(0x30))),
                    at + g * 4, rows, pairs);
                if (g % 2 == 1) add_widened(rows, pairs, sum);
            }
            __m256 scale = signed_bytes(t, unit + Q6_K_SCALE + (q * 4 + h) * PANEL_OUTS);
            fold_rows(t, _mm256_mul_ps(factor, scale), at, rows, sum, acc);
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
    kernels->panel_multiply[PANEL_I5] = multiply_i5;
    kernels->panel_multiply[PANEL_Q4_K] = multiply_q4_k;
    kernels->panel_multiply[PANEL_Q5_K] = multiply_q5_k;
    kernels->panel_multiply[PANEL_Q6_K] = multiply_q6_k;
    kernels->panel_round = round_row;
    kernels->integer_products = true;
}
