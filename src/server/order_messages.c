/* order_messages.c - the body of POST /anthropic/v1/messages, rewritten as the messages of a chat.
 *
 * Blocks become what they mean there: text is content, tool_use a call, tool_result a message of its own, and thinking
 * the reasoning of an answer. Fields that mean nothing here, such as cache_control, are ignored. */
#include "server/order_fields.h"

#include <stdlib.h>
#include <string.h>

/* Everything below builds JSON; a NULL of jansson shows as a failure of the last step. */
static enum status no_memory(void) {
    return fail(STATUS_MEMORY, "messages: out of memory");
}

static enum status bad_block(size_t message, size_t block, const char *words) {
    return fail(STATUS_INPUT, "messages.%zu.content.%zu: %s", message, block, words);
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

json_t *order_join_text(const json_t *content) {
    struct buffer text = {0};
    json_t *joined = NULL;
    if (json_is_string(content)) return json_incref((json_t *)content);
    if (!json_is_array(content)) return NULL;
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *value = json_object_get(json_array_get(content, i), "text");
        if (!json_is_string(value)) {
            buffer_free(&text);
            return NULL;
        }
        if (i) buffer_append_char(&text, '\n');
        buffer_append(&text, json_string_value(value), json_string_length(value));
    }
    if (!text.failed) joined = json_stringn(text.data ? text.data : "", text.bytes);
    buffer_free(&text);
    return joined;
}

/* ---- blocks ---- */

struct turn {
    size_t index;         /* of the message */
    json_t *list;         /* the chat's messages, borrowed */
    struct buffer text;   /* of the blocks so far */
    struct buffer reason; /* likewise */
    json_t *calls;        /* array */
    bool results;         /* of tools were in it */
};

static enum status add_call(struct turn *turn, size_t at, const json_t *block) {
    const json_t *input = json_object_get(block, "input");
    const char *id = text_of(block, "id"), *name = text_of(block, "name");
    if (!id || !name || !json_is_object(input))
        return bad_block(turn->index, at, "tool_use needs id, name and input");
    char *arguments = json_dumps(input, JSON_COMPACT);
    int failed = json_array_append_new(turn->calls, json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", id, "type",
                                                              "function", "function", "name", name,
                                                              "arguments", arguments ? arguments : "{}"));
    free(arguments);
    return failed ? no_memory() : STATUS_OK;
}

static enum status add_result(struct turn *turn, size_t at, const json_t *block) {
    const char *id = text_of(block, "tool_use_id");
    const json_t *content = json_object_get(block, "content");
    json_t *text = content ? order_join_text(content) : json_string("");
    if (!id || !text) {
        json_decref(text);
        return bad_block(turn->index, at, "tool_result needs tool_use_id, and content of text alone");
    }
    turn->results = true;
    int failed = json_array_append_new(
        turn->list, json_pack("{s:s,s:s,s:o}", "role", "tool", "tool_call_id", id, "content", text));
    return failed ? no_memory() : STATUS_OK;
}

static enum status add_block(struct turn *turn, size_t at, const json_t *block) {
    const char *type = text_of(block, "type"), *text = text_of(block, "text"), *thought;
    if (!type) return bad_block(turn->index, at, "needs a type");
    if (!strcmp(type, "text")) {
        if (!text) return bad_block(turn->index, at, "text must be a string");
        if (turn->text.bytes) buffer_append_char(&turn->text, '\n');
        buffer_append_text(&turn->text, text);
        return STATUS_OK;
    }
    if (!strcmp(type, "thinking")) {
        thought = text_of(block, "thinking");
        if (thought) buffer_append_text(&turn->reason, thought);
        return STATUS_OK;
    }
    if (!strcmp(type, "server_tool_use") || !strcmp(type, "web_search_tool_result")) return STATUS_OK;
    if (!strcmp(type, "tool_use")) return add_call(turn, at, block);
    if (!strcmp(type, "tool_result")) return add_result(turn, at, block);
    return fail(STATUS_INPUT, "messages.%zu.content.%zu: type \"%.32s\" is not supported", turn->index, at,
                type);
}

