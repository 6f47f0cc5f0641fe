/* synth_stream.h - random tensors made by all threads and written by the caller, in order, through two
 * buffers of a few megabytes. Owned by the thread that opened it.
 *
 * A tensor is cut into chunks of equal size, and each chunk has its own stream of random numbers: the
 * bytes depend on the tensor's seed alone, not on threads or on what was written before. */
#ifndef HADAL_MODEL_SYNTH_STREAM_H
#define HADAL_MODEL_SYNTH_STREAM_H

#include "base/thread_pool.h"
#include "model/synth_blocks.h"

/* Where the bytes go: one of the checkpoint writers. */
struct synth_sink {
    void *writer;
    enum status (*append)(void *writer, const void *data, size_t bytes);
};

struct synth_stream {
    struct thread_pool *pool;
    struct synth_sink sink;
    uint8_t *buffer[2];
    size_t pending_bytes; /* of buffer[1 - current], made and not yet written */
    int current;
    int64_t bytes, total_bytes;                                   /* made so far; for progress */
    bool (*progress)(void *context, int64_t done, int64_t total); /* NULL allowed; false: stop */
    void *progress_context;
};

/* threads 0: one for each processor. */
must_use enum status synth_stream_open(struct synth_stream *stream, int threads);
void synth_stream_close(struct synth_stream *stream); /* zeroed allowed */

/* `elements` values by the pattern. */
must_use enum status synth_stream_tensor(struct synth_stream *stream, const struct synth_pattern *pattern,
                                         uint64_t seed, int64_t elements);
/* Ready bytes, at most SYNTH_LITERAL_BYTES of them. */
enum { SYNTH_LITERAL_BYTES = 1 << 20 };
must_use enum status synth_stream_literal(struct synth_stream *stream, const void *data, size_t bytes);
/* Writes what is pending: before the sink changes, and at the end. */
must_use enum status synth_stream_flush(struct synth_stream *stream);

#endif
