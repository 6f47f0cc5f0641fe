/* tiny_train.c - the models and the batch of tiny_train.h. */
#include "support/tiny_train.h"

#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMON                                                                                               \
    "\"hidden_size\":24,\"vocab_size\":40,\"intermediate_size\":20,\"num_attention_heads\":4,"               \
    "\"rms_norm_eps\":1e-3,\"max_position_embeddings\":64,\"bos_token_id\":0,\"eos_token_id\":1"
#define LATENT                                                                                               \
    ",\"kv_lora_rank\":10,\"qk_nope_head_dim\":6,\"qk_rope_head_dim\":4,\"v_head_dim\":5,"                   \
    "\"moe_intermediate_size\":12,\"n_routed_experts\":8,\"num_experts_per_tok\":3,\"n_shared_experts\":2,"  \
    "\"first_k_dense_replace\":1,\"num_hidden_layers\":3"
#define YARN                                                                                                 \
    ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,\"original_max_position_embeddings\":16,\"mscale\":"  \
    "0.8,"                                                                                                   \
    "\"mscale_all_dim\":0.7}"

static const struct {
    const char *name, *config;
} models[TINY_COUNT] = {
    [TINY_V3] = {"v3", "{\"model_type\":\"deepseek_v3\"," COMMON LATENT YARN
                       ",\"q_lora_rank\":14,\"n_group\":4,\"topk_group\":2,\"norm_topk_prob\":true,"
                       "\"routed_scaling_factor\":2.5,\"num_nextn_predict_layers\":1}"},
    [TINY_V3_FULL_RANK] = {"v3 without q rank, tied",
                           "{\"model_type\":\"deepseek_v3\"," COMMON LATENT
                           ",\"q_lora_rank\":null,\"norm_topk_prob\":false,\"tie_word_embeddings\":true,"
                           "\"num_nextn_predict_layers\":1}"},
    [TINY_V2_LITE] = {"v2-lite",
                      "{\"model_type\":\"deepseek_v2\"," COMMON LATENT YARN ",\"q_lora_rank\":null}"},
    [TINY_V2] =
        {"v2", "{\"model_type\":\"deepseek_v2\"," COMMON LATENT
               ",\"q_lora_rank\":14,\"topk_method\":\"group_limited_greedy\",\"n_group\":4,\"topk_group\":2,"
               "\"routed_scaling_factor\":16.0,\"norm_topk_prob\":true}"},
    [TINY_LLAMA] =
        {"llama", "{\"model_type\":\"llama\"," COMMON
                  ",\"num_key_value_heads\":2,\"head_dim\":6,\"num_hidden_layers\":2,\"attention_bias\":true,"
                  "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8,\"low_freq_factor\":1,"
                  "\"high_freq_factor\":4,\"original_max_position_embeddings\":16}}"},
    [TINY_QWEN2] = {"qwen2",
                    "{\"model_type\":\"qwen2\"," COMMON
                    ",\"num_key_value_heads\":2,\"num_hidden_layers\":2,\"tie_word_embeddings\":true}"},
};

static void require(enum status status) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "tiny model: %s\n", status_message());
    abort();
}

const char *tiny_name(enum tiny_model model) {
    return models[model].name;
}

json_t *tiny_config(enum tiny_model model) {
    json_t *config;
    require(json_parse(models[model].config, strlen(models[model].config), "tiny model", &config));
    return config;
}

void tiny_desc(enum tiny_model model, struct model_desc *desc) {
    json_t *config = tiny_config(model);
    require(model_desc_from_config(desc, config, "tiny model"));
    json_decref(config);
}

void tiny_trainer_open(struct trainer *trainer, enum tiny_model model,
                       const struct trainer_options *options) {
    struct model_desc desc;
    struct rng rng;
    tiny_desc(model, &desc);
    require(trainer_open(trainer, &desc, options));
    parameters_initialise(&trainer->parameters, 0.35, 7);
    for (int i = 0; i < trainer->parameters.count; i++) {
        const struct parameter *item = &trainer->parameters.item[i];
        rng_seed_stream(&rng, 11, (uint64_t)i);
        float *value = trainer->parameters.value + item->first;
        for (int64_t j = 0; item->rank == 1 && j < item->elements; j++)
            value[j] += (float)(rng_uniform(&rng) - 0.5) * 0.4f;
    }
}

static int32_t token[TINY_ROWS], target[TINY_ROWS];
static float weight[TINY_ROWS];
static const struct train_segment segment[] = {{0, 11}, {11, 1}, {12, 12}};

struct train_batch tiny_batch(void) {
    struct rng rng;
    rng_seed(&rng, 3);
    for (int r = 0; r < TINY_ROWS; r++) token[r] = (int32_t)(rng_next(&rng) % TINY_VOCAB);
    for (int r = 0; r < TINY_ROWS; r++) {
        bool end = r == 10 || r == 11;
        target[r] = end ? -1 : r + 1 < TINY_ROWS ? token[r + 1] : 5;
        weight[r] = end || r == 3 || r == 14 ? 0.0f : r % 5 ? 1.0f : 0.5f;
    }
    return (struct train_batch){TINY_ROWS, token, target, weight, segment, 3, TINY_ROWS / 2};
}

struct loss_scale tiny_scale(void) {
    return (struct loss_scale){1.0 / 20, 0.3 / 18, 0.5 / TINY_ROWS};
}
