/* http_chunks.c - see http_chunks.h. */
#include "server/http_chunks.h"

static int digit_of(char byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    if (byte >= 'a' && byte <= 'f') return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F') return byte - 'A' + 10;
    return -1;
}

static bool go(struct http_chunks *chunks, enum chunk_place place) {
    chunks->place = place;
    return true;
}

static bool take_size(struct http_chunks *chunks, char byte) {
    const int digit = digit_of(byte);
    if (digit >= 0) {
        if (chunks->left >> (HTTP_CHUNKS_SIZE_BITS - 4)) return false;
        const bool zero = chunks->sized && chunks->left == 0; /* before other digits */
        chunks->left = chunks->left * 16 + (unsigned)digit;
        chunks->sized = true;
        return !zero || ++chunks->unused_bytes <= HTTP_CHUNKS_UNUSED_LIMIT;
    }
    if (!chunks->sized) return false;
    if (byte == '\r') return go(chunks, CHUNK_SIZE_END);
    return (byte == ';' || byte == ' ' || byte == '\t') && go(chunks, CHUNK_EXTENSION);
}

/* Of a line that means nothing, whose end is `end`. */
static bool take_unused(struct http_chunks *chunks, char byte, enum chunk_place end) {
    if (byte == '\r') return go(chunks, end);
    const bool text = (unsigned char)byte >= ' ' ? byte != 127 : byte == '\t';
    return text && ++chunks->unused_bytes <= HTTP_CHUNKS_UNUSED_LIMIT;
}

static bool expect(struct http_chunks *chunks, char byte, char expected, enum chunk_place next) {
    return byte == expected && go(chunks, next);
}

static void begin_size(struct http_chunks *chunks) {
    chunks->left = 0;
    chunks->sized = false;
}

bool http_chunks_take(struct http_chunks *chunks, char byte) {
    switch (chunks->place) {
    case CHUNK_SIZE: return take_size(chunks, byte);
    case CHUNK_EXTENSION: return take_unused(chunks, byte, CHUNK_SIZE_END);
    case CHUNK_SIZE_END: return expect(chunks, byte, '\n', chunks->left ? CHUNK_DATA : CHUNK_TRAILER_BEGIN);
    case CHUNK_RETURN: return expect(chunks, byte, '\r', CHUNK_END);
    case CHUNK_END: begin_size(chunks); return expect(chunks, byte, '\n', CHUNK_SIZE);
    case CHUNK_TRAILER_BEGIN:
        if (byte == '\r') return go(chunks, CHUNK_LAST_END);
        chunks->place = CHUNK_TRAILER;
        return take_unused(chunks, byte, CHUNK_TRAILER_END);
    case CHUNK_TRAILER: return take_unused(chunks, byte, CHUNK_TRAILER_END);
    case CHUNK_TRAILER_END: return expect(chunks, byte, '\n', CHUNK_TRAILER_BEGIN);
    case CHUNK_LAST_END: return expect(chunks, byte, '\n', CHUNKS_DONE);
    case CHUNK_DATA:
    case CHUNKS_DONE: break;
    }
    return false;
}

void http_chunks_pass(struct http_chunks *chunks, size_t bytes) {
    chunks->left -= bytes;
    if (chunks->left == 0) chunks->place = CHUNK_RETURN;
}
