/* packed_layout.c - which matrices are rearranged, and where each one's panels lie. A pure function of description and
 * weights: what a cache file must hold follows from it. */
#include "base/bytes.h"
#include "kernel/panel.h"
#include "model/packed_parts.h"

#include <stdlib.h>

struct layout {
    struct packed *packed;
    const struct weights *weights;
    int64_t room; /* entries that there is memory for */
};

/* PANEL_NONE: multiplied as it is. The matrices of a stack have to begin with a panel each. */
static enum panel_format format_of(const struct tensor *w) {
    if (!w->data || w->rank < 2 || (w->rank == 3 && w->shape[1] % PANEL_OUTS)) return PANEL_NONE;
    return panel_format_for(w->dtype, w->shape[w->rank - 1]);
}

static enum status add(struct layout *layout, int64_t slot, int64_t source) {
    struct packed *packed = layout->packed;
    const struct tensor *w = &layout->weights->slot[source];
    enum panel_format format = format_of(w);
    if (format == PANEL_NONE) return STATUS_OK;
    if (packed->entries == layout->room) {
        int64_t room = layout->room ? layout->room * 2 : 256;
        void *grown = realloc(packed->entry, (size_t)room * sizeof *packed->entry);
        if (!grown) return fail(STATUS_MEMORY, "no memory for a list of %lld matrices", (long long)room);
        packed->entry = grown;
        layout->room = room;
    }
    struct tensor flat = tensor_flat(w);
    int64_t bytes = panels_bytes(format, flat.shape[0], flat.shape[1]);
    packed->entry[packed->entries++] = (struct packed_entry){
        .slot = slot, .source = source, .offset = packed->bytes, .bytes = bytes, .format = format};
    packed->bytes += round_up(bytes, PACKED_ALIGNMENT);
    /* The matrices of heads are decoded for prompts, too. */
    if (slot == source && w->rank == 2) packed->native_bytes += tensor_bytes(w);
    return STATUS_OK;
}

static bool is_multiplied(const struct weight_row *row, enum weight_copies copies) {
    return row->copies == copies && row->kind == WEIGHT_MATRIX && !row->by_rows;
}

static enum status add_copies(struct layout *layout, enum weight_copies copies, int layer, int expert) {
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        if (!is_multiplied(&weight_rows()[w], copies)) continue;
        int64_t slot = weights_slot(layout->weights, (enum weight)w, layer, expert);
        TRY(add(layout, slot, slot));
    }
    return STATUS_OK;
}

enum status packed_layout(struct packed *packed, const struct weights *weights,
                          const struct model_desc *desc) {
    struct layout layout = {packed, weights, 0};
    for (int layer = 0; layer < desc->layers + desc->mtp_layers; layer++) {
        TRY(add_copies(&layout, PER_LAYER, layer, 0));
        for (int expert = 0; expert < weights->experts; expert++)
            TRY(add_copies(&layout, PER_EXPERT, layer, expert));
    }
    if (!desc->tied_head) return add_copies(&layout, PER_MODEL, 0, 0);
    /* The embedding is still read row by row; the head that shares its numbers becomes a matrix of its own. */
    return add(&layout, weights_slot(weights, WEIGHT_HEAD, 0, 0), weights_slot(weights, WEIGHT_EMBED, 0, 0));
}
