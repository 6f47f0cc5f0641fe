/* http.h - HTTP/1.1 for the API: connections on libevent, messages parsed by http_parser, TLS by OpenSSL.
 *
 * An exchange is one request and its answer. The handler gets it when the request is complete and
 * answers at once or later, whole or as a stream. Everything here belongs to the thread that runs the
 * event base; no other may call it. Bodies and headers are bounded, a request must arrive within a
 * deadline, and what slow readers have not taken yet is bounded too, of each and of all. The program ignores SIGPIPE. */
#ifndef HADAL_SERVER_HTTP_H
#define HADAL_SERVER_HTTP_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;
struct http_server;
struct http_exchange;

struct http_header {
    const char *name; /* in lower case */
    const char *value;
};

enum { HTTP_HEADERS_LIMIT = 100, HTTP_HEAD_LIMIT = 64 << 10 /* bytes of target and headers */ };

struct http_request {
    const char *method; /* "POST" */
    const char *path;   /* "/v1/models", as it came, without the query */
    const char *query;  /* behind the '?'; "" without one */
    const struct http_header *header;
    int headers;
    const char *body; /* NUL-terminated */
    size_t body_bytes;
    const char *client; /* the address, without the port */
};
/* By its name in lower case; NULL: not sent. The first of several. */
const char *http_header_find(const struct http_request *request, const char *name);

struct http_limits {
    size_t body_bytes;
    size_t bodies_bytes;     /* of all requests that have not been handed over yet */
    size_t unsent_bytes;     /* of one stream, which then counts as gone */
    size_t all_unsent_bytes; /* of all answers; then those who are furthest behind lose theirs */
    int connections;         /* more wait in the system's queue */
    int request_seconds;     /* from its first byte to its last */
    int idle_seconds;        /* between requests */
    int crowded_seconds;     /* the same while there are as many connections as allowed, if that is less */
    int write_seconds;       /* without the client taking a byte */
};
struct http_limits http_limits_default(void);

/* Called with each complete request. */
typedef void http_handler(void *context, struct http_exchange *exchange);

/* The body of an answer that this layer makes itself: a message that cannot be read, or too much of it. Any
 * content type; written into `body`. */
typedef void http_refusal(void *context, int status, const char *sentence, struct buffer *body);

struct http_options {
    const char *address;           /* "127.0.0.1", "::1", "0.0.0.0" */
    int port;                      /* 0: any that is free */
    const char *certificate, *key; /* PEM files; both or neither */
    struct http_limits limits;
    http_handler *handle;
    http_refusal *refuse;
    const char *refusal_type; /* content type of what `refuse` writes */
    void *context;
};

/* Binds and listens. The base must outlive the server. Sentences name address, port and file. */
must_use enum status http_server_open(struct http_server **server, struct event_base *base,
                                      const struct http_options *options);
int http_server_port(const struct http_server *server);
int http_server_connections(const struct http_server *server);
/* Answers that were begun, by the first digit of their status. */
enum { HTTP_REPLY_CLASSES = 6 };
int64_t http_server_replies(const struct http_server *server, int digit);
/* Bytes of answers that wait until their clients take them, and clients that lost theirs because too many did. */
size_t http_server_unsent(const struct http_server *server);
int64_t http_server_slow_readers(const struct http_server *server);
/* Accepts no more and ends connections as soon as they have no request. */
void http_server_drain(struct http_server *server);
/* Ends all connections; exchanges that are open are told that their client is gone. NULL allowed. */
void http_server_close(struct http_server *server);

/* ---- one exchange; the pointer is valid until it is answered whole or its client is gone ---- */

const struct http_request *http_request_of(const struct http_exchange *exchange);

/* The body becomes the caller's, who frees it; NUL-terminated unless it is empty. */
struct buffer http_request_take_body(struct http_exchange *exchange);

/* Frees body and headers of the request, whose pointers are dead afterwards, while a long answer is on its way. */
void http_request_forget(struct http_exchange *exchange);

/* Called once when the client leaves, or ends its side, before the answer is complete; the exchange is dead then. NULL: nobody asks. */
void http_on_gone(struct http_exchange *exchange, void (*gone)(void *context), void *context);

/* A header of the answer, before it begins. Control characters in `value` become '?'. */
void http_header_add(struct http_exchange *exchange, const char *name, const char *value);

/* The whole answer. */
void http_reply(struct http_exchange *exchange, int status, const char *type, const char *body, size_t bytes);

/* Or piece by piece. */
void http_stream_begin(struct http_exchange *exchange, int status, const char *type);
/* False when more than the limit waits to be sent: the caller gives the stream up with http_stream_abort(). */
must_use bool http_stream_write(struct http_exchange *exchange, const void *data, size_t bytes);
void http_stream_end(struct http_exchange *exchange);
/* Cuts the connection, so that the client sees that the answer is not whole. `gone` is not called. */
void http_stream_abort(struct http_exchange *exchange);

#endif
