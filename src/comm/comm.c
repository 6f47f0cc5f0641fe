/* comm.c - what follows from the operations of comm.h, and the choice of the table. */
#include "comm/comm.h"

#include "comm/mpi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE = 512 };

struct verdict { /* of one rank */
    int32_t status;
    char sentence[SENTENCE];
};

#ifdef HADAL_MPI
static enum status (*const open_mpi)(struct comm *comm) = mpi_open;
#else
static enum status (*const open_mpi)(struct comm *comm) = NULL;
#endif

bool comm_knows_mpi(void) {
    return open_mpi != NULL;
}

enum status comm_open_mpi(struct comm *comm) {
    *comm = (struct comm){0};
    return open_mpi ? open_mpi(comm) : fail(STATUS_UNSUPPORTED, "this build knows no MPI: make MPI=1 does");
}

void comm_close(struct comm *comm) {
    if (comm->ops) comm->ops->close(comm);
    *comm = (struct comm){0};
}

/* The failure of the lowest rank; whose it is is said unless it is everybody's. */
static enum status first_failure(const struct verdict *verdict, int ranks) {
    int first = 0, same = 0;
    while (first < ranks && verdict[first].status == STATUS_OK) first++;
    if (first == ranks) return STATUS_OK;
    for (int r = 0; r < ranks; r++) same += !strcmp(verdict[r].sentence, verdict[first].sentence);
    enum status status = (enum status)verdict[first].status;
    if (same == ranks) return fail(status, "%s", verdict[first].sentence);
    return fail(status, "rank %d: %s", first, verdict[first].sentence);
}

enum status comm_agree(struct comm *comm, enum status status) {
    if (comm->ranks == 1 || comm->over) return status;
    struct verdict mine = {.status = (int32_t)status};
    struct verdict *all = calloc((size_t)comm->ranks, sizeof *all);
    if (!all) return fail(STATUS_MEMORY, "no memory for what %d ranks say", comm->ranks);
    if (status != STATUS_OK)
        snprintf(mine.sentence, sizeof mine.sentence, "%s",
                 *status_message() ? status_message() : status_text(status));
    enum status said = comm->ops->gather(comm, &mine, sizeof mine, all);
    if (said == STATUS_OK) {
        said = first_failure(all, comm->ranks);
        comm->over = said != STATUS_OK;
    }
    free(all);
    return said;
}

enum status comm_all(const struct comm *comm, bool mine, bool *all) {
    int64_t count = mine;
    TRY(comm->ops->sum(comm, &count, 1));
    *all = count == comm->ranks;
    return STATUS_OK;
}

/* As integers: to add zeros changes nothing, whatever the bits mean. */
enum status comm_merge(const struct comm *comm, void *data, int64_t bytes) {
    int64_t word[512];
    for (int64_t at = 0; comm->ranks > 1 && at < bytes; at += (int64_t)sizeof word) {
        size_t part = bytes - at < (int64_t)sizeof word ? (size_t)(bytes - at) : sizeof word;
        memset(word, 0, sizeof word);
        memcpy(word, (char *)data + at, part);
        TRY(comm->ops->sum(comm, word, (int64_t)COUNT_OF(word)));
        memcpy((char *)data + at, word, part);
    }
    return STATUS_OK;
}

enum status comm_least(const struct comm *comm, int64_t mine, int64_t *least) {
    int64_t *all = calloc((size_t)comm->ranks, sizeof *all);
    if (!all) return fail(STATUS_MEMORY, "no memory for what %d ranks say", comm->ranks);
    enum status status = comm->ops->gather(comm, &mine, sizeof mine, all);
    *least = mine;
    for (int r = 0; status == STATUS_OK && r < comm->ranks; r++)
        if (all[r] < *least) *least = all[r];
    free(all);
    return status;
}
