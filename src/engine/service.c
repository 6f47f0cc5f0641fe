/* service.c - the engine's thread, and what other threads share with it.
 *
 * `lock` guards everything behind it. The list of live requests, from acceptance to the last event, is what limits and
 * cancelling look at; a request leaves it before its last event is told, so that whoever hears that may submit the next
 * one. The lock is never held while a listener is called. */
#include "engine/service.h"

#include "base/clock.h"
#include "engine/schedule.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_QUEUE = 256 };
#define DEFAULT_STEP_SECONDS 0.25
#define DEFAULT_DISK_BYTES   ((int64_t)16 << 30)
#define DEFAULT_REPLAY_BYTES ((int64_t)64 << 20)
#define LOOK_SECONDS         0.05 /* between looks at deadlines while all wait for the disk */
#define SAVE_SECONDS         10.0 /* that closing may take for pages which the disk does not have */

struct service {
    struct engine *engine;
    struct scheduler scheduler; /* the engine thread's */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle; /* for the engine's thread; for service_wait() */
    /* guarded by `lock` */
    struct service_limits limits;
    struct request *arrived, **arrived_end;
    struct request *live;
    uint64_t numbers;
    int lives; /* until the last event has been told */
    bool draining, closing;
    bool poked; /* the disk has done something */
    int64_t refusals;
    struct service_counts counts;
};

/* True: the time is over. */
static bool wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, double until) {
    struct timespec at = {.tv_sec = (time_t)until, .tv_nsec = (long)((until - (double)(time_t)until) * 1e9)};
    return pthread_cond_timedwait(condition, lock, &at) != 0;
}

/* ---- engine thread ---- */

static void leave(void *context, struct request *request) {
    struct service *service = context;
    pthread_mutex_lock(&service->lock);
    struct request **at = &service->live;
    while (*at != request) at = &(*at)->live_next;
    *at = request->live_next;
    pthread_mutex_unlock(&service->lock);
}

static void gone(void *context) {
    struct service *service = context;
    struct service_counts counts = scheduler_counts(&service->scheduler);
    pthread_mutex_lock(&service->lock);
    service->counts = counts;
    if (!--service->lives) pthread_cond_broadcast(&service->idle);
    pthread_mutex_unlock(&service->lock);
}

static struct request *take_arrived(struct service *service) {
    struct request *arrived = service->arrived;
    service->arrived = NULL;
    service->arrived_end = &service->arrived;
    return arrived;
}

/* The storage thread's. */
static void poke(void *context) {
    struct service *service = context;
    pthread_mutex_lock(&service->lock);
    service->poked = true;
    pthread_cond_signal(&service->wake);
    pthread_mutex_unlock(&service->lock);
}

/* `lock` is held, and given up meanwhile. */
static void wait_for_work(struct service *service, bool idle) {
    while (!service->closing && !service->arrived && !service->poked) {
        if (idle)
            pthread_cond_wait(&service->wake, &service->lock);
        else if (wait_until(&service->wake, &service->lock, clock_seconds() + LOOK_SECONDS))
            break;
    }
}

/* Waits until there is something to do. False: the service closes. While nobody asks for anything, the disk gets what it
 * does not have. */
static bool next_round(struct service *service, struct request **arrived) {
    struct scheduler *scheduler = &service->scheduler;
    bool idle = scheduler_idle(scheduler);
    scheduler_load(scheduler);
    if (idle) (void)scheduler_save(scheduler);
    struct service_counts counts = scheduler_counts(scheduler);
    pthread_mutex_lock(&service->lock);
    service->counts = counts;
    if (idle || scheduler_waits(scheduler)) wait_for_work(service, idle);
    service->poked = false;
    *arrived = take_arrived(service);
    bool open = !service->closing;
    pthread_mutex_unlock(&service->lock);
    return open;
}

