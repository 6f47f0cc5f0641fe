/* ledger_request.c - what a request does to the books: reserve, then settle. */
#include "server/account/ledger.h"

#include "base/bytes.h"
#include "server/account/words.h"

#include <stdio.h>
#include <string.h>

enum { PARTS = 24 };

/* ---- what an account can pay with ---- */

struct part {
    char book[LEDGER_NAME_BYTES];
    int64_t amount;
};
struct parts {
    struct part part[PARTS];
    int parts;
};

static enum status read_part(void *context, const struct store_row *row) {
    struct parts *parts = context;
    if (parts->parts == PARTS) return STATUS_OK;
    struct part *part = &parts->part[parts->parts++];
    snprintf(part->book, sizeof part->book, "%s", row_text(row, 0));
    part->amount = row_number(row, 1);
    return STATUS_OK;
}

/* In the order in which it is spent. */
static enum status find_parts(struct ledger *ledger, int64_t account, int64_t now, struct parts *parts) {
    parts->parts = 0;
    return store_run(
        ledger->store,
        "SELECT name, balance FROM books WHERE account = ? AND balance > 0 AND (kind = 'topped' OR (kind = "
        "'granted' "
        "AND (expires = 0 OR expires > ?))) ORDER BY CASE WHEN kind = 'topped' THEN 1 ELSE 0 END, CASE WHEN "
        "expires = 0 THEN 1 ELSE 0 END, expires, name",
        STORE_VALUES(store_number(account), store_number(now)), read_part, parts);
}

static int64_t sum_of(const struct parts *parts) {
    int64_t sum = 0;
    for (int i = 0; i < parts->parts; i++) sum += parts->part[i].amount;
    return sum;
}

/* Takes `amount`, or what there is, out of the parts; what could not be taken. */
static int64_t take(struct ledger_transfer *transfer, const struct parts *parts, int64_t amount) {
    for (int i = 0; i < parts->parts && amount > 0; i++) {
        const int64_t taken = parts->part[i].amount < amount ? parts->part[i].amount : amount;
        ledger_add(transfer, parts->part[i].book, -taken);
        amount -= taken;
    }
    return amount;
}

/* ---- who asks ---- */

struct payer {
    char currency[CURRENCY_BYTES], cap_period[8];
    int64_t group, concurrency, cap;
    bool found, may_use_model;
    const char *model;
};

static enum status read_payer(void *context, const struct store_row *row) {
    struct payer *payer = context;
    payer->found = true;
    snprintf(payer->currency, sizeof payer->currency, "%s", row_text(row, 0));
    payer->concurrency = row_number(row, 1);
    payer->group = row_number(row, 2);
    return STATUS_OK;
}

static enum status read_key(void *context, const struct store_row *row) {
    struct payer *payer = context;
    payer->may_use_model = !*row_text(row, 0) || words_have(row_text(row, 0), payer->model);
    payer->cap = row_number(row, 1);
    snprintf(payer->cap_period, sizeof payer->cap_period, "%s", row_text(row, 2));
    return STATUS_OK;
}

static enum status ignore(void *context, const struct store_row *row) {
    (void)context;
    (void)row;
    return STATUS_OK;
}

static enum status find_payer(struct ledger *ledger, const struct ledger_hold *hold, struct payer *payer) {
    *payer = (struct payer){.model = hold->model, .may_use_model = true};
    TRY(store_run(ledger->store, "SELECT id FROM accounts WHERE id = ? @lock",
                  STORE_VALUES(store_number(hold->account)), ignore, NULL));
    TRY(store_run(
        ledger->store,
        "SELECT accounts.currency, accounts.concurrency, account_groups.multiplier FROM accounts JOIN "
        "account_groups ON account_groups.name = accounts.group_name WHERE accounts.id = ?",
        STORE_VALUES(store_number(hold->account)), read_payer, payer));
    TRY(store_run(ledger->store, "SELECT models, cap, cap_period FROM keys WHERE id = ?",
                  STORE_VALUES(store_number(hold->key)), read_key, payer));
    if (!payer->found) return fail(STATUS_NOT_FOUND, "there is no account %lld", (long long)hold->account);
    if (!payer->may_use_model && hold->most_tokens > 0)
        return fail(STATUS_FORBIDDEN, "This API key may not use the model %.64s", hold->model);
    return STATUS_OK;
}

