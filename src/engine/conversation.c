/* conversation.c - the list of messages and the way from it to an answer. */
#include "engine/conversation.h"

#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

void conversation_close(struct conversation *conversation) {
    free(conversation->message);
    chat_free(&conversation->loaded);
    arena_free(&conversation->arena);
    *conversation = (struct conversation){0};
}

static enum status reserve(struct conversation *conversation, int messages) {
    if (messages > CHAT_MESSAGES_LIMIT)
        return fail(STATUS_LIMIT, "a conversation has at most %d messages", CHAT_MESSAGES_LIMIT);
    if (messages <= conversation->capacity) return STATUS_OK;
    int capacity = 2 * messages + 14;
    struct message *grown = realloc(conversation->message, (size_t)capacity * sizeof *grown);
    if (!grown) return fail(STATUS_MEMORY, "no memory for %d messages", capacity);
    conversation->message = grown;
    conversation->capacity = capacity;
    return STATUS_OK;
}

/* A copy that is UTF-8 and free of NUL bytes. */
static enum status keep_text(struct conversation *conversation, const char *text, size_t bytes,
                             const char **kept) {
    struct buffer repaired = {.limit = CHAT_CONTENT_LIMIT};
    for (size_t at = 0; at < bytes;) {
        size_t length = strnlen(text + at, bytes - at);
        utf8_repair(&repaired, text + at, length);
        at += length;
        if (at < bytes) buffer_append_text(&repaired, UTF8_REPLACEMENT);
        at++;
    }
    enum status status = buffer_check(&repaired, "a message");
    if (status == STATUS_OK) {
        *kept = arena_copy(&conversation->arena, repaired.data, repaired.bytes);
        if (!*kept) status = fail(STATUS_MEMORY, "no memory for a message");
    }
    buffer_free(&repaired);
    return status;
}

enum status conversation_add(struct conversation *conversation, enum chat_role role, const char *text,
                             size_t bytes) {
    struct message message = {.role = role};
    TRY(reserve(conversation, conversation->messages + 1));
    TRY(keep_text(conversation, text, bytes, &message.content));
    conversation->message[conversation->messages++] = message;
    return STATUS_OK;
}

static bool has_system(const struct conversation *conversation) {
    return conversation->messages > 0 && conversation->message[0].role == ROLE_SYSTEM;
}

const char *conversation_system(const struct conversation *conversation) {
    return has_system(conversation) ? conversation->message[0].content : NULL;
}

enum status conversation_set_system(struct conversation *conversation, const char *text) {
    struct message message = {.role = ROLE_SYSTEM};
    int old = has_system(conversation), new = text != NULL;
    if (text) TRY(keep_text(conversation, text, strlen(text), &message.content));
    TRY(reserve(conversation, conversation->messages + 1));
    memmove(conversation->message + new, conversation->message + old,
            (size_t)(conversation->messages - old) * sizeof message);
    if (text) conversation->message[0] = message;
    conversation->messages += new - old;
    return STATUS_OK;
}

void conversation_truncate(struct conversation *conversation, int messages) {
    if (messages < conversation->messages) conversation->messages = messages < 0 ? 0 : messages;
}

enum status conversation_load(struct conversation *conversation, const char *json, size_t bytes,
                              const char *origin) {
    struct conversation loaded = {0};
    TRY(chat_from_json(&loaded.loaded, json, bytes, origin));
    int messages = loaded.loaded.messages;
    enum status status = reserve(&loaded, messages);
    if (status != STATUS_OK) {
        conversation_close(&loaded);
        return status;
    }
    for (int i = 0; i < messages; i++) loaded.message[i] = loaded.loaded.message[i];
    loaded.messages = messages;
    conversation_close(conversation);
    *conversation = loaded;
    return STATUS_OK;
}

struct chat conversation_chat(const struct conversation *conversation) {
    return (struct chat){.message = conversation->message,
                         .messages = conversation->messages,
                         .tools = conversation->loaded.tools};
}

/* ---- prompt ---- */

