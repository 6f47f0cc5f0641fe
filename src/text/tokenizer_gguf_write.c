/* tokenizer_gguf_write.c - the tokenizer files of a Hugging Face directory as the keys of a GGUF file. What
 * counts is how the reader of such files understands them: control tokens by their type, merges of normal
 * tokens only. */
#include "base/arena.h"
#include "format/checkpoint.h"
#include "text/chat.h"
#include "text/tokenizer_parts.h"

#include <stdio.h>
#include <string.h>

enum { TYPE_NORMAL = 1, TYPE_CONTROL = 3, TYPE_USER_DEFINED = 4, TYPE_UNUSED = 5 };
enum { FILE_BYTES = 1 << 28, FILLER_BYTES = 16 };

struct exporter {
    const struct checkpoint *checkpoint;
    const struct tokenizer_keys *keys;
    struct gguf_writer *writer;
    const struct tokenizer *tokenizer;
    json_t *root; /* tokenizer.json */
    const char *origin;
    struct gguf_text *token; /* [vocab] */
    int32_t *type;           /* [vocab] */
    struct arena arena;
};

static enum status no_memory(const struct exporter *exporter) {
    return fail(STATUS_MEMORY, "%s: out of memory", exporter->origin);
}

/* ---- tokens ---- */

/* Ids that nothing names. */
static enum status put_fillers(struct exporter *exporter) {
    char *pool = arena_take(&exporter->arena, (size_t)exporter->keys->vocab * FILLER_BYTES);
    if (!pool) return no_memory(exporter);
    for (int64_t id = 0; id < exporter->keys->vocab; id++, pool += FILLER_BYTES) {
        if (exporter->type[id]) continue;
        int bytes = snprintf(pool, FILLER_BYTES, "[PAD%lld]", (long long)id);
        exporter->token[id] = (struct gguf_text){pool, (size_t)bytes};
        exporter->type[id] = TYPE_UNUSED;
    }
    return STATUS_OK;
}

/* The tokenizer was built from this file: ids are in range and texts are strings. An added token's text is what it is
 * found by; a model token keeps its spelling in the byte alphabet. */
static void put_tokens(struct exporter *exporter) {
    const struct vocabulary *vocabulary = &exporter->tokenizer->vocabulary;
    const json_t *vocab = json_object_get(json_object_get(exporter->root, "model"), "vocab");
    const char *text;
    size_t bytes;
    json_t *id;
    json_object_keylen_foreach((json_t *)vocab, text, bytes, id) {
        exporter->token[json_integer_value(id)] = (struct gguf_text){text, bytes};
        exporter->type[json_integer_value(id)] = TYPE_NORMAL;
    }
    for (int32_t i = 0; i < vocabulary->tokens; i++) {
        const struct token *token = vocabulary_token(vocabulary, i);
        if (!token || !(token->flags & TOKEN_ADDED)) continue;
        exporter->token[i] = (struct gguf_text){token_text(vocabulary, token), token->bytes};
        exporter->type[i] = token->flags & TOKEN_SPECIAL ? TYPE_CONTROL : TYPE_USER_DEFINED;
    }
}

/* ---- merges ---- */

static int32_t find_normal(const struct exporter *exporter, const unsigned char *bytes, size_t count) {
    int32_t id = vocabulary_find(&exporter->tokenizer->vocabulary, bytes, count);
    return id >= 0 && exporter->type[id] == TYPE_NORMAL ? id : -1;
}

/* A merge that can never happen is not written: readers refuse it. */
static bool can_happen(const struct exporter *exporter, struct gguf_text merge) {
    unsigned char decoded[2 * VOCABULARY_TOKEN_BYTES];
    const char *right;
    size_t left_bytes, right_bytes, first, second;
    if (!merge_split(merge.data, merge.bytes, &right, &left_bytes, &right_bytes)) return false;
    if (left_bytes > VOCABULARY_TOKEN_BYTES || right_bytes > VOCABULARY_TOKEN_BYTES) return false;
    if (!alphabet_decode(merge.data, left_bytes, decoded, &first)) return false;
    if (!alphabet_decode(right, right_bytes, decoded + first, &second)) return false;
    return find_normal(exporter, decoded, first) >= 0 &&
           find_normal(exporter, decoded + first, second) >= 0 &&
           find_normal(exporter, decoded, first + second) >= 0;
}

/* "a b", or ["a", "b"] in newer files; no text: neither. */
static enum status merge_text(struct exporter *exporter, const json_t *item, struct gguf_text *merge) {
    const json_t *left = json_array_get(item, 0), *right = json_array_get(item, 1);
    *merge = (struct gguf_text){0};
    if (json_is_string(item)) {
        *merge = (struct gguf_text){json_string_value(item), json_string_length(item)};
        return STATUS_OK;
    }
    if (!json_is_string(left) || !json_is_string(right)) return STATUS_OK;
    size_t first = json_string_length(left), second = json_string_length(right);
    char *text = arena_take(&exporter->arena, first + 1 + second);
    if (!text) return no_memory(exporter);
    memcpy(text, json_string_value(left), first);
    text[first] = ' ';
    memcpy(text + first + 1, json_string_value(right), second);
    *merge = (struct gguf_text){text, first + 1 + second};
    return STATUS_OK;
}

