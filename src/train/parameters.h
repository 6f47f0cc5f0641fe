/* parameters.h - every trainable number of a model in one flat array, and its gradient in another of the same layout.
 *
 * The layout follows from the weight table and the description alone: checkpoints, optimizers and ranks go over it in
 * this order. The values are what the model's weights point to, so that a step of the optimizer needs no copy. Owned by
 * one thread. */
#ifndef HADAL_TRAIN_PARAMETERS_H
#define HADAL_TRAIN_PARAMETERS_H

#include "model/weights.h"

/* A whole weight of the model, or one of the two matrices of its adapter (adapters.h). */
enum parameter_part { PART_WHOLE, PART_DOWN, PART_UP };

struct parameter {
    enum weight weight;
    enum parameter_part part;
    int layer, expert;
    int rank;
    int64_t shape[3];
    int64_t first, elements; /* where in the flat arrays */
};

struct parameters {
    struct parameter *item;
    int count;
    int64_t elements;        /* of each array, the padding between parameters included: that is always 0 */
    float *value, *gradient; /* gradient NULL: nothing of it is trained */
    float *rounded;          /* as value, rounded to FP8, where matrices are; NULL: nowhere */
    bool borrowed;           /* value and rounded are another one's */
    int32_t *of_slot;        /* [slots of the weights] index into item, or -1 */
};

/* Lists and allocates, all zero, and makes a list of weights that point into `value`. `frozen`: without a gradient. */
must_use enum status parameters_open(struct parameters *parameters, struct weights *weights,
                                     const struct model_desc *desc, bool frozen);
/* The same with the values of another, which outlives it, and a gradient of its own where that has one. */
must_use enum status parameters_open_beside(struct parameters *parameters, struct weights *weights,
                                            const struct model_desc *desc, const struct parameters *lead);
/* Lets the matrices of layers point to rounded values, as FP8 training has it; parameters_round() makes these. */
must_use enum status parameters_use_fp8(struct parameters *parameters, struct weights *weights);
void parameters_round(const struct parameters *parameters); /* nothing to do without FP8 */
bool parameter_is_fp8(const struct parameter *parameter);
void parameters_close(struct parameters *parameters); /* zeroed allowed */

/* Calls for every parameter of a model of the description, in the order of the arrays; `first` is not set. */
typedef void parameter_visitor(void *context, const struct parameter *parameter);
void parameters_visit(const struct model_desc *desc, parameter_visitor *visit, void *context);

/* Memory that one flat array takes, for plans, and the list alone. */
int64_t parameters_bytes(const struct model_desc *desc);
must_use enum status parameters_list(struct parameters *list, const struct model_desc *desc);

/* Matrices of a normal distribution around 0 with that deviation, norms of ones, biases of zeros. What a parameter gets
 * depends on the seed and its place in the list alone. */
void parameters_initialise(const struct parameters *parameters, double deviation, uint64_t seed);

/* From the weights of a checkpoint of the same description, whatever their formats. */
must_use enum status parameters_load(const struct parameters *parameters, const struct weights *weights);

/* Gradient of a weight of a model whose weights point here; NULL when it has none: the router's bias moves by a rule of
 * its own. */
float *parameters_gradient(const struct parameters *parameters, const struct weights *weights,
                           enum weight weight, int layer, int expert);
void parameters_clear_gradient(const struct parameters *parameters);

bool parameter_has_gradient(const struct parameter *parameter);
enum { PARAMETER_NAME_BYTES = 160 };
void parameter_name(
    const struct parameter *parameter,
    char name[PARAMETER_NAME_BYTES]); /* as in Hugging Face files, of adapters as PEFT has them */

/* Zeroed floats at a cache line's boundary; NULL when there are none. Freed by free(). */
float *take_floats(int64_t count);

#endif
