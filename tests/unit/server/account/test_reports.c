/* What operators and owners are shown: usage by all that it is summed up by, CSV, the profit of a day, prices of the moment,
 * pages of lists, and that an owner sees nothing of others. */
#include "server/account/calendar.h"
#include "support/books.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const json_t *rows_of(const json_t *answer) {
    if (!answer) fail_msg("%s", status_message());
    return json_object_get(answer, "data");
}

static const char *text_at(const json_t *rows, size_t row, const char *name) {
    const char *text = json_string_value(json_object_get(json_array_get(rows, row), name));
    return text ? text : "";
}

static int64_t number_at(const json_t *rows, size_t row, const char *name) {
    return json_integer_value(json_object_get(json_array_get(rows, row), name));
}

/* One request of account `account`, key `key`: tokens of each class. */
static void use_tokens(const char *request, int64_t account, int64_t key, const struct bill_units *units) {
    struct ledger_hold hold = {.request = request,
                               .server = "here",
                               .model = "deepseek-reasoner",
                               .account = account,
                               .key = key,
                               .prompt_tokens = units->units[PRICE_HIT] + units->units[PRICE_MISS],
                               .most_tokens = 1000000,
                               .now = now};
    struct ledger_use use = {.request = request, .finish = "stop", .units = *units, .now = now};
    OK(store_begin(ledger.store));
    OK(ledger_reserve(&ledger, &hold));
    OK(ledger_settle(&ledger, &use));
    OK(store_commit(ledger.store));
}

static const struct bill_units some = {
    {[PRICE_HIT] = 640, [PRICE_MISS] = 1000, [PRICE_OUTPUT] = 200, [PRICE_REASONING] = 3000}};

/* Alice (1) has keys 1 and 2, bob (2) key 3. R1 in March 2025: 0.14, 0.55, 2.19; by night 25 %. */
static void two_accounts(void) {
    done("prices set", "{\"prices\":\"deepseek-2025-02\"}");
    done("group set", "{\"group\":\"half\",\"multiplier\":\"0.5\"}");
    done("add", "{\"account\":\"alice\"}");
    done("add", "{\"account\":\"bob\",\"group\":\"half\"}");
    done("key add", "{\"account\":\"alice\",\"name\":\"laptop\"}");
    done("key add", "{\"account\":\"alice\",\"name\":\"phone\"}");
    done("key add", "{\"account\":\"bob\",\"name\":\"server, \\\"old\\\"\"}");
    done("topup", "{\"account\":\"alice\",\"amount\":\"100\"}");
    done("topup", "{\"account\":\"bob\",\"amount\":\"88888\"}");
    use_tokens("a1", 1, 1, &some);
    use_tokens("a2", 1, 2, &some);
    now += DAY_SECONDS;
    use_tokens("a3", 1, 1, &some);
    use_tokens("b1", 2, 3, &some);
}

/* 640 * 0.14 + 1000 * 0.55 + 3200 * 2.19 = 7647.6 micro-units; half of it for bob: 3823.8. */
static void usage_is_summed_up_by_each(void **state) {
    (void)state;
    two_accounts();
    json_t *answer = act("usage", "{\"by\":\"day\"}");
    const json_t *rows = rows_of(answer);
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(text_at(rows, 0, "day"), "2025-03-10");
    assert_string_equal(text_at(rows, 0, "amount"), "0.015296"); /* two of 7648 */
    assert_string_equal(text_at(rows, 1, "amount"), "0.011472");
    json_decref(answer);
    answer = act("usage", "{\"by\":\"key\",\"account\":\"alice\"}");
    rows = rows_of(answer);
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(text_at(rows, 0, "name"), "laptop");
    assert_int_equal(number_at(rows, 0, "requests"), 2);
    assert_int_equal(number_at(rows, 1, "reasoning"), 3000);
    json_decref(answer);
    answer = act("usage", "{\"by\":\"group\"}");
    rows = rows_of(answer);
    assert_string_equal(text_at(rows, 0, "group"), "default");
    assert_string_equal(text_at(rows, 1, "group"), "half");
    assert_string_equal(text_at(rows, 1, "amount"), "0.003824");
    json_decref(answer);
    answer = act("usage", "{\"by\":\"detail\",\"key\":\"1\",\"model\":\"deepseek-reasoner\"}");
    assert_int_equal(json_array_size(rows_of(answer)), 2);
    json_decref(answer);
    answer = act("usage", "{\"by\":\"detail\",\"model\":\"deepseek-chat\"}");
    assert_int_equal(json_array_size(rows_of(answer)), 0);
    json_decref(answer);
    refused("none of", "usage", "{\"by\":\"tea\"}");
}

