/* public.h - what the files behind include/hadal.h share: the two opaque types, and the way in and out of them.
 *
 * A model counts its holders (the caller, and each open session) and goes with the last, so that a caller may close in
 * any order. `busy` is set while a call uses the engine: a second call, from a callback or another thread, is refused
 * instead of meeting half-changed state; sessions that are closed meanwhile wait until it ends. */
#ifndef HADAL_ENGINE_PUBLIC_H
#define HADAL_ENGINE_PUBLIC_H

#include "engine/conversation.h"
#include "hadal.h"

#include <stdatomic.h>

struct hadal_model {
    struct engine *engine;
    bool has_template;
    enum chat_template chat_template;
    const char *bos; /* text of the token, in `arena`; NULL: the template's own */
    struct arena arena;
    int holders;
    atomic_flag busy;
    struct hadal_session *closing; /* closed while busy */
};

struct hadal_session {
    struct hadal_model *model;
    struct sequence *sequence;
    struct conversation conversation;
    struct hadal_session *next_closing;
};

/* public_model.c */
enum hadal_status public_status(enum status status);
must_use enum status argument_missing(const char *function, const char *argument); /* STATUS_USAGE */
must_use enum status reserved_check(const int64_t *reserved, size_t count, const char *structure);
/* Takes the model for one call; STATUS_USAGE when another has it, or for NULL. session_leave() gives it back. */
must_use enum status session_enter(struct hadal_session *session, const char *function);
enum hadal_status session_leave(struct hadal_session *session, enum status status);

/* public_text.c */
must_use enum status
text_needed(const struct hadal_model *model); /* STATUS_UNSUPPORTED without a tokenizer */
/* The length of a text argument in *bytes; STATUS_USAGE for NULL that is not empty. */
must_use enum status text_argument(const char *function, const char *text, size_t *bytes);
/* What a caller's buffer gets, by the rules of hadal.h; `bytes` and `count` may not be NULL. */
must_use enum status give_text(const struct buffer *from, char *text, size_t capacity, size_t *bytes);
must_use enum status give_ids(const int32_t *id, size_t ids, int32_t *to, size_t capacity, size_t *count);
/* How the model renders chats; STATUS_UNSUPPORTED without a tokenizer or a known template. */
must_use enum status render_options_of(const struct hadal_model *model, enum hadal_thinking thinking,
                                       struct render_options *options);

#endif
