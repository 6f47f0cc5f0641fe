/* mix.c - weighted sums of rows with 512-bit registers: four rows by four vectors stay in registers while the keys pass
 * by, in ascending order, one fused multiply-add each.
 *
 * A block of keys by four vectors stays in the first cache level while the rows pass by. Sums go through memory
 * between blocks, which does not change them. */
#include "kernel/level.h"
#include "kernel/x86/avx512/lanes.h"

enum { TILE_ROWS = 4, TILE_VECTORS = 4, BLOCK_KEYS = 128 };

/* Columns [at, at + vectors * 16) of `rows` rows; with one vector the last lanes may be masked off. */
INLINE void tile(const struct mix *op, int64_t row, int rows, int64_t at, int vectors, __mmask16 mask) {
    __m512 sum[8 + TILE_ROWS * TILE_VECTORS];
    float *y = op->y + row * op->y_stride + at;
    const float *p = op->p + row * op->p_stride, *v = op->v + at;
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int c = 0; c < vectors; c++)
            sum[r * vectors + c] = _mm512_maskz_loadu_ps(mask, y + r * op->y_stride + c * LANES);
    for (int64_t k = 0; k < op->keys; k++) {
        __m512 value[2 * TILE_VECTORS];
#pragma GCC unroll 8
        for (int c = 0; c < vectors; c++)
            value[c] = _mm512_maskz_loadu_ps(mask, v + k * op->v_stride + c * LANES);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            __m512 weight = _mm512_set1_ps(p[r * op->p_stride + k]);
#pragma GCC unroll 8
            for (int c = 0; c < vectors; c++)
                sum[r * vectors + c] = _mm512_fmadd_ps(weight, value[c], sum[r * vectors + c]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int c = 0; c < vectors; c++)
            _mm512_mask_storeu_ps(y + r * op->y_stride + c * LANES, mask, sum[r * vectors + c]);
}

/* `vectors` is a constant where this is expanded. */
INLINE void column_group(const struct mix *op, int64_t at, int vectors, __mmask16 mask) {
    int64_t r = 0;
    for (; r + TILE_ROWS <= op->rows; r += TILE_ROWS) tile(op, r, TILE_ROWS, at, vectors, mask);
    switch (op->rows - r) {
    case 3: tile(op, r, 3, at, vectors, mask); break;
    case 2: tile(op, r, 2, at, vectors, mask); break;
    case 1: tile(op, r, 1, at, vectors, mask); break;
    default: break;
    }
}

static void mix_block(const struct mix *op) {
    int64_t at = 0;
    /* one row alone needs more sums on the way to hide the latency of each */
    if (op->rows == 1)
        for (; at + 2 * TILE_VECTORS * LANES <= op->n; at += 2 * TILE_VECTORS * LANES)
            tile(op, 0, 1, at, 2 * TILE_VECTORS, 0xffff);
    for (; at + TILE_VECTORS * LANES <= op->n; at += TILE_VECTORS * LANES)
        column_group(op, at, TILE_VECTORS, 0xffff);
    for (; at < op->n; at += LANES) column_group(op, at, 1, lanes_left(op->n - at));
}

static void mix(const struct mix *op) {
    struct mix block = *op;
    for (int64_t k = 0; k < op->keys; k += BLOCK_KEYS) {
        block.p = op->p + k;
        block.v = op->v + k * op->v_stride;
        block.keys = op->keys - k < BLOCK_KEYS ? op->keys - k : BLOCK_KEYS;
        mix_block(&block);
    }
}

/* Sixteen rows of sixteen columns change places in four rounds of pairs. */
INLINE void transpose_square(const float *x, int64_t x_stride, float *y, int64_t y_stride) {
    __m512 a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_ps(x + i * x_stride);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        a[i] = _mm512_shuffle_ps(b[i], b[i + 2], 0x44);
        a[i + 1] = _mm512_shuffle_ps(b[i], b[i + 2], 0xee);
        a[i + 2] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0x44);
        a[i + 3] = _mm512_shuffle_ps(b[i + 1], b[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        b[i] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0x88);
        b[i + 4] = _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd);
        b[i + 8] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0x88);
        b[i + 12] = _mm512_shuffle_f32x4(a[i + 8], a[i + 12], 0xdd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        _mm512_storeu_ps(y + i * y_stride, _mm512_shuffle_f32x4(b[i], b[i + 8], 0x88));
        _mm512_storeu_ps(y + (i + 4) * y_stride, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0x88));
        _mm512_storeu_ps(y + (i + 8) * y_stride, _mm512_shuffle_f32x4(b[i], b[i + 8], 0xdd));
        _mm512_storeu_ps(y + (i + 12) * y_stride, _mm512_shuffle_f32x4(b[i + 4], b[i + 12], 0xdd));
    }
}

static void transpose(const float *x, int64_t x_stride, int64_t rows, int64_t columns, float *y,
                      int64_t y_stride) {
    int64_t whole_rows = rows / 16 * 16, whole_columns = columns / 16 * 16;
    for (int64_t c = 0; c < whole_columns; c += 16)
        for (int64_t r = 0; r < whole_rows; r += 16)
            transpose_square(x + r * x_stride + c, x_stride, y + c * y_stride + r, y_stride);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
            y[c * y_stride + r] = x[r * x_stride + c];
}

void avx512_add_mix(struct kernels *kernels) {
    kernels->mix = mix;
    kernels->transpose = transpose;
}