static enum status check_concurrency(struct ledger *ledger, const struct ledger_hold *hold,
                                     const struct payer *payer) {
    int64_t open;
    if (payer->concurrency == 0) return STATUS_OK;
    TRY(store_ask(ledger->store, "SELECT COUNT(*) FROM reservations WHERE account = ? AND state = 'open'",
                  STORE_VALUES(store_number(hold->account)), 0, &open));
    if (open < payer->concurrency) return STATUS_OK;
    return fail(STATUS_BUSY, "Concurrency limit reached: this account may have %lld requests at once",
                (long long)payer->concurrency);
}

/* What the key may still spend: its cap less what was charged in the period and what is reserved. */
static enum status cap_left(struct ledger *ledger, const struct ledger_hold *hold, const struct payer *payer,
                            int64_t *left) {
    const int64_t day = hold->now / 86400;
    const int64_t from = !strcmp(payer->cap_period, "day")     ? day
                         : !strcmp(payer->cap_period, "month") ? words_month_begin(day)
                                                               : 0;
    int64_t spent, reserved;
    *left = INT64_MAX;
    if (payer->cap == 0) return STATUS_OK;
    TRY(store_ask(ledger->store,
                  "SELECT COALESCE(SUM(amount), 0) FROM usage_days WHERE key_id = ? AND day >= ?",
                  STORE_VALUES(store_number(hold->key), store_number(from)), 0, &spent));
    TRY(store_ask(
        ledger->store,
        "SELECT COALESCE(SUM(amount), 0) FROM reservations WHERE account = ? AND state = 'open' AND "
        "key_id = ?",
        STORE_VALUES(store_number(hold->account), store_number(hold->key)), 0, &reserved));
    *left = payer->cap - spent - reserved;
    return STATUS_OK;
}

/* ---- reserving ---- */

/* Calls of tools that the list has no price for cost nothing; tokens without a price are an error. */
static void leave_free_calls(const struct price_list *list, const char *model, const char *currency,
                             int64_t from, int64_t to, struct bill_units *units) {
    struct price price;
    for (int class = PRICE_REASONING + 1; class < PRICE_CLASSES; class ++)
        if (units->units[class] &&
            price_most(list, model, currency, (enum price_class) class, from, to, &price) == STATUS_NOT_FOUND)
            units->units[class] = 0;
}

/* At the highest prices that may come, whether what is generated is reasoning or not. */
static enum status cost_at_most(const struct price_list *list, const struct payer *payer,
                                const struct ledger_hold *hold, int64_t tokens, int64_t *micros) {
    *micros = 0;
    for (int i = 0; i < 2; i++) {
        struct bill_request request = {hold->model, payer->currency, payer->group, hold->now, hold->calls};
        struct bill bill;
        leave_free_calls(list, hold->model, payer->currency, hold->now, hold->now + LEDGER_HOLD_SECONDS,
                         &request.units);
        request.units.units[PRICE_MISS] = hold->prompt_tokens;
        request.units.units[i ? PRICE_REASONING : PRICE_OUTPUT] = tokens;
        TRY(bill_most(list, &request, hold->now + LEDGER_HOLD_SECONDS, &bill));
        if (bill.micros > *micros) *micros = bill.micros;
    }
    return STATUS_OK;
}

static int64_t least_tokens(const struct ledger_hold *hold) {
    return min_i64(max_i64(hold->least_tokens, 1), hold->most_tokens);
}

/* The most tokens that `amount` pays for beside the prompt: the cost grows with them. */
static enum status tokens_for(const struct price_list *list, const struct payer *payer,
                              struct ledger_hold *hold, int64_t amount) {
    int64_t low = least_tokens(hold), high = hold->most_tokens;
    while (low < high) {
        const int64_t middle = low + (high - low + 1) / 2;
        int64_t cost;
        TRY(cost_at_most(list, payer, hold, middle, &cost));
        if (cost <= amount)
            low = middle;
        else
            high = middle - 1;
    }
    hold->tokens = low;
    return STATUS_OK;
}

static enum status decide(const struct price_list *list, const struct payer *payer, struct ledger_hold *hold,
                          int64_t available, int64_t left) {
    int64_t least, most;
    TRY(cost_at_most(list, payer, hold, least_tokens(hold), &least));
    TRY(cost_at_most(list, payer, hold, hold->most_tokens, &most));
    if (left < least || (payer->cap && left <= 0))
        return fail(STATUS_PAYMENT, "The spend cap of this API key is reached");
    if (available < least || (available <= 0 && most > 0))
        return fail(STATUS_PAYMENT, "Insufficient Balance");
    hold->tokens = hold->most_tokens;
    hold->amount = most;
    if (hold->amount > available) hold->amount = available;
    if (hold->amount > left) hold->amount = left;
    return hold->amount < most ? tokens_for(list, payer, hold, hold->amount) : STATUS_OK;
}

