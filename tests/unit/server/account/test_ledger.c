/* The ledger over a real database: SQLite in a file, and PostgreSQL too where HADAL_TEST_POSTGRES is its URL (of an empty
 * database). */
#include "base/rng.h"
#include "server/account/admin.h"
#include "server/account/calendar.h"
#include "server/account/identity.h"
#include "support/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- tests ---- */

static void reserve_settle_refund(void **state) {
    struct ledger_hold hold;
    struct ledger_use use;
    (void)state;
    open_account("");
    assert_int_equal(reserve("r0", 1000, 1000, &hold), STATUS_PAYMENT);
    assert_string_equal(status_message(), "Insufficient Balance");
    done("topup", "{\"account\":\"alice\",\"amount\":\"1\"}");
    OK(reserve("r1", 1000, 1000, &hold));
    assert_int_equal(hold.amount, 270 + 1100);
    assert_int_equal(hold.tokens, 1000);
    assert_balance(1, 0, 1000000 - 1370, 1370);
    OK(settle("r1", 1000, 100, &use));
    assert_int_equal(use.amount, 270 + 110);
    assert_string_equal(use.name, "alice");
    assert_balance(1, 0, 1000000 - 380, 0);
    audit_is_clean();
    /* once more changes nothing, whatever it says */
    OK(settle("r1", 5000, 5000, &use));
    assert_true(use.repeated);
    assert_int_equal(use.amount, 380);
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_forget(&ledger, "r1")));
    OK(settle("r1", 5000, 5000, &use));
    assert_true(use.repeated);
    assert_int_equal(settle("nobody", 1, 1, &use), STATUS_NOT_FOUND);
    assert_int_not_equal(reserve("r1", 10, 10, &hold), STATUS_OK); /* an id is used once */
    assert_balance(1, 0, 1000000 - 380, 0);
    audit_is_clean();
}

static void what_is_granted_is_spent_first(void **state) {
    struct ledger_hold hold;
    struct ledger_use use;
    json_t *answer;
    (void)state;
    open_account("");
    done("topup", "{\"account\":\"alice\",\"amount\":\"0.0010\"}");
    done("grant", "{\"account\":\"alice\",\"amount\":\"0.0005\"}");
    done("grant", "{\"account\":\"alice\",\"amount\":\"0.0002\",\"expires\":\"2025-03-11\"}");
    refused("over already", "grant", "{\"account\":\"alice\",\"amount\":\"1\",\"expires\":\"2025-03-09\"}");
    assert_balance(1, 700, 1000, 0);
    OK(reserve("r1", 0, 1000, &hold)); /* 1100: both grants and 400 of the rest */
    assert_balance(1, 0, 600, 1100);
    OK(settle("r1", 0, 300, &use)); /* 330: the grant that expires, and 130 of the other */
    assert_balance(1, 370, 1000, 0);
    /* a grant that expires while it is reserved goes back to what is lost */
    done("grant", "{\"account\":\"alice\",\"amount\":\"0.0003\",\"expires\":\"2025-03-11\"}");
    OK(reserve("r2", 0, 500, &hold));
    assert_balance(1, 120, 1000, 550);
    now += 86400;
    OK(settle("r2", 0, 100, &use));
    assert_balance(1, 370, 1000, 0);
    int64_t grants;
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_expire(&ledger, now, &grants)));
    assert_int_equal(grants, 1);
    now -= 86400;
    assert_balance(1, 370, 1000, 0);
    answer = act("balance", "{\"account\":\"alice\"}");
    assert_string_equal(json_string_value(json_object_get(answer, "total_balance")), "0.00137");
    json_decref(answer);
    refused("only 0.001 USD", "withdraw", "{\"account\":\"alice\",\"amount\":\"0.002\"}");
    done("withdraw", "{\"account\":\"alice\",\"amount\":\"0.0004\"}");
    assert_balance(1, 370, 600, 0);
    audit_is_clean();
}

static void a_small_balance_bounds_the_answer(void **state) {
    struct ledger_hold hold;
    struct ledger_use use;
    (void)state;
    open_account("");
    done("topup", "{\"account\":\"alice\",\"amount\":\"0.0005\"}");
    OK(reserve("r1", 1000, 100000, &hold));
    assert_int_equal(hold.amount, 500);
    assert_int_equal(hold.tokens, 209); /* 270 + 1.1 * 209 = 499.9 */
    assert_int_equal(reserve("r2", 1, 1, &hold), STATUS_PAYMENT);
    OK(settle("r1", 1000, 209, &use));
    assert_balance(1, 0, 0, 0);
    audit_is_clean();
}

