/* verify_choice.c - one of several answers that have letters. A model may say its letter in many ways; the first of these that
 * is there counts, and of several places of one kind the last:
 *     \boxed{C}                      also \boxed{\text{C}} and \boxed{(C)}
 *     answer: C, answer is (C)       whatever stars, brackets and dollars lie between
 *     C, (C), C. ..., C) ...         at the beginning of the answer
 *     (C), **C**                     anywhere */
#include "verify/math_text.h"
#include "verify/verify.h"

#include <string.h>
#include <strings.h>

enum { LETTERS = 10 }; /* A to J */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_choice(char c) {
    return c >= 'A' && c < 'A' + LETTERS;
}
static bool is_word(char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

enum status check_choice(const json_t *line, const char *origin) {
    const char *answer = json_string_value(json_object_get(line, "answer"));
    if (answer && is_choice(*answer) && !answer[1]) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"answer\" must be a letter from A to J, which choice needs", origin);
}

/* A letter that stands alone at `at`, behind marks that may surround it. */
static const char *letter_at(const char *at, const char *end) {
    while (at < end && strchr(" \t\r\n*($[{_\"'`:", *at) && *at) at++;
    if (end - at > 6 && !memcmp(at, "\\text{", 6)) at += 6;
    if (at >= end || !is_choice(*at) || (at + 1 < end && is_word(at[1]))) return NULL;
    return at;
}

static const char *boxed_letter(const struct verify_request *request) {
    const char *content;
    size_t bytes;
    if (!math_boxed(request->answer, request->answer_bytes, &content, &bytes)) return NULL;
    return letter_at(content, content + bytes);
}

static const char *skip_word(const char *at, const char *end, const char *word) {
    size_t bytes = strlen(word);
    while (at < end && (*at == ' ' || *at == '*')) at++;
    if ((size_t)(end - at) < bytes || strncasecmp(at, word, bytes) != 0) return NULL;
    return at + bytes;
}

static const char *announced_letter(const struct verify_request *request) {
    static const char *const words[] = {"answer", "\xe7\xad\x94\xe6\xa1\x88"}; /* and in Chinese */
    const char *begin = request->answer, *end = begin + request->answer_bytes, *last = NULL;
    for (const char *at = begin; at < end; at++)
        for (size_t w = 0; w < COUNT_OF(words); w++) {
            const char *behind = skip_word(at, end, words[w]), *next, *letter;
            if (!behind || *at == ' ' || *at == '*') continue;
            if ((next = skip_word(behind, end, "is")) || (next = skip_word(behind, end, ":")) ||
                (next = skip_word(behind, end, "\xe6\x98\xaf")) ||
                (next = skip_word(behind, end, "\xef\xbc\x9a")))
                behind = next;
            else
                continue;
            if ((letter = letter_at(behind, end))) last = letter;
        }
    return last;
}

static const char *first_letter(const struct verify_request *request) {
    const char *end = request->answer + request->answer_bytes;
    const char *letter = letter_at(request->answer, end);
    if (!letter || letter + 1 == end || strchr(".):*]}$\n,", letter[1])) return letter;
    return NULL; /* "A train leaves ..." */
}

static const char *marked_letter(const struct verify_request *request) {
    const char *begin = request->answer, *end = begin + request->answer_bytes;
    for (const char *at = end - 1; at > begin; at--) {
        bool bracket = at + 1 < end && at[-1] == '(' && at[1] == ')';
        bool bold = at - begin >= 2 && end - at > 2 && !memcmp(at - 2, "**", 2) && !memcmp(at + 1, "**", 2);
        if (is_choice(*at) && (bracket || bold)) return at;
    }
    return NULL;
}

bool result_choice(const struct verify_request *request, const char **text, size_t *bytes) {
    *text = boxed_letter(request);
    if (!*text) *text = announced_letter(request);
    if (!*text) *text = first_letter(request);
    if (!*text) *text = marked_letter(request);
    *bytes = *text != NULL;
    return *text;
}

enum status score_choice(struct verifiers *verifiers, const struct verify_request *request, double *score) {
    char room[64];
    const char *found;
    size_t bytes;
    (void)verifiers;
    *score = result_choice(request, &found, &bytes) && *found == *answer_field(request->line, room);
    return STATUS_OK;
}
