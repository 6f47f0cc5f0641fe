/* corpus.h - texts as token ids, and the order in which a run meets them.
 *
 * The order depends on the seed and a position alone: texts are shuffled for each epoch, laid one behind the other, cut into
 * sequences, and the sequences are shuffled as well. A run that goes on from a position meets what it would have met.
 * Owned by one thread. */
#ifndef HADAL_TRAIN_CORPUS_H
#define HADAL_TRAIN_CORPUS_H

#include "text/tokenizer.h"
#include "train/batch.h"

struct corpus {
    struct token_list tokens;
    int64_t *begin; /* [documents + 1] */
    int64_t documents, capacity;
};

struct corpus_options {
    const struct tokenizer *tokenizer;
    bool (*progress)(void *context, int64_t bytes); /* of text read; false: stop. NULL allowed */
    void *progress_context;
};

/* Appends a file or every file of a directory, in the order of names: *.jsonl and *.json with one object a line and its text
 * in "text", anything else as one text. Texts end with the tokenizer's end token, and begin with its first where it
 * says so. */
must_use enum status corpus_add(struct corpus *corpus, const char *path,
                                const struct corpus_options *options);
/* One file's content, as corpus_add() does it. */
must_use enum status corpus_add_lines(struct corpus *corpus, const char *text, size_t bytes,
                                      const char *origin, const struct corpus_options *options);
must_use enum status corpus_add_text(struct corpus *corpus, const char *text, size_t bytes,
                                     const struct corpus_options *options);
void corpus_close(struct corpus *corpus);              /* zeroed allowed */
uint64_t corpus_identity(const struct corpus *corpus); /* a hash of all ids and borders */

struct packing {
    const struct corpus *corpus;
    uint64_t seed;
    int rows;     /* of a sequence */
    bool crosses; /* texts of a sequence attend to each other: one segment */
    int64_t epoch;
    int64_t sequences;         /* of an epoch */
    int64_t *document, *start; /* [documents], [documents + 1] of this epoch, in its order */
    int64_t *sequence;         /* [sequences] */
};

must_use enum status packing_open(struct packing *packing, const struct corpus *corpus, uint64_t seed,
                                  int rows, bool crosses);
void packing_close(struct packing *packing); /* zeroed allowed */

/* Room for the rows of some sequences. */
struct packed_batch {
    int32_t *token, *target;
    float *weight;
    struct train_segment *segment;
    struct train_batch batch; /* a view of the above */
    int capacity;
};
must_use enum status packed_batch_open(struct packed_batch *packed, int rows);
void packed_batch_close(struct packed_batch *packed); /* zeroed allowed */
void packed_batch_clear(struct packed_batch *packed);
/* Appends sequence `index` of the run, counted from 0 over all epochs. */
void packing_append(struct packing *packing, int64_t index, struct packed_batch *packed);

#endif
