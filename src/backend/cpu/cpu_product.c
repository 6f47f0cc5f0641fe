/* cpu_product.c - the matrix products of derivatives: by the table's own kernel where it has one, otherwise from weighted
 * sums of rows. A tile of what is summed then lies packed in the first cache level while the rows pass by. Tiles begin at
 * multiples of their size, so that the order of a sum follows from the shapes. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"

#include <string.h>

enum {
    TILE_KEYS = 128,
    TILE_COLUMNS = 64, /* 32 KiB with the keys */
    TILE_ROWS = 64,    /* rows whose factors are transposed together */
    DECODED_KEYS = 32
};

static int64_t product_floats(void) {
    return max_i64(TILE_KEYS * (TILE_COLUMNS + TILE_ROWS), OUTER_SCRATCH_FLOATS);
}

int64_t cpu_product_floats(int64_t widest) {
    return product_floats() + DECODED_KEYS * widest;
}

static void copy_tile(const float *from, int64_t stride, int64_t rows, int64_t columns, float *tile) {
    for (int64_t r = 0; r < rows; r++)
        memcpy(tile + r * TILE_COLUMNS, from + r * stride, (size_t)columns * sizeof *tile);
}

/* [rows, TILE_KEYS] <- a part of a whose rows lie together. A cache line of keys at a time, so that what is written lies
 * together while the lines that are read stay. */
static void transpose(const float *from, int64_t stride, int64_t keys, int64_t rows, float *to) {
    enum { LINE = 16 };
    for (int64_t k = 0; k < keys; k += LINE) {
        int64_t count = min_i64(LINE, keys - k);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t i = 0; i < count; i++) to[r * TILE_KEYS + k + i] = from[(k + i) * stride + r];
    }
}

static void mix_tile(const struct kernels *kernels, const struct outer *op, int64_t key, int64_t column,
                     const float *tile, float *turned) {
    int64_t keys = min_i64(TILE_KEYS, op->keys - key), columns = min_i64(TILE_COLUMNS, op->n - column);
    int64_t most = op->a_key == 1 ? op->rows : TILE_ROWS;
    for (int64_t row = 0; row < op->rows; row += most) {
        int64_t rows = min_i64(most, op->rows - row);
        struct mix mix = {op->a + row * op->a_row + key,
                          tile,
                          op->y + row * op->y_stride + column,
                          op->a_row,
                          TILE_COLUMNS,
                          op->y_stride,
                          rows,
                          keys,
                          columns};
        if (op->a_key != 1) {
            transpose(op->a + row + key * op->a_key, op->a_key, keys, rows, turned);
            mix.p = turned;
            mix.p_stride = TILE_KEYS;
        }
        kernels->mix(&mix);
    }
}

void cpu_multiply(const struct kernels *kernels, const struct outer *op, float *scratch) {
    if (kernels->outer) {
        kernels->outer(op, scratch);
        return;
    }
    for (int64_t column = 0; column < op->n; column += TILE_COLUMNS)
        for (int64_t key = 0; key < op->keys; key += TILE_KEYS) {
            copy_tile(op->b + key * op->b_stride + column, op->b_stride, min_i64(TILE_KEYS, op->keys - key),
                      min_i64(TILE_COLUMNS, op->n - column), scratch);
            mix_tile(kernels, op, key, column, scratch, scratch + TILE_KEYS * TILE_COLUMNS);
        }
}

void cpu_input_product(const struct kernels *kernels, const struct input_product *product, float *scratch) {
    const struct tensor *w = product->w;
    int64_t outs = w->shape[0], in = w->shape[1];
    struct outer op = {.a = product->dy,
                       .y = product->dx,
                       .rows = product->rows,
                       .keys = outs,
                       .n = in,
                       .a_row = product->dy_stride,
                       .a_key = 1,
                       .b_stride = in,
                       .y_stride = product->dx_stride};
    if (w->dtype == DTYPE_F32 && (uintptr_t)w->data % _Alignof(float) == 0) {
        op.b = w->data;
        cpu_multiply(kernels, &op, scratch);
        return;
    }
    float *decoded = scratch + product_floats();
    op.b = decoded;
    for (int64_t key = 0; key < outs; key += DECODED_KEYS, op.a += DECODED_KEYS) {
        op.keys = min_i64(DECODED_KEYS, outs - key);
        kernels_decode_rows(kernels, w, key, op.keys, decoded);
        cpu_multiply(kernels, &op, scratch);
    }
}

void cpu_weight_product(const struct kernels *kernels, const struct weight_product *product, int64_t begin,
                        int64_t end, float *scratch) {
    struct outer op = {.a = product->dy + begin,
                       .b = product->x,
                       .y = product->dw + begin * product->in,
                       .rows = end - begin,
                       .keys = product->rows,
                       .n = product->in,
                       .a_row = 1,
                       .a_key = product->dy_stride,
                       .b_stride = product->x_stride,
                       .y_stride = product->in};
    if (begin < end) cpu_multiply(kernels, &op, scratch);
}
