/* desc_gguf_write.c - the inverse of desc_gguf.c: the keys of a GGUF file that say what a description
 * says, as llama.cpp and other readers expect them. */
#include "model/desc.h"

#include <stdio.h>
#include <string.h>

enum gating { GATING_SOFTMAX = 1, GATING_SIGMOID = 2 };

struct keys {
    struct gguf_writer *writer;
    const char *prefix; /* "deepseek2" */
};

static void put_int(struct keys keys, const char *name, int64_t value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", keys.prefix, name);
    gguf_writer_u32(keys.writer, key, (uint32_t)value); /* a description's limits are far below 2^32 */
}

static void put_real(struct keys keys, const char *name, double value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", keys.prefix, name);
    gguf_writer_f32(keys.writer, key, (float)value);
}

static void put_text(struct keys keys, const char *name, const char *value) {
    char key[96];
    snprintf(key, sizeof key, "%s.%s", keys.prefix, name);
    gguf_writer_text(keys.writer, key, value);
}

/* The format knows one run of dense layers in front, and one value for mscale and mscale_all_dim. */
static enum status check_expressible(const struct model_desc *desc, const char *origin) {
    const struct rope_desc *rope = &desc->rope;
    int layers = desc->layers + desc->mtp_layers;
    for (int i = 1; i < layers; i++)
        if (desc->layer[i].ffn == FFN_DENSE && desc->layer[i - 1].ffn == FFN_EXPERTS)
            return fail(STATUS_UNSUPPORTED,
                        "%s: layer %d is dense behind a layer of experts (moe_layer_freq), which GGUF has no "
                        "key for",
                        origin, i);
    if (rope->scaling == ROPE_YARN && (rope->mscale || rope->mscale_all_dim) &&
        rope->mscale != rope->mscale_all_dim)
        return fail(STATUS_UNSUPPORTED,
                    "%s: rope_scaling mscale %g differs from mscale_all_dim %g, which GGUF has no key for",
                    origin, rope->mscale, rope->mscale_all_dim);
    return STATUS_OK;
}

/* The head is stored absorbed: one key head of latent and rotated part; the head's own widths are under *_mla. */
static void put_latent(const struct model_desc *desc, struct keys keys) {
    put_int(keys, "attention.head_count_kv", 1);
    put_int(keys, "attention.q_lora_rank",
            desc->q_rank); /* 0, too: readers demand it but of published shapes */
    put_int(keys, "attention.kv_lora_rank", desc->kv_rank);
    put_int(keys, "attention.key_length", desc->kv_rank + desc->rope_dim);
    put_int(keys, "attention.value_length", desc->kv_rank);
    put_int(keys, "attention.key_length_mla", desc->nope_dim + desc->rope_dim);
    put_int(keys, "attention.value_length_mla", desc->value_dim);
    put_int(keys, "rope.dimension_count", desc->rope_dim);
}

static void put_grouped(const struct model_desc *desc, struct keys keys) {
    put_int(keys, "attention.head_count_kv", desc->kv_heads);
    put_int(keys, "attention.key_length", desc->head_dim);
    put_int(keys, "attention.value_length", desc->head_dim);
    put_int(keys, "rope.dimension_count", desc->head_dim);
}

static void put_experts(const struct model_desc *desc, struct keys keys) {
    int layers = desc->layers + desc->mtp_layers, leading = 0;
    while (leading < layers && desc->layer[leading].ffn == FFN_DENSE) leading++;
    enum router router = desc->layer[layers - 1].router;
    put_int(keys, "leading_dense_block_count", leading);
    put_int(keys, "expert_count", desc->experts);
    put_int(keys, "expert_used_count", desc->experts_used);
    put_int(keys, "expert_shared_count", desc->shared_experts);
    put_int(keys, "expert_feed_forward_length", desc->expert_ffn);
    put_int(keys, "expert_group_count", desc->expert_groups);
    put_int(keys, "expert_group_used_count", desc->groups_used);
    put_int(keys, "expert_gating_func", router == ROUTE_SIGMOID_BIASED ? GATING_SIGMOID : GATING_SOFTMAX);
    put_real(keys, "expert_weights_scale", desc->routed_scale);
    char key[96];
    snprintf(key, sizeof key, "%s.expert_weights_norm", keys.prefix);
    gguf_writer_bool(keys.writer, key, desc->normalise_weights);
}

/* Llama 3's scaling is a tensor of divisors there, rope_freqs.weight. */
static void put_rope(const struct rope_desc *rope, struct keys keys) {
    put_real(keys, "rope.freq_base", rope->base);
    if (rope->scaling != ROPE_YARN && rope->scaling != ROPE_LINEAR) return;
    put_text(keys, "rope.scaling.type", rope->scaling == ROPE_YARN ? "yarn" : "linear");
    put_real(keys, "rope.scaling.factor", rope->factor);
    put_int(keys, "rope.scaling.original_context_length", rope->original_context);
    if (rope->scaling != ROPE_YARN) return;
    put_real(keys, "rope.scaling.yarn_beta_fast", rope->beta_fast);
    put_real(keys, "rope.scaling.yarn_beta_slow", rope->beta_slow);
    if (rope->mscale_all_dim) put_real(keys, "rope.scaling.yarn_log_multiplier", 0.1 * rope->mscale_all_dim);
}

enum status model_desc_to_gguf(const struct model_desc *desc, struct gguf_writer *writer,
                               const char *origin) {
    bool latent = desc->layer[0].attention == ATTEND_LATENT;
    struct keys keys = {writer, latent ? "deepseek2" : desc->architecture};
    TRY(check_expressible(desc, origin));
    gguf_writer_text(writer, "general.architecture", keys.prefix);
    put_int(keys, "block_count", desc->layers + desc->mtp_layers);
    if (desc->mtp_layers) put_int(keys, "nextn_predict_layers", desc->mtp_layers);
    put_int(keys, "context_length", desc->context);
    put_int(keys, "embedding_length", desc->width);
    put_int(keys, "feed_forward_length", desc->dense_ffn);
    put_int(keys, "vocab_size", desc->vocab);
    put_int(keys, "attention.head_count", desc->heads);
    put_real(keys, "attention.layer_norm_rms_epsilon", desc->norm_epsilon);
    if (latent)
        put_latent(desc, keys);
    else
        put_grouped(desc, keys);
    if (latent) put_experts(desc, keys); /* readers of deepseek2 demand them without experts, too */
    put_rope(&desc->rope, keys);
    return STATUS_OK;
}
