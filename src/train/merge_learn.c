/* merge_learn.c - learns merges. Pairs are held in a hash table with their counts and the pieces where they were seen, and
 * in a heap by count; entries of the heap go stale and are put right when they come up. */
#include "train/merge_learn.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct word { /* a piece on its way */
    size_t begin;
    uint32_t symbols;
    int64_t count;
};

struct pair_slot {
    struct merge_pair pair;
    bool used;
    int64_t count;
    uint32_t *where; /* words, some of them twice or no longer right */
    uint32_t wheres, room;
};

struct heap_entry {
    int64_t count;
    size_t slot_of; /* index into order[] */
};

struct learner {
    struct merges *merges;
    const uint8_t *rank;
    struct word *word;
    size_t words;
    int32_t *symbol; /* of all words */
    struct pair_slot *pair;
    size_t pairs, pair_room;
    uint32_t *slot; /* index + 1 into pair */
    size_t slots;
    struct heap_entry *heap;
    size_t entries, heap_room;
    bool failed;
};

/* ---- pairs ---- */

static size_t hash_of(struct merge_pair pair) {
    uint64_t key = (uint64_t)(uint32_t)pair.left << 32 | (uint32_t)pair.right;
    key *= 0x9E3779B97F4A7C15u;
    return (size_t)(key ^ key >> 29);
}

static uint32_t *find_slot(const struct learner *l, struct merge_pair pair) {
    for (size_t at = hash_of(pair) & (l->slots - 1);; at = (at + 1) & (l->slots - 1)) {
        const struct pair_slot *found = l->slot[at] ? &l->pair[l->slot[at] - 1] : NULL;
        if (!found || (found->pair.left == pair.left && found->pair.right == pair.right)) return &l->slot[at];
    }
}

/* Room for one item more in an array; false when there is none. */
static bool grow(void **array, size_t *room, size_t count, size_t item) {
    if (count < *room) return true;
    size_t more = *room ? 2 * *room : 1024;
    void *larger = realloc(*array, more * item);
    if (!larger) return false;
    *array = larger;
    *room = more;
    return true;
}

static bool grow_slots(struct learner *l) {
    size_t slots = l->slots ? 2 * l->slots : 1 << 14;
    uint32_t *slot = calloc(slots, sizeof *slot);
    if (!slot) return false;
    free(l->slot);
    l->slot = slot;
    l->slots = slots;
    for (size_t i = 0; i < l->pairs; i++) *find_slot(l, l->pair[i].pair) = (uint32_t)i + 1;
    return true;
}

static struct pair_slot *pair_of(struct learner *l, struct merge_pair pair) {
    if (2 * (l->pairs + 1) > l->slots && !grow_slots(l)) return NULL;
    uint32_t *slot = find_slot(l, pair);
    if (*slot) return &l->pair[*slot - 1];
    void *array = l->pair;
    if (!grow(&array, &l->pair_room, l->pairs, sizeof *l->pair)) return NULL;
    l->pair = array;
    l->pair[l->pairs] = (struct pair_slot){.pair = pair};
    *slot = (uint32_t)++l->pairs;
    return &l->pair[l->pairs - 1];
}

/* The pair occurs `by` times more in the word. */
static void change_count(struct learner *l, int32_t left, int32_t right, int64_t by, size_t word) {
    struct pair_slot *pair = pair_of(l, (struct merge_pair){left, right});
    if (!pair) {
        l->failed = true;
        return;
    }
    pair->count += by;
    if (by < 0 || (pair->wheres && pair->where[pair->wheres - 1] == word)) return;
    if (pair->wheres == pair->room) {
        uint32_t room = pair->room ? 2 * pair->room : 4;
        uint32_t *where = realloc(pair->where, room * sizeof *where);
        if (!where) {
            l->failed = true;
            return;
        }
        pair->where = where;
        pair->room = room;
    }
    pair->where[pair->wheres++] = (uint32_t)word;
}

