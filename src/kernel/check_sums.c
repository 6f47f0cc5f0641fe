/* check_sums.c - kernels that add many products: errors against sums in double, and the promise that a
 * dot product has the same bits in every tile. */
#include "kernel/check_parts.h"

#include <math.h>
#include <string.h>

/* Operands and results of one call of dot_tile. */
struct dot_case {
    int64_t rows, outs, in, x_stride, w_stride, y_stride;
    struct guarded x, w, y;
};

static struct dot_case dot_case_take(struct check *check, int64_t rows, int64_t outs, int64_t in) {
    size_t shift = check_random(check) % 4 * sizeof(float);
    struct dot_case one = {.rows = rows,
                           .outs = outs,
                           .in = in,
                           .x_stride = in + check_random(check) % 5,
                           .w_stride = in + check_random(check) % 5,
                           .y_stride = outs + check_random(check) % 5};
    one.x = guarded_take(check, (size_t)(rows * one.x_stride) * sizeof(float), shift);
    one.w = guarded_take(check, (size_t)(outs * one.w_stride) * sizeof(float), 4 - shift % 8);
    one.y = guarded_take(check, (size_t)(rows * one.y_stride) * sizeof(float), shift);
    return one;
}

static void run_dot(void *context, const struct kernels *kernels, int64_t rows, int64_t outs) {
    const struct dot_case *one = context;
    kernels->dot_tile(one->x.data, one->x_stride, rows, one->w.data, one->w_stride, outs, one->in,
                      one->y.data, one->y_stride);
}

/* |y - sum| over the sum of magnitudes, in units of 2^-24; denormal products lose one smallest number each. */
static double dot_error(const float *x, const float *w, int64_t in, float y) {
    double sum = 0, magnitudes = 0;
    for (int64_t i = 0; i < in; i++) {
        sum += (double)x[i] * (double)w[i];
        magnitudes += fabs((double)x[i] * (double)w[i]);
    }
    if (isnan(sum) || isinf(sum)) return ulps_between((float)sum, y);
    if (isnan(y)) return 0x1p32;
    double lost = fmax(0, fabs((double)y - sum) - (double)(in + 1) * 0x1p-149);
    return lost > 0 ? lost / (magnitudes * 0x1p-24) : 0;
}

/* Additions in a row in one of eight lanes, and those that join the lanes. */
static double dot_bound(int64_t in) {
    return (double)in / 8 + 8;
}

/* Worst error relative to its bound over all results, and whether bits outside the result changed. */
static double compare_dot(struct check *check, enum check_values kind, int64_t rows, int64_t outs, int64_t in,
                          bool *intact) {
    struct dot_case one = dot_case_take(check, rows, outs, in);
    if (check->out_of_memory) return 0;
    float *x = one.x.data, *w = one.w.data, *y = one.y.data;
    check_fill(check, kind, x, rows * one.x_stride);
    check_fill(check, kind == VALUES_DENORMAL ? VALUES_ORDINARY : kind, w, outs * one.w_stride);
    run_dot(&one, &check->tested, rows, outs);
    *intact = *intact && guarded_intact(&one.y) && guarded_intact(&one.x) && guarded_intact(&one.w);
    double worst = 0;
    float untouched;
    memset(&untouched, 0xa5, sizeof untouched);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t o = 0; o < outs; o++)
            worst = fmax(worst,
                         dot_error(x + r * one.x_stride, w + o * one.w_stride, in, y[r * one.y_stride + o]) /
                             dot_bound(in));
        for (int64_t o = outs; o < one.y_stride; o++)
            *intact = *intact && memcmp(&y[r * one.y_stride + o], &untouched, sizeof untouched) == 0;
    }
    return worst;
}

/* One special number among ordinary ones decides the result: NaN, or an infinity of the right sign. */
static double compare_special(struct check *check, int64_t in, int64_t at, float special) {
    struct dot_case one = dot_case_take(check, 1, 1, in);
    if (check->out_of_memory) return 0;
    float *x = one.x.data, *w = one.w.data;
    for (int64_t i = 0; i < in; i++) x[i] = 1, w[i] = -2;
    x[at] = special;
    run_dot(&one, &check->tested, 1, 1);
    return ulps_between(-special, *(float *)one.y.data);
}

/* How many results of a tile differ in their bits from the same dot product taken alone, elsewhere in memory. */
static double compare_tiles(struct check *check, int64_t rows, int64_t outs, int64_t in) {
    struct dot_case one = dot_case_take(check, rows, outs, in);
    struct guarded x =
        guarded_take(check, (size_t)in * sizeof(float), check_random(check) % 4 * sizeof(float));
    struct guarded w =
        guarded_take(check, (size_t)in * sizeof(float), check_random(check) % 4 * sizeof(float));
    if (check->out_of_memory) return 0;
    check_fill(check, VALUES_WIDE, one.x.data, rows * one.x_stride);
    check_fill(check, VALUES_WIDE, one.w.data, outs * one.w_stride);
    run_dot(&one, &check->tested, rows, outs);
    double different = 0;
    for (int64_t r = 0; r < rows; r++) {
        memcpy(x.data, (float *)one.x.data + r * one.x_stride, (size_t)in * sizeof(float));
        for (int64_t o = 0; o < outs; o++) {
            float alone;
            memcpy(w.data, (float *)one.w.data + o * one.w_stride, (size_t)in * sizeof(float));
            check->tested.dot_tile(x.data, in, 1, w.data, in, 1, in, &alone, 1);
            different += memcmp(&alone, (float *)one.y.data + r * one.y_stride + o, sizeof alone) != 0;
        }
    }
    return different;
}

