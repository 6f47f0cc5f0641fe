/* tokenizer.c - encoding: added tokens, normalisation, pieces, merges. See tokenizer.h.
 *
 * All state of an encoding lives in one struct encoder on the caller's stack, so a tokenizer serves any number
 * of threads. The subtlety is the cache of pieces: an entry points at the first place in the text where the piece stood
 * and at the ids that were appended for it, or holds both itself when they are short; it never owns memory.
 */
#define XXH_INLINE_ALL
#include "text/tokenizer.h"

#include "base/bytes.h"
#include "text/token_push.h"
#include "text/tokenizer_parts.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ------- token lists */

enum status token_list_append(struct token_list *list, int32_t id) {
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? list->capacity * 2 : 256, bytes;
        int32_t *grown =
            multiply_size_fits(capacity, sizeof *grown, &bytes) ? realloc(list->id, bytes) : NULL;
        if (!grown) return fail(STATUS_MEMORY, "no memory for %zu tokens", capacity);
        list->id = grown;
        list->capacity = capacity;
    }
    list->id[list->count++] = id;
    return STATUS_OK;
}

void token_list_free(struct token_list *list) {
    free(list->id);
    *list = (struct token_list){0};
}

/* ------- the cache of pieces */

/* Two numbers that identify a piece of up to 16 bytes together with its length; of longer ones a hash. */
struct piece_key {
    uint64_t low, high;
};

enum { CACHE_LEAST = 64, CACHE_MOST = 1 << 16, CACHE_WAYS = 2, SELF_DESCRIBING = 16, INLINE_IDS = 2 };

/* 32 bytes. Few ids stand in the entry itself, so that a hit touches one cache line. */
struct cached_piece {
    struct piece_key key;
    union {
        const unsigned char *text; /* of a piece that its key does not describe: where it stood first */
        int32_t id[INLINE_IDS];    /* of one that it does, when there are no more */
    };
    uint32_t first;        /* the ids are list->id[first] to [first + count) */
    uint16_t bytes, count; /* bytes 0: free */
};

struct encoder {
    const struct tokenizer *tokenizer;
    struct token_list *list;
    struct arena arena; /* normalised text */
    struct bpe_scratch scratch;
    struct cached_piece *cache; /* [cache_mask + 1] */
    size_t cache_mask;
};

/* Sized to the text: a chat message does not pay for clearing a big table. */
static enum status open_cache(struct encoder *encoder, size_t text_bytes) {
    size_t entries = CACHE_LEAST;
    while (entries < CACHE_MOST && entries < text_bytes / 8) entries *= 2;
    encoder->cache = calloc(entries, sizeof *encoder->cache);
    if (!encoder->cache) return fail(STATUS_MEMORY, "no memory to encode text");
    encoder->cache_mask = entries - 1;
    return STATUS_OK;
}

static inline struct piece_key key_of(const unsigned char *piece, size_t bytes) {
    if (bytes > SELF_DESCRIBING) return (struct piece_key){XXH3_64bits(piece, bytes), bytes};
    if (bytes >= 8) return (struct piece_key){read_u64(piece), read_u64(piece + bytes - 8)};
    if (bytes >= 4) return (struct piece_key){read_u32(piece), read_u32(piece + bytes - 4)};
    return (struct piece_key){piece[0] | (uint64_t)piece[bytes / 2] << 8 | (uint64_t)piece[bytes - 1] << 16,
                              0};
}

