/* cpu_backward.c - derivatives of the operations that treat rows one by one or are a plain matrix product, and the
 * optimizer's loops. What belongs to a row is shared out by rows, what is summed over rows by columns or outputs. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_GRAIN = 32, ELEMENT_GRAIN = 4096, ALIGNMENT = 64 };

static enum status reserve_fp8(struct cpu_backend *cpu, int64_t floats) {
    int64_t bytes;
    if (!floats) return STATUS_OK;
    floats = round_up(floats, ALIGNMENT);
    if (!multiply_fits(floats, 2 * (int64_t)sizeof(float), &bytes))
        return fail(STATUS_LIMIT, "the batch is too large");
    float *room = aligned_alloc(ALIGNMENT, (size_t)bytes);
    if (!room) return fail(STATUS_MEMORY, "no memory for %lld bytes of FP8 activations", (long long)bytes);
    free(cpu->fp8_room);
    cpu->fp8_room = room;
    cpu->fp8_floats = floats;
    return STATUS_OK;
}

enum status cpu_reserve_backward(struct backend *backend, const struct backward_shape *shape) {
    struct cpu_backend *cpu = cpu_of(backend);
    int64_t floats = max_i64(cpu_product_floats(shape->widest), cpu_attention_backward_floats(shape)), bytes;
    floats = round_up(floats + ALIGNMENT, ALIGNMENT);
    if (!multiply_fits(floats, (int64_t)sizeof(float) * cpu->threads, &bytes))
        return fail(STATUS_LIMIT, "the model's shapes are too large for this backend");
    TRY(reserve_fp8(cpu, shape->fp8));
    float *scratch = aligned_alloc(ALIGNMENT, (size_t)bytes);
    if (!scratch)
        return fail(STATUS_MEMORY, "no memory for %lld bytes of scratch for derivatives", (long long)bytes);
    free(cpu->backward_scratch);
    cpu->backward_scratch = scratch;
    cpu->backward_floats = floats;
    return STATUS_OK;
}

/* What a worker is handed: the backend and one operation. */
struct task {
    struct cpu_backend *cpu;
    const void *op;
};

static void run(struct backend *backend, thread_work *work, const void *op) {
    struct task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_FINE, work, &task);
}

/* Matrix products begin with packing a whole factor: fewer, larger slices. */
static void run_products(struct backend *backend, thread_work *work, const void *op) {
    struct task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_PRODUCT, work, &task);
}

/* ---- linear ---- */

static void linear_inputs(void *context, int worker, int slice, int slices) {
    const struct task *task = context;
    const struct linear_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows, ROW_GRAIN, slice, slices, &begin, &end);
    if (begin == end) return;
    struct input_product product = {op->w,
                                    op->dy + begin * op->dy_stride,
                                    op->dx + begin * op->dx_stride,
                                    end - begin,
                                    op->dy_stride,
                                    op->dx_stride};
    cpu_input_product(&task->cpu->kernels, &product, cpu_backward_scratch(task->cpu, worker));
}

static void linear_weights(void *context, int worker, int slice, int slices) {
    const struct task *task = context;
    const struct linear_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->w->shape[0], ROW_GRAIN, slice, slices, &begin, &end);
    struct weight_product product = {op->dy,          op->x,         op->dw,      op->rows,
                                     op->w->shape[1], op->dy_stride, op->x_stride};
    if (op->dw)
        cpu_weight_product(&task->cpu->kernels, &product, begin, end,
                           cpu_backward_scratch(task->cpu, worker));
    for (int64_t r = 0; op->dbias && r < op->rows; r++)
        task->cpu->kernels.add(op->dy + r * op->dy_stride + begin, op->dbias + begin, end - begin);
}

void cpu_linear_backward(struct backend *backend, const struct linear_backward_op *op) {
    struct linear_backward_op linear = *op;
    if (cpu_meets_fp8(op->w)) {
        linear.dy_stride = op->w->shape[0];
        linear.dy = cpu_fp8_copy(cpu_of(backend), 1, op->dy, op->dy_stride, op->rows, linear.dy_stride);
    }
    if (op->dx) run_products(backend, linear_inputs, &linear);
    if (cpu_meets_fp8(op->w) && op->dw) {
        linear.x_stride = op->w->shape[1];
        linear.x = cpu_fp8_copy(cpu_of(backend), 0, op->x, op->x_stride, op->rows, linear.x_stride);
    }
    if (op->dw || op->dbias) run_products(backend, linear_weights, &linear);
}

