/* cpu_ffn.c - the gated feed-forward network, y += down(silu(gate x) * up x), dense and as grouped experts.
 *
 * Experts: the rows are sorted by expert, and every worker takes the same share of columns of every expert, so
 * that all are busy whatever the routing. A row's experts are added in ascending number. */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <string.h>

/* ---- dense ---- */

/* Rows of one feed-forward network on their way through it. */
struct ffn_rows {
    const struct kernels *kernels;
    const struct tensor *gate, *up, *down;
    const float *x;              /* [rows, width] */
    float *inner;                /* [rows, 2 * ffn]: result left, up right */
    float *gate_kept;            /* [rows, ffn] or NULL */
    struct rounded_rows rounded; /* of x, then of inner */
    int64_t rows;
};

/* Columns [begin, end) of silu(gate x) * up x. */
static void gate_up_columns(const struct ffn_rows *f, int64_t begin, int64_t end, float *scratch) {
    int64_t width = f->gate->shape[1], ffn = f->gate->shape[0];
    struct gemm gemm = {.w = f->gate,
                        .x = f->x,
                        .y = f->inner,
                        .x_stride = width,
                        .y_stride = 2 * ffn,
                        .rows = f->rows,
                        .rounded = &f->rounded};
    gemm_columns(f->kernels, &gemm, begin, end, scratch);
    gemm.w = f->up;
    gemm.y = f->inner + ffn;
    gemm_columns(f->kernels, &gemm, begin, end, scratch);
    for (int64_t r = 0; r < f->rows; r++) {
        float *row = f->inner + r * 2 * ffn;
        if (f->gate_kept)
            memcpy(f->gate_kept + r * ffn + begin, row + begin, (size_t)(end - begin) * sizeof *row);
        f->kernels->silu_multiply(row + begin, row + ffn + begin, row + begin, end - begin);
    }
}

/* Columns [begin, end) of down inner, to y [rows, width]. */
static void down_columns(const struct ffn_rows *f, float *y, int64_t begin, int64_t end, float *scratch) {
    struct gemm gemm = {.w = f->down,
                        .x = f->inner,
                        .y = y,
                        .x_stride = 2 * f->down->shape[1],
                        .y_stride = f->down->shape[0],
                        .rows = f->rows,
                        .rounded = &f->rounded};
    gemm_columns(f->kernels, &gemm, begin, end, scratch);
}

struct ffn_task {
    const struct cpu_backend *cpu;
    const struct ffn_op *op;
    struct ffn_rows rows;
};

static void dense_inner(void *context, int worker, int slice, int slices) {
    const struct ffn_task *task = context;
    int64_t begin, end;
    slice_share(task->op->gate->shape[0], COLUMN_GRAIN, slice, slices, &begin, &end);
    gate_up_columns(&task->rows, begin, end, cpu_scratch(task->cpu, worker));
}

static void dense_down(void *context, int worker, int slice, int slices) {
    const struct ffn_task *task = context;
    const struct ffn_op *op = task->op;
    int64_t begin, end, width = op->down->shape[0];
    slice_share(width, COLUMN_GRAIN, slice, slices, &begin, &end);
    down_columns(&task->rows, op->output, begin, end, cpu_scratch(task->cpu, worker));
    for (int64_t r = 0; r < op->rows; r++)
        task->cpu->kernels.add(op->output + r * width + begin, op->y + r * width + begin, end - begin);
}

void cpu_ffn(struct backend *backend, const struct ffn_op *op) {
    struct cpu_backend *cpu = cpu_of(backend);
    int64_t width = op->gate->shape[1], ffn = op->gate->shape[0];
    struct ffn_task task = {
        cpu,
        op,
        {&cpu->kernels, op->gate, op->up, op->down, op->x, op->inner, op->gate_kept, cpu->rounded, op->rows}};
    task.rows.rounded = cpu_round(cpu, op->x, width, op->rows, width, op->gate->panels || op->up->panels);
    if (cpu_meets_fp8(op->gate)) task.rows.x = cpu_fp8_copy(cpu, 0, op->x, width, op->rows, width);
    thread_pool_run(cpu->pool, SLICES_FINE, dense_inner, &task);
    if (cpu_meets_fp8(op->down)) cpu_fp8_in_place(cpu, op->inner, 2 * ffn, op->rows, ffn);
    task.rows.rounded = cpu_round(cpu, op->inner, 2 * ffn, op->rows, ffn, op->down->panels);
    thread_pool_run(cpu->pool, SLICES_FINE, dense_down, &task);
}