static void limits_of_accounts_and_keys(void **state) {
    struct ledger_hold hold;
    struct ledger_use use;
    (void)state;
    open_account(",\"concurrency\":2");
    done("topup", "{\"account\":\"alice\",\"amount\":\"100\"}");
    OK(reserve("r1", 10, 10, &hold));
    OK(reserve("r2", 10, 10, &hold));
    assert_int_equal(reserve("r3", 10, 10, &hold), STATUS_BUSY);
    OK(settle("r1", 10, 10, &use));
    OK(reserve("r4", 10, 10, &hold));
    done("set", "{\"account\":\"alice\",\"concurrency\":\"0\",\"warn-below\":\"99.99\"}");
    /* a key with a cap by day */
    done("key add", "{\"account\":\"alice\",\"cap\":\"0.001\",\"cap-period\":\"day\",\"models\":\"deepseek-"
                    "chat,other\"}");
    hold = (struct ledger_hold){.request = "c1",
                                .server = "here",
                                .model = "deepseek-chat",
                                .account = 1,
                                .key = 2,
                                .prompt_tokens = 1000,
                                .most_tokens = 1000,
                                .now = now};
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_reserve(&ledger, &hold)));
    assert_int_equal(hold.amount, 1000);
    hold.request = "c2";
    OK(store_begin(ledger.store));
    assert_int_equal(in_transaction(ledger_reserve(&ledger, &hold)), STATUS_PAYMENT);
    assert_non_null(strstr(status_message(), "spend cap"));
    OK(settle("c1", 1000, 500, &use));
    hold.prompt_tokens = 10;
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_reserve(&ledger, &hold)));
    assert_int_equal(hold.amount, 1000 - 820);
    hold.request = "c3", hold.model = "deepseek-reasoner";
    OK(store_begin(ledger.store));
    assert_int_equal(in_transaction(ledger_reserve(&ledger, &hold)), STATUS_FORBIDDEN);
    hold.model = "deepseek-chat", hold.now = now + 86400; /* another day; what is reserved still counts */
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_reserve(&ledger, &hold)));
    assert_int_equal(hold.amount, 1000 - 180);
    audit_is_clean();
}

/* Each of several answers has a token at least: what does not pay for all of them pays for none. */
static void several_answers_need_a_token_each(void **state) {
    struct ledger_use use;
    (void)state;
    open_account("");
    done("topup", "{\"account\":\"alice\",\"amount\":\"0.000004\"}");
    struct ledger_hold hold = {.request = "two",
                               .server = "here",
                               .model = "deepseek-chat",
                               .account = 1,
                               .prompt_tokens = 10,
                               .most_tokens = 1000,
                               .least_tokens = 2,
                               .now = now};
    OK(store_begin(ledger.store));
    assert_int_equal(in_transaction(ledger_reserve(&ledger, &hold)), STATUS_PAYMENT);
    assert_non_null(strstr(status_message(), "Insufficient Balance"));
    hold.request = "one", hold.least_tokens = 1;
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_reserve(&ledger, &hold)));
    assert_int_equal(hold.tokens, 1);
    OK(settle("one", 10, 1, &use));
    assert_int_equal(use.amount, 4);
    done("topup", "{\"account\":\"alice\",\"amount\":\"0.000006\"}");
    hold.request = "three", hold.least_tokens = 3;
    OK(store_begin(ledger.store));
    OK(in_transaction(ledger_reserve(&ledger, &hold)));
    assert_int_equal(hold.tokens, 3);
    audit_is_clean();
}

static void groups_multiply_and_balances_warn_once(void **state) {
    struct ledger_hold hold;
    struct ledger_use use;
    (void)state;
    done("group set", "{\"group\":\"vip\",\"multiplier\":\"0.8\"}");
    open_account(",\"group\":\"vip\",\"warn-below\":\"0.5\"");
    done("topup", "{\"account\":\"alice\",\"amount\":\"1\"}");
    OK(reserve("r1", 0, 500000, &hold));
    assert_int_equal(hold.amount, 440000);
    OK(settle("r1", 0, 500000, &use));
    assert_int_equal(use.amount, 440000);
    assert_false(use.low);
    OK(reserve("r2", 0, 100000, &hold));
    OK(settle("r2", 0, 100000, &use));
    assert_true(use.low);
    assert_int_equal(use.balance, 1000000 - 440000 - 88000);
    OK(reserve("r3", 0, 1000, &hold));
    OK(settle("r3", 0, 1000, &use));
    assert_false(use.low);
    refused("no group", "set", "{\"account\":\"alice\",\"group\":\"nobody\"}");
    audit_is_clean();
}