static void usage_by_class_has_amounts(void **state) {
    (void)state;
    two_accounts();
    json_t *answer = act("usage", "{\"by\":\"class\",\"account\":\"alice\"}");
    const json_t *rows = rows_of(answer);
    static const struct {
        const char *class, *amount;
        int64_t units;
    } wanted[] = {{"hit", "0.000269", 1920},
                  {"miss", "0.00165", 3000},
                  {"output", "0.001314", 600},
                  {"reasoning", "0.01971", 9000}};
    assert_int_equal(json_array_size(rows), COUNT_OF(wanted));
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        assert_string_equal(text_at(rows, i, "class"), wanted[i].class);
        assert_string_equal(text_at(rows, i, "amount"), wanted[i].amount);
        assert_int_equal(number_at(rows, i, "units"), wanted[i].units);
        assert_int_equal(number_at(rows, i, "requests"), 3);
    }
    json_decref(answer);
    answer = act("usage", "{\"by\":\"class\",\"since\":\"2025-03-11\",\"account\":\"bob\"}");
    assert_string_equal(text_at(rows_of(answer), 3, "amount"), "0.003285");
    json_decref(answer);
}

static void lists_are_csv(void **state) {
    struct buffer text = {0};
    (void)state;
    two_accounts();
    json_t *answer = act("usage", "{\"by\":\"key\",\"account\":\"bob\"}");
    OK(admin_print_csv(answer, &text));
    assert_string_equal(text.data, "key,name,currency,requests,hit,miss,output,reasoning,calls,amount\r\n"
                                   "3,\"server, \"\"old\"\"\",USD,1,640,1000,200,3000,0,0.003824\r\n");
    buffer_free(&text);
    json_decref(answer);
    done("grant", "{\"account\":\"bob\",\"amount\":\"1\",\"note\":\"=HYPERLINK(1)\"}");
    answer = act("ledger", "{\"kind\":\"grant\"}");
    OK(admin_print_csv(answer, &text));
    assert_non_null(strstr(text.data, ",\"'=HYPERLINK(1)\"\r\n"));
    buffer_free(&text);
    json_decref(answer);
    answer = act("balance", "{\"account\":\"bob\"}");
    assert_int_equal(admin_print_csv(answer, &text), STATUS_USAGE);
    json_decref(answer);
}

static void lists_have_pages(void **state) {
    int64_t seen = 0, before = INT64_MAX;
    (void)state;
    two_accounts();
    for (int page = 0; page < 10; page++) {
        char arguments[128];
        snprintf(arguments, sizeof arguments, "{\"limit\":3,\"before\":\"%lld\"}", (long long)before);
        json_t *answer = act("ledger", arguments);
        const json_t *rows = rows_of(answer);
        int64_t sum = 0;
        for (size_t i = 0; i < json_array_size(rows); i++) {
            int64_t micros;
            const char *amount = text_at(rows, i, "amount");
            const bool negative = *amount == '-';
            OK(money_parse(amount + negative, MONEY_AMOUNT_LIMIT, "amount", &micros));
            sum += negative ? -micros : micros;
            if (number_at(rows, i, "transfer") < before) seen++;
            before = number_at(rows, i, "transfer");
        }
        assert_int_equal(sum, 0); /* no transfer is cut */
        const bool last = json_array_size(rows) == 0;
        json_decref(answer);
        if (last) break;
    }
    assert_int_equal(seen, 2 + 2 * 4);
    json_t *answer = act("ledger", "{\"request\":\"a2\",\"kind\":\"settle\"}");
    assert_string_equal(text_at(rows_of(answer), 0, "account"), "alice");
    json_decref(answer);
    answer = act("charges", "{\"limit\":1,\"key\":1}");
    assert_string_equal(text_at(rows_of(answer), 0, "request"), "a3");
    char arguments[64];
    snprintf(arguments, sizeof arguments, "{\"key\":1,\"before\":%lld}",
             (long long)number_at(rows_of(answer), 0, "transfer"));
    json_decref(answer);
    answer = act("charges", arguments);
    assert_int_equal(json_array_size(rows_of(answer)), 1);
    assert_string_equal(text_at(rows_of(answer), 0, "request"), "a1");
    json_decref(answer);
}

