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

/* STATUS_OK with *fits false: a function that is not strict, and whose schema has no grammar. */
static enum status check_schema(const json_t *function, const json_t *schema, bool *fits) {
    struct grammar *grammar;
    char origin[TOOL_NAME_LIMIT + 64];
    snprintf(origin, sizeof origin, "tools: the parameters of %.*s", TOOL_NAME_LIMIT, name_of(function));
    const enum status status = schema_grammar(&grammar, schema, origin);
    const bool strict = json_is_true(json_object_get(function, "strict"));
    grammar_close(grammar);
    *fits = status == STATUS_OK;
    return strict || status == STATUS_MEMORY ? status : STATUS_OK;
}

enum status tool_schemas_check(const json_t *tools) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < json_array_size(tools); i++) {
        const json_t *function = function_at(tools, i);
        bool fits;
        if (!json_is_true(json_object_get(function, "strict"))) continue;
        json_t *schema = schema_of(function);
        status = schema ? check_schema(function, schema, &fits) : fail(STATUS_MEMORY, "tools: out of memory");
        json_decref(schema);
    }
    return status;
}

/* A space in front of the object is part of a token that models like to write. */
static const struct expression *arguments_of(struct grammar_builder *builder, const json_t *function,
                                             enum tool_format format, enum status *status) {
    const struct expression *arguments = NULL;
    json_t *schema = schema_of(function);
    bool fits = false;
    *status = schema ? check_schema(function, schema, &fits) : fail(STATUS_MEMORY, "tools: out of memory");
    if (*status == STATUS_OK && fits) {
        arguments = schema_expression(builder, schema, "tools", status);
    } else if (*status == STATUS_OK) {
        struct json_parts parts;
        json_parts_open(&parts, builder);
        arguments = grammar_call(builder, parts.object);
    }
    json_decref(schema);
    if (format == TOOL_FORMAT_TAGGED || format == TOOL_FORMAT_BARE)
        arguments =
            grammar_sequence(builder, grammar_optional(builder, grammar_text(builder, " ")), arguments);
    return arguments;
}

/* One function's arguments, or a choice of names, each with its own. */
static enum status build(struct grammar_builder *builder, const json_t *tools, const json_t *only,
                         enum tool_format format, struct grammar **grammar) {
    const int root = grammar_declare(builder);
    const struct expression *sum = NULL;
    enum status status = STATUS_OK;
    if (only) sum = arguments_of(builder, only, format, &status);
    for (size_t i = 0; !only && status == STATUS_OK && i < json_array_size(tools); i++) {
        const json_t *function = function_at(tools, i);
        const struct expression *head = grammar_sequence(builder, grammar_text(builder, name_of(function)),
                                                         grammar_text(builder, tool_call_separator(format)));
        const struct expression *call =
            grammar_sequence(builder, head, arguments_of(builder, function, format, &status));
        sum = sum ? grammar_either(builder, sum, call) : call;
    }
    grammar_define(builder, root, sum);
    return status == STATUS_OK ? grammar_open(grammar, builder, root) : status;
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
    enum status status = build(&builder, tools, only, format, grammar);
    grammar_builder_free(&builder);
    return status;
}
