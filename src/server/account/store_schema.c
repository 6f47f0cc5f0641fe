/* store_schema.c - the tables, version by version. A version that was released never changes: what comes later is a new
 * version with its own statements, each transaction bringing a database one version forward. */
#include "server/account/store_driver.h"

#include <stdio.h>
#include <string.h>

/* Instants are seconds since 1970, 0 where there is none; amounts are micro-units; "" and 0 stand for nothing. */
static const char *const version_1[] = {
    "CREATE TABLE account_groups (name TEXT PRIMARY KEY, multiplier BIGINT NOT NULL)",
    "INSERT INTO account_groups (name, multiplier) VALUES ('default', 1000000)",
    "CREATE TABLE accounts (id @id, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, group_name TEXT NOT NULL "
    "REFERENCES account_groups (name), currency TEXT NOT NULL, status TEXT NOT NULL, concurrency BIGINT NOT "
    "NULL, "
    "warn_below BIGINT NOT NULL, warned BIGINT NOT NULL, created BIGINT NOT NULL)",
    "CREATE TABLE keys (id @id, account BIGINT NOT NULL REFERENCES accounts (id), name TEXT NOT NULL, hash "
    "TEXT NOT "
    "NULL UNIQUE, tail TEXT NOT NULL, created BIGINT NOT NULL, expires BIGINT NOT NULL, revoked BIGINT NOT "
    "NULL, "
    "models TEXT NOT NULL, addresses TEXT NOT NULL, cap BIGINT NOT NULL, cap_period TEXT NOT NULL)",
    "CREATE INDEX keys_account ON keys (account)",
    /* what entries sum up to; account 0 is the house */
    "CREATE TABLE books (name TEXT PRIMARY KEY, account BIGINT NOT NULL, kind TEXT NOT NULL, currency TEXT "
    "NOT NULL, "
    "balance BIGINT NOT NULL, expires BIGINT NOT NULL)",
    "CREATE INDEX books_account ON books (account)",
    "CREATE TABLE transfers (id @id, time BIGINT NOT NULL, kind TEXT NOT NULL, account BIGINT NOT NULL, "
    "request TEXT "
    "NOT NULL, note TEXT NOT NULL)",
    "CREATE UNIQUE INDEX transfers_request ON transfers (request, kind) WHERE request <> ''",
    "CREATE INDEX transfers_account ON transfers (account)",
    "CREATE TABLE entries (transfer BIGINT NOT NULL REFERENCES transfers (id), line BIGINT NOT NULL, book "
    "TEXT NOT "
    "NULL REFERENCES books (name), amount BIGINT NOT NULL, PRIMARY KEY (transfer, line))",
    "CREATE INDEX entries_book ON entries (book)",
    "CREATE TABLE reservations (request TEXT PRIMARY KEY, transfer BIGINT NOT NULL REFERENCES transfers "
    "(id), "
    "account BIGINT NOT NULL, key_id BIGINT NOT NULL, server TEXT NOT NULL, model TEXT NOT NULL, created "
    "BIGINT NOT "
    "NULL, amount BIGINT NOT NULL, price_list BIGINT NOT NULL, state TEXT NOT NULL)",
    "CREATE INDEX reservations_account ON reservations (account, state)",
    "CREATE TABLE charges (request TEXT PRIMARY KEY, transfer BIGINT NOT NULL REFERENCES transfers (id), "
    "account "
    "BIGINT NOT NULL, key_id BIGINT NOT NULL, model TEXT NOT NULL, created BIGINT NOT NULL, completed BIGINT "
    "NOT "
    "NULL, hit BIGINT NOT NULL, miss BIGINT NOT NULL, output BIGINT NOT NULL, reasoning BIGINT NOT NULL, "
    "calls "
    "BIGINT NOT NULL, amount BIGINT NOT NULL, shortfall BIGINT NOT NULL, currency TEXT NOT NULL, finish TEXT "
    "NOT "
    "NULL, bill TEXT NOT NULL)",
    "CREATE INDEX charges_account ON charges (account, completed)", "!transfers", "!entries", "!charges",
    NULL};

