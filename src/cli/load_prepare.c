/* load_prepare.c - what must be known of a server before it is measured: the model's name, and how long a text is in its
 * tokens. Prompts of two lengths tell the tokens of a byte and those that the template adds. */
#include "cli/load.h"

#include "base/json.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_LIMIT = 1 << 24, SHORT_BYTES = 256, LONG_BYTES = 1536 };

struct question {
    struct event_base *base;
    struct buffer body;
    int status;
    enum load_failure failure;
};

static void on_body(void *context, int status, const char *data, size_t bytes) {
    struct question *question = context;
    (void)status;
    buffer_append(&question->body, data, bytes);
}

static void on_end(void *context, int status, enum load_failure failure) {
    struct question *question = context;
    question->status = status;
    question->failure = failure;
    event_base_loopexit(question->base, NULL);
}

/* One call, waited for. The caller frees the body, whatever comes of it. */
static enum status call(const struct load_plan *plan, const char *path, const char *body,
                        struct question *question) {
    struct load_client *client;
    const struct load_listener listener = {on_body, on_end, question};
    *question = (struct question){.base = event_base_new(), .body = {.limit = ANSWER_LIMIT}};
    if (!question->base) return fail(STATUS_MEMORY, "no memory for an event loop");
    enum status status = load_client_open(&client, question->base, &plan->target, plan->timeout);
    if (status == STATUS_OK) {
        load_client_send(client, path, body, body ? strlen(body) : 0, &listener);
        event_base_dispatch(question->base);
        load_client_close(client);
    }
    event_base_free(question->base);
    if (status != STATUS_OK) return status;
    const char *said = question->body.data ? question->body.data : "";
    if (question->failure != LOAD_NONE)
        return fail(STATUS_IO, "%s%s%s: %s", plan->target.authority, plan->target.path, path,
                    load_failure_name(question->failure));
    if (question->status != 200)
        return fail(STATUS_IO, "%s%s%s: status %d: %.160s", plan->target.authority, plan->target.path, path,
                    question->status, said);
    return buffer_check(&question->body, "the answer");
}

enum status load_find_model(struct load_plan *plan, char *name, size_t name_bytes) {
    struct question question;
    json_t *root = NULL;
    enum status status = call(plan, "/models", NULL, &question);
    if (status == STATUS_OK)
        status =
            json_parse(question.body.data ? question.body.data : "", question.body.bytes, "/models", &root);
    const char *id =
        json_string_value(json_object_get(json_array_get(json_object_get(root, "data"), 0), "id"));
    if (status == STATUS_OK && id)
        snprintf(name, name_bytes, "%s", id);
    else if (status == STATUS_OK)
        status = fail(STATUS_INPUT, "/models names no model: --model-name says which to ask for");
    json_decref(root);
    buffer_free(&question.body);
    plan->model = name;
    return status;
}

/* Tokens of a prompt of so many bytes; -1: the server does not say. */
static enum status count_tokens(const struct load_plan *plan, int bytes, int64_t *tokens) {
    struct load_plan sized = *plan;
    struct load_talk talk = {0};
    struct question question = {0};
    struct load_answer answer = {0};
    sized.prompt_tokens = bytes;
    sized.bytes_per_token = 1;
    sized.extra_tokens = sized.shared_share = 0;
    sized.tokens = 1;
    load_talk_begin(&talk, &sized, (uint64_t)bytes + (UINT64_C(1) << 40)); /* no text of the run's */
    char *body = load_talk_body(&talk, &sized);
    json_t *root = body ? json_loads(body, 0, NULL) : NULL;
    free(body);
    json_object_set_new(root, "stream", json_false());
    json_object_del(root, "stream_options");
    body = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    enum status status = body ? call(plan, load_plan_path(plan), body, &question)
                              : fail(STATUS_MEMORY, "no memory for a request");
    load_answer_begin(&answer);
    if (status == STATUS_OK)
        load_answer_read(&answer, question.body.data ? question.body.data : "", question.body.bytes);
    *tokens = answer.prompt_tokens;
    load_answer_free(&answer);
    load_talk_free(&talk);
    buffer_free(&question.body);
    free(body);
    return status;
}

enum status load_prepare(struct load_plan *plan, char *name, size_t name_bytes) {
    int64_t few, many;
    if (!plan->model) TRY(load_find_model(plan, name, name_bytes));
    TRY(count_tokens(plan, SHORT_BYTES, &few));
    TRY(count_tokens(plan, LONG_BYTES, &many));
    plan->bytes_per_token = 4; /* of English, where the server does not count */
    plan->extra_tokens = 0;
    if (few <= 0 || many <= few) return STATUS_OK;
    plan->bytes_per_token = (double)(LONG_BYTES - SHORT_BYTES) / (double)(many - few);
    plan->extra_tokens = (double)few - SHORT_BYTES / plan->bytes_per_token;
    if (plan->extra_tokens < 0) plan->extra_tokens = 0;
    return STATUS_OK;
}
