/* rank_run.h - a whole run of pretraining of a tiny model by ranks that are threads, and what became of each of them. */
#ifndef HADAL_TESTS_SUPPORT_RANK_RUN_H
#define HADAL_TESTS_SUPPORT_RANK_RUN_H

#include "support/scratch.h"
#include "support/thread_ranks.h"
#include "support/tiny_train.h"

#include "train/pretrain.h"

enum { RANK_RUN_RANKS = 5 /* at most */ };

struct rank_run {
    struct scratch scratch;
    json_t *config;
    char path[256], data[256];
    int64_t steps, stop_at; /* rank `stopper` wishes to stop after this step; 0: never */
    int stopper, micro;
    enum optimizer_kind kind;
    double rate, spike; /* of the schedule, and what is left out */
    int odd_rank;       /* it reads `odd_data` in place of the others' data; -1: none */
    const char *odd_data;
    void (*began)(int rank); /* on each rank's thread; NULL: nothing is done */
    double valid[RANK_RUN_RANKS];
    int skipped[RANK_RUN_RANKS]; /* steps so far */
    enum status status[RANK_RUN_RANKS];
    char sentence[RANK_RUN_RANKS][256];
};

/* `wide`: a gradient of several pieces on the way from rank to rank. */
void rank_run_open(struct rank_run *run, enum optimizer_kind kind, bool wide);
void rank_run_close(struct rank_run *run);
void rank_run_name(struct rank_run *run, const char *name); /* of the run's directory */
void rank_run_remove(struct rank_run *run, const char *name);

/* A thread_rank_work: trains up to `steps` with a step of five sequences, goes on where there is something to go on with. */
void rank_run_train(void *run, struct comm *comm);

/* Whether the newest steps of two runs have the same bits. */
bool rank_run_same(struct rank_run *run, const char *a, const char *b);

#endif
