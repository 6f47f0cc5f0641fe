/* cpu_latent_rounded.c - prompt rows of latent attention in the decompressed form, with products in integers.
 *
 * The context is taken in waves of some pages. First the workers share the pages out and round their latents, once for all
 * heads. Then they share the heads out: keys k = W_uk c and values v = W_uv c of a page are products of rounded latents with
 * panels, and become panels themselves, which all rows of the run meet. Between waves a row's maximum and sum wait in the
 * room of all workers, and what it gathered in the result. */
#include "backend/cpu/cpu_latent.h"

#include "base/bytes.h"

#include <string.h>

enum { WAVE_PAGES = 128 };

/* ---- room ---- */

struct wave_room {              /* of all workers */
    struct rounded_room latent; /* [WAVE_PAGES * 64, rank] */
    float *rope;                /* [WAVE_PAGES, rope, 64] rotated keys, transposed */
    float *maximum, *sum;       /* [heads, rows] */
};

static int64_t rank_of(int64_t kv_rank) {
    return prompt_padded(kv_rank);
}

static int64_t carve_wave(struct wave_room *room, float *base, const struct backend_shape *shape) {
    int64_t states = (int64_t)shape->heads * shape->rows, keys = WAVE_PAGES * KV_PAGE_TOKENS;
    int64_t latent = rounded_room_carve(&room->latent, NULL, keys, rank_of(shape->kv_rank));
    float *rounded = NULL;
    const struct room_part parts[] = {{&rounded, latent},
                                      {&room->rope, keys * shape->rope_dim},
                                      {&room->maximum, states},
                                      {&room->sum, states}};
    int64_t floats = room_carve(parts, COUNT_OF(parts), base);
    if (base) rounded_room_carve(&room->latent, rounded, keys, rank_of(shape->kv_rank));
    return floats;
}

int64_t latent_rounded_shared_floats(const struct backend_shape *shape) {
    struct wave_room unused;
    return carve_wave(&unused, NULL, shape);
}

struct head_room {     /* of one worker */
    float *decoded;    /* [64, kv_rank or nope] of a weight, or a page */
    float *columns;    /* [rank, nope or value] W_uk or W_uv of one head, transposed */
    float *key_weight; /* panels of them */
    float *value_weight;
    float *expanded; /* [64, nope + value] */
    float *key;      /* [nope + rope, or more, 64] */
    float *query;    /* [rows, nope + rope] */
    float *gathered; /* [rows, value] */
    float *score;    /* [PROMPT_TILE, 64] */
    float *shrink;   /* [rows] */
    float *panels;   /* as struct prompt_panels */
};

static struct prompt_size size_of(const struct backend_shape *shape) {
    return (struct prompt_size){shape->rows, shape->nope_dim, shape->value_dim};
}

static int64_t weight_floats(int64_t outs, int64_t rank) {
    return panels_bytes(PANEL_I8, outs, rank) / (int64_t)sizeof(float);
}

