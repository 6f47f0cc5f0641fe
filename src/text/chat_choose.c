/* chat_choose.c - the template and the bos token that a checkpoint asks for, from tokenizer_config.json,
 * chat_template.jinja or GGUF keys. Reads only; what it returns lies in the caller's arena. */
#include "format/checkpoint.h"
#include "text/chat.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JINJA_LIMIT = 1 << 20 };

/* A string, or a list of named templates of which "default" is for chats. NULL: none. */
static const char *template_in_config(const json_t *config) {
    const json_t *value = json_object_get(config, "chat_template");
    for (size_t index = 0; index < json_array_size(value); index++) {
        const json_t *item = json_array_get(value, index);
        const char *name = json_string_value(json_object_get(item, "name"));
        if (name && !strcmp(name, "default")) return json_string_value(json_object_get(item, "template"));
    }
    return json_string_value(value);
}

/* Newer Hugging Face checkpoints keep the template in a file of its own. */
static enum status template_in_file(const struct checkpoint *checkpoint, struct arena *arena,
                                    const char **jinja) {
    struct buffer path = {0}, text = {0};
    buffer_printf(&path, "%s/chat_template.jinja", checkpoint->path);
    enum status status = buffer_check(&path, "path");
    *jinja = NULL;
    if (status == STATUS_OK && !access(path.data, F_OK)) {
        status = file_check_regular(path.data);
        if (status == STATUS_OK) status = buffer_read_file(&text, path.data, JINJA_LIMIT);
        if (status == STATUS_OK) *jinja = arena_copy(arena, text.data, text.bytes);
        if (status == STATUS_OK && !*jinja) status = fail(STATUS_MEMORY, "%s: out of memory", path.data);
    }
    buffer_free(&path);
    buffer_free(&text);
    return status;
}

enum status chat_template_text(const struct checkpoint *checkpoint, struct arena *arena, const char **jinja) {
    if (checkpoint->kind == CHECKPOINT_GGUF)
        return gguf_get_text_or(&checkpoint->gguf, arena, "tokenizer.chat_template", jinja);
    *jinja = template_in_config(checkpoint->tokenizer_config);
    return *jinja ? STATUS_OK : template_in_file(checkpoint, arena, jinja);
}

/* The name of a GGUF file's tokenizer says more than its architecture, which V2 and V3 share. */
static enum status find_families(const struct checkpoint *checkpoint, struct arena *arena,
                                 const char *family[2]) {
    if (checkpoint->kind == CHECKPOINT_HUGGING_FACE) {
        family[0] = json_string_value(json_object_get(checkpoint->config, "model_type"));
        return STATUS_OK;
    }
    TRY(gguf_get_text_or(&checkpoint->gguf, arena, "tokenizer.ggml.pre", &family[0]));
    return gguf_get_text_or(&checkpoint->gguf, arena, "general.architecture", &family[1]);
}

static bool family_template(const char *name, enum chat_template *template) {
    static const struct {
        const char *family;
        enum chat_template template;
    } families[] = {{"deepseek_v2", TEMPLATE_DEEPSEEK_V2},
                    {"deepseek_v3", TEMPLATE_DEEPSEEK_V3},
                    {"qwen2", TEMPLATE_QWEN25},
                    {"llama", TEMPLATE_LLAMA3},
                    {"deepseek-llm", TEMPLATE_DEEPSEEK_V2},
                    {"deepseek-v3", TEMPLATE_DEEPSEEK_V3},
                    {"deepseek-r1-qwen", TEMPLATE_DEEPSEEK_R1_DISTILL},
                    {"llama-bpe", TEMPLATE_LLAMA3},
                    {"deepseek2", TEMPLATE_DEEPSEEK_V2}};
    for (size_t index = 0; name && index < COUNT_OF(families); index++) {
        if (strcmp(families[index].family, name) != 0) continue;
        *template = families[index].template;
        return true;
    }
    return false;
}

static enum status choose(const struct checkpoint *checkpoint, struct arena *arena,
                          enum chat_template *template, bool *guessed) {
    const char *jinja = NULL, *family[2] = {NULL, NULL};
    TRY(chat_template_text(checkpoint, arena, &jinja));
    *guessed = !jinja || !*jinja;
    if (!*guessed) {
        if (chat_template_recognise(jinja, template)) return STATUS_OK;
        return fail(STATUS_UNSUPPORTED, "%s: its chat template is none that hadal knows", checkpoint->path);
    }
    TRY(find_families(checkpoint, arena, family));
    if (family_template(family[0], template) || family_template(family[1], template)) return STATUS_OK;
    return fail(STATUS_UNSUPPORTED, "%s: no chat template is known for a model of type \"%.32s\"",
                checkpoint->path, family[0] ? family[0] : "");
}

enum status chat_template_choose(const struct checkpoint *checkpoint, enum chat_template *template,
                                 bool *guessed) {
    struct arena arena = {0};
    bool unasked;
    enum status status = choose(checkpoint, &arena, template, guessed ? guessed : &unasked);
    arena_free(&arena);
    return status;
}

/* A string, or an object with the string as "content". */
static const char *bos_in_config(const json_t *config) {
    const json_t *value = json_object_get(config, "bos_token");
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static const struct gguf_text *bos_in_gguf(const struct gguf *gguf) {
    const struct gguf_value *tokens = gguf_find(gguf, "tokenizer.ggml.tokens");
    int64_t id = -1;
    if (gguf_get_int_or(gguf, "tokenizer.ggml.bos_token_id", 0, INT32_MAX, -1, &id) != STATUS_OK) return NULL;
    if (id < 0 || !tokens || !tokens->text || (uint64_t)id >= tokens->count) return NULL;
    return &tokens->text[id];
}

enum status chat_bos(const struct checkpoint *checkpoint, struct arena *arena, const char **bos) {
    *bos = NULL;
    if (checkpoint->kind == CHECKPOINT_GGUF) {
        const struct gguf_text *text = bos_in_gguf(&checkpoint->gguf);
        if (text) *bos = arena_copy(arena, text->data, text->bytes);
        return !text || *bos ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory", checkpoint->path);
    }
    const char *text = bos_in_config(checkpoint->tokenizer_config);
    if (text) *bos = arena_copy(arena, text, strlen(text));
    return !text || *bos ? STATUS_OK : fail(STATUS_MEMORY, "%s: out of memory", checkpoint->path);
}
