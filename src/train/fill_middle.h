/* fill_middle.h - a text with its middle at the end, so that a model learns to write what is missing between two parts. */
#ifndef HADAL_TRAIN_FILL_MIDDLE_H
#define HADAL_TRAIN_FILL_MIDDLE_H

#include "text/tokenizer.h"

struct middle_tokens { /* ids of the tokenizer; -1: it has none */
    int32_t begin, hole, end;
};
/* DeepSeek-V3's and -Coder's. */
struct middle_tokens middle_tokens_of(const struct tokenizer *tokenizer);

/* Appends begin, prefix, hole, suffix, end, middle (arXiv 2207.14255, prefix first). Where the text is cut follows from
 * `seed` and `number`; false in *done, and nothing appended, for texts that `rate` leaves alone. */
must_use enum status fill_middle(const struct tokenizer *tokenizer, const char *text, size_t bytes,
                                 double rate, uint64_t seed, uint64_t number, struct token_list *list,
                                 bool *done);

#endif
