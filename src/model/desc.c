/* desc.c - reading config.json into struct model_desc, and what follows from its numbers. */
#include "model/desc.h"

#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a model_type means. A new checkpoint of known mechanisms is one row here. */
struct family {
    const char *model_type;
    enum attention attention;
    bool qkv_bias; /* where the config has no attention_bias field */
    bool interleaved;
};
static const struct family families[] = {
    {"deepseek_v2", ATTEND_LATENT, false, true},
    {"deepseek_v3", ATTEND_LATENT, false, true},
    {"qwen2", ATTEND_GROUPED, true, false},
    {"llama", ATTEND_GROUPED, false, false},
};

static const struct family *family_find(const char *model_type) {
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (!strcmp(families[i].model_type, model_type)) return &families[i];
    return NULL;
}

/* ---- single fields ---- */

static enum status get_int(struct json_reader reader, const char *field, int64_t low, int64_t high,
                           int *value) {
    int64_t wide;
    TRY(json_get_int(reader, field, low, high, &wide));
    *value = (int)wide;
    return STATUS_OK;
}

static enum status get_int_or(struct json_reader reader, const char *field, int64_t low, int64_t high,
                              int64_t fallback, int *value) {
    int64_t wide;
    TRY(json_get_int_or(reader, field, low, high, fallback, &wide));
    *value = (int)wide;
    return STATUS_OK;
}

/* ---- parts of a config ---- */

static enum status read_yarn(struct rope_desc *rope, struct json_reader part) {
    rope->scaling = ROPE_YARN;
    TRY(json_get_real_or(part, "beta_fast", 1e-3, 1e6, 32, &rope->beta_fast));
    TRY(json_get_real_or(part, "beta_slow", 1e-3, 1e6, 1, &rope->beta_slow));
    TRY(json_get_real_or(part, "mscale", 0, 1e3, 0, &rope->mscale));
    TRY(json_get_real_or(part, "mscale_all_dim", 0, 1e3, 0, &rope->mscale_all_dim));
    if (json_object_get(part.object, "mscale_all_dim") && !rope->mscale) rope->mscale = 1;
    return STATUS_OK;
}

static enum status read_scaling(struct rope_desc *rope, struct json_reader part, int64_t context) {
    const char *kind, *legacy;
    TRY(json_get_text_or(part, "type", "default", &legacy));
    TRY(json_get_text_or(part, "rope_type", legacy, &kind));
    if (!strcmp(kind, "default")) return STATUS_OK;
    const json_t *factor = json_object_get(part.object, "factor");
    if (!factor || json_is_null(factor))
        return fail(STATUS_FORMAT, "%s: field \"factor\" is missing", part.origin);
    TRY(json_get_real_or(part, "factor", 1e-3, 1e6, 1, &rope->factor));
    TRY(json_get_int_or(part, "original_max_position_embeddings", 1, MODEL_MAX_CONTEXT, context,
                        &rope->original_context));
    if (!strcmp(kind, "yarn")) return read_yarn(rope, part);
    if (!strcmp(kind, "linear")) {
        rope->scaling = ROPE_LINEAR;
        return STATUS_OK;
    }
    if (strcmp(kind, "llama3"))
        return fail(STATUS_UNSUPPORTED, "%s: type \"%.32s\" is not known (default, linear, yarn, llama3)",
                    part.origin, kind);
    rope->scaling = ROPE_LLAMA3;
    TRY(json_get_real_or(part, "low_freq_factor", 1e-6, 1e6, 1, &rope->low_freq_factor));
    return json_get_real_or(part, "high_freq_factor", 1e-6, 1e6, 4, &rope->high_freq_factor);
}

/* Older writers put rope_theta beside rope_scaling, newer ones both into rope_parameters. */
static enum status read_rope(struct model_desc *desc, struct json_reader reader) {
    const char *field = "rope_parameters";
    const json_t *scaling = json_object_get(reader.object, field);
    if (!json_is_object(scaling)) scaling = json_object_get(reader.object, field = "rope_scaling");
    TRY(json_get_real_or(reader, "rope_theta", 1, 1e12, 10000, &desc->rope.base));
    if (!scaling || json_is_null(scaling)) return STATUS_OK;
    if (!json_is_object(scaling))
        return fail(STATUS_FORMAT, "%s: field \"%s\" must be an object", reader.origin, field);
    char origin[512];
    snprintf(origin, sizeof origin, "%s: %s", reader.origin, field);
    struct json_reader part = {scaling, origin};
    TRY(json_get_real_or(part, "rope_theta", 1, 1e12, desc->rope.base, &desc->rope.base));
    return read_scaling(&desc->rope, part, desc->context);
}

