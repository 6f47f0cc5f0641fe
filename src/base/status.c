/* status.c - the per-thread sentence behind enum status, and the table of codes. Owns one buffer per
 * thread; any thread may call it. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = 1024 };

static _Thread_local char message[MESSAGE_BYTES];

/* A name out of a hostile file must not reach the terminal as an escape sequence. */
static void replace_control_characters(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = '?';
}

enum status fail(enum status code, const char *format, ...) {
    char text[MESSAGE_BYTES]; /* arguments may point into `message` */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    replace_control_characters(text);
    memcpy(message, text, sizeof text);
    return code;
}

enum status fail_within(enum status code, const char *format, ...) {
    char context[MESSAGE_BYTES / 2], text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(context, sizeof context, format, arguments);
    va_end(arguments);
    replace_control_characters(context);
    int used = snprintf(text, sizeof text, "%s: ", context);
    size_t room = sizeof text - (size_t)used, bytes = strnlen(message, room - 1);
    memcpy(text + used, message, bytes); /* cut where it does not fit */
    text[(size_t)used + bytes] = 0;
    memcpy(message, text, sizeof text);
    return code;
}

const char *status_message(void) {
    return message;
}

struct status_row {
    const char *text;
    int http, exit_code;
};

#define STATUS_AS_ROW(name, text, http, exit_code) [name] = {text, http, exit_code},
static const struct status_row rows[STATUS_COUNT] = {STATUS_LIST(STATUS_AS_ROW)};
#undef STATUS_AS_ROW

const char *status_text(enum status code) {
    return rows[code].text;
}
int status_http(enum status code) {
    return rows[code].http;
}
int status_exit_code(enum status code) {
    return rows[code].exit_code;
}

void must_fail(const char *condition, const char *file, int line) {
    fprintf(stderr, "hadal: broken invariant %s at %s:%d\n", condition, file, line);
    abort();
}
