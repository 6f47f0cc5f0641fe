/* http.c - the listener and the life of a connection: reading, answering, closing.
 *
 * While an answer is being made the connection is still read, because that is how one learns that the
 * client has left. One that ends its own side behind a request has left, too, unless the answer is complete by then. A
 * connection that ends after its answer is first closed for writing, and what the client still sends
 * is dropped for a moment: closing at once could destroy the answer before the client reads it. */
#include "server/http_connection.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_AHEAD = 64 << 10, LINGER_SECONDS = 2 };

struct http_limits http_limits_default(void) {
    return (struct http_limits){.body_bytes = 48 << 20,
                                .bodies_bytes = 512 << 20,
                                .unsent_bytes = 4 << 20,
                                .all_unsent_bytes = 256 << 20,
                                .connections = 4096,
                                .request_seconds = 120,
                                .idle_seconds = 120,
                                .crowded_seconds = 5,
                                .write_seconds = 120};
}

const char *http_header_find(const struct http_request *request, const char *name) {
    for (int i = 0; i < request->headers; i++)
        if (!strcmp(request->header[i].name, name)) return request->header[i].value;
    return NULL;
}

const struct http_request *http_request_of(const struct http_exchange *exchange) {
    return &exchange->request;
}

struct buffer http_request_take_body(struct http_exchange *exchange) {
    struct buffer body = exchange->body;
    exchange->server->bodies_bytes -= body.bytes;
    exchange->body = (struct buffer){0};
    exchange->request.body = "";
    exchange->request.body_bytes = 0;
    return body;
}

void http_body_free(struct http_exchange *exchange) {
    exchange->server->bodies_bytes -= exchange->body.bytes;
    buffer_free(&exchange->body);
}

void http_request_forget(struct http_exchange *exchange) {
    http_body_free(exchange);
    buffer_free(&exchange->head);
    exchange->request = (struct http_request){0};
}

void http_on_gone(struct http_exchange *exchange, void (*gone)(void *context), void *context) {
    exchange->gone = gone;
    exchange->gone_context = context;
}

static void set_timer(struct http_exchange *exchange, double seconds) {
    const time_t whole = (time_t)seconds;
    const struct timeval wait = {whole, (suseconds_t)((seconds - (double)whole) * 1e6)};
    evtimer_add(exchange->timer, &wait);
}

/* ---- the end of a connection ---- */

static void accept_again(struct http_server *server) {
    if (!server->paused || server->draining) return;
    server->paused = false;
    evconnlistener_enable(server->listener);
}

static void unlink_exchange(struct http_exchange *exchange) {
    struct http_server *server = exchange->server;
    if (exchange->previous)
        exchange->previous->next = exchange->next;
    else
        server->first = exchange->next;
    if (exchange->next) exchange->next->previous = exchange->previous;
    server->connections--;
}

void http_exchange_free(struct http_exchange *exchange) {
    struct http_server *server = exchange->server;
    unlink_exchange(exchange);
    if (exchange->gone) exchange->gone(exchange->gone_context);
    if (exchange->timer) event_free(exchange->timer);
    http_unsent_forget(exchange);
    bufferevent_free(exchange->events);
    http_body_free(exchange);
    buffer_free(&exchange->head);
    buffer_free(&exchange->extra);
    free(exchange);
    accept_again(server);
}

static bool has_output(const struct http_exchange *exchange) {
    return evbuffer_get_length(bufferevent_get_output(exchange->events)) > 0;
}

/* Everything is sent: no more comes from here. */
static void half_close(struct http_exchange *exchange) {
    if (exchange->client_ended) {
        http_exchange_free(exchange);
        return;
    }
    if (!exchange->server->tls) shutdown(bufferevent_getfd(exchange->events), SHUT_WR);
    set_timer(exchange, LINGER_SECONDS);
}

/* There is no request, and none is waited for; answers still go out. */
static void end_idle(struct http_exchange *exchange) {
    if (!has_output(exchange)) {
        http_exchange_free(exchange);
        return;
    }
    evtimer_del(exchange->timer);
    exchange->state = CONNECTION_CLOSING;
}

/* ---- one request after the other ---- */

static void answer(struct http_exchange *exchange) {
    const struct http_options *options = &exchange->server->options;
    evtimer_del(exchange->timer);
    exchange->state = CONNECTION_ANSWERING;
    if (exchange->refused)
        http_refuse(exchange, exchange->refused, exchange->refusal);
    else
        options->handle(options->context, exchange);
}

