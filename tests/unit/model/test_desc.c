/* Descriptions of models from config.json: every field, every refusal, and the rotation frequencies. */
#include "model/desc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN                                  "dir/config.json"
#define assert_near(found, expected, tolerance) assert_true(fabs((found) - (expected)) <= (tolerance))

/* The published config `base`, with the members of `patch` laid over it. "-x" in the patch removes x. */
static enum status read_patched(struct model_desc *desc, const char *base, const char *patch) {
    const char *name;
    json_t *value, *config, *changes;
    assert_int_equal(json_parse(model_preset_config(base), strlen(model_preset_config(base)), base, &config),
                     STATUS_OK);
    assert_int_equal(json_parse(patch, strlen(patch), patch, &changes), STATUS_OK);
    json_object_foreach(changes, name, value) {
        if (*name == '-')
            assert_int_equal(json_object_del(config, name + 1), 0);
        else
            json_object_set(config, name, value);
    }
    enum status status = model_desc_from_config(desc, config, ORIGIN);
    json_decref(changes);
    json_decref(config);
    return status;
}

static struct model_desc must_read(const char *base, const char *patch) {
    struct model_desc desc;
    if (read_patched(&desc, base, patch) != STATUS_OK) fail_msg("%s %s: %s", base, patch, status_message());
    return desc;
}

/* ---- fields ---- */

static void reads_every_field_of_v3(void **state) {
    (void)state;
    const struct model_desc d = must_read(
        "deepseek-v3",
        "{\"vocab_size\": 1001, \"hidden_size\": 320, \"max_position_embeddings\": 777, "
        "\"num_hidden_layers\": 5,"
        "\"num_nextn_predict_layers\": 2, \"num_attention_heads\": 3, \"q_lora_rank\": 72, \"kv_lora_rank\": "
        "48,"
        "\"qk_nope_head_dim\": 24, \"qk_rope_head_dim\": 16, \"v_head_dim\": 20, \"intermediate_size\": 352,"
        "\"moe_intermediate_size\": 44, \"n_routed_experts\": 16, \"num_experts_per_tok\": 4, \"n_group\": 4,"
        "\"topk_group\": 2, \"n_shared_experts\": 3, \"routed_scaling_factor\": 1.5, \"rms_norm_eps\": 0.001,"
        "\"first_k_dense_replace\": 2, \"tie_word_embeddings\": true, \"bos_token_id\": 7,"
        "\"eos_token_id\": [8, 9], \"rope_theta\": 5000}");
    assert_string_equal(d.architecture, "deepseek_v3");
    assert_int_equal(d.vocab, 1001);
    assert_int_equal(d.width, 320);
    assert_int_equal(d.context, 777);
    assert_int_equal(d.layers, 5);
    assert_int_equal(d.mtp_layers, 2);
    assert_int_equal(d.heads, 3);
    assert_int_equal(d.q_rank, 72);
    assert_int_equal(d.kv_rank, 48);
    assert_int_equal(d.nope_dim, 24);
    assert_int_equal(d.rope_dim, 16);
    assert_int_equal(model_rope_dim(&d), 16);
    assert_int_equal(d.value_dim, 20);
    assert_false(d.qkv_bias);
    assert_false(d.output_bias);
    assert_int_equal(d.dense_ffn, 352);
    assert_int_equal(d.expert_ffn, 44);
    assert_int_equal(d.experts, 16);
    assert_int_equal(d.experts_used, 4);
    assert_int_equal(d.shared_experts, 3);
    assert_int_equal(d.expert_groups, 4);
    assert_int_equal(d.groups_used, 2);
    assert_true(d.normalise_weights);
    assert_near(d.routed_scale, 1.5, 0);
    assert_float_equal(d.norm_epsilon, 0.001F, 0);
    assert_true(d.tied_head);
    assert_int_equal(d.fp8_block[0], 128);
    assert_int_equal(d.fp8_block[1], 128);
    assert_int_equal(d.bos, 7);
    assert_int_equal(d.eos_count, 2);
    assert_int_equal(d.eos[0], 8);
    assert_int_equal(d.eos[1], 9);
    assert_int_equal(d.rope.scaling, ROPE_YARN);
    assert_true(d.rope.interleaved);
    assert_near(d.rope.base, 5000, 0);
    assert_near(d.rope.factor, 40, 0);
    assert_int_equal(d.rope.original_context, 4096);
    assert_near(d.rope.beta_fast, 32, 0);
    assert_near(d.rope.beta_slow, 1, 0);
    assert_near(d.rope.mscale, 1, 0);
    assert_near(d.rope.mscale_all_dim, 1, 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(d.layer[i].attention, ATTEND_LATENT);
        assert_int_equal(d.layer[i].ffn, i < 2 ? FFN_DENSE : FFN_EXPERTS);
        assert_int_equal(d.layer[i].router, ROUTE_SIGMOID_BIASED);
    }
}

