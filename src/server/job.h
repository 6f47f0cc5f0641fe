/* job.h - one request of the API from its order to the last byte of its answer.
 *
 * A job belongs to the thread of the network. A thread of the desk reads its body and makes the order of it, and until that
 * is done the network's looks at nothing but what stands in front of `order`. The engine's thread only pushes mail that
 * names it. It lives until it is refused or the service has said SERVICE_END, also when its client is long gone. */
#ifndef HADAL_SERVER_JOB_H
#define HADAL_SERVER_JOB_H

#include "engine/service.h"
#include "server/billing.h"
#include "server/desk.h"
#include "server/http.h"
#include "server/job_mask.h"
#include "server/mailbox.h"
#include "server/order.h"
#include "text/tool_calls.h"

#include <stdatomic.h>

struct api;
struct job;

enum { JOB_ID_BYTES = 37, JOB_CALL_ID_BYTES = 25, TEXT_KINDS = 2 };

/* A call of a tool in an answer. */
struct job_call {
    char id[JOB_CALL_ID_BYTES];
    char name[TOOL_NAME_LIMIT + 1];
    struct buffer arguments; /* all that came */
    size_t sent;             /* bytes of them, of a stream */
    bool begun;              /* its first chunk was sent */
    bool ended, broken;      /* broken: it is no call after all */
};

/* One of the answers to a prompt. What has come and was not sent yet, by kind; of whole answers, everything. */
struct job_answer {
    struct reasoning_splitter splitter;
    struct tool_call_parser parser; /* of what is not reasoning */
    struct job_call *call;          /* [calls] */
    int calls, call_capacity;
    bool call_is_text;                  /* one too many */
    struct buffer text[TEXT_KINDS];     /* by enum text_kind */
    struct buffer logprobs[TEXT_KINDS]; /* entries of JSON, separated by commas */
    int tokens, offset;                 /* offset: characters before this token, for completions */
    enum finish finish;
    int stop;                    /* which stop text ended it; -1: none */
    bool reasoned, begun, ended; /* begun: its first chunk was sent */
    struct buffer item,
        items;  /* of responses: text of the item that is open, JSON of those that are complete */
    int events; /* of responses: those that were sent */
    int before; /* items or blocks in front of the model's own */
    int blocks; /* of messages: content blocks of the model that were begun */
    int block;  /* the last one: an enum text_kind, or TEXT_KINDS and the number of a call */
};

/* How one endpoint writes its answers. */
struct wire {
    bool splits_reasoning;
    bool reads_body; /* fields of it that the order does not have */
    void (*add_logprob)(const struct job *job, struct job_answer *answer, enum text_kind kind,
                        const struct choice *choice);
    void (*write_piece)(struct job *job, int index, struct buffer *out); /* chunks for what has come */
    void (*write_end)(struct job *job, int index, struct buffer *out);   /* the last one of an answer */
    void (*write_done)(struct job *job, struct buffer *out);             /* behind all answers */
    void (*write_whole)(struct job *job, struct buffer *out);
    const char *keep_alive; /* in a stream */
    http_refusal *refuse;   /* the body of an error */
};

struct job {
    struct api *api;
    struct job *next, *previous;
    struct http_exchange *exchange; /* NULL: the client is gone, or answered */
    const struct wire *wire;
    char id[JOB_ID_BYTES];
    char account[65];
    struct billing billing;
    int64_t created; /* seconds since 1970 */
    struct desk_task task;
    atomic_bool abandoned; /* nobody waits for the answer */
    bool accepted;         /* by the service */
    uint64_t number;       /* of the service, once it is accepted */
    struct mail *last;
    order_parser *parse;
    struct buffer body;     /* of the request */
    enum status refusal;    /* why it was not accepted, */
    struct buffer sentence; /* in words */
    struct order order;
    json_t *sources,
        *query; /* of tools that the server ran: what was found, and with which words; NULL: none */
    int searches, fetches;
    double arrival, first_token, last_sent; /* of clock_seconds() */
    bool streaming;                         /* the head of the answer was sent */
    bool started, thinking;                 /* thinking: the prompt ended inside <think> */
    bool reasons;                           /* reasoning belongs to the answer, even if there is none */
    int64_t room;                           /* tokens that the answer may have in the context */
    int answers_ended;
    enum tool_format tools;    /* NONE: the model knows of no tools */
    struct job_answer *answer; /* [order.choices] */
    struct service_usage usage;
    struct job_mask *mask; /* NULL: the answers are free */
    struct buffer out;     /* what is written next */
};

/* Answers the exchange, with an error or with the answer. */
void job_start(struct api *api, struct http_exchange *exchange, const struct wire *wire, order_parser *parse,
               const char *account);
void job_make_id(char id[JOB_ID_BYTES]);
void job_hear(struct job *job, const struct mail *mail);
/* So that the client and what is between hears something while it waits. */
void job_keep_alive(struct job *job, double now);

/* What jobs of all endpoints write alike. */
void job_write_usage(const struct job *job, struct buffer *out);         /* the object */
void job_write_text(struct buffer *out, const char *text, size_t bytes); /* a JSON string */
/* Text that is not reasoning, and its end: job_tools.c. Calls that broke become text again where nobody has seen them. */
void job_hear_answer(struct job_answer *answer, const char *text, size_t bytes);
void job_end_answer(struct job_answer *answer, bool streamed);
void job_free_calls(struct job_answer *answer);
bool job_ends_in_calls(const struct job_answer *answer);
const char *job_finish_reason(const struct job_answer *answer);

extern const struct wire chat_wire, completion_wire, messages_wire, responses_wire;

#endif
