/* admin_money.c - balances, top-ups, grants, codes. */
#include "server/account/admin_call.h"
#include "server/account/identity.h"

#include <stdio.h>
#include <string.h>

enum { CODES_LIMIT = 10000 };

static enum status read_who(void *context, const struct store_row *row) {
    struct admin_call *call = context;
    answer_text(call, "account", row_text(row, 0));
    answer_text(call, "role", row_text(row, 1));
    return STATUS_OK;
}

static enum status answer_balance(struct admin_call *call, int64_t account) {
    struct ledger_balance balance;
    TRY(store_run(call->ledger->store, "SELECT name, role FROM accounts WHERE id = ?",
                  STORE_VALUES(store_number(account)), read_who, call));
    TRY(ledger_balance(call->ledger, account, call->now, &balance));
    answer_text(call, "currency", balance.currency);
    answer_money(call, "total_balance", balance.granted + balance.topped);
    answer_money(call, "granted_balance", balance.granted);
    answer_money(call, "topped_up_balance", balance.topped);
    answer_money(call, "reserved", balance.reserved);
    return STATUS_OK;
}

enum status money_balance(struct admin_call *call) {
    int64_t account;
    TRY(call_account(call, &account));
    return answer_balance(call, account);
}

/* The switch "stop top-ups, keep serving". */
static enum status check_topups(struct admin_call *call) {
    char value[8];
    TRY(setting_get(call->ledger, "topups", value, sizeof value));
    if (strcmp(value, "off")) return STATUS_OK;
    return fail(STATUS_FORBIDDEN, "Top-ups are suspended; existing balances go on being served");
}

typedef enum status mover(struct ledger *ledger, int64_t account, int64_t amount, int64_t now,
                          const char *note);

static enum status move(struct admin_call *call, mover *move_amount) {
    const char *note;
    int64_t account, amount;
    TRY(call_account(call, &account));
    TRY(call_money(call, "amount", MONEY_AMOUNT_LIMIT, 0, &amount));
    TRY(call_text(call, "note", "", &note));
    TRY(move_amount(call->ledger, account, amount, call->now, note));
    return answer_balance(call, account);
}

enum status money_topup(struct admin_call *call) {
    TRY(check_topups(call));
    return move(call, ledger_topup);
}

enum status money_withdraw(struct admin_call *call) {
    return move(call, ledger_withdraw);
}

enum status money_grant(struct admin_call *call) {
    const char *note;
    int64_t account, amount, expires;
    TRY(call_account(call, &account));
    TRY(call_money(call, "amount", MONEY_AMOUNT_LIMIT, 0, &amount));
    TRY(call_instant(call, "expires", 0, &expires));
    TRY(call_text(call, "note", "", &note));
    TRY(ledger_grant(call->ledger, account, amount, expires, call->now, note));
    return answer_balance(call, account);
}

/* ---- codes ---- */

static enum status make_code(struct admin_call *call, json_t *codes, const char *batch, const char *currency,
                             int64_t amount, int64_t expires) {
    char code[KEY_TEXT_BYTES], hash[KEY_HASH_TEXT_BYTES];
    secret_make("", code);
    code[32] = '\0';
    secret_hash(code, hash);
    json_t *row = json_pack("{s:s}", "code", code);
    if (!row || json_array_append_new(codes, row)) return fail(STATUS_MEMORY, "out of memory for codes");
    return store_do(
        call->ledger->store,
        "INSERT INTO codes (hash, batch, currency, amount, created, expires, redeemed, account) VALUES (?, "
        "?, ?, ?, ?, ?, 0, 0)",
        store_text(hash), store_text(batch), store_text(currency), store_number(amount),
        store_number(call->now), store_number(expires));
}

