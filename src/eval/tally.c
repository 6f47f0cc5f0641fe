/* tally.c - see tally.h. */
#include "eval/tally.h"

#include "verify/verify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the order of samples ---- */

static int compare_texts(const char *a, const char *b) {
    return a && b ? strcmp(a, b) : (a != NULL) - (b != NULL);
}

static int by_question(const void *a, const void *b) {
    const struct sample *x = *(struct sample *const *)a, *y = *(struct sample *const *)b;
    int order = compare_texts(x->set, y->set);
    if (!order) order = compare_texts(x->group, y->group);
    if (!order) order = compare_texts(x->question, y->question);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static enum status sorted(const struct record *record, const struct sample ***list) {
    *list = malloc((size_t)(record->samples ? record->samples : 1) * sizeof(**list));
    if (!*list) return fail(STATUS_MEMORY, "no memory to count %lld answers", (long long)record->samples);
    for (int64_t i = 0; i < record->samples; i++) (*list)[i] = &record->sample[i];
    qsort(*list, (size_t)record->samples, sizeof **list, by_question);
    return STATUS_OK;
}

static bool same_question(const struct sample *a, const struct sample *b) {
    return !strcmp(a->set, b->set) && !strcmp(a->question, b->question);
}

/* ---- votes ---- */

/* Each result joins the first one that it equals; the fullest such group wins. */
static double vote(const struct sample *const *sample, int samples, int *votes) {
    int best = -1;
    bool counts = false;
    for (int i = 0; i < samples; i++) {
        int joined = 0;
        votes[i] = 0;
        counts |= *sample[i]->rule != '\0';
        if (!sample[i]->result) continue;
        while (joined < i &&
               (!votes[joined] || !verify_same(sample[i]->rule, sample[joined]->result, sample[i]->result)))
            joined++;
        votes[joined]++;
    }
    for (int i = 0; i < samples; i++)
        if (votes[i] && (best < 0 || votes[i] > votes[best])) best = i;
    return best >= 0 ? sample[best]->right : counts ? 0 : NAN;
}

static void add_question(struct tally *tally, const struct sample *const *sample, int samples, int *votes) {
    struct tally_question question = {.set = sample[0]->set,
                                      .id = sample[0]->question,
                                      .group = sample[0]->group,
                                      .identity = sample[0]->identity,
                                      .samples = samples};
    for (int i = 0; i < samples; i++) question.right += sample[i]->right;
    question.mean = (double)question.right / samples;
    question.vote = vote(sample, samples, votes);
    tally->question[tally->questions++] = question;
}

static void count_all(struct tally *tally, const struct sample *const *sample, int64_t samples, int *votes) {
    for (int64_t begin = 0, end; begin < samples; begin = end) {
        for (end = begin + 1; end < samples && same_question(sample[begin], sample[end]);) end++;
        add_question(tally, sample + begin, (int)(end - begin), votes);
    }
}

enum status tally_make(struct tally *tally, const struct record *record) {
    const struct sample **list;
    size_t room = (size_t)(record->samples ? record->samples : 1);
    *tally = (struct tally){0};
    TRY(sorted(record, &list));
    int *votes = calloc(room, sizeof *votes);
    tally->question = calloc(room, sizeof *tally->question);
    enum status status =
        votes && tally->question ? STATUS_OK : fail(STATUS_MEMORY, "no memory to count answers");
    if (status == STATUS_OK) count_all(tally, list, record->samples, votes);
    free(votes);
    free(list);
    if (status != STATUS_OK) tally_free(tally);
    return status;
}

void tally_free(struct tally *tally) {
    free(tally->question);
    *tally = (struct tally){0};
}

/* ---- rows ---- */

static bool has(const struct tally *tally, int begin, int end, const struct sample *sample) {
    for (int low = begin, high = end; low < high;) {
        int middle = (low + high) / 2;
        const struct tally_question *question = &tally->question[middle];
        int order = compare_texts(question->set, sample->set);
        if (!order) order = compare_texts(question->group, sample->group);
        if (!order) order = compare_texts(question->id, sample->question);
        if (!order) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void count_answers(const struct tally *tally, const struct record *record, int begin, int end,
                          struct tally_row *row) {
    int64_t tokens = 0, cut = 0;
    for (int64_t i = 0; i < record->samples; i++) {
        const struct sample *sample = &record->sample[i];
        if (!has(tally, begin, end, sample)) continue;
        tokens += sample->tokens;
        cut += !strcmp(sample->finish, "length");
    }
    row->tokens = row->samples ? (double)tokens / (double)row->samples : 0;
    row->cut = row->samples ? (double)cut / (double)row->samples : 0;
}

enum status tally_row_of(const struct tally *tally, const struct record *record, int begin, int end,
                         struct tally_row *row) {
    const struct tally_question *question = tally->question + begin;
    int questions = end - begin;
    double *value = calloc((size_t)(questions ? questions : 1), sizeof *value);
    *row = (struct tally_row){.questions = questions, .least = questions ? question->samples : 0};
    if (!value) return fail(STATUS_MEMORY, "no memory to count answers");
    for (int i = 0; i < questions; i++) {
        row->samples += question[i].samples;
        row->right += question[i].right;
        if (question[i].samples < row->least) row->least = question[i].samples;
        if (question[i].samples > row->most) row->most = question[i].samples;
        value[i] = question[i].mean;
    }
    row->pass = share_of(value, questions);
    for (int i = 0; i < questions; i++) value[i] = question[i].vote;
    row->vote = questions && !isnan(value[0]) ? share_of(value, questions) : (struct share){NAN, NAN, NAN};
    for (int k = 2; k <= row->least && row->pass_ats < (int)COUNT_OF(row->pass_at); k *= 2) {
        for (int i = 0; i < questions; i++) value[i] = pass_at(question[i].samples, question[i].right, k);
        row->pass_at[row->pass_ats++] = share_of(value, questions);
    }
    free(value);
    count_answers(tally, record, begin, end, row);
    return STATUS_OK;
}
