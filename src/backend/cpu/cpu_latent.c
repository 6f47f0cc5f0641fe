/* cpu_latent.c - multi-head latent attention (MLA, arXiv 2405.04434) over the cached latent c [kv_rank] and the
 * rotated key k_r [rope_dim] of each token.
 *
 * Decompressed form (prompt rows): each page of latents is expanded for one head, k = W_uk c and v = W_uv c, and
 * all rows of the run attend to it. Absorbed form (generated rows, and everything under --strict): q' = W_uk^T q
 * meets the latent itself, and W_uv is applied once to the weighted latent. Both visit pages in order. Heads are
 * shared out over the workers; a worker reads each latent once for all of its heads. */
#include "backend/cpu/cpu.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

enum { ABSORBED_ROWS = 8 }; /* generated rows that share one decoding of a head's W_uk and W_uv */

struct latent_scratch {
    float *w_uk;                 /* [nope, kv_rank] of one head */
    float *w_uv;                 /* [value, kv_rank] */
    float *latent;               /* [64, padded kv_rank] */
    float *rope;                 /* [64, padded rope_dim] */
    float *key;                  /* [64, nope] decompressed */
    float *value;                /* [64, value] decompressed */
    float *score, *score_rope;   /* [rows, 64] */
    float *query;                /* absorbed: q' [rows * heads, kv_rank] */
    float *sum;                  /* absorbed: weighted latents [rows * heads, kv_rank] */
    struct softmax_state *state; /* [rows] */
};

/* One place decides the layout: with base NULL only the size comes out. */
static int64_t carve(struct latent_scratch *s, float *base, const struct backend_shape *shape) {
    int64_t rank = round_up(shape->kv_rank, 256), rope = round_up(shape->rope_dim, 256), at = 0;
    int64_t rows = max_i64(shape->rows, ABSORBED_ROWS * (int64_t)shape->heads);
    struct {
        float **part;
        int64_t floats;
    } parts[] = {
        {&s->w_uk, shape->nope_dim * rank},
        {&s->w_uv, shape->value_dim * rank},
        {&s->latent, KV_PAGE_TOKENS * rank},
        {&s->rope, KV_PAGE_TOKENS * rope},
        {&s->key, KV_PAGE_TOKENS * (int64_t)shape->nope_dim},
        {&s->value, KV_PAGE_TOKENS * (int64_t)shape->value_dim},
        {&s->score, rows * KV_PAGE_TOKENS},
        {&s->score_rope, rows * KV_PAGE_TOKENS},
        {&s->query, ABSORBED_ROWS * shape->heads * rank},
        {&s->sum, ABSORBED_ROWS * shape->heads * rank},
        {(float **)&s->state, rows * 2},
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (base) *parts[i].part = base + at;
        at += round_up(parts[i].floats, 16);
    }
    return at;
}

int64_t cpu_latent_scratch_floats(const struct backend_shape *shape) {
    struct latent_scratch unused;
    return shape->kv_rank ? carve(&unused, NULL, shape) : 0;
}

struct latent_task {
    const struct cpu_backend *cpu;
    const struct latent_attention_op *op;
};

/* ---- one head's up-projections, from either layout ---- */

static void load_w_uk(const struct latent_task *task, int head, const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    if (op->kv_b) {
        int64_t row = (int64_t)head * (op->nope_dim + op->value_dim);
        kernels_decode_rows(kernels, op->kv_b, row, op->nope_dim, s->w_uk);
        return;
    }
    /* k_b is stored transposed: rows go through the room of a page's keys, so that what is written lies together */
    struct tensor k_b = tensor_matrix(op->k_b, head);
    for (int first = 0; first < op->kv_rank; first += KV_PAGE_TOKENS) {
        int rows = (int)min_i64(op->kv_rank - first, KV_PAGE_TOKENS);
        kernels_decode_rows(kernels, &k_b, first, rows, s->key);
        for (int d = 0; d < op->nope_dim; d++)
            for (int i = 0; i < rows; i++)
                s->w_uk[(int64_t)d * op->kv_rank + first + i] = s->key[(int64_t)i * op->nope_dim + d];
    }
}

