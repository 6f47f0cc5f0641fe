/* admin_audit.c - every sum of the ledger, made a second time from what it is the sum of. */
#include "server/account/admin_call.h"

#include <stdio.h>
#include <string.h>

struct audit {
    json_t *findings;
    int64_t rows, wrong;
};

static enum status add(struct audit *audit, const char *format, const char *name, int64_t number) {
    char text[256];
    snprintf(text, sizeof text, "%s: %.100s (%lld)", format, name, (long long)number);
    audit->wrong++;
    if (audit->wrong > 100) return STATUS_OK;
    return json_array_append_new(audit->findings, json_string(text)) ? fail(STATUS_MEMORY, "out of memory")
                                                                     : STATUS_OK;
}

/* Rows of such statements are findings: what, by how much. */
static const struct {
    const char *finding, *sql;
} checks[] = {
    {"a transfer whose entries are not zero in sum",
     "SELECT transfer, SUM(amount) FROM entries GROUP BY transfer HAVING SUM(amount) <> 0"},
    {"a book whose balance is not the sum of its entries",
     "SELECT name, balance - COALESCE((SELECT SUM(amount) FROM entries WHERE book = name), 0) FROM books "
     "WHERE balance "
     "<> COALESCE((SELECT SUM(amount) FROM entries WHERE book = name), 0)"},
    {"books of a currency that are not zero in sum",
     "SELECT currency, SUM(balance) FROM books GROUP BY currency HAVING SUM(balance) <> 0"},
    {"a book of an account that is negative",
     "SELECT name, balance FROM books WHERE account > 0 AND balance < 0"},
    {"a transfer of two currencies", "SELECT transfer, COUNT(DISTINCT currency) FROM entries JOIN books ON "
                                     "books.name = entries.book GROUP BY transfer "
                                     "HAVING COUNT(DISTINCT currency) > 1"},
    {"reserved money without open reservations for it",
     "SELECT name, balance - COALESCE((SELECT SUM(amount) FROM reservations WHERE reservations.account = "
     "books.account "
     "AND state = 'open'), 0) FROM books WHERE kind = 'reserved' AND balance <> COALESCE((SELECT SUM(amount) "
     "FROM "
     "reservations WHERE reservations.account = books.account AND state = 'open'), 0)"},
    {"revenue that is not the sum of charges",
     "SELECT name, balance - COALESCE((SELECT SUM(amount) FROM charges WHERE charges.currency = "
     "books.currency), 0) "
     "FROM books WHERE kind = 'revenue' AND balance <> COALESCE((SELECT SUM(amount) FROM charges WHERE "
     "charges.currency = books.currency), 0)"},
    {"a charge without its transfer",
     "SELECT request, transfer FROM charges WHERE NOT EXISTS (SELECT 1 FROM transfers WHERE transfers.id = "
     "charges.transfer AND transfers.request = charges.request AND kind = 'settle')"},
    {"a settlement without its charge",
     "SELECT request, id FROM transfers WHERE kind = 'settle' AND NOT EXISTS (SELECT 1 FROM charges WHERE "
     "charges.transfer = transfers.id)"},
    {"a reservation that is neither open nor charged",
     "SELECT request, id FROM transfers WHERE kind = 'reserve' AND NOT EXISTS (SELECT 1 FROM charges WHERE "
     "charges.request = transfers.request) AND NOT EXISTS (SELECT 1 FROM reservations WHERE "
     "reservations.request = "
     "transfers.request AND state = 'open')"},
    {"usage by day that is not the sum of charges",
     "SELECT account, SUM(amount) - COALESCE((SELECT SUM(amount) FROM charges WHERE charges.account = "
     "usage_days.account), 0) FROM usage_days GROUP BY account HAVING SUM(amount) <> COALESCE((SELECT "
     "SUM(amount) FROM "
     "charges WHERE charges.account = usage_days.account), 0)"},
};

struct finding {
    struct audit *audit;
    const char *text;
};

static enum status read_finding(void *context, const struct store_row *row) {
    const struct finding *finding = context;
    return add(finding->audit, finding->text, row_text(row, 0), row_number(row, 1));
}

/* Each charge is its bill's amount, less what was written off, and of the units that its bill has. */
static enum status read_charge(void *context, const struct store_row *row) {
    struct audit *audit = context;
    struct bill_units units;
    int64_t micros;
    audit->rows++;
    TRY(bill_check_json(row_text(row, 1), &units, &micros));
    if (micros != row_number(row, 2) + row_number(row, 3))
        TRY(add(audit, "a charge that is not what its bill says", row_text(row, 0), micros));
    for (int class = PRICE_HIT; class <= PRICE_REASONING; class ++)
        if (units.units[class] != row_number(row, 4 + class))
            return add(audit, "a charge whose units are not its bill's", row_text(row, 0), class);
    return STATUS_OK;
}

enum status audit_run(struct admin_call *call) {
    struct store *store = call->ledger->store;
    struct audit audit = {.findings = json_array()};
    int64_t open, transfers;
    if (json_object_set_new(call->answer, "findings", audit.findings))
        return fail(STATUS_MEMORY, "out of memory for the audit");
    for (size_t i = 0; i < COUNT_OF(checks); i++) {
        struct finding finding = {&audit, checks[i].finding};
        TRY(store_run(store, checks[i].sql, NULL, 0, read_finding, &finding));
    }
    TRY(store_run(store, "SELECT request, bill, amount, shortfall, hit, miss, output, reasoning FROM charges",
                  NULL, 0, read_charge, &audit));
    TRY(store_ask(store, "SELECT COUNT(*) FROM reservations WHERE state = 'open'", NULL, 0, 0, &open));
    TRY(store_ask(store, "SELECT COUNT(*) FROM transfers", NULL, 0, 0, &transfers));
    answer_number(call, "transfers", transfers);
    answer_number(call, "charges", audit.rows);
    answer_number(call, "open_reservations", open);
    json_object_set_new(call->answer, "clean", json_boolean(audit.wrong == 0));
    return STATUS_OK;
}
