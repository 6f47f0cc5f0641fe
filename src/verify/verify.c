/* verify.c - which rules apply to an answer, and their sum; see verify.h. */
#include "verify/verify.h"

#include "verify/math_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct verifier_row rows[] = {
    {"numeric", check_numeric, score_numeric, result_numeric, same_numeric},
    {"exact", check_answer_text, score_exact, result_exact},
    {"boxed", check_answer_text, score_boxed, result_boxed, math_same},
    {"choice", check_choice, score_choice, result_choice},
    {"format", NULL, score_format},
    {"language", check_language, score_language},
    {"countdown", check_countdown, score_countdown},
    {"code", check_code, score_code},
    {"external", NULL, score_external},
};

static const struct verifier_row *find_row(const char *name, size_t bytes) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (strlen(rows[i].name) == bytes && !memcmp(rows[i].name, name, bytes)) return &rows[i];
    return NULL;
}

/* ---- the run's own ---- */

static enum status read_choice(const char *text, struct verifier_choice *choice) {
    const char *equal = strchr(text, '=');
    size_t bytes = equal ? (size_t)(equal - text) : strlen(text);
    char *end = NULL;
    choice->row = find_row(text, bytes);
    choice->weight = equal ? strtod(equal + 1, &end) : 1;
    if (!choice->row) return fail(STATUS_USAGE, "--verifier: '%.40s' is not known", text);
    if (equal && (end == equal + 1 || *end || !(fabs(choice->weight) <= 1000)))
        return fail(STATUS_USAGE, "--verifier %.40s: write NAME=WEIGHT, a number up to 1000", text);
    return STATUS_OK;
}

enum status verifiers_open(struct verifiers *verifiers, const char *const *names, int count) {
    *verifiers = (struct verifiers){0};
    if (count > VERIFIERS_MOST) return fail(STATUS_USAGE, "--verifier: at most %d of them", VERIFIERS_MOST);
    for (int i = 0; i < count; i++) TRY(read_choice(names[i], &verifiers->choice[i]));
    verifiers->choices = count;
    return STATUS_OK;
}

void verifiers_set_command(struct verifiers *verifiers, const char *command) {
    verifiers->command = command;
}

void verifiers_close(struct verifiers *verifiers) {
    external_close(verifiers->external);
    *verifiers = (struct verifiers){0};
}

/* ---- those of a line ---- */

static enum status read_item(const json_t *item, const char *origin, struct verifier_choice *choice) {
    const json_t *name = json_is_object(item) ? json_object_get(item, "name") : item;
    struct json_reader reader = {item, origin};
    choice->weight = 1;
    if (!json_is_string(name))
        return fail(STATUS_FORMAT,
                    "%s: \"verifier\": expected a name, or a list of names and of objects with "
                    "\"name\" and \"weight\"",
                    origin);
    choice->row = find_row(json_string_value(name), json_string_length(name));
    if (!choice->row)
        return fail(STATUS_FORMAT, "%s: \"verifier\": '%.40s' is not known", origin, json_string_value(name));
    return json_is_object(item) ? json_get_real_or(reader, "weight", -1000, 1000, 1, &choice->weight)
                                : STATUS_OK;
}

static enum status choices_of(const struct verifiers *verifiers, const json_t *line, const char *origin,
                              struct verifiers *chosen) {
    const json_t *field = json_object_get(line, "verifier");
    *chosen = *verifiers;
    if (field && !json_is_null(field)) {
        size_t count = json_is_array(field) ? json_array_size(field) : 1;
        if (count > VERIFIERS_MOST)
            return fail(STATUS_FORMAT, "%s: \"verifier\": at most %d of them", origin, VERIFIERS_MOST);
        for (size_t i = 0; i < count; i++)
            TRY(read_item(json_is_array(field) ? json_array_get(field, i) : field, origin,
                          &chosen->choice[i]));
        chosen->choices = (int)count;
    }
    if (chosen->choices) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: no \"verifier\" says when an answer is right, nor does --verifier",
                origin);
}

bool verifiers_apply(const struct verifiers *verifiers, const json_t *line) {
    const json_t *field = json_object_get(line, "verifier");
    return verifiers->choices || (field && !json_is_null(field));
}

enum status verifiers_check(const struct verifiers *verifiers, const json_t *line, const char *origin) {
    struct verifiers chosen;
    TRY(choices_of(verifiers, line, origin, &chosen));
    for (int i = 0; i < chosen.choices; i++)
        if (chosen.choice[i].row->check) TRY(chosen.choice[i].row->check(line, origin));
    return STATUS_OK;
}

enum status check_answer_text(const json_t *line, const char *origin) {
    const json_t *answer = json_object_get(line, "answer");
    if (json_is_string(answer) || json_is_number(answer)) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"answer\" must be a text or a number", origin);
}

const char *answer_field(const json_t *line, char room[64]) {
    const json_t *answer = json_object_get(line, "answer");
    if (json_is_string(answer)) return json_string_value(answer);
    if (json_is_integer(answer))
        snprintf(room, 64, "%lld", (long long)json_integer_value(answer));
    else
        snprintf(room, 64, "%.17g", json_real_value(answer));
    return room;
}

/* ---- an answer ---- */

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void find_answer(struct verify_request *request) {
    static const char mark[] = "</think>";
    const char *begin = request->text, *end = request->text + request->bytes;
    for (const char *at = begin; (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1));)
        begin = at += sizeof mark - 1;
    while (begin < end && is_blank(*begin)) begin++;
    while (end > begin && is_blank(end[-1])) end--;
    request->answer = begin;
    request->answer_bytes = (size_t)(end - begin);
}

enum status verify(struct verifiers *verifiers, const json_t *line, const char *origin, const char *text,
                   size_t bytes, struct verdict *verdict) {
    struct verify_request request = {.line = line, .text = text, .bytes = bytes, .origin = origin};
    struct verifiers chosen;
    *verdict = (struct verdict){0};
    TRY(choices_of(verifiers, line, origin, &chosen));
    find_answer(&request);
    for (int i = 0; i < chosen.choices; i++) {
        double score = 0;
        TRY(chosen.choice[i].row->score(verifiers, &request, &score));
        MUST(score >= 0 && score <= 1);
        verdict->reward += chosen.choice[i].weight * score;
        if (!i) verdict->right = score == 1;
    }
    return STATUS_OK;
}

/* ---- what it comes down to ---- */

static const struct verifier_row *row_of_results(const struct verifiers *chosen) {
    for (int i = 0; i < chosen->choices; i++)
        if (chosen->choice[i].row->result) return chosen->choice[i].row;
    return NULL;
}

enum status verify_result(const struct verifiers *verifiers, const json_t *line, const char *origin,
                          const char *text, size_t bytes, char **result, const char **rule) {
    struct verify_request request = {.line = line, .text = text, .bytes = bytes, .origin = origin};
    struct verifiers chosen;
    const char *found;
    size_t found_bytes;
    *result = NULL;
    *rule = "";
    TRY(choices_of(verifiers, line, origin, &chosen));
    const struct verifier_row *row = row_of_results(&chosen);
    if (row) *rule = row->name;
    find_answer(&request);
    if (!row || !row->result(&request, &found, &found_bytes)) return STATUS_OK;
    *result = strndup(found, found_bytes);
    return *result ? STATUS_OK : fail(STATUS_MEMORY, "no memory for an answer");
}

bool verify_same(const char *rule, const char *a, const char *b) {
    const struct verifier_row *row = find_row(rule, strlen(rule));
    return row && row->same ? row->same(a, strlen(a), b, strlen(b)) : !strcmp(a, b);
}
