/* plan_model.c - `hadal plan fit`, `serve` and `train`: finds the model and the machine, fills the sheets, and compares types
 * of weights. A preset or a config is enough: no weights are read. */
#include "cli/plan.h"

#include "base/thread_pool.h"
#include "cli/bench.h"
#include "cli/rates.h"
#include "format/checkpoint.h"
#include "plan/later.h"
#include "plan/prices.h"
#include "plan/shape.h"
#include "plan/sheet_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const struct option_values *values;
    const char *model;
    struct model_desc *desc;
    const struct later_model *later; /* known to plans alone; NULL: `desc` has it */
    const struct hardware *hardware; /* NULL: not said */
    struct hardware own;             /* what `this` is */
    struct plan_rates rates;         /* of `this`; without types where they have not been measured */
    char title[96], subject[192];
    enum dtype kv_type;
};

/* ---- the model ---- */

static enum status read_preset(struct model_desc *desc, const char *name) {
    const char *text = model_preset_config(name);
    json_t *config;
    TRY(json_parse(text, strlen(text), name, &config));
    enum status status = model_desc_from_config(desc, config, name);
    json_decref(config);
    return status;
}

static enum status read_checkpoint(struct model_desc *desc, const char *path) {
    struct checkpoint checkpoint;
    size_t bytes = strlen(path);
    bool gguf = bytes > 5 && !strcmp(path + bytes - 5, ".gguf");
    enum status status = checkpoint_open(&checkpoint, path, gguf ? CHECKPOINT_TENSORS : 0);
    if (status == STATUS_OK)
        status = gguf ? model_desc_from_checkpoint(desc, &checkpoint)
                      : model_desc_from_config(desc, checkpoint.config, path);
    checkpoint_close(&checkpoint);
    return status;
}

static enum status read_model(struct request *request, const char *fallback) {
    const char *const *word;
    request->model = option_positionals(request->values, &word) > 1 ? word[1] : fallback;
    if (!request->model)
        return fail(STATUS_USAGE,
                    "name a published model (hadal inspect lists them), a directory, a config.json or a "
                    ".gguf file");
    request->later = later_find(request->model);
    if (request->later) return STATUS_OK;
    return model_preset_config(request->model) ? read_preset(request->desc, request->model)
                                               : read_checkpoint(request->desc, request->model);
}

/* ---- the machine ---- */

/* What hadal bench machine keeps, or else a quick measurement. */
static enum status measure(struct request *request) {
    struct ceilings ceilings;
    struct machine machine;
    machine_read(&machine);
    TRY(ceilings_get(&ceilings, machine.processor, machine.level, processors_available()));
    snprintf(request->title, sizeof request->title, "this machine (%s)",
             *machine.processor ? machine.processor : "processor unknown");
    request->own = (struct hardware){
        .name = "this",
        .title = request->title,
        .memory = (double)machine.memory_available,
        .bandwidth = ceiling_median(&ceilings, CEILING_READ),
        .half = ceiling_median(&ceilings, ceiling_of_products(&ceilings, false)),
        .eight = ceiling_median(&ceilings, ceiling_of_products(&ceilings, true)),
        .source = ceilings.stored ? "measured by hadal bench machine" : "measured briefly, now",
    };
    request->hardware = &request->own;
    (void)rates_recall(&request->rates, machine.processor, ceilings.level, ceilings.threads);
    return STATUS_OK;
}

static enum status read_hardware(struct request *request, const char *fallback) {
    const char *name = option_text(request->values, "hardware");
    if (!name) name = fallback;
    if (!name) return STATUS_OK;
    if (!strcmp(name, "this")) return measure(request);
    request->hardware = hardware_find(name);
    if (request->hardware) return STATUS_OK;
    return fail(STATUS_USAGE,
                "--hardware %.40s: no such row; hadal plan hardware lists them, and this is this machine",
                name);
}

