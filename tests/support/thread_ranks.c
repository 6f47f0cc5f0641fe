/* thread_ranks.c - see thread_ranks.h. One lock and one condition for everything: ranks are few and tests short. */
#include "support/thread_ranks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 16, PATIENCE = 200 /* seconds without a word from any rank: something is wrong */ };

struct world {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int ranks;
    const void *letter[MOST][MOST]; /* [from][to]; NULL: none is there */
    void *shown[MOST];              /* what each rank has in a collective operation */
    int64_t shown_bytes[MOST];
    const char *what[MOST]; /* the operation, of those who wait */
    bool ended[MOST];
    int arrived;
    int64_t meetings;
    bool aborted;
    int broken_rank; /* -1: none */
    int64_t broken_operation;
    bool broke;
    thread_rank_work *work;
    void *context;
};

struct member {
    struct world *world;
    struct comm comm;
    int64_t operations;
};

static struct member *member_of(const struct comm *comm) {
    return comm->state;
}

static struct world *world_of(const struct comm *comm) {
    return member_of(comm)->world;
}

/* ---- waiting ---- */

static _Noreturn void give_up(const struct world *world, const char *why) {
    fprintf(stderr, "thread ranks: %s\n", why);
    for (int r = 0; r < world->ranks; r++)
        fprintf(stderr, "rank %d: %s\n", r,
                world->ended[r]  ? "has ended"
                : world->what[r] ? world->what[r]
                                 : "works");
    abort();
}

static bool somebody_works(const struct world *world) {
    for (int r = 0; r < world->ranks; r++)
        if (!world->ended[r] && !world->what[r]) return true;
    return false;
}

/* With the lock; false: the job was aborted. Whoever changes something wakes all, who look again: so those who wait are seen to
 * wait in vain only when `what` of a rank that has been woken up is NULL again, which its waker sees to. */
static bool wait_for_change(struct world *world) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE;
    if (world->aborted) return false;
    if (!somebody_works(world)) give_up(world, "all that are left wait for ever");
    if (pthread_cond_timedwait(&world->changed, &world->lock, &until)) give_up(world, "nothing happens");
    return !world->aborted;
}

static void wake(struct world *world) {
    memset(world->what, 0, sizeof world->what);
    pthread_cond_broadcast(&world->changed);
}

static enum status aborted(void) {
    return fail(STATUS_CANCELLED, "another rank ended all");
}

/* Begins every operation: takes the lock unless it fails. */
static enum status enter(const struct comm *comm) {
    struct member *member = member_of(comm);
    struct world *world = member->world;
    pthread_mutex_lock(&world->lock);
    bool breaks = comm->rank == world->broken_rank && member->operations++ == world->broken_operation;
    if (!breaks && !world->aborted) return STATUS_OK;
    world->broke |= breaks;
    pthread_mutex_unlock(&world->lock);
    return breaks ? fail(STATUS_IO, "%s at operation %lld", BROKEN_WIRE, (long long)world->broken_operation)
                  : aborted();
}

static enum status leave(struct world *world, bool whole) {
    pthread_mutex_unlock(&world->lock);
    return whole ? STATUS_OK : aborted();
}

/* ---- operations ---- */

static enum status thread_send(const struct comm *comm, int to, const void *data, int64_t bytes) {
    struct world *world = world_of(comm);
    const void **letter = &world->letter[comm->rank][to];
    bool whole = true;
    TRY(enter(comm));
    if (bytes == 0) return leave(world, true);
    MUST(!*letter);
    *letter = data;
    wake(world);
    while (whole && *letter) {
        world->what[comm->rank] = "sends";
        whole = wait_for_change(world);
    }
    return leave(world, whole);
}

static enum status thread_receive(const struct comm *comm, int from, void *data, int64_t bytes) {
    struct world *world = world_of(comm);
    const void **letter = &world->letter[from][comm->rank];
    bool whole = true;
    TRY(enter(comm));
    if (bytes == 0) return leave(world, true);
    while (whole && !*letter) {
        world->what[comm->rank] = "receives";
        whole = wait_for_change(world);
    }
    if (whole) memcpy(data, *letter, (size_t)bytes);
    if (whole) *letter = NULL;
    wake(world);
    return leave(world, whole);
}

