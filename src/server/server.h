/* server.h - `hadal serve` as a part: opens a model, listens, and serves until it is told to stop.
 *
 * server_run() is the thread of the network; the engine has its own. server_stop() may be called from a signal handler. */
#ifndef HADAL_SERVER_SERVER_H
#define HADAL_SERVER_SERVER_H

#include "engine/service.h"

struct server;

struct server_options {
    struct service_options service;
    const char *address;
    int port;
    const char *const *host; /* names that a server without keys may be asked for by, beside local ones */
    int hosts;
    const char *certificate, *key; /* TLS; both or neither */
    const char *keys;              /* file of API keys; NULL: nobody needs one */
    const char *accounts;          /* where accounts are (store.h); NULL: there are none */
    const char *journal;           /* file of what requests have used, for the next start after a crash */
    const char *prices;            /* to be put in force; NULL: those that are */
    void (*notice)(void *context, const char *sentence); /* for the operator */
    const char *dialect;                                 /* "deepseek" */
    const char *model_name;                              /* NULL: the name of the model's file or directory */
    const char *const *alias;                            /* further names */
    int aliases;
    const char *chat_template; /* by name; NULL: the checkpoint's own */
    int64_t body_bytes;        /* 0: the default limit */
    int64_t unsent_bytes;      /* likewise, of all answers */
    int connections;           /* likewise */
    int64_t thinking_budget;   /* of requests that say nothing; -1: none */
    int64_t answer_tokens;     /* likewise, of the whole answer; -1: what the dialect has */
    double queue_seconds;      /* that a request may wait before it begins; 0: any time */
    double request_seconds;    /* that it may take, waiting included; 0: any time */
    const char *search;        /* URL of a search engine; NULL: none */
    const char *search_kind;   /* "searxng" */
    const char *search_key;    /* file of its key; NULL: none */
    const char *const *allow;  /* "ADDRESS:PORT" that pages may come from although they are private */
    int allows;
    bool explain_cache;   /* the log says why prompts were not in the cache */
    double drain_seconds; /* how long requests that run may go on after the first stop */
    void (*log)(void *context, const char *line); /* NULL: no log */
    void *log_context;
};

must_use enum status server_open(struct server **server, const struct server_options *options);
int server_port(const struct server *server);
const struct engine *server_engine(const struct server *server);
/* Until server_stop() was called and all requests have ended, or it was called twice. */
must_use enum status server_run(struct server *server);
void server_stop(struct server *server);
void server_close(struct server *server); /* NULL allowed */

#endif
