/* thread_ranks.h - ranks of comm.h that are threads of one test, each with a table of its own: what several ranks do, without a
 * launcher. Sends wait for their receives, as the contract allows. A rank that is cut off ends all, as the command does. Ranks
 * that wait for one that has ended would wait for ever: the program is aborted, with a sentence. */
#ifndef HADAL_TESTS_SUPPORT_THREAD_RANKS_H
#define HADAL_TESTS_SUPPORT_THREAD_RANKS_H

#include "comm/comm.h"

/* Runs `work` on a thread for each rank and returns when all have ended. Assertions belong behind it: a thread cannot leave
 * a test. */
typedef void thread_rank_work(void *context, struct comm *comm);
void thread_ranks_run(int ranks, thread_rank_work *work, void *context);

/* The same with a table that fails rank `rank` at its operation `operation`, counted from 0, with a sentence that names BROKEN_WIRE.
 * False: it did not come so far. */
#define BROKEN_WIRE "the wire is broken"
bool thread_ranks_break(int ranks, thread_rank_work *work, void *context, int rank, int64_t operation);

#endif
