/* adapters.c - pairs of small matrices beside a model's, see adapters.h. */
#include "train/adapters.h"

#include "base/bytes.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- which matrices ---- */

/* Is `name`, without ".weight", the target or a path that ends with it? */
static bool ends_with(const char *name, size_t bytes, const char *target) {
    const size_t end = strlen(target);
    if (end > bytes || strncmp(name + bytes - end, target, end)) return false;
    return end == bytes || name[bytes - end - 1] == '.';
}

static bool is_matrix(const struct parameter *item) {
    const struct weight_row *row = &weight_rows()[item->weight];
    return item->rank == 2 && row->kind == WEIGHT_MATRIX && row->copies == PER_LAYER;
}

static bool is_target(const struct parameter *item, int layers, const struct adapter_options *options) {
    char name[PARAMETER_NAME_BYTES];
    if (!is_matrix(item) || item->layer >= layers) return false;
    parameter_name(item, name);
    const size_t bytes = strlen(name) - strlen(".weight");
    for (int i = 0; i < options->targets; i++)
        if (ends_with(name, bytes, options->target[i])) return true;
    return options->targets == 0;
}

static int layers_of(const struct parameters *parameters) {
    int most = -1;
    for (int i = 0; i < parameters->count; i++)
        if (parameters->item[i].weight == WEIGHT_MTP_PROJECT &&
            (most < 0 || parameters->item[i].layer < most))
            most = parameters->item[i].layer;
    return most < 0 ? INT32_MAX : most; /* modules of multi-token prediction come behind the layers */
}

static enum status check_targets(const struct parameters *parameters, const struct adapter_options *options) {
    const int layers = layers_of(parameters);
    for (int t = 0; t < options->targets; t++) {
        const struct adapter_options one = {.target = &options->target[t], .targets = 1};
        bool found = false;
        for (int i = 0; i < parameters->count && !found; i++)
            found = is_target(&parameters->item[i], layers, &one);
        if (!found)
            return fail(STATUS_USAGE,
                        "--lora-targets: '%.60s' ends the name of no matrix of attention, or of a dense or "
                        "shared feed-forward",
                        options->target[t]);
    }
    return STATUS_OK;
}

/* ---- opening ---- */

static void append_item(struct parameters *trained, const struct parameter *whole, enum parameter_part part,
                        int rank) {
    struct parameter *item = &trained->item[trained->count++];
    *item = *whole;
    item->part = part;
    item->shape[part == PART_DOWN ? 0 : 1] = rank;
    item->elements = item->shape[0] * item->shape[1];
    item->first = trained->elements;
    trained->elements = round_up(trained->elements + item->elements, 16);
}

static enum status list_pairs(struct adapters *adapters, const struct parameters *parameters) {
    struct parameters *trained = &adapters->trained;
    const int layers = layers_of(parameters);
    adapters->of_item = malloc((size_t)parameters->count * sizeof *adapters->of_item);
    trained->item = calloc(2 * (size_t)parameters->count, sizeof *trained->item);
    if (!adapters->of_item || !trained->item) return fail(STATUS_MEMORY, "no memory for a list of adapters");
    for (int i = 0; i < parameters->count; i++) {
        const bool adapted = is_target(&parameters->item[i], layers, &adapters->options);
        adapters->of_item[i] = adapted ? trained->count : -1;
        if (!adapted) continue;
        if (adapters->options.rank > min_i64(parameters->item[i].shape[0], parameters->item[i].shape[1]))
            return fail(STATUS_USAGE, "--lora %d: more than a side of a matrix of %lld x %lld",
                        adapters->options.rank, (long long)parameters->item[i].shape[0],
                        (long long)parameters->item[i].shape[1]);
        append_item(trained, &parameters->item[i], PART_DOWN, adapters->options.rank);
        append_item(trained, &parameters->item[i], PART_UP, adapters->options.rank);
    }
    return STATUS_OK;
}

