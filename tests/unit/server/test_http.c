/* The HTTP layer over real sockets: the event loop runs here, each client is a thread with a blocking socket. */
#include "base/clock.h"
#include "server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct server {
    struct event_base *base;
    struct http_server *http;
    struct http_exchange *kept; /* by /hold and /flood */
    atomic_int gone, requests;
};

static void gone(void *context) {
    struct server *server = context;
    server->kept = NULL;
    atomic_fetch_add(&server->gone, 1);
}

/* Answers with what it understood: method, path, query, X-Echo, body. */
static void echo(struct http_exchange *exchange) {
    const struct http_request *request = http_request_of(exchange);
    const char *header = http_header_find(request, "x-echo");
    struct buffer body = {0};
    buffer_printf(&body, "%s|%s|%s|%s|", request->method, request->path, request->query,
                  header ? header : "-");
    buffer_append(&body, request->body, request->body_bytes);
    http_header_add(exchange, "X-Twice", "a\r\nEvil: b");
    http_reply(exchange, 200, "text/plain", body.data, body.bytes);
    buffer_free(&body);
}

static void stream(struct http_exchange *exchange) {
    http_stream_begin(exchange, 200, "text/event-stream");
    assert_true(http_stream_write(exchange, "one ", 4));
    assert_true(http_stream_write(exchange, "", 0));
    assert_true(http_stream_write(exchange, "two", 3));
    http_stream_end(exchange);
}

/* Writes until the layer says that the client is too slow. */
static void flood(struct server *server, struct http_exchange *exchange) {
    static const char zeros[1 << 16];
    http_stream_begin(exchange, 200, "application/octet-stream");
    for (int i = 0; i < 1000; i++)
        if (!http_stream_write(exchange, zeros, sizeof zeros)) {
            http_stream_abort(exchange);
            atomic_fetch_add(&server->gone, 100);
            return;
        }
    fail_msg("more than the limit was taken");
}

enum { LARGE = 16 << 20 }; /* more than the system takes over from a sender */

static void reply_large(struct http_exchange *exchange) {
    char *zeros = calloc(1, LARGE);
    assert_non_null(zeros);
    http_reply(exchange, 200, "application/octet-stream", zeros, LARGE);
    free(zeros);
}

static void handle(void *context, struct http_exchange *exchange) {
    struct server *server = context;
    const char *path = http_request_of(exchange)->path;
    atomic_fetch_add(&server->requests, 1);
    if (!strcmp(path, "/stream")) {
        stream(exchange);
    } else if (!strcmp(path, "/flood")) {
        flood(server, exchange);
    } else if (!strcmp(path, "/large")) {
        reply_large(exchange);
    } else if (!strcmp(path, "/hold")) {
        server->kept = exchange;
        http_on_gone(exchange, gone, server);
    } else {
        echo(exchange);
    }
}

static void refuse(void *context, int status, const char *sentence, struct buffer *body) {
    (void)context;
    buffer_printf(body, "{\"%d\":\"%s\"}", status, sentence);
}

static struct server open_server(void) {
    struct server server = {.base = event_base_new()};
    assert_non_null(server.base);
    return server;
}

static void start(struct server *server, struct http_limits limits) {
    struct http_options options = {.address = "127.0.0.1",
                                   .limits = limits,
                                   .handle = handle,
                                   .refuse = refuse,
                                   .refusal_type = "application/json",
                                   .context = server};
    assert_int_equal(http_server_open(&server->http, server->base, &options), STATUS_OK);
}

static void close_server(struct server *server) {
    http_server_close(server->http);
    event_base_free(server->base);
}

/* ---- clients ---- */

struct client {
    int port;
    const char *send;
    size_t bytes, cut; /* pieces of `cut` bytes; 0: all at once */
    bool leave;        /* without reading */
    struct buffer answer;
    atomic_bool done;
};

static int connect_to(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : -1;
}

