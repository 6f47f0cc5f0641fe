/* template.c - the helpers of template.h. Pure but for what they append to the render's builder. */
#include "text/template.h"

#include "text/json_print.h"

#include <string.h>

void put(struct render *render, const char *literal) {
    prompt_put(&render->out, literal);
}
void put_text(struct render *render, const char *text) {
    prompt_put_text(&render->out, text);
}

void put_bos(struct render *render, const char *fallback) {
    prompt_put_control(&render->out, render->options->bos ? render->options->bos : fallback);
}

enum status refuse_message(const struct render *render, const struct message *message, const char *field,
                           const char *why) {
    return fail(STATUS_INPUT, "messages[%d].%s: %s in the template %s",
                (int)(message - render->chat->message), field, why,
                chat_template_name(render->options->template));
}

enum status content_required(const struct render *render, const struct message *message) {
    return message->content ? STATUS_OK : refuse_message(render, message, "content", "null has no form");
}

enum status put_content(struct render *render, const struct message *message) {
    TRY(content_required(render, message));
    put_text(render, message->content);
    return STATUS_OK;
}

void put_arguments(struct render *render, const struct tool_call *call, bool as_json) {
    if (as_json && call->arguments_are_text)
        json_print_text(&render->out.text, call->arguments, strlen(call->arguments));
    else
        put_text(render, call->arguments);
}

enum status put_system_prompt(struct render *render, bool joined) {
    const struct message *last = NULL;
    for (int index = 0; index < render->chat->messages; index++) {
        const struct message *message = &render->chat->message[index];
        if (message->role != ROLE_SYSTEM) continue;
        if (joined && last) put(render, "\n\n");
        if (joined) TRY(put_content(render, message));
        last = message;
    }
    return joined || !last ? STATUS_OK : put_content(render, last);
}

const char *behind_reasoning(const char *content, bool last) {
    static const char tag[] = "</think>";
    const char *found = strstr(content, tag);
    if (!found) return content;
    for (const char *next; last && (next = strstr(found + 1, tag));) found = next;
    return found + strlen(tag);
}

void put_fenced_call(struct render *render, const struct tool_call *call, bool arguments_as_json) {
    put(render, "<｜tool▁call▁begin｜>function<｜tool▁sep｜>");
    put_text(render, call->name);
    put(render, "\n```json\n");
    put_arguments(render, call, arguments_as_json);
    put(render, "\n```<｜tool▁call▁end｜>");
}

void put_thinking(struct render *render, const char *open, const char *closed) {
    render->thinking = chat_template_thinks(render->options->template, render->options->thinking);
    put(render, render->thinking ? open : closed);
}
