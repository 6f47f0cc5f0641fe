/* synth_files.c - a made-up vocabulary as the tokenizer files of a Hugging Face checkpoint. The large one,
 * tokenizer.json, is streamed; the small ones go through jansson. */
#include "base/buffer.h"
#include "base/file_write.h"
#include "model/synth_family.h"
#include "model/synth_vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JSON by hand, for tokenizer.json ---- */

static void put_string(struct buffer *out, const char *text, size_t bytes) {
    buffer_append_char(out, '"');
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20) {
            buffer_printf(out, "\\u%04x", c);
            continue;
        }
        if (c == '"' || c == '\\') buffer_append_char(out, '\\');
        buffer_append_char(out, (char)c);
    }
    buffer_append_char(out, '"');
}

static void put_added_tokens(struct buffer *out, const struct synth_vocabulary *vocabulary) {
    const char *separator = "";
    buffer_append_text(out, "\"added_tokens\":[");
    for (int64_t id = 0; id < vocabulary->size; id++) {
        if (vocabulary->type[id] != SYNTH_CONTROL && vocabulary->type[id] != SYNTH_ADDED) continue;
        buffer_printf(out, "%s{\"id\":%lld,\"content\":", separator, (long long)id);
        put_string(out, vocabulary->token[id].data, vocabulary->token[id].bytes);
        buffer_printf(out,
                      ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,"
                      "\"special\":%s}",
                      vocabulary->type[id] == SYNTH_CONTROL ? "true" : "false");
        separator = ",";
    }
    buffer_append_text(out, "],");
}

static void put_head(struct buffer *out, const struct synth_vocabulary *vocabulary) {
    static const char byte_level[] =
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}";
    const struct synth_family *family = vocabulary->family;
    buffer_append_text(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,");
    put_added_tokens(out, vocabulary);
    buffer_printf(out, "\"normalizer\":%s,\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[",
                  family->compose ? "{\"type\":\"NFC\"}" : "null");
    for (int i = 0; i < SYNTH_PATTERNS && family->pattern[i]; i++) {
        buffer_append_text(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
        put_string(out, family->pattern[i], strlen(family->pattern[i]));
        buffer_append_text(out, "},\"behavior\":\"Isolated\",\"invert\":false},");
    }
    buffer_printf(out, "%s]},\"post_processor\":%s,\"decoder\":%s,", byte_level, byte_level, byte_level);
    buffer_printf(out,
                  "\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                  "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":false,"
                  "\"byte_fallback\":false,\"ignore_merges\":%s,\"vocab\":{",
                  family->ignore_merges ? "true" : "false");
}

/* Hands over what has gathered, so that the buffer stays small. */
static enum status drain(struct buffer *out, struct file_writer *file, size_t above) {
    if (out->bytes <= above && !out->failed) return STATUS_OK;
    TRY(buffer_check(out, file->path));
    TRY(file_writer_append(file, out->data, out->bytes));
    buffer_clear(out);
    return STATUS_OK;
}

static enum status write_tokenizer(const struct synth_vocabulary *vocabulary, struct buffer *out,
                                   struct file_writer *file) {
    enum { GATHER = 1 << 16 };
    const char *separator = "";
    put_head(out, vocabulary);
    for (int64_t id = 0; id < vocabulary->size; id++) {
        if (vocabulary->type[id] != SYNTH_WORD) continue;
        buffer_append_text(out, separator);
        put_string(out, vocabulary->token[id].data, vocabulary->token[id].bytes);
        buffer_printf(out, ":%lld", (long long)id);
        separator = ",";
        TRY(drain(out, file, GATHER));
    }
    buffer_append_text(out, "},\"merges\":[");
    for (size_t i = 0; i < vocabulary->merges; i++) {
        if (i) buffer_append_char(out, ',');
        put_string(out, vocabulary->merge[i].data, vocabulary->merge[i].bytes);
        TRY(drain(out, file, GATHER));
    }
    buffer_append_text(out, "]}}\n");
    TRY(drain(out, file, 0));
    return file_writer_finish(file);
}

static enum status write_tokenizer_file(const struct synth_vocabulary *vocabulary, const char *path) {
    struct file_writer file;
    struct buffer out = {0};
    TRY(file_writer_open(&file, path));
    enum status status = write_tokenizer(vocabulary, &out, &file);
    file_writer_close(&file);
    buffer_free(&out);
    return status;
}

/* ---- the small files ---- */

static enum status write_json(const char *path, json_t *root) {
    struct file_writer file;
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    if (!text) return fail(STATUS_MEMORY, "%s: out of memory", path);
    enum status status = file_writer_open(&file, path);
    if (status == STATUS_OK) {
        status = file_writer_append(&file, text, strlen(text));
        if (status == STATUS_OK) status = file_writer_append(&file, "\n", 1);
        if (status == STATUS_OK) status = file_writer_finish(&file);
        file_writer_close(&file);
    }
    free(text);
    return status;
}

static json_t *token_text(const struct synth_vocabulary *vocabulary, int32_t id) {
    return json_stringn(vocabulary->token[id].data, vocabulary->token[id].bytes);
}

static json_t *tokenizer_config(const struct synth_vocabulary *vocabulary, const struct model_desc *desc) {
    json_t *config = json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:b, s:I, s:n, s:s}", "add_bos_token", 1, "add_eos_token", 0, "bos_token",
        token_text(vocabulary, vocabulary->bos), "eos_token", token_text(vocabulary, vocabulary->eos),
        "pad_token", token_text(vocabulary, vocabulary->pad), "clean_up_tokenization_spaces", 0,
        "model_max_length", (json_int_t)desc->context, "unk_token", "tokenizer_class", "LlamaTokenizerFast");
    if (config && vocabulary->family->jinja)
        json_object_set_new(config, "chat_template", json_string(vocabulary->family->jinja));
    return config;
}

static json_t *generation_config(const struct synth_vocabulary *vocabulary) {
    return json_pack("{s:i, s:i, s:b, s:f, s:f}", "bos_token_id", (int)vocabulary->bos, "eos_token_id",
                     (int)vocabulary->eos, "do_sample", 1, "temperature", vocabulary->family->temperature,
                     "top_p", 0.95);
}

enum status synth_vocabulary_to_files(const struct synth_vocabulary *vocabulary,
                                      const struct model_desc *desc, const char *directory) {
    char path[4096];
    snprintf(path, sizeof path, "%s/tokenizer.json", directory);
    TRY(write_tokenizer_file(vocabulary, path));
    snprintf(path, sizeof path, "%s/tokenizer_config.json", directory);
    TRY(write_json(path, tokenizer_config(vocabulary, desc)));
    snprintf(path, sizeof path, "%s/generation_config.json", directory);
    return write_json(path, generation_config(vocabulary));
}