static void *run_client(void *context) {
    struct client *client = context;
    int fd = connect_to(client->port);
    size_t step = client->cut ? client->cut : client->bytes;
    for (size_t at = 0; fd >= 0 && at < client->bytes; at += step) {
        size_t bytes = client->bytes - at < step ? client->bytes - at : step;
        if (send(fd, client->send + at, bytes, MSG_NOSIGNAL) < 0) break;
        if (client->cut) usleep(200);
    }
    char piece[1 << 16];
    ssize_t got;
    while (fd >= 0 && !client->leave && (got = recv(fd, piece, sizeof piece, 0)) > 0)
        buffer_append(&client->answer, piece, (size_t)got);
    if (client->leave) usleep(20000);
    if (fd >= 0) close(fd);
    atomic_store(&client->done, true);
    return NULL;
}

/* Runs the loop until the client is done and nothing is connected. */
static void converse(struct server *server, struct client *client) {
    pthread_t thread;
    client->port = http_server_port(server->http);
    if (!client->bytes) client->bytes = strlen(client->send);
    assert_int_equal(pthread_create(&thread, NULL, run_client, client), 0);
    while (!atomic_load(&client->done) || http_server_connections(server->http) > 0) {
        event_base_loop(server->base, EVLOOP_NONBLOCK);
        usleep(100);
    }
    pthread_join(thread, NULL);
}

static void expect_answer(struct server *server, const char *request, size_t cut, const char *status,
                          const char *end) {
    struct client client = {.send = request, .cut = cut};
    converse(server, &client);
    buffer_append(&client.answer, "", 1);
    const char *answer = client.answer.data;
    size_t bytes = strlen(answer);
    if (strncmp(answer + 9, status, 3) || bytes < strlen(end) || strcmp(answer + bytes - strlen(end), end))
        fail_msg("%s\ngave\n%s", request, answer);
    buffer_free(&client.answer);
}

#define CLOSE "Connection: close\r\n\r\n"

static void requests_are_understood(void **state) {
    struct server server = open_server();
    (void)state;
    start(&server, http_limits_default());
    for (size_t cut = 0; cut < 4; cut++) {
        expect_answer(&server, "GET /a/b?c=d HTTP/1.1\r\nX-Echo: hi\r\n" CLOSE, cut, "200",
                      "\r\n\r\nGET|/a/b|c=d|hi|");
        expect_answer(&server, "POST / HTTP/1.1\r\nContent-Length: 5\r\n" CLOSE "12345", cut, "200",
                      "POST|/||-|12345");
        expect_answer(&server,
                      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nx-echo:\r\n" CLOSE
                      "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Echo: late\r\n\r\n",
                      cut, "200", "POST|/|||abcde");
        expect_answer(&server,
                      "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked \r\n" CLOSE
                      "0003;a=\"b\"\r\n0\r\n\r\nA ; c\r\n0123456789\r\n000\r\n\r\n",
                      cut, "200", "POST|/||-|0\r\n0123456789");
        expect_answer(&server, "GET http://host:80/a?b HTTP/1.1\r\n" CLOSE, cut, "200", "GET|/a|b|-|");
        expect_answer(&server, "GET HTTP://host?b HTTP/1.1\r\n" CLOSE, cut, "200", "GET|/|b|-|");
        expect_answer(&server, "GET http://host HTTP/1.1\r\n" CLOSE, cut, "200", "GET|/||-|");
        expect_answer(&server, "HEAD /x HTTP/1.1\r\n" CLOSE, cut, "200", "\r\n\r\n");
        expect_answer(&server, "GET /old HTTP/1.0\r\n\r\n", cut, "200", "GET|/old||-|");
    }
    close_server(&server);
}

static void answers_keep_their_order(void **state) {
    struct server server = open_server();
    struct client client = {.send = "GET /1 HTTP/1.1\r\n\r\nPOST /2 HTTP/1.1\r\nContent-Length: 2\r\n\r\nxy"
                                    "GET /stream HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n" CLOSE};
    (void)state;
    start(&server, http_limits_default());
    converse(&server, &client);
    buffer_append(&client.answer, "", 1);
    const char *first = strstr(client.answer.data, "GET|/1|"),
               *second = strstr(client.answer.data, "POST|/2||-|xy"),
               *third = strstr(client.answer.data, "4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"),
               *fourth = strstr(client.answer.data, "GET|/3|");
    assert_true(first && second && third && fourth && first < second && second < third && third < fourth);
    assert_null(strstr(client.answer.data, "\r\nEvil"));
    buffer_free(&client.answer);
    close_server(&server);
}

