/* request.h - a request inside the service, and its answers.
 *
 * Made by the thread that submits, owned by the engine's thread from then on; what
 * others look at later is `cancelled`, `begun`, and what never changes. Private to the files behind service.h. */
#ifndef HADAL_ENGINE_REQUEST_H
#define HADAL_ENGINE_REQUEST_H

#include "engine/prefix_cache.h"
#include "engine/service.h"

#include <stdatomic.h>

struct account;

struct page_load {
    struct prefix_key key;
    uint64_t before, roles;
};

struct job { /* one answer */
    struct request *request;
    int choice;
    struct reply reply;
    struct sequence *sequence; /* while it runs: prompt and answer. NULL: it waits or has ended */
    uint8_t *role;             /* [prompt_tokens] in which the prompt was cached; NULL: all as a prompt */
    int kept_pages;            /* of the sequence, that the cache has */
    struct page_load *load;    /* [loads] pages that are read from the disk, behind the first `first_load` */
    int loads, asked, first_load;
    bool ended;
    bool follows; /* the MTP module has cached what the sequence has, so that it can draft */
    bool draft;   /* the sequence's last token is a draft that nothing was compared with yet */
    int rows, first_row, logit_row; /* of the current step; logit_row: of the last token that is no draft */
};

struct request {
    uint64_t number;
    char *account_name, *isolation;
    int32_t *prompt;
    int prompt_tokens, priority;
    struct prefix_key root,
        *key; /* of the isolation; [prompt_tokens / 64] of the whole pages of the prompt */
    double arrival, start_deadline, deadline;
    service_listener *listener;
    void *context;
    atomic_bool cancelled, begun; /* by anybody; by the engine's thread, when it leaves the queue */
    struct account *account;      /* the scheduler's */
    struct job *job;              /* [jobs] */
    int jobs, ended_jobs;
    bool chat;
    bool started, primed; /* it left the queue; the first answer's prompt is computed */
    double started_at, first_token_at;
    struct service_usage usage;
    struct request *next; /* in the list that it is in: arrived, or known to the scheduler */
    struct request *live_next;
};

must_use enum status request_open(struct request **request, const struct engine *engine,
                                  const struct service_request *from);
void request_close(struct request *request); /* NULL allowed; its sequences must be closed */

/* Fills in number and kind of an event and tells it. */
void request_tell(const struct request *request, struct service_event event);

#endif