struct speed_case {
    const struct kernels *kernels;
    struct dot_case one;
};

static void run_speed_case(void *context) {
    struct speed_case *speed = context;
    run_dot(&speed->one, speed->kernels, speed->one.rows, speed->one.outs);
}

static void measure_dot(struct check *check) {
    static const struct {
        int rows;
        const char *test;
    } cases[] = {{1, "speed, 1 row"}, {4, "speed, 4 rows"}, {64, "speed, 64 rows"}};
    for (size_t i = 0; i < COUNT_OF(cases) && check->options->bench; i++) {
        struct speed_case speed = {&check->tested, dot_case_take(check, cases[i].rows, 16, 512)};
        if (check->out_of_memory) return;
        check_fill(check, VALUES_ORDINARY, speed.one.x.data, speed.one.rows * speed.one.x_stride);
        check_fill(check, VALUES_ORDINARY, speed.one.w.data, speed.one.outs * speed.one.w_stride);
        check_speed(check, cases[i].test, run_speed_case, &speed, 2e-9 * cases[i].rows * 16 * 512, "GFLOP/s");
    }
}

static const int lengths[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 127, 512, 577, 1000};

static void check_dot_tile(struct check *check) {
    for (int kind = 0; kind < VALUES_EXTREME; kind++) {
        double worst = 0;
        bool intact = true;
        for (size_t i = 0; i < COUNT_OF(lengths); i++) {
            int64_t rows = 1 + check_random(check) % 9, outs = 1 + check_random(check) % 19;
            worst = fmax(worst, compare_dot(check, (enum check_values)kind, rows, outs, lengths[i], &intact));
        }
        check_say(check, check_values_name((enum check_values)kind), worst, 1);
        check_say(check, "guard", intact ? 0 : 1, 0);
    }
    double wrong = 0, different = 0;
    for (size_t i = 1; i < COUNT_OF(lengths); i++) {
        int64_t at = check_random(check) % (uint32_t)lengths[i];
        wrong += compare_special(check, lengths[i], at, NAN) +
                 compare_special(check, lengths[i], at, INFINITY) +
                 compare_special(check, lengths[i], at, -INFINITY);
    }
    check_say(check, "special", wrong, 0);
    for (int rows = 1; rows <= 9; rows++)
        for (size_t i = 0; i < COUNT_OF(lengths); i += 3)
            different += compare_tiles(check, rows, 3 * rows + 2, lengths[i]);
    check_say(check, "every tile alike", different, 0);
    measure_dot(check);
}

/* Mean of squares in float lanes: half the error of the sum, and the roundings around it. */
static void check_rms_norm(struct check *check) {
    const float epsilon = 1e-6f;
    double worst = 0;
    bool intact = true;
    for (size_t i = 1; i < COUNT_OF(lengths); i++) {
        int64_t n = lengths[i];
        struct guarded x =
            guarded_take(check, (size_t)n * sizeof(float), check_random(check) % 4 * sizeof(float));
        struct guarded weight = guarded_take(check, (size_t)n * sizeof(float), 0),
                       y = guarded_take(check, (size_t)n * sizeof(float), 4);
        if (check->out_of_memory) return;
        check_fill(check, VALUES_WIDE, x.data, n);
        check_fill(check, VALUES_ORDINARY, weight.data, n);
        check->tested.rms_norm(x.data, weight.data, y.data, n, epsilon);
        double sum = 0, bound = ((double)n / 16 + 8) * 0x1p-24;
        for (int64_t k = 0; k < n; k++) sum += pow((double)((float *)x.data)[k], 2);
        for (int64_t k = 0; k < n; k++) {
            double exact = ((float *)x.data)[k] * (double)((float *)weight.data)[k] /
                           sqrt(sum / (double)n + (double)epsilon);
            worst = fmax(worst, fabs(((float *)y.data)[k] - exact) / (fabs(exact) * bound + 0x1p-149));
        }
        check->tested.rms_norm(x.data, weight.data, x.data, n, epsilon);
        intact = intact && guarded_intact(&y) && guarded_intact(&x) &&
                 memcmp(x.data, y.data, (size_t)n * sizeof(float)) == 0;
    }
    check_say(check, "wide", worst, 1);
    check_say(check, "guard, in place", intact ? 0 : 1, 0);
}

void check_sums(struct check *check) {
    const struct kernels *tested = &check->tested, *below = &check->below;
    if (check_wants(check, "dot_tile", tested->dot_tile != below->dot_tile)) check_dot_tile(check);
    arena_free(&check->arena);
    if (check_wants(check, "rms_norm", tested->rms_norm != below->rms_norm)) check_rms_norm(check);
    arena_free(&check->arena);
}
