/* public_session.c - hadal.h: what a session holds, tokens and messages. */
#include "engine/public.h"

#include <limits.h>
#include <string.h>

/* ---- tokens ---- */

static enum status append(struct sequence *sequence, const int32_t *id, size_t ids) {
    if (ids > INT_MAX)
        return fail(STATUS_LIMIT, "%zu tokens do not fit into the context of %lld", ids,
                    (long long)sequence->engine->context);
    return sequence_append(sequence, id, (int)ids, TOKEN_PROMPT);
}

static enum status append_text(struct hadal_session *session, const char *text, size_t bytes,
                               enum hadal_special special) {
    const struct tokenizer *tokenizer = session->model->engine->tokenizer;
    struct token_list list = {0};
    TRY(text_needed(session->model));
    TRY(text_argument("hadal_session_append_text", text, &bytes));
    enum status status = STATUS_OK;
    if (!session->sequence->tokens && tokenizer_adds_bos(tokenizer) && tokenizer_bos(tokenizer) >= 0)
        status = token_list_append(&list, tokenizer_bos(tokenizer));
    if (status == STATUS_OK && bytes)
        status = tokenizer_encode(tokenizer, text, bytes,
                                  special == HADAL_SPECIAL ? TOKENIZE_SPECIAL : TOKENIZE_PLAIN, &list);
    if (status == STATUS_OK) status = append(session->sequence, list.id, list.count);
    token_list_free(&list);
    return status;
}

enum hadal_status hadal_session_append_text(struct hadal_session *session, const char *text, size_t bytes,
                                            enum hadal_special special) {
    enum status status = session_enter(session, "hadal_session_append_text");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, append_text(session, text, bytes, special));
}

enum hadal_status hadal_session_append_ids(struct hadal_session *session, const int32_t *ids, size_t count) {
    enum status status = session_enter(session, "hadal_session_append_ids");
    if (status != STATUS_OK) return public_status(status);
    status = !ids && count ? argument_missing("hadal_session_append_ids", "ids")
                           : append(session->sequence, ids, count);
    return session_leave(session, status);
}

int64_t hadal_session_tokens(const struct hadal_session *session) {
    return session ? session->sequence->tokens : 0;
}

enum hadal_status hadal_session_ids(const struct hadal_session *session, int32_t *ids, size_t capacity,
                                    size_t *count) {
    if (!session) return public_status(argument_missing("hadal_session_ids", "session"));
    if (!count) return public_status(argument_missing("hadal_session_ids", "count"));
    const struct sequence *sequence = session->sequence;
    return public_status(give_ids(sequence->token, (size_t)sequence->tokens, ids, capacity, count));
}

static enum status truncate_to(struct sequence *sequence, int64_t tokens) {
    if (tokens < 0 || tokens > sequence->tokens)
        return fail(STATUS_INPUT, "the session has %d tokens and cannot keep %lld", sequence->tokens,
                    (long long)tokens);
    sequence_truncate(sequence, (int)tokens);
    return STATUS_OK;
}

enum hadal_status hadal_session_truncate(struct hadal_session *session, int64_t tokens) {
    enum status status = session_enter(session, "hadal_session_truncate");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, truncate_to(session->sequence, tokens));
}

enum hadal_status hadal_session_reset(struct hadal_session *session) {
    enum status status = session_enter(session, "hadal_session_reset");
    if (status != STATUS_OK) return public_status(status);
    conversation_close(&session->conversation);
    sequence_truncate(session->sequence, 0);
    return session_leave(session, STATUS_OK);
}

/* ---- logits ---- */

/* Rows of a step live until the next one, which may have been another session's: the last token runs again. */
static enum status compute_logits(struct hadal_session *session, float *logits) {
    struct sequence *sequence = session->sequence;
    int32_t row;
    if (sequence->cached == sequence->tokens) sequence->cached--;
    TRY(engine_prefill(session->model->engine, sequence, NULL, NULL, &row));
    engine_logits(session->model->engine, &row, 1, logits);
    return STATUS_OK;
}

static enum status logits(struct hadal_session *session, float *to, size_t capacity, size_t *count) {
    size_t vocabulary = (size_t)session->model->engine->model.desc.vocab;
    *count = vocabulary;
    if (!session->sequence->tokens) return fail(STATUS_USAGE, "hadal_session_logits: the session is empty");
    if (!to) return STATUS_OK;
    if (capacity < vocabulary)
        return fail(STATUS_LIMIT, "%zu floats are needed, the buffer has room for %zu", vocabulary, capacity);
    return compute_logits(session, to);
}

enum hadal_status hadal_session_logits(struct hadal_session *session, float *to, size_t capacity,
                                       size_t *count) {
    if (!count) return public_status(argument_missing("hadal_session_logits", "count"));
    enum status status = session_enter(session, "hadal_session_logits");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, logits(session, to, capacity, count));
}

/* ---- messages ---- */

static enum status role_of(const char *name, enum chat_role *role) {
    static const struct {
        const char *name;
        enum chat_role role;
    } roles[] = {
        {"system", ROLE_SYSTEM}, {"user", ROLE_USER}, {"assistant", ROLE_ASSISTANT}, {"tool", ROLE_TOOL}};
    if (!name) return argument_missing("hadal_session_add_message", "role");
    for (size_t i = 0; i < COUNT_OF(roles); i++) {
        if (strcmp(name, roles[i].name) != 0) continue;
        *role = roles[i].role;
        return STATUS_OK;
    }
    return fail(STATUS_INPUT, "role: \"%.32s\" is none of system, user, assistant, tool", name);
}

static enum status add_message(struct hadal_session *session, const char *name, const char *text,
                               size_t bytes) {
    enum chat_role role = ROLE_USER;
    TRY(role_of(name, &role));
    TRY(text_argument("hadal_session_add_message", text, &bytes));
    return conversation_add(&session->conversation, role, text ? text : "", bytes);
}

enum hadal_status hadal_session_add_message(struct hadal_session *session, const char *role, const char *text,
                                            size_t bytes) {
    enum status status = session_enter(session, "hadal_session_add_message");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, add_message(session, role, text, bytes));
}

static enum status set_messages(struct hadal_session *session, const char *messages, size_t bytes) {
    TRY(text_argument("hadal_session_set_messages", messages, &bytes));
    return conversation_load(&session->conversation, messages ? messages : "", bytes, "the chat");
}

enum hadal_status hadal_session_set_messages(struct hadal_session *session, const char *messages,
                                             size_t bytes) {
    enum status status = session_enter(session, "hadal_session_set_messages");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, set_messages(session, messages, bytes));
}

static enum status give_messages(const struct hadal_session *session, char *text, size_t capacity,
                                 size_t *bytes) {
    struct buffer buffer = {0};
    struct chat chat = conversation_chat(&session->conversation);
    chat_to_json(&chat, &buffer);
    enum status status = buffer_check(&buffer, "the conversation");
    if (status == STATUS_OK) status = give_text(&buffer, text, capacity, bytes);
    buffer_free(&buffer);
    return status;
}

enum hadal_status hadal_session_messages(const struct hadal_session *session, char *text, size_t capacity,
                                         size_t *bytes) {
    if (!session) return public_status(argument_missing("hadal_session_messages", "session"));
    if (!bytes) return public_status(argument_missing("hadal_session_messages", "bytes"));
    return public_status(give_messages(session, text, capacity, bytes));
}