static int64_t widest_out(const struct parameters *trained) {
    int64_t most = 0;
    for (int i = 1; i < trained->count; i += 2) most = max_i64(most, trained->item[i].shape[0]);
    return most;
}

static enum status take_memory(struct adapters *adapters, int rows) {
    struct parameters *trained = &adapters->trained;
    const int64_t rank = adapters->options.rank;
    if (!trained->borrowed) trained->value = take_floats(trained->elements);
    trained->gradient = take_floats(trained->elements);
    adapters->low = take_floats(rows * rank);
    adapters->dlow = take_floats(rows * rank);
    adapters->up_rows = take_floats(rank * widest_out(trained));
    if (trained->value && trained->gradient && adapters->low && adapters->dlow && adapters->up_rows)
        return STATUS_OK;
    return fail(STATUS_MEMORY, "no memory for adapters of rank %lld", (long long)rank);
}

static enum status open_with(struct adapters **adapters, const struct parameters *parameters,
                             const struct adapter_options *options, const struct parameters *lead, int rows) {
    struct adapters *opened = calloc(1, sizeof *opened);
    *adapters = NULL;
    if (!opened) return fail(STATUS_MEMORY, "no memory for adapters");
    opened->options = *options;
    opened->scale = (float)(options->alpha / options->rank);
    if (lead) opened->trained = (struct parameters){.value = lead->value, .borrowed = true};
    enum status status = list_pairs(opened, parameters);
    if (status == STATUS_OK) status = take_memory(opened, rows);
    if (status == STATUS_OK)
        *adapters = opened;
    else
        adapters_close(opened);
    return status;
}

enum status adapters_open(struct adapters **adapters, const struct parameters *parameters,
                          const struct adapter_options *options, int rows) {
    MUST(options->rank >= 1 && options->rank <= ADAPTER_RANK_MOST);
    TRY(check_targets(parameters, options));
    return open_with(adapters, parameters, options, NULL, rows);
}

enum status adapters_open_beside(struct adapters **adapters, const struct parameters *parameters,
                                 const struct adapters *lead, int rows) {
    return open_with(adapters, parameters, &lead->options, &lead->trained, rows);
}

void adapters_close(struct adapters *adapters) {
    if (!adapters) return;
    if (adapters->based) {
        weights_free(&adapters->weights);
        checkpoint_close(&adapters->checkpoint);
    }
    parameters_close(&adapters->trained);
    free(adapters->of_item);
    free(adapters->low);
    free(adapters->dlow);
    free(adapters->up_rows);
    free(adapters);
}

struct counter {
    const struct adapter_options *options;
    int layers;
    int64_t elements;
};

static void count_pair(void *context, const struct parameter *item) {
    struct counter *counter = context;
    if (is_target(item, counter->layers, counter->options))
        counter->elements += round_up(counter->options->rank * item->shape[1], 16) +
                             round_up(counter->options->rank * item->shape[0], 16);
}

int64_t adapters_elements(const struct model_desc *desc, const struct adapter_options *options) {
    struct counter counter = {options, desc->layers, 0};
    parameters_visit(desc, count_pair, &counter);
    return counter.elements;
}

/* ---- values ---- */

enum status adapters_load_base(struct adapters *adapters, const struct parameters *parameters,
                               const struct model_desc *desc, const char *path) {
    struct model_desc found = *desc;
    TRY(checkpoint_open(&adapters->checkpoint, path, CHECKPOINT_TENSORS));
    enum status status = weights_load(&adapters->weights, &found, &adapters->checkpoint);
    if (status != STATUS_OK) {
        checkpoint_close(&adapters->checkpoint);
        return status;
    }
    adapters->based = true;
    TRY(parameters_load(parameters, &adapters->weights));
    return checkpoint_check(&adapters->checkpoint);
}

void adapters_initialise(const struct adapters *adapters, uint64_t seed) {
    const struct parameters *trained = &adapters->trained;
    for (int i = 0; i < trained->count; i++) {
        const struct parameter *item = &trained->item[i];
        float *value = trained->value + item->first;
        const double bound = 1 / sqrt((double)item->shape[1]);
        struct rng rng;
        rng_seed_stream(&rng, seed, (uint64_t)i);
        for (int64_t j = 0; j < item->elements; j++)
            value[j] = item->part == PART_UP ? 0 : (float)(bound * (2 * rng_uniform(&rng) - 1));
    }
}