static inline struct cached_piece *ways_of(const struct encoder *encoder, struct piece_key key,
                                           size_t bytes) {
    uint64_t mixed = (key.low ^ bytes << 56) * 0x9E3779B97F4A7C15u ^ key.high;
    mixed = (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93u;
    return &encoder->cache[mixed >> 32 & encoder->cache_mask & ~(size_t)(CACHE_WAYS - 1)];
}

static inline bool is_piece(const struct cached_piece *entry, struct piece_key key,
                            const unsigned char *piece, size_t bytes) {
    if (entry->key.low != key.low || entry->key.high != key.high || entry->bytes != bytes) return false;
    return bytes <= SELF_DESCRIBING || !memcmp(entry->text, piece, bytes);
}

static inline enum status repeat_ids(struct token_list *list, const struct cached_piece *entry) {
    bool in_entry = entry->bytes <= SELF_DESCRIBING && entry->count <= INLINE_IDS;
    for (size_t i = 0; i < entry->count; i++)
        TRY(token_push(list, in_entry ? entry->id[i] : list->id[entry->first + i]));
    return STATUS_OK;
}

static enum status encode_new_piece(struct encoder *encoder, struct cached_piece *entry, struct piece_key key,
                                    const unsigned char *piece, size_t bytes) {
    const struct tokenizer *tokenizer = encoder->tokenizer;
    struct token_list *list = encoder->list;
    size_t first = list->count;
    TRY(bpe_encode(&tokenizer->bpe, &tokenizer->vocabulary, &encoder->scratch, piece, bytes, list));
    if (bytes > UINT16_MAX || first > UINT32_MAX) return STATUS_OK;
    *entry = (struct cached_piece){.key = key,
                                   .first = (uint32_t)first,
                                   .bytes = (uint16_t)bytes,
                                   .count = (uint16_t)(list->count - first)};
    if (bytes > SELF_DESCRIBING)
        entry->text = piece;
    else if (entry->count && entry->count <= INLINE_IDS)
        memcpy(entry->id, list->id + first, entry->count * sizeof entry->id[0]);
    return STATUS_OK;
}

/* Two ways: a new piece goes to the second, a hit there moves to the first, so frequent pieces stay. */
static enum status encode_piece(void *context, const unsigned char *piece, size_t bytes) {
    struct encoder *encoder = context;
    struct piece_key key = key_of(piece, bytes);
    struct cached_piece *way = ways_of(encoder, key, bytes);
    if (is_piece(&way[0], key, piece, bytes)) return repeat_ids(encoder->list, &way[0]);
    if (is_piece(&way[1], key, piece, bytes)) {
        struct cached_piece hit = way[1];
        way[1] = way[0];
        way[0] = hit;
        return repeat_ids(encoder->list, &hit);
    }
    return encode_new_piece(encoder, way[0].bytes ? &way[1] : &way[0], key, piece, bytes);
}

/* ------- text */

static enum status encode_words(struct encoder *encoder, const char *text, size_t bytes) {
    if (!bytes) return STATUS_OK;
    return pretokenizer_run(encoder->tokenizer->pretokenizer, (const unsigned char *)text, bytes,
                            &encoder->arena, encode_piece, encoder);
}

static struct added_search search_of(const struct encoder *encoder, const struct added_tokens *set,
                                     const char *text, size_t bytes) {
    return (struct added_search){.set = set,
                                 .classes = pretokenizer_classes(encoder->tokenizer->pretokenizer),
                                 .text = (const unsigned char *)text,
                                 .bytes = bytes};
}

/* Text without added tokens that are looked for before normalisation. */
static enum status encode_normalized(struct encoder *encoder, const char *text, size_t bytes,
                                     enum tokenize_mode mode) {
    const struct tokenizer *tokenizer = encoder->tokenizer;
    struct added_match match;
    size_t done = 0;
    TRY(normalize(tokenizer->form, pretokenizer_classes(tokenizer->pretokenizer), &encoder->arena, text,
                  bytes, &text, &bytes));
    struct added_search search = search_of(encoder, &tokenizer->normalized, text, bytes);
    while (mode == TOKENIZE_SPECIAL && added_tokens_next(&search, &match)) {
        TRY(encode_words(encoder, text + done, match.begin - done));
        TRY(token_push(encoder->list, match.token->id));
        done = match.end;
    }
    return encode_words(encoder, text + done, bytes - done);
}

static enum status encode_text(struct encoder *encoder, const char *text, size_t bytes,
                               enum tokenize_mode mode) {
    struct added_search search = search_of(encoder, &encoder->tokenizer->raw, text, bytes);
    struct added_match match;
    size_t done = 0;
    while (mode == TOKENIZE_SPECIAL && added_tokens_next(&search, &match)) {
        TRY(encode_normalized(encoder, text + done, match.begin - done, mode));
        TRY(token_push(encoder->list, match.token->id));
        done = match.end;
    }
    return encode_normalized(encoder, text + done, bytes - done, mode);
}

static enum status encode_any_bytes(struct encoder *encoder, const char *text, size_t bytes,
                                    enum tokenize_mode mode) {
    if (utf8_valid_bytes(text, bytes) == bytes) return encode_text(encoder, text, bytes, mode);
    struct buffer repaired = {.limit = SIZE_MAX / 2};
    utf8_repair(&repaired, text, bytes);
    enum status status = buffer_check(&repaired, "text");
    if (status == STATUS_OK) status = encode_text(encoder, repaired.data, repaired.bytes, mode);
    buffer_free(&repaired);
    return status;
}

enum status tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t bytes,
                             enum tokenize_mode mode, struct token_list *list) {
    struct encoder encoder = {.tokenizer = tokenizer, .list = list};
    size_t before = list->count;
    if (!bytes) return STATUS_OK;
    enum status status = open_cache(&encoder, bytes);
    if (status == STATUS_OK) status = encode_any_bytes(&encoder, text, bytes, mode);
    if (status != STATUS_OK) list->count = before;
    free(encoder.cache);
    bpe_scratch_free(&encoder.scratch);
    arena_free(&encoder.arena);
    return status;
}

/* ------- questions */

int32_t tokenizer_vocabulary(const struct tokenizer *tokenizer) {
    return tokenizer->vocabulary.tokens;
}
int32_t tokenizer_bos(const struct tokenizer *tokenizer) {
    return tokenizer->bos;
}
int32_t tokenizer_eos(const struct tokenizer *tokenizer) {
    return tokenizer->eos;
}
bool tokenizer_adds_bos(const struct tokenizer *tokenizer) {
    return tokenizer->adds_bos;
}

int32_t tokenizer_find(const struct tokenizer *tokenizer, const char *token) {
    const struct added_token *found = added_tokens_find(&tokenizer->raw, token, strlen(token));
    if (!found) found = added_tokens_find(&tokenizer->normalized, token, strlen(token));
    return found ? found->id : -1;
}

static unsigned flags_of(const struct tokenizer *tokenizer, int32_t id) {
    const struct token *token = vocabulary_token(&tokenizer->vocabulary, id);
    return token ? token->flags : 0;
}

bool tokenizer_is_special(const struct tokenizer *tokenizer, int32_t id) {
    return flags_of(tokenizer, id) & TOKEN_SPECIAL;
}
bool tokenizer_is_added(const struct tokenizer *tokenizer, int32_t id) {
    return flags_of(tokenizer, id) & TOKEN_ADDED;
}

const char *tokenizer_bytes(const struct tokenizer *tokenizer, int32_t id, size_t *bytes) {
    const struct token *token = vocabulary_token(&tokenizer->vocabulary, id);
    *bytes = token ? token->bytes : 0;
    return token ? token_text(&tokenizer->vocabulary, token) : "";
}
