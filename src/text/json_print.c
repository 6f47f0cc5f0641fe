/* json_print.c - the writer behind json_print.h. Pure; recursion is as deep as the value, which the JSON
 * parser bounds. The one subtlety is the spelling of floating-point numbers, which is Python's repr(). */
#include "text/json_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { DIGITS_MOST = 17 }; /* enough for any double to read back as itself */

static void print_value(struct buffer *out, const json_t *value, int indent, int level);

void json_print(struct buffer *out, const json_t *value, int indent) {
    print_value(out, value, indent, 1);
}

void json_print_text(struct buffer *out, const char *text, size_t bytes) {
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text, *end = at + bytes;
    buffer_append_char(out, '"');
    while (at < end) {
        utf8proc_int32_t point;
        utf8proc_ssize_t length = utf8proc_iterate(at, end - at, &point);
        if (length < 1) {
            buffer_append_text(out, "\xef\xbf\xbd");
            length = 1;
        } else if (point == '"' || point == '\\') {
            buffer_printf(out, "\\%c", (char)point);
        } else if (point >= 0x20) {
            buffer_append(out, at, (size_t)length);
        } else if (short_forms[point]) {
            buffer_printf(out, "\\%c", short_forms[point]);
        } else {
            buffer_printf(out, "\\u%04x", (unsigned)point);
        }
        at += length;
    }
    buffer_append_char(out, '"');
}

/* The fewest digits that read back as `value`; *point is the place of the decimal point behind the first digit. */
static int shortest_digits(double value, char digits[DIGITS_MOST + 1], int *point) {
    char text[40];
    for (int count = 1; count <= DIGITS_MOST; count++) {
        snprintf(text, sizeof text, "%.*e", count - 1, value);
        if (count == DIGITS_MOST || strtod(text, NULL) == value) break;
    }
    int found = 0;
    const char *at = text;
    for (; *at != 'e'; at++)
        if (*at >= '0' && *at <= '9') digits[found++] = *at; /* skips the locale's decimal point */
    *point = atoi(at + 1);
    while (found > 1 && digits[found - 1] == '0') found--;
    digits[found] = 0;
    return found;
}

static void print_real(struct buffer *out, double value) {
    char digits[DIGITS_MOST + 1];
    int point, count = shortest_digits(fabs(value), digits, &point);
    if (signbit(value)) buffer_append_char(out, '-');
    if (point < -4 || point > 15) {
        buffer_append(out, digits, 1);
        if (count > 1) buffer_printf(out, ".%s", digits + 1);
        buffer_printf(out, "e%c%02d", point < 0 ? '-' : '+', abs(point));
        return;
    }
    if (point < 0) {
        buffer_append_text(out, "0.");
        for (int zero = -1; zero > point; zero--) buffer_append_char(out, '0');
        buffer_append_text(out, digits);
        return;
    }
    for (int place = 0; place <= point; place++) buffer_append_char(out, place < count ? digits[place] : '0');
    buffer_printf(out, ".%s", count > point + 1 ? digits + point + 1 : "0");
}

static void print_break(struct buffer *out, int indent, int level) {
    if (!indent) return;
    buffer_append_char(out, '\n');
    for (int space = 0; space < indent * level; space++) buffer_append_char(out, ' ');
}

static void print_array(struct buffer *out, const json_t *array, int indent, int level) {
    size_t count = json_array_size(array);
    buffer_append_char(out, '[');
    for (size_t index = 0; index < count; index++) {
        if (index) buffer_append_text(out, indent ? "," : ", ");
        print_break(out, indent, level);
        print_value(out, json_array_get(array, index), indent, level + 1);
    }
    if (count) print_break(out, indent, level - 1);
    buffer_append_char(out, ']');
}

static void print_object(struct buffer *out, json_t *object, int indent, int level) {
    const char *key;
    json_t *value;
    bool first = true;
    buffer_append_char(out, '{');
    json_object_foreach(object, key, value) {
        if (!first) buffer_append_text(out, indent ? "," : ", ");
        first = false;
        print_break(out, indent, level);
        json_print_text(out, key, strlen(key));
        buffer_append_text(out, ": ");
        print_value(out, value, indent, level + 1);
    }
    if (!first) print_break(out, indent, level - 1);
    buffer_append_char(out, '}');
}

static void print_value(struct buffer *out, const json_t *value, int indent, int level) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: print_object(out, (json_t *)value, indent, level); break; /* iterators lack const */
    case JSON_ARRAY: print_array(out, value, indent, level); break;
    case JSON_STRING: json_print_text(out, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER: buffer_printf(out, "%lld", (long long)json_integer_value(value)); break;
    case JSON_REAL: print_real(out, json_real_value(value)); break;
    case JSON_TRUE: buffer_append_text(out, "true"); break;
    case JSON_FALSE: buffer_append_text(out, "false"); break;
    case JSON_NULL: buffer_append_text(out, "null"); break;
    }
}
