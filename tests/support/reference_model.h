/* reference_model.h - the losses of a batch and their derivatives in double precision, from the description and the
 * parameters alone: the formulas of the papers on the operations of tape.h. */
#ifndef HADAL_TESTS_SUPPORT_REFERENCE_MODEL_H
#define HADAL_TESTS_SUPPORT_REFERENCE_MODEL_H

#include "train/trainer.h"

struct reference_model {
    const struct model_desc *desc;
    const struct parameters *parameters; /* the list */
    double *value, *gradient;            /* [elements] in the list's layout */
    int32_t
        *expert[MODEL_MAX_LAYERS]; /* choices of a layer [rows, used]; made by the first pass, then held */
};

/* Values copied from the parameters. */
void reference_open(struct reference_model *reference, const struct model_desc *desc,
                    const struct parameters *parameters);
void reference_close(struct reference_model *reference);
/* The whole loss; gradients are set anew when `backward`. */
double reference_loss(struct reference_model *reference, const struct train_batch *batch,
                      const struct loss_scale *scale, bool backward);

#endif