static void load_w_uv(const struct latent_task *task, int head, float *w_uv) {
    const struct latent_attention_op *op = task->op;
    struct tensor split = op->kv_b ? *op->kv_b : tensor_matrix(op->v_b, head);
    int64_t row = op->kv_b ? (int64_t)head * (op->nope_dim + op->value_dim) + op->nope_dim : 0;
    kernels_decode_rows(&task->cpu->kernels, &split, row, op->value_dim, w_uv);
}

/* Keys of page `page_index` that a row at `position` may see. */
static int keys_visible(int position, int page_index) {
    return (int)min_i64(position - (int64_t)page_index * KV_PAGE_TOKENS + 1, KV_PAGE_TOKENS);
}

static void load_page(const struct latent_task *task, const struct batch_run *run, int page_index,
                      const struct latent_scratch *s) {
    int tokens = keys_visible(run->position + run->rows - 1, page_index);
    kv_decode_page(&task->cpu->kernels, &task->op->latent, run->page[page_index], 0, tokens, s->latent);
    kv_decode_page(&task->cpu->kernels, &task->op->rope_key, run->page[page_index], 0, tokens, s->rope);
}

/* ---- decompressed ---- */

/* Expands the page for the loaded head: key [64, nope], value [64, value]. */
static void expand_page(const struct latent_task *task, const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t rank = kv_padded_width(&op->latent);
    kernels->dot_tile(s->latent, rank, KV_PAGE_TOKENS, s->w_uk, op->kv_rank, op->nope_dim, op->kv_rank,
                      s->key, op->nope_dim);
    kernels->dot_tile(s->latent, rank, KV_PAGE_TOKENS, s->w_uv, op->kv_rank, op->value_dim, op->kv_rank,
                      s->value, op->value_dim);
}

/* y += probabilities times values, each row over the keys that it sees: a later token must not reach it even as 0 times
 * infinity. Rows from `position` on; those past the page see all of it and go together. */
static void mix_values(const struct kernels *kernels, const struct latent_attention_op *op,
                       const struct latent_scratch *s, float *y, int position, int rows, int page_index) {
    int64_t y_stride = (int64_t)op->heads * op->value_dim;
    struct mix part = {s->score, s->value, y, KV_PAGE_TOKENS, op->value_dim, y_stride, 1, 0, op->value_dim};
    int row = 0;
    for (; row < rows && keys_visible(position + row, page_index) < KV_PAGE_TOKENS; row++) {
        part.keys = keys_visible(position + row, page_index);
        part.p = s->score + row * KV_PAGE_TOKENS;
        part.y = y + row * y_stride;
        kernels->mix(&part);
    }
    struct mix rest = {s->score + row * KV_PAGE_TOKENS,
                       s->value,
                       y + row * y_stride,
                       KV_PAGE_TOKENS,
                       op->value_dim,
                       y_stride,
                       rows - row,
                       KV_PAGE_TOKENS,
                       op->value_dim};
    kernels->mix(&rest);
}

/* Rows [first, run->rows) of one head meet the expanded page. */
static void attend_expanded(const struct latent_task *task, const struct batch_run *run, int head,
                            int page_index, int first, const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t q_stride = (int64_t)op->heads * (op->nope_dim + op->rope_dim),
            y_stride = (int64_t)op->heads * op->value_dim;
    const float *q =
        op->q + (run->row_begin + first) * q_stride + (int64_t)head * (op->nope_dim + op->rope_dim);
    float *y = op->y + (run->row_begin + first) * y_stride + (int64_t)head * op->value_dim;
    int rows = run->rows - first;
    kernels->dot_tile(q, q_stride, rows, s->key, op->nope_dim, KV_PAGE_TOKENS, op->nope_dim, s->score,
                      KV_PAGE_TOKENS);
    kernels->dot_tile(q + op->nope_dim, q_stride, rows, s->rope, kv_padded_width(&op->rope_key),
                      KV_PAGE_TOKENS, op->rope_dim, s->score_rope, KV_PAGE_TOKENS);
    kernels->add(s->score_rope, s->score, (int64_t)rows * KV_PAGE_TOKENS);
    for (int r = 0; r < rows; r++) {
        int keys = keys_visible(run->position + first + r, page_index);
        float shrink =
            softmax_fold(kernels, &s->state[first + r], s->score + r * KV_PAGE_TOKENS, keys, op->scale);
        kernels->scale(shrink, y + r * y_stride, op->value_dim);
    }
    mix_values(kernels, op, s, y, run->position + first, rows, page_index);
}

