/* bench.h - the parts of `hadal bench`: what is to be measured, the tests, and how results are printed.
 *
 * Main thread only. A test runs once to warm up and then `repeat` times; what fills the context happens outside the
 * clock, once for each depth. The forms that take no model (machine, kernels, attention, plot) are functions of the
 * options alone. */
#ifndef HADAL_CLI_BENCH_H
#define HADAL_CLI_BENCH_H

#include "cli/ceilings.h"
#include "cli/machine.h"
#include "cli/options.h"
#include "engine/engine.h"

#include <jansson.h>
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

/* What a model's step has to read and to multiply. */
struct bench_work {
    int64_t fixed_bytes;       /* weights that every step reads, in the form in which it reads them */
    int64_t expert_bytes;      /* of one expert in all layers together */
    int64_t cache_bytes;       /* of one token of context */
    double weight_operations;  /* of a row, without the head */
    double head_operations;    /* of a row whose logits are wanted */
    double context_operations; /* of a row, for each token of its context, without expanding the latter */
    int experts, experts_used;
    bool integers; /* most weights are multiplied as integers */
};

/* What stands beside every result. */
struct bench_subject {
    const struct bench_plan *plan;
    const char *cpu_level;
    const char *processor;       /* "" when the system does not say */
    const struct engine *engine; /* NULL: the tokenizer alone */
    struct bench_work work;      /* with an engine, as the ceilings */
    struct ceilings ceilings;    /* of the same level and threads, when there is an engine */
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

/* bench_json.c: statistics of samples, and objects on a line of their own. */
double bench_median(const double *value, int samples); /* samples >= 1 */
double bench_spread(const double *value, int samples); /* largest less smallest, of the median */
void bench_low_high(const double *value, int samples, double *low, double *high);
json_t *bench_samples(const double *value, int samples, double times);
void bench_set_whole(json_t *object, const char *name, int64_t value);
void bench_set_real(json_t *object, const char *name, double value);
void bench_set_text(json_t *object, const char *name, const char *text); /* left out when it is not UTF-8 */
must_use enum status bench_print(json_t *object);                        /* takes it */
must_use enum status bench_flush(void);                                  /* of the table's line */

/* bench_work.c */
struct bench_work bench_work_of(const struct model *model);
/* A step that generates a token in each of `batch` sequences with `context` tokens; experts as chance takes them. */
double bench_step_bytes(const struct bench_work *work, int batch, double context);
/* A prompt of `tokens` behind `depth`, logits of the last. */
double bench_prompt_operations(const struct bench_work *work, int64_t tokens, int64_t depth);

/* bench_model.c: prefill and decode. */
must_use enum status bench_model(const struct bench_subject *subject, struct engine *engine);

/* bench_tokenizer.c */
must_use enum status bench_tokenizer(const struct bench_subject *subject, const struct tokenizer *tokenizer);

/* bench_text.c: English-looking text that a seed decides. */
void bench_text(struct buffer *text, size_t bytes, uint64_t seed);

/* bench_machine.c: the ceilings of this machine, printed and kept. */
must_use enum status bench_machine(const struct option_values *values);
/* bench_kernels.c: products of one matrix, by format and rows. */
must_use enum status bench_kernels(const struct option_values *values);
/* bench_attention.c: attention alone, by depth, sequences and rows. */
must_use enum status bench_attention(const struct option_values *values);
/* bench_load.c: a server, by what its users see. */
must_use enum status bench_load(const struct option_values *values);
/* bench_plot.c: records as a picture. */
must_use enum status bench_plot(const struct option_values *values);

/* bench_part.c: what the forms that measure a part of the backend share. */
struct bench_part {
    bool json;
    int threads, repeat;
    enum cpu_level cap;
    struct machine machine;
    struct ceilings ceilings;
    struct backend *backend;
};
must_use enum status bench_part_open(struct bench_part *part, const struct option_values *values);
void bench_part_close(struct bench_part *part); /* zeroed allowed */
/* Seconds of one call, the mean of as many as take some time; `index` counts them. */
typedef void bench_call(void *context, int64_t index);
double bench_seconds(bench_call *call, void *context, double at_least);
/* Speeds of a call that reads `bytes` and does `operations`, against the ceilings; printed as a line of either kind.
 * `object` has what was measured, `label` says it in the table; the function takes the object. */
struct bench_speeds {
    const double *seconds; /* [samples] of one call */
    int samples;
    double bytes, operations;
    bool integers;
};
must_use enum status bench_part_report(const struct bench_part *part, const struct bench_speeds *speeds,
                                       json_t *object, const char *label);

#endif
