/* ledger.c - books, transfers, balances. */
#include "server/account/ledger.h"

#include <stdio.h>
#include <string.h>

void ledger_close(struct ledger *ledger) {
    for (int i = 0; i < LEDGER_LISTS; i++) price_list_close(&ledger->list[i].list);
    *ledger = (struct ledger){0};
}

/* ---- transfers ---- */

void ledger_add(struct ledger_transfer *transfer, const char *book, int64_t amount) {
    if (amount == 0) return;
    MUST(transfer->entries < LEDGER_ENTRIES);
    struct ledger_entry *entry = &transfer->entry[transfer->entries++];
    snprintf(entry->book, sizeof entry->book, "%s", book);
    entry->amount = amount;
}

static enum status post_entry(struct ledger *ledger, const struct ledger_transfer *transfer, int line) {
    const struct ledger_entry *entry = &transfer->entry[line];
    TRY(store_do(ledger->store, "INSERT INTO entries (transfer, line, book, amount) VALUES (?, ?, ?, ?)",
                 store_number(transfer->id), store_number(line), store_text(entry->book),
                 store_number(entry->amount)));
    TRY(store_do(ledger->store, "UPDATE books SET balance = balance + ? WHERE name = ?",
                 store_number(entry->amount), store_text(entry->book)));
    if (store_changes(ledger->store) == 1) return STATUS_OK;
    return fail(STATUS_INTERNAL, "accounts: there is no book %s", entry->book);
}

enum status ledger_post(struct ledger *ledger, struct ledger_transfer *transfer) {
    int64_t sum = 0;
    for (int i = 0; i < transfer->entries; i++) sum += transfer->entry[i].amount;
    MUST(sum == 0);
    TRY(store_ask(
        ledger->store,
        "INSERT INTO transfers (time, kind, account, request, note) VALUES (?, ?, ?, ?, ?) RETURNING id",
        STORE_VALUES(store_number(transfer->time), store_text(transfer->kind),
                     store_number(transfer->account), store_text(transfer->request),
                     store_text(transfer->note)),
        0, &transfer->id));
    for (int i = 0; i < transfer->entries; i++) TRY(post_entry(ledger, transfer, i));
    return STATUS_OK;
}

/* ---- books ---- */

static enum status open_book(struct ledger *ledger, const char *name, int64_t account, const char *kind,
                             const char *currency, int64_t expires) {
    return store_do(
        ledger->store,
        "INSERT INTO books (name, account, kind, currency, balance, expires) VALUES (?, ?, ?, ?, 0, ?) "
        "ON CONFLICT (name) DO NOTHING",
        store_text(name), store_number(account), store_text(kind), store_text(currency),
        store_number(expires));
}

static enum status read_currency(void *context, const struct store_row *row) {
    snprintf(context, CURRENCY_BYTES, "%s", row_text(row, 0));
    return STATUS_OK;
}

/* Locks the account for the rest of the transaction: what is read of its books afterwards stays true. */
static enum status currency_of(struct ledger *ledger, int64_t account, char currency[CURRENCY_BYTES]) {
    currency[0] = '\0';
    TRY(store_run(ledger->store, "SELECT currency FROM accounts WHERE id = ? @lock",
                  STORE_VALUES(store_number(account)), read_currency, currency));
    return *currency ? STATUS_OK : fail(STATUS_NOT_FOUND, "there is no account %lld", (long long)account);
}

/* Between the house and one book of an account. */
static enum status move(struct ledger *ledger, struct ledger_transfer *transfer, const char *book,
                        const char *house, const char *currency, int64_t amount) {
    char other[LEDGER_NAME_BYTES];
    snprintf(other, sizeof other, "%s:%s", house, currency);
    TRY(open_book(ledger, other, 0, house, currency, 0));
    ledger_add(transfer, book, amount);
    ledger_add(transfer, other, -amount);
    return ledger_post(ledger, transfer);
}

static enum status check_amount(int64_t amount) {
    if (amount > 0 && amount <= MONEY_AMOUNT_LIMIT) return STATUS_OK;
    return fail(STATUS_INPUT, "amount: must be more than nothing and at most 1,000,000,000");
}

