/* teller.c - see teller.h. */
#include "server/account/teller.h"

#include "server/account/calendar.h"
#include "server/account/reader.h"
#include "server/account/task_list.h"
#include "text/json_print.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256, EXPIRY_SECONDS = 60, RETRY_MILLISECONDS = 1000 };

struct teller_wait {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    bool done;
};

struct teller {
    struct teller_options options;
    struct ledger ledger;
    struct journal *journal;
    struct reader *reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct task_list queue, results;
    bool running, closing, urgent;
    int64_t expired; /* when grants were looked through */
    int wake;        /* eventfd: there are results */
    struct event *event;
};

/* ---- transactions ---- */

static enum status work_in_part(struct teller *teller, struct teller_task *task) {
    TRY(store_mark(teller->ledger.store));
    enum status status = task->work(task, &teller->ledger, time(NULL));
    task_keep_status(task, status);
    return store_release(teller->ledger.store, status == STATUS_OK);
}

/* A failure of the transaction itself is one of all tasks in it. */
static void run_together(struct teller *teller, struct teller_task *task[], int tasks) {
    enum status status = store_begin(teller->ledger.store);
    const bool begun = status == STATUS_OK;
    for (int i = 0; i < tasks && status == STATUS_OK; i++) status = work_in_part(teller, task[i]);
    if (status == STATUS_OK) status = store_commit(teller->ledger.store);
    if (status == STATUS_OK) return;
    if (begun) store_rollback(teller->ledger.store);
    for (int i = 0; i < tasks; i++) task_keep_status(task[i], status);
}

static void hand_over(struct teller *teller, struct teller_task *task) {
    struct teller_wait *wait = task->wait;
    if (wait) {
        pthread_mutex_lock(&wait->lock);
        wait->done = true;
        pthread_cond_signal(&wait->ready);
        pthread_mutex_unlock(&wait->lock);
        return;
    }
    task_append(&teller->results, task);
}

/* On the reader's thread. */
static void take_read(void *context, struct teller_task *task) {
    struct teller *teller = context;
    pthread_mutex_lock(&teller->lock);
    hand_over(teller, task);
    pthread_mutex_unlock(&teller->lock);
    (void)!eventfd_write(teller->wake, 1);
}

/* Whether a task has to be tried again: the database was not to be had, and what it does must happen. */
static bool must_repeat(const struct teller *teller, const struct teller_task *task) {
    return task->insists && !teller->closing &&
           (task->status == STATUS_UNAVAILABLE || task->status == STATUS_IO || task->status == STATUS_MEMORY);
}

static void run_batch(struct teller *teller, struct teller_task *task[], int tasks) {
    const int step = store_groups_changes(teller->ledger.store) ? tasks : 1;
    bool repeat = false;
    for (int i = 0; i < tasks; i += step) run_together(teller, task + i, step);
    pthread_mutex_lock(&teller->lock);
    for (int i = 0; i < tasks; i++) {
        const bool again = must_repeat(teller, task[i]);
        repeat |= again;
        if (again)
            task_append(&teller->queue, task[i]);
        else
            hand_over(teller, task[i]);
    }
    pthread_mutex_unlock(&teller->lock);
    (void)!eventfd_write(teller->wake, 1);
    if (repeat) usleep(RETRY_MILLISECONDS * 1000);
}

static void expire_grants(struct teller *teller) {
    const int64_t now = time(NULL);
    int64_t grants;
    if (now - teller->expired < EXPIRY_SECONDS) return;
    teller->expired = now;
    if (store_begin(teller->ledger.store) != STATUS_OK) return;
    if (ledger_expire(&teller->ledger, now, &grants) != STATUS_OK ||
        store_commit(teller->ledger.store) != STATUS_OK)
        store_rollback(teller->ledger.store);
}

/* Lazy tasks wait a second at most, or for others to come. */
static void wait_for_work(struct teller *teller) {
    while (!teller->urgent && !teller->closing) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec++;
        if (pthread_cond_timedwait(&teller->work, &teller->lock, &until) == ETIMEDOUT) break;
    }
}

static void *run(void *context) {
    struct teller *teller = context;
    struct teller_task *task[BATCH];
    while (true) {
        pthread_mutex_lock(&teller->lock);
        if (!teller->queue.first || !teller->urgent) wait_for_work(teller);
        const int tasks = task_take(&teller->queue, task, BATCH);
        if (!teller->queue.first) teller->urgent = false;
        const bool end = teller->closing && tasks == 0;
        pthread_mutex_unlock(&teller->lock);
        if (end) return NULL;
        if (tasks > 0) run_batch(teller, task, tasks);
        expire_grants(teller);
    }
}

