/* http_reply.c - the answer of an exchange: whole with its length, or as a stream in chunks (to HTTP/1.0 clients
 * unframed, ended by closing). */
#include "server/http_connection.h"

#include "base/clock.h"

#include <event2/buffer.h>
#include <stdio.h>
#include <string.h>

static const char *status_words(int status) {
    static const struct {
        int status;
        const char *words;
    } rows[] = {{200, "OK"},
                {204, "No Content"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {402, "Payment Required"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {413, "Content Too Large"},
                {414, "URI Too Long"},
                {415, "Unsupported Media Type"},
                {417, "Expectation Failed"},
                {422, "Unprocessable Content"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {501, "Not Implemented"},
                {503, "Service Unavailable"},
                {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].status == status) return rows[i].words;
    return "Status";
}

void http_header_add(struct http_exchange *exchange, const char *name, const char *value) {
    buffer_append_text(&exchange->extra, name);
    buffer_append_text(&exchange->extra, ": ");
    for (; *value; value++)
        buffer_append_char(&exchange->extra, (unsigned char)*value < ' ' || *value == 127 ? '?' : *value);
    buffer_append_text(&exchange->extra, "\r\n");
}

static void write_date(struct evbuffer *output) {
    char date[64];
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(date, sizeof date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
    evbuffer_add(output, date, strlen(date));
}

/* Status line and headers. bytes < 0: a stream. */
static void write_head(struct http_exchange *exchange, int status, const char *type, int64_t bytes) {
    struct evbuffer *output = bufferevent_get_output(exchange->events);
    if (bytes < 0 && !exchange->chunked) exchange->keep_alive = false;
    if (exchange->server->draining || exchange->server->paused) exchange->keep_alive = false;
    if (status / 100 < HTTP_REPLY_CLASSES) exchange->server->replies[status / 100]++;
    evbuffer_add_printf(output, "HTTP/1.1 %d %s\r\n", status, status_words(status));
    write_date(output);
    if (type) evbuffer_add_printf(output, "Content-Type: %s\r\n", type);
    if (bytes >= 0 && status != 304)
        evbuffer_add_printf(output, "Content-Length: %lld\r\n", (long long)bytes);
    else if (bytes < 0 && exchange->chunked)
        evbuffer_add_printf(output, "Transfer-Encoding: chunked\r\n");
    evbuffer_add_printf(output, "Connection: %s\r\n", exchange->keep_alive ? "keep-alive" : "close");
    if (exchange->extra.data && !exchange->extra.failed)
        evbuffer_add(output, exchange->extra.data, exchange->extra.bytes);
    evbuffer_add(output, "\r\n", 2);
}

void http_reply(struct http_exchange *exchange, int status, const char *type, const char *body,
                size_t bytes) {
    MUST(!exchange->streaming);
    write_head(exchange, status, bytes > 0 || type ? type : NULL, (int64_t)bytes);
    if (!exchange->head_only) evbuffer_add(bufferevent_get_output(exchange->events), body, bytes);
    http_exchange_finish(exchange);
}

void http_stream_begin(struct http_exchange *exchange, int status, const char *type) {
    MUST(!exchange->streaming);
    write_head(exchange, status, type, -1);
    exchange->streaming = true;
}

bool http_stream_write(struct http_exchange *exchange, const void *data, size_t bytes) {
    struct evbuffer *output = bufferevent_get_output(exchange->events);
    if (bytes == 0 || exchange->head_only) return true; /* an empty chunk would end the stream */
    /* what waits is bounded, not what is written: a whole answer may be larger */
    if (exchange->unsent > exchange->server->options.limits.unsent_bytes) {
        exchange->server->slow_readers++;
        return false;
    }
    if (exchange->chunked) evbuffer_add_printf(output, "%zx\r\n", bytes);
    evbuffer_add(output, data, bytes);
    if (exchange->chunked) evbuffer_add(output, "\r\n", 2);
    return true;
}

void http_stream_end(struct http_exchange *exchange) {
    MUST(exchange->streaming);
    if (exchange->chunked && !exchange->head_only)
        evbuffer_add(bufferevent_get_output(exchange->events), "0\r\n\r\n", 5);
    http_exchange_finish(exchange);
}

void http_stream_abort(struct http_exchange *exchange) {
    exchange->gone = NULL;
    http_exchange_free(exchange);
}

void http_refuse(struct http_exchange *exchange, int status, const char *sentence) {
    const struct http_options *options = &exchange->server->options;
    struct buffer body = {0};
    exchange->keep_alive = exchange->head_only = false;
    if (status == 503) http_header_add(exchange, "Retry-After", "1");
    options->refuse(options->context, status, sentence, &body);
    http_reply(exchange, status, options->refusal_type, body.data ? body.data : "", body.bytes);
    buffer_free(&body);
}
