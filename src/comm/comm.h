/* comm.h - processes that work on one job together: who they are, and what they say to each other.
 *
 * A rank is one of them. A table of operations moves bytes, `self` in a process that is alone and `mpi` under mpirun; what is
 * computed of them, and in which order, is the callers'. All ranks call the collective operations in the same order.
 *
 * A rank that fails by itself must not leave the others waiting: whatever one rank may fail at alone is followed by
 * comm_agree() before anything else is said. A rank that failed goes to the comm_agree() with which its job ends, which meets
 * the one that the others have come to, and all return the same failure. Owned by one thread. */
#ifndef HADAL_COMM_COMM_H
#define HADAL_COMM_COMM_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct comm;

struct comm_ops {
    const char *name;
    /* Between two ranks; a send may wait for its receive. */
    must_use enum status (*send)(const struct comm *comm, int to, const void *data, int64_t bytes);
    must_use enum status (*receive)(const struct comm *comm, int from, void *data, int64_t bytes);
    /* Collective: everybody gets what `from` has. */
    must_use enum status (*broadcast)(const struct comm *comm, int from, void *data, int64_t bytes);
    /* Collective: all [ranks][bytes] is what each rank has, in the order of ranks. */
    must_use enum status (*gather)(const struct comm *comm, const void *mine, int64_t bytes, void *all);
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
    void *state;    /* of the operations */
};

/* This process alone. */
struct comm comm_self(void);
/* The ranks that mpirun started; once in a process, before it has threads. STATUS_UNSUPPORTED in a build without MPI. */
must_use enum status comm_open_mpi(struct comm *comm);
bool comm_knows_mpi(void);
void comm_close(struct comm *comm); /* zeroed allowed */

/* Collective: STATUS_OK where all say so, otherwise the failure of the lowest rank that failed, with its sentence, on all. */
must_use enum status comm_agree(struct comm *comm, enum status status);
/* Collective: does everybody say yes? */
must_use enum status comm_all(const struct comm *comm, bool mine, bool *all);
/* Collective: each byte is 0 on all ranks but one, and becomes what it is there. */
must_use enum status comm_merge(const struct comm *comm, void *data, int64_t bytes);
/* Collective: the least of all values. */
must_use enum status comm_least(const struct comm *comm, int64_t mine, int64_t *least);

#endif
