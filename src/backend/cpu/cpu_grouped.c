/* cpu_grouped.c - grouped-query attention: each cached key and value head serves heads / kv_heads queries.
 *
 * Prompt rows: query heads and pieces of runs are shared out over the workers; each page's keys are transposed once for
 * all rows of a piece. Generated rows: cpu_split.c. */
#include "backend/cpu/cpu_attention.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

enum { PIECE_ROWS = 256 };

struct grouped_room { /* of one worker */
    float *page;      /* [64, stride] keys, then values */
    float *key;       /* [head_dim, 64] */
    float *score;     /* [PROMPT_TILE, 64] */
    struct softmax_rows state;
    float *split; /* generated rows begin over again */
};

static int64_t page_floats(const struct backend_shape *shape) {
    return KV_PAGE_TOKENS * page_stride(kv_widest(shape->head_dim));
}

static int64_t carve(struct grouped_room *room, float *base, const struct backend_shape *shape) {
    const struct room_part parts[] = {{&room->page, page_floats(shape)},
                                      {&room->key, KV_PAGE_TOKENS * kv_widest(shape->head_dim)},
                                      {&room->score, PROMPT_TILE * KV_PAGE_TOKENS},
                                      {&room->state.maximum, PIECE_ROWS},
                                      {&room->state.sum, PIECE_ROWS},
                                      {&room->state.shrink, PIECE_ROWS}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t cpu_grouped_scratch_floats(const struct backend_shape *shape) {
    struct grouped_room unused;
    if (!shape->kv_heads) return 0;
    return max_i64(carve(&unused, NULL, shape), split_worker_floats(shape->heads, 2 * page_floats(shape)));
}

/* Generated rows of one block: [SPLIT_ROWS, heads, head_dim], then what their parts leave. */
static int64_t block_floats(int64_t heads, int64_t head_dim) {
    return round_up(SPLIT_ROWS * heads * head_dim, 16);
}

int64_t cpu_grouped_shared_floats(const struct backend_shape *shape) {
    if (!shape->kv_heads) return 0;
    return block_floats(shape->heads, shape->head_dim) + split_shared_floats(shape->heads, shape->head_dim);
}

/* ---- prompt rows ---- */

struct grouped_task {
    const struct cpu_backend *cpu;
    const struct grouped_attention_op *op;
    int64_t pieces; /* of all prompt runs */
};

/* Rows [first, first + rows) of a run. */
struct piece {
    const struct batch_run *run;
    int first, rows;
};

static int64_t pieces_of(const struct batch_run *run) {
    return run->absorbed ? 0 : divide_up(run->rows, PIECE_ROWS);
}

static struct piece piece_at(const struct grouped_attention_op *op, int64_t index) {
    const struct batch_run *run = op->run;
    for (; index >= pieces_of(run); run++) index -= pieces_of(run);
    int first = (int)index * PIECE_ROWS;
    return (struct piece){run, first, (int)min_i64(run->rows - first, PIECE_ROWS)};
}

static void attend_piece(const struct grouped_task *task, const struct piece *piece, int head,
                         const struct grouped_room *room) {
    const struct grouped_attention_op *op = task->op;
    const struct kernels *kernels = &task->cpu->kernels;
    int64_t row_stride = (int64_t)op->heads * op->head_dim,
            key_stride = page_stride(kv_padded_width(&op->key)),
            value_stride = page_stride(kv_padded_width(&op->value));
    int64_t start = (piece->run->row_begin + piece->first) * row_stride + (int64_t)head * op->head_dim;
    struct prompt_rows rows = {
        op->q + start, op->y + start, room->score, room->state,
        row_stride,    row_stride,    piece->rows, piece->run->position + piece->first};
    struct prompt_page page = {room->key, room->page, op->head_dim, op->head_dim, value_stride, 0, op->scale};
    int kv_head = head / (op->heads / op->kv_heads), last = rows.position + rows.rows - 1;
    prompt_begin(&rows, op->head_dim);
    for (page.index = 0; page.index <= last / KV_PAGE_TOKENS; page.index++) {
        int32_t number = piece->run->page[page.index];
        int tokens = keys_visible(last, page.index);
        kv_decode_page(kernels, &op->key, number, kv_head, tokens, room->page, key_stride);
        kernels->transpose(room->page, key_stride, KV_PAGE_TOKENS, op->head_dim, room->key, KV_PAGE_TOKENS);
        kv_decode_page(kernels, &op->value, number, kv_head, tokens, room->page, value_stride);
        prompt_attend(kernels, &rows, &page);
    }
    prompt_end(kernels, &rows, op->head_dim);
}

static void attend_pieces(void *context, int worker, int slice, int slices) {
    const struct grouped_task *task = context;
    struct grouped_room room;
    int64_t begin, end;
    slice_share(task->pieces * task->op->heads, 1, slice, slices, &begin, &end);
    carve(&room, cpu_scratch(task->cpu, worker), &task->cpu->shape);
    for (int64_t i = begin; i < end; i++) {
        struct piece piece = piece_at(task->op, i / task->op->heads);
        attend_piece(task, &piece, (int)(i % task->op->heads), &room);
    }
}

/* ---- generated rows ---- */

static void load_page(const struct split_attention *split, const struct batch_run *run, int page_index,
                      int kv_head, int tokens, float *room, struct split_page *page) {
    const struct grouped_attention_op *op = split->op;
    const struct kernels *kernels = &split->cpu->kernels;
    page->key_stride = page_stride(kv_padded_width(&op->key));
    page->value_stride = page_stride(kv_padded_width(&op->value));
    float *value = room + KV_PAGE_TOKENS * page->key_stride;
    kv_decode_page(kernels, &op->key, run->page[page_index], kv_head, tokens, room, page->key_stride);
    kv_decode_page(kernels, &op->value, run->page[page_index], kv_head, tokens, value, page->value_stride);
    page->key = room;
    page->value = value;
}

static void copy_heads(const struct split_attention *split, int worker, int head_begin, int head_end) {
    (void)worker;
    const struct grouped_attention_op *op = split->op;
    int64_t row_floats = (int64_t)op->heads * op->head_dim, begin = (int64_t)head_begin * op->head_dim;
    for (int r = 0; r < split->rows; r++)
        memcpy(op->y + (split->row[r].run->row_begin + split->row[r].row) * row_floats + begin,
               split->y + r * row_floats + begin,
               (size_t)((head_end - head_begin) * (int64_t)op->head_dim) * sizeof(float));
}

static void attend_block(struct cpu_backend *cpu, const struct grouped_attention_op *op,
                         const struct split_row *row, int rows) {
    float *y = cpu->shared;
    split_attend(&(struct split_attention){.cpu = cpu,
                                           .op = op,
                                           .row = row,
                                           .rows = rows,
                                           .heads = op->heads,
                                           .kv_heads = op->kv_heads,
                                           .dims = op->head_dim,
                                           .value_dim = op->head_dim,
                                           .q = op->q,
                                           .q_row_stride = (int64_t)op->heads * op->head_dim,
                                           .q_of_batch = true,
                                           .y = y,
                                           .scale = op->scale,
                                           .load = load_page,
                                           .finish = copy_heads},
                 y + block_floats(op->heads, op->head_dim));
}

void cpu_attend_grouped(struct backend *backend, const struct grouped_attention_op *op) {
    struct grouped_task task = {.cpu = cpu_of(backend), .op = op};
    struct split_blocks blocks = {op->run, op->runs, 0, 0};
    struct split_row row[SPLIT_ROWS];
    for (int i = 0; i < op->runs; i++) task.pieces += pieces_of(&op->run[i]);
    if (task.pieces) thread_pool_run(task.cpu->pool, SLICES_FINE, attend_pieces, &task);
    for (int rows; (rows = split_next_block(&blocks, row)) > 0;) attend_block(cpu_of(backend), op, row, rows);
}
