/* comm.h - processes that work on one job together: who they are, and what they say to each other.
 *
 * A rank is one of them. A table of operations moves bytes, `self` in a process that is alone and `mpi` under mpirun; what is
 * computed of them, and in which order, is the callers'. All ranks call the collective functions in the same order.
 *
 * A rank that fails by itself must not leave the others waiting. One rule for each way to fail:
 *   alone      A rank that fails calls no more of these functions but the comm_agree() with which its job ends, at the latest
 *              comm_end(). Every collective function begins as comm_agree() does: wherever the others have come to, they
 *              meet it there, and all return its failure.
 *   in a walk  Sends and receives ask nobody. A run of them begins with comm_agree() (or another collective function), behind
 *              everything that may fail: memory is taken and files are open. What fails underway by itself, as a full
 *              disk does, is kept until the run is over.
 *   to move    The table's own failure cuts a rank off: every function returns at once from then on. It unwinds to comm_end(),
 *              whose caller says the sentence and then ends all ranks by force, for they may wait for this one.
 *
 * Nothing here takes memory. Owned by one thread. */
#ifndef HADAL_COMM_COMM_H
#define HADAL_COMM_COMM_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct comm;

struct comm_ops { /* for the functions below alone */
    const char *name;
    /* Between two ranks; a send may wait for its receive. */
    must_use enum status (*send)(const struct comm *comm, int to, const void *data, int64_t bytes);
    must_use enum status (*receive)(const struct comm *comm, int from, void *data, int64_t bytes);
    /* Collective: everybody gets what `from` has. */
    must_use enum status (*broadcast)(const struct comm *comm, int from, void *data, int64_t bytes);
    /* Collective: sums of integers, in place. */
    must_use enum status (*sum)(const struct comm *comm, int64_t *value, int64_t count);
    void (*close)(struct comm *comm);
    void (*abort)(const struct comm *comm, int exit_status); /* ends every rank */
};

struct comm {
    const struct comm_ops *ops;
    int rank, ranks;
    int neighbours; /* ranks on this machine, this one included: they share its memory */
    bool over;      /* a failure was agreed on: nobody listens any more */
    bool cut_off;   /* the table failed: the others cannot be told */
    void *state;    /* of the operations */
};

/* This process alone. */
struct comm comm_self(void);
/* The ranks that mpirun started; once in a process, before it has threads. STATUS_UNSUPPORTED in a build without MPI, and where
 * MPI allows no threads: then the ranks are open, and end together. */
must_use enum status comm_open_mpi(struct comm *comm);
bool comm_knows_mpi(void);
void comm_close(struct comm *comm); /* zeroed allowed */

/* Collective: STATUS_OK where all say so, otherwise the failure of the lowest rank that failed, with its sentence, on all. */
must_use enum status comm_agree(struct comm *comm, enum status status);
/* The last comm_agree(): nothing follows it, and a rank that others have not come to an end with is a failure of all. Where
 * `cut_off` is set then, the caller aborts. */
must_use enum status comm_end(struct comm *comm, enum status status);

/* Between two ranks; a send may wait for its receive. */
must_use enum status comm_send(struct comm *comm, int to, const void *data, int64_t bytes);
must_use enum status comm_receive(struct comm *comm, int from, void *data, int64_t bytes);

/* Collective: everybody gets what `from` has. */
must_use enum status comm_broadcast(struct comm *comm, int from, void *data, int64_t bytes);
/* Collective: sums of integers, in place. What each rank has a place of its own for, all have then. */
must_use enum status comm_sum(struct comm *comm, int64_t *value, int64_t count);
/* Collective: does everybody say yes? */
must_use enum status comm_all(struct comm *comm, bool mine, bool *all);
/* Collective: each byte is 0 on all ranks but one, and becomes what it is there. */
must_use enum status comm_merge(struct comm *comm, void *data, int64_t bytes);
/* Collective: the least of all values. */
must_use enum status comm_least(struct comm *comm, int64_t mine, int64_t *least);

#endif