static enum status shape_of(const struct request *request, const char *type, struct plan_shape *shape) {
    return request->later ? later_shape_of(shape, request->later, type)
                          : plan_shape_of(shape, request->desc, type, request->kv_type);
}

/* The types that are compared; models that plans alone know are published in a mixture of their own. */
static const char *type_at(const struct request *request, int index) {
    if (request->later && !index) return "native";
    return plan_type_at(index - (request->later != NULL));
}

static void name_subject(struct request *request, const char *type) {
    snprintf(request->subject, sizeof request->subject, "%.60s in %s on %.80s", request->model, type,
             request->hardware->title);
}

/* ---- fit ---- */

static enum status fill_fit(const struct request *request, const struct plan_shape *shape,
                            const struct hardware *hardware, struct sheet *sheet) {
    const struct option_values *values = request->values;
    const char *const *set;
    int sets = option_texts(values, "set", &set);
    sheet_start(sheet, &sheet_fit);
    TRY(plan_fill_shape(sheet, shape));
    TRY(plan_fill_hardware(sheet, hardware, shape->bits));
    if (option_given(values, "ctx"))
        TRY(sheet_set(sheet, "context", (double)option_int(values, "ctx"), "--ctx"));
    if (option_given(values, "batch"))
        TRY(sheet_set(sheet, "batch", (double)option_int(values, "batch"), "--batch"));
    if (hardware == &request->own && request->rates.types && !request->later)
        TRY(plan_fill_rates(sheet, &request->rates, request->desc, shape->type,
                            "products and attention measured by hadal bench machine"));
    for (int i = 0; i < sets; i++) TRY(sheet_set_text(sheet, set[i]));
    return sheet_compute(sheet);
}

/* How many devices of each row hold each type. */
static enum status print_devices(const struct request *request) {
    struct plan_shape shape;
    struct sheet sheet;
    char number[SHEET_NUMBER_BYTES];
    printf("%s: devices that hold weights, cache and activations\n\n%-14s", request->model, "");
    for (int t = 0; type_at(request, t); t++) printf(" %8s", type_at(request, t));
    printf("\n%-14s", "weights in GB");
    for (int t = 0; type_at(request, t); t++) {
        TRY(shape_of(request, type_at(request, t), &shape));
        printf(" %8.4g", shape.weight_bytes * 1e-9);
    }
    for (int h = 0; hardware_at(h); h++) {
        printf("\n%-14s", hardware_at(h)->name);
        for (int t = 0; type_at(request, t); t++) {
            TRY(shape_of(request, type_at(request, t), &shape));
            TRY(fill_fit(request, &shape, hardware_at(h), &sheet));
            printf(" %8.0f", sheet_value(&sheet, "devices_needed"));
        }
    }
    printf("\n\nCache of %s tokens: ", sheet_number(sheet_value(&sheet, "context"), "", number));
    printf("%s bytes, ", sheet_number(sheet_value(&sheet, "cache"), "", number));
    printf("%s for a token. --hardware NAME says how fast.\n", sheet_number(shape.kv_bytes, "", number));
    return STATUS_OK;
}

static enum status print_types(const struct request *request) {
    struct plan_shape shape;
    struct sheet sheet;
    printf("%s on %s\n\n%-8s %10s %10s %6s %8s %12s %12s\n", request->model, request->hardware->title, "type",
           "weights GB", "needed GB", "fits", "devices", "prefill t/s", "decode t/s");
    for (int t = 0; type_at(request, t); t++) {
        TRY(shape_of(request, type_at(request, t), &shape));
        TRY(fill_fit(request, &shape, request->hardware, &sheet));
        bool fits = sheet_value(&sheet, "needed") <= sheet_value(&sheet, "usable");
        bool runs = fits || sheet_value(&sheet, "resident") > 0; /* the rest from disk */
        printf("%-8s %10.4g %10.4g %6s %8.0f", shape.type, shape.weight_bytes * 1e-9,
               sheet_value(&sheet, "needed") * 1e-9,
               fits   ? "yes"
               : runs ? "disk"
                      : "no",
               sheet_value(&sheet, "devices_needed"));
        if (runs)
            printf(" %12.4g %12.4g\n", sheet_value(&sheet, "prefill"), sheet_value(&sheet, "decode"));
        else
            printf(" %12s %12s\n", "-", "-");
    }
    printf("\n");
    return STATUS_OK;
}

