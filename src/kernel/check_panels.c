/* check_panels.c - integer products over panels and the rounding of activations: the bits of the scalar ones for any
 * weights, at every number of rows, and nothing beyond the result. */
#include "base/bytes.h"
#include "kernel/check_parts.h"
#include "kernel/panel_layout.h"

#include <stdio.h>
#include <string.h>

enum { MOST_ROWS = 19, LONG_ROW = 26624 /* inputs, more than any level takes at a time */ };

static bool differ(float a, float b) {
    return memcmp(&a, &b, sizeof a) != 0 && !(a != a && b != b);
}

/* ---- rounding ---- */

struct rounding {
    struct guarded value, scale, sum;
};

static struct rounding rounding_take(struct check *check, int64_t values) {
    size_t blocks = (size_t)values / PANEL_BLOCK, shift = check_random(check) % 16;
    return (struct rounding){guarded_take(check, (size_t)values, shift),
                             guarded_take(check, blocks * sizeof(float), shift * sizeof(float)),
                             guarded_take(check, blocks * 2 * sizeof(int32_t), shift * sizeof(int32_t))};
}

static bool rounding_intact(const struct rounding *r) {
    return guarded_intact(&r->value) && guarded_intact(&r->scale) && guarded_intact(&r->sum);
}

static double compare_rounding(struct check *check, enum check_values kind, int64_t n, bool *intact) {
    struct guarded x =
        guarded_take(check, (size_t)n * sizeof(float), check_random(check) % 16 * sizeof(float));
    struct rounding found = rounding_take(check, n), wanted = rounding_take(check, n);
    if (check->out_of_memory) return 0;
    check_fill(check, kind, x.data, n);
    if (kind == VALUES_EXTREME) check_fill(check, VALUES_ORDINARY, x.data, n / 2);
    check->tested.panel_round(x.data, n, found.value.data, found.scale.data, found.sum.data);
    check->truth.panel_round(x.data, n, wanted.value.data, wanted.scale.data, wanted.sum.data);
    *intact = *intact && rounding_intact(&found);
    double different = memcmp(found.value.data, wanted.value.data, (size_t)n) != 0;
    different += memcmp(found.sum.data, wanted.sum.data, (size_t)n / 16 * sizeof(int32_t)) != 0;
    for (int64_t b = 0; b < n / PANEL_BLOCK; b++)
        different += differ(((float *)found.scale.data)[b], ((float *)wanted.scale.data)[b]);
    return different;
}

struct round_work {
    panel_round *round;
    const float *x;
    struct rounding to;
};

static void run_round(void *context) {
    struct round_work *work = context;
    work->round(work->x, 4096, work->to.value.data, work->to.scale.data, work->to.sum.data);
}

static void check_rounding(struct check *check) {
    bool intact = true;
    for (int kind = 0; kind < VALUES_KINDS && !check->out_of_memory; kind++) {
        double different = 0;
        for (int blocks = 0; blocks < 40; blocks++)
            different += compare_rounding(check, (enum check_values)kind, blocks * PANEL_BLOCK, &intact);
        check_say(check, check_values_name((enum check_values)kind), different, 0);
    }
    check_say(check, "guard", intact ? 0 : 1, 0);
    if (!check->options->bench) return;
    struct guarded x = guarded_take(check, 4096 * sizeof(float), 0);
    struct round_work work = {check->tested.panel_round, x.data, rounding_take(check, 4096)};
    if (check->out_of_memory) return;
    check_fill(check, VALUES_ORDINARY, x.data, 4096);
    check_speed(check, "speed", run_round, &work, 4096e-9, "G values/s");
}

/* ---- products ---- */

enum weights { WEIGHTS_RANDOM, WEIGHTS_LARGEST, WEIGHTS_SMALLEST, WEIGHTS_ANY };

struct panel_case {
    struct panels w;
    struct rounded_rows x;
    struct rounding rounding;
    struct guarded y;
    float *bias;
};

