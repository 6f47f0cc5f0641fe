/* mix.c - weighted sums of rows at the scalar level, in double and rounded once. */
#include "kernel/level.h"

static void mix(const struct mix *op) {
    for (int64_t r = 0; r < op->rows; r++) {
        for (int64_t i = 0; i < op->n; i++) {
            float *y = op->y + r * op->y_stride + i;
            double sum = (double)*y;
            for (int64_t k = 0; k < op->keys; k++)
                sum += (double)op->p[r * op->p_stride + k] * (double)op->v[k * op->v_stride + i];
            *y = (float)sum;
        }
    }
}

void reference_add_mix(struct kernels *kernels) {
    kernels->mix = mix;
}