/* The message itself, behind the results of tools that stood in it. A user's turn of results alone has none. */
static enum status add_turn(struct turn *turn, const char *role) {
    const bool assistant = !strcmp(role, "assistant"), calls = json_array_size(turn->calls) > 0;
    if (!assistant && turn->text.bytes == 0 && turn->results) return STATUS_OK;
    json_t *message = json_pack("{s:s,s:s}", "role", role, "content", turn->text.data ? turn->text.data : "");
    bool failed = !message;
    if (assistant && turn->reason.bytes)
        failed |= json_object_set_new(message, "reasoning_content", json_string(turn->reason.data)) != 0;
    if (assistant && calls) failed |= json_object_set(message, "tool_calls", turn->calls) != 0;
    failed |= json_array_append_new(turn->list, message) != 0;
    return failed ? no_memory() : STATUS_OK;
}

/* Only an answer that is to be continued may be nothing yet. */
static bool is_empty(const struct turn *turn, const char *role) {
    const bool assistant = !strcmp(role, "assistant");
    return turn->text.bytes == 0 && !turn->results && !json_array_size(turn->calls) &&
           !(assistant && turn->reason.bytes);
}

static enum status add_message(json_t *list, size_t index, const json_t *message, bool last) {
    const char *role = text_of(message, "role");
    const json_t *content = json_object_get(message, "content");
    struct turn turn = {.index = index, .list = list, .calls = json_array()};
    enum status status = STATUS_OK;
    if (!role || (strcmp(role, "user") && strcmp(role, "assistant")))
        status = fail(STATUS_INPUT, "messages.%zu.role: must be \"user\" or \"assistant\"", index);
    else if (json_is_string(content))
        buffer_append_text(&turn.text, json_string_value(content));
    else if (!json_is_array(content) || json_array_size(content) == 0)
        status = fail(STATUS_INPUT, "messages.%zu.content: must be a string or an array of blocks", index);
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(content); i++)
        status = add_block(&turn, i, json_array_get(content, i));
    if (status == STATUS_OK) status = buffer_check(&turn.text, "messages");
    if (status == STATUS_OK && is_empty(&turn, role) && !(last && !strcmp(role, "assistant")))
        status = fail(STATUS_INPUT, "messages.%zu: %s messages must have non-empty content", index, role);
    if (status == STATUS_OK) status = add_turn(&turn, role);
    buffer_free(&turn.text);
    buffer_free(&turn.reason);
    json_decref(turn.calls);
    return status;
}

/* ---- the chat ---- */

static enum status add_system(json_t *list, const json_t *root) {
    const json_t *system = json_object_get(root, "system");
    if (!system || json_is_null(system)) return STATUS_OK;
    json_t *text = order_join_text(system);
    if (!text) return fail(STATUS_INPUT, "system: must be a string or an array of text blocks");
    if (json_array_append_new(list, json_pack("{s:s,s:o}", "role", "system", "content", text)))
        return no_memory();
    return STATUS_OK;
}

/* The last message of an assistant is the beginning of the answer. */
static void mark_prefix(json_t *list) {
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    const char *role = text_of(last, "role");
    if (role && !strcmp(role, "assistant") && !json_object_get(last, "tool_calls"))
        (void)json_object_set_new(last, "prefix", json_true());
}

static enum status add_tools(struct order *order, json_t *chat, const json_t *root) {
    const json_t *tools = json_object_get(root, "tools");
    if (!tools || json_is_null(tools)) return STATUS_OK;
    if (!json_is_array(tools)) return fail(STATUS_INPUT, "tools: must be an array");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        const unsigned served = order_served_type(text_of(tool, "type"));
        order->served |= served;
        if (served) continue;
        json_t *name = json_object_get(tool, "name"), *words = json_object_get(tool, "description"),
               *schema = json_object_get(tool, "input_schema"), *strict = json_object_get(tool, "strict"),
               *function = json_object();
        (void)json_object_set(function, "name", name ? name : json_null());
        if (json_is_string(words)) (void)json_object_set(function, "description", words);
        if (schema) (void)json_object_set(function, "parameters", schema);
        if (strict) (void)json_object_set(function, "strict", strict);
        (void)json_array_append_new(list, json_pack("{s:s,s:o}", "type", "function", "function", function));
    }
    return json_object_set_new(chat, "tools", list) ? no_memory() : STATUS_OK;
}