static enum status open_reserved(struct ledger *ledger, int64_t account, const char *currency,
                                 char book[LEDGER_NAME_BYTES]) {
    snprintf(book, LEDGER_NAME_BYTES, "reserved:%lld", (long long)account);
    return store_do(
        ledger->store,
        "INSERT INTO books (name, account, kind, currency, balance, expires) VALUES (?, ?, 'reserved', "
        "?, 0, 0) ON CONFLICT (name) DO NOTHING",
        store_text(book), store_number(account), store_text(currency));
}

enum status ledger_reserve(struct ledger *ledger, struct ledger_hold *hold) {
    struct ledger_transfer transfer = {
        .kind = "reserve", .time = hold->now, .account = hold->account, .request = hold->request};
    const struct price_list *list;
    struct payer payer;
    struct parts parts;
    char reserved[LEDGER_NAME_BYTES];
    int64_t left, list_id = 0;
    TRY(find_payer(ledger, hold, &payer));
    TRY(check_concurrency(ledger, hold, &payer));
    TRY(cap_left(ledger, hold, &payer, &left));
    TRY(ledger_prices(ledger, &list_id, &list));
    TRY(find_parts(ledger, hold->account, hold->now, &parts));
    TRY(decide(list, &payer, hold, sum_of(&parts), left));
    TRY(open_reserved(ledger, hold->account, payer.currency, reserved));
    MUST(take(&transfer, &parts, hold->amount) == 0);
    ledger_add(&transfer, reserved, hold->amount);
    TRY(ledger_post(ledger, &transfer));
    return store_do(
        ledger->store,
        "INSERT INTO reservations (request, transfer, account, key_id, server, model, created, amount, "
        "price_list, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open')",
        store_text(hold->request), store_number(transfer.id), store_number(hold->account),
        store_number(hold->key), store_text(hold->server), store_text(hold->model), store_number(hold->now),
        store_number(hold->amount), store_number(list_id));
}

/* ---- settling ---- */

struct reservation {
    int64_t transfer, account, key, created, amount, price_list, group, warn_below, warned;
    char model[LEDGER_MODEL_BYTES], currency[CURRENCY_BYTES], name[LEDGER_NAME_BYTES];
    char group_name[LEDGER_NAME_BYTES];
    bool found, open;
};

static enum status read_reservation(void *context, const struct store_row *row) {
    struct reservation *kept = context;
    *kept = (struct reservation){.found = true,
                                 .transfer = row_number(row, 0),
                                 .account = row_number(row, 1),
                                 .key = row_number(row, 2),
                                 .created = row_number(row, 3),
                                 .amount = row_number(row, 4),
                                 .price_list = row_number(row, 5),
                                 .open = !strcmp(row_text(row, 6), "open"),
                                 .group = row_number(row, 9),
                                 .warn_below = row_number(row, 11),
                                 .warned = row_number(row, 12)};
    snprintf(kept->model, sizeof kept->model, "%s", row_text(row, 7));
    snprintf(kept->currency, sizeof kept->currency, "%s", row_text(row, 8));
    snprintf(kept->name, sizeof kept->name, "%s", row_text(row, 10));
    snprintf(kept->group_name, sizeof kept->group_name, "%s", row_text(row, 13));
    return STATUS_OK;
}

static enum status find_reservation(struct ledger *ledger, const char *request, struct reservation *kept) {
    *kept = (struct reservation){0};
    /* the account first, as everything that changes its books does */
    TRY(store_run(
        ledger->store,
        "SELECT id FROM accounts WHERE id = (SELECT account FROM reservations WHERE request = ?) @lock",
        STORE_VALUES(store_text(request)), ignore, NULL));
    return store_run(
        ledger->store,
        "SELECT reservations.transfer, reservations.account, reservations.key_id, "
        "reservations.created, reservations.amount, reservations.price_list, reservations.state, "
        "reservations.model, accounts.currency, account_groups.multiplier, accounts.name, "
        "accounts.warn_below, accounts.warned, accounts.group_name FROM reservations JOIN accounts ON "
        "accounts.id = "
        "reservations.account JOIN account_groups ON account_groups.name = accounts.group_name WHERE "
        "reservations.request = ?",
        STORE_VALUES(store_text(request)), read_reservation, kept);
}

