/* load_client.c - HTTP/1.1 as a client: one call on a connection at a time; connections whose answer has ended are used
 * again, the last one first.
 *
 * A kept connection may have been closed by the server meanwhile: a call on one that ends before its first byte is sent
 * again on a new one. */
#include "cli/load.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <http_parser.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct connection {
    struct load_client *client;
    struct connection *next, *previous; /* of all */
    struct connection *idle_next;
    struct bufferevent *events;
    struct event *timer, *later; /* later: ends the call from the event base */
    http_parser parser;
    struct load_listener listener;
    struct buffer request; /* kept until the first byte of the answer */
    bool busy, reused, heard, connected, complete, keep_alive;
    enum load_failure failure;
};

struct load_client {
    struct event_base *base;
    const struct load_target *target;
    SSL_CTX *tls;
    double timeout;
    struct connection *first, *idle;
};

const char *load_failure_name(enum load_failure failure) {
    static const char *const names[LOAD_FAILURES] = {
        [LOAD_NONE] = "none",       [LOAD_CONNECT] = "connect",
        [LOAD_TLS] = "tls",         [LOAD_TIMEOUT] = "timeout",
        [LOAD_CUT] = "cut",         [LOAD_HTTP] = "http",
        [LOAD_REFUSED] = "refused", [LOAD_MALFORMED] = "malformed",
        [LOAD_ERROR] = "error",     [LOAD_UNENDED] = "unended"};
    return names[failure];
}

/* ---- connections ---- */

static void free_connection(struct connection *connection) {
    struct load_client *client = connection->client;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        client->first = connection->next;
    if (connection->next) connection->next->previous = connection->previous;
    for (struct connection **at = &client->idle; *at; at = &(*at)->idle_next)
        if (*at == connection) {
            *at = connection->idle_next;
            break;
        }
    if (connection->timer) event_free(connection->timer);
    if (connection->later) event_free(connection->later);
    if (connection->events) bufferevent_free(connection->events);
    buffer_free(&connection->request);
    free(connection);
}

static void end_call(struct connection *connection, enum load_failure failure) {
    const struct load_listener listener = connection->listener;
    const int status = connection->heard ? (int)connection->parser.status_code : 0;
    connection->busy = false;
    if (failure == LOAD_NONE && connection->keep_alive) {
        event_del(connection->timer);
        connection->idle_next = connection->client->idle;
        connection->client->idle = connection;
    } else {
        free_connection(connection);
    }
    listener.end(listener.context, status, failure);
}

static bool start(struct connection *connection);

static int on_body(http_parser *parser, const char *data, size_t bytes) {
    struct connection *connection = parser->data;
    connection->listener.body(connection->listener.context, (int)parser->status_code, data, bytes);
    return 0;
}

static int on_complete(http_parser *parser) {
    struct connection *connection = parser->data;
    if (parser->status_code < 200) return 0; /* 100 Continue and the like */
    connection->keep_alive = http_should_keep_alive(parser);
    connection->complete = true;
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings answer_events = {.on_body = on_body, .on_message_complete = on_complete};

/* ---- the end of a connection ---- */

static void on_event(struct bufferevent *events, short what, void *context) {
    struct connection *connection = context;
    if (what & BEV_EVENT_CONNECTED) {
        connection->connected = true;
        return;
    }
    if (!connection->busy) {
        free_connection(connection);
        return;
    }
    if (connection->reused && !connection->heard) {
        connection->reused = false;
        bufferevent_free(connection->events);
        connection->events = NULL;
        if (start(connection)) return;
        end_call(connection, LOAD_CONNECT);
        return;
    }
    if (!connection->connected) {
        const bool doubt = connection->client->tls && bufferevent_get_openssl_error(events) != 0;
        end_call(connection, doubt ? LOAD_TLS : LOAD_CONNECT);
        return;
    }
    /* an answer without a length ends here */
    if (connection->heard) http_parser_execute(&connection->parser, &answer_events, "", 0);
    end_call(connection, connection->complete ? LOAD_NONE : LOAD_CUT);
}

static void on_read(struct bufferevent *events, void *context) {
    struct connection *connection = context;
    struct evbuffer *input = bufferevent_get_input(events);
    char piece[16384];
    int bytes;
    while (connection->busy && !connection->complete &&
           (bytes = evbuffer_remove(input, piece, sizeof piece)) > 0) {
        connection->heard = true;
        http_parser_execute(&connection->parser, &answer_events, piece, (size_t)bytes);
        const enum http_errno wrong = HTTP_PARSER_ERRNO(&connection->parser);
        if (wrong != HPE_OK && wrong != HPE_PAUSED) {
            end_call(connection, LOAD_HTTP);
            return;
        }
    }
    if (connection->busy && connection->complete) end_call(connection, LOAD_NONE);
}

/* ---- calls ---- */

static void on_timer(evutil_socket_t none, short what, void *context) {
    (void)none;
    (void)what;
    end_call(context, LOAD_TIMEOUT);
}

static void on_later(evutil_socket_t none, short what, void *context) {
    (void)none;
    (void)what;
    end_call(context, LOAD_CONNECT);
}

static struct bufferevent *make_events(struct load_client *client) {
    const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    if (!client->tls) return bufferevent_socket_new(client->base, -1, options);
    SSL *session = SSL_new(client->tls);
    if (!session) return NULL;
    const char *host = client->target->host;
    struct in6_addr number;
    const bool named =
        evutil_inet_pton(AF_INET, host, &number) != 1 && evutil_inet_pton(AF_INET6, host, &number) != 1;
    if (named) {
        SSL_set_tlsext_host_name(session, host);
        SSL_set1_host(session, host);
    } else {
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host);
    }
    struct bufferevent *events =
        bufferevent_openssl_socket_new(client->base, -1, session, BUFFEREVENT_SSL_CONNECTING, options);
    if (!events) SSL_free(session);
    if (events) bufferevent_openssl_set_allow_dirty_shutdown(events, 1);
    return events;
}