static void reads_v2(void **state) {
    (void)state;
    struct model_desc lite = must_read("deepseek-v2-lite", "{}"), v2 = must_read("deepseek-v2", "{}");
    assert_string_equal(lite.architecture, "deepseek_v2");
    assert_int_equal(lite.q_rank, 0);
    assert_int_equal(lite.layer[0].ffn, FFN_DENSE);
    assert_int_equal(lite.layer[1].ffn, FFN_EXPERTS);
    assert_int_equal(lite.layer[1].router, ROUTE_SOFTMAX_GREEDY);
    assert_false(lite.normalise_weights);
    assert_int_equal(lite.bos, 100000);
    assert_int_equal(lite.eos[0], 100001);
    assert_int_equal(lite.fp8_block[0], 0);
    assert_int_equal(lite.mtp_layers, 0);
    assert_near(lite.rope.mscale_all_dim, 0.707, 0);
    assert_int_equal(v2.layer[59].router, ROUTE_GROUP_LIMITED);
    assert_int_equal(v2.expert_groups, 8);
    assert_int_equal(v2.groups_used, 3);
    assert_near(v2.routed_scale, 16, 0);
}

static void reads_grouped_attention(void **state) {
    (void)state;
    struct model_desc qwen = must_read("r1-distill-qwen-14b", "{}");
    assert_int_equal(qwen.layer[0].attention, ATTEND_GROUPED);
    assert_int_equal(qwen.kv_heads, 8);
    assert_int_equal(qwen.head_dim, 128); /* hidden_size / heads */
    assert_true(qwen.qkv_bias);
    assert_false(qwen.output_bias);
    assert_false(qwen.rope.interleaved);
    assert_int_equal(qwen.rope.scaling, ROPE_PLAIN);
    assert_near(qwen.rope.base, 1e6, 0);
    assert_float_equal(qwen.norm_epsilon, 1e-5F, 0);
    struct model_desc llama =
        must_read("r1-distill-llama-8b", "{\"head_dim\": 96, \"attention_bias\": true}");
    assert_int_equal(llama.head_dim, 96);
    assert_int_equal(model_rope_dim(&llama), 96);
    assert_true(llama.qkv_bias);
    assert_true(llama.output_bias);
    assert_int_equal(llama.rope.scaling, ROPE_LLAMA3);
    assert_near(llama.rope.low_freq_factor, 1, 0);
    assert_near(llama.rope.high_freq_factor, 4, 0);
    assert_int_equal(llama.rope.original_context, 8192);
    llama = must_read("r1-distill-llama-8b", "{\"-num_key_value_heads\": 0, \"-head_dim\": 0}");
    assert_int_equal(llama.kv_heads, 32);
    assert_int_equal(llama.head_dim, 128);
}

