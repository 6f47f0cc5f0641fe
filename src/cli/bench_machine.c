/* bench_machine.c - `hadal bench machine`: measures the ceilings for one thread and for all, prints them and keeps
 * them in the user's cache directory for whoever sets speeds against them. */
#include "cli/bench.h"

#include "base/memory.h"
#include "base/thread_pool.h"
#include "base/version.h"
#include "cli/progress.h"
#include "cli/rates.h"

#include <stdio.h>
#include <string.h>

enum { SAMPLES = 7, COUNTS = 2, RATE_SAMPLES = 5 };

struct watcher {
    struct progress progress;
    int done;
};

static void watch(void *context, enum ceiling ceiling) {
    struct watcher *watcher = context;
    (void)ceiling;
    progress_update(&watcher->progress, watcher->done++);
}

static enum status print_line(const struct ceilings *ceilings, enum ceiling ceiling,
                              const struct machine *machine) {
    const struct ceiling_samples *samples = &ceilings->of[ceiling];
    json_t *object = json_object();
    bench_set_text(object, "test", "machine");
    bench_set_text(object, "ceiling", ceiling_name(ceiling));
    bench_set_whole(object, "threads", ceilings->threads);
    bench_set_text(object, "unit", ceiling_unit(ceiling));
    json_object_set_new(object, "samples", bench_samples(samples->value, samples->count, 1));
    bench_set_real(object, "median", ceiling_median(ceilings, ceiling));
    bench_set_real(object, "spread", bench_spread(samples->value, samples->count));
    bench_set_whole(object, "buffer_bytes", ceilings->buffer_bytes);
    json_object_set_new(object, "huge_pages", json_boolean(ceilings->huge_pages));
    bench_set_text(object, "cpu", cpu_level_name(ceilings->level));
    bench_set_text(object, "processor", machine->processor);
    bench_set_text(object, "version", HADAL_VERSION);
    return bench_print(object);
}

static void print_row(const struct ceilings *ceilings, enum ceiling ceiling) {
    const struct ceiling_samples *samples = &ceilings->of[ceiling];
    bool wake = ceiling >= CEILING_WAKE_WARM;
    double low, high, unit = wake ? 1e6 : 1e-9;
    bench_low_high(samples->value, samples->count, &low, &high);
    printf("%-10s %7d %12.2f %-6s [%.2f .. %.2f]\n", ceiling_name(ceiling), ceilings->threads,
           ceiling_median(ceilings, ceiling) * unit,
           wake                      ? "us"
           : ceiling <= CEILING_COPY ? "GB/s"
                                     : "GOP/s",
           low * unit, high * unit);
}

static enum status print_all(const struct ceilings *list, int count, const struct machine *machine,
                             bool json) {
    char bytes[32];
    if (!json) {
        printf("%s, %s, huge pages: %s\n", *machine->processor ? machine->processor : "processor unknown",
               cpu_level_name(list->level), list->huge_pages ? "asked for" : "refused");
        printf("buffer of %s\n\n", bytes_text(list->buffer_bytes, bytes));
        printf("%-10s %7s %12s %-6s %s\n", "ceiling", "threads", "median", "", "spread of samples");
    }
    for (enum ceiling c = 0; c < CEILING_COUNT; c++)
        for (int i = 0; i < count; i++) {
            if (!list[i].of[c].count) continue;
            if (json)
                TRY(print_line(&list[i], c, machine));
            else
                print_row(&list[i], c);
        }
    return bench_flush();
}

/* Not printed: hadal bench kernels does that. */
static bool watch_rates(void *context, int done, int all) {
    struct progress *progress = context;
    progress->total = all;
    progress_update(progress, done);
    return true;
}

static enum status measure_rates(const struct ceilings *ceilings, enum cpu_level cap, const char *processor) {
    struct progress progress;
    struct plan_rates rates;
    struct rates_request request = {.cap = cap,
                                    .threads = ceilings->threads,
                                    .samples = RATE_SAMPLES,
                                    .sample_seconds = 0.05,
                                    .progress = watch_rates,
                                    .context = &progress};
    progress_start(&progress, "measuring products", 1, "parts");
    enum status status = rates_measure(&rates, &request);
    progress_finish(&progress);
    TRY(status);
    double high; /* what the system does between is no property of a step: the shortest sample */
    const struct ceiling_samples *wake = &ceilings->of[CEILING_WAKE_WARM];
    if (wake->count) bench_low_high(wake->value, wake->count, &rates.wake, &high);
    return rates_store(&rates, processor, ceilings->level, ceilings->threads);
}

enum status bench_machine(const struct option_values *values) {
    struct ceilings list[COUNTS];
    struct watcher watcher = {0};
    struct machine machine;
    struct ceiling_request request = {.progress = watch, .progress_context = &watcher};
    int threads =
        option_given(values, "threads") ? (int)option_int(values, "threads") : processors_available();
    int counts = threads > 1 ? COUNTS : 1;
    char path[4096];
    MUST(cpu_level_from_name(option_text(values, "cpu"), &request.cap)); /* one of the choices */
    request.samples = option_given(values, "repeat") ? (int)option_int(values, "repeat") : SAMPLES;
    if (request.samples > CEILING_SAMPLES_MOST)
        return fail(STATUS_USAGE, "--repeat %d: at most %d samples of a ceiling", request.samples,
                    CEILING_SAMPLES_MOST);
    request.buffer_bytes =
        ceilings_buffer_bytes(option_given(values, "memory-limit") ? option_int(values, "memory-limit") : 0);
    machine_read(&machine);
    progress_start(&watcher.progress, "measuring the machine", (int64_t)counts * CEILING_COUNT, "ceilings");
    for (int i = 0; i < counts; i++) {
        request.threads = i ? threads : 1;
        TRY(ceilings_measure(&list[i], &request));
    }
    progress_finish(&watcher.progress);
    TRY(print_all(list, counts, &machine, option_flag(values, "json")));
    TRY(ceilings_store(list, counts, machine.processor, path));
    TRY(measure_rates(&list[counts - 1], request.cap, machine.processor));
    if (*path && !option_flag(values, "json")) printf("\nkept in %s\n", path);
    return STATUS_OK;
}
