/* reader.c - see reader.h. */
#include "server/account/reader.h"

#include "server/account/task_list.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct reader {
    struct ledger ledger;
    reader_finish *finish;
    void *context;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct task_list queue;
    bool running, closing;
};

static enum status read_only(struct reader *reader, struct teller_task *task) {
    TRY(store_begin_reading(reader->ledger.store));
    enum status status = task->work(task, &reader->ledger, time(NULL));
    task_keep_status(task, status);
    store_rollback(reader->ledger.store); /* there is nothing to keep */
    return STATUS_OK;
}

static void run_task(struct reader *reader, struct teller_task *task, bool closing) {
    enum status status = closing ? fail(STATUS_UNAVAILABLE, "the server is ending") : read_only(reader, task);
    if (status != STATUS_OK) task_keep_status(task, status);
    reader->finish(reader->context, task);
}

static void *run(void *context) {
    struct reader *reader = context;
    while (true) {
        struct teller_task *task;
        pthread_mutex_lock(&reader->lock);
        while (!reader->queue.first && !reader->closing) pthread_cond_wait(&reader->work, &reader->lock);
        const int tasks = task_take(&reader->queue, &task, 1);
        const bool closing = reader->closing;
        pthread_mutex_unlock(&reader->lock);
        if (tasks == 0) return NULL;
        run_task(reader, task, closing);
    }
}

void reader_push(struct reader *reader, struct teller_task *task) {
    pthread_mutex_lock(&reader->lock);
    task_append(&reader->queue, task);
    pthread_cond_signal(&reader->work);
    pthread_mutex_unlock(&reader->lock);
}

static enum status start(struct reader *reader, const char *where) {
    TRY(store_open(&reader->ledger.store, where));
    if (pthread_create(&reader->thread, NULL, run, reader))
        return fail(STATUS_MEMORY, "no thread for readers of the accounts");
    reader->running = true;
    return STATUS_OK;
}

enum status reader_open(struct reader **reader, const char *where, reader_finish *finish, void *context) {
    struct reader *opened = calloc(1, sizeof *opened);
    *reader = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for readers of the accounts");
    opened->finish = finish;
    opened->context = context;
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->work, NULL);
    enum status status = start(opened, where);
    if (status == STATUS_OK)
        *reader = opened;
    else
        reader_close(opened);
    return status;
}

void reader_close(struct reader *reader) {
    struct store *store;
    if (!reader) return;
    store = reader->ledger.store;
    if (reader->running) {
        pthread_mutex_lock(&reader->lock);
        reader->closing = true;
        pthread_cond_signal(&reader->work);
        pthread_mutex_unlock(&reader->lock);
        store_interrupt(store);
        pthread_join(reader->thread, NULL);
    }
    ledger_close(&reader->ledger);
    store_close(store);
    pthread_cond_destroy(&reader->work);
    pthread_mutex_destroy(&reader->lock);
    free(reader);
}
