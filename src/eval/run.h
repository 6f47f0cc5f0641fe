/* run.h - asks the questions of some sets k times each, judges the answers and records them.
 *
 * Who answers is an asker: the engine of this process, or a server. Each sample has a seed of its own, which follows from the
 * question and the sample's number alone, so that neither order nor company nor an interruption changes an answer. One thread
 * asks, judges and records; the asker computes on threads of its own. */
#ifndef HADAL_EVAL_RUN_H
#define HADAL_EVAL_RUN_H

#include "eval/questions.h"
#include "eval/record.h"

struct asked {
    const struct question *question;
    uint64_t seed;
    int64_t number; /* by which the answer says what it is to */
};

struct answered {
    int64_t number;
    char *text; /* reasoning before </think>, where there is some; the receiver frees */
    size_t bytes;
    bool unfinished; /* it ended within its reasoning: there is no answer in it */
    char finish[16];
    int64_t prompt_tokens, tokens;
    double seconds;
};

struct asker {
    void *context;
    int at_once; /* questions that may be out */
    must_use enum status (*ask)(void *context, const struct asked *asked);
    /* One that has been answered; *found false: none within a fraction of a second. */
    must_use enum status (*hear)(void *context, struct answered *answered, bool *found);
};

struct run_options {
    const struct question_set *set;
    int sets, samples;
    uint64_t seed;
    struct verifiers *verifiers;
    const struct asker *asker;
    struct record_writer *writer;
    struct record *record; /* with what is answered already */
    bool drop_texts;
    bool (*going)(void *context, const struct record *record); /* between answers; false: stop */
    void *context;
};
/* STATUS_CANCELLED when it was stopped: what was answered is recorded. */
must_use enum status run_questions(const struct run_options *options);

#endif
