/* tokenizer_parts.h - what a tokenizer is made of, and the steps that both loaders build it by; shared by the
 * tokenizer*.c files only. */
#ifndef HADAL_TEXT_TOKENIZER_PARTS_H
#define HADAL_TEXT_TOKENIZER_PARTS_H

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/normalize.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

struct tokenizer {
    struct vocabulary vocabulary;
    struct bpe bpe;
    enum normal_form form;
    struct pretokenizer *pretokenizer;
    struct added_tokens raw;        /* looked for in the text as it comes */
    struct added_tokens normalized; /* looked for in the normalised text */
    int32_t bos, eos;               /* -1: none */
    bool adds_bos;
};

/* An empty tokenizer with room for about so many tokens and merges. */
must_use enum status tokenizer_create(struct tokenizer **tokenizer, size_t tokens, size_t merges,
                                      const char *origin);

/* Enters an added token into the vocabulary and the set that it is looked for in. Needs the pre-tokenizer. */
must_use enum status tokenizer_add_token(struct tokenizer *tokenizer, const struct added_token *token,
                                         int64_t id, bool normalized, bool special, const char *origin);

/* Only lets it be found in text. */
must_use enum status tokenizer_add_to_text(struct tokenizer *tokenizer, const struct added_token *token,
                                           bool normalized);

/* Enters a token of the model, written in the byte alphabet. Added tokens come first: where one has this id and is special,
 * or has another text, bytes cannot make the token, so that plain text never turns into a control token. */
must_use enum status tokenizer_add_model_token(struct tokenizer *tokenizer, int64_t id, const char *text,
                                               size_t bytes, const char *origin);

/* Enters the merge of two tokens, written in the byte alphabet. *known is false when the vocabulary lacks one of them or
 * their result; nothing is entered then. */
must_use enum status tokenizer_add_merge(struct tokenizer *tokenizer, const char *left, size_t left_bytes,
                                         const char *right, size_t right_bytes, size_t rank, bool *known);
/* "a b": sets the parts; false when there are not two. */
bool merge_split(const char *text, size_t bytes, const char **right, size_t *left_bytes, size_t *right_bytes);

/* After everything is entered. */
void tokenizer_seal(struct tokenizer *tokenizer);

/* Hands over a finished tokenizer, or closes it when `status` is a failure. Returns status. */
must_use enum status tokenizer_give(struct tokenizer **result, struct tokenizer *tokenizer,
                                    enum status status);

#endif
