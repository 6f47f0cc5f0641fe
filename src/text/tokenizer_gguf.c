/* tokenizer_gguf.c - a tokenizer from the tokenizer.ggml.* keys of a GGUF file. */
#include "text/tokenizer_parts.h"

#include "base/arena.h"
#include "format/gguf.h"
#include "text/utf8.h"

#include <stdio.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_UNKNOWN, TYPE_CONTROL, TYPE_USER_DEFINED, TYPE_UNUSED, TYPE_BYTE };

struct loader {
    struct tokenizer *tokenizer;
    const struct gguf *gguf;
    const struct gguf_value *tokens, *types, *merges;
    const struct pretokenizer_preset *preset;
};

static enum status find_array(const struct gguf *gguf, const char *key, bool texts, bool required,
                              const struct gguf_value **value) {
    *value = gguf_find(gguf, key);
    if (!*value && !required) return STATUS_OK;
    if (!*value) return fail(STATUS_FORMAT, "%s: key %s is missing", gguf->path, key);
    bool is_texts = (*value)->item_type == GGUF_STRING;
    bool is_numbers = (*value)->item_type == GGUF_I32 || (*value)->item_type == GGUF_U32;
    if ((*value)->type != GGUF_ARRAY || !(texts ? is_texts : is_numbers))
        return fail(STATUS_FORMAT, "%s: key %s must be an array of %s", gguf->path, key,
                    texts ? "strings" : "32-bit integers");
    return STATUS_OK;
}

static enum status check_arrays(struct loader *loader) {
    const struct gguf *gguf = loader->gguf;
    TRY(find_array(gguf, "tokenizer.ggml.tokens", true, true, &loader->tokens));
    TRY(find_array(gguf, "tokenizer.ggml.token_type", false, false, &loader->types));
    TRY(find_array(gguf, "tokenizer.ggml.merges", true, true, &loader->merges));
    if (loader->tokens->count > VOCABULARY_IDS || loader->merges->count > 2u * VOCABULARY_IDS)
        return fail(STATUS_LIMIT, "%s: tokenizer.ggml.tokens or merges: more than %d entries", gguf->path,
                    VOCABULARY_IDS);
    if (loader->types && loader->types->count != loader->tokens->count)
        return fail(STATUS_FORMAT, "%s: tokenizer.ggml.token_type has %llu entries, tokens has %llu",
                    gguf->path, (unsigned long long)loader->types->count,
                    (unsigned long long)loader->tokens->count);
    return STATUS_OK;
}

static enum status read_names(struct loader *loader) {
    const struct gguf *gguf = loader->gguf;
    struct arena arena = {0};
    const char *model = NULL, *pre = NULL;
    enum status status = gguf_get_text_or(gguf, &arena, "tokenizer.ggml.model", &model);
    if (status == STATUS_OK) status = gguf_get_text_or(gguf, &arena, "tokenizer.ggml.pre", &pre);
    if (status == STATUS_OK && (!model || strcmp(model, "gpt2") != 0))
        status = fail(STATUS_UNSUPPORTED,
                      "%s: tokenizer.ggml.model is \"%.32s\"; only gpt2 (byte-level BPE) is supported",
                      gguf->path, model ? model : "");
    if (status == STATUS_OK)
        status = pretokenizer_from_name(&loader->tokenizer->pretokenizer, &loader->preset, pre ? pre : "",
                                        gguf->path);
    arena_free(&arena);
    return status;
}

static int type_of(const struct loader *loader, uint64_t i) {
    return loader->types ? (int)gguf_array_int(loader->types, i) : TYPE_NORMAL;
}

/* Old converters filled the vocabulary up with user-defined "[PAD151700]"; the text does not mean them. */
static bool is_filler(struct gguf_text text, uint64_t id) {
    char filler[32];
    int bytes = snprintf(filler, sizeof filler, "[PAD%llu]", (unsigned long long)id);
    return text.bytes == (size_t)bytes && !memcmp(text.data, filler, text.bytes);
}

