/* eval_results.c - the mode of `hadal eval` that reads recorded runs: one again as a table, two as a paired comparison. */
#include "base/json.h"
#include "cli/eval.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pairs ---- */

struct pairs {
    double *first, *second;           /* [questions] shares of right samples */
    double *first_vote, *second_vote; /* outcomes */
    int questions, others;            /* others: questions that one run alone has */
    bool single;                      /* one sample each: the outcome is the sample's */
    bool voted;
};

static int by_place(const void *a, const void *b) {
    const struct tally_question *x = a, *y = b;
    int order = strcmp(x->set, y->set);
    return order ? order : strcmp(x->id, y->id);
}

static enum status pair_up(struct tally *first, struct tally *second, struct pairs *pairs) {
    size_t room = (size_t)first->questions + 1;
    qsort(first->question, (size_t)first->questions, sizeof *first->question, by_place);
    qsort(second->question, (size_t)second->questions, sizeof *second->question, by_place);
    double *memory = calloc(4 * room, sizeof *memory);
    if (!memory) return fail(STATUS_MEMORY, "no memory for a comparison");
    *pairs = (struct pairs){memory,         memory + room, memory + 2 * room, memory + 3 * room,
                            .single = true, .voted = true};
    for (int i = 0; i < first->questions; i++) {
        const struct tally_question *one = &first->question[i];
        const struct tally_question *other =
            bsearch(one, second->question, (size_t)second->questions, sizeof *second->question, by_place);
        if (!other) continue;
        if (one->identity != other->identity)
            return fail(STATUS_INPUT, "question %.60s of %.60s is another one in the second run", one->id,
                        one->set);
        int at = pairs->questions++;
        pairs->first[at] = one->mean;
        pairs->second[at] = other->mean;
        pairs->first_vote[at] = one->vote;
        pairs->second_vote[at] = other->vote;
        pairs->single &= one->samples == 1 && other->samples == 1;
        pairs->voted &= !isnan(one->vote) && !isnan(other->vote);
    }
    pairs->others = first->questions + second->questions - 2 * pairs->questions;
    if (!pairs->questions) return fail(STATUS_INPUT, "the two runs have no question in common");
    return STATUS_OK;
}

struct comparison_found {
    struct paired paired;
    struct mcnemar mcnemar;
    bool has_mcnemar, single;
    int others;
};

static enum status compare(const struct record *record, struct comparison_found *found) {
    struct tally tally[2] = {0};
    struct pairs pairs = {0};
    enum status status = tally_make(&tally[0], &record[0]);
    if (status == STATUS_OK) status = tally_make(&tally[1], &record[1]);
    if (status == STATUS_OK) status = pair_up(&tally[0], &tally[1], &pairs);
    if (status == STATUS_OK)
        status = paired_compare(pairs.first, pairs.second, pairs.questions, &found->paired);
    found->others = pairs.others;
    found->single = pairs.single;
    found->has_mcnemar = pairs.single || pairs.voted;
    if (status == STATUS_OK && found->has_mcnemar)
        found->mcnemar = pairs.single ? mcnemar_test(pairs.first, pairs.second, pairs.questions)
                                      : mcnemar_test(pairs.first_vote, pairs.second_vote, pairs.questions);
    free(pairs.first);
    tally_free(&tally[0]);
    tally_free(&tally[1]);
    return status;
}

/* ---- reports ---- */

static void print_comparison(const struct comparison_found *found) {
    const struct paired *paired = &found->paired;
    printf("\n%d questions of both", paired->questions);
    if (found->others) printf(", %d of one alone left out", found->others);
    printf("\npass@1 of the second from the first: %+.1f points, 95 %% [%+.1f .. %+.1f] (paired bootstrap)\n",
           100 * paired->difference, 100 * paired->low, 100 * paired->high);
    printf("as large by chance: p = %.4g (differences with random signs)\n", paired->chance);
    if (!found->has_mcnemar) return;
    printf("%s: right in the first alone %d, in the second alone %d, p = %.4g (McNemar, exact)\n",
           found->single ? "answers" : "majorities", found->mcnemar.first_only, found->mcnemar.second_only,
           found->mcnemar.chance);
}

static json_t *comparison_json(const struct comparison_found *found) {
    const struct paired *paired = &found->paired;
    json_t *object = json_pack("{s:i, s:i, s:f, s:f, s:f, s:f}", "questions", paired->questions, "unpaired",
                               found->others, "difference", paired->difference, "low", paired->low, "high",
                               paired->high, "p", paired->chance);
    if (found->has_mcnemar)
        json_object_set_new(object, "mcnemar",
                            json_pack("{s:s, s:i, s:i, s:f}", "of", found->single ? "answers" : "majorities",
                                      "first_only", found->mcnemar.first_only, "second_only",
                                      found->mcnemar.second_only, "p", found->mcnemar.chance));
    return object;
}

static enum status print_json(const struct record *record, int records,
                              const struct comparison_found *found) {
    json_t *root = json_object(), *runs = json_array();
    enum status status = STATUS_OK;
    for (int i = 0; status == STATUS_OK && i < records; i++) {
        json_t *object = NULL;
        status = eval_table_json(&record[i], &object);
        if (object) json_array_append_new(runs, object);
    }
    json_object_set_new(root, "runs", runs);
    if (records > 1) json_object_set_new(root, "comparison", comparison_json(found));
    char *text = status == STATUS_OK ? json_dumps(root, JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    TRY(status);
    if (!text) return fail(STATUS_MEMORY, "no memory for the report");
    puts(text);
    free(text);
    return STATUS_OK;
}

static enum status report(const struct option_values *values, const char *const *path,
                          const struct record *record, int records) {
    struct comparison_found found = {0};
    if (records > 1) TRY(compare(record, &found));
    if (option_flag(values, "json")) return print_json(record, records, &found);
    for (int i = 0; i < records; i++) {
        if (records > 1) printf("%s%s\n", i ? "\n" : "", path[i]);
        TRY(eval_table_print(&record[i], records == 1));
    }
    if (records > 1) print_comparison(&found);
    return STATUS_OK;
}

enum status eval_results(const struct option_values *values) {
    const char *const *path;
    struct record record[2] = {0};
    enum status status = STATUS_OK;
    int records = option_texts(values, "results", &path);
    if (records > 2) return fail(STATUS_USAGE, "--results: one run, or two to compare");
    for (int i = 0; status == STATUS_OK && i < records; i++) status = record_read(&record[i], path[i]);
    if (status == STATUS_OK) status = report(values, path, record, records);
    for (int i = 0; i < records; i++) record_free(&record[i]);
    return status;
}
