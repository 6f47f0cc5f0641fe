/* eval_table.c - what answers to sets of questions have come to: a table that redraws itself on a terminal while a run goes on,
 * the same table at the end, and as JSON. */
#include "base/clock.h"
#include "base/json.h"
#include "cli/eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double redraw_after = 0.5;

/* ---- rows ---- */

static bool same_place(const struct tally_question *a, const struct tally_question *b, bool groups) {
    if (strcmp(a->set, b->set) != 0) return false;
    if (!groups) return true;
    return a->group && b->group ? !strcmp(a->group, b->group) : a->group == b->group;
}

/* Calls `take` for each set, or each group of a set; a set of one group has none. */
static enum status each_row(const struct tally *tally, const struct record *record, bool groups,
                            enum status (*take)(void *context, const struct tally_row *row), void *context) {
    for (int begin = 0, end; begin < tally->questions; begin = end) {
        const struct tally_question *first = &tally->question[begin];
        struct tally_row row;
        for (end = begin; end < tally->questions && same_place(first, &tally->question[end], groups);) end++;
        TRY(tally_row_of(tally, record, begin, end, &row));
        row.set = first->set;
        row.group = groups ? first->group : NULL;
        bool whole = groups && (!begin || strcmp(tally->question[begin - 1].set, first->set) != 0) &&
                     (end == tally->questions || strcmp(tally->question[end].set, first->set) != 0);
        if (!whole) TRY(take(context, &row));
    }
    return STATUS_OK;
}

/* ---- for people ---- */

/* Names are a stranger's: what a terminal would obey is left out. */
static void print_name(FILE *stream, const char *name, int width) {
    int cells = 0;
    for (; *name && cells < width; name++)
        if ((unsigned char)*name >= ' ' && *name != 0x7f && (unsigned char)*name < 0x80) {
            fputc(*name, stream);
            cells++;
        }
    fprintf(stream, "%*s", width - cells, "");
}

static void print_share(FILE *stream, struct share share) {
    if (isnan(share.value))
        fprintf(stream, "  %7s %15s", "-", "");
    else
        fprintf(stream, "  %5.1f %% [%4.1f .. %5.1f]", 100 * share.value, 100 * share.low, 100 * share.high);
}

static enum status print_row(void *context, const struct tally_row *row) {
    FILE *stream = context;
    char name[128];
    snprintf(name, sizeof name, "%.60s%s%.60s", row->group ? "  " : row->set, "",
             row->group ? row->group : "");
    print_name(stream, name, 24);
    fprintf(stream, " %9d %8lld", row->questions, (long long)row->samples);
    print_share(stream, row->pass);
    print_share(stream, row->most > 1 ? row->vote : (struct share){NAN, NAN, NAN});
    fprintf(stream, " %8.0f %5.1f %%\n", row->tokens, 100 * row->cut);
    return STATUS_OK;
}

static enum status print_pass_at(void *context, const struct tally_row *row) {
    (void)context;
    for (int i = 0; i < row->pass_ats; i++) {
        if (!i) print_name(stdout, row->set, 24);
        printf("%spass@%d %.1f %%", i ? "  " : " ", 2 << i, 100 * row->pass_at[i].value);
    }
    if (row->pass_ats) printf("\n");
    return STATUS_OK;
}

static void print_head(FILE *stream, int most) {
    char vote[24] = "cons@k";
    if (most > 1) snprintf(vote, sizeof vote, "cons@%d", most);
    fprintf(stream, "%-24s %9s %8s  %-23s  %-23s %8s %7s\n", "set", "questions", "answers", "pass@1, 95 %",
            vote, "tokens", "cut off");
}

static int most_samples(const struct tally *tally) {
    int most = 0;
    for (int i = 0; i < tally->questions; i++)
        if (tally->question[i].samples > most) most = tally->question[i].samples;
    return most;
}