static void fills_in_what_is_left_out(void **state) {
    (void)state;
    struct model_desc d = must_read(
        "deepseek-v3",
        "{\"-rope_scaling\": 0, \"-rope_theta\": 0, \"-rms_norm_eps\": 0, \"-bos_token_id\": 0,"
        "\"eos_token_id\": null, \"-quantization_config\": 0, \"-topk_method\": 0, \"-scoring_func\": 0,"
        "\"-n_group\": 0, \"-topk_group\": 0, \"-moe_layer_freq\": 0, \"-num_nextn_predict_layers\": 0,"
        "\"-routed_scaling_factor\": 0, \"-norm_topk_prob\": 0, \"-n_shared_experts\": 0, \"-hidden_act\": 0,"
        "\"vocab_size\": 129280.0}");
    assert_int_equal(d.rope.scaling, ROPE_PLAIN);
    assert_near(d.rope.base, 10000, 0);
    assert_float_equal(d.norm_epsilon, 1e-6F, 0);
    assert_int_equal(d.bos, -1);
    assert_int_equal(d.eos_count, 0);
    assert_int_equal(d.fp8_block[0], 0);
    assert_int_equal(d.layer[10].router, ROUTE_SIGMOID_BIASED);
    assert_int_equal(d.expert_groups, 1);
    assert_int_equal(d.groups_used, 1);
    assert_int_equal(d.mtp_layers, 0);
    assert_int_equal(d.shared_experts, 0);
    assert_near(d.routed_scale, 1, 0);
    assert_false(d.normalise_weights);
    assert_int_equal(d.vocab, 129280);
    assert_float_equal(d.attention_scale, (float)(1 / sqrt(192)), 0);
    d = must_read("deepseek-v2-lite", "{\"n_group\": 8, \"topk_group\": 7}");
    assert_int_equal(d.expert_groups, 1); /* greedy selection knows no groups */
    d = must_read("deepseek-v3", "{\"moe_layer_freq\": 2}");
    assert_int_equal(d.layer[4].ffn, FFN_EXPERTS);
    assert_int_equal(d.layer[5].ffn, FFN_DENSE);
    d = must_read("deepseek-v3", "{\"num_experts_per_tok\": 1}");
    assert_false(d.normalise_weights);
    d = must_read("deepseek-v3", "{\"n_routed_experts\": 0}");
    assert_int_equal(d.layer[60].ffn, FFN_DENSE);
}

static void every_preset_is_readable(void **state) {
    (void)state;
    int presets = 0;
    for (; model_preset_name(presets); presets++) must_read(model_preset_name(presets), "{}");
    assert_int_equal(presets, 12);
    assert_null(model_preset_name(-1));
    assert_null(model_preset_config("deepseek-v9"));
}

/* ---- refusals ---- */

struct refusal {
    const char *base, *patch;
    enum status status;
    const char *names; /* must occur in the sentence */
};

#define V3    "deepseek-v3"
#define LITE  "deepseek-v2-lite"
#define QWEN  "r1-distill-qwen-7b"
#define LLAMA "r1-distill-llama-8b"

