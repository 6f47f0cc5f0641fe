/* job_prompt.c - templates, plain texts, and DeepSeek's tokens for the middle of a text. */
#include "server/job_prompt.h"

#include <string.h>

static enum status encode(const struct engine *engine, const char *text, enum tokenize_mode mode,
                          struct token_list *list) {
    return tokenizer_encode(engine->tokenizer, text, strlen(text), mode, list);
}

/* An answer that the client began: the model goes on behind its last word, in the turn that the template opens. */
static enum status append_prefix(const struct message *message, const struct prompt_source *source,
                                 bool *thinking, struct token_list *list) {
    const struct engine *engine = service_engine(source->service);
    const bool answers = message->content && *message->content;
    if (*thinking && message->reasoning) TRY(encode(engine, message->reasoning, TOKENIZE_PLAIN, list));
    if (*thinking && answers && message->reasoning) {
        TRY(encode(engine, "</think>", TOKENIZE_SPECIAL, list));
        *thinking = false;
    }
    if (*thinking && answers)
        return fail(STATUS_INPUT,
                    "the last message's prefix needs thinking to be disabled: the answer begins "
                    "behind the reasoning");
    if (!answers) return STATUS_OK;
    struct buffer text = {0};
    if (chat_template_spaces(source->template)) buffer_append_char(&text, ' ');
    buffer_append_text(&text, message->content);
    enum status status = buffer_check(&text, "the last message");
    if (status == STATUS_OK)
        status = tokenizer_encode(engine->tokenizer, text.data, text.bytes, TOKENIZE_PLAIN, list);
    buffer_free(&text);
    return status;
}

static enum status chat_prompt(const struct order *order, const struct prompt_source *source,
                               struct token_list *list, bool *thinking) {
    const struct engine *engine = service_engine(source->service);
    struct chat chat = order->chat; /* borrowed */
    const struct message *last = &chat.message[chat.messages - 1];
    const bool continues = last->role == ROLE_ASSISTANT && last->prefix;
    struct render_options render = {.template = source->template,
                                    .thinking = chat_thinking_wanted(source->template, order->thinking),
                                    .tools_described = true,
                                    .bos = source->bos};
    struct prompt prompt = {0};
    if (continues) chat.messages--;
    if (continues && last->content && *last->content && order->thinking == THINKING_DEFAULT)
        render.thinking = THINKING_OFF;
    if (order->tool_choice == TOOLS_NONE) chat.tools = NULL;
    if (source->opening) render.thinking = THINKING_OFF; /* the answer begins as a call */
    if (source->opening && continues)
        return fail(STATUS_INPUT, "tool_choice: an answer that continues a prefix cannot be a call");
    TRY(chat_render(&chat, &render, &prompt));
    *thinking = prompt.thinking;
    enum status status = service_encode(source->service, source->isolation, &prompt, list);
    prompt_free(&prompt);
    if (status == STATUS_OK && continues) status = append_prefix(last, source, thinking, list);
    if (status == STATUS_OK && source->opening)
        status = encode(engine, source->opening, TOKENIZE_SPECIAL, list);
    return status;
}

static enum status put_token(const struct engine *engine, const char *token, struct token_list *list) {
    int32_t id = tokenizer_find(engine->tokenizer, token);
    if (id < 0)
        return fail(STATUS_INPUT, "suffix: this model has no tokens for filling in the middle of a text");
    return token_list_append(list, id);
}

static enum status middle_prompt(const struct order *order, const struct engine *engine,
                                 struct token_list *list) {
    TRY(put_token(engine, "<｜fim▁begin｜>", list));
    TRY(encode(engine, order->prompt, TOKENIZE_PLAIN, list));
    TRY(put_token(engine, "<｜fim▁hole｜>", list));
    TRY(encode(engine, order->suffix, TOKENIZE_PLAIN, list));
    return put_token(engine, "<｜fim▁end｜>", list);
}

enum status job_prompt(const struct order *order, const struct prompt_source *source, struct token_list *list,
                       bool *thinking) {
    const struct engine *engine = service_engine(source->service);
    const struct tokenizer *tokenizer = engine->tokenizer;
    *thinking = false;
    if (!order->prompt) return chat_prompt(order, source, list, thinking);
    if (tokenizer_adds_bos(tokenizer)) TRY(token_list_append(list, tokenizer_bos(tokenizer)));
    if (order->suffix && *order->suffix) return middle_prompt(order, engine, list);
    return encode(engine, order->prompt, TOKENIZE_SPECIAL, list);
}