/* The largest type that fits, or the smallest there is. */
static enum status choose_type(const struct request *request, const char **type) {
    struct plan_shape shape;
    struct sheet sheet;
    *type = option_text(request->values, "type");
    if (*type) return STATUS_OK;
    for (int t = 0; type_at(request, t); t++) {
        *type = type_at(request, t);
        TRY(shape_of(request, *type, &shape));
        TRY(fill_fit(request, &shape, request->hardware, &sheet));
        if (sheet_value(&sheet, "needed") <= sheet_value(&sheet, "usable")) break;
    }
    return STATUS_OK;
}

static enum status fit(struct request *request) {
    const struct option_values *values = request->values;
    bool text = !option_flag(values, "json") && !option_flag(values, "html");
    struct plan_shape shape;
    struct sheet sheet;
    const char *type;
    TRY(read_model(request, NULL));
    TRY(read_hardware(request, NULL));
    if (!request->hardware && !text)
        return fail(STATUS_USAGE, "--json and --html need --hardware NAME: they are of one machine");
    if (!request->hardware) return print_devices(request);
    TRY(choose_type(request, &type));
    TRY(shape_of(request, type, &shape));
    TRY(fill_fit(request, &shape, request->hardware, &sheet));
    if (text) TRY(print_types(request));
    name_subject(request, type);
    sheet.subject = request->subject;
    return plan_print_sheet(values, &sheet);
}

/* ---- serve and train ---- */

static enum status fill_prices(const struct option_values *values, struct sheet *sheet) {
    const char *name = option_text(values, "price");
    const struct api_price *price = price_find(name);
    if (!price) return fail(STATUS_USAGE, "--price %.40s: no such row; hadal plan prices lists them", name);
    TRY(sheet_set(sheet, "price_hit", price->hit, "DeepSeek's price list: hadal plan prices"));
    TRY(sheet_set(sheet, "price_miss", price->miss, "DeepSeek's price list: hadal plan prices"));
    return sheet_set(sheet, "price_out", price->out, "DeepSeek's price list: hadal plan prices");
}

static enum status fill_and_print(struct request *request, const struct sheet_kind *kind) {
    const char *type = option_text(request->values, "type");
    struct plan_shape shape;
    struct sheet sheet;
    bool serves = kind == &sheet_serve;
    TRY(read_model(request, "deepseek-v3"));
    if (!type) type = !serves ? "bf16" : request->later ? "native" : "fp8";
    TRY(read_hardware(request, "h800"));
    TRY(shape_of(request, type, &shape));
    sheet_start(&sheet, kind);
    TRY(plan_fill_shape(&sheet, &shape));
    TRY(plan_fill_hardware(&sheet, request->hardware, shape.bits));
    if (serves) TRY(fill_prices(request->values, &sheet));
    name_subject(request, type);
    sheet.subject = request->subject;
    return plan_print_sheet(request->values, &sheet);
}

static enum status with_request(const struct option_values *values, const struct sheet_kind *kind) {
    struct request request = {.values = values, .kv_type = DTYPE_BF16, .desc = malloc(sizeof *request.desc)};
    if (!request.desc) return fail(STATUS_MEMORY, "no memory for a model's description");
    enum status status = kind == &sheet_fit ? fit(&request) : fill_and_print(&request, kind);
    free(request.desc);
    return status;
}

enum status plan_fit(const struct option_values *values) {
    return with_request(values, &sheet_fit);
}
enum status plan_serve(const struct option_values *values) {
    return with_request(values, &sheet_serve);
}
enum status plan_train(const struct option_values *values) {
    return with_request(values, &sheet_train);
}