/* ---- from other threads ---- */

void teller_push(struct teller *teller, struct teller_task *task) {
    if (task->reads) {
        reader_push(teller->reader, task);
        return;
    }
    pthread_mutex_lock(&teller->lock);
    task_append(&teller->queue, task);
    if (!task->lazy) teller->urgent = true;
    pthread_cond_signal(&teller->work);
    pthread_mutex_unlock(&teller->lock);
}

enum status teller_call(struct teller *teller, struct teller_task *task) {
    struct teller_wait wait = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    task->wait = &wait;
    teller_push(teller, task);
    pthread_mutex_lock(&wait.lock);
    while (!wait.done) pthread_cond_wait(&wait.ready, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    return task->status == STATUS_OK ? STATUS_OK : fail(task->status, "%s", task->sentence);
}

struct journal *teller_journal(struct teller *teller) {
    return teller->journal;
}

static void deliver(struct teller *teller) {
    pthread_mutex_lock(&teller->lock);
    struct teller_task *task = task_take_all(&teller->results);
    pthread_mutex_unlock(&teller->lock);
    for (struct teller_task *next; task; task = next) {
        next = task->next;
        task->done(task);
    }
}

static void on_wake(evutil_socket_t wake, short what, void *context) {
    eventfd_t count;
    (void)what;
    (void)!eventfd_read(wake, &count);
    deliver(context);
}

/* ---- what an earlier server has left ---- */

void teller_log_charge(struct buffer *line, const struct ledger_use *use, int64_t now) {
    const int64_t *units = use->units.units;
    char time_text[INSTANT_TEXT_BYTES], amount[MONEY_TEXT_BYTES];
    buffer_printf(line, "{\"time\":\"%s\",\"level\":\"info\",\"event\":\"request\",\"id\":",
                  instant_print(now, time_text));
    json_print_text(line, use->request, strlen(use->request));
    buffer_append_text(line, ",\"account\":");
    json_print_text(line, use->name, strlen(use->name));
    buffer_append_text(line, ",\"model\":");
    json_print_text(line, use->model, strlen(use->model));
    buffer_printf(line,
                  ",\"prompt_tokens\":%lld,\"hit_tokens\":%lld,\"generated_tokens\":%lld,\"charged\":\"%s\","
                  "\"currency\":\"%.3s\",\"recovered\":true}",
                  (long long)(units[PRICE_HIT] + units[PRICE_MISS]), (long long)units[PRICE_HIT],
                  (long long)(units[PRICE_OUTPUT] + units[PRICE_REASONING]), money_print(use->amount, amount),
                  use->currency);
}

struct leftovers {
    struct left {
        char request[LEDGER_ID_BYTES];
        bool settled;
    } * left;
    int count, capacity;
};

static enum status keep_left(void *context, const char *request, bool settled) {
    struct leftovers *all = context;
    if (all->count == all->capacity) {
        const int capacity = all->capacity ? 2 * all->capacity : 64;
        struct left *grown = realloc(all->left, (size_t)capacity * sizeof *grown);
        if (!grown) return fail(STATUS_MEMORY, "out of memory for what an earlier server has left");
        all->left = grown;
        all->capacity = capacity;
    }
    snprintf(all->left[all->count].request, LEDGER_ID_BYTES, "%s", request);
    all->left[all->count++].settled = settled;
    return STATUS_OK;
}

/* One that had not begun costs nothing. */
static enum status settle_left(struct teller *teller, const struct left *left, int64_t now) {
    const struct journal_slot *slot = journal_find(teller->journal, left->request);
    struct ledger_use use = {.request = left->request, .finish = "crash", .now = now};
    struct buffer line = {0};
    if (slot) {
        use.units.units[PRICE_HIT] = slot->hit;
        use.units.units[PRICE_MISS] = slot->prompt - slot->hit;
        use.units.units[PRICE_OUTPUT] = slot->generated;
    }
    TRY(store_begin(teller->ledger.store));
    TRY(left->settled ? ledger_find_charge(&teller->ledger, &use) : ledger_settle(&teller->ledger, &use));
    TRY(store_commit(teller->ledger.store));
    teller_log_charge(&line, &use, now);
    if (teller->options.log && !line.failed) teller->options.log(teller->options.log_context, line.data);
    buffer_free(&line);
    return STATUS_OK;
}

/* Settled first, then said, then forgotten: a crash in between repeats the saying and nothing else. */
static enum status recover(struct teller *teller, const struct leftovers *all) {
    struct store *store = teller->ledger.store;
    const int64_t now = time(NULL);
    for (int i = 0; i < all->count; i++) TRY(settle_left(teller, &all->left[i], now));
    TRY(store_begin(store));
    for (int i = 0; i < all->count; i++) TRY(ledger_forget(&teller->ledger, all->left[i].request));
    TRY(store_commit(store));
    journal_clear(teller->journal);
    return STATUS_OK;
}

static enum status settle_leftovers(struct teller *teller) {
    struct leftovers all = {0};
    enum status status = ledger_find_left(&teller->ledger, journal_server(teller->journal), keep_left, &all);
    if (status == STATUS_OK) status = recover(teller, &all);
    if (status != STATUS_OK) store_rollback(teller->ledger.store);
    free(all.left);
    return status;
}

/* ---- opening ---- */

static enum status begin_accounts(struct teller *teller) {
    const struct teller_options *options = &teller->options;
    char key[KEY_TEXT_BYTES] = "", sentence[TELLER_SENTENCE];
    const struct price_list *list;
    int64_t id = 0;
    TRY(store_begin(teller->ledger.store));
    TRY(identity_first(&teller->ledger, "USD", time(NULL), key));
    if (options->prices) TRY(ledger_set_prices(&teller->ledger, options->prices, time(NULL)));
    TRY(ledger_prices(&teller->ledger, &id, &list));
    TRY(store_commit(teller->ledger.store));
    if (!*key || !options->notice) return STATUS_OK;
    snprintf(sentence, sizeof sentence,
             "made the account \"admin\" with this key, which is not shown again:\n%s", key);
    options->notice(options->notice_context, sentence);
    return STATUS_OK;
}

static enum status open_parts(struct teller *teller) {
    const struct teller_options *options = &teller->options;
    if (sodium_init() < 0) return fail(STATUS_INTERNAL, "the library of hashes does not start");
    TRY(store_open(&teller->ledger.store, options->where));
    enum status status = begin_accounts(teller);
    if (status != STATUS_OK) store_rollback(teller->ledger.store);
    TRY(status);
    TRY(journal_open(&teller->journal, options->journal));
    TRY(settle_leftovers(teller));
    teller->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (teller->wake < 0) return fail(STATUS_IO, "no eventfd for the accounts: %s", strerror(errno));
    teller->event = event_new(options->base, teller->wake, EV_READ | EV_PERSIST, on_wake, teller);
    if (!teller->event || event_add(teller->event, NULL))
        return fail(STATUS_MEMORY, "out of memory for an event of the accounts");
    TRY(reader_open(&teller->reader, options->where, take_read, teller));
    if (pthread_create(&teller->thread, NULL, run, teller))
        return fail(STATUS_MEMORY, "no thread for the accounts");
    teller->running = true;
    return STATUS_OK;
}

enum status teller_open(struct teller **teller, const struct teller_options *options) {
    struct teller *opened = calloc(1, sizeof *opened);
    *teller = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for the accounts");
    opened->options = *options;
    opened->wake = -1;
    pthread_mutex_init(&opened->lock, NULL);
    pthread_cond_init(&opened->work, NULL);
    enum status status = open_parts(opened);
    if (status == STATUS_OK)
        *teller = opened;
    else
        teller_close(opened);
    return status;
}

/* What was done may ask for more, as a charge that was said asks to be forgotten; the thread has ended. */
static void run_last(struct teller *teller) {
    struct teller_task *task[BATCH];
    deliver(teller);
    for (int tasks; (tasks = task_take(&teller->queue, task, BATCH)) > 0;) {
        run_batch(teller, task, tasks);
        deliver(teller);
    }
}

void teller_close(struct teller *teller) {
    struct store *store;
    if (!teller) return;
    reader_close(teller->reader);
    if (teller->running) {
        pthread_mutex_lock(&teller->lock);
        teller->closing = true;
        pthread_cond_signal(&teller->work);
        pthread_mutex_unlock(&teller->lock);
        pthread_join(teller->thread, NULL);
        run_last(teller);
    }
    if (teller->event) event_free(teller->event);
    if (teller->wake >= 0) close(teller->wake);
    store = teller->ledger.store;
    ledger_close(&teller->ledger);
    store_close(store);
    journal_close(teller->journal);
    pthread_cond_destroy(&teller->work);
    pthread_mutex_destroy(&teller->lock);
    free(teller);
}