static int64_t scales_at(enum panel_format format) {
    static const int at[PANEL_COUNT] = {
        [PANEL_I8] = I8_SCALE,         [PANEL_I4] = I4_SCALE,          [PANEL_Q4_K] = Q4_K_SCALE,
        [PANEL_Q5_K] = Q5_K_SCALE,     [PANEL_Q6_K] = Q6_K_SCALE,      [PANEL_IQ4_NL] = I4_SCALE,
        [PANEL_IQ4_XS] = IQ4_XS_SCALE, [PANEL_MXFP4] = MXFP4_EXPONENT, [PANEL_Q2_K] = Q2_K_SCALE,
        [PANEL_Q3_K] = Q3_K_SCALE,     [PANEL_I5] = I5_SCALE};
    return at[format];
}

/* Weights with ordinary scales, f16 of about 0.3, or bytes of any kind: NaN and infinite scales occur among them. The
 * largest and smallest are the ones whose products come closest to the limit of 16 bits. */
static void fill_panels(struct check *check, enum weights kind, const struct panels *w, uint8_t *data) {
    int64_t unit_bytes = panel_unit_bytes(w->format), bytes = panels_bytes(w->format, w->outs, w->in);
    for (int64_t i = 0; i < bytes; i++) {
        bool scale = i % unit_bytes >= scales_at(w->format);
        data[i] = (uint8_t)(check_random(check) >> 11);
        if (kind == WEIGHTS_LARGEST) data[i] = w->format == PANEL_I8 ? 0x7f : 0xff;
        if (kind == WEIGHTS_SMALLEST) data[i] = w->format == PANEL_I8 ? 0x80 : 0;
        if (scale && kind != WEIGHTS_ANY) data[i] = 0x34 + (i % 3 == 0);
    }
}

static bool case_take(struct check *check, struct panel_case *one, enum panel_format format, int64_t outs,
                      int64_t in, int64_t rows, enum weights weights, enum check_values values) {
    struct guarded data = guarded_take(check, (size_t)panels_bytes(format, outs, in), 0),
                   x = guarded_take(check, (size_t)(rows * in) * sizeof(float), 0);
    struct guarded bias = guarded_take(check, (size_t)outs * sizeof(float), 4);
    one->rounding = rounding_take(check, rows * in);
    one->y = guarded_take(check, (size_t)(rows * (outs + 3)) * sizeof(float), 4);
    if (check->out_of_memory) return false;
    one->w = (struct panels){format, data.data, outs, in};
    one->x =
        (struct rounded_rows){one->rounding.value.data, one->rounding.scale.data, one->rounding.sum.data, in};
    one->bias = bias.data;
    fill_panels(check, weights, &one->w, data.data);
    check_fill(check, values, x.data, rows * in);
    check_fill(check, VALUES_ORDINARY, bias.data, outs);
    if (weights == WEIGHTS_LARGEST ||
        weights == WEIGHTS_SMALLEST) /* activations of one size: all 127 or -127 */
        for (int64_t i = 0; i < rows * in; i++) ((float *)x.data)[i] = i / in % 2 ? 1.0f : -1.0f;
    for (int64_t r = 0; r < rows; r++)
        check->truth.panel_round((float *)x.data + r * in, in, one->x.value + r * in,
                                 one->x.scale + r * in / PANEL_BLOCK, one->x.sum + r * in / 16);
    return true;
}

static void run_panels(const struct kernels *kernels, const struct panel_case *one, int64_t rows, bool bias,
                       float *y) {
    struct panel_product product = {&one->w, &one->x, bias ? one->bias : NULL, y, rows, one->w.outs + 3};
    kernels->panel_multiply[one->w.format](&product, 0, divide_up(one->w.outs, PANEL_OUTS));
}

