/* cpu_attention.c - pages out of the cache, and prompt rows that meet a page.
 *
 * Keys are visited page by page in the order of positions, so a row's sums have one order however the
 * prompt was cut into steps (online softmax as in arXiv 2205.14135, with tiles fixed to pages). */
#include "backend/cpu/cpu_attention.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

enum { LINE_FLOATS = 16, WIDEST_BLOCK = 256 };

int64_t room_carve(const struct room_part *parts, size_t count, float *base) {
    int64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (base) *parts[i].part = base + at;
        at += round_up(parts[i].floats, LINE_FLOATS);
    }
    return at;
}

int64_t rounded_room_carve(struct rounded_room *room, float *base, int64_t rows, int64_t in) {
    const struct room_part parts[] = {{&room->value, divide_up(rows * in, (int64_t)sizeof(float))},
                                      {&room->scale, divide_up(rows * in, PANEL_BLOCK)},
                                      {&room->sum, divide_up(rows * in, PANEL_BLOCK / 2)}};
    return room_carve(parts, COUNT_OF(parts), base);
}

struct rounded_rows rounded_in(const struct rounded_room *room, int64_t in) {
    return (struct rounded_rows){(int8_t *)room->value, room->scale, (int32_t *)room->sum, in};
}

int64_t kv_padded_width(const struct kv_plane_view *plane) {
    return round_up(plane->width, dtype_traits(plane->dtype)->block_elements);
}

int64_t kv_widest(int64_t width) {
    return round_up(width, WIDEST_BLOCK);
}

int64_t page_stride(int64_t width) {
    int64_t lines = divide_up(width, LINE_FLOATS);
    return (lines + (lines % 2 == 0)) * LINE_FLOATS;
}

/* Far enough ahead to hide the latency of memory: the processor's own prefetching ends with each page of the system. */
enum { AHEAD_BYTES = 2048, CACHE_LINE = 64 };

void kv_decode_page(const struct kernels *kernels, const struct kv_plane_view *plane, int32_t page, int head,
                    int tokens, float *values, int64_t stride) {
    int64_t width = kv_padded_width(plane);
    const uint8_t *entry = kv_entry(plane, page, 0, head);
    for (int t = 0; t < tokens; t++, entry += plane->entry_bytes) {
        for (int64_t line = 0; line < plane->entry_bytes; line += CACHE_LINE)
            __builtin_prefetch(entry + AHEAD_BYTES + line);
        kernels->decode[plane->dtype](entry, values + t * stride, width);
    }
    for (int t = tokens; t < KV_PAGE_TOKENS; t++)
        memset(values + t * stride, 0, (size_t)width * sizeof *values);
}

int keys_visible(int position, int page_index) {
    return (int)min_i64(position - (int64_t)page_index * KV_PAGE_TOKENS + 1, KV_PAGE_TOKENS);
}

void prompt_begin(const struct prompt_rows *rows, int64_t value_dim) {
    for (int r = 0; r < rows->rows; r++) {
        rows->state.maximum[r] = -INFINITY;
        rows->state.sum[r] = 0;
        memset(rows->y + r * rows->y_stride, 0, (size_t)value_dim * sizeof *rows->y);
    }
}

/* ---- products in integers ---- */

static int64_t panels_floats(int64_t outs, int64_t in) {
    return panels_bytes(PANEL_I8, outs, in) / (int64_t)sizeof(float);
}

int64_t prompt_padded(int64_t dims) {
    return round_up(dims, panel_unit_inputs(PANEL_I8));
}

struct panels_room {
    float *key, *value, *query, *weight, *part;
};

