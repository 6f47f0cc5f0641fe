/* Fuzz target: what a client sends, as a whole and in pieces. However it is cut, the same requests must come out of it, and the
 * same refusal. */
#include "server/http_connection.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct connection {
    struct bufferevent *pair[2]; /* the client's end, the server's */
    struct http_server server;
    struct http_exchange exchange;
    struct buffer heard; /* all requests */
    bool ended;
};

static void hear_request(struct connection *connection) {
    const struct http_exchange *exchange = &connection->exchange;
    const struct http_request *request = &exchange->request;
    MUST(request->path && request->query && request->method && request->headers <= HTTP_HEADERS_LIMIT);
    MUST(request->body_bytes <= connection->server.options.limits.body_bytes);
    MUST(request->body[request->body_bytes] == 0);
    buffer_printf(&connection->heard, "%s %s?%s %d%d%d ", request->method, request->path, request->query,
                  exchange->keep_alive, exchange->chunked, exchange->head_only);
    for (int i = 0; i < request->headers; i++) {
        const struct http_header *header = &request->header[i];
        MUST(*header->name && !header->name[strcspn(header->name, " \t\r\n:")] &&
             !strpbrk(header->value, "\r\n"));
        MUST(http_header_find(request, header->name));
        buffer_printf(&connection->heard, "%s: %s\n", header->name, header->value);
    }
    buffer_append(&connection->heard, request->body, request->body_bytes);
}

static void take_requests(struct connection *connection) {
    struct http_exchange *exchange = &connection->exchange;
    while (!connection->ended) {
        http_parse_input(exchange);
        if (exchange->refused) buffer_printf(&connection->heard, "refused %d", exchange->refused);
        if (exchange->complete && !exchange->refused) hear_request(connection);
        if (!exchange->complete && !exchange->refused) return;
        connection->ended = exchange->refused || !exchange->keep_alive;
        http_parse_begin(exchange);
    }
}

static struct buffer converse(struct event_base *base, const uint8_t *data, size_t bytes, size_t piece) {
    struct connection *connection = calloc(1, sizeof *connection);
    MUST(connection && bufferevent_pair_new(base, 0, connection->pair) == 0);
    for (int i = 0; i < 2; i++) bufferevent_enable(connection->pair[i], EV_READ | EV_WRITE);
    connection->server.options.limits = http_limits_default();
    connection->server.options.limits.body_bytes = 1000;
    connection->exchange.server = &connection->server;
    connection->exchange.events = connection->pair[1];
    http_parse_begin(&connection->exchange);
    for (size_t at = 0; at < bytes && !connection->ended; at += piece) {
        bufferevent_write(connection->pair[0], data + at, bytes - at < piece ? bytes - at : piece);
        take_requests(connection);
    }
    http_parse_begin(&connection->exchange); /* frees */
    MUST(connection->server.bodies_bytes == 0);
    struct buffer heard = connection->heard;
    for (int i = 0; i < 2; i++) bufferevent_free(connection->pair[i]);
    free(connection);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct event_base *base = event_base_new();
    MUST(base);
    const size_t pieces[] = {1, 3 + bytes % 61};
    struct buffer whole = converse(base, data, bytes, bytes ? bytes : 1);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct buffer cut = converse(base, data, bytes, pieces[i]);
        MUST(cut.bytes == whole.bytes && (!cut.bytes || !memcmp(cut.data, whole.data, cut.bytes)));
        buffer_free(&cut);
    }
    buffer_free(&whole);
    event_base_free(base);
    return 0;
}