enum status eval_table_print(const struct record *record, bool groups) {
    struct tally tally;
    TRY(tally_make(&tally, record));
    print_head(stdout, most_samples(&tally));
    enum status status = each_row(&tally, record, false, print_row, stdout);
    if (status == STATUS_OK && groups) status = each_row(&tally, record, true, print_row, stdout);
    if (status == STATUS_OK) status = each_row(&tally, record, false, print_pass_at, NULL);
    tally_free(&tally);
    return status;
}

/* ---- while it goes on ---- */

void eval_table_start(struct eval_table *table, int64_t all, int64_t before) {
    *table = (struct eval_table){
        .all = all, .before = before, .started = clock_seconds(), .terminal = isatty(fileno(stderr)) != 0};
}

static void go_up(struct eval_table *table) {
    if (table->lines) fprintf(stderr, "\033[%dA\033[J", table->lines);
    table->lines = 0;
}

static void draw(struct eval_table *table, const struct record *record, const struct tally *tally,
                 double now) {
    double done = (double)(record->samples - table->before), left = (double)(table->all - record->samples);
    double seconds = now - table->started;
    int64_t tokens = 0;
    for (int64_t i = table->before; i < record->samples; i++) tokens += record->sample[i].tokens;
    go_up(table);
    print_head(stderr, most_samples(tally));
    (void)each_row(tally, record, false, print_row, stderr); /* what does not fit memory is not drawn */
    fprintf(stderr, "%lld of %lld answers, %.1f tokens/s", (long long)record->samples, (long long)table->all,
            seconds > 0 ? (double)tokens / seconds : 0);
    if (done > 0) fprintf(stderr, ", about %.0f min left", seconds / done * left / 60);
    fputc('\n', stderr);
    table->lines = 2;
    for (int i = 0; i < tally->questions; i++)
        table->lines += !i || strcmp(tally->question[i].set, tally->question[i - 1].set) != 0;
}

void eval_table_update(struct eval_table *table, const struct record *record) {
    double now = clock_seconds();
    struct tally tally;
    if (!table->terminal || now - table->drawn < redraw_after || tally_make(&tally, record) != STATUS_OK)
        return;
    draw(table, record, &tally, now);
    tally_free(&tally);
    table->drawn = clock_seconds();
}

void eval_table_finish(struct eval_table *table) {
    if (table->terminal) go_up(table);
}

/* ---- JSON ---- */

static json_t *share_json(struct share share) {
    if (isnan(share.value)) return json_null();
    return json_pack("{s:f, s:f, s:f}", "value", share.value, "low", share.low, "high", share.high);
}

static enum status add_row(void *context, const struct tally_row *row) {
    json_t *list = context, *ats = json_object();
    for (int i = 0; i < row->pass_ats; i++) {
        char k[16];
        snprintf(k, sizeof k, "%d", 2 << i);
        json_object_set_new(ats, k, share_json(row->pass_at[i]));
    }
    json_t *object =
        json_pack("{s:s, s:s*, s:i, s:I, s:I, s:i, s:o, s:o, s:o, s:f, s:f}", "set", row->set, "group",
                  row->group, "questions", row->questions, "samples", (json_int_t)row->samples, "right",
                  (json_int_t)row->right, "k", row->most, "pass@1", share_json(row->pass), "cons@k",
                  share_json(row->vote), "pass@", ats, "tokens", row->tokens, "cut", row->cut);
    if (object && !json_array_append_new(list, object)) return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for the report");
}

enum status eval_table_json(const struct record *record, json_t **object) {
    struct tally tally;
    json_t *sets = json_array(), *groups = json_array();
    TRY(tally_make(&tally, record));
    enum status status = each_row(&tally, record, false, add_row, sets);
    if (status == STATUS_OK) status = each_row(&tally, record, true, add_row, groups);
    tally_free(&tally);
    *object = json_pack("{s:O*, s:o, s:o}", "run", record->head, "sets", sets, "groups", groups);
    if (status == STATUS_OK && !*object) status = fail(STATUS_MEMORY, "no memory for the report");
    if (status == STATUS_OK) return STATUS_OK;
    json_decref(*object);
    *object = NULL;
    return status;
}