static void ledger_rows_never_change(void **state) {
    (void)state;
    open_account("");
    done("topup", "{\"account\":\"alice\",\"amount\":\"1\"}");
    OK(store_begin(ledger.store));
    assert_int_not_equal(store_run(ledger.store, "UPDATE entries SET amount = 2", NULL, 0, NULL, NULL),
                         STATUS_OK);
    assert_non_null(strstr(status_message(), "rows of entries never change"));
    store_rollback(ledger.store);
    OK(store_begin(ledger.store));
    assert_int_not_equal(store_run(ledger.store, "DELETE FROM transfers", NULL, 0, NULL, NULL), STATUS_OK);
    store_rollback(ledger.store);
    audit_is_clean();
    /* and an audit finds what a hand at the database did */
    OK(store_begin(ledger.store));
    OK(store_run(ledger.store, "UPDATE books SET balance = balance + 1 WHERE kind = 'topped'", NULL, 0, NULL,
                 NULL));
    OK(store_commit(ledger.store));
    json_t *answer = act("audit", "{}");
    assert_true(json_is_false(json_object_get(answer, "clean")));
    assert_int_equal(json_array_size(json_object_get(answer, "findings")), 2);
    json_decref(answer);
}

static void codes_are_redeemed_once(void **state) {
    char arguments[256];
    (void)state;
    open_account("");
    json_t *answer = act("code make", "{\"amount\":\"5\",\"count\":3,\"batch\":\"spring\"}");
    const json_t *codes = json_object_get(answer, "data");
    assert_int_equal(json_array_size(codes), 3);
    snprintf(arguments, sizeof arguments, "{\"account\":\"alice\",\"code\":\"%s\"}",
             json_string_value(json_object_get(json_array_get(codes, 1), "code")));
    json_decref(answer);
    done("setting set", "{\"name\":\"topups\",\"value\":\"off\"}");
    refused("Top-ups are suspended", "code redeem", arguments);
    refused("Top-ups are suspended", "topup", "{\"account\":\"alice\",\"amount\":\"1\"}");
    done("setting set", "{\"name\":\"topups\",\"value\":\"on\"}");
    done("code redeem", arguments);
    refused("not valid", "code redeem", arguments);
    refused("not valid", "code redeem", "{\"account\":\"alice\",\"code\":\"0123456789\"}");
    assert_balance(1, 0, 5000000, 0);
    done("add", "{\"account\":\"chen\",\"currency\":\"CNY\"}");
    answer = act("code make", "{\"amount\":\"5\"}");
    snprintf(arguments, sizeof arguments, "{\"account\":\"chen\",\"code\":\"%s\"}",
             json_string_value(json_object_get(json_array_get(json_object_get(answer, "data"), 0), "code")));
    json_decref(answer);
    refused("not valid", "code redeem", arguments); /* of another currency */
    answer = act("code list", "{}");
    assert_int_equal(json_array_size(json_object_get(answer, "data")), 2);
    json_decref(answer);
    audit_is_clean();
}

static enum status identify(const char *key, const char *address, struct identity *identity) {
    char hash[KEY_HASH_TEXT_BYTES];
    secret_hash(key, hash);
    return identity_find(&ledger, hash, address, now, identity);
}

