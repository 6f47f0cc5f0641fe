/* verify_math.c - rules that compute: boxed and countdown. */
#include "verify/math_text.h"
#include "verify/verify.h"

#include <string.h>

enum { NUMBERS_MOST = 16 };

enum status score_boxed(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    char room[64];
    const char *found, *expected = answer_field(request->line, room);
    size_t found_bytes, expected_bytes = strlen(expected);
    (void)verifiers;
    if (!math_boxed(request->answer, request->answer_bytes, &found, &found_bytes)) return STATUS_OK;
    (void)math_boxed(expected, expected_bytes, &expected, &expected_bytes); /* data sets have it both ways */
    *score = math_same(found, found_bytes, expected, expected_bytes);
    return STATUS_OK;
}

bool result_boxed(const struct verify_request *request, const char **text, size_t *bytes) {
    return math_boxed(request->answer, request->answer_bytes, text, bytes);
}

/* ---- countdown ---- */

static const json_t *target_of(const json_t *line) {
    const json_t *target = json_object_get(line, "target");
    return target ? target : json_object_get(line, "answer");
}

enum status check_countdown(const json_t *line, const char *origin) {
    const json_t *numbers = json_object_get(line, "numbers");
    size_t count = json_array_size(numbers);
    for (size_t i = 0; i < count; i++)
        if (!json_is_integer(json_array_get(numbers, i))) count = 0;
    if (!count || count > NUMBERS_MOST)
        return fail(STATUS_FORMAT, "%s: \"numbers\" must be a list of 1 to %d whole numbers", origin,
                    NUMBERS_MOST);
    if (json_is_integer(target_of(line))) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"target\" must be a whole number", origin);
}

/* What is boxed or between tags, where it is; otherwise all of it. */
static void find_result(const struct verify_request *request, const char **begin, const char **end) {
    static const char opens[] = "<answer>", closes[] = "</answer>";
    const char *boxed, *tag;
    size_t bytes;
    *begin = request->answer;
    *end = *begin + request->answer_bytes;
    if (math_boxed(*begin, request->answer_bytes, &boxed, &bytes)) {
        *begin = boxed;
        *end = boxed + bytes;
    } else if ((tag = memmem(*begin, request->answer_bytes, opens, sizeof opens - 1))) {
        *begin = tag + sizeof opens - 1;
        tag = memmem(*begin, (size_t)(*end - *begin), closes, sizeof closes - 1);
        if (tag) *end = tag;
    }
}

/* The last line that has a digit, between its last colon and its equals sign. */
static void find_expression(const struct verify_request *request, const char **text, size_t *bytes) {
    const char *begin, *end;
    find_result(request, &begin, &end);
    const char *last = end;
    while (last > begin && !(last[-1] >= '0' && last[-1] <= '9')) last--;
    const char *line = last;
    while (line > begin && line[-1] != '\n') line--;
    const char *stop = line;
    while (stop < end && *stop != '\n' && *stop != '=') stop++;
    for (const char *at = line; at < stop; at++)
        if (*at == ':') line = at + 1;
    *text = line;
    *bytes = (size_t)(stop - line);
}

/* Two things beside each other are no product here, and two stars no sign. */
static bool operators_between(const char *text, size_t bytes) {
    bool ended = false, blank = false; /* behind a number or a bracket; behind white space after that */
    for (size_t at = 0; at < bytes; at++) {
        bool digit = text[at] >= '0' && text[at] <= '9', space = strchr(" \t\r", text[at]) && text[at];
        if (ended && ((digit && (blank || text[at - 1] == ')')) || text[at] == '(')) return false;
        if (at && text[at] == '*' && text[at - 1] == '*') return false;
        blank = space && (ended || blank);
        if (!space) ended = digit || text[at] == ')';
    }
    return true;
}

/* Every number of the expression must be one that is left. */
static bool uses_only(const json_t *line, const char *text, size_t bytes) {
    const json_t *numbers = json_object_get(line, "numbers");
    bool used[NUMBERS_MOST] = {false}, all = json_is_true(json_object_get(line, "use_all"));
    for (size_t at = 0; at < bytes;) {
        int64_t number = 0;
        if (text[at] >= '0' && text[at] <= '9') {
            for (; at < bytes && text[at] >= '0' && text[at] <= '9'; at++)
                if (__builtin_mul_overflow(number, 10, &number) ||
                    __builtin_add_overflow(number, text[at] - '0', &number))
                    return false;
            size_t i = 0;
            while (i < json_array_size(numbers) &&
                   (used[i] || json_integer_value(json_array_get(numbers, i)) != number))
                i++;
            if (i == json_array_size(numbers)) return false;
            used[i] = true;
            continue;
        }
        if (!text[at] || !strchr("+-*/() \t\r\xc3\x97\xc2\xb7", text[at]))
            return false; /* the bytes of a times sign too */
        at++;
    }
    for (size_t i = 0; all && i < json_array_size(numbers); i++) all = used[i];
    return all || !json_is_true(json_object_get(line, "use_all"));
}

enum status score_countdown(struct verifiers *verifiers, const struct verify_request *request,
                            double *score) {
    struct math_atoms atoms = {.count = 0};
    struct math_form form;
    const char *text;
    size_t bytes;
    int64_t top, bottom;
    (void)verifiers;
    find_expression(request, &text, &bytes);
    *score = bytes && operators_between(text, bytes) && uses_only(request->line, text, bytes) &&
             math_read(text, bytes, &atoms, &form) && math_is_number(&form, &top, &bottom) && bottom == 1 &&
             top == json_integer_value(target_of(request->line));
    return STATUS_OK;
}
