/* bench_matrix.c - see bench_matrix.h. */
#include "cli/bench_matrix.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "model/synth_blocks.h"

#include <string.h>

enum { COPIES_MOST = 64 };
static const uint64_t weights_seed = 7;

static struct tensor matrix_at(const struct bench_matrix *matrix, const void *data) {
    struct tensor w = {.data = data, .dtype = matrix->dtype, .rank = 2, .shape = {MATRIX_OUTS, MATRIX_IN}};
    if (matrix->dtype == DTYPE_F8_E4M3) {
        w.scale = matrix->scale;
        w.scale_dtype = DTYPE_F32;
        w.block[0] = w.block[1] = MATRIX_SCALE_BLOCK;
    }
    return w;
}

void bench_matrix_multiply(void *context, int64_t index) {
    struct bench_matrix *matrix = context;
    const uint8_t *at = matrix->weights + index % matrix->copies * matrix->bytes;
    struct tensor w = matrix_at(matrix, at);
    if (matrix->format != PANEL_NONE) {
        w.panels = at;
        w.panel_format = (uint8_t)matrix->format;
    }
    struct project_op op = {.x = matrix->x, .rows = matrix->rows, .x_stride = MATRIX_IN, .count = 1};
    op.target[0] = (struct project_target){&w, NULL, matrix->y, MATRIX_OUTS};
    matrix->backend->ops->project(matrix->backend, &op);
}

static enum status make_native(const struct bench_matrix *matrix, uint8_t **data, int64_t *bytes) {
    struct synth_format format = synth_format_of(matrix->dtype);
    struct synth_pattern pattern = synth_pattern_of(&format, 0, 0.02);
    struct rng rng;
    int64_t row;
    MUST(dtype_row_bytes(matrix->dtype, MATRIX_IN, &row)); /* a multiple of every block */
    *bytes = row * MATRIX_OUTS;
    *data = matrix->backend->ops->allocate(matrix->backend, *bytes);
    if (!*data) return fail(STATUS_MEMORY, "no memory for a matrix of %s", dtype_traits(matrix->dtype)->name);
    rng_seed(&rng, weights_seed);
    synth_fill(&pattern, &rng, 0, *data, (int64_t)MATRIX_OUTS * MATRIX_IN);
    return STATUS_OK;
}

enum status bench_matrix_fill(struct bench_matrix *matrix, enum dtype dtype, bool native,
                              int64_t most_bytes) {
    struct backend *backend = matrix->backend;
    uint8_t *data;
    int64_t bytes;
    backend->ops->release(backend, matrix->weights);
    matrix->weights = NULL;
    matrix->dtype = dtype;
    TRY(make_native(matrix, &data, &bytes));
    matrix->format = !native && backend->integer_products ? panel_format_for(dtype, MATRIX_IN) : PANEL_NONE;
    matrix->bytes =
        matrix->format == PANEL_NONE ? bytes : panels_bytes(matrix->format, MATRIX_OUTS, MATRIX_IN);
    matrix->copies = (int)max_i64(1, min_i64(COPIES_MOST, most_bytes / matrix->bytes));
    matrix->weights = backend->ops->allocate(backend, matrix->bytes * matrix->copies);
    if (matrix->weights) {
        struct tensor w = matrix_at(matrix, data);
        if (matrix->format == PANEL_NONE)
            memcpy(matrix->weights, data, (size_t)bytes);
        else
            backend->ops->pack(backend, &w, (int)matrix->format, matrix->weights);
        for (int i = 1; i < matrix->copies; i++)
            memcpy(matrix->weights + i * matrix->bytes, matrix->weights, (size_t)matrix->bytes);
    }
    backend->ops->release(backend, data);
    return matrix->weights ? STATUS_OK
                           : fail(STATUS_MEMORY, "no memory for %d matrices of %s", matrix->copies,
                                  dtype_traits(dtype)->name);
}

enum status bench_matrix_open(struct bench_matrix *matrix, struct backend *backend, int64_t most_rows) {
    struct backend_shape shape = {
        .rows = most_rows, .places = most_rows, .widest = MATRIX_IN, .widest_expert = MATRIX_IN};
    *matrix = (struct bench_matrix){.backend = backend};
    for (size_t i = 0; i < COUNT_OF(matrix->scale); i++) matrix->scale[i] = 1;
    TRY(backend->ops->reserve(backend, &shape));
    matrix->x = backend->ops->allocate(backend, most_rows * MATRIX_IN * (int64_t)sizeof(float));
    matrix->y = backend->ops->allocate(backend, most_rows * MATRIX_OUTS * (int64_t)sizeof(float));
    if (!matrix->x || !matrix->y) return fail(STATUS_MEMORY, "no memory for %lld rows", (long long)most_rows);
    struct rng rng;
    rng_seed(&rng, weights_seed);
    for (int64_t i = 0; i < most_rows * MATRIX_IN; i++) matrix->x[i] = (float)rng_uniform(&rng) - 0.5f;
    return STATUS_OK;
}

void bench_matrix_close(struct bench_matrix *matrix) {
    if (!matrix->backend) return;
    matrix->backend->ops->release(matrix->backend, matrix->weights);
    matrix->backend->ops->release(matrix->backend, matrix->x);
    matrix->backend->ops->release(matrix->backend, matrix->y);
    *matrix = (struct bench_matrix){0};
}
