/* tokenizer_train.h - makes a byte-level BPE tokenizer from texts: tokenizer.json and tokenizer_config.json as Hugging Face's
 * libraries and text/tokenizer.h read them.
 *
 * Texts are cut into pieces as DeepSeek-V3 cuts them; equal pieces are counted once. The most frequent pair of neighbours
 * becomes a token, ties going to the smaller ids, until there are enough: what comes out depends on the texts alone.
 * Owned by one thread. */
#ifndef HADAL_TRAIN_TOKENIZER_TRAIN_H
#define HADAL_TRAIN_TOKENIZER_TRAIN_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct tokenizer_train_options {
    const char *const
        *data; /* as corpus_add() takes them; every string of a line counts, roles and such apart */
    int datas;
    const char *const *special; /* further control tokens, behind those of the chat templates */
    int specials;
    int tokens;      /* control tokens, bytes and merges together */
    int digits;      /* in one piece, 1 to 3 */
    int64_t context; /* model_max_length */
    const char *output;
    bool (*progress)(void *context, int64_t bytes); /* of text read; false: stop. NULL allowed */
    void *progress_context;
};

struct tokenizer_train_result {
    int64_t bytes, pieces, different; /* of text; pieces in all and different ones */
    int64_t ids;                      /* that the texts become */
    int tokens;                       /* fewer than wanted where no pair occurs twice any more */
};

must_use enum status tokenizer_train(const struct tokenizer_train_options *options,
                                     struct tokenizer_train_result *result);

#endif
