/* parameters.c - the flat arrays of parameters.h. */
#include "train/parameters.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "tensor/fp8_round.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { PADDING = 16 }; /* floats: a parameter begins on a cache line */
#define HUGE_PAGE_BYTES ((int64_t)2 << 20)

/* Passes go over large arrays from end to end, a row of each at a time: huge pages keep that from missing translations. */
float *take_floats(int64_t count) {
    int64_t bytes;
    if (!multiply_fits(round_up(count, PADDING) + PADDING, sizeof(float), &bytes)) return NULL;
    bool large = bytes >= 2 * HUGE_PAGE_BYTES;
    if (large && !add_fits(bytes, HUGE_PAGE_BYTES - bytes % HUGE_PAGE_BYTES, &bytes)) return NULL;
    float *floats = aligned_alloc(large ? (size_t)HUGE_PAGE_BYTES : PADDING * sizeof(float), (size_t)bytes);
    if (floats && large) madvise(floats, (size_t)bytes, MADV_HUGEPAGE); /* NOLINT: advice may be ignored */
    if (floats) memset(floats, 0, (size_t)bytes);
    return floats;
}

/* ---- the list ---- */

/* What Hugging Face files must hold of a model is what is trained. */
static bool wanted(const struct weight_row *row) {
    return row->hugging_face && !row->optional;
}

static void visit_weight(const struct model_desc *desc, enum weight weight, int layer,
                         parameter_visitor *visit, void *context) {
    struct parameter item = {.weight = weight, .layer = layer};
    item.rank = weight_shape(desc, weight, item.shape);
    item.elements = 1;
    for (int i = 0; i < item.rank; i++) item.elements *= item.shape[i];
    int copies = weight_rows()[weight].copies == PER_EXPERT ? desc->experts : 1;
    for (item.expert = 0; item.expert < copies; item.expert++) visit(context, &item);
}

/* Parameters of the model, then layer by layer: what a backward pass completes together lies together. */
void parameters_visit(const struct model_desc *desc, parameter_visitor *visit, void *context) {
    for (int layer = -1; layer < desc->layers + desc->mtp_layers; layer++)
        for (int w = 0; w < WEIGHT_COUNT; w++) {
            const struct weight_row *row = &weight_rows()[w];
            if (!wanted(row) || (row->copies == PER_MODEL) != (layer < 0)) continue;
            if (weight_exists(desc, (enum weight)w, layer < 0 ? 0 : layer))
                visit_weight(desc, (enum weight)w, layer < 0 ? 0 : layer, visit, context);
        }
}

static void count_parameter(void *context, const struct parameter *parameter) {
    struct parameters *parameters = context;
    parameters->count++;
    parameters->elements += round_up(parameter->elements, PADDING);
}

static void append_parameter(void *context, const struct parameter *parameter) {
    struct parameters *list = context;
    struct parameter *item = &list->item[list->count++];
    *item = *parameter;
    item->first = list->elements;
    list->elements += round_up(item->elements, PADDING);
}

struct lister {
    struct parameters *parameters;
    struct weights *weights;
};

static void list_parameter(void *context, const struct parameter *parameter) {
    struct lister *lister = context;
    struct parameters *parameters = lister->parameters;
    struct parameter *item = &parameters->item[parameters->count];
    int64_t slot = weights_slot(lister->weights, parameter->weight, parameter->layer, parameter->expert);
    parameters->of_slot[slot] = parameters->count;
    append_parameter(parameters, parameter);
    struct tensor *tensor = &lister->weights->slot[slot];
    *tensor = (struct tensor){
        .data = parameters->value + item->first, .dtype = DTYPE_F32, .rank = (uint8_t)item->rank};
    for (int i = 0; i < item->rank; i++) tensor->shape[i] = item->shape[i];
}

int64_t parameters_bytes(const struct model_desc *desc) {
    struct parameters total = {0};
    parameters_visit(desc, count_parameter, &total);
    return total.elements * (int64_t)sizeof(float);
}

