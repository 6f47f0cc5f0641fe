/* price_resolve.c - which row and which window decide. */
#include "server/account/calendar.h"
#include "server/account/price.h"

#include <stdlib.h>
#include <string.h>

/* ---- windows ---- */

static bool is_holiday(const struct price_calendar *calendar, int64_t day) {
    for (int i = 0; i < calendar->ranges; i++)
        if (day >= calendar->day[2 * i] && day <= calendar->day[2 * i + 1]) return true;
    return false;
}

static bool opens_on(const struct price_window *window, int64_t day) {
    if (!(window->weekdays >> weekday_of(day) & 1)) return false;
    if (window->holidays == HOLIDAYS_ALIKE) return true;
    return is_holiday(window->calendar, day) == (window->holidays == HOLIDAYS_ONLY);
}

static bool is_open(const struct price_window *window, int64_t seconds) {
    const int64_t local = seconds + window->zone_seconds, day = day_of(local),
                  second = local - day * DAY_SECONDS;
    const int64_t from = window->from * 60, to = window->to * 60;
    if (to > from) return second >= from && second < to && opens_on(window, day);
    return (second >= from && opens_on(window, day)) || (second < to && opens_on(window, day - 1));
}

/* ---- rows ---- */

static bool is_of(const struct price_row *row, const char *model, const char *currency) {
    if (strcmp(row->currency, currency)) return false;
    for (int i = 0; i < row->models; i++)
        if (!strcmp(row->model[i], model)) return true;
    return false;
}

bool price_list_has(const struct price_list *list, const char *model, const char *currency) {
    bool fallback = false;
    for (int i = 0; i < list->rows; i++) {
        if (is_of(&list->row[i], model, currency)) return true;
        fallback |= list->fallback && is_of(&list->row[i], list->fallback, currency);
    }
    return fallback;
}

/* Under which name the model's rows are. */
static const char *name_of(const struct price_list *list, const char *model, const char *currency) {
    for (int i = 0; i < list->rows; i++)
        if (is_of(&list->row[i], model, currency)) return model;
    return list->fallback ? list->fallback : model;
}

/* The latest of rows with the same instant is the one that comes last in the file. */
static const struct price_row *row_in_force(const struct price_list *list, const char *model,
                                            const char *currency, int64_t seconds) {
    const struct price_row *found = NULL;
    for (int i = 0; i < list->rows; i++) {
        const struct price_row *row = &list->row[i];
        if (row->from <= seconds && is_of(row, model, currency) && (!found || row->from >= found->from))
            found = row;
    }
    return found;
}

enum status price_list_freeze(struct price_list *list, int64_t instant, const char *name) {
    struct price_row *kept = calloc(PRICE_ROWS_LIMIT, sizeof *kept);
    int rows = 0;
    list->name = arena_copy(&list->arena, name, strlen(name));
    if (!list->name) free(kept);
    if (!kept || !list->name) return fail(STATUS_MEMORY, "out of memory for prices");
    for (int i = 0; i < list->rows; i++) {
        const struct price_row *row = &list->row[i];
        bool in_force = false;
        for (int m = 0; m < row->models; m++)
            in_force |= row_in_force(list, row->model[m], row->currency, instant) == row;
        if (in_force) kept[rows++] = *row;
    }
    /* the order of instants stays, so that a model in two rows keeps the later one */
    for (int i = 0; i < rows; i++) kept[i].from -= instant;
    free(list->row);
    list->row = kept;
    list->rows = rows;
    return STATUS_OK;
}

static enum price_class listed_class(const int64_t price[PRICE_CLASSES], enum price_class class) {
    return class == PRICE_REASONING && price[class] < 0 ? PRICE_OUTPUT : class;
}

struct price price_in_window(const struct price_row *row, const struct price_window *window,
                             enum price_class class) {
    struct price price = {row->price[listed_class(row->price, class)], MICROS, row, window};
    if (!window) return price;
    const int64_t absolute = window->price[listed_class(window->price, class)];
    price.multiplier = absolute >= 0 ? MICROS : window->multiplier;
    if (absolute >= 0) price.price = absolute;
    return price;
}

static const struct price_row *find_row(const struct price_list *list, const char *model,
                                        const char *currency, enum price_class class, int64_t seconds) {
    const char *const names[] = {name_of(list, model, currency), "*"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct price_row *row = row_in_force(list, names[i], currency, seconds);
        if (row && row->price[listed_class(row->price, class)] >= 0) return row;
    }
    return NULL;
}

static enum status not_found(const struct price_list *list, const char *model, const char *currency,
                             enum price_class class, int64_t seconds) {
    char time[INSTANT_TEXT_BYTES];
    return fail(STATUS_NOT_FOUND, "prices %.40s: no price of %s for %.64s in %.3s at %s", list->name,
                price_class_name(class), model, currency, instant_print(seconds, time));
}

enum status price_resolve(const struct price_list *list, const char *model, const char *currency,
                          enum price_class class, int64_t seconds, struct price *price) {
    const struct price_row *row = find_row(list, model, currency, class, seconds);
    const struct price_window *open = NULL;
    if (!row) return not_found(list, model, currency, class, seconds);
    for (int i = 0; i < row->windows && !open; i++)
        if (is_open(&row->window[i], seconds)) open = &row->window[i];
    *price = price_in_window(row, open, class);
    return STATUS_OK;
}

static void take_larger(struct price *most, const struct price_row *row, enum price_class class) {
    for (int i = -1; i < row->windows; i++) {
        const struct price price = price_in_window(row, i < 0 ? NULL : &row->window[i], class);
        if (price.price < 0) continue;
        if ((__int128)price.price * price.multiplier > (__int128)most->price * most->multiplier)
            *most = price;
    }
}

enum status price_most(const struct price_list *list, const char *model, const char *currency,
                       enum price_class class, int64_t from, int64_t to, struct price *price) {
    const char *name = name_of(list, model, currency);
    const struct price_row *row = find_row(list, model, currency, class, from);
    if (!row) return not_found(list, model, currency, class, from);
    *price = (struct price){0, MICROS, row, NULL};
    take_larger(price, row, class);
    for (int i = 0; i < list->rows; i++) {
        const struct price_row *later = &list->row[i];
        if (later->from > from && later->from <= to &&
            (is_of(later, name, currency) || is_of(later, "*", currency)))
            take_larger(price, later, class);
    }
    return STATUS_OK;
}
