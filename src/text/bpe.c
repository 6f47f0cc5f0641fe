/* bpe.c - see bpe.h. */
#include "text/bpe.h"

#include "base/bytes.h"
#include "text/token_push.h"

#include <stdlib.h>
#include <string.h>

enum { SHORT_PIECE = 64, NO_RANK = UINT32_MAX };

/* ------- the table of merges */

static uint64_t first_slot(const struct bpe *bpe, int32_t left, int32_t right) {
    return (((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * bpe->multiplier) >> bpe->shift;
}

static inline const struct merge_slot *find_merge(const struct bpe *bpe, int32_t left, int32_t right) {
    uint64_t mask = UINT64_MAX >> bpe->shift;
    for (uint64_t at = first_slot(bpe, left, right);; at = (at + 1) & mask) {
        const struct merge_slot *slot = &bpe->slot[at];
        if (slot->left == left && slot->right == right) return slot;
        if (slot->left < 0) return NULL;
    }
}

static enum status open_slots(struct bpe *bpe, int log2_slots) {
    size_t slots = (size_t)1 << log2_slots;
    bpe->slot = malloc(slots * sizeof *bpe->slot);
    if (!bpe->slot) return fail(STATUS_MEMORY, "no memory for the merges");
    memset(bpe->slot, 0xFF, slots * sizeof *bpe->slot);
    bpe->shift = 64 - log2_slots;
    bpe->used = 0;
    return STATUS_OK;
}

enum status bpe_open(struct bpe *bpe, size_t expected_merges) {
    int log2_slots = 6;
    *bpe = (struct bpe){.multiplier = hash_seed() | 1, .unknown = -1};
    while (log2_slots < 24 && (size_t)1 << log2_slots < 2 * expected_merges) log2_slots++;
    memset(bpe->byte_token, 0xFF, sizeof bpe->byte_token);
    return open_slots(bpe, log2_slots);
}

void bpe_close(struct bpe *bpe) {
    free(bpe->slot);
    bpe->slot = NULL;
}

static void insert(struct bpe *bpe, struct merge_slot merge) {
    uint64_t mask = UINT64_MAX >> bpe->shift, at = first_slot(bpe, merge.left, merge.right);
    while (bpe->slot[at].left >= 0) at = (at + 1) & mask;
    bpe->slot[at] = merge;
    bpe->used++;
}

static enum status grow(struct bpe *bpe) {
    size_t slots = (size_t)1 << (64 - bpe->shift);
    if (bpe->used < slots / 2) return STATUS_OK;
    struct merge_slot *old = bpe->slot;
    enum status status = open_slots(bpe, 64 - bpe->shift + 1);
    if (status != STATUS_OK) {
        bpe->slot = old;
        return status;
    }
    for (size_t i = 0; i < slots; i++)
        if (old[i].left >= 0) insert(bpe, old[i]);
    free(old);
    return STATUS_OK;
}

enum status bpe_put(struct bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t merged) {
    struct merge_slot *known = (struct merge_slot *)find_merge(bpe, left, right);
    if (known) {
        known->rank = rank;
        known->merged = merged;
        return STATUS_OK;
    }
    TRY(grow(bpe));
    insert(bpe, (struct merge_slot){left, right, rank, merged});
    return STATUS_OK;
}

void bpe_find_bytes(struct bpe *bpe, const struct vocabulary *vocabulary) {
    for (int i = 0; i < 256; i++)
        bpe->byte_token[i] = vocabulary_find(vocabulary, &(unsigned char){(unsigned char)i}, 1);
}

/* ------- symbols that the merges start from */

/* The token of the byte; false when it has none and vanishes, or joins the unknown symbol before it. */
static inline bool first_symbol(const struct bpe *bpe, unsigned char byte, int32_t previous, int32_t *id) {
    *id = bpe->byte_token[byte];
    if (*id >= 0) return true;
    *id = bpe->unknown;
    return *id >= 0 && !(bpe->fuses_unknown && previous == bpe->unknown);
}

/* ------- short pieces */

struct short_symbol {
    int32_t id;
    uint32_t rank;  /* of the pair that begins here */
    int32_t merged; /* what that pair becomes */
};

static inline void look_up(const struct bpe *bpe, struct short_symbol *symbol, int i, int count) {
    const struct merge_slot *merge = i + 1 < count ? find_merge(bpe, symbol[i].id, symbol[i + 1].id) : NULL;
    symbol[i].rank = merge ? merge->rank : NO_RANK;
    symbol[i].merged = merge ? merge->merged : -1;
}

/* Returns how many symbols are left. */
static int merge_short(const struct bpe *bpe, struct short_symbol *symbol, int count) {
    for (int i = 0; i < count; i++) look_up(bpe, symbol, i, count);
    for (;;) {
        int best = -1;
        uint32_t rank = NO_RANK;
        for (int i = 0; i + 1 < count; i++) {
            if (symbol[i].rank >= rank) continue;
            rank = symbol[i].rank;
            best = i;
        }
        if (best < 0) return count;
        symbol[best].id = symbol[best].merged;
        count--;
        for (int i = best + 1; i < count; i++) symbol[i] = symbol[i + 1];
        look_up(bpe, symbol, best, count);
        if (best > 0) look_up(bpe, symbol, best - 1, count);
    }
}

static enum status encode_short(const struct bpe *bpe, const unsigned char *text, size_t bytes,
                                struct token_list *list) {
    struct short_symbol symbol[SHORT_PIECE];
    int32_t id = -1;
    int count = 0;
    for (size_t i = 0; i < bytes; i++)
        if (first_symbol(bpe, text[i], count ? id : -1, &id)) symbol[count++].id = id;
    count = merge_short(bpe, symbol, count);
    for (int i = 0; i < count; i++) TRY(token_push(list, symbol[i].id));
    return STATUS_OK;
}

/* ------- long pieces: a list of symbols, and a heap of the pairs that can merge */

struct bpe_symbol {
    int32_t id;
    uint32_t previous, next; /* END: none */
    uint32_t rank;           /* of the pair that begins here; a heap entry with another rank is stale */
};

enum { END = UINT32_MAX };

/* An entry is rank << 32 | position, so the smallest is the lowest rank and of equals the leftmost. */
static void heap_push(struct bpe_scratch *scratch, uint64_t entry) {
    uint64_t *heap = scratch->heap;
    size_t at = scratch->entries++;
    for (; at > 0 && heap[(at - 1) / 2] > entry; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = entry;
}

static uint64_t heap_pop(struct bpe_scratch *scratch) {
    uint64_t *heap = scratch->heap, top = heap[0], moving = heap[--scratch->entries];
    size_t at = 0, child;
    while ((child = 2 * at + 1) < scratch->entries) {
        if (child + 1 < scratch->entries && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= moving) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
    return top;
}

static enum status reserve(struct bpe_scratch *scratch, size_t bytes) {
    if (bytes <= scratch->capacity) return STATUS_OK;
    if (bytes >= UINT32_MAX / 2)
        return fail(STATUS_LIMIT, "a word of %zu bytes, at most %u are allowed", bytes, UINT32_MAX / 2);
    /* every symbol gives one pair at first, every merge at most two more */
    struct bpe_symbol *symbol = realloc(scratch->symbol, bytes * sizeof *symbol);
    if (symbol) scratch->symbol = symbol;
    uint64_t *heap = realloc(scratch->heap, 3 * bytes * sizeof *heap);
    if (heap) scratch->heap = heap;
    if (!symbol || !heap) return fail(STATUS_MEMORY, "no memory for a word of %zu bytes", bytes);
    scratch->capacity = bytes;
    return STATUS_OK;
}

/* Sets the rank of the pair that begins at `at` and enters it. */
static void enter_pair(const struct bpe *bpe, struct bpe_scratch *scratch, uint32_t at) {
    struct bpe_symbol *symbol = &scratch->symbol[at];
    const struct merge_slot *merge = NULL;
    if (symbol->next != END) merge = find_merge(bpe, symbol->id, scratch->symbol[symbol->next].id);
    symbol->rank = merge ? merge->rank : NO_RANK;
    if (merge) heap_push(scratch, (uint64_t)merge->rank << 32 | at);
}

static void merge_at(const struct bpe *bpe, struct bpe_scratch *scratch, uint32_t at) {
    struct bpe_symbol *left = &scratch->symbol[at], *right = &scratch->symbol[left->next];
    left->id = find_merge(bpe, left->id, right->id)->merged;
    right->rank = NO_RANK;
    left->next = right->next;
    if (left->next != END) scratch->symbol[left->next].previous = at;
    enter_pair(bpe, scratch, at);
    if (left->previous != END) enter_pair(bpe, scratch, left->previous);
}

enum status bpe_encode_long(const struct bpe *bpe, struct bpe_scratch *scratch, const unsigned char *piece,
                            size_t bytes, struct token_list *list) {
    uint32_t count = 0;
    int32_t id = -1;
    TRY(reserve(scratch, bytes));
    for (size_t i = 0; i < bytes; i++) {
        if (!first_symbol(bpe, piece[i], count ? id : -1, &id)) continue;
        scratch->symbol[count] =
            (struct bpe_symbol){.id = id, .previous = count ? count - 1 : END, .next = count + 1};
        count++;
    }
    if (!count) return STATUS_OK;
    scratch->symbol[count - 1].next = END;
    scratch->entries = 0;
    for (uint32_t i = 0; i < count; i++) enter_pair(bpe, scratch, i);
    while (scratch->entries) {
        uint64_t entry = heap_pop(scratch);
        uint32_t at = (uint32_t)entry;
        if (scratch->symbol[at].rank == (uint32_t)(entry >> 32)) merge_at(bpe, scratch, at);
    }
    for (uint32_t at = 0; at != END; at = scratch->symbol[at].next)
        TRY(token_push(list, scratch->symbol[at].id));
    return STATUS_OK;
}

enum status bpe_encode(const struct bpe *bpe, const struct vocabulary *vocabulary,
                       struct bpe_scratch *scratch, const unsigned char *piece, size_t bytes,
                       struct token_list *list) {
    if (bytes == 1 && bpe->byte_token[piece[0]] >= 0) return token_push(list, bpe->byte_token[piece[0]]);
    if (bpe->whole_words && bytes <= VOCABULARY_TOKEN_BYTES) {
        int32_t id = vocabulary_find(vocabulary, piece, bytes);
        if (id >= 0) return token_push(list, id);
    }
    if (bytes <= SHORT_PIECE) return encode_short(bpe, piece, bytes, list);
    return bpe_encode_long(bpe, scratch, piece, bytes, list);
}

void bpe_scratch_free(struct bpe_scratch *scratch) {
    free(scratch->symbol);
    free(scratch->heap);
    *scratch = (struct bpe_scratch){0};
}
