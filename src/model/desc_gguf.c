/* desc_gguf.c - reading the keys of a GGUF file into struct model_desc: architectures deepseek2, qwen2, llama. */
#include "model/desc.h"

#include "base/bytes.h"

#include <stdio.h>
#include <string.h>

enum gating { GATING_SOFTMAX = 1, GATING_SIGMOID = 2 };

struct keys {
    const struct gguf *gguf;
    const char *prefix; /* "deepseek2" */
};

static const char *key_of(struct keys keys, const char *name, char text[96]) {
    snprintf(text, 96, "%s.%s", keys.prefix, name);
    return text;
}

static bool has_key(struct keys keys, const char *name) {
    char key[96];
    return gguf_find(keys.gguf, key_of(keys, name, key)) != NULL;
}

static enum status get_wide(struct keys keys, const char *name, int64_t low, int64_t high, int64_t *value) {
    char key[96];
    return gguf_get_int(keys.gguf, key_of(keys, name, key), low, high, value);
}

static enum status get_int(struct keys keys, const char *name, int64_t low, int64_t high, int *value) {
    int64_t wide;
    TRY(get_wide(keys, name, low, high, &wide));
    *value = (int)wide;
    return STATUS_OK;
}

static enum status get_int_or(struct keys keys, const char *name, int64_t low, int64_t high, int64_t fallback,
                              int *value) {
    char key[96];
    int64_t wide;
    TRY(gguf_get_int_or(keys.gguf, key_of(keys, name, key), low, high, fallback, &wide));
    *value = (int)wide;
    return STATUS_OK;
}

static enum status get_real_or(struct keys keys, const char *name, double low, double high, double fallback,
                               double *value) {
    char key[96];
    TRY(gguf_get_real_or(keys.gguf, key_of(keys, name, key), fallback, value));
    if (*value >= low && *value <= high) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: key %s is %g, allowed are %g to %g", keys.gguf->path, key, *value, low,
                high);
}

/* Router shapes that early files leave out, by the counts that identify the model. */
struct group_row {
    int experts, layers, groups, groups_used;
};
static const struct group_row known_groups[] = {
    {160, 60, 8, 3}, /* DeepSeek-V2, V2.5 */
    {256, 61, 8, 4}, /* DeepSeek-V3, R1 */
};

static enum status read_experts(struct model_desc *desc, struct keys keys) {
    int gating, leading;
    bool v3;
    char key[96];
    TRY(get_int_or(keys, "expert_count", 0, MODEL_MAX_EXPERTS, 0, &desc->experts));
    TRY(get_int_or(keys, "leading_dense_block_count", 0, MODEL_MAX_LAYERS, 0, &leading));
    if (!desc->experts) return STATUS_OK;
    if (desc->layer[0].attention != ATTEND_LATENT)
        return fail(STATUS_UNSUPPORTED, "%s: %s.expert_count %d: experts are supported in deepseek2 only",
                    keys.gguf->path, keys.prefix, desc->experts);
    TRY(get_int(keys, "expert_used_count", 1, desc->experts, &desc->experts_used));
    TRY(get_wide(keys, "expert_feed_forward_length", 1, MODEL_MAX_WIDTH, &desc->expert_ffn));
    TRY(get_int_or(keys, "expert_shared_count", 0, MODEL_MAX_EXPERTS, 0, &desc->shared_experts));
    TRY(get_int_or(keys, "expert_gating_func", 0, 4, 0, &gating));
    if (gating > GATING_SIGMOID)
        return fail(STATUS_UNSUPPORTED, "%s: expert_gating_func %d is not known (1 softmax, 2 sigmoid)",
                    keys.gguf->path, gating);
    v3 = gating == GATING_SIGMOID;
    struct group_row groups = {desc->experts, desc->layers, 1, 1};
    for (size_t i = 0; i < COUNT_OF(known_groups); i++)
        if (known_groups[i].experts == desc->experts && known_groups[i].layers == desc->layers)
            groups = known_groups[i];
    TRY(get_int_or(keys, "expert_group_count", 1, MODEL_MAX_EXPERTS, groups.groups, &desc->expert_groups));
    TRY(get_int_or(keys, "expert_group_used_count", 1, MODEL_MAX_EXPERTS, groups.groups_used,
                   &desc->groups_used));
    TRY(get_real_or(keys, "expert_weights_scale", 0, 1e6, 1, &desc->routed_scale));
    if (!desc->routed_scale) desc->routed_scale = 1; /* some writers store 0 for "none" */
    TRY(gguf_get_bool_or(keys.gguf, key_of(keys, "expert_weights_norm", key), v3, &desc->normalise_weights));
    enum router router = v3                        ? ROUTE_SIGMOID_BIASED
                         : desc->expert_groups > 1 ? ROUTE_GROUP_LIMITED
                                                   : ROUTE_SOFTMAX_GREEDY;
    for (int i = leading; i < desc->layers + desc->mtp_layers; i++)
        desc->layer[i] = (struct layer_desc){desc->layer[i].attention, FFN_EXPERTS, router};
    return STATUS_OK;
}