static void streams_reach_old_clients(void **state) {
    struct server server = open_server();
    (void)state;
    start(&server, http_limits_default());
    expect_answer(&server, "GET /stream HTTP/1.0\r\n\r\n", 0, "200", "\r\n\r\none two");
    close_server(&server);
}

/* What a proxy in front may read as another request than we do. */
static void ambiguous_requests_are_refused(void **state) {
    static const char *const chunked[] = {
        "2\r\nabXX0\r\n\r\n",  "2\r\nab\r0\r\n\r\n",    "2\nab\r\n0\r\n\r\n",
        "2\rXab\r\n0\r\n\r\n", "2\r\nab0\r\n\r\n",      "0x2\r\nab\r\n0\r\n",
        "\r\n0\r\n\r\n",       ";a\r\n0\r\n\r\n",       "-1\r\n",
        " 2\r\nab\r\n0\r\n",   "fffffffffffffffff\r\n", "0\r\na: b\n\r\n\r\n",
        "2;a\nb\r\nab\r\n",
    };
    static const char *const heads[] = {
        "Content-Length : 2\r\n",
        "Transfer-Encoding : chunked\r\n",
        " Content-Length: 2\r\n",
        "X Y: z\r\n",
        "X\"Y: z\r\n",
        ": z\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: 2\r\n",
    };
    struct server server = open_server();
    (void)state;
    start(&server, http_limits_default());
    for (size_t i = 0; i < COUNT_OF(chunked); i++)
        for (size_t cut = 0; cut < 2; cut++) {
            struct buffer text = {0};
            buffer_printf(&text, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%s", chunked[i]);
            expect_answer(&server, text.data, cut, "400", "}");
            buffer_free(&text);
        }
    for (size_t i = 0; i < COUNT_OF(heads); i++) {
        struct buffer text = {0};
        buffer_printf(&text, "POST / HTTP/1.1\r\n%s\r\n{}", heads[i]);
        expect_answer(&server, text.data, 0, "400", "}");
        buffer_free(&text);
    }
    expect_answer(&server, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n", 0, "501",
                  "}");
    expect_answer(&server,
                  "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 0,
                  "501", "}");
    expect_answer(&server, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, "400", "}");
    expect_answer(&server, "GET / HTTP/2.0\r\n\r\n", 0, "505", "}");
    assert_int_equal(atomic_load(&server.requests), 0);
    close_server(&server);
}

/* Lines of a body in chunks that mean nothing are bounded, and so is the body. */
static void chunks_are_bounded(void **state) {
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    struct buffer text = {0};
    (void)state;
    limits.body_bytes = 1000;
    start(&server, limits);
    buffer_printf(&text, "%s1;%020000d\r\n", head, 0);
    expect_answer(&server, text.data, 0, "400", "}");
    buffer_clear(&text);
    buffer_printf(&text, "%s0\r\na: %020000d\r\n", head, 0);
    expect_answer(&server, text.data, 0, "400", "}");
    buffer_clear(&text);
    buffer_printf(&text, "%s%020000d\r\n", head, 0);
    expect_answer(&server, text.data, 0, "400", "}");
    buffer_clear(&text);
    buffer_printf(&text, "%s3e9\r\n", head);
    expect_answer(&server, text.data, 0, "413", "{\"413\":\"the request body is too large\"}");
    buffer_clear(&text);
    buffer_printf(&text, "%s1\r\na\r\n3e8\r\n", head);
    expect_answer(&server, text.data, 0, "413", "{\"413\":\"the request body is too large\"}");
    buffer_free(&text);
    assert_int_equal(atomic_load(&server.requests), 0);
    close_server(&server);
}

static void what_is_wrong_is_refused(void **state) {
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    struct buffer long_one = {0};
    (void)state;
    limits.body_bytes = 1000;
    start(&server, limits);
    expect_answer(&server, "NONSENSE\r\n\r\n", 0, "400", "}");
    expect_answer(&server, "GET / HTTP/1.1\r\nBroken\r\n\r\n", 0, "400", "}");
    expect_answer(&server, "POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 0, "400",
                  "}");
    expect_answer(&server,
                  "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
                  "400", "}");
    expect_answer(&server, "POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 0, "413",
                  "{\"413\":\"the request body is too large\"}");
    expect_answer(&server, "POST / HTTP/1.1\r\nExpect: magic\r\n\r\n", 0, "417", "}");
    buffer_printf(&long_one, "GET / HTTP/1.1\r\n");
    for (int i = 0; i <= HTTP_HEADERS_LIMIT; i++) buffer_printf(&long_one, "a%d: b\r\n", i);
    expect_answer(&server, long_one.data, 0, "431", "}");
    buffer_clear(&long_one);
    buffer_printf(&long_one, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3f0\r\n%01008d\r\n", 0);
    expect_answer(&server, long_one.data, 0, "413", "}");
    buffer_clear(&long_one);
    buffer_printf(&long_one, "GET /%040000d HTTP/1.1\r\n\r\n", 0);
    expect_answer(&server, long_one.data, 0, "414", "}");
    buffer_free(&long_one);
    assert_int_equal(atomic_load(&server.requests), 0);
    close_server(&server);
}

static void the_handler_learns_who_left(void **state) {
    struct server server = open_server();
    struct client client = {.send = "GET /hold HTTP/1.1\r\n\r\n", .leave = true};
    (void)state;
    start(&server, http_limits_default());
    converse(&server, &client);
    assert_int_equal(atomic_load(&server.gone), 1);
    assert_null(server.kept);
    close_server(&server);
}

static void slow_readers_are_bounded(void **state) {
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    struct client client = {.send = "GET /flood HTTP/1.1\r\n\r\n", .leave = true};
    (void)state;
    limits.unsent_bytes = 1 << 20;
    start(&server, limits);
    converse(&server, &client);
    assert_int_equal(atomic_load(&server.gone), 100);
    close_server(&server);
}

static void pass_seconds(struct server *server, double seconds) {
    for (double end = clock_seconds() + seconds; clock_seconds() < end; usleep(1000))
        event_base_loop(server->base, EVLOOP_NONBLOCK);
}

/* Each is within its own bound; together they are not. Who reads gets everything. */
static void slow_readers_are_bounded_together(void **state) {
    enum { SLOW = 12, ALL = 3 * LARGE };
    static const char request[] = "GET /large HTTP/1.1\r\n\r\n";
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    struct client client = {.send = "GET /large HTTP/1.1\r\n" CLOSE};
    int slow[SLOW];
    (void)state;
    limits.unsent_bytes = 2 * LARGE;
    limits.all_unsent_bytes = ALL;
    start(&server, limits);
    for (int i = 0; i < SLOW; i++) {
        slow[i] = connect_to(http_server_port(server.http));
        assert_int_equal(send(slow[i], request, sizeof request - 1, 0), sizeof request - 1);
        while (atomic_load(&server.requests) <= i) event_base_loop(server.base, EVLOOP_NONBLOCK);
        event_base_loop(server.base, EVLOOP_NONBLOCK);
        assert_true(http_server_unsent(server.http) <= ALL);
    }
    int64_t cut = http_server_slow_readers(server.http);
    assert_in_range(cut, 1, SLOW - 1);
    pass_seconds(&server, 1.5); /* now they are behind */
    client.port = http_server_port(server.http);
    client.bytes = strlen(client.send);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_client, &client), 0);
    while (!atomic_load(&client.done)) event_base_loop(server.base, EVLOOP_NONBLOCK);
    pthread_join(thread, NULL);
    assert_true(client.answer.bytes > LARGE);
    assert_true(http_server_unsent(server.http) <= ALL);
    assert_true(http_server_slow_readers(server.http) > cut);
    for (int i = 0; i < SLOW; i++) close(slow[i]);
    while (http_server_connections(server.http) > 0) event_base_loop(server.base, EVLOOP_NONBLOCK);
    assert_int_equal(http_server_unsent(server.http), 0);
    buffer_free(&client.answer);
    close_server(&server);
}

