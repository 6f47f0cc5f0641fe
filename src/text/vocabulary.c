/* vocabulary.c - see vocabulary.h. */
#define XXH_INLINE_ALL
#include "text/vocabulary.h"

#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

uint64_t hash_seed(void) {
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) seed = 0x9E3779B97F4A7C15u;
    return seed;
}

static uint32_t first_slot(const struct vocabulary *vocabulary, const unsigned char *bytes, size_t count) {
    return (uint32_t)XXH3_64bits_withSeed(bytes, count, vocabulary->seed) & (vocabulary->slots - 1);
}

static enum status open_slots(struct vocabulary *vocabulary, uint32_t slots) {
    vocabulary->slot = malloc((size_t)slots * sizeof *vocabulary->slot);
    if (!vocabulary->slot) return fail(STATUS_MEMORY, "no memory for the vocabulary");
    memset(vocabulary->slot, 0xFF, (size_t)slots * sizeof *vocabulary->slot);
    vocabulary->slots = slots;
    vocabulary->used = 0;
    return STATUS_OK;
}

enum status vocabulary_open(struct vocabulary *vocabulary, size_t expected) {
    uint32_t slots = 1024;
    *vocabulary = (struct vocabulary){.seed = hash_seed()};
    while (slots < 2 * expected && slots < 2u * VOCABULARY_IDS) slots *= 2;
    return open_slots(vocabulary, slots);
}

void vocabulary_close(struct vocabulary *vocabulary) {
    free(vocabulary->token);
    free(vocabulary->pool);
    free(vocabulary->slot);
    *vocabulary = (struct vocabulary){0};
}

int32_t vocabulary_find(const struct vocabulary *vocabulary, const unsigned char *bytes, size_t count) {
    for (uint32_t at = first_slot(vocabulary, bytes, count);; at = (at + 1) & (vocabulary->slots - 1)) {
        int32_t id = vocabulary->slot[at];
        if (id < 0) return -1;
        const struct token *token = &vocabulary->token[id];
        if (token->bytes == count && !memcmp(token_text(vocabulary, token), bytes, count)) return id;
    }
}

static void insert(struct vocabulary *vocabulary, int32_t id) {
    const struct token *token = &vocabulary->token[id];
    uint32_t at = first_slot(vocabulary, (const unsigned char *)token_text(vocabulary, token), token->bytes);
    while (vocabulary->slot[at] >= 0) at = (at + 1) & (vocabulary->slots - 1);
    vocabulary->slot[at] = id;
    vocabulary->used++;
}

static enum status grow_slots(struct vocabulary *vocabulary) {
    if (vocabulary->used < vocabulary->slots / 2) return STATUS_OK;
    int32_t *old = vocabulary->slot;
    uint32_t slots = vocabulary->slots;
    enum status status = open_slots(vocabulary, slots * 2);
    if (status != STATUS_OK) {
        vocabulary->slot = old;
        return status;
    }
    for (uint32_t i = 0; i < slots; i++)
        if (old[i] >= 0) insert(vocabulary, old[i]);
    free(old);
    return STATUS_OK;
}

static enum status grow_tokens(struct vocabulary *vocabulary, int32_t id) {
    if (id < vocabulary->tokens) return STATUS_OK;
    if (id >= vocabulary->token_capacity) {
        int32_t capacity = vocabulary->token_capacity ? vocabulary->token_capacity : 1024;
        while (capacity <= id) capacity *= 2;
        struct token *token = realloc(vocabulary->token, (size_t)capacity * sizeof *token);
        if (!token) return fail(STATUS_MEMORY, "no memory for the vocabulary");
        vocabulary->token = token;
        vocabulary->token_capacity = capacity;
    }
    memset(vocabulary->token + vocabulary->tokens, 0,
           (size_t)(id + 1 - vocabulary->tokens) * sizeof *vocabulary->token);
    vocabulary->tokens = id + 1;
    return STATUS_OK;
}

static enum status pool_append(struct vocabulary *vocabulary, const char *text, size_t bytes,
                               const char *origin) {
    size_t need = vocabulary->pool_bytes + bytes;
    if (need > VOCABULARY_BYTES)
        return fail(STATUS_LIMIT, "%s: the tokens have more than %d bytes", origin, VOCABULARY_BYTES);
    if (need > vocabulary->pool_capacity) {
        size_t capacity = vocabulary->pool_capacity ? vocabulary->pool_capacity : 65536;
        while (capacity < need) capacity *= 2;
        char *pool = realloc(vocabulary->pool, capacity);
        if (!pool) return fail(STATUS_MEMORY, "no memory for the vocabulary");
        vocabulary->pool = pool;
        vocabulary->pool_capacity = capacity;
    }
    if (bytes) memcpy(vocabulary->pool + vocabulary->pool_bytes, text, bytes);
    vocabulary->pool_bytes = need;
    return STATUS_OK;
}

enum status vocabulary_put(struct vocabulary *vocabulary, int64_t id, const char *text, size_t bytes,
                           unsigned flags, const char *origin) {
    if (id < 0 || id >= VOCABULARY_IDS)
        return fail(STATUS_LIMIT, "%s: token id %lld, allowed are 0 to %d", origin, (long long)id,
                    VOCABULARY_IDS - 1);
    if (bytes > VOCABULARY_TOKEN_BYTES)
        return fail(STATUS_LIMIT, "%s: token %lld has %zu bytes, at most %d are allowed", origin,
                    (long long)id, bytes, VOCABULARY_TOKEN_BYTES);
    TRY(grow_tokens(vocabulary, (int32_t)id));
    if (vocabulary->token[id].flags & TOKEN_PRESENT)
        return fail(STATUS_FORMAT, "%s: token id %lld is given twice", origin, (long long)id);
    int32_t same = flags & TOKEN_BYTES ? vocabulary_find(vocabulary, (const unsigned char *)text, bytes) : -1;
    if (same >= 0)
        return fail(STATUS_FORMAT, "%s: token %lld has the same bytes as token %d", origin, (long long)id,
                    same);
    TRY(pool_append(vocabulary, text, bytes, origin));
    vocabulary->token[id] = (struct token){.offset = (uint32_t)(vocabulary->pool_bytes - bytes),
                                           .bytes = (uint32_t)bytes,
                                           .flags = (uint8_t)(flags | TOKEN_PRESENT)};
    return flags & TOKEN_BYTES ? vocabulary_index(vocabulary, (int32_t)id) : STATUS_OK;
}

enum status vocabulary_index(struct vocabulary *vocabulary, int32_t id) {
    TRY(grow_slots(vocabulary));
    vocabulary->token[id].flags |= TOKEN_BYTES;
    insert(vocabulary, id);
    return STATUS_OK;
}

/* The bytes that print as they are stand for themselves; the others follow from U+0100 in order. */
static int alphabet_byte(uint32_t c) {
    if ((c >= 0x21 && c <= 0x7E) || (c >= 0xA1 && c <= 0xAC) || (c >= 0xAE && c <= 0xFF)) return (int)c;
    if (c < 0x100 || c > 0x143) return -1;
    c -= 0x100;
    return (int)(c < 0x21 ? c : c < 0x43 ? c - 0x21 + 0x7F : 0xAD);
}

bool alphabet_decode(const char *text, size_t bytes, unsigned char *out, size_t *written) {
    const unsigned char *at = (const unsigned char *)text, *end = at + bytes;
    *written = 0;
    while (at < end) {
        int length;
        int byte = alphabet_byte(utf8_decode(at, &length));
        if (byte < 0 || length > end - at) return false;
        out[(*written)++] = (unsigned char)byte;
        at += length;
    }
    return true;
}
