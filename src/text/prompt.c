/* prompt.c - building, joining and releasing prompts; see prompt.h. A prompt is used by one thread. */
#include "text/prompt.h"

#include <stdlib.h>
#include <string.h>

/* Bytes of the control token that a template's own text begins with; 0: none. */
static size_t control_token_bytes(const char *text) {
    static const char *const words[] = {"<think>", "</think>", "<tool_call>", "</tool_call>"};
    static const char *const brackets[][2] = {{"<｜", "｜>"}, {"<|", "|>"}};
    for (size_t index = 0; index < COUNT_OF(words); index++)
        if (!strncmp(text, words[index], strlen(words[index]))) return strlen(words[index]);
    for (size_t index = 0; index < COUNT_OF(brackets); index++) {
        size_t open = strlen(brackets[index][0]);
        if (strncmp(text, brackets[index][0], open) != 0) continue;
        const char *close = strstr(text + open, brackets[index][1]);
        return close ? (size_t)(close - text) + strlen(brackets[index][1]) : 0;
    }
    return 0;
}

static void put_control(struct prompt_builder *builder, const char *token, size_t bytes) {
    if (builder->controls == builder->capacity) {
        int capacity = builder->capacity ? builder->capacity * 2 : 64;
        struct prompt_span *control = realloc(builder->control, (size_t)capacity * sizeof *control);
        if (!control) {
            builder->failed = true;
            return;
        }
        builder->control = control;
        builder->capacity = capacity;
    }
    builder->control[builder->controls++] = (struct prompt_span){builder->text.bytes, bytes};
    buffer_append(&builder->text, token, bytes);
}

void prompt_put(struct prompt_builder *builder, const char *literal) {
    while (*literal) {
        size_t bytes = control_token_bytes(literal);
        if (bytes) {
            put_control(builder, literal, bytes);
        } else {
            do bytes++;
            while (literal[bytes] && literal[bytes] != '<');
            buffer_append(&builder->text, literal, bytes);
        }
        literal += bytes;
    }
}

void prompt_put_control(struct prompt_builder *builder, const char *token) {
    if (*token) put_control(builder, token, strlen(token));
}

void prompt_put_text(struct prompt_builder *builder, const char *text) {
    buffer_append_text(&builder->text, text);
}

static void add_part(struct prompt *prompt, const char *text, size_t bytes, bool control) {
    if (bytes) prompt->part[prompt->parts++] = (struct prompt_part){text, bytes, control};
}

enum status prompt_finish(struct prompt_builder *builder, struct prompt *prompt) {
    *prompt = (struct prompt){0};
    TRY(buffer_check(&builder->text, "prompt"));
    size_t most = 2 * (size_t)builder->controls + 1;
    char *text = builder->failed ? NULL : arena_copy(&prompt->arena, builder->text.data, builder->text.bytes);
    prompt->part = text ? arena_take(&prompt->arena, most * sizeof *prompt->part) : NULL;
    if (!prompt->part) {
        prompt_free(prompt);
        return fail(STATUS_MEMORY, "prompt: out of memory for %zu bytes", builder->text.bytes);
    }
    size_t at = 0;
    for (int index = 0; index < builder->controls; index++) {
        struct prompt_span control = builder->control[index];
        add_part(prompt, text + at, control.begin - at, false);
        add_part(prompt, text + control.begin, control.bytes, true);
        at = control.begin + control.bytes;
    }
    add_part(prompt, text + at, builder->text.bytes - at, false);
    prompt_builder_free(builder);
    return STATUS_OK;
}

void prompt_builder_free(struct prompt_builder *builder) {
    buffer_free(&builder->text);
    free(builder->control);
    *builder = (struct prompt_builder){0};
}

void prompt_free(struct prompt *prompt) {
    arena_free(&prompt->arena);
    *prompt = (struct prompt){0};
}

void prompt_text(const struct prompt *prompt, struct buffer *out) {
    for (int index = 0; index < prompt->parts; index++)
        buffer_append(out, prompt->part[index].text, prompt->part[index].bytes);
}