/* One who sends requests and takes no answers is not asked for more of them. */
static void requests_without_readers_are_not_taken(void **state) {
    static const char request[] = "GET /large HTTP/1.1\r\n\r\n";
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    (void)state;
    limits.unsent_bytes = 1 << 20;
    start(&server, limits);
    int fd = connect_to(http_server_port(server.http));
    for (int i = 0; i < 10; i++)
        assert_int_equal(send(fd, request, sizeof request - 1, MSG_NOSIGNAL), sizeof request - 1);
    pass_seconds(&server, 0.5);
    assert_true(http_server_unsent(server.http) <= LARGE + 4096);
    int64_t got = 0;
    static char piece[1 << 16];
    for (ssize_t bytes; got < 10 * (int64_t)LARGE;) {
        event_base_loop(server.base, EVLOOP_NONBLOCK);
        while ((bytes = recv(fd, piece, sizeof piece, MSG_DONTWAIT)) > 0) got += bytes;
        assert_true(bytes < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
    }
    assert_int_equal(atomic_load(&server.requests), 10);
    close(fd);
    while (http_server_connections(server.http) > 0) event_base_loop(server.base, EVLOOP_NONBLOCK);
    close_server(&server);
}

static void requests_have_a_deadline(void **state) {
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    (void)state;
    limits.request_seconds = limits.idle_seconds = 1;
    start(&server, limits);
    expect_answer(&server, "GET / HTTP/1.1\r\nX-", 0, "408", "}");
    close_server(&server);
}

static int64_t read_rest(struct server *server, int fd) {
    static char piece[1 << 16];
    int64_t got = 0;
    for (ssize_t bytes = -1; bytes != 0;) {
        event_base_loop(server->base, EVLOOP_NONBLOCK);
        bytes = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
        assert_true(bytes >= 0 || errno == EAGAIN || errno == EWOULDBLOCK);
        got += bytes > 0 ? bytes : 0;
    }
    return got;
}

static int ask_for_large(struct server *server, const char *request) {
    const int fd = connect_to(http_server_port(server->http));
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    while (http_server_unsent(server->http) == 0) event_base_loop(server->base, EVLOOP_NONBLOCK);
    return fd;
}

/* What was answered comes whole: to one who ends his side, when the server drains, and to one who reads for longer than
 * connections may be idle. */
static void complete_answers_arrive(void **state) {
    static const char *const requests[] = {"GET /large HTTP/1.1\r\n\r\n", "GET /large HTTP/1.0\r\n\r\n"};
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    (void)state;
    limits.unsent_bytes = 2 * LARGE;
    limits.idle_seconds = 1;
    start(&server, limits);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        const int fd = ask_for_large(&server, requests[i]);
        shutdown(fd, SHUT_WR);
        pass_seconds(&server, 0.05);
        assert_true(read_rest(&server, fd) > LARGE);
        close(fd);
    }
    int fd = ask_for_large(&server, requests[0]);
    pass_seconds(&server, 1.5);
    assert_true(read_rest(&server, fd) > LARGE);
    close(fd);
    fd = ask_for_large(&server, requests[0]);
    http_server_drain(server.http);
    assert_true(read_rest(&server, fd) > LARGE);
    close(fd);
    while (http_server_connections(server.http) > 0) event_base_loop(server.base, EVLOOP_NONBLOCK);
    close_server(&server);
}

