/* mix.c - weighted sums of rows at the scalar level, in double and rounded once; and rows that become columns. */
#include "kernel/level.h"

enum { COLUMNS = 64 }; /* that are summed side by side, since a column alone jumps from key to key */

static void mix_columns(const struct mix *op, int64_t row, int64_t at, int64_t columns) {
    double sum[COLUMNS];
    float *y = op->y + row * op->y_stride + at;
    for (int64_t i = 0; i < columns; i++) sum[i] = (double)y[i];
    for (int64_t k = 0; k < op->keys; k++) {
        double weight = (double)op->p[row * op->p_stride + k];
        const float *v = op->v + k * op->v_stride + at;
        for (int64_t i = 0; i < columns; i++) sum[i] += weight * (double)v[i];
    }
    for (int64_t i = 0; i < columns; i++) y[i] = (float)sum[i];
}

static void mix(const struct mix *op) {
    for (int64_t r = 0; r < op->rows; r++)
        for (int64_t at = 0; at < op->n; at += COLUMNS)
            mix_columns(op, r, at, op->n - at < COLUMNS ? op->n - at : COLUMNS);
}

static void transpose(const float *x, int64_t x_stride, int64_t rows, int64_t columns, float *y,
                      int64_t y_stride) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) y[c * y_stride + r] = x[r * x_stride + c];
}

void reference_add_mix(struct kernels *kernels) {
    kernels->mix = mix;
    kernels->transpose = transpose;
}
