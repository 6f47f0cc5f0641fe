/* questions.c - see questions.h. */
#include "eval/questions.h"

#include "base/buffer.h"
#include "base/rng.h"
#include "eval/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FILE_LIMIT ((size_t)1 << 31)
enum { QUESTIONS_MOST = 1 << 20 };

static enum status take_place(struct question_set *set) {
    if (set->questions < set->capacity) return STATUS_OK;
    if (set->questions >= QUESTIONS_MOST)
        return fail(STATUS_LIMIT, "%s: more than %d questions", set->name ? set->name : "a set",
                    QUESTIONS_MOST);
    int capacity = set->capacity ? 2 * set->capacity : 256;
    struct question *question = realloc(set->question, (size_t)capacity * sizeof *question);
    if (!question) return fail(STATUS_MEMORY, "no memory for %d questions", capacity);
    set->question = question;
    set->capacity = capacity;
    return STATUS_OK;
}

static uint64_t identity_of(const json_t *line) {
    char *text = json_dumps(line, JSON_COMPACT | JSON_SORT_KEYS);
    uint64_t hash = XXH64(text ? text : "", text ? strlen(text) : 0, 0);
    free(text);
    return hash;
}

static enum status check_asked(const json_t *line, const char *origin) {
    const json_t *prompt = json_object_get(line, "prompt"), *messages = json_object_get(line, "messages");
    if (json_is_array(messages) || json_is_string(prompt) || json_is_array(prompt)) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: expected \"prompt\" or \"messages\", or a form that --format knows",
                origin);
}

/* Ids are texts; numbers become such, and what has none gets its number in the file. */
static enum status settle_id(const struct question_set *set, json_t *line) {
    char number[32];
    const json_t *id = json_object_get(line, "id");
    if (json_is_string(id) && json_string_length(id)) return STATUS_OK;
    if (json_is_integer(id))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(id));
    else
        snprintf(number, sizeof number, "%d", set->questions + 1);
    if (json_object_set_new(line, "id", json_string(number)))
        return fail(STATUS_MEMORY, "no memory for a question");
    return STATUS_OK;
}

static enum status add_question(struct question_set *set, json_t **line, const char *origin,
                                const struct question_reader *reader) {
    if (!json_is_object(*line)) return fail(STATUS_FORMAT, "%s: expected an object", origin);
    TRY(question_adapt(line, reader->format, origin));
    TRY(check_asked(*line, origin));
    TRY(verifiers_check(reader->verifiers, *line, origin));
    TRY(take_place(set));
    TRY(settle_id(set, *line));
    set->question[set->questions++] =
        (struct question){json_incref(*line), json_string_value(json_object_get(*line, "id")),
                          json_string_value(json_object_get(*line, "group")), identity_of(*line)};
    return STATUS_OK;
}

static bool is_full(const struct question_set *set, const struct question_reader *reader) {
    return reader->most && set->questions >= reader->most;
}

/* ---- lines of JSON ---- */

static enum status read_lines(struct question_set *set, const char *text, size_t bytes, const char *origin,
                              const struct question_reader *reader) {
    int64_t number = 0;
    for (size_t at = 0; at < bytes && !is_full(set, reader);) {
        const char *end = memchr(text + at, '\n', bytes - at);
        size_t length = end ? (size_t)(end - text) - at : bytes - at, blank = 0;
        char place[512];
        json_t *line;
        while (blank < length && strchr(" \t\r", text[at + blank]) && text[at + blank]) blank++;
        snprintf(place, sizeof place, "%.400s, line %lld", origin, (long long)++number);
        if (blank < length) {
            TRY(json_parse(text + at, length, place, &line));
            enum status status = add_question(set, &line, place, reader);
            json_decref(line);
            TRY(status);
        }
        at += length + 1;
    }
    return STATUS_OK;
}

/* ---- rows of a table ---- */

static bool is_head(const struct csv_row *row) {
    static const char *const known[] = {"question", "Question", "problem", "Problem", "prompt", "task_id"};
    for (int i = 0; i < row->fields; i++)
        for (size_t k = 0; k < COUNT_OF(known); k++)
            if (!strcmp(csv_field(row, i), known[k])) return true;
    return false;
}

/* Without a head: a question, four answers or more and the letter of the right one. */
static enum status object_of_row(const struct csv_row *head, const struct csv_row *row, const char *origin,
                                 json_t **line) {
    if (head->fields && row->fields != head->fields)
        return fail(STATUS_FORMAT, "%s: %d fields below a head of %d", origin, row->fields, head->fields);
    if (!head->fields && row->fields < 4)
        return fail(STATUS_FORMAT, "%s: expected a question, its answers and a letter", origin);
    *line = json_object();
    json_t *choices = json_array();
    bool made = *line && choices;
    for (int i = 0; made && i < row->fields; i++) {
        json_t *text = json_string(csv_field(row, i)); /* NULL: not UTF-8 */
        const char *name = !i ? "question" : "answer";
        if (head->fields)
            made = text && !json_object_set_new(*line, csv_field(head, i), text);
        else if (i && i + 1 < row->fields)
            made = text && !json_array_append_new(choices, text);
        else
            made = text && !json_object_set_new(*line, name, text);
    }
    if (made && !head->fields) made = !json_object_set(*line, "choices", choices);
    json_decref(choices);
    if (made) return STATUS_OK;
    json_decref(*line);
    return fail(STATUS_FORMAT, "%s: no text in UTF-8", origin);
}

