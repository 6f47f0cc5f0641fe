/* template_deepseek.c - the prompts of V2, V3 and R1, and R1-Distill, in the order in which DeepSeek
 * published them. */
#include "text/template.h"

/* V2 has words instead of tokens, and no tools. */
enum status render_deepseek_v2(struct render *render) {
    put_bos(render, DEEPSEEK_BOS);
    for (int index = 0; index < render->chat->messages; index++) {
        const struct message *message = &render->chat->message[index];
        if (message->role == ROLE_TOOL) continue;
        if (message->role == ROLE_USER) put(render, "User: ");
        if (message->role == ROLE_ASSISTANT) put(render, "Assistant: ");
        TRY(put_content(render, message));
        put(render, message->role == ROLE_ASSISTANT ? DEEPSEEK_EOS : "\n\n");
    }
    if (!render->options->no_generation_prompt) put(render, "Assistant:");
    return STATUS_OK;
}

/* Neither flag is ever reset: only a conversation's first call and first result open their lists. */
struct turns {
    bool called, tool_outputs, output_begun;
};

/* An assistant's text: the end of a list of tool results, or a turn of its own without its past reasoning. */
static enum status put_answer(struct render *render, const struct message *message, struct turns *turns) {
    TRY(content_required(render, message));
    if (turns->tool_outputs) {
        put(render, "<｜tool▁outputs▁end｜>");
        put_text(render, message->content);
    } else {
        put(render, "<｜Assistant｜>");
        put_text(render, behind_reasoning(message->content, true));
    }
    put(render, DEEPSEEK_EOS);
    turns->tool_outputs = false;
    return STATUS_OK;
}

static enum status put_output(struct render *render, const struct message *message, struct turns *turns,
                              const char *between) {
    put(render, turns->output_begun ? between : "<｜tool▁outputs▁begin｜>");
    put(render, "<｜tool▁output▁begin｜>");
    TRY(put_content(render, message));
    put(render, "<｜tool▁output▁end｜>");
    turns->output_begun = turns->tool_outputs = true;
    return STATUS_OK;
}

static enum status put_user(struct render *render, const struct message *message, struct turns *turns) {
    turns->tool_outputs = false;
    put(render, "<｜User｜>");
    return put_content(render, message);
}

static void put_v3_calls(struct render *render, const struct message *message, struct turns *turns) {
    turns->tool_outputs = false;
    for (int index = 0; index < message->tool_calls; index++) {
        if (turns->called) {
            put(render, "\n");
        } else {
            put(render, "<｜Assistant｜>");
            if (message->content) put_text(render, message->content);
            put(render, "<｜tool▁calls▁begin｜>");
        }
        put_fenced_call(render, &message->tool_call[index], false);
        turns->called = true;
    }
    put(render, "<｜tool▁calls▁end｜>" DEEPSEEK_EOS);
}

enum status render_deepseek_v3(struct render *render) {
    struct turns turns = {0};
    put_bos(render, DEEPSEEK_BOS);
    TRY(put_system_prompt(render, true));
    put_fenced_tools(render);
    for (int index = 0; index < render->chat->messages; index++) {
        const struct message *message = &render->chat->message[index];
        if (message->role == ROLE_USER) TRY(put_user(render, message, &turns));
        if (message->role == ROLE_TOOL) TRY(put_output(render, message, &turns, ""));
        if (message->role != ROLE_ASSISTANT) continue;
        if (message->tool_calls)
            put_v3_calls(render, message, &turns);
        else
            TRY(put_answer(render, message, &turns));
    }
    if (turns.tool_outputs) {
        put(render, "<｜tool▁outputs▁end｜>");
    } else if (!render->options->no_generation_prompt) {
        put(render, "<｜Assistant｜>");
        if (render->options->template == TEMPLATE_DEEPSEEK_R1)
            put_thinking(render, "<think>\n", "<think>\n\n</think>\n\n");
    }
    return STATUS_OK;
}

/* DeepSeek's own template ends the list behind its second and each further call, and has calls only where content is
 * null; llama.cpp's ends it once, and repeats the turn for the content. */
static void put_distill_calls(struct render *render, const struct message *message, struct turns *turns,
                              bool llama_cpp) {
    turns->tool_outputs = false;
    for (int index = 0; index < message->tool_calls; index++) {
        bool further = turns->called;
        put(render, further ? "\n" : "<｜Assistant｜><｜tool▁calls▁begin｜>");
        put_fenced_call(render, &message->tool_call[index], llama_cpp);
        if (further && !llama_cpp) put(render, "<｜tool▁calls▁end｜>" DEEPSEEK_EOS);
        turns->called = true;
    }
    if (llama_cpp) put(render, "<｜tool▁calls▁end｜>" DEEPSEEK_EOS);
}

enum status render_deepseek_distill(struct render *render) {
    bool llama_cpp = render->options->template == TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP;
    struct turns turns = {0};
    put_bos(render, DEEPSEEK_BOS);
    TRY(put_system_prompt(render, false));
    put_fenced_tools(render);
    for (int index = 0; index < render->chat->messages; index++) {
        const struct message *message = &render->chat->message[index];
        if (message->role == ROLE_USER) TRY(put_user(render, message, &turns));
        if (message->role == ROLE_TOOL) TRY(put_output(render, message, &turns, "\n"));
        if (message->role != ROLE_ASSISTANT) continue;
        if (llama_cpp ? message->tool_calls > 0 : !message->content)
            put_distill_calls(render, message, &turns, llama_cpp);
        if (message->content) TRY(put_answer(render, message, &turns));
    }
    if (turns.tool_outputs) {
        put(render, "<｜tool▁outputs▁end｜>");
    } else if (!render->options->no_generation_prompt) {
        put(render, "<｜Assistant｜>");
        put_thinking(render, "<think>\n", "<think>\n</think>");
    }
    return STATUS_OK;
}
