/* The table of weights: parameter counts of the published models, shapes, names and conditions. */
#include "model/weight_table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct model_desc read_text(const char *text) {
    struct model_desc desc;
    json_t *config;
    assert_int_equal(json_parse(text, strlen(text), "config", &config), STATUS_OK);
    if (model_desc_from_config(&desc, config, "config") != STATUS_OK) fail_msg("%s", status_message());
    json_decref(config);
    return desc;
}

static struct model_desc preset(const char *name) {
    return read_text(model_preset_config(name));
}

/* ---- counts ---- */

struct published {
    const char *name;
    int64_t total, active, mtp;
};

/* Totals as published; active and MTP counts worked out from the papers' shapes by hand. */
static const struct published models[] = {
    {"deepseek-v2-lite", 15706484224, 2451435008, 0},
    {"deepseek-v2", 235741434880, 20851512320, 0},
    {"deepseek-v2.5", 235741434880, 20851512320, 0},
    {"deepseek-v3", 671026419200, 36625618432, 11610068224},
    {"deepseek-r1", 671026419200, 36625618432, 11610068224},
    {"deepseek-v3.1", 671026419200, 36625618432, 11610068224},
    {"r1-distill-qwen-1.5b", 1777088000, 1543714304, 0},
    {"r1-distill-qwen-7b", 7615616512, 7070619136, 0},
    {"r1-distill-qwen-14b", 14770033664, 13991465984, 0},
    {"r1-distill-qwen-32b", 32763876352, 31985308672, 0},
    {"r1-distill-llama-8b", 8030261248, 7504924672, 0},
    {"r1-distill-llama-70b", 70553706496, 69503033344, 0},
};

static void counts_published_parameters(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        struct model_desc desc = preset(models[i].name);
        struct parameter_counts counts = model_parameters(&desc);
        assert_int_equal(counts.total, models[i].total);
        assert_int_equal(counts.active, models[i].active);
        assert_int_equal(counts.mtp, models[i].mtp);
    }
}

static void a_tied_head_counts_once(void **state) {
    (void)state;
    struct model_desc desc = preset("r1-distill-qwen-1.5b");
    int64_t table = desc.vocab * desc.width, untied = model_parameters(&desc).total;
    desc.tied_head = true;
    assert_int_equal(model_parameters(&desc).total, untied - table);
    assert_int_equal(model_parameters(&desc).active, untied - table);
}

/* The largest numbers that a description accepts do not wrap. */
static void the_largest_model_fits(void **state) {
    (void)state;
    struct model_desc desc = read_text(
        "{\"model_type\": \"deepseek_v3\", \"vocab_size\": 4194304, \"hidden_size\": 262144,"
        "\"num_hidden_layers\": 504, \"num_nextn_predict_layers\": 8, \"num_attention_heads\": 4096,"
        "\"q_lora_rank\": 262144, \"kv_lora_rank\": 262144, \"qk_nope_head_dim\": 262144,"
        "\"qk_rope_head_dim\": 131070, \"v_head_dim\": 131072, \"intermediate_size\": 262144,"
        "\"moe_intermediate_size\": 262144, \"n_routed_experts\": 4096, \"n_shared_experts\": 4096,"
        "\"num_experts_per_tok\": 4096}");
    struct parameter_counts counts = model_parameters(&desc);
    __int128 expected = (__int128)2 * desc.vocab * desc.width + desc.width, layer = 0;
    for (int w = WEIGHT_ATTENTION_NORM; w < WEIGHT_MTP_EMBED; w++) {
        int64_t shape[3];
        __int128 size = weight_rows()[w].copies == PER_EXPERT ? desc.experts : 1;
        for (int i = weight_shape(&desc, (enum weight)w, shape) - 1; i >= 0; i--) size *= shape[i];
        if (weight_exists(&desc, (enum weight)w, 0) && !weight_rows()[w].alternative) layer += size;
    }
    assert_true(counts.total == expected + layer * desc.layers);
    assert_true(counts.total > INT64_C(1) << 59 && counts.active == counts.total - desc.vocab * desc.width);
    assert_true(counts.mtp > INT64_C(1) << 52);
}