/* Those who ask for nothing leave their places to those who wait for one. */
static void idle_connections_give_way(void **state) {
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    int idle[2];
    (void)state;
    limits.connections = 2;
    limits.crowded_seconds = 1;
    start(&server, limits);
    for (int i = 0; i < 2; i++) idle[i] = connect_to(http_server_port(server.http));
    expect_answer(&server, "GET /a HTTP/1.1\r\n" CLOSE, 0, "200", "GET|/a||-|");
    for (int i = 0; i < 2; i++) close(idle[i]);
    close_server(&server);
}

static void more_connections_wait(void **state) {
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    struct client client[6];
    pthread_t thread[6];
    int running = 6;
    (void)state;
    limits.connections = 2;
    start(&server, limits);
    for (int i = 0; i < 6; i++) {
        client[i] =
            (struct client){.send = "GET / HTTP/1.1\r\n" CLOSE, .port = http_server_port(server.http)};
        client[i].bytes = strlen(client[i].send);
        assert_int_equal(pthread_create(&thread[i], NULL, run_client, &client[i]), 0);
    }
    while (running) {
        event_base_loop(server.base, EVLOOP_NONBLOCK);
        assert_true(http_server_connections(server.http) <= 2);
        running = 6;
        for (int i = 0; i < 6; i++) running -= atomic_load(&client[i].done);
        usleep(100);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(thread[i], NULL);
        assert_true(client[i].answer.bytes > 0 && !memcmp(client[i].answer.data, "HTTP/1.1 200", 12));
        buffer_free(&client[i].answer);
    }
    close_server(&server);
}

