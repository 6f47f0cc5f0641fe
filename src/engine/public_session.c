/* public_session.c - hadal.h: what a session holds, tokens and messages. */
#include "engine/public.h"

#include "text/json_print.h"
#include "text/utf8.h"

#include <limits.h>
#include <stdlib.h>
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

static enum status reset(struct hadal_session *session) {
    json_t *empty = json_pack("{s:[]}", "messages");
    if (!empty) return fail(STATUS_MEMORY, "no memory for a conversation");
    json_decref(session->conversation);
    session->conversation = empty;
    sequence_truncate(session->sequence, 0);
    return STATUS_OK;
}

enum hadal_status hadal_session_reset(struct hadal_session *session) {
    enum status status = session_enter(session, "hadal_session_reset");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, reset(session));
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

/* The chat's own reader is what decides whether messages are well formed. */
static enum status check_messages(const char *text, size_t bytes) {
    struct chat chat = {0};
    TRY(chat_from_json(&chat, text, bytes, "the chat"));
    chat_free(&chat);
    return STATUS_OK;
}

static json_t *message_of(const char *role, const char *text, size_t bytes) {
    struct buffer whole = {.limit = CHAT_CONTENT_LIMIT};
    utf8_repair(&whole, text, bytes);
    json_t *message = NULL;
    if (!whole.failed)
        message = json_pack("{s:s, s:o}", "role", role, "content",
                            json_stringn(whole.bytes ? whole.data : "", whole.bytes));
    buffer_free(&whole);
    return message;
}

static enum status add_checked(json_t *messages, json_t *message) {
    json_t *alone = json_pack("[O]", message);
    char *text = alone ? json_dumps(alone, JSON_COMPACT) : NULL;
    enum status status =
        text ? check_messages(text, strlen(text)) : fail(STATUS_MEMORY, "no memory for a message");
    if (status == STATUS_OK && json_array_append(messages, message) != 0)
        status = fail(STATUS_MEMORY, "no memory for a message");
    free(text);
    json_decref(alone);
    return status;
}

static enum status add_message(struct hadal_session *session, const char *role, const char *text,
                               size_t bytes) {
    json_t *messages = json_object_get(session->conversation, "messages");
    if (!role) return argument_missing("hadal_session_add_message", "role");
    if (utf8_valid_bytes(role, strlen(role)) != strlen(role))
        return fail(STATUS_INPUT, "messages: a role is not UTF-8");
    TRY(text_argument("hadal_session_add_message", text, &bytes));
    if (bytes > CHAT_CONTENT_LIMIT || json_array_size(messages) >= CHAT_MESSAGES_LIMIT)
        return fail(STATUS_LIMIT, "messages: at most %d, and %d bytes of text, are allowed",
                    CHAT_MESSAGES_LIMIT, CHAT_CONTENT_LIMIT);
    json_t *message = message_of(role, text, bytes);
    if (!message) return fail(STATUS_MEMORY, "no memory for a message");
    enum status status = add_checked(messages, message);
    json_decref(message);
    return status;
}

enum hadal_status hadal_session_add_message(struct hadal_session *session, const char *role, const char *text,
                                            size_t bytes) {
    enum status status = session_enter(session, "hadal_session_add_message");
    if (status != STATUS_OK) return public_status(status);
    return session_leave(session, add_message(session, role, text, bytes));
}

static enum status set_messages(struct hadal_session *session, const char *messages, size_t bytes) {
    json_t *root, *whole;
    TRY(text_argument("hadal_session_set_messages", messages, &bytes));
    TRY(check_messages(messages ? messages : "", bytes));
    TRY(json_parse(messages, bytes, "the chat", &root));
    whole = json_is_array(root) ? json_pack("{s:O}", "messages", root) : json_incref(root);
    json_decref(root);
    if (!whole) return fail(STATUS_MEMORY, "no memory for a conversation");
    json_decref(session->conversation);
    session->conversation = whole;
    return STATUS_OK;
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
    json_print(&buffer, session->conversation, 0);
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