static const char *const version_2[] = {
    "CREATE TABLE codes (hash TEXT PRIMARY KEY, batch TEXT NOT NULL, currency TEXT NOT NULL, amount BIGINT "
    "NOT NULL, "
    "created BIGINT NOT NULL, expires BIGINT NOT NULL, redeemed BIGINT NOT NULL, account BIGINT NOT NULL)",
    "CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL)", NULL};

static const char *const version_3[] = {
    "CREATE TABLE price_lists (id @id, created BIGINT NOT NULL, name TEXT NOT NULL, frozen BIGINT NOT NULL, "
    "content "
    "TEXT NOT NULL)",
    "!price_lists",
    "CREATE TABLE usage_days (account BIGINT NOT NULL, key_id BIGINT NOT NULL, model TEXT NOT NULL, day "
    "BIGINT NOT "
    "NULL, requests BIGINT NOT NULL, hit BIGINT NOT NULL, miss BIGINT NOT NULL, output BIGINT NOT NULL, "
    "reasoning "
    "BIGINT NOT NULL, calls BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (account, key_id, model, "
    "day))",
    "CREATE INDEX usage_days_key ON usage_days (key_id, day)",
    "INSERT INTO usage_days SELECT account, key_id, model, completed / 86400, COUNT(*), SUM(hit), SUM(miss), "
    "SUM(output), SUM(reasoning), SUM(calls), SUM(amount) FROM charges GROUP BY account, key_id, model, "
    "completed / "
    "86400",
    NULL};

/* Milliseconds that a server was there on a day of UTC, and computed. */
static const char *const version_4[] = {
    "CREATE TABLE machine_days (server TEXT NOT NULL, day BIGINT NOT NULL, up BIGINT NOT NULL, busy BIGINT "
    "NOT NULL, PRIMARY KEY (server, day))",
    "CREATE INDEX charges_completed ON charges (completed)",
    "CREATE INDEX transfers_time ON transfers (time)", NULL};

static const char *const *const versions[STORE_SCHEMA] = {version_1, version_2, version_3, version_4};

/* "@" in a pattern is the table. */
static enum status protect(struct store *store, const char *table) {
    for (const char *const *pattern = store_driver_of(store)->immutable; *pattern; pattern++) {
        char sql[STORE_SQL_BYTES];
        size_t bytes = 0;
        for (const char *at = *pattern; *at; at++)
            if (*at == '@')
                bytes += (size_t)snprintf(sql + bytes, sizeof sql - bytes, "%s", table);
            else
                sql[bytes++] = *at;
        sql[bytes] = '\0';
        TRY(store_run_once(store, sql));
    }
    return STATUS_OK;
}

static enum status write_version(struct store *store, int version) {
    TRY(store_do(store, "DELETE FROM schema_version WHERE version < ?", store_number(version)));
    return store_do(store, "INSERT INTO schema_version (version) VALUES (?)", store_number(version));
}

static enum status step(struct store *store, int64_t *at, int wanted) {
    TRY(store_run(store, "@alone", NULL, 0, NULL, NULL));
    TRY(store_ask(store, "SELECT version FROM schema_version", NULL, 0, 0, at));
    if (*at > STORE_SCHEMA)
        return fail(STATUS_UNSUPPORTED,
                    "accounts: their tables are of version %lld, and this program knows %d: use a newer one",
                    (long long)*at, STORE_SCHEMA);
    if (*at >= wanted) return STATUS_OK;
    for (const char *const *sql = versions[*at]; *sql; sql++)
        TRY(**sql == '!' ? protect(store, *sql + 1) : store_run_once(store, *sql));
    *at += 1;
    return write_version(store, (int)*at);
}

static enum status make_version_table(struct store *store) {
    TRY(store_run(store, "@alone", NULL, 0, NULL, NULL));
    return store_run_once(store, "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT PRIMARY KEY)");
}

enum status store_migrate(struct store *store, int version) {
    int64_t at = 0;
    TRY(store_begin(store));
    enum status status = make_version_table(store);
    status = status == STATUS_OK ? store_commit(store) : status;
    while (status == STATUS_OK && at < version) {
        status = store_begin(store);
        if (status == STATUS_OK) status = step(store, &at, version);
        if (status == STATUS_OK) status = store_commit(store);
    }
    if (status != STATUS_OK) store_rollback(store);
    return status;
}
