/* money.c - see money.h. */
#include "server/account/money.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DECIMALS = 6 };

enum status money_parse(const char *text, int64_t limit, const char *what, int64_t *micros) {
    int64_t value = 0;
    int decimals = -1, digits = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '.' && decimals < 0) {
            decimals = 0;
            continue;
        }
        if (!isdigit((unsigned char)*c) || (decimals >= 0 && ++decimals > DECIMALS)) digits = -1;
        if (digits < 0) break;
        digits++;
        value = value * 10 + (*c - '0');
        if (value > limit) return fail(STATUS_INPUT, "%s: %.40s is too much", what, text);
    }
    if (digits <= 0)
        return fail(STATUS_INPUT, "%s: '%.40s' is no amount such as 0.28, with at most six decimals", what,
                    text);
    for (int i = decimals < 0 ? 0 : decimals; i < DECIMALS; i++) {
        value *= 10;
        if (value > limit) return fail(STATUS_INPUT, "%s: %.40s is too much", what, text);
    }
    *micros = value;
    return STATUS_OK;
}

const char *money_print(int64_t micros, char text[MONEY_TEXT_BYTES]) {
    const uint64_t size = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;
    int bytes = snprintf(text, MONEY_TEXT_BYTES, "%s%llu.%06llu", micros < 0 ? "-" : "",
                         (unsigned long long)(size / MICROS), (unsigned long long)(size % MICROS));
    for (int spare = DECIMALS - 2; spare > 0 && text[bytes - 1] == '0'; spare--) text[--bytes] = '\0';
    return text;
}

bool currency_is_valid(const char *text) {
    return text && strlen(text) == CURRENCY_BYTES - 1 && isupper((unsigned char)text[0]) &&
           isupper((unsigned char)text[1]) && isupper((unsigned char)text[2]);
}

static bool fits(int64_t value, int64_t limit) {
    return value >= 0 && value <= limit;
}

enum status money_bill(const struct money_line *line, int lines, int64_t group, int64_t *micros) {
    /* price is for a million units, both multipliers are in millionths */
    const __int128 divisor = (__int128)MICROS * MICROS * MICROS;
    __int128 sum = 0;
    if (!fits(group, MONEY_MULTIPLIER_LIMIT)) return fail(STATUS_LIMIT, "a group's multiplier is too large");
    for (int i = 0; i < lines; i++) {
        if (!fits(line[i].units, MONEY_UNITS_LIMIT) || !fits(line[i].price, MONEY_PRICE_LIMIT) ||
            !fits(line[i].multiplier, MONEY_MULTIPLIER_LIMIT))
            return fail(STATUS_LIMIT, "a figure of the bill is too large");
        sum += (__int128)line[i].units * line[i].price * line[i].multiplier;
    }
    /* at most 8 lines of 1e9 * 1e11 * 1e8, times 1e8: 8e36, below 2^127 */
    const __int128 rounded = (sum * group + divisor / 2) / divisor;
    if (lines > 8 || rounded > MONEY_AMOUNT_LIMIT) return fail(STATUS_LIMIT, "the bill is too large");
    *micros = (int64_t)rounded;
    return STATUS_OK;
}
