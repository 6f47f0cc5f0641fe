/* order_tools.c - tools that a request declares, and whether they may or must be called. */
#include "server/order_fields.h"
#include "text/tool_calls.h"

#include <string.h>

static enum status check_tool(size_t index, const json_t *function) {
    const json_t *name = json_object_get(function, "name"), *schema = json_object_get(function, "parameters"),
                 *strict = json_object_get(function, "strict");
    if (!tool_name_is_valid(json_string_value(name), json_string_length(name)))
        return fail(STATUS_INPUT,
                    "tools[%zu].function.name: must be 1 to %d letters, digits, underscores and dashes",
                    index, TOOL_NAME_LIMIT);
    if (schema && !json_is_null(schema) && !json_is_object(schema))
        return fail(STATUS_INPUT, "tools[%zu].function.parameters: must be an object, a JSON Schema", index);
    if (strict && !json_is_null(strict) && !json_is_boolean(strict))
        return fail(STATUS_INPUT, "tools[%zu].function.strict: must be true or false", index);
    return STATUS_OK;
}

static bool has_tool(const json_t *tools, const char *name) {
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (!strcmp(json_string_value(json_object_get(function, "name")), name)) return true;
    }
    return false;
}

unsigned order_served_type(const char *type) {
    static const struct {
        const char *begin;
        unsigned served;
    } rows[] = {{"web_search", SERVED_SEARCH},
                {"deepseek_web_search", SERVED_SEARCH},
                {"web_fetch", SERVED_LINKS},
                {"deepseek_read_url", SERVED_LINKS}};
    for (size_t i = 0; type && i < COUNT_OF(rows); i++) {
        const size_t bytes = strlen(rows[i].begin);
        if (!strncmp(type, rows[i].begin, bytes) && (!type[bytes] || type[bytes] == '_'))
            return rows[i].served;
    }
    return 0;
}

enum status order_choose_tools(struct order *order, enum tool_choice choice, const char *name) {
    const json_t *tools = order->chat.tools;
    if (choice == TOOLS_NONE) order->served = 0;
    for (size_t i = 0; i < json_array_size(tools); i++)
        TRY(check_tool(i, json_object_get(json_array_get(tools, i), "function")));
    TRY(tool_schemas_check(tools));
    order->tool_choice = json_array_size(tools) ? choice : TOOLS_NONE;
    if (choice != TOOLS_REQUIRED) return STATUS_OK;
    if (json_array_size(tools) == 0)
        return fail(STATUS_INPUT, "tool_choice: a call is asked for, but there are no tools");
    if (!name) return STATUS_OK;
    if (!has_tool(tools, name)) return fail(STATUS_INPUT, "tool_choice: there is no tool \"%.64s\"", name);
    order->tool_name = arena_copy(&order->arena, name, strlen(name));
    return order->tool_name ? STATUS_OK : fail(STATUS_MEMORY, "tool_choice: out of memory");
}

enum status order_read_tools(struct order *order, const json_t *root) {
    const json_t *choice = json_object_get(root, "tool_choice");
    const char *word = json_string_value(choice), *type = json_string_value(json_object_get(choice, "type")),
               *name = json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
    if (!choice || json_is_null(choice) || (word && !strcmp(word, "auto")))
        return order_choose_tools(order, TOOLS_AUTO, NULL);
    if (word && !strcmp(word, "none")) return order_choose_tools(order, TOOLS_NONE, NULL);
    if (word && !strcmp(word, "required")) return order_choose_tools(order, TOOLS_REQUIRED, NULL);
    if (type && !strcmp(type, "function") && name) return order_choose_tools(order, TOOLS_REQUIRED, name);
    return fail(STATUS_INPUT, "tool_choice: must be \"none\", \"auto\", \"required\" or "
                              "{\"type\":\"function\",\"function\":{\"name\":...}}");
}