static void attend_run_decompressed(const struct latent_task *task, const struct batch_run *run, int head,
                                    const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    int64_t y_stride = (int64_t)op->heads * op->value_dim;
    float *y = op->y + run->row_begin * y_stride + (int64_t)head * op->value_dim;
    for (int r = 0; r < run->rows; r++) {
        s->state[r] = (struct softmax_state){-INFINITY, 0};
        memset(y + r * y_stride, 0, (size_t)op->value_dim * sizeof *y);
    }
    int last_page = (run->position + run->rows - 1) / KV_PAGE_TOKENS;
    for (int p = 0; p <= last_page; p++) {
        load_page(task, run, p, s);
        expand_page(task, s);
        int first = (int)max_i64(0, (int64_t)p * KV_PAGE_TOKENS - run->position);
        attend_expanded(task, run, head, p, first, s);
    }
    for (int r = 0; r < run->rows; r++)
        task->cpu->kernels.scale(1 / s->state[r].sum, y + r * y_stride, op->value_dim);
}

static void attend_decompressed(const struct latent_task *task, int head_begin, int head_end,
                                const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    for (int head = head_begin; head < head_end; head++) {
        load_w_uk(task, head, s);
        load_w_uv(task, head, s->w_uv);
        for (int i = 0; i < op->runs; i++)
            if (!op->run[i].absorbed) attend_run_decompressed(task, &op->run[i], head, s);
    }
}

/* ---- absorbed ---- */

struct absorbed_row { /* a run of exactly one row, so that the page loop needs no other case */
    struct batch_run run;
};

struct absorbed_block {
    const struct absorbed_row *row;
    int rows, head_begin, heads; /* heads of this worker */
};

/* q' [rows * heads, kv_rank]: entry row * heads + head */
static void absorb_queries(const struct latent_task *task, const struct absorbed_block *block,
                           const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    int64_t q_head = op->nope_dim + op->rope_dim;
    for (int h = 0; h < block->heads; h++) {
        load_w_uk(task, block->head_begin + h, s);
        for (int r = 0; r < block->rows; r++) {
            const float *q =
                op->q + (block->row[r].run.row_begin * (int64_t)op->heads + block->head_begin + h) * q_head;
            float *absorbed = s->query + ((int64_t)r * block->heads + h) * op->kv_rank;
            memset(absorbed, 0, (size_t)op->kv_rank * sizeof *absorbed);
            for (int d = 0; d < op->nope_dim; d++)
                task->cpu->kernels.axpy(q[d], s->w_uk + (int64_t)d * op->kv_rank, absorbed, op->kv_rank);
        }
    }
}

/* One page for all heads of one row: scores against the latent, then the weighted latent. */
static void attend_latent_page(const struct latent_task *task, const struct absorbed_block *block, int row,
                               int page_index, const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    const struct batch_run *run = &block->row[row].run;
    int64_t rank = kv_padded_width(&op->latent), q_head = op->nope_dim + op->rope_dim;
    const float *query = s->query + (int64_t)row * block->heads * op->kv_rank;
    const float *q_rope =
        op->q + (run->row_begin * (int64_t)op->heads + block->head_begin) * q_head + op->nope_dim;
    float *sum = s->sum + (int64_t)row * block->heads * op->kv_rank;
    kernels->dot_tile(query, op->kv_rank, block->heads, s->latent, rank, KV_PAGE_TOKENS, op->kv_rank,
                      s->score, KV_PAGE_TOKENS);
    kernels->dot_tile(q_rope, q_head, block->heads, s->rope, kv_padded_width(&op->rope_key), KV_PAGE_TOKENS,
                      op->rope_dim, s->score_rope, KV_PAGE_TOKENS);
    kernels->add(s->score_rope, s->score, (int64_t)block->heads * KV_PAGE_TOKENS);
    int keys = keys_visible(run->position, page_index);
    for (int h = 0; h < block->heads; h++) {
        float shrink = softmax_fold(kernels, &s->state[row * block->heads + h], s->score + h * KV_PAGE_TOKENS,
                                    keys, op->scale);
        kernels->scale(shrink, sum + (int64_t)h * op->kv_rank, op->kv_rank);
    }
    struct mix values = {s->score,    s->latent,    sum,  KV_PAGE_TOKENS, rank,
                         op->kv_rank, block->heads, keys, op->kv_rank};
    kernels->mix(&values);
}

