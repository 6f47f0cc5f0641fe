/* trainer.h - a model that learns: forward passes that keep what the derivatives need, and the way back.
 *
 * Forward is the model's own code on the same backend, layer by layer, with memory of each layer's own behind
 * `struct activations`: logits are the bits that inference gives, in the absorbed form of attention when `strict`, and
 * in the decompressed form of prompts otherwise. Backward walks the same layers from last to first and adds to the
 * gradients of parameters.h. Owned by one thread. */
#ifndef HADAL_TRAIN_TRAINER_H
#define HADAL_TRAIN_TRAINER_H

#include "backend/backward.h"
#include "model/activations.h"
#include "train/adapters.h"
#include "train/batch.h"

struct trainer_options {
    int threads, cpu_level_cap; /* as in struct model_options */
    int max_rows;               /* of a batch */
    bool strict;                /* the arithmetic of generated rows */
    bool
        fp8; /* matrices of layers, and what meets them, rounded to e4m3 in blocks (arXiv 2412.19437 section 3.3) */
    bool
        recompute; /* keep no more of a layer than its input, and run it again on the way back: less memory, a third
                       more work */
    bool frozen;                 /* nothing is trained: it goes forward alone and has no gradient */
    struct adapter_options lora; /* rank 0: the model itself is trained */
};

struct trainer_memory; /* trainer_memory.h */

struct trainer {
    struct model model;
    struct parameters parameters; /* of the model */
    struct adapters *adapters;    /* what is trained instead of them; NULL: they are */
    struct trainer_memory *memory;
    struct trainer_options options;
    int64_t *load; /* [layers + mtp_layers][experts] choices of each expert since trainer_clear() */
};

must_use enum status trainer_open(struct trainer *trainer, const struct model_desc *desc,
                                  const struct trainer_options *options);
/* The same model with the parameters of the lead, which outlives it and alone changes them; all else is its own. */
must_use enum status trainer_open_beside(struct trainer *trainer, const struct trainer *lead,
                                         const struct trainer_options *options);
void trainer_close(struct trainer *trainer); /* zeroed allowed */

/* Bytes by purpose, before anything is taken. */
struct trainer_plan {
    int64_t trained;    /* one flat array of what is trained */
    int64_t parameters; /* values and gradients, without an optimizer's state */
    int64_t activations, total;
};
struct trainer_plan trainer_plan(const struct model_desc *desc, const struct trainer_options *options);

/* What each part of the loss counts. Divided by the sums over all batches of a step, so that a step does not depend on how it
 * is cut into batches. */
struct loss_scale {
    double token;   /* 1 / sum of the weights */
    double mtp;     /* lambda / sum of the module's weights; 0: the module is not run */
    double balance; /* alpha / rows; 0: no balance loss */
};

struct loss_sums {
    double token, mtp; /* sums of weight * -log p */
    double
        balance; /* sum over experts' layers and sequences of rows * (sum of f_e P_e), 1 for each row at perfect balance */
};

/* What gradients, moments and checkpoints are of: the parameters, or the adapters' pairs. */
const struct parameters *trainer_trained(const struct trainer *trainer);

/* After the values were changed from outside: what follows from them is made anew. The optimizer's step does so itself. */
void trainer_refresh(struct trainer *trainer);
/* Gradients and loads to zero: a step begins. */
void trainer_clear(struct trainer *trainer);
/* One batch forward and back: adds to gradients, loads and sums. */
must_use enum status trainer_accumulate(struct trainer *trainer, const struct train_batch *batch,
                                        const struct loss_scale *scale, struct loss_sums *sums);
/* Forward alone: adds to the sums of the trunk (and of the module when `mtp`). */
must_use enum status trainer_evaluate(struct trainer *trainer, const struct train_batch *batch, bool mtp,
                                      struct loss_sums *sums);
/* ---- objectives of the caller's own ---- */

/* Which experts the rows of a batch take in the trunk's layers. */
struct train_routes {
    int32_t *expert; /* [layers, rows, used], ascending in each row */
    bool replay;     /* what is there is taken; otherwise what was chosen is written */
};

/* Forward alone, for trainer_logits() and trainer_backward(); `routes` may be NULL. The batch's weights and targets count
 * for nothing but the module's loss. */
must_use enum status trainer_forward(struct trainer *trainer, const struct train_batch *batch,
                                     const struct train_routes *routes);

/* Turns the logits [rows, vocab] of rows [begin, begin + rows) of the batch into the derivative of the loss by them. */
typedef void train_objective(void *context, int begin, int rows, float *logits);

/* The way back of the batch that went forward last, with the same routes: adds to gradients, loads and sums. scale->token
 * means nothing. */
void trainer_backward(struct trainer *trainer, const struct train_batch *batch,
                      const struct train_routes *routes, const struct loss_scale *scale,
                      train_objective *objective, void *context, struct loss_sums *sums);

/* The model as others run it between two batches: with the present weights, and activations that are its own. */
const struct model *trainer_model(struct trainer *trainer);

/* Logits [rows, vocab] of rows [begin, begin + rows) of the last batch that went forward. */
void trainer_logits(struct trainer *trainer, int begin, int rows, float *logits);

/* Moves the biases of the routers against the load (arXiv 2412.19437 section 2.1.2). */
void trainer_balance(struct trainer *trainer, double rate);

#endif
