/* tokenizer.h - byte-level BPE: text <-> token ids, from tokenizer.json or GGUF keys.
 *
 * A tokenizer is immutable after opening: any number of threads may encode at once, each with its own
 * encoder state inside the call. Ids are the reference tokenizers' ids, exactly. */
#ifndef HADAL_TEXT_TOKENIZER_H
#define HADAL_TEXT_TOKENIZER_H

#include "base/buffer.h"
#include "base/json.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct checkpoint;
struct gguf;
struct gguf_writer;
struct tokenizer;

/* From a parsed tokenizer.json; `origin` names it in sentences. `config` is tokenizer_config.json or NULL
 * (bos/eos tokens, add_bos_token). */
must_use enum status tokenizer_from_json(struct tokenizer **tokenizer, const json_t *root,
                                         const json_t *config, const char *origin);
must_use enum status tokenizer_from_gguf(struct tokenizer **tokenizer, const struct gguf *gguf);
/* From a MODEL as users name it: a Hugging Face directory, the path of a tokenizer.json (or of a config.json beside
 * one), or a .gguf file. Only the tokenizer's part is read. */
must_use enum status tokenizer_open(struct tokenizer **tokenizer, const char *path);

/* What a GGUF file says beside what the tokenizer's own files do. */
struct tokenizer_keys {
    int64_t vocab;      /* tokens that the model has; the list is filled up to them */
    int32_t bos;        /* of the model, where the tokenizer names none; -1: none */
    const int32_t *end; /* tokens that end an answer; the tokenizer's own comes first */
    int ends;
};
/* Writes the tokenizer.ggml.* keys and the chat template of a Hugging Face directory. `pre`: the name that was given to
 * its pre-tokenizer, and whether that cuts text exactly as the directory's does. */
must_use enum status tokenizer_to_gguf(const struct checkpoint *checkpoint, const struct tokenizer_keys *keys,
                                       struct gguf_writer *writer, const char **pre, bool *exact);
void tokenizer_close(struct tokenizer *tokenizer); /* NULL allowed */

struct token_list {
    int32_t *id;
    size_t count, capacity;
};
must_use enum status token_list_append(struct token_list *list, int32_t id);
void token_list_free(struct token_list *list);

enum tokenize_mode {
    TOKENIZE_SPECIAL, /* added tokens in the text become their ids, as the reference tokenizers do */
    TOKENIZE_PLAIN    /* the text is only text: no added token is recognised. For everything a user sent. */
};

/* Appends the ids of `text` (any bytes; invalid UTF-8 is replaced by U+FFFD as the reference does). Never adds bos
 * by itself. Linear in `bytes`. */
must_use enum status tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t bytes,
                                      enum tokenize_mode mode, struct token_list *list);

int32_t tokenizer_vocabulary(const struct tokenizer *tokenizer); /* one more than the largest id */
int32_t tokenizer_bos(const struct tokenizer *tokenizer);        /* -1: none */
int32_t tokenizer_eos(const struct tokenizer *tokenizer);        /* -1: none */
bool tokenizer_adds_bos(const struct tokenizer *tokenizer);      /* add_bos_token */
int32_t tokenizer_find(const struct tokenizer *tokenizer,
                       const char *token); /* id of an added token by content; -1 */
bool tokenizer_is_special(const struct tokenizer *tokenizer,
                          int32_t id); /* the "special" flag: hidden from output */
bool tokenizer_is_added(const struct tokenizer *tokenizer, int32_t id);

/* The bytes of one token, unterminated, valid while the tokenizer lives; an unknown id gives 0 bytes. Added tokens give
 * their content. */
const char *tokenizer_bytes(const struct tokenizer *tokenizer, int32_t id, size_t *bytes);

/* Streaming detokenisation: holds back the bytes of an unfinished UTF-8 character. */
struct detokenizer {
    const struct tokenizer *tokenizer;
    bool show_special; /* print tokens whose special flag is set */
    unsigned char held[4];
    int held_bytes;
};
/* Appends what token `id` completes to `out`. Bytes that can never become a character turn into U+FFFD. */
void detokenizer_push(struct detokenizer *detokenizer, int32_t id, struct buffer *out);
void detokenizer_finish(struct detokenizer *detokenizer,
                        struct buffer *out); /* an unfinished tail becomes U+FFFD */

#endif
