/* bench_kernels.c - `hadal bench kernels`: products of some rows with one matrix, for each number format, in the form
 * in which a model keeps it.
 *
 * There are as many copies of the matrix as the caches do not hold, and the calls go round: weights come from memory,
 * as they do in a model. */
#include "cli/bench.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "model/synth_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTS = 2048, IN = 7168, COPIES_MOST = 64, SCALE_BLOCK = 128 };
static const int64_t copies_bytes = INT64_C(512) << 20;
static const double sample_seconds = 0.1;
static const uint64_t weights_seed = 7;
static const int64_t usual_rows[] = {1, 8, 64, 512};
static const enum dtype usual_types[] = {DTYPE_F32,  DTYPE_F16,    DTYPE_BF16, DTYPE_F8_E4M3,
                                         DTYPE_Q8_0, DTYPE_Q4_0,   DTYPE_Q4_K, DTYPE_Q5_K,
                                         DTYPE_Q6_K, DTYPE_IQ4_XS, DTYPE_MXFP4};

struct kernels_bench {
    struct bench_part part;
    const int64_t *rows; /* [row_counts] */
    int row_counts;
    int64_t most_rows;
    bool native;        /* weights as the file has them */
    int64_t most_bytes; /* of all copies */
    float *x, *y;       /* [most_rows, IN], [most_rows, OUTS] */
    double *seconds;    /* [repeat] */
    /* of the format that is being measured */
    enum dtype dtype;
    enum panel_format format;
    int copies;
    int64_t bytes;    /* of one */
    uint8_t *weights; /* [copies, bytes] */
    float scale[(OUTS / SCALE_BLOCK) * (IN / SCALE_BLOCK)];
    int64_t calling_rows;
};

static struct tensor matrix_at(const struct kernels_bench *bench, const void *data) {
    struct tensor w = {.data = data, .dtype = bench->dtype, .rank = 2, .shape = {OUTS, IN}};
    if (bench->dtype == DTYPE_F8_E4M3) {
        w.scale = bench->scale;
        w.scale_dtype = DTYPE_F32;
        w.block[0] = w.block[1] = SCALE_BLOCK;
    }
    return w;
}

static void multiply(void *context, int64_t index) {
    struct kernels_bench *bench = context;
    const uint8_t *at = bench->weights + index % bench->copies * bench->bytes;
    struct tensor w = matrix_at(bench, at);
    if (bench->format != PANEL_NONE) {
        w.panels = at;
        w.panel_format = (uint8_t)bench->format;
    }
    struct project_op op = {.x = bench->x, .rows = bench->calling_rows, .x_stride = IN, .count = 1};
    op.target[0] = (struct project_target){&w, NULL, bench->y, OUTS};
    bench->part.backend->ops->project(bench->part.backend, &op);
}

/* ---- weights ---- */

static enum status make_native(const struct kernels_bench *bench, uint8_t **data, int64_t *bytes) {
    struct synth_format format = synth_format_of(bench->dtype);
    struct synth_pattern pattern = synth_pattern_of(&format, 0, 0.02);
    struct rng rng;
    int64_t row;
    MUST(dtype_row_bytes(bench->dtype, IN, &row)); /* IN is a multiple of every block */
    *bytes = row * OUTS;
    *data = bench->part.backend->ops->allocate(bench->part.backend, *bytes);
    if (!*data) return fail(STATUS_MEMORY, "no memory for a matrix of %s", dtype_traits(bench->dtype)->name);
    rng_seed(&rng, weights_seed);
    synth_fill(&pattern, &rng, 0, *data, (int64_t)OUTS * IN);
    return STATUS_OK;
}

static enum status make_copies(struct kernels_bench *bench) {
    struct backend *backend = bench->part.backend;
    uint8_t *native;
    int64_t native_bytes;
    TRY(make_native(bench, &native, &native_bytes));
    bool panels = !bench->native && backend->integer_products;
    bench->format = panels ? panel_format_for(bench->dtype, IN) : PANEL_NONE;
    bench->bytes = bench->format == PANEL_NONE ? native_bytes : panels_bytes(bench->format, OUTS, IN);
    bench->copies = (int)max_i64(1, min_i64(COPIES_MOST, bench->most_bytes / bench->bytes));
    bench->weights = backend->ops->allocate(backend, bench->bytes * bench->copies);
    if (bench->weights) {
        struct tensor w = matrix_at(bench, native);
        if (bench->format == PANEL_NONE)
            memcpy(bench->weights, native, (size_t)native_bytes);
        else
            backend->ops->pack(backend, &w, (int)bench->format, bench->weights);
        for (int i = 1; i < bench->copies; i++)
            memcpy(bench->weights + i * bench->bytes, bench->weights, (size_t)bench->bytes);
    }
    backend->ops->release(backend, native);
    return bench->weights ? STATUS_OK
                          : fail(STATUS_MEMORY, "no memory for %d matrices of %s", bench->copies,
                                 dtype_traits(bench->dtype)->name);
}

