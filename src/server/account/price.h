/* price.h - a list of prices as data: which price is in force for a model, a class of tokens and an instant.
 *
 * A list is JSON (docs/ACCOUNTS.md). A row holds, for some models and one currency, the prices from an instant on, and
 * windows of the day in which others apply. The row in force is the latest one of the model; what it does not list is
 * taken from the rows of "*". A model without rows is charged as the list's fallback model. A window belongs to the day
 * on which it opens, in its own zone, also where it crosses midnight; it includes its first second and not its last. The
 * first window that is open decides. Read-only once parsed: any thread. */
#ifndef HADAL_SERVER_ACCOUNT_PRICE_H
#define HADAL_SERVER_ACCOUNT_PRICE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/json.h"
#include "server/account/money.h"

enum price_class {
    PRICE_HIT,        /* tokens of a prompt that were in the cache */
    PRICE_MISS,       /* and that were not */
    PRICE_OUTPUT,     /* generated tokens, reasoning apart */
    PRICE_REASONING,  /* where a row does not list it: as output */
    PRICE_SEARCH,     /* calls */
    PRICE_FETCH,      /* calls */
    PRICE_PAGES,      /* of documents that are read */
    PRICE_CHARACTERS, /* that are spoken */
    PRICE_CLASSES
};
const char *price_class_name(enum price_class class); /* "hit" */

enum {
    PRICE_ROWS_LIMIT = 4096,
    PRICE_WINDOWS_LIMIT = 64,
    PRICE_MODELS_LIMIT = 64,
    PRICE_FILE_BYTES = 4 << 20
};

struct price_calendar {
    const char *name;
    const int64_t *day; /* [days] ascending by the file's order of ranges: first, last, first, last */
    int ranges;
};

enum price_holidays { HOLIDAYS_ALIKE, HOLIDAYS_ONLY, HOLIDAYS_NOT };

struct price_window {
    const char *text;           /* as a bill shows it */
    int zone_seconds, from, to; /* minutes of the local day; to <= from: it ends on the next day */
    unsigned weekdays;          /* bit 0: Monday */
    enum price_holidays holidays;
    const struct price_calendar *calendar;
    int64_t multiplier;           /* of the row's prices */
    int64_t price[PRICE_CLASSES]; /* -1: the row's price times the multiplier */
};

struct price_row {
    const char *const *model;
    int models;
    char currency[CURRENCY_BYTES];
    int64_t from;                 /* seconds since 1970 */
    int64_t price[PRICE_CLASSES]; /* micro-units for a million; -1: none */
    const struct price_window *window;
    int windows;
    const char *source;
};

struct price_list {
    struct arena arena;
    const char *name, *fallback; /* fallback NULL: none */
    const struct price_calendar *calendar;
    int calendars;
    struct price_row *row;
    int rows;
};

/* STATUS_INPUT names origin, row and field. On failure the list is empty. */
must_use enum status price_list_parse(struct price_list *list, const char *text, size_t bytes,
                                      const char *origin);
void price_list_close(struct price_list *list); /* also of a zeroed one */

/* A file's text, or that of a preset: "deepseek" is DeepSeek's whole history, "deepseek-2025-02" the prices in force at
 * the end of that month, for ever. The text of a preset is the history's; `frozen` is the instant, or -1. */
must_use enum status price_text_find(const char *name, struct buffer *text, int64_t *frozen);
bool price_is_preset(const char *name);
/* Both steps, and freezing. */
must_use enum status price_list_open(struct price_list *list, const char *name);
/* Keeps the rows that are in force at an instant, as if they had always been, under another name. */
must_use enum status price_list_freeze(struct price_list *list, int64_t instant, const char *name);

struct price {
    int64_t price, multiplier;
    const struct price_row *row;
    const struct price_window *window; /* NULL: none is open */
};

/* STATUS_NOT_FOUND: the list has no price for it then. */
must_use enum status price_resolve(const struct price_list *list, const char *model, const char *currency,
                                   enum price_class class, int64_t seconds, struct price *price);
/* Of a row, in one of its windows; NULL: outside of all. A price below 0: none. */
struct price price_in_window(const struct price_row *row, const struct price_window *window,
                             enum price_class class);
/* The most that it can be from `from` to `to`, windows open or not: what a reservation is made with. */
must_use enum status price_most(const struct price_list *list, const char *model, const char *currency,
                                enum price_class class, int64_t from, int64_t to, struct price *price);
/* Whether rows are of this model, or of its fallback, in this currency. */
bool price_list_has(const struct price_list *list, const char *model, const char *currency);

extern const char price_history[]; /* the text of prices/deepseek.json */

#endif