/* ---- norm ----
 * y = x f w with f = 1 / sqrt(mean(x^2) + epsilon); dx = f (w dy) - x f^3 mean(w dy x) */

static void norm_inputs(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct norm_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        const float *x = op->x + r * op->x_stride, *dy = op->dy + r * op->dy_stride;
        float *dx = op->dx + r * op->dx_stride, squares;
        task->cpu->kernels.dot_tile(x, 0, 1, x, 0, 1, op->n, &squares, 1);
        float f = 1 / sqrtf(squares / (float)op->n + op->epsilon);
        double along = 0;
        for (int64_t i = 0; i < op->n; i++) along += (double)(op->weight[i] * dy[i]) * x[i];
        float back = (float)(along / (double)op->n) * f * f * f;
        for (int64_t i = 0; i < op->n; i++) dx[i] += f * (op->weight[i] * dy[i]) - back * x[i];
        op->factor[r] = f;
    }
}

static void norm_weights(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct norm_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->n, 1, slice, slices, &begin, &end);
    for (int64_t r = 0; r < op->rows; r++) {
        const float *x = op->x + r * op->x_stride, *dy = op->dy + r * op->dy_stride;
        for (int64_t i = begin; i < end; i++) op->dweight[i] += dy[i] * (x[i] * op->factor[r]);
    }
}

void cpu_norm_backward(struct backend *backend, const struct norm_backward_op *op) {
    run(backend, norm_inputs, op);
    if (op->dweight) run(backend, norm_weights, op);
}

/* ---- gated activation ---- */

void cpu_swiglu_row(const struct kernels *kernels, const struct swiglu_row *row, int64_t n) {
    const float *gate = row->gate, *up = row->up, *dy = row->dy;
    float *dgate = row->dgate, *dup = row->dup;
    for (int64_t i = 0; i < n; i++) dgate[i] = -gate[i];
    (void)kernels->exp_sum(dgate, n, 0); /* infinity is as good as any large value below */
    for (int64_t i = 0; i < n; i++) {
        float s = 1 / (1 + dgate[i]), d = row->weight * dy[i];
        dup[i] = d * (gate[i] * s);
        dgate[i] = d * up[i] * (s * (1 + gate[i] * (1 - s)));
    }
}

static void swiglu_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct swiglu_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        struct swiglu_row row = {op->gate + r * op->gate_stride, op->up + r * op->up_stride,
                                 op->dy + r * op->dy_stride,     1,
                                 op->dgate + r * op->d_stride,   op->dup + r * op->d_stride};
        cpu_swiglu_row(&task->cpu->kernels, &row, op->n);
    }
}

void cpu_swiglu_backward(struct backend *backend, const struct swiglu_backward_op *op) {
    run(backend, swiglu_rows, op);
}

/* ---- router ---- */

/* Gradients of the affinities s of one row, into `ds`. */
static void affinity_gradients(const struct route_backward_op *op, int64_t row, float *ds) {
    const float *s = op->score + row * op->experts, *dw = op->dweight + row * op->used;
    const int32_t *expert = op->expert + row * op->used;
    float sum = 0, along = 0;
    memset(ds, 0, (size_t)op->experts * sizeof *ds);
    for (int i = 0; i < op->used; i++) {
        sum += s[expert[i]];
        along += dw[i] * s[expert[i]];
    }
    bool divided = op->normalise && op->used > 1;
    float factor = divided ? op->scale / (sum + 1e-20f) : op->scale;
    float mean = divided ? along / (sum + 1e-20f) : 0;
    for (int i = 0; i < op->used; i++) ds[expert[i]] = factor * (dw[i] - mean);
}

/* Of the balance loss: the affinities divided by their sum, which is 1 for a softmax. */
static void balance_gradients(const struct route_backward_op *op, int64_t row, float *ds) {
    const float *s = op->score + row * op->experts;
    const float *balance = op->balance + row / op->sequence_rows * op->experts;
    float sum = 0, along = 0;
    for (int e = 0; e < op->experts; e++) {
        sum += s[e];
        along += balance[e] * s[e];
    }
    for (int e = 0; e < op->experts; e++) ds[e] += (balance[e] - along / sum) / sum;
}

static void route_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct route_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        const float *s = op->score + r * op->experts;
        float *d = op->dlogit + r * op->experts, along = 0;
        affinity_gradients(op, r, d);
        if (op->balance) balance_gradients(op, r, d);
        bool sigmoid = op->rule == ROUTE_RULE_SIGMOID_GROUPS;
        for (int e = 0; !sigmoid && e < op->experts; e++) along += d[e] * s[e];
        for (int e = 0; e < op->experts; e++)
            d[e] = sigmoid ? d[e] * s[e] * (1 - s[e]) : s[e] * (d[e] - along);
    }
}

