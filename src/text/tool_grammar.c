/* tool_grammar.c - answers that must be a call, as a beginning and a grammar. Pure; any thread. */
#include "text/json_grammar.h"
#include "text/tool_calls.h"

#include <string.h>

static const json_t *function_at(const json_t *tools, size_t index) {
    return json_object_get(json_array_get(tools, index), "function");
}

static const char *name_of(const json_t *function) {
    const char *name = json_string_value(json_object_get(function, "name"));
    return name ? name : "";
}

/* Arguments are an object, and none where nothing is said. New reference; NULL: out of memory. */
static json_t *schema_of(const json_t *function) {
    const json_t *given = json_object_get(function, "parameters");
    if (!given || json_is_null(given))
        return json_pack("{s:s,s:b}", "type", "object", "additionalProperties", 0);
    json_t *schema = json_copy((json_t *)given);
    if (json_is_object(schema) && !json_object_get(schema, "type") &&
        json_object_set_new(schema, "type", json_string("object"))) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

static bool is_strict(const json_t *function) {
    return json_is_true(json_object_get(function, "strict"));
}

bool tool_calls_any_strict(const json_t *tools) {
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (is_strict(function_at(tools, i))) return true;
    return false;
}

/* STATUS_OK with *fits false: a function that is not strict, and whose schema has no grammar. */
static enum status check_schema(const json_t *function, const json_t *schema, bool *fits) {
    struct grammar *grammar;
    char origin[TOOL_NAME_LIMIT + 64];
    snprintf(origin, sizeof origin, "tools: the parameters of %.*s", TOOL_NAME_LIMIT, name_of(function));
    const enum status status = schema_grammar(&grammar, schema, origin);
    const bool strict = is_strict(function);
    grammar_close(grammar);
    *fits = status == STATUS_OK;
    return strict || status == STATUS_MEMORY ? status : STATUS_OK;
}

enum status tool_schemas_check(const json_t *tools) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(tools); i++) {
        const json_t *function = function_at(tools, i);
        bool fits;
        if (!is_strict(function)) continue;
        json_t *schema = schema_of(function);
        status = schema ? check_schema(function, schema, &fits) : fail(STATUS_MEMORY, "tools: out of memory");
        json_decref(schema);
    }
    return status;
}

/* Of functions that a grammar is for: all, or the strict ones. */
struct call_builder {
    struct grammar_builder *builder;
    enum tool_format format;
    bool strict_only;
    enum status status;
    struct json_parts parts;
};

/* A space in front of the object is part of a token that models like to write. */
static const struct expression *arguments_of(struct call_builder *call, const json_t *function) {
    struct grammar_builder *builder = call->builder;
    const struct expression *arguments = NULL;
    const bool any = call->strict_only && !is_strict(function);
    json_t *schema = schema_of(function);
    bool fits = false;
    if (!schema) call->status = fail(STATUS_MEMORY, "tools: out of memory");
    if (schema && !any) call->status = check_schema(function, schema, &fits);
    if (call->status == STATUS_OK && fits) {
        arguments = schema_expression(&call->parts, schema, "tools", &call->status);
    } else if (call->status == STATUS_OK) {
        arguments = grammar_call(builder, call->parts.object);
    }
    json_decref(schema);
    if (call->format == TOOL_FORMAT_TAGGED || call->format == TOOL_FORMAT_BARE)
        arguments =
            grammar_sequence(builder, grammar_optional(builder, grammar_text(builder, " ")), arguments);
    return arguments;
}

/* A choice of names, each with its own arguments. */
static const struct expression *calls_of(struct call_builder *call, const json_t *tools) {
    struct grammar_builder *builder = call->builder;
    const struct expression *sum = NULL;
    for (size_t i = 0; call->status == STATUS_OK && i < json_array_size(tools); i++) {
        const json_t *function = function_at(tools, i);
        const struct expression *head =
            grammar_sequence(builder, grammar_text(builder, name_of(function)),
                             grammar_text(builder, tool_call_separator(call->format)));
        const struct expression *one = grammar_sequence(builder, head, arguments_of(call, function));
        sum = sum ? grammar_either(builder, sum, one) : one;
    }
    return sum;
}

static enum status open_calls(struct call_builder *call, int root, const struct expression *calls,
                              struct grammar **grammar) {
    grammar_define(call->builder, root, calls);
    return call->status == STATUS_OK ? grammar_open(grammar, call->builder, root) : call->status;
}

/* What of a call's opening stands behind the token that it is recognised by. */
static const char *behind_token(const char *opening, const char *token) {
    const char *found = token ? strstr(opening, token) : NULL;
    return found ? found + strlen(token) : opening;
}

enum status tool_calls_bind(const json_t *tools, enum tool_format format, struct tool_binding *binding,
                            struct grammar **grammar) {
    struct grammar_builder builder = {0};
    struct call_builder call = {&builder, format, true, STATUS_OK, {0}};
    *binding = tool_call_binding(format);
    *grammar = NULL;
    json_parts_open(&call.parts, &builder);
    const char *before = behind_token(tool_call_opening(format), binding->token);
    const int root = grammar_declare(&builder);
    const struct expression *calls = calls_of(&call, tools);
    const enum status status =
        open_calls(&call, root, grammar_sequence(&builder, grammar_text(&builder, before), calls), grammar);
    grammar_builder_free(&builder);
    return status;
}

enum status tool_calls_force(const json_t *tools, const char *name, enum tool_format format,
                             struct buffer *opening, struct grammar **grammar) {
    struct grammar_builder builder = {0};
    const json_t *only = json_array_size(tools) == 1 ? function_at(tools, 0) : NULL;
    *grammar = NULL;
    if (format == TOOL_FORMAT_NONE)
        return fail(STATUS_INPUT, "tool_choice: this model has no form for calls of tools");
    for (size_t i = 0; name && i < json_array_size(tools); i++) {
        only = function_at(tools, i);
        if (!strcmp(name_of(only), name)) break;
        only = NULL;
    }
    if ((name && !only) || json_array_size(tools) == 0)
        return fail(STATUS_INPUT, "tool_choice: there is no tool \"%.*s\"", TOOL_NAME_LIMIT,
                    name ? name : "");
    buffer_append_text(opening, tool_call_opening(format));
    if (only) buffer_append_text(opening, name_of(only));
    if (only) buffer_append_text(opening, tool_call_separator(format));
    struct call_builder call = {&builder, format, false, STATUS_OK, {0}};
    json_parts_open(&call.parts, &builder);
    const int root = grammar_declare(&builder);
    const struct expression *calls = only ? arguments_of(&call, only) : calls_of(&call, tools);
    const enum status status = open_calls(&call, root, calls, grammar);
    grammar_builder_free(&builder);
    return status;
}
