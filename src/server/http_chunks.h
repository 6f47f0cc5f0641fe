/* http_chunks.h - the frame of a body in chunks, byte by byte: pure, any thread.
 *
 * Strict where http_parser is not: it takes any two bytes for the end of a chunk and any byte behind a carriage return for
 * the end of a line, and so would see other requests in a stream than a proxy in front does. */
#ifndef HADAL_SERVER_HTTP_CHUNKS_H
#define HADAL_SERVER_HTTP_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the next byte is. */
enum chunk_place {
    CHUNK_SIZE,      /* a digit of a chunk's size, or what ends it */
    CHUNK_EXTENSION, /* behind the size, up to the end of the line; means nothing to us */
    CHUNK_SIZE_END,
    CHUNK_DATA, /* of the body */
    CHUNK_RETURN,
    CHUNK_END,
    CHUNK_TRAILER_BEGIN, /* lines behind the last chunk; mean nothing to us */
    CHUNK_TRAILER,
    CHUNK_TRAILER_END,
    CHUNK_LAST_END,
    CHUNKS_DONE /* the byte belongs to the next request */
};

/* A zeroed one stands at the beginning of a body. */
struct http_chunks {
    enum chunk_place place;
    uint64_t
        left;   /* bytes of data that the chunk still has; with CHUNK_SIZE, as far as its digits are read */
    bool sized; /* there was a digit */
    size_t unused_bytes; /* of extensions and trailers */
};

enum { HTTP_CHUNKS_UNUSED_LIMIT = 16 << 10, HTTP_CHUNKS_SIZE_BITS = 60 };

/* The next byte, which is neither data nor behind the end. False: it cannot stand there. */
bool http_chunks_take(struct http_chunks *chunks, char byte);
/* So many bytes of the data were taken, at most those that are left. */
void http_chunks_pass(struct http_chunks *chunks, size_t bytes);

#endif