static enum status read_latent(struct model_desc *desc, struct json_reader reader) {
    TRY(get_int_or(reader, "q_lora_rank", 0, MODEL_MAX_WIDTH, 0, &desc->q_rank));
    TRY(get_int(reader, "kv_lora_rank", 1, MODEL_MAX_WIDTH, &desc->kv_rank));
    TRY(get_int(reader, "qk_nope_head_dim", 1, MODEL_MAX_WIDTH, &desc->nope_dim));
    TRY(get_int(reader, "qk_rope_head_dim", 2, MODEL_MAX_WIDTH, &desc->rope_dim));
    TRY(get_int(reader, "v_head_dim", 1, MODEL_MAX_WIDTH, &desc->value_dim));
    return STATUS_OK;
}

static enum status read_grouped(struct model_desc *desc, struct json_reader reader) {
    TRY(get_int_or(reader, "num_key_value_heads", 1, MODEL_MAX_HEADS, desc->heads, &desc->kv_heads));
    if (desc->width % desc->heads && !json_is_integer(json_object_get(reader.object, "head_dim")))
        return fail(
            STATUS_FORMAT,
            "%s: hidden_size %lld is not a multiple of num_attention_heads %d and head_dim is missing",
            reader.origin, (long long)desc->width, desc->heads);
    TRY(get_int_or(reader, "head_dim", 2, MODEL_MAX_WIDTH, desc->width / desc->heads, &desc->head_dim));
    bool sliding;
    TRY(json_get_bool_or(reader, "use_sliding_window", false, &sliding));
    if (sliding) return fail(STATUS_UNSUPPORTED, "%s: use_sliding_window is not supported", reader.origin);
    return STATUS_OK;
}

static enum status read_router(struct model_desc *desc, struct json_reader reader, enum router *router) {
    const char *method, *scoring;
    bool v3 = !strcmp(desc->architecture, "deepseek_v3");
    TRY(json_get_text_or(reader, "topk_method", v3 ? "noaux_tc" : "greedy", &method));
    TRY(json_get_text_or(reader, "scoring_func", v3 ? "sigmoid" : "softmax", &scoring));
    if (!strcmp(method, "noaux_tc") && !strcmp(scoring, "sigmoid"))
        *router = ROUTE_SIGMOID_BIASED;
    else if (!strcmp(method, "greedy") && !strcmp(scoring, "softmax"))
        *router = ROUTE_SOFTMAX_GREEDY;
    else if (!strcmp(method, "group_limited_greedy") && !strcmp(scoring, "softmax"))
        *router = ROUTE_GROUP_LIMITED;
    else
        return fail(STATUS_UNSUPPORTED, "%s: topk_method \"%.32s\" with scoring_func \"%.32s\" is not known",
                    reader.origin, method, scoring);
    return STATUS_OK;
}

static enum status read_experts(struct model_desc *desc, struct json_reader reader) {
    int dense_layers, every;
    enum router router = ROUTE_SOFTMAX_GREEDY;
    TRY(get_int_or(reader, "n_routed_experts", 0, MODEL_MAX_EXPERTS, 0, &desc->experts));
    TRY(get_int_or(reader, "first_k_dense_replace", 0, MODEL_MAX_LAYERS, 0, &dense_layers));
    TRY(get_int_or(reader, "moe_layer_freq", 1, MODEL_MAX_LAYERS, 1, &every));
    if (desc->experts) {
        TRY(get_int(reader, "num_experts_per_tok", 1, desc->experts, &desc->experts_used));
        TRY(json_get_int(reader, "moe_intermediate_size", 1, MODEL_MAX_WIDTH, &desc->expert_ffn));
        TRY(get_int_or(reader, "n_shared_experts", 0, MODEL_MAX_EXPERTS, 0, &desc->shared_experts));
        TRY(get_int_or(reader, "n_group", 1, MODEL_MAX_EXPERTS, 1, &desc->expert_groups));
        TRY(get_int_or(reader, "topk_group", 1, MODEL_MAX_EXPERTS, 1, &desc->groups_used));
        TRY(json_get_bool_or(reader, "norm_topk_prob", false, &desc->normalise_weights));
        TRY(json_get_real_or(reader, "routed_scaling_factor", 1e-6, 1e6, 1, &desc->routed_scale));
        TRY(read_router(desc, reader, &router));
        if (router == ROUTE_SOFTMAX_GREEDY)
            desc->expert_groups = desc->groups_used = 1; /* greedy ignores them */
    }
    for (int i = 0; i < desc->layers + desc->mtp_layers; i++) {
        bool experts = desc->experts && i >= dense_layers && i % every == 0;
        desc->layer[i].ffn = experts ? FFN_EXPERTS : FFN_DENSE;
        desc->layer[i].router = router;
    }
    return STATUS_OK;
}

