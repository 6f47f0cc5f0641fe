/* template_llama.c - the prompt of Llama 3.1: a header for each turn, tools as indented JSON inside the first
 * user message. The subtlety is its trim, which takes all Unicode white space off both ends. */
#include "text/json_print.h"
#include "text/template.h"

#include <string.h>

/* Bytes of the white space that begins (or, for `end`, ends) text[0..bytes); 0: none. */
static size_t space_bytes(const char *text, size_t bytes, bool end) {
    static const char *const spaces[] = {
        "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",   "\x1e",   "\x1f",    " ",
        "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",  "\u2007",
        "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000", "\xc2\x85"};
    for (size_t index = 0; index < COUNT_OF(spaces); index++) {
        size_t length = strlen(spaces[index]);
        if (length <= bytes && !memcmp(end ? text + bytes - length : text, spaces[index], length))
            return length;
    }
    return 0;
}

static void put_trimmed(struct render *render, const char *text) {
    size_t bytes = strlen(text);
    for (size_t space; (space = space_bytes(text, bytes, false)) > 0; bytes -= space) text += space;
    for (size_t space; (space = space_bytes(text, bytes, true)) > 0;) bytes -= space;
    buffer_append(&render->out.text, text, bytes);
}

static enum status put_trimmed_content(struct render *render, const struct message *message) {
    TRY(content_required(render, message));
    put_trimmed(render, message->content);
    return STATUS_OK;
}

static enum status put_system(struct render *render, const struct message *system) {
    put(render, "<|start_header_id|>system<|end_header_id|>\n\n");
    if (render->chat->tools) put(render, "Environment: ipython\n");
    put(render, "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    if (system) TRY(put_trimmed_content(render, system));
    put(render, "<|eot_id|>");
    return STATUS_OK;
}

/* The functions go in front of the first message behind the system prompt, whoever's it is. */
static enum status put_tools_message(struct render *render, const struct message *message) {
    put(render,
        "<|start_header_id|>user<|end_header_id|>\n\n"
        "Given the following functions, please respond with a JSON for a function call with its proper "
        "arguments that best answers the given prompt.\n\nRespond in the format {\"name\": function name, "
        "\"parameters\": dictionary of argument name and its value}.Do not use variables.\n\n");
    for (size_t index = 0; index < json_array_size(render->chat->tools); index++) {
        json_print(&render->out.text, json_array_get(render->chat->tools, index), 4);
        put(render, "\n\n");
    }
    TRY(put_trimmed_content(render, message));
    put(render, "<|eot_id|>");
    return STATUS_OK;
}

/* A call stands alone: its message's content is left out. */
static enum status put_call(struct render *render, const struct message *message) {
    if (message->tool_calls > 1)
        return refuse_message(render, message, "tool_calls", "only one call has a form");
    put(render, "<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"");
    put_text(render, message->tool_call->name);
    put(render, "\", \"parameters\": ");
    put_arguments(render, message->tool_call, true);
    put(render, "}<|eot_id|>");
    return STATUS_OK;
}

static enum status put_turn(struct render *render, const struct message *message) {
    static const char *const headers[] = {[ROLE_SYSTEM] = "<|start_header_id|>system<|end_header_id|>\n\n",
                                          [ROLE_USER] = "<|start_header_id|>user<|end_header_id|>\n\n",
                                          [ROLE_ASSISTANT] =
                                              "<|start_header_id|>assistant<|end_header_id|>\n\n",
                                          [ROLE_TOOL] = "<|start_header_id|>ipython<|end_header_id|>\n\n"};
    if (message->tool_calls) return put_call(render, message);
    put(render, headers[message->role]);
    TRY(content_required(render, message));
    if (message->role == ROLE_TOOL)
        json_print_text(&render->out.text, message->content, strlen(message->content));
    else
        put_trimmed(render, message->content);
    put(render, "<|eot_id|>");
    return STATUS_OK;
}

enum status render_llama3(struct render *render) {
    const struct chat *chat = render->chat;
    if (!chat->messages) return fail(STATUS_INPUT, "messages: the template llama-3 needs at least one");
    int index = chat->message->role == ROLE_SYSTEM;
    put_bos(render, "<|begin_of_text|>");
    TRY(put_system(render, index ? chat->message : NULL));
    if (chat->tools) {
        if (index == chat->messages)
            return fail(STATUS_INPUT,
                        "messages: the template llama-3 puts tools into the first user message, "
                        "and there is none");
        TRY(put_tools_message(render, &chat->message[index++]));
    }
    for (; index < chat->messages; index++) TRY(put_turn(render, &chat->message[index]));
    if (!render->options->no_generation_prompt)
        put(render, "<|start_header_id|>assistant<|end_header_id|>\n\n");
    return STATUS_OK;
}
