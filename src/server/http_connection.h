/* http_connection.h - what the parts of the HTTP layer share: one connection with its exchange. */
#ifndef HADAL_SERVER_HTTP_CONNECTION_H
#define HADAL_SERVER_HTTP_CONNECTION_H

#include "server/http.h"
#include "server/http_chunks.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <http_parser.h>

enum connection_state {
    CONNECTION_READING,   /* waits for a request or is in the middle of one */
    CONNECTION_ANSWERING, /* a handler has the exchange */
    CONNECTION_CLOSING    /* the last answer is on its way; what still comes in is dropped */
};

/* Places of a header in `head`, which moves while it grows. */
struct header_span {
    size_t name, value;
};

struct http_exchange {
    struct http_server *server;
    struct http_exchange *next, *previous; /* of the server's list */
    struct bufferevent *events;
    struct event *timer; /* request deadline, idle time or end of a closing connection */
    double idle_since;   /* of clock_seconds() */
    http_parser parser;
    enum connection_state state;

    struct buffer head; /* target, then names and values, each ended by a NUL */
    struct header_span span[HTTP_HEADERS_LIMIT];
    int spans;
    bool value_began, begun, complete, client_ended; /* client_ended: nothing more comes in */
    bool expects;                                    /* "100-continue" */
    bool in_chunks;                                  /* the head is read, and the body comes in chunks */
    struct http_chunks chunks;
    struct buffer body;
    struct http_header header[HTTP_HEADERS_LIMIT];
    struct http_request request;
    char client[64];
    int refused; /* status of what is wrong with the request; 0: nothing */
    const char *refusal;

    struct buffer extra; /* header lines of the answer */
    bool keep_alive, chunked, head_only, streaming;
    size_t unsent;      /* bytes that wait to be sent */
    double waits_since; /* of clock_seconds(): when there were none, or none were taken of them */
    bool taken;         /* some of them were */
    void (*gone)(void *context);
    void *gone_context;
};

struct http_server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct ssl_ctx_st *tls;
    struct http_options options;
    struct http_exchange *first;
    int connections, port;
    size_t bodies_bytes; /* that the exchanges hold */
    size_t unsent;       /* bytes of all exchanges */
    int64_t slow_readers;
    struct event *trim;
    int64_t replies[HTTP_REPLY_CLASSES];
    bool draining, paused; /* paused: as many connections as allowed */
    double hurried;        /* of clock_seconds(): when idle ones were last told that others wait */
};

/* http_tls.c */
must_use enum status http_tls_open(struct ssl_ctx_st **tls, const char *certificate, const char *key);
void http_tls_close(struct ssl_ctx_st *tls); /* NULL allowed */
struct bufferevent *http_tls_accept(struct event_base *base, struct ssl_ctx_st *tls, evutil_socket_t socket);

/* http_parse.c: feeds what has come in to the parser until a request is complete or refused. */
void http_parse_begin(struct http_exchange *exchange);
void http_parse_input(struct http_exchange *exchange);

/* http_reply.c: answers a request that cannot be read, and closes. */
void http_refuse(struct http_exchange *exchange, int status, const char *sentence);

/* http_unsent.c: counts what waits to be sent. */
must_use enum status http_unsent_open(struct http_server *server);
void http_unsent_close(struct http_server *server);
must_use bool http_unsent_watch(struct http_exchange *exchange); /* false: no memory */
void http_unsent_forget(struct http_exchange *exchange);

/* http.c: the answer is complete. */
void http_exchange_finish(struct http_exchange *exchange);
void http_body_free(struct http_exchange *exchange);
void http_exchange_free(struct http_exchange *exchange);

#endif