/* ---- the heap ---- */

/* Bytes by their rank, then symbols by their age. */
static int64_t order_of(const struct learner *l, int32_t symbol) {
    return symbol < 256 ? l->rank[symbol] : symbol;
}

static bool comes_before(const struct learner *l, const struct heap_entry *a, const struct heap_entry *b) {
    if (a->count != b->count) return a->count > b->count;
    const struct merge_pair *p = &l->pair[a->slot_of].pair, *q = &l->pair[b->slot_of].pair;
    if (p->left != q->left) return order_of(l, p->left) < order_of(l, q->left);
    return order_of(l, p->right) < order_of(l, q->right);
}

static void swap_entries(struct heap_entry *a, struct heap_entry *b) {
    struct heap_entry kept = *a;
    *a = *b;
    *b = kept;
}

static void heap_push(struct learner *l, size_t pair) {
    void *array = l->heap;
    if (!grow(&array, &l->heap_room, l->entries, sizeof *l->heap)) {
        l->failed = true;
        return;
    }
    l->heap = array;
    size_t at = l->entries++;
    l->heap[at] = (struct heap_entry){l->pair[pair].count, pair};
    for (; at && comes_before(l, &l->heap[at], &l->heap[(at - 1) / 2]); at = (at - 1) / 2)
        swap_entries(&l->heap[at], &l->heap[(at - 1) / 2]);
}

static struct heap_entry heap_pop(struct learner *l) {
    struct heap_entry top = l->heap[0];
    l->heap[0] = l->heap[--l->entries];
    for (size_t at = 0, child; (child = 2 * at + 1) < l->entries; at = child) {
        if (child + 1 < l->entries && comes_before(l, &l->heap[child + 1], &l->heap[child])) child++;
        if (!comes_before(l, &l->heap[child], &l->heap[at])) break;
        swap_entries(&l->heap[at], &l->heap[child]);
    }
    return top;
}

/* The pair that is to be joined next; false when none occurs twice. */
static bool next_pair(struct learner *l, size_t *pair) {
    while (l->entries) {
        struct heap_entry top = heap_pop(l);
        if (top.count == l->pair[top.slot_of].count) {
            *pair = top.slot_of;
            return top.count >= 2;
        }
        if (l->pair[top.slot_of].count >= 2) heap_push(l, top.slot_of);
    }
    return false;
}

/* ---- merging ---- */

/* The symbol with these bytes; -1: none. Linear, but only merges ask. */
static int32_t find_symbol(const struct merges *merges, const struct merge_symbol *symbol) {
    for (int i = 256; i < merges->symbols; i++)
        if (merges->symbol[i].bytes == symbol->bytes &&
            !memcmp(merges->symbol[i].byte, symbol->byte, symbol->bytes))
            return i;
    return -1;
}

/* -1: it would be too long. */
static int32_t join_symbols(struct merges *merges, struct merge_pair pair) {
    const struct merge_symbol *left = &merges->symbol[pair.left], *right = &merges->symbol[pair.right];
    struct merge_symbol joined = *left;
    if (left->bytes + right->bytes > MERGE_SYMBOL_BYTES) return -1;
    memcpy(joined.byte + left->bytes, right->byte, right->bytes);
    joined.bytes = (uint8_t)(left->bytes + right->bytes);
    merges->pair[merges->pairs++] = pair;
    int32_t found = find_symbol(merges, &joined);
    if (found >= 0) return found;
    merges->symbol[merges->symbols] = joined;
    return merges->symbols++;
}

