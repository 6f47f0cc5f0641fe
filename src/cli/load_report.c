/* load_report.c - figures of a run: what came through, how long users waited, what was refused. */
#include "base/version.h"
#include "cli/bench.h"
#include "cli/load.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of values that are sorted: the smallest that is not exceeded by more than the rest of them. */
static double rank(const double *value, size_t count, double share) {
    const size_t place = (size_t)ceil(share * (double)count);
    return value[place > 0 ? place - 1 : 0];
}

struct quantiles {
    size_t count;
    double mean, p50, p90, p99, most;
};

static struct quantiles quantiles_of(double *value, size_t count) {
    struct quantiles found = {.count = count};
    if (count == 0) return found;
    qsort(value, count, sizeof *value, ascending);
    for (size_t i = 0; i < count; i++) found.mean += value[i] / (double)count;
    found.p50 = rank(value, count, 0.5);
    found.p90 = rank(value, count, 0.9);
    found.p99 = rank(value, count, 0.99);
    found.most = value[count - 1];
    return found;
}

static json_t *quantiles_object(const struct quantiles *of) {
    json_t *object = json_object();
    bench_set_whole(object, "samples", (int64_t)of->count);
    if (of->count == 0) return object;
    bench_set_real(object, "mean", of->mean);
    bench_set_real(object, "p50", of->p50);
    bench_set_real(object, "p90", of->p90);
    bench_set_real(object, "p99", of->p99);
    bench_set_real(object, "max", of->most);
    return object;
}

/* ---- durations of a request ---- */

typedef double duration_of(const struct load_sample *sample); /* < 0: it has none */

static double until_first(const struct load_sample *sample) {
    return sample->first > 0 ? sample->first - sample->sent : -1;
}

static double of_each_token(const struct load_sample *sample) {
    if (sample->first <= 0 || sample->output_tokens < 2) return -1;
    return (sample->last - sample->first) / (double)(sample->output_tokens - 1);
}

static double of_whole(const struct load_sample *sample) {
    return sample->end - sample->sent;
}

/* Of the requests that succeeded, of one turn or (< 0) all. */
static struct quantiles durations(const struct load_result *result, duration_of *of, int turn) {
    struct load_samples list = {0};
    for (size_t i = 0; i < result->samples; i++) {
        const struct load_sample *sample = &result->sample[i];
        if (sample->failure != LOAD_NONE || (turn >= 0 && sample->turn != turn) || of(sample) < 0) continue;
        load_samples_add(&list, of(sample));
    }
    const struct quantiles found = quantiles_of(list.value, list.count);
    free(list.value);
    return found;
}

/* ---- sums ---- */

struct totals {
    int64_t requests, completed, prompt, output, cached,
        counted; /* counted: prompt tokens whose cached part is known */
    int64_t good, good_tokens;
    int64_t failures[LOAD_FAILURES];
};

static bool is_good(const struct load_plan *plan, const struct load_sample *sample) {
    const double first = until_first(sample), between = of_each_token(sample);
    return (plan->first_limit <= 0 || (first >= 0 && first <= plan->first_limit)) &&
           (plan->between_limit <= 0 || between <= plan->between_limit);
}

static struct totals sum_up(const struct load_plan *plan, const struct load_result *result, int turn) {
    struct totals sum = {0};
    for (size_t i = 0; i < result->samples; i++) {
        const struct load_sample *sample = &result->sample[i];
        if (turn >= 0 && sample->turn != turn) continue;
        sum.requests++;
        sum.failures[sample->failure]++;
        sum.output += sample->output_tokens > 0 ? sample->output_tokens : 0;
        if (sample->failure != LOAD_NONE) continue;
        sum.completed++;
        if (sample->prompt_tokens > 0) sum.prompt += sample->prompt_tokens;
        if (sample->prompt_tokens > 0 && sample->cached_tokens >= 0) {
            sum.cached += sample->cached_tokens;
            sum.counted += sample->prompt_tokens;
        }
        if (!is_good(plan, sample)) continue;
        sum.good++;
        sum.good_tokens += sample->output_tokens;
    }
    return sum;
}

