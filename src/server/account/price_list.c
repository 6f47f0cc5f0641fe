/* price_list.c - lists of prices from JSON: every field is checked, and sentences say which one is wrong. */
#include "server/account/price.h"

#include "server/account/calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALENDARS_LIMIT = 32, RANGES_LIMIT = 4096, PLACE_BYTES = 96, ARENA_BYTES = 64 << 20 };

static const char *const class_names[PRICE_CLASSES] = {"hit",    "miss",  "output",    "reasoning",
                                                       "search", "fetch", "ocr_pages", "tts_characters"};

const char *price_class_name(enum price_class class) {
    return class_names[class];
}

struct parser {
    struct price_list *list;
    const char *origin;
    char place[PLACE_BYTES]; /* "rows[3]" */
};

static enum status no_memory(const struct parser *parser) {
    return fail(STATUS_MEMORY, "%s: out of memory for prices", parser->origin);
}

static enum status wrong(const struct parser *parser, const char *field, const char *expected) {
    return fail(STATUS_INPUT, "%s: %s%s%s: must be %s", parser->origin, parser->place,
                *parser->place && *field ? "." : "", field, expected);
}

static const char *keep_text(const struct parser *parser, const char *text) {
    return arena_copy(&parser->list->arena, text, strlen(text));
}

static enum status check_fields(const struct parser *parser, const json_t *object, const char *const *known,
                                size_t names) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        size_t i = 0;
        while (i < names && strcmp(known[i], name)) i++;
        if (i == names)
            return fail(STATUS_INPUT, "%s: %s: unknown field \"%.40s\"", parser->origin, parser->place, name);
    }
    return STATUS_OK;
}

/* ---- calendars ---- */

static enum status parse_range(const struct parser *parser, const json_t *item, int64_t *range) {
    const char *text = json_string_value(item), *dots = text ? strstr(text, "..") : NULL;
    const size_t bytes = !text ? 0 : dots ? (size_t)(dots - text) : strlen(text);
    bool right = text && day_parse(text, bytes, &range[0]);
    range[1] = range[0];
    if (right && dots) right = day_parse(dots + 2, strlen(dots + 2), &range[1]);
    if (!right || range[1] < range[0])
        return wrong(parser, "days", "strings such as 2026-10-01 or 2026-10-01..2026-10-07");
    return STATUS_OK;
}

static enum status parse_calendar(struct parser *parser, const char *name, const json_t *object,
                                  struct price_calendar *calendar) {
    static const char *const known[] = {"source", "days"};
    const json_t *days = json_object_get(object, "days");
    const size_t count = json_array_size(days);
    snprintf(parser->place, sizeof parser->place, "calendars.%.40s", name);
    TRY(check_fields(parser, object, known, COUNT_OF(known)));
    if (!json_is_array(days) || count > RANGES_LIMIT) return wrong(parser, "days", "an array of days");
    int64_t *day = arena_take(&parser->list->arena, (count ? count : 1) * 2 * sizeof *day);
    *calendar = (struct price_calendar){keep_text(parser, name), day, (int)count};
    if (!day || !calendar->name) return no_memory(parser);
    for (size_t i = 0; i < count; i++) TRY(parse_range(parser, json_array_get(days, i), day + 2 * i));
    return STATUS_OK;
}

static enum status parse_calendars(struct parser *parser, const json_t *object) {
    struct price_list *list = parser->list;
    const size_t count = json_object_size(object);
    const char *name;
    json_t *value;
    if (!object) return STATUS_OK;
    if (!json_is_object(object) || count > CALENDARS_LIMIT) return wrong(parser, "calendars", "an object");
    struct price_calendar *calendar = arena_take(&list->arena, (count + 1) * sizeof *calendar);
    if (!calendar) return no_memory(parser);
    list->calendar = calendar;
    json_object_foreach((json_t *)object, name, value) {
        TRY(parse_calendar(parser, name, value, &calendar[list->calendars]));
        list->calendars++;
    }
    parser->place[0] = '\0';
    return STATUS_OK;
}

/* ---- prices ---- */

