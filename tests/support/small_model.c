/* small_model.c - writes and opens the random model. */
#include "support/small_model.h"

#include "kernel/kernel.h"
#include "model/synth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char config_text[] =
    "{\"architectures\":[\"DeepseekV3ForCausalLM\"],\"model_type\":\"deepseek_v3\",\"vocab_size\":1024,"
    "\"hidden_size\":64,\"intermediate_size\":128,\"moe_intermediate_size\":32,\"num_hidden_layers\":2,"
    "\"first_k_dense_replace\":1,\"moe_layer_freq\":1,\"num_attention_heads\":2,\"num_key_value_heads\":2,"
    "\"n_routed_experts\":4,\"n_shared_experts\":1,\"num_experts_per_tok\":2,\"n_group\":1,\"topk_group\":1,"
    "\"topk_method\":\"noaux_tc\",\"scoring_func\":\"sigmoid\",\"norm_topk_prob\":true,"
    "\"routed_scaling_factor\":1.0,\"q_lora_rank\":32,\"kv_lora_rank\":32,\"qk_rope_head_dim\":16,"
    "\"qk_nope_head_dim\":16,\"v_head_dim\":16,\"rope_theta\":10000,\"rope_scaling\":null,"
    "\"max_position_embeddings\":512,\"rms_norm_eps\":1e-6,\"hidden_act\":\"silu\",\"bos_token_id\":0,"
    "\"eos_token_id\":1,\"num_nextn_predict_layers\":0}";

static void require(enum status status) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "small model: %s\n", status_message());
    abort();
}

json_t *small_config(const char *base, const char *patch) {
    static const char latent[] =
        "{\"hidden_size\": 256, \"num_hidden_layers\": 3, \"intermediate_size\": 320, \"vocab_size\": 500,"
        "\"num_attention_heads\": 4, \"num_key_value_heads\": 4, \"kv_lora_rank\": 64, \"qk_nope_head_dim\": "
        "32,"
        "\"qk_rope_head_dim\": 16, \"v_head_dim\": 32, \"moe_intermediate_size\": 96, \"n_routed_experts\": "
        "8,"
        "\"num_experts_per_tok\": 2, \"first_k_dense_replace\": 1, \"bos_token_id\": 0, \"eos_token_id\": 1}";
    static const char grouped[] =
        "{\"hidden_size\": 256, \"num_hidden_layers\": 2, \"intermediate_size\": 320, \"vocab_size\": 500,"
        "\"num_attention_heads\": 4, \"num_key_value_heads\": 2, \"head_dim\": 64, \"bos_token_id\": 2,"
        "\"eos_token_id\": 3}";
    json_t *config, *part;
    const char *text = model_preset_config(base), *changes = strstr(base, "distill") ? grouped : latent;
    require(json_parse(text, strlen(text), base, &config));
    require(json_parse(changes, strlen(changes), "small", &part));
    json_object_update(config, part);
    json_decref(part);
    if (json_is_integer(json_object_get(config, "q_lora_rank")))
        json_object_set_new(config, "q_lora_rank", json_integer(96));
    require(json_parse(patch, strlen(patch), patch, &part));
    json_object_update(config, part);
    json_decref(part);
    return config;
}

static const char *write_model(struct scratch *scratch, int modules) {
    json_t *config;
    struct synth_result result;
    const char *path = scratch_path(scratch, "small");
    require(json_parse(config_text, strlen(config_text), "small model", &config));
    require(json_object_set_new(config, "num_nextn_predict_layers", json_integer(modules)) == 0
                ? STATUS_OK
                : fail(STATUS_MEMORY, "no memory"));
    require(synth_write(&(struct synth_options){.config = config,
                                                .origin = "small model",
                                                .name = "small",
                                                .path = path,
                                                .mix = {.type = DTYPE_F32},
                                                .seed = 1,
                                                .threads = 1},
                        &result));
    json_decref(config);
    return path;
}

const char *small_model_write(struct scratch *scratch) {
    return write_model(scratch, 0);
}

const char *small_model_write_mtp(struct scratch *scratch) {
    return write_model(scratch, 1);
}

struct engine *small_model_open(const char *path, int64_t context, int max_rows) {
    struct engine *engine;
    struct engine_options options = {.model = {.path = path,
                                               .threads = 1,
                                               .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                               .max_rows = max_rows,
                                               .kv_type = DTYPE_F32,
                                               .context = context,
                                               .sequences = 2}};
    require(engine_open(&engine, &options));
    return engine;
}