static enum status read_latent(struct model_desc *desc, struct keys keys) {
    int key_length, value_length;
    TRY(get_int_or(keys, "attention.q_lora_rank", 0, MODEL_MAX_WIDTH, 0, &desc->q_rank));
    TRY(get_int(keys, "attention.kv_lora_rank", 1, MODEL_MAX_WIDTH, &desc->kv_rank));
    TRY(get_int(keys, "rope.dimension_count", 2, MODEL_MAX_WIDTH, &desc->rope_dim));
    /* Files with the absorbed layout keep the head's own widths under *_mla. */
    bool absorbed = has_key(keys, "attention.key_length_mla");
    TRY(get_int(keys, absorbed ? "attention.key_length_mla" : "attention.key_length", 2, MODEL_MAX_WIDTH,
                &key_length));
    TRY(get_int(keys, absorbed ? "attention.value_length_mla" : "attention.value_length", 1, MODEL_MAX_WIDTH,
                &value_length));
    if (key_length <= desc->rope_dim)
        return fail(STATUS_FORMAT, "%s: key length %d is not more than rope.dimension_count %d",
                    keys.gguf->path, key_length, desc->rope_dim);
    desc->nope_dim = key_length - desc->rope_dim;
    desc->value_dim = value_length;
    return STATUS_OK;
}

static enum status read_grouped(struct model_desc *desc, struct keys keys) {
    TRY(get_int_or(keys, "attention.head_count_kv", 1, MODEL_MAX_HEADS, desc->heads, &desc->kv_heads));
    int64_t fallback = desc->width / desc->heads;
    if (desc->width % desc->heads && !has_key(keys, "attention.key_length"))
        return fail(STATUS_FORMAT,
                    "%s: %s.embedding_length %lld is no multiple of attention.head_count %d and "
                    "attention.key_length is missing",
                    keys.gguf->path, keys.prefix, (long long)desc->width, desc->heads);
    TRY(get_int_or(keys, "attention.key_length", 2, MODEL_MAX_WIDTH, fallback > 2 ? fallback : 2,
                   &desc->head_dim));
    static const char *const equal_keys[] = {"attention.value_length", "rope.dimension_count"};
    for (size_t i = 0; i < COUNT_OF(equal_keys); i++) {
        int width;
        TRY(get_int_or(keys, equal_keys[i], 0, MODEL_MAX_WIDTH, desc->head_dim, &width));
        if (width != desc->head_dim)
            return fail(STATUS_UNSUPPORTED, "%s: %s.%s is %d; only the width of a head, %d, is supported",
                        keys.gguf->path, keys.prefix, equal_keys[i], width, desc->head_dim);
    }
    return STATUS_OK;
}

static enum status read_rope(struct model_desc *desc, struct keys keys) {
    struct rope_desc *rope = &desc->rope;
    const char *kind;
    char key[96], text[16] = "none";
    TRY(get_real_or(keys, "rope.freq_base", 1, 1e12, 10000, &rope->base));
    const struct gguf_value *value = gguf_find(keys.gguf, key_of(keys, "rope.scaling.type", key));
    if (value && value->type == GGUF_STRING)
        snprintf(text, sizeof text, "%.*s", (int)min_i64((int64_t)value->text->bytes, 15), value->text->data);
    kind = text;
    if (!strcmp(kind, "none")) return STATUS_OK;
    TRY(get_real_or(keys, "rope.scaling.factor", 1e-3, 1e6, 1, &rope->factor));
    int original;
    TRY(get_int_or(keys, "rope.scaling.original_context_length", 1, MODEL_MAX_CONTEXT, desc->context,
                   &original));
    rope->original_context = original;
    if (!strcmp(kind, "linear")) {
        rope->scaling = ROPE_LINEAR;
        return STATUS_OK;
    }
    if (strcmp(kind, "yarn"))
        return fail(STATUS_UNSUPPORTED, "%s: rope.scaling.type \"%s\" is not known (none, linear, yarn)",
                    keys.gguf->path, kind);
    rope->scaling = ROPE_YARN;
    double multiplier;
    TRY(get_real_or(keys, "rope.scaling.yarn_beta_fast", 1e-3, 1e6, 32, &rope->beta_fast));
    TRY(get_real_or(keys, "rope.scaling.yarn_beta_slow", 1e-3, 1e6, 1, &rope->beta_slow));
    /* deepseek2 stores a tenth of mscale_all_dim; the format has no place for mscale, which every published
     * model sets to the same value. */
    TRY(get_real_or(keys, "rope.scaling.yarn_log_multiplier", 0, 1e3, 0, &multiplier));
    rope->mscale = rope->mscale_all_dim = multiplier * 10;
    return STATUS_OK;
}

