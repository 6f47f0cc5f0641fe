/* test_mix.c - weighted sums of rows: every level against sums in double, edge shapes, and the same bits for a row in
 * whatever company. */
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

enum { ROWS = 9, KEYS = 64, WIDTH = 200, GUARD = 3 };

struct data {
    float p[ROWS * KEYS], v[KEYS * WIDTH], start[ROWS * (WIDTH + GUARD)], y[ROWS * (WIDTH + GUARD)];
};

static void fill(struct data *data, uint64_t seed) {
    struct rng rng;
    rng_seed(&rng, seed);
    for (size_t i = 0; i < COUNT_OF(data->p); i++) data->p[i] = (float)rng_uniform(&rng);
    for (size_t i = 0; i < COUNT_OF(data->v); i++) data->v[i] = (float)rng_uniform(&rng) * 4 - 2;
    for (size_t i = 0; i < COUNT_OF(data->start); i++) data->start[i] = (float)rng_uniform(&rng) - 0.5f;
}

static struct mix op_of(struct data *data, int64_t rows, int64_t keys, int64_t n) {
    return (struct mix){data->p, data->v, data->y, KEYS, WIDTH, WIDTH + GUARD, rows, keys, n};
}

static void check_shape(struct data *data, const struct kernels *kernels, int64_t rows, int64_t keys,
                        int64_t n) {
    memcpy(data->y, data->start, sizeof data->y);
    struct mix op = op_of(data, rows, keys, n);
    kernels->mix(&op);
    for (int64_t r = 0; r < ROWS; r++) {
        for (int64_t i = 0; i < WIDTH + GUARD; i++) {
            int64_t at = r * (WIDTH + GUARD) + i;
            if (r >= rows || i >= n) {
                assert_memory_equal(&data->y[at], &data->start[at], sizeof(float));
                continue;
            }
            double sum = (double)data->start[at], size = fabs(sum);
            for (int64_t k = 0; k < keys; k++) {
                sum += (double)data->p[r * KEYS + k] * (double)data->v[k * WIDTH + i];
                size += fabs((double)data->p[r * KEYS + k] * (double)data->v[k * WIDTH + i]);
            }
            assert_true(fabs((double)data->y[at] - sum) <= size * (double)(keys + 1) * 0x1p-24);
        }
    }
}

/* A row alone gives the bits that it has among others. */
static void check_company(struct data *data, const struct kernels *kernels, int64_t n) {
    memcpy(data->y, data->start, sizeof data->y);
    struct mix all = op_of(data, ROWS, KEYS, n);
    kernels->mix(&all);
    for (int64_t r = 0; r < ROWS; r++) {
        float alone[WIDTH];
        memcpy(alone, data->start + r * (WIDTH + GUARD), sizeof alone);
        struct mix one = {data->p + r * KEYS, data->v, alone, KEYS, WIDTH, WIDTH, 1, KEYS, n};
        kernels->mix(&one);
        assert_memory_equal(alone, data->y + r * (WIDTH + GUARD), (size_t)n * sizeof(float));
    }
}

static void weighted_sums(void **state) {
    (void)state;
    static const int64_t widths[] = {0, 1, 7, 8, 15, 16, 17, 20, 31, 64, 65, 128, 200};
    struct data *data = malloc(sizeof *data);
    for (int level = CPU_SCALAR; level <= (int)cpu_level_available(); level++) {
        struct kernels kernels = kernels_for((enum cpu_level)level);
        fill(data, (uint64_t)level);
        for (size_t w = 0; w < COUNT_OF(widths); w++) {
            for (int64_t rows = 0; rows <= ROWS; rows++) check_shape(data, &kernels, rows, KEYS, widths[w]);
            for (int64_t keys = 0; keys <= KEYS; keys += 13) check_shape(data, &kernels, 5, keys, widths[w]);
            check_company(data, &kernels, widths[w]);
        }
    }
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(weighted_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
