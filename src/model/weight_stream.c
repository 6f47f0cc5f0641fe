/* weight_stream.c - see weight_stream.h. While the workers fill one buffer, the caller first writes the
 * other one and then helps. */
#include "model/weight_stream.h"

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum status weight_stream_open(struct weight_stream *stream, int threads, size_t buffer_bytes) {
    *stream = (struct weight_stream){.buffer_bytes = buffer_bytes};
    for (int i = 0; i < 2; i++) stream->buffer[i] = malloc(buffer_bytes);
    enum status status =
        stream->buffer[0] && stream->buffer[1]
            ? thread_pool_open(&stream->pool, threads ? threads : processors_available())
            : fail(STATUS_MEMORY, "no memory for writing weights, %zu bytes at a time", buffer_bytes);
    if (status != STATUS_OK) weight_stream_close(stream);
    return status;
}

void weight_stream_close(struct weight_stream *stream) {
    for (int i = 0; i < 2; i++) free(stream->buffer[i]);
    thread_pool_close(stream->pool);
    *stream = (struct weight_stream){0};
}

enum status weight_stream_flush(struct weight_stream *stream) {
    size_t bytes = stream->pending_bytes;
    stream->pending_bytes = 0;
    return bytes ? stream->sink.append(stream->sink.writer, stream->buffer[1 - stream->current], bytes)
                 : STATUS_OK;
}

/* The filled buffer becomes the pending one. */
static enum status advance(struct weight_stream *stream, size_t bytes) {
    stream->pending_bytes = bytes;
    stream->current = 1 - stream->current;
    stream->bytes += (int64_t)bytes;
    if (stream->progress && !stream->progress(stream->progress_context, stream->bytes, stream->total_bytes))
        return fail(STATUS_CANCELLED, "stopped");
    return STATUS_OK;
}

struct batch {
    struct weight_stream *stream;
    const struct weight_chunks *chunks;
    int64_t first, count;
    atomic_llong next;
    enum status written;
    char sentence[512]; /* of a failure: whoever wrote, the caller must be told */
};

static void work(void *context, int worker, int slice, int slices) {
    struct batch *batch = context;
    (void)slices;
    if (slice == 0) batch->written = weight_stream_flush(batch->stream);
    if (slice == 0 && batch->written != STATUS_OK)
        snprintf(batch->sentence, sizeof batch->sentence, "%s", status_message());
    for (;;) {
        int64_t index = atomic_fetch_add(&batch->next, 1);
        if (index >= batch->count) return;
        batch->chunks->make(batch->chunks->context, worker, batch->first + index,
                            batch->stream->buffer[batch->stream->current] +
                                (size_t)index * batch->chunks->chunk_bytes);
    }
}

enum status weight_stream_write(struct weight_stream *stream, const struct weight_chunks *chunks) {
    MUST(chunks->chunk_bytes > 0 && chunks->chunk_bytes <= stream->buffer_bytes);
    int64_t at_once = (int64_t)(stream->buffer_bytes / chunks->chunk_bytes), bytes = chunks->bytes;
    for (int64_t first = 0; first < chunks->chunks; first += at_once) {
        struct batch batch = {.stream = stream,
                              .chunks = chunks,
                              .first = first,
                              .count = min_i64(at_once, chunks->chunks - first)};
        thread_pool_run(stream->pool, SLICES_WHOLE, work, &batch);
        if (batch.written != STATUS_OK) return fail(batch.written, "%s", batch.sentence);
        int64_t made = min_i64(bytes, batch.count * (int64_t)chunks->chunk_bytes);
        TRY(advance(stream, (size_t)made));
        bytes -= made;
    }
    return STATUS_OK;
}

enum status weight_stream_literal(struct weight_stream *stream, const void *data, size_t bytes) {
    MUST(bytes <= stream->buffer_bytes);
    TRY(weight_stream_flush(stream));
    memcpy(stream->buffer[stream->current], data, bytes);
    return advance(stream, bytes);
}
