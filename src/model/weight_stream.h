/* weight_stream.h - tensors made piece by piece by all threads and written by the caller, in order, through
 * two buffers of a few megabytes. Owned by the thread that opened it.
 *
 * A tensor is cut into chunks of equal size, the last one apart. Who makes a chunk and when must not show
 * in its bytes. */
#ifndef HADAL_MODEL_WEIGHT_STREAM_H
#define HADAL_MODEL_WEIGHT_STREAM_H

#include "base/thread_pool.h"

#include <stdbool.h>
#include <stddef.h>

/* Where the bytes go: one of the checkpoint writers. */
struct weight_sink {
    void *writer;
    enum status (*append)(void *writer, const void *data, size_t bytes);
};

struct weight_stream {
    struct thread_pool *pool;
    struct weight_sink sink;
    uint8_t *buffer[2];
    size_t buffer_bytes;
    size_t pending_bytes; /* of buffer[1 - current], made and not yet written */
    int current;
    int64_t bytes, total_bytes;                                   /* made so far; for progress */
    bool (*progress)(void *context, int64_t done, int64_t total); /* NULL allowed; false: stop */
    void *progress_context;
};

/* threads 0: one for each processor. No chunk may be larger than `buffer_bytes`; several fit into a good one. */
must_use enum status weight_stream_open(struct weight_stream *stream, int threads, size_t buffer_bytes);
void weight_stream_close(struct weight_stream *stream); /* zeroed allowed */

struct weight_chunks {
    /* Makes chunk `chunk` at `data`. `worker` says whose scratch memory is free. */
    void (*make)(void *context, int worker, int64_t chunk, uint8_t *data);
    void *context;
    int64_t chunks;
    size_t chunk_bytes; /* but for the last */
    int64_t bytes;      /* of all */
};
must_use enum status weight_stream_write(struct weight_stream *stream, const struct weight_chunks *chunks);
/* Ready bytes, at most `buffer_bytes` of them. */
must_use enum status weight_stream_literal(struct weight_stream *stream, const void *data, size_t bytes);
/* Writes what is pending: before the sink changes, and at the end. */
must_use enum status weight_stream_flush(struct weight_stream *stream);

#endif
