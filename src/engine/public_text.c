/* public_text.c - hadal.h: tokenizing, detokenizing and rendering. All of it reads the model only: any thread. */
#include "engine/public.h"

#include <string.h>

/* ---- arguments and buffers ---- */

enum status text_needed(const struct hadal_model *model) {
    if (model->engine->tokenizer) return STATUS_OK;
    return fail(STATUS_UNSUPPORTED, "the model was opened for ids only");
}

enum status text_argument(const char *function, const char *text, size_t *bytes) {
    if (!text && *bytes) return argument_missing(function, "the text");
    if (*bytes == HADAL_TERMINATED) *bytes = strlen(text);
    return STATUS_OK;
}

static enum status refuse_buffer(size_t needed, size_t capacity, const char *unit) {
    return fail(STATUS_LIMIT, "%zu %s are needed, the buffer has room for %zu", needed, unit, capacity);
}

enum status give_text(const struct buffer *from, char *text, size_t capacity, size_t *bytes) {
    *bytes = from->bytes;
    if (!text) return STATUS_OK;
    if (capacity <= from->bytes) return refuse_buffer(from->bytes + 1, capacity, "bytes");
    if (from->bytes) memcpy(text, from->data, from->bytes);
    text[from->bytes] = 0;
    return STATUS_OK;
}

enum status give_ids(const int32_t *id, size_t ids, int32_t *to, size_t capacity, size_t *count) {
    *count = ids;
    if (!to) return STATUS_OK;
    if (capacity < ids) return refuse_buffer(ids, capacity, "ids");
    if (ids) memcpy(to, id, ids * sizeof *id);
    return STATUS_OK;
}

/* ---- tokens ---- */

static enum status tokenize(const struct hadal_model *model, const char *text, size_t bytes,
                            enum hadal_special special, struct token_list *list) {
    TRY(text_needed(model));
    TRY(text_argument("hadal_tokenize", text, &bytes));
    if (!bytes) return STATUS_OK;
    return tokenizer_encode(model->engine->tokenizer, text, bytes,
                            special == HADAL_SPECIAL ? TOKENIZE_SPECIAL : TOKENIZE_PLAIN, list);
}

enum hadal_status hadal_tokenize(const struct hadal_model *model, const char *text, size_t bytes,
                                 enum hadal_special special, int32_t *ids, size_t capacity, size_t *count) {
    struct token_list list = {0};
    if (!model) return public_status(argument_missing("hadal_tokenize", "model"));
    if (!count) return public_status(argument_missing("hadal_tokenize", "count"));
    enum status status = tokenize(model, text, bytes, special, &list);
    if (status == STATUS_OK) status = give_ids(list.id, list.count, ids, capacity, count);
    token_list_free(&list);
    return public_status(status);
}

static enum status detokenize(const struct hadal_model *model, const int32_t *ids, size_t count,
                              enum hadal_special special, struct buffer *text) {
    TRY(text_needed(model));
    if (!ids && count) return argument_missing("hadal_detokenize", "ids");
    struct detokenizer detokenizer = {model->engine->tokenizer, .show_special = special == HADAL_SPECIAL};
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || ids[i] >= model->engine->model.desc.vocab)
            return fail(STATUS_INPUT, "token id %d at place %zu is outside the vocabulary of %lld", ids[i], i,
                        (long long)model->engine->model.desc.vocab);
        detokenizer_push(&detokenizer, ids[i], text);
    }
    detokenizer_finish(&detokenizer, text);
    return buffer_check(text, "the text");
}

enum hadal_status hadal_detokenize(const struct hadal_model *model, const int32_t *ids, size_t count,
                                   enum hadal_special special, char *text, size_t capacity, size_t *bytes) {
    struct buffer buffer = {0};
    if (!model) return public_status(argument_missing("hadal_detokenize", "model"));
    if (!bytes) return public_status(argument_missing("hadal_detokenize", "bytes"));
    enum status status = detokenize(model, ids, count, special, &buffer);
    if (status == STATUS_OK) status = give_text(&buffer, text, capacity, bytes);
    buffer_free(&buffer);
    return public_status(status);
}

/* ---- prompts ---- */

static enum thinking thinking_of(enum hadal_thinking thinking) {
    return thinking == HADAL_THINKING_ON    ? THINKING_ON
           : thinking == HADAL_THINKING_OFF ? THINKING_OFF
                                            : THINKING_DEFAULT;
}

enum status render_options_of(const struct hadal_model *model, enum hadal_thinking thinking,
                              struct render_options *options) {
    *options = (struct render_options){
        .template = model->chat_template, .thinking = thinking_of(thinking), .bos = model->bos};
    TRY(text_needed(model));
    if (model->has_template) return STATUS_OK;
    /* Says once more what is wrong with the checkpoint's template. */
    TRY(chat_template_choose(&model->engine->model.checkpoint, &options->template, NULL));
    return STATUS_OK;
}

static enum status render(const struct hadal_model *model, const char *messages, size_t bytes,
                          enum hadal_thinking thinking, struct prompt *prompt) {
    struct render_options options;
    struct chat chat;
    TRY(render_options_of(model, thinking, &options));
    TRY(text_argument("hadal_render", messages, &bytes));
    TRY(chat_from_json(&chat, messages ? messages : "", bytes, "the chat"));
    enum status status = chat_render(&chat, &options, prompt);
    chat_free(&chat);
    return status;
}

enum hadal_status hadal_render(const struct hadal_model *model, const char *messages, size_t bytes,
                               enum hadal_thinking thinking, char *text, size_t capacity,
                               size_t *text_bytes) {
    struct prompt prompt = {0};
    struct buffer buffer = {0};
    if (!model) return public_status(argument_missing("hadal_render", "model"));
    if (!text_bytes) return public_status(argument_missing("hadal_render", "text_bytes"));
    enum status status = render(model, messages, bytes, thinking, &prompt);
    if (status == STATUS_OK) {
        prompt_text(&prompt, &buffer);
        status = buffer_check(&buffer, "the prompt");
    }
    if (status == STATUS_OK) status = give_text(&buffer, text, capacity, text_bytes);
    prompt_free(&prompt);
    buffer_free(&buffer);
    return public_status(status);
}

enum hadal_status hadal_render_ids(const struct hadal_model *model, const char *messages, size_t bytes,
                                   enum hadal_thinking thinking, int32_t *ids, size_t capacity,
                                   size_t *count) {
    struct prompt prompt = {0};
    struct token_list list = {0};
    if (!model) return public_status(argument_missing("hadal_render_ids", "model"));
    if (!count) return public_status(argument_missing("hadal_render_ids", "count"));
    enum status status = render(model, messages, bytes, thinking, &prompt);
    if (status == STATUS_OK) status = prompt_encode(&prompt, model->engine->tokenizer, &list);
    if (status == STATUS_OK) status = give_ids(list.id, list.count, ids, capacity, count);
    prompt_free(&prompt);
    token_list_free(&list);
    return public_status(status);
}
