/* check.h - every kernel of every level against the scalar truth: what `hadal check` and the tests run.
 *
 * Iterates over whatever the tables hold. An entry that a level takes over from the one below is not
 * checked again. Uses a few megabytes and one thread; touches nothing but its own memory. */
#ifndef HADAL_KERNEL_CHECK_H
#define HADAL_KERNEL_CHECK_H

#include "base/status.h"
#include "kernel/kernel.h"

#include <stdbool.h>
#include <stdint.h>

struct check_options {
    const char *function; /* only functions whose name contains this; NULL: all */
    uint64_t seed;
    bool bench;                  /* measure speed as well */
    enum cpu_level cap;          /* no level above this one */
    const struct kernels *table; /* this table alone, against the level below its own; NULL: all levels */
};

/* One line of the report. `function` is the name of the table's entry, for decoders and the matrix product with
 * the format: "dot_tile", "decode.q4_k", "gemm.bf16". */
struct check_result {
    const char *function, *test;
    enum cpu_level level;
    bool skipped;        /* this processor lacks the level: function and test are "" */
    double error, bound; /* passed: error <= bound, in the unit that docs/NUMERICS.md gives for the test */
    bool passed;
    double rate; /* of test "speed", which always passes; else 0 */
    const char *unit;
};

/* Called from check_run(); strings are valid during the call only. */
typedef void check_report(void *context, const struct check_result *result);

/* *failures counts results that did not pass. Fails only with STATUS_MEMORY. */
must_use enum status check_run(const struct check_options *options, check_report *report, void *context,
                               int *failures);

#endif