static int64_t carve_head(struct head_room *room, float *base, const struct backend_shape *shape) {
    struct prompt_size size = size_of(shape);
    int64_t rank = rank_of(shape->kv_rank), dims = (int64_t)shape->nope_dim + shape->rope_dim;
    int64_t widest = max_i64(kv_widest(shape->kv_rank), kv_widest(shape->rope_dim));
    const struct room_part parts[] = {
        {&room->decoded, KV_PAGE_TOKENS * page_stride(max_i64(widest, max_i64(rank, shape->nope_dim)))},
        {&room->columns, rank * max_i64(shape->nope_dim, shape->value_dim)},
        {&room->key_weight, weight_floats(shape->nope_dim, rank)},
        {&room->value_weight, weight_floats(shape->value_dim, rank)},
        {&room->expanded, KV_PAGE_TOKENS * page_stride(max_i64(shape->nope_dim, shape->value_dim))},
        {&room->key, max_i64(dims, prompt_padded(size.dims)) * KV_PAGE_TOKENS},
        {&room->query, size.rows * dims},
        {&room->gathered, shape->rows * shape->value_dim},
        {&room->score, PROMPT_TILE * KV_PAGE_TOKENS},
        {&room->shrink, shape->rows},
        {&room->panels, prompt_panels_floats(&size)}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t latent_rounded_worker_floats(const struct backend_shape *shape) {
    struct head_room unused;
    return carve_head(&unused, NULL, shape);
}

/* ---- waves ---- */

/* Pages [page, page + pages) of a run, at places [first, first + pages) of the room. */
struct piece {
    const struct batch_run *run;
    int page, pages, first;
};

struct wave {
    struct cpu_backend *cpu;
    const struct latent_attention_op *op;
    struct wave_room room;
    struct piece piece[WAVE_PAGES];
    int pieces, pages;
};

static int last_position(const struct batch_run *run) {
    return run->position + run->rows - 1;
}

/* The next pages, from page `page` of run `run` on, which are moved on. */
static void fill_wave(struct wave *wave, int *run, int *page) {
    wave->pieces = wave->pages = 0;
    while (*run < wave->op->runs && wave->pages < WAVE_PAGES) {
        const struct batch_run *next = &wave->op->run[*run];
        int end = next->absorbed ? 0 : last_position(next) / KV_PAGE_TOKENS + 1;
        int pages = (int)min_i64(end - *page, WAVE_PAGES - wave->pages);
        if (pages > 0) wave->piece[wave->pieces++] = (struct piece){next, *page, pages, wave->pages};
        if (pages > 0) wave->pages += pages;
        *page += pages > 0 ? pages : 0;
        if (*page < end) continue;
        *page = 0;
        ++*run;
    }
}

/* ---- pages ---- */

static void round_page(const struct wave *wave, const struct batch_run *run, int page, int place,
                       const struct head_room *room) {
    const struct latent_attention_op *op = wave->op;
    const struct kernels *kernels = &wave->cpu->kernels;
    int64_t rank = rank_of(op->kv_rank), width = kv_padded_width(&op->latent),
            stride = page_stride(max_i64(width, rank)), rope = page_stride(kv_padded_width(&op->rope_key));
    struct rounded_rows all = rounded_in(&wave->room.latent, rank);
    int tokens = keys_visible(last_position(run), page);
    kv_decode_page(kernels, &op->latent, run->page[page], 0, tokens, room->decoded, stride);
    for (int t = 0; t < KV_PAGE_TOKENS; t++) {
        struct rounded_rows row = rounded_from(&all, (int64_t)place * KV_PAGE_TOKENS + t);
        float *latent = room->decoded + t * stride;
        if (rank > width) memset(latent + width, 0, (size_t)(rank - width) * sizeof *latent);
        kernels->panel_round(latent, rank, row.value, row.scale, row.sum);
    }
    kv_decode_page(kernels, &op->rope_key, run->page[page], 0, tokens, room->decoded, rope);
    kernels->transpose(room->decoded, rope, KV_PAGE_TOKENS, op->rope_dim,
                       wave->room.rope + (int64_t)place * op->rope_dim * KV_PAGE_TOKENS, KV_PAGE_TOKENS);
}

static void round_pages(void *context, int worker, int slice, int slices) {
    const struct wave *wave = context;
    struct head_room room;
    int64_t begin, end;
    slice_share(wave->pages, 1, slice, slices, &begin, &end);
    carve_head(&room, cpu_scratch(wave->cpu, worker), &wave->cpu->shape);
    for (int i = 0; i < wave->pieces; i++) {
        const struct piece *piece = &wave->piece[i];
        int first = (int)max_i64(begin, piece->first), last = (int)min_i64(end, piece->first + piece->pages);
        for (int place = first; place < last; place++)
            round_page(wave, piece->run, piece->page + place - piece->first, place, &room);
    }
}

/* ---- one head ---- */

struct head_weights {
    struct panels key, value;
};

static struct panels own_panels(const struct wave *wave, float *columns, int64_t outs, float *panels) {
    int64_t rank = rank_of(wave->op->kv_rank), filled = wave->op->kv_rank * outs;
    memset(columns + filled, 0, (size_t)(rank * outs - filled) * sizeof *columns);
    wave->cpu->kernels.panel_from_columns(columns, outs, rank, outs, (uint8_t *)panels);
    return (struct panels){PANEL_I8, (const uint8_t *)panels, outs, rank};
}

/* W_uk has its blocks across, or none at all, and is rounded anew; W_uv is taken in its own panels where it has them. */
static struct head_weights load_weights(const struct wave *wave, int head, const struct head_room *room) {
    const struct latent_attention_op *op = wave->op;
    const struct kernels *kernels = &wave->cpu->kernels;
    struct head_weights weights;
    latent_load_keys(kernels, op, head, room->decoded, room->columns, op->nope_dim);
    weights.key = own_panels(wave, room->columns, op->nope_dim, room->key_weight);
    if (op->v_b && op->v_b->panels) {
        enum panel_format format = (enum panel_format)op->v_b->panel_format;
        int64_t bytes = panels_bytes(format, op->value_dim, op->kv_rank);
        const uint8_t *data = (const uint8_t *)op->v_b->panels + head * bytes;
        weights.value = (struct panels){format, data, op->value_dim, op->kv_rank};
        return weights;
    }
    latent_load_values(kernels, op, head, room->decoded, room->columns, op->value_dim);
    weights.value = own_panels(wave, room->columns, op->value_dim, room->value_weight);
    return weights;
}

static void expand(const struct kernels *kernels, const struct panels *w, const struct rounded_rows *latent,
                   float *y, int64_t stride) {
    struct panel_product product = {w, latent, NULL, y, KV_PAGE_TOKENS, stride};
    kernels->panel_multiply[w->format](&product, 0, divide_up(w->outs, PANEL_OUTS));
}

static void expand_page(const struct wave *wave, const struct head_weights *weights, int place, bool full,
                        const struct head_room *room, const struct prompt_page *page) {
    const struct latent_attention_op *op = wave->op;
    const struct kernels *kernels = &wave->cpu->kernels;
    int64_t rope = (int64_t)op->rope_dim * KV_PAGE_TOKENS, key_stride = page_stride(op->nope_dim);
    struct rounded_rows all = rounded_in(&wave->room.latent, rank_of(op->kv_rank)),
                        latent = rounded_from(&all, (int64_t)place * KV_PAGE_TOKENS);
    expand(kernels, &weights->key, &latent, room->expanded, key_stride);
    kernels->transpose(room->expanded, key_stride, KV_PAGE_TOKENS, op->nope_dim, room->key, KV_PAGE_TOKENS);
    memcpy(room->key + (int64_t)op->nope_dim * KV_PAGE_TOKENS, wave->room.rope + place * rope,
           (size_t)rope * sizeof(float));
    expand(kernels, &weights->value, &latent, room->expanded, page->value_stride);
    prompt_arrange(kernels, page, full);
}

/* Queries of the head, rounded for integer scores, and what its rows have gathered. */
static void gather_rows(const struct wave *wave, const struct piece *piece, int head,
                        const struct head_room *room, const struct prompt_panels *panels) {
    const struct latent_attention_op *op = wave->op;
    int64_t dims = op->nope_dim + op->rope_dim;
    for (int64_t r = 0; r < piece->run->rows; r++) {
        int64_t entry = (piece->run->row_begin + r) * op->heads + head;
        memcpy(room->query + r * dims, op->q + entry * dims, (size_t)dims * sizeof(float));
        memcpy(room->gathered + r * op->value_dim, op->y + entry * op->value_dim,
               (size_t)op->value_dim * sizeof(float));
    }
    if (panels->dims) prompt_round(&wave->cpu->kernels, panels, room->query, dims, piece->run->rows);
}

static void scatter_rows(const struct wave *wave, const struct piece *piece, int head,
                         const struct head_room *room) {
    const struct latent_attention_op *op = wave->op;
    for (int64_t r = 0; r < piece->run->rows; r++)
        memcpy(op->y + ((piece->run->row_begin + r) * op->heads + head) * op->value_dim,
               room->gathered + r * op->value_dim, (size_t)op->value_dim * sizeof(float));
}

static void attend_piece(const struct wave *wave, const struct piece *piece, int head,
                         const struct head_weights *weights, const struct head_room *room) {
    const struct latent_attention_op *op = wave->op;
    const struct kernels *kernels = &wave->cpu->kernels;
    const struct batch_run *run = piece->run;
    struct prompt_size size = size_of(&wave->cpu->shape);
    if (!op->integer_scores) size.dims = 0;
    struct prompt_panels panels = prompt_panels_at(room->panels, &size);
    int64_t dims = op->nope_dim + op->rope_dim, state = head * wave->cpu->shape.rows + run->row_begin;
    struct prompt_rows rows = {.q = room->query,
                               .y = room->gathered,
                               .score = room->score,
                               .state = {wave->room.maximum + state, wave->room.sum + state, room->shrink},
                               .q_stride = dims,
                               .y_stride = op->value_dim,
                               .rows = run->rows,
                               .position = run->position};
    struct prompt_page page = {.key = room->key,
                               .value = room->expanded,
                               .dims = dims,
                               .value_dim = op->value_dim,
                               .value_stride = page_stride(op->value_dim),
                               .scale = op->scale,
                               .panels = &panels};
    int last = last_position(run);
    if (panels.key.in > dims)
        memset(room->key + dims * KV_PAGE_TOKENS, 0,
               (size_t)((panels.key.in - dims) * KV_PAGE_TOKENS) * sizeof(float));
    gather_rows(wave, piece, head, room, &panels);
    if (piece->page == 0) prompt_begin(&rows, op->value_dim);
    for (int i = 0; i < piece->pages; i++) {
        page.index = piece->page + i;
        expand_page(wave, weights, piece->first + i, keys_visible(last, page.index) == KV_PAGE_TOKENS, room,
                    &page);
        prompt_attend(kernels, &rows, &page);
    }
    if (page.index == last / KV_PAGE_TOKENS) prompt_end(kernels, &rows, op->value_dim);
    scatter_rows(wave, piece, head, room);
}

static void attend_heads(void *context, int worker, int slice, int slices) {
    const struct wave *wave = context;
    struct head_room room;
    int64_t begin, end;
    slice_share(wave->op->heads, 1, slice, slices, &begin, &end);
    carve_head(&room, cpu_scratch(wave->cpu, worker), &wave->cpu->shape);
    for (int head = (int)begin; head < end; head++) {
        struct head_weights weights = load_weights(wave, head, &room);
        for (int i = 0; i < wave->pieces; i++) attend_piece(wave, &wave->piece[i], head, &weights, &room);
    }
}

void attend_rounded(struct cpu_backend *cpu, const struct latent_attention_op *op) {
    struct wave wave = {.cpu = cpu, .op = op};
    int run = 0, page = 0;
    carve_wave(&wave.room, cpu->shared, &cpu->shape);
    for (fill_wave(&wave, &run, &page); wave.pages; fill_wave(&wave, &run, &page)) {
        thread_pool_run(cpu->pool, SLICES_FINE, round_pages, &wave);
        thread_pool_run(cpu->pool, SLICES_FINE, attend_heads, &wave);
    }
}
