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
    uint8_t *unlearnt; /* [unlearnts] of the tokens: is it none of the targets? What is behind them is one */
    size_t unlearnts, unlearnt_capacity;
    int64_t *begin; /* [documents + 1] */
    int64_t documents, capacity;
};

struct dialogue_form;

struct corpus_options {
    const struct tokenizer *tokenizer;
    const struct dialogue_form
        *dialogue; /* how lines with messages or a prompt become text; NULL: "text" alone */
    bool (*progress)(void *context, int64_t bytes); /* of text read; false: stop. NULL allowed */
    void *progress_context;
    double middle_rate; /* share of plain texts that have their middle at the end (fill_middle.h) */
    uint64_t middle_seed;
    /* Texts go here instead of becoming tokens; of a line, each string but roles, names and types. NULL: they become tokens. */
    enum status (*text)(void *context, const char *text, size_t bytes);
    void *text_context;
};

/* Appends a file or every file of a directory, in the order of names: *.jsonl and *.json with one object a line (its text in
 * "text", or what dialogue.h says), anything else as one text. Texts end with the tokenizer's end token, and begin with
 * its first where it says so. */
must_use enum status corpus_add(struct corpus *corpus, const char *path,
                                const struct corpus_options *options);
/* One file's content, as corpus_add() does it. */
must_use enum status corpus_add_lines(struct corpus *corpus, const char *text, size_t bytes,
                                      const char *origin, const struct corpus_options *options);
must_use enum status corpus_add_text(struct corpus *corpus, const char *text, size_t bytes,
                                     const struct corpus_options *options);
/* The tokens since the last text become one, of which tokens [from, to) of the corpus are no targets. */
must_use enum status corpus_end_text(struct corpus *corpus);
must_use enum status corpus_unlearn(struct corpus *corpus, size_t from, size_t to);
void corpus_close(struct corpus *corpus);              /* zeroed allowed */
uint64_t corpus_identity(const struct corpus *corpus); /* a hash of all ids and borders */

/* 0 .. count - 1 in an order that seed and stream alone decide. */
void order_shuffle(int64_t *item, int64_t count, uint64_t seed, uint64_t stream);

enum packing_way {
    PACK_CUT,   /* the stream of texts is cut into sequences of equal length; pieces of a text begin anew */
    PACK_CROSS, /* the same, but what lies in a sequence attends to what lies before it, whatever the text */
    PACK_WHOLE  /* texts stay whole: as many in a sequence as fit into it. Longer ones are cut off */
};

struct packing {
    const struct corpus *corpus;
    uint64_t seed;
    int rows; /* of a sequence; with PACK_WHOLE at most */
    enum packing_way way;
    int64_t *bin, *binned; /* PACK_WHOLE: [sequences + 1] and [documents], the texts of each sequence */
    int64_t epoch;
    int64_t sequences;         /* of an epoch */
    int64_t *document, *start; /* [documents], [documents + 1] of this epoch, in its order */
    int64_t *sequence;         /* [sequences] */
};

must_use enum status packing_open(struct packing *packing, const struct corpus *corpus, uint64_t seed,
                                  int rows, enum packing_way way);
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
