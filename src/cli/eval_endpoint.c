/* eval_endpoint.c - questions answered by a server that speaks OpenAI's API. A call that fails for a reason that passes (no
 * connection, too many requests, a server's own trouble) is made again after a pause that doubles; any other ends the run,
 * which goes on from there when it is started again. */
#include "base/clock.h"
#include "base/json.h"
#include "cli/eval.h"
#include "cli/load.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_LIMIT = 1 << 26, ATTEMPTS = 8, WAIT_MICROSECONDS = 200000 };
static const double first_pause = 1, longest_pause = 60;

struct call {
    struct eval_endpoint *endpoint;
    struct call *next;
    struct event *pause;
    int64_t number;
    char *request;
    struct buffer body;
    int status, attempts;
    enum load_failure failure;
    double sent, seconds;
};

struct eval_endpoint {
    struct load_plan plan;
    char name[256];
    struct eval_sampling sampling;
    struct event_base *base;
    struct load_client *client;
    struct call *out, *done;
};

static void free_call(struct call *call) {
    if (call->pause) event_free(call->pause);
    buffer_free(&call->body);
    free(call->request);
    free(call);
}

static void unlink_call(struct call **list, struct call *call) {
    while (*list && *list != call) list = &(*list)->next;
    if (*list) *list = call->next;
}

/* ---- calls ---- */

static bool passes(const struct call *call) {
    if (call->failure == LOAD_CONNECT || call->failure == LOAD_CUT || call->failure == LOAD_TIMEOUT)
        return true;
    return call->failure == LOAD_NONE && (call->status == 408 || call->status == 429 || call->status >= 500);
}

static void on_body(void *context, int status, const char *data, size_t bytes) {
    struct call *call = context;
    (void)status;
    buffer_append(&call->body, data, bytes);
}

static void on_end(void *context, int status, enum load_failure failure) {
    struct call *call = context;
    call->status = status;
    call->failure = failure;
    call->seconds = clock_seconds() - call->sent;
    if (passes(call) && ++call->attempts < ATTEMPTS) {
        double wait = first_pause * (double)(1 << (call->attempts - 1));
        if (wait > longest_pause) wait = longest_pause;
        struct timeval pause = {(time_t)wait, 0};
        event_add(call->pause, &pause);
        return;
    }
    unlink_call(&call->endpoint->out, call);
    call->next = call->endpoint->done;
    call->endpoint->done = call;
}

static void send_call(evutil_socket_t none, short what, void *context) {
    struct call *call = context;
    const struct load_listener listener = {on_body, on_end, call};
    (void)none;
    (void)what;
    buffer_clear(&call->body);
    call->sent = clock_seconds();
    load_client_send(call->endpoint->client,
                     call->endpoint->sampling.plain ? "/completions" : "/chat/completions", call->request,
                     strlen(call->request), &listener);
}

/* ---- asking ---- */

static json_t *asked_of(const struct eval_endpoint *endpoint, const json_t *line) {
    json_t *prompt = json_object_get(line, "prompt"), *messages = json_object_get(line, "messages");
    json_t *plain = json_object_get(line, "plain"), *stop = json_object_get(line, "stop");
    if (endpoint->sampling.plain) {
        json_t *made = json_pack("{s:O}", "prompt", json_is_string(plain) ? plain : prompt);
        if (made && json_array_size(stop)) json_object_set(made, "stop", stop);
        return made;
    }
    if (!messages && json_is_array(prompt)) messages = prompt;
    if (messages) return json_pack("{s:O}", "messages", messages);
    return json_pack("{s:[{s:s, s:O}]}", "messages", "role", "user", "content", prompt);
}

