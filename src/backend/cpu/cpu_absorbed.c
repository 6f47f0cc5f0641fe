/* cpu_absorbed.c - latent attention in the absorbed form: q' = W_uk^T q meets the latent itself, and W_uv is applied
 * once to the weighted latent.
 *
 * Three passes over the workers for each block of rows: queries by heads, parts of the context (cpu_split.c), values by
 * heads. A query stands beside its rotated part as the latent stands beside the rotated key, so that a score is one sum. */
#include "backend/cpu/cpu_latent.h"

#include "base/bytes.h"

#include <string.h>

/* ---- room ---- */

struct head_room { /* of one worker, for one head's weights */
    float *weight; /* [nope or value, kv_rank] */
    float *piece;  /* [64, nope]: rows of a transposed W_uk */
    float *rows;   /* [SPLIT_ROWS, nope or value] */
};

static int64_t carve_head(struct head_room *room, float *base, const struct backend_shape *shape) {
    int64_t wider = max_i64(shape->nope_dim, shape->value_dim);
    const struct room_part parts[] = {{&room->weight, wider * shape->kv_rank},
                                      {&room->piece, KV_PAGE_TOKENS * (int64_t)shape->nope_dim},
                                      {&room->rows, SPLIT_ROWS * wider}};
    return room_carve(parts, COUNT_OF(parts), base);
}

struct block_room { /* of all workers */
    float *query;   /* [SPLIT_ROWS, heads, dims] */
    float *sum;     /* [SPLIT_ROWS, heads, kv_rank] */
    float *split;   /* last: what parts leave */
};

