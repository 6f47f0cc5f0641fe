/* plan_lists.c - `hadal plan preset`, `hardware` and `prices`: what plans can be made from. */
#include "cli/plan.h"

#include "cli/bench.h"
#include "plan/hardware.h"
#include "plan/prices.h"
#include "plan/sheet_write.h"

#include <stdio.h>

/* A list has no page. */
static enum status read_form(const struct option_values *values, bool *json) {
    *json = option_flag(values, "json");
    if (!option_flag(values, "html")) return STATUS_OK;
    return fail(STATUS_USAGE, "--html: a page is of one plan: fit MODEL, serve, train or preset NAME");
}

enum status plan_list_presets(const struct option_values *values) {
    bool json;
    TRY(read_form(values, &json));
    for (int i = 0; preset_at(i); i++) {
        const struct sheet_kind *preset = preset_at(i);
        if (json)
            TRY(bench_print(json_pack("{s:s, s:s, s:s}", "preset", preset->name, "title", preset->title,
                                      "summary", preset->summary)));
        else
            printf("%-16s %s\n%-16s %s\n", preset->name, preset->title, "", preset->summary);
    }
    return STATUS_OK;
}

static json_t *hardware_json(const struct hardware *of) {
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s, s:b}", "hardware", of->name, "title",
                     of->title, "memory", of->memory, "bandwidth", of->bandwidth, "half", of->half, "eight",
                     of->eight, "watts", of->watts, "price", of->price, "hour", of->hour, "source",
                     of->source, "estimated", of->estimated);
}

enum status plan_list_hardware(const struct option_values *values) {
    bool json;
    char price[SHEET_NUMBER_BYTES];
    TRY(read_form(values, &json));
    if (!json)
        printf("%-14s %8s %9s %9s %9s %6s %9s %6s  %s\n", "name", "GB", "GB/s", "BF16 T/s", "8bit T/s", "W",
               "$", "$/h", "");
    for (int i = 0; hardware_at(i); i++) {
        const struct hardware *of = hardware_at(i);
        if (json)
            TRY(bench_print(hardware_json(of)));
        else
            printf("%-14s %8.0f %9.0f %9.0f %9.0f %6.0f %9s %6.2f  %s%s\n", of->name, of->memory * 1e-9,
                   of->bandwidth * 1e-9, of->half * 1e-12, of->eight * 1e-12, of->watts,
                   sheet_number(of->price, "$", price), of->hour, of->title,
                   of->estimated ? " (estimated)" : "");
    }
    if (!json) printf("\nPrices are inputs: --set price=..., 0 is no figure. --json has the sources.\n");
    return STATUS_OK;
}

enum status plan_list_prices(const struct option_values *values) {
    bool json;
    TRY(read_form(values, &json));
    if (!json)
        printf("%-17s %-11s %-18s %7s %7s %7s  dollars for a million tokens\n", "name", "from", "model",
               "hit", "miss", "output");
    for (int i = 0; price_at(i); i++) {
        const struct api_price *of = price_at(i);
        if (json)
            TRY(bench_print(json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:s}", "price", of->name, "from",
                                      of->from, "model", of->model, "hit", of->hit, "miss", of->miss, "out",
                                      of->out, "remark", of->remark)));
        else
            printf("%-17s %-11s %-18s %7.4g %7.4g %7.4g  %s\n", of->name, of->from, of->model, of->hit,
                   of->miss, of->out, of->remark);
    }
    return STATUS_OK;
}
