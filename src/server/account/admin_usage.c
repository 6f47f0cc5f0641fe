/* admin_usage.c - what was used and charged, and what the ledger holds. */
#include "server/account/admin_call.h"
#include "server/account/calendar.h"

#include <stdio.h>
#include <string.h>

enum { ROWS_USUAL = 100, ROWS_LIMIT = 1000000 };

/* Which charges: of one account or all, of a key, of a model, in a span of time. */
struct span {
    int64_t account, since, until, key;
    const char *model;
};

static enum status read_span(struct admin_call *call, struct span *span) {
    TRY(call_account_or_all(call, &span->account));
    TRY(call_number(call, "key", 0, INT64_MAX, 0, &span->key));
    TRY(call_text(call, "model", "", &span->model));
    TRY(call_instant(call, "since", 0, &span->since));
    return call_instant(call, "until", INT64_C(1) << 40, &span->until);
}

/* ---- sums ---- */

#define SUMS                                                                                                 \
    "SUM(requests), SUM(hit), SUM(miss), SUM(output), SUM(reasoning), SUM(calls), SUM(usage_days.amount)"
#define USAGE_FROM                                                                                           \
    " FROM usage_days JOIN accounts ON accounts.id = usage_days.account LEFT JOIN keys ON keys.id = "        \
    "usage_days.key_id WHERE (usage_days.account = ? OR CAST(? AS BIGINT) = 0) AND (key_id = ? OR CAST(? "   \
    "AS BIGINT) = 0) AND (model = ? OR CAST(? AS TEXT) = '') AND day >= ? AND day < ? "
#define USAGE_BY(expression)                                                                                 \
    "SELECT " expression ", accounts.currency, " SUMS USAGE_FROM "GROUP BY " expression                      \
    ", accounts.currency ORDER BY " expression ", accounts.currency"

enum { SUM_COLUMNS = 8, HEAD_COLUMNS = 5 };
static const struct column sum_columns[SUM_COLUMNS] = {
    {"currency", COLUMN_TEXT}, {"requests", COLUMN_NUMBER}, {"hit", COLUMN_NUMBER},
    {"miss", COLUMN_NUMBER},   {"output", COLUMN_NUMBER},   {"reasoning", COLUMN_NUMBER},
    {"calls", COLUMN_NUMBER},  {"amount", COLUMN_MONEY}};

/* Days are those of UTC. */
static const struct {
    const char *by;
    struct column head[HEAD_COLUMNS];
    const char *sql;
} sums[] = {
    {"day", {{"day", COLUMN_DAY}}, USAGE_BY("day")},
    {"model", {{"model", COLUMN_TEXT}}, USAGE_BY("model")},
    {"account", {{"account", COLUMN_TEXT}}, USAGE_BY("accounts.name")},
    {"group", {{"group", COLUMN_TEXT}}, USAGE_BY("accounts.group_name")},
    {"key", {{"key", COLUMN_NUMBER}, {"name", COLUMN_TEXT}}, USAGE_BY("key_id, COALESCE(keys.name, '')")},
    {"detail",
     {{"day", COLUMN_DAY},
      {"account", COLUMN_TEXT},
      {"key", COLUMN_NUMBER},
      {"name", COLUMN_TEXT},
      {"model", COLUMN_TEXT}},
     USAGE_BY("day, accounts.name, key_id, COALESCE(keys.name, ''), model")},
};

static enum status sum_up(struct admin_call *call, const struct span *span, size_t which) {
    struct column columns[HEAD_COLUMNS + SUM_COLUMNS];
    int heads = 0;
    while (heads < HEAD_COLUMNS && sums[which].head[heads].name) {
        columns[heads] = sums[which].head[heads];
        heads++;
    }
    memcpy(columns + heads, sum_columns, sizeof sum_columns);
    return answer_rows(call, columns, heads + SUM_COLUMNS, sums[which].sql,
                       STORE_VALUES(store_number(span->account), store_number(span->account),
                                    store_number(span->key), store_number(span->key), store_text(span->model),
                                    store_text(span->model), store_number(day_of(span->since)),
                                    store_number(day_of(span->until + DAY_SECONDS - 1))));
}

