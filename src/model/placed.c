/* placed.c - the layout of placed.h, the copying, and the slots that point to the result. */
#include "model/placed.h"

#include "base/bytes.h"
#include "base/thread_pool.h"
#include "kernel/panel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PART_ALIGNMENT = 64, COPY_BYTES = 64 << 20 };

struct layout {
    struct placed *placed;
    const struct weights *weights;
    const struct node_plan *plan;
    int64_t room;
};

/* ---- where everything goes ---- */

static enum status add_part(struct layout *layout, const struct placed_part *part) {
    struct placed *placed = layout->placed;
    int block = part->node == NODES_ALL ? placed->nodes : part->node;
    if (placed->parts == layout->room) {
        int64_t room = layout->room ? layout->room * 2 : 1024;
        void *grown = realloc(placed->part, (size_t)room * sizeof *placed->part);
        if (!grown) return fail(STATUS_MEMORY, "no memory for a list of %lld parts", (long long)room);
        placed->part = grown;
        layout->room = room;
    }
    placed->part[placed->parts] = *part;
    placed->part[placed->parts++].offset = placed->block_bytes[block];
    placed->block_bytes[block] += round_up(part->bytes, PART_ALIGNMENT);
    return STATUS_OK;
}

/* Bytes of the first `rows` rows, in the form in which the matrix is multiplied. */
static int64_t bytes_before(const struct tensor *w, int64_t rows) {
    if (w->panels) return panels_bytes((enum panel_format)w->panel_format, rows, w->shape[1]);
    int64_t bytes;
    MUST(dtype_row_bytes(w->dtype, w->shape[1], &bytes));
    return bytes * rows;
}

/* Cut as slice_share() cuts columns: the first row of a worker's first slice, however many slices each has. */
static enum status split_matrix(struct layout *layout, int64_t slot) {
    const struct tensor *w = &layout->weights->slot[slot];
    const struct node_plan *plan = layout->plan;
    const uint8_t *data = w->panels ? w->panels : w->data;
    for (int i = 0; i < plan->nodes; i++) {
        int64_t first, last, unused;
        slice_share(w->shape[0], PANEL_OUTS, plan->node[i].worker_begin, plan->threads, &first, &unused);
        slice_share(w->shape[0], PANEL_OUTS, plan->node[i].worker_end - 1, plan->threads, &unused, &last);
        int64_t before = bytes_before(w, first);
        struct placed_part part = {slot,          first, last - first, 0, bytes_before(w, last) - before,
                                   data + before, i};
        TRY(add_part(layout, &part));
    }
    return STATUS_OK;
}

static enum status spread_matrix(struct layout *layout, int64_t slot) {
    const struct tensor *w = &layout->weights->slot[slot];
    return add_part(layout,
                    &(struct placed_part){slot, 0, w->shape[0], 0, tensor_bytes(w), w->data, NODES_ALL});
}

static enum status add_slot(struct layout *layout, const struct model_desc *desc, enum weight weight,
                            int layer, int expert) {
    const struct weight_row *row = &weight_rows()[weight];
    int64_t slot = weights_slot(layout->weights, weight, layer, expert);
    const struct tensor *w = &layout->weights->slot[slot];
    if (!w->data && !w->panels) return STATUS_OK;
    if (row->kind == WEIGHT_VECTOR) return STATUS_OK;
    if (w->panels || (!row->by_rows && w->rank == 2)) return split_matrix(layout, slot);
    bool looked_up = weight == WEIGHT_EMBED || weight == WEIGHT_MTP_EMBED; /* a row for each token */
    bool multiplied = weight == WEIGHT_EMBED && desc->tied_head &&
                      !layout->weights->slot[weights_slot(layout->weights, WEIGHT_HEAD, 0, 0)].panels;
    return looked_up && !multiplied ? STATUS_OK : spread_matrix(layout, slot);
}

static enum status add_copies(struct layout *layout, const struct model_desc *desc, enum weight_copies copies,
                              int layer, int expert) {
    for (int w = 0; w < WEIGHT_COUNT; w++)
        if (weight_rows()[w].copies == copies) TRY(add_slot(layout, desc, (enum weight)w, layer, expert));
    return STATUS_OK;
}