enum status code_make(struct admin_call *call) {
    const char *batch, *currency;
    int64_t amount, count, expires;
    json_t *codes = json_array();
    if (json_object_set_new(call->answer, "data", codes))
        return fail(STATUS_MEMORY, "out of memory for codes");
    TRY(call_money(call, "amount", MONEY_AMOUNT_LIMIT, 0, &amount));
    TRY(call_text(call, "currency", "USD", &currency));
    TRY(call_text(call, "batch", "", &batch));
    TRY(call_number(call, "count", 1, CODES_LIMIT, 1, &count));
    TRY(call_instant(call, "expires", 0, &expires));
    if (amount == 0) return fail(STATUS_INPUT, "amount: must be more than nothing");
    if (!currency_is_valid(currency))
        return fail(STATUS_INPUT, "currency: three capital letters, such as USD");
    if (strlen(batch) >= LEDGER_NAME_BYTES) return fail(STATUS_INPUT, "batch: must have at most 64 bytes");
    for (int64_t i = 0; i < count; i++) TRY(make_code(call, codes, batch, currency, amount, expires));
    return STATUS_OK;
}

enum status code_list(struct admin_call *call) {
    static const struct column columns[] = {{"batch", COLUMN_TEXT},      {"currency", COLUMN_TEXT},
                                            {"amount", COLUMN_MONEY},    {"codes", COLUMN_NUMBER},
                                            {"redeemed", COLUMN_NUMBER}, {"created", COLUMN_INSTANT},
                                            {"expires", COLUMN_INSTANT}};
    const char *batch;
    TRY(call_text(call, "batch", "", &batch));
    return answer_rows(
        call, columns, COUNT_OF(columns),
        "SELECT batch, currency, amount, COUNT(*), SUM(CASE WHEN redeemed > 0 THEN 1 ELSE 0 END), "
        "created, expires FROM codes WHERE (batch = ? OR CAST(? AS TEXT) = '') GROUP BY batch, "
        "currency, amount, created, expires ORDER BY created, batch, amount",
        STORE_VALUES(store_text(batch), store_text(batch)));
}

struct code {
    char batch[LEDGER_NAME_BYTES], currency[CURRENCY_BYTES];
    int64_t amount, expires;
    bool found;
};

static enum status read_code(void *context, const struct store_row *row) {
    struct code *code = context;
    code->found = true;
    snprintf(code->batch, sizeof code->batch, "%s", row_text(row, 0));
    snprintf(code->currency, sizeof code->currency, "%s", row_text(row, 1));
    code->amount = row_number(row, 2);
    code->expires = row_number(row, 3);
    return STATUS_OK;
}

/* A wrong code, one of another currency and one that was used say the same to whoever guesses. */
enum status code_redeem(struct admin_call *call) {
    struct ledger *ledger = call->ledger;
    struct ledger_balance balance;
    struct code code = {.found = false};
    char hash[KEY_HASH_TEXT_BYTES];
    const char *text;
    int64_t account;
    TRY(check_topups(call));
    TRY(call_account(call, &account));
    TRY(call_text(call, "code", "", &text));
    secret_hash(text, hash);
    TRY(ledger_balance(ledger, account, call->now, &balance));
    TRY(store_run(ledger->store,
                  "SELECT batch, currency, amount, expires FROM codes WHERE hash = ? AND redeemed = 0",
                  STORE_VALUES(store_text(hash)), read_code, &code));
    if (!code.found || (code.expires && code.expires <= call->now) || strcmp(code.currency, balance.currency))
        return fail(STATUS_NOT_FOUND, "code: is not valid for this account");
    TRY(store_do(ledger->store, "UPDATE codes SET redeemed = ?, account = ? WHERE hash = ? AND redeemed = 0",
                 store_number(call->now), store_number(account), store_text(hash)));
    if (store_changes(ledger->store) != 1)
        return fail(STATUS_NOT_FOUND, "code: is not valid for this account");
    TRY(ledger_topup(ledger, account, code.amount, call->now, code.batch));
    return answer_balance(call, account);
}
