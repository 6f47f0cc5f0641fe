/* http_parse.c - from the bytes of a connection to a complete request, within the limits.
 *
 * The parser pauses behind each request: the next one waits in the input until this one is answered, so
 * that answers keep their order. What a proxy in front could take for another request than we do is refused: names of
 * headers that are none, other codings than one of chunks, and whatever is no chunk. */
#include "server/http_connection.h"

#include <event2/buffer.h>
#include <string.h>
#include <strings.h>

static struct http_exchange *exchange_of(http_parser *parser) {
    return parser->data;
}

/* Ends the parsing; what the sentence says is answered when the parser has returned. */
static int refuse(struct http_exchange *exchange, int status, const char *sentence) {
    exchange->refused = status;
    exchange->refusal = sentence;
    return -1;
}

static int head_append(struct http_exchange *exchange, const char *data, size_t bytes, bool target) {
    buffer_append(&exchange->head, data, bytes);
    if (!exchange->head.failed) return 0;
    return target ? refuse(exchange, 414, "the request target is too long")
                  : refuse(exchange, 431, "the request headers are too long");
}

static int on_target(http_parser *parser, const char *data, size_t bytes) {
    return head_append(exchange_of(parser), data, bytes, true);
}

/* A name or the target ends where the next thing begins. */
static int end_string(struct http_exchange *exchange) {
    return head_append(exchange, "", 1, false);
}

static int on_name(http_parser *parser, const char *data, size_t bytes) {
    struct http_exchange *exchange = exchange_of(parser);
    if (exchange->spans == 0 || exchange->value_began) {
        if (exchange->spans == HTTP_HEADERS_LIMIT) return refuse(exchange, 431, "too many request headers");
        if (end_string(exchange)) return -1;
        exchange->span[exchange->spans++] = (struct header_span){exchange->head.bytes, 0};
        exchange->value_began = false;
    }
    return head_append(exchange, data, bytes, false);
}

static int on_value(http_parser *parser, const char *data, size_t bytes) {
    struct http_exchange *exchange = exchange_of(parser);
    if (!exchange->value_began) {
        if (end_string(exchange)) return -1;
        exchange->span[exchange->spans - 1].value = exchange->head.bytes;
        exchange->value_began = true;
    }
    return head_append(exchange, data, bytes, false);
}

static void lower_case(char *text) {
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z') *text += 'a' - 'A';
}

/* White space behind a value is none of it; what stands in front the parser has left out. */
static void trim(char *value) {
    size_t bytes = strlen(value);
    while (bytes > 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t')) bytes--;
    value[bytes] = '\0';
}

/* Where the path begins: clients of proxies write "http://host/path". */
static char *skip_authority(char *target) {
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        const size_t bytes = strlen(schemes[i]);
        if (strncasecmp(target, schemes[i], bytes)) continue;
        char *path = target + bytes;
        path += strcspn(path, "/?");
        if (*path != '/') *--path = '/'; /* of the host, which nobody asks for */
        return path;
    }
    return target;
}

/* Pointers into the head, which does not move any more. */
static void make_request(struct http_exchange *exchange) {
    char *head = exchange->head.data, *path = skip_authority(head), *query = strchr(path, '?');
    if (query) *query++ = '\0';
    for (int i = 0; i < exchange->spans; i++) {
        lower_case(head + exchange->span[i].name);
        trim(head + exchange->span[i].value);
        exchange->header[i] =
            (struct http_header){head + exchange->span[i].name, head + exchange->span[i].value};
    }
    exchange->request = (struct http_request){.method = http_method_str(exchange->parser.method),
                                              .path = path,
                                              .query = query ? query : "",
                                              .header = exchange->header,
                                              .headers = exchange->spans,
                                              .client = exchange->client};
}

static bool is_name(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    return *name && !name[strspn(name, letters)];
}

/* The parser sees to lengths, and that not both are there. */
static int check_framing(struct http_exchange *exchange) {
    const struct http_request *request = &exchange->request;
    const char *coding = http_header_find(request, "transfer-encoding");
    int codings = 0;
    for (int i = 0; i < request->headers; i++) {
        if (!is_name(request->header[i].name)) return refuse(exchange, 400, "a header has no valid name");
        codings += !strcmp(request->header[i].name, "transfer-encoding");
    }
    if (exchange->parser.http_major > 1) return refuse(exchange, 505, "this server speaks HTTP/1.1");
    if (!coding) return 0;
    if (exchange->parser.http_major < 1 || exchange->parser.http_minor < 1)
        return refuse(exchange, 400, "a transfer coding needs HTTP/1.1");
    if (codings > 1 || strcasecmp(coding, "chunked"))
        return refuse(exchange, 501, "the only transfer coding here is chunked");
    return 0;
}

/* 1: the parser leaves the body alone. */
static int on_headers(http_parser *parser) {
    struct http_exchange *exchange = exchange_of(parser);
    size_t limit = exchange->server->options.limits.body_bytes;
    if (exchange->spans > 0 && !exchange->value_began && on_value(parser, "", 0)) return -1;
    if (end_string(exchange)) return -1;
    if (strlen(exchange->head.data) > HTTP_HEAD_LIMIT / 2)
        return refuse(exchange, 414, "the request target is too long");
    make_request(exchange);
    if (check_framing(exchange)) return -1;
    bool sized = parser->flags & F_CONTENTLENGTH;
    if (sized && parser->content_length > limit)
        return refuse(exchange, 413, "the request body is too large");
    const char *expect = http_header_find(&exchange->request, "expect");
    if (expect && strcasecmp(expect, "100-continue"))
        return refuse(exchange, 417, "this expectation cannot be met");
    exchange->expects = expect != NULL && parser->http_minor >= 1;
    exchange->in_chunks = parser->flags & F_CHUNKED;
    return exchange->in_chunks;
}