enum status placed_layout(struct placed *placed, const struct weights *weights, const struct model_desc *desc,
                          const struct node_plan *plan) {
    *placed = (struct placed){.nodes = plan->nodes};
    struct layout layout = {placed, weights, plan, 0};
    TRY(add_copies(&layout, desc, PER_MODEL, 0, 0));
    for (int layer = 0; layer < desc->layers + desc->mtp_layers; layer++) {
        TRY(add_copies(&layout, desc, PER_LAYER, layer, 0));
        for (int expert = 0; expert < weights->experts; expert++)
            TRY(add_copies(&layout, desc, PER_EXPERT, layer, expert));
    }
    return STATUS_OK;
}

/* ---- copying ---- */

struct copier {
    const struct placed *placed;
    struct backend *backend;
    bool (*progress)(void *, int64_t, int64_t);
    void *progress_context;
    int64_t done, total;
};

static uint8_t *place_of(const struct placed *placed, const struct placed_part *part) {
    return placed->block[part->node == NODES_ALL ? placed->nodes : part->node].data + part->offset;
}

/* Out of this process; what a file holds is the first to go from the page cache when memory is short. */
static void give_back(const uint8_t *data, int64_t bytes) {
    int64_t page = sysconf(_SC_PAGESIZE), begin = round_up((int64_t)(uintptr_t)data, page),
            end = ((int64_t)(uintptr_t)data + bytes) / page * page;
    if (end <= begin) return;
    madvise((void *)(uintptr_t)begin, (size_t)(end - begin), MADV_COLD);
    madvise((void *)(uintptr_t)begin, (size_t)(end - begin), MADV_DONTNEED);
}

static enum status copy_part(struct copier *copier, const struct placed_part *part) {
    uint8_t *to = place_of(copier->placed, part);
    const uint8_t *from = part->source;
    for (int64_t done = 0; done < part->bytes; done += COPY_BYTES) {
        int64_t bytes = min_i64(COPY_BYTES, part->bytes - done);
        copier->backend->ops->copy(copier->backend, from + done, to + done, bytes);
        give_back(from + done, bytes);
        copier->done += bytes;
        if (copier->progress && !copier->progress(copier->progress_context, copier->done, copier->total))
            return fail(STATUS_CANCELLED, "stopped while weights were placed");
    }
    return STATUS_OK;
}

static enum status open_blocks(struct placed *placed, const struct node_plan *plan) {
    for (int i = 0; i <= placed->nodes; i++)
        if (placed->block_bytes[i] > 0)
            TRY(node_memory_open(&placed->block[i], plan, i < placed->nodes ? i : NODES_ALL,
                                 placed->block_bytes[i]));
    return STATUS_OK;
}

static enum status copy_all(struct placed *placed, struct copier *copier) {
    for (int i = 0; i <= placed->nodes; i++) copier->total += placed->block_bytes[i];
    for (int64_t i = 0; i < placed->parts; i++) TRY(copy_part(copier, &placed->part[i]));
    return STATUS_OK;
}

/* The parts of a matrix are neighbours in the list. */
static enum status point_to_parts(struct placed *placed, struct weights *weights) {
    placed->piece = calloc((size_t)placed->parts + 1, sizeof *placed->piece);
    if (!placed->piece)
        return fail(STATUS_MEMORY, "no memory for a list of %lld parts", (long long)placed->parts);
    for (int64_t i = 0; i < placed->parts; i++) {
        const struct placed_part *part = &placed->part[i];
        struct tensor *slot = &weights->slot[part->slot];
        placed->piece[i] = (struct tensor_piece){part->row, place_of(placed, part)};
        if (part->node == NODES_ALL)
            slot->data = placed->piece[i].data;
        else if (part->node == 0)
            slot->piece = &placed->piece[i], slot->pieces = placed->nodes;
    }
    return STATUS_OK;
}

enum status placed_arrange(struct placed *placed, struct weights *weights, const struct model_desc *desc,
                           struct backend *backend, bool (*progress)(void *, int64_t, int64_t),
                           void *progress_context) {
    struct copier copier = {placed, backend, progress, progress_context, 0, 0};
    if (!backend->nodes) return STATUS_OK;
    TRY(placed_layout(placed, weights, desc, backend->nodes));
    TRY(open_blocks(placed, backend->nodes));
    TRY(copy_all(placed, &copier));
    return point_to_parts(placed, weights);
}

void placed_close(struct placed *placed) {
    for (int i = 0; i <= NODES_MOST; i++) node_memory_close(&placed->block[i]);
    free(placed->part);
    free(placed->piece);
    *placed = (struct placed){0};
}