/* A decimal string, so that no binary fraction is between the file and the bill; a whole number will do. */
static enum status parse_amount(const struct parser *parser, const json_t *value, const char *what,
                                int64_t limit, int64_t *micros) {
    if (json_is_string(value)) return money_parse(json_string_value(value), limit, what, micros);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > limit / MICROS)
        return wrong(parser, what, "a decimal number in quotes, such as \"0.28\"");
    *micros = json_integer_value(value) * MICROS;
    return STATUS_OK;
}

/* {"hit": "0.07", ...}; `per`: for so many units the prices are. */
static enum status parse_prices(const struct parser *parser, const json_t *object, int64_t per,
                                int64_t price[PRICE_CLASSES]) {
    const char *name;
    json_t *value;
    for (int class = 0; class < PRICE_CLASSES; class ++) price[class] = -1;
    if (!object) return STATUS_OK;
    if (!json_is_object(object)) return wrong(parser, "prices", "an object of classes");
    TRY(check_fields(parser, object, class_names, PRICE_CLASSES));
    json_object_foreach((json_t *)object, name, value) {
        char what[PLACE_BYTES + 40];
        int class = 0;
        while (strcmp(class_names[class], name)) class ++;
        snprintf(what, sizeof what, "%s.%s", parser->place, name);
        TRY(parse_amount(parser, value, what, MONEY_PRICE_LIMIT / (MICROS / per), &price[class]));
        price[class] *= MICROS / per;
    }
    return STATUS_OK;
}

/* ---- windows ---- */

/* "mon-fri", "sat,sun", "fri-mon". */
static bool parse_weekdays(const char *text, unsigned *weekdays) {
    static const char names[7][4] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    *weekdays = 0;
    for (;;) {
        int day[2] = {-1, -1};
        for (int end = 0; end < 2; end++) {
            for (int i = 0; i < 7; i++)
                if (!strncmp(text, names[i], 3)) day[end] = i;
            if (day[end] < 0) return false;
            text += 3;
            if (end == 0 && *text != '-') day[++end] = day[0];
            if (end == 0) text++;
        }
        for (int i = day[0];; i = (i + 1) % 7) {
            *weekdays |= 1u << i;
            if (i == day[1]) break;
        }
        if (!*text) return true;
        if (*text++ != ',') return false;
    }
}

/* "not china" or "only china". */
static enum status parse_holidays(const struct parser *parser, const char *text,
                                  struct price_window *window) {
    const bool not = !strncmp(text, "not ", 4), only = !strncmp(text, "only ", 5);
    const char *name = text + (not ? 4 : 5);
    if (!not &&!only) return wrong(parser, "holidays", "\"not CALENDAR\" or \"only CALENDAR\"");
    window->holidays = not ? HOLIDAYS_NOT : HOLIDAYS_ONLY;
    for (int i = 0; i < parser->list->calendars; i++)
        if (!strcmp(parser->list->calendar[i].name, name)) window->calendar = &parser->list->calendar[i];
    return window->calendar ? STATUS_OK : wrong(parser, "holidays", "the name of one of \"calendars\"");
}

static enum status parse_hours(const struct parser *parser, const json_t *object,
                               struct price_window *window) {
    struct json_reader reader = {object, parser->origin};
    const char *zone, *from, *to, *days, *holidays;
    TRY(json_get_text_or(reader, "zone", "UTC", &zone));
    TRY(json_get_text_or(reader, "from", "00:00", &from));
    TRY(json_get_text_or(reader, "to", "24:00", &to));
    TRY(json_get_text_or(reader, "days", "mon-sun", &days));
    TRY(json_get_text_or(reader, "holidays", NULL, &holidays));
    if (!zone_parse(zone, &window->zone_seconds))
        return wrong(parser, "zone", "UTC, Asia/Shanghai, or an offset such as +08:00");
    if (!minute_parse(from, &window->from) || window->from == 24 * 60)
        return wrong(parser, "from", "a time from 00:00 to 23:59");
    if (!minute_parse(to, &window->to) || window->to == window->from || window->to == 0)
        return wrong(parser, "to", "another time than \"from\", from 00:01 to 24:00");
    if (!parse_weekdays(days, &window->weekdays)) return wrong(parser, "days", "such as mon-fri or sat,sun");
    if (holidays) TRY(parse_holidays(parser, holidays, window));
    char text[160];
    snprintf(text, sizeof text, "%s-%s %s%s%s%s%s", from, to, zone, strcmp(days, "mon-sun") ? " " : "",
             strcmp(days, "mon-sun") ? days : "", holidays ? ", holidays " : "", holidays ? holidays : "");
    window->text = keep_text(parser, text);
    return window->text ? STATUS_OK : no_memory(parser);
}

