/* bill.h - what a request costs: its units by class, the prices that were in force when it ended, the sum, and the same as
 * JSON, which the ledger keeps with the request so that later changes of prices change nothing. Pure, any thread. */
#ifndef HADAL_SERVER_ACCOUNT_BILL_H
#define HADAL_SERVER_ACCOUNT_BILL_H

#include "server/account/price.h"

struct bill_units {
    int64_t units[PRICE_CLASSES];
};

struct bill_request {
    const char *model, *currency;
    int64_t group;   /* the multiplier of the account's group */
    int64_t seconds; /* of its completion */
    struct bill_units units;
};

struct bill {
    int64_t micros;
    struct price price[PRICE_CLASSES]; /* of classes with units */
};

must_use enum status bill_make(const struct price_list *list, const struct bill_request *request,
                               struct bill *bill);
/* The most that the same could cost until `to`. */
must_use enum status bill_most(const struct price_list *list, const struct bill_request *request, int64_t to,
                               struct bill *bill);

/* One line of JSON: {"list", "model", "currency", "time", "group", "lines": [{"class", "units", "price", "multiplier",
 * "window", "source"}], "amount"}; prices and amount in micro-units, multipliers in millionths. */
void bill_print_json(struct buffer *out, const struct price_list *list, const struct bill_request *request,
                     const struct bill *bill);
/* From such a line: its figures by class. STATUS_FORMAT when it is none. */
struct bill_lines {
    struct money_line line[PRICE_CLASSES]; /* of nothing where it has no line */
    int64_t group;
};
must_use enum status bill_read_json(const char *text, struct bill_lines *lines);
/* From such a line: the amount that its figures give. STATUS_FORMAT when it is none. */
must_use enum status bill_check_json(const char *text, struct bill_units *units, int64_t *micros);
/* For people, a line for each class; `json` is what bill_print_json() wrote. */
must_use enum status bill_explain(const char *json, struct buffer *out);

#endif
