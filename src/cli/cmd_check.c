/* cmd_check.c - `hadal check`: what the machine offers, then every kernel against the scalar truth. For
 * people one line for each kernel and level; with --json one object a line for each result. Or the checksums of a file of
 * arranged weights. */
#include "base/memory.h"
#include "base/nodes.h"
#include "cli/commands.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "kernel/check.h"
#include "model/packed.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel whose results are being added up for its line. */
struct line {
    char function[32];
    enum cpu_level level;
    int tests, failures;
    double nearest; /* the largest error as a part of its bound; 0 where the bound is no error */
    char speeds[160];
};

struct printer {
    bool json;
    struct line line;
    int functions;
};

/* ---- for people ---- */

static void print_nodes(const struct node_plan *plan) {
    if (!plan) {
        printf("memory nodes 1\n");
        return;
    }
    printf("memory nodes %d:", plan->nodes);
    for (int i = 0; i < plan->nodes; i++) {
        const struct memory_node *node = &plan->node[i];
        printf("%s node %d has %d processor%s and threads %d to %d", i ? "," : "", node->id, node->processors,
               node->processors == 1 ? "" : "s", node->worker_begin, node->worker_end - 1);
    }
    putchar('\n');
}

static void print_machine(const struct machine *machine, const struct node_plan *nodes) {
    char memory[32];
    printf("processor    %s\n", *machine->processor ? machine->processor : "unknown");
    printf("instructions %s\n", cpu_level_name(machine->level));
    printf("threads      %d\n", machine->processors);
    print_nodes(nodes);
    if (machine->memory_available != INT64_MAX)
        printf("memory       %s available\n", bytes_text(machine->memory_available, memory));
    printf("huge pages   %s\n\n", *machine->huge_pages ? machine->huge_pages : "unknown");
    if (!strcmp(machine->huge_pages, "never"))
        printf("Transparent huge pages are off: reading weights is slower than it could be.\n\n");
}

static void end_line(struct printer *printer) {
    struct line *line = &printer->line;
    if (line->tests > 0) {
        char error[48] = "exact";
        if (line->nearest > 0)
            snprintf(error, sizeof error, "errors up to %.1f %% of the bound", 100 * line->nearest);
        printf("%-7s %-18s %-6s %3d tests, %s%s\n", cpu_level_name(line->level), line->function,
               line->failures ? "FAILED" : "ok", line->tests, error, line->speeds);
        printer->functions++;
    }
    memset(line, 0, sizeof *line);
}

static void add_speed(struct line *line, const struct check_result *result) {
    size_t used = strlen(line->speeds);
    const char *rows = strchr(result->test, ',');
    snprintf(line->speeds + used, sizeof line->speeds - used, "; %.1f %s%s", result->rate, result->unit,
             rows ? rows : "");
}

static void print_result(struct printer *printer, const struct check_result *result) {
    struct line *line = &printer->line;
    if (result->skipped) {
        end_line(printer);
        printf("%-7s skipped: this processor lacks it\n", cpu_level_name(result->level));
        return;
    }
    if (strcmp(line->function, result->function) != 0 || line->level != result->level) {
        end_line(printer);
        snprintf(line->function, sizeof line->function, "%s", result->function);
        line->level = result->level;
    }
    if (result->rate > 0) {
        add_speed(line, result);
        return;
    }
    line->tests++;
    if (result->bound > 0 && result->error / result->bound > line->nearest)
        line->nearest = result->error / result->bound;
    if (result->passed) return;
    line->failures++;
    printf("%-7s %s, %s: error %g, bound %g\n", cpu_level_name(result->level), result->function, result->test,
           result->error, result->bound);
}

/* ---- for programs ---- */

/* Takes over the object, which is NULL when memory ran out: then the line is missing. */
static void print_object(json_t *object) {
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    if (text) puts(text);
    free(text);
    json_decref(object);
}

