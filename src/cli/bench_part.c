/* bench_part.c - measuring one operation of the backend: the clock, and the speeds against the ceilings. */
#include "cli/bench.h"

#include "base/clock.h"
#include "base/thread_pool.h"
#include "base/version.h"

#include <stdio.h>
#include <string.h>

enum status bench_part_open(struct bench_part *part, const struct option_values *values) {
    part->json = option_flag(values, "json");
    part->repeat = (int)option_int(values, "repeat");
    part->threads =
        option_given(values, "threads") ? (int)option_int(values, "threads") : processors_available();
    MUST(cpu_level_from_name(option_text(values, "cpu"), &part->cap)); /* one of the choices */
    machine_read(&part->machine);
    TRY(ceilings_get(&part->ceilings, part->machine.processor, part->cap, part->threads));
    struct backend_options options = {.threads = part->threads, .cpu_level_cap = (int)part->cap};
    TRY(backend_open_cpu(&part->backend, &options));
    if (part->json) return STATUS_OK;
    printf("hadal %s, %s, %d thread%s%s%s\n", HADAL_VERSION, cpu_level_name(part->ceilings.level),
           part->threads, part->threads == 1 ? "" : "s", *part->machine.processor ? " of " : "",
           part->machine.processor);
    printf("ceilings (%s): reading %.1f GB/s, integer products %.0f GOP/s, float products %.0f GOP/s\n\n",
           part->ceilings.stored ? "from hadal bench machine" : "measured briefly",
           ceiling_median(&part->ceilings, CEILING_READ) * 1e-9,
           ceiling_median(&part->ceilings, ceiling_of_products(&part->ceilings, true)) * 1e-9,
           ceiling_median(&part->ceilings, ceiling_of_products(&part->ceilings, false)) * 1e-9);
    return STATUS_OK;
}

void bench_part_close(struct bench_part *part) {
    if (part->backend) part->backend->ops->close(part->backend);
    part->backend = NULL;
}

double bench_seconds(bench_call *call, void *context, double at_least) {
    int64_t calls = 0;
    double started = clock_seconds(), seconds;
    do {
        call(context, calls++);
        seconds = clock_seconds() - started;
    } while (seconds < at_least);
    return (seconds > 1e-9 ? seconds : 1e-9) / (double)calls;
}

static void add_speeds(json_t *object, const struct bench_part *part, const struct bench_speeds *speeds,
                       double seconds) {
    enum ceiling products = ceiling_of_products(&part->ceilings, speeds->integers);
    double read = ceiling_median(&part->ceilings, CEILING_READ),
           multiply = ceiling_median(&part->ceilings, products);
    bench_set_whole(object, "threads", part->threads);
    json_object_set_new(object, "seconds", bench_samples(speeds->seconds, speeds->samples, 1));
    bench_set_real(object, "median", seconds);
    bench_set_real(object, "spread", bench_spread(speeds->seconds, speeds->samples));
    bench_set_real(object, "bytes", speeds->bytes);
    bench_set_real(object, "operations", speeds->operations);
    bench_set_real(object, "bytes_per_second", speeds->bytes / seconds);
    bench_set_real(object, "operations_per_second", speeds->operations / seconds);
    bench_set_real(object, "machine_read_bytes_per_second", read);
    bench_set_real(object, "read_share", speeds->bytes / seconds / read);
    bench_set_text(object, "peak", ceiling_name(products));
    bench_set_real(object, "peak_operations_per_second", multiply);
    bench_set_real(object, "peak_share", speeds->operations / seconds / multiply);
    json_object_set_new(object, "ceilings_stored", json_boolean(part->ceilings.stored));
    bench_set_text(object, "cpu", cpu_level_name(part->ceilings.level));
    bench_set_text(object, "processor", part->machine.processor);
    bench_set_text(object, "version", HADAL_VERSION);
}

enum status bench_part_report(const struct bench_part *part, const struct bench_speeds *speeds,
                              json_t *object, const char *label) {
    double seconds = bench_median(speeds->seconds, speeds->samples);
    if (part->json) {
        add_speeds(object, part, speeds, seconds);
        return bench_print(object);
    }
    json_decref(object);
    double read = speeds->bytes / seconds, work = speeds->operations / seconds;
    double peak = ceiling_median(&part->ceilings, ceiling_of_products(&part->ceilings, speeds->integers));
    printf("%s %11.3f ms %8.2f GB/s %5.1f %% %9.1f GOP/s %5.1f %%   +-%.0f %%\n", label, seconds * 1e3,
           read * 1e-9, 100 * read / ceiling_median(&part->ceilings, CEILING_READ), work * 1e-9,
           100 * work / peak, 50 * bench_spread(speeds->seconds, speeds->samples));
    return bench_flush();
}