static void keys_are_known_by_their_hash(void **state) {
    struct identity identity;
    char first[KEY_TEXT_BYTES], key[KEY_TEXT_BYTES];
    (void)state;
    OK(identity_first(&ledger, "USD", now, first));
    OK(identify(first, "127.0.0.1", &identity));
    assert_true(identity.admin);
    OK(identity_first(&ledger, "USD", now, key));
    assert_string_equal(key, "");
    done("add", "{\"account\":\"bob\"}");
    json_t *answer =
        act("key add",
            "{\"account\":\"bob\",\"expires\":\"2025-03-11\",\"addresses\":\"10.0.0.0/9, 2001:db8::/33\"}");
    snprintf(key, sizeof key, "%s", json_string_value(json_object_get(answer, "key")));
    json_decref(answer);
    OK(identify(key, "10.127.255.255", &identity));
    assert_string_equal(identity.name, "bob");
    assert_false(identity.admin);
    OK(identify(key, "::ffff:10.0.0.1", &identity));
    OK(identify(key, "2001:db8:7fff::1", &identity));
    assert_int_equal(identify(key, "10.128.0.1", &identity), STATUS_DENIED);
    assert_int_equal(identify(key, "2001:db8:8000::1", &identity), STATUS_DENIED);
    assert_int_equal(identify("sk-000000000000", "10.0.0.1", &identity), STATUS_DENIED);
    now += 86400;
    assert_int_equal(identify(key, "10.0.0.1", &identity), STATUS_DENIED);
    assert_non_null(strstr(status_message(), "expired"));
    now -= 86400;
    done("set", "{\"account\":\"bob\",\"status\":\"suspended\"}");
    assert_int_equal(identify(key, "10.0.0.1", &identity), STATUS_DENIED);
    done("set", "{\"account\":\"bob\",\"status\":\"active\"}");
    refused("no key 1", "key revoke", "{\"account\":\"bob\",\"id\":1}"); /* it is the admin's */
    done("key revoke", "{\"account\":\"bob\",\"id\":2}");
    assert_int_equal(identify(key, "10.0.0.1", &identity), STATUS_DENIED);
    answer = act("key list", "{\"account\":\"bob\"}");
    char *text = json_dumps(answer, 0);
    assert_null(strstr(text, key));
    free(text);
    json_decref(answer);
    refused("'tea'", "key add", "{\"account\":\"bob\",\"addresses\":\"10.0.0.1,tea\"}");
    refused("'10.0.0.0/33'", "key add", "{\"account\":\"bob\",\"addresses\":\"10.0.0.0/33\"}");
    refused("takes no tea", "key add", "{\"account\":\"bob\",\"tea\":\"green\"}");
    refused("needs account", "key add", "{}");
    refused("already", "add", "{\"account\":\"bob\"}");
    refused("must be letters", "add", "{\"account\":\"b b\"}");
}

/* Random requests, repeated and never settled ones among them: an own sum says what must be left. */
static void random_requests_leave_what_an_own_sum_says(void **state) {
    enum { REQUESTS = 400 };
    static int64_t charged[REQUESTS];
    struct rng rng;
    struct ledger_hold hold;
    struct ledger_use use;
    int64_t paid = 0, spent = 0, held = 0;
    (void)state;
    rng_seed(&rng, 7);
    open_account("");
    for (int i = 0; i < REQUESTS; i++) {
        char request[16], arguments[128];
        const int64_t prompt = (int64_t)(rng_next(&rng) % 3000), most = 1 + (int64_t)(rng_next(&rng) % 3000);
        const int64_t output = (int64_t)(rng_next(&rng) % (uint64_t)(most + 1));
        snprintf(request, sizeof request, "q%d", i);
        if (rng_next(&rng) % 4 == 0) {
            const int64_t amount = 1 + (int64_t)(rng_next(&rng) % 9000);
            snprintf(arguments, sizeof arguments, "{\"account\":\"alice\",\"amount\":\"0.%06lld\"}",
                     (long long)amount);
            done(rng_next(&rng) % 2 ? "topup" : "grant", arguments);
            paid += amount;
        }
        if (reserve(request, prompt, most, &hold) != STATUS_OK) continue;
        assert_true(hold.tokens >= 1 && hold.tokens <= most);
        held += hold.amount;
        if (rng_next(&rng) % 20 == 0) continue; /* left open */
        OK(settle(request, prompt, output < hold.tokens ? output : hold.tokens, &use));
        /* 0.27 and 1.10 for a million, once rounded, halves up */
        charged[i] = (prompt * 27 + (output < hold.tokens ? output : hold.tokens) * 110 + 50) / 100;
        assert_int_equal(use.amount, charged[i]);
        spent += use.amount;
        held -= hold.amount;
        if (rng_next(&rng) % 4 == 0) {
            OK(settle(request, 1, 1, &use));
            assert_true(use.repeated);
        }
        const struct ledger_balance balance = balance_of(1);
        assert_true(balance.granted >= 0 && balance.topped >= 0);
        assert_int_equal(balance.granted + balance.topped + balance.reserved, paid - spent);
        assert_int_equal(balance.reserved, held);
    }
    assert_true(spent > 0);
    audit_is_clean();
    json_t *answer = act("usage", "{\"by\":\"model\",\"account\":\"alice\"}");
    const json_t *row = json_array_get(json_object_get(answer, "data"), 0);
    char amount[MONEY_TEXT_BYTES];
    assert_string_equal(json_string_value(json_object_get(row, "amount")), money_print(spent, amount));
    json_decref(answer);
}

/* ---- versions ---- */

static enum status sum_row(void *context, const struct store_row *row) {
    int64_t *sums = context;
    for (int i = 0; i < 3; i++) sums[i] = row_number(row, i);
    return STATUS_OK;
}

