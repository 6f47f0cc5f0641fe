/* masks.c - what structured output costs and keeps, over schemas that come with values: how long until the first mask of
 * tokens, for each further one, and for taking a token that must leave room for an ending; and whether the values that are
 * valid may be written and no others.
 *
 *   masks TOKENIZER FILE...
 *
 * A file holds {"schema", "tests": [{"valid", "data"}]}, as MaskBench's do, or an array of such objects, as those of the
 * JSON-Schema-Test-Suite. A valid value that may not be written is no mistake: a grammar keeps the order of properties,
 * and may keep to a part of what a schema allows. An invalid one that may be is, and the exit status says so. */
#include "base/clock.h"
#include "text/json_grammar.h"
#include "text/mask_ending.h"
#include "text/token_mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct series {
    double *second;
    size_t count, capacity;
};

struct bench {
    struct tokenizer *tokenizer;
    struct token_trie *trie;
    struct mask_shared *shared;
    uint32_t *allowed;
    struct series first, next, ending; /* masks, and taking a token with an ending in sight */
    long refused, valid_written, valid_not, invalid_written, invalid_not, cut;
};

/* What follows one schema. */
struct subject {
    const char *file;
    struct grammar *grammar;
    struct mask_table *table;
    struct matcher matcher;
    struct mask_ending ending;
};

static void give_up(const char *what) {
    fprintf(stderr, "masks: %s: %s\n", what, status_message());
    exit(2);
}

static void record(struct series *series, double seconds) {
    if (series->count == series->capacity) {
        series->capacity = series->capacity ? 2 * series->capacity : 1024;
        series->second = realloc(series->second, series->capacity * sizeof *series->second);
        if (!series->second) abort();
    }
    series->second[series->count++] = seconds;
}

static int compare_seconds(const void *one, const void *other) {
    const double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static void print_series(const char *name, struct series *series) {
    static const double share[] = {0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1};
    double sum = 0;
    if (series->count == 0) return;
    qsort(series->second, series->count, sizeof *series->second, compare_seconds);
    for (size_t i = 0; i < series->count; i++) sum += series->second[i];
    printf("%s: %zu, mean %.1f us", name, series->count, 1e6 * sum / (double)series->count);
    for (size_t i = 0; i < COUNT_OF(share); i++)
        printf(", p%g %.1f", 100 * share[i],
               1e6 * series->second[(size_t)(share[i] * (double)(series->count - 1))]);
    putchar('\n');
}

/* ---- one schema ---- */

/* False: it is refused. The first mask is timed with the making of the grammar, as an answer waits for both. */
static bool open_subject(struct bench *bench, struct subject *subject, const json_t *schema) {
    const double begun = clock_seconds();
    enum status status = schema_grammar(&subject->grammar, schema, subject->file);
    if (status == STATUS_OK)
        status = mask_table_open(&subject->table, bench->trie, subject->grammar, bench->shared);
    if (status == STATUS_OK) status = matcher_open(&subject->matcher, subject->grammar);
    if (status != STATUS_OK) {
        printf("refused: %s\n", status_message());
        bench->refused++;
        return false;
    }
    (void)mask_table_allow(subject->table, &subject->matcher, bench->allowed);
    record(&bench->first, clock_seconds() - begun);
    return true;
}

static void close_subject(struct subject *subject) {
    mask_ending_free(&subject->ending);
    matcher_close(&subject->matcher);
    mask_table_close(subject->table);
    grammar_close(subject->grammar);
}

/* Takes a token, as it is near the limit, with room for the rest of the value and no more: only there endings are cut into
 * tokens. The value goes on, whatever should have come. */
static bool take_token(struct bench *bench, struct subject *subject, const struct chosen_token *chosen) {
    const struct control_token none = {.id = -1};
    const double begun = clock_seconds();
    (void)mask_ending_choose(&subject->ending, bench->trie, &subject->matcher, &none, chosen);
    const bool follows = mask_ending_push(&subject->ending, &subject->matcher, chosen);
    record(&bench->ending, clock_seconds() - begun);
    mask_ending_restart(&subject->ending);
    return follows;
}

/* May the tokens be written, each by the mask before it? */
static bool may_write(struct bench *bench, struct subject *subject, const struct token_list *tokens) {
    for (size_t i = 0; i < tokens->count; i++) {
        const int32_t id = tokens->id[i];
        size_t bytes;
        const char *text = tokenizer_bytes(bench->tokenizer, id, &bytes);
        const double begun = clock_seconds();
        const bool known = mask_table_allow(subject->table, &subject->matcher, bench->allowed);
        record(&bench->next, clock_seconds() - begun);
        if (!known) {
            printf("%s: a mask takes too long\n", subject->file);
            bench->cut++;
            return false;
        }
        const bool masked = bench->allowed[id >> 5] >> (id & 31) & 1;
        if (bytes <= TOKEN_BYTES_LIMIT && !masked) return false;
        if (!take_token(bench, subject,
                        &(struct chosen_token){id, text, bytes, (int64_t)(tokens->count - i) - 1})) {
            if (masked) bench->cut++;
            return false;
        }
    }
    return matcher_may_end(&subject->matcher);
}

static void try_value(struct bench *bench, struct subject *subject, const json_t *test) {
    const json_t *value = json_object_get(test, "data");
    const bool valid = json_is_true(json_object_get(test, "valid"));
    struct token_list tokens = {0};
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15)) : NULL;
    if (!text) return;
    if (tokenizer_encode(bench->tokenizer, text, strlen(text), TOKENIZE_PLAIN, &tokens) != STATUS_OK ||
        !matcher_restart(&subject->matcher))
        give_up(subject->file);
    const bool written = may_write(bench, subject, &tokens);
    if (written && !valid) printf("%s: an invalid value may be written: %.200s\n", subject->file, text);
    if (valid)
        ++*(written ? &bench->valid_written : &bench->valid_not);
    else
        ++*(written ? &bench->invalid_written : &bench->invalid_not);
    token_list_free(&tokens);
    free(text);
}

