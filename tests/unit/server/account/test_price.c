/* Amounts, days, and which price is in force: edges of windows, midnight, leap days, holidays, the published history. */
#include "server/account/bill.h"
#include "server/account/calendar.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t at(const char *text) {
    int64_t seconds;
    if (instant_parse(text, "test", &seconds) != STATUS_OK) fail_msg("%s", status_message());
    return seconds;
}

static void amounts_are_read_and_written(void **state) {
    static const struct {
        const char *text;
        int64_t micros;
        const char *back;
    } rows[] = {{"0.28", 280000, "0.28"},
                {"1", 1000000, "1.00"},
                {"0.003625", 3625, "0.003625"},
                {"12.5", 12500000, "12.50"},
                {"0", 0, "0.00"},
                {".5", 500000, "0.50"},
                {"1000", 1000000000, "1000.00"},
                {"0.000001", 1, "0.000001"},
                {"7.", 7000000, "7.00"}};
    static const char *const wrong[] = {"",          ".",   "-1", "1e3",           "1.2.3",
                                        "0.0000001", "1,5", " 1", "99999999999999"};
    char text[MONEY_TEXT_BYTES];
    int64_t micros;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(money_parse(rows[i].text, MONEY_AMOUNT_LIMIT, "x", &micros), STATUS_OK);
        assert_int_equal(micros, rows[i].micros);
        assert_string_equal(money_print(micros, text), rows[i].back);
    }
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(money_parse(wrong[i], MONEY_AMOUNT_LIMIT, "x", &micros), STATUS_INPUT);
    assert_string_equal(money_print(-1500000, text), "-1.50");
    assert_string_equal(money_print(INT64_MIN, text), "-9223372036854.775808");
}

static void a_bill_is_rounded_once(void **state) {
    int64_t micros;
    (void)state;
    /* three lines of 0.4 micro-units each are 1.2, not 0 */
    const struct money_line thirds[] = {{4, 100000, MICROS}, {4, 100000, MICROS}, {4, 100000, MICROS}};
    assert_int_equal(money_bill(thirds, 3, MICROS, &micros), STATUS_OK);
    assert_int_equal(micros, 1);
    const struct money_line half = {1, 500000, MICROS};
    assert_int_equal(money_bill(&half, 1, MICROS, &micros), STATUS_OK);
    assert_int_equal(micros, 1); /* halves up */
    assert_int_equal(money_bill(&half, 1, MICROS - 1, &micros), STATUS_OK);
    assert_int_equal(micros, 0);
    const struct money_line most = {MONEY_UNITS_LIMIT, MONEY_PRICE_LIMIT, MONEY_MULTIPLIER_LIMIT};
    assert_int_equal(money_bill(&most, 1, MONEY_MULTIPLIER_LIMIT, &micros), STATUS_LIMIT);
    const struct money_line over = {MONEY_UNITS_LIMIT + 1, 1, 1};
    assert_int_equal(money_bill(&over, 1, MICROS, &micros), STATUS_LIMIT);
    const struct money_line negative = {-1, 1, 1};
    assert_int_equal(money_bill(&negative, 1, MICROS, &micros), STATUS_LIMIT);
}

static void days_and_instants(void **state) {
    static const char *const wrong[] = {"2025-02-29",
                                        "2100-02-29",
                                        "2026-13-01",
                                        "2026-00-10",
                                        "2026-1-01",
                                        "2026-02-28T25:00Z",
                                        "2026-02-28T16:30",
                                        "2026-02-28T16:30:61Z",
                                        "2026-02-28T16:30:00+99:00",
                                        "20260228",
                                        "",
                                        "2026-02-28T16:30:0Z"};
    char text[INSTANT_TEXT_BYTES];
    int64_t seconds;
    (void)state;
    assert_int_equal(at("1970-01-01"), 0);
    assert_int_equal(at("2000-02-29T12:00Z"), 951825600);
    assert_int_equal(at("2025-09-06T00:00:00+08:00"), at("2025-09-05T16:00:00Z"));
    assert_int_equal(at("2024-02-29T24:00Z"), at("2024-03-01"));
    assert_string_equal(instant_print(at("2024-02-29T23:59:59Z"), text), "2024-02-29T23:59:59Z");
    assert_string_equal(instant_print(-1, text), "1969-12-31T23:59:59Z");
    assert_int_equal(weekday_of(day_of(at("2026-11-22"))), 6); /* a Sunday */
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(instant_parse(wrong[i], "x", &seconds), STATUS_INPUT);
    /* every day of 800 years is the day after the one before */
    for (int64_t day = -146097, back; day < 146097; day++) {
        char date[DATE_TEXT_BYTES];
        assert_true(day_parse(day_print(day, date), 10, &back));
        assert_int_equal(back, day);
    }
}