/* ---- experts ---- */

struct experts_task {
    const struct cpu_backend *cpu;
    const struct experts_op *op;
    const int32_t *start;        /* [experts + 1]: expert e owns places [start[e], start[e + 1]) */
    const int32_t *source;       /* [rows * used]: which (row * used + choice) sits at a place */
    struct rounded_rows rounded; /* of all places */
    int64_t width, ffn;
};

/* The places of one expert. */
static struct ffn_rows rows_of(const struct experts_task *task, int expert) {
    const struct experts_op *op = task->op;
    int64_t first = task->start[expert], rows = task->start[expert + 1] - first;
    return (struct ffn_rows){&task->cpu->kernels,
                             op->gate[expert],
                             op->up[expert],
                             op->down[expert],
                             op->gathered + first * task->width,
                             op->inner + first * 2 * task->ffn,
                             op->gate_kept ? op->gate_kept + first * task->ffn : NULL,
                             rounded_from(&task->rounded, first),
                             rows};
}

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

static void gather_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct experts_task *task = context;
    const struct experts_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows * op->used, 1, slice, slices, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        memcpy(op->gathered + i * task->width, op->x + task->source[i] / op->used * task->width,
               (size_t)task->width * sizeof(float));
}

static void experts_inner(void *context, int worker, int slice, int slices) {
    const struct experts_task *task = context;
    int64_t begin, end;
    slice_share(task->ffn, COLUMN_GRAIN, slice, slices, &begin, &end);
    for (int e = 0; e < task->op->experts; e++) {
        struct ffn_rows rows = rows_of(task, e);
        if (rows.rows) gate_up_columns(&rows, begin, end, cpu_scratch(task->cpu, worker));
    }
}

/* The gathered inputs are spent: their memory takes the outputs of down before they are scattered. */
static void experts_down(void *context, int worker, int slice, int slices) {
    const struct experts_task *task = context;
    const struct experts_op *op = task->op;
    int64_t begin, end, width = task->width;
    slice_share(width, COLUMN_GRAIN, slice, slices, &begin, &end);
    for (int e = 0; e < op->experts; e++) {
        struct ffn_rows rows = rows_of(task, e);
        if (!rows.rows) continue;
        float *output = op->gathered + task->start[e] * width;
        down_columns(&rows, output, begin, end, cpu_scratch(task->cpu, worker));
        for (int64_t i = 0; i < rows.rows; i++) {
            int32_t source = task->source[task->start[e] + i];
            task->cpu->kernels.axpy(op->weight[source], output + i * width + begin,
                                    op->y + source / op->used * width + begin, end - begin);
        }
    }
}

void cpu_experts(struct backend *backend, const struct experts_op *op) {
    struct cpu_backend *cpu = cpu_of(backend);
    int64_t places = op->rows * op->used;
    struct experts_task task = {cpu,
                                op,
                                op->order,
                                op->order + op->experts + 1,
                                cpu->rounded,
                                op->gate[0]->shape[1],
                                op->gate[0]->shape[0]};
    sort_by_expert(op, op->order, op->order + op->experts + 1);
    cpu_run_rows(cpu, op->rows, gather_rows, &task);
    /* all experts of a layer have one format in the files; a single one without panels only ignores the rounding */
    task.rounded = cpu_round(cpu, op->gathered, task.width, places, task.width,
                             op->gate[0]->panels || op->up[0]->panels);
    if (cpu_meets_fp8(op->gate[0])) cpu_fp8_in_place(cpu, op->gathered, task.width, places, task.width);
    thread_pool_run(cpu->pool, SLICES_FINE, experts_inner, &task);
    if (cpu_meets_fp8(op->down[0])) cpu_fp8_in_place(cpu, op->inner, 2 * task.ffn, places, task.ffn);
    task.rounded = cpu_round(cpu, op->inner, 2 * task.ffn, places, task.ffn, op->down[0]->panels);
    thread_pool_run(cpu->pool, SLICES_FINE, experts_down, &task);
}