static const struct refusal refusals[] = {
    {V3, "{\"-model_type\": 0}", STATUS_UNSUPPORTED, "model_type"},
    {V3, "{\"model_type\": 3}", STATUS_FORMAT, "model_type"},
    {V3, "{\"model_type\": \"gemma\"}", STATUS_UNSUPPORTED, "gemma"},
    {V3, "{\"-vocab_size\": 0}", STATUS_FORMAT, "vocab_size"},
    {V3, "{\"vocab_size\": 0}", STATUS_FORMAT, "vocab_size"},
    {V3, "{\"vocab_size\": \"many\"}", STATUS_FORMAT, "vocab_size"},
    {V3, "{\"vocab_size\": 1e30}", STATUS_FORMAT, "vocab_size"},
    {V3, "{\"vocab_size\": 4194305}", STATUS_FORMAT, "vocab_size"},
    {V3, "{\"-hidden_size\": 0}", STATUS_FORMAT, "hidden_size"},
    {V3, "{\"hidden_size\": -7168}", STATUS_FORMAT, "hidden_size"},
    {V3, "{\"hidden_size\": 9223372036854775807}", STATUS_FORMAT, "hidden_size"},
    {V3, "{\"hidden_size\": 7168.5}", STATUS_FORMAT, "hidden_size"},
    {V3, "{\"-num_hidden_layers\": 0}", STATUS_FORMAT, "num_hidden_layers"},
    {V3, "{\"num_hidden_layers\": 505}", STATUS_FORMAT, "num_hidden_layers"},
    {V3, "{\"num_nextn_predict_layers\": 9}", STATUS_FORMAT, "num_nextn_predict_layers"},
    {V3, "{\"-num_attention_heads\": 0}", STATUS_FORMAT, "num_attention_heads"},
    {V3, "{\"num_attention_heads\": 0}", STATUS_FORMAT, "num_attention_heads"},
    {V3, "{\"num_attention_heads\": 4097}", STATUS_FORMAT, "num_attention_heads"},
    {V3, "{\"-intermediate_size\": 0}", STATUS_FORMAT, "intermediate_size"},
    {V3, "{\"max_position_embeddings\": 0}", STATUS_FORMAT, "max_position_embeddings"},
    {V3, "{\"rms_norm_eps\": -1}", STATUS_FORMAT, "rms_norm_eps"},
    {V3, "{\"rms_norm_eps\": \"1e-6\"}", STATUS_FORMAT, "rms_norm_eps"},
    {V3, "{\"hidden_act\": \"gelu\"}", STATUS_UNSUPPORTED, "hidden_act"},
    {V3, "{\"tie_word_embeddings\": 1}", STATUS_FORMAT, "tie_word_embeddings"},
    {V3, "{\"attention_bias\": true}", STATUS_UNSUPPORTED, "attention_bias"},
    {LLAMA, "{\"mlp_bias\": true}", STATUS_UNSUPPORTED, "mlp_bias"},
    {V3, "{\"q_lora_rank\": -1}", STATUS_FORMAT, "q_lora_rank"},
    {V3, "{\"-kv_lora_rank\": 0}", STATUS_FORMAT, "kv_lora_rank"},
    {V3, "{\"kv_lora_rank\": 0}", STATUS_FORMAT, "kv_lora_rank"},
    {V3, "{\"-qk_nope_head_dim\": 0}", STATUS_FORMAT, "qk_nope_head_dim"},
    {V3, "{\"-qk_rope_head_dim\": 0}", STATUS_FORMAT, "qk_rope_head_dim"},
    {V3, "{\"qk_rope_head_dim\": 63}", STATUS_FORMAT, "qk_rope_head_dim"},
    {V3, "{\"-v_head_dim\": 0}", STATUS_FORMAT, "v_head_dim"},
    {V3, "{\"num_attention_heads\": 4096, \"qk_nope_head_dim\": 262144, \"v_head_dim\": 262144}",
     STATUS_LIMIT, "4096 heads"},
    {V3, "{\"n_routed_experts\": 4097}", STATUS_FORMAT, "n_routed_experts"},
    {V3, "{\"-num_experts_per_tok\": 0}", STATUS_FORMAT, "num_experts_per_tok"},
    {V3, "{\"num_experts_per_tok\": 257}", STATUS_FORMAT, "num_experts_per_tok"},
    {V3, "{\"num_experts_per_tok\": 0}", STATUS_FORMAT, "num_experts_per_tok"},
    {V3, "{\"num_experts_per_tok\": 129}", STATUS_FORMAT, "num_experts_per_tok"}, /* 4 groups of 32 */
    {V3, "{\"-moe_intermediate_size\": 0}", STATUS_FORMAT, "moe_intermediate_size"},
    {V3, "{\"n_shared_experts\": 5000}", STATUS_FORMAT, "n_shared_experts"},
    {V3, "{\"n_group\": 7}", STATUS_FORMAT, "n_group"},
    {V3, "{\"n_group\": 0}", STATUS_FORMAT, "n_group"},
    {V3, "{\"topk_group\": 9}", STATUS_FORMAT, "topk_group"},
    {V3, "{\"topk_group\": 0}", STATUS_FORMAT, "topk_group"},
    {V3, "{\"norm_topk_prob\": \"yes\"}", STATUS_FORMAT, "norm_topk_prob"},
    {V3, "{\"routed_scaling_factor\": 0}", STATUS_FORMAT, "routed_scaling_factor"},
    {V3, "{\"topk_method\": \"greedy\"}", STATUS_UNSUPPORTED, "topk_method"},
    {LITE, "{\"scoring_func\": \"sigmoid\"}", STATUS_UNSUPPORTED, "scoring_func"},
    {V3, "{\"scoring_func\": []}", STATUS_FORMAT, "scoring_func"},
    {V3, "{\"moe_layer_freq\": 0}", STATUS_FORMAT, "moe_layer_freq"},
    {V3, "{\"first_k_dense_replace\": -1}", STATUS_FORMAT, "first_k_dense_replace"},
    {V3, "{\"bos_token_id\": 129280}", STATUS_FORMAT, "bos_token_id"},
    {V3, "{\"eos_token_id\": 129280}", STATUS_FORMAT, "eos_token_id"},
    {V3, "{\"eos_token_id\": \"1\"}", STATUS_FORMAT, "eos_token_id"},
    {V3, "{\"eos_token_id\": [1, -1]}", STATUS_FORMAT, "eos_token_id"},
    {V3, "{\"eos_token_id\": [1, null]}", STATUS_FORMAT, "eos_token_id"},
    {V3, "{\"eos_token_id\": [1, 2, 3, 4, 5, 6, 7, 8, 9]}", STATUS_LIMIT, "eos_token_id"},
    {V3, "{\"quantization_config\": 8}", STATUS_FORMAT, "quantization_config"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"gptq\"}}", STATUS_UNSUPPORTED, "gptq"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"fp8\", \"fmt\": \"e5m2\"}}", STATUS_UNSUPPORTED,
     "e5m2"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128]}}",
     STATUS_FORMAT, "weight_block_size"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [128, 0]}}",
     STATUS_FORMAT, "weight_block_size"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": [1, 65536]}}",
     STATUS_FORMAT, "weight_block_size"},
    {V3, "{\"quantization_config\": {\"quant_method\": \"fp8\", \"weight_block_size\": {}}}", STATUS_FORMAT,
     "weight_block_size"},
    {QWEN, "{\"use_sliding_window\": true}", STATUS_UNSUPPORTED, "use_sliding_window"},
    {QWEN, "{\"num_key_value_heads\": 3}", STATUS_FORMAT, "num_key_value_heads"},
    {QWEN, "{\"num_key_value_heads\": 56}", STATUS_FORMAT, "num_key_value_heads"},
    {QWEN, "{\"num_attention_heads\": 27}", STATUS_FORMAT, "num_attention_heads"},
    {QWEN, "{\"head_dim\": 0}", STATUS_FORMAT, "head_dim"},
    {QWEN, "{\"head_dim\": 127}", STATUS_FORMAT, "head_dim"},
    {QWEN, "{\"hidden_size\": 28}", STATUS_FORMAT, "head_dim"},
    {LLAMA, "{\"head_dim\": \"wide\"}", STATUS_FORMAT, "head_dim"},
    /* rotation */
    {LLAMA, "{\"rope_theta\": 0}", STATUS_FORMAT, "rope_theta"},
    {LLAMA, "{\"rope_theta\": 1e13}", STATUS_FORMAT, "rope_theta"},
    {LLAMA, "{\"rope_scaling\": 8}", STATUS_FORMAT, "rope_scaling"},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"longrope\", \"factor\": 2}}", STATUS_UNSUPPORTED, "longrope"},
    {LLAMA, "{\"rope_scaling\": {\"type\": 1}}", STATUS_FORMAT, "rope_scaling: field \"type\""},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\"}}", STATUS_FORMAT,
     "rope_scaling: field \"factor\" is missing"},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": null}}", STATUS_FORMAT, "\"factor\""},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 0}}", STATUS_FORMAT, "\"factor\""},
    {LLAMA, "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": \"NaN\"}}", STATUS_FORMAT, "\"factor\""},
    {LLAMA, "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"low_freq_factor\": 4}}",
     STATUS_FORMAT, "high_freq_factor"},
    {LLAMA, "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"high_freq_factor\": 0}}",
     STATUS_FORMAT, "high_freq_factor"},
    {LLAMA,
     "{\"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 8, \"original_max_position_embeddings\": "
     "0}}",
     STATUS_FORMAT, "original_max_position_embeddings"},
    {LLAMA, "{\"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": -8}}", STATUS_FORMAT,
     "rope_parameters: field \"factor\""},
    {V3, "{\"rope_theta\": 1}", STATUS_FORMAT, "rope_theta"},
    {V3, "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"beta_fast\": 0}}", STATUS_FORMAT,
     "beta_fast"},
    {V3, "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"beta_slow\": 33}}", STATUS_FORMAT,
     "beta_slow"},
    {V3, "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"mscale\": -1}}", STATUS_FORMAT, "mscale"},
    {V3, "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, \"mscale_all_dim\": 1e9}}", STATUS_FORMAT,
     "mscale_all_dim"},
};