/* For what an idle connection still may wait; less where others wait for one. */
static double idle_rest(const struct http_exchange *exchange, double now) {
    const struct http_limits *limits = &exchange->server->options.limits;
    const bool hurried = exchange->server->paused && limits->crowded_seconds < limits->idle_seconds;
    const int allowed = hurried ? limits->crowded_seconds : limits->idle_seconds;
    return allowed - (now - exchange->idle_since);
}

static void set_idle_timer(struct http_exchange *exchange, double now) {
    const double rest = idle_rest(exchange, now);
    set_timer(exchange, rest > 0 ? rest : 0);
}

static bool is_idle(const struct http_exchange *exchange) {
    return exchange->state == CONNECTION_READING && !exchange->begun;
}

static void wait_for_request(struct http_exchange *exchange) {
    bool begun = exchange->begun;
    http_parse_begin(exchange);
    exchange->state = CONNECTION_READING;
    if (begun) bufferevent_trigger(exchange->events, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    exchange->idle_since = clock_seconds();
    set_idle_timer(exchange, exchange->idle_since);
}

void http_exchange_finish(struct http_exchange *exchange) {
    exchange->gone = NULL;
    if (exchange->keep_alive && !exchange->server->draining) {
        wait_for_request(exchange);
        return;
    }
    exchange->state = CONNECTION_CLOSING;
    if (!has_output(exchange)) half_close(exchange);
}

static void on_read(struct bufferevent *events, void *context) {
    struct http_exchange *exchange = context;
    bool began = exchange->begun;
    if (exchange->state == CONNECTION_CLOSING) {
        struct evbuffer *input = bufferevent_get_input(events);
        evbuffer_drain(input, evbuffer_get_length(input));
    }
    /* one who sends requests and does not take the answers is not asked for more */
    if (exchange->state != CONNECTION_READING ||
        exchange->unsent > exchange->server->options.limits.unsent_bytes)
        return;
    http_parse_input(exchange);
    if (!began && exchange->begun) set_timer(exchange, exchange->server->options.limits.request_seconds);
    if (exchange->complete || exchange->refused) answer(exchange);
}

static void on_written(struct bufferevent *events, void *context) {
    struct http_exchange *exchange = context;
    if (has_output(exchange)) return;
    if (exchange->state == CONNECTION_CLOSING) {
        half_close(exchange);
    } else if (exchange->state == CONNECTION_READING) {
        exchange->idle_since = clock_seconds();
        bufferevent_trigger(events, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    }
}

static void on_event(struct bufferevent *events, short what, void *context) {
    struct http_exchange *exchange = context;
    (void)events;
    const short ends = what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT);
    if (!ends) return;
    /* libevent writes no more behind an error, which may come together with an end, and behind a farewell of TLS */
    const bool writable = ends == BEV_EVENT_EOF && !exchange->server->tls;
    exchange->client_ended = true;
    if (writable && exchange->state != CONNECTION_ANSWERING)
        end_idle(exchange);
    else
        http_exchange_free(exchange);
}

static void on_timer(evutil_socket_t none, short what, void *context) {
    struct http_exchange *exchange = context;
    (void)none;
    (void)what;
    const double now = clock_seconds();
    if (is_idle(exchange) && has_output(exchange))
        exchange->idle_since = now; /* an answer is still on its way */
    if (is_idle(exchange) && idle_rest(exchange, now) > 0) {
        set_idle_timer(exchange, now);
        return;
    }
    if (exchange->state != CONNECTION_READING || !exchange->begun) {
        http_exchange_free(exchange);
        return;
    }
    exchange->refused = 408;
    exchange->refusal = "the request did not arrive in time";
    answer(exchange);
}

/* ---- new connections ---- */

static void name_client(struct http_exchange *exchange, const struct sockaddr *address) {
    const void *source = address->sa_family == AF_INET6
                             ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                             : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    if (!inet_ntop(address->sa_family, source, exchange->client, sizeof exchange->client))
        exchange->client[0] = '\0';
}

static struct bufferevent *make_events(struct http_server *server, evutil_socket_t socket) {
    if (server->tls) return http_tls_accept(server->base, server->tls, socket);
    return bufferevent_socket_new(server->base, socket, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
}

/* Connections that wait for nothing give way to those that are not accepted yet. All of them are looked at once a second. */
static void pause_accepting(struct http_server *server) {
    const double now = clock_seconds();
    server->paused = true;
    evconnlistener_disable(server->listener);
    if (now - server->hurried < 1) return;
    server->hurried = now;
    for (struct http_exchange *exchange = server->first; exchange; exchange = exchange->next)
        if (exchange->timer && is_idle(exchange)) set_idle_timer(exchange, now);
}

static void link_exchange(struct http_server *server, struct http_exchange *exchange) {
    exchange->server = server;
    exchange->next = server->first;
    if (server->first) server->first->previous = exchange;
    server->first = exchange;
    if (++server->connections >= server->options.limits.connections) pause_accepting(server);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t socket, struct sockaddr *address,
                      int length, void *context) {
    struct http_server *server = context;
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    struct bufferevent *events = exchange ? make_events(server, socket) : NULL;
    (void)listener;
    (void)length;
    if (!events) {
        free(exchange);
        evutil_closesocket(socket);
        return;
    }
    exchange->events = events;
    exchange->timer = evtimer_new(server->base, on_timer, exchange);
    link_exchange(server, exchange);
    if (!http_unsent_watch(exchange) || !exchange->timer) {
        http_exchange_free(exchange);
        return;
    }
    /* pieces of a stream go out as they come */
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    name_client(exchange, address);
    const struct timeval write_time = {server->options.limits.write_seconds, 0};
    bufferevent_setcb(events, on_read, on_written, on_event, exchange);
    bufferevent_setwatermark(events, EV_READ, 0, READ_AHEAD);
    bufferevent_set_timeouts(events, NULL, &write_time);
    bufferevent_enable(events, EV_READ | EV_WRITE);
    wait_for_request(exchange);
}

/* The system has no more descriptors or memory: connections wait until some end. */
static void on_accept_error(struct evconnlistener *listener, void *context) {
    struct http_server *server = context;
    (void)listener;
    if (server->connections > 0) pause_accepting(server);
}

/* ---- the listener ---- */

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum status parse_address(const struct http_options *options, union any_address *address,
                                 int *length) {
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, options->address, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)options->port);
        *length = sizeof address->v4;
        return STATUS_OK;
    }
    if (inet_pton(AF_INET6, options->address, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)options->port);
        *length = sizeof address->v6;
        return STATUS_OK;
    }
    return fail(
        STATUS_INPUT,
        "%.64s is no address to listen on: give one in numbers, such as 127.0.0.1 or ::", options->address);
}

