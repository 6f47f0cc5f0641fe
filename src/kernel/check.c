/* check.c - runs the check over the levels, and the tools that its parts use. */
#include "kernel/check_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { GUARD_BYTES = 256, GUARD_VALUE = 0xa5 };

bool check_wants(struct check *check, const char *function, bool is_new) {
    const char *filter = check->options->function;
    snprintf(check->function, sizeof check->function, "%s", function);
    bool first_level = check->tested.level == CPU_SCALAR;
    return (is_new || first_level) && (!filter || strstr(function, filter)) && !check->out_of_memory;
}

static void report(struct check *check, const struct check_result *result) {
    check->report(check->context, result);
    if (!result->skipped && !result->passed) check->failures++;
}

void check_say(struct check *check, const char *test, double error, double bound) {
    struct check_result result = {.function = check->function,
                                  .test = test,
                                  .level = check->tested.level,
                                  .error = error,
                                  .bound = bound,
                                  .passed = error <= bound,
                                  .unit = ""};
    report(check, &result);
}

static double seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* The best of several short measurements: other programs only ever make one slower. */
void check_speed(struct check *check, const char *test, check_work *work, void *context, double amount,
                 const char *unit) {
    enum { MEASUREMENTS = 12 };
    const double shortest = 2e-3;
    if (!check->options->bench) return;
    double best = 0;
    int64_t calls = 1;
    for (int i = 0; i < MEASUREMENTS;) {
        double start = seconds_now();
        for (int64_t call = 0; call < calls; call++) work(context);
        double taken = seconds_now() - start;
        if (taken < shortest && calls < INT64_C(1) << 30) {
            calls *= 2;
            continue;
        }
        best = fmax(best, amount * (double)calls / taken);
        i++;
    }
    struct check_result result = {.function = check->function,
                                  .test = test,
                                  .level = check->tested.level,
                                  .passed = true,
                                  .rate = best,
                                  .unit = unit};
    report(check, &result);
}

/* Multiply and shift: every seed gives a full period, and the upper half of the state is well mixed. */
uint32_t check_random(struct check *check) {
    check->random = check->random * 6364136223846793005u + 1442695040888963407u;
    uint64_t mixed = check->random ^ check->random >> 29;
    return (uint32_t)(mixed * 0x9e3779b97f4a7c15u >> 32);
}

float check_uniform(struct check *check, float low, float high) {
    return low + (high - low) * (float)(check_random(check) >> 8) * 0x1p-24f;
}

const char *check_values_name(enum check_values kind) {
    static const char *const names[VALUES_KINDS] = {"ordinary", "wide", "denormal", "extreme"};
    return names[kind];
}

void check_fill(struct check *check, enum check_values kind, float *values, int64_t count) {
    static const float extremes[] = {0.0f,     -0.0f,     0x1p-149f, -0x1p-127f,      0x1p-126f,
                                     INFINITY, -INFINITY, NAN,       0x1.fffffep127f, -0x1.fffffep127f,
                                     88.73f,   -104.5f,   -87.4f,    0x1p24f};
    for (int64_t i = 0; i < count; i++) {
        float value = check_uniform(check, -1, 1);
        if (kind == VALUES_WIDE) value = ldexpf(value, (int)(check_random(check) % 41) - 20);
        if (kind == VALUES_DENORMAL) value *= 0x1p-127f;
        if (kind == VALUES_EXTREME && check_random(check) % 3 == 0)
            value = extremes[check_random(check) % COUNT_OF(extremes)];
        memcpy((char *)values + (size_t)i * sizeof value, &value,
               sizeof value); /* values may be off alignment */
    }
}

struct guarded guarded_take(struct check *check, size_t bytes, size_t misalign) {
    struct guarded guarded = {.bytes = bytes, .offset = GUARD_BYTES + misalign};
    guarded.memory = arena_take(&check->arena, bytes + misalign + 2 * (size_t)GUARD_BYTES);
    if (!guarded.memory) {
        check->out_of_memory = true;
        return guarded;
    }
    memset(guarded.memory, GUARD_VALUE, bytes + misalign + 2 * (size_t)GUARD_BYTES);
    guarded.data = guarded.memory + guarded.offset;
    return guarded;
}

bool guarded_intact(const struct guarded *guarded) {
    for (size_t i = 0; i < guarded->offset; i++)
        if (guarded->memory[i] != GUARD_VALUE) return false;
    for (size_t i = 0; i < GUARD_BYTES; i++)
        if (guarded->memory[guarded->offset + guarded->bytes + i] != GUARD_VALUE) return false;
    return true;
}

/* Position on the line of all floats; both zeros are 0. */
static int64_t float_rank(float value) {
    int32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits < 0 ? -(int64_t)(bits & 0x7fffffff) : bits;
}

double ulps_between(float a, float b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : 0x1p32;
    return fabs((double)(float_rank(a) - float_rank(b)));
}

double ulps_apart(const float *a, const float *b, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, ulps_between(a[i], b[i]));
    return most;
}

static void check_table(struct check *check, const struct kernels *table) {
    typedef void check_part(struct check *);
    static check_part *const parts[] = {check_decoders, check_sums,   check_elements, check_rows,
                                        check_products, check_panels, check_mix,      check_fold,
                                        check_outer,    check_columns};
    check->tested = *table;
    check->below = kernels_for(table->level > CPU_SCALAR ? (enum cpu_level)(table->level - 1) : CPU_SCALAR);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        parts[i](check);
        arena_free(&check->arena);
    }
}

enum status check_run(const struct check_options *options, check_report *tell, void *context, int *failures) {
    struct check check = {.options = options,
                          .report = tell,
                          .context = context,
                          .truth = kernels_for(CPU_SCALAR),
                          .random = options->seed * 2 + 1};
    enum cpu_level available = cpu_level_available();
    if (options->table) check_table(&check, options->table);
    for (int i = 0; i < CPU_LEVEL_COUNT && i <= (int)options->cap && !options->table; i++) {
        enum cpu_level level = (enum cpu_level)i;
        if (level <= available) {
            struct kernels table = kernels_for(level);
            check_table(&check, &table);
        } else {
            struct check_result result = {
                .function = "", .test = "", .level = level, .skipped = true, .unit = ""};
            report(&check, &result);
        }
    }
    *failures = check.failures;
    return check.out_of_memory ? fail(STATUS_MEMORY, "no memory for the check's buffers") : STATUS_OK;
}
