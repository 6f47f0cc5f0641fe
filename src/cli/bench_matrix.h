/* bench_matrix.h - one matrix of random weights in the form in which a model keeps them, multiplied again and again: what
 * `hadal bench kernels` prints and what `hadal bench machine` keeps for plans.
 *
 * There are as many copies of the matrix as the caches do not hold, and the calls go round: weights come from memory, as
 * they do in a model. Main thread; the backend's workers do the arithmetic. */
#ifndef HADAL_CLI_BENCH_MATRIX_H
#define HADAL_CLI_BENCH_MATRIX_H

#include "backend/backend.h"
#include "kernel/panel.h"

enum { MATRIX_OUTS = 2048, MATRIX_IN = 7168, MATRIX_SCALE_BLOCK = 128 };

struct bench_matrix {
    struct backend *backend; /* the caller's */
    float *x, *y;            /* [most_rows, MATRIX_IN], [most_rows, MATRIX_OUTS] */
    enum dtype dtype;
    enum panel_format format;
    int copies;
    int64_t bytes;    /* of one */
    uint8_t *weights; /* [copies, bytes] */
    float scale[(MATRIX_OUTS / MATRIX_SCALE_BLOCK) * (MATRIX_IN / MATRIX_SCALE_BLOCK)];
    int64_t rows; /* of a call */
};

/* Takes what up to `most_rows` rows need. */
must_use enum status bench_matrix_open(struct bench_matrix *matrix, struct backend *backend,
                                       int64_t most_rows);
void bench_matrix_close(struct bench_matrix *matrix); /* zeroed allowed */
/* Weights of a type, in the order that the processor likes best unless `native`; those before are released. */
must_use enum status bench_matrix_fill(struct bench_matrix *matrix, enum dtype dtype, bool native,
                                       int64_t most_bytes);
void bench_matrix_multiply(void *matrix, int64_t index); /* a bench_call */

#endif
