/* check_rows.c - a few rows against plain weights: the bits of decoding, scaling and dot_tile, chunk by chunk. Levels
 * that have bits of their own are measured by check_gemm.c. */
#include "base/bytes.h"
#include "kernel/check_parts.h"

#include <stdio.h>
#include <string.h>

struct rows_case {
    struct dot_rows op;
    enum dtype dtype;
    struct guarded x, w, scale, y;
    float *expected; /* [rows, outs] */
};

static const int64_t inputs[] = {1, 7, 16, 33, 61, 128, 500, 512, 513, 640, 1165};

static float *take_floats(struct check *check, int64_t count) {
    return guarded_take(check, (size_t)count * sizeof(float), 0).data;
}

/* Any bytes are weights: infinities and NaN too. Rows and weights lie at any address, with gaps. */
static bool case_take(struct check *check, enum dtype dtype, int64_t rows, int64_t outs, int64_t in,
                      struct rows_case *one) {
    int64_t bytes = dtype_traits(dtype)->block_bytes, gap = check_random(check) % 3;
    struct dot_rows *op = &one->op;
    *one = (struct rows_case){.dtype = dtype};
    *op = (struct dot_rows){.rows = rows, .outs = outs, .in = in, .w_bytes = in * bytes + gap};
    op->x_stride = in + check_random(check) % 5;
    op->y_stride = outs + check_random(check) % 5;
    one->x = guarded_take(check, (size_t)(rows * op->x_stride) * sizeof(float), 4);
    one->w = guarded_take(check, (size_t)(outs * op->w_bytes - gap), check_random(check) % 8);
    one->y = guarded_take(check, (size_t)(rows * op->y_stride) * sizeof(float), 8);
    one->scale = guarded_take(check, (size_t)in * sizeof(float), 0);
    one->expected = take_floats(check, rows * outs);
    if (check->out_of_memory) return false;
    op->x = one->x.data, op->w = one->w.data, op->y = one->y.data;
    check_fill(check, VALUES_WIDE, one->x.data, rows * op->x_stride);
    for (size_t i = 0; i < one->w.bytes; i++)
        ((uint8_t *)one->w.data)[i] = (uint8_t)(check_random(check) >> 9);
    if (dtype != DTYPE_F8_E4M3 || check_random(check) % 4 == 0) return true;
    static const int64_t extents[] = {DOT_SCALE_GRAIN, 256, 1024};
    op->scale = one->scale.data;
    op->scale_inputs = check_random(check) % 4 ? extents[check_random(check) % COUNT_OF(extents)] : in;
    check_fill(check, VALUES_WIDE, one->scale.data, divide_up(in, op->scale_inputs));
    return true;
}

/* The level's own decoder and dot product make what is expected. */
static void expect_output(const struct check *check, struct rows_case *one, int64_t out, float *values) {
    const struct dot_rows *op = &one->op;
    check->tested.decode[one->dtype]((const uint8_t *)op->w + out * op->w_bytes, values, op->in);
    for (int64_t i = 0; op->scale && i < op->in; i++)
        check->tested.scale(op->scale[i / op->scale_inputs], values + i, 1);
    for (int64_t r = 0; r < op->rows; r++) {
        float sum = 0, *result = &one->expected[r * op->outs + out];
        for (int64_t begin = 0; begin < op->in; begin += DOT_CHUNK) {
            int64_t n = min_i64(DOT_CHUNK, op->in - begin);
            check->tested.dot_tile(op->x + r * op->x_stride + begin, n, 1, values + begin, n, 1, n, &sum, 1);
            *result = begin ? *result + sum : sum;
        }
    }
}

/* Results that are not as expected, and whether anything else was written. */
static double compare_case(struct check *check, struct rows_case *one) {
    const struct dot_rows *op = &one->op;
    float untouched, *values = take_floats(check, op->in);
    if (check->out_of_memory) return 0;
    for (int64_t o = 0; o < op->outs; o++) expect_output(check, one, o, values);
    check->tested.dot_rows[one->dtype](op);
    memset(&untouched, 0xa5, sizeof untouched);
    double different = !guarded_intact(&one->y) || !guarded_intact(&one->x) || !guarded_intact(&one->w);
    for (int64_t r = 0; r < op->rows; r++) {
        const float *y = op->y + r * op->y_stride;
        different += ulps_apart(y, one->expected + r * op->outs, op->outs) > 0;
        for (int64_t o = op->outs; o < op->y_stride; o++)
            different += memcmp(y + o, &untouched, sizeof untouched) != 0;
    }
    return different;
}

struct speed_rows {
    const struct kernels *kernels;
    struct rows_case one;
};

static void run_rows(void *context) {
    const struct speed_rows *speed = context;
    speed->kernels->dot_rows[speed->one.dtype](&speed->one.op);
}

static void measure_rows(struct check *check, enum dtype dtype) {
    static const int rows[] = {1, 2, 4, 8};
    for (size_t i = 0; i < COUNT_OF(rows) && check->options->bench; i++) {
        struct speed_rows speed = {.kernels = &check->tested};
        char test[32];
        int64_t in = 2048, outs = (INT64_C(32) << 20) / (in * dtype_traits(dtype)->block_bytes);
        if (!case_take(check, dtype, rows[i], outs, in, &speed.one)) return;
        snprintf(test, sizeof test, "speed, %d row%s", rows[i], rows[i] > 1 ? "s" : "");
        check_speed(check, test, run_rows, &speed, (double)speed.one.w.bytes * 1e-9, "GB/s");
        arena_free(&check->arena);
    }
}

static void check_format(struct check *check, enum dtype dtype) {
    double different = 0;
    for (int64_t rows = 1; rows <= DOT_ROWS_MOST + 1; rows++) {
        for (size_t i = 0; i < COUNT_OF(inputs); i++) {
            struct rows_case one;
            if (!case_take(check, dtype, rows, 1 + check_random(check) % 13, inputs[i], &one)) return;
            different += compare_case(check, &one);
            arena_free(&check->arena);
        }
    }
    check_say(check, "as decoded", different, 0);
    measure_rows(check, dtype);
}

void check_rows(struct check *check) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        char name[32];
        if (!check->tested.dot_rows[i] || check->tested.dot_rows_any[i]) continue;
        bool is_new = check->tested.dot_rows[i] != check->below.dot_rows[i];
        snprintf(name, sizeof name, "dot_rows.%s", dtype_traits((enum dtype)i)->name);
        if (check_wants(check, name, is_new)) check_format(check, (enum dtype)i);
    }
}
