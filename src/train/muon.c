/* muon.c - orthogonalisation by the iteration of Newton and Schulz, X <- a X + (b A + c A^2) X with A = X X^T, whose
 * coefficients push all singular values towards 1: eight fast steps, then two that settle (as V4 is trained). The matrix
 * products are the backend's: A = X X^T is a projection, B X the derivative of one. */
#include "train/optimizer.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

int64_t muon_work_floats(int64_t rows, int64_t columns) {
    int64_t side = min_i64(rows, columns);
    return 2 * rows * columns + 2 * side * side;
}

static void transpose(const float *from, int64_t rows, int64_t columns, float *to) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) to[c * rows + r] = from[r * columns + c];
}

static struct tensor matrix_of(const float *data, int64_t rows, int64_t columns) {
    return (struct tensor){.data = data, .dtype = DTYPE_F32, .rank = 2, .shape = {rows, columns}};
}

/* y [rows, rows] = x x^T */
static void square(struct backend *backend, const float *x, int64_t rows, int64_t columns, float *y) {
    struct tensor w = matrix_of(x, rows, columns);
    struct project_op op = {
        .x = x, .rows = rows, .x_stride = columns, .count = 1, .target = {{&w, NULL, y, rows}}};
    backend->ops->project(backend, &op);
}

struct iteration {
    float *x, *next; /* [rows, columns], rows <= columns */
    float *a, *b;    /* [rows, rows] */
    int64_t rows, columns;
};

static void iterate(struct backend *backend, struct iteration *it, const float coefficient[3]) {
    int64_t squares = it->rows * it->rows, n = it->rows * it->columns;
    square(backend, it->x, it->rows, it->columns, it->a);
    square(backend, it->a, it->rows, it->rows, it->b); /* A is symmetric: A A^T = A^2 */
    for (int64_t i = 0; i < squares; i++) it->b[i] = coefficient[1] * it->a[i] + coefficient[2] * it->b[i];
    for (int64_t i = 0; i < n; i++) it->next[i] = coefficient[0] * it->x[i];
    struct tensor w = matrix_of(it->x, it->rows, it->columns);
    struct linear_backward_op op = {.w = &w,
                                    .dy = it->b,
                                    .dx = it->next,
                                    .rows = it->rows,
                                    .dy_stride = it->rows,
                                    .dx_stride = it->columns};
    backend->ops->backward->linear(backend, &op);
    float *spent = it->x;
    it->x = it->next;
    it->next = spent;
}

void muon_orthogonalise(struct backend *backend, float *x, int64_t rows, int64_t columns, float *work) {
    static const float fast[3] = {3.4445f, -4.7750f, 2.0315f}, settling[3] = {2, -1.5f, 0.5f};
    int64_t n = rows * columns, side = min_i64(rows, columns);
    bool tall = rows > columns;
    struct iteration it = {
        work, work + n, work + 2 * n, work + 2 * n + side * side, side, max_i64(rows, columns)};
    double length = sqrt(backend->ops->backward->squares(backend, x, n));
    if (!(length > 0)) return;
    if (tall)
        transpose(x, rows, columns, it.x);
    else
        memcpy(it.x, x, (size_t)n * sizeof *x);
    float factor = (float)(1 / length);
    for (int64_t i = 0; i < n; i++) it.x[i] *= factor;
    for (int i = 0; i < 10; i++) iterate(backend, &it, i < 8 ? fast : settling);
    if (tall)
        transpose(it.x, side, it.columns, x);
    else
        memcpy(x, it.x, (size_t)n * sizeof *x);
}
