/* thread_pool.h - workers that own nothing and run one function at a time, cut into slices.
 *
 * thread_pool_run() calls work(context, worker, slice, slices) once for every slice and returns when all
 * are done. Each worker has `slices_each` of its own and takes them first, so that it meets the same
 * part of the data in every run; then it takes what others have left, so that a worker which the system
 * keeps from running holds up no more than the slice that it is in. `worker` tells which one runs a
 * slice (for its scratch memory), `slice` what is to be done. The caller is worker 0. Workers spin
 * briefly for the next call, then sleep. One owner thread calls run; work must not call it again. */
#ifndef HADAL_BASE_THREAD_POOL_H
#define HADAL_BASE_THREAD_POOL_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct thread_pool;
struct node_plan; /* nodes.h */
struct number_set;
typedef void thread_work(void *context, int worker, int slice, int slices);

/* Slices of each worker: several where a slice costs little by itself, one where it begins with work of its own. */
enum { SLICES_FINE = 4, SLICES_WHOLE = 1 };

must_use enum status thread_pool_open(struct thread_pool **pool, int threads);
void thread_pool_run(struct thread_pool *pool, int slices_each, thread_work *work, void *context);
int thread_pool_threads(const struct thread_pool *pool);
void thread_pool_close(struct thread_pool *pool); /* NULL allowed */

/* Keeps each worker on the processors of its node of the plan, which lives as long as the pool, and lets it help those of
 * its own node first. The thread that calls run is worker 0 and stays on its node until the pool is closed. Directly after
 * open. A system that does not allow it is not asked twice. */
void thread_pool_place(struct thread_pool *pool, const struct node_plan *plan);
/* The calling thread runs on these processors alone from now on; false: the system refuses. */
bool thread_keep_on(const struct number_set *processors);

int processors_available(void); /* honours the affinity mask */

/* The half-open share [*begin, *end) of `items` that falls to a slice, in multiples of `grain`. */
static inline void slice_share(int64_t items, int64_t grain, int slice, int slices, int64_t *begin,
                               int64_t *end) {
    int64_t grains = (items + grain - 1) / grain;
    int64_t first = grains * slice / slices * grain, last = grains * (slice + 1) / slices * grain;
    *begin = first < items ? first : items;
    *end = last < items ? last : items;
}

#endif
