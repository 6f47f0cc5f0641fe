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

enum { FP8_BLOCK = 128 };

/* ---- number formats ---- */

/* A row that is no whole number of large blocks takes the next better format of small ones; one that is none of small
 * blocks either stays plain. The same choices as llama-quantize's. */
static enum dtype type_for_row(enum dtype type, int64_t row) {
    const struct dtype_traits *traits = dtype_traits(type);
    if (row % traits->block_elements == 0) return type;
    enum dtype small = type == DTYPE_Q4_K   ? DTYPE_Q5_0
                       : type == DTYPE_Q5_K ? DTYPE_Q5_1
                       : type == DTYPE_Q6_K ? DTYPE_Q8_0
                                            : DTYPE_IQ4_NL;
    return row % dtype_traits(small)->block_elements == 0 ? small : DTYPE_F16;
}

/* llama.cpp cannot multiply by k_b and v_b in the formats that it gives to AMX. */
static enum dtype type_for_absorbed(enum dtype type, int64_t row) {
    if (type == DTYPE_F32 || type == DTYPE_BF16) return type;
    if (type == DTYPE_F16 || type == DTYPE_Q8_0) return DTYPE_BF16;
    return row % dtype_traits(DTYPE_Q5_0)->block_elements == 0 ? DTYPE_Q5_0 : DTYPE_BF16;
}

/* Which tensors the mixes of llama-quantize hold in Q6_K: the head, and in the first and last eighth of the layers and
 * every third one between them the values and the projections out of the feed-forward. */
static bool is_raised(const struct synth_plan *plan, enum weight weight, int layer) {
    int layers = plan->desc.layers, eighth = layers / 8;
    if (!plan->options->medium) return false;
    if (weight == WEIGHT_HEAD) return true;
    if (weight != WEIGHT_V && weight != WEIGHT_DOWN && weight != WEIGHT_EXPERT_DOWN &&
        weight != WEIGHT_SHARED_DOWN)
        return false;
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

static enum dtype gguf_type(const struct synth_plan *plan, enum weight weight, int layer, int64_t row) {
    enum dtype type = plan->options->type;
    if (weight_rows()[weight].kind != WEIGHT_MATRIX) return DTYPE_F32;
    if (weight == WEIGHT_K_B || weight == WEIGHT_V_B) return type_for_absorbed(type, row);
    return type_for_row(is_raised(plan, weight, layer) ? DTYPE_Q6_K : type, row);
}

/* As published FP8 checkpoints: embedding, head and what routes stay BF16, the router's bias F32. */
static enum dtype hugging_face_type(const struct synth_plan *plan, enum weight weight) {
    enum dtype type = plan->options->type;
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
    const struct weight_row *row = &weight_rows()[weight];
    if (!(plan->gguf ? row->gguf : row->hugging_face) || !weight_exists(&plan->desc, weight, layer))
        return false;
    if (plan->gguf && weight == WEIGHT_KV_B) return false; /* as k_b and v_b */
    if (weight == WEIGHT_ROPE_DIVISOR) return plan->desc.rope.scaling == ROPE_LLAMA3;
    return true;
}

static enum status append_weight(struct synth_plan *plan, enum weight weight, int layer, int expert) {
    struct synth_item item = {.weight = weight, .layer = layer, .expert = expert};
    item.rank = weight_shape(&plan->desc, weight, item.shape);
    if (plan->gguf && weight_rows()[weight].copies == PER_EXPERT) {
        memmove(item.shape + 1, item.shape, 2 * sizeof *item.shape);
        item.shape[0] = plan->desc.experts;
        item.rank = 3;
    }
    item.dtype = plan->gguf ? gguf_type(plan, weight, layer, item.shape[item.rank - 1])
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
    describe_quantization(plan->config, options->type);
    TRY(model_desc_from_config(&plan->desc, plan->config, options->origin));
    if (plan->gguf) plan->desc.mtp_layers = 0; /* other readers of the format know no MTP of these models */
    return STATUS_OK;
}

static enum status check_type(const struct synth_plan *plan) {
    enum dtype type = plan->options->type;
    const struct dtype_traits *traits = dtype_traits(type);
    if (!synth_format_known(type)) return fail(STATUS_USAGE, "type %s cannot hold weights", traits->name);
    if (plan->options->medium && type != DTYPE_Q4_K && type != DTYPE_Q5_K)
        return fail(STATUS_USAGE, "there is no mix of type %s, only of q4_k and q5_k", traits->name);
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

/* rope_freqs: what Llama 3's scaling divides each frequency by. */
static enum status write_rope_divisors(const struct synth_plan *plan, struct synth_stream *stream) {
    int dim = model_rope_dim(&plan->desc), count = dim / 2;
    struct rope_desc plain = {.scaling = ROPE_PLAIN, .base = plan->desc.rope.base};
    double *scaled = calloc((size_t)dim, sizeof *scaled), *unscaled = scaled + count, multiplier;
    float *divisor = calloc((size_t)count, sizeof *divisor);
    enum status status = fail(STATUS_MEMORY, "no memory for %d frequencies", dim);
    if (scaled && divisor) {
        rope_frequencies(&plan->desc.rope, dim, scaled, &multiplier);
        rope_frequencies(&plain, dim, unscaled, &multiplier);
        for (int i = 0; i < count; i++) divisor[i] = (float)(unscaled[i] / scaled[i]);
        status = synth_stream_literal(stream, divisor, (size_t)count * sizeof *divisor);
    }
    free(scaled);
    free(divisor);
    return status;
}

enum status synth_item_write(const struct synth_plan *plan, const struct synth_item *item,
                             struct synth_stream *stream) {
    char name[SYNTH_NAME_BYTES];
    if (item->weight == WEIGHT_ROPE_DIVISOR) return write_rope_divisors(plan, stream);
    struct synth_pattern pattern = pattern_of(plan, item);
    synth_item_name(plan, item, name);
    uint64_t seed = XXH3_64bits_withSeed(name, strlen(name), plan->options->seed);
    if (item->weight == WEIGHT_HEAD || item->weight == WEIGHT_MTP_HEAD) {
        pattern.row_elements = item->shape[1];
        pattern.row_seed = seed + 1;
    }
    return synth_stream_tensor(stream, &pattern, seed, item->elements);
}
