/* learner.h - answers and their advantages to gradients: packed into batches, forward, slopes by policy.h, and back.
 *
 * Probabilities are those that the answers were sampled with: of logits divided by the temperature, among the tokens that
 * could be sampled. With recorded routes the experts of each token stay those of the record, however the weights move in
 * between.
 *
 * Batches are shared out by crew.h: their bits depend on the lessons and the rows of a batch alone. All ranks pass over the same
 * lessons, and what a pass leaves for a later one over them each rank has of its own batches. Owned by the lead's thread. */
#ifndef HADAL_TRAIN_LEARNER_H
#define HADAL_TRAIN_LEARNER_H

#include "train/corpus.h"
#include "train/crew.h"
#include "train/policy.h"
#include "train/rollout.h"

struct lesson {
    const int32_t *prompt;
    int prompt_tokens;
    const struct rollout_answer *answer; /* its log-probabilities are the old ones */
    double advantage;
    double *now,
        *reference; /* [tokens] written by the passes, of this rank's batches; reference NULL without kl */
};

struct learner_options {
    struct policy_options policy;
    double temperature;
    double mtp, balance; /* as lambda and alpha of pretraining; 0: none */
    /* Another model over the same vocabulary, whose whole distribution each token of an answer is drawn to: weight times
     * KL(now || teacher), at temperature 1, beside what the policy's advantages say (arXiv 2306.13649). Only its parameters
     * are used. NULL: none. */
    const struct trainer *teacher;
    double teacher_weight;
};

struct learner_sums { /* over lessons */
    struct policy_sums policy;
    struct loss_sums loss;
    double entropy; /* over tokens */
    double teacher; /* KL(now || teacher), over tokens */
    int64_t rows;
};

struct learner_hand;

struct learner_batch {
    int first, end; /* lessons [first, end) */
    int64_t route;  /* where its experts begin among those of all batches */
};

struct learner {
    struct crew *crew;
    struct learner_options options;
    struct learner_hand *hand;   /* [hands] one beside each of the crew's */
    struct learner_batch *batch; /* of the pass that is made */
    struct learner_sums *sums;   /* of each of them */
    int64_t batches, capacity;
};

enum { LEARNER_ROWS = 256 };

/* The crew's trainers are `strict` where answers were sampled so; it stays where it is while the learner is open. */
must_use enum status learner_open(struct learner *learner, struct crew *crew,
                                  const struct learner_options *options);
void learner_close(struct learner *learner); /* zeroed allowed */
/* What a learner takes beside its crew, of hands with `options`, and for a teacher besides beside its parameters. */
int64_t learner_bytes(const struct model_desc *desc, int hands);
int64_t learner_teacher_bytes(const struct model_desc *teacher, const struct trainer_options *options,
                              int hands);

/* The passes are collective, over the same lessons on all ranks. */

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
    int32_t *expert; /* of all batches, one behind the other; this rank's are set */
};
must_use enum status learner_record(struct learner *learner, const struct lesson *lesson, int lessons,
                                    struct lesson_routes *routes);
void lesson_routes_free(struct lesson_routes *routes); /* zeroed allowed */

/* Adds the gradients of the lessons as crew_learn() does it, after trainer_clear() of the lead. All get the sums. `replay`: with the experts recorded for the same lessons; NULL: free ones. */
must_use enum status learner_learn(struct learner *learner, const struct lesson *lesson, int lessons,
                                   const struct learner_totals *totals, const struct lesson_routes *replay,
                                   struct learner_sums *sums);

#endif
