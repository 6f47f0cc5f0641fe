/* test_kernels.c - the check of every kernel at every level of this processor, and that no kernel reads
 * past its operands. */
#include "kernel/check.h"
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

struct tally {
    int results, failures, skipped, levels[CPU_LEVEL_COUNT];
};

static void count_result(void *context, const struct check_result *result) {
    struct tally *tally = context;
    tally->levels[result->level]++;
    if (result->skipped) {
        tally->skipped++;
        printf("%s: skipped, this processor lacks it\n", cpu_level_name(result->level));
        return;
    }
    tally->results++;
    if (result->passed) return;
    tally->failures++;
    printf("%s %s (%s): error %g, bound %g\n", cpu_level_name(result->level), result->function, result->test,
           result->error, result->bound);
}

static void run(uint64_t seed, const char *function, struct tally *tally) {
    struct check_options options = {.function = function, .seed = seed, .cap = CPU_AMX};
    int failures = -1;
    memset(tally, 0, sizeof *tally);
    assert_int_equal(check_run(&options, count_result, tally, &failures), STATUS_OK);
    assert_int_equal(failures, tally->failures);
}

static void every_kernel_agrees_with_the_truth(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct tally tally;
        run(seed, NULL, &tally);
        assert_int_equal(tally.failures, 0);
        assert_true(tally.levels[CPU_SCALAR] > 100);
        for (int level = CPU_AVX2; level <= (int)cpu_level_available() && level < CPU_AMX; level++)
            assert_true(tally.levels[level] > 50);
    }
}

static void the_filter_selects_functions(void **state) {
    (void)state;
    struct tally tally;
    run(1, "no such function", &tally);
    assert_int_equal(tally.results, 0);
    run(1, "maximum", &tally);
    assert_true(tally.results > 0 && tally.results < 30);
}

static void levels_are_capped(void **state) {
    (void)state;
    for (int cap = 0; cap < CPU_LEVEL_COUNT; cap++) {
        struct kernels kernels = kernels_for((enum cpu_level)cap);
        assert_true((int)kernels.level <= cap);
        assert_true(kernels.level <= cpu_level_available());
        assert_true(kernels.dot_tile && kernels.exp_sum && kernels.decode[DTYPE_BF16]);
    }
    struct kernels scalar = kernels_for(CPU_SCALAR);
    assert_int_equal(scalar.level, CPU_SCALAR);
    assert_string_equal(cpu_level_name(CPU_AVX512), "avx512");
    enum cpu_level level;
    assert_true(cpu_level_from_name("avx2", &level) && level == CPU_AVX2);
    assert_true(cpu_level_from_name("auto", &level) && level == CPU_AMX);
    assert_false(cpu_level_from_name("avx", &level));
}

/* Memory whose end is the end of what may be read: one byte more ends the program. */
struct fence {
    uint8_t *memory;
    size_t bytes;
};

static struct fence fence_open(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = 4 * page;
    uint8_t *memory = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    assert_int_equal(mprotect(memory + bytes, page, PROT_NONE), 0);
    return (struct fence){memory, bytes};
}

static void *last_bytes(const struct fence *fence, size_t bytes) {
    assert_true(bytes <= fence->bytes);
    return fence->memory + fence->bytes - bytes;
}

static void fence_close(struct fence *fence) {
    munmap(fence->memory, fence->bytes + (size_t)sysconf(_SC_PAGESIZE));
}

static void decoders_stop_at_the_end(void **state) {
    (void)state;
    struct fence blocks = fence_open(), values = fence_open();
    for (int level = 0; level < CPU_LEVEL_COUNT; level++) {
        struct kernels kernels = kernels_for((enum cpu_level)level);
        for (int d = 0; d < DTYPE_COUNT; d++) {
            if (!kernels.decode[d]) continue;
            const struct dtype_traits *traits = dtype_traits((enum dtype)d);
            for (int count = 1; count <= 35; count += traits->block_elements == 1 ? 1 : 11) {
                int64_t elements = (int64_t)count * traits->block_elements;
                if (elements > 3072) break;
                void *from = last_bytes(&blocks, (size_t)count * (size_t)traits->block_bytes);
                float *to = last_bytes(&values, (size_t)elements * sizeof(float));
                memset(to, 0xff,
                       (size_t)elements * sizeof(float)); /* NaN, which zero bytes never decode to */
                kernels.decode[d](from, to, elements);
                for (int64_t i = 0; i < elements; i++) assert_false(isnan(to[i]));
            }
        }
    }
    fence_close(&blocks);
    fence_close(&values);
}

