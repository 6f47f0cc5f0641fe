/* tile.h - the tiles of every dot product at this level: some rows against some outputs, whose sums stay in registers.
 *
 * A sum has one accumulator of 8 lanes: lane l takes elements l, l + 8, ... by fused multiply-add, missing elements of
 * the last step count as zero, and the lanes are added in the order of sum_lanes(). The tiles only decide how often a
 * loaded vector is used. */
#ifndef HADAL_KERNEL_X86_AVX2_TILE_H
#define HADAL_KERNEL_X86_AVX2_TILE_H

#include "kernel/x86/avx2/lanes.h"

#include <stdbool.h>

enum { TILE_ROWS = 3, TILE_OUTS = 4, TILE_SUMS = TILE_ROWS * TILE_OUTS, TILE_LINE = 64 };

/* Eight weights as floats, times `factor` where the format is one that has scales. Less than LANES elements: the others
 * are zero, and their memory is not touched. */
typedef __m256 tile_widen(const uint8_t *at, int64_t elements, __m256 factor);

INLINE __m256 load_floats(const void *at, int64_t elements) {
    return elements >= LANES ? _mm256_loadu_ps(at) : _mm256_maskload_ps(at, lanes_left(elements));
}

INLINE __m256 widen_f32(const uint8_t *at, int64_t elements, __m256 factor) {
    (void)factor;
    return load_floats(at, elements);
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

/* One step of 8 elements, or fewer, from element k on. */
INLINE void tile_step(const struct tile_shape *shape, const struct tile_operands *of, int64_t k,
                      int64_t elements, __m256 *sum) {
    const __m256 factor = _mm256_set1_ps(of->factor);
    __m256 row[TILE_ROWS];
#pragma GCC unroll 3
    for (int r = 0; r < shape->rows; r++) row[r] = load_floats(of->x + r * of->x_stride + k, elements);
#pragma GCC unroll 8
    for (int o = 0; o < shape->outs; o++) {
        __m256 weight = shape->widen(of->w + o * of->w_bytes + k * shape->element_bytes, elements, factor);
#pragma GCC unroll 3
        for (int r = 0; r < shape->rows; r++)
            sum[r * shape->outs + o] = _mm256_fmadd_ps(row[r], weight, sum[r * shape->outs + o]);
    }
}

/* Sums over `in` elements are added to sum[rows * outs]; with `ahead` the next weights are asked for, line by line. */
INLINE void tile_add(const struct tile_shape *shape, const struct tile_operands *of, int64_t in,
                     __m256 *sum) {
    const int64_t line = shape->ahead ? TILE_LINE / shape->element_bytes : LANES;
    int64_t k = 0;
    for (; k + line <= in; k += line) {
        for (int o = 0; shape->ahead && o < shape->outs; o++)
            __builtin_prefetch(of->next + o * of->w_bytes + k * shape->element_bytes, 0, 3);
#pragma GCC unroll 8
        for (int64_t at = 0; at < line; at += LANES) tile_step(shape, of, k + at, LANES, sum);
    }
    for (; k + LANES <= in; k += LANES) tile_step(shape, of, k, LANES, sum);
    if (k < in) tile_step(shape, of, k, in - k, sum);
}

INLINE void tile_clear(__m256 *sum, int sums) {
#pragma GCC unroll 12
    for (int i = 0; i < sums; i++) sum[i] = _mm256_setzero_ps();
}

/* sum_lanes of four vectors at once. */
INLINE __m128 sum_four(const __m256 *v) {
    __m256 a =
        _mm256_add_ps(_mm256_permute2f128_ps(v[0], v[1], 0x20), _mm256_permute2f128_ps(v[0], v[1], 0x31));
    __m256 b =
        _mm256_add_ps(_mm256_permute2f128_ps(v[2], v[3], 0x20), _mm256_permute2f128_ps(v[2], v[3], 0x31));
    __m256 c = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44),
                             _mm256_shuffle_ps(a, b, 0xee)); /* v0 v2 | v1 v3, two each */
    __m256 d =
        _mm256_add_ps(_mm256_shuffle_ps(c, c, 0x88), _mm256_shuffle_ps(c, c, 0xdd)); /* v0 v2 .. | v1 v3 .. */
    return _mm_unpacklo_ps(_mm256_castps256_ps128(d), _mm256_extractf128_ps(d, 1));
}

/* The sums of a whole tile to y [rows, TILE_OUTS], or added to it. */
INLINE void tile_put(const __m256 *sum, int rows, bool more, float *y, int64_t y_stride) {
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++, y += y_stride) {
        __m128 four = sum_four(sum + r * TILE_OUTS);
        _mm_storeu_ps(y, more ? _mm_add_ps(_mm_loadu_ps(y), four) : four);
    }
}

#endif