static void write_old_rows(struct store *store, int version) {
    OK(store_begin(store));
    OK(store_run(
        store,
        "INSERT INTO accounts (name, role, group_name, currency, status, concurrency, warn_below, warned, "
        "created) VALUES ('old', 'user', 'default', 'USD', 'active', 0, -1, 0, 1)",
        NULL, 0, NULL, NULL));
    OK(store_run(
        store, "INSERT INTO transfers (time, kind, account, request, note) VALUES (1, 'settle', 1, 'x', '')",
        NULL, 0, NULL, NULL));
    for (int i = 0; i < 4; i++) {
        char request[16];
        snprintf(request, sizeof request, "o%d", i);
        OK(store_do(
            store,
            "INSERT INTO charges (request, transfer, account, key_id, model, created, completed, hit, miss, "
            "output, reasoning, calls, amount, shortfall, currency, finish, bill) VALUES (?, 1, 1, 1, 'm', "
            "1, "
            "?, 1, 2, 3, 4, 0, 10, 0, 'USD', 'stop', '{}')",
            store_text(request), store_number(86400 * 3 - 2 + i)));
        if (version >= 3) /* such a program kept sums by day itself */
            OK(store_do(store,
                        "INSERT INTO usage_days (account, key_id, model, day, requests, hit, miss, output, "
                        "reasoning, calls, amount) VALUES (1, 1, 'm', ?, 1, 1, 2, 3, 4, 0, 10) ON CONFLICT "
                        "(account, key_id, model, day) DO UPDATE SET requests = usage_days.requests + 1, "
                        "amount = usage_days.amount + 10",
                        store_number((86400 * 3 - 2 + i) / 86400)));
    }
    OK(store_commit(store));
}

static void every_earlier_version_is_brought_forward(void **state) {
    (void)state;
    for (int version = 1; version < STORE_SCHEMA; version++) {
        struct store *store;
        int64_t sums[3], at;
        books_make_empty();
        OK(store_open_version(&store, where, version));
        OK(store_ask(store, "SELECT version FROM schema_version", NULL, 0, 0, &at));
        assert_int_equal(at, version);
        write_old_rows(store, version);
        store_close(store);
        OK(store_open(&store, where));
        OK(store_run(store, "SELECT COUNT(*), SUM(requests), SUM(amount) FROM usage_days", NULL, 0, sum_row,
                     sums));
        assert_int_equal(sums[0], 2); /* days */
        assert_int_equal(sums[1], 4);
        assert_int_equal(sums[2], 40);
        OK(store_begin(store));
        OK(store_do(store, "INSERT INTO machine_days (server, day, up, busy) VALUES ('x', ?, 1, 0)",
                    store_number(1)));
        OK(store_commit(store));
        OK(store_ask(store, "SELECT COUNT(*) FROM accounts", NULL, 0, 0, &at));
        assert_int_equal(at, 1);
        OK(store_begin(store));
        OK(store_do(store, "UPDATE schema_version SET version = ?", store_number(STORE_SCHEMA + 1)));
        OK(store_commit(store));
        store_close(store);
        assert_int_equal(store_open(&store, where), STATUS_UNSUPPORTED);
        assert_null(store);
    }
}

static void what_is_no_database_is_refused(void **state) {
    struct store *store;
    (void)state;
    const char *path = scratch_text(&scratch, "text",
                                    "this is a file of text that is long enough to have a page's head, "
                                    "or so one may think when one opens it as a database of accounts.");
    assert_int_equal(store_open(&store, path), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), path));
    assert_int_not_equal(store_open(&store, "/nonexistent/accounts.db"), STATUS_OK);
    assert_int_equal(store_open(&store, "postgresql://nobody:secret@127.0.0.1:1/x"), STATUS_UNAVAILABLE);
    assert_null(strstr(status_message(), "secret"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(reserve_settle_refund),
        WITH_DATABASE(what_is_granted_is_spent_first),
        WITH_DATABASE(a_small_balance_bounds_the_answer),
        WITH_DATABASE(limits_of_accounts_and_keys),
        WITH_DATABASE(several_answers_need_a_token_each),
        WITH_DATABASE(groups_multiply_and_balances_warn_once),
        WITH_DATABASE(ledger_rows_never_change),
        WITH_DATABASE(codes_are_redeemed_once),
        WITH_DATABASE(keys_are_known_by_their_hash),
        WITH_DATABASE(random_requests_leave_what_an_own_sum_says),
        cmocka_unit_test(every_earlier_version_is_brought_forward),
        cmocka_unit_test(what_is_no_database_is_refused),
    };
    return cmocka_run_group_tests(tests, books_begin, books_end);
}
