/* eval.h - the parts of `hadal eval`: its modes, one file each, and what they print. */
#ifndef HADAL_CLI_EVAL_H
#define HADAL_CLI_EVAL_H

#include "cli/options.h"
#include "engine/score.h"
#include "engine/score_stats.h"

/* A mode is chosen by the presence of any of its options. */
struct eval_mode {
    const char *option[4]; /* up to the first NULL */
    enum status (*run)(const struct option_values *values);
};

enum status eval_text(const struct option_values *values); /* eval_text.c: perplexity and comparisons */

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

#endif
