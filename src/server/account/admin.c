/* admin.c - the table of actions, and what they share. */
#include "server/account/admin.h"

#include "server/account/admin_call.h"
#include "server/account/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_LIMIT = 4 << 20 };

static const struct admin_action actions[] = {
    {"add",
     {"account!", "role", "group", "currency", "concurrency", "warn-below"},
     account_add,
     "Make an account."},
    {"list", {NULL}, account_list, "List accounts with their balances.", true},
    {"set",
     {"account!", "role", "group", "status", "concurrency", "warn-below"},
     account_set,
     "Change an account: its group, its limit of requests at once, whether it is active or suspended."},
    {"balance", {"account!"}, money_balance, "Show what an account has.", true},
    {"topup", {"account!", "amount!", "note"}, money_topup, "Add money that was paid."},
    {"grant",
     {"account!", "amount!", "expires", "note"},
     money_grant,
     "Add money that is given, and spent first."},
    {"withdraw", {"account!", "amount!", "note"}, money_withdraw, "Take topped-up money back out."},
    {"key add",
     {"account!", "name", "expires", "models", "addresses", "cap", "cap-period"},
     key_add,
     "Make a key, which is shown this once."},
    {"key list", {"account"}, key_list, "List keys, without the keys.", true},
    {"key set",
     {"id!", "name", "cap", "cap-period"},
     key_set,
     "Change a key's name or cap; a cap of 0 is none."},
    {"key revoke", {"account", "id!"}, key_revoke, "End a key."},
    {"code make",
     {"amount!", "currency", "count", "expires", "batch"},
     code_make,
     "Make codes for topping up, which are shown this once."},
    {"code list", {"batch"}, code_list, "List batches of codes and how many were redeemed.", true},
    {"code redeem", {"account!", "code!"}, code_redeem, "Top an account up with a code."},
    {"group set",
     {"group!", "multiplier!"},
     group_set,
     "Make a group of accounts, or change its multiplier."},
    {"group list", {NULL}, group_list, "List groups.", true},
    {"prices set",
     {"prices!", "content"},
     prices_set,
     "Put a list of prices in force: a file, deepseek, or a month such as deepseek-2025-02."},
    {"prices list", {NULL}, prices_list, "List the lists of prices that were in force.", true},
    {"prices show", {"id"}, prices_show, "Print a list of prices, as JSON to edit.", true},
    {"prices now",
     {"models", "currency", "account", "time"},
     prices_now,
     "List what each class of tokens and calls costs now, with the windows of the day.",
     true},
    {"quote",
     {"request", "account", "model", "currency", "group", "time", "hit", "miss", "output", "reasoning",
      "prices", "units"},
     quote_make,
     "Explain the bill of a request by its id, or of tokens that are named.",
     true},
    {"usage",
     {"account", "by", "since", "until", "model", "key"},
     usage_report,
     "Sum up tokens and amounts by day, model, account, key, group or class, or list all of it (detail).",
     true},
    {"charges",
     {"account", "since", "until", "limit", "model", "key", "before"},
     charge_list,
     "List requests with what they cost.",
     true},
    {"ledger",
     {"account", "limit", "kind", "request", "since", "until", "before"},
     ledger_report,
     "List transfers and their entries.",
     true},
    {"profit",
     {"since", "until", "currency", "hour-price", "kwh-price", "watts", "idle-watts"},
     profit_report,
     "Set what each day brought against what the machine cost, by its measured hours.",
     true},
    {"audit", {NULL}, audit_run, "Check that every sum of the ledger is right.", true},
    {"setting set",
     {"name!", "value!"},
     setting_set,
     "Change a setting: topups on|off, webhook URL, cost-currency, hour-price, kwh-price, watts, "
     "idle-watts."},
    {"setting list", {NULL}, setting_list, "List settings.", true},
};

