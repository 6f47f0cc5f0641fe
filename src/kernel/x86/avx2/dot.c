/* dot.c - sums of products with 256-bit registers.
 *
 * Every dot product, in whatever tile it sits, has one accumulator of 8 lanes: lane l takes elements
 * l, l + 8, ... by fused multiply-add, missing elements of the last step count as zero, and the lanes
 * are added in the order of sum_lanes(). The tiles only decide how often a loaded vector is used. */
#include "kernel/level.h"
#include "kernel/x86/avx2/lanes.h"

#include <stddef.h>

enum { TILE_ROWS = 3, TILE_OUTS = 4, PANEL_BYTES = 32768 };

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

INLINE __m256 load(const float *at, const __m256i *mask) {
    return mask ? _mm256_maskload_ps(at, *mask) : _mm256_loadu_ps(at);
}

/* One step of 8 elements (fewer with a mask) of a tile; `rows` and `outs` are constants where this is expanded. */
INLINE void step(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                 const __m256i *mask, __m256 *sum) {
    __m256 row[TILE_ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) row[r] = load(x + r * x_stride, mask);
#pragma GCC unroll 8
    for (int o = 0; o < outs; o++) {
        __m256 weight = load(w + o * w_stride, mask);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r * outs + o] = _mm256_fmadd_ps(row[r], weight, sum[r * outs + o]);
    }
}

INLINE void accumulate(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                       int64_t in, __m256 *sum) {
#pragma GCC unroll 16
    for (int i = 0; i < rows * outs; i++) sum[i] = _mm256_setzero_ps();
    int64_t k = 0;
    for (; k + LANES <= in; k += LANES) step(x + k, x_stride, rows, w + k, w_stride, outs, NULL, sum);
    if (k == in) return;
    __m256i mask = lanes_left(in - k);
    step(x + k, x_stride, rows, w + k, w_stride, outs, &mask, sum);
}

INLINE void tile(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                 int64_t in, float *y, int64_t y_stride) {
    __m256 sum[TILE_ROWS * TILE_OUTS];
    accumulate(x, x_stride, rows, w, w_stride, outs, in, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
        for (int o = 0; o + 4 <= outs; o += 4)
            _mm_storeu_ps(y + r * y_stride + o, sum_four(sum + r * outs + o));
}

static void tile_1x1(const float *x, const float *w, int64_t in, float *y) {
    __m256 sum[1];
    accumulate(x, 0, 1, w, 0, 1, in, sum);
    *y = sum_lanes(sum[0]);
}

/* Up to three rows against `outs` outputs. */
static void row_group(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride,
                      int64_t outs, int64_t in, float *y, int64_t y_stride) {
    int64_t o = 0;
    for (; rows == 1 && o + 8 <= outs; o += 8)
        tile(x, x_stride, 1, w + o * w_stride, w_stride, 8, in, y + o, y_stride);
    for (; o + TILE_OUTS <= outs; o += TILE_OUTS) {
        const float *at = w + o * w_stride;
        switch (rows) {
        case 1: tile(x, x_stride, 1, at, w_stride, 4, in, y + o, y_stride); break;
        case 2: tile(x, x_stride, 2, at, w_stride, 4, in, y + o, y_stride); break;
        default: tile(x, x_stride, 3, at, w_stride, 4, in, y + o, y_stride); break;
        }
    }
    for (; o < outs; o++)
        for (int r = 0; r < rows; r++) tile_1x1(x + r * x_stride, w + o * w_stride, in, y + r * y_stride + o);
}

/* Outputs in panels that stay in the first cache level while the rows pass by. */
static void dot_tile(const float *x, int64_t x_stride, int64_t rows, const float *w, int64_t w_stride,
                     int64_t outs, int64_t in, float *y, int64_t y_stride) {
    int64_t fitting = PANEL_BYTES / (int64_t)sizeof(float) / (in > 0 ? in : 1) / 8 * 8,
            panel = fitting > 8 ? fitting : 8;
    for (int64_t o = 0; o < outs; o += panel) {
        int64_t panel_outs = outs - o < panel ? outs - o : panel;
        for (int64_t r = 0; r < rows; r += TILE_ROWS) {
            int group = rows - r < TILE_ROWS ? (int)(rows - r) : TILE_ROWS;
            row_group(x + r * x_stride, x_stride, group, w + o * w_stride, w_stride, panel_outs, in,
                      y + r * y_stride + o, y_stride);
        }
    }
}

static void axpy(float a, const float *x, float *y, int64_t n) {
    __m256 factor = _mm256_set1_ps(a);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(factor, _mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    if (i == n) return;
    __m256i mask = lanes_left(n - i);
    __m256 last = _mm256_fmadd_ps(factor, _mm256_maskload_ps(x + i, mask), _mm256_maskload_ps(y + i, mask));
    _mm256_maskstore_ps(y + i, mask, last);
}

void avx2_add_dot(struct kernels *kernels) {
    kernels->dot_tile = dot_tile;
    kernels->axpy = axpy;
}