/* An empty list where one node has everything. */
static json_t *nodes_json(const struct node_plan *plan) {
    json_t *list = json_array();
    for (int i = 0; list && plan && i < plan->nodes; i++)
        json_array_append_new(list,
                              json_pack("{s:i, s:i, s:i, s:i}", "node", plan->node[i].id, "processors",
                                        plan->node[i].processors, "first_thread", plan->node[i].worker_begin,
                                        "threads", plan->node[i].worker_end - plan->node[i].worker_begin));
    return list;
}

static void print_machine_json(const struct machine *machine, const struct node_plan *nodes) {
    json_t *memory =
        machine->memory_available == INT64_MAX ? json_null() : json_integer(machine->memory_available);
    print_object(json_pack("{s:s, s:s, s:i, s:o, s:s, s:o}", "processor", machine->processor, "cpu",
                           cpu_level_name(machine->level), "threads", machine->processors, "memory_available",
                           memory, "huge_pages", machine->huge_pages, "memory_nodes", nodes_json(nodes)));
}

static void print_result_json(const struct check_result *result) {
    const char *level = cpu_level_name(result->level);
    if (result->skipped)
        print_object(json_pack("{s:s, s:b}", "cpu", level, "skipped", 1));
    else if (result->rate > 0)
        print_object(json_pack("{s:s, s:s, s:s, s:f, s:s}", "cpu", level, "function", result->function,
                               "test", result->test, "rate", result->rate, "unit", result->unit));
    else
        print_object(json_pack("{s:s, s:s, s:s, s:f, s:f, s:b}", "cpu", level, "function", result->function,
                               "test", result->test, "error", result->error, "bound", result->bound, "passed",
                               result->passed));
}

static void take_result(void *context, const struct check_result *result) {
    struct printer *printer = context;
    if (printer->json) {
        print_result_json(result);
        if (!result->skipped) printer->functions++;
    } else {
        print_result(printer, result);
    }
}

/* ---- a cache file ---- */

static bool show_reading(void *context, int64_t done, int64_t total) {
    struct progress *progress = context;
    if (!progress->total) progress_start(progress, "reading", total, "bytes");
    progress_update(progress, done);
    return true;
}

static enum status check_cache(const char *path, bool json) {
    struct progress progress = {0};
    struct packed_report report;
    char bytes[32];
    enum status status = packed_verify(path, show_reading, &progress, &report);
    progress_finish(&progress);
    TRY(status);
    if (json)
        print_object(json_pack("{s:s, s:s*, s:I, s:I, s:b}", "cache", path, "source", report.source,
                               "matrices", (json_int_t)report.matrices, "bytes", (json_int_t)report.bytes,
                               "passed", 1));
    else
        printf("%s: ok, %lld matrices of %s in %s\n", path, (long long)report.matrices, report.source,
               bytes_text(report.bytes, bytes));
    return STATUS_OK;
}

static enum status check_kernels(const struct option_values *values) {
    struct printer printer = {.json = option_flag(values, "json")};
    struct check_options options = {.function = option_text(values, "function"),
                                    .seed = (uint64_t)option_int(values, "seed"),
                                    .bench = option_flag(values, "bench")};
    struct machine machine;
    struct node_plan *nodes;
    int failures = 0;
    MUST(cpu_level_from_name(option_text(values, "cpu"), &options.cap)); /* one of the choices */
    machine_read(&machine);
    TRY(nodes_plan_for(option_text(values, "numa"), machine.processors, &nodes));
    if (printer.json)
        print_machine_json(&machine, nodes);
    else
        print_machine(&machine, nodes);
    free(nodes);
    TRY(check_run(&options, take_result, &printer, &failures));
    if (!printer.json) end_line(&printer);
    if (printer.functions == 0)
        return fail(STATUS_NOT_FOUND, "no kernel's name contains \"%.64s\"", options.function);
    if (failures > 0)
        return fail(STATUS_INTERNAL, "%d test%s of kernels failed", failures, failures == 1 ? "" : "s");
    return STATUS_OK;
}

enum status command_check(const struct option_values *values) {
    const char *cache = option_text(values, "cache");
    return cache ? check_cache(cache, option_flag(values, "json")) : check_kernels(values);
}
