/* eval.h - the parts of `hadal eval`: its modes, one file each, and what they print. */
#ifndef HADAL_CLI_EVAL_H
#define HADAL_CLI_EVAL_H

#include "cli/options.h"
#include "engine/score.h"
#include "engine/score_stats.h"
#include "eval/run.h"
#include "eval/tally.h"

/* A mode is chosen by the presence of any of its options. */
struct eval_mode {
    const char *option[4]; /* up to the first NULL */
    enum status (*run)(const struct option_values *values);
};

enum status eval_text(const struct option_values *values);      /* eval_text.c: perplexity and comparisons */
enum status eval_questions(const struct option_values *values); /* eval_questions.c: sets of questions */
enum status eval_results(const struct option_values *values);   /* eval_results.c: runs that are recorded */

/* What the text mode found. */
struct eval_text_result {
    const char *model, *text, *base, *saved, *imatrix; /* paths; NULL: not asked for */
    struct score_windows windows;
    struct moments loss;
    struct comparison_result comparison; /* with a base */
    size_t imatrix_entries;
    double seconds;
};
must_use enum status eval_text_report(const struct eval_text_result *result, bool json); /* eval_report.c */

/* ---- sets of questions ---- */

/* How answers are sampled, whoever gives them. */
struct eval_sampling {
    double temperature, top_p;
    int64_t most; /* tokens of an answer */
    bool plain;   /* texts to go on from, no messages */
};

/* Who answers. What it is, as far as it decides about answers, is put into `about`. */
struct eval_engine;
must_use enum status eval_engine_open(struct eval_engine **engine, const struct option_values *values,
                                      const struct question_set *set, int sets,
                                      const struct eval_sampling *sampling, struct asker *asker,
                                      json_t *about);
void eval_engine_close(struct eval_engine *engine); /* NULL allowed */

struct eval_endpoint;
must_use enum status eval_endpoint_open(struct eval_endpoint **endpoint, const struct option_values *values,
                                        const char *url, int at_once, const struct eval_sampling *sampling,
                                        struct asker *asker, json_t *about);
void eval_endpoint_close(struct eval_endpoint *endpoint); /* NULL allowed */

/* eval_table.c: what a run has found so far, on a terminal, or in the end. */
struct eval_table {
    int64_t all;    /* answers that are asked for */
    int64_t before; /* of them, those that were there at the start */
    double started, drawn;
    int lines; /* on the terminal now */
    bool terminal;
};
void eval_table_start(struct eval_table *table, int64_t all, int64_t before);
void eval_table_update(struct eval_table *table, const struct record *record);
void eval_table_finish(struct eval_table *table);
must_use enum status eval_table_print(const struct record *record, bool groups);
must_use enum status eval_table_json(const struct record *record, json_t **object);

#endif
