/* conversation.h - messages that grow turn by turn, and the model's answer to them.
 *
 * Each answer renders all messages anew through the template, so that past reasoning goes where the
 * template drops it; the sequence keeps what is cached of the common beginning, so that history is not
 * computed again. Runs on the engine's thread. */
#ifndef HADAL_ENGINE_CONVERSATION_H
#define HADAL_ENGINE_CONVERSATION_H

#include "engine/generate.h"

struct conversation { /* zeroed: empty */
    struct message *message;
    int messages, capacity;
    struct chat loaded; /* owns the text of the messages that were loaded, and the tools */
    struct arena arena; /* owns the text of all others, until the conversation closes */
};

void conversation_close(struct conversation *conversation); /* also of a zeroed one */

/* Adds a message. Bytes that are not UTF-8 and NUL become U+FFFD. STATUS_LIMIT beyond CHAT_MESSAGES_LIMIT. */
must_use enum status conversation_add(struct conversation *conversation, enum chat_role role,
                                      const char *text, size_t bytes);
/* Replaces the system message at the beginning, or adds one there; NULL removes it. */
must_use enum status conversation_set_system(struct conversation *conversation, const char *text);
const char *conversation_system(const struct conversation *conversation); /* NULL: none */
void conversation_truncate(struct conversation *conversation, int messages);

/* Replaces everything by messages in JSON, as chat_from_json() reads them. On failure nothing changes. */
must_use enum status conversation_load(struct conversation *conversation, const char *json, size_t bytes,
                                       const char *origin);
/* The messages as a chat, borrowed: valid until the next change, not to be freed. */
struct chat conversation_chat(const struct conversation *conversation);

/* Makes the sequence hold the prompt of these messages. *thinking: it ends inside <think>. */
must_use enum status conversation_prompt(const struct conversation *conversation,
                                         const struct render_options *render, struct sequence *sequence,
                                         bool *thinking);

/* Any may be NULL. */
struct answer_events {
    void *context;
    bool (*prefill)(void *context, int done, int total);       /* false cancels */
    text_sink *text;                                           /* reasoning and answer, as they come */
    bool (*token)(void *context, const struct choice *choice); /* after the text of each; false cancels */
};

struct answer {                    /* zeroed before the first use; may be used again */
    struct buffer text, reasoning; /* NUL-terminated */
    bool reasoned;                 /* there was reasoning, or the prompt asked for it */
    enum finish finish;
    struct generation_timings timings;
};
void answer_free(struct answer *answer);

/* Answers the conversation and adds the answer to it, as far as it came. An answer that did not begin is none. On failure
 * the messages stay as they were, while `answer` holds what was generated. */
must_use enum status conversation_answer(struct conversation *conversation,
                                         const struct render_options *render,
                                         const struct generation_options *options, struct sequence *sequence,
                                         const struct answer_events *events, struct answer *answer);

#endif
