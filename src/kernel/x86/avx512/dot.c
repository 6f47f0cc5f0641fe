/* dot.c - sums of products with 512-bit registers. */
#include "kernel/level.h"
#include "kernel/x86/avx512/tile.h"

enum { PANEL_BYTES = 32768 };

INLINE void tile(const struct tile_operands *of, int rows, int64_t in, float *y, int64_t y_stride) {
    const struct tile_shape shape = {widen_f32, sizeof(float), rows, TILE_OUTS, false};
    __m512 sum[TILE_SUMS];
    tile_clear(sum, rows * TILE_OUTS);
    tile_add(&shape, of, in, sum);
    tile_put(sum, rows, false, y, y_stride);
}

/* A single row has the registers for eight outputs at a time, which are put like two rows of four. */
static void tile_1x8(const struct tile_operands *of, int64_t in, float *y) {
    const struct tile_shape shape = {widen_f32, sizeof(float), 1, 2 * TILE_OUTS, false};
    __m512 sum[2 * TILE_OUTS];
    tile_clear(sum, 2 * TILE_OUTS);
    tile_add(&shape, of, in, sum);
    tile_put(sum, 2, false, y, TILE_OUTS);
}

static void tile_1x1(const struct tile_operands *of, int64_t in, float *y) {
    const struct tile_shape shape = {widen_f32, sizeof(float), 1, 1, false};
    __m512 sum[1];
    tile_clear(sum, 1);
    tile_add(&shape, of, in, sum);
    *y = sum_lanes(sum[0]);
}

static void tile_rows(const struct tile_operands *of, int rows, int64_t in, float *y, int64_t y_stride) {
    switch (rows) {
    case 1: tile(of, 1, in, y, y_stride); break;
    case 2: tile(of, 2, in, y, y_stride); break;
    case 3: tile(of, 3, in, y, y_stride); break;
    case 4: tile(of, 4, in, y, y_stride); break;
    case 5: tile(of, 5, in, y, y_stride); break;
    default: tile(of, TILE_ROWS, in, y, y_stride); break;
    }
}

/* Up to TILE_ROWS rows against `outs` outputs. */
static void row_group(const float *x, int64_t x_stride, int rows, const float *w, int64_t w_stride,
                      int64_t outs, int64_t in, float *y, int64_t y_stride) {
    struct tile_operands of = {.x = x,
                               .x_stride = x_stride,
                               .w = (const uint8_t *)w,
                               .w_bytes = w_stride * (int64_t)sizeof *w,
                               .factor = 1};
    int64_t o = 0;
    for (; rows == 1 && o + 2 * TILE_OUTS <= outs; o += 2 * TILE_OUTS, of.w += 2 * TILE_OUTS * of.w_bytes)
        tile_1x8(&of, in, y + o);
    for (; o + TILE_OUTS <= outs; o += TILE_OUTS, of.w += TILE_OUTS * of.w_bytes)
        tile_rows(&of, rows, in, y + o, y_stride);
    for (; o < outs; o++, of.w += of.w_bytes) {
        of.x = x;
        for (int r = 0; r < rows; r++, of.x += x_stride) tile_1x1(&of, in, y + r * y_stride + o);
    }
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
