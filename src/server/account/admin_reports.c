/* admin_reports.c - prices, quotes, usage, and what the ledger holds. */
#include "server/account/admin_call.h"
#include "server/account/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_USUAL = 100, ROWS_LIMIT = 1000000 };

/* ---- prices ---- */

enum status prices_set(struct admin_call *call) {
    const char *name, *content;
    int64_t id = 0;
    const struct price_list *list;
    TRY(call_text(call, "prices", "", &name));
    TRY(call_text(call, "content", NULL, &content));
    if (content)
        TRY(ledger_add_prices(call->ledger, name, content, -1, call->now));
    else
        TRY(ledger_set_prices(call->ledger, name, call->now));
    TRY(ledger_prices(call->ledger, &id, &list));
    answer_number(call, "id", id);
    answer_number(call, "rows", list->rows);
    return STATUS_OK;
}

enum status prices_list(struct admin_call *call) {
    static const struct column columns[] = {
        {"id", COLUMN_NUMBER}, {"prices", COLUMN_TEXT}, {"in_force_from", COLUMN_INSTANT}};
    return answer_rows(call, columns, COUNT_OF(columns),
                       "SELECT id, name, created FROM price_lists ORDER BY id", NULL, 0);
}

static enum status read_content(void *context, const struct store_row *row) {
    struct admin_call *call = context;
    answer_text(call, "prices", row_text(row, 0));
    answer_text(call, "content", row_text(row, 1));
    return STATUS_OK;
}

enum status prices_show(struct admin_call *call) {
    const struct price_list *list;
    int64_t id;
    TRY(call_number(call, "id", 0, INT64_MAX, 0, &id));
    TRY(ledger_prices(call->ledger, &id, &list));
    answer_number(call, "id", id);
    return store_run(call->ledger->store, "SELECT name, content FROM price_lists WHERE id = ?",
                     STORE_VALUES(store_number(id)), read_content, call);
}

/* ---- quotes ---- */

struct kept_bill {
    struct buffer text;
    bool found;
};

static enum status read_bill(void *context, const struct store_row *row) {
    struct kept_bill *kept = context;
    kept->found = true;
    buffer_append_text(&kept->text, row_text(row, 0));
    return buffer_check(&kept->text, "the bill");
}

static enum status find_bill(struct admin_call *call, const char *request, struct buffer *bill) {
    struct kept_bill kept = {.found = false};
    int64_t account = 0;
    if (call_has(call, "account")) TRY(call_account(call, &account));
    enum status status = store_run(
        call->ledger->store,
        "SELECT bill FROM charges WHERE request = ? AND (account = ? OR CAST(? AS BIGINT) = 0)",
        STORE_VALUES(store_text(request), store_number(account), store_number(account)), read_bill, &kept);
    if (status == STATUS_OK && !kept.found)
        status = fail(STATUS_NOT_FOUND, "there is no charge for a request '%.64s'", request);
    *bill = kept.text;
    return status;
}

/* "search=3,ocr_pages=2": classes that have no argument of their own. */
static enum status parse_units(const char *text, struct bill_units *units) {
    while (*text) {
        const size_t bytes = strcspn(text, "=");
        int class = 0;
        char *end;
        while (class < PRICE_CLASSES && (strlen(price_class_name((enum price_class) class)) != bytes ||
                                         strncmp(price_class_name((enum price_class) class), text, bytes)))
            class ++;
        if (class == PRICE_CLASSES || !text[bytes])
            return fail(STATUS_INPUT, "units: '%.40s' is not CLASS=NUMBER,...", text);
        units->units[class] = strtoll(text + bytes + 1, &end, 10);
        if (end == text + bytes + 1 || (*end && *end != ',') || units->units[class] < 0)
            return fail(STATUS_INPUT, "units: '%.40s' is not CLASS=NUMBER,...", text);
        text = end + (*end == ',');
    }
    return STATUS_OK;
}

static enum status read_request(struct admin_call *call, struct bill_request *request) {
    const char *units;
    TRY(call_text(call, "model", "deepseek-chat", &request->model));
    TRY(call_text(call, "currency", "USD", &request->currency));
    TRY(call_instant(call, "time", call->now, &request->seconds));
    TRY(call_money(call, "group", MONEY_MULTIPLIER_LIMIT, MICROS, &request->group));
    TRY(call_text(call, "units", "", &units));
    TRY(parse_units(units, &request->units));
    for (int class = PRICE_HIT; class <= PRICE_REASONING; class ++)
        if (call_has(call, price_class_name((enum price_class) class)))
            TRY(call_number(call, price_class_name((enum price_class) class), 0, MONEY_UNITS_LIMIT, 0,
                            &request->units.units[class]));
    return STATUS_OK;
}

/* Prices by name need no database. */
static enum status make_quote(struct admin_call *call, struct buffer *json) {
    struct bill_request request = {0};
    struct price_list named = {0};
    const struct price_list *list = &named;
    const char *prices;
    struct bill bill;
    int64_t id = 0;
    TRY(read_request(call, &request));
    TRY(call_text(call, "prices", NULL, &prices));
    TRY(prices ? price_list_open(&named, prices) : ledger_prices(call->ledger, &id, &list));
    enum status status = bill_make(list, &request, &bill);
    if (status == STATUS_OK) bill_print_json(json, list, &request, &bill);
    price_list_close(&named);
    return status == STATUS_OK ? buffer_check(json, "the bill") : status;
}