static const struct admin_action own_actions[] = {
    {"balance", {NULL}, money_balance, "Show what the account has.", true},
    {"key add",
     {"name", "expires", "models", "addresses", "cap", "cap-period"},
     key_add,
     "Make a key, which is shown this once."},
    {"key list", {NULL}, key_list, "List keys, without the keys.", true},
    {"key set", {"id!", "name", "cap", "cap-period"}, key_set, "Change a key's name or cap."},
    {"key revoke", {"id!"}, key_revoke, "End a key."},
    {"code redeem", {"code!"}, code_redeem, "Top the account up with a code."},
    {"prices now", {"models", "time"}, prices_now, "List what each class costs now.", true},
    {"prices show", {NULL}, prices_show, "Print the list of prices in force.", true},
    {"quote",
     {"request", "model", "time", "hit", "miss", "output", "reasoning", "units"},
     quote_make,
     "Explain the bill of a request, or of tokens that are named.",
     true},
    {"usage", {"by", "since", "until", "model", "key"}, usage_report, "Sum up tokens and amounts.", true},
    {"charges",
     {"since", "until", "limit", "model", "key", "before"},
     charge_list,
     "List requests with what they cost.",
     true},
};

const struct admin_action *admin_action_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(actions) ? &actions[index] : NULL;
}

const struct admin_action *admin_own_at(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(own_actions) ? &own_actions[index] : NULL;
}

const struct admin_action *admin_action_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(actions); i++)
        if (!strcmp(actions[i].name, name)) return &actions[i];
    return NULL;
}

const struct admin_action *admin_own_find(const char *name) {
    for (size_t i = 0; i < COUNT_OF(own_actions); i++)
        if (!strcmp(own_actions[i].name, name)) return &own_actions[i];
    return NULL;
}

/* ---- running one ---- */

static bool takes(const struct admin_action *action, const char *name) {
    const size_t bytes = strlen(name);
    for (int i = 0; i < ADMIN_FIELDS && action->fields[i]; i++)
        if (!strncmp(action->fields[i], name, bytes) &&
            (!action->fields[i][bytes] || !strcmp(action->fields[i] + bytes, "!")))
            return true;
    return false;
}

static enum status check_arguments(const struct admin_action *action, const json_t *arguments) {
    const char *name;
    json_t *value;
    if (!json_is_object(arguments)) return fail(STATUS_INPUT, "%s: must be a JSON object", action->name);
    json_object_foreach((json_t *)arguments, name, value) {
        if (!takes(action, name)) return fail(STATUS_INPUT, "%s takes no %.40s", action->name, name);
        if (!json_is_string(value) && !json_is_integer(value))
            return fail(STATUS_INPUT, "%.40s: must be a string or a whole number", name);
        if (json_string_length(value) > TEXT_LIMIT) return fail(STATUS_LIMIT, "%.40s: is too long", name);
    }
    for (int i = 0; i < ADMIN_FIELDS && action->fields[i]; i++) {
        char field[32];
        const size_t bytes = strlen(action->fields[i]);
        snprintf(field, sizeof field, "%.*s", (int)bytes - 1, action->fields[i]);
        if (action->fields[i][bytes - 1] == '!' && !json_object_get(arguments, field))
            return fail(STATUS_USAGE, "%s needs %s", action->name, field);
    }
    return STATUS_OK;
}

enum status admin_run(struct ledger *ledger, const struct admin_order *order, json_t **answer) {
    struct admin_call call = {ledger, order->arguments, order->owner, order->now, NULL};
    *answer = NULL;
    TRY(check_arguments(order->action, order->arguments));
    call.answer = json_object();
    if (!call.answer) return fail(STATUS_MEMORY, "out of memory for the answer");
    enum status status = order->action->run(&call);
    if (status == STATUS_OK)
        *answer = call.answer;
    else
        json_decref(call.answer);
    return status;
}

/* ---- arguments ---- */

bool call_has(const struct admin_call *call, const char *name) {
    return json_object_get(call->arguments, name) != NULL;
}

enum status call_text(const struct admin_call *call, const char *name, const char *fallback,
                      const char **text) {
    const json_t *value = json_object_get(call->arguments, name);
    *text = value ? json_string_value(value) : fallback;
    if (value && !*text) return fail(STATUS_INPUT, "%s: must be a string", name);
    return STATUS_OK;
}

