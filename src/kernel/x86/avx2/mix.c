/* mix.c - weighted sums of rows with 256-bit registers: two rows by four vectors stay in registers while the keys pass
 * by, in ascending order, one fused multiply-add each. */
#include "kernel/level.h"
#include "kernel/x86/avx2/lanes.h"

enum { TILE_ROWS = 2, TILE_VECTORS = 4 };

/* Columns [at, at + vectors * 8) of `rows` rows. */
INLINE void tile(const struct mix *op, int64_t row, int rows, int64_t at, int vectors) {
    __m256 sum[TILE_ROWS * TILE_VECTORS];
    float *y = op->y + row * op->y_stride + at;
    const float *p = op->p + row * op->p_stride, *v = op->v + at;
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++)
            sum[r * vectors + c] = _mm256_loadu_ps(y + r * op->y_stride + c * LANES);
    for (int64_t k = 0; k < op->keys; k++) {
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++) {
            __m256 value = _mm256_loadu_ps(v + k * op->v_stride + c * LANES);
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++)
                sum[r * vectors + c] =
                    _mm256_fmadd_ps(_mm256_set1_ps(p[r * op->p_stride + k]), value, sum[r * vectors + c]);
        }
    }
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int c = 0; c < vectors; c++)
            _mm256_storeu_ps(y + r * op->y_stride + c * LANES, sum[r * vectors + c]);
}

/* Fewer than eight columns are left. */
static void tail(const struct mix *op, int64_t row, int64_t at) {
    __m256i mask = lanes_left(op->n - at);
    float *y = op->y + row * op->y_stride + at;
    __m256 sum = _mm256_maskload_ps(y, mask);
    for (int64_t k = 0; k < op->keys; k++)
        sum = _mm256_fmadd_ps(_mm256_set1_ps(op->p[row * op->p_stride + k]),
                              _mm256_maskload_ps(op->v + k * op->v_stride + at, mask), sum);
    _mm256_maskstore_ps(y, mask, sum);
}

INLINE void row_group(const struct mix *op, int64_t row, int rows) {
    int64_t at = 0;
    for (; at + TILE_VECTORS * LANES <= op->n; at += TILE_VECTORS * LANES)
        tile(op, row, rows, at, TILE_VECTORS);
    for (; at + LANES <= op->n; at += LANES) tile(op, row, rows, at, 1);
    for (int r = 0; r < rows && at < op->n; r++) tail(op, row + r, at);
}

static void mix(const struct mix *op) {
    int64_t r = 0;
    for (; r + TILE_ROWS <= op->rows; r += TILE_ROWS) row_group(op, r, TILE_ROWS);
    for (; r < op->rows; r++) row_group(op, r, 1);
}

void avx2_add_mix(struct kernels *kernels) {
    kernels->mix = mix;
}
