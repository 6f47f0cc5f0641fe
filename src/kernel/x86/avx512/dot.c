/* dot.c - sums of products with 512-bit registers.
 *
 * Every dot product, in whatever tile it sits, has one accumulator of 16 lanes: lane l takes elements
 * l, l + 16, ... by fused multiply-add, missing elements of the last step count as zero, and the lanes
 * are added in the order of sum_lanes(). The tiles only decide how often a loaded vector is used. */
#include "kernel/level.h"
#include "kernel/x86/avx512/lanes.h"

enum { TILE_ROWS = 4, TILE_OUTS = 4, PANEL_BYTES = 32768 };

/* The first two steps of sum_lanes for four vectors at once: 128-bit part k holds what is left of v[k]. */
INLINE __m512 fold_four(__m512 v0, __m512 v1, __m512 v2, __m512 v3) {
    __m512 a = _mm512_add_ps(_mm512_shuffle_f32x4(v0, v1, 0x44), _mm512_shuffle_f32x4(v0, v1, 0xee));
    __m512 b = _mm512_add_ps(_mm512_shuffle_f32x4(v2, v3, 0x44), _mm512_shuffle_f32x4(v2, v3, 0xee));
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

/* The last two steps: lane j of part k is the sum of what fold_four left of its k-th vector in fold j. */
INLINE __m512 fold_lanes(__m512 f0, __m512 f1, __m512 f2, __m512 f3) {
    __m512 a = _mm512_add_ps(_mm512_shuffle_ps(f0, f1, 0x44), _mm512_shuffle_ps(f0, f1, 0xee));
    __m512 b = _mm512_add_ps(_mm512_shuffle_ps(f2, f3, 0x44), _mm512_shuffle_ps(f2, f3, 0xee));
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

/* One step of 16 elements (fewer by `mask`) of a tile; `rows` and `outs` are constants where this is expanded. */
INLINE void step(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                 __mmask16 mask, __m512 *sum) {
    __m512 row[TILE_ROWS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) row[r] = _mm512_maskz_loadu_ps(mask, x + r * x_stride);
#pragma GCC unroll 8
    for (int o = 0; o < outs; o++) {
        __m512 weight = _mm512_maskz_loadu_ps(mask, w + o * w_stride);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) sum[r * outs + o] = _mm512_fmadd_ps(row[r], weight, sum[r * outs + o]);
    }
}

INLINE void accumulate(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                       int64_t in, __m512 *sum) {
#pragma GCC unroll 16
    for (int i = 0; i < rows * outs; i++) sum[i] = _mm512_setzero_ps();
    int64_t k = 0;
    for (; k + LANES <= in; k += LANES) step(x + k, x_stride, rows, w + k, w_stride, outs, 0xffff, sum);
    if (k < in) step(x + k, x_stride, rows, w + k, w_stride, outs, (__mmask16)((1u << (in - k)) - 1), sum);
}

static void tile_4x4(const float *x, int64_t x_stride, const float *w, int64_t w_stride, int64_t in, float *y,
                     int64_t y_stride) {
    __m512 sum[16];
    accumulate(x, x_stride, 4, w, w_stride, 4, in, sum);
    /* fold o takes output o of the four rows, so part r of the result is row r */
    __m512 f0 = fold_four(sum[0], sum[4], sum[8], sum[12]), f1 = fold_four(sum[1], sum[5], sum[9], sum[13]);
    __m512 f2 = fold_four(sum[2], sum[6], sum[10], sum[14]), f3 = fold_four(sum[3], sum[7], sum[11], sum[15]);
    __m512 all = fold_lanes(f0, f1, f2, f3);
    _mm_storeu_ps(y, _mm512_castps512_ps128(all));
    _mm_storeu_ps(y + y_stride, _mm512_extractf32x4_ps(all, 1));
    _mm_storeu_ps(y + 2 * y_stride, _mm512_extractf32x4_ps(all, 2));
    _mm_storeu_ps(y + 3 * y_stride, _mm512_extractf32x4_ps(all, 3));
}

/* A single row has the registers for eight outputs at a time. */
static void tile_1x8(const float *x, const float *w, int64_t w_stride, int64_t in, float *y) {
    __m512 sum[8];
    accumulate(x, 0, 1, w, w_stride, 8, in, sum);
    __m512 f0 = fold_four(sum[0], sum[2], sum[4], sum[6]), f1 = fold_four(sum[1], sum[3], sum[5], sum[7]);
    __m512 all = fold_lanes(f0, f1, f0, f1); /* part k: outputs 2k, 2k + 1, and both again */
    const __m512i pick = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 0, 0, 0, 0, 0, 0, 0, 0);
    _mm256_storeu_ps(y, _mm512_castps512_ps256(_mm512_permutexvar_ps(pick, all)));
}

INLINE void tile_any(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride, int outs,
                     int64_t in, float *y, int64_t y_stride) {
    __m512 sum[TILE_ROWS * TILE_OUTS];
    accumulate(x, x_stride, rows, w, w_stride, outs, in, sum);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int o = 0; o < outs; o++) y[r * y_stride + o] = sum_lanes(sum[r * outs + o]);
}

/* Up to four rows against `outs` outputs. */
static void row_group(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride,
                      int64_t outs, int64_t in, float *y, int64_t y_stride) {
    int64_t o = 0;
    for (; rows == 1 && o + 8 <= outs; o += 8) tile_1x8(x, w + o * w_stride, w_stride, in, y + o);
    for (; o + TILE_OUTS <= outs; o += TILE_OUTS) {
        const float *at = w + o * w_stride;
        switch (rows) {
        case 1: tile_any(x, x_stride, 1, at, w_stride, 4, in, y + o, y_stride); break;
        case 2: tile_any(x, x_stride, 2, at, w_stride, 4, in, y + o, y_stride); break;
        case 3: tile_any(x, x_stride, 3, at, w_stride, 4, in, y + o, y_stride); break;
        default: tile_4x4(x, x_stride, at, w_stride, in, y + o, y_stride); break;
        }
    }
    for (; o < outs; o++)
        for (int r = 0; r < rows; r++)
            tile_any(x + r * x_stride, x_stride, 1, w + o * w_stride, w_stride, 1, in, y + r * y_stride + o,
                     y_stride);
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
    __m512 factor = _mm512_set1_ps(a);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        _mm512_storeu_ps(y + i, _mm512_fmadd_ps(factor, _mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    if (i == n) return;
    __mmask16 mask = (__mmask16)((1u << (n - i)) - 1);
    __m512 last =
        _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i));
    _mm512_mask_storeu_ps(y + i, mask, last);
}

void avx512_add_dot(struct kernels *kernels) {
    kernels->dot_tile = dot_tile;
    kernels->axpy = axpy;
}