static enum status build_chat(struct order *order, json_t *chat, const json_t *root) {
    const json_t *messages = json_object_get(root, "messages");
    json_t *list = json_object_get(chat, "messages");
    if (!json_is_array(messages) || json_array_size(messages) == 0)
        return fail(STATUS_INPUT, "messages: at least one message is required");
    TRY(add_system(list, root));
    for (size_t i = 0; i < json_array_size(messages); i++)
        TRY(add_message(list, i, json_array_get(messages, i), i + 1 == json_array_size(messages)));
    mark_prefix(list);
    return add_tools(order, chat, root);
}

static enum status read_chat(struct order *order, const json_t *root) {
    json_t *chat = json_pack("{s:[]}", "messages");
    enum status status = chat ? build_chat(order, chat, root) : no_memory();
    char *text = status == STATUS_OK ? json_dumps(chat, JSON_COMPACT) : NULL;
    if (status == STATUS_OK)
        status = text ? chat_from_json(&order->chat, text, strlen(text), "request") : no_memory();
    free(text);
    json_decref(chat);
    return status;
}

/* ---- the other fields, under the names that order_read_common() knows ---- */

static enum status read_thinking(struct order *order, const json_t *root) {
    const char *type = text_of(json_object_get(root, "thinking"), "type"),
               *effort = text_of(json_object_get(root, "output_config"), "effort");
    if (type && !strcmp(type, "disabled"))
        order->thinking = THINKING_OFF;
    else if (type || effort)
        order->thinking = THINKING_ON;
    return order_read_budget(order, json_object_get(root, "thinking"));
}

static enum status read_choice(struct order *order, const json_t *root) {
    const json_t *choice = json_object_get(root, "tool_choice");
    const char *type = text_of(choice, "type"), *name = text_of(choice, "name");
    if (!choice || json_is_null(choice) || (type && !strcmp(type, "auto")))
        return order_choose_tools(order, TOOLS_AUTO, NULL);
    if (type && !strcmp(type, "none")) return order_choose_tools(order, TOOLS_NONE, NULL);
    if (type && !strcmp(type, "any")) return order_choose_tools(order, TOOLS_REQUIRED, NULL);
    if (type && !strcmp(type, "tool") && name) return order_choose_tools(order, TOOLS_REQUIRED, name);
    return fail(STATUS_INPUT, "tool_choice.type: must be auto, any, none, or tool with a name");
}

static enum status read_fields(struct order *order, json_t *root, const struct dialect *dialect) {
    json_t *stops = json_object_get(root, "stop_sequences"),
           *user = json_object_get(json_object_get(root, "metadata"), "user_id");
    const json_t *most = json_object_get(root, "max_tokens");
    if (!json_object_get(root, "model") && !dialect->unknown_models)
        return fail(STATUS_INPUT, "model: Field required");
    if (!json_is_integer(most)) return fail(STATUS_INPUT, "max_tokens: Field required");
    json_object_del(root, "n");
    json_object_del(root, "stop");
    json_object_del(root, "user_id");
    json_object_del(root, "top_k"); /* without effect, as in the original */
    if (stops) (void)json_object_set(root, "stop", stops);
    if (json_is_string(user)) (void)json_object_set(root, "user", user);
    TRY(order_read_common(order, root));
    order->usage_asked = true;
    order->sampling.logprobs = -1;
    TRY(read_choice(order, root));
    return read_thinking(order, root);
}

static enum status read_body(struct order *order, const char *body, size_t bytes,
                             const struct dialect *dialect) {
    TRY(chat_json_check(body, bytes, "request"));
    TRY(json_parse(body, bytes, "request", &order->root));
    if (!json_is_object(order->root)) return fail(STATUS_INPUT, "the request must be a JSON object");
    TRY(read_chat(order, order->root));
    return read_fields(order, order->root, dialect);
}

enum status order_from_messages(struct order *order, const char *body, size_t bytes,
                                const struct dialect *dialect) {
    *order = (struct order){0};
    enum status status = read_body(order, body, bytes, dialect);
    if (status != STATUS_OK) order_free(order);
    return status;
}
