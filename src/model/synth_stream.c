/* synth_stream.c - see synth_stream.h. While the workers fill one buffer, the caller, worker 0, first
 * writes the other one and then helps. */
#include "model/synth_stream.h"

#include "base/bytes.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    CHUNK_ELEMENTS = 1 << 15, /* a multiple of every block */
    CHUNKS = 16,              /* of one buffer */
    BUFFER_BYTES = CHUNKS * CHUNK_ELEMENTS * 4
};

_Static_assert((int)SYNTH_LITERAL_BYTES <= (int)BUFFER_BYTES, "a literal fits a buffer");

enum status synth_stream_open(struct synth_stream *stream, int threads) {
    *stream = (struct synth_stream){0};
    for (int i = 0; i < 2; i++) stream->buffer[i] = malloc(BUFFER_BYTES);
    enum status status = stream->buffer[0] && stream->buffer[1]
                             ? thread_pool_open(&stream->pool, threads ? threads : processors_available())
                             : fail(STATUS_MEMORY, "no memory for writing weights");
    if (status != STATUS_OK) synth_stream_close(stream);
    return status;
}

void synth_stream_close(struct synth_stream *stream) {
    for (int i = 0; i < 2; i++) free(stream->buffer[i]);
    thread_pool_close(stream->pool);
    *stream = (struct synth_stream){0};
}

enum status synth_stream_flush(struct synth_stream *stream) {
    size_t bytes = stream->pending_bytes;
    stream->pending_bytes = 0;
    return bytes ? stream->sink.append(stream->sink.writer, stream->buffer[1 - stream->current], bytes)
                 : STATUS_OK;
}

/* The filled buffer becomes the pending one. */
static enum status advance(struct synth_stream *stream, size_t bytes) {
    stream->pending_bytes = bytes;
    stream->current = 1 - stream->current;
    stream->bytes += (int64_t)bytes;
    if (stream->progress && !stream->progress(stream->progress_context, stream->bytes, stream->total_bytes))
        return fail(STATUS_CANCELLED, "stopped");
    return STATUS_OK;
}

struct batch {
    struct synth_stream *stream;
    const struct synth_pattern *pattern;
    uint64_t seed;
    int64_t first_chunk, chunks, elements; /* elements of the whole tensor */
    size_t chunk_bytes;
    atomic_llong next;
    enum status written;
};

static void make_chunk(const struct batch *batch, int64_t index) {
    int64_t chunk = batch->first_chunk + index, first = chunk * CHUNK_ELEMENTS;
    struct rng rng;
    rng_seed_stream(&rng, batch->seed, (uint64_t)chunk);
    synth_fill(batch->pattern, &rng, first,
               batch->stream->buffer[batch->stream->current] + (size_t)index * batch->chunk_bytes,
               min_i64(CHUNK_ELEMENTS, batch->elements - first));
}

static void work(void *context, int worker, int slice, int slices) {
    struct batch *batch = context;
    (void)worker;
    (void)slices;
    if (slice == 0) batch->written = synth_stream_flush(batch->stream);
    for (;;) {
        int64_t index = atomic_fetch_add(&batch->next, 1);
        if (index >= batch->chunks) return;
        make_chunk(batch, index);
    }
}

enum status synth_stream_tensor(struct synth_stream *stream, const struct synth_pattern *pattern,
                                uint64_t seed, int64_t elements) {
    const struct dtype_traits *traits = dtype_traits(pattern->format->dtype);
    int64_t all = divide_up(elements, CHUNK_ELEMENTS), bytes;
    MUST(dtype_row_bytes(pattern->format->dtype, elements, &bytes));
    for (int64_t chunk = 0; chunk < all; chunk += CHUNKS) {
        struct batch batch = {.stream = stream,
                              .pattern = pattern,
                              .seed = seed,
                              .first_chunk = chunk,
                              .chunks = min_i64(CHUNKS, all - chunk),
                              .elements = elements};
        batch.chunk_bytes = (size_t)(CHUNK_ELEMENTS / traits->block_elements * traits->block_bytes);
        thread_pool_run(stream->pool, SLICES_WHOLE, work, &batch);
        TRY(batch.written);
        int64_t made = min_i64(bytes, batch.chunks * (int64_t)batch.chunk_bytes);
        TRY(advance(stream, (size_t)made));
        bytes -= made;
    }
    return STATUS_OK;
}

enum status synth_stream_literal(struct synth_stream *stream, const void *data, size_t bytes) {
    MUST(bytes <= SYNTH_LITERAL_BYTES);
    TRY(synth_stream_flush(stream));
    memcpy(stream->buffer[stream->current], data, bytes);
    return advance(stream, bytes);
}