static enum status read_ids(struct model_desc *desc, struct json_reader reader) {
    int64_t id;
    TRY(json_get_int_or(reader, "bos_token_id", -1, desc->vocab - 1, -1, &id));
    desc->bos = (int32_t)id;
    const json_t *eos = json_object_get(reader.object, "eos_token_id");
    size_t count = json_is_array(eos) ? json_array_size(eos) : eos && !json_is_null(eos) ? 1 : 0;
    if (count > MODEL_MAX_EOS)
        return fail(STATUS_LIMIT, "%s: eos_token_id lists %zu ids, the limit is %d", reader.origin, count,
                    MODEL_MAX_EOS);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_is_array(eos) ? json_array_get(eos, i) : eos;
        json_int_t value = json_is_integer(item) ? json_integer_value(item) : -1;
        if (value < 0 || value >= desc->vocab)
            return fail(STATUS_FORMAT, "%s: eos_token_id must be ids below vocab_size %lld", reader.origin,
                        (long long)desc->vocab);
        desc->eos[desc->eos_count++] = (int32_t)value;
    }
    return STATUS_OK;
}

static enum status read_quantization(struct model_desc *desc, struct json_reader reader) {
    const json_t *quantization = json_object_get(reader.object, "quantization_config");
    if (!quantization || json_is_null(quantization)) return STATUS_OK;
    if (!json_is_object(quantization))
        return fail(STATUS_FORMAT, "%s: field \"quantization_config\" must be an object", reader.origin);
    const char *method, *format;
    struct json_reader part = {quantization, reader.origin};
    TRY(json_get_text_or(part, "quant_method", "", &method));
    TRY(json_get_text_or(part, "fmt", "e4m3", &format));
    if (strcmp(method, "fp8") || strcmp(format, "e4m3"))
        return fail(STATUS_UNSUPPORTED,
                    "%s: quant_method \"%.32s\" with fmt \"%.32s\" is not known (fp8, e4m3)", reader.origin,
                    method, format);
    const json_t *block = json_object_get(quantization, "weight_block_size");
    desc->fp8_block[0] = desc->fp8_block[1] = 128;
    if (!block || json_is_null(block)) return STATUS_OK;
    for (size_t i = 0; i < 2; i++) {
        json_int_t extent = json_integer_value(json_array_get(block, i));
        if (json_array_size(block) != 2 || extent < 1 || extent > UINT16_MAX)
            return fail(STATUS_FORMAT, "%s: weight_block_size must be two numbers of 1 to 65535",
                        reader.origin);
        desc->fp8_block[i] = extent;
    }
    return STATUS_OK;
}

