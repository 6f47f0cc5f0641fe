/* start.h - what all ranks of a run must have been started with, and run on: everything that its numbers depend on. */
#ifndef HADAL_TRAIN_START_H
#define HADAL_TRAIN_START_H

#include "train/pretrain.h"

/* Collective; `data` and `valid` are hashes of what each rank has read, `more` of further options. */
must_use enum status start_compare(const struct pretrain_options *options, const struct model_desc *desc,
                                   uint64_t data, uint64_t valid, uint64_t more);

/* Collective: whether the ranks, each of which has read `origin` by itself, begin with the same weights. */
must_use enum status start_compare_weights(struct comm *comm, const struct trainer *trainer,
                                           const char *origin);

#endif