/* ---- which price ---- */

static int64_t amount(const struct price_list *list, const char *model, const char *currency,
                      const char *time, enum price_class class) {
    struct bill bill;
    struct bill_request request = {
        .model = model, .currency = currency, .group = MICROS, .seconds = at(time)};
    request.units.units[class] = 1000000;
    if (bill_make(list, &request, &bill) != STATUS_OK) fail_msg("%s", status_message());
    return bill.micros;
}

static void the_history_bills_like_the_original(void **state) {
    static const struct {
        const char *model, *time;
        int64_t hit, miss, output; /* micro-dollars */
    } rows[] = {
        {"deepseek-chat", "2024-06-01", 140000, 140000, 280000},
        {"deepseek-chat", "2024-08-03", 14000, 140000, 280000},
        {"deepseek-chat", "2025-02-08T15:59:59Z", 14000, 140000, 280000},
        {"deepseek-chat", "2025-02-08T16:00:00Z", 70000, 270000, 1100000},
        {"deepseek-reasoner", "2025-01-25", 140000, 550000, 2190000},
        /* the night of 2025, crossing midnight: from its first second to before its last */
        {"deepseek-chat", "2025-03-10T16:29:59Z", 70000, 270000, 1100000},
        {"deepseek-chat", "2025-03-10T16:30:00Z", 35000, 135000, 550000},
        {"deepseek-chat", "2025-03-11T00:00:00Z", 35000, 135000, 550000},
        {"deepseek-chat", "2025-03-11T00:29:59Z", 35000, 135000, 550000},
        {"deepseek-chat", "2025-03-11T00:30:00Z", 70000, 270000, 1100000},
        {"deepseek-reasoner", "2025-03-10T20:00:00Z", 35000, 135000, 550000},
        {"deepseek-reasoner", "2025-09-05T15:59:59Z", 140000, 550000, 2190000},
        {"deepseek-reasoner", "2025-09-05T16:00:00Z", 70000, 560000, 1680000},
        {"deepseek-chat", "2025-09-05T17:00:00Z", 70000, 560000, 1680000}, /* no night any more */
        {"deepseek-v4-pro", "2026-04-27", 3625, 435000, 870000},
        {"deepseek-flash", "2026-08-22T02:00:00Z", 14000, 440000, 1320000}, /* a Saturday was peak */
        {"deepseek-flash", "2026-09-12T02:00:00Z", 3000, 150000, 600000},   /* and is no more */
        {"deepseek-flash", "2026-09-11T00:59:59Z", 3000, 150000, 600000},
        {"deepseek-flash", "2026-09-11T01:00:00Z", 6000, 300000, 1200000},
        {"deepseek-flash", "2026-09-11T04:00:00Z", 3000, 150000, 600000},
        {"deepseek-flash", "2026-10-01T02:00:00Z", 3000, 150000, 600000}, /* National Day */
        {"deepseek-flash", "2026-10-08T02:00:00Z", 6000, 300000, 1200000},
        {"nobody-knows-it", "2026-10-08T02:00:00Z", 6000, 300000, 1200000}, /* the fallback's */
    };
    struct price_list list;
    struct bill bill;
    (void)state;
    assert_int_equal(price_list_open(&list, "deepseek"), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(amount(&list, rows[i].model, "USD", rows[i].time, PRICE_HIT), rows[i].hit);
        assert_int_equal(amount(&list, rows[i].model, "USD", rows[i].time, PRICE_MISS), rows[i].miss);
        assert_int_equal(amount(&list, rows[i].model, "USD", rows[i].time, PRICE_OUTPUT), rows[i].output);
        assert_int_equal(amount(&list, rows[i].model, "USD", rows[i].time, PRICE_REASONING), rows[i].output);
    }
    assert_int_equal(amount(&list, "deepseek-reasoner", "CNY", "2025-03-10T20:00:00Z", PRICE_OUTPUT),
                     4000000);
    assert_int_equal(amount(&list, "deepseek-flash", "CNY", "2026-11-01", PRICE_SEARCH), 5000 * MICROS);
    struct bill_request early = {.model = "deepseek-chat", .currency = "USD", .group = MICROS, .seconds = 0};
    early.units.units[PRICE_HIT] = 1;
    assert_int_equal(bill_make(&list, &early, &bill), STATUS_NOT_FOUND);
    price_list_close(&list);
}