static void arithmetic_stops_at_the_end(void **state) {
    (void)state;
    struct fence a = fence_open(), b = fence_open(), c = fence_open();
    for (int level = 0; level < CPU_LEVEL_COUNT; level++) {
        struct kernels kernels = kernels_for((enum cpu_level)level);
        for (int n = 1; n <= 40; n++) {
            size_t bytes = (size_t)n * sizeof(float);
            float *x = last_bytes(&a, bytes), *y = last_bytes(&b, bytes), *z = last_bytes(&c, bytes), dot[1];
            for (int i = 0; i < n; i++) x[i] = 1, y[i] = 2, z[i] = 3;
            kernels.dot_tile(x, n, 1, y, n, 1, n, dot, 1);
            assert_true(dot[0] == 2 * (float)n);
            kernels.axpy(2, x, y, n);
            kernels.add(x, y, n);
            kernels.scale(0.2f, y, n);
            assert_true(y[n - 1] == 1.0f);
            kernels.rms_norm(x, y, z, n, 0);
            assert_true(z[n - 1] == 1.0f);
            kernels.silu_multiply(x, y, z, n);
            assert_true(kernels.maximum(x, n) == 1.0f);
            assert_true(kernels.exp_sum(x, n, 1) == (float)n);
        }
        int rows = 5, outs = 6, in = 19; /* every tile shape at once, at the very end */
        float *x = last_bytes(&a, sizeof(float) * (size_t)(rows * in)),
              *w = last_bytes(&b, sizeof(float) * (size_t)(outs * in));
        float *y = last_bytes(&c, sizeof(float) * (size_t)(rows * outs));
        for (int i = 0; i < rows * in; i++) x[i] = 1;
        for (int i = 0; i < outs * in; i++) w[i] = 1;
        kernels.dot_tile(x, in, rows, w, in, outs, in, y, outs);
        for (int i = 0; i < rows * outs; i++) assert_true(y[i] == (float)in);
    }
    fence_close(&a);
    fence_close(&b);
    fence_close(&c);
}

static void a_few_rows_stop_at_the_end(void **state) {
    (void)state;
    struct fence a = fence_open(), b = fence_open(), c = fence_open();
    for (int level = 0; level < CPU_LEVEL_COUNT; level++) {
        struct kernels kernels = kernels_for((enum cpu_level)level);
        for (int d = 0; d < DTYPE_COUNT; d++) {
            for (int n = 1; kernels.dot_rows[d] && n <= 70; n++) {
                int rows = n % 9 + 1, outs = n % 7 + 1;
                size_t x_bytes = sizeof(float) * (size_t)(rows * n),
                       y_bytes = sizeof(float) * (size_t)(rows * outs);
                int64_t w_bytes = (int64_t)n * dtype_traits((enum dtype)d)->block_bytes;
                float *x = last_bytes(&a, x_bytes), *y = last_bytes(&c, y_bytes);
                uint8_t *w = last_bytes(&b, (size_t)(w_bytes * outs));
                for (int i = 0; i < rows * n; i++) x[i] = 1;
                memset(w, 0, (size_t)(w_bytes * outs));
                memset(y, 0xff, y_bytes);
                struct dot_rows op = {.x = x,
                                      .w = w,
                                      .y = y,
                                      .x_stride = n,
                                      .w_bytes = w_bytes,
                                      .y_stride = outs,
                                      .rows = rows,
                                      .outs = outs,
                                      .in = n};
                kernels.dot_rows[d](&op);
                for (int i = 0; i < rows * outs; i++) assert_true(y[i] == 0);
            }
        }
    }
    fence_close(&a);
    fence_close(&b);
    fence_close(&c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_agrees_with_the_truth),
        cmocka_unit_test(the_filter_selects_functions),
        cmocka_unit_test(levels_are_capped),
        cmocka_unit_test(decoders_stop_at_the_end),
        cmocka_unit_test(arithmetic_stops_at_the_end),
        cmocka_unit_test(a_few_rows_stop_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
