/* tally.h - a record counted: for each set, and each group of one, the figures of figures.h. A tally points into its record. */
#ifndef HADAL_EVAL_TALLY_H
#define HADAL_EVAL_TALLY_H

#include "eval/figures.h"
#include "eval/record.h"

struct tally_question {
    const char *set, *id, *group;
    uint64_t identity;
    int samples, right;
    double mean, vote; /* vote: 1 when the most frequent result is right; NAN where nothing is voted on */
};

struct tally {
    struct tally_question *question; /* by set, group and id */
    int questions;
};

/* A vote that is split evenly goes to the answer that was given first. */
must_use enum status tally_make(struct tally *tally, const struct record *record);
void tally_free(struct tally *tally); /* zeroed allowed */

struct tally_row {
    const char *set, *group;    /* NULL: of all of them */
    int questions, least, most; /* least, most: samples of a question */
    int64_t samples, right;
    struct share pass;       /* pass@1 */
    struct share vote;       /* cons@k, k being `most`; value NAN where there are no results */
    double tokens;           /* of an answer, mean */
    double cut;              /* share of the answers that reached the limit of tokens */
    struct share pass_at[8]; /* pass@2, @4, ... up to `least` */
    int pass_ats;
};
/* Of questions [begin, end) of a tally. */
must_use enum status tally_row_of(const struct tally *tally, const struct record *record, int begin, int end,
                                  struct tally_row *row);

#endif
