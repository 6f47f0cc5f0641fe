/* status.h - how every fallible function reports: a code as its value, a sentence per thread.
 *
 * A function that can fail returns `enum status`. The first place that sees the problem calls
 * fail(), which records one sentence with its context (file, tensor, field, limit) for the calling
 * thread and returns the code; callers forward it with TRY(). Nothing in the library prints or exits. */
#ifndef HADAL_BASE_STATUS_H
#define HADAL_BASE_STATUS_H

#include <stddef.h>

/* name, what it means to a user, HTTP status, exit status of the binary */
#define STATUS_LIST(X)                                                                                       \
    X(STATUS_OK, "ok", 200, 0)                                                                               \
    X(STATUS_USAGE, "wrong usage", 400, 2)                                                                   \
    X(STATUS_INPUT, "invalid input", 400, 1)                                                                 \
    X(STATUS_NOT_FOUND, "not found", 404, 1)                                                                 \
    X(STATUS_IO, "cannot read or write", 500, 1)                                                             \
    X(STATUS_FORMAT, "malformed file", 500, 1)                                                               \
    X(STATUS_UNSUPPORTED, "not supported", 501, 1)                                                           \
    X(STATUS_LIMIT, "limit exceeded", 413, 1)                                                                \
    X(STATUS_MEMORY, "out of memory", 503, 1)                                                                \
    X(STATUS_CANCELLED, "cancelled", 499, 1)                                                                 \
    X(STATUS_PAYMENT, "payment required", 402, 1)                                                            \
    X(STATUS_DENIED, "not authorised", 401, 1)                                                               \
    X(STATUS_FORBIDDEN, "forbidden", 403, 1)                                                                 \
    X(STATUS_BUSY, "too many requests", 429, 1)                                                              \
    X(STATUS_UNAVAILABLE, "not available now", 503, 1)                                                       \
    X(STATUS_INTERNAL, "internal error", 500, 1)

#define STATUS_AS_ENUM(name, text, http, exit_code) name,
enum status { STATUS_LIST(STATUS_AS_ENUM) STATUS_COUNT };
#undef STATUS_AS_ENUM

#define must_use                         __attribute__((warn_unused_result))
#define printf_like(format_index, first) __attribute__((format(printf, format_index, first)))

/* Records the sentence for this thread and returns `code`. The text replaces any earlier one.
 * %s arguments that come from a file should be cut by the caller (%.64s); control characters are
 * replaced by '?', so that a hostile name cannot drive a terminal. */
must_use enum status fail(enum status code, const char *format, ...) printf_like(2, 3);

/* Puts "context: " in front of the recorded sentence; returns `code`. */
must_use enum status fail_within(enum status code, const char *format, ...) printf_like(2, 3);

/* The last sentence recorded by this thread ("" when none). Valid until this thread's next fail(). */
const char *status_message(void);

const char *status_text(enum status code);
int status_http(enum status code);
int status_exit_code(enum status code);

/* Forwards a failure to the caller. */
#define TRY(expression)                                                                                      \
    do {                                                                                                     \
        enum status try_status_ = (expression);                                                              \
        if (try_status_ != STATUS_OK) return try_status_;                                                    \
    } while (0)

/* An invariant of this program, never a property of input. Always compiled in. */
#define MUST(condition) ((condition) ? (void)0 : must_fail(#condition, __FILE__, __LINE__))
_Noreturn void must_fail(const char *condition, const char *file, int line);

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
