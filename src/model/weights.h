/* weights.h - every weight of a model by meaning: the weight table joined with a checkpoint's tensors.
 *
 * Matrices stay views into the mapped files. Vectors (norms, biases) are decoded to f32 once. Immutable
 * after loading; any thread may read. */
#ifndef HADAL_MODEL_WEIGHTS_H
#define HADAL_MODEL_WEIGHTS_H

#include "base/arena.h"
#include "format/checkpoint.h"
#include "model/weight_table.h"
#include "tensor/tensor.h"

struct weights {
    struct tensor *slot;         /* one per copy of every weight; data NULL where it does not exist */
    int64_t first[WEIGHT_COUNT]; /* slot of layer 0, expert 0 */
    int experts;                 /* slots per layer of PER_EXPERT weights */
    struct arena arena;          /* decoded vectors */
};

/* From a config.json or from the keys of GGUF, and where those are silent from the tensors. */
must_use enum status model_desc_from_checkpoint(struct model_desc *desc, const struct checkpoint *checkpoint);

/* Checks that exactly the weights of `desc` are there, in the right shapes: one sentence names file, tensor, expected
 * and found otherwise. Adjusts `desc` to what the files hold: mtp_layers 0 when the modules were left out, tied_head
 * for GGUF files without output.weight. */
must_use enum status weights_load(struct weights *weights, struct model_desc *desc,
                                  const struct checkpoint *checkpoint);
/* A list with room for every copy of every weight of `desc` and nothing in it. */
must_use enum status weights_open_empty(struct weights *weights, const struct model_desc *desc);
void weights_free(struct weights *weights);

/* Where in `slot` the copy is; layer and expert are ignored where the weight has no such copies. */
int64_t weights_slot(const struct weights *weights, enum weight weight, int layer, int expert);
/* The copy of a matrix, NULL when the model has none. */
const struct tensor *weights_matrix(const struct weights *weights, enum weight weight, int layer, int expert);
/* f32 vector or NULL. */
const float *weights_vector(const struct weights *weights, enum weight weight, int layer);

#endif