static void *run_engine(void *context) {
    struct service *service = context;
    struct request *arrived;
    bool open;
    do {
        open = next_round(service, &arrived);
        while (arrived) {
            struct request *request = arrived;
            arrived = arrived->next;
            scheduler_add(&service->scheduler, request);
        }
        if (open) scheduler_advance(&service->scheduler);
    } while (open);
    scheduler_abort(&service->scheduler, STATUS_UNAVAILABLE, "the service is stopping");
    scheduler_save_all(&service->scheduler, SAVE_SECONDS);
    return NULL;
}

/* ---- opening ---- */

static void init_locks(struct service *service) {
    pthread_condattr_t monotonic;
    pthread_mutex_init(&service->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&service->wake, &monotonic);
    pthread_cond_init(&service->idle, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_parts(struct service *service) {
    replay_close(service->scheduler.replay);
    page_store_close(service->scheduler.store);
    if (service->engine) scheduler_close(&service->scheduler);
    engine_close(service->engine);
    pthread_cond_destroy(&service->idle);
    pthread_cond_destroy(&service->wake);
    pthread_mutex_destroy(&service->lock);
    free(service);
}

static int64_t or_default(int64_t given, int64_t otherwise) {
    return given ? given : otherwise;
}

static enum status open_store(struct service *service) {
    const struct service_limits *limits = &service->limits;
    struct page_store_options options = {.directory = limits->cache_dir,
                                         .most_bytes = or_default(limits->disk_bytes, DEFAULT_DISK_BYTES),
                                         .written_bytes =
                                             or_default(limits->disk_written_bytes, DEFAULT_DISK_BYTES),
                                         .kv = &service->engine->kv,
                                         .wake = poke,
                                         .context = service};
    struct page_store *store;
    if (!limits->cache_dir || !*limits->cache_dir) return STATUS_OK;
    TRY(page_store_open(&store, &options));
    scheduler_set_store(&service->scheduler, store);
    service->limits.cache_dir = NULL; /* the caller's */
    return STATUS_OK;
}

/* Answers are small beside their pages: a few bytes a token. */
static enum status open_replay(struct service *service) {
    const struct service_limits *limits = &service->limits;
    struct replay_options options = {.tokenizer = service->engine->tokenizer,
                                     .most_bytes = or_default(limits->replay_bytes, DEFAULT_REPLAY_BYTES)};
    if (!options.tokenizer) return STATUS_OK;
    if (service->scheduler.store) options.folder = page_store_folder(service->scheduler.store);
    options.day_bytes = or_default(limits->disk_written_bytes, DEFAULT_DISK_BYTES) / 16;
    return replay_open(&service->scheduler.replay, &options);
}

static enum status open_parts(struct service *service, const struct service_options *options) {
    TRY(engine_open(&service->engine, &options->engine));
    if (service->engine->model.max_rows < service->engine->sequences)
        return fail(STATUS_INPUT, "steps of %d rows are too small for %d answers at once",
                    service->engine->model.max_rows, service->engine->sequences);
    TRY(scheduler_open(&service->scheduler, service->engine, service->limits.step_seconds,
                       service->limits.speculate));
    TRY(open_store(service));
    TRY(open_replay(service));
    service->scheduler.leave = leave;
    service->scheduler.gone = gone;
    service->scheduler.leave_context = service;
    service->counts = scheduler_counts(&service->scheduler);
    return STATUS_OK;
}

enum status service_open(struct service **service, const struct service_options *options) {
    *service = NULL;
    struct service *made = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a service");
    made->limits = options->limits;
    made->arrived_end = &made->arrived;
    if (!made->limits.queue) made->limits.queue = DEFAULT_QUEUE;
    if (!(made->limits.step_seconds > 0)) made->limits.step_seconds = DEFAULT_STEP_SECONDS;
    init_locks(made);
    enum status status = open_parts(made, options);
    if (status == STATUS_OK && pthread_create(&made->thread, NULL, run_engine, made))
        status = fail(STATUS_MEMORY, "the engine's thread cannot be started");
    if (status == STATUS_OK)
        *service = made;
    else
        free_parts(made);
    return status;
}

void service_drain(struct service *service) {
    pthread_mutex_lock(&service->lock);
    service->draining = true;
    pthread_mutex_unlock(&service->lock);
}

bool service_wait(struct service *service, double seconds) {
    double until = clock_seconds() + seconds;
    pthread_mutex_lock(&service->lock);
    while (service->lives && !wait_until(&service->idle, &service->lock, until)) {}
    bool idle = !service->lives;
    pthread_mutex_unlock(&service->lock);
    return idle;
}

void service_close(struct service *service) {
    if (!service) return;
    pthread_mutex_lock(&service->lock);
    service->draining = service->closing = true;
    pthread_cond_signal(&service->wake);
    pthread_mutex_unlock(&service->lock);
    pthread_join(service->thread, NULL);
    free_parts(service);
}

const struct engine *service_engine(const struct service *service) {
    return service->engine;
}

/* ---- prompts ---- */

struct encoding {
    struct replay *replay;
    struct prefix_key root;
};

static enum status look_up(void *context, const char *text, size_t bytes, struct token_list *list,
                           bool *found) {
    const struct encoding *encoding = context;
    return replay_find(encoding->replay, &encoding->root, text, bytes, list, found);
}

enum status service_encode(const struct service *service, const char *isolation, const struct prompt *prompt,
                           struct token_list *list) {
    struct encoding encoding = {service->scheduler.replay, prefix_root(isolation ? isolation : "")};
    if (!service->engine->tokenizer)
        return fail(STATUS_UNSUPPORTED, "%s: there is no tokenizer for prompts",
                    service->engine->model.checkpoint.path);
    return prompt_encode_known(prompt, service->engine->tokenizer, look_up, &encoding, list);
}

/* ---- requests ---- */

/* `lock` is held. */
static enum status check_limits(const struct service *service, const char *account) {
    const struct service_limits *limits = &service->limits;
    int own = 0, waiting = 0;
    if (service->draining) return fail(STATUS_UNAVAILABLE, "the service is shutting down");
    for (const struct request *request = service->live; request; request = request->live_next) {
        own += !strcmp(request->account_name, account);
        waiting += !atomic_load(&request->begun);
    }
    if (limits->account_requests && own >= limits->account_requests)
        return fail(STATUS_BUSY, "the account has %d requests at once, which is the most", own);
    if (waiting >= limits->queue)
        return fail(STATUS_UNAVAILABLE, "%d requests are waiting, which is the most", waiting);
    return STATUS_OK;
}

/* `lock` is held. */
static void accept(struct service *service, struct request *request) {
    request->number = ++service->numbers;
    *service->arrived_end = request;
    service->arrived_end = &request->next;
    request->live_next = service->live;
    service->live = request;
    service->lives++;
    pthread_cond_signal(&service->wake);
}

enum status service_submit(struct service *service, const struct service_request *request, uint64_t *number) {
    struct request *made;
    TRY(request_open(&made, service->engine, request));
    pthread_mutex_lock(&service->lock);
    enum status status = check_limits(service, made->account_name);
    if (status == STATUS_OK) {
        accept(service, made);
        *number = made->number;
    } else {
        service->refusals++;
    }
    pthread_mutex_unlock(&service->lock);
    if (status != STATUS_OK) request_close(made);
    return status;
}

void service_cancel(struct service *service, uint64_t number) {
    pthread_mutex_lock(&service->lock);
    for (struct request *request = service->live; request; request = request->live_next)
        if (request->number == number) atomic_store(&request->cancelled, true);
    pthread_mutex_unlock(&service->lock);
}

void service_counts(struct service *service, struct service_counts *counts) {
    pthread_mutex_lock(&service->lock);
    *counts = service->counts;
    counts->refusals = service->refusals;
    pthread_mutex_unlock(&service->lock);
}
