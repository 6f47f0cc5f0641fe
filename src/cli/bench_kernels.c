/* bench_kernels.c - `hadal bench kernels`: products of some rows with one matrix, for each number format, in the form
 * in which a model keeps it. */
#include "cli/bench.h"
#include "cli/bench_matrix.h"

#include "base/bytes.h"
#include "model/synth_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t copies_bytes = INT64_C(512) << 20;
static const double sample_seconds = 0.1;
static const int64_t usual_rows[] = {1, 8, 64, 512};
static const enum dtype usual_types[] = {DTYPE_F32,  DTYPE_F16,    DTYPE_BF16, DTYPE_F8_E4M3,
                                         DTYPE_Q8_0, DTYPE_Q4_0,   DTYPE_Q4_K, DTYPE_Q5_K,
                                         DTYPE_Q6_K, DTYPE_IQ4_XS, DTYPE_MXFP4};

struct kernels_bench {
    struct bench_part part;
    struct bench_matrix matrix;
    const int64_t *rows; /* [row_counts] */
    int row_counts;
    int64_t most_rows;
    bool native;        /* weights as the file has them */
    int64_t most_bytes; /* of all copies */
    double *seconds;    /* [repeat] */
};

static enum status measure_rows(struct kernels_bench *bench, int64_t rows) {
    struct bench_matrix *matrix = &bench->matrix;
    const char *name = dtype_traits(matrix->dtype)->name;
    const char *form = matrix->format == PANEL_NONE ? "native" : panel_format_name(matrix->format);
    char label[64];
    matrix->rows = rows;
    bench_seconds(bench_matrix_multiply, matrix, sample_seconds / 4);
    for (int i = 0; i < bench->part.repeat; i++)
        bench->seconds[i] = bench_seconds(bench_matrix_multiply, matrix, sample_seconds);
    struct bench_speeds speeds = {.seconds = bench->seconds,
                                  .samples = bench->part.repeat,
                                  .bytes = (double)matrix->bytes,
                                  .operations = 2.0 * MATRIX_OUTS * MATRIX_IN * (double)rows,
                                  .integers = matrix->format != PANEL_NONE &&
                                              dtype_traits(matrix->dtype)->block_elements > 1};
    json_t *object = json_object();
    bench_set_text(object, "test", "kernel");
    bench_set_text(object, "type", name);
    bench_set_text(object, "form", form);
    bench_set_whole(object, "rows", rows);
    bench_set_whole(object, "outs", MATRIX_OUTS);
    bench_set_whole(object, "in", MATRIX_IN);
    snprintf(label, sizeof label, "%-8s %-7s %6lld", name, form, (long long)rows);
    return bench_part_report(&bench->part, &speeds, object, label);
}

static enum status measure_type(struct kernels_bench *bench, enum dtype dtype) {
    TRY(bench_matrix_fill(&bench->matrix, dtype, bench->native, bench->most_bytes));
    for (int i = 0; i < bench->row_counts; i++) TRY(measure_rows(bench, bench->rows[i]));
    return STATUS_OK;
}

static enum status measure_types(struct kernels_bench *bench, const char *only) {
    enum dtype dtype;
    if (only) {
        if (!dtype_from_name(only, &dtype) || !synth_format_known(dtype))
            return fail(STATUS_USAGE, "--type %.40s: no number format of weights", only);
        return measure_type(bench, dtype);
    }
    for (size_t i = 0; i < COUNT_OF(usual_types); i++) TRY(measure_type(bench, usual_types[i]));
    return STATUS_OK;
}

static enum status open_bench(struct kernels_bench *bench, const struct option_values *values) {
    bench->rows = usual_rows;
    bench->row_counts = COUNT_OF(usual_rows);
    if (option_given(values, "batch")) bench->row_counts = option_ints(values, "batch", &bench->rows);
    if (!bench->row_counts) return fail(STATUS_USAGE, "--batch needs at least one number");
    bench->native = !strcmp(option_text(values, "pack"), "off");
    bench->most_bytes = copies_bytes;
    if (option_given(values, "memory-limit"))
        bench->most_bytes = min_i64(copies_bytes, option_int(values, "memory-limit"));
    for (int i = 0; i < bench->row_counts; i++) bench->most_rows = max_i64(bench->most_rows, bench->rows[i]);
    TRY(bench_part_open(&bench->part, values));
    TRY(bench_matrix_open(&bench->matrix, bench->part.backend, bench->most_rows));
    bench->seconds = calloc((size_t)bench->part.repeat, sizeof *bench->seconds);
    if (!bench->seconds) return fail(STATUS_MEMORY, "no memory for samples");
    if (!bench->part.json)
        printf("a matrix of %d outputs and %d inputs\n%-8s %-7s %6s %14s %13s %7s %15s %7s\n", MATRIX_OUTS,
               MATRIX_IN, "type", "form", "rows", "a call", "reads", "of all", "multiplies", "of all");
    return STATUS_OK;
}

enum status bench_kernels(const struct option_values *values) {
    struct kernels_bench *bench = calloc(1, sizeof *bench);
    if (!bench) return fail(STATUS_MEMORY, "no memory");
    enum status status = open_bench(bench, values);
    if (status == STATUS_OK) status = measure_types(bench, option_text(values, "type"));
    bench_matrix_close(&bench->matrix);
    free(bench->seconds);
    bench_part_close(&bench->part);
    free(bench);
    return status;
}
