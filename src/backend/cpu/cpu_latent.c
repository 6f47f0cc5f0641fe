/* cpu_latent.c - multi-head latent attention (MLA, arXiv 2405.04434) over the cached latent c [kv_rank] and the
 * rotated key k_r [rope_dim] of each token.
 *
 * Decompressed form (prompt rows), here: each page of latents is expanded for one head, k = W_uk c and v = W_uv c, and
 * all rows of the run attend to it; heads are shared out over the workers. The same with products in integers:
 * cpu_latent_rounded.c. Absorbed form (generated rows, and everything under --strict): cpu_absorbed.c. */
#include "backend/cpu/cpu_latent.h"

#include "base/bytes.h"

#include <string.h>

struct latent_room { /* of one worker */
    float *weight;   /* [kv_rank, expanded_stride]: W_uk and W_uv of one head, transposed */
    float *decoded;  /* [64, kv_rank or nope] of a weight */
    float *latent;   /* [64, stride] */
    float *rope;     /* [64, stride] */
    float *expanded; /* [64, expanded_stride] keys and values */
    float *key;      /* [nope + rope, 64] */
    float *score;    /* [PROMPT_TILE, 64] */
    float *query;    /* [rows, nope + rope] of one head */
    float *gathered; /* [rows, value] */
    struct softmax_rows state;
};

static int64_t expanded_stride(int64_t nope_dim, int64_t value_dim) {
    return page_stride(nope_dim + value_dim);
}

static int64_t carve(struct latent_room *room, float *base, const struct backend_shape *shape) {
    int64_t rank = kv_widest(shape->kv_rank), head = (int64_t)shape->nope_dim + shape->rope_dim;
    int64_t expanded = expanded_stride(shape->nope_dim, shape->value_dim);
    const struct room_part parts[] = {
        {&room->weight, shape->kv_rank * expanded},
        {&room->decoded, LATENT_DECODED_ROWS * max_i64(shape->kv_rank, shape->nope_dim)},
        {&room->latent, KV_PAGE_TOKENS * page_stride(rank)},
        {&room->rope, KV_PAGE_TOKENS * page_stride(kv_widest(shape->rope_dim))},
        {&room->expanded, KV_PAGE_TOKENS * expanded},
        {&room->key, KV_PAGE_TOKENS * head},
        {&room->score, PROMPT_TILE * KV_PAGE_TOKENS},
        {&room->query, shape->rows * head},
        {&room->gathered, shape->rows * shape->value_dim},
        {&room->state.maximum, shape->rows},
        {&room->state.sum, shape->rows},
        {&room->state.shrink, shape->rows},
    };
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t cpu_latent_scratch_floats(const struct backend_shape *shape) {
    struct latent_room unused;
    if (!shape->kv_rank) return 0;
    int64_t prompt = max_i64(carve(&unused, NULL, shape), latent_rounded_worker_floats(shape));
    return max_i64(prompt, absorbed_worker_floats(shape));
}

int64_t cpu_latent_shared_floats(const struct backend_shape *shape) {
    return shape->kv_rank ? max_i64(absorbed_shared_floats(shape), latent_rounded_shared_floats(shape)) : 0;
}

struct latent_task {
    const struct cpu_backend *cpu;
    const struct latent_attention_op *op;
};

/* ---- one head's up-projections, from either layout ---- */

/* Rows [first, first + rows) of w as columns. */
static void load_transposed(const struct kernels *kernels, const struct tensor *w, int64_t first,
                            int64_t rows, float *decoded, float *columns, int64_t stride) {
    int64_t in = w->shape[1];
    for (int64_t r = 0; r < rows; r += LATENT_DECODED_ROWS) {
        int64_t count = min_i64(rows - r, LATENT_DECODED_ROWS);
        kernels_decode_rows(kernels, w, first + r, count, decoded);
        kernels->transpose(decoded, in, count, in, columns + r, stride);
    }
}

void latent_load_keys(const struct kernels *kernels, const struct latent_attention_op *op, int head,
                      float *decoded, float *columns, int64_t stride) {
    if (op->kv_b) {
        load_transposed(kernels, op->kv_b, (int64_t)head * (op->nope_dim + op->value_dim), op->nope_dim,
                        decoded, columns, stride);
        return;
    }
    struct tensor k_b = tensor_matrix(op->k_b, head); /* stored transposed already */
    for (int64_t r = 0; r < op->kv_rank; r += LATENT_DECODED_ROWS) {
        int64_t count = min_i64(op->kv_rank - r, LATENT_DECODED_ROWS);
        kernels_decode_rows(kernels, &k_b, r, count, decoded);
        for (int64_t i = 0; i < count; i++)
            memcpy(columns + (r + i) * stride, decoded + i * op->nope_dim,
                   (size_t)op->nope_dim * sizeof(float));
    }
}

void latent_load_values(const struct kernels *kernels, const struct latent_attention_op *op, int head,
                        float *decoded, float *columns, int64_t stride) {
    struct tensor w = op->kv_b ? *op->kv_b : tensor_matrix(op->v_b, head);
    int64_t first = op->kv_b ? (int64_t)head * (op->nope_dim + op->value_dim) + op->nope_dim : 0;
    load_transposed(kernels, &w, first, op->value_dim, decoded, columns, stride);
}

static void load_weights(const struct latent_task *task, int head, const struct latent_room *room) {
    const struct latent_attention_op *op = task->op;
    int64_t stride = expanded_stride(op->nope_dim, op->value_dim);
    latent_load_keys(&task->cpu->kernels, op, head, room->decoded, room->weight, stride);
    latent_load_values(&task->cpu->kernels, op, head, room->decoded, room->weight + op->nope_dim, stride);
}

/* ---- pages ---- */

/* Decodes a page and expands it for the loaded head: key [nope + rope, 64] transposed, expanded [64, nope + value] with
 * the values behind the keys. */
static void expand_page(const struct latent_task *task, const struct batch_run *run, int page_index,
                        const struct latent_room *room) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t stride = expanded_stride(op->nope_dim, op->value_dim), both = op->nope_dim + op->value_dim;
    int64_t latent_stride = page_stride(kv_padded_width(&op->latent)),
            rope_stride = page_stride(kv_padded_width(&op->rope_key));
    int tokens = keys_visible(run->position + run->rows - 1, page_index);
    kv_decode_page(kernels, &op->latent, run->page[page_index], 0, tokens, room->latent, latent_stride);
    kv_decode_page(kernels, &op->rope_key, run->page[page_index], 0, tokens, room->rope, rope_stride);
    memset(room->expanded, 0, (size_t)(KV_PAGE_TOKENS * stride) * sizeof(float));
    kernels->mix(&(struct mix){room->latent, room->weight, room->expanded, latent_stride, stride, stride,
                               KV_PAGE_TOKENS, op->kv_rank, both});
    kernels->transpose(room->expanded, stride, KV_PAGE_TOKENS, op->nope_dim, room->key, KV_PAGE_TOKENS);
    kernels->transpose(room->rope, rope_stride, KV_PAGE_TOKENS, op->rope_dim,
                       room->key + (int64_t)op->nope_dim * KV_PAGE_TOKENS, KV_PAGE_TOKENS);
}

