/* packing.c - the order of a corpus and sequences out of it; see corpus.h. Texts that stay whole are put into sequences once,
 * each into the fullest that has room for it; an epoch then has an order of sequences alone. */
#include "train/corpus.h"

#include "base/bytes.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* Fisher and Yates. The remainder favours small numbers by less than 2^-40 at any corpus that fits memory. */
void order_shuffle(int64_t *item, int64_t count, uint64_t seed, uint64_t stream) {
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
    if (packing->way != PACK_WHOLE)
        order_shuffle(packing->document, corpus->documents, packing->seed, 2 * (uint64_t)epoch);
    order_shuffle(packing->sequence, packing->sequences, packing->seed, 2 * (uint64_t)epoch + 1);
    packing->start[0] = 0;
    for (int64_t i = 0; packing->way != PACK_WHOLE && i < corpus->documents; i++) {
        int64_t document = packing->document[i];
        packing->start[i + 1] = packing->start[i] + corpus->begin[document + 1] - corpus->begin[document];
    }
}

/* ---- whole texts ---- */

struct bins {       /* sequences that are being filled */
    int64_t *room;  /* [documents] rows left in each */
    int64_t *next;  /* [documents] another one with as many rows left, or -1 */
    int64_t *first; /* [rows + 1] the last one with so many rows left, or -1 */
    int64_t *of;    /* [documents] the sequence of each text */
    int64_t count;
};

static int64_t document_rows(const struct packing *packing, int64_t document) {
    const int64_t *begin = packing->corpus->begin;
    return min_i64(begin[document + 1] - begin[document], packing->rows);
}

static void fill_bins(const struct packing *packing, struct bins *bins) {
    for (int r = 0; r <= packing->rows; r++) bins->first[r] = -1;
    for (int64_t i = 0; i < packing->corpus->documents; i++) {
        int64_t document = packing->document[i], rows = document_rows(packing, document), room = rows;
        while (room <= packing->rows && bins->first[room] < 0) room++;
        int64_t bin = room <= packing->rows ? bins->first[room] : bins->count++;
        if (room <= packing->rows)
            bins->first[room] = bins->next[bin];
        else
            bins->room[bin] = packing->rows;
        bins->room[bin] -= rows;
        bins->next[bin] = bins->first[bins->room[bin]];
        bins->first[bins->room[bin]] = bin;
        bins->of[document] = bin;
    }
    bins->first[0] = -1;
}

/* The texts of each sequence one behind the other. */
static void list_bins(struct packing *packing, const struct bins *bins) {
    int64_t documents = packing->corpus->documents;
    packing->sequences = bins->count;
    memset(packing->bin, 0, (size_t)(documents + 1) * sizeof *packing->bin);
    for (int64_t d = 0; d < documents; d++) packing->bin[bins->of[d] + 1]++;
    for (int64_t i = 0; i < bins->count; i++) packing->bin[i + 1] += packing->bin[i];
    int64_t *at = bins->next; /* no longer needed as such */
    memcpy(at, packing->bin, (size_t)bins->count * sizeof *at);
    for (int64_t d = 0; d < documents; d++) packing->binned[at[bins->of[d]]++] = d;
}

static enum status pack_whole(struct packing *packing) {
    size_t documents = (size_t)packing->corpus->documents;
    struct bins bins = {.room = malloc(documents * sizeof *bins.room),
                        .next = malloc(documents * sizeof *bins.next),
                        .first = malloc((size_t)(packing->rows + 1) * sizeof *bins.first),
                        .of = malloc(documents * sizeof *bins.of)};
    packing->bin = malloc((documents + 1) * sizeof *packing->bin);
    packing->binned = malloc(documents * sizeof *packing->binned);
    bool taken = bins.room && bins.next && bins.first && bins.of && packing->bin && packing->binned;
    if (taken) {
        order_shuffle(packing->document, packing->corpus->documents, packing->seed, UINT64_MAX);
        fill_bins(packing, &bins);
        list_bins(packing, &bins);
    }
    free(bins.room);
    free(bins.next);
    free(bins.first);
    free(bins.of);
    return taken ? STATUS_OK : fail(STATUS_MEMORY, "no memory to pack %zu texts", documents);
}

/* ---- opening ---- */

