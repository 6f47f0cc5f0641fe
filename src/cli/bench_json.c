/* bench_json.c - statistics of samples, and results as objects on a line of their own. */
#include "cli/bench.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double bench_median(const double *value, int samples) {
    double *order = malloc((size_t)samples * sizeof *order), median = value[0];
    if (!order) return median;
    memcpy(order, value, (size_t)samples * sizeof *order);
    qsort(order, (size_t)samples, sizeof *order, ascending);
    median = (order[(samples - 1) / 2] + order[samples / 2]) / 2;
    free(order);
    return median;
}

void bench_low_high(const double *value, int samples, double *low, double *high) {
    *low = *high = value[0];
    for (int i = 1; i < samples; i++) {
        *low = fmin(*low, value[i]);
        *high = fmax(*high, value[i]);
    }
}

double bench_spread(const double *value, int samples) {
    double low, high, median = bench_median(value, samples);
    bench_low_high(value, samples, &low, &high);
    return median > 0 ? (high - low) / median : 0;
}

json_t *bench_samples(const double *value, int samples, double times) {
    json_t *list = json_array();
    for (int i = 0; i < samples; i++) json_array_append_new(list, json_real(value[i] * times));
    return list;
}

void bench_set_whole(json_t *object, const char *name, int64_t value) {
    json_object_set_new(object, name, json_integer(value));
}

void bench_set_real(json_t *object, const char *name, double value) {
    json_object_set_new(object, name, json_real(value));
}

void bench_set_text(json_t *object, const char *name, const char *text) {
    json_object_set_new(object, name, json_string(text));
}

enum status bench_flush(void) {
    return fflush(stdout) || ferror(stdout) ? fail(STATUS_IO, "standard output: %s", strerror(errno))
                                            : STATUS_OK;
}

enum status bench_print(json_t *object) {
    char *text = object ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for a result");
    puts(text);
    free(text);
    return bench_flush();
}
