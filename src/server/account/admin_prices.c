/* admin_prices.c - lists of prices, what is in force now, and quotes. */
#include "server/account/admin_call.h"
#include "server/account/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    int64_t account;
    TRY(call_account_or_all(call, &account));
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

/* What an account pays with: its currency, the multiplier of its group. */
struct terms {
    char currency[CURRENCY_BYTES];
    int64_t group;
};

static enum status read_terms_row(void *context, const struct store_row *row) {
    struct terms *terms = context;
    snprintf(terms->currency, sizeof terms->currency, "%s", row_text(row, 0));
    terms->group = row_number(row, 1);
    return STATUS_OK;
}

static enum status read_terms(struct admin_call *call, struct terms *terms) {
    int64_t account;
    *terms = (struct terms){"USD", MICROS};
    TRY(call_account_or_all(call, &account));
    if (!account) return STATUS_OK;
    return store_run(call->ledger->store,
                     "SELECT currency, multiplier FROM accounts JOIN account_groups ON account_groups.name = "
                     "accounts.group_name WHERE accounts.id = ?",
                     STORE_VALUES(store_number(account)), read_terms_row, terms);
}

static enum status read_request(struct admin_call *call, const struct terms *terms,
                                struct bill_request *request) {
    const char *units;
    TRY(call_text(call, "model", "deepseek-chat", &request->model));
    TRY(call_text(call, "currency", terms->currency, &request->currency));
    TRY(call_instant(call, "time", call->now, &request->seconds));
    TRY(call_money(call, "group", MONEY_MULTIPLIER_LIMIT, terms->group, &request->group));
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
    struct terms terms;
    int64_t id = 0;
    TRY(read_terms(call, &terms));
    TRY(read_request(call, &terms, &request));
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

/* ---- prices of this moment ---- */

struct moment {
    struct admin_call *call;
    const struct price_list *list;
    const char *currency;
    int64_t group, seconds;
    json_t *rows;
};

/* Rounded to the nearest micro-unit: what is shown, not what is charged. */
static int64_t effective(const struct price *price, int64_t group) {
    const __int128 exact = (__int128)price->price * price->multiplier * group;
    const __int128 unit = (__int128)MICROS * MICROS;
    return (int64_t)((exact + unit / 2) / unit);
}

static json_t *windows_of(const struct moment *moment, const struct price_row *row, enum price_class class) {
    json_t *windows = json_array();
    for (int i = 0; i < row->windows; i++) {
        const struct price price = price_in_window(row, &row->window[i], class);
        json_array_append_new(windows, json_pack("{s:s, s:o}", "window", row->window[i].text, "price",
                                                 money_json(effective(&price, moment->group))));
    }
    return windows;
}

/* A class without a price is not offered: it has no row. */
static enum status add_moment(const struct moment *moment, const char *model, enum price_class class) {
    struct price price;
    char from[INSTANT_TEXT_BYTES];
    if (price_resolve(moment->list, model, moment->currency, class, moment->seconds, &price) != STATUS_OK)
        return STATUS_OK;
    const struct price rest = price_in_window(price.row, NULL, class);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:s}", "model", model, "class", price_class_name(class),
        "currency", moment->currency, "now", money_json(effective(&price, moment->group)), "price",
        money_json(effective(&rest, moment->group)), "window", price.window ? price.window->text : "",
        "windows", windows_of(moment, price.row, class), "since", instant_print(price.row->from, from),
        "source", price.row->source);
    return json_array_append_new(moment->rows, row) ? fail(STATUS_MEMORY, "out of memory for prices")
                                                    : STATUS_OK;
}

static enum status add_model(const struct moment *moment, const char *model) {
    for (size_t i = 0; i < json_array_size(moment->rows); i++)
        if (!strcmp(json_string_value(json_object_get(json_array_get(moment->rows, i), "model")), model))
            return STATUS_OK;
    for (int class = 0; class < PRICE_CLASSES; class ++)
        TRY(add_moment(moment, model, (enum price_class) class));
    return STATUS_OK;
}

static enum status add_named(const struct moment *moment, const char *models) {
    char model[LEDGER_MODEL_BYTES];
    for (int count = 0; *models; count++) {
        const size_t bytes = strcspn(models, ",");
        if (bytes >= sizeof model || count == PRICE_MODELS_LIMIT)
            return fail(STATUS_INPUT, "models: at most %d names of at most %d bytes", PRICE_MODELS_LIMIT,
                        LEDGER_MODEL_BYTES - 1);
        snprintf(model, sizeof model, "%.*s", (int)bytes, models);
        if (bytes) TRY(add_model(moment, model));
        models += bytes + (models[bytes] == ',');
    }
    return STATUS_OK;
}

/* Models that are named, or all of the list that have a row in this currency. */
enum status prices_now(struct admin_call *call) {
    struct moment moment = {.call = call};
    struct terms terms;
    const char *models;
    int64_t id = 0;
    TRY(read_terms(call, &terms));
    moment.group = terms.group;
    TRY(call_text(call, "currency", terms.currency, &moment.currency));
    TRY(call_text(call, "models", NULL, &models));
    TRY(call_instant(call, "time", call->now, &moment.seconds));
    if (!currency_is_valid(moment.currency))
        return fail(STATUS_INPUT, "currency: three capital letters, such as USD");
    TRY(ledger_prices(call->ledger, &id, &moment.list));
    answer_text(call, "prices", moment.list->name);
    moment.rows = json_array();
    if (json_object_set_new(call->answer, "data", moment.rows))
        return fail(STATUS_MEMORY, "out of memory for prices");
    if (models) return add_named(&moment, models);
    for (int i = 0; i < moment.list->rows; i++) {
        const struct price_row *row = &moment.list->row[i];
        for (int m = 0; m < row->models && !strcmp(row->currency, moment.currency); m++)
            TRY(add_model(&moment, row->model[m]));
    }
    return STATUS_OK;
}