/* ---- by class ---- */

enum { CURRENCIES = 8 };

/* Sums of exact products: they are rounded apart, so that together they may miss the sum of bills by what those rounded. */
struct class_sums {
    struct {
        char currency[CURRENCY_BYTES];
        int64_t requests[PRICE_CLASSES], units[PRICE_CLASSES];
        __int128 amount[PRICE_CLASSES]; /* millionths of micro-units of millionths of a million */
    } row[CURRENCIES];
    int rows;
};

static int row_of(struct class_sums *all, const char *currency) {
    int i = 0;
    while (i < all->rows && strcmp(all->row[i].currency, currency)) i++;
    if (i == all->rows && i < CURRENCIES)
        snprintf(all->row[all->rows++].currency, CURRENCY_BYTES, "%s", currency);
    return i < CURRENCIES ? i : -1;
}

static enum status add_bill(void *context, const struct store_row *row) {
    struct class_sums *all = context;
    struct bill_lines lines;
    const int at = row_of(all, row_text(row, 1));
    if (at < 0) return fail(STATUS_LIMIT, "usage: there are more than %d currencies", CURRENCIES);
    TRY(bill_read_json(row_text(row, 0), &lines));
    for (int class = 0; class < PRICE_CLASSES; class ++) {
        const struct money_line *line = &lines.line[class];
        if (!line->units) continue;
        all->row[at].requests[class]++;
        all->row[at].units[class] += line->units;
        all->row[at].amount[class] +=
            (__int128)line->units * line->price * line->multiplier / MICROS * lines.group / MICROS;
    }
    return STATUS_OK;
}

static enum status write_class(struct admin_call *call, json_t *rows, const struct class_sums *all, int at,
                               int class) {
    (void)call;
    if (!all->row[at].requests[class]) return STATUS_OK;
    const int64_t amount = (int64_t)((all->row[at].amount[class] + MICROS / 2) / MICROS);
    json_t *row =
        json_pack("{s:s, s:s, s:I, s:I, s:o}", "class", price_class_name((enum price_class) class),
                  "currency", all->row[at].currency, "requests", (json_int_t)all->row[at].requests[class],
                  "units", (json_int_t)all->row[at].units[class], "amount", money_json(amount));
    return json_array_append_new(rows, row) ? fail(STATUS_MEMORY, "out of memory for the answer") : STATUS_OK;
}

static enum status sum_classes(struct admin_call *call, const struct span *span) {
    struct class_sums all = {.rows = 0};
    json_t *rows = json_array();
    if (json_object_set_new(call->answer, "data", rows))
        return fail(STATUS_MEMORY, "out of memory for the answer");
    TRY(store_run(call->ledger->store,
                  "SELECT bill, currency FROM charges WHERE (account = ? OR CAST(? AS BIGINT) = 0) AND "
                  "(key_id = ? OR CAST(? AS BIGINT) = 0) AND (model = ? OR CAST(? AS TEXT) = '') AND "
                  "completed >= ? AND completed < ?",
                  STORE_VALUES(store_number(span->account), store_number(span->account),
                               store_number(span->key), store_number(span->key), store_text(span->model),
                               store_text(span->model), store_number(span->since), store_number(span->until)),
                  add_bill, &all));
    for (int class = 0; class < PRICE_CLASSES; class ++)
        for (int at = 0; at < all.rows; at++) TRY(write_class(call, rows, &all, at, class));
    return STATUS_OK;
}

enum status usage_report(struct admin_call *call) {
    const char *by;
    struct span span;
    TRY(call_text(call, "by", "day", &by));
    TRY(read_span(call, &span));
    if (!strcmp(by, "class")) return sum_classes(call, &span);
    for (size_t i = 0; i < COUNT_OF(sums); i++)
        if (!strcmp(sums[i].by, by)) return sum_up(call, &span, i);
    return fail(STATUS_INPUT, "by: '%.40s' is none of: day, model, account, key, group, class, detail", by);
}

