/* job_tools.c - calls of tools in the answers of a job. */
#include "server/job.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static struct job_call *add_call(struct job_answer *answer) {
    if (answer->calls == answer->call_capacity) {
        const int more = answer->call_capacity ? 2 * answer->call_capacity : 4;
        struct job_call *grown = realloc(answer->call, (size_t)more * sizeof *grown);
        if (!grown) return NULL;
        answer->call = grown;
        answer->call_capacity = more;
    }
    struct job_call *call = &answer->call[answer->calls++];
    *call = (struct job_call){0};
    return call;
}

static void begin_call(struct job_answer *answer, const char *name, size_t bytes) {
    struct job_call *call = answer->calls < CHAT_TOOLS_LIMIT ? add_call(answer) : NULL;
    answer->call_is_text = !call;
    if (!call) {
        struct buffer *text = &answer->text[TEXT_ANSWER];
        buffer_append_text(text, tool_call_opening(answer->parser.format));
        buffer_append(text, name, bytes);
        buffer_append_text(text, tool_call_separator(answer->parser.format));
        return;
    }
    unsigned char random[(JOB_CALL_ID_BYTES - 1) / 2];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(call->id, sizeof call->id, random, sizeof random);
    memcpy(call->name, name, bytes);
}

/* Brackets and quotes were right, the rest may not be. */
static bool is_object(const struct buffer *text) {
    if (text->failed || chat_json_check(text->data, text->bytes, "arguments") != STATUS_OK) return false;
    json_t *root = json_loadb(text->data, text->bytes, JSON_ALLOW_NUL, NULL);
    const bool object = json_is_object(root);
    json_decref(root);
    return object;
}

static void hear(void *context, enum tool_event event, const char *text, size_t bytes) {
    struct job_answer *answer = context;
    if (event == TOOL_TEXT || (answer->call_is_text && event != TOOL_CALL_BEGIN)) {
        buffer_append(&answer->text[TEXT_ANSWER], text, bytes);
        return;
    }
    if (event == TOOL_CALL_BEGIN) {
        begin_call(answer, text, bytes);
        return;
    }
    struct job_call *call = &answer->call[answer->calls - 1];
    if (event == TOOL_ARGUMENTS) {
        buffer_append(&call->arguments, text, bytes);
        return;
    }
    call->ended = true;
    call->broken = event == TOOL_CALL_BROKEN || !is_object(&call->arguments);
}

void job_hear_answer(struct job_answer *answer, const char *text, size_t bytes) {
    tool_calls_parse(&answer->parser, text, bytes, hear, answer);
}

static void call_to_text(struct job_answer *answer, struct job_call *call) {
    struct buffer *text = &answer->text[TEXT_ANSWER];
    buffer_append_text(text, tool_call_opening(answer->parser.format));
    buffer_append_text(text, call->name);
    buffer_append_text(text, tool_call_separator(answer->parser.format));
    buffer_append(text, call->arguments.data, call->arguments.bytes);
    buffer_free(&call->arguments);
}

void job_end_answer(struct job_answer *answer, bool streamed) {
    int kept = 0;
    tool_calls_finish(&answer->parser, hear, answer);
    for (int i = 0; i < answer->calls; i++) {
        struct job_call *call = &answer->call[i];
        if (call->broken && !streamed)
            call_to_text(answer, call);
        else
            answer->call[kept++] = *call;
    }
    answer->calls = kept;
}

bool job_ends_in_calls(const struct job_answer *answer) {
    for (int i = 0; i < answer->calls; i++)
        if (!answer->call[i].ended || answer->call[i].broken) return false;
    return answer->calls > 0 && answer->finish == FINISH_STOP;
}

void job_free_calls(struct job_answer *answer) {
    for (int i = 0; i < answer->calls; i++) buffer_free(&answer->call[i].arguments);
    free(answer->call);
    answer->call = NULL;
    answer->calls = answer->call_capacity = 0;
}
