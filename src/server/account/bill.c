/* bill.c - see bill.h. */
#include "server/account/bill.h"

#include "server/account/calendar.h"
#include "text/json_print.h"

#include <string.h>

static enum status sum_up(const struct bill_request *request, struct bill *bill) {
    struct money_line line[PRICE_CLASSES];
    int lines = 0;
    for (int class = 0; class < PRICE_CLASSES; class ++)
        if (request->units.units[class])
            line[lines++] = (struct money_line){request->units.units[class], bill->price[class].price,
                                                bill->price[class].multiplier};
    return money_bill(line, lines, request->group, &bill->micros);
}

enum status bill_make(const struct price_list *list, const struct bill_request *request, struct bill *bill) {
    *bill = (struct bill){0};
    for (int class = 0; class < PRICE_CLASSES; class ++)
        if (request->units.units[class])
            TRY(price_resolve(list, request->model, request->currency, (enum price_class) class,
                              request->seconds, &bill->price[class]));
    return sum_up(request, bill);
}

enum status bill_most(const struct price_list *list, const struct bill_request *request, int64_t to,
                      struct bill *bill) {
    *bill = (struct bill){0};
    for (int class = 0; class < PRICE_CLASSES; class ++)
        if (request->units.units[class])
            TRY(price_most(list, request->model, request->currency, (enum price_class) class,
                           request->seconds, to, &bill->price[class]));
    return sum_up(request, bill);
}

static void print_field(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, "\"%s\":", name);
    json_print_text(out, text, strlen(text));
}

void bill_print_json(struct buffer *out, const struct price_list *list, const struct bill_request *request,
                     const struct bill *bill) {
    const char *comma = "";
    buffer_append_char(out, '{');
    print_field(out, "list", list->name);
    buffer_append_char(out, ',');
    print_field(out, "model", request->model);
    buffer_printf(out, ",\"currency\":\"%.3s\",\"time\":%lld,\"group\":%lld,\"lines\":[", request->currency,
                  (long long)request->seconds, (long long)request->group);
    for (int class = 0; class < PRICE_CLASSES; class ++) {
        const struct price *price = &bill->price[class];
        if (!request->units.units[class]) continue;
        buffer_printf(out, "%s{\"class\":\"%s\",\"units\":%lld,\"price\":%lld,\"multiplier\":%lld,", comma,
                      price_class_name((enum price_class) class), (long long)request->units.units[class],
                      (long long)price->price, (long long)price->multiplier);
        print_field(out, "window", price->window ? price->window->text : "");
        buffer_append_char(out, ',');
        print_field(out, "source", price->row ? price->row->source : "");
        buffer_append_char(out, '}');
        comma = ",";
    }
    buffer_printf(out, "],\"amount\":%lld}", (long long)bill->micros);
}

/* ---- reading one again ---- */

static int class_of(const json_t *line) {
    const char *name = json_string_value(json_object_get(line, "class"));
    for (int class = 0; name && class < PRICE_CLASSES; class ++)
        if (!strcmp(price_class_name((enum price_class) class), name)) return class;
    return -1;
}

static int64_t number(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

static enum status read_lines(const json_t *root, struct bill_lines *lines) {
    const json_t *list = json_object_get(root, "lines");
    const size_t count = json_array_size(list);
    if (count > PRICE_CLASSES) return fail(STATUS_FORMAT, "a bill has too many lines");
    lines->group = number(root, "group");
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const int class = class_of(item);
        if (class < 0) return fail(STATUS_FORMAT, "a bill has a line of an unknown class");
        if (lines->line[class].units) return fail(STATUS_FORMAT, "a bill has two lines of a class");
        lines->line[class] =
            (struct money_line){number(item, "units"), number(item, "price"), number(item, "multiplier")};
    }
    return STATUS_OK;
}

enum status bill_read_json(const char *text, struct bill_lines *lines) {
    json_t *root;
    *lines = (struct bill_lines){0};
    TRY(json_parse(text, strlen(text), "a bill", &root));
    enum status status = read_lines(root, lines);
    json_decref(root);
    return status;
}

enum status bill_check_json(const char *text, struct bill_units *units, int64_t *micros) {
    struct bill_lines lines;
    *units = (struct bill_units){0};
    TRY(bill_read_json(text, &lines));
    for (int class = 0; class < PRICE_CLASSES; class ++) units->units[class] = lines.line[class].units;
    return money_bill(lines.line, PRICE_CLASSES, lines.group, micros);
}

static void explain_line(const json_t *line, const char *currency, struct buffer *out) {
    char price[MONEY_TEXT_BYTES], multiplier[MONEY_TEXT_BYTES];
    const char *window = json_string_value(json_object_get(line, "window"));
    buffer_printf(out, "  %-10s %12lld x %s %s / 1,000,000",
                  json_string_value(json_object_get(line, "class")), (long long)number(line, "units"),
                  money_print(number(line, "price"), price), currency);
    if (number(line, "multiplier") != MICROS)
        buffer_printf(out, " x %s", money_print(number(line, "multiplier"), multiplier));
    if (window && *window) buffer_printf(out, "   (window %s)", window);
    buffer_printf(out, "\n             %s\n", json_string_value(json_object_get(line, "source")));
}

enum status bill_explain(const char *json, struct buffer *out) {
    char time[INSTANT_TEXT_BYTES], amount[MONEY_TEXT_BYTES];
    json_t *root;
    TRY(json_parse(json, strlen(json), "a bill", &root));
    const char *currency = json_string_value(json_object_get(root, "currency"));
    const json_t *lines = json_object_get(root, "lines");
    if (!currency) currency = "";
    buffer_printf(out, "%s, prices %s, completed %s\n", json_string_value(json_object_get(root, "model")),
                  json_string_value(json_object_get(root, "list")),
                  instant_print(number(root, "time"), time));
    for (size_t i = 0; i < json_array_size(lines); i++) explain_line(json_array_get(lines, i), currency, out);
    if (number(root, "group") != MICROS)
        buffer_printf(out, "  times %s, the group's multiplier\n",
                      money_print(number(root, "group"), amount));
    buffer_printf(out, "  = %s %s, rounded once to a millionth, halves up\n",
                  money_print(number(root, "amount"), amount), currency);
    json_decref(root);
    return buffer_check(out, "the bill");
}