static enum status parse_window(const struct parser *parser, const json_t *object, const char *currency,
                                int64_t per, struct price_window *window) {
    const json_t *multiplier = json_object_get(object, "multiplier"),
                 *prices = json_object_get(object, currency);
    if (!json_is_object(object)) return wrong(parser, "", "an object");
    *window = (struct price_window){.multiplier = MICROS};
    TRY(parse_hours(parser, object, window));
    TRY(parse_prices(parser, prices, per, window->price));
    if (!multiplier && !prices)
        return wrong(parser, "multiplier", "given, or prices in every currency of the row");
    if (!multiplier) return STATUS_OK;
    return parse_amount(parser, multiplier, "multiplier", MONEY_MULTIPLIER_LIMIT, &window->multiplier);
}

/* Fields of a window that are neither known nor a currency. */
static enum status check_names(const struct parser *parser, const json_t *object, const char *const *known,
                               size_t names) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        size_t i = 0;
        while (i < names && strcmp(known[i], name)) i++;
        if (i == names && !currency_is_valid(name))
            return fail(STATUS_INPUT, "%s: %s: unknown field \"%.40s\"", parser->origin, parser->place, name);
    }
    return STATUS_OK;
}

static enum status parse_windows(struct parser *parser, const json_t *array, int64_t per,
                                 struct price_row *row) {
    static const char *const known[] = {"zone", "from", "to", "days", "holidays", "multiplier"};
    const size_t count = json_array_size(array), place_bytes = strlen(parser->place);
    if (!array) return STATUS_OK;
    if (!json_is_array(array) || count > PRICE_WINDOWS_LIMIT) return wrong(parser, "windows", "an array");
    struct price_window *window = arena_take(&parser->list->arena, (count + 1) * sizeof *window);
    if (!window) return no_memory(parser);
    for (size_t i = 0; i < count; i++) {
        const json_t *object = json_array_get(array, i);
        snprintf(parser->place + place_bytes, sizeof parser->place - place_bytes, ".windows[%zu]", i);
        TRY(check_names(parser, object, known, COUNT_OF(known)));
        TRY(parse_window(parser, object, row->currency, per, &window[i]));
    }
    parser->place[place_bytes] = '\0';
    row->window = window;
    row->windows = (int)count;
    return STATUS_OK;
}

/* ---- rows ---- */

static enum status parse_models(const struct parser *parser, const json_t *array, struct price_row *row) {
    const size_t count = json_array_size(array);
    if (!json_is_array(array) || count == 0 || count > PRICE_MODELS_LIMIT)
        return wrong(parser, "models", "an array of names, or [\"*\"]");
    const char **model = arena_take(&parser->list->arena, count * sizeof *model);
    if (!model) return no_memory(parser);
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_array_get(array, i));
        if (!name || !*name) return wrong(parser, "models", "an array of names, or [\"*\"]");
        model[i] = keep_text(parser, name);
        if (!model[i]) return no_memory(parser);
    }
    row->model = model;
    row->models = (int)count;
    return STATUS_OK;
}

/* A row of the file is one row of the list for each currency. */
static enum status parse_row(struct parser *parser, const json_t *object) {
    static const char *const known[] = {"models", "from", "per", "windows", "source"};
    struct json_reader reader = {object, parser->origin};
    struct price_row row = {0};
    const char *from, *source, *name;
    int64_t per;
    json_t *value;
    if (!json_is_object(object)) return wrong(parser, "", "an object");
    TRY(check_names(parser, object, known, COUNT_OF(known)));
    TRY(parse_models(parser, json_object_get(object, "models"), &row));
    TRY(json_get_text_or(reader, "from", "1970-01-01", &from));
    TRY(instant_parse(from, parser->place, &row.from));
    TRY(json_get_text_or(reader, "source", "", &source));
    TRY(json_get_int_or(reader, "per", 1, MICROS, MICROS, &per));
    if (MICROS % per) return wrong(parser, "per", "a divisor of 1,000,000");
    row.source = keep_text(parser, source);
    if (!row.source) return no_memory(parser);
    const int before = parser->list->rows;
    json_object_foreach((json_t *)object, name, value) {
        if (!currency_is_valid(name)) continue;
        if (parser->list->rows == PRICE_ROWS_LIMIT) return wrong(parser, "", "within the limit of 4096 rows");
        memcpy(row.currency, name, CURRENCY_BYTES);
        TRY(parse_prices(parser, value, per, row.price));
        TRY(parse_windows(parser, json_object_get(object, "windows"), per, &row));
        parser->list->row[parser->list->rows++] = row;
    }
    return parser->list->rows > before ? STATUS_OK : wrong(parser, "", "given prices in a currency");
}