static enum status read_common(struct model_desc *desc, struct json_reader reader,
                               const struct family *family) {
    double epsilon;
    const char *activation;
    TRY(json_get_int(reader, "vocab_size", 1, MODEL_MAX_VOCAB, &desc->vocab));
    TRY(json_get_int(reader, "hidden_size", 1, MODEL_MAX_WIDTH, &desc->width));
    TRY(get_int(reader, "num_hidden_layers", 1, MODEL_MAX_LAYERS - MODEL_MAX_MTP, &desc->layers));
    TRY(get_int_or(reader, "num_nextn_predict_layers", 0, 8, 0, &desc->mtp_layers));
    TRY(get_int(reader, "num_attention_heads", 1, MODEL_MAX_HEADS, &desc->heads));
    TRY(json_get_int(reader, "intermediate_size", 1, MODEL_MAX_WIDTH, &desc->dense_ffn));
    TRY(json_get_int_or(reader, "max_position_embeddings", 1, MODEL_MAX_CONTEXT, 4096, &desc->context));
    TRY(json_get_real_or(reader, "rms_norm_eps", 0, 1, 1e-6, &epsilon));
    desc->norm_epsilon = (float)epsilon;
    TRY(json_get_text_or(reader, "hidden_act", "silu", &activation));
    if (strcmp(activation, "silu"))
        return fail(STATUS_UNSUPPORTED, "%s: hidden_act \"%.32s\" is not known (silu)", reader.origin,
                    activation);
    TRY(json_get_bool_or(reader, "tie_word_embeddings", false, &desc->tied_head));
    TRY(json_get_bool_or(reader, "attention_bias", family->qkv_bias, &desc->qkv_bias));
    /* Qwen2 biases q, k, v alone; Llama's attention_bias covers the output projection too. */
    desc->output_bias = desc->qkv_bias && !family->qkv_bias;
    bool ffn_bias;
    TRY(json_get_bool_or(reader, "mlp_bias", false, &ffn_bias));
    if (ffn_bias || (desc->qkv_bias && family->attention == ATTEND_LATENT))
        return fail(STATUS_UNSUPPORTED,
                    "%s: biases of this layer kind (mlp_bias, attention_bias) are not supported",
                    reader.origin);
    return STATUS_OK;
}

enum status model_desc_from_config(struct model_desc *desc, const json_t *config, const char *origin) {
    *desc = (struct model_desc){.bos = -1, .routed_scale = 1};
    struct json_reader reader = {config, origin};
    const char *model_type;
    if (!json_is_object(config)) return fail(STATUS_FORMAT, "%s: must be a JSON object", origin);
    TRY(json_get_text_or(reader, "model_type", "", &model_type));
    const struct family *family = family_find(model_type);
    if (!family)
        return fail(STATUS_UNSUPPORTED,
                    "%s: model_type \"%.32s\" is not known (deepseek_v2, deepseek_v3, qwen2, llama)", origin,
                    model_type);
    snprintf(desc->architecture, sizeof desc->architecture, "%s", model_type);
    desc->rope.interleaved = family->interleaved;
    TRY(read_common(desc, reader, family));
    for (int i = 0; i < desc->layers + desc->mtp_layers; i++) desc->layer[i].attention = family->attention;
    TRY(family->attention == ATTEND_LATENT ? read_latent(desc, reader) : read_grouped(desc, reader));
    TRY(read_rope(desc, reader));
    TRY(read_experts(desc, reader));
    TRY(read_quantization(desc, reader));
    TRY(read_ids(desc, reader));
    return model_desc_finish(desc, origin);
}

/* ---- what follows from the numbers ---- */

int model_rope_dim(const struct model_desc *desc) {
    return desc->layer[0].attention == ATTEND_LATENT ? desc->rope_dim : desc->head_dim;
}