/* "<0xE4>" */
static bool read_byte(struct gguf_text text, unsigned char *byte) {
    static const char digits[] = "0123456789ABCDEF";
    const char *high, *low;
    if (text.bytes != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') return false;
    high = memchr(digits, text.data[3], 16);
    low = memchr(digits, text.data[4], 16);
    if (!high || !low) return false;
    *byte = (unsigned char)((high - digits) << 4 | (low - digits));
    return true;
}

static enum status read_token(struct loader *loader, uint64_t i) {
    struct gguf_text text = loader->tokens->text[i];
    const char *origin = loader->gguf->path;
    int type = type_of(loader, i);
    bool added = type == TYPE_CONTROL || (type == TYPE_USER_DEFINED && !is_filler(text, i));
    unsigned char byte;
    if (utf8_valid_bytes(text.data, text.bytes) != text.bytes)
        return fail(STATUS_FORMAT, "%s: tokenizer.ggml.tokens[%llu] is not UTF-8", origin,
                    (unsigned long long)i);
    if (added) {
        struct added_token token = {.content = (char *)text.data, .bytes = text.bytes};
        return tokenizer_add_token(loader->tokenizer, &token, (int64_t)i, false, type == TYPE_CONTROL,
                                   origin);
    }
    if (type == TYPE_NORMAL)
        return tokenizer_add_model_token(loader->tokenizer, (int64_t)i, text.data, text.bytes, origin);
    if (type == TYPE_BYTE && read_byte(text, &byte))
        return vocabulary_put(&loader->tokenizer->vocabulary, (int64_t)i, (char *)&byte, 1, 0, origin);
    bool silent = type == TYPE_UNUSED || type == TYPE_USER_DEFINED;
    return vocabulary_put(&loader->tokenizer->vocabulary, (int64_t)i, text.data, silent ? 0 : text.bytes, 0,
                          origin);
}

static enum status read_merge(struct loader *loader, uint64_t i) {
    struct gguf_text text = loader->merges->text[i];
    const char *right;
    size_t left_bytes, right_bytes;
    bool known = false;
    if (utf8_valid_bytes(text.data, text.bytes) != text.bytes ||
        !merge_split(text.data, text.bytes, &right, &left_bytes, &right_bytes))
        return fail(STATUS_FORMAT, "%s: tokenizer.ggml.merges[%llu] must be \"a b\"", loader->gguf->path,
                    (unsigned long long)i);
    TRY(tokenizer_add_merge(loader->tokenizer, text.data, left_bytes, right, right_bytes, (size_t)i, &known));
    if (known) return STATUS_OK;
    return fail(STATUS_FORMAT,
                "%s: tokenizer.ggml.merges[%llu], \"%.*s\": the parts and their result must be normal tokens",
                loader->gguf->path, (unsigned long long)i, (int)(text.bytes < 64 ? text.bytes : 64),
                text.data);
}

static enum status read_settings(struct loader *loader) {
    struct tokenizer *tokenizer = loader->tokenizer;
    const struct gguf *gguf = loader->gguf;
    int64_t last = tokenizer->vocabulary.tokens - 1, bos, eos;
    TRY(gguf_get_int_or(gguf, "tokenizer.ggml.bos_token_id", 0, last, -1, &bos));
    TRY(gguf_get_int_or(gguf, "tokenizer.ggml.eos_token_id", 0, last, -1, &eos));
    TRY(gguf_get_bool_or(gguf, "tokenizer.ggml.add_bos_token", loader->preset->adds_bos,
                         &tokenizer->adds_bos));
    tokenizer->bos = (int32_t)bos;
    tokenizer->eos = (int32_t)eos;
    if (bos < 0) tokenizer->adds_bos = false;
    return STATUS_OK;
}

static enum status load(struct loader *loader) {
    TRY(read_names(loader));
    loader->tokenizer->form = loader->preset->composes ? NORMAL_C : NORMAL_NONE;
    loader->tokenizer->bpe.whole_words = loader->preset->whole_words;
    for (uint64_t i = 0; i < loader->tokens->count; i++) TRY(read_token(loader, i));
    for (uint64_t i = 0; i < loader->merges->count; i++) TRY(read_merge(loader, i));
    tokenizer_seal(loader->tokenizer);
    return read_settings(loader);
}

enum status tokenizer_from_gguf(struct tokenizer **tokenizer, const struct gguf *gguf) {
    struct loader loader = {.gguf = gguf};
    *tokenizer = NULL;
    TRY(check_arrays(&loader));
    TRY(tokenizer_create(&loader.tokenizer, loader.tokens->count, loader.merges->count, gguf->path));
    return tokenizer_give(tokenizer, loader.tokenizer, load(&loader));
}
