/* piece_counts.h - how often each piece of text occurs: what merges are learnt from. Owned by one thread. */
#ifndef HADAL_TRAIN_PIECE_COUNTS_H
#define HADAL_TRAIN_PIECE_COUNTS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

struct piece {
    size_t begin; /* in bytes[] */
    uint32_t bytes;
    int64_t count;
};

struct piece_counts {
    struct piece *piece; /* in the order in which they came */
    size_t pieces, capacity;
    unsigned char *bytes;
    size_t used, room;
    uint32_t *slot; /* open addressing: index + 1, 0 is free */
    size_t slots;   /* a power of two */
};

must_use enum status piece_counts_add(struct piece_counts *counts, const unsigned char *piece, size_t bytes);
void piece_counts_free(struct piece_counts *counts); /* zeroed allowed */

#endif
