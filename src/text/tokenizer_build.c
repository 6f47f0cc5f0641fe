/* tokenizer_build.c - the steps of tokenizer_parts.h; one thread builds a tokenizer. */
#include "text/tokenizer_parts.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

enum { ADDED_TOKEN_BYTES = 1024 }; /* bounds the work per place in the text */

enum status tokenizer_create(struct tokenizer **result, size_t tokens, size_t merges, const char *origin) {
    struct tokenizer *tokenizer = *result = calloc(1, sizeof *tokenizer);
    if (!tokenizer) return fail(STATUS_MEMORY, "%s: no memory for the tokenizer", origin);
    tokenizer->bos = tokenizer->eos = -1;
    enum status status = vocabulary_open(&tokenizer->vocabulary, tokens);
    if (status == STATUS_OK) status = bpe_open(&tokenizer->bpe, merges);
    return tokenizer_give(result, tokenizer, status);
}

void tokenizer_close(struct tokenizer *tokenizer) {
    if (!tokenizer) return;
    vocabulary_close(&tokenizer->vocabulary);
    bpe_close(&tokenizer->bpe);
    pretokenizer_close(tokenizer->pretokenizer);
    added_tokens_free(&tokenizer->raw);
    added_tokens_free(&tokenizer->normalized);
    free(tokenizer);
}

enum status tokenizer_give(struct tokenizer **result, struct tokenizer *tokenizer, enum status status) {
    if (status != STATUS_OK) {
        tokenizer_close(tokenizer);
        tokenizer = NULL;
    }
    *result = tokenizer;
    return status;
}

static enum status add_to_normalized(struct tokenizer *tokenizer, const struct added_token *token) {
    struct arena arena = {0};
    struct added_token changed = *token;
    const char *content;
    enum status status = normalize(tokenizer->form, pretokenizer_classes(tokenizer->pretokenizer), &arena,
                                   token->content, token->bytes, &content, &changed.bytes);
    changed.content = (char *)content; /* copied by the set */
    if (status == STATUS_OK && changed.bytes) status = added_tokens_append(&tokenizer->normalized, &changed);
    arena_free(&arena);
    return status;
}

enum status tokenizer_add_to_text(struct tokenizer *tokenizer, const struct added_token *token,
                                  bool normalized) {
    if (!token->bytes) return STATUS_OK;
    return normalized ? add_to_normalized(tokenizer, token) : added_tokens_append(&tokenizer->raw, token);
}

static bool has_text(const struct vocabulary *vocabulary, const struct token *token, const void *text,
                     size_t bytes) {
    return token->bytes == bytes && !memcmp(token_text(vocabulary, token), text, bytes);
}

enum status tokenizer_add_token(struct tokenizer *tokenizer, const struct added_token *token, int64_t id,
                                bool normalized, bool special, const char *origin) {
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    const struct token *known = id < VOCABULARY_IDS ? vocabulary_token(vocabulary, (int32_t)id) : NULL;
    if (token->bytes > ADDED_TOKEN_BYTES)
        return fail(STATUS_LIMIT, "%s: added token %lld has %zu bytes, at most %d are allowed", origin,
                    (long long)id, token->bytes, ADDED_TOKEN_BYTES);
    if (known && has_text(vocabulary, known, token->content, token->bytes)) return STATUS_OK;
    TRY(vocabulary_put(vocabulary, id, token->content, token->bytes,
                       TOKEN_ADDED | (special ? TOKEN_SPECIAL : 0u), origin));
    struct added_token entered = *token;
    entered.id = (int32_t)id;
    return tokenizer_add_to_text(tokenizer, &entered, normalized);
}

enum status tokenizer_add_model_token(struct tokenizer *tokenizer, int64_t id, const char *text, size_t bytes,
                                      const char *origin) {
    struct vocabulary *vocabulary = &tokenizer->vocabulary;
    unsigned char decoded[VOCABULARY_TOKEN_BYTES];
    size_t count;
    if (bytes > VOCABULARY_TOKEN_BYTES)
        return fail(STATUS_LIMIT, "%s: token %lld has %zu bytes, at most %d are allowed", origin,
                    (long long)id, bytes, VOCABULARY_TOKEN_BYTES);
    bool plain = alphabet_decode(text, bytes, decoded, &count);
    const struct token *known =
        id >= 0 && id < VOCABULARY_IDS ? vocabulary_token(vocabulary, (int32_t)id) : NULL;
    if (!known || !(known->flags & TOKEN_ADDED))
        return vocabulary_put(vocabulary, id, plain ? (const char *)decoded : text, plain ? count : bytes,
                              plain ? TOKEN_BYTES : 0, origin);
    if (known->flags & (TOKEN_SPECIAL | TOKEN_BYTES) || !plain ||
        !has_text(vocabulary, known, decoded, count))
        return STATUS_OK;
    if (vocabulary_find(vocabulary, decoded, count) >= 0) return STATUS_OK;
    return vocabulary_index(vocabulary, (int32_t)id);
}

bool merge_split(const char *text, size_t bytes, const char **right, size_t *left_bytes,
                 size_t *right_bytes) {
    const char *space = memchr(text, ' ', bytes);
    if (!space) return false;
    *right = space + 1;
    *left_bytes = (size_t)(space - text);
    *right_bytes = bytes - *left_bytes - 1;
    return *left_bytes && *right_bytes && !memchr(*right, ' ', *right_bytes);
}

enum status tokenizer_add_merge(struct tokenizer *tokenizer, const char *left, size_t left_bytes,
                                const char *right, size_t right_bytes, size_t rank, bool *known) {
    unsigned char decoded[2 * VOCABULARY_TOKEN_BYTES];
    size_t first, second;
    *known = false;
    if (left_bytes > VOCABULARY_TOKEN_BYTES || right_bytes > VOCABULARY_TOKEN_BYTES) return STATUS_OK;
    if (!alphabet_decode(left, left_bytes, decoded, &first)) return STATUS_OK;
    if (!alphabet_decode(right, right_bytes, decoded + first, &second)) return STATUS_OK;
    int32_t left_id = vocabulary_find(&tokenizer->vocabulary, decoded, first);
    int32_t right_id = vocabulary_find(&tokenizer->vocabulary, decoded + first, second);
    int32_t merged = vocabulary_find(&tokenizer->vocabulary, decoded, first + second);
    if (left_id < 0 || right_id < 0 || merged < 0) return STATUS_OK;
    *known = true;
    return bpe_put(&tokenizer->bpe, left_id, right_id, (uint32_t)rank, merged);
}

void tokenizer_seal(struct tokenizer *tokenizer) {
    bpe_find_bytes(&tokenizer->bpe, &tokenizer->vocabulary);
    added_tokens_sort(&tokenizer->raw);
    added_tokens_sort(&tokenizer->normalized);
}
