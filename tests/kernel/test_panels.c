/* test_panels.c - rearranged weights: the scalar product against decoded numbers, and every level against the scalar one
 * bit for bit, for every block format, over edge shapes and row counts. */
#include "base/rng.h"
#include "base/status.h"
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST_ROWS = 19, MOST_OUTS = 37, MOST_IN = 768 };

struct sample {
    struct tensor w;
    struct panels panels;
    struct rounded_rows x;
    float *rows; /* [MOST_ROWS, in] before rounding */
    void *blocks;
};

static float normal(struct rng *rng) {
    float sum = 0;
    for (int i = 0; i < 12; i++) sum += (float)rng_uniform(rng);
    return sum - 6;
}

static void make_rows(struct sample *sample, int64_t in, struct rng *rng) {
    struct kernels scalar = kernels_for(CPU_SCALAR);
    sample->rows = malloc((size_t)(MOST_ROWS * in) * sizeof *sample->rows);
    sample->x = (struct rounded_rows){malloc((size_t)(MOST_ROWS * in)),
                                      malloc((size_t)(MOST_ROWS * in / 32) * sizeof(float)),
                                      malloc((size_t)(MOST_ROWS * in / 16) * sizeof(int32_t)), in};
    for (int64_t i = 0; i < MOST_ROWS * in; i++) sample->rows[i] = normal(rng) * (i % 97 == 0 ? 30 : 1);
    memset(sample->rows + in, 0, (size_t)in * sizeof(float)); /* a row of zeros */
    for (int r = 0; r < MOST_ROWS; r++)
        scalar.panel_round(sample->rows + r * in, in, sample->x.value + r * in, sample->x.scale + r * in / 32,
                           sample->x.sum + r * in / 16);
}

static void make_weights(struct sample *sample, enum dtype dtype, int64_t outs, int64_t in, uint64_t seed) {
    int64_t bytes;
    assert_true(dtype_row_bytes(dtype, in, &bytes));
    sample->blocks = malloc((size_t)(outs * bytes));
    float *values = malloc((size_t)(outs * in) * sizeof *values);
    struct rng rng;
    rng_seed(&rng, seed);
    if (dtype_traits(dtype)->encode) {
        for (int64_t i = 0; i < outs * in; i++) values[i] = normal(&rng) * 0.05f;
        dtype_traits(dtype)->encode(values, sample->blocks, outs * in);
    } else { /* any bits decode in these formats; the scale is the first or last half of a block */
        for (int64_t i = 0; i < outs * bytes; i++)
            ((uint8_t *)sample->blocks)[i] = (uint8_t)(rng_next(&rng) & 0x37);
    }
    free(values);
    sample->w = (struct tensor){.data = sample->blocks, .dtype = dtype, .rank = 2, .shape = {outs, in}};
    enum panel_format format = panel_format_for(dtype, in);
    uint8_t *data = aligned_alloc(PANEL_ALIGNMENT, (size_t)((panels_bytes(format, outs, in) + 63) / 64 * 64));
    panels_pack(format, &sample->w, 0, (outs + 15) / 16, data);
    sample->panels = (struct panels){format, data, outs, in};
}

static void free_sample(struct sample *sample) {
    free(sample->blocks);
    free((void *)(uintptr_t)sample->panels.data);
    free(sample->x.value);
    free(sample->x.scale);
    free(sample->x.sum);
    free(sample->rows);
}

static void run(enum cpu_level level, const struct sample *sample, int64_t rows, float *y) {
    struct kernels kernels = kernels_for(level);
    struct panel_product product = {&sample->panels, &sample->x, NULL, y, rows, MOST_OUTS};
    kernels.panel_multiply[sample->panels.format](&product, 0, (sample->panels.outs + 15) / 16);
}

/* Against the decoded weights times the rounded activations, in double. */
static void check_values(const struct sample *sample, const float *y) {
    float row[MOST_IN];
    int64_t in = sample->panels.in;
    bool exact = panel_is_exact(sample->panels.format, sample->w.dtype);
    for (int64_t o = 0; o < sample->panels.outs; o++) {
        tensor_decode_row(&sample->w, o, row);
        for (int r = 0; r < MOST_ROWS; r++) {
            double sum = 0, size = 0;
            for (int64_t i = 0; i < in; i++) {
                double term =
                    (double)row[i] * sample->x.value[r * in + i] * sample->x.scale[(r * in + i) / 32];
                sum += term;
                size += fabs(term);
            }
            /* formats without a layout of their own are rounded to 8 bits */
            double bound = size * (exact ? 1e-5 : 1.5e-2) + 1e-30;
            if (!(fabs(sum - (double)y[r * MOST_OUTS + o]) <= bound))
                fail_msg("%s: row %d output %d: %g, expected %g, bound %g",
                         dtype_traits(sample->w.dtype)->name, r, (int)o, (double)y[r * MOST_OUTS + o], sum,
                         bound);
        }
    }
}