static void refuses_with_file_and_field(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct model_desc desc;
        enum status status = read_patched(&desc, r->base, r->patch);
        if (status != r->status || !strstr(status_message(), r->names) || !strstr(status_message(), ORIGIN))
            fail_msg("%s: status %d, \"%s\"; wanted %d and \"%s\"", r->patch, status,
                     status == STATUS_OK ? "" : status_message(), r->status, r->names);
    }
}

static void refuses_what_is_no_object(void **state) {
    (void)state;
    struct model_desc desc;
    json_t *list = json_array();
    assert_int_equal(model_desc_from_config(&desc, list, ORIGIN), STATUS_FORMAT);
    assert_string_equal(status_message(), ORIGIN ": must be a JSON object");
    json_decref(list);
}

/* ---- rotation ---- */

struct frequency {
    int index;
    double value;
};

static void check_frequencies(const struct model_desc *desc, const struct frequency *expected, size_t count,
                              double multiplier) {
    double frequency[64], found;
    rope_frequencies(&desc->rope, model_rope_dim(desc), frequency, &found);
    for (size_t i = 0; i < count; i++)
        assert_near(frequency[expected[i].index], expected[i].value, expected[i].value * 1e-13);
    assert_near(found, multiplier, 1e-13);
}

/* Expected values: tools/reference.py of the shared material (float64). */
static void rotates_as_the_reference(void **state) {
    (void)state;
    static const struct frequency yarn[] = {
        {0, 1},        {1, 0.7498942093324559},     {9, 0.07498942093324558},    {10, 0.056234132519034905},
        {16, 0.0055},  {11, 0.03900692656714386},   {22, 0.0001778279410038922}, {23, 3.33380358040831e-05},
        {24, 2.5e-05}, {31, 3.3338035804083097e-06}};
    static const struct frequency llama[] = {{0, 1},
                                             {1, 0.8146172338565447},
                                             {28, 0.003211445994752591},
                                             {29, 0.002166570763503359},
                                             {30, 0.0013718935677611381},
                                             {34, 0.0001785078127679964},
                                             {35, 9.556212353964682e-05},
                                             {40, 3.428102195952591e-05},
                                             {63, 3.068925988914511e-07}};
    static const struct frequency plain[] = {{0, 1}, {1, 0.8058421877614818}, {63, 1.2409377607517195e-06}};
    struct model_desc desc = must_read("deepseek-v3", "{}");
    check_frequencies(&desc, yarn, COUNT_OF(yarn), 1);
    assert_float_equal(desc.attention_scale, 0.13523378F, 1e-7);
    desc = must_read("deepseek-v2-lite", "{}");
    check_frequencies(&desc, yarn, COUNT_OF(yarn), 1);
    assert_float_equal(desc.attention_scale, 0.11472139F, 1e-7);
    desc = must_read("r1-distill-llama-8b", "{}");
    check_frequencies(&desc, llama, COUNT_OF(llama), 1);
    assert_float_equal(desc.attention_scale, 0.08838835F, 1e-8);
    desc = must_read("r1-distill-qwen-14b", "{}");
    check_frequencies(&desc, plain, COUNT_OF(plain), 1);
}