static enum status read_held(void *context, const struct store_row *row) {
    struct parts *parts = context;
    if (row_number(row, 1) >= 0) return STATUS_OK; /* the book of what is reserved */
    MUST(parts->parts < PARTS);
    struct part *part = &parts->part[parts->parts++];
    snprintf(part->book, sizeof part->book, "%s", row_text(row, 0));
    part->amount = -row_number(row, 1);
    return STATUS_OK;
}

/* Of what is held, the parts that were taken first are spent first, and the rest goes back to where it came from. */
static enum status spend_held(struct ledger *ledger, struct ledger_transfer *transfer,
                              const struct reservation *kept, int64_t *amount) {
    struct parts held = {.parts = 0};
    char reserved[LEDGER_NAME_BYTES];
    TRY(store_run(ledger->store, "SELECT book, amount FROM entries WHERE transfer = ? ORDER BY line",
                  STORE_VALUES(store_number(kept->transfer)), read_held, &held));
    snprintf(reserved, sizeof reserved, "reserved:%lld", (long long)kept->account);
    ledger_add(transfer, reserved, -kept->amount);
    for (int i = 0; i < held.parts; i++) {
        const int64_t spent = held.part[i].amount < *amount ? held.part[i].amount : *amount;
        ledger_add(transfer, held.part[i].book, held.part[i].amount - spent);
        *amount -= spent;
    }
    return STATUS_OK;
}

static enum status add_revenue(struct ledger *ledger, struct ledger_transfer *transfer, const char *currency,
                               int64_t amount) {
    char book[LEDGER_NAME_BYTES];
    snprintf(book, sizeof book, "revenue:%s", currency);
    TRY(store_do(
        ledger->store,
        "INSERT INTO books (name, account, kind, currency, balance, expires) VALUES (?, 0, 'revenue', ?, 0, "
        "0) ON CONFLICT (name) DO NOTHING",
        store_text(book), store_text(currency)));
    ledger_add(transfer, book, amount);
    return STATUS_OK;
}

static enum status write_charge(struct ledger *ledger, const struct ledger_use *use,
                                const struct reservation *kept, int64_t transfer, int64_t shortfall,
                                const char *bill) {
    const int64_t *units = use->units.units, calls = units[PRICE_SEARCH] + units[PRICE_FETCH];
    TRY(store_do(
        ledger->store,
        "INSERT INTO charges (request, transfer, account, key_id, model, created, completed, hit, miss, "
        "output, reasoning, calls, amount, shortfall, currency, finish, bill) VALUES (?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        store_text(use->request), store_number(transfer), store_number(kept->account),
        store_number(kept->key), store_text(kept->model), store_number(kept->created), store_number(use->now),
        store_number(units[PRICE_HIT]), store_number(units[PRICE_MISS]), store_number(units[PRICE_OUTPUT]),
        store_number(units[PRICE_REASONING]), store_number(calls), store_number(use->amount),
        store_number(shortfall), store_text(kept->currency), store_text(use->finish), store_text(bill)));
    TRY(store_do(
        ledger->store,
        "INSERT INTO usage_days (account, key_id, model, day, requests, hit, miss, output, reasoning, calls, "
        "amount) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, key_id, model, day) DO "
        "UPDATE SET requests = usage_days.requests + 1, hit = usage_days.hit + excluded.hit, miss = "
        "usage_days.miss + excluded.miss, output = usage_days.output + excluded.output, reasoning = "
        "usage_days.reasoning + excluded.reasoning, calls = usage_days.calls + excluded.calls, amount = "
        "usage_days.amount + excluded.amount",
        store_number(kept->account), store_number(kept->key), store_text(kept->model),
        store_number(use->now / 86400), store_number(units[PRICE_HIT]), store_number(units[PRICE_MISS]),
        store_number(units[PRICE_OUTPUT]), store_number(units[PRICE_REASONING]), store_number(calls),
        store_number(use->amount)));
    return store_do(ledger->store, "UPDATE reservations SET state = 'settled' WHERE request = ?",
                    store_text(use->request));
}

static enum status watch_balance(struct ledger *ledger, struct ledger_use *use,
                                 const struct reservation *kept) {
    struct ledger_balance balance;
    TRY(ledger_balance(ledger, kept->account, use->now, &balance));
    use->balance = balance.granted + balance.topped;
    use->low = kept->warn_below >= 0 && !kept->warned && use->balance < kept->warn_below;
    if (!use->low) return STATUS_OK;
    return store_do(ledger->store, "UPDATE accounts SET warned = 1 WHERE id = ?",
                    store_number(kept->account));
}