/* Joins the pair wherever it stands in the word, from left to right; counts of the neighbours follow. */
static void join_in_word(struct learner *l, size_t index, struct merge_pair pair, int32_t joined) {
    struct word *word = &l->word[index];
    int32_t *s = l->symbol + word->begin;
    uint32_t out = 0;
    for (uint32_t i = 0; i < word->symbols; i++, out++) {
        if (i + 1 >= word->symbols || s[i] != pair.left || s[i + 1] != pair.right) {
            s[out] = s[i];
            continue;
        }
        if (out) {
            change_count(l, s[out - 1], pair.left, -word->count, index);
            change_count(l, s[out - 1], joined, word->count, index);
        }
        if (i + 2 < word->symbols) {
            change_count(l, pair.right, s[i + 2], -word->count, index);
            change_count(l, joined, s[i + 2], word->count, index);
        }
        s[out] = joined;
        i++;
    }
    word->symbols = out;
}

static void join_everywhere(struct learner *l, size_t index, int32_t joined) {
    struct pair_slot pair = l->pair[index];
    size_t before = l->pairs;
    l->pair[index].where = NULL;
    l->pair[index].wheres = l->pair[index].room = 0;
    for (uint32_t i = 0; i < pair.wheres && !l->failed; i++)
        join_in_word(l, pair.where[i], pair.pair, joined);
    free(pair.where);
    l->pair[index].count = 0;
    for (size_t i = before; i < l->pairs; i++)
        if (l->pair[i].count >= 2) heap_push(l, i);
}

/* ---- all of it ---- */

static bool take_memory(struct learner *l, const struct piece_counts *counts, int most) {
    l->word = calloc(counts->pieces + 1, sizeof *l->word);
    l->symbol = malloc((counts->used + 1) * sizeof *l->symbol);
    l->merges->symbol = calloc((size_t)most + 256, sizeof *l->merges->symbol);
    l->merges->pair = calloc((size_t)most * 2 + 1, sizeof *l->merges->pair);
    return l->word && l->symbol && l->merges->symbol && l->merges->pair && grow_slots(l);
}

static void begin_words(struct learner *l, const struct piece_counts *counts) {
    l->words = counts->pieces;
    for (size_t i = 0; i < counts->used; i++) l->symbol[i] = counts->bytes[i];
    for (size_t w = 0; w < l->words && !l->failed; w++) {
        const struct piece *piece = &counts->piece[w];
        l->word[w] = (struct word){piece->begin, piece->bytes, piece->count};
        for (size_t i = piece->begin; i + 1 < piece->begin + piece->bytes; i++)
            change_count(l, l->symbol[i], l->symbol[i + 1], piece->count, w);
    }
    for (size_t i = 0; i < l->pairs; i++) heap_push(l, i);
}

static void learn(struct learner *l, int most) {
    struct merges *merges = l->merges;
    size_t pair;
    while (!l->failed && merges->symbols < most && merges->pairs < 2 * most && next_pair(l, &pair)) {
        int32_t joined = join_symbols(merges, l->pair[pair].pair);
        if (joined >= 0) join_everywhere(l, pair, joined);
    }
    for (size_t w = 0; w < l->words; w++) merges->ids += l->word[w].symbols * l->word[w].count;
}

enum status merges_learn(struct merges *merges, const struct piece_counts *counts, const uint8_t rank[256],
                         int most) {
    struct learner l = {.merges = merges, .rank = rank};
    *merges = (struct merges){0};
    l.failed = !take_memory(&l, counts, most);
    if (!l.failed) {
        for (int b = 0; b < 256; b++) merges->symbol[b] = (struct merge_symbol){{(unsigned char)b}, 1};
        merges->symbols = 256;
        begin_words(&l, counts);
        learn(&l, most);
    }
    for (size_t i = 0; i < l.pairs; i++) free(l.pair[i].where);
    free(l.pair);
    free(l.slot);
    free(l.heap);
    free(l.word);
    free(l.symbol);
    return l.failed ? fail(STATUS_MEMORY, "no memory to learn merges from %zu pieces", counts->pieces)
                    : STATUS_OK;
}

void merges_free(struct merges *merges) {
    free(merges->symbol);
    free(merges->pair);
    *merges = (struct merges){0};
}
