/* synth_plan.c - chooses number format and distribution of every tensor. Distributions keep activations
 * near one through any number of layers: matrices have deviation 1/sqrt(inputs), those that add to the
 * residual stream less, and the router enough for experts to differ. */
#include "model/synth_plan.h"

#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <xxhash.h>

enum {
    FP8_BLOCK = 128,
    CHUNK_ELEMENTS = 1 << 15 /* a multiple of every block */
};

/* ---- number formats ---- */

/* As published FP8 checkpoints: embedding, head and what routes stay BF16, the router's bias F32. */
static enum dtype hugging_face_type(const struct synth_plan *plan, enum weight weight) {
    enum dtype type = plan->options->mix.type;
    bool outside = weight == WEIGHT_EMBED || weight == WEIGHT_HEAD || weight == WEIGHT_MTP_EMBED ||
                   weight == WEIGHT_MTP_HEAD;
    if (weight == WEIGHT_ROUTER_BIAS) return DTYPE_F32;
    if (type == DTYPE_F8_E4M3 && (outside || weight_rows()[weight].kind != WEIGHT_MATRIX)) return DTYPE_BF16;
    return type;
}

/* ---- the list ---- */

static enum status append(struct synth_plan *plan, struct synth_item item) {
    if (plan->items == plan->capacity) {
        size_t capacity = plan->capacity ? plan->capacity * 2 : 256;
        struct synth_item *grown = realloc(plan->item, capacity * sizeof *grown);
        if (!grown) return fail(STATUS_MEMORY, "no memory for a list of %zu tensors", capacity);
        plan->item = grown;
        plan->capacity = capacity;
    }
    int64_t row_bytes, rows = 1;
    for (int i = 0; i < item.rank - 1; i++) rows *= item.shape[i]; /* a description's limits keep it small */
    item.elements = rows * item.shape[item.rank - 1];
    if (!dtype_row_bytes(item.dtype, item.shape[item.rank - 1], &row_bytes) ||
        !multiply_fits(rows, row_bytes, &item.bytes) || !add_fits(plan->bytes, item.bytes, &plan->bytes))
        return fail(STATUS_LIMIT, "%s: the weights are too many", plan->options->origin);
    plan->item[plan->items++] = item;
    return STATUS_OK;
}

static enum status append_scales(struct synth_plan *plan, struct synth_item item) {
    if (item.dtype != DTYPE_F8_E4M3) return STATUS_OK;
    item.scale = true;
    item.dtype = DTYPE_F32;
    for (int i = 0; i < 2; i++) item.shape[i] = divide_up(item.shape[i], FP8_BLOCK);
    return append(plan, item);
}

static bool is_written(const struct synth_plan *plan, enum weight weight, int layer) {
    if (plan->gguf) return gguf_layout_has(&plan->desc, weight, layer);
    return weight_rows()[weight].hugging_face && weight_exists(&plan->desc, weight, layer);
}

static enum status append_weight(struct synth_plan *plan, enum weight weight, int layer, int expert) {
    struct synth_item item = {.weight = weight, .layer = layer, .expert = expert};
    item.rank = plan->gguf ? gguf_layout_shape(&plan->desc, weight, item.shape)
                           : weight_shape(&plan->desc, weight, item.shape);
    item.dtype = plan->gguf ? gguf_layout_type(&plan->desc, plan->options->mix, weight, layer,
                                               item.shape[item.rank - 1])
                            : hugging_face_type(plan, weight);
    TRY(append(plan, item));
    return append_scales(plan, item);
}

/* Hugging Face keeps an expert's three matrices together, so experts are the outer loop. */
static enum status append_layer(struct synth_plan *plan, int layer) {
    int experts = plan->gguf ? 1 : plan->desc.experts;
    for (int w = 0; w < WEIGHT_COUNT; w++)
        if (weight_rows()[w].copies == PER_LAYER && is_written(plan, (enum weight)w, layer))
            TRY(append_weight(plan, (enum weight)w, layer, 0));
    for (int expert = 0; expert < experts; expert++)
        for (int w = 0; w < WEIGHT_COUNT; w++)
            if (weight_rows()[w].copies == PER_EXPERT && is_written(plan, (enum weight)w, layer))
                TRY(append_weight(plan, (enum weight)w, layer, expert));
    return STATUS_OK;
}

static enum status append_all(struct synth_plan *plan) {
    for (int w = 0; w < WEIGHT_COUNT; w++)
        if (weight_rows()[w].copies == PER_MODEL && is_written(plan, (enum weight)w, 0))
            TRY(append_weight(plan, (enum weight)w, 0, 0));
    for (int layer = 0; layer < plan->desc.layers + plan->desc.mtp_layers; layer++)
        TRY(append_layer(plan, layer));
    return STATUS_OK;
}

