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
    if (part.rows) kernels->mix(&part);
}

static void attend_tile(const struct kernels *kernels, const struct prompt_rows *tile,
                        const struct prompt_page *page) {
    memset(tile->score, 0, (size_t)(tile->rows * KV_PAGE_TOKENS) * sizeof *tile->score);
    kernels->mix(&(struct mix){tile->q, page->key, tile->score, tile->q_stride, KV_PAGE_TOKENS,
                               KV_PAGE_TOKENS, tile->rows, page->dims, KV_PAGE_TOKENS});
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
