/* piece_counts.c - a hash table of pieces over one pool of their bytes. */
#include "train/piece_counts.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { PIECE_BYTES = 1 << 16, FIRST_SLOTS = 1 << 12 };

static uint64_t hash_of(const unsigned char *piece, size_t bytes) {
    return XXH3_64bits(piece, bytes);
}

/* The slot that has the piece, or the free one where it belongs. */
static uint32_t *find_slot(const struct piece_counts *counts, const unsigned char *piece, size_t bytes) {
    for (size_t at = hash_of(piece, bytes) & (counts->slots - 1);; at = (at + 1) & (counts->slots - 1)) {
        uint32_t index = counts->slot[at];
        const struct piece *found = index ? &counts->piece[index - 1] : NULL;
        if (!found || (found->bytes == bytes && !memcmp(counts->bytes + found->begin, piece, bytes)))
            return &counts->slot[at];
    }
}

static enum status grow_slots(struct piece_counts *counts) {
    size_t slots = counts->slots ? 2 * counts->slots : FIRST_SLOTS;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot) return fail(STATUS_MEMORY, "no memory to count %zu pieces of text", slots / 2);
    free(counts->slot);
    counts->slot = slot;
    counts->slots = slots;
    for (size_t i = 0; i < counts->pieces; i++) {
        const struct piece *piece = &counts->piece[i];
        *find_slot(counts, counts->bytes + piece->begin, piece->bytes) = (uint32_t)i + 1;
    }
    return STATUS_OK;
}

static enum status reserve(struct piece_counts *counts, size_t bytes) {
    if (counts->pieces == counts->capacity) {
        size_t capacity = counts->capacity ? 2 * counts->capacity : FIRST_SLOTS;
        struct piece *piece = realloc(counts->piece, capacity * sizeof *piece);
        if (!piece) return fail(STATUS_MEMORY, "no memory to count %zu pieces of text", capacity);
        counts->piece = piece;
        counts->capacity = capacity;
    }
    if (counts->room - counts->used >= bytes) return STATUS_OK;
    size_t room = 2 * (counts->room + bytes);
    unsigned char *pool = realloc(counts->bytes, room);
    if (!pool) return fail(STATUS_MEMORY, "no memory for %zu bytes of text", room);
    counts->bytes = pool;
    counts->room = room;
    return STATUS_OK;
}

/* Very long pieces, runs of one character as a rule, teach nothing but their beginning. */
enum status piece_counts_add(struct piece_counts *counts, const unsigned char *piece, size_t bytes) {
    if (bytes > PIECE_BYTES) bytes = PIECE_BYTES;
    if (counts->pieces >= UINT32_MAX / 4) return fail(STATUS_LIMIT, "too many different pieces of text");
    if (2 * (counts->pieces + 1) > counts->slots) TRY(grow_slots(counts));
    uint32_t *slot = find_slot(counts, piece, bytes);
    if (*slot) {
        counts->piece[*slot - 1].count++;
        return STATUS_OK;
    }
    TRY(reserve(counts, bytes));
    memcpy(counts->bytes + counts->used, piece, bytes);
    counts->piece[counts->pieces] = (struct piece){counts->used, (uint32_t)bytes, 1};
    counts->used += bytes;
    *slot = (uint32_t)++counts->pieces;
    return STATUS_OK;
}

void piece_counts_free(struct piece_counts *counts) {
    free(counts->piece);
    free(counts->bytes);
    free(counts->slot);
    *counts = (struct piece_counts){0};
}