/* Refusals by their status, others by their kind. */
static json_t *errors_object(const struct load_result *result) {
    json_t *errors = json_object();
    char name[32];
    for (size_t i = 0; i < result->samples; i++) {
        const struct load_sample *sample = &result->sample[i];
        if (sample->failure == LOAD_NONE) continue;
        snprintf(name, sizeof name, sample->failure == LOAD_REFUSED ? "status_%d" : "%.0d", sample->status);
        if (sample->failure != LOAD_REFUSED)
            snprintf(name, sizeof name, "%s", load_failure_name(sample->failure));
        json_object_set_new(errors, name,
                            json_integer(json_integer_value(json_object_get(errors, name)) + 1));
    }
    return errors;
}

static void set_rate(json_t *object, const char *name, double amount, double seconds) {
    bench_set_real(object, name, seconds > 0 ? amount / seconds : 0);
}

static void set_cache(json_t *object, const struct totals *sum) {
    if (sum->counted == 0) return; /* the server does not say */
    bench_set_whole(object, "cached_tokens", sum->cached);
    bench_set_real(object, "cache_hit_rate", (double)sum->cached / (double)sum->counted);
}

static json_t *turns_object(const struct load_plan *plan, const struct load_result *result) {
    json_t *turns = json_array();
    for (int turn = 0; turn < plan->turns; turn++) {
        const struct totals sum = sum_up(plan, result, turn);
        const struct quantiles first = durations(result, until_first, turn);
        json_t *object = json_object();
        bench_set_whole(object, "turn", turn + 1);
        bench_set_whole(object, "requests", sum.requests);
        bench_set_whole(object, "prompt_tokens", sum.prompt);
        set_cache(object, &sum);
        json_object_set_new(object, "ttft", quantiles_object(&first));
        json_array_append_new(turns, object);
    }
    return turns;
}

static json_t *goodput_object(const struct load_plan *plan, const struct totals *sum, double seconds) {
    json_t *object = json_object();
    if (plan->first_limit > 0) bench_set_real(object, "ttft_limit", plan->first_limit);
    if (plan->between_limit > 0) bench_set_real(object, "tpot_limit", plan->between_limit);
    bench_set_whole(object, "requests", sum->good);
    bench_set_real(object, "share", sum->requests ? (double)sum->good / (double)sum->requests : 0);
    set_rate(object, "requests_per_second", (double)sum->good, seconds);
    set_rate(object, "output_tokens_per_second", (double)sum->good_tokens, seconds);
    return object;
}

static void add_plan(json_t *object, const struct load_plan *plan) {
    bench_set_text(object, "test", "load");
    bench_set_text(object, "server", plan->target.authority);
    bench_set_text(object, "model", plan->model);
    bench_set_text(object, "loop", plan->rate > 0 ? "open" : "closed");
    if (plan->rate > 0)
        bench_set_real(object, "rate", plan->rate);
    else
        bench_set_whole(object, "users", plan->users);
    bench_set_whole(object, "prompt", plan->prompt_tokens);
    bench_set_whole(object, "tokens", plan->tokens);
    bench_set_real(object, "shared_share", plan->shared_share);
    bench_set_whole(object, "turns_each", plan->turns);
}

