/* The teller's two threads: what only reads sees one moment and holds up nobody who changes something. */
#include "server/account/teller.h"
#include "support/books.h"

#include <errno.h>
#include <event2/event.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATIENCE_SECONDS = 60 };

static struct event_base *base;
static struct teller *teller;

static int open_teller(void **state) {
    (void)state;
    if (sodium_init() < 0) return 1;
    books_make_empty();
    base = event_base_new();
    const struct teller_options options = {.where = where,
                                           .journal = scratch_path(&scratch, "journal"),
                                           .prices = "deepseek-2025-02",
                                           .base = base};
    OK(teller_open(&teller, &options));
    return 0;
}

static int close_teller(void **state) {
    (void)state;
    teller_close(teller);
    event_base_free(base);
    return 0;
}

static json_t *run(struct ledger *books, const char *name, int64_t seconds) {
    json_t *answer, *none = json_object();
    const struct admin_order order = {admin_action_find(name), none, 0, seconds};
    OK(admin_run(books, &order, &answer));
    json_decref(none);
    return answer;
}

/* ---- an audit, and a settlement in the middle of it ---- */

struct audit_task {
    struct teller_task task;
    sem_t begun, go_on;
    int64_t before, after;
    bool waited, clean;
};

static int64_t transfers_of(struct ledger *books, int64_t seconds, bool *clean) {
    json_t *answer = run(books, "audit", seconds);
    const int64_t transfers = json_integer_value(json_object_get(answer, "transfers"));
    *clean = json_is_true(json_object_get(answer, "clean"));
    json_decref(answer);
    return transfers;
}

static enum status audit_work(struct teller_task *task, struct ledger *books, int64_t seconds) {
    struct audit_task *own = (struct audit_task *)task;
    struct timespec until;
    own->before = transfers_of(books, seconds, &own->clean);
    sem_post(&own->begun);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_SECONDS;
    int failure;
    while ((failure = sem_timedwait(&own->go_on, &until)) && errno == EINTR) {}
    own->waited = failure == 0;
    own->after = transfers_of(books, seconds, &own->clean);
    return STATUS_OK;
}

static bool heard;
static void audit_done(struct teller_task *task) {
    (void)task;
    heard = true;
}

static enum status change_work(struct teller_task *task, struct ledger *books, int64_t seconds) {
    struct ledger_hold hold = {.request = "r1",
                               .server = "here",
                               .model = "deepseek-chat",
                               .account = 1,
                               .key = 1,
                               .prompt_tokens = 100,
                               .most_tokens = 100,
                               .now = seconds};
    struct ledger_use use = {
        .request = "r1", .finish = "stop", .units = {{[PRICE_MISS] = 100}}, .now = seconds};
    (void)task;
    TRY(ledger_topup(books, 1, 5 * MICROS, seconds, ""));
    TRY(ledger_reserve(books, &hold));
    return ledger_settle(books, &use);
}

static void an_audit_holds_up_no_settlement(void **state) {
    static struct audit_task audit;
    struct teller_task change = {.work = change_work};
    bool clean;
    (void)state;
    audit = (struct audit_task){.task = {.work = audit_work, .done = audit_done, .reads = true}};
    sem_init(&audit.begun, 0, 0);
    sem_init(&audit.go_on, 0, 0);
    heard = false;
    teller_push(teller, &audit.task);
    sem_wait(&audit.begun); /* the audit is in the middle */
    OK(teller_call(teller, &change));
    assert_false(heard);
    sem_post(&audit.go_on);
    while (!heard) event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(audit.task.status, STATUS_OK);
    assert_true(audit.waited && audit.clean);
    assert_int_equal(audit.before, 0);
    assert_int_equal(audit.after, 0); /* it goes on seeing the moment in which it began */
    struct store *store;
    OK(store_open(&store, where));
    struct ledger own = {.store = store};
    OK(store_begin_reading(store));
    assert_int_equal(transfers_of(&own, time(NULL), &clean), 3);
    assert_true(clean);
    OK(store_commit(store));
    ledger_close(&own);
    store_close(store);
    sem_destroy(&audit.begun);
    sem_destroy(&audit.go_on);
}

static enum status write_work(struct teller_task *task, struct ledger *books, int64_t seconds) {
    (void)task;
    return ledger_topup(books, 1, MICROS, seconds, "");
}

static enum status count_work(struct teller_task *task, struct ledger *books, int64_t seconds) {
    bool clean;
    (void)task;
    return transfers_of(books, seconds, &clean) > 0 ? STATUS_OK : STATUS_NOT_FOUND;
}

/* Whoever was told that a change is made reads it. */
static void what_was_changed_is_read(void **state) {
    struct teller_task write = {.work = write_work}, count = {.work = count_work, .reads = true};
    (void)state;
    assert_int_equal(teller_call(teller, &count), STATUS_NOT_FOUND);
    OK(teller_call(teller, &write));
    OK(teller_call(teller, &count));
}

static enum status endless_work(struct teller_task *task, struct ledger *books, int64_t seconds) {
    json_t *answer, *none = json_object();
    const struct admin_order order = {admin_action_find("audit"), none, 0, seconds};
    enum status status = STATUS_OK;
    sem_post(&((struct audit_task *)task)->begun);
    while (status == STATUS_OK) {
        status = admin_run(books, &order, &answer);
        if (status == STATUS_OK) json_decref(answer);
    }
    json_decref(none);
    return status;
}

/* A server that ends does not wait for a report. */
static void the_end_ends_reports(void **state) {
    static struct audit_task endless;
    endless = (struct audit_task){.task = {.work = endless_work, .done = audit_done, .reads = true}};
    struct teller_task never = {.work = count_work, .done = audit_done, .reads = true};
    sem_init(&endless.begun, 0, 0);
    teller_push(teller, &endless.task);
    teller_push(teller, &never);
    sem_wait(&endless.begun);
    close_teller(state);
    assert_int_equal(endless.task.status, STATUS_UNAVAILABLE);
    assert_int_equal(never.status, STATUS_UNAVAILABLE);
    sem_destroy(&endless.begun);
    open_teller(state);
}

#define WITH_TELLER(test) cmocka_unit_test_setup_teardown(test, open_teller, close_teller)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_TELLER(an_audit_holds_up_no_settlement),
        WITH_TELLER(what_was_changed_is_read),
        WITH_TELLER(the_end_ends_reports),
    };
    return cmocka_run_group_tests(tests, books_begin, books_end);
}