static enum status write_request(const struct eval_endpoint *endpoint, const struct asked *asked,
                                 char **text) {
    const struct eval_sampling *sampling = &endpoint->sampling;
    json_t *body = asked_of(endpoint, asked->question->line);
    json_t *more = json_pack("{s:s, s:f, s:f, s:I, s:I, s:b}", "model", endpoint->plan.model, "temperature",
                             sampling->temperature, "top_p", sampling->top_p, "max_tokens",
                             (json_int_t)sampling->most, "seed", (json_int_t)asked->seed, "stream", 0);
    if (body && more) json_object_update(body, more);
    if (body && endpoint->plan.extra) json_object_update(body, endpoint->plan.extra);
    *text = body && more ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    json_decref(more);
    if (*text) return STATUS_OK;
    return fail(STATUS_FORMAT, "question %.100s: cannot be asked in this form", asked->question->id);
}

static enum status ask(void *context, const struct asked *asked) {
    struct eval_endpoint *endpoint = context;
    struct call *call = calloc(1, sizeof *call);
    if (!call) return fail(STATUS_MEMORY, "no memory for a question");
    *call = (struct call){.endpoint = endpoint, .number = asked->number, .body.limit = ANSWER_LIMIT};
    call->pause = evtimer_new(endpoint->base, send_call, call);
    enum status status = call->pause ? write_request(endpoint, asked, &call->request)
                                     : fail(STATUS_MEMORY, "no memory for a question");
    if (status != STATUS_OK) {
        free_call(call);
        return status;
    }
    call->next = endpoint->out;
    endpoint->out = call;
    event_add(call->pause, &(struct timeval){0});
    return STATUS_OK;
}

/* ---- answers ---- */

static bool append_field(struct buffer *text, const char *before, const json_t *field, const char *behind) {
    size_t bytes = json_string_length(field);
    if (!bytes) return false;
    buffer_append_text(text, before);
    buffer_append(text, json_string_value(field), bytes);
    buffer_append_text(text, behind);
    return true;
}

static enum status read_choice(const json_t *choice, struct buffer *text, bool *unfinished) {
    const json_t *message = json_object_get(choice, "message"),
                 *content = json_object_get(message, "content");
    const json_t *reasoning = json_object_get(message, "reasoning_content");
    if (!message) content = json_object_get(choice, "text");
    if (!reasoning) reasoning = json_object_get(message, "reasoning");
    bool answers = json_string_length(content) > 0;
    *unfinished = append_field(text, "<think>", reasoning, answers ? "</think>" : "") && !answers;
    append_field(text, "", content, "");
    buffer_append_text(text, "");
    for (size_t i = 0; text->data && i < text->bytes; i++)
        if (!text->data[i]) text->data[i] = ' '; /* texts of records end at a NUL */
    return buffer_check(text, "an answer");
}

static enum status read_answer(const struct call *call, const char *origin, struct answered *answered) {
    struct buffer text = {0};
    json_t *root;
    bool unfinished = false;
    TRY(json_parse(call->body.data ? call->body.data : "", call->body.bytes, origin, &root));
    const json_t *choice = json_array_get(json_object_get(root, "choices"), 0),
                 *usage = json_object_get(root, "usage");
    enum status status = json_is_object(choice)
                             ? read_choice(choice, &text, &unfinished)
                             : fail(STATUS_FORMAT, "%s: the answer has no choices", origin);
    *answered = (struct answered){
        .number = call->number,
        .text = text.data,
        .bytes = text.bytes,
        .unfinished = unfinished,
        .prompt_tokens = (int64_t)json_integer_value(json_object_get(usage, "prompt_tokens")),
        .tokens = (int64_t)json_integer_value(json_object_get(usage, "completion_tokens")),
        .seconds = call->seconds};
    const char *finish = json_string_value(json_object_get(choice, "finish_reason"));
    snprintf(answered->finish, sizeof answered->finish, "%.15s", finish ? finish : "");
    json_decref(root);
    return status;
}