enum status quote_make(struct admin_call *call) {
    struct buffer json = {0}, text = {0};
    const char *request;
    json_t *bill = NULL;
    TRY(call_text(call, "request", NULL, &request));
    enum status status = request ? find_bill(call, request, &json) : make_quote(call, &json);
    if (status == STATUS_OK) status = bill_explain(json.data, &text);
    if (status == STATUS_OK) status = json_parse(json.data, json.bytes, "a bill", &bill);
    if (status == STATUS_OK) {
        answer_money(call, "total", json_integer_value(json_object_get(bill, "amount")));
        answer_text(call, "explained", text.data);
        json_object_set_new(call->answer, "bill", bill);
    }
    buffer_free(&json);
    buffer_free(&text);
    return status;
}

/* ---- usage ---- */

struct span {
    int64_t account, since, until;
};

static enum status read_span(struct admin_call *call, struct span *span) {
    *span = (struct span){0};
    if (call_has(call, "account")) TRY(call_account(call, &span->account));
    TRY(call_instant(call, "since", 0, &span->since));
    return call_instant(call, "until", INT64_C(1) << 40, &span->until);
}

#define SUMS                                                                                                 \
    "SUM(requests), SUM(hit), SUM(miss), SUM(output), SUM(reasoning), SUM(calls), SUM(usage_days.amount)"
#define USAGE_FROM                                                                                           \
    " FROM usage_days JOIN accounts ON accounts.id = usage_days.account WHERE (usage_days.account = ? OR "   \
    "CAST(? AS "                                                                                             \
    "BIGINT) = 0) AND day >= ? AND day < ? "
#define USAGE_BY(expression)                                                                                 \
    "SELECT " expression ", currency, " SUMS USAGE_FROM "GROUP BY " expression                               \
    ", currency ORDER BY " expression ", currency"

/* Days are those of UTC. */
enum status usage_report(struct admin_call *call) {
    static const struct {
        const char *by;
        enum column_kind kind;
        const char *sql;
    } rows[] = {{"day", COLUMN_DAY, USAGE_BY("day")},
                {"model", COLUMN_TEXT, USAGE_BY("model")},
                {"account", COLUMN_TEXT, USAGE_BY("accounts.name")},
                {"key", COLUMN_NUMBER, USAGE_BY("key_id")}};
    struct column columns[] = {{"", COLUMN_TEXT},
                               {"currency", COLUMN_TEXT},
                               {"requests", COLUMN_NUMBER},
                               {"hit", COLUMN_NUMBER},
                               {"miss", COLUMN_NUMBER},
                               {"output", COLUMN_NUMBER},
                               {"reasoning", COLUMN_NUMBER},
                               {"calls", COLUMN_NUMBER},
                               {"amount", COLUMN_MONEY}};
    const char *by;
    struct span span;
    TRY(call_text(call, "by", "day", &by));
    TRY(read_span(call, &span));
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (strcmp(rows[i].by, by)) continue;
        columns[0] = (struct column){by, rows[i].kind};
        return answer_rows(call, columns, COUNT_OF(columns), rows[i].sql,
                           STORE_VALUES(store_number(span.account), store_number(span.account),
                                        store_number(day_of(span.since)),
                                        store_number(day_of(span.until + DAY_SECONDS - 1))));
    }
    return fail(STATUS_INPUT, "by: '%.40s' is none of: day, model, account, key", by);
}

enum status charge_list(struct admin_call *call) {
    static const struct column columns[] = {
        {"request", COLUMN_TEXT},  {"account", COLUMN_TEXT},      {"key", COLUMN_NUMBER},
        {"model", COLUMN_TEXT},    {"completed", COLUMN_INSTANT}, {"hit", COLUMN_NUMBER},
        {"miss", COLUMN_NUMBER},   {"output", COLUMN_NUMBER},     {"reasoning", COLUMN_NUMBER},
        {"calls", COLUMN_NUMBER},  {"amount", COLUMN_MONEY},      {"shortfall", COLUMN_MONEY},
        {"currency", COLUMN_TEXT}, {"finish", COLUMN_TEXT}};
    struct span span;
    int64_t limit;
    TRY(read_span(call, &span));
    TRY(call_number(call, "limit", 1, ROWS_LIMIT, ROWS_USUAL, &limit));
    return answer_rows(call, columns, COUNT_OF(columns),
                       "SELECT request, accounts.name, key_id, model, completed, hit, miss, output, "
                       "reasoning, calls, amount, "
                       "shortfall, charges.currency, finish FROM charges JOIN accounts ON accounts.id = "
                       "charges.account WHERE "
                       "(charges.account = ? OR CAST(? AS BIGINT) = 0) AND completed >= ? AND completed < ? "
                       "ORDER BY transfer DESC "
                       "LIMIT ?",
                       STORE_VALUES(store_number(span.account), store_number(span.account),
                                    store_number(span.since), store_number(span.until), store_number(limit)));
}

enum status ledger_report(struct admin_call *call) {
    static const struct column columns[] = {{"transfer", COLUMN_NUMBER}, {"time", COLUMN_INSTANT},
                                            {"kind", COLUMN_TEXT},       {"account", COLUMN_TEXT},
                                            {"request", COLUMN_TEXT},    {"book", COLUMN_TEXT},
                                            {"amount", COLUMN_MONEY},    {"note", COLUMN_TEXT}};
    int64_t account = 0, limit;
    if (call_has(call, "account")) TRY(call_account(call, &account));
    TRY(call_number(call, "limit", 1, ROWS_LIMIT, ROWS_USUAL, &limit));
    return answer_rows(
        call, columns, COUNT_OF(columns),
        "SELECT transfers.id, time, kind, accounts.name, request, book, entries.amount, note FROM transfers "
        "JOIN "
        "entries ON entries.transfer = transfers.id JOIN accounts ON accounts.id = transfers.account WHERE "
        "(transfers.account = ? OR CAST(? AS BIGINT) = 0) ORDER BY transfers.id DESC, line LIMIT ?",
        STORE_VALUES(store_number(account), store_number(account), store_number(limit)));
}
