/* tokenizer_json.c - a tokenizer from tokenizer.json and tokenizer_config.json. */
#include "text/tokenizer_parts.h"

#include <stdlib.h>
#include <string.h>

enum { MERGES = 1 << 23 };

struct loader {
    struct tokenizer *tokenizer;
    const json_t *root, *model, *vocab, *merges;
    const char *origin;
};

/* ------- what the file says before any token is read */

static enum status need_object(const json_t *value, const char *field, const char *origin) {
    if (json_is_object(value)) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: field \"%s\" must be an object", origin, field);
}

static enum status refuse_text(struct json_reader model, const char *field) {
    const char *text;
    TRY(json_get_text_or(model, field, "", &text));
    return *text ? fail(STATUS_UNSUPPORTED, "%s: model: \"%s\" is not supported", model.origin, field)
                 : STATUS_OK;
}

static enum status check_model(struct loader *loader) {
    const char *type;
    double dropout;
    TRY(need_object(loader->root, "(the file)", loader->origin));
    loader->model = json_object_get(loader->root, "model");
    TRY(need_object(loader->model, "model", loader->origin));
    struct json_reader model = {loader->model, loader->origin};
    TRY(json_get_text_or(model, "type", "BPE", &type));
    if (strcmp(type, "BPE") != 0)
        return fail(STATUS_UNSUPPORTED, "%s: model type \"%.32s\"; only BPE is supported", loader->origin,
                    type);
    TRY(refuse_text(model, "continuing_subword_prefix"));
    TRY(refuse_text(model, "end_of_word_suffix"));
    TRY(json_get_real_or(model, "dropout", 0, 1, 0, &dropout));
    if (dropout > 0)
        return fail(STATUS_UNSUPPORTED, "%s: model: \"dropout\" is not supported", loader->origin);
    loader->vocab = json_object_get(loader->model, "vocab");
    loader->merges = json_object_get(loader->model, "merges");
    TRY(need_object(loader->vocab, "model.vocab", loader->origin));
    if (!json_is_array(loader->merges))
        return fail(STATUS_FORMAT, "%s: field \"model.merges\" must be an array", loader->origin);
    if (json_array_size(loader->merges) > MERGES)
        return fail(STATUS_LIMIT, "%s: %zu merges, at most %d are allowed", loader->origin,
                    json_array_size(loader->merges), MERGES);
    return STATUS_OK;
}

static enum status read_stages(struct loader *loader) {
    const json_t *description = json_object_get(loader->root, "pre_tokenizer");
    TRY(need_object(description, "pre_tokenizer", loader->origin));
    TRY(normal_form_from_json(&loader->tokenizer->form, json_object_get(loader->root, "normalizer"),
                              loader->origin));
    return pretokenizer_from_json(&loader->tokenizer->pretokenizer, description, PRETOKENIZE_FAST,
                                  loader->origin);
}

/* ------- tokens and merges */

/* Content that the model's vocabulary spells as other bytes ("é" there is one byte): found in text under the model's id,
 * which keeps its bytes. */
static bool is_model_token(const struct loader *loader, const struct added_token *token, int64_t *id) {
    unsigned char decoded[64];
    size_t count;
    const json_t *model_id = json_object_getn(loader->vocab, token->content, token->bytes);
    if (!json_is_integer(model_id)) return false;
    *id = json_integer_value(model_id); /* the reference prefers it to the id given here */
    if (token->bytes > sizeof decoded || !alphabet_decode(token->content, token->bytes, decoded, &count))
        return false;
    return *id >= 0 && *id < VOCABULARY_IDS &&
           (count != token->bytes || memcmp(decoded, token->content, count) != 0);
}

