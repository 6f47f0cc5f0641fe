/* load_answer.c - the events of a stream, in the spellings that servers of this API have. */
#include "cli/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_LIMIT = 1 << 24, TEXT_LIMIT = 1 << 24 };

void load_samples_add(struct load_samples *samples, double value) {
    if (samples->count == samples->capacity) {
        const size_t more = samples->capacity ? 2 * samples->capacity : 1024;
        double *grown = realloc(samples->value, more * sizeof *grown);
        if (!grown) {
            samples->failed = true;
            return;
        }
        samples->value = grown;
        samples->capacity = more;
    }
    samples->value[samples->count++] = value;
}

void load_answer_begin(struct load_answer *answer) {
    load_answer_free(answer);
    *answer = (struct load_answer){.line = {.limit = LINE_LIMIT},
                                   .text = {.limit = TEXT_LIMIT},
                                   .prompt_tokens = -1,
                                   .output_tokens = -1,
                                   .cached_tokens = -1};
}

void load_answer_free(struct load_answer *answer) {
    buffer_free(&answer->line);
    buffer_free(&answer->text);
}

static int64_t count_of(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void read_usage(struct load_answer *answer, const json_t *usage) {
    if (!json_is_object(usage)) return;
    answer->prompt_tokens = count_of(usage, "prompt_tokens");
    answer->output_tokens = count_of(usage, "completion_tokens");
    answer->cached_tokens = count_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    if (answer->cached_tokens < 0) answer->cached_tokens = count_of(usage, "prompt_cache_hit_tokens");
}

/* Is there text in this delta? Content is kept for the next turn; reasoning and calls are not. */
static bool read_delta(struct load_answer *answer, const json_t *delta) {
    static const char *const others[] = {"reasoning_content", "reasoning"};
    const json_t *content = json_object_get(delta, "content");
    bool any = json_string_length(content) > 0;
    if (any) buffer_append(&answer->text, json_string_value(content), json_string_length(content));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        any = any || json_string_length(json_object_get(delta, others[i])) > 0;
    return any || json_array_size(json_object_get(delta, "tool_calls")) > 0;
}

static bool read_choice(struct load_answer *answer, const json_t *choice) {
    const json_t *text = json_object_get(choice, "text"), *delta = json_object_get(choice, "delta");
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    if (finish) snprintf(answer->finish, sizeof answer->finish, "%s", finish);
    if (!delta) delta = json_object_get(choice, "message");
    if (delta) return read_delta(answer, delta);
    if (json_string_length(text) == 0) return false;
    buffer_append(&answer->text, json_string_value(text), json_string_length(text));
    return true;
}

/* True: there was text in it. */
static bool read_object(struct load_answer *answer, const char *data, size_t bytes) {
    json_t *root = json_loadb(data, bytes, 0, NULL), *choice;
    size_t index;
    bool text = false;
    if (!json_is_object(root)) answer->failure = LOAD_MALFORMED;
    if (root && json_is_object(json_object_get(root, "error"))) answer->failure = LOAD_ERROR;
    json_array_foreach(json_object_get(root, "choices"), index, choice) text =
        read_choice(answer, choice) || text;
    read_usage(answer, json_object_get(root, "usage"));
    json_decref(root);
    return text;
}

void load_answer_read(struct load_answer *answer, const char *data, size_t bytes) {
    (void)read_object(answer, data, bytes);
}

static void read_line(struct load_answer *answer, double now, struct load_samples *gaps) {
    const char *line = answer->line.data ? answer->line.data : "";
    size_t bytes = answer->line.bytes;
    if (bytes && line[bytes - 1] == '\r') bytes--;
    if (bytes < 5 || memcmp(line, "data:", 5) != 0) return; /* comments, names of events, empty lines */
    line += 5, bytes -= 5;
    if (bytes && *line == ' ') line++, bytes--;
    if (bytes == 6 && !memcmp(line, "[DONE]", 6)) {
        answer->done = true;
        return;
    }
    if (!read_object(answer, line, bytes)) return;
    if (answer->pieces++ == 0)
        answer->first = now;
    else
        load_samples_add(gaps, now - answer->last);
    answer->last = now;
}

void load_answer_hear(struct load_answer *answer, const char *data, size_t bytes, double now,
                      struct load_samples *gaps) {
    while (bytes > 0 && answer->failure == LOAD_NONE) {
        const char *end = memchr(data, '\n', bytes);
        const size_t part = end ? (size_t)(end - data) : bytes;
        buffer_append(&answer->line, data, part);
        if (answer->line.failed) answer->failure = LOAD_MALFORMED;
        if (end && answer->failure == LOAD_NONE) read_line(answer, now, gaps);
        if (end) buffer_clear(&answer->line);
        data += part + (end != NULL);
        bytes -= part + (end != NULL);
    }
}
