/* questions.h - sets of questions: what is asked, and what says whether an answer is right.
 *
 * A question is a line of JSON that verify.h reads, with "messages", or "prompt" for one message of the user; for models without
 * a template "plain", a text to go on from, or "prompt" itself. Published sets come in forms of their own: adapters.c makes
 * such lines of them, and of rows of tables. Everything may be a stranger's. Owned by one thread. */
#ifndef HADAL_EVAL_QUESTIONS_H
#define HADAL_EVAL_QUESTIONS_H

#include "verify/verify.h"

struct question {
    json_t *line;
    const char *id;    /* unique in its set: its own, or its number in the file */
    const char *group; /* such as a subject; NULL: none */
    uint64_t identity; /* of the line: what is asked and what is right */
};

struct question_set {
    char *name; /* of the file, without folders and ending */
    struct question *question;
    int questions, capacity;
};

struct question_reader {
    const struct verifiers *verifiers; /* of lines that name none */
    const char *format;                /* the name of an adapter; NULL: found out, for each line */
    int most;                          /* questions; 0: all */
};

/* A .jsonl or .csv file; which of them is seen from its content. */
must_use enum status question_set_read(struct question_set *set, const char *path,
                                       const struct question_reader *reader);
must_use enum status question_set_parse(struct question_set *set, const char *text, size_t bytes,
                                        const char *origin, const struct question_reader *reader);
/* Moves the questions of `more` behind those of `set`; `more` is left without any, and is the caller's to free. */
must_use enum status question_set_append(struct question_set *set, struct question_set *more);
void question_set_free(struct question_set *set); /* zeroed allowed */
uint64_t question_set_identity(const struct question_set *set);

/* Of a sample: the same whatever else is asked, beside it or before it. 31 bits, which every server takes. */
uint64_t question_seed(const struct question *question, uint64_t seed, int sample);

/* ---- adapters.c ---- */

/* *line is replaced by a question's. STATUS_USAGE for an unknown name of a format. */
must_use enum status question_adapt(json_t **line, const char *format, const char *origin);
const char *question_format_at(int index); /* "aime"; NULL past the end */

#endif