/* The bill is of the list that was in force when the request came. What neither the reservation nor the balance covers,
 * which takes a change of the group's multiplier meanwhile, is written off as the charge's shortfall. */
static enum status charge(struct ledger *ledger, struct ledger_use *use, const struct reservation *kept,
                          struct buffer *text) {
    struct ledger_transfer transfer = {
        .kind = "settle", .time = use->now, .account = kept->account, .request = use->request};
    struct bill_request request = {kept->model, kept->currency, kept->group, use->now, use->units};
    const struct price_list *list;
    struct parts parts;
    struct bill bill;
    int64_t list_id = kept->price_list, rest;
    TRY(ledger_prices(ledger, &list_id, &list));
    leave_free_calls(list, kept->model, kept->currency, use->now, use->now, &request.units);
    TRY(bill_make(list, &request, &bill));
    bill_print_json(text, list, &request, &bill);
    TRY(buffer_check(text, "a bill"));
    rest = bill.micros;
    TRY(spend_held(ledger, &transfer, kept, &rest));
    TRY(find_parts(ledger, kept->account, use->now, &parts));
    rest = take(&transfer, &parts, rest);
    use->amount = bill.micros - rest;
    TRY(add_revenue(ledger, &transfer, kept->currency, use->amount));
    TRY(ledger_post(ledger, &transfer));
    TRY(write_charge(ledger, use, kept, transfer.id, rest, text->data));
    return watch_balance(ledger, use, kept);
}

static enum status read_charge(void *context, const struct store_row *row) {
    struct ledger_use *use = context;
    use->repeated = true;
    use->amount = row_number(row, 0);
    use->account = row_number(row, 1);
    use->units.units[PRICE_HIT] = row_number(row, 2);
    use->units.units[PRICE_MISS] = row_number(row, 3);
    use->units.units[PRICE_OUTPUT] = row_number(row, 4);
    use->units.units[PRICE_REASONING] = row_number(row, 5);
    snprintf(use->name, sizeof use->name, "%s", row_text(row, 6));
    snprintf(use->model, sizeof use->model, "%s", row_text(row, 7));
    snprintf(use->currency, sizeof use->currency, "%s", row_text(row, 8));
    return STATUS_OK;
}

enum status ledger_find_charge(struct ledger *ledger, struct ledger_use *use) {
    use->repeated = false;
    TRY(store_run(
        ledger->store,
        "SELECT charges.amount, charges.account, charges.hit, charges.miss, charges.output, "
        "charges.reasoning, accounts.name, charges.model, charges.currency FROM charges JOIN accounts ON "
        "accounts.id = charges.account WHERE charges.request = ?",
        STORE_VALUES(store_text(use->request)), read_charge, use));
    if (use->repeated) return STATUS_OK;
    return fail(STATUS_NOT_FOUND, "there is no request %.64s", use->request);
}

enum status ledger_settle(struct ledger *ledger, struct ledger_use *use) {
    struct reservation kept;
    struct buffer bill = {0};
    use->low = use->repeated = false;
    TRY(find_reservation(ledger, use->request, &kept));
    if (!kept.open) return ledger_find_charge(ledger, use);
    use->account = kept.account;
    snprintf(use->name, sizeof use->name, "%s", kept.name);
    snprintf(use->model, sizeof use->model, "%s", kept.model);
    snprintf(use->currency, sizeof use->currency, "%s", kept.currency);
    snprintf(use->group, sizeof use->group, "%s", kept.group_name);
    enum status status = charge(ledger, use, &kept, &bill);
    buffer_free(&bill);
    return status;
}

enum status ledger_forget(struct ledger *ledger, const char *request) {
    return store_do(ledger->store, "DELETE FROM reservations WHERE request = ? AND state = 'settled'",
                    store_text(request));
}

/* ---- after a crash ---- */

struct left {
    ledger_left *left;
    void *context;
};

static enum status read_left(void *context, const struct store_row *row) {
    const struct left *left = context;
    return left->left(left->context, row_text(row, 0), strcmp(row_text(row, 1), "open") != 0);
}

enum status ledger_find_left(struct ledger *ledger, const char *server, ledger_left *left, void *context) {
    struct left reader = {left, context};
    return store_run(ledger->store,
                     "SELECT request, state FROM reservations WHERE server = ? ORDER BY created, request",
                     STORE_VALUES(store_text(server)), read_left, &reader);
}
