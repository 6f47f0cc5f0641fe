/* books.c - see books.h. */
#include "support/books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct scratch scratch;
char where[512];
struct ledger ledger;
int64_t now;

/* ---- a database for each test ---- */

/* A schema of its own in PostgreSQL, a file of its own otherwise. */
void books_make_empty(void) {
    static int tests;
    const char *url = getenv("HADAL_TEST_POSTGRES");
    char name[32];
    snprintf(name, sizeof name, "test%d_%d", (int)getpid(), tests++);
    if (!url) {
        snprintf(where, sizeof where, "%s", scratch_path(&scratch, name));
        return;
    }
    struct store *store;
    char sql[96];
    OK(store_open_version(&store, url, 0));
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", name);
    OK(store_run(store, sql, NULL, 0, NULL, NULL));
    store_close(store);
    snprintf(where, sizeof where, "%s%coptions=-csearch_path%%3D%s", url, strchr(url, '?') ? '&' : '?', name);
}

int books_setup(void **state) {
    (void)state;
    now = 1741608000;
    books_make_empty();
    if (store_open(&ledger.store, where) != STATUS_OK) {
        fprintf(stderr, "%s\n", status_message());
        return 1;
    }
    return 0;
}

int books_teardown(void **state) {
    struct store *store = ledger.store;
    (void)state;
    ledger_close(&ledger);
    store_close(store);
    return 0;
}

/* ---- actions ---- */

static json_t *run(const struct admin_action *action, int64_t owner, const char *arguments) {
    json_t *given, *answer;
    assert_non_null(action);
    OK(json_parse(arguments, strlen(arguments), action->name, &given));
    const struct admin_order order = {action, given, owner, now};
    OK(action->reads ? store_begin_reading(ledger.store) : store_begin(ledger.store));
    enum status status = admin_run(&ledger, &order, &answer);
    json_decref(given);
    if (status == STATUS_OK)
        OK(store_commit(ledger.store));
    else
        store_rollback(ledger.store);
    return answer;
}

json_t *act(const char *name, const char *arguments) {
    return run(admin_action_find(name), 0, arguments);
}

json_t *act_as(int64_t owner, const char *name, const char *arguments) {
    return run(admin_own_find(name), owner, arguments);
}

void done(const char *name, const char *arguments) {
    json_t *answer = act(name, arguments);
    if (!answer) fail_msg("%s %s: %s", name, arguments, status_message());
    json_decref(answer);
}

void refused(const char *words, const char *name, const char *arguments) {
    json_t *answer = act(name, arguments);
    if (answer) fail_msg("%s %s: was not refused", name, arguments);
    if (!strstr(status_message(), words)) fail_msg("%s: %s", name, status_message());
}

void audit_is_clean(void) {
    json_t *answer = act("audit", "{}");
    assert_non_null(answer);
    if (!json_is_true(json_object_get(answer, "clean"))) fail_msg("%s", json_dumps(answer, 0));
    json_decref(answer);
}

struct ledger_balance balance_of(int64_t account) {
    struct ledger_balance balance;
    OK(ledger_balance(&ledger, account, now, &balance));
    return balance;
}

void assert_balance(int64_t account, int64_t granted, int64_t topped, int64_t reserved) {
    const struct ledger_balance balance = balance_of(account);
    assert_int_equal(balance.granted, granted);
    assert_int_equal(balance.topped, topped);
    assert_int_equal(balance.reserved, reserved);
}

enum status in_transaction(enum status status) {
    if (status == STATUS_OK) return store_commit(ledger.store);
    store_rollback(ledger.store);
    return status;
}

enum status reserve(const char *request, int64_t prompt, int64_t most, struct ledger_hold *hold) {
    *hold = (struct ledger_hold){.request = request,
                                 .server = "here",
                                 .model = "deepseek-chat",
                                 .account = 1,
                                 .key = 1,
                                 .prompt_tokens = prompt,
                                 .most_tokens = most,
                                 .now = now};
    OK(store_begin(ledger.store));
    return in_transaction(ledger_reserve(&ledger, hold));
}

enum status settle(const char *request, int64_t miss, int64_t output, struct ledger_use *use) {
    *use = (struct ledger_use){.request = request,
                               .finish = "stop",
                               .units = {{[PRICE_MISS] = miss, [PRICE_OUTPUT] = output}},
                               .now = now};
    OK(store_begin(ledger.store));
    return in_transaction(ledger_settle(&ledger, use));
}

void open_account(const char *fields) {
    char arguments[256];
    snprintf(arguments, sizeof arguments, "{\"account\":\"alice\"%s}", fields);
    done("prices set", "{\"prices\":\"deepseek-2025-02\"}");
    done("add", arguments);
    done("key add", "{\"account\":\"alice\",\"name\":\"first\"}");
}

int books_begin(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}

int books_end(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}
