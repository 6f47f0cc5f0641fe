/* tile.h - the tiles of every dot product at this level: some rows against some outputs, whose sums stay in registers.
 *
 * A sum has one accumulator of 16 lanes: lane l takes elements l, l + 16, ... by fused multiply-add, missing elements of
 * the last step count as zero, and the lanes are added in the order of sum_lanes(). The tiles only decide how often a
 * loaded vector is used. */
#ifndef HADAL_KERNEL_X86_AVX512_TILE_H
#define HADAL_KERNEL_X86_AVX512_TILE_H

#include "kernel/x86/avx512/lanes.h"

#include <stdbool.h>

enum { TILE_ROWS = 6, TILE_OUTS = 4, TILE_SUMS = TILE_ROWS * TILE_OUTS, TILE_LINE = 64 };

/* Sixteen weights as floats, times `factor` where the format is one that has scales. Those that the mask leaves out are
 * zero, and their memory is not touched. */
typedef __m512 tile_widen(const uint8_t *at, __mmask16 mask, __m512 factor);

INLINE __m512 widen_f32(const uint8_t *at, __mmask16 mask, __m512 factor) {
    (void)factor;
    return _mm512_maskz_loadu_ps(mask, at);
}

/* Constants where a tile is expanded. */
struct tile_shape {
    tile_widen *widen;
    int element_bytes, rows, outs;
    bool ahead; /* weights that come next are asked for on the way */
};

struct tile_operands {
    const float *x; /* [rows, in], x_stride floats apart */
    int64_t x_stride;
    const uint8_t *w; /* [outs, in], w_bytes apart */
    int64_t w_bytes;
    const uint8_t *next; /* weights that are wanted soon, in the same layout */
    float factor;
};

/* One step of 16 elements, fewer by `mask`, from element k on. */
INLINE void tile_step(const struct tile_shape *shape, const struct tile_operands *of, int64_t k,
                      __mmask16 mask, __m512 *sum) {
    const __m512 factor = _mm512_set1_ps(of->factor);
    __m512 row[TILE_ROWS];
#pragma GCC unroll 6
    for (int r = 0; r < shape->rows; r++) row[r] = _mm512_maskz_loadu_ps(mask, of->x + r * of->x_stride + k);
#pragma GCC unroll 8
    for (int o = 0; o < shape->outs; o++) {
        __m512 weight = shape->widen(of->w + o * of->w_bytes + k * shape->element_bytes, mask, factor);
#pragma GCC unroll 6
        for (int r = 0; r < shape->rows; r++)
            sum[r * shape->outs + o] = _mm512_fmadd_ps(row[r], weight, sum[r * shape->outs + o]);
    }
}

/* Sums over `in` elements are added to sum[rows * outs]; with `ahead` the next weights are asked for, line by line. */
INLINE void tile_add(const struct tile_shape *shape, const struct tile_operands *of, int64_t in,
                     __m512 *sum) {
    const int64_t line = shape->ahead ? TILE_LINE / shape->element_bytes : LANES;
    int64_t k = 0;
    for (; k + line <= in; k += line) {
        for (int o = 0; shape->ahead && o < shape->outs; o++)
            __builtin_prefetch(of->next + o * of->w_bytes + k * shape->element_bytes, 0, 3);
#pragma GCC unroll 4
        for (int64_t at = 0; at < line; at += LANES) tile_step(shape, of, k + at, 0xffff, sum);
    }
    for (; k + LANES <= in; k += LANES) tile_step(shape, of, k, 0xffff, sum);
    if (k < in) tile_step(shape, of, k, lanes_left(in - k), sum);
}

INLINE void tile_clear(__m512 *sum, int sums) {
#pragma GCC unroll 24
    for (int i = 0; i < sums; i++) sum[i] = _mm512_setzero_ps();
}

/* The first two steps of sum_lanes for four vectors at once: 128-bit part k holds what is left of v[k]. Where one
 * shuffle and one blend do, they share the work between two ports. */
INLINE __m512 fold_four(const __m512 *v) {
    __m512 a =
        _mm512_add_ps(_mm512_mask_blend_ps(0xff00, v[0], v[1]), _mm512_shuffle_f32x4(v[0], v[1], 0x4e));
    __m512 b =
        _mm512_add_ps(_mm512_mask_blend_ps(0xff00, v[2], v[3]), _mm512_shuffle_f32x4(v[2], v[3], 0x4e));
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* The last two steps: lane j of part k is the sum of what fold_four left of its k-th vector in fold j. */
INLINE __m512 fold_lanes(__m512 f0, __m512 f1, __m512 f2, __m512 f3) {
    __m512 a = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, f0, f1), _mm512_shuffle_ps(f0, f1, 0x4e));
    __m512 b = _mm512_add_ps(_mm512_mask_blend_ps(0xcccc, f2, f3), _mm512_shuffle_ps(f2, f3, 0x4e));
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

/* Sums of up to four rows with four outputs: part r is row r. */
INLINE __m512 fold_rows(const __m512 *sum, int rows) {
    const __m512i turn = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512 fold[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) fold[r] = r < rows ? fold_four(sum + r * TILE_OUTS) : fold[0];
    return _mm512_permutexvar_ps(turn, fold_lanes(fold[0], fold[1], fold[2], fold[3]));
}

/* Four results of a row; `more`: added to what is there. */
INLINE void tile_put_row(float *y, __m128 row, bool more) {
    _mm_storeu_ps(y, more ? _mm_add_ps(_mm_loadu_ps(y), row) : row);
}

/* The sums of a whole tile to y [rows, TILE_OUTS], or added to it. */
INLINE void tile_put(const __m512 *sum, int rows, bool more, float *y, int64_t y_stride) {
#pragma GCC unroll 2
    for (int r = 0; r < rows; r += 4) {
        int left = rows - r;
        __m512 all = fold_rows(sum + r * TILE_OUTS, left < 4 ? left : 4);
        tile_put_row(y + r * y_stride, _mm512_castps512_ps128(all), more);
        if (left > 1) tile_put_row(y + (r + 1) * y_stride, _mm512_extractf32x4_ps(all, 1), more);
        if (left > 2) tile_put_row(y + (r + 2) * y_stride, _mm512_extractf32x4_ps(all, 2), more);
        if (left > 3) tile_put_row(y + (r + 3) * y_stride, _mm512_extractf32x4_ps(all, 3), more);
    }
}

#endif
