/* bench_report.c - results as a table for people, or one JSON object a line for programs. */
#include "cli/bench.h"

#include "base/memory.h"
#include "base/version.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ---- against the ceilings ---- */

/* A generated token's step reads this: weights, and the cache at the middle of the test. */
static double step_bytes(const struct bench_subject *subject, const struct bench_result *result) {
    return bench_step_bytes(&subject->work, result->batch,
                            (double)result->depth + (double)result->tokens / 2);
}

static bool is_decode(const struct bench_result *result) {
    return !strcmp(result->test, "decode");
}

static bool is_prefill(const struct bench_result *result) {
    return !strcmp(result->test, "prefill");
}

static double read_speed(const struct bench_subject *subject, const struct bench_result *result,
                         double median) {
    return median / result->batch * step_bytes(subject, result);
}

static double work_speed(const struct bench_subject *subject, const struct bench_result *result,
                         double median) {
    return median / (double)result->tokens *
           bench_prompt_operations(&subject->work, result->tokens, result->depth);
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
    const struct ceilings *ceilings = &subject->ceilings;
    double low, high;
    bench_low_high(result->rate, result->samples, &low, &high);
    printf("%-9s %8lld %8lld %6d %12.1f  [%.1f .. %.1f]", result->test, (long long)result->tokens,
           (long long)result->depth, result->batch, median, low, high);
    if (result->text_bytes)
        printf("  %.1f MB/s", median * (double)result->text_bytes / (double)result->tokens * 1e-6);
    if (is_decode(result)) {
        double speed = read_speed(subject, result, median);
        printf("  reads %.2f GB/s, %.0f %% of what the machine can", speed * 1e-9,
               100 * speed / ceiling_median(ceilings, CEILING_READ));
    }
    if (is_prefill(result)) {
        enum ceiling products = ceiling_of_products(ceilings, subject->work.integers);
        double speed = work_speed(subject, result, median);
        printf("  multiplies %.0f GOP/s, %.0f %% of the peak of %s", speed * 1e-9,
               100 * speed / ceiling_median(ceilings, products), ceiling_name(products));
    }
    putchar('\n');
}

/* ---- for programs ---- */

/* The format of most bytes. */
static const char *main_type(const struct model *model) {
    int64_t bytes[DTYPE_COUNT] = {0};
    enum dtype most = DTYPE_F32;
    const struct tensor_list *tensors = &model->checkpoint.tensors;
    for (size_t i = 0; i < tensors->count; i++) {
        const struct tensor *tensor = &tensors->item[i].tensor;
        bytes[tensor->dtype] += tensor_bytes(tensor);
        if (bytes[tensor->dtype] > bytes[most]) most = tensor->dtype;
    }
    return dtype_traits(most)->name;
}

static const char *place_name(enum packed_place place) {
    return place == PACKED_NOWHERE ? "off" : place == PACKED_IN_MEMORY ? "memory" : "file";
}

static void add_model(json_t *object, const struct model *model) {
    struct parameter_counts counts = model_parameters(&model->desc);
    bench_set_text(object, "architecture", model->desc.architecture);
    bench_set_whole(object, "parameters", counts.total);
    bench_set_whole(object, "active_parameters", counts.active);
    bench_set_text(object, "type", main_type(model));
    bench_set_whole(object, "file_bytes", checkpoint_bytes(&model->checkpoint));
    bench_set_text(object, "pack", place_name(model->packed.place));
    bench_set_text(object, "kv_type", dtype_traits(model->plane[0].dtype)->name);
    json_object_set_new(object, "strict", json_boolean(model->strict));
    bench_set_whole(object, "batch_size", model->max_rows);
}

static void add_reads(json_t *object, const struct bench_subject *subject, const struct bench_result *result,
                      double median) {
    double bytes = step_bytes(subject, result), speed = read_speed(subject, result, median),
           machine = ceiling_median(&subject->ceilings, CEILING_READ);
    bench_set_whole(object, "bytes_per_step", (int64_t)bytes);
    if (result->batch == 1) bench_set_whole(object, "bytes_per_token", (int64_t)bytes);
    bench_set_real(object, "read_bytes_per_second", speed);
    bench_set_real(object, "machine_read_bytes_per_second", machine);
    bench_set_real(object, "read_share", speed / machine);
}

static void add_products(json_t *object, const struct bench_subject *subject,
                         const struct bench_result *result, double median) {
    enum ceiling products = ceiling_of_products(&subject->ceilings, subject->work.integers);
    double speed = work_speed(subject, result, median), peak = ceiling_median(&subject->ceilings, products);
    bench_set_real(object, "operations",
                   bench_prompt_operations(&subject->work, result->tokens, result->depth));
    bench_set_real(object, "operations_per_second", speed);
    bench_set_text(object, "peak", ceiling_name(products));
    bench_set_real(object, "peak_operations_per_second", peak);
    bench_set_real(object, "peak_share", speed / peak);
}

static json_t *as_json(const struct bench_subject *subject, const struct bench_result *result,
                       double median) {
    json_t *object = json_object();
    bench_set_text(object, "test", result->test);
    bench_set_whole(object, "tokens", result->tokens);
    bench_set_whole(object, "depth", result->depth);
    bench_set_whole(object, "batch", result->batch);
    bench_set_whole(object, "threads", result->threads);
    json_object_set_new(object, "tokens_per_second", bench_samples(result->rate, result->samples, 1));
    bench_set_real(object, "median", median);
    bench_set_real(object, "spread", bench_spread(result->rate, result->samples));
    if (result->text_bytes) {
        double each = (double)result->text_bytes / (double)result->tokens * 1e-6;
        bench_set_whole(object, "bytes", result->text_bytes);
        json_object_set_new(object, "megabytes_per_second",
                            bench_samples(result->rate, result->samples, each));
        bench_set_real(object, "median_megabytes_per_second", median * each);
        bench_set_text(object, "text", subject->plan->text_file ? subject->plan->text_file : "made up");
    }
    if (is_decode(result)) add_reads(object, subject, result, median);
    if (is_prefill(result)) add_products(object, subject, result, median);
    if (!result->text_bytes)
        json_object_set_new(object, "ceilings_stored", json_boolean(subject->ceilings.stored));
    bench_set_text(object, "model", subject->plan->model);
    if (!result->text_bytes) add_model(object, &subject->engine->model);
    bench_set_text(object, "cpu", subject->cpu_level);
    bench_set_text(object, "processor", subject->processor);
    bench_set_text(object, "version", HADAL_VERSION);
    return object;
}

enum status bench_report(const struct bench_subject *subject, const struct bench_result *result) {
    double median = bench_median(result->rate, result->samples);
    if (subject->plan->json) return bench_print(as_json(subject, result, median));
    print_row(subject, result, median);
    return bench_flush();
}
