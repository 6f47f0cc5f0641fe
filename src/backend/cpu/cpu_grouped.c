/* cpu_grouped.c - grouped-query attention: each cached key and value head serves heads / kv_heads queries.
 *
 * Key heads are shared out over the workers; a worker reads each page once for all queries of the group and
 * all rows of the run. */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

struct grouped_scratch {
    float *page;                 /* [64, padded head_dim] keys, then values */
    float *score;                /* [rows * group, 64] */
    struct softmax_state *state; /* [rows * group] */
};

static int64_t carve(struct grouped_scratch *s, float *base, const struct backend_shape *shape) {
    int64_t width = round_up(shape->head_dim, 256), queries = shape->rows * (shape->heads / shape->kv_heads),
            at = 0;
    struct {
        float **part;
        int64_t floats;
    } parts[] = {
        {&s->page, KV_PAGE_TOKENS * width},
        {&s->score, queries * KV_PAGE_TOKENS},
        {(float **)&s->state, queries * 2},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (base) *parts[i].part = base + at;
        at += round_up(parts[i].floats, 16);
    }
    return at;
}

int64_t cpu_grouped_scratch_floats(const struct backend_shape *shape) {
    struct grouped_scratch unused;
    return shape->kv_heads ? carve(&unused, NULL, shape) : 0;
}

struct grouped_task {
    const struct cpu_backend *cpu;
    const struct grouped_attention_op *op;
};

/* All visible rows of a run meet one page of one key head. */
static void attend_page(const struct grouped_task *task, const struct batch_run *run, int kv_head,
                        int page_index, const struct grouped_scratch *s) {
    const struct grouped_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int group = op->heads / op->kv_heads, page_begin = page_index * KV_PAGE_TOKENS;
    int tokens = (int)min_i64(run->position + run->rows - page_begin, KV_PAGE_TOKENS);
    int first = (int)max_i64(0, page_begin - run->position);
    int64_t stride = (int64_t)op->heads * op->head_dim, width = kv_padded_width(&op->key);
    int64_t head_offset = (int64_t)kv_head * group * op->head_dim;
    kv_decode_page(kernels, &op->key, run->page[page_index], kv_head, tokens, s->page);
    for (int r = first; r < run->rows; r++) {
        int keys = (int)min_i64(run->position + r - page_begin + 1, KV_PAGE_TOKENS);
        float *score = s->score + (int64_t)r * group * KV_PAGE_TOKENS;
        float *y = op->y + (run->row_begin + r) * stride + head_offset;
        kernels->dot_tile(op->q + (run->row_begin + r) * stride + head_offset, op->head_dim, group, s->page,
                          width, KV_PAGE_TOKENS, op->head_dim, score, KV_PAGE_TOKENS);
        for (int g = 0; g < group; g++) {
            float shrink =
                softmax_fold(kernels, &s->state[r * group + g], score + g * KV_PAGE_TOKENS, keys, op->scale);
            kernels->scale(shrink, y + g * op->head_dim, op->head_dim);
        }
    }
    kv_decode_page(kernels, &op->value, run->page[page_index], kv_head, tokens, s->page);
    for (int r = first; r < run->rows; r++) {
        int64_t keys = min_i64(run->position + r - page_begin + 1, KV_PAGE_TOKENS);
        struct mix values = {s->score + (int64_t)r * group * KV_PAGE_TOKENS,
                             s->page,
                             op->y + (run->row_begin + r) * stride + head_offset,
                             KV_PAGE_TOKENS,
                             kv_padded_width(&op->value),
                             op->head_dim,
                             group,
                             keys,
                             op->head_dim};
        kernels->mix(&values);
    }
}

static void attend_run(const struct grouped_task *task, const struct batch_run *run, int kv_head,
                       const struct grouped_scratch *s) {
    const struct grouped_attention_op *op = task->op;
    int group = op->heads / op->kv_heads;
    int64_t stride = (int64_t)op->heads * op->head_dim;
    float *y = op->y + run->row_begin * stride + (int64_t)kv_head * group * op->head_dim;
    for (int i = 0; i < run->rows * group; i++) s->state[i] = (struct softmax_state){-INFINITY, 0};
    for (int r = 0; r < run->rows; r++) memset(y + r * stride, 0, (size_t)(group * op->head_dim) * sizeof *y);
    for (int p = 0; p <= (run->position + run->rows - 1) / KV_PAGE_TOKENS; p++)
        attend_page(task, run, kv_head, p, s);
    for (int r = 0; r < run->rows; r++)
        for (int g = 0; g < group; g++)
            task->cpu->kernels.scale(1 / s->state[r * group + g].sum,
                                     y + r * stride + (int64_t)g * op->head_dim, op->head_dim);
}

static void attend_heads(void *context, int worker, int slice, int slices) {
    const struct grouped_task *task = context;
    struct grouped_scratch scratch;
    int64_t begin, end;
    slice_share(task->op->kv_heads, 1, slice, slices, &begin, &end);
    if (begin == end) return;
    carve(&scratch, cpu_scratch(task->cpu, worker), &task->cpu->shape);
    for (int head = (int)begin; head < end; head++)
        for (int i = 0; i < task->op->runs; i++) attend_run(task, &task->op->run[i], head, &scratch);
}

void cpu_attend_grouped(struct backend *backend, const struct grouped_attention_op *op) {
    struct grouped_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_WHOLE, attend_heads, &task);
}
