/* cpu_attention.h - what latent and grouped attention share: pages out of the cache, prompt rows that meet a page of
 * transposed keys, and generated rows whose context is cut into parts of a fixed size. */
#ifndef HADAL_BACKEND_CPU_CPU_ATTENTION_H
#define HADAL_BACKEND_CPU_CPU_ATTENTION_H

#include "backend/cpu/cpu.h"

/* ---- room: one list of parts is both the size and the layout ---- */

struct room_part {
    float **part;
    int64_t floats;
};
/* Lays the parts out from `base`, each on a cache line of its own; with base NULL only the size comes out. */
int64_t room_carve(const struct room_part *parts, size_t count, float *base);

/* Room for struct rounded_rows, as parts of a larger one. */
struct rounded_room {
    float *value, *scale, *sum;
};
int64_t rounded_room_carve(struct rounded_room *room, float *base, int64_t rows, int64_t in);
struct rounded_rows rounded_in(const struct rounded_room *room, int64_t in);

/* ---- pages ---- */

/* Entry width in floats after decoding: `width` padded to whole blocks. */
int64_t kv_padded_width(const struct kv_plane_view *plane);
/* The same before the format is known: no block is larger. */
int64_t kv_widest(int64_t width);
/* Rows of a page `width` floats wide stand this far apart: an odd number of cache lines, so that a column of them is
 * spread over all sets of the first cache level. */
int64_t page_stride(int64_t width);

/* Decodes the first `tokens` entries of (page, head) to values [64, stride] and zeroes the rest, so that a masked key
 * contributes an exact 0 whatever the memory held. */
void kv_decode_page(const struct kernels *kernels, const struct kv_plane_view *plane, int32_t page, int head,
                    int tokens, float *values, int64_t stride);

/* Keys of page `page_index` that a row at `position` may see; none: 0 or less. */
int keys_visible(int position, int page_index);

/* Running maximum and sum of each row, and what the last page shrank it by. */
struct softmax_rows {
    float *maximum, *sum, *shrink;
};

/* ---- prompt rows ---- */

/* Consecutive rows of one head. */
struct prompt_rows {
    const float *q; /* [rows, dims] */
    float *y;       /* [rows, value_dim], gathered so far */
    float *score;   /* [PROMPT_TILE, 64] */
    struct softmax_rows state;
    int64_t q_stride, y_stride;
    int rows, position; /* of the first row */
    int first;          /* the first row's place among the rounded queries */
};
enum { PROMPT_TILE = 64 };

struct prompt_page {
    const float *key;   /* [dims, 64]: transposed; at least as many rows as panels of it have inputs */
    const float *value; /* [64, value_dim] */
    int64_t dims, value_dim, value_stride;
    int index;
    float scale;
    const struct prompt_panels *panels; /* NULL: scores and sums are made in floats */
};

/* What products in integers take: a page as panels, rows as they are rounded, and room. */
struct prompt_panels {
    int64_t dims;        /* the first ones of a query that are scored in integers; the others in floats */
    struct panels key;   /* 64 outputs of these, and of what follows up to whole units */
    struct panels value; /* value_dim outputs of 64 keys; of a full page */
    struct rounded_rows query;  /* [rows, padded] */
    struct rounded_rows weight; /* [PROMPT_TILE, 64] */
    float *part;                /* [PROMPT_TILE, value_dim], and room for a padded query */
};
struct prompt_size {
    int64_t rows, dims, value_dim; /* dims as in struct prompt_panels, 0: none */
};
int64_t prompt_panels_floats(const struct prompt_size *size);
struct prompt_panels prompt_panels_at(float *room, const struct prompt_size *size);
/* `dims` in whole units. A query has zeros behind them. */
int64_t prompt_padded(int64_t dims);
/* Rounds what is scored in integers of the rows' queries, q_stride apart. */
void prompt_round(const struct kernels *kernels, const struct prompt_panels *panels, const float *q,
                  int64_t q_stride, int64_t rows);
/* Makes the panels of a page: of its keys, and of its values where it is full, so that rounding depends on nothing that comes
 * later. */
void prompt_arrange(const struct kernels *kernels, const struct prompt_page *page, bool full);

void prompt_begin(const struct prompt_rows *rows, int64_t value_dim);
void prompt_attend(const struct kernels *kernels, const struct prompt_rows *rows,
                   const struct prompt_page *page);
void prompt_end(const struct kernels *kernels, const struct prompt_rows *rows, int64_t value_dim);

/* ---- generated rows ---- */

/* One page as rows of keys and values; for latent attention both are the same memory. */
struct split_page {
    const float *key, *value;
    int64_t key_stride, value_stride;
};
struct split_attention;
typedef void split_load(const struct split_attention *split, const struct batch_run *run, int page_index,
                        int kv_head, int tokens, float *room, struct split_page *page);
typedef void split_finish(const struct split_attention *split, int worker, int head_begin, int head_end);

/* Rows of a block: rows of different runs, each with `heads` queries. The context of each is cut into parts of
 * SPLIT_PAGES pages, which workers take in any order; partial results are then joined in the order of positions. */
enum { SPLIT_PAGES = 8, SPLIT_ROWS = 16, SPLIT_ENTRIES = 256, SPLIT_PARTIALS = 8192 };
struct split_row {
    const struct batch_run *run;
    int row; /* of the run */
};
/* Takes the next rows that are to be generated, up to SPLIT_ROWS; 0: no more. Starts as {run, runs}. */
struct split_blocks {
    const struct batch_run *run;
    int runs, next_run, next_row;
};
int split_next_block(struct split_blocks *blocks, struct split_row row[SPLIT_ROWS]);

struct split_attention {
    struct cpu_backend *cpu;
    const void *op;
    const struct split_row *row;
    int rows, heads, kv_heads; /* heads / kv_heads queries for each key */
    int64_t dims, value_dim;
    const float *q; /* of row r, head h: r * q_row_stride + h * dims; row r of the block, or of the batch: */
    int64_t q_row_stride;
    bool q_of_batch;
    float *y; /* [rows, heads, value_dim] of the block: weighted sums, divided */
    float scale;
    split_load *load;
    split_finish *finish; /* after the last page, of a range of heads */
};
/* Floats that each worker and all together need; dims padded as decoded. */
int64_t split_worker_floats(int64_t heads, int64_t page_floats);
int64_t split_shared_floats(int64_t heads, int64_t value_dim);
void split_attend(const struct split_attention *split, float *shared);

#endif
