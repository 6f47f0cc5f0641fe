/* service.h - many requests on one model: a thread that owns the engine, and the way in and out of it.
 *
 * service_open() starts the engine's thread. Any thread may submit requests, which wait in a bounded queue; they join and
 * leave the batch at every step. What a request's answers do is told to its listener, on the engine's thread, between
 * steps: a listener must not block, and may call service_cancel() but nothing else of this header. A server pushes what it
 * hears into a queue of its own.
 *
 * Rows do not depend on their neighbours: the tokens of a request are those that it gets alone. */
#ifndef HADAL_ENGINE_SERVICE_H
#define HADAL_ENGINE_SERVICE_H

#include "engine/reply.h"
#include "engine/speculate.h"

struct service;

/* ---- opening ---- */

enum { SERVICE_CHOICES_LIMIT = 128 };

/* 0 or NULL: the default. */
struct service_limits {
    int queue;            /* requests that wait to begin; 256 */
    int account_requests; /* of one account at once, waiting or running; none */
    double step_seconds;  /* that a step should take while answers are streaming: the rest is prefill; 0.25 */
    const char *cache_dir;      /* of cached pages; none */
    int64_t disk_bytes;         /* of the files in it; 16 GiB */
    int64_t disk_written_bytes; /* of files that are written in a day; 16 GiB */
    int64_t replay_bytes;       /* of texts of answers whose tokens are remembered; 64 MiB */
    enum speculate speculate;   /* drafts of the model's MTP module; while they are faster */
};

struct service_options {
    struct engine_options engine; /* model.sequences: answers that are computed at once */
    struct service_limits limits;
};

/* Opens the engine on the calling thread, where failures are reported, and hands it over. */
must_use enum status service_open(struct service **service, const struct service_options *options);

/* From now on every request is refused with STATUS_UNAVAILABLE; those that were accepted go on. Returns at once. */
void service_drain(struct service *service);
/* Waits until there are no requests, at most so many seconds; true when there are none. */
bool service_wait(struct service *service, double seconds);
/* Ends what is left, with STATUS_UNAVAILABLE, and closes the engine. NULL allowed. */
void service_close(struct service *service);

/* What never changes and any thread may read: tokenizer, description, context, end tokens, defaults. */
const struct engine *service_engine(const struct service *service);

/* The tokens of a prompt. Text that was an answer in the same isolation becomes the tokens that it was sampled as, so that
 * the history of a chat is found in the cache. STATUS_UNSUPPORTED without a tokenizer. */
must_use enum status service_encode(const struct service *service, const char *isolation,
                                    const struct prompt *prompt, struct token_list *list);

/* ---- requests ---- */

/* What the cache had of a prompt. */
struct cache_report {
    int hit_tokens, miss_tokens; /* together the prompt */
    int answer_tokens;           /* of the hits, computed as tokens of an answer */
    int disk_tokens;             /* of the hits, read from the disk */
    char miss[160];              /* why the rest was computed: a sentence, "" for a prompt that hit whole */
};

/* Of a request; with several answers, sums over them but for the prompt, which counts once. */
struct service_usage {
    int prompt_tokens, generated_tokens, reasoning_tokens;
    struct cache_report cache;
    double queue_seconds;   /* from the arrival to the first step */
    double prefill_seconds; /* from there to the first token */
    double decode_seconds;  /* from there to the last */
};

enum service_event_kind {
    SERVICE_QUEUED,     /* it was accepted. The first, once, unless it ends for want of memory */
    SERVICE_STARTED,    /* it left the queue: usage->cache and queue_seconds are known. Once */
    SERVICE_PREFILL,    /* tokens of the prompt were computed: `prefilled` are in the cache */
    SERVICE_PIECE,      /* a token, text, or both */
    SERVICE_CHOICE_END, /* an answer is complete: `finish`, `stop` */
    SERVICE_END /* always the last, exactly once for each accepted request: `status`, `message`, `usage` */
};

struct service_event {
    enum service_event_kind kind;
    uint64_t request;
    int choice;                        /* number of the answer, from 0 */
    int prefilled;                     /* PREFILL */
    const struct piece *piece;         /* PIECE */
    enum finish finish;                /* CHOICE_END */
    int stop;                          /* CHOICE_END: which stop text ended the answer; -1: none */
    enum status status;                /* END: STATUS_OK unless it failed; a cancelled request is OK */
    const char *message;               /* END: what failed, "" otherwise */
    const struct service_usage *usage; /* STARTED, END */
};

/* Everything that an event points to lives until the listener returns. */
typedef void service_listener(void *context, const struct service_event *event);

struct service_request { /* what it points to is copied, but for listener and mask contexts */
    const int32_t *prompt;
    int prompt_tokens;
    bool chat;             /* a longer prompt may come that goes on behind the answer */
    const char *account;   /* whose share of the machine it takes; NULL: "" */
    const char *isolation; /* with whom it shares what is cached, such as account and user; NULL: "" */
    int priority;          /* higher ones come first, and may interrupt lower ones */
    struct reply_options reply;
    int choices;           /* answers to the prompt; 0: 1 */
    double start_deadline; /* of clock_seconds(): it must have begun; 0: none */
    double deadline;       /* it ends then, with FINISH_DEADLINE; 0: none */
    service_listener *listener;
    void *context;
};

/* Accepts a request and gives its number, of which the listener may hear before this returns; or refuses it, and the listener
 * hears nothing:
 *     STATUS_INPUT        an option out of range, or a prompt that is empty or not of the vocabulary
 *     STATUS_LIMIT        prompt and one token do not fit into the context
 *     STATUS_MEMORY       there is none for the request
 *     STATUS_BUSY         the account has as many requests as it may
 *     STATUS_UNAVAILABLE  the queue is full, or the service is draining */
must_use enum status service_submit(struct service *service, const struct service_request *request,
                                    uint64_t *number);

/* Ends a request within one step: its answers finish as cancelled. Unknown numbers and those that have ended are ignored. */
void service_cancel(struct service *service, uint64_t number);

/* ---- figures ---- */

struct service_counts {
    int waiting, running;       /* requests; answers that are being computed */
    int pages, free_pages;      /* of 64 tokens; free_pages: nobody needs them */
    int cached_pages;           /* of those, the ones that hold what a later prompt may begin with */
    int64_t requests, refusals; /* accepted and refused since the start */
    int64_t prompt_tokens, hit_tokens, computed_tokens, generated_tokens;
    int64_t disk_pages, disk_bytes, disk_written_bytes, disk_read_bytes, disk_damaged; /* of files */
    int64_t steps, preemptions;
    int64_t drafted, accepted; /* drafts, and those that were right */
    double step_seconds;       /* of all steps */
};
void service_counts(struct service *service, struct service_counts *counts);

#endif