/* The head's queries and results lie together while pages pass by: in the batch they are a whole row apart. */
static void attend_run(const struct latent_task *task, const struct batch_run *run, int head,
                       const struct latent_room *room) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t q_head = op->nope_dim + op->rope_dim;
    struct prompt_rows rows = {room->query, room->gathered, room->score,
                               room->state, q_head,         op->value_dim,
                               run->rows,   run->position,  0};
    struct prompt_page page = {room->key,
                               room->expanded + op->nope_dim,
                               q_head,
                               op->value_dim,
                               expanded_stride(op->nope_dim, op->value_dim),
                               0,
                               op->scale,
                               NULL};
    for (int64_t r = 0; r < run->rows; r++)
        memcpy(room->query + r * q_head, op->q + ((run->row_begin + r) * op->heads + head) * q_head,
               (size_t)q_head * sizeof(float));
    prompt_begin(&rows, op->value_dim);
    for (page.index = 0; page.index <= (run->position + run->rows - 1) / KV_PAGE_TOKENS; page.index++) {
        expand_page(task, run, page.index, room);
        prompt_attend(kernels, &rows, &page);
    }
    prompt_end(kernels, &rows, op->value_dim);
    for (int64_t r = 0; r < run->rows; r++)
        memcpy(op->y + ((run->row_begin + r) * op->heads + head) * op->value_dim,
               room->gathered + r * op->value_dim, (size_t)op->value_dim * sizeof(float));
}

static void attend_heads(void *context, int worker, int slice, int slices) {
    const struct latent_task *task = context;
    const struct latent_attention_op *op = task->op;
    struct latent_room room;
    int64_t begin, end;
    slice_share(op->heads, 1, slice, slices, &begin, &end);
    carve(&room, cpu_scratch(task->cpu, worker), &task->cpu->shape);
    for (int head = (int)begin; head < end; head++) {
        load_weights(task, head, &room);
        for (int i = 0; i < op->runs; i++)
            if (!op->run[i].absorbed) attend_run(task, &op->run[i], head, &room);
    }
}

void cpu_attend_latent(struct backend *backend, const struct latent_attention_op *op) {
    struct latent_task task = {cpu_of(backend), op};
    bool prompt = false;
    for (int i = 0; i < op->runs; i++) prompt = prompt || !op->run[i].absorbed;
    if (prompt && op->integers && task.cpu->kernels.integer_products)
        attend_rounded(cpu_of(backend), op);
    else if (prompt)
        thread_pool_run(task.cpu->pool, SLICES_FINE, attend_heads, &task);
    attend_absorbed(cpu_of(backend), op);
}
