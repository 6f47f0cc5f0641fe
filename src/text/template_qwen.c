/* template_qwen.c - the prompt of Qwen2.5: ChatML turns, tools as JSON lines in the system turn. */
#include "text/json_print.h"
#include "text/template.h"

static void put_tools(struct render *render, const json_t *tools) {
    put(render, "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
                "You are provided with function signatures within <tools></tools> XML tags:\n<tools>");
    for (size_t index = 0; index < json_array_size(tools); index++) {
        put(render, "\n");
        json_print(&render->out.text, json_array_get(tools, index), 0);
    }
    put(render, "\n</tools>\n\nFor each function call, return a json object with function name and arguments "
                "within <tool_call></tool_call> XML tags:\n<tool_call>\n"
                "{\"name\": <function-name>, \"arguments\": <args-json-object>}\n</tool_call>");
}

static enum status put_system(struct render *render) {
    const struct message *first = render->chat->message;
    put(render, "<|im_start|>system\n");
    if (first->role == ROLE_SYSTEM)
        TRY(put_content(render, first));
    else
        put(render, "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.");
    if (json_array_size(render->chat->tools)) put_tools(render, render->chat->tools);
    put(render, "<|im_end|>\n");
    return STATUS_OK;
}

static void put_calls(struct render *render, const struct message *message) {
    put(render, "<|im_start|>assistant");
    if (message->content && *message->content) {
        put(render, "\n");
        put_text(render, message->content);
    }
    for (int index = 0; index < message->tool_calls; index++) {
        put(render, "\n<tool_call>\n{\"name\": \"");
        put_text(render, message->tool_call[index].name);
        put(render, "\", \"arguments\": ");
        put_arguments(render, &message->tool_call[index], true);
        put(render, "}\n</tool_call>");
    }
    put(render, "<|im_end|>\n");
}

/* Results in a row share one user turn. */
static enum status put_output(struct render *render, const struct message *message) {
    const struct message *first = render->chat->message, *last = first + render->chat->messages - 1;
    if (message == first || message[-1].role != ROLE_TOOL) put(render, "<|im_start|>user");
    put(render, "\n<tool_response>\n");
    TRY(put_content(render, message));
    put(render, "\n</tool_response>");
    if (message == last || message[1].role != ROLE_TOOL) put(render, "<|im_end|>\n");
    return STATUS_OK;
}

static enum status put_turn(struct render *render, const struct message *message) {
    static const char *const openings[] = {[ROLE_SYSTEM] = "<|im_start|>system\n",
                                           [ROLE_USER] = "<|im_start|>user\n",
                                           [ROLE_ASSISTANT] = "<|im_start|>assistant\n"};
    if (message->role == ROLE_TOOL) return put_output(render, message);
    if (message->tool_calls) {
        put_calls(render, message);
        return STATUS_OK;
    }
    put(render, openings[message->role]);
    TRY(put_content(render, message));
    put(render, "<|im_end|>\n");
    return STATUS_OK;
}

enum status render_qwen25(struct render *render) {
    const struct chat *chat = render->chat;
    if (!chat->messages) return fail(STATUS_INPUT, "messages: the template qwen2.5 needs at least one");
    TRY(put_system(render));
    for (int index = chat->message->role == ROLE_SYSTEM; index < chat->messages; index++)
        TRY(put_turn(render, &chat->message[index]));
    if (!render->options->no_generation_prompt) put(render, "<|im_start|>assistant\n");
    return STATUS_OK;
}
