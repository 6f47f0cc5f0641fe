/* bandit.h - a check of reinforcement learning as a whole, on a problem whose optimum is known: one prompt, answers of one
 * token, and a reward for one of them. A small model of random weights goes through the sampler, the objective, the way
 * back and the optimizer that real runs use. Owned by one thread. */
#ifndef HADAL_TRAIN_BANDIT_H
#define HADAL_TRAIN_BANDIT_H

#include "base/status.h"

#include <stdint.h>

struct bandit_options {
    int threads;
    int cpu_level_cap; /* 0: the best */
    uint64_t seed;
    void (*check)(void *context, const char *what, double found, double bound); /* NULL: silent */
    void *context;
};

/* STATUS_INTERNAL, naming the first check that fails. */
must_use enum status bandit_run(const struct bandit_options *options);

#endif