static enum status take_order(struct packing *packing) {
    const struct corpus *corpus = packing->corpus;
    packing->document = malloc((size_t)corpus->documents * sizeof *packing->document);
    packing->start = malloc((size_t)(corpus->documents + 1) * sizeof *packing->start);
    if (!packing->document || !packing->start)
        return fail(STATUS_MEMORY, "no memory for the order of %lld texts", (long long)corpus->documents);
    if (packing->way == PACK_WHOLE) TRY(pack_whole(packing));
    packing->sequence = malloc((size_t)packing->sequences * sizeof *packing->sequence);
    return packing->sequence ? STATUS_OK
                             : fail(STATUS_MEMORY, "no memory for the order of %lld sequences",
                                    (long long)packing->sequences);
}

enum status packing_open(struct packing *packing, const struct corpus *corpus, uint64_t seed, int rows,
                         enum packing_way way) {
    int64_t tokens = (int64_t)corpus->tokens.count;
    *packing = (struct packing){.corpus = corpus, .seed = seed, .rows = rows, .way = way, .epoch = -1};
    if (tokens < 2)
        return fail(STATUS_INPUT, "the data holds %lld tokens: too few to learn from", (long long)tokens);
    packing->rows = (int)min_i64(rows, tokens);
    packing->sequences = tokens / packing->rows;
    enum status status = take_order(packing);
    if (status != STATUS_OK) packing_close(packing);
    return status;
}

void packing_close(struct packing *packing) {
    free(packing->document);
    free(packing->start);
    free(packing->sequence);
    free(packing->bin);
    free(packing->binned);
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

/* Is token `at` of the corpus a target? */
static bool is_target(const struct corpus *corpus, int64_t at) {
    return (size_t)at >= corpus->unlearnts || !corpus->unlearnt[at];
}

/* Tokens [at, end) of a text: rows whose target is the text's next token. */
static void append_piece(const struct packing *packing, int64_t document, int64_t at, int64_t end,
                         struct packed_batch *packed, bool opens) {
    const struct corpus *corpus = packing->corpus;
    struct train_batch *batch = &packed->batch;
    int64_t begin = corpus->begin[document], last = corpus->begin[document + 1] - 1;
    if (opens) packed->segment[batch->segments++] = (struct train_segment){batch->rows, 0};
    packed->segment[batch->segments - 1].rows += (int)(end - at);
    for (int64_t p = begin + at; p < begin + end; p++, batch->rows++) {
        packed->token[batch->rows] = corpus->tokens.id[p];
        packed->target[batch->rows] = p == last ? -1 : corpus->tokens.id[p + 1];
        packed->weight[batch->rows] = p != last && is_target(corpus, p + 1);
    }
}

/* Where texts attend to each other the first token of the next one is a target like any other. */
static void join_targets(struct packed_batch *packed, int first) {
    for (int r = first; r + 1 < packed->batch.rows; r++) {
        if (packed->target[r] < 0) packed->weight[r] = 1;
        packed->target[r] = packed->token[r + 1];
    }
}

static void append_cut(struct packing *packing, int64_t sequence, struct packed_batch *packed) {
    int64_t tokens = packing->start[packing->corpus->documents];
    int64_t at = sequence * packing->rows, end = min_i64(at + packing->rows, tokens);
    int first = packed->batch.rows;
    for (int64_t i = text_at(packing, at); at < end; i++) {
        int64_t stop = min_i64(end, packing->start[i + 1]), start = packing->start[i];
        bool opens = packing->way == PACK_CUT || packed->batch.rows == first;
        append_piece(packing, packing->document[i], at - start, stop - start, packed, opens);
        at = stop;
    }
    if (packing->way == PACK_CROSS) join_targets(packed, first);
}

void packing_append(struct packing *packing, int64_t index, struct packed_batch *packed) {
    set_epoch(packing, index / packing->sequences);
    int64_t sequence = packing->sequence[index % packing->sequences];
    packed->batch.sequence_rows = packing->rows;
    MUST(packed->batch.rows + packing->rows <= packed->capacity);
    if (packing->way != PACK_WHOLE) {
        append_cut(packing, sequence, packed);
        return;
    }
    for (int64_t i = packing->bin[sequence]; i < packing->bin[sequence + 1]; i++)
        append_piece(packing, packing->binned[i], 0, document_rows(packing, packing->binned[i]), packed,
                     true);
}
