/* thread_pool.c - the workers of thread_pool.h.
 *
 * Owns its threads. A run is published by filling every worker's lane with slices and advancing `ticket`; it is
 * over when `pending` slices reach zero, whether or not every worker took part. Both words are waited for in the
 * same way: look at it for a moment, then sleep in the kernel.
 * The subtleties: whoever wants to sleep says so and then looks again, whoever changes a word looks for
 * sleepers afterwards; as all four are sequentially consistent, a wake-up cannot be missed. And a worker may come
 * late: the slice that it takes then belongs to the run that filled the lane, and what that run is to do stays
 * readable until the slice is done. */
#include "base/thread_pool.h"

#include "base/nodes.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    MAX_THREADS = 1024,
    CACHE_LINE = 64,
    SPINS = 2000 /* pauses of 20 to 50 ns: longer than the gap between two operations of a step */
};

/* Slices that are left of a worker's own in the low half; the high half tells runs apart. */
struct lane {
    _Alignas(CACHE_LINE) _Atomic uint64_t left;
};

struct worker {
    struct thread_pool *pool;
    pthread_t thread;
    int index;
};

/* The thread that is worker 0 under a plan of nodes, and where it could run before. */
struct visitor {
    pthread_t thread;
    bool known, kept;
    cpu_set_t before;
};

struct thread_pool {
    /* Written by the owner, read by all workers. */
    _Alignas(CACHE_LINE) _Atomic uint32_t ticket;
    thread_work *work; /* these three are published by the lanes */
    void *context;
    int slices_each;
    int threads, spins;
    bool running;
    struct worker *worker;         /* [threads], entry 0 unused */
    struct lane *lane;             /* [threads] */
    const struct node_plan *nodes; /* NULL: one */
    struct visitor owner;
    atomic_bool ends;
    /* Written by the workers. */
    _Alignas(CACHE_LINE) _Atomic uint32_t pending;
    _Alignas(CACHE_LINE) atomic_int sleepers;
    atomic_bool owner_sleeps;
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void word_sleep(_Atomic uint32_t *word, uint32_t while_value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, while_value, NULL, NULL, 0);
}

static void word_wake(_Atomic uint32_t *word, int sleepers) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
}

static void await_ticket(struct thread_pool *pool, uint32_t seen) {
    for (int spin = 0; spin < pool->spins; spin++) {
        if (atomic_load_explicit(&pool->ticket, memory_order_acquire) != seen) return;
        pause_briefly();
    }
    if (atomic_load(&pool->ticket) != seen) return;
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->ticket) == seen) word_sleep(&pool->ticket, seen);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void await_workers(struct thread_pool *pool) {
    for (int spin = 0; spin < pool->spins; spin++) {
        if (!atomic_load_explicit(&pool->pending, memory_order_acquire)) return;
        pause_briefly();
    }
    atomic_store(&pool->owner_sleeps, true);
    for (uint32_t left; (left = atomic_load(&pool->pending)) > 0;) word_sleep(&pool->pending, left);
    atomic_store(&pool->owner_sleeps, false);
}

/* Takes a slice out of a lane, if one is left. */
static bool take_slice(struct thread_pool *pool, int lane, int *slice) {
    uint64_t left = atomic_load_explicit(&pool->lane[lane].left, memory_order_relaxed);
    do {
        if (!(uint32_t)left) return false;
    } while (!atomic_compare_exchange_weak_explicit(&pool->lane[lane].left, &left, left - 1,
                                                    memory_order_acquire, memory_order_relaxed));
    *slice = (lane + 1) * pool->slices_each - (int)(uint32_t)left;
    return true;
}

/* Whose slices come after `turn` others: those of its own node, and then those of the next ones. */
static int lane_in_turn(const struct thread_pool *pool, int worker, int turn) {
    if (!pool->nodes) return (worker + turn) % pool->threads;
    const struct memory_node *node = &pool->nodes->node[nodes_of_worker(pool->nodes, worker)];
    int near = node->worker_end - node->worker_begin;
    if (turn < near) return node->worker_begin + (worker - node->worker_begin + turn) % near;
    return (node->worker_end + turn - near) % pool->threads;
}

/* Its own slices first, then those of others. */
static void drain(struct thread_pool *pool, int worker) {
    int slice;
    for (int i = 0; i < pool->threads; i++) {
        int lane = lane_in_turn(pool, worker, i);
        while (take_slice(pool, lane, &slice)) {
            pool->work(pool->context, worker, slice, pool->threads * pool->slices_each);
            if (atomic_fetch_sub(&pool->pending, 1) == 1 && atomic_load(&pool->owner_sleeps))
                word_wake(&pool->pending, 1);
        }
    }
}

static void *worker_main(void *argument) {
    struct worker *worker = argument;
    struct thread_pool *pool = worker->pool;
    for (uint32_t seen = 0; !atomic_load(&pool->ends);) {
        await_ticket(pool, seen);
        seen = atomic_load(&pool->ticket);
        drain(pool, worker->index);
    }
    return NULL;
}

static void advance_ticket(struct thread_pool *pool) {
    atomic_fetch_add(&pool->ticket, 1);
    if (atomic_load(&pool->sleepers)) word_wake(&pool->ticket, MAX_THREADS);
}

