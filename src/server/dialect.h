/* dialect.h - where servers of this API differ from each other, as data. Pure functions, any thread. */
#ifndef HADAL_SERVER_DIALECT_H
#define HADAL_SERVER_DIALECT_H

#include <stdbool.h>
#include <stdint.h>

/* What becomes of the reasoning_content of earlier answers when the model thinks. */
enum pass_back {
    PASS_BACK_IGNORED, /* it may come */
    PASS_BACK_REFUSED, /* it must not come, whether the model thinks or not */
    PASS_BACK_TURN,    /* calls behind the last user's message must have it */
    PASS_BACK_CALLS,   /* all calls must have it */
    PASS_BACK_TOOLS    /* where tools are declared, all answers must have it */
};

struct dialect {
    const char *name;
    bool usage_apart; /* usage comes in a chunk of its own, with no choices; otherwise with the last choice */
    bool usage_unasked;    /* streams end with usage although nobody asked for it */
    bool developer_role;   /* "developer" is a system message; otherwise it is refused */
    bool unknown_models;   /* any model name is answered by the model there is, and none is needed */
    bool created;          /* models are listed with the time of their making */
    bool logprobs_refused; /* by a model that thinks */
    enum pass_back pass_back;
    int64_t answer_tokens,
        thinking_tokens;   /* max_tokens where a chat says nothing; 0: what there is room for */
    int64_t middle_tokens; /* the most between a prefix and a suffix; 0: any number */
};

const struct dialect *dialect_find(const char *name); /* NULL: none of that name */

#endif
