/* bench_report.c - results as a table for people, or one JSON object a line for programs. */
#include "cli/bench.h"

#include "base/memory.h"
#include "base/version.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double *sorted(const double *rate, int samples) {
    double *copy = malloc((size_t)samples * sizeof *copy);
    if (!copy) return NULL;
    memcpy(copy, rate, (size_t)samples * sizeof *copy);
    qsort(copy, (size_t)samples, sizeof *copy, ascending);
    return copy;
}

double bench_median(const double *rate, int samples) {
    double *order = sorted(rate, samples), median = rate[0];
    if (order) median = (order[(samples - 1) / 2] + order[samples / 2]) / 2;
    free(order);
    return median;
}

/* Weights and the cache of the mean depth; a sequence's own read for one decoded token. */
static int64_t bytes_per_token(const struct bench_subject *subject, const struct bench_result *result) {
    const struct model *model = &subject->engine->model;
    int64_t cached = result->depth + result->tokens / 2;
    return subject->weight_bytes + kv_bytes_per_token(&model->desc, model->plane, false) * cached;
}

static bool reads_known(const struct bench_subject *subject, const struct bench_result *result) {
    return !strcmp(result->test, "decode") && result->batch == 1 && subject->read_speed > 0;
}

/* ---- for people ---- */

void bench_report_subject(const struct bench_subject *subject) {
    const struct bench_plan *plan = subject->plan;
    char weights[32];
    if (subject->engine) {
        const struct model *model = &subject->engine->model;
        struct parameter_counts counts = model_parameters(&model->desc);
        printf("%s: %s, %.1f M parameters, %.1f M active, %s, cache %s\n", plan->model,
               model->desc.architecture, (double)counts.total * 1e-6, (double)counts.active * 1e-6,
               bytes_text(checkpoint_bytes(&model->checkpoint), weights),
               dtype_traits(model->plane[0].dtype)->name);
    } else {
        printf("%s: tokenizer only\n", plan->model);
    }
    printf("hadal %s, %s, %d thread%s%s%s\n\n", HADAL_VERSION, subject->cpu_level, plan->threads,
           plan->threads == 1 ? "" : "s", *subject->processor ? " of " : "", subject->processor);
    printf("%-9s %8s %8s %6s %12s  %s\n", "test", "tokens", "depth", "batch", "tokens/s",
           "spread of samples");
}

static void print_row(const struct bench_subject *subject, const struct bench_result *result, double median) {
    double low = median, high = median;
    for (int i = 0; i < result->samples; i++) {
        if (result->rate[i] < low) low = result->rate[i];
        if (result->rate[i] > high) high = result->rate[i];
    }
    printf("%-9s %8lld %8lld %6d %12.1f  [%.1f .. %.1f]", result->test, (long long)result->tokens,
           (long long)result->depth, result->batch, median, low, high);
    if (result->text_bytes)
        printf("  %.1f MB/s", median * (double)result->text_bytes / (double)result->tokens * 1e-6);
    if (reads_known(subject, result)) {
        double speed = median * (double)bytes_per_token(subject, result);
        printf("  reads %.2f GB/s, %.0f %% of plain reading", speed * 1e-9,
               100 * speed / subject->read_speed);
    }
    putchar('\n');
}

/* ---- for programs ---- */

static json_t *rates(const double *rate, int samples, double times) {
    json_t *list = json_array();
    for (int i = 0; i < samples; i++) json_array_append_new(list, json_real(rate[i] * times));
    return list;
}

static void set_whole(json_t *object, const char *name, int64_t value) {
    json_object_set_new(object, name, json_integer(value));
}

static void set_text(json_t *object, const char *name, const char *text) {
    json_object_set_new(object, name, json_string(text)); /* left out when it is not UTF-8 */
}

static void add_model(json_t *object, const struct model *model) {
    struct parameter_counts counts = model_parameters(&model->desc);
    set_text(object, "architecture", model->desc.architecture);
    set_whole(object, "parameters", counts.total);
    set_whole(object, "active_parameters", counts.active);
    set_text(object, "kv_type", dtype_traits(model->plane[0].dtype)->name);
    json_object_set_new(object, "strict", json_boolean(model->strict));
    set_whole(object, "batch_size", model->max_rows);
}

static void add_reads(json_t *object, const struct bench_subject *subject, const struct bench_result *result,
                      double median) {
    int64_t bytes = bytes_per_token(subject, result);
    set_whole(object, "bytes_per_token", bytes);
    json_object_set_new(object, "read_bytes_per_second", json_real(median * (double)bytes));
    json_object_set_new(object, "machine_read_bytes_per_second", json_real(subject->read_speed));
    json_object_set_new(object, "read_share", json_real(median * (double)bytes / subject->read_speed));
}

static json_t *as_json(const struct bench_subject *subject, const struct bench_result *result,
                       double median) {
    json_t *object = json_object();
    set_text(object, "test", result->test);
    set_whole(object, "tokens", result->tokens);
    set_whole(object, "depth", result->depth);
    set_whole(object, "batch", result->batch);
    set_whole(object, "threads", result->threads);
    json_object_set_new(object, "tokens_per_second", rates(result->rate, result->samples, 1));
    json_object_set_new(object, "median", json_real(median));
    if (result->text_bytes) {
        double each = (double)result->text_bytes / (double)result->tokens * 1e-6;
        set_whole(object, "bytes", result->text_bytes);
        json_object_set_new(object, "megabytes_per_second", rates(result->rate, result->samples, each));
        json_object_set_new(object, "median_megabytes_per_second", json_real(median * each));
        set_text(object, "text", subject->plan->text_file ? subject->plan->text_file : "made up");
    }
    if (reads_known(subject, result)) add_reads(object, subject, result, median);
    set_text(object, "model", subject->plan->model);
    if (!result->text_bytes) add_model(object, &subject->engine->model);
    set_text(object, "cpu", subject->cpu_level);
    set_text(object, "processor", subject->processor);
    set_text(object, "version", HADAL_VERSION);
    return object;
}

static enum status print_json(const struct bench_subject *subject, const struct bench_result *result,
                              double median) {
    json_t *object = as_json(subject, result, median);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(8));
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for a result");
    puts(text);
    free(text);
    return STATUS_OK;
}

enum status bench_report(const struct bench_subject *subject, const struct bench_result *result) {
    double median = bench_median(result->rate, result->samples);
    if (subject->plan->json)
        TRY(print_json(subject, result, median));
    else
        print_row(subject, result, median);
    return fflush(stdout) || ferror(stdout) ? fail(STATUS_IO, "standard output: %s", strerror(errno))
                                            : STATUS_OK;
}
