/* presets.c - published shapes as config.json texts, for synth, inspect and plans without a checkpoint. Constant data. */
#include "model/desc.h"

#include <string.h>

struct preset {
    const char *name, *config;
};

static const struct preset presets[] = {
    {"deepseek-v2-lite",
     "{\"architectures\": [\"DeepseekV2ForCausalLM\"], \"model_type\": \"deepseek_v2\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 0.707, \"mscale_all_dim\": 0.707}, "
     "\"hidden_size\": 2048, \"num_hidden_layers\": 27, \"intermediate_size\": 10944, "
     "\"moe_intermediate_size\": 1408, \"n_routed_experts\": 64, \"n_group\": 1, \"topk_group\": 1, "
     "\"topk_method\": \"greedy\", \"routed_scaling_factor\": 1.0, \"num_attention_heads\": 16, "
     "\"num_key_value_heads\": 16, \"q_lora_rank\": null, \"vocab_size\": 102400, "
     "\"bos_token_id\": 100000, \"eos_token_id\": 100001, \"scoring_func\": \"softmax\", "
     "\"norm_topk_prob\": false, \"num_experts_per_tok\": 6, \"n_shared_experts\": 2, "
     "\"first_k_dense_replace\": 1, \"torch_dtype\": \"bfloat16\"}"},
    {"deepseek-v2",
     "{\"architectures\": [\"DeepseekV2ForCausalLM\"], \"model_type\": \"deepseek_v2\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 0.707, \"mscale_all_dim\": 0.707}, "
     "\"hidden_size\": 5120, \"num_hidden_layers\": 60, \"intermediate_size\": 12288, "
     "\"moe_intermediate_size\": 1536, \"n_routed_experts\": 160, \"n_group\": 8, \"topk_group\": 3, "
     "\"topk_method\": \"group_limited_greedy\", \"routed_scaling_factor\": 16.0, "
     "\"num_attention_heads\": 128, \"num_key_value_heads\": 128, \"q_lora_rank\": 1536, "
     "\"vocab_size\": 102400, \"bos_token_id\": 100000, \"eos_token_id\": 100001, "
     "\"scoring_func\": \"softmax\", \"norm_topk_prob\": false, \"num_experts_per_tok\": 6, "
     "\"n_shared_experts\": 2, \"first_k_dense_replace\": 1, \"torch_dtype\": \"bfloat16\"}"},
    {"deepseek-v2.5",
     "{\"architectures\": [\"DeepseekV2ForCausalLM\"], \"model_type\": \"deepseek_v2\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 1.0, \"mscale_all_dim\": 1.0}, "
     "\"hidden_size\": 5120, \"num_hidden_layers\": 60, \"intermediate_size\": 12288, "
     "\"moe_intermediate_size\": 1536, \"n_routed_experts\": 160, \"n_group\": 8, \"topk_group\": 3, "
     "\"topk_method\": \"group_limited_greedy\", \"routed_scaling_factor\": 16.0, "
     "\"num_attention_heads\": 128, \"num_key_value_heads\": 128, \"q_lora_rank\": 1536, "
     "\"vocab_size\": 102400, \"bos_token_id\": 100000, \"eos_token_id\": 100001, "
     "\"scoring_func\": \"softmax\", \"norm_topk_prob\": false, \"num_experts_per_tok\": 6, "
     "\"n_shared_experts\": 2, \"first_k_dense_replace\": 1, \"torch_dtype\": \"bfloat16\"}"},
    {"deepseek-v3",
     "{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"model_type\": \"deepseek_v3\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 1.0, \"mscale_all_dim\": 1.0}, "
     "\"vocab_size\": 129280, \"bos_token_id\": 0, \"eos_token_id\": 1, \"hidden_size\": 7168, "
     "\"num_hidden_layers\": 61, \"num_nextn_predict_layers\": 1, \"intermediate_size\": 18432, "
     "\"moe_intermediate_size\": 2048, \"n_routed_experts\": 256, \"n_shared_experts\": 1, "
     "\"num_experts_per_tok\": 8, \"n_group\": 8, \"topk_group\": 4, \"topk_method\": \"noaux_tc\", "
     "\"scoring_func\": \"sigmoid\", \"norm_topk_prob\": true, \"routed_scaling_factor\": 2.5, "
     "\"first_k_dense_replace\": 3, \"num_attention_heads\": 128, \"num_key_value_heads\": 128, "
     "\"q_lora_rank\": 1536, \"torch_dtype\": \"bfloat16\", "
     "\"quantization_config\": {\"activation_scheme\": \"dynamic\", \"fmt\": \"e4m3\", \"quant_method\": "
     "\"fp8\", \"weight_block_size\": [128, 128]}}"},
    {"deepseek-r1",
     "{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"model_type\": \"deepseek_v3\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 1.0, \"mscale_all_dim\": 1.0}, "
     "\"vocab_size\": 129280, \"bos_token_id\": 0, \"eos_token_id\": 1, \"hidden_size\": 7168, "
     "\"num_hidden_layers\": 61, \"num_nextn_predict_layers\": 1, \"intermediate_size\": 18432, "
     "\"moe_intermediate_size\": 2048, \"n_routed_experts\": 256, \"n_shared_experts\": 1, "
     "\"num_experts_per_tok\": 8, \"n_group\": 8, \"topk_group\": 4, \"topk_method\": \"noaux_tc\", "
     "\"scoring_func\": \"sigmoid\", \"norm_topk_prob\": true, \"routed_scaling_factor\": 2.5, "
     "\"first_k_dense_replace\": 3, \"num_attention_heads\": 128, \"num_key_value_heads\": 128, "
     "\"q_lora_rank\": 1536, \"torch_dtype\": \"bfloat16\", "
     "\"quantization_config\": {\"activation_scheme\": \"dynamic\", \"fmt\": \"e4m3\", \"quant_method\": "
     "\"fp8\", \"weight_block_size\": [128, 128]}}"},
    {"deepseek-v3.1",
     "{\"architectures\": [\"DeepseekV3ForCausalLM\"], \"model_type\": \"deepseek_v3\", "
     "\"hidden_act\": \"silu\", \"attention_bias\": false, \"max_position_embeddings\": 163840, "
     "\"rms_norm_eps\": 1e-06, \"rope_theta\": 10000, \"tie_word_embeddings\": false, "
     "\"moe_layer_freq\": 1, \"kv_lora_rank\": 512, \"qk_nope_head_dim\": 128, "
     "\"qk_rope_head_dim\": 64, \"v_head_dim\": 128, "
     "\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"original_max_position_embeddings\": 4096, "
     "\"beta_fast\": 32, \"beta_slow\": 1, \"mscale\": 1.0, \"mscale_all_dim\": 1.0}, "
     "\"vocab_size\": 129280, \"bos_token_id\": 0, \"eos_token_id\": 1, \"hidden_size\": 7168, "
     "\"num_hidden_layers\": 61, \"num_nextn_predict_layers\": 1, \"intermediate_size\": 18432, "
     "\"moe_intermediate_size\": 2048, \"n_routed_experts\": 256, \"n_shared_experts\": 1, "
     "\"num_experts_per_tok\": 8, \"n_group\": 8, \"topk_group\": 4, \"topk_method\": \"noaux_tc\", "
     "\"scoring_func\": \"sigmoid\", \"norm_topk_prob\": true, \"routed_scaling_factor\": 2.5, "
     "\"first_k_dense_replace\": 3, \"num_attention_heads\": 128, \"num_key_value_heads\": 128, "
     "\"q_lora_rank\": 1536, \"torch_dtype\": \"bfloat16\", "
     "\"quantization_config\": {\"activation_scheme\": \"dynamic\", \"fmt\": \"e4m3\", \"quant_method\": "
     "\"fp8\", \"weight_block_size\": [128, 128], \"scale_fmt\": \"ue8m0\"}}"},
    {"r1-distill-qwen-1.5b",
     "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\", "
     "\"hidden_size\": 1536, \"num_hidden_layers\": 28, \"num_attention_heads\": 12, "
     "\"num_key_value_heads\": 2, \"intermediate_size\": 8960, \"vocab_size\": 151936, "
     "\"rope_theta\": 10000, \"rms_norm_eps\": 1e-06, \"max_position_embeddings\": 131072, "
     "\"tie_word_embeddings\": false, \"use_sliding_window\": false, \"bos_token_id\": 151646, "
     "\"eos_token_id\": 151643, \"torch_dtype\": \"bfloat16\"}"},
    {"r1-distill-qwen-7b",
     "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\", "
     "\"hidden_size\": 3584, \"num_hidden_layers\": 28, \"num_attention_heads\": 28, "
     "\"num_key_value_heads\": 4, \"intermediate_size\": 18944, \"vocab_size\": 152064, "
     "\"rope_theta\": 10000, \"rms_norm_eps\": 1e-06, \"max_position_embeddings\": 131072, "
     "\"tie_word_embeddings\": false, \"use_sliding_window\": false, \"bos_token_id\": 151646, "
     "\"eos_token_id\": 151643, \"torch_dtype\": \"bfloat16\"}"},
    {"r1-distill-qwen-14b",
     "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\", "
     "\"hidden_size\": 5120, \"num_hidden_layers\": 48, \"num_attention_heads\": 40, "
     "\"num_key_value_heads\": 8, \"intermediate_size\": 13824, \"vocab_size\": 152064, "
     "\"rope_theta\": 1000000, \"rms_norm_eps\": 1e-05, \"max_position_embeddings\": 131072, "
     "\"tie_word_embeddings\": false, \"use_sliding_window\": false, \"bos_token_id\": 151646, "
     "\"eos_token_id\": 151643, \"torch_dtype\": \"bfloat16\"}"},
    {"r1-distill-qwen-32b",
     "{\"architectures\": [\"Qwen2ForCausalLM\"], \"model_type\": \"qwen2\", \"hidden_act\": \"silu\", "
     "\"hidden_size\": 5120, \"num_hidden_layers\": 64, \"num_attention_heads\": 40, "
     "\"num_key_value_heads\": 8, \"intermediate_size\": 27648, \"vocab_size\": 152064, "
     "\"rope_theta\": 1000000, \"rms_norm_eps\": 1e-05, \"max_position_embeddings\": 131072, "
     "\"tie_word_embeddings\": false, \"use_sliding_window\": false, \"bos_token_id\": 151646, "
     "\"eos_token_id\": 151643, \"torch_dtype\": \"bfloat16\"}"},
    {"r1-distill-llama-8b",
     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_act\": \"silu\", "
     "\"attention_bias\": false, \"mlp_bias\": false, \"hidden_size\": 4096, "
     "\"num_hidden_layers\": 32, \"num_attention_heads\": 32, \"num_key_value_heads\": 8, "
     "\"head_dim\": 128, \"intermediate_size\": 14336, \"vocab_size\": 128256, "
     "\"rope_theta\": 500000, \"rms_norm_eps\": 1e-05, \"max_position_embeddings\": 131072, "
     "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
     "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 8192}, "
     "\"tie_word_embeddings\": false, \"bos_token_id\": 128000, \"eos_token_id\": 128001, "
     "\"torch_dtype\": \"bfloat16\"}"},
    {"r1-distill-llama-70b",
     "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_act\": \"silu\", "
     "\"attention_bias\": false, \"mlp_bias\": false, \"hidden_size\": 8192, "
     "\"num_hidden_layers\": 80, \"num_attention_heads\": 64, \"num_key_value_heads\": 8, "
     "\"head_dim\": 128, \"intermediate_size\": 28672, \"vocab_size\": 128256, "
     "\"rope_theta\": 500000, \"rms_norm_eps\": 1e-05, \"max_position_embeddings\": 131072, "
     "\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 1, "
     "\"high_freq_factor\": 4, \"original_max_position_embeddings\": 8192}, "
     "\"tie_word_embeddings\": false, \"bos_token_id\": 128000, \"eos_token_id\": 128001, "
     "\"torch_dtype\": \"bfloat16\"}"},
};

const char *model_preset_config(const char *name) {
    for (size_t i = 0; i < COUNT_OF(presets); i++)
        if (!strcmp(presets[i].name, name)) return presets[i].config;
    return NULL;
}

const char *model_preset_name(int index) {
    return index >= 0 && (size_t)index < COUNT_OF(presets) ? presets[index].name : NULL;
}
