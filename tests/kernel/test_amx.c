/* test_amx.c - the amx level on any processor with AVX-512: where there are no tiles, their instructions are carried
 * out in software (support/amx_trap.h), so that the objects that ship run here too. */
#include "kernel/check.h"
#include "kernel/kernel.h"
#include "kernel/panel_layout.h"
#include "support/amx_trap.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Tiles, in hardware or in software; permission is asked for on the way. */
static void need_tiles(void) {
    if (cpu_level_available() < CPU_AMX && !amx_trap_install()) skip();
}

/* ---- the handler itself ---- */

#if defined(__x86_64__)
struct config {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

static struct config square(void) {
    struct config config = {.palette = 1};
    for (int t = 0; t < 8; t++) config.rows[t] = 16, config.row_bytes[t] = 64;
    return config;
}

static void load_config(void *config) {
    __asm__ volatile("ldtilecfg %0" : : "m"(*(struct config *)config));
}
static void zero_tile(void *unused) {
    (void)unused;
    __asm__ volatile("tilezero %%tmm6" : :);
}
static void multiply_bytes(void *unused) {
    (void)unused;
    __asm__ volatile("tdpbssd %%tmm2, %%tmm1, %%tmm0" : :);
}
static void release(void) {
    __asm__ volatile("tilerelease" : : : "memory");
}

static void rules(void **state) {
    (void)state;
    if (cpu_level_available() >= CPU_AMX) skip(); /* there the processor enforces them, with a signal */
    need_tiles();
    struct config config = square();
    assert_null(amx_trap_try(load_config, &config));
    assert_true(amx_trap_configured());
    assert_null(amx_trap_try(zero_tile, NULL));
    assert_null(amx_trap_try(multiply_bytes, NULL));
    config.rows[6] = 0, config.row_bytes[6] = 0;
    assert_null(amx_trap_try(load_config, &config));
    assert_string_equal(amx_trap_try(zero_tile, NULL), "the tile is configured");
    config.row_bytes[6] = 64; /* what stays when only the stores to rows[] are lost */
    assert_string_equal(amx_trap_try(load_config, &config), "a tile has both rows and bytes, or neither");
    config = square(), config.rows[2] = 8;
    assert_null(amx_trap_try(load_config, &config));
    assert_string_equal(amx_trap_try(multiply_bytes, NULL),
                        "the first factor has a word for each row of the second");
    config = square(), config.rows[1] = 8;
    assert_null(amx_trap_try(load_config, &config));
    assert_string_equal(amx_trap_try(multiply_bytes, NULL), "the first factor has the rows of the result");
    config = square(), config.row_bytes[3] = 65;
    assert_string_equal(amx_trap_try(load_config, &config), "a row has at most 64 bytes");
    config = square(), config.rows[8] = 1;
    assert_string_equal(amx_trap_try(load_config, &config), "reserved bytes 56 to 63 are zero");
    config = square(), config.palette = 2;
    assert_string_equal(amx_trap_try(load_config, &config), "palette is 0 or 1");
    release();
    assert_false(amx_trap_configured());
    assert_string_equal(amx_trap_try(multiply_bytes, NULL), "tiles are configured");
}

/* Instructions against loops over plain arrays. */
struct operands {
    int8_t a[5][64], b[16][64];
    int32_t bytes[5][16], mixed[5][16];
    uint16_t fa[5][32], fb[16][32];
    float floats[5][16];
};

static void run_products(struct operands *o) {
    struct config config = square();
    int64_t stride = 64;
    config.rows[0] = config.rows[1] = 5;
    __asm__ volatile("ldtilecfg %0" : : "m"(config));
    __asm__ volatile(
        "tileloadd (%0,%1,1), %%tmm0\n\ttileloadd (%2,%1,1), %%tmm1\n\ttileloaddt1 (%3,%1,1), %%tmm2\n\t"
        "tdpbssd %%tmm2, %%tmm1, %%tmm0\n\ttilestored %%tmm0, (%0,%1,1)"
        :
        : "r"(o->bytes), "r"(stride), "r"(o->a), "r"(o->b)
        : "memory");
    __asm__ volatile(
        "tileloadd (%0,%1,2), %%tmm0\n\ttdpbusd %%tmm2, %%tmm1, %%tmm0\n\ttilestored %%tmm0, (%0,%1,2)"
        :
        : "r"(o->mixed), "r"(stride / 2)
        : "memory");
    __asm__ volatile(
        "tileloadd (%0,%1,1), %%tmm0\n\ttileloadd (%2,%1,1), %%tmm1\n\ttileloadd (%3,%1,1), %%tmm2\n\t"
        "tdpbf16ps %%tmm2, %%tmm1, %%tmm0\n\ttilestored %%tmm0, (%0,%1,1)"
        :
        : "r"(o->floats), "r"(stride), "r"(o->fa), "r"(o->fb)
        : "memory");
    release();
}

static float from_bf16(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return fabsf(value) < 0x1p-126f ? copysignf(0, value) : value;
}

static void products_of_tiles(void **state) {
    (void)state;
    need_tiles();
    static struct operands o, before;
    uint32_t random = 7;
    for (size_t i = 0; i < sizeof o; i++)
        ((uint8_t *)&o)[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
    for (int i = 0; i < 5 * 32; i++)
        o.fa[i / 32][i % 32] = (uint16_t)((o.fa[i / 32][i % 32] & 0x80ff) | 0x3f00);
    for (int i = 0; i < 16 * 32; i++)
        o.fb[i / 32][i % 32] = (uint16_t)((o.fb[i / 32][i % 32] & 0x80ff) | 0x3f00);
    for (int i = 0; i < 5 * 16; i++) o.floats[i / 16][i % 16] = (float)i - 3.3f;
    o.fa[1][3] = 0x0042; /* denormal: counts as zero */
    o.bytes[0][0] = INT32_MAX;
    before = o;
    run_products(&o);
    for (int m = 0; m < 5; m++)
        for (int n = 0; n < 16; n++) {
            uint32_t bytes = (uint32_t)before.bytes[m][n], mixed = (uint32_t)before.mixed[m][n];
            float even = 0, odd = 0;
            for (int k = 0; k < 16; k++) {
                for (int i = 0; i < 4; i++) {
                    bytes += (uint32_t)(before.a[m][4 * k + i] * before.b[k][4 * n + i]);
                    mixed += (uint32_t)((uint8_t)before.a[m][4 * k + i] * before.b[k][4 * n + i]);
                }
                even = fmaf(from_bf16(before.fa[m][2 * k]), from_bf16(before.fb[k][2 * n]), even);
                odd = fmaf(from_bf16(before.fa[m][2 * k + 1]), from_bf16(before.fb[k][2 * n + 1]), odd);
            }
            float sum = before.floats[m][n] + (even + odd);
            assert_int_equal(o.bytes[m][n], (int32_t)bytes);
            assert_int_equal(o.mixed[m][n], (int32_t)mixed);
            assert_memory_equal(&o.floats[m][n], &sum, sizeof sum);
        }
}
#else
static void rules(void **state) {
    (void)state;
    skip();
}
static void products_of_tiles(void **state) {
    (void)state;
    skip();
}
#endif

/* ---- the level ---- */

static void tell(void *context, const struct check_result *result) {
    (*(int *)context)++;
    if (!result->passed)
        printf("%s (%s): error %g, bound %g\n", result->function, result->test, result->error, result->bound);
}

static void agrees_with_the_truth(void **state) {
    (void)state;
    need_tiles();
    struct kernels table = kernels_of(CPU_AMX);
    struct check_options options = {.seed = 3, .cap = CPU_AMX, .table = &table};
    int results = 0, failures = -1;
    int64_t before = amx_trap_instructions();
    assert_int_equal(check_run(&options, tell, &results, &failures), STATUS_OK);
    assert_int_equal(failures, 0);
    assert_true(results > 20);
    assert_true(cpu_level_available() == CPU_AMX || amx_trap_instructions() - before > 100000);
    assert_false(amx_trap_configured()); /* every kernel lets go of its tiles */
}

/* Rows that leave any number over, and chunks of rows that follow each other, in memory that ends where they end. */
static void any_number_of_rows(void **state) {
    (void)state;
    need_tiles();
    enum { MOST_ROWS = 151, OUTS = 37 };
    static const int rows[] = {5, 16, 17, 40, 129, MOST_ROWS};
    struct kernels scalar = kernels_of(CPU_SCALAR), amx = kernels_of(CPU_AMX);
    for (int format = PANEL_I8; format < PANEL_COUNT; format++) {
        int64_t in = format == PANEL_I8 || format == PANEL_I4 ? 448 : 512, stride = OUTS + 1;
        size_t bytes = (size_t)panels_bytes((enum panel_format)format, OUTS, in);
        uint8_t *data = aligned_alloc(PANEL_ALIGNMENT, (bytes + 63) / 64 * 64);
        int unit = (int)panel_unit_bytes((enum panel_format)format);
        for (size_t i = 0; i < bytes; i++)
            data[i] = (int)(i % (size_t)unit) >= unit - 64 ? 0x33 : (uint8_t)(i * 167 >> 3);
        struct panels w = {(enum panel_format)format, data, OUTS, in};
        float *x = malloc(sizeof *x * (size_t)in),
              *truth = malloc(sizeof *truth * MOST_ROWS * (size_t)stride);
        struct rounded_rows all = {malloc((size_t)in * MOST_ROWS), malloc((size_t)in * MOST_ROWS / 32 * 4),
                                   malloc((size_t)in * MOST_ROWS / 16 * 4), in};
        for (int r = 0; r < MOST_ROWS; r++) {
            for (int64_t i = 0; i < in; i++) x[i] = sinf((float)(r * in + i) * (float)(1 + r % 5));
            scalar.panel_round(x, in, all.value + r * in, all.scale + r * in / 32, all.sum + r * in / 16);
        }
        struct panel_product product = {&w, &all, NULL, truth, MOST_ROWS, stride};
        scalar.panel_multiply[format](&product, 0, (OUTS + 15) / 16);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            size_t n = (size_t)rows[i] * (size_t)in; /* copies without room behind them, for the sanitizer */
            struct rounded_rows few = {memcpy(malloc(n), all.value, n),
                                       memcpy(malloc(n / 8), all.scale, n / 8),
                                       memcpy(malloc(n / 4), all.sum, n / 4), in};
            float *y = calloc((size_t)rows[i] * (size_t)stride, sizeof *y);
            product = (struct panel_product){&w, &few, NULL, y, rows[i], stride};
            amx.panel_multiply[format](&product, 0, 1);
            amx.panel_multiply[format](&product, 1, (OUTS + 15) / 16);
            for (int64_t at = 0; at < rows[i] * stride; at++) {
                float wanted = at % stride < OUTS ? truth[at] : 0;
                if (memcmp(&y[at], &wanted, sizeof wanted))
                    fail_msg("%s, %d rows: row %d output %d is %a, expected %a", panel_format_name(w.format),
                             rows[i], (int)(at / stride), (int)(at % stride), (double)y[at], (double)wanted);
            }
            free(few.value), free(few.scale), free(few.sum), free(y);
        }
        free(all.value), free(all.scale), free(all.sum), free(x), free(truth), free(data);
    }
}

static void multiply_one(struct tensor *w, float x, float *y) {
    struct kernels amx = kernels_of(CPU_AMX);
    struct gemm gemm = {.w = w, .x = &x, .y = y, .x_stride = 1, .y_stride = w->shape[0], .rows = 1};
    float scratch[GEMM_SCRATCH_ROWS];
    gemm_columns(&amx, &gemm, 0, w->shape[0], scratch);
}

/* Every e4m3 number, and floats of every size: what one product may differ by is what hi and lo leave over. */
static void numbers_keep_their_values(void **state) {
    (void)state;
    need_tiles();
    static const float xs[] = {1,           -3.5f,  0.1f,      0x1.fffffep127f, -0x1.ffp127f,
                               0x1.fep127f, 1e-30f, 0x1p-100f, 0x1.fdffffp0f,   0x1.00ffffp0f};
    uint8_t codes[256];
    uint16_t one = 0x3f80;
    float y[256], found, value;
    for (int i = 0; i < 256; i++) codes[i] = (uint8_t)i;
    struct tensor w = {.data = codes, .dtype = DTYPE_F8_E4M3, .rank = 2, .shape = {256, 1}};
    multiply_one(&w, 1, y);
    for (int i = 0; i < 256; i++) {
        tensor_decode_row(&w, i, &value);
        if (!(y[i] == value || (isnan(y[i]) && isnan(value))))
            fail_msg("%d: %a, expected %a", i, (double)y[i], (double)value);
    }
    w = (struct tensor){.data = &one, .dtype = DTYPE_BF16, .rank = 2, .shape = {1, 1}};
    for (size_t i = 0; i < sizeof xs / sizeof *xs; i++) {
        multiply_one(&w, xs[i], &found);
        double bound = fabs((double)xs[i]) * (fabsf(xs[i]) > 0x1.fefffep127f ? 0x1p-16 : 0x1p-18);
        if (!(fabs((double)found - (double)xs[i]) <= bound))
            fail_msg("%a became %a", (double)xs[i], (double)found);
    }
    multiply_one(&w, INFINITY, &found);
    assert_true(found == INFINITY);
    multiply_one(&w, -INFINITY, &found);
    assert_true(found == -INFINITY);
    multiply_one(&w, NAN, &found);
    assert_true(isnan(found));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules), cmocka_unit_test(products_of_tiles), cmocka_unit_test(agrees_with_the_truth),
        cmocka_unit_test(any_number_of_rows), cmocka_unit_test(numbers_keep_their_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