static enum status read_added_token(struct loader *loader, const json_t *item) {
    struct json_reader reader = {item, loader->origin};
    struct added_token token = {0};
    int64_t id;
    bool normalized, special;
    const json_t *content = json_object_get(item, "content");
    if (!json_is_string(content))
        return fail(STATUS_FORMAT, "%s: added_tokens: field \"content\" must be a string", loader->origin);
    token.content = (char *)json_string_value(content); /* copied */
    token.bytes = json_string_length(content);
    TRY(json_get_int(reader, "id", 0, VOCABULARY_IDS - 1, &id));
    TRY(json_get_bool_or(reader, "special", false, &special));
    TRY(json_get_bool_or(reader, "normalized", !special, &normalized));
    TRY(json_get_bool_or(reader, "single_word", false, &token.single_word));
    TRY(json_get_bool_or(reader, "lstrip", false, &token.strips_left));
    TRY(json_get_bool_or(reader, "rstrip", false, &token.strips_right));
    if (!is_model_token(loader, &token, &id))
        return tokenizer_add_token(loader->tokenizer, &token, id, normalized, special, loader->origin);
    token.id = (int32_t)id;
    return tokenizer_add_to_text(loader->tokenizer, &token, normalized);
}

static enum status read_added_tokens(struct loader *loader) {
    const json_t *list = json_object_get(loader->root, "added_tokens"), *item;
    size_t i;
    if (!list || json_is_null(list)) return STATUS_OK;
    if (!json_is_array(list))
        return fail(STATUS_FORMAT, "%s: field \"added_tokens\" must be an array", loader->origin);
    json_array_foreach(list, i, item) {
        if (!json_is_object(item))
            return fail(STATUS_FORMAT, "%s: added_tokens[%zu] must be an object", loader->origin, i);
        TRY(read_added_token(loader, item));
    }
    return STATUS_OK;
}

static enum status read_vocabulary(struct loader *loader) {
    const char *text;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)loader->vocab, text, bytes, id) {
        if (!json_is_integer(id))
            return fail(STATUS_FORMAT, "%s: model.vocab: the id of \"%.32s\" must be a whole number",
                        loader->origin, text);
        TRY(tokenizer_add_model_token(loader->tokenizer, json_integer_value(id), text, bytes,
                                      loader->origin));
    }
    return STATUS_OK;
}

/* A merge may name tokens that bytes cannot make; it can never happen and is dropped. */
static enum status check_unknown_merge(struct loader *loader, const char *left, size_t left_bytes,
                                       const char *right, size_t right_bytes, size_t index) {
    struct buffer merged = {0};
    buffer_append(&merged, left, left_bytes);
    buffer_append(&merged, right, right_bytes);
    enum status status = buffer_check(&merged, "merge");
    bool exists = status == STATUS_OK && json_object_getn(loader->vocab, left, left_bytes) &&
                  json_object_getn(loader->vocab, right, right_bytes) &&
                  json_object_getn(loader->vocab, merged.data, merged.bytes);
    buffer_free(&merged);
    if (status != STATUS_OK || exists) return status;
    return fail(STATUS_FORMAT,
                "%s: model.merges[%zu], \"%.*s %.*s\": the parts and their result must be in the vocabulary",
                loader->origin, index, (int)(left_bytes < 32 ? left_bytes : 32), left,
                (int)(right_bytes < 32 ? right_bytes : 32), right);
}

static enum status read_merge(struct loader *loader, const json_t *item, size_t index) {
    const json_t *first = json_array_get(item, 0), *second = json_array_get(item, 1);
    const char *left = json_string_value(item), *right = NULL;
    size_t left_bytes = 0, right_bytes = 0;
    bool known, parts = false;
    if (left) {
        parts = merge_split(left, json_string_length(item), &right, &left_bytes, &right_bytes);
        if (!parts && !strncmp(left, "#version", 8)) return STATUS_OK; /* the head line of a merges.txt */
    } else if (json_is_string(first) && json_is_string(second) && json_array_size(item) == 2) {
        left = json_string_value(first);
        right = json_string_value(second);
        left_bytes = json_string_length(first);
        right_bytes = json_string_length(second);
        parts = true;
    }
    if (!parts)
        return fail(STATUS_FORMAT, "%s: model.merges[%zu] must be \"a b\" or [\"a\", \"b\"]", loader->origin,
                    index);
    TRY(tokenizer_add_merge(loader->tokenizer, left, left_bytes, right, right_bytes, index, &known));
    return known ? STATUS_OK : check_unknown_merge(loader, left, left_bytes, right, right_bytes, index);
}

