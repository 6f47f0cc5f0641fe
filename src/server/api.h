/* api.h - what all requests share: the service, the template, keys, limits and counts. Owned by the thread of the
 * network; what never changes the threads of the desk read too. */
#ifndef HADAL_SERVER_API_H
#define HADAL_SERVER_API_H

#include "server/account/identity.h"
#include "server/api_keys.h"
#include "server/desk.h"
#include "server/group_counts.h"
#include "server/histogram.h"
#include "server/hours.h"
#include "server/job.h"

#include <pthread.h>

struct api_model {
    const char *name;         /* as clients ask for it */
    const char *const *alias; /* further names */
    int aliases;
    enum chat_template template;
    bool chats; /* it has a template */
    const char *bos;
};

struct api_counts {
    int64_t requests, refused, finished[FINISH_DEADLINE + 1];
    struct histogram first_token, between_tokens, whole, queue, prefill, decode; /* seconds */
    struct histogram prompt_tokens, generated_tokens;
};

struct api {
    struct event_base *base;
    struct service *service;
    const struct http_server *http;
    bool reachable;          /* by other machines */
    const char *const *host; /* names that a server without keys may be asked for by, beside local ones */
    int hosts;
    struct mailbox *mailbox;
    struct desk *desk;
    struct search *search; /* what it offers */
    struct api_keys keys;
    struct teller *teller;         /* of the accounts; NULL: there are none */
    struct price_list prices;      /* that are said where nothing is charged; empty: none */
    const struct identity *caller; /* whose request is being handled; NULL without accounts */
    struct webhook *webhook;
    int64_t charges; /* that were made */
    struct group_counts groups;
    struct hours hours;
    struct api_model model;
    const struct dialect *dialect;
    pthread_mutex_t trie_lock;
    struct mask_shared *masks; /* likewise */
    struct token_trie *trie;   /* made when the first answer has to follow a grammar, and never changed */
    char fingerprint[32];
    struct job *first; /* all that are open */
    int jobs;
    int documents;                         /* that are being read */
    int64_t started;                       /* seconds since 1970 */
    int64_t thinking_budget;               /* of requests that say nothing; -1: none */
    int64_t answer_tokens;                 /* likewise, of the whole answer; -1: what the dialect has */
    double queue_seconds, request_seconds; /* that a request may wait, and take; 0: any time */
    bool explain_cache;
    struct api_counts counts;
    void (*log)(void *context, const char *line);
    void *log_context;
};

/* The handler of the HTTP layer, context a struct api. */
http_handler api_handle;
http_refusal api_refuse, messages_refuse;

/* An error in the envelope that `refuse` writes. */
void api_reply_error(struct http_exchange *exchange, http_refusal *refuse, int status, const char *sentence);
/* For the status that a function of the library gave, and its sentence. */
void api_reply_failure(struct http_exchange *exchange, http_refusal *refuse, enum status status,
                       const char *sentence);

void api_reply_json(struct http_exchange *exchange, const struct buffer *body);

/* metrics.c */
void api_write_metrics(struct api *api, struct buffer *out);
/* api_log.c: one line for each request that came to a job. */
void api_log_job(struct api *api, const struct job *job, enum status status, const char *sentence);
/* The same, without the brace at its end. */
void api_write_log(const struct api *api, const struct job *job, enum status status, const char *sentence,
                   struct buffer *out);
/* Likewise, of a call of a tool. */
void api_write_call_log(const char *account, const char *id, const char *tool, bool succeeded,
                        struct buffer *out);

#endif
