/* vocabulary.h - token ids and their bytes, in both directions.
 *
 * Byte-level tokenizers write a token's bytes in an alphabet of 256 printable characters; here tokens are
 * held as the bytes themselves. Added tokens are held as their text. Built by one thread, then immutable. */
#ifndef HADAL_TEXT_VOCABULARY_H
#define HADAL_TEXT_VOCABULARY_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VOCABULARY_IDS = 1 << 22,         /* a file may not name ids from here on */
    VOCABULARY_TOKEN_BYTES = 1 << 16, /* nor have longer tokens */
    VOCABULARY_BYTES = 1 << 28,       /* nor more text in all */
};

enum {
    TOKEN_PRESENT = 1,
    TOKEN_BYTES = 2, /* merges can make it from bytes; found by vocabulary_find */
    TOKEN_ADDED = 4,
    TOKEN_SPECIAL = 8
};

struct token {
    uint32_t offset, bytes;
    uint8_t flags;
};

struct vocabulary {
    struct token *token; /* [tokens] */
    int32_t tokens;      /* one more than the largest id */
    int32_t token_capacity;
    char *pool;
    size_t pool_bytes, pool_capacity;
    int32_t *slot; /* hash table over the tokens with TOKEN_BYTES; -1: free */
    uint32_t slots, used;
    uint64_t seed;
};

must_use enum status vocabulary_open(struct vocabulary *vocabulary, size_t expected);
void vocabulary_close(struct vocabulary *vocabulary);

/* A new id. Sentences begin with `origin`. An id given twice is refused, as are two with TOKEN_BYTES and the same bytes. */
must_use enum status vocabulary_put(struct vocabulary *vocabulary, int64_t id, const char *text, size_t bytes,
                                    unsigned flags, const char *origin);

/* Makes a token that was put without TOKEN_BYTES one that has it. */
must_use enum status vocabulary_index(struct vocabulary *vocabulary, int32_t id);

/* The id of the token with TOKEN_BYTES and these bytes; -1: none. */
int32_t vocabulary_find(const struct vocabulary *vocabulary, const unsigned char *bytes, size_t count);

static inline const struct token *vocabulary_token(const struct vocabulary *vocabulary, int32_t id) {
    if (id < 0 || id >= vocabulary->tokens || !(vocabulary->token[id].flags & TOKEN_PRESENT)) return NULL;
    return &vocabulary->token[id];
}
static inline const char *token_text(const struct vocabulary *vocabulary, const struct token *token) {
    return vocabulary->pool + token->offset;
}

/* The bytes that a token in the printable alphabet stands for; false when it has any other character. out[bytes] must
 * have room; *written is at most `bytes`. */
bool alphabet_decode(const char *text, size_t bytes, unsigned char *out, size_t *written);

/* For hash tables over what a file says: a file cannot foresee it. */
uint64_t hash_seed(void);

#endif
