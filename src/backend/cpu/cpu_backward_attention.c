/* cpu_backward_attention.c - derivative of causal attention. The probabilities are made again from q and k, a block of
 * queries at a time (as in arXiv 2205.14135): with P = softmax(scale Q K^T), dP = dY V^T and D = sum over keys of P dP,
 *   dV = P^T dY,  dS = scale P (dP - D),  dQ = dS K,  dK = dS^T Q.
 * A worker takes whole key heads of runs, so that nothing is summed across workers. */
#include "backend/cpu/cpu_backward.h"

#include "base/bytes.h"

#include <string.h>

enum { QUERIES = 64 };

struct block_scratch {
    float *p;       /* [QUERIES, keys] */
    float *ds;      /* [QUERIES, keys] */
    float *product; /* of cpu_multiply() */
};

int64_t cpu_attention_backward_floats(const struct backward_shape *shape) {
    return 2 * QUERIES * round_up(shape->run_rows, QUERIES) + cpu_product_floats(0);
}

struct attention_task {
    const struct cpu_backend *cpu;
    const struct attention_backward_op *op;
};

/* Queries [first, first + queries) of one head of a run meet keys [0, keys). */
struct query_block {
    const struct batch_run *run;
    int head, kv_head;
    int64_t first, queries, keys;
};

static int64_t at(const struct attention_rows *rows, const struct query_block *block, int64_t row, int head) {
    return (block->run->row_begin + row) * rows->row_stride + head * rows->head_stride;
}

/* P of the block, zero above the diagonal. */
static void probabilities(const struct attention_task *task, const struct query_block *block, float *p) {
    const struct attention_backward_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    kernels->dot_tile(op->q.value + at(&op->q, block, block->first, block->head), op->q.row_stride,
                      block->queries, op->k.value + at(&op->k, block, 0, block->kv_head), op->k.row_stride,
                      block->keys, op->key_dim, p, block->keys);
    for (int64_t r = 0; r < block->queries; r++) {
        int64_t visible = block->first + r + 1;
        float *row = p + r * block->keys;
        kernels->scale(op->scale, row, visible);
        float sum = kernels->exp_sum(row, visible, kernels->maximum(row, visible));
        kernels->scale(1 / sum, row, visible);
        memset(row + visible, 0, (size_t)(block->keys - visible) * sizeof *row);
    }
}

/* dS = scale P (dP - D), with dP in `ds` */
static void score_gradients(const struct attention_task *task, const struct query_block *block,
                            const float *p, float *ds) {
    const struct attention_backward_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    for (int64_t r = 0; r < block->queries; r++) {
        const float *row = p + r * block->keys;
        float *d = ds + r * block->keys;
        float along;
        kernels->dot_tile(row, 0, 1, d, 0, 1, block->first + r + 1, &along, 1);
        for (int64_t k = 0; k < block->keys; k++) d[k] = op->scale * row[k] * (d[k] - along);
    }
}

static void block_backward(const struct attention_task *task, const struct query_block *block,
                           const struct block_scratch *s) {
    const struct attention_backward_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t dy_stride = (int64_t)op->heads * op->value_dim;
    const float *dy =
        op->dy + (block->run->row_begin + block->first) * dy_stride + block->head * op->value_dim;
    const int64_t q_at = at(&op->q, block, block->first, block->head),
                  k_at = at(&op->k, block, 0, block->kv_head), v_at = at(&op->v, block, 0, block->kv_head);
    probabilities(task, block, s->p);
    struct outer values = {.a = s->p,
                           .b = dy,
                           .y = op->v.gradient + v_at,
                           .rows = block->keys,
                           .keys = block->queries,
                           .n = op->value_dim,
                           .a_row = 1,
                           .a_key = block->keys,
                           .b_stride = dy_stride,
                           .y_stride = op->v.row_stride};
    cpu_multiply(kernels, &values, s->product);
    kernels->dot_tile(dy, dy_stride, block->queries, op->v.value + v_at, op->v.row_stride, block->keys,
                      op->value_dim, s->ds, block->keys);
    score_gradients(task, block, s->p, s->ds);
    struct outer queries = {.a = s->ds,
                            .b = op->k.value + k_at,
                            .y = op->q.gradient + q_at,
                            .rows = block->queries,
                            .keys = block->keys,
                            .n = op->key_dim,
                            .a_row = block->keys,
                            .a_key = 1,
                            .b_stride = op->k.row_stride,
                            .y_stride = op->q.row_stride};
    cpu_multiply(kernels, &queries, s->product);
    struct outer keys = {.a = s->ds,
                         .b = op->q.value + q_at,
                         .y = op->k.gradient + k_at,
                         .rows = block->keys,
                         .keys = block->queries,
                         .n = op->key_dim,
                         .a_row = 1,
                         .a_key = block->keys,
                         .b_stride = op->q.row_stride,
                         .y_stride = op->k.row_stride};
    cpu_multiply(kernels, &keys, s->product);
}

static void attend_heads_backward(void *context, int worker, int slice, int slices) {
    const struct attention_task *task = context;
    const struct attention_backward_op *op = task->op;
    int64_t begin, end;
    int group = op->heads / op->kv_heads;
    slice_share((int64_t)op->runs * op->kv_heads, 1, slice, slices, &begin, &end);
    float *scratch = cpu_backward_scratch(task->cpu, worker);
    for (int64_t i = begin; i < end; i++) {
        const struct batch_run *run = &op->run[i / op->kv_heads];
        int64_t most = QUERIES * round_up(run->rows, QUERIES);
        struct block_scratch s = {scratch, scratch + most, scratch + 2 * most}; /* p, ds, products */
        for (int g = 0; g < group; g++) {
            int kv_head = (int)(i % op->kv_heads);
            for (int64_t first = 0; first < run->rows; first += QUERIES) {
                int64_t queries = min_i64(QUERIES, run->rows - first);
                struct query_block block = {run,     kv_head * group + g, kv_head, first,
                                            queries, first + queries};
                block_backward(task, &block, &s);
            }
        }
    }
}

void cpu_attention_backward(struct backend *backend, const struct attention_backward_op *op) {
    struct attention_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_FINE, attend_heads_backward, &task);
}
