/* crew.h - the batches of a step shared out among hands: trainers that read one model's parameters and have activations and a
 * gradient of their own, so that they wait for each other once a batch and not once an operation.
 *
 * A batch's gradient is summed up from zero by whoever takes the batch, and the gradients of all batches are added in the
 * batches' order: the bits do not depend on the number of hands. Owned by the lead's thread; each hand computes on a thread of
 * the crew's pool. */
#ifndef HADAL_TRAIN_CREW_H
#define HADAL_TRAIN_CREW_H

#include "train/trainer.h"

struct thread_pool;
struct crew_hand;

struct crew {
    struct trainer *lead;
    struct crew_hand *hand;
    int hands;
    struct thread_pool *pool;
};

/* As many hands as there are threads, and not more than batches in a step; `options` are the lead's, with the rows of a batch. */
int crew_hands(const struct trainer_options *options, int batches);
/* What they take beside the lead's own memory. */
int64_t crew_bytes(const struct model_desc *desc, const struct trainer_options *options, int hands);

/* The lead stays where it is while the crew is open. */
must_use enum status crew_open(struct crew *crew, struct trainer *lead, const struct trainer_options *options,
                               int hands);
void crew_close(struct crew *crew); /* zeroed allowed */

/* trainer_accumulate() of several batches. */
must_use enum status crew_accumulate(struct crew *crew, const struct train_batch *const *batch, int batches,
                                     const struct loss_scale *scale, struct loss_sums *sums);

#endif