static int64_t carve_panels(struct panels_room *room, float *base, const struct prompt_size *size) {
    struct rounded_room unused;
    int64_t padded = prompt_padded(size->dims);
    const struct room_part parts[] = {
        {&room->key, panels_floats(KV_PAGE_TOKENS, padded)},
        {&room->value, panels_floats(size->value_dim, KV_PAGE_TOKENS)},
        {&room->query, rounded_room_carve(&unused, NULL, size->rows, padded)},
        {&room->weight, rounded_room_carve(&unused, NULL, PROMPT_TILE, KV_PAGE_TOKENS)},
        {&room->part, max_i64(PROMPT_TILE * size->value_dim, padded)}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t prompt_panels_floats(const struct prompt_size *size) {
    struct panels_room unused;
    return carve_panels(&unused, NULL, size);
}

struct prompt_panels prompt_panels_at(float *room, const struct prompt_size *size) {
    struct panels_room parts;
    struct rounded_room query, weight;
    int64_t padded = prompt_padded(size->dims);
    carve_panels(&parts, room, size);
    rounded_room_carve(&query, parts.query, size->rows, padded);
    rounded_room_carve(&weight, parts.weight, PROMPT_TILE, KV_PAGE_TOKENS);
    return (struct prompt_panels){size->dims,
                                  {PANEL_I8, (const uint8_t *)parts.key, KV_PAGE_TOKENS, padded},
                                  {PANEL_I8, (const uint8_t *)parts.value, size->value_dim, KV_PAGE_TOKENS},
                                  rounded_in(&query, padded),
                                  rounded_in(&weight, KV_PAGE_TOKENS),
                                  parts.part};
}

void prompt_round(const struct kernels *kernels, const struct prompt_panels *panels, const float *q,
                  int64_t q_stride, int64_t rows) {
    int64_t padded = panels->query.in;
    memset(panels->part, 0, (size_t)padded * sizeof *panels->part);
    for (int64_t r = 0; r < rows; r++) {
        struct rounded_rows row = rounded_from(&panels->query, r);
        memcpy(panels->part, q + r * q_stride, (size_t)panels->dims * sizeof *q);
        kernels->panel_round(panels->part, padded, row.value, row.scale, row.sum);
    }
}

void prompt_arrange(const struct kernels *kernels, const struct prompt_page *page, bool full) {
    const struct prompt_panels *panels = page->panels;
    if (panels->dims)
        kernels->panel_from_columns(page->key, KV_PAGE_TOKENS, panels->key.in, KV_PAGE_TOKENS,
                                    (uint8_t *)(uintptr_t)panels->key.data);
    if (full)
        kernels->panel_from_columns(page->value, page->value_stride, KV_PAGE_TOKENS, page->value_dim,
                                    (uint8_t *)(uintptr_t)panels->value.data);
}

/* y += weights times values, of rows that see all of the page. */
static void add_rounded(const struct kernels *kernels, const struct prompt_page *page,
                        const struct mix *part) {
    const struct prompt_panels *panels = page->panels;
    const struct rounded_rows *weight = &panels->weight;
    struct panel_product product = {&panels->value, weight, NULL, panels->part, part->rows, page->value_dim};
    kernels->panel_round(part->p, part->rows * KV_PAGE_TOKENS, weight->value, weight->scale, weight->sum);
    kernels->panel_multiply[PANEL_I8](&product, 0, divide_up(page->value_dim, PANEL_OUTS));
    for (int64_t r = 0; r < part->rows; r++)
        kernels->add(panels->part + r * page->value_dim, part->y + r * part->y_stride, page->value_dim);
}

static void score_rounded(const struct kernels *kernels, const struct prompt_rows *tile,
                          const struct prompt_panels *panels) {
    struct rounded_rows query = rounded_from(&panels->query, tile->first);
    struct panel_product product = {&panels->key, &query, NULL, tile->score, tile->rows, KV_PAGE_TOKENS};
    kernels->panel_multiply[PANEL_I8](&product, 0, KV_PAGE_TOKENS / PANEL_OUTS);
}

/* ---- a tile of rows meets a page ---- */

/* y += weights times values, each row over the keys that it sees: a later token must not reach it even as 0 times
 * infinity. Rows past the page see all of it and go together. */
static void mix_values(const struct kernels *kernels, const struct prompt_rows *tile,
                       const struct prompt_page *page) {
    struct mix part = {tile->score,    page->value, tile->y,        KV_PAGE_TOKENS, page->value_stride,
                       tile->y_stride, 1,           KV_PAGE_TOKENS, page->value_dim};
    int row = 0;
    for (; row < tile->rows && keys_visible(tile->position + row, page->index) < KV_PAGE_TOKENS; row++) {
        part.keys = keys_visible(tile->position + row, page->index);
        part.p = tile->score + row * KV_PAGE_TOKENS;
        part.y = tile->y + row * tile->y_stride;
        kernels->mix(&part);
    }
    part.keys = KV_PAGE_TOKENS;
    part.rows = tile->rows - row;
    part.p = tile->score + row * KV_PAGE_TOKENS;
    part.y = tile->y + row * tile->y_stride;
    if (part.rows && page->panels)
        add_rounded(kernels, page, &part);
    else if (part.rows)
        kernels->mix(&part);
}

static void score_tile(const struct kernels *kernels, const struct prompt_rows *tile,
                       const struct prompt_page *page) {
    int64_t rounded = page->panels ? page->panels->dims : 0;
    if (rounded)
        score_rounded(kernels, tile, page->panels);
    else
        memset(tile->score, 0, (size_t)(tile->rows * KV_PAGE_TOKENS) * sizeof *tile->score);
    if (rounded < page->dims)
        kernels->mix(&(struct mix){tile->q + rounded, page->key + rounded * KV_PAGE_TOKENS, tile->score,
                                   tile->q_stride, KV_PAGE_TOKENS, KV_PAGE_TOKENS, tile->rows,
                                   page->dims - rounded, KV_PAGE_TOKENS});
}

static void attend_tile(const struct kernels *kernels, const struct prompt_rows *tile,
                        const struct prompt_page *page) {
    score_tile(kernels, tile, page);
    kernels->softmax_fold(&(struct softmax_fold){
        tile->score, tile->state.maximum, tile->state.sum, tile->state.shrink, tile->rows,
        (int64_t)tile->position - (int64_t)page->index * KV_PAGE_TOKENS + 1, 1, page->scale});
    for (int r = 0; r < tile->rows; r++)
        if (tile->state.shrink[r] != 1)
            kernels->scale(tile->state.shrink[r], tile->y + r * tile->y_stride, page->value_dim);
    mix_values(kernels, tile, page);
}

void prompt_attend(const struct kernels *kernels, const struct prompt_rows *rows,
                   const struct prompt_page *page) {
    int first = (int)max_i64(0, (int64_t)page->index * KV_PAGE_TOKENS - rows->position);
    for (int r = first; r < rows->rows; r += PROMPT_TILE) {
        struct prompt_rows tile = *rows;
        tile.rows = (int)min_i64(rows->rows - r, PROMPT_TILE);
        tile.position += r;
        tile.first += r;
        tile.q += r * rows->q_stride;
        tile.y += r * rows->y_stride;
        tile.state =
            (struct softmax_rows){rows->state.maximum + r, rows->state.sum + r, rows->state.shrink + r};
        attend_tile(kernels, &tile, page);
    }
}

void prompt_end(const struct kernels *kernels, const struct prompt_rows *rows, int64_t value_dim) {
    for (int r = 0; r < rows->rows; r++)
        kernels->scale(1 / rows->state.sum[r], rows->y + r * rows->y_stride, value_dim);
}
