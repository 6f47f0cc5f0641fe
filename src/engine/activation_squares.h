/* activation_squares.h - sums of the squares of what each matrix of a model is multiplied by, while it runs: the data of
 * an importance matrix.
 *
 * It puts itself between the model and the operations of its backend, and looks at the inputs of those that multiply
 * by weights. What a feed-forward network has between its matrices is computed once more, since an operation may
 * keep it to itself. Owned by the engine's thread; the engine runs at half speed meanwhile. */
#ifndef HADAL_ENGINE_ACTIVATION_SQUARES_H
#define HADAL_ENGINE_ACTIVATION_SQUARES_H

#include "engine/engine.h"
#include "format/imatrix.h"

struct activation_squares;
must_use enum status activation_squares_open(struct activation_squares **squares, struct engine *engine);
void activation_squares_close(struct activation_squares *squares); /* NULL allowed; before the engine */

/* STATUS_MEMORY once anything could not be counted. */
must_use enum status activation_squares_check(const struct activation_squares *squares);

/* One entry for each weight of GGUF that was multiplied, experts stacked. The sums live as long as `squares`; the caller
 * frees *sums. */
must_use enum status activation_squares_list(struct activation_squares *squares, struct imatrix_sums **sums,
                                             size_t *count);

#endif