static json_t *result_object(const struct load_plan *plan, const struct load_result *result) {
    const struct totals sum = sum_up(plan, result, -1);
    const struct quantiles first = durations(result, until_first, -1),
                           each = durations(result, of_each_token, -1),
                           whole = durations(result, of_whole, -1),
                           gaps = quantiles_of(result->gaps.value, result->gaps.count);
    json_t *object = json_object();
    add_plan(object, plan);
    bench_set_whole(object, "requests", sum.requests);
    bench_set_whole(object, "completed", sum.completed);
    json_object_set_new(object, "errors", errors_object(result));
    json_object_set_new(object, "interrupted", json_boolean(result->interrupted));
    bench_set_real(object, "seconds", result->seconds);
    bench_set_whole(object, "prompt_tokens", sum.prompt);
    bench_set_whole(object, "output_tokens", sum.output);
    set_cache(object, &sum);
    set_rate(object, "requests_per_second", (double)sum.completed, result->seconds);
    set_rate(object, "output_tokens_per_second", (double)sum.output, result->seconds);
    set_rate(object, "total_tokens_per_second", (double)(sum.prompt + sum.output), result->seconds);
    json_object_set_new(object, "ttft", quantiles_object(&first));
    json_object_set_new(object, "tpot", quantiles_object(&each));
    json_object_set_new(object, "itl", quantiles_object(&gaps));
    json_object_set_new(object, "latency", quantiles_object(&whole));
    json_object_set_new(object, "goodput", goodput_object(plan, &sum, result->seconds));
    json_object_set_new(object, "turns", turns_object(plan, result));
    bench_set_text(object, "version", HADAL_VERSION);
    return object;
}

/* ---- the table ---- */

static void print_quantiles(const char *name, const struct quantiles *of) {
    if (of->count)
        printf("%-22s %9.1f %9.1f %9.1f %9.1f %9.1f ms\n", name, 1e3 * of->mean, 1e3 * of->p50, 1e3 * of->p90,
               1e3 * of->p99, 1e3 * of->most);
}

static void print_errors(const struct load_result *result) {
    json_t *errors = errors_object(result), *count;
    const char *name;
    json_object_foreach(errors, name, count)
        printf("failed, %s: %lld\n", name, (long long)json_integer_value(count));
    if (*result->complaint) printf("the first refusal: %s\n", result->complaint);
    json_decref(errors);
}

static void print_table(const struct load_plan *plan, const struct load_result *result) {
    const struct totals sum = sum_up(plan, result, -1);
    const struct quantiles first = durations(result, until_first, -1),
                           each = durations(result, of_each_token, -1),
                           whole = durations(result, of_whole, -1),
                           gaps = quantiles_of(result->gaps.value, result->gaps.count);
    const double seconds = result->seconds > 0 ? result->seconds : 1;
    if (plan->rate > 0)
        printf("\n%s, %s, %g conversations a second\n", plan->target.authority, plan->model, plan->rate);
    else
        printf("\n%s, %s, %d user%s\n", plan->target.authority, plan->model, plan->users,
               plan->users == 1 ? "" : "s");
    printf(
        "%lld of %lld requests in %.1f s: %.2f requests/s, %.1f output tokens/s, %.0f prompt tokens each\n",
        (long long)sum.completed, (long long)sum.requests, result->seconds, (double)sum.completed / seconds,
        (double)sum.output / seconds, sum.completed ? (double)sum.prompt / (double)sum.completed : 0);
    if (sum.counted)
        printf("%.1f %% of prompt tokens were cached\n", 100 * (double)sum.cached / (double)sum.counted);
    printf("%-22s %9s %9s %9s %9s %9s\n", "", "mean", "p50", "p90", "p99", "max");
    print_quantiles("first token", &first);
    for (int turn = 0; turn < plan->turns && plan->turns > 1; turn++) {
        char name[32];
        const struct quantiles of = durations(result, until_first, turn);
        snprintf(name, sizeof name, "  of turn %d", turn + 1);
        print_quantiles(name, &of);
    }
    print_quantiles("time for each token", &each);
    print_quantiles("between pieces", &gaps);
    print_quantiles("whole answer", &whole);
    if (plan->first_limit > 0 || plan->between_limit > 0)
        printf("within the limits: %.1f %% of requests, %.2f requests/s\n",
               sum.requests ? 100 * (double)sum.good / (double)sum.requests : 0, (double)sum.good / seconds);
    print_errors(result);
}

enum status load_report(const struct load_plan *plan, const struct load_result *result, bool json) {
    if (json) return bench_print(result_object(plan, result));
    print_table(plan, result);
    return bench_flush();
}
