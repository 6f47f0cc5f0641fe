/* option_parse.c - from the text of one option to its value: whole numbers, reals, choices, lists.
 * Pure functions over one row; any thread. Every refusal names the option and what it takes. */
#include "cli/option_values.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Limits are shown as people write them: 16777216, not 1.67772e+07. */
static void number_write(char *text, size_t bytes, double number) {
    bool whole = number == floor(number) && fabs(number) < 1e15;
    snprintf(text, bytes, whole ? "%.0f" : "%g", number);
}

static enum status range_check(const struct option_row *row, double number, const char *text,
                               const char *origin) {
    if (row->low == 0 && row->high == 0) return STATUS_OK;
    if (number >= row->low && number <= row->high) return STATUS_OK;
    char low[32], high[32];
    number_write(low, sizeof low, row->low);
    number_write(high, sizeof high, row->high);
    if (row->high > 9e18) return fail(STATUS_USAGE, "%s: %.40s is less than %s", origin, text, low);
    return fail(STATUS_USAGE, "%s: %.40s is outside %s to %s", origin, text, low, high);
}

/* Reads digits and an optional K, M or G at *at; false when there is no number or it does not fit. */
static bool whole_read(const char **at, int64_t *whole) {
    char *end;
    errno = 0;
    long long number = strtoll(*at, &end, 10);
    if (end == *at || errno) return false;
    int shift = 0;
    switch (*end) {
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    }
    *at = end + (shift > 0);
    return !__builtin_mul_overflow((int64_t)number, INT64_C(1) << shift, whole);
}

static enum status whole_parse(const struct option_row *row, const char *text, const char *origin,
                               struct option_value *value) {
    const char *at = text;
    if (!whole_read(&at, &value->whole) || *at)
        return fail(STATUS_USAGE, "%s: '%.40s' is not a whole number", origin, text);
    return range_check(row, (double)value->whole, text, origin);
}

static enum status real_parse(const struct option_row *row, const char *text, const char *origin,
                              struct option_value *value) {
    char *end;
    value->real = strtod(text, &end);
    if (end == text || *end || !isfinite(value->real))
        return fail(STATUS_USAGE, "%s: '%.40s' is not a number", origin, text);
    return range_check(row, value->real, text, origin);
}

static enum status flag_parse(const char *text, const char *origin, struct option_value *value) {
    static const char *const word[] = {"off", "on", "false", "true", "no", "yes", "0", "1"};
    for (size_t i = 0; i < COUNT_OF(word); i++)
        if (!strcasecmp(text, word[i])) {
            value->whole = i % 2;
            return STATUS_OK;
        }
    return fail(STATUS_USAGE, "%s: '%.40s' is neither on nor off", origin, text);
}

static enum status text_keep(const char *text, size_t bytes, struct arena *arena,
                             struct option_value *value) {
    const char **list = arena_take(arena, sizeof *list);
    char *copy = arena_copy(arena, text, bytes);
    if (!list || !copy) return fail(STATUS_MEMORY, "out of memory for options");
    list[0] = copy;
    value->text = list;
    value->texts = 1;
    return STATUS_OK;
}

static enum status choice_parse(const struct option_row *row, const char *text, const char *origin,
                                struct arena *arena, struct option_value *value) {
    for (const char *choice = row->choices; *choice;) {
        size_t bytes = strcspn(choice, "|");
        if (bytes == strlen(text) && !strncasecmp(choice, text, bytes))
            return text_keep(choice, bytes, arena, value);
        choice += bytes + (choice[bytes] == '|');
    }
    char list[200];
    snprintf(list, sizeof list, "%s", row->choices);
    for (char *c = list; *c; c++)
        if (*c == '|') *c = ' ';
    return fail(STATUS_USAGE, "%s: '%.40s' is none of: %s", origin, text, list);
}

/* "5,6,7"; blanks around items and the brackets of a JSON array are accepted, so that what tokenize prints fits. */
static enum status list_parse(const struct option_row *row, const char *text, const char *origin,
                              struct arena *arena, struct option_value *value) {
    size_t most = 1;
    for (const char *c = text; *c; c++) most += *c == ',';
    int64_t *list = most <= INT32_MAX ? arena_take(arena, most * sizeof *list) : NULL;
    if (!list) return fail(STATUS_MEMORY, "%s: out of memory for %zu numbers", origin, most);
    const char *at = text + strspn(text, " \t\n[");
    int items = 0;
    for (;;) {
        const char *item = at;
        if (!whole_read(&at, &list[items]))
            return fail(STATUS_USAGE, "%s: '%.40s' is not a list of whole numbers such as 5,6,7", origin,
                        item);
        char shown[32];
        snprintf(shown, sizeof shown, "%lld", (long long)list[items]);
        TRY(range_check(row, (double)list[items], shown, origin));
        items++;
        at += strspn(at, " \t\n");
        if (*at != ',') break;
        at++;
    }
    if (at[strspn(at, " \t\n]")])
        return fail(STATUS_USAGE, "%s: '%.40s' does not continue a list of whole numbers", origin, at);
    value->list = list;
    value->items = items;
    return STATUS_OK;
}

enum status option_value_parse(const struct option_row *row, const char *text, const char *origin,
                               struct arena *arena, struct option_value *value) {
    *value = (struct option_value){.set = true};
    switch (row->kind) {
    case OPTION_FLAG: return flag_parse(text, origin, value);
    case OPTION_INT: return whole_parse(row, text, origin, value);
    case OPTION_REAL: return real_parse(row, text, origin, value);
    case OPTION_TEXT: return text_keep(text, strlen(text), arena, value);
    case OPTION_CHOICE: return choice_parse(row, text, origin, arena, value);
    case OPTION_INTS: return list_parse(row, text, origin, arena, value);
    }
    MUST(!"a kind of option without a parser");
    return STATUS_INTERNAL;
}
