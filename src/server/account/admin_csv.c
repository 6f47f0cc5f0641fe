/* admin_csv.c - lists as CSV, RFC 4180. */
#include "server/account/admin.h"

#include <string.h>

/* A cell that a spreadsheet would take for a formula begins with an apostrophe. */
static void print_cell(struct buffer *out, const char *text) {
    const bool formula = *text && strchr("=+@\t", *text);
    if (!formula && !strpbrk(text, ",\"\r\n")) {
        buffer_append_text(out, text);
        return;
    }
    buffer_append_char(out, '"');
    if (formula) buffer_append_char(out, '\'');
    for (; *text; text++) {
        if (*text == '"') buffer_append_char(out, '"');
        buffer_append_char(out, *text);
    }
    buffer_append_char(out, '"');
}

static void print_value(struct buffer *out, const json_t *value) {
    if (json_is_string(value))
        print_cell(out, json_string_value(value));
    else if (json_is_integer(value))
        buffer_printf(out, "%lld", (long long)json_integer_value(value));
}

enum status admin_print_csv(const json_t *answer, struct buffer *out) {
    const json_t *rows = json_object_get(answer, "data");
    const char *name;
    json_t *value;
    if (!json_is_array(rows)) return fail(STATUS_USAGE, "CSV is for lists");
    for (size_t i = 0; i <= json_array_size(rows) && json_array_size(rows) > 0; i++) {
        const char *comma = "";
        json_object_foreach(json_array_get(rows, i ? i - 1 : 0), name, value) {
            buffer_append_text(out, comma);
            if (i == 0)
                print_cell(out, name);
            else
                print_value(out, value);
            comma = ",";
        }
        buffer_append_text(out, "\r\n");
    }
    return buffer_check(out, "CSV");
}
