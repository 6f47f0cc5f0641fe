/* optimizer.h - AdamW for everything, or Muon for the matrices inside the layers and AdamW for the rest. Moments lie in flat
 * arrays of the parameters' layout. Owned by the trainer's thread.
 *
 * Each rank moves a part of the parameters, has moments of that part alone and tells the others what became of it (ZeRO's
 * first stage, arXiv 1910.02054). Parts are equal but for matrices of Muon's, which stay whole. */
#ifndef HADAL_TRAIN_OPTIMIZER_H
#define HADAL_TRAIN_OPTIMIZER_H

#include "comm/comm.h"
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
    struct comm *comm;
    int64_t *border; /* [ranks + 1] rank r moves elements [border[r], border[r + 1]) */
    float *first,
        *second; /* moments of this rank's part; a matrix of Muon's has its momentum in `first` and no second */
    struct muon_matrix *matrix; /* what Muon moves of it; NULL: nothing */
    int64_t matrices;
    int64_t steps; /* taken so far */
};

/* `comm` stays open as long as the optimizer. */
must_use enum status optimizer_open(struct optimizer *optimizer, const struct trainer *trainer,
                                    const struct optimizer_options *options, struct comm *comm);
void optimizer_close(struct optimizer *optimizer); /* zeroed allowed */
/* Elements of this rank's part, and bytes of its moments. */
int64_t optimizer_elements(const struct optimizer *optimizer);
int64_t optimizer_bytes(const struct optimizer *optimizer);

/* The borders of `ranks` parts, border [ranks + 1], from the list of parameters alone. */
void optimizer_borders(const struct parameters *list, enum optimizer_kind kind, int ranks, int64_t *border);

/* Length of the whole gradient. */
double optimizer_gradient_norm(const struct trainer *trainer);
/* Collective: one step with the gradient, of which each rank has its part; `norm` is the length of the whole. */
must_use enum status optimizer_step(struct optimizer *optimizer, struct trainer *trainer, double rate,
                                    double norm);

bool optimizer_uses_muon(enum optimizer_kind kind, const struct parameter *parameter);

#endif
