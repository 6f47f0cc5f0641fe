/* corpus.c - reading texts, see corpus.h. */
#include "train/corpus.h"

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/json.h"
#include "train/dialogue.h"
#include "train/fill_middle.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#define FILE_LIMIT ((size_t)1 << 34)

enum status corpus_end_text(struct corpus *corpus) {
    if (corpus->documents + 2 > corpus->capacity) {
        int64_t capacity = corpus->capacity ? 2 * corpus->capacity : 1024;
        int64_t *begin = realloc(corpus->begin, (size_t)capacity * sizeof *begin);
        if (!begin) return fail(STATUS_MEMORY, "no memory for %lld texts", (long long)capacity);
        corpus->begin = begin;
        corpus->capacity = capacity;
    }
    if (!corpus->documents) corpus->begin[0] = 0;
    corpus->begin[++corpus->documents] = (int64_t)corpus->tokens.count;
    return STATUS_OK;
}

enum status corpus_unlearn(struct corpus *corpus, size_t from, size_t to) {
    MUST(from >= corpus->unlearnts && from <= to && to <= corpus->tokens.count);
    if (to > corpus->unlearnt_capacity) {
        size_t capacity = 2 * corpus->tokens.count;
        uint8_t *unlearnt = realloc(corpus->unlearnt, capacity);
        if (!unlearnt) return fail(STATUS_MEMORY, "no memory for a text of %zu tokens", to - from);
        corpus->unlearnt = unlearnt;
        corpus->unlearnt_capacity = capacity;
    }
    if (from == to) return STATUS_OK;
    memset(corpus->unlearnt + corpus->unlearnts, 0, from - corpus->unlearnts);
    memset(corpus->unlearnt + from, 1, to - from);
    corpus->unlearnts = to;
    return STATUS_OK;
}

enum status corpus_add_text(struct corpus *corpus, const char *text, size_t bytes,
                            const struct corpus_options *options) {
    const struct tokenizer *tokenizer = options->tokenizer;
    size_t before = corpus->tokens.count;
    if (options->text) return options->text(options->text_context, text, bytes);
    if (tokenizer_adds_bos(tokenizer) && tokenizer_bos(tokenizer) >= 0)
        TRY(token_list_append(&corpus->tokens, tokenizer_bos(tokenizer)));
    bool moved = false;
    if (options->middle_rate > 0)
        TRY(fill_middle(tokenizer, text, bytes, options->middle_rate, options->middle_seed,
                        (uint64_t)corpus->documents, &corpus->tokens, &moved));
    if (!moved) TRY(tokenizer_encode(tokenizer, text, bytes, TOKENIZE_PLAIN, &corpus->tokens));
    if (tokenizer_eos(tokenizer) >= 0) TRY(token_list_append(&corpus->tokens, tokenizer_eos(tokenizer)));
    return corpus->tokens.count > before ? corpus_end_text(corpus) : STATUS_OK;
}

/* Nesting is bounded by the parser. */
static enum status hand_out_strings(const json_t *value, const struct corpus_options *options) {
    static const char *const beside[] = {"role", "name", "type", "id", "tool_call_id", "verifier"};
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value))
        return options->text(options->text_context, json_string_value(value), json_string_length(value));
    json_array_foreach((json_t *)value, i, item) TRY(hand_out_strings(item, options));
    json_object_foreach((json_t *)value, key, item) {
        bool text = true;
        for (i = 0; i < COUNT_OF(beside); i++) text = text && strcmp(key, beside[i]) != 0;
        if (text) TRY(hand_out_strings(item, options));
    }
    return STATUS_OK;
}

static enum status add_object(struct corpus *corpus, const json_t *root, const char *origin,
                              const struct corpus_options *options) {
    if (options->text) return hand_out_strings(root, options);
    const json_t *text = json_is_object(root) ? json_object_get(root, "text") : NULL;
    if (json_is_string(text))
        return corpus_add_text(corpus, json_string_value(text), json_string_length(text), options);
    if (options->dialogue && json_is_object(root)) return corpus_add_dialogue(corpus, root, origin, options);
    return fail(STATUS_FORMAT, "%s: expected an object with a string \"text\"", origin);
}

