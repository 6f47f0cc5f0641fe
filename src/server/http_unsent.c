/* http_unsent.c - what was written to clients and not taken yet, of all connections together. Beyond the limit clients lose their
 * connections: those first who have not caught up for a while, and of these the ones with most bytes. They are cut by an
 * event of its own, never while somebody writes. */
#include "server/http_connection.h"

#include "base/clock.h"

#include <event2/buffer.h>
#include <sys/socket.h>

#define BEHIND_SECONDS 1.0

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context) {
    struct http_exchange *exchange = context;
    struct http_server *server = exchange->server;
    (void)output;
    /* nobody is behind before the system had a chance to take something */
    if (exchange->unsent == 0) exchange->taken = false;
    if (!exchange->taken) exchange->waits_since = clock_seconds();
    if (change->n_deleted > 0) exchange->taken = true;
    exchange->unsent += change->n_added - change->n_deleted;
    server->unsent += change->n_added - change->n_deleted;
    if (server->unsent > server->options.limits.all_unsent_bytes) event_active(server->trim, 0, 0);
}

static bool is_slower(const struct http_exchange *a, const struct http_exchange *b, double now) {
    const bool late = a->unsent > 0 && now - a->waits_since > BEHIND_SECONDS;
    const bool other = b && now - b->waits_since > BEHIND_SECONDS;
    if (!b || late != other) return b ? late : a->unsent > 0;
    return a->unsent > b->unsent;
}

/* The system would keep what it has taken over until the client reads it. */
static void cut(struct http_exchange *exchange) {
    const struct linger none = {.l_onoff = 1};
    setsockopt(bufferevent_getfd(exchange->events), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    http_exchange_free(exchange);
}

static void on_trim(evutil_socket_t none, short what, void *context) {
    struct http_server *server = context;
    const double now = clock_seconds();
    (void)none;
    (void)what;
    while (server->unsent > server->options.limits.all_unsent_bytes) {
        struct http_exchange *slowest = NULL;
        for (struct http_exchange *exchange = server->first; exchange; exchange = exchange->next)
            if (is_slower(exchange, slowest, now)) slowest = exchange;
        MUST(slowest);
        server->slow_readers++;
        cut(slowest);
    }
}

enum status http_unsent_open(struct http_server *server) {
    server->trim = event_new(server->base, -1, 0, on_trim, server);
    return server->trim ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for events of the server");
}

void http_unsent_close(struct http_server *server) {
    if (server->trim) event_free(server->trim);
}

bool http_unsent_watch(struct http_exchange *exchange) {
    return evbuffer_add_cb(bufferevent_get_output(exchange->events), on_output, exchange) != NULL;
}

void http_unsent_forget(struct http_exchange *exchange) {
    (void)evbuffer_remove_cb(bufferevent_get_output(exchange->events), on_output, exchange);
    exchange->server->unsent -= exchange->unsent;
    exchange->unsent = 0;
}

size_t http_server_unsent(const struct http_server *server) {
    return server->unsent;
}

int64_t http_server_slow_readers(const struct http_server *server) {
    return server->slow_readers;
}