static void check_levels(const struct sample *sample, const float *truth) {
    float y[MOST_ROWS * MOST_OUTS + 1];
    for (int level = CPU_SCALAR; level <= (int)cpu_level_available(); level++) {
        for (int64_t rows = 1; rows <= MOST_ROWS; rows++) {
            for (size_t i = 0; i < COUNT_OF(y); i++) y[i] = 12345;
            run((enum cpu_level)level, sample, rows, y);
            for (int64_t r = 0; r < MOST_ROWS; r++)
                for (int64_t o = 0; o < MOST_OUTS; o++) {
                    bool written = r < rows && o < sample->panels.outs;
                    float expected = written ? truth[r * MOST_OUTS + o] : 12345;
                    if (memcmp(&y[r * MOST_OUTS + o], &expected, sizeof expected))
                        fail_msg("%s at %s, %d rows: row %d output %d is %a, expected %a",
                                 dtype_traits(sample->w.dtype)->name, cpu_level_name((enum cpu_level)level),
                                 (int)rows, (int)r, (int)o, (double)y[r * MOST_OUTS + o], (double)expected);
                }
        }
    }
}

static void products(void **state) {
    (void)state;
    static const int64_t outs[] = {1, 16, 37}, ins[] = {64, 256, 768};
    struct rng rng;
    rng_seed(&rng, 5);
    int formats = 0;
    for (int dtype = 0; dtype < DTYPE_COUNT; dtype++) {
        for (size_t k = 0; k < COUNT_OF(outs) * COUNT_OF(ins); k++) {
            int64_t out = outs[k / 3], in = ins[k % 3], bytes;
            if (!dtype_row_bytes((enum dtype)dtype, in, &bytes) ||
                panel_format_for((enum dtype)dtype, in) == PANEL_NONE)
                continue;
            struct sample sample;
            float truth[MOST_ROWS * MOST_OUTS];
            make_weights(&sample, (enum dtype)dtype, out, in, (uint64_t)dtype);
            make_rows(&sample, in, &rng);
            run(CPU_SCALAR, &sample, MOST_ROWS, truth);
            check_values(&sample, truth);
            check_levels(&sample, truth);
            free_sample(&sample);
            formats++;
        }
    }
    assert_true(formats > 60);
}

static void rounding(void **state) {
    (void)state;
    enum { N = 256 };
    float x[N];
    int8_t truth[N], value[N];
    float truth_scale[N / 32], scale[N / 32];
    int32_t truth_sum[N / 16], sum[N / 16];
    struct rng rng;
    rng_seed(&rng, 9);
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < N; i++) x[i] = normal(&rng) * powf(10, (float)(round % 80) - 40);
        if (round % 5 == 1) x[rng_next(&rng) % N] = INFINITY;
        if (round % 5 == 2) x[rng_next(&rng) % N] = NAN;
        if (round % 5 == 3) x[rng_next(&rng) % N] = -0.0f;
        if (round % 5 == 4) memset(x + 32, 0, 32 * sizeof *x);
        struct kernels scalar = kernels_for(CPU_SCALAR);
        scalar.panel_round(x, N, truth, truth_scale, truth_sum);
        for (int level = CPU_AVX2; level <= (int)cpu_level_available(); level++) {
            struct kernels kernels = kernels_for((enum cpu_level)level);
            kernels.panel_round(x, N, value, scale, sum);
            assert_memory_equal(value, truth, sizeof value);
            assert_memory_equal(sum, truth_sum, sizeof sum);
            for (int b = 0; b < N / 32; b++)
                assert_true(scale[b] == truth_scale[b] || (isnan(scale[b]) && isnan(truth_scale[b])));
        }
        for (int i = 0; i < N; i++)
            if (isfinite(truth_scale[i / 32]) && truth_scale[i / 32] > 1e-30f)
                assert_true(fabsf(truth[i] * truth_scale[i / 32] - x[i]) <= truth_scale[i / 32] * 0.501f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(rounding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