/* ---- measuring ---- */

static enum status measure_rows(struct kernels_bench *bench, int64_t rows) {
    const char *name = dtype_traits(bench->dtype)->name;
    const char *form = bench->format == PANEL_NONE ? "native" : panel_format_name(bench->format);
    char label[64];
    bench->calling_rows = rows;
    bench_seconds(multiply, bench, sample_seconds / 4);
    for (int i = 0; i < bench->part.repeat; i++)
        bench->seconds[i] = bench_seconds(multiply, bench, sample_seconds);
    struct bench_speeds speeds = {.seconds = bench->seconds,
                                  .samples = bench->part.repeat,
                                  .bytes = (double)bench->bytes,
                                  .operations = 2.0 * OUTS * IN * (double)rows,
                                  .integers = bench->format != PANEL_NONE &&
                                              dtype_traits(bench->dtype)->block_elements > 1};
    json_t *object = json_object();
    bench_set_text(object, "test", "kernel");
    bench_set_text(object, "type", name);
    bench_set_text(object, "form", form);
    bench_set_whole(object, "rows", rows);
    bench_set_whole(object, "outs", OUTS);
    bench_set_whole(object, "in", IN);
    snprintf(label, sizeof label, "%-8s %-7s %6lld", name, form, (long long)rows);
    return bench_part_report(&bench->part, &speeds, object, label);
}

static enum status measure_type(struct kernels_bench *bench, enum dtype dtype) {
    bench->dtype = dtype;
    enum status status = make_copies(bench);
    for (int i = 0; status == STATUS_OK && i < bench->row_counts; i++)
        status = measure_rows(bench, bench->rows[i]);
    bench->part.backend->ops->release(bench->part.backend, bench->weights);
    bench->weights = NULL;
    return status;
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
    for (size_t i = 0; i < COUNT_OF(bench->scale); i++) bench->scale[i] = 1;
    TRY(bench_part_open(&bench->part, values));
    struct backend *backend = bench->part.backend;
    struct backend_shape shape = {
        .rows = bench->most_rows, .places = bench->most_rows, .widest = IN, .widest_expert = IN};
    TRY(backend->ops->reserve(backend, &shape));
    bench->x = backend->ops->allocate(backend, bench->most_rows * IN * (int64_t)sizeof(float));
    bench->y = backend->ops->allocate(backend, bench->most_rows * OUTS * (int64_t)sizeof(float));
    bench->seconds = calloc((size_t)bench->part.repeat, sizeof *bench->seconds);
    if (!bench->x || !bench->y || !bench->seconds)
        return fail(STATUS_MEMORY, "no memory for %lld rows", (long long)bench->most_rows);
    struct rng rng;
    rng_seed(&rng, weights_seed);
    for (int64_t i = 0; i < bench->most_rows * IN; i++) bench->x[i] = (float)rng_uniform(&rng) - 0.5f;
    if (!bench->part.json)
        printf("a matrix of %d outputs and %d inputs\n%-8s %-7s %6s %14s %13s %7s %15s %7s\n", OUTS, IN,
               "type", "form", "rows", "a call", "reads", "of all", "multiplies", "of all");
    return STATUS_OK;
}

enum status bench_kernels(const struct option_values *values) {
    struct kernels_bench *bench = calloc(1, sizeof *bench);
    if (!bench) return fail(STATUS_MEMORY, "no memory");
    enum status status = open_bench(bench, values);
    if (status == STATUS_OK) status = measure_types(bench, option_text(values, "type"));
    if (bench->part.backend) {
        bench->part.backend->ops->release(bench->part.backend, bench->x);
        bench->part.backend->ops->release(bench->part.backend, bench->y);
    }
    free(bench->seconds);
    bench_part_close(&bench->part);
    free(bench);
    return status;
}