static int port_of(struct evconnlistener *listener) {
    union any_address address;
    socklen_t length = sizeof address;
    if (getsockname(evconnlistener_get_fd(listener), &address.any, &length)) return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static enum status listen_on(struct http_server *server) {
    const struct http_options *options = &server->options;
    union any_address address;
    int length = 0;
    TRY(parse_address(options, &address, &length));
    if (options->certificate) TRY(http_tls_open(&server->tls, options->certificate, options->key));
    server->listener = evconnlistener_new_bind(
        server->base, on_accept, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, &address.any, length);
    if (!server->listener)
        return fail(STATUS_IO, "cannot listen on %s port %d: %s", options->address, options->port,
                    strerror(errno));
    evconnlistener_set_error_cb(server->listener, on_accept_error);
    server->port = port_of(server->listener);
    return STATUS_OK;
}

enum status http_server_open(struct http_server **server, struct event_base *base,
                             const struct http_options *options) {
    struct http_server *opened = calloc(1, sizeof *opened);
    *server = NULL;
    if (!opened) return fail(STATUS_MEMORY, "no memory for the server");
    opened->base = base;
    opened->options = *options;
    enum status status = http_unsent_open(opened);
    if (status == STATUS_OK) status = listen_on(opened);
    if (status != STATUS_OK) {
        http_server_close(opened);
        return status;
    }
    *server = opened;
    return STATUS_OK;
}

int http_server_port(const struct http_server *server) {
    return server->port;
}

int http_server_connections(const struct http_server *server) {
    return server->connections;
}

int64_t http_server_replies(const struct http_server *server, int digit) {
    return server->replies[digit];
}

void http_server_drain(struct http_server *server) {
    server->draining = true;
    if (server->listener) evconnlistener_disable(server->listener);
    for (struct http_exchange *exchange = server->first, *next; exchange; exchange = next) {
        next = exchange->next;
        if (is_idle(exchange)) end_idle(exchange);
    }
}

void http_server_close(struct http_server *server) {
    if (!server) return;
    server->draining = true;
    while (server->first) http_exchange_free(server->first);
    http_unsent_close(server);
    if (server->listener) evconnlistener_free(server->listener);
    server->listener = NULL;
    if (server->tls) http_tls_close(server->tls);
    /* what libevent has put off about them holds their memory, and is not done when the base ends */
    (void)event_base_loop(server->base, EVLOOP_NONBLOCK);
    free(server);
}
