/* desk.h - threads for what takes long before a request reaches the engine: parsing, rendering, tokenizing, grammars.
 *
 * The thread of the network hands tasks over and gets them back through its event base, so that a large body stalls
 * nobody's stream. One thread takes small tasks alone, so that these do not wait behind large ones either. */
#ifndef HADAL_SERVER_DESK_H
#define HADAL_SERVER_DESK_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct event_base;
struct desk;

struct desk_task { /* part of something larger, which its owner frees */
    bool (*work)(
        void *context); /* on a thread of the desk; true: `done` wants to be called. After false the task may
                                    be gone */
    void (*done)(void *context); /* on the thread of the base */
    void *context;
    size_t bytes; /* how large it is */
    struct desk_task *next;
};

enum { DESK_SMALL_BYTES = 64 << 10, DESK_MOST_BYTES = 512 << 20 };

must_use enum status desk_open(struct desk **desk, struct event_base *base);
/* Finishes all tasks, which find out by themselves that nobody waits for them. NULL allowed. */
void desk_close(struct desk *desk);
/* On the thread of the base. False: too many bytes lie there already, and the task is still the caller's. */
must_use bool desk_submit(struct desk *desk, struct desk_task *task);

#endif
