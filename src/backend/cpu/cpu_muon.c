/* cpu_muon.c - Muon's step: momentum, orthogonalised by the iteration of Newton and Schulz, X <- a X + (b A + c A^2) X with
 * A = X X^T, whose coefficients push all singular values towards 1: eight fast steps, then two that settle (as V4 is trained).
 * A worker takes whole matrices: they are many and small, and nothing has to be waited for within one. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, STEPS = 10, FAST_STEPS = 8 };

/* Two of the matrix's size, two squares of its shorter side. */
static bool work_floats(int64_t rows, int64_t columns, int64_t *floats) {
    int64_t side = min_i64(rows, columns), matrix, square;
    return multiply_fits(rows, columns, &matrix) && multiply_fits(side, side, &square) &&
           add_fits(matrix, square, floats) && multiply_fits(*floats, 2, floats);
}

enum status cpu_reserve_muon(struct backend *backend, int64_t rows, int64_t columns) {
    struct cpu_backend *cpu = cpu_of(backend);
    int64_t floats, bytes;
    if (!work_floats(rows, columns, &floats) || floats > INT64_MAX / 8 ||
        !multiply_fits(round_up(floats, ALIGNMENT), (int64_t)sizeof(float) * cpu->threads, &bytes))
        return fail(STATUS_LIMIT, "a matrix of %lld x %lld is too large for this backend", (long long)rows,
                    (long long)columns);
    floats = round_up(floats, ALIGNMENT);
    if (cpu->muon_floats >= floats) return STATUS_OK;
    float *room = aligned_alloc(ALIGNMENT, (size_t)bytes);
    if (!room) return fail(STATUS_MEMORY, "no memory for %lld bytes of Muon's iteration", (long long)bytes);
    free(cpu->muon_room);
    cpu->muon_room = room;
    cpu->muon_floats = floats;
    return STATUS_OK;
}

struct iteration {
    const struct kernels *kernels;
    float *x, *next; /* [rows, columns], rows <= columns */
    float *a, *b;    /* [rows, rows] */
    int64_t rows, columns;
    float *scratch; /* of cpu_multiply() */
};

/* y [rows, rows] = x x^T: blocks on and below the diagonal, whose mirror images are copied. */
static void square(const struct kernels *kernels, const float *x, int64_t rows, int64_t columns, float *y) {
    enum { BLOCK = 48 }; /* whole tiles at every level */
    for (int64_t r = 0; r < rows; r += BLOCK) {
        int64_t count = min_i64(BLOCK, rows - r);
        kernels->dot_tile(x + r * columns, columns, count, x, columns, r + count, columns, y + r * rows,
                          rows);
        kernels->transpose(y + r * rows, rows, count, r, y + r, rows);
    }
}

static void iterate(struct iteration *it, const float coefficient[3]) {
    int64_t rows = it->rows, squares = rows * rows, n = rows * it->columns;
    square(it->kernels, it->x, rows, it->columns, it->a);
    square(it->kernels, it->a, rows, rows, it->b); /* A is symmetric: A A^T = A^2 */
    it->kernels->scale(coefficient[2], it->b, squares);
    it->kernels->axpy(coefficient[1], it->a, it->b, squares);
    memcpy(it->next, it->x, (size_t)n * sizeof *it->x);
    it->kernels->scale(coefficient[0], it->next, n);
    struct outer product = {.a = it->b,
                            .b = it->x,
                            .y = it->next,
                            .rows = rows,
                            .keys = rows,
                            .n = it->columns,
                            .a_row = rows,
                            .a_key = 1,
                            .b_stride = it->columns,
                            .y_stride = it->columns};
    cpu_multiply(it->kernels, &product, it->scratch);
    float *spent = it->x;
    it->x = it->next;
    it->next = spent;
}

static double length_of(const float *x, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sqrt(sum);
}

/* it->x, of any length, becomes the nearest matrix with orthonormal rows, nearly. False: it is zero. */
static bool orthogonalise(struct iteration *it) {
    static const float fast[3] = {3.4445f, -4.7750f, 2.0315f}, settling[3] = {2, -1.5f, 0.5f};
    double length = length_of(it->x, it->rows * it->columns);
    if (!(length > 0)) return false;
    it->kernels->scale((float)(1 / length), it->x, it->rows * it->columns);
    for (int i = 0; i < STEPS; i++) iterate(it, i < FAST_STEPS ? fast : settling);
    return true;
}

struct muon_task {
    struct cpu_backend *cpu;
    const struct muon_op *op;
};

/* m = mu m + g; the direction is that of g + mu m, with the size that AdamW's updates have (arXiv 2502.16982):
 * 0.2 sqrt(longer side) */
static void step_matrix(const struct muon_task *task, const struct muon_matrix *matrix, float *room,
                        float *scratch) {
    const struct muon_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t n = matrix->rows * matrix->columns, side = min_i64(matrix->rows, matrix->columns);
    bool tall = matrix->rows > matrix->columns;
    struct iteration it = {.kernels = kernels,
                           .x = room,
                           .next = room + n,
                           .a = room + 2 * n,
                           .b = room + 2 * n + side * side,
                           .rows = side,
                           .columns = max_i64(matrix->rows, matrix->columns),
                           .scratch = scratch};
    float *direction = tall ? it.next : it.x;
    kernels->scale(op->momentum, matrix->momentum, n);
    kernels->axpy(op->gradient_scale, matrix->gradient, matrix->momentum, n);
    memset(direction, 0, (size_t)n * sizeof *direction);
    kernels->axpy(op->gradient_scale, matrix->gradient, direction, n);
    kernels->axpy(op->momentum, matrix->momentum, direction, n);
    if (tall)
        kernels->transpose(direction, matrix->columns, matrix->rows, matrix->columns, it.x, matrix->rows);
    bool moves = orthogonalise(&it);
    if (tall && moves)
        kernels->transpose(it.x, matrix->rows, matrix->columns, matrix->rows, it.next, matrix->columns);
    kernels->scale(1 - op->decay, matrix->value, n);
    float step = (float)(op->rate * 0.2 * sqrt((double)it.columns));
    if (moves) kernels->axpy(-step, tall ? it.next : it.x, matrix->value, n);
}

static void step_matrices(void *context, int worker, int slice, int slices) {
    const struct muon_task *task = context;
    float *room = task->cpu->muon_room + worker * task->cpu->muon_floats;
    for (int64_t i = slice; i < task->op->count; i += slices)
        step_matrix(task, &task->op->matrix[i], room, cpu_backward_scratch(task->cpu, worker));
}

void cpu_muon(struct backend *backend, const struct muon_op *op) {
    enum { SLICES_EACH = 16 }; /* matrices differ in size */
    struct muon_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_EACH, step_matrices, &task);
}
