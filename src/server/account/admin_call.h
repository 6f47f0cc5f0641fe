/* admin_call.h - what actions share: reading arguments, and making rows of JSON from rows of the store. Private to the
 * admin_*.c files. */
#ifndef HADAL_SERVER_ACCOUNT_ADMIN_CALL_H
#define HADAL_SERVER_ACCOUNT_ADMIN_CALL_H

#include "server/account/admin.h"

/* `fallback` where the argument is missing. Texts are borrowed from the call; at most `limit` bytes. */
must_use enum status call_text(const struct admin_call *call, const char *name, const char *fallback,
                               const char **text);
must_use enum status call_number(const struct admin_call *call, const char *name, int64_t low, int64_t high,
                                 int64_t fallback, int64_t *number);
must_use enum status call_money(const struct admin_call *call, const char *name, int64_t limit,
                                int64_t fallback, int64_t *micros);
must_use enum status call_instant(const struct admin_call *call, const char *name, int64_t fallback,
                                  int64_t *seconds);
bool call_has(const struct admin_call *call, const char *name);
/* The account that the argument "account" names, or the one whose call it is. */
must_use enum status call_account(const struct admin_call *call, int64_t *account);
/* Likewise; 0 where an operator names none: all. */
must_use enum status call_account_or_all(const struct admin_call *call, int64_t *account);

void answer_text(struct admin_call *call, const char *name, const char *text);
void answer_number(struct admin_call *call, const char *name, int64_t number);
json_t *money_json(int64_t micros);
void answer_money(struct admin_call *call, const char *name, int64_t micros);

enum column_kind { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_MONEY, COLUMN_INSTANT, COLUMN_DAY };
struct column {
    const char *name;
    enum column_kind kind;
};
struct columns {
    const struct column *column;
    int columns;
    json_t *rows; /* where they go */
};
/* A store_row_reader whose context is a struct columns. */
store_row_reader columns_read;
/* Runs a statement and puts its rows under "data". */
must_use enum status answer_rows(struct admin_call *call, const struct column *column, int columns,
                                 const char *sql, const struct store_value *value, int values);

/* The actions. */
typedef enum status admin_do(struct admin_call *call);
admin_do account_add, account_list, account_set, key_add, key_list, key_set, key_revoke, group_set,
    group_list;
admin_do money_topup, money_grant, money_withdraw, money_balance, code_make, code_list, code_redeem;
admin_do prices_set, prices_list, prices_show, prices_now, quote_make;
admin_do usage_report, ledger_report, charge_list, profit_report, audit_run;
admin_do setting_set, setting_list;

#endif
