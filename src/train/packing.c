/* packing.c - the order of a corpus and sequences out of it; see corpus.h. */
#include "train/corpus.h"

#include "base/bytes.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* Fisher and Yates. The remainder favours small numbers by less than 2^-40 at any corpus that fits memory. */
static void shuffle(int64_t *item, int64_t count, uint64_t seed, uint64_t stream) {
    struct rng rng;
    rng_seed_stream(&rng, seed, stream);
    for (int64_t i = 0; i < count; i++) item[i] = i;
    for (int64_t i = count - 1; i > 0; i--) {
        int64_t j = (int64_t)(rng_next(&rng) % (uint64_t)(i + 1)), kept = item[i];
        item[i] = item[j];
        item[j] = kept;
    }
}

static void set_epoch(struct packing *packing, int64_t epoch) {
    const struct corpus *corpus = packing->corpus;
    if (packing->epoch == epoch) return;
    packing->epoch = epoch;
    shuffle(packing->document, corpus->documents, packing->seed, 2 * (uint64_t)epoch);
    shuffle(packing->sequence, packing->sequences, packing->seed, 2 * (uint64_t)epoch + 1);
    packing->start[0] = 0;
    for (int64_t i = 0; i < corpus->documents; i++) {
        int64_t document = packing->document[i];
        packing->start[i + 1] = packing->start[i] + corpus->begin[document + 1] - corpus->begin[document];
    }
}

enum status packing_open(struct packing *packing, const struct corpus *corpus, uint64_t seed, int rows,
                         bool crosses) {
    int64_t tokens = (int64_t)corpus->tokens.count;
    *packing =
        (struct packing){.corpus = corpus, .seed = seed, .rows = rows, .crosses = crosses, .epoch = -1};
    if (tokens < 2)
        return fail(STATUS_INPUT, "the data holds %lld tokens: too few to learn from", (long long)tokens);
    packing->rows = (int)min_i64(rows, tokens);
    packing->sequences = tokens / packing->rows;
    packing->document = malloc((size_t)corpus->documents * sizeof *packing->document);
    packing->start = malloc((size_t)(corpus->documents + 1) * sizeof *packing->start);
    packing->sequence = malloc((size_t)packing->sequences * sizeof *packing->sequence);
    if (packing->document && packing->start && packing->sequence) return STATUS_OK;
    packing_close(packing);
    return fail(STATUS_MEMORY, "no memory for the order of %lld texts", (long long)corpus->documents);
}

void packing_close(struct packing *packing) {
    free(packing->document);
    free(packing->start);
    free(packing->sequence);
    *packing = (struct packing){0};
}

enum status packed_batch_open(struct packed_batch *packed, int rows) {
    size_t count = (size_t)rows;
    *packed = (struct packed_batch){.token = calloc(count, sizeof(int32_t)),
                                    .target = calloc(count, sizeof(int32_t)),
                                    .weight = calloc(count, sizeof(float)),
                                    .segment = calloc(count, sizeof(struct train_segment)),
                                    .capacity = rows};
    if (packed->token && packed->target && packed->weight && packed->segment) return STATUS_OK;
    packed_batch_close(packed);
    return fail(STATUS_MEMORY, "no memory for a batch of %d rows", rows);
}

void packed_batch_close(struct packed_batch *packed) {
    free(packed->token);
    free(packed->target);
    free(packed->weight);
    free(packed->segment);
    *packed = (struct packed_batch){0};
}

void packed_batch_clear(struct packed_batch *packed) {
    packed->batch = (struct train_batch){.token = packed->token,
                                         .target = packed->target,
                                         .weight = packed->weight,
                                         .segment = packed->segment,
                                         .sequence_rows = packed->batch.sequence_rows};
}

/* The text of the epoch's order that holds stream position `at`. */
static int64_t text_at(const struct packing *packing, int64_t at) {
    int64_t low = 0, high = packing->corpus->documents;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (packing->start[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Tokens [at, end) of the stream, all of the epoch's text `i`: rows whose target is the next token of the same text. */
static void append_piece(const struct packing *packing, int64_t i, int64_t at, int64_t end,
                         struct packed_batch *packed, bool opens) {
    struct train_batch *batch = &packed->batch;
    const int32_t *token = packing->corpus->tokens.id + packing->corpus->begin[packing->document[i]];
    if (opens) packed->segment[batch->segments++] = (struct train_segment){batch->rows, 0};
    packed->segment[batch->segments - 1].rows += (int)(end - at);
    for (int64_t p = at; p < end; p++, batch->rows++) {
        bool last = p + 1 == packing->start[i + 1];
        packed->token[batch->rows] = token[p - packing->start[i]];
        packed->target[batch->rows] = last ? -1 : token[p + 1 - packing->start[i]];
        packed->weight[batch->rows] = last ? 0 : 1;
    }
}

/* Where texts attend to each other the first token of the next one is a target like any other. */
static void join_targets(struct packed_batch *packed, int first) {
    for (int r = first; r + 1 < packed->batch.rows; r++) {
        packed->target[r] = packed->token[r + 1];
        packed->weight[r] = 1;
    }
}

void packing_append(struct packing *packing, int64_t index, struct packed_batch *packed) {
    set_epoch(packing, index / packing->sequences);
    int64_t tokens = packing->start[packing->corpus->documents];
    int64_t at = packing->sequence[index % packing->sequences] * packing->rows;
    int64_t end = min_i64(at + packing->rows, tokens);
    int first = packed->batch.rows;
    MUST(first + (end - at) <= packed->capacity);
    packed->batch.sequence_rows = packing->rows;
    for (int64_t i = text_at(packing, at); at < end; i++) {
        int64_t stop = min_i64(end, packing->start[i + 1]);
        append_piece(packing, i, at, stop, packed, !packing->crosses || packed->batch.rows == first);
        at = stop;
    }
    if (packing->crosses) join_targets(packed, first);
}