enum status parameters_list(struct parameters *list, const struct model_desc *desc) {
    *list = (struct parameters){0};
    parameters_visit(desc, count_parameter, list);
    list->item = calloc((size_t)list->count, sizeof *list->item);
    if (!list->item) return fail(STATUS_MEMORY, "no memory for a list of %d parameters", list->count);
    list->count = 0;
    list->elements = 0;
    parameters_visit(desc, append_parameter, list);
    return STATUS_OK;
}

static int64_t slots_of(const struct model_desc *desc) {
    int64_t layers = desc->layers + desc->mtp_layers, slots = 0;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        enum weight_copies copies = weight_rows()[w].copies;
        slots += copies == PER_MODEL ? 1 : copies == PER_LAYER ? layers : layers * desc->experts;
    }
    return slots;
}

static enum status take_memory(struct parameters *parameters, int64_t slots, bool frozen) {
    parameters->item = calloc((size_t)parameters->count, sizeof *parameters->item);
    parameters->of_slot = malloc((size_t)slots * sizeof *parameters->of_slot);
    if (!parameters->borrowed) parameters->value = take_floats(parameters->elements);
    if (!frozen) parameters->gradient = take_floats(parameters->elements);
    if (!parameters->item || !parameters->of_slot || !parameters->value || (!frozen && !parameters->gradient))
        return fail(STATUS_MEMORY, "no memory for %lld parameters and their gradients",
                    (long long)parameters->elements);
    for (int64_t i = 0; i < slots; i++) parameters->of_slot[i] = -1;
    return STATUS_OK;
}

static enum status open_list(struct parameters *parameters, struct weights *weights,
                             const struct model_desc *desc, bool frozen) {
    TRY(weights_open_empty(weights, desc));
    parameters_visit(desc, count_parameter, parameters);
    enum status status = take_memory(parameters, slots_of(desc), frozen);
    if (status != STATUS_OK) {
        weights_free(weights);
        parameters_close(parameters);
        return status;
    }
    parameters->count = 0;
    parameters->elements = 0;
    struct lister lister = {parameters, weights};
    parameters_visit(desc, list_parameter, &lister);
    return STATUS_OK;
}

enum status parameters_open(struct parameters *parameters, struct weights *weights,
                            const struct model_desc *desc, bool frozen) {
    *parameters = (struct parameters){0};
    return open_list(parameters, weights, desc, frozen);
}

void parameters_close(struct parameters *parameters) {
    free(parameters->item);
    free(parameters->of_slot);
    free(parameters->gradient);
    if (!parameters->borrowed) {
        free(parameters->value);
        free(parameters->rounded);
    }
    *parameters = (struct parameters){0};
}

/* ---- FP8 ---- */

/* As published FP8 checkpoints have it: tables, norms and what routes are not. */
bool parameter_is_fp8(const struct parameter *parameter) {
    return parameter->rank == 2 && weight_rows()[parameter->weight].kind == WEIGHT_MATRIX &&
           parameter->weight != WEIGHT_EMBED && parameter->weight != WEIGHT_HEAD;
}

static void point_to_rounded(const struct parameters *parameters, struct weights *weights) {
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        int64_t slot = weights_slot(weights, item->weight, item->layer, item->expert);
        if (!parameter_is_fp8(item)) continue;
        weights->slot[slot].data = parameters->rounded + item->first;
        weights->slot[slot].block[0] = weights->slot[slot].block[1] = FP8_BLOCK;
    }
}

enum status parameters_use_fp8(struct parameters *parameters, struct weights *weights) {
    parameters->rounded = take_floats(parameters->elements);
    if (!parameters->rounded)
        return fail(STATUS_MEMORY, "no memory for %lld rounded parameters", (long long)parameters->elements);
    point_to_rounded(parameters, weights);
    return STATUS_OK;
}

