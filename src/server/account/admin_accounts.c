/* admin_accounts.c - accounts, keys, groups, settings. */
#include "server/account/admin_call.h"
#include "server/account/identity.h"
#include "server/account/words.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { CONCURRENCY_LIMIT = 1000000 };

static enum status check_name(const char *what, const char *name) {
    const size_t bytes = strlen(name);
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._@+-", *c))
            return fail(STATUS_INPUT, "%s: '%.64s' must be letters, digits and . _ @ + -", what, name);
    return bytes > 0 && bytes < LEDGER_NAME_BYTES ? STATUS_OK
                                                  : fail(STATUS_INPUT, "%s: must have 1 to 64 bytes", what);
}

static enum status check_choice(const char *what, const char *value, const char *choices) {
    if (words_have(choices, value)) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: '%.40s' is none of: %s", what, value, choices);
}

/* ---- accounts ---- */

enum status account_add(struct admin_call *call) {
    const char *name, *role, *group, *currency;
    int64_t concurrency, warn_below, id, groups;
    TRY(call_text(call, "account", "", &name));
    TRY(call_text(call, "role", "user", &role));
    TRY(call_text(call, "group", "default", &group));
    TRY(call_text(call, "currency", "USD", &currency));
    TRY(call_number(call, "concurrency", 0, CONCURRENCY_LIMIT, 0, &concurrency));
    TRY(call_money(call, "warn-below", MONEY_AMOUNT_LIMIT, -1, &warn_below));
    TRY(check_name("account", name));
    TRY(check_choice("role", role, "user,admin"));
    if (!currency_is_valid(currency))
        return fail(STATUS_INPUT, "currency: three capital letters, such as USD");
    TRY(store_ask(call->ledger->store, "SELECT COUNT(*) FROM account_groups WHERE name = ?",
                  STORE_VALUES(store_text(group)), 0, &groups));
    if (!groups) return fail(STATUS_NOT_FOUND, "there is no group '%.64s'", group);
    TRY(store_ask(
        call->ledger->store,
        "INSERT INTO accounts (name, role, group_name, currency, status, concurrency, warn_below, warned, "
        "created) VALUES (?, ?, ?, ?, 'active', ?, ?, 0, ?) ON CONFLICT (name) DO NOTHING RETURNING id",
        STORE_VALUES(store_text(name), store_text(role), store_text(group), store_text(currency),
                     store_number(concurrency), store_number(warn_below), store_number(call->now)),
        0, &id));
    if (!id) return fail(STATUS_INPUT, "account: there is a '%.64s' already", name);
    answer_text(call, "account", name);
    answer_number(call, "id", id);
    return STATUS_OK;
}

enum status account_list(struct admin_call *call) {
    static const struct column columns[] = {{"account", COLUMN_TEXT},       {"role", COLUMN_TEXT},
                                            {"group", COLUMN_TEXT},         {"status", COLUMN_TEXT},
                                            {"currency", COLUMN_TEXT},      {"granted", COLUMN_MONEY},
                                            {"topped_up", COLUMN_MONEY},    {"reserved", COLUMN_MONEY},
                                            {"concurrency", COLUMN_NUMBER}, {"created", COLUMN_INSTANT}};
    return answer_rows(call, columns, COUNT_OF(columns),
                       "SELECT accounts.name, role, group_name, status, accounts.currency, COALESCE(SUM(CASE "
                       "WHEN kind = 'granted' "
                       "AND (books.expires = 0 OR books.expires > ?) THEN balance ELSE 0 END), 0), "
                       "COALESCE(SUM(CASE WHEN kind = "
                       "'topped' THEN balance ELSE 0 END), 0), COALESCE(SUM(CASE WHEN kind = 'reserved' THEN "
                       "balance ELSE 0 END), "
                       "0), concurrency, created FROM accounts LEFT JOIN books ON books.account = "
                       "accounts.id GROUP BY accounts.id, "
                       "accounts.name, role, group_name, status, accounts.currency, concurrency, created "
                       "ORDER BY accounts.name",
                       STORE_VALUES(store_number(call->now)));
}

static enum status set_text(struct admin_call *call, int64_t account, const char *name, const char *choices,
                            const char *sql) {
    const char *value;
    if (!call_has(call, name)) return STATUS_OK;
    TRY(call_text(call, name, "", &value));
    if (choices) TRY(check_choice(name, value, choices));
    return store_do(call->ledger->store, sql, store_text(value), store_number(account));
}

