/* template_tools.c - tools in the system prompt, for templates of DeepSeek that have no place for them. */
#include "text/json_print.h"
#include "text/template.h"

static const json_t *function_at(const struct render *render, size_t index) {
    return json_object_get(json_array_get(render->chat->tools, index), "function");
}

static size_t described_tools(const struct render *render) {
    return render->options->tools_described ? json_array_size(render->chat->tools) : 0;
}

static void put_json(struct render *render, const json_t *value) {
    if (value)
        json_print(&render->out.text, value, 0);
    else
        put(render, "{}");
}

static void put_string(struct render *render, const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    if (text) put_text(render, text);
}

void put_fenced_tools(struct render *render) {
    const size_t tools = described_tools(render);
    if (!tools) return;
    put(render, "\n\n## Tools\nThese functions can be called:\n");
    for (size_t i = 0; i < tools; i++) {
        put(render, "\n```json\n");
        put_json(render, function_at(render, i));
        put(render, "\n```\n");
    }
    put(render,
        "\nA call of a function has this form, where FUNCTION_NAME is the name of one of them, and the JSON "
        "object its arguments, which follow its parameters:\n"
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>FUNCTION_NAME\n"
        "```json\n{\"parameter\": \"value\"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n"
        "Further calls stand on lines of their own in front of <｜tool▁calls▁end｜>, which ends the "
        "answer.\n");
}

/* The text that DeepSeek published for V3.1, word for word: the model was trained on it. */
void put_plain_tools(struct render *render) {
    const size_t tools = described_tools(render);
    if (!tools) return;
    put(render, "\n\n## Tools\nYou have access to the following tools:\n");
    for (size_t i = 0; i < tools; i++) {
        const json_t *function = function_at(render, i);
        put(render, "\n### ");
        put_string(render, function, "name");
        put(render, "\nDescription: ");
        put_string(render, function, "description");
        put(render, "\n\nParameters: ");
        put_json(render, json_object_get(function, "parameters"));
        put(render, "\n");
    }
    put(render,
        "\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<"
        "｜tool▁call▁end｜>"
        "{{additional_tool_calls}}<｜tool▁calls▁end｜>\n\nWhere:\n\n"
        "- `tool_call_name` must be an exact match to one of the available tools\n"
        "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
        "- For multiple tool calls, chain them directly without separators or spaces\n");
}