/* Results that differ from the scalar ones, over all row counts; for long rows, over some. */
static double compare_panels(struct check *check, const struct panel_case *one, bool *intact) {
    int64_t outs = one->w.outs, stride = outs + 3;
    struct guarded wanted = guarded_take(check, (size_t)(MOST_ROWS * stride) * sizeof(float), 0);
    if (check->out_of_memory) return 0;
    float untouched, *y = one->y.data, *truth = wanted.data;
    memset(&untouched, 0xa5, sizeof untouched);
    bool bias = outs % 2 == 1;
    run_panels(&check->truth, one, MOST_ROWS, bias, truth);
    double different = 0;
    for (int64_t rows = 1; rows <= MOST_ROWS; rows += one->w.in == LONG_ROW ? 1 + rows / 2 : 1) {
        memset(y, 0xa5, one->y.bytes);
        run_panels(&check->tested, one, rows, bias, y);
        for (int64_t i = 0; i < MOST_ROWS * stride; i++) {
            if (i / stride < rows && i % stride < outs)
                different += differ(y[i], truth[i]);
            else
                *intact = *intact && memcmp(&y[i], &untouched, sizeof untouched) == 0;
        }
        *intact = *intact && guarded_intact(&one->y) && rounding_intact(&one->rounding);
    }
    return different;
}

struct panel_work {
    const struct kernels *kernels;
    struct panel_case one;
    int64_t rows;
};

static void run_work(void *context) {
    struct panel_work *work = context;
    run_panels(work->kernels, &work->one, work->rows, false, work->one.y.data);
}

/* One row over more weights than the caches near a core hold, and many rows. */
static void measure_panels(struct check *check, enum panel_format format) {
    struct panel_work work = {.kernels = &check->tested, .rows = 1};
    int64_t in = 2048, panel = panel_row_bytes(format, in), panels = (INT64_C(64) << 20) / panel;
    if (case_take(check, &work.one, format, panels * PANEL_OUTS, in, 1, WEIGHTS_RANDOM, VALUES_ORDINARY))
        check_speed(check, "speed, 1 row", run_work, &work, (double)(panels * panel) * 1e-9, "GB/s");
    arena_free(&check->arena);
    work.rows = 512;
    if (check->tested.level > CPU_SCALAR &&
        case_take(check, &work.one, format, 64, in, 512, WEIGHTS_RANDOM, VALUES_ORDINARY))
        check_speed(check, "speed, 512 rows", run_work, &work, 2e-9 * 512 * 64 * (double)in, "GOP/s");
    arena_free(&check->arena);
}

static void check_format(struct check *check, enum panel_format format) {
    static const char *const tests[] = {"random", "largest", "smallest", "any bytes"};
    static const int outs[] = {1, 16, 17, 40}, units[] = {1, 3};
    bool intact = true;
    for (int kind = WEIGHTS_RANDOM; kind <= WEIGHTS_ANY; kind++) {
        double different = 0;
        for (size_t i = 0; i < COUNT_OF(outs) * COUNT_OF(units); i++) {
            struct panel_case one;
            int64_t in = units[i % 2] * panel_unit_inputs(format);
            enum check_values values = kind == WEIGHTS_ANY ? VALUES_EXTREME
                                       : i % 3 == 1        ? VALUES_DENORMAL
                                       : i % 3 == 2        ? VALUES_WIDE
                                                           : VALUES_ORDINARY;
            if (!case_take(check, &one, format, outs[i / 2], in, MOST_ROWS, (enum weights)kind, values))
                return;
            different += compare_panels(check, &one, &intact);
            arena_free(&check->arena);
        }
        check_say(check, tests[kind], different, 0);
    }
    struct panel_case one;
    if (!case_take(check, &one, format, 17, LONG_ROW, MOST_ROWS, WEIGHTS_RANDOM, VALUES_ORDINARY)) return;
    check_say(check, "long rows", compare_panels(check, &one, &intact), 0);
    arena_free(&check->arena);
    check_say(check, "guard", intact ? 0 : 1, 0);
    if (check->options->bench) measure_panels(check, format);
}

void check_panels(struct check *check) {
    const struct kernels *tested = &check->tested, *below = &check->below;
    if (check_wants(check, "panel_round", tested->panel_round != below->panel_round)) check_rounding(check);
    arena_free(&check->arena);
    for (int i = PANEL_I8; i < PANEL_COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "panel.%s", panel_format_name((enum panel_format)i));
        if (check_wants(check, name, tested->panel_multiply[i] != below->panel_multiply[i]))
            check_format(check, (enum panel_format)i);
        arena_free(&check->arena);
    }
}
