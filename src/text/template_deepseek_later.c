/* template_deepseek_later.c - the prompts of V3-0324 and R1-0528, of V3.1, and llama.cpp's for R1. */
#include "text/json_print.h"
#include "text/template.h"

struct turns {
    bool tool_outputs, output_begun; /* the last turn was tool results; their list is open */
    bool after_user;                 /* the last turn was the user's */
};

static void put_0324_calls(struct render *render, const struct message *message, const char *content) {
    for (int index = 0; index < message->tool_calls; index++) {
        if (index) {
            put(render, "\n");
        } else {
            if (content) put_text(render, content);
            put(render, "<｜tool▁calls▁begin｜>");
        }
        put_fenced_call(render, &message->tool_call[index], false);
    }
    put(render, "<｜tool▁calls▁end｜>");
}

/* The user's turn has opened the assistant's already. Only R1-0528 drops the reasoning of earlier answers. */
static enum status put_0324_assistant(struct render *render, const struct message *message,
                                      struct turns *turns) {
    const char *content = message->content;
    if (content && render->options->template == TEMPLATE_DEEPSEEK_R1_0528)
        content = behind_reasoning(content, true);
    if (turns->tool_outputs) put(render, "<｜tool▁outputs▁end｜>");
    if (message->tool_calls) {
        turns->output_begun = false;
        put_0324_calls(render, message, content);
    } else {
        TRY(content_required(render, message));
        put_text(render, content);
    }
    put(render, DEEPSEEK_EOS);
    turns->after_user = turns->tool_outputs = false;
    return STATUS_OK;
}

static enum status put_0324_turn(struct render *render, const struct message *message, struct turns *turns) {
    switch (message->role) {
    case ROLE_SYSTEM: break;
    case ROLE_USER:
        put(render, "<｜User｜>");
        TRY(put_content(render, message));
        put(render, "<｜Assistant｜>");
        turns->tool_outputs = false;
        turns->after_user = true;
        break;
    case ROLE_ASSISTANT: return put_0324_assistant(render, message, turns);
    case ROLE_TOOL:
        put(render, turns->output_begun ? "\n" : "<｜tool▁outputs▁begin｜>");
        put(render, "<｜tool▁output▁begin｜>");
        TRY(put_content(render, message));
        put(render, "<｜tool▁output▁end｜>");
        turns->tool_outputs = turns->output_begun = true;
        turns->after_user = false;
        break;
    }
    return STATUS_OK;
}

enum status render_deepseek_0324(struct render *render) {
    struct turns turns = {0};
    put_bos(render, DEEPSEEK_BOS);
    TRY(put_system_prompt(render, true));
    put_fenced_tools(render);
    for (int index = 0; index < render->chat->messages; index++)
        TRY(put_0324_turn(render, &render->chat->message[index], &turns));
    if (turns.tool_outputs) {
        put(render, "<｜tool▁outputs▁end｜>");
    } else if (!render->options->no_generation_prompt) {
        if (!turns.after_user) put(render, "<｜Assistant｜>");
        if (render->options->template == TEMPLATE_DEEPSEEK_R1_0528 &&
            render->options->thinking != THINKING_DEFAULT)
            put_thinking(render, "<think>\n", "<think>\n\n</think>\n\n");
    }
    return STATUS_OK;
}

static void put_v31_calls(struct render *render, const struct message *message, bool release) {
    if (message->content) put_text(render, message->content);
    put(render, "<｜tool▁calls▁begin｜>");
    for (int index = 0; index < message->tool_calls; index++) {
        put(render, "<｜tool▁call▁begin｜>");
        put_text(render, message->tool_call[index].name);
        put(render, "<｜tool▁sep｜>");
        put_arguments(render, &message->tool_call[index], !release);
        put(render, "<｜tool▁call▁end｜>");
    }
    put(render, "<｜tool▁calls▁end｜>");
}

/* An answer to the user is shown without its reasoning; one to tool results follows them directly. */
static enum status put_v31_assistant(struct render *render, const struct message *message,
                                     struct turns *turns) {
    bool release = render->options->template == TEMPLATE_DEEPSEEK_V31_RELEASE;
    bool opened = message->prefix && !message->tool_calls && render->options->thinking == THINKING_ON;
    if (turns->after_user) put(render, "<｜Assistant｜>");
    if (turns->after_user) put(render, opened ? "<think>" : release ? "</think>" : "<think></think>");
    turns->after_user = false;
    if (message->tool_calls) {
        put_v31_calls(render, message, release);
    } else {
        TRY(content_required(render, message));
        put_text(render, turns->tool_outputs ? message->content : behind_reasoning(message->content, false));
    }
    put(render, DEEPSEEK_EOS);
    turns->tool_outputs = false;
    return STATUS_OK;
}