/* YaRN's magnitude correction: 0.1 m ln(s) + 1 */
static double yarn_magnitude(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* Sentences name the field of config.json; GGUF's keys say the same in longer words. */
static enum status check_experts(const struct model_desc *desc, const char *origin) {
    if (!desc->experts) return STATUS_OK;
    if (desc->experts % desc->expert_groups || desc->groups_used > desc->expert_groups)
        return fail(STATUS_FORMAT, "%s: %d experts in n_group %d with topk_group %d do not fit together",
                    origin, desc->experts, desc->expert_groups, desc->groups_used);
    int reachable = desc->experts / desc->expert_groups * desc->groups_used;
    if (desc->experts_used > reachable)
        return fail(STATUS_FORMAT,
                    "%s: num_experts_per_tok %d is more than the %d experts of topk_group %d groups", origin,
                    desc->experts_used, reachable, desc->groups_used);
    return STATUS_OK;
}

static enum status check_rope(const struct model_desc *desc, const char *origin) {
    const struct rope_desc *rope = &desc->rope;
    if (model_rope_dim(desc) % 2)
        return fail(STATUS_FORMAT, "%s: the rotated head width (%s) %d is odd", origin,
                    desc->layer[0].attention == ATTEND_LATENT ? "qk_rope_head_dim" : "head_dim",
                    model_rope_dim(desc));
    if (rope->scaling == ROPE_YARN && (rope->base <= 1 || rope->beta_fast < rope->beta_slow))
        return fail(STATUS_FORMAT,
                    "%s: YaRN needs rope_theta above 1 and beta_fast not below beta_slow, found %g, %g, %g",
                    origin, rope->base, rope->beta_fast, rope->beta_slow);
    if (rope->scaling == ROPE_LLAMA3 && rope->high_freq_factor <= rope->low_freq_factor)
        return fail(STATUS_FORMAT, "%s: rope_scaling high_freq_factor %g is not above low_freq_factor %g",
                    origin, rope->high_freq_factor, rope->low_freq_factor);
    return STATUS_OK;
}

enum status model_desc_finish(struct model_desc *desc, const char *origin) {
    bool latent = desc->layer[0].attention == ATTEND_LATENT;
    int64_t head = latent ? (int64_t)desc->nope_dim + desc->rope_dim : desc->head_dim, widest;
    if (!multiply_fits(head + desc->value_dim, desc->heads, &widest) || widest > INT32_MAX)
        return fail(STATUS_LIMIT, "%s: %d heads of width %lld are more than %d values", origin, desc->heads,
                    (long long)(head + desc->value_dim), INT32_MAX);
    if (!latent && desc->heads % desc->kv_heads)
        return fail(STATUS_FORMAT, "%s: num_attention_heads %d is not a multiple of num_key_value_heads %d",
                    origin, desc->heads, desc->kv_heads);
    TRY(check_rope(desc, origin));
    TRY(check_experts(desc, origin));
    if (desc->experts_used == 1) desc->normalise_weights = false; /* one weight is never divided by itself */
    double scale = 1 / sqrt((double)head);
    if (latent && desc->rope.scaling == ROPE_YARN && desc->rope.mscale_all_dim) {
        double magnitude = yarn_magnitude(desc->rope.factor, desc->rope.mscale_all_dim);
        scale *= magnitude * magnitude;
    }
    desc->attention_scale = (float)scale;
    return STATUS_OK;
}

/* The dimension index at which `rotations` full turns fit into the original context (YaRN). */
static double yarn_dimension(const struct rope_desc *rope, int dim, double rotations) {
    return dim * log((double)rope->original_context / (rotations * 2 * M_PI)) / (2 * log(rope->base));
}

static void yarn_blend(const struct rope_desc *rope, int dim, double *frequency) {
    double low = fmax(floor(yarn_dimension(rope, dim, rope->beta_fast)), 0);
    double high = fmin(ceil(yarn_dimension(rope, dim, rope->beta_slow)), dim - 1);
    if (low == high) high += 0.001;
    for (int i = 0; i < dim / 2; i++) {
        double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
        frequency[i] = frequency[i] / rope->factor * ramp + frequency[i] * (1 - ramp);
    }
}

static void llama3_blend(const struct rope_desc *rope, int dim, double *frequency) {
    for (int i = 0; i < dim / 2; i++) {
        double wavelength = 2 * M_PI / frequency[i];
        double turns = (double)rope->original_context / wavelength;
        double keep = (turns - rope->low_freq_factor) / (rope->high_freq_factor - rope->low_freq_factor);
        keep = fmin(fmax(keep, 0), 1); /* 0: long waves, scaled; 1: short waves, kept */
        frequency[i] *= keep + (1 - keep) / rope->factor;
    }
}

void rope_frequencies(const struct rope_desc *rope, int dim, double *frequency, double *multiplier) {
    *multiplier = 1;
    for (int i = 0; i < dim / 2; i++) frequency[i] = pow(rope->base, -2.0 * i / dim);
    switch (rope->scaling) {
    case ROPE_PLAIN: return;
    case ROPE_LINEAR:
        for (int i = 0; i < dim / 2; i++) frequency[i] /= rope->factor;
        return;
    case ROPE_LLAMA3: llama3_blend(rope, dim, frequency); return;
    case ROPE_YARN:
        yarn_blend(rope, dim, frequency);
        if (rope->mscale || rope->mscale_all_dim)
            *multiplier = yarn_magnitude(rope->factor, rope->mscale) /
                          yarn_magnitude(rope->factor, rope->mscale_all_dim);
        else
            *multiplier = yarn_magnitude(rope->factor, 1);
        return;
    }
}