/* ---- rows ---- */

static void rows_stand_at_their_index(void **state) {
    (void)state;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        const struct weight_row *row = &weight_rows()[w];
        assert_int_equal(row->weight, w);
        assert_non_null(row->name);
        assert_non_null(row->gguf);
        assert_int_equal(strstr(row->gguf, "%d") != NULL, row->copies != PER_MODEL);
        if (!row->hugging_face) continue;
        const char *first = strstr(row->hugging_face, "%d");
        assert_int_equal(first != NULL, row->copies != PER_MODEL);
        if (first) assert_int_equal(strstr(first + 1, "%d") != NULL, row->copies == PER_EXPERT);
    }
}

static void names_copies(void **state) {
    (void)state;
    struct {
        enum weight weight;
        bool gguf;
        const char *name;
    } cases[] = {
        {WEIGHT_EMBED, false, "model.embed_tokens.weight"},
        {WEIGHT_EMBED, true, "token_embd.weight"},
        {WEIGHT_HEAD, false, "lm_head.weight"},
        {WEIGHT_KV_A, false, "model.layers.12.self_attn.kv_a_proj_with_mqa.weight"},
        {WEIGHT_KV_A, true, "blk.12.attn_kv_a_mqa.weight"},
        {WEIGHT_ROUTER_BIAS, false, "model.layers.12.mlp.gate.e_score_correction_bias"},
        {WEIGHT_ROUTER_BIAS, true, "blk.12.exp_probs_b.bias"},
        {WEIGHT_EXPERT_DOWN, false, "model.layers.12.mlp.experts.200.down_proj.weight"},
        {WEIGHT_EXPERT_DOWN, true, "blk.12.ffn_down_exps.weight"},
        {WEIGHT_SHARED_UP, true, "blk.12.ffn_up_shexp.weight"},
        {WEIGHT_Q_BIAS, false, "model.layers.12.self_attn.q_proj.bias"},
        {WEIGHT_MTP_PROJECT, false, "model.layers.12.eh_proj.weight"},
        {WEIGHT_MTP_FINAL_NORM, true, "blk.12.nextn.shared_head_norm.weight"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];
        weight_name(&weight_rows()[cases[i].weight], cases[i].gguf, 12, 200, text, sizeof text);
        assert_string_equal(text, cases[i].name);
    }
}

static void check_shape(const struct model_desc *desc, enum weight weight, int rank, int64_t a, int64_t b,
                        int64_t c) {
    int64_t shape[3] = {0, 0, 0};
    assert_int_equal(weight_shape(desc, weight, shape), rank);
    assert_int_equal(shape[0], a);
    assert_int_equal(shape[1], b);
    assert_int_equal(shape[2], c);
}

static void shapes_of_latent_attention(void **state) {
    (void)state;
    struct model_desc v3 = preset("deepseek-v3"), lite = preset("deepseek-v2-lite");
    check_shape(&v3, WEIGHT_Q_A, 2, 1536, 7168, 0);
    check_shape(&v3, WEIGHT_Q_A_NORM, 1, 1536, 0, 0);
    check_shape(&v3, WEIGHT_Q_B, 2, 24576, 1536, 0);
    check_shape(&v3, WEIGHT_KV_A, 2, 576, 7168, 0);
    check_shape(&v3, WEIGHT_KV_A_NORM, 1, 512, 0, 0);
    check_shape(&v3, WEIGHT_KV_B, 2, 32768, 512, 0);
    check_shape(&v3, WEIGHT_K_B, 3, 128, 512, 128);
    check_shape(&v3, WEIGHT_V_B, 3, 128, 128, 512);
    check_shape(&v3, WEIGHT_LATENT_OUTPUT, 2, 7168, 16384, 0);
    check_shape(&v3, WEIGHT_ROUTER, 2, 256, 7168, 0);
    check_shape(&v3, WEIGHT_ROUTER_BIAS, 1, 256, 0, 0);
    check_shape(&v3, WEIGHT_EXPERT_DOWN, 2, 7168, 2048, 0);
    check_shape(&v3, WEIGHT_MTP_PROJECT, 2, 7168, 14336, 0);
    check_shape(&lite, WEIGHT_LATENT_Q, 2, 3072, 2048, 0);
    check_shape(&lite, WEIGHT_SHARED_GATE, 2, 2816, 2048, 0);
    check_shape(&lite, WEIGHT_SHARED_DOWN, 2, 2048, 2816, 0);
}

