/* desk.c - two queues, two threads, and the way back. `lock` guards the lists; a task belongs to one thread at a time. */
#include "server/desk.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct task_list {
    struct desk_task *first, **end;
};

struct worker {
    struct desk *desk;
    pthread_t thread;
    bool small_only, runs;
};

struct desk {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct task_list small, large, done;
    bool closing;
    size_t bytes; /* of tasks that are not done */
    struct worker worker[2];
    int back; /* eventfd */
    struct event *event;
};

/* ---- lists; `lock` is held ---- */

static void list_empty(struct task_list *list) {
    list->first = NULL;
    list->end = &list->first;
}

static void list_append(struct task_list *list, struct desk_task *task) {
    task->next = NULL;
    *list->end = task;
    list->end = &task->next;
}

static struct desk_task *list_take(struct task_list *list) {
    struct desk_task *task = list->first;
    if (!task) return NULL;
    list->first = task->next;
    if (!list->first) list->end = &list->first;
    return task;
}

/* ---- the desk's threads ---- */

/* NULL: the desk closes, and there is nothing left to do. */
static struct desk_task *next_task(struct worker *worker) {
    struct desk *desk = worker->desk;
    struct desk_task *task = NULL;
    pthread_mutex_lock(&desk->lock);
    while (true) {
        if (!worker->small_only) task = list_take(&desk->large);
        if (!task) task = list_take(&desk->small);
        if (task || desk->closing) break;
        pthread_cond_wait(&desk->wake, &desk->lock);
    }
    pthread_mutex_unlock(&desk->lock);
    return task;
}

/* A task that does not come back is gone. */
static void finish_task(struct desk *desk, struct desk_task *task, size_t bytes, bool back) {
    pthread_mutex_lock(&desk->lock);
    desk->bytes -= bytes;
    if (back) list_append(&desk->done, task);
    pthread_mutex_unlock(&desk->lock);
    if (back) (void)eventfd_write(desk->back, 1);
}

static void *run_worker(void *context) {
    struct worker *worker = context;
    struct desk_task *task;
    while ((task = next_task(worker))) {
        const size_t bytes = task->bytes;
        const bool back = task->work(task->context);
        finish_task(worker->desk, task, bytes, back);
    }
    return NULL;
}

/* ---- the base's thread ---- */

static void deliver(struct desk *desk) {
    pthread_mutex_lock(&desk->lock);
    struct desk_task *task = desk->done.first;
    list_empty(&desk->done);
    pthread_mutex_unlock(&desk->lock);
    for (struct desk_task *next; task; task = next) {
        next = task->next;
        task->done(task->context);
    }
}

static void on_back(evutil_socket_t back, short what, void *context) {
    eventfd_t count;
    (void)what;
    (void)eventfd_read(back, &count);
    deliver(context);
}

bool desk_submit(struct desk *desk, struct desk_task *task) {
    pthread_mutex_lock(&desk->lock);
    const bool fits = task->bytes <= DESK_MOST_BYTES - desk->bytes;
    if (fits) {
        list_append(task->bytes <= DESK_SMALL_BYTES ? &desk->small : &desk->large, task);
        desk->bytes += task->bytes;
        pthread_cond_broadcast(&desk->wake);
    }
    pthread_mutex_unlock(&desk->lock);
    return fits;
}

/* ---- opening ---- */

static enum status open_parts(struct desk *desk, struct event_base *base) {
    desk->back = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (desk->back < 0) return fail(STATUS_IO, "no eventfd for the server: %s", strerror(errno));
    desk->event = event_new(base, desk->back, EV_READ | EV_PERSIST, on_back, desk);
    if (!desk->event || event_add(desk->event, NULL))
        return fail(STATUS_MEMORY, "out of memory for an event of the server");
    for (size_t i = 0; i < COUNT_OF(desk->worker); i++) {
        struct worker *worker = &desk->worker[i];
        *worker = (struct worker){.desk = desk, .small_only = i > 0};
        worker->runs = !pthread_create(&worker->thread, NULL, run_worker, worker);
        if (!worker->runs) return fail(STATUS_MEMORY, "a thread for requests cannot be started");
    }
    return STATUS_OK;
}

enum status desk_open(struct desk **desk, struct event_base *base) {
    struct desk *opened = calloc(1, sizeof *opened);
    *desk = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the server's desk");
    opened->back = -1;
    list_empty(&opened->small);
    list_empty(&opened->large);
    list_empty(&opened->done);
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->wake, NULL);
    enum status status = open_parts(opened, base);
    if (status == STATUS_OK)
        *desk = opened;
    else
        desk_close(opened);
    return status;
}

void desk_close(struct desk *desk) {
    if (!desk) return;
    pthread_mutex_lock(&desk->lock);
    desk->closing = true;
    pthread_cond_broadcast(&desk->wake);
    pthread_mutex_unlock(&desk->lock);
    for (size_t i = 0; i < COUNT_OF(desk->worker); i++)
        if (desk->worker[i].runs) pthread_join(desk->worker[i].thread, NULL);
    deliver(desk);
    if (desk->event) event_free(desk->event);
    if (desk->back >= 0) close(desk->back);
    pthread_cond_destroy(&desk->wake);
    pthread_mutex_destroy(&desk->lock);
    free(desk);
}
