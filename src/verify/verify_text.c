/* verify_text.c - rules that compare text: numeric, exact, format. Numbers are compared digit by digit, so that they may be
 * of any length, unless a tolerance makes them measurements. */
#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- numbers ---- */

struct
    number { /* sign, digits before the point without leading zeros, digits behind it without trailing ones */
    bool negative, found;
    const char *whole, *part; /* commas may lie between the digits of `whole` */
    size_t wholes, parts;
    const char *begin, *end;
};

/* Does a comma at `at` part thousands: three digits and no fourth behind it? */
static bool parts_thousands(const char *at, const char *end) {
    if (end - at < 4 || *at != ',') return false;
    for (int i = 1; i <= 3; i++)
        if (!is_digit(at[i])) return false;
    return end - at == 4 || !is_digit(at[4]);
}

/* The number at `at`, where a digit is, or a point and a digit. */
static struct number read_number(const char *begin, const char *at, const char *end) {
    struct number number = {.found = true, .begin = at};
    number.negative = at > begin && at[-1] == '-' && !(at - 1 > begin && is_digit(at[-2]));
    number.whole = at;
    while (at < end && (is_digit(*at) || (at > number.whole && parts_thousands(at, end)))) at++;
    number.wholes = (size_t)(at - number.whole);
    if (at + 1 < end && *at == '.' && is_digit(at[1])) {
        number.part = ++at;
        while (at < end && is_digit(*at)) at++;
        number.parts = (size_t)(at - number.part);
    }
    number.end = at;
    while (number.wholes && (*number.whole == '0' || *number.whole == ',')) {
        number.whole++;
        number.wholes--;
    }
    while (number.parts && number.part[number.parts - 1] == '0') number.parts--;
    if (!number.wholes && !number.parts) number.negative = false;
    return number;
}

static struct number last_number(const char *text, size_t bytes) {
    struct number last = {0};
    const char *end = text + bytes;
    for (const char *at = text; at < end;) {
        bool point = *at == '.' && at + 1 < end && is_digit(at[1]);
        if (!is_digit(*at) && !point) {
            at++;
            continue;
        }
        last = read_number(text, at, end);
        at = last.end;
    }
    return last;
}

static bool same_whole(const struct number *a, const struct number *b) {
    size_t i = 0, j = 0;
    while (true) {
        while (i < a->wholes && a->whole[i] == ',') i++;
        while (j < b->wholes && b->whole[j] == ',') j++;
        if (i == a->wholes || j == b->wholes) return i == a->wholes && j == b->wholes;
        if (a->whole[i++] != b->whole[j++]) return false;
    }
}

static bool same_number(const struct number *a, const struct number *b) {
    return a->negative == b->negative && same_whole(a, b) && a->parts == b->parts &&
           !memcmp(a->part ? a->part : "", b->part ? b->part : "", a->parts);
}

static double number_value(const struct number *number) {
    double value = 0, unit = 1;
    for (size_t i = 0; i < number->wholes; i++)
        if (number->whole[i] != ',') value = 10 * value + (number->whole[i] - '0');
    for (size_t i = 0; i < number->parts; i++) value += (number->part[i] - '0') * (unit /= 10);
    return number->negative ? -value : value;
}

enum status check_numeric(const json_t *line, const char *origin) {
    char room[64];
    TRY(check_answer_text(line, origin));
    const char *expected = answer_field(line, room);
    if (last_number(expected, strlen(expected)).found) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"answer\" holds no number, which numeric needs", origin);
}

enum status score_numeric(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    char room[64];
    (void)verifiers;
    const char *expected = answer_field(request->line, room);
    struct number wanted = last_number(expected, strlen(expected));
    struct number found = last_number(request->answer, request->answer_bytes);
    double tolerance = 0;
    TRY(json_get_real_or((struct json_reader){request->line, request->origin}, "tolerance", 0, 1e300, 0,
                         &tolerance));
    if (!found.found) return STATUS_OK;
    bool close = tolerance > 0 && fabs(number_value(&found) - number_value(&wanted)) <= tolerance;
    *score = close || same_number(&found, &wanted);
    return STATUS_OK;
}

bool result_numeric(const struct verify_request *request, const char **text, size_t *bytes) {
    struct number number = last_number(request->answer, request->answer_bytes);
    *text = number.begin - number.negative;
    *bytes = (size_t)(number.end - *text);
    return number.found;
}

bool same_numeric(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    struct number first = last_number(a, a_bytes), second = last_number(b, b_bytes);
    return first.found && second.found && same_number(&first, &second);
}

/* ---- text ---- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

enum status score_exact(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    char room[64];
    (void)verifiers;
    const char *expected = answer_field(request->line, room);
    while (is_blank(*expected)) expected++;
    size_t bytes = strlen(expected);
    while (bytes && is_blank(expected[bytes - 1])) bytes--;
    *score = bytes == request->answer_bytes && !memcmp(expected, request->answer, bytes);
    return STATUS_OK;
}

bool result_exact(const struct verify_request *request, const char **text, size_t *bytes) {
    *text = request->answer;
    *bytes = request->answer_bytes;
    return *bytes > 0;
}

static int count_of(const char *text, size_t bytes, const char *mark) {
    int count = 0;
    size_t length = strlen(mark);
    for (const char *at = text; (at = memmem(at, (size_t)(text + bytes - at), mark, length)); at += length)
        count++;
    return count;
}

/* The prompt may have opened <think> already. */
enum status score_format(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    (void)verifiers;
    const char *text = request->text, *end = text + request->bytes;
    int begins = count_of(text, request->bytes, "<think>"), ends = count_of(text, request->bytes, "</think>");
    while (text < end && is_blank(*text)) text++;
    bool opens = begins == 0 || (begins == 1 && end - text >= 7 && !memcmp(text, "<think>", 7));
    if (begins == 1 && opens) text += 7;
    const char *mark = memmem(text, (size_t)(end - text), "</think>", 8);
    bool reasons = false;
    for (; mark && text < mark; text++) reasons |= !is_blank(*text);
    *score = opens && ends == 1 && reasons && request->answer_bytes > 0;
    return STATUS_OK;
}
