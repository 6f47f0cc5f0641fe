/* rates.h - how fast the backend of this program is here, part by part: measured by `hadal bench machine`, kept beside the ceilings,
 * and used by `hadal plan fit --hardware this`. A file belongs to one processor, level of instructions, number of threads and
 * version of the program. Main thread only. */
#ifndef HADAL_CLI_RATES_H
#define HADAL_CLI_RATES_H

#include "cli/machine.h"
#include "plan/rates.h"

struct backend;

struct rates_request {
    enum cpu_level cap;
    int threads, samples;
    double sample_seconds;
    bool (*progress)(void *context, int done, int all); /* NULL allowed */
    void *context;
};
/* `wake` is the caller's to set. */
must_use enum status rates_measure(struct plan_rates *rates, const struct rates_request *request);

/* Into the user's cache directory; nothing where there is none. */
must_use enum status rates_store(const struct plan_rates *rates, const char *processor, enum cpu_level level,
                                 int threads);
bool rates_recall(struct plan_rates *rates, const char *processor, enum cpu_level level, int threads);

/* bench_attention.c: operations a second of one layer's attention with the shape of a published model behind 2048 tokens, the
 * median of `samples`. */
must_use enum status bench_attention_rate(struct backend *backend, const char *like, bool prompt, int samples,
                                          double sample_seconds, double *rate, int *heads, bool *latent);

#endif