/* 24 hours at 2 an hour, of which 6 took 500 W and 18 took 100 W: 48 + 4.8 kWh at 0.30 = 49.44. */
static void profit_of_a_day(void **state) {
    (void)state;
    two_accounts();
    const int64_t day = day_of(now), hour = 3600000;
    OK(store_begin(ledger.store));
    OK(ledger_add_hours(&ledger, "one", day, 10 * hour, 5 * hour));
    OK(ledger_add_hours(&ledger, "one", day, 2 * hour, 0));
    OK(ledger_add_hours(&ledger, "two", day, 12 * hour, hour));
    OK(store_commit(ledger.store));
    const char *costs = "{\"since\":\"2025-03-01\",\"hour-price\":\"2\",\"kwh-price\":\"0.3\",\"watts\":500,"
                        "\"idle-watts\":\"100\"}";
    json_t *answer = act("profit", costs);
    const json_t *rows = rows_of(answer);
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(text_at(rows, 0, "hours"), "0.00");
    assert_string_equal(text_at(rows, 0, "revenue"), "0.015296");
    assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "margin_percent")));
    assert_string_equal(text_at(rows, 1, "hours"), "24.00");
    assert_string_equal(text_at(rows, 1, "busy_hours"), "6.00");
    assert_string_equal(text_at(rows, 1, "cost"), "49.44");
    assert_string_equal(text_at(rows, 1, "profit"), "-49.428528");
    assert_string_equal(text_at(rows, 1, "margin_percent"), "-99.98");
    assert_int_equal(number_at(rows, 1, "output"), 6400);
    json_decref(answer);
    /* the published day: revenue 562,027 of a cost of 87,072 is 545 % */
    OK(store_begin(ledger.store));
    OK(store_do(ledger.store, "UPDATE usage_days SET amount = ? WHERE key_id = 1 AND day = ?",
                store_number(INT64_C(562027) * MICROS - 3824), store_number(day)));
    OK(ledger_add_hours(&ledger, "rest", day, (INT64_C(87072) / 2 - 24) * hour, 0));
    OK(store_commit(ledger.store));
    done("setting set", "{\"name\":\"hour-price\",\"value\":\"2\"}");
    answer = act("profit", "{\"since\":\"2025-03-11\"}");
    rows = rows_of(answer);
    assert_string_equal(text_at(rows, 0, "cost"), "87072.00");
    assert_string_equal(text_at(rows, 0, "revenue"), "562027.00");
    assert_string_equal(text_at(rows, 0, "margin_percent"), "545.47");
    assert_string_equal(json_string_value(json_object_get(json_object_get(answer, "total"), "profit")),
                        "474955.00");
    json_decref(answer);
    answer = act("profit", "{\"since\":\"2025-03-11\",\"currency\":\"CNY\"}");
    assert_string_equal(text_at(rows_of(answer), 0, "revenue"), "0.00");
    json_decref(answer);
    refused("none of", "setting set", "{\"name\":\"tea\",\"value\":\"2\"}");
    refused("hour-price", "setting set", "{\"name\":\"hour-price\",\"value\":\"two\"}");
}

