/* cpu_backward_experts.c - derivative of the routed experts, over the places that the forward operation sorted by expert:
 * what belongs to a place is shared out by places, the matrices' gradients by outputs of every expert, so that all
 * workers are busy whatever the routing. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"
#include "tensor/fp8_round.h"

#include <string.h>

enum { ROW_GRAIN = 16 };

struct experts_task {
    struct cpu_backend *cpu;
    const struct experts_backward_op *op;
    const int32_t *start, *source; /* of experts_op's order */
    int64_t places, width, ffn;
};

static void gather(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct experts_task *task = context;
    const struct experts_backward_op *op = task->op;
    int64_t begin, end;
    slice_share(task->places, 1, slice, slices, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t row = task->source[i] / op->used;
        memcpy(op->x_gathered + i * task->width, op->x + row * task->width,
               (size_t)task->width * sizeof(float));
        memcpy(op->dy_gathered + i * task->width, op->dy + row * task->width,
               (size_t)task->width * sizeof(float));
        op->place[task->source[i]] = (int32_t)i;
    }
}

/* dinner [place, 3 * ffn]: dgate, dup, and the gradient of their product before the expert's weight. */
static void activation_gradients(const struct experts_task *task, int64_t first, int64_t places) {
    const struct experts_backward_op *op = task->op;
    int64_t ffn = task->ffn;
    for (int64_t i = first; i < first + places; i++) {
        float *d = op->dinner + i * 3 * ffn, weight = op->weight[task->source[i]];
        const float *inner = op->inner + i * 2 * ffn;
        task->cpu->kernels.dot_tile(d + 2 * ffn, 0, 1, inner, 0, 1, ffn, &op->dweight[task->source[i]], 1);
        struct swiglu_row row = {op->gate_kept + i * ffn, inner + ffn, d + 2 * ffn, weight, d, d + ffn};
        cpu_swiglu_row(&task->cpu->kernels, &row, ffn);
        task->cpu->kernels.scale(weight, op->dy_gathered + i * task->width, task->width);
    }
}

/* Places [first, first + places) of one expert: back through down, the activation, gate and up. */
static void expert_inputs(const struct experts_task *task, int expert, int64_t first, int64_t places,
                          float *scratch) {
    const struct experts_backward_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t ffn = task->ffn, width = task->width;
    float *dinner = op->dinner + first * 3 * ffn, *dx = op->x_gathered + (task->places + first) * width;
    for (int64_t i = 0; i < places; i++)
        memset(dinner + i * 3 * ffn + 2 * ffn, 0, (size_t)ffn * sizeof(float));
    struct input_product down = {
        op->down[expert], op->dy_gathered + first * width, dinner + 2 * ffn, places, width, 3 * ffn};
    cpu_input_product(kernels, &down, scratch);
    activation_gradients(task, first, places);
    for (int64_t i = 0; cpu_meets_fp8(op->gate[0]) && i < places; i++)
        for (int part = 0; part < 2; part++) {
            float *d = dinner + i * 3 * ffn + part * ffn;
            fp8_round_row(d, d, ffn);
        }
    memset(dx, 0, (size_t)(places * width) * sizeof *dx);
    struct input_product gate = {op->gate[expert], dinner, dx, places, 3 * ffn, width};
    cpu_input_product(kernels, &gate, scratch);
    struct input_product up = {op->up[expert], dinner + ffn, dx, places, 3 * ffn, width};
    cpu_input_product(kernels, &up, scratch);
}

static void inputs(void *context, int worker, int slice, int slices) {
    const struct experts_task *task = context;
    int64_t begin, end;
    slice_share(task->places, ROW_GRAIN, slice, slices, &begin, &end);
    for (int e = 0; e < task->op->experts; e++) {
        int64_t first = max_i64(begin, task->start[e]), last = min_i64(end, task->start[e + 1]);
        if (first < last)
            expert_inputs(task, e, first, last - first, cpu_backward_scratch(task->cpu, worker));
    }
}

static void weights(void *context, int worker, int slice, int slices) {
    const struct experts_task *task = context;
    const struct experts_backward_op *op = task->op;
    float *scratch = cpu_backward_scratch(task->cpu, worker);
    int64_t ffn_begin, ffn_end, width_begin, width_end, ffn = task->ffn, width = task->width;
    slice_share(ffn, ROW_GRAIN, slice, slices, &ffn_begin, &ffn_end);
    slice_share(width, ROW_GRAIN, slice, slices, &width_begin, &width_end);
    for (int e = 0; e < op->experts; e++) {
        int64_t first = task->start[e], places = task->start[e + 1] - first;
        const float *dinner = op->dinner + first * 3 * ffn, *x = op->x_gathered + first * width;
        struct weight_product gate = {dinner, x, op->dgate[e], places, width, 3 * ffn, width};
        struct weight_product up = {dinner + ffn, x, op->dup[e], places, width, 3 * ffn, width};
        struct weight_product down = {op->dy_gathered + first * width,
                                      op->inner + first * 2 * ffn,
                                      op->ddown[e],
                                      places,
                                      ffn,
                                      width,
                                      2 * ffn};
        if (gate.dw) cpu_weight_product(&task->cpu->kernels, &gate, ffn_begin, ffn_end, scratch);
        if (up.dw) cpu_weight_product(&task->cpu->kernels, &up, ffn_begin, ffn_end, scratch);
        if (down.dw) cpu_weight_product(&task->cpu->kernels, &down, width_begin, width_end, scratch);
    }
}

/* A row's experts in ascending number. */
static void scatter(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct experts_task *task = context;
    const struct experts_backward_op *op = task->op;
    const float *dx = op->x_gathered + task->places * task->width;
    int64_t begin, end;
    slice_share(op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++)
        for (int i = 0; i < op->used; i++)
            task->cpu->kernels.add(dx + op->place[r * op->used + i] * task->width, op->dx + r * task->width,
                                   task->width);
}

void cpu_experts_backward(struct backend *backend, const struct experts_backward_op *op) {
    struct experts_task task = {cpu_of(backend),
                                op,
                                op->order,
                                op->order + op->experts + 1,
                                op->rows * op->used,
                                op->gate[0]->shape[1],
                                op->gate[0]->shape[0]};
    thread_pool_run(task.cpu->pool, SLICES_FINE, gather, &task);
    if (cpu_meets_fp8(op->gate[0])) {
        cpu_fp8_in_place(task.cpu, op->x_gathered, task.width, task.places, task.width);
        cpu_fp8_in_place(task.cpu, op->dy_gathered, task.width, task.places, task.width);
    }
    thread_pool_run(task.cpu->pool, SLICES_PRODUCT, inputs, &task);
    thread_pool_run(task.cpu->pool, SLICES_PRODUCT, weights, &task);
    thread_pool_run(task.cpu->pool, SLICES_FINE, scatter, &task);
}
