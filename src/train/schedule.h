/* schedule.h - learning rates by step, and when a step is not to be taken. Pure functions and plain data. */
#ifndef HADAL_TRAIN_SCHEDULE_H
#define HADAL_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE, /* from peak to floor over all steps after the warm-up */
    SCHEDULE_WSD     /* warm-up, stable, then linearly to the floor over the last `decay` steps */
};

struct schedule {
    enum schedule_kind kind;
    double peak, floor;
    int64_t warmup, steps, decay;
};
double schedule_rate(const struct schedule *schedule, int64_t step); /* step counts from 0 */

/* A value that holds from a share of all steps on: lambda 0.3, then 0.1; gamma 0.001, then 0. */
struct schedule_switch {
    double before, after, at; /* at: share of the steps */
};
double schedule_value(const struct schedule_switch *value, int64_t step, int64_t steps);

/* Mean and variance of what went before, exponentially weighted. All of it is part of a checkpoint. */
struct spike_watch {
    double mean, variance;
    int64_t seen, skipped_in_a_row;
};
enum { SPIKE_WARMUP = 32, SPIKE_PATIENCE = 8 };
/* Is `value` no number, or more than `deviations` above the mean? Otherwise it joins the statistics. After SPIKE_PATIENCE
 * refusals in a row the level has changed for good, and counting begins anew. deviations 0: only what is no number. */
bool spike_seen(struct spike_watch *watch, double value, double deviations);

#endif