enum status parameters_open_beside(struct parameters *parameters, struct weights *weights,
                                   const struct model_desc *desc, const struct parameters *lead) {
    *parameters = (struct parameters){.value = lead->value, .rounded = lead->rounded, .borrowed = true};
    TRY(open_list(parameters, weights, desc, !lead->gradient));
    if (lead->rounded) point_to_rounded(parameters, weights);
    return STATUS_OK;
}

void parameters_round(const struct parameters *parameters) {
    for (int i = 0; parameters->rounded && i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        if (parameter_is_fp8(item))
            fp8_round_blocks(parameters->value + item->first, parameters->rounded + item->first,
                             item->shape[0], item->shape[1]);
    }
}

/* ---- contents ---- */

/* Box and Muller; one of each pair is enough here. */
static float normal(struct rng *rng) {
    double radius = sqrt(-2 * log(1 - rng_uniform(rng)));
    return (float)(radius * cos(2 * M_PI * rng_uniform(rng)));
}

static bool is_norm(enum weight weight) {
    return weight_rows()[weight].kind == WEIGHT_VECTOR && weight != WEIGHT_ROUTER_BIAS &&
           weight != WEIGHT_Q_BIAS && weight != WEIGHT_K_BIAS && weight != WEIGHT_V_BIAS &&
           weight != WEIGHT_OUTPUT_BIAS;
}

void parameters_initialise(const struct parameters *parameters, double deviation, uint64_t seed) {
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        float *value = parameters->value + item->first;
        struct rng rng;
        rng_seed_stream(&rng, seed, (uint64_t)i);
        for (int64_t j = 0; j < item->elements; j++)
            value[j] = item->rank > 1 ? (float)deviation * normal(&rng) : is_norm(item->weight) ? 1.0f : 0.0f;
    }
}

enum status parameters_load(const struct parameters *parameters, const struct weights *weights) {
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        const struct tensor *from = weights_matrix(weights, item->weight, item->layer, item->expert);
        char name[PARAMETER_NAME_BYTES];
        parameter_name(item, name);
        if (!from)
            return fail(STATUS_FORMAT, "the checkpoint has no tensor %s, which is to be trained", name);
        int64_t rows = item->rank > 1 ? item->shape[0] : 1, n = item->elements / rows;
        for (int64_t r = 0; r < rows; r++)
            tensor_decode_row(from, r, parameters->value + item->first + r * n);
    }
    return STATUS_OK;
}

bool parameter_has_gradient(const struct parameter *parameter) {
    return parameter->weight != WEIGHT_ROUTER_BIAS;
}

float *parameters_gradient(const struct parameters *parameters, const struct weights *weights,
                           enum weight weight, int layer, int expert) {
    int32_t index = parameters->of_slot[weights_slot(weights, weight, layer, expert)];
    if (!parameters->gradient || index < 0 || !parameter_has_gradient(&parameters->item[index])) return NULL;
    return parameters->gradient + parameters->item[index].first;
}

void parameters_clear_gradient(const struct parameters *parameters) {
    if (!parameters->gradient) return;
    memset(parameters->gradient, 0, (size_t)parameters->elements * sizeof *parameters->gradient);
}

void parameter_name(const struct parameter *parameter, char name[PARAMETER_NAME_BYTES]) {
    static const char *const prefix[] = {"", "base_model.model.", "base_model.model."}, *const suffix[] = {
                                                                                            ".weight",
                                                                                            ".lora_A.weight",
                                                                                            ".lora_B.weight"};
    char whole[PARAMETER_NAME_BYTES];
    weight_name(&weight_rows()[parameter->weight], false, parameter->layer, parameter->expert, whole,
                sizeof whole);
    const size_t stem = strlen(whole) - (parameter->part == PART_WHOLE ? 0 : strlen(suffix[PART_WHOLE]));
    snprintf(name, PARAMETER_NAME_BYTES, "%s%.*s%s", prefix[parameter->part], (int)stem, whole,
             parameter->part == PART_WHOLE ? "" : suffix[parameter->part]);
}