static enum status parse_list(struct parser *parser, const json_t *root) {
    static const char *const known[] = {"name", "about", "fallback_model", "calendars", "rows"};
    struct price_list *list = parser->list;
    const json_t *rows = json_object_get(root, "rows");
    struct json_reader reader = {root, parser->origin};
    const char *name, *fallback;
    if (!json_is_object(root)) return wrong(parser, "the list", "an object");
    TRY(check_fields(parser, root, known, COUNT_OF(known)));
    TRY(json_get_text_or(reader, "name", "", &name));
    TRY(json_get_text_or(reader, "fallback_model", NULL, &fallback));
    list->name = keep_text(parser, name);
    if (fallback) list->fallback = keep_text(parser, fallback);
    TRY(parse_calendars(parser, json_object_get(root, "calendars")));
    if (!json_is_array(rows) || json_array_size(rows) == 0) return wrong(parser, "rows", "an array of rows");
    list->row = calloc(PRICE_ROWS_LIMIT, sizeof *list->row);
    if (!list->row || !list->name) return no_memory(parser);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        snprintf(parser->place, sizeof parser->place, "rows[%zu]", i);
        TRY(parse_row(parser, json_array_get(rows, i)));
    }
    return STATUS_OK;
}

enum status price_list_parse(struct price_list *list, const char *text, size_t bytes, const char *origin) {
    struct parser parser = {.list = list, .origin = origin};
    json_t *root = NULL;
    *list = (struct price_list){.arena = {.limit_bytes = ARENA_BYTES}};
    if (bytes > PRICE_FILE_BYTES)
        return fail(STATUS_LIMIT, "%s: a list of prices has at most %d bytes", origin, PRICE_FILE_BYTES);
    TRY(json_parse(text, bytes, origin, &root));
    enum status status = parse_list(&parser, root);
    json_decref(root);
    if (status != STATUS_OK) price_list_close(list);
    return status;
}

void price_list_close(struct price_list *list) {
    free(list->row);
    arena_free(&list->arena);
    *list = (struct price_list){0};
}

/* ---- presets ---- */

static const char preset[] = "deepseek";

bool price_is_preset(const char *name) {
    const size_t bytes = sizeof preset - 1;
    return !strncmp(name, preset, bytes) && (!name[bytes] || name[bytes] == '-');
}

enum status price_text_find(const char *name, struct buffer *text, int64_t *frozen) {
    const size_t bytes = sizeof preset - 1;
    int64_t day;
    *frozen = -1;
    if (!price_is_preset(name)) return buffer_read_file(text, name, PRICE_FILE_BYTES);
    if (name[bytes]) {
        if (!month_end_parse(name + bytes + 1, &day))
            return fail(STATUS_INPUT,
                        "prices %.40s: a preset is deepseek, or a month such as deepseek-2025-02", name);
        *frozen = day * DAY_SECONDS - 1;
    }
    buffer_append_text(text, price_history);
    return buffer_check(text, "prices");
}

enum status price_list_open(struct price_list *list, const char *name) {
    struct buffer text = {0};
    int64_t frozen;
    *list = (struct price_list){0};
    enum status status = price_text_find(name, &text, &frozen);
    if (status == STATUS_OK) status = price_list_parse(list, text.data, text.bytes, name);
    if (status == STATUS_OK && frozen >= 0) status = price_list_freeze(list, frozen, name);
    if (status != STATUS_OK) price_list_close(list);
    buffer_free(&text);
    return status;
}