static enum status write_merges(struct exporter *exporter) {
    const json_t *merges = json_object_get(json_object_get(exporter->root, "model"), "merges"), *item;
    struct gguf_text *text = arena_take(&exporter->arena, (json_array_size(merges) + 1) * sizeof *text);
    size_t count = 0, i;
    if (!text) return no_memory(exporter);
    json_array_foreach(merges, i, item) {
        TRY(merge_text(exporter, item, &text[count]));
        if (text[count].data && can_happen(exporter, text[count])) count++;
    }
    gguf_writer_texts(exporter->writer, "tokenizer.ggml.merges", text, count);
    return STATUS_OK;
}

/* ---- ids and switches ---- */

static void write_id(struct exporter *exporter, const char *key, int64_t id) {
    if (id >= 0 && id < exporter->keys->vocab) gguf_writer_u32(exporter->writer, key, (uint32_t)id);
}

static int32_t pad_of(const struct exporter *exporter) {
    const json_t *pad = json_object_get(exporter->checkpoint->tokenizer_config, "pad_token");
    if (json_is_object(pad)) pad = json_object_get(pad, "content");
    return json_is_string(pad) ? tokenizer_find(exporter->tokenizer, json_string_value(pad)) : -1;
}

/* The format has one token that ends a text and one that ends a turn. */
static void write_ids(struct exporter *exporter) {
    const struct tokenizer_keys *keys = exporter->keys;
    int32_t bos = tokenizer_bos(exporter->tokenizer), eos = tokenizer_eos(exporter->tokenizer), turn = -1;
    for (int i = 0; i < keys->ends; i++) {
        if (eos < 0) eos = keys->end[i];
        if (turn < 0 && keys->end[i] != eos) turn = keys->end[i];
    }
    write_id(exporter, "tokenizer.ggml.bos_token_id", bos >= 0 ? bos : keys->bos);
    write_id(exporter, "tokenizer.ggml.eos_token_id", eos);
    write_id(exporter, "tokenizer.ggml.eot_token_id", turn);
    write_id(exporter, "tokenizer.ggml.padding_token_id", pad_of(exporter));
    gguf_writer_bool(exporter->writer, "tokenizer.ggml.add_bos_token",
                     tokenizer_adds_bos(exporter->tokenizer));
    gguf_writer_bool(exporter->writer, "tokenizer.ggml.add_eos_token", false);
}

static enum status write_template(struct exporter *exporter) {
    const char *jinja;
    TRY(chat_template_text(exporter->checkpoint, &exporter->arena, &jinja));
    if (jinja && *jinja) gguf_writer_text(exporter->writer, "tokenizer.chat_template", jinja);
    return STATUS_OK;
}

/* ---- the whole ---- */

static enum status write_keys(struct exporter *exporter, const char **pre, bool *exact) {
    const struct tokenizer *tokenizer = exporter->tokenizer;
    size_t vocab = (size_t)exporter->keys->vocab;
    if (tokenizer_vocabulary(tokenizer) > exporter->keys->vocab)
        return fail(STATUS_FORMAT, "%s: has %d tokens, the model only %zu", exporter->origin,
                    tokenizer_vocabulary(tokenizer), vocab);
    TRY(pretokenizer_name_of(tokenizer->pretokenizer, tokenizer->form == NORMAL_C, tokenizer->bpe.whole_words,
                             pre, exact));
    exporter->token = arena_take(&exporter->arena, vocab * sizeof *exporter->token);
    exporter->type = arena_take(&exporter->arena, vocab * sizeof *exporter->type);
    if (!exporter->token || !exporter->type) return no_memory(exporter);
    put_tokens(exporter);
    TRY(put_fillers(exporter));
    gguf_writer_text(exporter->writer, "tokenizer.ggml.model", "gpt2");
    gguf_writer_text(exporter->writer, "tokenizer.ggml.pre", *pre);
    gguf_writer_texts(exporter->writer, "tokenizer.ggml.tokens", exporter->token, vocab);
    gguf_writer_i32s(exporter->writer, "tokenizer.ggml.token_type", exporter->type, vocab);
    TRY(write_merges(exporter));
    write_ids(exporter);
    return write_template(exporter);
}

static enum status export(struct exporter *exporter, const char **pre, bool *exact) {
    struct tokenizer *tokenizer; TRY(json_read_file(exporter->origin, FILE_BYTES, &exporter->root));
    TRY(tokenizer_from_json(&tokenizer, exporter->root, exporter->checkpoint->tokenizer_config,
                            exporter->origin));
    exporter->tokenizer = tokenizer;
    enum status status = write_keys(exporter, pre, exact);
    tokenizer_close(tokenizer);
    return status;
}

enum status tokenizer_to_gguf(const struct checkpoint *checkpoint, const struct tokenizer_keys *keys,
                              struct gguf_writer *writer, const char **pre, bool *exact) {
    struct exporter exporter = {.checkpoint = checkpoint, .keys = keys, .writer = writer};
    struct buffer path = {0};
    *pre = NULL;
    *exact = false;
    buffer_printf(&path, "%s/tokenizer.json", checkpoint->path);
    enum status status = buffer_check(&path, "path");
    exporter.origin = path.data;
    if (status == STATUS_OK) status = export(&exporter, pre, exact);
    json_decref(exporter.root);
    arena_free(&exporter.arena);
    buffer_free(&path);
    return status;
}
