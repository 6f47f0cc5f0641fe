/* optimizer.h - AdamW for everything, or Muon for the matrices inside the layers and AdamW for the rest. Moments lie in flat
 * arrays of the parameters' layout. Owned by the trainer's thread. */
#ifndef HADAL_TRAIN_OPTIMIZER_H
#define HADAL_TRAIN_OPTIMIZER_H

#include "train/trainer.h"

enum optimizer_kind { OPTIMIZER_ADAMW, OPTIMIZER_MUON };

struct optimizer_options {
    enum optimizer_kind kind;
    double beta1, beta2, epsilon; /* of AdamW */
    double momentum;              /* of Muon */
    double decay;                 /* of matrices: norms and biases are not drawn to 0 */
    double clip;                  /* longest gradient; 0: any */
};

/* As published for V3 (arXiv 2412.19437 section 4.2), Muon's as for V4. */
struct optimizer_options optimizer_defaults(enum optimizer_kind kind);

struct optimizer {
    struct optimizer_options options;
    float *first,
        *second; /* [elements] moments; a matrix of Muon's has its momentum in `first` and no second */
    struct muon_matrix *matrix; /* what Muon moves; NULL: nothing */
    int64_t matrices;
    int64_t steps; /* taken so far */
};

must_use enum status optimizer_open(struct optimizer *optimizer, const struct trainer *trainer,
                                    const struct optimizer_options *options);
void optimizer_close(struct optimizer *optimizer); /* zeroed allowed */
int64_t optimizer_bytes(const struct trainer_plan *plan);

/* Length of the whole gradient. */
double optimizer_gradient_norm(const struct trainer *trainer);
/* One step with the gradient, whose length is `norm`. */
void optimizer_step(struct optimizer *optimizer, struct trainer *trainer, double rate, double norm);

bool optimizer_uses_muon(const struct optimizer *optimizer, const struct parameter *parameter);

#endif