enum status render_deepseek_v31(struct render *render) {
    bool release = render->options->template == TEMPLATE_DEEPSEEK_V31_RELEASE;
    struct turns turns = {0};
    put_bos(render, DEEPSEEK_BOS);
    TRY(put_system_prompt(render, true));
    put_plain_tools(render);
    for (int index = 0; index < render->chat->messages; index++) {
        const struct message *message = &render->chat->message[index];
        if (message->role == ROLE_SYSTEM) continue;
        if (message->role == ROLE_ASSISTANT) {
            TRY(put_v31_assistant(render, message, &turns));
            continue;
        }
        turns.tool_outputs = message->role == ROLE_TOOL;
        turns.after_user = message->role == ROLE_USER;
        put(render, turns.tool_outputs ? "<｜tool▁output▁begin｜>" : "<｜User｜>");
        TRY(put_content(render, message));
        if (turns.tool_outputs) put(render, "<｜tool▁output▁end｜>");
    }
    if (!render->options->no_generation_prompt && turns.after_user) {
        put(render, "<｜Assistant｜>");
        put_thinking(render, "<think>", release ? "</think>" : "<think></think>");
    }
    return STATUS_OK;
}

static void put_llama_cpp_tools(struct render *render, const json_t *tools) {
    json_t *functions = json_array();
    for (size_t index = 0; index < json_array_size(tools); index++)
        if (json_array_append(functions, json_object_get(json_array_get(tools, index), "function")))
            render->out.failed = true;
    put(render, "You can call any of the following function tools to satisfy the user's requests: ");
    if (functions) json_print(&render->out.text, functions, 2);
    json_decref(functions);
    put(render, "\n\nExample function tool call syntax:\n\n"
                "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>example_function_name\n"
                "```json\n{\n  \"arg1\": \"some_value\"\n  ...\n}\n```\n"
                "<｜tool▁call▁end｜><｜tool▁calls▁end｜>\n\n");
}

/* Either the content or, where it is null or empty, the calls. */
static void put_llama_cpp_assistant(struct render *render, const struct message *message) {
    put(render, "<｜Assistant｜>");
    if (message->content && *message->content) {
        put_text(render, behind_reasoning(message->content, true));
    } else {
        put(render, "<｜tool▁calls▁begin｜>");
        for (int index = 0; index < message->tool_calls; index++) {
            if (index) put(render, "\n");
            put_fenced_call(render, &message->tool_call[index], true);
        }
        put(render, "<｜tool▁calls▁end｜>");
    }
    put(render, DEEPSEEK_EOS);
}

static enum status put_llama_cpp_turn(struct render *render, const struct message *message,
                                      struct turns *turns) {
    bool output = message->role == ROLE_TOOL;
    if (turns->tool_outputs && !output) put(render, "<｜tool▁outputs▁end｜>" DEEPSEEK_EOS);
    turns->tool_outputs = output;
    if (message->role == ROLE_SYSTEM) return STATUS_OK;
    if (message->role == ROLE_ASSISTANT) {
        put_llama_cpp_assistant(render, message);
        return STATUS_OK;
    }
    if (output && !turns->output_begun) put(render, "<｜tool▁outputs▁begin｜>");
    turns->output_begun |= output;
    put(render, output ? "\n<｜tool▁output▁begin｜>" : "<｜User｜>");
    TRY(put_content(render, message));
    put(render, output ? "<｜tool▁output▁end｜>" : DEEPSEEK_EOS);
    return STATUS_OK;
}

enum status render_deepseek_r1_llama_cpp(struct render *render) {
    const struct chat *chat = render->chat;
    struct turns turns = {0};
    put_bos(render, DEEPSEEK_BOS);
    if (json_array_size(chat->tools)) put_llama_cpp_tools(render, chat->tools);
    TRY(put_system_prompt(render, false));
    for (int index = 0; index < chat->messages; index++)
        TRY(put_llama_cpp_turn(render, &chat->message[index], &turns));
    if (turns.tool_outputs) put(render, "<｜tool▁outputs▁end｜>" DEEPSEEK_EOS);
    if (!render->options->no_generation_prompt) {
        put(render, "<｜Assistant｜>");
        put_thinking(render, "<think>\n", "<think>\n\n</think>\n\n");
    }
    return STATUS_OK;
}