enum status conversation_prompt(const struct conversation *conversation, const struct render_options *render,
                                struct sequence *sequence, bool *thinking) {
    struct chat chat = conversation_chat(conversation);
    struct prompt prompt = {0};
    struct token_list list = {0};
    const struct engine *engine = sequence->engine;
    MUST(engine->tokenizer);
    struct render_options wanted = *render;
    wanted.thinking = chat_thinking_wanted(render->template, render->thinking);
    enum status status = chat_render(&chat, &wanted, &prompt);
    *thinking = prompt.thinking;
    if (status == STATUS_OK) status = prompt_encode(&prompt, engine->tokenizer, &list);
    if (status == STATUS_OK && list.count > (size_t)engine->context)
        status = fail(STATUS_LIMIT, "the conversation has %zu tokens, more than the context of %lld",
                      list.count, (long long)engine->context);
    if (status == STATUS_OK) status = sequence_assign(sequence, list.id, (int)list.count);
    token_list_free(&list);
    prompt_free(&prompt);
    return status;
}

/* ---- answer ---- */

void answer_free(struct answer *answer) {
    buffer_free(&answer->text);
    buffer_free(&answer->reasoning);
    *answer = (struct answer){0};
}

struct answering {
    struct answer *answer;
    const struct answer_events *events;
    struct reasoning_splitter splitter;
};

static void hear_text(void *context, enum text_kind kind, const char *text, size_t bytes) {
    const struct answering *answering = context;
    struct answer *answer = answering->answer;
    buffer_append(kind == TEXT_REASONING ? &answer->reasoning : &answer->text, text, bytes);
    if (kind == TEXT_REASONING) answer->reasoned = true;
    if (answering->events->text) answering->events->text(answering->events->context, kind, text, bytes);
}

static bool hear_piece(void *context, const struct piece *piece) {
    struct answering *answering = context;
    const struct answer_events *events = answering->events;
    if (piece->bytes) reasoning_split(&answering->splitter, piece->text, piece->bytes, hear_text, answering);
    return !piece->choice || !events->token || events->token(events->context, piece->choice);
}

static bool hear_prefill(void *context, int done, int total) {
    const struct answering *answering = context;
    const struct answer_events *events = answering->events;
    return !events->prefill || events->prefill(events->context, done, total);
}

static enum status run(struct answering *answering, const struct generation_options *options,
                       struct sequence *sequence) {
    struct generation generation;
    struct answer *answer = answering->answer;
    TRY(generation_open(&generation, sequence, options));
    enum status status = generation_run(
        &generation,
        &(struct generation_events){.context = answering, .prefill = hear_prefill, .piece = hear_piece});
    reasoning_split_finish(&answering->splitter, hear_text, answering);
    answer->finish = generation.reply.finish;
    answer->timings = generation.timings;
    generation_close(&generation);
    TRY(status);
    TRY(buffer_check(&answer->text, "the answer"));
    return buffer_check(&answer->reasoning, "the reasoning");
}

static enum status add_answer(struct conversation *conversation, const struct answer *answer) {
    const char *reasoning = NULL;
    if (answer->reasoning.bytes)
        TRY(keep_text(conversation, answer->reasoning.data, answer->reasoning.bytes, &reasoning));
    TRY(conversation_add(conversation, ROLE_ASSISTANT, answer->text.data, answer->text.bytes));
    conversation->message[conversation->messages - 1].reasoning = reasoning;
    return STATUS_OK;
}

enum status conversation_answer(struct conversation *conversation, const struct render_options *render,
                                const struct generation_options *options, struct sequence *sequence,
                                const struct answer_events *events, struct answer *answer) {
    static const struct answer_events deaf = {0};
    struct answering answering = {.answer = answer, .events = events ? events : &deaf};
    buffer_clear(&answer->text);
    buffer_clear(&answer->reasoning);
    buffer_append(&answer->text, "", 0);
    buffer_append(&answer->reasoning, "", 0);
    answer->finish = FINISH_NONE;
    answer->timings = (struct generation_timings){0};
    TRY(conversation_prompt(conversation, render, sequence, &answering.splitter.thinking));
    answering.splitter.spaced = chat_template_spaces(render->template);
    answer->reasoned = answering.splitter.thinking;
    TRY(run(&answering, options, sequence));
    return answer->timings.generated_tokens ? add_answer(conversation, answer) : STATUS_OK;
}