/* ---- the config as it is written ---- */

static void describe_quantization(json_t *config, enum dtype type) {
    json_object_del(config, "quantization_config");
    if (type == DTYPE_F8_E4M3)
        json_object_set_new(config, "quantization_config",
                            json_pack("{s:s, s:s, s:s, s:[ii]}", "quant_method", "fp8", "fmt", "e4m3",
                                      "activation_scheme", "dynamic", "weight_block_size", FP8_BLOCK,
                                      FP8_BLOCK));
    json_object_set_new(config, "torch_dtype",
                        json_string(type == DTYPE_F32   ? "float32"
                                    : type == DTYPE_F16 ? "float16"
                                                        : "bfloat16"));
}

static enum status shorten(const struct synth_plan *plan, int64_t layers) {
    int wanted = plan->options->layers;
    if (!wanted) return STATUS_OK;
    if (wanted > layers)
        return fail(STATUS_USAGE, "%d layers: %s has %lld", wanted, plan->options->origin, (long long)layers);
    json_object_set_new(plan->config, "num_hidden_layers", json_integer(wanted));
    if (json_integer_value(json_object_get(plan->config, "first_k_dense_replace")) > wanted)
        json_object_set_new(plan->config, "first_k_dense_replace", json_integer(wanted));
    return STATUS_OK;
}

static enum status read_config(struct synth_plan *plan) {
    const struct synth_options *options = plan->options;
    TRY(model_desc_from_config(&plan->desc, options->config, options->origin));
    plan->config = json_deep_copy(options->config);
    if (!plan->config) return fail(STATUS_MEMORY, "%s: out of memory", options->origin);
    TRY(shorten(plan, plan->desc.layers));
    describe_quantization(plan->config, options->mix.type);
    TRY(model_desc_from_config(&plan->desc, plan->config, options->origin));
    if (plan->gguf) plan->desc.mtp_layers = 0; /* other readers of the format know no MTP of these models */
    return STATUS_OK;
}

static enum status check_type(const struct synth_plan *plan) {
    enum dtype type = plan->options->mix.type;
    const struct dtype_traits *traits = dtype_traits(type);
    if (!synth_format_known(type)) return fail(STATUS_USAGE, "type %s cannot hold weights", traits->name);
    TRY(gguf_mix_check(plan->options->mix));
    if (plan->gguf && traits->gguf_type < 0)
        return fail(STATUS_USAGE,
                    "GGUF cannot hold fp8; a name without .gguf makes a Hugging Face directory");
    if (!plan->gguf && !traits->safetensors_name)
        return fail(STATUS_USAGE, "type %s is one of GGUF: the output's name must end in .gguf",
                    traits->name);
    return STATUS_OK;
}

static bool ends_in(const char *text, const char *end) {
    size_t bytes = strlen(text), tail = strlen(end);
    return bytes >= tail && !strcasecmp(text + bytes - tail, end);
}

enum status synth_plan_open(struct synth_plan *plan, const struct synth_options *options) {
    *plan = (struct synth_plan){.options = options, .gguf = ends_in(options->path, ".gguf")};
    enum status status = check_type(plan);
    if (status == STATUS_OK) status = read_config(plan);
    if (status == STATUS_OK) status = append_all(plan);
    for (size_t i = 0; i < plan->items && status == STATUS_OK; i++) {
        enum dtype dtype = plan->item[i].dtype;
        if (plan->format[dtype].deviation == 0) plan->format[dtype] = synth_format_of(dtype);
    }
    if (status != STATUS_OK) synth_plan_close(plan);
    return status;
}

void synth_plan_close(struct synth_plan *plan) {
    json_decref(plan->config);
    free(plan->item);
    *plan = (struct synth_plan){0};
}

/* ---- one tensor ---- */

void synth_item_name(const struct synth_plan *plan, const struct synth_item *item,
                     char name[SYNTH_NAME_BYTES]) {
    weight_name(&weight_rows()[item->weight], plan->gguf, item->layer, item->expert, name, SYNTH_NAME_BYTES);
    if (item->scale) strncat(name, "_scale_inv", SYNTH_NAME_BYTES - strlen(name) - 1);
}

/* What the layers add to the residual stream grows, over all of them, to about a third of the embedding. Else rounding
 * in the first layers would decide the last ones' output, and no two programs would agree on it. */
