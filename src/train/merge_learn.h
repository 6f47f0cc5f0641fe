/* merge_learn.h - byte-pair merges from counted pieces (Sennrich et al., arXiv 1508.07909, on bytes).
 *
 * Symbols 0 to 255 are the bytes, further ones come from merges; two merges with the same bytes give one symbol. Owned
 * by one thread. */
#ifndef HADAL_TRAIN_MERGE_LEARN_H
#define HADAL_TRAIN_MERGE_LEARN_H

#include "train/piece_counts.h"

enum { MERGE_SYMBOL_BYTES = 48 }; /* of the longest token */

struct merge_symbol {
    unsigned char byte[MERGE_SYMBOL_BYTES];
    uint8_t bytes;
};
struct merge_pair {
    int32_t left, right;
};

struct merges {
    struct merge_symbol *symbol; /* [symbols], the bytes first */
    struct merge_pair *pair;     /* [pairs] in their order */
    int symbols, pairs;
    int64_t ids; /* symbols that all texts are made of in the end */
};

/* `rank[byte]` orders the bytes among equals. At most `most` symbols; a pair that occurs once is none. */
must_use enum status merges_learn(struct merges *merges, const struct piece_counts *counts,
                                  const uint8_t rank[256], int most);
void merges_free(struct merges *merges); /* zeroed allowed */

#endif