static void prices_of_the_moment(void **state) {
    (void)state;
    two_accounts();
    json_t *answer = act("prices now", "{\"models\":\"deepseek-chat,deepseek-chat\",\"time\":"
                                       "\"2025-03-10T17:00:00Z\"}");
    const json_t *rows = rows_of(answer);
    assert_int_equal(json_array_size(rows), 4);
    assert_string_equal(text_at(rows, 2, "class"), "output");
    assert_string_equal(text_at(rows, 2, "now"), "0.55");
    assert_string_equal(text_at(rows, 2, "price"), "1.10");
    assert_string_equal(text_at(rows, 2, "window"), "16:30-00:30 UTC");
    json_decref(answer);
    answer = act_as(2, "prices now", "{\"models\":\"deepseek-chat\",\"time\":\"2025-03-10T12:00:00Z\"}");
    rows = rows_of(answer); /* bob's group has the half */
    assert_string_equal(text_at(rows, 2, "now"), "0.55");
    assert_string_equal(text_at(rows, 2, "window"), "");
    assert_string_equal(text_at(json_object_get(json_array_get(rows, 2), "windows"), 0, "window"),
                        "16:30-00:30 UTC");
    json_decref(answer);
    answer = act("prices now", "{\"currency\":\"CNY\"}");
    assert_true(json_array_size(rows_of(answer)) >= 8);
    json_decref(answer);
    answer = act_as(2, "quote", "{\"output\":1000000}");
    assert_string_equal(json_string_value(json_object_get(answer, "total")), "0.55");
    json_decref(answer);
}

/* Every row that owners have: none takes an account, and what alice is told has nothing of bob's in it. */
static void owners_see_nothing_of_others(void **state) {
    (void)state;
    two_accounts();
    for (int i = 0; admin_own_at(i); i++) {
        const struct admin_action *action = admin_own_at(i);
        assert_ptr_equal(admin_own_find(action->name), action);
        for (int f = 0; f < ADMIN_FIELDS && action->fields[f]; f++)
            assert_null(strstr(action->fields[f], "account"));
        json_t *answer = act_as(1, action->name, "{\"account\":\"bob\"}");
        if (answer) fail_msg("%s takes another's account", action->name);
        assert_non_null(strstr(status_message(), "takes no account"));
    }
    static const struct {
        const char *action, *arguments;
    } rows[] = {{"balance", "{}"},
                {"key list", "{}"},
                {"prices now", "{}"},
                {"prices show", "{}"},
                {"usage", "{\"by\":\"account\"}"},
                {"usage", "{\"by\":\"detail\"}"},
                {"usage", "{\"by\":\"group\"}"},
                {"usage", "{\"by\":\"key\",\"key\":3}"},
                {"usage", "{\"by\":\"class\",\"key\":3}"},
                {"charges", "{\"limit\":1000}"},
                {"charges", "{\"key\":3}"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *answer = act_as(1, rows[i].action, rows[i].arguments);
        if (!answer) fail_msg("%s: %s", rows[i].action, status_message());
        char *text = json_dumps(answer, 0);
        for (const char *const *secret =
                 (const char *const[]){"bob", "half", "b1\"", "88888", "server", NULL};
             *secret; secret++)
            if (strstr(text, *secret) && strcmp(rows[i].action, "prices show"))
                fail_msg("%s %s says %s: %s", rows[i].action, rows[i].arguments, *secret, text);
        if (strstr(rows[i].arguments, "3")) assert_int_equal(json_array_size(rows_of(answer)), 0);
        free(text);
        json_decref(answer);
    }
    assert_null(act_as(1, "quote", "{\"request\":\"b1\"}"));
    assert_null(act_as(1, "key revoke", "{\"id\":3}"));
    assert_null(act_as(1, "key set", "{\"id\":3,\"cap\":\"1\"}"));
    assert_null(admin_own_find("list"));
    assert_null(admin_own_find("topup"));
    assert_null(admin_own_find("ledger"));
    json_t *answer =
        act_as(1, "key set", "{\"id\":2,\"cap\":\"1.5\",\"cap-period\":\"day\",\"name\":\"tablet\"}");
    assert_non_null(answer);
    json_decref(answer);
    answer = act_as(1, "key list", "{}");
    assert_string_equal(text_at(rows_of(answer), 1, "name"), "tablet");
    assert_string_equal(text_at(rows_of(answer), 1, "cap"), "1.50");
    assert_string_equal(text_at(rows_of(answer), 1, "cap_period"), "day");
    json_decref(answer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_DATABASE(usage_is_summed_up_by_each),
        WITH_DATABASE(usage_by_class_has_amounts),
        WITH_DATABASE(lists_are_csv),
        WITH_DATABASE(lists_have_pages),
        WITH_DATABASE(profit_of_a_day),
        WITH_DATABASE(prices_of_the_moment),
        WITH_DATABASE(owners_see_nothing_of_others),
    };
    return cmocka_run_group_tests(tests, books_begin, books_end);
}