static double gain(const struct synth_plan *plan, enum weight weight) {
    const double residual = 2 / sqrt(2.0 * plan->desc.layers);
    switch (weight) {
    case WEIGHT_HEAD:
    case WEIGHT_MTP_HEAD: return 1.4; /* times the rows' own gains: the largest logits lie around 13 */
    case WEIGHT_ROUTER: return 1.5;
    case WEIGHT_OUTPUT:
    case WEIGHT_LATENT_OUTPUT:
    case WEIGHT_DOWN:
    case WEIGHT_SHARED_DOWN: return residual;
    case WEIGHT_EXPERT_DOWN: return residual / fmax(plan->desc.routed_scale, 1);
    default: return 1;
    }
}

/* Inputs of one output value: the row, but k_b is stored transposed, [heads, kv_rank, nope_dim]. */
static double inputs(const struct synth_item *item) {
    return (double)item->shape[item->weight == WEIGHT_K_B ? 1 : item->rank - 1];
}

static struct synth_pattern pattern_of(const struct synth_plan *plan, const struct synth_item *item) {
    const struct synth_format *format = &plan->format[item->dtype];
    if (item->scale) {
        int64_t shape[3];
        weight_shape(&plan->desc, item->weight, shape);
        double scale =
            gain(plan, item->weight) / sqrt((double)shape[1]) / plan->format[DTYPE_F8_E4M3].deviation;
        return synth_pattern_of(format, scale, 0.2 * scale);
    }
    switch (item->weight) {
    case WEIGHT_EMBED:
        if (plan->desc.tied_head) break; /* its values as a head */
        return synth_pattern_of(format, 0, 3);
    case WEIGHT_MTP_EMBED: return synth_pattern_of(format, 0, 3);
    case WEIGHT_ROUTER_BIAS: return synth_pattern_of(format, 0, 0.05);
    case WEIGHT_Q_BIAS:
    case WEIGHT_K_BIAS:
    case WEIGHT_V_BIAS:
    case WEIGHT_OUTPUT_BIAS: return synth_pattern_of(format, 0, 0.1);
    default: break;
    }
    if (item->rank == 1) return synth_pattern_of(format, 1, 0.1); /* norms */
    if (item->dtype == DTYPE_F8_E4M3) return synth_pattern_of(format, 0, format->deviation);
    return synth_pattern_of(format, 0, gain(plan, item->weight) / sqrt(inputs(item)));
}

static enum status write_rope_divisors(const struct synth_plan *plan, struct weight_stream *stream) {
    int dim = model_rope_dim(&plan->desc);
    float *divisor = calloc((size_t)dim, sizeof *divisor);
    if (!divisor) return fail(STATUS_MEMORY, "no memory for %d frequencies", dim);
    enum status status = gguf_rope_divisors(&plan->desc.rope, dim, divisor);
    if (status == STATUS_OK)
        status = weight_stream_literal(stream, divisor, (size_t)(dim / 2) * sizeof *divisor);
    free(divisor);
    return status;
}

/* Each chunk has its own stream of random numbers: the bytes depend on the tensor's seed alone. */
struct random_tensor {
    const struct synth_pattern *pattern;
    uint64_t seed;
    int64_t elements;
};

static void make_random(void *context, int worker, int64_t chunk, uint8_t *data) {
    const struct random_tensor *tensor = context;
    struct rng rng;
    int64_t first = chunk * CHUNK_ELEMENTS;
    (void)worker;
    rng_seed_stream(&rng, tensor->seed, (uint64_t)chunk);
    synth_fill(tensor->pattern, &rng, first, data, min_i64(CHUNK_ELEMENTS, tensor->elements - first));
}

static enum status write_random(const struct synth_item *item, const struct synth_pattern *pattern,
                                uint64_t seed, struct weight_stream *stream) {
    const struct dtype_traits *traits = dtype_traits(item->dtype);
    struct random_tensor tensor = {pattern, seed, item->elements};
    struct weight_chunks chunks = {
        .make = make_random,
        .context = &tensor,
        .chunks = divide_up(item->elements, CHUNK_ELEMENTS),
        .chunk_bytes = (size_t)(CHUNK_ELEMENTS / traits->block_elements * traits->block_bytes),
        .bytes = item->bytes};
    return weight_stream_write(stream, &chunks);
}

enum status synth_item_write(const struct synth_plan *plan, const struct synth_item *item,
                             struct weight_stream *stream) {
    char name[SYNTH_NAME_BYTES];
    if (item->weight == WEIGHT_ROPE_DIVISOR) return write_rope_divisors(plan, stream);
    struct synth_pattern pattern = pattern_of(plan, item);
    synth_item_name(plan, item, name);
    uint64_t seed = XXH3_64bits_withSeed(name, strlen(name), plan->options->seed);
    if (item->weight == WEIGHT_HEAD || item->weight == WEIGHT_MTP_HEAD) {
        pattern.row_elements = item->shape[1];
        pattern.row_seed = seed + 1;
    }
    return write_random(item, &pattern, seed, stream);
}
