/* dialect.h - where servers of this API differ from each other, as data. Pure functions, any thread. */
#ifndef HADAL_SERVER_DIALECT_H
#define HADAL_SERVER_DIALECT_H

#include <stdbool.h>

struct dialect {
    const char *name;
    bool usage_apart; /* usage comes in a chunk of its own, with no choices; otherwise with the last choice */
    bool usage_unasked;     /* streams end with usage although nobody asked for it */
    bool developer_role;    /* "developer" is a system message; otherwise it is refused */
    bool reasoning_refused; /* reasoning_content in a message of the request is an error */
    bool unknown_models;    /* any model name is answered by the model there is */
};

const struct dialect *dialect_find(const char *name); /* NULL: none of that name */

#endif
