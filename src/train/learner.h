/* learner.h - answers and their advantages to gradients: packed into batches, forward, slopes by policy.h, and back.
 *
 * Probabilities are those that the answers were sampled with: of logits divided by the temperature, among the tokens that
 * could be sampled. With recorded routes the experts of each token stay those of the record, however the weights move in
 * between. Owned by the trainer's thread. */
#ifndef HADAL_TRAIN_LEARNER_H
#define HADAL_TRAIN_LEARNER_H

#include "train/corpus.h"
#include "train/policy.h"
#include "train/rollout.h"

struct lesson {
    const int32_t *prompt;
    int prompt_tokens;
    const struct rollout_answer *answer; /* its log-probabilities are the old ones */
    double advantage;
    double *now, *reference; /* [tokens] written by the passes; reference NULL without kl */
};

struct learner_options {
    struct policy_options policy;
    double temperature;
    double mtp, balance; /* as lambda and alpha of pretraining; 0: none */
    /* Another model over the same vocabulary, whose whole distribution each token of an answer is drawn to: weight times
     * KL(now || teacher), at temperature 1, beside what the policy's advantages say (arXiv 2306.13649). NULL: none. */
    struct trainer *teacher;
    double teacher_weight;
};

struct learner {
    struct trainer *trainer;
    struct learner_options options;
    struct packed_batch packed;
    int *row_lesson, *row_token; /* [rows] which token of which lesson a row predicts; -1: none */
    double *slope;               /* [rows] */
    float *logits;               /* [LEARNER_ROWS, vocab] */
    double *drawn;               /* [vocab] */
    double *share;               /* [rows] of the divergence from the teacher in the loss */
};

enum { LEARNER_ROWS = 256 };

must_use enum status learner_open(struct learner *learner, struct trainer *trainer,
                                  const struct learner_options *options);
void learner_close(struct learner *learner); /* zeroed allowed */

/* What a set of lessons is divided by: all that count in a step of the optimizer. */
struct learner_totals {
    int64_t answers, tokens;
};

/* Forward alone: the log-probability of each token goes to lesson.now, or to lesson.reference. */
enum learner_measure { MEASURE_NOW, MEASURE_REFERENCE };
must_use enum status learner_measure(struct learner *learner, const struct lesson *lesson, int lessons,
                                     enum learner_measure what);

/* The experts of every token of some lessons. */
struct lesson_routes {
    int32_t *expert; /* of all batches, one behind the other */
};
must_use enum status learner_record(struct learner *learner, const struct lesson *lesson, int lessons,
                                    struct lesson_routes *routes);
void lesson_routes_free(struct lesson_routes *routes); /* zeroed allowed */

struct learner_sums {
    struct policy_sums policy;
    struct loss_sums loss;
    double entropy; /* over tokens */
    double teacher; /* KL(now || teacher), over tokens */
    int64_t rows;
};

/* Adds the gradients of the lessons. `replay`: with the experts recorded for the same lessons; NULL: free ones. */
must_use enum status learner_learn(struct learner *learner, const struct lesson *lesson, int lessons,
                                   const struct learner_totals *totals, const struct lesson_routes *replay,
                                   struct learner_sums *sums);

#endif
