/* cpu_split.c - generated rows against the cache, each context cut into parts that workers share.
 *
 * A part is SPLIT_PAGES pages of one key head, for neighbouring rows of one run and all or some of their queries: each
 * page is decoded once for all of them. Parts leave a maximum, a sum and a weighted sum of values; a second pass joins
 * those of a row in the order of positions. Where parts begin depends on positions alone, so that a row's bits depend
 * on nothing else. */
#include "backend/cpu/cpu_attention.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

/* Partial results of one wave of parts, and what is joined so far. */
struct split_shared {
    float *value;         /* [SPLIT_PARTIALS, value_dim] */
    float *maximum, *sum; /* [SPLIT_PARTIALS] */
    float *joined;        /* [SPLIT_ROWS, heads] maximum */
    float *joined_sum;    /* [SPLIT_ROWS, heads] */
};

struct part {
    int row, rows; /* of the block */
    int page_begin, page_end;
    int64_t partial; /* of the first row's first head; heads are neighbours, then rows */
};
enum { PARTS_MAX = 1024 };

struct wave {
    const struct split_attention *split;
    struct split_shared shared;
    int parts, groups; /* groups: pieces of the queries of one key head */
    bool last;         /* of the block */
    struct part part[PARTS_MAX];
};

struct worker_room {
    float *score;  /* [heads, 64] */
    float *shrink; /* [heads] */
    float *page;   /* last: its size is the caller's business */
};

