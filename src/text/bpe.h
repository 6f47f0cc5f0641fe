/* bpe.h - byte-pair merges: the bytes of one piece to token ids.
 *
 * Of all neighbouring pairs that have a merge, the one of the lowest rank is joined, the leftmost of equals, until none
 * is left. Short pieces search for it, long ones keep the pairs in a heap: n log n for any piece. The tables are
 * immutable once built; each caller brings its own scratch. */
#ifndef HADAL_TEXT_BPE_H
#define HADAL_TEXT_BPE_H

#include "text/tokenizer.h"
#include "text/vocabulary.h"

struct merge_slot {      /* 16 bytes: a lookup touches one cache line */
    int32_t left, right; /* left -1: free */
    uint32_t rank;
    int32_t merged;
};

struct bpe {
    struct merge_slot *slot;
    int shift; /* of the hash: 64 - log2(slots) */
    uint64_t multiplier;
    uint32_t used;
    int32_t byte_token[256]; /* -1: no token for that byte */
    int32_t unknown;         /* stands for bytes without a token; -1: they vanish */
    bool fuses_unknown;      /* one for a run of them */
    bool whole_words;        /* a piece that is a token is that token */
};

struct bpe_scratch {
    struct bpe_symbol *symbol;
    uint64_t *heap;
    size_t capacity, entries;
};

must_use enum status bpe_open(struct bpe *bpe, size_t expected_merges);
void bpe_close(struct bpe *bpe);
/* A later merge of the same pair replaces an earlier one, as in the reference. */
must_use enum status bpe_put(struct bpe *bpe, int32_t left, int32_t right, uint32_t rank, int32_t merged);
/* After the vocabulary is complete. */
void bpe_find_bytes(struct bpe *bpe, const struct vocabulary *vocabulary);

must_use enum status bpe_encode(const struct bpe *bpe, const struct vocabulary *vocabulary,
                                struct bpe_scratch *scratch, const unsigned char *piece, size_t bytes,
                                struct token_list *list);
/* The part of bpe_encode for long pieces, for any length: the tests compare it with the short one. */
must_use enum status bpe_encode_long(const struct bpe *bpe, struct bpe_scratch *scratch,
                                     const unsigned char *piece, size_t bytes, struct token_list *list);
void bpe_scratch_free(struct bpe_scratch *scratch);

#endif
