/* answers.h - many requests that are run to their ends by the thread that asks: rollouts, sets of questions. The same
 * scheduler that serves, without a queue and a thread between. Owned by the engine's thread. */
#ifndef HADAL_ENGINE_ANSWERS_H
#define HADAL_ENGINE_ANSWERS_H

#include "engine/service.h"

struct answers;

must_use enum status answers_open(struct answers **answers, struct engine *engine);
void answers_close(struct answers *answers); /* before the engine; NULL allowed */

/* Runs requests [count], numbered from 0 in events. Returns when each of them has ended, or has been refused, with the first
 * failure: then the rest is ended too. Deadlines and priorities count; cancelling is left to `going`, which is asked
 * between steps and may be NULL: false ends everything with STATUS_CANCELLED. */
must_use enum status answers_run(struct answers *answers, const struct service_request *request, int count,
                                 bool (*going)(void *context), void *context);

#endif