static int64_t carve_worker(struct worker_room *room, float *base, int64_t heads, int64_t page_floats) {
    const struct room_part parts[] = {
        {&room->score, heads * KV_PAGE_TOKENS}, {&room->shrink, heads}, {&room->page, page_floats}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t split_worker_floats(int64_t heads, int64_t page_floats) {
    struct worker_room unused;
    return carve_worker(&unused, NULL, heads, page_floats);
}

static int64_t partials_of(int64_t heads) {
    return max_i64(SPLIT_PARTIALS, heads);
}

static int64_t carve_shared(struct split_shared *shared, float *base, int64_t heads, int64_t value_dim) {
    const struct room_part parts[] = {{&shared->value, partials_of(heads) * value_dim},
                                      {&shared->maximum, partials_of(heads)},
                                      {&shared->sum, partials_of(heads)},
                                      {&shared->joined, SPLIT_ROWS * heads},
                                      {&shared->joined_sum, SPLIT_ROWS * heads}};
    return room_carve(parts, COUNT_OF(parts), base);
}

int64_t split_shared_floats(int64_t heads, int64_t value_dim) {
    struct split_shared unused;
    return carve_shared(&unused, NULL, heads, value_dim);
}

static int position_of(const struct split_row *row) {
    return row->run->position + row->row;
}

/* ---- one part ---- */

/* Queries [begin, begin + count) of one row meet a page. */
struct meeting {
    const float *q;
    float *sum, *score;
    struct softmax_rows state;
    int count, keys;
};

static void meet_page(const struct split_attention *split, const struct meeting *meeting,
                      const struct split_page *page) {
    const struct kernels *kernels = &split->cpu->kernels;
    kernels->dot_tile(meeting->q, split->dims, meeting->count, page->key, page->key_stride, KV_PAGE_TOKENS,
                      split->dims, meeting->score, KV_PAGE_TOKENS);
    kernels->softmax_fold(&(struct softmax_fold){meeting->score, meeting->state.maximum, meeting->state.sum,
                                                 meeting->state.shrink, meeting->count, meeting->keys, 0,
                                                 split->scale});
    for (int i = 0; i < meeting->count; i++)
        if (meeting->state.shrink[i] != 1)
            kernels->scale(meeting->state.shrink[i], meeting->sum + i * split->value_dim, split->value_dim);
    kernels->mix(&(struct mix){meeting->score, page->value, meeting->sum, KV_PAGE_TOKENS, page->value_stride,
                               split->value_dim, meeting->count, meeting->keys, split->value_dim});
}

/* Heads [head, head + count) of the part's rows. */
static void attend_part(const struct wave *wave, const struct part *part, int head, int count,
                        const struct worker_room *room) {
    const struct split_attention *split = wave->split;
    const struct split_row *row = split->row + part->row;
    struct meeting meeting[SPLIT_ROWS];
    for (int r = 0; r < part->rows; r++) {
        int64_t partial = part->partial + (int64_t)r * split->heads + head;
        int64_t q_row = split->q_of_batch ? row[r].run->row_begin + row[r].row : part->row + r;
        meeting[r] =
            (struct meeting){split->q + q_row * split->q_row_stride + head * split->dims,
                             wave->shared.value + partial * split->value_dim,
                             room->score,
                             {wave->shared.maximum + partial, wave->shared.sum + partial, room->shrink},
                             count,
                             0};
        for (int i = 0; i < count; i++) meeting[r].state.maximum[i] = -INFINITY, meeting[r].state.sum[i] = 0;
        memset(meeting[r].sum, 0, (size_t)(count * split->value_dim) * sizeof(float));
    }
    int end = position_of(&row[part->rows - 1]) + 1;
    for (int p = part->page_begin; p < part->page_end && p * KV_PAGE_TOKENS < end; p++) {
        struct split_page page;
        split->load(split, row->run, p, head / (split->heads / split->kv_heads), keys_visible(end - 1, p),
                    room->page, &page);
        for (int r = 0; r < part->rows; r++) {
            meeting[r].keys = keys_visible(position_of(&row[r]), p);
            if (meeting[r].keys > 0) meet_page(split, &meeting[r], &page);
        }
    }
}

static void attend_parts(void *context, int worker, int slice, int slices) {
    const struct wave *wave = context;
    const struct split_attention *split = wave->split;
    struct worker_room room;
    int64_t begin, end, group = split->heads / split->kv_heads,
                        pieces = (int64_t)split->kv_heads * wave->groups;
    slice_share(wave->parts * pieces, 1, slice, slices, &begin, &end);
    carve_worker(&room, cpu_scratch(split->cpu, worker), split->heads, 0);
    for (int64_t i = begin; i < end; i++) {
        int64_t kv_head = i % pieces / wave->groups, first, last;
        slice_share(group, 1, (int)(i % wave->groups), wave->groups, &first, &last);
        attend_part(wave, &wave->part[i / pieces], (int)(kv_head * group + first), (int)(last - first),
                    &room);
    }
}

/* ---- joining ---- */

static bool part_has(const struct wave *wave, const struct part *part, int row) {
    return row >= part->row && row < part->row + part->rows &&
           part->page_begin * KV_PAGE_TOKENS <= position_of(&wave->split->row[row]);
}

/* The first part of a row is taken over as it is. */
static void join_part(const struct wave *wave, const struct part *part, int row, int head) {
    const struct split_attention *split = wave->split;
    const struct kernels *kernels = &split->cpu->kernels;
    int64_t entry = (int64_t)row * split->heads + head,
            partial = part->partial + (int64_t)(row - part->row) * split->heads + head;
    float *y = split->y + entry * split->value_dim, *maximum = wave->shared.joined + entry,
          *sum = wave->shared.joined_sum + entry;
    const float *value = wave->shared.value + partial * split->value_dim;
    if (part->page_begin == 0) {
        *maximum = wave->shared.maximum[partial];
        *sum = wave->shared.sum[partial];
        memcpy(y, value, (size_t)split->value_dim * sizeof *y);
        return;
    }
    float before = *maximum, own = wave->shared.maximum[partial], now = own > before ? own : before;
    kernels->exp_sum(&before, 1, now);
    kernels->exp_sum(&own, 1, now);
    if (before != 1) kernels->scale(before, y, split->value_dim);
    kernels->axpy(own, value, y, split->value_dim);
    *sum = *sum * before + wave->shared.sum[partial] * own;
    *maximum = now;
}

static void join_heads(void *context, int worker, int slice, int slices) {
    const struct wave *wave = context;
    const struct split_attention *split = wave->split;
    int64_t begin, end;
    slice_share(split->heads, 1, slice, slices, &begin, &end);
    for (int row = 0; row < split->rows; row++)
        for (int head = (int)begin; head < end; head++) {
            int64_t entry = (int64_t)row * split->heads + head;
            for (int i = 0; i < wave->parts; i++)
                if (part_has(wave, &wave->part[i], row)) join_part(wave, &wave->part[i], row, head);
            if (wave->last)
                split->cpu->kernels.scale(1 / wave->shared.joined_sum[entry],
                                          split->y + entry * split->value_dim, split->value_dim);
        }
    if (wave->last && begin < end) split->finish(split, worker, (int)begin, (int)end);
}

/* ---- waves ---- */

int split_next_block(struct split_blocks *blocks, struct split_row row[SPLIT_ROWS]) {
    int rows = 0;
    while (blocks->next_run < blocks->runs && rows < SPLIT_ROWS) {
        const struct batch_run *run = &blocks->run[blocks->next_run];
        if (!run->absorbed || blocks->next_row == run->rows) {
            blocks->next_run++;
            blocks->next_row = 0;
            continue;
        }
        row[rows++] = (struct split_row){run, blocks->next_row++};
    }
    return rows;
}

/* How many rows from `row` on go together: neighbours of one run whose sums stay in a worker's cache. */
static int rows_together(const struct split_attention *split, int row) {
    int64_t most = min_i64(SPLIT_ROWS, SPLIT_ENTRIES / split->heads);
    int rows = 1;
    while (row + rows < split->rows && rows < most && split->row[row + rows].run == split->row[row].run)
        rows++;
    return rows;
}

/* As many parts as there is room for, from (row, page) on; rows is where the next wave begins. */
static void fill_wave(struct wave *wave, int *row, int *page) {
    const struct split_attention *split = wave->split;
    int64_t partials = 0, room = partials_of(split->heads);
    wave->parts = 0;
    while (*row < split->rows && wave->parts < PARTS_MAX) {
        int rows = rows_together(split, *row),
            end = position_of(&split->row[*row + rows - 1]) / KV_PAGE_TOKENS + 1;
        if (partials + (int64_t)rows * split->heads > room) break;
        wave->part[wave->parts++] =
            (struct part){*row, rows, *page, (int)min_i64(*page + SPLIT_PAGES, end), partials};
        partials += (int64_t)rows * split->heads;
        *page += SPLIT_PAGES;
        if (*page < end) continue;
        *page = 0;
        *row += rows;
    }
    wave->last = *row == split->rows;
}

/* Pieces of a group of queries, where there are fewer parts than workers could take. A piece of fewer than eight
 * queries would decode more than it multiplies. */
static int groups_for(const struct split_attention *split, int parts) {
    int64_t pieces = (int64_t)parts * split->kv_heads, wanted = 2 * (int64_t)split->cpu->threads;
    int64_t most = max_i64(1, split->heads / split->kv_heads / 8);
    return (int)min_i64(divide_up(wanted, pieces), most);
}

void split_attend(const struct split_attention *split, float *shared) {
    struct wave wave = {.split = split};
    int row = 0, page = 0;
    carve_shared(&wave.shared, shared, split->heads, split->value_dim);
    while (row < split->rows) {
        fill_wave(&wave, &row, &page);
        wave.groups = groups_for(split, wave.parts);
        thread_pool_run(split->cpu->pool, SLICES_FINE, attend_parts, &wave);
        thread_pool_run(split->cpu->pool, SLICES_WHOLE, join_heads, &wave);
    }
}
