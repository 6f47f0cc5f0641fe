/* dot.c - sums of products at the scalar level. Each product of two floats is exact in double and the
 * sums are taken there, so that a result is the true one rounded once, for all practical lengths:
 * the truth that the vector levels are measured against. */
#include "kernel/level.h"

static float dot(const float *x, const float *w, int64_t in) {
    double sum[4] = {0, 0, 0, 0};
    int64_t i = 0;
    for (; i + 4 <= in; i += 4)
        for (int lane = 0; lane < 4; lane++) sum[lane] += (double)x[i + lane] * (double)w[i + lane];
    for (; i < in; i++) sum[i % 4] += (double)x[i] * (double)w[i];
    return (float)((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

static void dot_tile(const float *x, int64_t x_stride, int64_t rows, const float *w, int64_t w_stride,
                     int64_t outs, int64_t in, float *y, int64_t y_stride) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t o = 0; o < outs; o++) y[r * y_stride + o] = dot(x + r * x_stride, w + o * w_stride, in);
}

/* In double and rounded once: what a fused multiply-add gives, but for double rounding in rare ties. */
static void axpy(float a, const float *x, float *y, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = (float)((double)a * (double)x[i] + (double)y[i]);
}

void reference_add_dot(struct kernels *kernels) {
    kernels->dot_tile = dot_tile;
    kernels->axpy = axpy;
}
