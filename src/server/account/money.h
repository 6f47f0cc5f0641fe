/* money.h - amounts as whole millionths of a currency unit, and the one place where a fraction is rounded.
 *
 * A price is a whole number of micro-units for a million tokens (or calls), a multiplier a whole number of
 * millionths. A bill is the exact sum over its lines of units * price * multiplier, times the multiplier of the
 * account's group, and is rounded once, to the nearest micro-unit, halves up. Pure functions, any thread. */
#ifndef HADAL_SERVER_ACCOUNT_MONEY_H
#define HADAL_SERVER_ACCOUNT_MONEY_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define MICROS INT64_C(1000000)

/* What keeps every product of a bill inside 127 bits. */
#define MONEY_UNITS_LIMIT      INT64_C(1000000000)
#define MONEY_PRICE_LIMIT      (INT64_C(100000) * MICROS) /* for a million tokens */
#define MONEY_MULTIPLIER_LIMIT (INT64_C(100) * MICROS)
#define MONEY_COST_LIMIT       (INT64_C(1000000) * MICROS) /* of an hour, a kilowatt-hour; watts */
#define MONEY_AMOUNT_LIMIT     (INT64_C(1000000000) * MICROS)

enum { MONEY_TEXT_BYTES = 32, CURRENCY_BYTES = 4 };

/* "12.5" -> 12500000: digits, at most six behind the point, at most `limit`. `what` opens the sentence. */
must_use enum status money_parse(const char *text, int64_t limit, const char *what, int64_t *micros);
/* 12500000 -> "12.50": at least two digits behind the point, no more than are needed. */
const char *money_print(int64_t micros, char text[MONEY_TEXT_BYTES]);
/* Three capital letters. */
bool currency_is_valid(const char *text);

struct money_line {
    int64_t units, price, multiplier;
};
/* STATUS_LIMIT when a figure or the sum is beyond its limit. */
must_use enum status money_bill(const struct money_line *line, int lines, int64_t group, int64_t *micros);

#endif