static enum status read_merges(struct loader *loader) {
    const json_t *item;
    size_t i;
    json_array_foreach(loader->merges, i, item) TRY(read_merge(loader, item, i));
    return STATUS_OK;
}

static enum status read_unknown(struct loader *loader) {
    struct json_reader model = {loader->model, loader->origin};
    struct bpe *bpe = &loader->tokenizer->bpe;
    const char *unknown;
    TRY(json_get_bool_or(model, "ignore_merges", false, &bpe->whole_words));
    TRY(json_get_bool_or(model, "fuse_unk", false, &bpe->fuses_unknown));
    TRY(json_get_text_or(model, "unk_token", NULL, &unknown));
    if (!unknown) return STATUS_OK;
    const json_t *id = json_object_get(loader->vocab, unknown);
    if (!json_is_integer(id))
        return fail(STATUS_FORMAT, "%s: model: unk_token \"%.32s\" is not in the vocabulary", loader->origin,
                    unknown);
    bpe->unknown = (int32_t)json_integer_value(id); /* read_vocabulary has checked the range */
    return STATUS_OK;
}

/* ------- tokenizer_config.json */

/* "bos_token": a string or an object with "content"; -1 when there is none or the vocabulary lacks it. */
static int32_t token_named(const struct loader *loader, const json_t *config, const char *field) {
    const json_t *value = json_object_get(config, field);
    if (json_is_object(value)) value = json_object_get(value, "content");
    if (!json_is_string(value)) return -1;
    int32_t id = tokenizer_find(loader->tokenizer, json_string_value(value));
    const json_t *model_id = json_object_get(loader->vocab, json_string_value(value));
    return id < 0 && json_is_integer(model_id) ? (int32_t)json_integer_value(model_id) : id;
}

/* The post-processor puts a special token in front of a text. */
static bool template_adds_bos(const json_t *processor, int depth) {
    const char *type = json_string_value(json_object_get(processor, "type"));
    if (!type || depth > 4) return false;
    if (!strcmp(type, "TemplateProcessing"))
        return json_object_get(json_array_get(json_object_get(processor, "single"), 0), "SpecialToken");
    const json_t *child;
    size_t i;
    bool adds = false;
    json_array_foreach(json_object_get(processor, "processors"), i, child) adds |=
        template_adds_bos(child, depth + 1);
    return adds;
}

static enum status read_config(struct loader *loader, const json_t *config) {
    struct tokenizer *tokenizer = loader->tokenizer;
    const char *class = json_string_value(json_object_get(config, "tokenizer_class"));
    bool fallback = template_adds_bos(json_object_get(loader->root, "post_processor"), 0);
    if (class && (!strcmp(class, "LlamaTokenizer") || !strcmp(class, "LlamaTokenizerFast"))) fallback = true;
    tokenizer->bos = token_named(loader, config, "bos_token");
    tokenizer->eos = token_named(loader, config, "eos_token");
    struct json_reader reader = {config, "tokenizer_config.json"};
    tokenizer->adds_bos = fallback;
    if (!class || strcmp(class, "PreTrainedTokenizerFast") != 0) /* which knows the post-processor only */
        TRY(json_get_bool_or(reader, "add_bos_token", fallback, &tokenizer->adds_bos));
    if (tokenizer->bos < 0) tokenizer->adds_bos = false;
    return STATUS_OK;
}

static enum status load(struct loader *loader, const json_t *config) {
    TRY(read_stages(loader));
    TRY(read_added_tokens(loader));
    TRY(read_vocabulary(loader));
    TRY(read_unknown(loader));
    TRY(read_merges(loader));
    tokenizer_seal(loader->tokenizer);
    return read_config(loader, config);
}

enum status tokenizer_from_json(struct tokenizer **tokenizer, const json_t *root, const json_t *config,
                                const char *origin) {
    struct loader loader = {.root = root, .origin = origin};
    *tokenizer = NULL;
    TRY(check_model(&loader));
    TRY(tokenizer_create(&loader.tokenizer, json_object_size(loader.vocab), json_array_size(loader.merges),
                         origin));
    return tokenizer_give(tokenizer, loader.tokenizer, load(&loader, config));
}