enum status call_number(const struct admin_call *call, const char *name, int64_t low, int64_t high,
                        int64_t fallback, int64_t *number) {
    const json_t *value = json_object_get(call->arguments, name);
    *number = fallback;
    if (!value) return STATUS_OK;
    *number = json_integer_value(value);
    if (json_is_string(value)) {
        char *end;
        *number = strtoll(json_string_value(value), &end, 10);
        if (*end || end == json_string_value(value))
            return fail(STATUS_INPUT, "%s: '%.40s' is no whole number", name, json_string_value(value));
    }
    if (*number >= low && *number <= high) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: must be from %lld to %lld", name, (long long)low, (long long)high);
}

enum status call_money(const struct admin_call *call, const char *name, int64_t limit, int64_t fallback,
                       int64_t *micros) {
    const json_t *value = json_object_get(call->arguments, name);
    char text[32];
    *micros = fallback;
    if (!value) return STATUS_OK;
    if (json_is_string(value)) return money_parse(json_string_value(value), limit, name, micros);
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    return money_parse(text, limit, name, micros);
}

enum status call_instant(const struct admin_call *call, const char *name, int64_t fallback,
                         int64_t *seconds) {
    const json_t *value = json_object_get(call->arguments, name);
    *seconds = fallback;
    if (!value) return STATUS_OK;
    if (json_is_integer(value)) {
        *seconds = json_integer_value(value);
        return *seconds >= 0 && *seconds < INT64_C(1) << 40 ? STATUS_OK
                                                            : fail(STATUS_INPUT, "%s: is no time", name);
    }
    return instant_parse(json_string_value(value), name, seconds);
}

enum status call_account(const struct admin_call *call, int64_t *account) {
    const char *name;
    *account = call->owner;
    if (call->owner) return STATUS_OK;
    TRY(call_text(call, "account", "", &name));
    TRY(store_ask(call->ledger->store, "SELECT id FROM accounts WHERE name = ?",
                  STORE_VALUES(store_text(name)), 0, account));
    return *account ? STATUS_OK : fail(STATUS_NOT_FOUND, "there is no account '%.64s'", name);
}

enum status call_account_or_all(const struct admin_call *call, int64_t *account) {
    *account = 0;
    return call->owner || call_has(call, "account") ? call_account(call, account) : STATUS_OK;
}

/* ---- answers ---- */

void answer_text(struct admin_call *call, const char *name, const char *text) {
    json_object_set_new(call->answer, name, json_string(text));
}

void answer_number(struct admin_call *call, const char *name, int64_t number) {
    json_object_set_new(call->answer, name, json_integer(number));
}

json_t *money_json(int64_t micros) {
    char text[MONEY_TEXT_BYTES];
    return json_string(money_print(micros, text));
}

void answer_money(struct admin_call *call, const char *name, int64_t micros) {
    json_object_set_new(call->answer, name, money_json(micros));
}

static json_t *column_json(enum column_kind kind, const struct store_row *row, int index) {
    const int64_t number = kind == COLUMN_TEXT ? 0 : row_number(row, index);
    char text[INSTANT_TEXT_BYTES];
    switch (kind) {
    case COLUMN_TEXT: return json_string(row_text(row, index));
    case COLUMN_NUMBER: return json_integer(number);
    case COLUMN_MONEY: return money_json(number);
    case COLUMN_INSTANT: return number > 0 ? json_string(instant_print(number, text)) : json_null();
    case COLUMN_DAY: return json_string(day_print(number, text));
    }
    return NULL;
}

enum status columns_read(void *context, const struct store_row *row) {
    const struct columns *columns = context;
    json_t *object = json_object();
    for (int i = 0; i < columns->columns; i++)
        json_object_set_new(object, columns->column[i].name, column_json(columns->column[i].kind, row, i));
    return json_array_append_new(columns->rows, object) ? fail(STATUS_MEMORY, "out of memory for the answer")
                                                        : STATUS_OK;
}

enum status answer_rows(struct admin_call *call, const struct column *column, int columns, const char *sql,
                        const struct store_value *value, int values) {
    struct columns reader = {column, columns, json_array()};
    if (json_object_set_new(call->answer, "data", reader.rows))
        return fail(STATUS_MEMORY, "out of memory for the answer");
    return store_run(call->ledger->store, sql, value, values, columns_read, &reader);
}
