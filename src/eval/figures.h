/* figures.h - what samples of answers say: pass@1, cons@k and pass@k with their uncertainty, and whether two runs differ. Pure
 * functions of counts.
 *
 * pass@1 is the mean over questions of the share of their samples that are right, and cons@k the share of questions whose most
 * frequent answer of k is right: both as the DeepSeek-R1 paper has them. pass@k is the chance that one of k samples is right,
 * estimated without bias from n samples as 1 - C(n - c, k) / C(n, k) (Chen et al. 2021, arXiv:2107.03374). Questions are what
 * is drawn at random: samples of one question are not independent of each other. */
#ifndef HADAL_EVAL_FIGURES_H
#define HADAL_EVAL_FIGURES_H

#include "base/status.h"

#include <stdint.h>

struct share { /* with the interval that has it in 95 of 100 cases */
    double value, low, high;
};

/* Of the means [questions], each from 0 to 1. Wilson's interval, whose count of questions is the one at which so many right or
 * wrong ones would scatter as these do: at one sample each it is the questions' own. */
struct share share_of(const double *mean, int questions);

double pass_at(int samples, int right, int k); /* 1 <= k <= samples */

struct paired {
    int questions;     /* of both */
    double difference; /* of the second's mean from the first's */
    double low, high;  /* bootstrap over questions: 95 of 100 */
    double
        chance; /* of a difference as large, if which run is which were chance: signs of differences are turned */
};
/* Means of the same questions in two runs. */
must_use enum status paired_compare(const double *first, const double *second, int questions,
                                    struct paired *paired);

struct mcnemar {
    int first_only, second_only; /* questions that one alone has right */
    double chance;               /* exact, two-sided: of so uneven a split, if both were equally good */
};
/* Of outcomes that are 0 or 1. */
struct mcnemar mcnemar_test(const double *first, const double *second, int questions);

#endif