enum status ledger_topup(struct ledger *ledger, int64_t account, int64_t amount, int64_t now,
                         const char *note) {
    struct ledger_transfer transfer = {.kind = "topup", .time = now, .account = account, .note = note};
    char book[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
    TRY(check_amount(amount));
    TRY(currency_of(ledger, account, currency));
    snprintf(book, sizeof book, "topped:%lld", (long long)account);
    TRY(open_book(ledger, book, account, "topped", currency, 0));
    TRY(store_do(ledger->store, "UPDATE accounts SET warned = 0 WHERE id = ?", store_number(account)));
    return move(ledger, &transfer, book, "cash", currency, amount);
}

enum status ledger_grant(struct ledger *ledger, int64_t account, int64_t amount, int64_t expires, int64_t now,
                         const char *note) {
    struct ledger_transfer transfer = {.kind = "grant", .time = now, .account = account, .note = note};
    char book[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
    int64_t grants;
    TRY(check_amount(amount));
    if (expires && expires <= now) return fail(STATUS_INPUT, "expires: that is over already");
    TRY(currency_of(ledger, account, currency));
    TRY(store_ask(ledger->store, "SELECT COUNT(*) FROM books WHERE account = ? AND kind = 'granted'",
                  STORE_VALUES(store_number(account)), 0, &grants));
    snprintf(book, sizeof book, "granted:%lld:%lld", (long long)account, (long long)grants + 1);
    TRY(open_book(ledger, book, account, "granted", currency, expires));
    TRY(store_do(ledger->store, "UPDATE accounts SET warned = 0 WHERE id = ?", store_number(account)));
    return move(ledger, &transfer, book, "grants", currency, amount);
}

enum status ledger_withdraw(struct ledger *ledger, int64_t account, int64_t amount, int64_t now,
                            const char *note) {
    struct ledger_transfer transfer = {.kind = "withdraw", .time = now, .account = account, .note = note};
    struct ledger_balance balance;
    char book[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES], text[MONEY_TEXT_BYTES];
    TRY(check_amount(amount));
    TRY(currency_of(ledger, account, currency));
    TRY(ledger_balance(ledger, account, now, &balance));
    if (amount > balance.topped)
        return fail(STATUS_INPUT, "amount: only %s %s is there that was topped up",
                    money_print(balance.topped, text), currency);
    snprintf(book, sizeof book, "topped:%lld", (long long)account);
    return move(ledger, &transfer, book, "cash", currency, -amount);
}

/* ---- balances ---- */

static enum status read_balance(void *context, const struct store_row *row) {
    struct ledger_balance *balance = context;
    if (!strcmp(row_text(row, 0), "topped")) balance->topped += row_number(row, 1);
    if (!strcmp(row_text(row, 0), "granted")) balance->granted += row_number(row, 1);
    if (!strcmp(row_text(row, 0), "reserved")) balance->reserved += row_number(row, 1);
    return STATUS_OK;
}

static enum status read_account(void *context, const struct store_row *row) {
    struct ledger_balance *balance = context;
    balance->warn_below = row_number(row, 0);
    snprintf(balance->currency, sizeof balance->currency, "%s", row_text(row, 1));
    return STATUS_OK;
}

enum status ledger_balance(struct ledger *ledger, int64_t account, int64_t now,
                           struct ledger_balance *balance) {
    *balance = (struct ledger_balance){.warn_below = -1};
    TRY(store_run(ledger->store, "SELECT warn_below, currency FROM accounts WHERE id = ?",
                  STORE_VALUES(store_number(account)), read_account, balance));
    return store_run(ledger->store,
                     "SELECT kind, balance FROM books WHERE account = ? AND (expires = 0 OR expires > ?)",
                     STORE_VALUES(store_number(account), store_number(now)), read_balance, balance);
}

/* ---- grants that are over ---- */

struct expired {
    struct {
        char book[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
        int64_t account, balance;
    } row[LEDGER_ENTRIES];
    int rows;
};

static enum status read_expired(void *context, const struct store_row *row) {
    struct expired *expired = context;
    snprintf(expired->row[expired->rows].book, LEDGER_NAME_BYTES, "%s", row_text(row, 0));
    snprintf(expired->row[expired->rows].currency, CURRENCY_BYTES, "%s", row_text(row, 1));
    expired->row[expired->rows].account = row_number(row, 2);
    expired->row[expired->rows].balance = row_number(row, 3);
    expired->rows++;
    return STATUS_OK;
}

enum status ledger_expire(struct ledger *ledger, int64_t now, int64_t *grants) {
    struct expired expired = {.rows = 0};
    TRY(store_run(
        ledger->store,
        "SELECT name, currency, account, balance FROM books WHERE kind = 'granted' AND expires > 0 AND "
        "expires <= ? AND balance > 0 ORDER BY name LIMIT 64 @lock",
        STORE_VALUES(store_number(now)), read_expired, &expired));
    for (int i = 0; i < expired.rows; i++) {
        struct ledger_transfer transfer = {.kind = "expire", .time = now, .account = expired.row[i].account};
        TRY(move(ledger, &transfer, expired.row[i].book, "expired", expired.row[i].currency,
                 -expired.row[i].balance));
    }
    *grants = expired.rows;
    return STATUS_OK;
}

/* ---- hours ---- */

enum status ledger_add_hours(struct ledger *ledger, const char *server, int64_t day, int64_t up,
                             int64_t busy) {
    return store_do(
        ledger->store,
        "INSERT INTO machine_days (server, day, up, busy) VALUES (?, ?, ?, ?) ON CONFLICT (server, "
        "day) DO UPDATE SET up = machine_days.up + excluded.up, busy = machine_days.busy + "
        "excluded.busy",
        store_text(server), store_number(day), store_number(up), store_number(busy));
}
