/* adapters.h - low-rank adapters (LoRA, arXiv 2106.09685): the model stays as it is, and beside a matrix W [out, in] two small
 * ones are learnt, so that W + scale * up * down takes its place; down [rank, in], up [out, rank].
 *
 * The model computes with the sum, which is made anew from the checkpoint's own W whenever the small matrices were moved: so
 * forward is the model's own code, and the bits of a run do not depend on where it was interrupted. On the way back only
 * the small ones have gradients and moments. Owned by the trainer's thread. */
#ifndef HADAL_TRAIN_ADAPTERS_H
#define HADAL_TRAIN_ADAPTERS_H

#include "backend/backward.h"
#include "train/parameters.h"

struct adapter_options {
    int rank;     /* 0: no adapters, all of the model is trained */
    double alpha; /* scale is alpha / rank */
    /* Ends of the names of what is adapted, "q_proj" or "mlp.shared_experts.up_proj", of attention and of dense and shared
     * feed-forwards; 0: all of them. */
    const char *const *target;
    int targets;
};

enum { ADAPTER_RANK_MOST = 1024 };

struct adapters {
    struct adapter_options options;
    float scale;
    struct parameters trained; /* pairs: down, up */
    int32_t *of_item;          /* [items of the model's parameters] the pair's first in `trained`; -1: none */
    float *low, *dlow;         /* [rows, rank] scratch */
    float *up_rows;            /* [rank, out] scratch: `up` turned, times scale */
    struct checkpoint checkpoint; /* W as it was */
    struct weights weights;
    bool based; /* checkpoint and weights are open; not so beside another's adapters */
};

/* Beside the matrices of `parameters`; `rows` of a batch. Nothing is set yet: down and up are 0. */
must_use enum status adapters_open(struct adapters **adapters, const struct parameters *parameters,
                                   const struct adapter_options *options, int rows);
/* The same with the values of another's, which outlive them, and gradients of their own. */
must_use enum status adapters_open_beside(struct adapters **adapters, const struct parameters *parameters,
                                          const struct adapters *lead, int rows);
void adapters_close(struct adapters *adapters); /* NULL allowed */
/* Floats of one flat array of adapters, for plans. */
int64_t adapters_elements(const struct model_desc *desc, const struct adapter_options *options);

/* The model that is adapted, a directory or GGUF file of the description: it stays open, and goes into `parameters`. */
must_use enum status adapters_load_base(struct adapters *adapters, const struct parameters *parameters,
                                        const struct model_desc *desc, const char *path);
/* As PEFT does it: down evenly within +-1/sqrt(in), up 0, so that the sum is W. */
void adapters_initialise(const struct adapters *adapters, uint64_t seed);
/* Sums into the model's parameters. */
void adapters_merge(const struct adapters *adapters, const struct parameters *parameters,
                    struct backend *backend);

/* The way back through one adapted matrix, beside the way through the sum: adds to the gradients of its pair. Nothing to do
 * where `item`, an index of the model's parameters, has none. */
void adapters_backward(const struct adapters *adapters, int32_t item, const struct linear_backward_op *whole,
                       struct backend *backend);

#endif