/* ---- lists, the latest first; `before` is the transfer that a page ended with ---- */

static enum status read_page(const struct admin_call *call, int64_t *limit, int64_t *before) {
    TRY(call_number(call, "limit", 1, ROWS_LIMIT, ROWS_USUAL, limit));
    return call_number(call, "before", 1, INT64_MAX, INT64_MAX, before);
}

enum status charge_list(struct admin_call *call) {
    static const struct column columns[] = {
        {"request", COLUMN_TEXT},  {"account", COLUMN_TEXT},      {"key", COLUMN_NUMBER},
        {"model", COLUMN_TEXT},    {"completed", COLUMN_INSTANT}, {"hit", COLUMN_NUMBER},
        {"miss", COLUMN_NUMBER},   {"output", COLUMN_NUMBER},     {"reasoning", COLUMN_NUMBER},
        {"calls", COLUMN_NUMBER},  {"amount", COLUMN_MONEY},      {"shortfall", COLUMN_MONEY},
        {"currency", COLUMN_TEXT}, {"finish", COLUMN_TEXT},       {"transfer", COLUMN_NUMBER}};
    struct span span;
    int64_t limit, before;
    TRY(read_span(call, &span));
    TRY(read_page(call, &limit, &before));
    return answer_rows(
        call, columns, COUNT_OF(columns),
        "SELECT request, accounts.name, key_id, model, completed, hit, miss, output, reasoning, calls, "
        "amount, shortfall, charges.currency, finish, transfer FROM charges JOIN accounts ON accounts.id = "
        "charges.account WHERE (charges.account = ? OR CAST(? AS BIGINT) = 0) AND (key_id = ? OR CAST(? AS "
        "BIGINT) = 0) AND (model = ? OR CAST(? AS TEXT) = '') AND completed >= ? AND completed < ? AND "
        "transfer < ? ORDER BY transfer DESC LIMIT ?",
        STORE_VALUES(store_number(span.account), store_number(span.account), store_number(span.key),
                     store_number(span.key), store_text(span.model), store_text(span.model),
                     store_number(span.since), store_number(span.until), store_number(before),
                     store_number(limit)));
}

/* The limit counts transfers, so that none is cut. */
enum status ledger_report(struct admin_call *call) {
    static const struct column columns[] = {{"transfer", COLUMN_NUMBER}, {"time", COLUMN_INSTANT},
                                            {"kind", COLUMN_TEXT},       {"account", COLUMN_TEXT},
                                            {"request", COLUMN_TEXT},    {"book", COLUMN_TEXT},
                                            {"amount", COLUMN_MONEY},    {"note", COLUMN_TEXT}};
    const char *kind, *request;
    struct span span;
    int64_t limit, before;
    TRY(read_span(call, &span));
    TRY(read_page(call, &limit, &before));
    TRY(call_text(call, "kind", "", &kind));
    TRY(call_text(call, "request", "", &request));
    return answer_rows(
        call, columns, COUNT_OF(columns),
        "SELECT page.id, page.time, page.kind, accounts.name, page.request, entries.book, entries.amount, "
        "page.note FROM (SELECT id, time, kind, account, request, note FROM transfers WHERE (account = ? OR "
        "CAST(? AS BIGINT) = 0) AND (kind = ? OR CAST(? AS TEXT) = '') AND (request = ? OR CAST(? AS TEXT) = "
        "'') AND time >= ? AND time < ? AND id < ? ORDER BY id DESC LIMIT ?) AS page JOIN entries ON "
        "entries.transfer = page.id JOIN accounts ON accounts.id = page.account ORDER BY page.id DESC, "
        "entries.line",
        STORE_VALUES(store_number(span.account), store_number(span.account), store_text(kind),
                     store_text(kind), store_text(request), store_text(request), store_number(span.since),
                     store_number(span.until), store_number(before), store_number(limit)));
}
