/* check_parts.h - what the files of the check share: the run, random numbers, guarded memory. */
#ifndef HADAL_KERNEL_CHECK_PARTS_H
#define HADAL_KERNEL_CHECK_PARTS_H

#include "base/arena.h"
#include "kernel/check.h"

/* One run, owned by check_run(). */
struct check {
    const struct check_options *options;
    check_report *report;
    void *context;
    struct kernels tested, below, truth; /* the level in question, the next lower one, the scalar one */
    char function[32];                   /* the one being checked */
    struct arena arena;                  /* freed after each function */
    uint64_t random;
    int failures;
    bool out_of_memory;
};

/* Sets the function; false when the filter leaves it out, or when there is nothing new at this level. */
bool check_wants(struct check *check, const char *function, bool is_new);
void check_say(struct check *check, const char *test, double error, double bound);

/* Measures work() until the time is long enough; `amount` is what one call does, in 10^9 of `unit`. */
typedef void check_work(void *context);
void check_speed(struct check *check, const char *test, check_work *work, void *context, double amount,
                 const char *unit);

uint32_t check_random(struct check *check);
float check_uniform(struct check *check, float low, float high);

enum check_values {
    VALUES_ORDINARY, /* between -1 and 1 */
    VALUES_WIDE,     /* magnitudes from 2^-20 to 2^20 */
    VALUES_DENORMAL,
    VALUES_EXTREME, /* with zeros, denormals, infinities, NaN and the largest numbers among ordinary ones */
    VALUES_KINDS
};
const char *check_values_name(enum check_values kind);
void check_fill(struct check *check, enum check_values kind, float *values, int64_t count);

/* Memory with canaries on both sides. `misalign` moves it off its 64-byte boundary. NULL data when memory ran
 * out, which check_run() reports; callers then return. */
struct guarded {
    void *data;
    uint8_t *memory;
    size_t bytes, offset;
};
struct guarded guarded_take(struct check *check, size_t bytes, size_t misalign);
bool guarded_intact(const struct guarded *guarded);

/* Units in the last place between two floats; any two NaN are equal, NaN and a number are 2^32 apart. */
double ulps_between(float a, float b);
/* The largest of ulps_between() over an array. */
double ulps_apart(const float *a, const float *b, int64_t count);

void check_decoders(struct check *check);
void check_sums(struct check *check);
void check_elements(struct check *check);
void check_rows(struct check *check);
void check_products(struct check *check);
void check_panels(struct check *check);
void check_columns(struct check *check);
void check_mix(struct check *check);
void check_fold(struct check *check);
void check_outer(struct check *check);

#endif