enum status account_set(struct admin_call *call) {
    struct store *store = call->ledger->store;
    int64_t account, number, groups = 1;
    const char *group;
    TRY(call_account(call, &account));
    TRY(call_text(call, "group", NULL, &group));
    if (group)
        TRY(store_ask(store, "SELECT COUNT(*) FROM account_groups WHERE name = ?",
                      STORE_VALUES(store_text(group)), 0, &groups));
    if (!groups) return fail(STATUS_NOT_FOUND, "there is no group '%.64s'", group);
    TRY(set_text(call, account, "group", NULL, "UPDATE accounts SET group_name = ? WHERE id = ?"));
    TRY(set_text(call, account, "role", "user,admin", "UPDATE accounts SET role = ? WHERE id = ?"));
    TRY(set_text(call, account, "status", "active,suspended", "UPDATE accounts SET status = ? WHERE id = ?"));
    TRY(call_number(call, "concurrency", 0, CONCURRENCY_LIMIT, -1, &number));
    if (number >= 0)
        TRY(store_do(store, "UPDATE accounts SET concurrency = ? WHERE id = ?", store_number(number),
                     store_number(account)));
    TRY(call_money(call, "warn-below", MONEY_AMOUNT_LIMIT, -1, &number));
    if (number >= 0)
        TRY(store_do(store, "UPDATE accounts SET warn_below = ?, warned = 0 WHERE id = ?",
                     store_number(number), store_number(account)));
    answer_number(call, "id", account);
    return STATUS_OK;
}

/* ---- keys ---- */

enum status key_add(struct admin_call *call) {
    const char *name, *models, *addresses, *period;
    char key[KEY_TEXT_BYTES], hash[KEY_HASH_TEXT_BYTES];
    int64_t account, expires, cap, id;
    TRY(call_account(call, &account));
    TRY(call_text(call, "name", "", &name));
    TRY(call_text(call, "models", "", &models));
    TRY(call_text(call, "addresses", "", &addresses));
    TRY(call_text(call, "cap-period", "total", &period));
    TRY(call_instant(call, "expires", 0, &expires));
    TRY(call_money(call, "cap", MONEY_AMOUNT_LIMIT, 0, &cap));
    TRY(check_choice("cap-period", period, "total,day,month"));
    TRY(words_check_addresses(addresses));
    if (strlen(name) >= LEDGER_NAME_BYTES) return fail(STATUS_INPUT, "name: must have at most 64 bytes");
    if (expires && expires <= call->now) return fail(STATUS_INPUT, "expires: that is over already");
    secret_make("sk-", key);
    secret_hash(key, hash);
    TRY(store_ask(
        call->ledger->store,
        "INSERT INTO keys (account, name, hash, tail, created, expires, revoked, models, addresses, cap, "
        "cap_period) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?) RETURNING id",
        STORE_VALUES(store_number(account), store_text(name), store_text(hash),
                     store_text(key + strlen(key) - 4), store_number(call->now), store_number(expires),
                     store_text(models), store_text(addresses), store_number(cap), store_text(period)),
        0, &id));
    answer_number(call, "id", id);
    answer_text(call, "key", key);
    return STATUS_OK;
}

enum status key_list(struct admin_call *call) {
    static const struct column columns[] = {
        {"id", COLUMN_NUMBER},       {"account", COLUMN_TEXT},    {"name", COLUMN_TEXT},
        {"key", COLUMN_TEXT},        {"created", COLUMN_INSTANT}, {"expires", COLUMN_INSTANT},
        {"revoked", COLUMN_INSTANT}, {"models", COLUMN_TEXT},     {"addresses", COLUMN_TEXT},
        {"cap", COLUMN_MONEY},       {"cap_period", COLUMN_TEXT}, {"spent", COLUMN_MONEY}};
    int64_t account;
    TRY(call_account_or_all(call, &account));
    return answer_rows(call, columns, COUNT_OF(columns),
                       "SELECT keys.id, accounts.name, keys.name, 'sk-****' || tail, keys.created, "
                       "keys.expires, revoked, models, "
                       "addresses, cap, cap_period, (SELECT COALESCE(SUM(amount), 0) FROM usage_days WHERE "
                       "key_id = keys.id) FROM "
                       "keys JOIN accounts ON accounts.id = keys.account WHERE (keys.account = ? OR CAST(? "
                       "AS BIGINT) = 0) ORDER BY "
                       "keys.id",
                       STORE_VALUES(store_number(account), store_number(account)));
}

static enum status check_key(struct admin_call *call, int64_t *id) {
    int64_t account, keys;
    TRY(call_account_or_all(call, &account));
    TRY(call_number(call, "id", 1, INT64_MAX, 0, id));
    TRY(store_ask(
        call->ledger->store,
        "SELECT COUNT(*) FROM keys WHERE id = ? AND revoked = 0 AND (account = ? OR CAST(? AS BIGINT) = 0)",
        STORE_VALUES(store_number(*id), store_number(account), store_number(account)), 0, &keys));
    return keys ? STATUS_OK
                : fail(STATUS_NOT_FOUND, "there is no key %lld that is not revoked", (long long)*id);
}