/* With the lock: waits until all have come. */
static bool meet(const struct comm *comm, const char *what) {
    struct world *world = world_of(comm);
    int64_t meeting = world->meetings;
    bool whole = true;
    if (++world->arrived == world->ranks) {
        world->arrived = 0;
        world->meetings++;
        wake(world);
    }
    while (whole && world->meetings == meeting) {
        world->what[comm->rank] = what;
        whole = wait_for_change(world);
    }
    return whole;
}

/* All in one operation must mean the same one. */
static bool show(const struct comm *comm, const void *data, int64_t bytes, const char *what) {
    struct world *world = world_of(comm);
    world->shown[comm->rank] = (void *)data;
    world->shown_bytes[comm->rank] = bytes;
    if (!meet(comm, what)) return false;
    for (int r = 0; r < comm->ranks; r++)
        if (world->shown_bytes[r] != bytes) give_up(world, "ranks met in different operations");
    return true;
}

static enum status thread_broadcast(const struct comm *comm, int from, void *data, int64_t bytes) {
    TRY(enter(comm));
    bool whole = show(comm, data, bytes, "broadcasts");
    if (whole && comm->rank != from) memcpy(data, world_of(comm)->shown[from], (size_t)bytes);
    return leave(world_of(comm), whole && meet(comm, "ends a broadcast"));
}

static enum status thread_sum(const struct comm *comm, int64_t *value, int64_t count) {
    int64_t sum[2048] = {0}; /* no memory is taken: a test may refuse it */
    MUST(count <= (int64_t)COUNT_OF(sum));
    TRY(enter(comm));
    bool whole = show(comm, value, -1 - count, "sums");
    for (int r = 0; whole && r < comm->ranks; r++)
        for (int64_t i = 0; i < count; i++) sum[i] += ((const int64_t *)world_of(comm)->shown[r])[i];
    whole = whole && meet(comm, "ends a sum");
    if (whole) memcpy(value, sum, (size_t)count * sizeof *sum);
    return leave(world_of(comm), whole);
}

static void thread_close(struct comm *comm) {
    (void)comm;
}

static void thread_abort(const struct comm *comm, int exit_status) {
    struct world *world = world_of(comm);
    (void)exit_status;
    pthread_mutex_lock(&world->lock);
    world->aborted = true;
    wake(world);
    pthread_mutex_unlock(&world->lock);
}

static const struct comm_ops operations = {
    .name = "threads",
    .send = thread_send,
    .receive = thread_receive,
    .broadcast = thread_broadcast,
    .sum = thread_sum,
    .close = thread_close,
    .abort = thread_abort,
};

/* ---- the ranks ---- */

static void *live(void *context) {
    struct member *member = context;
    struct world *world = member->world;
    int rank = member->comm.rank;
    member->world->work(world->context, &member->comm);
    if (member->comm.cut_off) thread_abort(&member->comm, 1);
    pthread_mutex_lock(&world->lock);
    world->ended[rank] = true;
    wake(world); /* who waits looks whether anybody is left */
    pthread_mutex_unlock(&world->lock);
    return NULL;
}

static void run(struct world *world) {
    struct member member[MOST];
    pthread_t thread[MOST];
    int ranks = world->ranks;
    MUST(ranks >= 1 && ranks <= MOST);
    pthread_mutex_init(&world->lock, NULL);
    pthread_cond_init(&world->changed, NULL);
    for (int r = 0; r < ranks; r++) {
        struct comm comm = {
            .ops = &operations, .rank = r, .ranks = ranks, .neighbours = ranks, .state = &member[r]};
        member[r] = (struct member){.world = world, .comm = comm};
        MUST(!pthread_create(&thread[r], NULL, live, &member[r]));
    }
    for (int r = 0; r < ranks; r++) MUST(!pthread_join(thread[r], NULL));
    pthread_cond_destroy(&world->changed);
    pthread_mutex_destroy(&world->lock);
}

void thread_ranks_run(int ranks, thread_rank_work *work, void *context) {
    struct world world = {.ranks = ranks, .broken_rank = -1, .work = work, .context = context};
    run(&world);
}

bool thread_ranks_break(int ranks, thread_rank_work *work, void *context, int rank, int64_t operation) {
    struct world world = {
        .ranks = ranks, .broken_rank = rank, .broken_operation = operation, .work = work, .context = context};
    run(&world);
    return world.broke;
}
