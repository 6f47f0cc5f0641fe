/* bench.h - the parts of `hadal bench`: what is to be measured, the tests, and how results are printed.
 *
 * Main thread only. A test runs once to warm up and then `repeat` times; what fills the context happens outside the
 * clock, once for each depth. */
#ifndef HADAL_CLI_BENCH_H
#define HADAL_CLI_BENCH_H

#include "engine/engine.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_plan {
    const char *model; /* as given */
    bool prefill, decode, tokenizer, json;
    int64_t prompt, tokens; /* of a prefill, of a decode */
    int64_t *depth;         /* [depths], ascending */
    const int64_t *batch;   /* [batches] */
    int depths, batches;
    int repeat, threads;
    const char *text_file; /* NULL: made up */
};

/* What stands beside every result. */
struct bench_subject {
    const struct bench_plan *plan;
    const char *cpu_level;
    const char *processor;       /* "" when the system does not say */
    const struct engine *engine; /* NULL: the tokenizer alone */
    int64_t weight_bytes;        /* that one token reads */
    double read_speed;           /* bytes a second at which the same threads merely read the weights */
};

struct bench_result {
    const char *test;
    int64_t tokens, depth;
    int batch, threads;
    double *rate; /* [samples] tokens a second */
    int samples;
    int64_t text_bytes; /* tokenizer: of its text */
};

/* bench_report.c */
void bench_report_subject(const struct bench_subject *subject); /* what the table's reader should know */
must_use enum status bench_report(const struct bench_subject *subject, const struct bench_result *result);
double bench_median(const double *rate, int samples); /* samples >= 1 */

/* bench_bytes.c: weights that one decoded token reads, experts by the share that is used. */
int64_t bench_weight_bytes(const struct model *model);
/* How fast `threads` threads read the checkpoint's files, at most 1 GiB of each; bytes a second, 0 without files. */
must_use enum status bench_read_speed(const struct checkpoint *checkpoint, int threads, double *speed);

/* bench_model.c: prefill and decode. */
must_use enum status bench_model(const struct bench_subject *subject, struct engine *engine);

/* bench_tokenizer.c */
must_use enum status bench_tokenizer(const struct bench_subject *subject, const struct tokenizer *tokenizer);

/* bench_text.c: English-looking text that a seed decides. */
void bench_text(struct buffer *text, size_t bytes, uint64_t seed);

#endif