/* V3 keeps dimensions up to 10 and divides those from 23 on. */
static void blends_between_10_and_23(void **state) {
    (void)state;
    struct model_desc desc = must_read("deepseek-v3", "{}");
    double frequency[32], multiplier;
    rope_frequencies(&desc.rope, 64, frequency, &multiplier);
    for (int i = 0; i < 32; i++) {
        double plain = pow(10000, -2.0 * i / 64), ratio = plain / frequency[i];
        if (i <= 10)
            assert_near(ratio, 1, 1e-12);
        else if (i >= 23)
            assert_near(ratio, 40, 1e-10);
        else
            assert_true(ratio > 1.01 && ratio < 39.9);
    }
}

static void yarn_multiplies_cos_and_sin(void **state) {
    (void)state;
    struct {
        const char *extra;
        double multiplier;
    } cases[] = {
        {"\"mscale\": 0.707, \"mscale_all_dim\": 1.3", 0.8521510516131852},
        {"\"mscale\": 0.707", 0.1 * 0.707 * 3.688879454113936 + 1},
        {"\"mscale_all_dim\": 1.0", 1},
        {"\"beta_slow\": 1", 0.1 * 3.688879454113936 + 1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char patch[256];
        snprintf(patch, sizeof patch,
                 "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 40, "
                 "\"original_max_position_embeddings\": 4096, %s}}",
                 cases[i].extra);
        struct model_desc desc = must_read("deepseek-v3", patch);
        check_frequencies(&desc, NULL, 0, cases[i].multiplier);
    }
    struct model_desc desc =
        must_read("deepseek-v3", "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 0.5, \"mscale\": 3}}");
    check_frequencies(&desc, NULL, 0, 1); /* a context that is not stretched is not corrected */
}

static void linear_and_newer_spellings(void **state) {
    (void)state;
    static const struct frequency quarter[] = {{0, 0.25}};
    struct model_desc desc =
        must_read("r1-distill-qwen-7b", "{\"rope_scaling\": {\"type\": \"linear\", \"factor\": 4}}");
    check_frequencies(&desc, quarter, 1, 1);
    desc = must_read("r1-distill-qwen-7b",
                     "{\"-rope_theta\": 0, \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 4,"
                     "\"rope_theta\": 12345}}");
    check_frequencies(&desc, quarter, 1, 1);
    assert_near(desc.rope.base, 12345, 0);
    desc = must_read("r1-distill-qwen-7b", "{\"rope_scaling\": {\"rope_type\": \"default\"}}");
    assert_int_equal(desc.rope.scaling, ROPE_PLAIN);
}

/* Whatever is accepted yields finite frequencies, also where the blend's ends meet or cross. */
static void frequencies_stay_finite(void **state) {
    (void)state;
    static const char *const patches[] = {
        "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 0.001, \"original_max_position_embeddings\": "
        "1}}",
        "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 1e6, \"beta_fast\": 1, \"beta_slow\": 1}}",
        "{\"rope_scaling\": {\"type\": \"yarn\", \"factor\": 2, \"original_max_position_embeddings\": "
        "1073741824}}",
        "{\"rope_theta\": 1.0000001}",
        "{\"rope_theta\": 1e12}",
        "{\"rope_scaling\": {\"type\": \"llama3\", \"factor\": 0.001, \"original_max_position_embeddings\": "
        "1}}"};
    for (size_t i = 0; i < COUNT_OF(patches); i++) {
        struct model_desc desc = must_read("deepseek-v3", patches[i]);
        double frequency[32], multiplier;
        rope_frequencies(&desc.rope, 64, frequency, &multiplier);
        for (int j = 0; j < 32; j++) assert_true(isfinite(frequency[j]) && frequency[j] > 0);
        assert_true(isfinite(multiplier) && multiplier > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_field_of_v3),    cmocka_unit_test(reads_v2),
        cmocka_unit_test(reads_grouped_attention),    cmocka_unit_test(fills_in_what_is_left_out),
        cmocka_unit_test(every_preset_is_readable),   cmocka_unit_test(refuses_with_file_and_field),
        cmocka_unit_test(refuses_what_is_no_object),  cmocka_unit_test(rotates_as_the_reference),
        cmocka_unit_test(blends_between_10_and_23),   cmocka_unit_test(yarn_multiplies_cos_and_sin),
        cmocka_unit_test(linear_and_newer_spellings), cmocka_unit_test(frequencies_stay_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
