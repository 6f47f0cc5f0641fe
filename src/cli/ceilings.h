/* ceilings.h - what this machine can do at most: reading, copying, multiplying, waking its threads.
 *
 * Measured by `hadal bench machine` and kept in the user's cache directory, so that other commands can set
 * speeds against them. A record belongs to one processor, level of instructions and number of threads. Main thread
 * only; measuring starts threads of its own and ends them. */
#ifndef HADAL_CLI_CEILINGS_H
#define HADAL_CLI_CEILINGS_H

#include "base/status.h"
#include "kernel/peak.h"

#include <jansson.h>
#include <stdbool.h>

enum { CEILINGS_VERSION = 1, CEILING_SAMPLES_MOST = 64 };

enum ceiling {
    CEILING_READ,                                      /* bytes a second */
    CEILING_COPY,                                      /* bytes a second, those read and those written */
    CEILING_MULTIPLY,                                  /* and enum peak: operations a second */
    CEILING_WAKE_WARM = CEILING_MULTIPLY + PEAK_COUNT, /* seconds until all threads work: they wait awake */
    CEILING_WAKE_COLD,                                 /* they sleep */
    CEILING_COUNT
};

struct ceiling_samples {
    int count; /* 0: the machine cannot, or it was not asked for */
    double value[CEILING_SAMPLES_MOST];
};

/* Of one number of threads. */
struct ceilings {
    enum cpu_level level;
    int threads;
    bool huge_pages; /* of the buffer: asked for */
    bool stored;     /* read from the file, not measured now */
    int64_t buffer_bytes;
    struct ceiling_samples of[CEILING_COUNT];
};

const char *ceiling_name(enum ceiling ceiling); /* "read", "amx_int8", "wake_cold" */
const char *ceiling_unit(enum ceiling ceiling); /* "bytes/s", "operations/s", "s" */
double ceiling_median(const struct ceilings *ceilings, enum ceiling ceiling); /* 0 without samples */
/* The fastest way that there is to multiply integers, or floats. */
enum ceiling ceiling_of_products(const struct ceilings *ceilings, bool integers);

struct ceiling_request {
    enum cpu_level cap;
    int threads, samples;
    int64_t buffer_bytes;                   /* of reading; copying uses its halves */
    bool quick;                             /* reading and multiplying alone */
    void (*progress)(void *, enum ceiling); /* before each; NULL allowed */
    void *progress_context;
};
must_use enum status ceilings_measure(struct ceilings *ceilings, const struct ceiling_request *request);

/* A buffer that is larger than the caches and fits the memory. */
int64_t ceilings_buffer_bytes(int64_t limit); /* limit 0: none */

/* One object with everything; the caller releases it. NULL: no memory. */
json_t *ceilings_json(const struct ceilings *list, int count, const char *processor);
/* Replaces the user's file whole; *path says where, "" when the user has no cache directory. */
must_use enum status ceilings_store(const struct ceilings *list, int count, const char *processor,
                                    char path[4096]);
/* The record of this processor, level and number of threads in the file; false when there is none that can be read. */
bool ceilings_recall(struct ceilings *ceilings, const char *path, const char *processor, enum cpu_level level,
                     int threads);
/* What is stored, or else a quick measurement. */
must_use enum status ceilings_get(struct ceilings *ceilings, const char *processor, enum cpu_level cap,
                                  int threads);

#endif
