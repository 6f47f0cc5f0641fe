/* thread_ranks.c - see thread_ranks.h. One lock and one condition for everything: ranks are few and tests short. */
#include "support/thread_ranks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 16 };

struct world {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_barrier_t barrier;
    const void *letter[MOST][MOST]; /* [from][to]; NULL: none is there */
    void *shown[MOST];              /* what each rank has in a collective operation */
    thread_rank_work *work;
    void *context;
};

struct member {
    struct world *world;
    struct comm comm;
};

static struct world *world_of(const struct comm *comm) {
    return comm->state;
}

static enum status thread_send(const struct comm *comm, int to, const void *data, int64_t bytes) {
    struct world *world = world_of(comm);
    if (bytes == 0) return STATUS_OK;
    pthread_mutex_lock(&world->lock);
    MUST(!world->letter[comm->rank][to]);
    world->letter[comm->rank][to] = data;
    pthread_cond_broadcast(&world->changed);
    while (world->letter[comm->rank][to]) pthread_cond_wait(&world->changed, &world->lock);
    pthread_mutex_unlock(&world->lock);
    return STATUS_OK;
}

static enum status thread_receive(const struct comm *comm, int from, void *data, int64_t bytes) {
    struct world *world = world_of(comm);
    if (bytes == 0) return STATUS_OK;
    pthread_mutex_lock(&world->lock);
    while (!world->letter[from][comm->rank]) pthread_cond_wait(&world->changed, &world->lock);
    memcpy(data, world->letter[from][comm->rank], (size_t)bytes);
    world->letter[from][comm->rank] = NULL;
    pthread_cond_broadcast(&world->changed);
    pthread_mutex_unlock(&world->lock);
    return STATUS_OK;
}

static void show(const struct comm *comm, const void *data) {
    world_of(comm)->shown[comm->rank] = (void *)data;
    pthread_barrier_wait(&world_of(comm)->barrier);
}

static void meet(const struct comm *comm) {
    pthread_barrier_wait(&world_of(comm)->barrier);
}

static enum status thread_broadcast(const struct comm *comm, int from, void *data, int64_t bytes) {
    show(comm, data);
    if (comm->rank != from) memcpy(data, world_of(comm)->shown[from], (size_t)bytes);
    meet(comm);
    return STATUS_OK;
}

static enum status thread_gather(const struct comm *comm, const void *mine, int64_t bytes, void *all) {
    show(comm, mine);
    for (int r = 0; r < comm->ranks; r++)
        memcpy((char *)all + r * bytes, world_of(comm)->shown[r], (size_t)bytes);
    meet(comm);
    return STATUS_OK;
}

static enum status thread_sum(const struct comm *comm, int64_t *value, int64_t count) {
    int64_t *sum = calloc((size_t)count + 1, sizeof *sum);
    MUST(sum);
    show(comm, value);
    for (int r = 0; r < comm->ranks; r++)
        for (int64_t i = 0; i < count; i++) sum[i] += ((const int64_t *)world_of(comm)->shown[r])[i];
    meet(comm);
    memcpy(value, sum, (size_t)count * sizeof *sum);
    free(sum);
    return STATUS_OK;
}

static void thread_close(struct comm *comm) {
    (void)comm;
}

static void thread_abort(const struct comm *comm, int exit_status) {
    (void)comm, (void)exit_status;
    abort();
}

static const struct comm_ops operations = {
    .name = "threads",
    .send = thread_send,
    .receive = thread_receive,
    .broadcast = thread_broadcast,
    .gather = thread_gather,
    .sum = thread_sum,
    .close = thread_close,
    .abort = thread_abort,
};

static void *live(void *context) {
    struct member *member = context;
    member->world->work(member->world->context, &member->comm);
    return NULL;
}

void thread_ranks_run(int ranks, thread_rank_work *work, void *context) {
    struct world world = {.work = work, .context = context};
    struct member member[MOST];
    pthread_t thread[MOST];
    MUST(ranks >= 1 && ranks <= MOST);
    pthread_mutex_init(&world.lock, NULL);
    pthread_cond_init(&world.changed, NULL);
    pthread_barrier_init(&world.barrier, NULL, (unsigned)ranks);
    for (int r = 0; r < ranks; r++) {
        struct comm comm = {
            .ops = &operations, .rank = r, .ranks = ranks, .neighbours = ranks, .state = &world};
        member[r] = (struct member){&world, comm};
        MUST(!pthread_create(&thread[r], NULL, live, &member[r]));
    }
    for (int r = 0; r < ranks; r++) MUST(!pthread_join(thread[r], NULL));
    pthread_barrier_destroy(&world.barrier);
    pthread_cond_destroy(&world.changed);
    pthread_mutex_destroy(&world.lock);
}
