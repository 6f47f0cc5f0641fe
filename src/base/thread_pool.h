/* thread_pool.h - workers that own nothing and run one function at a time, split statically.
 *
 * thread_pool_run() calls work(context, worker, workers) once on every worker, the caller being
 * worker 0, and returns when all are done. Workers spin briefly for the next call, then sleep.
 * One owner thread calls run; work must not call it again. */
#ifndef HADAL_BASE_THREAD_POOL_H
#define HADAL_BASE_THREAD_POOL_H

#include "base/status.h"

#include <stdint.h>

struct thread_pool;
typedef void thread_work(void *context, int worker, int workers);

must_use enum status thread_pool_open(struct thread_pool **pool, int threads);
void thread_pool_run(struct thread_pool *pool, thread_work *work, void *context);
int thread_pool_threads(const struct thread_pool *pool);
void thread_pool_close(struct thread_pool *pool); /* NULL allowed */

int processors_available(void); /* honours the affinity mask */

/* The half-open share [*begin, *end) of `items` that falls to `worker`, in multiples of `grain`. */
static inline void worker_share(int64_t items, int64_t grain, int worker, int workers, int64_t *begin,
                                int64_t *end) {
    int64_t grains = (items + grain - 1) / grain;
    int64_t first = grains * worker / workers * grain, last = grains * (worker + 1) / workers * grain;
    *begin = first < items ? first : items;
    *end = last < items ? last : items;
}

#endif