static int64_t carve_block(struct block_room *room, float *base, const struct backend_shape *shape) {
    int64_t entries = SPLIT_ROWS * (int64_t)shape->heads;
    int64_t dims = kv_widest(shape->kv_rank) + kv_widest(shape->rope_dim);
    const struct room_part parts[] = {{&room->query, entries * dims},
                                      {&room->sum, entries * shape->kv_rank},
                                      {&room->split, split_shared_floats(shape->heads, shape->kv_rank)}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t absorbed_worker_floats(const struct backend_shape *shape) {
    struct head_room unused;
    int64_t dims = kv_widest(shape->kv_rank) + kv_widest(shape->rope_dim);
    return max_i64(carve_head(&unused, NULL, shape),
                   split_worker_floats(shape->heads, KV_PAGE_TOKENS * page_stride(dims)));
}

int64_t absorbed_shared_floats(const struct backend_shape *shape) {
    struct block_room unused;
    return carve_block(&unused, NULL, shape);
}

/* ---- queries ---- */

struct absorbed_task {
    struct cpu_backend *cpu;
    const struct latent_attention_op *op;
    const struct split_row *row;
    int rows;
    float *query;
    int64_t dims,
        latent_width; /* of a query and of its part before the rotated one, padded as the cache is */
};

static int64_t batch_row(const struct split_row *row) {
    return row->run->row_begin + row->row;
}

static void load_w_uk(const struct absorbed_task *task, int head, const struct head_room *room) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    if (op->kv_b) {
        int64_t row = (int64_t)head * (op->nope_dim + op->value_dim);
        kernels_decode_rows(kernels, op->kv_b, row, op->nope_dim, room->weight);
        return;
    }
    struct tensor k_b = tensor_matrix(op->k_b, head); /* stored transposed */
    for (int first = 0; first < op->kv_rank; first += KV_PAGE_TOKENS) {
        int rows = (int)min_i64(op->kv_rank - first, KV_PAGE_TOKENS);
        kernels_decode_rows(kernels, &k_b, first, rows, room->piece);
        kernels->transpose(room->piece, op->nope_dim, rows, op->nope_dim, room->weight + first, op->kv_rank);
    }
}

static void absorb_head(const struct absorbed_task *task, int head, const struct head_room *room) {
    const struct latent_attention_op *op = task->op;
    int64_t q_head = op->nope_dim + op->rope_dim, stride = op->heads * task->dims;
    float *query = task->query + head * task->dims;
    load_w_uk(task, head, room);
    for (int r = 0; r < task->rows; r++) {
        const float *q = op->q + (batch_row(&task->row[r]) * op->heads + head) * q_head;
        float *own = query + r * stride;
        memcpy(room->rows + r * (int64_t)op->nope_dim, q, (size_t)op->nope_dim * sizeof *q);
        memset(own, 0, (size_t)task->dims * sizeof *own);
        memcpy(own + task->latent_width, q + op->nope_dim, (size_t)op->rope_dim * sizeof *q);
    }
    task->cpu->kernels.mix(&(struct mix){room->rows, room->weight, query, op->nope_dim, op->kv_rank, stride,
                                         task->rows, op->nope_dim, op->kv_rank});
}

static void absorb_heads(void *context, int worker, int slice, int slices) {
    const struct absorbed_task *task = context;
    struct head_room room;
    int64_t begin, end;
    slice_share(task->op->heads, 1, slice, slices, &begin, &end);
    carve_head(&room, cpu_scratch(task->cpu, worker), &task->cpu->shape);
    for (int head = (int)begin; head < end; head++) absorb_head(task, head, &room);
}

/* ---- pages and values ---- */

static void load_page(const struct split_attention *split, const struct batch_run *run, int page_index,
                      int kv_head, int tokens, float *room, struct split_page *page) {
    (void)kv_head;
    const struct latent_attention_op *op = split->op;
    const struct kernels *kernels = &split->cpu->kernels;
    int64_t stride = page_stride(split->dims);
    kv_decode_page(kernels, &op->latent, run->page[page_index], 0, tokens, room, stride);
    kv_decode_page(kernels, &op->rope_key, run->page[page_index], 0, tokens,
                   room + kv_padded_width(&op->latent), stride);
    *page = (struct split_page){room, room, stride, stride};
}

/* y = W_uv times the weighted latent */
static void project_heads(const struct split_attention *split, int worker, int head_begin, int head_end) {
    const struct latent_attention_op *op = split->op;
    const struct kernels *kernels = &split->cpu->kernels;
    struct head_room room;
    carve_head(&room, cpu_scratch(split->cpu, worker), &split->cpu->shape);
    for (int head = head_begin; head < head_end; head++) {
        struct tensor w = op->kv_b ? *op->kv_b : tensor_matrix(op->v_b, head);
        int64_t first = op->kv_b ? (int64_t)head * (op->nope_dim + op->value_dim) + op->nope_dim : 0;
        kernels_decode_rows(kernels, &w, first, op->value_dim, room.weight);
        kernels->dot_tile(split->y + (int64_t)head * op->kv_rank, (int64_t)op->heads * op->kv_rank,
                          split->rows, room.weight, op->kv_rank, op->value_dim, op->kv_rank, room.rows,
                          op->value_dim);
        for (int r = 0; r < split->rows; r++)
            memcpy(op->y + (batch_row(&split->row[r]) * op->heads + head) * op->value_dim,
                   room.rows + r * (int64_t)op->value_dim, (size_t)op->value_dim * sizeof(float));
    }
}

static void attend_block(struct cpu_backend *cpu, const struct latent_attention_op *op,
                         const struct split_row *row, int rows) {
    struct block_room room;
    carve_block(&room, cpu->shared, &cpu->shape);
    int64_t latent_width = kv_padded_width(&op->latent), dims = latent_width + kv_padded_width(&op->rope_key);
    struct absorbed_task task = {cpu, op, row, rows, room.query, dims, latent_width};
    thread_pool_run(cpu->pool, SLICES_WHOLE, absorb_heads, &task);
    split_attend(&(struct split_attention){.cpu = cpu,
                                           .op = op,
                                           .row = row,
                                           .rows = rows,
                                           .heads = op->heads,
                                           .kv_heads = 1,
                                           .dims = dims,
                                           .value_dim = op->kv_rank,
                                           .q = room.query,
                                           .q_row_stride = op->heads * dims,
                                           .y = room.sum,
                                           .scale = op->scale,
                                           .load = load_page,
                                           .finish = project_heads},
                 room.split);
}

void attend_absorbed(struct cpu_backend *cpu, const struct latent_attention_op *op) {
    struct split_blocks blocks = {op->run, op->runs, 0, 0};
    struct split_row row[SPLIT_ROWS];
    for (int rows; (rows = split_next_block(&blocks, row)) > 0;) attend_block(cpu, op, row, rows);
}