static enum status read_ids(struct model_desc *desc, const struct gguf *gguf) {
    static const char *const end_keys[] = {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"};
    int64_t id;
    TRY(gguf_get_int_or(gguf, "tokenizer.ggml.bos_token_id", -1, UINT32_MAX, -1, &id));
    desc->bos = id < desc->vocab ? (int32_t)id : -1;
    for (size_t i = 0; i < COUNT_OF(end_keys); i++) {
        TRY(gguf_get_int_or(gguf, end_keys[i], -1, UINT32_MAX, -1, &id));
        if (id >= 0 && id < desc->vocab) desc->eos[desc->eos_count++] = (int32_t)id;
    }
    return STATUS_OK;
}

static enum status read_vocab(struct model_desc *desc, struct keys keys) {
    if (has_key(keys, "vocab_size")) return get_wide(keys, "vocab_size", 1, MODEL_MAX_VOCAB, &desc->vocab);
    const struct gguf_value *tokens = gguf_find(keys.gguf, "tokenizer.ggml.tokens");
    if (!tokens || tokens->type != GGUF_ARRAY || tokens->count < 1 || tokens->count > MODEL_MAX_VOCAB)
        return fail(STATUS_FORMAT,
                    "%s: neither %s.vocab_size nor tokenizer.ggml.tokens gives the vocabulary size",
                    keys.gguf->path, keys.prefix);
    desc->vocab = (int64_t)tokens->count;
    return STATUS_OK;
}

static enum status read_common(struct model_desc *desc, struct keys keys) {
    double epsilon;
    int blocks;
    TRY(get_wide(keys, "embedding_length", 1, MODEL_MAX_WIDTH, &desc->width));
    TRY(get_int(keys, "block_count", 1, MODEL_MAX_LAYERS - MODEL_MAX_MTP, &blocks));
    TRY(get_int_or(keys, "nextn_predict_layers", 0, blocks > MODEL_MAX_MTP ? MODEL_MAX_MTP : blocks - 1, 0,
                   &desc->mtp_layers));
    desc->layers = blocks - desc->mtp_layers;
    TRY(get_int(keys, "attention.head_count", 1, MODEL_MAX_HEADS, &desc->heads));
    TRY(get_wide(keys, "feed_forward_length", 1, MODEL_MAX_WIDTH, &desc->dense_ffn));
    TRY(get_wide(keys, "context_length", 1, MODEL_MAX_CONTEXT, &desc->context));
    TRY(get_real_or(keys, "attention.layer_norm_rms_epsilon", 0, 1, 1e-6, &epsilon));
    desc->norm_epsilon = (float)epsilon;
    return read_vocab(desc, keys);
}

/* GGUF architecture -> mechanisms. llama files hold q and k permuted so that the interleaved rotation is right. */
struct gguf_family {
    const char *architecture, *model_type;
    enum attention attention;
    bool qkv_bias, interleaved;
};
static const struct gguf_family families[] = {
    {"deepseek2", "deepseek_v3", ATTEND_LATENT, false, true},
    {"qwen2", "qwen2", ATTEND_GROUPED, true, false},
    {"llama", "llama", ATTEND_GROUPED, false, true},
};

static const struct gguf_family *family_of(const struct gguf *gguf) {
    const struct gguf_value *value = gguf_find(gguf, "general.architecture");
    if (!value || value->type != GGUF_STRING) return NULL;
    for (size_t i = 0; i < COUNT_OF(families); i++)
        if (value->text->bytes == strlen(families[i].architecture) &&
            !memcmp(value->text->data, families[i].architecture, value->text->bytes))
            return &families[i];
    return NULL;
}

enum status model_desc_from_gguf(struct model_desc *desc, const struct gguf *gguf) {
    *desc = (struct model_desc){.bos = -1, .routed_scale = 1, .expert_groups = 1, .groups_used = 1};
    const struct gguf_family *family = family_of(gguf);
    if (!family)
        return fail(STATUS_UNSUPPORTED,
                    "%s: general.architecture is missing or not known (deepseek2, qwen2, llama)", gguf->path);
    struct keys keys = {gguf, family->architecture};
    desc->rope.interleaved = family->interleaved;
    desc->qkv_bias = family->qkv_bias;
    TRY(read_common(desc, keys));
    for (int i = 0; i < desc->layers + desc->mtp_layers; i++) desc->layer[i].attention = family->attention;
    TRY(family->attention == ATTEND_LATENT ? read_latent(desc, keys) : read_grouped(desc, keys));
    TRY(read_rope(desc, keys));
    TRY(read_experts(desc, keys));
    TRY(read_ids(desc, gguf));
    bool v2 =
        family->attention == ATTEND_LATENT && desc->layer[desc->layers - 1].router != ROUTE_SIGMOID_BIASED;
    snprintf(desc->architecture, sizeof desc->architecture, "%s", v2 ? "deepseek_v2" : family->model_type);
    return model_desc_finish(desc, gguf->path);
}