static enum status add_line(struct corpus *corpus, const char *line, size_t bytes, const char *origin,
                            const struct corpus_options *options) {
    json_t *root;
    TRY(json_parse(line, bytes, origin, &root));
    enum status status = add_object(corpus, root, origin, options);
    json_decref(root);
    return status;
}

enum status corpus_add_lines(struct corpus *corpus, const char *text, size_t bytes, const char *origin,
                             const struct corpus_options *options) {
    int64_t number = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at;
        char place[512];
        bool blank = true;
        number++;
        for (size_t i = at; blank && i < at + length; i++) blank = strchr(" \t\r", text[i]) && text[i];
        snprintf(place, sizeof place, "%.400s, line %lld", origin, (long long)number);
        if (!blank) TRY(add_line(corpus, text + at, length, place, options));
        at += length + 1;
        if (options->progress && !options->progress(options->progress_context, (int64_t)length + 1))
            return fail(STATUS_CANCELLED, "stopped while reading %s", origin);
    }
    return STATUS_OK;
}

static bool ends_with(const char *text, const char *end) {
    size_t bytes = strlen(text), tail = strlen(end);
    return bytes >= tail && !strcmp(text + bytes - tail, end);
}

static enum status add_file(struct corpus *corpus, const char *path, const struct corpus_options *options) {
    struct buffer content = {0};
    bool lines = ends_with(path, ".jsonl") || ends_with(path, ".json");
    TRY(buffer_read_file(&content, path, FILE_LIMIT));
    enum status status = lines ? corpus_add_lines(corpus, content.data, content.bytes, path, options)
                               : corpus_add_text(corpus, content.data, content.bytes, options);
    if (status == STATUS_OK && !lines && options->progress &&
        !options->progress(options->progress_context, (int64_t)content.bytes))
        status = fail(STATUS_CANCELLED, "stopped while reading %s", path);
    buffer_free(&content);
    return status;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static enum status add_directory(struct corpus *corpus, const char *path,
                                 const struct corpus_options *options) {
    struct dirent **entry;
    enum status status = STATUS_OK;
    int count = scandir(path, &entry, visible, alphasort);
    if (count < 0) return fail(STATUS_IO, "%s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        char file[4096];
        struct stat about;
        int length = snprintf(file, sizeof file, "%s/%s", path, entry[i]->d_name);
        if (status == STATUS_OK && length >= (int)sizeof file)
            status = fail(STATUS_LIMIT, "%s: a name in it is too long", path);
        if (status == STATUS_OK && !stat(file, &about) && S_ISREG(about.st_mode))
            status = add_file(corpus, file, options);
        free(entry[i]);
    }
    free(entry);
    return status;
}

enum status corpus_add(struct corpus *corpus, const char *path, const struct corpus_options *options) {
    struct stat about;
    if (stat(path, &about))
        return fail(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
    return S_ISDIR(about.st_mode) ? add_directory(corpus, path, options) : add_file(corpus, path, options);
}

void corpus_close(struct corpus *corpus) {
    token_list_free(&corpus->tokens);
    free(corpus->begin);
    free(corpus->unlearnt);
    *corpus = (struct corpus){0};
}

uint64_t corpus_identity(const struct corpus *corpus) {
    XXH64_hash_t ids = XXH64(corpus->tokens.id, corpus->tokens.count * sizeof *corpus->tokens.id, 0);
    if (corpus->unlearnts) ids = XXH64(corpus->unlearnt, corpus->unlearnts, ids);
    return corpus->documents
               ? XXH64(corpus->begin, (size_t)(corpus->documents + 1) * sizeof *corpus->begin, ids)
               : ids;
}