static void closing_tells_the_handler(void **state) {
    struct server server = open_server();
    (void)state;
    start(&server, http_limits_default());
    int fd = connect_to(http_server_port(server.http));
    assert_int_equal(send(fd, "GET /hold HTTP/1.1\r\n\r\n", 22, 0), 22);
    while (!server.kept) event_base_loop(server.base, EVLOOP_NONBLOCK);
    http_server_drain(server.http);
    assert_int_equal(http_server_connections(server.http), 1);
    http_server_close(server.http);
    assert_int_equal(atomic_load(&server.gone), 1);
    event_base_free(server.base);
    close(fd);
}

/* The head promised more answers before the drain began; one piece may be larger than what may wait. */
static void drained_connections_end(void **state) {
    static const char two[] = "GET /hold HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    struct server server = open_server();
    struct http_limits limits = http_limits_default();
    char text[1024] = {0};
    ssize_t bytes = 0, more = -1;
    (void)state;
    limits.unsent_bytes = 16;
    start(&server, limits);
    int fd = connect_to(http_server_port(server.http));
    assert_int_equal(send(fd, two, sizeof two - 1, 0), sizeof two - 1);
    while (!server.kept) event_base_loop(server.base, EVLOOP_NONBLOCK);
    http_on_gone(server.kept, NULL, NULL);
    http_stream_begin(server.kept, 200, "text/plain");
    while (recv(fd, text, sizeof text - 1, MSG_DONTWAIT) < 0) event_base_loop(server.base, EVLOOP_NONBLOCK);
    memset(text, 0, sizeof text);
    assert_true(http_stream_write(server.kept, "a piece of more than sixteen bytes", 34));
    assert_false(http_stream_write(server.kept, "another", 7));
    http_server_drain(server.http);
    http_stream_end(server.kept);
    while (more != 0) {
        event_base_loop(server.base, EVLOOP_NONBLOCK);
        more = recv(fd, text + bytes, sizeof text - 1 - (size_t)bytes, MSG_DONTWAIT);
        if (more > 0) bytes += more;
    }
    assert_non_null(strstr(text, "more than sixteen"));
    assert_null(strstr(text, "HTTP/1.1")); /* the second request is not answered */
    close(fd);
    close_server(&server);
}

static void addresses_are_checked(void **state) {
    struct server server = open_server();
    struct http_options options = {.address = "localhost.invalid", .limits = http_limits_default()};
    (void)state;
    assert_int_equal(http_server_open(&server.http, server.base, &options), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "localhost.invalid"));
    options.address = "127.0.0.1";
    options.certificate = options.key = "/nowhere.pem";
    assert_int_equal(http_server_open(&server.http, server.base, &options), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "/nowhere.pem"));
    close_server(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_understood),
        cmocka_unit_test(answers_keep_their_order),
        cmocka_unit_test(streams_reach_old_clients),
        cmocka_unit_test(ambiguous_requests_are_refused),
        cmocka_unit_test(chunks_are_bounded),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(the_handler_learns_who_left),
        cmocka_unit_test(slow_readers_are_bounded),
        cmocka_unit_test(slow_readers_are_bounded_together),
        cmocka_unit_test(requests_without_readers_are_not_taken),
        cmocka_unit_test(requests_have_a_deadline),
        cmocka_unit_test(complete_answers_arrive),
        cmocka_unit_test(idle_connections_give_way),
        cmocka_unit_test(more_connections_wait),
        cmocka_unit_test(closing_tells_the_handler),
        cmocka_unit_test(drained_connections_end),
        cmocka_unit_test(addresses_are_checked),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
