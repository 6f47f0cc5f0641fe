/* reply.h - one answer, token by token: what may follow, which token does, when it ends, and the text that can be shown.
 *
 * The caller brings the logits of the sequence's last token and appends what was chosen; a reply knows no cache and no
 * batch, so that one generation and a scheduler of many share it. Owned by the thread that samples. */
#ifndef HADAL_ENGINE_REPLY_H
#define HADAL_ENGINE_REPLY_H

#include "engine/engine.h"
#include "engine/sample.h"
#include "engine/stop_text.h"

enum finish {
    FINISH_NONE, /* still running, or failed */
    FINISH_STOP, /* an end token or a stop string */
    FINISH_LENGTH, /* max_tokens, or the context is full; also where the answer was brought to its end before that */
    FINISH_CANCELLED, /* by whoever asked for it */
    FINISH_DEADLINE   /* its time was over */
};
const char *finish_name(enum finish finish); /* "stop" */

/* What one token brought. */
struct piece {
    const char *text; /* whole UTF-8 characters that can be shown now, maybe none; may contain NUL bytes */
    size_t bytes;
    const struct choice *choice; /* NULL: no token, only text that was held back until the end */
};

/* Constrained decoding. `choice` is the number of the answer among those of its request. Both are called by the thread that
 * samples, between steps of all answers: they must be quick, and may not block. */
struct token_mask {
    void *context;
    /* Writes a bit for each token of the vocabulary, lowest bit first: may it come next? False: any may. */
    bool (*allow)(void *context, int choice, uint32_t *allowed);
    void (*accept)(void *context, int choice, int32_t id); /* it came; NULL: not asked for */
    /* Where the mask said something: `id` was chosen, and `room` more may come behind it. What must come instead, so that
     * the answer comes to its end in time; -1: nothing. NULL: not asked for. */
    int32_t (*instead)(void *context, int choice, int32_t id, int64_t room);
};

/* Reasoning that is counted, and ended when it takes too long, so that an answer comes. Zeroed: neither. */
struct reasoning_budget {
    bool counted;
    bool thinking;          /* the prompt ends inside <think> */
    int32_t begin_id;       /* <think>, where the model opens its reasoning itself; -1: none */
    int32_t end_id;         /* </think> */
    int64_t tokens;         /* the most; -1: any number */
    const int32_t *closing; /* [closings] come when they are used up, end_id among them; NULL: end_id alone */
    int closings;
};
enum { CLOSINGS_LIMIT = 256 };

struct reply_options {
    struct sampling sampling;
    int64_t max_tokens; /* -1: any number */
    const char *const *stop;
    int stops;
    bool show_special;      /* special tokens are text, the end token too */
    bool hide_end;          /* but not the end token */
    bool ignore_end;        /* an end token is a token like any other */
    struct token_mask mask; /* zeroed: none */
    int choice;             /* for `mask` */
    struct reasoning_budget reasoning;
};

struct reply {
    const struct engine *engine;
    struct reply_options options; /* without its lists, but for those that the reply owns */
    struct sampler sampler;
    struct stop_matcher stop;
    struct detokenizer detokenizer;
    struct buffer raw, shown; /* of the current piece */
    uint32_t *allowed;        /* [vocab / 32, rounded up] NULL: nothing will be masked */
    int32_t *closing;
    int closings, closed; /* closed > 0: tokens of `closing` that came */
    bool thinking;
    int reasoning_tokens;
    int64_t room;        /* tokens that the answer may have */
    int64_t shown_bytes; /* of all pieces */
    int32_t *id;         /* [tokens] the answer, the end token included */
    int tokens;
    enum finish finish;
    bool cut;       /* a stop string ended it: what follows is dropped */
    bool shortened; /* a token came so that the answer ends in time: then it ends by its length */
};

/* `room`: tokens that fit behind the prompt. STATUS_INPUT for options out of range. The lists of `options` are copied.
 * Any thread. */
must_use enum status reply_open(struct reply *reply, const struct engine *engine,
                                const struct reply_options *options, int64_t room);
void reply_close(struct reply *reply); /* also of a zeroed one */

/* Before the first token: takes the memory of an answer, which one that waits does without, and shows penalties the
 * prompt. Does nothing when the answer has begun. */
must_use enum status reply_begin(struct reply *reply, const int32_t *prompt, int tokens);
/* Would it be with so many tokens more? */
bool reply_is_full(const struct reply *reply, int more);

/* How many of its tokens say what was shown: all, but where a stop string cut it. *part: bytes that were shown of the one
 * behind them. */
int reply_shown_tokens(const struct reply *reply, size_t *part);

/* Chooses from logits [vocab]. */
must_use enum status reply_choose(struct reply *reply, struct sample_space *space, const float *logits,
                                  struct choice *choice);
/* Takes the chosen token: `finish` is set when it was the last. The piece is valid until the next call. */
must_use enum status reply_take(struct reply *reply, const struct choice *choice, struct piece *piece);
/* What was held back until the end. */
must_use enum status reply_flush(struct reply *reply, struct piece *piece);

#endif
