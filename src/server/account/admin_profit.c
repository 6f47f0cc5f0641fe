/* admin_profit.c - what each day brought, what the machine cost, and what is left.
 *
 * A server measures how long it was there and how long it computed (ledger_add_hours). An hour costs what it is rented for,
 * and the electricity that it takes: watts while it computes, idle watts otherwise. The margin is profit by cost, as in the
 * table that DeepSeek published of its own service (545 %). */
#include "server/account/admin_call.h"
#include "server/account/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { USUAL_DAYS = 30, SETTING_BYTES = 32, HOUR_MILLISECONDS = 3600000 };

struct rates {
    int64_t hour, kwh;         /* micro-units of the currency */
    int64_t watts, idle_watts; /* millionths of a watt */
    char currency[SETTING_BYTES];
};

struct day {
    int64_t up, busy; /* milliseconds */
    int64_t requests, hit, miss, output, revenue;
};

struct report {
    struct admin_call *call;
    struct rates rates;
    json_t *rows;
    struct day total;
    int64_t cost;
};

/* ---- what it costs ---- */

/* An argument, or the setting of the same name. */
static enum status read_rate(struct admin_call *call, const char *name, int64_t *rate) {
    char value[SETTING_BYTES];
    TRY(setting_get(call->ledger, name, value, sizeof value));
    *rate = 0;
    if (*value) TRY(money_parse(value, MONEY_COST_LIMIT, name, rate));
    return call_money(call, name, MONEY_COST_LIMIT, *rate, rate);
}

static enum status read_rates(struct admin_call *call, struct rates *rates) {
    const char *currency;
    TRY(setting_get(call->ledger, "cost-currency", rates->currency, sizeof rates->currency));
    TRY(call_text(call, "currency", *rates->currency ? rates->currency : "USD", &currency));
    if (!currency_is_valid(currency))
        return fail(STATUS_INPUT, "currency: three capital letters, such as USD");
    memmove(rates->currency, currency, strlen(currency) + 1);
    TRY(read_rate(call, "hour-price", &rates->hour));
    TRY(read_rate(call, "kwh-price", &rates->kwh));
    TRY(read_rate(call, "watts", &rates->watts));
    return read_rate(call, "idle-watts", &rates->idle_watts);
}

/* Rounded once, to the nearest micro-unit. A price of 1e12 micro-units, 1e12 millionths of a watt and a day of a thousand
 * machines, 1e11 ms, stay below 2^127. */
static int64_t cost_of(const struct rates *rates, int64_t up, int64_t busy) {
    const int64_t idle = up > busy ? up - busy : 0;
    const __int128 energy = (__int128)busy * rates->watts + (__int128)idle * rates->idle_watts;
    const __int128 hour = HOUR_MILLISECONDS, kilo = (__int128)1000 * MICROS;
    const __int128 exact = (__int128)up * rates->hour * kilo + energy * rates->kwh;
    return (int64_t)((exact + hour * kilo / 2) / (hour * kilo));
}

/* ---- rows ---- */

/* "12.34" of hundredths; NULL text where there is nothing to divide by. */
static json_t *hundredths(__int128 number) {
    char text[32];
    const bool negative = number < 0;
    const int64_t size = (int64_t)(negative ? -number : number);
    snprintf(text, sizeof text, "%s%lld.%02lld", negative ? "-" : "", (long long)(size / 100),
             (long long)(size % 100));
    return json_string(text);
}

static json_t *hours_json(int64_t milliseconds) {
    return hundredths(((__int128)milliseconds * 100 + HOUR_MILLISECONDS / 2) / HOUR_MILLISECONDS);
}

static json_t *margin_json(int64_t revenue, int64_t cost) {
    if (cost <= 0) return json_null();
    const __int128 share = (__int128)(revenue - cost) * 20000 / cost; /* halves of hundredths of a percent */
    return hundredths((share + (share < 0 ? -1 : 1)) / 2);
}

static json_t *row_json(const struct report *report, const struct day *day, int64_t cost) {
    return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "currency",
                     report->rates.currency, "hours", hours_json(day->up), "busy_hours",
                     hours_json(day->busy), "requests", (json_int_t)day->requests, "hit",
                     (json_int_t)day->hit, "miss", (json_int_t)day->miss, "output", (json_int_t)day->output,
                     "revenue", money_json(day->revenue), "cost", money_json(cost), "profit",
                     money_json(day->revenue - cost), "margin_percent", margin_json(day->revenue, cost));
}

static void add_to_total(struct report *report, const struct day *day, int64_t cost) {
    struct day *total = &report->total;
    total->up += day->up;
    total->busy += day->busy;
    total->requests += day->requests;
    total->hit += day->hit;
    total->miss += day->miss;
    total->output += day->output;
    total->revenue += day->revenue;
    report->cost += cost;
}

static enum status read_day(void *context, const struct store_row *row) {
    struct report *report = context;
    const struct day day = {row_number(row, 1), row_number(row, 2), row_number(row, 3), row_number(row, 4),
                            row_number(row, 5), row_number(row, 6), row_number(row, 7)};
    const int64_t cost = cost_of(&report->rates, day.up, day.busy);
    char date[DATE_TEXT_BYTES];
    json_t *object = json_pack("{s:s}", "day", day_print(row_number(row, 0), date)),
           *figures = row_json(report, &day, cost);
    const bool made = object && figures && !json_object_update(object, figures);
    json_decref(figures);
    add_to_total(report, &day, cost);
    if (!made) json_decref(object);
    return made && !json_array_append_new(report->rows, object)
               ? STATUS_OK
               : fail(STATUS_MEMORY, "out of memory for the answer");
}

enum status profit_report(struct admin_call *call) {
    struct report report = {.call = call, .rows = json_array()};
    int64_t since, until;
    if (json_object_set_new(call->answer, "data", report.rows))
        return fail(STATUS_MEMORY, "out of memory for the answer");
    TRY(call_instant(call, "since", call->now - (USUAL_DAYS - 1) * (int64_t)DAY_SECONDS, &since));
    TRY(call_instant(call, "until", INT64_C(1) << 40, &until));
    TRY(read_rates(call, &report.rates));
    TRY(store_run(
        call->ledger->store,
        "SELECT day, SUM(up), SUM(busy), SUM(requests), SUM(hit), SUM(miss), SUM(output), SUM(amount) FROM "
        "(SELECT day, up, busy, 0 AS requests, 0 AS hit, 0 AS miss, 0 AS output, 0 AS amount FROM "
        "machine_days UNION ALL SELECT day, 0, 0, requests, hit, miss, output + reasoning, amount FROM "
        "usage_days JOIN accounts ON accounts.id = usage_days.account WHERE accounts.currency = ?) AS days "
        "WHERE day >= ? AND day < ? GROUP BY day ORDER BY day",
        STORE_VALUES(store_text(report.rates.currency), store_number(day_of(since)),
                     store_number(day_of(until + DAY_SECONDS - 1))),
        read_day, &report));
    json_t *total = row_json(&report, &report.total, report.cost);
    return json_object_set_new(call->answer, "total", total)
               ? fail(STATUS_MEMORY, "out of memory for the answer")
               : STATUS_OK;
}