void cpu_route_backward(struct backend *backend, const struct route_backward_op *op) {
    run(backend, route_rows, op);
}

/* ---- embedding and loss ---- */

/* A token may occur in many rows: every worker takes its columns of all of them. */
static void embed_columns(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct embed_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(op->width, 16, slice, slices, &begin, &end);
    for (int64_t r = 0; r < op->rows; r++)
        task->cpu->kernels.add(op->dy + r * op->width + begin, op->dtable + op->token[r] * op->width + begin,
                               end - begin);
}

void cpu_embed_backward(struct backend *backend, const struct embed_backward_op *op) {
    run(backend, embed_columns, op);
}

static void cross_entropy_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct cross_entropy_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) {
        float *logits = op->logits + r * op->vocab;
        op->loss[r] = 0;
        if (op->coefficient[r] == 0) {
            memset(logits, 0, (size_t)op->vocab * sizeof *logits);
            continue;
        }
        float maximum = kernels->maximum(logits, op->vocab), wanted = logits[op->target[r]];
        float sum = kernels->exp_sum(logits, op->vocab, maximum);
        op->loss[r] = (float)(log((double)sum) + ((double)maximum - wanted));
        kernels->scale(op->coefficient[r] / sum, logits, op->vocab);
        logits[op->target[r]] -= op->coefficient[r];
    }
}

void cpu_cross_entropy(struct backend *backend, const struct cross_entropy_op *op) {
    run(backend, cross_entropy_rows, op);
}

/* ---- optimizer ---- */

static void adam_elements(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct task *task = context;
    const struct adam_op *op = task->op;
    int64_t begin, end;
    slice_share(op->n, ELEMENT_GRAIN, slice, slices, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        float g = op->gradient[i] * op->gradient_scale;
        op->first[i] = op->beta1 * op->first[i] + (1 - op->beta1) * g;
        op->second[i] = op->beta2 * op->second[i] + (1 - op->beta2) * (g * g);
        float update = op->step * op->first[i] / (sqrtf(op->second[i]) * op->root + op->epsilon);
        op->value[i] -= update + op->decay * op->value[i];
    }
}

void cpu_adam(struct backend *backend, const struct adam_op *op) {
    run(backend, adam_elements, op);
}

/* Sums of blocks, which have one order each, added in ascending order. */
struct squares {
    const struct kernels *kernels;
    const float *x;
    int64_t n;
    double *partial;
};

static void square_blocks(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct squares *squares = context;
    int64_t begin, end;
    slice_share(divide_up(squares->n, ELEMENT_GRAIN), 1, slice, slices, &begin, &end);
    for (int64_t block = begin; block < end; block++) {
        const float *x = squares->x + block * ELEMENT_GRAIN;
        int64_t n = min_i64(ELEMENT_GRAIN, squares->n - block * ELEMENT_GRAIN);
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
        squares->partial[block] = sum;
    }
}

double cpu_squares(struct backend *backend, const float *x, int64_t n) {
    enum { BLOCKS = 1024 };
    double partial[BLOCKS], sum = 0;
    for (int64_t at = 0; at < n; at += (int64_t)BLOCKS * ELEMENT_GRAIN) {
        struct squares squares = {&cpu_of(backend)->kernels, x + at,
                                  min_i64(n - at, (int64_t)BLOCKS * ELEMENT_GRAIN), partial};
        thread_pool_run(cpu_of(backend)->pool, SLICES_FINE, square_blocks, &squares);
        for (int64_t i = 0; i < divide_up(squares.n, ELEMENT_GRAIN); i++) sum += partial[i];
    }
    return sum;
}

const struct backward_ops cpu_backward_operations = {
    .reserve = cpu_reserve_backward,
    .linear = cpu_linear_backward,
    .norm = cpu_norm_backward,
    .attention = cpu_attention_backward,
    .swiglu = cpu_swiglu_backward,
    .experts = cpu_experts_backward,
    .route = cpu_route_backward,
    .embed = cpu_embed_backward,
    .cross_entropy = cpu_cross_entropy,
    .adam = cpu_adam,
    .reserve_muon = cpu_reserve_muon,
    .muon = cpu_muon,
    .squares = cpu_squares,
};