static void attend_row_absorbed(const struct latent_task *task, const struct absorbed_block *block, int row,
                                const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    const struct batch_run *run = &block->row[row].run;
    for (int h = 0; h < block->heads; h++)
        s->state[row * block->heads + h] = (struct softmax_state){-INFINITY, 0};
    memset(s->sum + (int64_t)row * block->heads * op->kv_rank, 0,
           (size_t)(block->heads * op->kv_rank) * sizeof *s->sum);
    for (int p = 0; p <= run->position / KV_PAGE_TOKENS; p++) {
        load_page(task, run, p, s);
        attend_latent_page(task, block, row, p, s);
    }
}

/* y = W_uv (sum / denominator) */
static void project_values(const struct latent_task *task, const struct absorbed_block *block,
                           const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    for (int h = 0; h < block->heads; h++) {
        load_w_uv(task, block->head_begin + h, s->w_uv);
        for (int r = 0; r < block->rows; r++) {
            int64_t entry = (int64_t)r * block->heads + h;
            float *sum = s->sum + entry * op->kv_rank;
            float *y = op->y + (block->row[r].run.row_begin * (int64_t)op->heads + block->head_begin + h) *
                                   op->value_dim;
            task->cpu->kernels.scale(1 / s->state[entry].sum, sum, op->kv_rank);
            task->cpu->kernels.dot_tile(sum, op->kv_rank, 1, s->w_uv, op->kv_rank, op->value_dim, op->kv_rank,
                                        y, op->value_dim);
        }
    }
}

static void attend_block(const struct latent_task *task, const struct absorbed_block *block,
                         const struct latent_scratch *s) {
    if (!block->rows) return;
    absorb_queries(task, block, s);
    for (int r = 0; r < block->rows; r++) attend_row_absorbed(task, block, r, s);
    project_values(task, block, s);
}

static void attend_absorbed(const struct latent_task *task, int head_begin, int head_end,
                            const struct latent_scratch *s) {
    const struct latent_attention_op *op = task->op;
    struct absorbed_row row[ABSORBED_ROWS];
    struct absorbed_block block = {row, 0, head_begin, head_end - head_begin};
    for (int i = 0; i < op->runs; i++) {
        const struct batch_run *run = &op->run[i];
        for (int r = 0; run->absorbed && r < run->rows; r++) {
            row[block.rows++].run =
                (struct batch_run){run->row_begin + r, 1, run->position + r, run->page, true};
            if (block.rows < ABSORBED_ROWS) continue;
            attend_block(task, &block, s);
            block.rows = 0;
        }
    }
    attend_block(task, &block, s);
}

static void attend_heads(void *context, int worker, int slice, int slices) {
    const struct latent_task *task = context;
    struct latent_scratch scratch;
    int64_t begin, end;
    slice_share(task->op->heads, 1, slice, slices, &begin, &end);
    if (begin == end) return;
    carve(&scratch, cpu_scratch(task->cpu, worker), &task->cpu->shape);
    attend_decompressed(task, (int)begin, (int)end, &scratch);
    attend_absorbed(task, (int)begin, (int)end, &scratch);
}

void cpu_attend_latent(struct backend *backend, const struct latent_attention_op *op) {
    struct latent_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_WHOLE, attend_heads, &task);
}
