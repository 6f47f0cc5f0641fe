/* eval_report.c - what `hadal eval` found, for people and as JSON. */
#include "cli/eval.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- JSON ---- */

/* What is not finite is null: JSON has no word for it. */
static json_t *estimate_json(struct estimate estimate) {
    if (!isfinite(estimate.value) || !isfinite(estimate.error)) return json_null();
    return json_pack("{s:f, s:f}", "value", estimate.value, "error", estimate.error);
}

static void set_real(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, isfinite(value) ? json_real(value) : json_null());
}

static void set_text(json_t *object, const char *key, const char *text) {
    if (text) json_object_set_new(object, key, json_string(text));
}

static json_t *comparison_json(const struct comparison_result *result) {
    json_t *object = json_object();
    set_real(object, "mean", result->divergence.value);
    set_real(object, "error", result->divergence.error);
    set_real(object, "median", result->median);
    set_real(object, "p90", result->percentile_90);
    set_real(object, "p99", result->percentile_99);
    set_real(object, "p99.9", result->percentile_999);
    set_real(object, "largest", result->largest);
    json_t *root = json_object();
    json_object_set_new(root, "kl_divergence", object);
    json_object_set_new(root, "base_perplexity", estimate_json(result->base_perplexity));
    json_object_set_new(root, "perplexity_ratio", estimate_json(result->ratio));
    json_object_set_new(root, "log_perplexity_ratio", estimate_json(result->log_ratio));
    json_object_set_new(root, "same_top", estimate_json(result->same_top));
    json_object_set_new(root, "probability_difference", estimate_json(result->difference));
    json_object_set_new(root, "probability_difference_rms", estimate_json(result->rms_difference));
    return root;
}

static enum status print_json(const struct eval_text_result *result) {
    const struct score_windows *windows = &result->windows;
    json_t *root = json_pack("{s:I, s:i, s:i, s:I, s:f}", "windows", (json_int_t)windows->windows, "window",
                             windows->window, "first", windows->first, "predicted",
                             (json_int_t)result->loss.count, "seconds", result->seconds);
    set_text(root, "model", result->model);
    set_text(root, "text", result->text);
    set_text(root, "base", result->base);
    set_text(root, "saved", result->saved);
    set_text(root, "imatrix", result->imatrix);
    json_object_set_new(root, "perplexity", estimate_json(moments_exp_mean(&result->loss)));
    json_object_set_new(root, "loss", estimate_json(moments_mean(&result->loss)));
    if (result->base) json_object_set_new(root, "comparison", comparison_json(&result->comparison));
    if (result->imatrix)
        json_object_set_new(root, "imatrix_entries", json_integer((json_int_t)result->imatrix_entries));
    char *text = json_dumps(root, JSON_REAL_PRECISION(9));
    json_decref(root);
    if (!text) return fail(STATUS_MEMORY, "no memory for the report");
    puts(text);
    free(text);
    return STATUS_OK;
}

/* ---- for people ---- */

static void print_estimate(const char *what, struct estimate estimate, double factor, const char *unit) {
    printf("  %-36s %11.6f +- %.6f%s\n", what, factor * estimate.value, factor * estimate.error, unit);
}

static void print_comparison(const struct eval_text_result *result) {
    const struct comparison_result *comparison = &result->comparison;
    printf("compared with %s\n", result->base);
    print_estimate("its perplexity", comparison->base_perplexity, 1, "");
    print_estimate("ratio of the perplexities", comparison->ratio, 1, "");
    print_estimate("KL divergence from it, mean", comparison->divergence, 1, " nats");
    printf("  %-36s %11.6f\n", "median", comparison->median);
    printf("  %-36s %11.6f\n", "90 %", comparison->percentile_90);
    printf("  %-36s %11.6f\n", "99 %", comparison->percentile_99);
    printf("  %-36s %11.6f\n", "99.9 %", comparison->percentile_999);
    printf("  %-36s %11.6f\n", "largest", comparison->largest);
    print_estimate("same likeliest token", comparison->same_top, 100, " %");
    print_estimate("probability of the token, difference", comparison->difference, 100, " %");
    print_estimate("root of its mean square", comparison->rms_difference, 100, " %");
}

static void print_text(const struct eval_text_result *result) {
    const struct score_windows *windows = &result->windows;
    struct estimate perplexity = moments_exp_mean(&result->loss);
    printf("perplexity %.4f +- %.4f over %lld windows of %d tokens, %lld predicted, in %.1f s\n",
           perplexity.value, perplexity.error, (long long)windows->windows, windows->window,
           (long long)result->loss.count, result->seconds);
    if (result->base) print_comparison(result);
    if (result->saved)
        printf("%s: log-probabilities of %lld tokens\n", result->saved, (long long)result->loss.count);
    if (result->imatrix)
        printf("%s: importance matrix of %zu weights\n", result->imatrix, result->imatrix_entries);
}

enum status eval_text_report(const struct eval_text_result *result, bool json) {
    if (json) return print_json(result);
    print_text(result);
    return STATUS_OK;
}
