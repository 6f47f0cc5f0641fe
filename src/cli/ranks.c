/* ranks.c - see ranks.h. Launchers tell by the environment how many processes they started; without one this process is alone,
 * also in a build that knows MPI. */
#include "cli/ranks.h"

#include "base/thread_pool.h"
#include "cli/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* 0: none is known to have started this. */
static int processes_started(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *text = environment_get(names[i]);
        int count = text ? atoi(text) : 0;
        if (count > 0) return count;
    }
    return environment_get("PMIX_RANK") ? 1 : 0;
}

enum status ranks_open(struct comm *comm) {
    int started = processes_started();
    *comm = comm_self();
    if (!comm_knows_mpi() && started > 1)
        return fail(STATUS_USAGE,
                    "%d processes were started together, and this build knows no MPI: make MPI=1 makes "
                    "build-mpi/hadal, which does",
                    started);
    if (!comm_knows_mpi() || !started) return STATUS_OK;
    enum status status = comm_open_mpi(comm);
    if (!comm->ops) *comm = comm_self();
    if (status != STATUS_OK) return status;
    if (comm->ranks >= started) return STATUS_OK;
    return fail(STATUS_USAGE,
                "%d processes were started together, of which MPI knows %d: start them by mpirun", started,
                comm->ranks);
}

enum status ranks_close(struct comm *comm, enum status status) {
    int rank = comm->rank;
    status = comm_end(comm, status);
    if (comm->cut_off) {
        fprintf(stderr, "hadal train: rank %d: %s\n", rank, status_message());
        comm->ops->abort(comm, status_exit_code(status));
    }
    comm_close(comm);
    return rank ? STATUS_OK : status;
}

int ranks_threads(const struct comm *comm) {
    long share = sysconf(_SC_NPROCESSORS_ONLN) / comm->neighbours;
    int mine = processors_available();
    return share < 1 ? 1 : share < mine ? (int)share : mine;
}