static int add_body(struct http_exchange *exchange, const char *data, size_t bytes) {
    struct http_server *server = exchange->server;
    const size_t before = exchange->body.bytes;
    if (server->bodies_bytes + bytes > server->options.limits.bodies_bytes)
        return refuse(exchange, 503, "the server has no room for more request bodies");
    buffer_append(&exchange->body, data, bytes);
    server->bodies_bytes += exchange->body.bytes - before;
    return exchange->body.failed ? refuse(exchange, 413, "the request body is too large") : 0;
}

static int on_body(http_parser *parser, const char *data, size_t bytes) {
    return add_body(exchange_of(parser), data, bytes);
}

static void complete(struct http_exchange *exchange) {
    buffer_append(&exchange->body, "", 0);
    exchange->request.body = exchange->body.data ? exchange->body.data : "";
    exchange->request.body_bytes = exchange->body.bytes;
    exchange->complete = true;
}

static int on_complete(http_parser *parser) {
    struct http_exchange *exchange = exchange_of(parser);
    exchange->keep_alive = http_should_keep_alive(parser) && !parser->upgrade;
    exchange->chunked = parser->http_major == 1 && parser->http_minor >= 1;
    exchange->head_only = parser->method == HTTP_HEAD;
    if (!exchange->in_chunks) complete(exchange);
    http_parser_pause(parser, 1);
    return 0;
}

void http_parse_begin(struct http_exchange *exchange) {
    http_body_free(exchange);
    buffer_free(&exchange->head);
    buffer_free(&exchange->extra);
    exchange->head = (struct buffer){.limit = HTTP_HEAD_LIMIT};
    exchange->body = (struct buffer){.limit = exchange->server->options.limits.body_bytes};
    exchange->extra = (struct buffer){.limit = HTTP_HEAD_LIMIT};
    exchange->spans = exchange->refused = 0;
    exchange->value_began = exchange->begun = false;
    exchange->complete = exchange->expects = exchange->in_chunks = false;
    exchange->chunks = (struct http_chunks){0};
    exchange->keep_alive = exchange->chunked = exchange->head_only = exchange->streaming = false;
    exchange->gone = NULL;
    exchange->request = (struct http_request){0};
    http_parser_init(&exchange->parser, HTTP_REQUEST);
    exchange->parser.data = exchange;
}

static void settle_expectation(struct http_exchange *exchange) {
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!exchange->expects || exchange->complete || exchange->refused) return;
    bufferevent_write(exchange->events, line, sizeof line - 1);
    exchange->expects = false;
}

/* Bytes of a body in chunks, as far as they are its; how many these are. */
static size_t take_chunks(struct http_exchange *exchange, const char *data, size_t bytes) {
    struct http_chunks *chunks = &exchange->chunks;
    const size_t limit = exchange->server->options.limits.body_bytes;
    size_t at = 0;
    while (at < bytes && chunks->place != CHUNKS_DONE && !exchange->refused) {
        const size_t rest = bytes - at, own = chunks->left < rest ? (size_t)chunks->left : rest;
        if (chunks->place == CHUNK_DATA) {
            (void)add_body(exchange, data + at, own);
            http_chunks_pass(chunks, own);
            at += own;
        } else if (!http_chunks_take(chunks, data[at++])) {
            (void)refuse(exchange, 400, "the body is not in chunks as it should be");
        } else if (chunks->place == CHUNK_DATA && chunks->left > limit - exchange->body.bytes) {
            (void)refuse(exchange, 413, "the request body is too large");
        }
    }
    if (chunks->place == CHUNKS_DONE) complete(exchange);
    return at;
}

/* Bytes of anything else. */
static size_t take_message(struct http_exchange *exchange, const char *data, size_t bytes) {
    static const http_parser_settings settings = {.on_url = on_target,
                                                  .on_header_field = on_name,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_headers,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_complete};
    const size_t taken = http_parser_execute(&exchange->parser, &settings, data, bytes);
    enum http_errno error = HTTP_PARSER_ERRNO(&exchange->parser);
    if (error != HPE_OK && error != HPE_PAUSED && !exchange->refused)
        (void)refuse(exchange, error == HPE_HEADER_OVERFLOW ? 431 : 400, http_errno_description(error));
    return taken;
}

void http_parse_input(struct http_exchange *exchange) {
    struct evbuffer *input = bufferevent_get_input(exchange->events);
    while (!exchange->complete && !exchange->refused) {
        struct evbuffer_iovec piece;
        if (evbuffer_peek(input, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0) break;
        exchange->begun = true;
        evbuffer_drain(input, exchange->in_chunks ? take_chunks(exchange, piece.iov_base, piece.iov_len)
                                                  : take_message(exchange, piece.iov_base, piece.iov_len));
    }
    settle_expectation(exchange);
}