static void try_group(struct bench *bench, const char *file, const json_t *group) {
    struct subject subject = {.file = file};
    const json_t *schema = json_object_get(group, "schema"), *tests = json_object_get(group, "tests");
    if (!schema) return;
    if (open_subject(bench, &subject, schema))
        for (size_t i = 0; i < json_array_size(tests); i++)
            try_value(bench, &subject, json_array_get(tests, i));
    close_subject(&subject);
}

int main(int count, char **argument) {
    struct bench bench = {0};
    int unread = 0;
    if (count < 3) {
        fprintf(stderr, "masks TOKENIZER FILE...: times masks of tokens over files of schemas and values\n");
        return 2;
    }
    if (tokenizer_open(&bench.tokenizer, argument[1]) != STATUS_OK) give_up(argument[1]);
    const int32_t vocabulary = tokenizer_vocabulary(bench.tokenizer);
    bench.allowed = calloc((size_t)vocabulary / 32 + 1, sizeof *bench.allowed);
    if (!bench.allowed || token_trie_open(&bench.trie, bench.tokenizer, vocabulary) != STATUS_OK ||
        mask_shared_open(&bench.shared, bench.trie) != STATUS_OK)
        give_up(argument[1]);
    for (int i = 2; i < count; i++) {
        json_t *file = json_load_file(argument[i], 0, NULL);
        if (!file) unread++;
        if (json_is_object(file)) try_group(&bench, argument[i], file);
        for (size_t g = 0; g < json_array_size(file); g++)
            try_group(&bench, argument[i], json_array_get(file, g));
        json_decref(file);
    }
    print_series("first masks, with the grammar", &bench.first);
    print_series("masks", &bench.next);
    print_series("tokens taken, with their endings", &bench.ending);
    printf(
        "%d files not read; schemas: %zu taken, %ld refused; values: %ld of %ld valid ones may be written, "
        "%ld of %ld invalid ones; %ld cut by a limit; %d tokens in the vocabulary\n",
        unread, bench.first.count, bench.refused, bench.valid_written, bench.valid_written + bench.valid_not,
        bench.invalid_written, bench.invalid_written + bench.invalid_not, bench.cut, vocabulary);
    mask_shared_close(bench.shared);
    token_trie_close(bench.trie);
    tokenizer_close(bench.tokenizer);
    free(bench.allowed);
    free(bench.first.second);
    free(bench.next.second);
    free(bench.ending.second);
    return bench.invalid_written > 0;
}