static void shapes_of_grouped_attention(void **state) {
    (void)state;
    struct model_desc llama = preset("r1-distill-llama-8b"), qwen = preset("r1-distill-qwen-7b");
    check_shape(&llama, WEIGHT_Q, 2, 4096, 4096, 0);
    check_shape(&llama, WEIGHT_K, 2, 1024, 4096, 0);
    check_shape(&llama, WEIGHT_OUTPUT, 2, 4096, 4096, 0);
    check_shape(&llama, WEIGHT_ROPE_DIVISOR, 1, 64, 0, 0);
    check_shape(&qwen, WEIGHT_Q_BIAS, 1, 3584, 0, 0);
    check_shape(&qwen, WEIGHT_V_BIAS, 1, 512, 0, 0);
    check_shape(&qwen, WEIGHT_DOWN, 2, 3584, 18944, 0);
}

/* ---- conditions ---- */

static void weights_exist_where_their_mechanism_is(void **state) {
    (void)state;
    struct model_desc v3 = preset("deepseek-v3"), lite = preset("deepseek-v2-lite");
    struct model_desc qwen = preset("r1-distill-qwen-7b"), llama = preset("r1-distill-llama-8b");
    assert_true(weight_exists(&v3, WEIGHT_Q_A, 0) && !weight_exists(&v3, WEIGHT_LATENT_Q, 0));
    assert_true(!weight_exists(&lite, WEIGHT_Q_A, 0) && weight_exists(&lite, WEIGHT_LATENT_Q, 0));
    assert_true(weight_exists(&v3, WEIGHT_GATE, 2) && !weight_exists(&v3, WEIGHT_GATE, 3));
    assert_true(!weight_exists(&v3, WEIGHT_EXPERT_UP, 2) && weight_exists(&v3, WEIGHT_EXPERT_UP, 3));
    assert_true(weight_exists(&v3, WEIGHT_ROUTER_BIAS, 3) && !weight_exists(&lite, WEIGHT_ROUTER_BIAS, 3));
    assert_true(weight_exists(&v3, WEIGHT_MTP_PROJECT, 61) && !weight_exists(&v3, WEIGHT_MTP_PROJECT, 60));
    assert_true(weight_exists(&v3, WEIGHT_EXPERT_UP, 61) && weight_exists(&v3, WEIGHT_KV_B, 61));
    assert_false(weight_exists(&v3, WEIGHT_Q, 0));
    assert_false(weight_exists(&qwen, WEIGHT_KV_A, 0));
    assert_true(weight_exists(&qwen, WEIGHT_K_BIAS, 0) && !weight_exists(&llama, WEIGHT_K_BIAS, 0));
    assert_false(weight_exists(&qwen, WEIGHT_OUTPUT_BIAS, 0));
    v3.shared_experts = 0;
    assert_false(weight_exists(&v3, WEIGHT_SHARED_UP, 3));
    assert_true(weight_exists(&v3, WEIGHT_HEAD, 0));
    v3.tied_head = true;
    assert_false(weight_exists(&v3, WEIGHT_HEAD, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_published_parameters),
        cmocka_unit_test(a_tied_head_counts_once),
        cmocka_unit_test(the_largest_model_fits),
        cmocka_unit_test(rows_stand_at_their_index),
        cmocka_unit_test(names_copies),
        cmocka_unit_test(shapes_of_latent_attention),
        cmocka_unit_test(shapes_of_grouped_attention),
        cmocka_unit_test(weights_exist_where_their_mechanism_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
