/* record.h - the file of a run: a line that says what was asked of whom and how, and a line for each answer, as it came.
 *
 * A line is in the file before the next answer is waited for, in one write: a process that is killed leaves whole lines and
 * perhaps a last one that is not, which is cut off when the run goes on. One process writes; others may read. */
#ifndef HADAL_EVAL_RECORD_H
#define HADAL_EVAL_RECORD_H

#include "base/json.h"

#include <stdbool.h>
#include <stdint.h>

struct sample {
    char *set, *question; /* ids */
    char *group;          /* NULL: none */
    uint64_t identity;    /* of the question */
    int number;           /* from 0 */
    bool right;
    double reward;
    char *result;  /* what it came down to; NULL: nothing */
    char rule[16]; /* that says when two results are the same (verify_same()) */
    char *text;    /* the whole answer; NULL where it was left out */
    char finish[16];
    int64_t prompt_tokens, tokens;
    double seconds;
};

struct record {
    json_t *head; /* {"hadal_eval": 1, "model": ..., "settings": ..., "sets": ...} */
    struct sample *sample;
    int64_t samples, capacity;
};

must_use enum status record_read(struct record *record, const char *path);
/* Of text: for tests and fuzzing. *whole: bytes up to the end of the last whole line. */
must_use enum status record_parse(struct record *record, const char *text, size_t bytes, const char *origin,
                                  size_t *whole);
void record_free(struct record *record); /* zeroed allowed */

struct record_writer {
    int file;
    const char *path;
    bool open;
};
/* Begins a file with `head`, or goes on with the one that is there: *record is what it has. STATUS_INPUT, with the field,
 * when that is of another run; STATUS_BUSY when another process writes it. */
must_use enum status record_open(struct record_writer *writer, const char *path, const json_t *head,
                                 struct record *record);
/* Written, and kept in `record`, which takes what the sample owns. */
must_use enum status record_add(struct record_writer *writer, struct record *record, struct sample *sample);
void record_close(struct record_writer *writer); /* zeroed allowed */
void sample_free(struct sample *sample);

#endif
