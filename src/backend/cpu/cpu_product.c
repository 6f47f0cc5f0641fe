/* cpu_product.c - the two matrix products of a linear layer's derivative, from the table's weighted sums of rows:
 * dx = dy w takes rows of w, dw = dy^T x takes rows of x. A tile of what is summed lies packed in the first cache level
 * while the rows pass by. Tiles begin at multiples of their size, so that the order of a sum follows from the shapes. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"

#include <string.h>

enum {
    TILE_KEYS = 128,
    TILE_COLUMNS = 64, /* 32 KiB with the keys */
    TILE_OUTS = 64,    /* rows of dw that share a tile of x */
    DECODED_KEYS = 8
};

int64_t cpu_product_floats(int64_t widest) {
    return TILE_KEYS * TILE_COLUMNS + max_i64(DECODED_KEYS * widest, TILE_OUTS * TILE_KEYS);
}

static void copy_tile(const float *from, int64_t stride, int64_t rows, int64_t columns, float *tile) {
    for (int64_t r = 0; r < rows; r++)
        memcpy(tile + r * TILE_COLUMNS, from + r * stride, (size_t)columns * sizeof *tile);
}

/* The tile of rows [key, key + keys) of w; a matrix in another format is decoded some whole rows at a time. */
static void load_weights(const struct kernels *kernels, const struct tensor *w, int64_t key, int64_t keys,
                         int64_t column, int64_t columns, float *tile, float *decoded) {
    int64_t in = w->shape[1];
    if (w->dtype == DTYPE_F32 && (uintptr_t)w->data % _Alignof(float) == 0) {
        const float *values = w->data;
        copy_tile(values + key * in + column, in, keys, columns, tile);
        return;
    }
    for (int64_t k = 0; k < keys; k += DECODED_KEYS) {
        int64_t rows = min_i64(DECODED_KEYS, keys - k);
        kernels_decode_rows(kernels, w, key + k, rows, decoded);
        copy_tile(decoded + column, in, rows, columns, tile + k * TILE_COLUMNS);
    }
}

void cpu_input_product(const struct kernels *kernels, const struct input_product *product, float *scratch) {
    int64_t outs = product->w->shape[0], in = product->w->shape[1];
    float *tile = scratch, *decoded = scratch + TILE_KEYS * TILE_COLUMNS;
    for (int64_t column = 0; column < in; column += TILE_COLUMNS) {
        int64_t columns = min_i64(TILE_COLUMNS, in - column);
        for (int64_t key = 0; key < outs; key += TILE_KEYS) {
            int64_t keys = min_i64(TILE_KEYS, outs - key);
            load_weights(kernels, product->w, key, keys, column, columns, tile, decoded);
            struct mix mix = {product->dy + key,  tile,         product->dx + column,
                              product->dy_stride, TILE_COLUMNS, product->dx_stride,
                              product->rows,      keys,         columns};
            kernels->mix(&mix);
        }
    }
}

/* columns [outs, TILE_KEYS] <- part of dy, whose rows are keys here */
static void transpose(const float *dy, int64_t stride, int64_t keys, int64_t outs, float *columns) {
    for (int64_t k = 0; k < keys; k++)
        for (int64_t o = 0; o < outs; o++) columns[o * TILE_KEYS + k] = dy[k * stride + o];
}

void cpu_weight_product(const struct kernels *kernels, const struct weight_product *product, int64_t begin,
                        int64_t end, float *scratch) {
    float *tile = scratch, *columns = scratch + TILE_KEYS * TILE_COLUMNS;
    for (int64_t out = begin; out < end; out += TILE_OUTS) {
        int64_t outs = min_i64(TILE_OUTS, end - out);
        for (int64_t key = 0; key < product->rows; key += TILE_KEYS) {
            int64_t keys = min_i64(TILE_KEYS, product->rows - key);
            transpose(product->dy + key * product->dy_stride + out, product->dy_stride, keys, outs, columns);
            for (int64_t column = 0; column < product->in; column += TILE_COLUMNS) {
                int64_t width = min_i64(TILE_COLUMNS, product->in - column);
                copy_tile(product->x + key * product->x_stride + column, product->x_stride, keys, width,
                          tile);
                struct mix mix = {columns,   tile,         product->dw + out * product->in + column,
                                  TILE_KEYS, TILE_COLUMNS, product->in,
                                  outs,      keys,         width};
                kernels->mix(&mix);
            }
        }
    }
}
