/* panel_tile.h - what the products over panels have in common at this level: rows that share one reading, sums of a
 * block, and the walk over panels and rows. Each file that includes it has its own copy of all of it. */
#ifndef HADAL_KERNEL_X86_AVX512_PANEL_TILE_H
#define HADAL_KERNEL_X86_AVX512_PANEL_TILE_H

#include "kernel/level.h"
#include "kernel/panel_layout.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS_MOST = 8,
    BLOCK_GROUPS = 8,
    HALF_GROUPS = 4,
    AHEAD_BYTES = 8192,
    LINE = 64,
    ALL_BLOCKS = K_UNIT / 32
};

/* Rows that share one reading of a panel; pointers at the panel's first input. */
struct tile {
    const uint8_t *panel;
    const int8_t *x;
    const float *scale;
    const int32_t *sum;
    int64_t in, units;
    int64_t ahead; /* how far in front to ask for the panel: nothing once it is in the caches */
    const float *bias;
    float *y;
    int64_t y_stride;
    __mmask16 outs;
};

/* Adds the products of four inputs with those of sixteen outputs. Written out because compilers load and spread the inputs
 * by an instruction of their own, which with many rows is half of all. */
INLINE __m512i add_dots(__m512i sum, __m512i w, const int8_t *x) {
    typedef int __attribute__((may_alias, aligned(1))) four_bytes;
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*(const four_bytes *)(const void *)x));
    return sum;
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

/* The first rows to meet a panel take it from memory, so each line asks for a later one. Asking for the line itself, as
 * the other rows do, costs next to nothing and saves a branch. What is so far ahead goes to the second cache level: the
 * first has few requests under way at a time, and its short latency hides behind the arithmetic. */
INLINE void ask_ahead(const struct tile *t, const uint8_t *at) {
    _mm_prefetch((const char *)at + t->ahead, _MM_HINT_T1);
}

INLINE __m512i stream(const struct tile *t, const uint8_t *at) {
    ask_ahead(t, at);
    return load(at);
}

INLINE void stream_scales(const struct tile *t, const uint8_t *at, int bytes) {
    for (int done = 0; done < bytes; done += LINE) ask_ahead(t, at + done);
}

INLINE __m512 fold(__m512i sum, __m512 w_scale, float x_scale, __m512 acc) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale)), acc);
}

/* The low four bits of group g of a block; the other nibbles belong to the block beside it. */
INLINE __m512i nibbles(const struct tile *t, const uint8_t *quarter, int b, int g) {
    __m512i both = b == 0 ? stream(t, quarter + g * LINE) : load(quarter + g * LINE);
    return b == 0 ? both : _mm512_srli_epi16(both, 4);
}

INLINE void add_products(const struct tile *t, __m512i w, int64_t at, int rows, __m512i *sum) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r] = add_dots(sum[r], w, t->x + r * t->in + at);
}

INLINE void zero_sums(int rows, __m512i *sum) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) sum[r] = _mm512_setzero_si512();
}

/* Sums that begin with `less` times the sum of a block's activations taken off. */
INLINE void start_sums(const struct tile *t, int64_t at, int less, int rows, __m512i *sum) {
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        const int32_t *of_x = t->sum + (r * t->in + at) / 16;
        sum[r] = _mm512_set1_epi32(-less * (of_x[0] + of_x[1]));
    }
}

/* Bit `from` of every byte, moved to bit `to`; other bits as they come. */
INLINE __m512i moved(__m512i bits, int from, int to) {
    return from <= to ? _mm512_slli_epi16(bits, (unsigned)(to - from))
                      : _mm512_srli_epi16(bits, (unsigned)(from - to));
}

/* Where `mask` is set the bits of a, else those of b. */
INLINE __m512i select_bits(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* ---- walking ---- */

typedef void unit_function(const struct tile *t, const uint8_t *unit, int64_t at, int rows, __m512 *acc);

INLINE void tile_rows(const struct tile *t, unit_function *unit, int unit_inputs, int unit_bytes, int rows) {
    __m512 acc[ROWS_MOST];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) acc[r] = _mm512_setzero_ps();
    for (int64_t u = 0; u < t->units; u++) unit(t, t->panel + u * unit_bytes, u * unit_inputs, rows, acc);
    __m512 bias = t->bias ? _mm512_maskz_loadu_ps(t->outs, t->bias) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        _mm512_mask_storeu_ps(t->y + r * t->y_stride, t->outs,
                              t->bias ? _mm512_add_ps(acc[r], bias) : acc[r]);
}

/* Rows in groups of eight, four, two and one: a row's sums are the same in every group. */
INLINE void multiply(const struct panel_product *product, int64_t begin, int64_t end, unit_function *unit,
                     int unit_inputs, int unit_bytes) {
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
            t.ahead = r == 0 ? AHEAD_BYTES : 0;
            group = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            switch (group) {
            case 8: tile_rows(&t, unit, unit_inputs, unit_bytes, 8); break;
            case 4: tile_rows(&t, unit, unit_inputs, unit_bytes, 4); break;
            case 2: tile_rows(&t, unit, unit_inputs, unit_bytes, 2); break;
            default: tile_rows(&t, unit, unit_inputs, unit_bytes, 1); break;
            }
        }
    }
}

#endif