static enum status read_rows(struct question_set *set, struct csv_reader *csv, struct csv_row *head,
                             struct csv_row *row, const struct question_reader *reader) {
    bool found, first = true;
    while (!is_full(set, reader)) {
        char place[512];
        json_t *line;
        TRY(csv_next(csv, row, &found));
        if (!found) break;
        if (first && is_head(row)) {
            struct csv_row swapped = *head;
            *head = *row;
            *row = swapped;
            first = false;
            continue;
        }
        first = false;
        snprintf(place, sizeof place, "%.400s, line %lld", csv->origin, (long long)row->line);
        TRY(object_of_row(head, row, place, &line));
        enum status status = add_question(set, &line, place, reader);
        json_decref(line);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status read_table(struct question_set *set, const char *text, size_t bytes, const char *origin,
                              const struct question_reader *reader) {
    struct csv_reader csv;
    struct csv_row *rows = calloc(2, sizeof *rows);
    if (!rows) return fail(STATUS_MEMORY, "no memory for a table");
    csv_start(&csv, text, bytes, origin);
    enum status status = read_rows(set, &csv, &rows[0], &rows[1], reader);
    csv_row_free(&rows[0]);
    csv_row_free(&rows[1]);
    free(rows);
    return status;
}

/* ---- whole ---- */

static enum status check_ids(const struct question_set *set, const char *origin) {
    json_t *seen = json_object();
    enum status status = seen ? STATUS_OK : fail(STATUS_MEMORY, "no memory for questions");
    for (int i = 0; status == STATUS_OK && i < set->questions; i++) {
        if (json_object_get(seen, set->question[i].id))
            status =
                fail(STATUS_FORMAT, "%.400s: two questions have the id '%.60s'", origin, set->question[i].id);
        else if (json_object_set_new(seen, set->question[i].id, json_true()))
            status = fail(STATUS_FORMAT, "%.400s: '%.60s' is no id", origin, set->question[i].id);
    }
    json_decref(seen);
    return status;
}

static enum status refuse_packed(const char *text, size_t bytes, const char *origin) {
    if (bytes > 1 && !memcmp(text, "\x1f\x8b", 2))
        return fail(STATUS_UNSUPPORTED, "%.400s: is compressed: unpack it with gunzip first", origin);
    if (bytes > 3 && !memcmp(text, "PAR1", 4))
        return fail(STATUS_UNSUPPORTED, "%.400s: is in Parquet; questions are read from JSONL and CSV",
                    origin);
    return STATUS_OK;
}

enum status question_set_parse(struct question_set *set, const char *text, size_t bytes, const char *origin,
                               const struct question_reader *reader) {
    size_t at = 0;
    TRY(refuse_packed(text, bytes, origin));
    while (at < bytes && strchr(" \t\r\n", text[at]) && text[at]) at++;
    bool lines = at < bytes && text[at] == '{';
    TRY(lines ? read_lines(set, text, bytes, origin, reader) : read_table(set, text, bytes, origin, reader));
    if (!set->questions) return fail(STATUS_INPUT, "%.400s: there are no questions", origin);
    return check_ids(set, origin);
}

enum status question_set_read(struct question_set *set, const char *path,
                              const struct question_reader *reader) {
    struct buffer content = {0};
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    const char *dot = strrchr(base, '.');
    *set =
        (struct question_set){.name = strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base))};
    if (!set->name) return fail(STATUS_MEMORY, "no memory for questions");
    TRY(buffer_read_file(&content, path, FILE_LIMIT));
    enum status status =
        question_set_parse(set, content.data ? content.data : "", content.bytes, path, reader);
    buffer_free(&content);
    return status;
}

enum status question_set_append(struct question_set *set, struct question_set *more) {
    for (int i = 0; i < more->questions; i++) {
        enum status status = take_place(set);
        if (status != STATUS_OK) {
            memmove(more->question, more->question + i,
                    (size_t)(more->questions - i) * sizeof *more->question);
            more->questions -= i;
            return status;
        }
        set->question[set->questions++] = more->question[i];
    }
    more->questions = 0;
    return STATUS_OK;
}

void question_set_free(struct question_set *set) {
    for (int i = 0; i < set->questions; i++) json_decref(set->question[i].line);
    free(set->question);
    free(set->name);
    *set = (struct question_set){0};
}

uint64_t question_set_identity(const struct question_set *set) {
    uint64_t hash = 0;
    for (int i = 0; i < set->questions; i++)
        hash = XXH64(&set->question[i].identity, sizeof set->question[i].identity, hash);
    return hash;
}

uint64_t question_seed(const struct question *question, uint64_t seed, int sample) {
    struct rng rng;
    rng_seed_stream(&rng, seed ^ question->identity, (uint64_t)sample);
    return rng_next(&rng) >> 33;
}