static void publish(struct thread_pool *pool, int slices_each, thread_work *work, void *context) {
    uint64_t run = (uint64_t)(atomic_load_explicit(&pool->ticket, memory_order_relaxed) + 1) << 32;
    pool->work = work;
    pool->context = context;
    pool->slices_each = slices_each;
    atomic_store_explicit(&pool->pending, (uint32_t)(pool->threads * slices_each), memory_order_relaxed);
    for (int i = 0; i < pool->threads; i++)
        atomic_store_explicit(&pool->lane[i].left, run | (uint32_t)slices_each, memory_order_release);
    advance_ticket(pool);
}

/* ---- nodes ---- */

static cpu_set_t *new_cpu_set(const struct number_set *processors, size_t *bytes) {
    cpu_set_t *set = CPU_ALLOC(PROCESSORS_MOST);
    *bytes = CPU_ALLOC_SIZE(PROCESSORS_MOST);
    if (!set) return NULL;
    CPU_ZERO_S(*bytes, set);
    for (int i = 0; i < PROCESSORS_MOST; i++)
        if (number_set_has(processors, i)) CPU_SET_S((size_t)i, *bytes, set);
    return set;
}

static bool keep_thread_on(pthread_t thread, const struct number_set *processors) {
    size_t bytes;
    cpu_set_t *set = new_cpu_set(processors, &bytes);
    bool kept = set && !pthread_setaffinity_np(thread, bytes, set);
    if (set) CPU_FREE(set);
    return kept;
}

bool thread_keep_on(const struct number_set *processors) {
    return keep_thread_on(pthread_self(), processors);
}

/* The owner may hand the pool to another thread between two runs. */
static void receive_owner(struct thread_pool *pool) {
    struct visitor *owner = &pool->owner;
    if (owner->known && pthread_equal(owner->thread, pthread_self())) return;
    owner->thread = pthread_self();
    owner->known = true;
    owner->kept = !pthread_getaffinity_np(owner->thread, sizeof owner->before, &owner->before) &&
                  thread_keep_on(&pool->nodes->node[0].set);
}

static void release_owner(struct thread_pool *pool) {
    struct visitor *owner = &pool->owner;
    if (owner->kept && pthread_equal(owner->thread, pthread_self()))
        pthread_setaffinity_np(owner->thread, sizeof owner->before, &owner->before);
}

void thread_pool_place(struct thread_pool *pool, const struct node_plan *plan) {
    MUST(plan->threads == pool->threads && !pool->running);
    pool->nodes = plan;
    for (int i = 1; i < pool->threads; i++)
        (void)keep_thread_on(pool->worker[i].thread, &plan->node[nodes_of_worker(plan, i)].set);
}

/* ---- running ---- */

void thread_pool_run(struct thread_pool *pool, int slices_each, thread_work *work, void *context) {
    MUST(!pool->running && slices_each >= 1);
    pool->running = true;
    if (pool->nodes) receive_owner(pool);
    if (pool->threads == 1) {
        work(context, 0, 0, 1);
    } else {
        publish(pool, slices_each, work, context);
        drain(pool, 0);
        await_workers(pool);
    }
    pool->running = false;
}

int thread_pool_threads(const struct thread_pool *pool) {
    return pool->threads;
}

/* Signals of the terminal belong to the program's own threads; faults are always the worker's. */
static void block_signals(sigset_t *before) {
    static const int fault[] = {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < COUNT_OF(fault); i++) sigdelset(&all, fault[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

static enum status start_workers(struct thread_pool *pool, int threads) {
    sigset_t before;
    int error = 0;
    block_signals(&before);
    for (pool->threads = 1; pool->threads < threads && !error; pool->threads += !error) {
        struct worker *worker = &pool->worker[pool->threads];
        *worker = (struct worker){.pool = pool, .index = pool->threads};
        error = pthread_create(&worker->thread, NULL, worker_main, worker);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return fail(STATUS_LIMIT, "cannot start thread %d of %d: %s", pool->threads, threads,
                    strerror(error));
    return STATUS_OK;
}

enum status thread_pool_open(struct thread_pool **result, int threads) {
    *result = NULL;
    if (threads < 1 || threads > MAX_THREADS)
        return fail(STATUS_USAGE, "%d threads: allowed are 1 to %d", threads, MAX_THREADS);
    struct thread_pool *pool = aligned_alloc(CACHE_LINE, sizeof *pool);
    struct worker *worker = calloc((size_t)threads, sizeof *worker);
    struct lane *lane = aligned_alloc(CACHE_LINE, (size_t)threads * sizeof *lane);
    if (!pool || !worker || !lane) {
        free(pool);
        free(worker);
        free(lane);
        return fail(STATUS_MEMORY, "out of memory for %d threads", threads);
    }
    *pool = (struct thread_pool){.worker = worker, .lane = lane};
    memset(lane, 0, (size_t)threads * sizeof *lane);
    pool->spins = threads > processors_available() ? 0 : SPINS; /* who spins there keeps others from work */
    enum status status = start_workers(pool, threads);
    if (status != STATUS_OK)
        thread_pool_close(pool);
    else
        *result = pool;
    return status;
}

void thread_pool_close(struct thread_pool *pool) {
    if (!pool) return;
    release_owner(pool);
    atomic_store(&pool->ends, true);
    advance_ticket(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->worker[i].thread, NULL);
    free(pool->worker);
    free(pool->lane);
    free(pool);
}