static void a_month_is_frozen(void **state) {
    struct price_list list;
    (void)state;
    assert_int_equal(price_list_open(&list, "deepseek-2025-02"), STATUS_OK);
    assert_int_equal(amount(&list, "deepseek-chat", "USD", "2031-05-05T12:00:00Z", PRICE_OUTPUT), 1100000);
    assert_int_equal(amount(&list, "deepseek-chat", "USD", "2031-05-05T18:00:00Z", PRICE_OUTPUT), 550000);
    assert_int_equal(amount(&list, "deepseek-reasoner", "USD", "1999-05-05T18:00:00Z", PRICE_OUTPUT), 550000);
    price_list_close(&list);
    assert_int_equal(price_list_open(&list, "deepseek-2025-2"), STATUS_INPUT);
    assert_int_not_equal(price_list_open(&list, "nonesuch.json"), STATUS_OK);
}

static void a_reservation_takes_the_highest(void **state) {
    struct price_list list;
    struct price price;
    (void)state;
    assert_int_equal(price_list_open(&list, "deepseek"), STATUS_OK);
    const int64_t sunday = at("2026-11-22T10:00:00Z"), before = at("2026-08-16T12:00:00Z");
    assert_int_equal(price_most(&list, "deepseek-flash", "USD", PRICE_OUTPUT, sunday, sunday, &price),
                     STATUS_OK);
    assert_int_equal(price.price * (price.multiplier / MICROS), 1200000);
    assert_int_equal(price_most(&list, "deepseek-flash", "USD", PRICE_OUTPUT, before, before + 3600, &price),
                     STATUS_OK);
    assert_int_equal(price.price * (price.multiplier / MICROS), 280000);
    assert_int_equal(price_most(&list, "deepseek-flash", "USD", PRICE_OUTPUT, before, before + 86400, &price),
                     STATUS_OK);
    assert_int_equal(price.price * (price.multiplier / MICROS), 1320000); /* a row that begins meanwhile */
    price_list_close(&list);
}

