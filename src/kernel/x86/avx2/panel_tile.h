/* panel_tile.h - what the products over panels have in common at this level: rows that share one reading, sums of a
 * block, and the walk over panels and rows. Each file that includes it has its own copy of all of it.
 *
 * A product of bytes adds pairs into 16 bits and saturates. Activations lie in -127..127, so that a pair is at most
 * 2 * 15 * 127 for four bits, and eight such steps still fit; for five bits four do, for six bits two. */
#ifndef HADAL_KERNEL_X86_AVX2_PANEL_TILE_H
#define HADAL_KERNEL_X86_AVX2_PANEL_TILE_H

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

/* Bit `from` of every byte, moved to bit `to`; other bits as they come. */
INLINE __m256i moved(__m256i bits, int from, int to) {
    return from <= to ? _mm256_slli_epi16(bits, to - from) : _mm256_srli_epi16(bits, from - to);
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

#endif
