/* comm.c - what follows from the operations of comm.h, and the choice of the table. */
#include "comm/comm.h"

#include "comm/mpi.h"

#include <stdio.h>
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

/* ---- agreement ---- */

/* What the table says; after a failure of its own nothing more is said. */
static enum status moved(struct comm *comm, enum status status) {
    if (status != STATUS_OK) comm->cut_off = true;
    return status;
}

static bool is_silent(const struct comm *comm) {
    return comm->over || comm->cut_off;
}

static enum status silence(void) {
    return fail(STATUS_INTERNAL, "the ranks' work is over");
}

/* The failure of the lowest rank, of those that have one; whose it is is said unless it is everybody's. */
static enum status share_failure(struct comm *comm, const struct verdict *mine) {
    struct verdict first = {.status = STATUS_OK};
    int rank = 0;
    for (; rank < comm->ranks && first.status == STATUS_OK; rank++) {
        first = *mine;
        TRY(moved(comm, comm->ops->broadcast(comm, rank, &first, sizeof first)));
    }
    int64_t same = !strcmp(mine->sentence, first.sentence);
    TRY(moved(comm, comm->ops->sum(comm, &same, 1)));
    comm->over = true;
    enum status status = (enum status)first.status;
    if (same == comm->ranks) return fail(status, "%s", first.sentence);
    return fail(status, "rank %d: %s", rank - 1, first.sentence);
}

static enum status come_together(struct comm *comm, const struct verdict *mine, bool ends) {
    int64_t count[] = {mine->status != STATUS_OK, ends};
    TRY(moved(comm, comm->ops->sum(comm, count, COUNT_OF(count))));
    if (count[0]) return share_failure(comm, mine);
    if (count[1] == 0 || count[1] == comm->ranks) return STATUS_OK;
    comm->over = true;
    return fail(STATUS_USAGE, "%d of %d ranks had less to do than the others: all must be started alike",
                (int)count[1], comm->ranks);
}

static enum status agree(struct comm *comm, enum status status, bool ends) {
    if (comm->ranks == 1 || is_silent(comm)) return status;
    struct verdict mine = {.status = (int32_t)status};
    if (status != STATUS_OK)
        snprintf(mine.sentence, sizeof mine.sentence, "%s",
                 *status_message() ? status_message() : status_text(status));
    enum status agreed = come_together(comm, &mine, ends);
    /* one that cannot be told goes before the failure to tell it */
    return status != STATUS_OK && comm->cut_off ? fail(status, "%s", mine.sentence) : agreed;
}

enum status comm_agree(struct comm *comm, enum status status) {
    return agree(comm, status, false);
}

enum status comm_end(struct comm *comm, enum status status) {
    return agree(comm, status, true);
}

/* ---- moving bytes ---- */

enum status comm_send(struct comm *comm, int to, const void *data, int64_t bytes) {
    return is_silent(comm) ? silence() : moved(comm, comm->ops->send(comm, to, data, bytes));
}

enum status comm_receive(struct comm *comm, int from, void *data, int64_t bytes) {
    return is_silent(comm) ? silence() : moved(comm, comm->ops->receive(comm, from, data, bytes));
}

/* Has everybody come here? */
static enum status assemble(struct comm *comm) {
    TRY(comm_agree(comm, STATUS_OK));
    return is_silent(comm) ? silence() : STATUS_OK;
}

enum status comm_broadcast(struct comm *comm, int from, void *data, int64_t bytes) {
    TRY(assemble(comm));
    return moved(comm, comm->ops->broadcast(comm, from, data, bytes));
}

enum status comm_sum(struct comm *comm, int64_t *value, int64_t count) {
    TRY(assemble(comm));
    return moved(comm, comm->ops->sum(comm, value, count));
}

enum status comm_all(struct comm *comm, bool mine, bool *all) {
    int64_t count = mine;
    TRY(comm_sum(comm, &count, 1));
    *all = count == comm->ranks;
    return STATUS_OK;
}

/* As integers: to add zeros changes nothing, whatever the bits mean. */
enum status comm_merge(struct comm *comm, void *data, int64_t bytes) {
    int64_t word[512];
    for (int64_t at = 0; comm->ranks > 1 && at < bytes; at += (int64_t)sizeof word) {
        size_t part = bytes - at < (int64_t)sizeof word ? (size_t)(bytes - at) : sizeof word;
        memset(word, 0, sizeof word);
        memcpy(word, (char *)data + at, part);
        TRY(comm_sum(comm, word, (int64_t)COUNT_OF(word)));
        memcpy((char *)data + at, word, part);
    }
    return STATUS_OK;
}

enum status comm_least(struct comm *comm, int64_t mine, int64_t *least) {
    *least = mine;
    for (int r = 0; r < comm->ranks; r++) {
        int64_t other = mine;
        TRY(comm_broadcast(comm, r, &other, sizeof other));
        if (other < *least) *least = other;
    }
    return STATUS_OK;
}