static enum status take_answer(const struct eval_endpoint *endpoint, const struct call *call,
                               struct answered *answered) {
    const struct load_target *target = &endpoint->plan.target;
    char origin[400];
    snprintf(origin, sizeof origin, "%.200s%.100s", target->authority, target->path);
    if (call->failure != LOAD_NONE)
        return fail(STATUS_IO, "%s: %s", origin, load_failure_name(call->failure));
    TRY(buffer_check(&call->body, "an answer"));
    if (call->status != 200)
        return fail(STATUS_IO, "%s: status %d: %.160s", origin, call->status,
                    call->body.data ? call->body.data : "");
    return read_answer(call, origin, answered);
}

static void on_wait(evutil_socket_t none, short what, void *context) {
    (void)none;
    (void)what;
    (void)context;
}

static enum status hear(void *context, struct answered *answered, bool *found) {
    struct eval_endpoint *endpoint = context;
    const struct timeval wait = {0, WAIT_MICROSECONDS};
    if (!endpoint->done) {
        struct event *timer = evtimer_new(endpoint->base, on_wait, NULL);
        if (!timer) return fail(STATUS_MEMORY, "no memory for an event loop");
        event_add(timer, &wait);
        event_base_loop(endpoint->base, EVLOOP_ONCE);
        event_free(timer);
    }
    struct call *call = endpoint->done;
    *found = call;
    if (!call) return STATUS_OK;
    endpoint->done = call->next;
    enum status status = take_answer(endpoint, call, answered);
    free_call(call);
    return status;
}

/* ---- opening ---- */

static enum status read_target(struct eval_endpoint *endpoint, const struct option_values *values,
                               const char *url) {
    struct load_plan *plan = &endpoint->plan;
    const char *extra = option_text(values, "extra");
    *plan = (struct load_plan){.model = option_text(values, "model-name"),
                               .timeout = option_real(values, "timeout")};
    plan->target.key = option_text(values, "api-key");
    plan->target.unverified = option_flag(values, "insecure");
    plan->target.authorities = option_text(values, "tls-ca");
    if (plan->target.key && strpbrk(plan->target.key, "\r\n"))
        return fail(STATUS_USAGE, "--api-key: a key has no line ends");
    if (extra) TRY(json_parse(extra, strlen(extra), "--extra", &plan->extra));
    if (extra && !json_is_object(plan->extra))
        return fail(STATUS_USAGE, "--extra: must be an object of JSON");
    TRY(load_target_from(&plan->target, url));
    return plan->model ? STATUS_OK : load_find_model(plan, endpoint->name, sizeof endpoint->name);
}

enum status eval_endpoint_open(struct eval_endpoint **endpoint, const struct option_values *values,
                               const char *url, int at_once, const struct eval_sampling *sampling,
                               struct asker *asker, json_t *about) {
    struct eval_endpoint *made = calloc(1, sizeof *made);
    *endpoint = made;
    if (!made) return fail(STATUS_MEMORY, "no memory for a client");
    signal(SIGPIPE, SIG_IGN);
    made->sampling = *sampling;
    TRY(read_target(made, values, url));
    made->base = event_base_new();
    if (!made->base) return fail(STATUS_MEMORY, "no memory for an event loop");
    TRY(load_client_open(&made->client, made->base, &made->plan.target, made->plan.timeout));
    json_object_set_new(about, "url", json_string(url));
    json_object_set_new(about, "model", json_string(made->plan.model));
    if (made->plan.extra) json_object_set(about, "extra", made->plan.extra);
    *asker = (struct asker){made, at_once, ask, hear};
    return STATUS_OK;
}

void eval_endpoint_close(struct eval_endpoint *endpoint) {
    if (!endpoint) return;
    load_client_close(endpoint->client);
    for (struct call *call; (call = endpoint->out ? endpoint->out : endpoint->done);) {
        if (endpoint->out)
            endpoint->out = call->next;
        else
            endpoint->done = call->next;
        free_call(call);
    }
    if (endpoint->base) event_base_free(endpoint->base);
    json_decref(endpoint->plan.extra);
    free(endpoint);
}