enum status key_set(struct admin_call *call) {
    struct store *store = call->ledger->store;
    int64_t id, cap;
    const char *name;
    TRY(check_key(call, &id));
    TRY(call_text(call, "name", NULL, &name));
    TRY(call_money(call, "cap", MONEY_AMOUNT_LIMIT, -1, &cap));
    if (name && strlen(name) >= LEDGER_NAME_BYTES)
        return fail(STATUS_INPUT, "name: must have at most 64 bytes");
    TRY(set_text(call, id, "name", NULL, "UPDATE keys SET name = ? WHERE id = ?"));
    TRY(set_text(call, id, "cap-period", "total,day,month", "UPDATE keys SET cap_period = ? WHERE id = ?"));
    if (cap >= 0)
        TRY(store_do(store, "UPDATE keys SET cap = ? WHERE id = ?", store_number(cap), store_number(id)));
    answer_number(call, "id", id);
    return STATUS_OK;
}

enum status key_revoke(struct admin_call *call) {
    int64_t id, account;
    TRY(call_account_or_all(call, &account));
    TRY(call_number(call, "id", 1, INT64_MAX, 0, &id));
    TRY(store_do(
        call->ledger->store,
        "UPDATE keys SET revoked = ? WHERE id = ? AND revoked = 0 AND (account = ? OR CAST(? AS BIGINT) = 0)",
        store_number(call->now), store_number(id), store_number(account), store_number(account)));
    if (store_changes(call->ledger->store) != 1)
        return fail(STATUS_NOT_FOUND, "there is no key %lld that is not revoked", (long long)id);
    answer_number(call, "id", id);
    return STATUS_OK;
}

/* ---- groups ---- */

enum status group_set(struct admin_call *call) {
    const char *group;
    int64_t multiplier;
    TRY(call_text(call, "group", "", &group));
    TRY(check_name("group", group));
    TRY(call_money(call, "multiplier", MONEY_MULTIPLIER_LIMIT, 0, &multiplier));
    answer_text(call, "group", group);
    return store_do(
        call->ledger->store,
        "INSERT INTO account_groups (name, multiplier) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET "
        "multiplier = excluded.multiplier",
        store_text(group), store_number(multiplier));
}

enum status group_list(struct admin_call *call) {
    static const struct column columns[] = {
        {"group", COLUMN_TEXT}, {"multiplier", COLUMN_MONEY}, {"accounts", COLUMN_NUMBER}};
    return answer_rows(call, columns, COUNT_OF(columns),
                       "SELECT name, multiplier, (SELECT COUNT(*) FROM accounts WHERE group_name = "
                       "account_groups.name) FROM account_groups ORDER BY name",
                       NULL, 0);
}

/* ---- settings ---- */

static enum status read_value(void *context, const struct store_row *row) {
    struct buffer *value = context;
    buffer_append_text(value, row_text(row, 0));
    return STATUS_OK;
}

enum status setting_get(struct ledger *ledger, const char *name, char *value, size_t bytes) {
    struct buffer text = {.limit = 1 << 16};
    TRY(store_run(ledger->store, "SELECT value FROM settings WHERE name = ?", STORE_VALUES(store_text(name)),
                  read_value, &text));
    snprintf(value, bytes, "%s", text.data ? text.data : "");
    buffer_free(&text);
    return STATUS_OK;
}

/* What a machine costs is read by profit_report(); "" takes it away. */
static enum status check_setting(const char *name, const char *value) {
    int64_t number;
    TRY(check_choice("name", name, "topups,webhook,cost-currency,hour-price,kwh-price,watts,idle-watts"));
    if (strlen(value) > 1000) return fail(STATUS_INPUT, "value: must have at most 1000 bytes");
    if (!strcmp(name, "topups")) return check_choice("value", value, "on,off");
    if (!*value) return STATUS_OK;
    if (!strcmp(name, "webhook"))
        return !strncmp(value, "http://", 7) || !strncmp(value, "https://", 8)
                   ? STATUS_OK
                   : fail(STATUS_INPUT,
                          "value: a webhook is an address that begins with http:// or https://");
    if (!strcmp(name, "cost-currency"))
        return currency_is_valid(value)
                   ? STATUS_OK
                   : fail(STATUS_INPUT, "value: a currency has three capital letters, such as USD");
    return money_parse(value, MONEY_COST_LIMIT, name, &number);
}

enum status setting_set(struct admin_call *call) {
    const char *name, *value;
    TRY(call_text(call, "name", "", &name));
    TRY(call_text(call, "value", "", &value));
    TRY(check_setting(name, value));
    answer_text(call, name, value);
    return store_do(call->ledger->store,
                    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value "
                    "= excluded.value",
                    store_text(name), store_text(value));
}

enum status setting_list(struct admin_call *call) {
    static const struct column columns[] = {{"name", COLUMN_TEXT}, {"value", COLUMN_TEXT}};
    return answer_rows(call, columns, COUNT_OF(columns), "SELECT name, value FROM settings ORDER BY name",
                       NULL, 0);
}
