/* order_chat.c - the body of POST /chat/completions. */
#include "server/order_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DESERIALIZE "Failed to deserialize the JSON body into the target type"

static enum status read_logprobs(struct order *order, const json_t *root) {
    bool logprobs = false;
    int64_t tops = 0;
    TRY(order_read_bool(root, "logprobs", &logprobs));
    TRY(order_read_int(root, "top_logprobs", 0, LOGPROBS_LIMIT, &tops));
    if (tops > 0 && !logprobs) return fail(STATUS_INPUT, "top_logprobs needs logprobs to be true");
    order->sampling.logprobs = logprobs ? (int)tops : -1;
    return STATUS_OK;
}

static enum status read_thinking(struct order *order, const json_t *root) {
    const json_t *thinking = json_object_get(root, "thinking");
    const char *type = json_string_value(json_object_get(thinking, "type"));
    const char *effort = NULL;
    if (thinking && !json_is_null(thinking)) {
        if (!type || (strcmp(type, "enabled") && strcmp(type, "disabled")))
            return fail(STATUS_INPUT, "thinking.type: must be \"enabled\" or \"disabled\"");
        order->thinking = !strcmp(type, "enabled") ? THINKING_ON : THINKING_OFF;
        TRY(order_read_budget(order, thinking));
    }
    TRY(order_read_text(order, root, "reasoning_effort", 32, &effort));
    if (!effort) return STATUS_OK;
    static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                          "high", "xhigh",   "max", "ultra"};
    for (size_t i = 0; i < COUNT_OF(efforts); i++) {
        if (strcmp(effort, efforts[i])) continue;
        if (order->thinking == THINKING_DEFAULT) order->thinking = i == 0 ? THINKING_OFF : THINKING_ON;
        return STATUS_OK;
    }
    return fail(STATUS_INPUT, "reasoning_effort: \"%.32s\" is none of none, low, medium, high, max", effort);
}

/* "line 1 column 42", of the end of a text in the body as it came: the original says it. */
static void place_of(const char *body, const char *end, char *place, size_t bytes) {
    int line = 1, column = 0;
    for (const char *c = body; c < end; c++) {
        column = *c == '\n' ? 0 : column + 1;
        line += *c == '\n';
    }
    snprintf(place, bytes, "line %d column %d", line, column);
}

static enum status missing(const char *body, size_t bytes, const char *field) {
    char place[64];
    place_of(body, body + bytes, place, sizeof place);
    return fail(STATUS_INPUT, DESERIALIZE ": missing field `%s` at %s", field, place);
}

static bool is_role(const char *role, const struct dialect *dialect) {
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (!strcmp(role, roles[i])) return true;
    return dialect->developer_role && !strcmp(role, "developer");
}

/* Others are refused as the original does it, with the place and the names that it knows. */
static enum status refuse_role(const char *body, size_t index, const char *role) {
    char quoted[68], place[64];
    snprintf(quoted, sizeof quoted, "\"%.64s\"", role);
    const char *found = strstr(body, quoted);
    place_of(body, found ? found + strlen(quoted) : body, place, sizeof place);
    return fail(STATUS_INPUT,
                DESERIALIZE ": messages[%zu].role: unknown variant `%.64s`, expected one of `system`, "
                            "`user`, `assistant`, `tool` at %s",
                index, role, place);
}

/* What is looked at before the chat's own reader, in the words of the original. */
static enum status check_shape(const json_t *root, const char *body, size_t bytes,
                               const struct dialect *dialect) {
    const json_t *messages = json_object_get(root, "messages");
    if (!json_is_object(root)) return fail(STATUS_INPUT, "the request must be a JSON object");
    if (!messages) return missing(body, bytes, "messages");
    for (size_t i = 0; i < json_array_size(messages); i++) {
        const json_t *message = json_array_get(messages, i);
        const char *role = json_string_value(json_object_get(message, "role"));
        if (json_is_object(message) && !json_object_get(message, "role")) return missing(body, bytes, "role");
        if (role && !is_role(role, dialect)) return refuse_role(body, i, role);
        if (role && !strcmp(role, "tool") && !dialect->developer_role &&
            !json_object_get(message, "tool_call_id"))
            return missing(body, bytes, "tool_call_id");
    }
    if (!dialect->unknown_models && !json_object_get(root, "model")) return missing(body, bytes, "model");
    return STATUS_OK;
}

static enum status check_messages(const struct order *order, const struct dialect *dialect) {
    const struct chat *chat = &order->chat;
    if (chat->messages == 0) return fail(STATUS_INPUT, "messages: must have at least one message");
    for (int i = 0; i < chat->messages; i++) {
        const struct message *message = &chat->message[i];
        if (message->role == ROLE_ASSISTANT && !message->content && !message->tool_calls)
            return fail(STATUS_INPUT, "Invalid assistant message: content or tool_calls must be set");
        if (message->reasoning && dialect->pass_back == PASS_BACK_REFUSED)
            return fail(STATUS_INPUT,
                        "messages[%d]: the `reasoning_content` of an earlier answer must not be "
                        "passed back",
                        i);
        if (message->prefix && (message->role != ROLE_ASSISTANT || i != chat->messages - 1))
            return fail(STATUS_INPUT,
                        "messages[%d].prefix: only the last message, of the assistant, can have it", i);
    }
    return STATUS_OK;
}

/* Tools that the server runs are no functions: the chat's reader is not shown them. */
static enum status read_chat(struct order *order, const char *body, size_t bytes) {
    json_t *tools = json_object_get(order->root, "tools");
    for (size_t i = json_array_size(tools); i-- > 0;) {
        const json_t *type = json_object_get(json_array_get(tools, i), "type");
        const unsigned served = order_served_type(json_string_value(type));
        if (served && json_array_remove(tools, i)) return fail(STATUS_MEMORY, "tools: out of memory");
        order->served |= served;
    }
    if (!order->served) return chat_from_json(&order->chat, body, bytes, "request");
    char *text = json_dumps(order->root, JSON_COMPACT);
    if (!text) return fail(STATUS_MEMORY, "tools: out of memory");
    enum status status = chat_from_json(&order->chat, text, strlen(text), "request");
    free(text);
    return status;
}

static enum status read_body(struct order *order, const char *body, size_t bytes,
                             const struct dialect *dialect) {
    TRY(chat_json_check(body, bytes, "request"));
    TRY(json_parse(body, bytes, "request", &order->root));
    const json_t *root = order->root;
    TRY(check_shape(root, body, bytes, dialect));
    TRY(read_chat(order, body, bytes));
    TRY(check_messages(order, dialect));
    TRY(order_read_common(order, root));
    TRY(order_read_int(root, "max_completion_tokens", 1, INT32_MAX, &order->max_tokens));
    TRY(read_logprobs(order, root));
    TRY(read_thinking(order, root));
    TRY(order_read_tools(order, root));
    return order_read_format(order, root);
}

enum status order_from_chat(struct order *order, const char *body, size_t bytes,
                            const struct dialect *dialect) {
    *order = (struct order){0};
    enum status status = read_body(order, body, bytes, dialect);
    if (status != STATUS_OK) order_free(order);
    return status;
}