static struct tensor view(const struct parameters *parameters, const struct parameter *item) {
    return (struct tensor){.data = parameters->value + item->first,
                           .dtype = DTYPE_F32,
                           .rank = 2,
                           .shape = {item->shape[0], item->shape[1]}};
}

/* values [out, in] of the matrix `whole` = W + (scale up) down: the gradient of a product with `rank` rows has this form. */
static void merge_pair(const struct adapters *adapters, const struct parameters *parameters,
                       const struct parameter *whole, const struct parameter *pair, struct backend *backend) {
    const struct tensor *base =
                            weights_matrix(&adapters->weights, whole->weight, whole->layer, whole->expert),
                        sum = view(parameters, whole);
    const struct parameter *down = &pair[0], *up = &pair[1];
    const int64_t rank = down->shape[0], in = down->shape[1], out = up->shape[0];
    float *value = parameters->value + whole->first;
    const float *from = adapters->trained.value + up->first;
    for (int64_t o = 0; o < out; o++) {
        tensor_decode_row(base, o, value + o * in);
        for (int64_t r = 0; r < rank; r++)
            adapters->up_rows[r * out + o] = adapters->scale * from[o * rank + r];
    }
    struct linear_backward_op op = {.x = adapters->trained.value + down->first,
                                    .dy = adapters->up_rows,
                                    .dw = value,
                                    .rows = rank,
                                    .x_stride = in,
                                    .dy_stride = out,
                                    .w = &sum};
    backend->ops->backward->linear(backend, &op);
}

void adapters_merge(const struct adapters *adapters, const struct parameters *parameters,
                    struct backend *backend) {
    MUST(adapters->based);
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        if (adapters->of_item[i] < 0) continue;
        merge_pair(adapters, parameters, item, &adapters->trained.item[adapters->of_item[i]], backend);
    }
}

/* ---- back ---- */

static void scale_floats(float *values, int64_t count, float scale) {
    for (int64_t i = 0; i < count; i++) values[i] *= scale;
}

void adapters_backward(const struct adapters *adapters, int32_t item, const struct linear_backward_op *whole,
                       struct backend *backend) {
    if (adapters->of_item[item] < 0) return;
    const struct parameters *trained = &adapters->trained;
    const struct parameter *pair = &trained->item[adapters->of_item[item]];
    const struct tensor down = view(trained, &pair[0]), up = view(trained, &pair[1]);
    const int64_t rank = adapters->options.rank, rows = whole->rows;
    struct project_op project = {.x = whole->x, .rows = rows, .x_stride = whole->x_stride, .count = 1};
    project.target[0] = (struct project_target){&down, NULL, adapters->low, rank};
    backend->ops->project(backend, &project);
    scale_floats(adapters->low, rows * rank, adapters->scale);
    memset(adapters->dlow, 0, (size_t)(rows * rank) * sizeof *adapters->dlow);
    struct linear_backward_op of_up = {.w = &up,
                                       .x = adapters->low,
                                       .dy = whole->dy,
                                       .dx = adapters->dlow,
                                       .dw = trained->gradient + pair[1].first,
                                       .rows = rows,
                                       .x_stride = rank,
                                       .dy_stride = whole->dy_stride,
                                       .dx_stride = rank};
    backend->ops->backward->linear(backend, &of_up);
    scale_floats(adapters->dlow, rows * rank, adapters->scale);
    struct linear_backward_op of_down = {.w = &down,
                                         .x = whole->x,
                                         .dy = adapters->dlow,
                                         .dw = trained->gradient + pair[0].first,
                                         .rows = rows,
                                         .x_stride = whole->x_stride,
                                         .dy_stride = rank};
    backend->ops->backward->linear(backend, &of_down);
}
