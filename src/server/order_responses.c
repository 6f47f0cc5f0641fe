/* order_responses.c - the body of POST /responses, rewritten as the messages of a chat.
 *
 * Nothing is stored between requests, so fields that refer to what was are ignored, like all others that mean nothing
 * here. Reasoning among the items is left out: no template takes it back. */
#include "server/order_fields.h"

#include <stdlib.h>
#include <string.h>

static enum status no_memory(void) {
    return fail(STATUS_MEMORY, "input: out of memory");
}

static const char *text_of(const json_t *object, const char *name) {
    return json_string_value(json_object_get(object, name));
}

static bool is_text(const char *text, const char *expected) {
    return text && !strcmp(text, expected);
}

/* ---- items ---- */

static enum status add_message(json_t *list, size_t index, const json_t *item) {
    const char *role = text_of(item, "role");
    json_t *text = order_join_text(json_object_get(item, "content"));
    if (!role || !text) {
        json_decref(text);
        return fail(STATUS_INPUT, "input[%zu]: a message needs a role, and content of text alone", index);
    }
    return json_array_append_new(list, json_pack("{s:s,s:o}", "role", role, "content", text)) ? no_memory()
                                                                                              : STATUS_OK;
}

/* Calls one behind the other, and the text before them, are one message of the assistant. */
static enum status add_call(json_t *list, size_t index, const json_t *item) {
    const char *id = text_of(item, "call_id"), *name = text_of(item, "name"),
               *arguments = text_of(item, "arguments");
    json_t *last = json_array_get(list, json_array_size(list) - 1);
    if (!id || !name || !arguments)
        return fail(STATUS_INPUT, "input[%zu]: function_call needs call_id, name and arguments", index);
    if (!is_text(text_of(last, "role"), "assistant")) {
        last = json_pack("{s:s,s:n}", "role", "assistant", "content");
        if (json_array_append_new(list, last)) return no_memory();
    }
    if (!json_object_get(last, "tool_calls") && json_object_set_new(last, "tool_calls", json_array()))
        return no_memory();
    json_t *call = json_pack("{s:s,s:s,s:{s:s,s:s}}", "id", id, "type", "function", "function", "name", name,
                             "arguments", arguments);
    return json_array_append_new(json_object_get(last, "tool_calls"), call) ? no_memory() : STATUS_OK;
}

static enum status add_result(json_t *list, size_t index, const json_t *item) {
    const char *id = text_of(item, "call_id");
    json_t *text = order_join_text(json_object_get(item, "output"));
    if (!id || !text) {
        json_decref(text);
        return fail(STATUS_INPUT, "input[%zu]: function_call_output needs call_id, and output of text alone",
                    index);
    }
    json_t *message = json_pack("{s:s,s:s,s:o}", "role", "tool", "tool_call_id", id, "content", text);
    return json_array_append_new(list, message) ? no_memory() : STATUS_OK;
}

static enum status add_item(json_t *list, size_t index, const json_t *item) {
    const char *type = text_of(item, "type");
    if (!type || !strcmp(type, "message")) return add_message(list, index, item);
    if (!strcmp(type, "function_call")) return add_call(list, index, item);
    if (!strcmp(type, "function_call_output")) return add_result(list, index, item);
    if (!strcmp(type, "reasoning") || !strcmp(type, "web_search_call")) return STATUS_OK;
    return fail(STATUS_INPUT, "input[%zu]: type \"%.32s\" is not supported", index, type);
}

static enum status add_input(json_t *list, const json_t *root) {
    const json_t *input = json_object_get(root, "input"),
                 *instructions = json_object_get(root, "instructions");
    if (instructions && !json_is_null(instructions)) {
        if (!json_is_string(instructions)) return fail(STATUS_INPUT, "instructions: must be a string");
        if (json_array_append_new(list, json_pack("{s:s,s:O}", "role", "system", "content", instructions)))
            return no_memory();
    }
    if (json_is_string(input))
        return json_array_append_new(list, json_pack("{s:s,s:O}", "role", "user", "content", input))
                   ? no_memory()
                   : STATUS_OK;
    if (input && !json_is_null(input) && !json_is_array(input))
        return fail(STATUS_INPUT, "input: must be a string or an array of items");
    for (size_t i = 0; i < json_array_size(input); i++) TRY(add_item(list, i, json_array_get(input, i)));
    return json_array_size(list) ? STATUS_OK
                                 : fail(STATUS_INPUT, "input: either input or instructions are required");
}

