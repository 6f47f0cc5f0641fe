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
    float *weight; /* decoded: [nope or value, kv_rank] */
    float *rows;   /* [SPLIT_ROWS, nope or value] */
    /* What meets a head's panels: [SPLIT_ROWS, nope or kv_rank] as in struct rounded_rows */
    float *rounded, *rounded_scale, *rounded_sum;
};

static int64_t carve_head(struct head_room *room, float *base, const struct backend_shape *shape) {
    int64_t wider = max_i64(shape->nope_dim, shape->value_dim), in = max_i64(shape->nope_dim, shape->kv_rank);
    const struct room_part parts[] = {
        {&room->weight, max_i64(wider * shape->kv_rank, GEMM_SCRATCH_ROWS * in)},
        {&room->rows, SPLIT_ROWS * wider},
        {&room->rounded, divide_up(SPLIT_ROWS * in, (int64_t)sizeof(float))},
        {&room->rounded_scale, divide_up(SPLIT_ROWS * in, PANEL_BLOCK)},
        {&room->rounded_sum, divide_up(SPLIT_ROWS * in, PANEL_BLOCK / 2)}};
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

/* ---- one head's matrix of k_b or v_b ---- */

struct head_product {
    const struct tensor *stack;
    int head, rows;
    const float *x; /* rows x_stride floats apart */
    int64_t x_stride;
    float *y;
    int64_t y_stride;
};

static void multiply_head(const struct kernels *kernels, const struct head_product *product,
                          const struct head_room *room) {
    struct tensor w = tensor_matrix(product->stack, product->head);
    int64_t in = w.shape[1];
    struct rounded_rows x = {(int8_t *)room->rounded, room->rounded_scale, (int32_t *)room->rounded_sum, in};
    if (product->stack->panels) {
        int64_t bytes = panels_bytes((enum panel_format)w.panel_format, w.shape[0], in);
        w.panels = (const uint8_t *)product->stack->panels + product->head * bytes;
        for (int r = 0; r < product->rows; r++) {
            struct rounded_rows row = rounded_from(&x, r);
            kernels->panel_round(product->x + r * product->x_stride, in, row.value, row.scale, row.sum);
        }
    }
    gemm_columns(kernels,
                 &(struct gemm){.w = &w,
                                .x = product->x,
                                .y = product->y,
                                .x_stride = product->x_stride,
                                .y_stride = product->y_stride,
                                .rows = product->rows,
                                .rounded = &x},
                 0, w.shape[0], room->weight);
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

static void absorb_head(const struct absorbed_task *task, int head, const struct head_room *room) {
    const struct latent_attention_op *op = task->op;
    int64_t q_head = op->nope_dim + op->rope_dim, stride = op->heads * task->dims;
    const struct kernels *kernels = &task->cpu->kernels;
    float *query = task->query + head * task->dims;
    for (int r = 0; r < task->rows; r++) {
        const float *q = op->q + (batch_row(&task->row[r]) * op->heads + head) * q_head;
        float *own = query + r * stride;
        memcpy(room->rows + r * (int64_t)op->nope_dim, q, (size_t)op->nope_dim * sizeof *q);
        memset(own, 0, (size_t)task->dims * sizeof *own);
        memcpy(own + task->latent_width, q + op->nope_dim, (size_t)op->rope_dim * sizeof *q);
    }
    if (!op->kv_b) { /* k_b is stored transposed */
        multiply_head(
            kernels,
            &(struct head_product){op->k_b, head, task->rows, room->rows, op->nope_dim, query, stride}, room);
        return;
    }
    kernels_decode_rows(kernels, op->kv_b, (int64_t)head * (op->nope_dim + op->value_dim), op->nope_dim,
                        room->weight);
    kernels->mix(&(struct mix){room->rows, room->weight, query, op->nope_dim, op->kv_rank, stride, task->rows,
                               op->nope_dim, op->kv_rank});
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

/* y [rows, value] = W_uv of the head times the weighted latents */
static void project_head(const struct split_attention *split, int head, const struct head_room *room) {
    const struct latent_attention_op *op = split->op;
    const struct kernels *kernels = &split->cpu->kernels;
    const float *latent = split->y + (int64_t)head * op->kv_rank;
    int64_t stride = (int64_t)op->heads * op->kv_rank;
    if (!op->kv_b) {
        multiply_head(
            kernels,
            &(struct head_product){op->v_b, head, split->rows, latent, stride, room->rows, op->value_dim},
            room);
        return;
    }
    kernels_decode_rows(kernels, op->kv_b, (int64_t)head * (op->nope_dim + op->value_dim) + op->nope_dim,
                        op->value_dim, room->weight);
    kernels->dot_tile(latent, stride, split->rows, room->weight, op->kv_rank, op->value_dim, op->kv_rank,
                      room->rows, op->value_dim);
}

static void project_heads(const struct split_attention *split, int worker, int head_begin, int head_end) {
    const struct latent_attention_op *op = split->op;
    struct head_room room;
    carve_head(&room, cpu_scratch(split->cpu, worker), &split->cpu->shape);
    for (int head = head_begin; head < head_end; head++) {
        project_head(split, head, &room);
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
