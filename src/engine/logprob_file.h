/* logprob_file.h - the log-probabilities that a model gave to every token of the vocabulary, for each predicted token of
 * a text, in a file: what another model is compared with when the first no longer fits beside it.
 *
 * A header, the tokens of the windows, then for each predicted token the largest log-probability, the size of a step,
 * and each entry of the vocabulary as 16 bits of steps below the largest. Entries more than 24 nats below the largest
 * are stored as that, so that a step is at most 0.00037 nats. Two checksums cover everything; a file appears whole or
 * not at all. Owned by one thread. */
#ifndef HADAL_ENGINE_LOGPROB_FILE_H
#define HADAL_ENGINE_LOGPROB_FILE_H

#include "base/file_map.h"
#include "engine/score.h"
#include "text/tokenizer.h"

/* What the tokens mean: two tokenizers are the same for a text when its ids stand for the same bytes. */
uint64_t logprob_text_hash(const struct tokenizer *tokenizer, const int32_t *token, int64_t tokens);

struct logprob_writer;
/* `windows` and its tokens are those that will be scored. */
must_use enum status logprob_writer_open(struct logprob_writer **writer, const char *path,
                                         const struct score_windows *windows, int64_t vocab,
                                         uint64_t text_hash);
/* The rows in the order in which they are scored: logprob [vocab]. */
must_use enum status logprob_writer_append(struct logprob_writer *writer, const float *logprob);
must_use enum status logprob_writer_finish(struct logprob_writer *writer);
void logprob_writer_close(struct logprob_writer *writer); /* NULL allowed; removes an unfinished file */

struct logprob_file {
    struct file_map map;
    struct score_windows windows; /* its tokens lie in the map */
    int64_t vocab;
    uint64_t text_hash;
    const uint8_t *rows;
};
/* Checks everything, checksums included. STATUS_FORMAT with what is wrong. */
must_use enum status logprob_file_open(struct logprob_file *file, const char *path);
/* The same of bytes in memory that the caller keeps, whatever else `map` holds. */
must_use enum status logprob_file_parse(struct logprob_file *file, struct file_map map);
void logprob_file_close(struct logprob_file *file); /* zeroed allowed */
/* Row `row` of window `window` into logprob [vocab]. */
void logprob_file_row(const struct logprob_file *file, int64_t window, int row, float *logprob);

#endif
