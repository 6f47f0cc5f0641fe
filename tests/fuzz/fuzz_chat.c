/* Fuzz target: chat JSON through every template, back to JSON and again; the text of a Jinja template through
 * the recogniser; generated text through the reasoning splitter, cut in two. Any input must end in a prompt
 * or a sentence. */
#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* The prompt that `chat` gives, "" for a refusal. */
static struct buffer render(const struct chat *chat, struct render_options options) {
    struct prompt prompt;
    struct buffer text = {0};
    buffer_append_text(&text, "");
    if (chat_render(chat, &options, &prompt) == STATUS_OK) prompt_text(&prompt, &text);
    prompt_free(&prompt);
    return text;
}

static void render_all(const struct chat *chat, const struct chat *again) {
    for (int index = 0; index < TEMPLATE_COUNT; index++) {
        struct render_options options = {.template = (enum chat_template)index,
                                         .thinking = (enum thinking)(index % 3)};
        struct buffer one = render(chat, options), other = render(again, options);
        MUST(one.bytes == other.bytes && !memcmp(one.data, other.data, one.bytes));
        buffer_free(&one);
        buffer_free(&other);
    }
}

static void fuzz_messages(const char *text, size_t bytes) {
    struct chat chat, again;
    struct buffer saved = {0};
    if (chat_from_json(&chat, text, bytes, "fuzz") != STATUS_OK) {
        MUST(*status_message());
        return;
    }
    chat_to_json(&chat, &saved);
    /* indentation and quoting may push what is saved over a limit; anything else must come back */
    enum status status = chat_from_json(&again, saved.data, saved.bytes, "saved");
    MUST(status == STATUS_OK || status == STATUS_LIMIT);
    if (status == STATUS_OK) render_all(&chat, &again);
    chat_free(&again);
    chat_free(&chat);
    buffer_free(&saved);
}

static void collect(void *context, enum text_kind kind, const char *text, size_t bytes) {
    buffer_append((struct buffer *)context + kind, text, bytes);
}

static void fuzz_reasoning(const char *text, size_t bytes, size_t cut, bool thinking) {
    struct reasoning_splitter whole = {.thinking = thinking}, parts = {.thinking = thinking};
    struct buffer one[2] = {0}, other[2] = {0};
    reasoning_split(&whole, text, bytes, collect, one);
    reasoning_split_finish(&whole, collect, one);
    reasoning_split(&parts, text, cut, collect, other);
    reasoning_split(&parts, text + cut, bytes - cut, collect, other);
    reasoning_split_finish(&parts, collect, other);
    for (int kind = 0; kind < 2; kind++) {
        MUST(one[kind].bytes == other[kind].bytes);
        MUST(!one[kind].bytes || !memcmp(one[kind].data, other[kind].data, one[kind].bytes));
        buffer_free(&one[kind]);
        buffer_free(&other[kind]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    enum chat_template template;
    char *text = malloc(bytes + 1);
    if (!text) return 0;
    if (bytes) memcpy(text, data, bytes);
    text[bytes] = 0;
    fuzz_messages(text, bytes);
    if (chat_template_recognise(text, &template)) MUST(*chat_template_name(template));
    if (bytes) fuzz_reasoning(text, bytes, data[bytes - 1] % bytes, data[0] & 1);
    free(text);
    return 0;
}