/* Functions, and what the server runs itself; other tools are left out. */
static enum status add_tools(struct order *order, json_t *chat, const json_t *root) {
    static const char *const fields[] = {"name", "description", "parameters", "strict"};
    const json_t *tools = json_object_get(root, "tools");
    if (!tools || json_is_null(tools)) return STATUS_OK;
    if (!json_is_array(tools)) return fail(STATUS_INPUT, "tools: must be an array");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *tool = json_array_get(tools, i);
        json_t *function = json_object();
        order->served |= order_served_type(text_of(tool, "type"));
        for (size_t j = 0; j < COUNT_OF(fields); j++) {
            json_t *value = json_object_get(tool, fields[j]);
            if (value && !json_is_null(value)) (void)json_object_set(function, fields[j], value);
        }
        json_t *packed = json_pack("{s:s,s:o}", "type", "function", "function", function);
        if (is_text(text_of(tool, "type"), "function"))
            (void)json_array_append_new(list, packed);
        else
            json_decref(packed);
    }
    return json_object_set_new(chat, "tools", list) ? no_memory() : STATUS_OK;
}

static enum status read_chat(struct order *order, const json_t *root) {
    json_t *chat = json_pack("{s:[]}", "messages");
    enum status status = chat ? add_input(json_object_get(chat, "messages"), root) : no_memory();
    if (status == STATUS_OK) status = add_tools(order, chat, root);
    char *text = status == STATUS_OK ? json_dumps(chat, JSON_COMPACT) : NULL;
    if (status == STATUS_OK)
        status = text ? chat_from_json(&order->chat, text, strlen(text), "request") : no_memory();
    free(text);
    json_decref(chat);
    return status;
}

/* ---- the other fields ---- */

static enum status read_format(struct order *order, const json_t *root) {
    const json_t *format = json_object_get(json_object_get(root, "text"), "format");
    const char *type = text_of(format, "type");
    if (!format || json_is_null(format) || is_text(type, "text")) return STATUS_OK;
    order->form_field = "text.format.schema";
    order->format = is_text(type, "json_object") ? FORMAT_JSON_OBJECT : FORMAT_JSON_SCHEMA;
    if (order->format == FORMAT_JSON_OBJECT) return STATUS_OK;
    if (!is_text(type, "json_schema"))
        return fail(STATUS_INPUT, "text.format.type: must be text, json_object or json_schema");
    order->form = json_object_get(format, "schema");
    return json_is_object(order->form) ? STATUS_OK
                                       : fail(STATUS_INPUT, "text.format.schema: must be an object");
}

static enum status read_choice(struct order *order, const json_t *root) {
    const json_t *choice = json_object_get(root, "tool_choice");
    const char *word = json_string_value(choice), *name = text_of(choice, "name");
    if (!choice || json_is_null(choice) || is_text(word, "auto"))
        return order_choose_tools(order, TOOLS_AUTO, NULL);
    if (is_text(word, "none")) return order_choose_tools(order, TOOLS_NONE, NULL);
    if (is_text(word, "required")) return order_choose_tools(order, TOOLS_REQUIRED, NULL);
    if (is_text(text_of(choice, "type"), "function") && name)
        return order_choose_tools(order, TOOLS_REQUIRED, name);
    return fail(STATUS_INPUT, "tool_choice: must be \"none\", \"auto\", \"required\" or "
                              "{\"type\":\"function\",\"name\":...}");
}

static enum status read_fields(struct order *order, json_t *root) {
    static const char *const others[] = {"n", "stop", "max_tokens", "stream_options"};
    const char *effort = text_of(json_object_get(root, "reasoning"), "effort");
    for (size_t i = 0; i < COUNT_OF(others); i++) (void)json_object_del(root, others[i]);
    TRY(order_read_common(order, root));
    TRY(order_read_int(root, "max_output_tokens", 1, INT32_MAX, &order->max_tokens));
    order->usage_asked = true;
    order->sampling.logprobs = -1;
    if (effort) order->thinking = !strcmp(effort, "none") ? THINKING_OFF : THINKING_ON;
    TRY(read_choice(order, root));
    return read_format(order, root);
}

static enum status read_body(struct order *order, const char *body, size_t bytes) {
    TRY(chat_json_check(body, bytes, "request"));
    TRY(json_parse(body, bytes, "request", &order->root));
    if (!json_is_object(order->root)) return fail(STATUS_INPUT, "the request must be a JSON object");
    TRY(read_chat(order, order->root));
    return read_fields(order, order->root);
}

enum status order_from_responses(struct order *order, const char *body, size_t bytes,
                                 const struct dialect *dialect) {
    (void)dialect;
    *order = (struct order){0};
    enum status status = read_body(order, body, bytes);
    if (status != STATUS_OK) order_free(order);
    return status;
}
