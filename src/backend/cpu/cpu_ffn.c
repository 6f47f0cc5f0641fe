/* cpu_ffn.c - the gated feed-forward network, y += down(silu(gate x) * up x), dense and as grouped experts.
 *
 * Experts: the rows are sorted by expert, and every worker takes the same share of columns of every expert, so
 * that all are busy whatever the routing. A row's experts are added in ascending number. */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <string.h>

/* ---- dense ---- */

struct ffn_task {
    const struct cpu_backend *cpu;
    const struct ffn_op *op;
};

/* Columns [begin, end) of silu(gate x) * up x for `rows` rows; inner [rows, 2 * ffn]: result left, up right. */
static void gate_up_columns(const struct kernels *kernels, const struct tensor *gate, const struct tensor *up,
                            const float *x, int64_t rows, float *inner, int64_t begin, int64_t end,
                            float *scratch) {
    int64_t width = gate->shape[1], ffn = gate->shape[0];
    struct gemm gemm = {.w = gate, .x = x, .y = inner, .x_stride = width, .y_stride = 2 * ffn, .rows = rows};
    gemm_columns(kernels, &gemm, begin, end, scratch);
    gemm.w = up;
    gemm.y = inner + ffn;
    gemm_columns(kernels, &gemm, begin, end, scratch);
    for (int64_t r = 0; r < rows; r++) {
        float *row = inner + r * 2 * ffn;
        kernels->silu_multiply(row + begin, row + ffn + begin, row + begin, end - begin);
    }
}

static void dense_inner(void *context, int worker, int workers) {
    const struct ffn_task *task = context;
    const struct ffn_op *op = task->op;
    int64_t begin, end;
    worker_share(op->gate->shape[0], COLUMN_GRAIN, worker, workers, &begin, &end);
    gate_up_columns(&task->cpu->kernels, op->gate, op->up, op->x, op->rows, op->inner, begin, end,
                    cpu_scratch(task->cpu, worker));
}

static void dense_down(void *context, int worker, int workers) {
    const struct ffn_task *task = context;
    const struct ffn_op *op = task->op;
    int64_t begin, end, width = op->down->shape[0];
    worker_share(width, COLUMN_GRAIN, worker, workers, &begin, &end);
    struct gemm gemm = {.w = op->down,
                        .x = op->inner,
                        .y = op->output,
                        .x_stride = 2 * op->down->shape[1],
                        .y_stride = width,
                        .rows = op->rows};
    gemm_columns(&task->cpu->kernels, &gemm, begin, end, cpu_scratch(task->cpu, worker));
    for (int64_t r = 0; r < op->rows; r++)
        task->cpu->kernels.add(op->output + r * width + begin, op->y + r * width + begin, end - begin);
}

void cpu_ffn(struct backend *backend, const struct ffn_op *op) {
    struct ffn_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, dense_inner, &task);
    thread_pool_run(task.cpu->pool, dense_down, &task);
}

/* ---- experts ---- */

struct experts_task {
    const struct cpu_backend *cpu;
    const struct experts_op *op;
    const int32_t *start;  /* [experts + 1]: expert e owns places [start[e], start[e + 1]) */
    const int32_t *source; /* [rows * used]: which (row * used + choice) sits at a place */
    int64_t width, ffn;
};

/* Counting sort by expert; stable, so rows stay in order within an expert. */
static void sort_by_expert(const struct experts_op *op, int32_t *start, int32_t *source) {
    int64_t places = op->rows * op->used;
    memset(start, 0, (size_t)(op->experts + 1) * sizeof *start);
    for (int64_t i = 0; i < places; i++) start[op->expert[i] + 1]++;
    for (int e = 0; e < op->experts; e++) start[e + 1] += start[e];
    for (int64_t i = 0; i < places; i++) source[start[op->expert[i]]++] = (int32_t)i;
    for (int e = op->experts; e > 0; e--) start[e] = start[e - 1]; /* the sort moved each start to its end */
    start[0] = 0;
}

static void gather_rows(void *context, int worker, int workers) {
    const struct experts_task *task = context;
    const struct experts_op *op = task->op;
    int64_t begin, end;
    worker_share(op->rows * op->used, 1, worker, workers, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        memcpy(op->gathered + i * task->width, op->x + task->source[i] / op->used * task->width,
               (size_t)task->width * sizeof(float));
}

static void experts_inner(void *context, int worker, int workers) {
    const struct experts_task *task = context;
    const struct experts_op *op = task->op;
    int64_t begin, end;
    worker_share(task->ffn, COLUMN_GRAIN, worker, workers, &begin, &end);
    for (int e = 0; e < op->experts; e++) {
        int64_t first = task->start[e], rows = task->start[e + 1] - first;
        if (rows)
            gate_up_columns(&task->cpu->kernels, op->gate[e], op->up[e], op->gathered + first * task->width,
                            rows, op->inner + first * 2 * task->ffn, begin, end,
                            cpu_scratch(task->cpu, worker));
    }
}

/* The gathered inputs are spent: their memory takes the outputs of down before they are scattered. */
static void experts_down(void *context, int worker, int workers) {
    const struct experts_task *task = context;
    const struct experts_op *op = task->op;
    int64_t begin, end, width = task->width;
    worker_share(width, COLUMN_GRAIN, worker, workers, &begin, &end);
    for (int e = 0; e < op->experts; e++) {
        int64_t first = task->start[e], rows = task->start[e + 1] - first;
        if (!rows) continue;
        struct gemm gemm = {.w = op->down[e],
                            .x = op->inner + first * 2 * task->ffn,
                            .y = op->gathered + first * width,
                            .x_stride = 2 * task->ffn,
                            .y_stride = width,
                            .rows = rows};
        gemm_columns(&task->cpu->kernels, &gemm, begin, end, cpu_scratch(task->cpu, worker));
        for (int64_t i = first; i < first + rows; i++) {
            int32_t source = task->source[i];
            task->cpu->kernels.axpy(op->weight[source], op->gathered + i * width + begin,
                                    op->y + source / op->used * width + begin, end - begin);
        }
    }
}

void cpu_experts(struct backend *backend, const struct experts_op *op) {
    struct experts_task task = {
        cpu_of(backend),      op, op->order, op->order + op->experts + 1, op->gate[0]->shape[1],
        op->gate[0]->shape[0]};
    sort_by_expert(op, op->order, op->order + op->experts + 1);
    thread_pool_run(task.cpu->pool, gather_rows, &task);
    thread_pool_run(task.cpu->pool, experts_inner, &task);
    thread_pool_run(task.cpu->pool, experts_down, &task);
}
