/* mix.c - weighted sums of rows with 512-bit registers: four rows by four vectors stay in registers while the keys pass
 * by, in ascending order, one fused multiply-add each. */
#include "kernel/level.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16, TILE_ROWS = 4, TILE_VECTORS = 4 };

/* Columns [at, at + vectors * 16) of `rows` rows; with one vector the last lanes may be masked off. */
INLINE void tile(const struct mix *op, int64_t row, int rows, int64_t at, int vectors, __mmask16 mask) {
    __m512 sum[TILE_ROWS * TILE_VECTORS];
    float *y = op->y + row * op->y_stride + at;
    const float *p = op->p + row * op->p_stride, *v = op->v + at;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++)
            sum[r * vectors + c] = _mm512_maskz_loadu_ps(mask, y + r * op->y_stride + c * LANES);
    for (int64_t k = 0; k < op->keys; k++) {
        __m512 value[TILE_VECTORS];
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++)
            value[c] = _mm512_maskz_loadu_ps(mask, v + k * op->v_stride + c * LANES);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m512 weight = _mm512_set1_ps(p[r * op->p_stride + k]);
#pragma GCC unroll 4
            for (int c = 0; c < vectors; c++)
                sum[r * vectors + c] = _mm512_fmadd_ps(weight, value[c], sum[r * vectors + c]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++)
            _mm512_mask_storeu_ps(y + r * op->y_stride + c * LANES, mask, sum[r * vectors + c]);
}

INLINE void row_group(const struct mix *op, int64_t row, int rows) {
    int64_t at = 0;
    for (; at + TILE_VECTORS * LANES <= op->n; at += TILE_VECTORS * LANES)
        tile(op, row, rows, at, TILE_VECTORS, 0xffff);
    for (; at < op->n; at += LANES) {
        int64_t left = op->n - at;
        tile(op, row, rows, at, 1, left >= LANES ? 0xffff : (__mmask16)((1u << left) - 1));
    }
}

static void mix(const struct mix *op) {
    int64_t r = 0;
    for (; r + TILE_ROWS <= op->rows; r += TILE_ROWS) row_group(op, r, TILE_ROWS);
    switch (op->rows - r) {
    case 3: row_group(op, r, 3); break;
    case 2: row_group(op, r, 2); break;
    case 1: row_group(op, r, 1); break;
    default: break;
    }
}

void avx512_add_mix(struct kernels *kernels) {
    kernels->mix = mix;
}
