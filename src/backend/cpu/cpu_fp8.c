/* cpu_fp8.c - FP8 training without FP8 units: what meets a matrix that was rounded to e4m3 in blocks is rounded as well, 128 values
 * of a row under one scale, and multiplied in float. Products of such numbers and their sums over 128 are as FP8 units with
 * promotion to float give them, or better. */
#include "backend/cpu/cpu_backward.h"

#include "tensor/fp8_round.h"

struct rounding {
    const float *x;
    float *y;
    int64_t rows, n, x_stride, y_stride;
};

static void round_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct rounding *rounding = context;
    int64_t begin, end;
    slice_share(rounding->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++)
        fp8_round_row(rounding->x + r * rounding->x_stride, rounding->y + r * rounding->y_stride,
                      rounding->n);
}

bool cpu_meets_fp8(const struct tensor *w) {
    return w->dtype == DTYPE_F32 && !w->scale && w->block[1] == FP8_BLOCK;
}

const float *cpu_fp8_copy(struct cpu_backend *cpu, int room, const float *x, int64_t x_stride, int64_t rows,
                          int64_t n) {
    float *y = cpu->fp8_room + room * cpu->fp8_floats;
    MUST(rows * n <= cpu->fp8_floats);
    struct rounding rounding = {x, y, rows, n, x_stride, n};
    cpu_run_rows(cpu, rows, round_rows, &rounding);
    return y;
}

void cpu_fp8_in_place(struct cpu_backend *cpu, float *x, int64_t x_stride, int64_t rows, int64_t n) {
    struct rounding rounding = {x, x, rows, n, x_stride, x_stride};
    cpu_run_rows(cpu, rows, round_rows, &rounding);
}