static void send_request(struct connection *connection) {
    const struct timeval wait = {
        (time_t)connection->client->timeout,
        (suseconds_t)(1e6 * (connection->client->timeout - (double)(time_t)connection->client->timeout))};
    http_parser_init(&connection->parser, HTTP_RESPONSE);
    connection->parser.data = connection;
    connection->heard = connection->complete = connection->keep_alive = false;
    bufferevent_write(connection->events, connection->request.data, connection->request.bytes);
    event_add(connection->timer, &wait);
}

static bool start(struct connection *connection) {
    const struct load_target *target = connection->client->target;
    struct sockaddr_storage address = target->address;
    connection->connected = false;
    connection->events = make_events(connection->client);
    if (!connection->events) return false;
    bufferevent_setcb(connection->events, on_read, NULL, on_event, connection);
    bufferevent_enable(connection->events, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(connection->events, (struct sockaddr *)&address,
                                   (int)target->address_bytes))
        return false;
    setsockopt(bufferevent_getfd(connection->events), IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    send_request(connection);
    return true;
}

static struct connection *new_connection(struct load_client *client) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection) return NULL;
    connection->client = client;
    connection->timer = evtimer_new(client->base, on_timer, connection);
    connection->later = evtimer_new(client->base, on_later, connection);
    connection->next = client->first;
    if (client->first) client->first->previous = connection;
    client->first = connection;
    if (connection->timer && connection->later) return connection;
    free_connection(connection);
    return NULL;
}

static void write_request(struct connection *connection, const char *path, const char *body, size_t bytes) {
    const struct load_target *target = connection->client->target;
    struct buffer *out = &connection->request;
    buffer_clear(out);
    buffer_printf(out, "%s %s%s HTTP/1.1\r\nHost: %s\r\nUser-Agent: hadal-bench\r\n", body ? "POST" : "GET",
                  target->path, path, target->authority);
    if (target->key) buffer_printf(out, "Authorization: Bearer %s\r\n", target->key);
    if (body) buffer_printf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", bytes);
    buffer_append_text(out, "\r\n");
    if (body) buffer_append(out, body, bytes);
}

void load_client_send(struct load_client *client, const char *path, const char *body, size_t bytes,
                      const struct load_listener *listener) {
    struct connection *connection = client->idle;
    const bool reused = connection != NULL;
    if (reused) client->idle = connection->idle_next;
    if (!reused) connection = new_connection(client);
    if (!connection) {
        listener->end(listener->context, 0, LOAD_CONNECT);
        return;
    }
    connection->listener = *listener;
    connection->busy = true;
    connection->reused = reused;
    write_request(connection, path, body, bytes);
    if (connection->request.failed) {
        evtimer_add(connection->later, &(struct timeval){0});
    } else if (reused) {
        send_request(connection);
    } else if (!start(connection)) {
        evtimer_add(connection->later, &(struct timeval){0});
    }
}

/* ---- the client ---- */

static enum status open_tls(struct load_client *client) {
    const struct load_target *target = client->target;
    client->tls = SSL_CTX_new(TLS_client_method());
    if (!client->tls) return fail(STATUS_MEMORY, "no memory for TLS");
    SSL_CTX_set_min_proto_version(client->tls, TLS1_2_VERSION);
    if (target->unverified) return STATUS_OK;
    SSL_CTX_set_verify(client->tls, SSL_VERIFY_PEER, NULL);
    const int found = target->authorities
                          ? SSL_CTX_load_verify_locations(client->tls, target->authorities, NULL)
                          : SSL_CTX_set_default_verify_paths(client->tls);
    if (found == 1) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: no certificates can be read",
                target->authorities ? target->authorities : "the system's certificates");
}

enum status load_client_open(struct load_client **client, struct event_base *base,
                             const struct load_target *target, double timeout) {
    *client = calloc(1, sizeof **client);
    if (!*client) return fail(STATUS_MEMORY, "no memory for a client");
    **client = (struct load_client){.base = base, .target = target, .timeout = timeout};
    enum status status = target->tls ? open_tls(*client) : STATUS_OK;
    if (status == STATUS_OK) return STATUS_OK;
    load_client_close(*client);
    *client = NULL;
    return status;
}

void load_client_close(struct load_client *client) {
    if (!client) return;
    while (client->first) free_connection(client->first);
    SSL_CTX_free(client->tls);
    free(client);
}
