/* cpu_rows.c - the operations that treat rows one by one or are a plain matrix product: embed, norm, project, rope,
 * add, and the store into the cache. Rows or columns are shared out over the workers; no result is ever summed across
 * workers. */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <string.h>

struct task { /* what a worker is handed: the backend and one operation */
    const struct cpu_backend *cpu;
    const void *op;
    struct rounded_rows rounded; /* of the operation's input, where it has integer products */
};

static void run(struct backend *backend, int64_t rows, thread_work *work, const void *op) {
    struct task task = {.cpu = cpu_of(backend), .op = op};
    cpu_run_rows(cpu_of(backend), rows, work, &task);
}

static void embed_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct embed_op *op = task->op;
    int64_t begin, end, width = op->table->shape[1];
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++)
        kernels_decode_row(&task->cpu->kernels, op->table, op->token[r], op->y + r * width);
}

void cpu_embed(struct backend *backend, const struct embed_op *op) {
    run(backend, op->rows, embed_rows, op);
}

static void norm_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct norm_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++)
        task->cpu->kernels.rms_norm(op->x + r * op->x_stride, op->weight, op->y + r * op->y_stride, op->n,
                                    op->epsilon);
}

void cpu_norm(struct backend *backend, const struct norm_op *op) {
    run(backend, op->rows, norm_rows, op);
}

static void project_columns(void *context, int worker, int slice, int slices) {
    const struct task *task = context;
    const struct project_op *op = task->op;
    for (int i = 0; i < op->count; i++) {
        const struct project_target *target = &op->target[i];
        int64_t begin, end;
        slice_share(target->w->shape[0], COLUMN_GRAIN, slice, slices, &begin, &end);
        struct gemm gemm = {.w = target->w,
                            .bias = target->bias,
                            .x = op->x,
                            .y = target->y,
                            .x_stride = op->x_stride,
                            .y_stride = target->y_stride,
                            .rows = op->rows,
                            .rounded = &task->rounded};
        gemm_columns(&task->cpu->kernels, &gemm, begin, end, cpu_scratch(task->cpu, worker));
    }
}

void cpu_project(struct backend *backend, const struct project_op *op) {
    struct project_op project = *op;
    struct task task = {.cpu = cpu_of(backend), .op = &project};
    bool panels = false;
    if (cpu_meets_fp8(op->target[0].w)) {
        project.x_stride = op->target[0].w->shape[1];
        project.x = cpu_fp8_copy(cpu_of(backend), 0, op->x, op->x_stride, op->rows, project.x_stride);
    }
    for (int i = 0; i < op->count; i++) panels = panels || op->target[i].w->panels;
    task.rounded =
        cpu_round(cpu_of(backend), op->x, op->x_stride, op->rows, op->target[0].w->shape[1], panels);
    thread_pool_run(task.cpu->pool, SLICES_FINE, project_columns, &task);
}

static void rotate_interleaved(float *x, const float *cosine, const float *sine, int half) {
    for (int i = 0; i < half; i++) {
        float a = x[2 * i], b = x[2 * i + 1];
        x[2 * i] = a * cosine[i] - b * sine[i];
        x[2 * i + 1] = a * sine[i] + b * cosine[i];
    }
}

static void rotate_halves(float *x, const float *cosine, const float *sine, int half) {
    for (int i = 0; i < half; i++) {
        float a = x[i], b = x[i + half];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + half] = a * sine[i] + b * cosine[i];
    }
}

static void rope_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct rope_op *op = task->op;
    int64_t begin, end;
    int half = op->dim / 2;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        for (int h = 0; h < op->heads; h++) {
            float *x = op->x + r * op->row_stride + h * op->head_stride;
            if (op->interleaved)
                rotate_interleaved(x, op->cosine + r * half, op->sine + r * half, half);
            else
                rotate_halves(x, op->cosine + r * half, op->sine + r * half, half);
        }
    }
}

void cpu_rope(struct backend *backend, const struct rope_op *op) {
    run(backend, op->rows, rope_rows, op);
}

/* Small enough to stay on the calling thread: one pass over the activations of a step. */
void cpu_add(struct backend *backend, const float *x, float *y, int64_t n) {
    cpu_of(backend)->kernels.add(x, y, n);
}

/* ---- cache ---- */

static void store_entry(const struct kv_plane_view *plane, const float *x, uint8_t *entry) {
    const struct dtype_traits *traits = dtype_traits(plane->dtype);
    int64_t whole = plane->width / traits->block_elements * traits->block_elements;
    traits->encode(x, entry, whole);
    if (whole == plane->width) return;
    float tail[256] = {0}; /* the last block, filled up with zeros */
    memcpy(tail, x + whole, (size_t)(plane->width - whole) * sizeof *tail);
    traits->encode(tail, entry + whole / traits->block_elements * traits->block_bytes,
                   traits->block_elements);
}

static void store_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct kv_store_op *op = task->op;
    const struct kv_plane_view *plane = &op->plane;
    for (int i = 0; i < op->runs; i++) {
        const struct batch_run *batch_run = &op->run[i];
        int64_t begin, end;
        slice_share(batch_run->rows, 1, slice, slices, &begin, &end);
        for (int64_t r = begin; r < end; r++) {
            int64_t position = batch_run->position + r;
            int32_t page = batch_run->page[position / KV_PAGE_TOKENS];
            const float *x = op->x + (batch_run->row_begin + r) * op->x_stride;
            for (int h = 0; h < plane->heads; h++)
                store_entry(plane, x + (int64_t)h * plane->width,
                            kv_entry(plane, page, (int)(position % KV_PAGE_TOKENS), h));
        }
    }
}

void cpu_kv_store(struct backend *backend, const struct kv_store_op *op) {
    run(backend, op->runs == 1 ? op->run[0].rows : op->runs, store_rows, op);
}