/* Windows of weekdays belong to the day on which they open. */
static void midnight_weekdays_and_holidays(void **state) {
    static const char text[] =
        "{\"name\":\"own\",\"calendars\":{\"c\":{\"days\":[\"2028-02-29\",\"2026-12-31..2027-01-01\"]}},"
        "\"rows\":["
        "{\"models\":[\"m\"],\"from\":\"2020-01-01\",\"EUR\":{\"output\":\"10\",\"reasoning\":\"5\"},"
        "\"windows\":["
        "{\"zone\":\"+05:30\",\"from\":\"22:00\",\"to\":\"02:00\",\"days\":\"fri\",\"holidays\":\"not "
        "c\",\"multiplier\":\"0.5\"},"
        "{\"from\":\"00:00\",\"to\":\"24:00\",\"holidays\":\"only c\",\"EUR\":{\"output\":\"1\"}}]}]}";
    static const struct {
        const char *time;
        int64_t output;
    } rows[] = {
        {"2026-11-20T16:29:59Z", 10},                               /* Friday 21:59:59 there */
        {"2026-11-20T16:30:00Z", 5},  {"2026-11-20T20:29:59Z", 5},  /* Saturday 01:59:59 there */
        {"2026-11-20T20:30:00Z", 10}, {"2026-11-19T19:00:00Z", 10}, /* Friday 00:30 there: Thursday's */
        {"2027-01-01T17:00:00Z", 1}, /* a holiday on a Friday: the other window */
        {"2028-02-28T23:59:59Z", 10}, {"2028-02-29T00:00:00Z", 1},  {"2028-03-01T00:00:00Z", 10}};
    struct price_list list;
    (void)state;
    assert_int_equal(price_list_parse(&list, text, strlen(text), "own"), STATUS_OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(amount(&list, "m", "EUR", rows[i].time, PRICE_OUTPUT), rows[i].output * MICROS);
    assert_int_equal(amount(&list, "m", "EUR", "2025-01-01", PRICE_REASONING), 5 * MICROS);
    assert_int_equal(amount(&list, "m", "EUR", "2028-02-29", PRICE_REASONING), 1 * MICROS);
    price_list_close(&list);
}

static void a_bill_explains_itself(void **state) {
    struct price_list list;
    struct bill bill;
    struct bill_units units;
    struct buffer json = {0}, text = {0};
    int64_t micros;
    struct bill_request request = {.model = "deepseek-chat",
                                   .currency = "USD",
                                   .group = 800000,
                                   .seconds = at("2025-03-10T18:00:00Z"),
                                   .units = {{64, 1000, 500, 250}}};
    (void)state;
    assert_int_equal(price_list_open(&list, "deepseek"), STATUS_OK);
    assert_int_equal(bill_make(&list, &request, &bill), STATUS_OK);
    /* (64 * 0.07 + 1000 * 0.27 + 750 * 1.1) / 2 * 0.8 = 439.79 */
    assert_int_equal(bill.micros, 440);
    bill_print_json(&json, &list, &request, &bill);
    assert_int_equal(bill_check_json(json.data, &units, &micros), STATUS_OK);
    assert_int_equal(micros, 440);
    assert_memory_equal(&units, &request.units, sizeof units);
    assert_int_equal(bill_explain(json.data, &text), STATUS_OK);
    assert_non_null(strstr(text.data, "16:30-00:30 UTC"));
    assert_non_null(strstr(text.data, "= 0.00044 USD"));
    assert_int_equal(bill_check_json("{\"lines\":[{\"class\":\"tea\"}]}", &units, &micros), STATUS_FORMAT);
    buffer_free(&json);
    buffer_free(&text);
    price_list_close(&list);
}

static void what_is_wrong_in_a_list_is_named(void **state) {
#define ROW(rest) "{\"name\":\"x\",\"rows\":[{\"models\":[\"m\"],\"USD\":{\"hit\":\"1\"}" rest "}]}"
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"[]", "must be an object"},
        {"{\"rows\":[]}", "rows: must be an array"},
        {"{\"row\":[]}", "unknown field \"row\""},
        {"{\"rows\":[{\"models\":[\"m\"]}]}", "rows[0]: must be given prices"},
        {"{\"rows\":[{\"USD\":{\"hit\":\"1\"}}]}", "rows[0].models"},
        {"{\"rows\":[{\"models\":[\"m\"],\"USD\":{\"hits\":\"1\"}}]}", "unknown field \"hits\""},
        {"{\"rows\":[{\"models\":[\"m\"],\"USD\":{\"hit\":0.1}}]}", "in quotes"},
        {"{\"rows\":[{\"models\":[\"m\"],\"USD\":{\"hit\":\"-1\"}}]}", "no amount"},
        {"{\"rows\":[{\"models\":[\"m\"],\"usd\":{\"hit\":\"1\"}}]}", "unknown field \"usd\""},
        {ROW(",\"from\":\"soon\""), "'soon' is no time"},
        {ROW(",\"per\":7"), "a divisor"},
        {ROW(",\"windows\":[{\"from\":\"09:00\",\"to\":\"10:00\"}]"), "windows[0].multiplier"},
        {ROW(",\"windows\":[{\"from\":\"09:00\",\"to\":\"09:00\",\"multiplier\":\"2\"}]"), "windows[0].to"},
        {ROW(",\"windows\":[{\"from\":\"25:00\",\"multiplier\":\"2\"}]"), "windows[0].from"},
        {ROW(",\"windows\":[{\"zone\":\"Mars\",\"multiplier\":\"2\"}]"), "windows[0].zone"},
        {ROW(",\"windows\":[{\"days\":\"mon-\",\"multiplier\":\"2\"}]"), "windows[0].days"},
        {ROW(",\"windows\":[{\"days\":\"\",\"multiplier\":\"2\"}]"), "windows[0].days"},
        {ROW(",\"windows\":[{\"holidays\":\"not x\",\"multiplier\":\"2\"}]"), "windows[0].holidays"},
        {ROW(",\"windows\":[{\"multiplier\":\"101\"}]"), "too much"},
        {"{\"calendars\":{\"c\":{\"days\":[\"2026-02-30\"]}},\"rows\":[]}", "calendars.c.days"},
    };
    struct price_list list;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(price_list_parse(&list, rows[i].text, strlen(rows[i].text), "file"), STATUS_INPUT);
        if (!strstr(status_message(), rows[i].words)) fail_msg("%s: %s", rows[i].text, status_message());
        assert_null(list.row);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_read_and_written),
        cmocka_unit_test(a_bill_is_rounded_once),
        cmocka_unit_test(days_and_instants),
        cmocka_unit_test(the_history_bills_like_the_original),
        cmocka_unit_test(a_month_is_frozen),
        cmocka_unit_test(a_reservation_takes_the_highest),
        cmocka_unit_test(midnight_weekdays_and_holidays),
        cmocka_unit_test(a_bill_explains_itself),
        cmocka_unit_test(what_is_wrong_in_a_list_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
