/* Descriptions of models from GGUF keys, and back: every key, every refusal, and the way around. */
#include "model/desc.h"

#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(found, expected, tolerance) assert_true(fabs((found) - (expected)) <= (tolerance))

static struct scratch scratch;

/* ---- files of keys ---- */

/* One key as text: "k=3" is an integer, "k=3.5" a float, "k=true" a flag, "k:word" a string, "k#5" an array of five
 * strings, "-k" leaves the key out. */
static void put_key(struct gguf_writer *writer, const char *entry) {
    char key[96];
    size_t name = strcspn(entry, "=:#");
    const char *value = entry + name + 1;
    snprintf(key, sizeof key, "%.*s", (int)name, entry);
    if (entry[name] == ':') {
        gguf_writer_text(writer, key, value);
    } else if (entry[name] == '#') {
        static const struct gguf_text text[5] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}};
        gguf_writer_texts(writer, key, text, (size_t)atoi(value));
    } else if (!strcmp(value, "true") || !strcmp(value, "false")) {
        gguf_writer_bool(writer, key, *value == 't');
    } else if (strpbrk(value, ".en")) {
        gguf_writer_f32(writer, key, strtof(value, NULL));
    } else {
        gguf_writer_u32(writer, key, (uint32_t)strtoul(value, NULL, 10));
    }
}

static bool same_key(const char *a, const char *b) {
    a += *a == '-';
    b += *b == '-';
    size_t name = strcspn(a, "=:#");
    return name == strcspn(b, "=:#") && !strncmp(a, b, name);
}

/* Writes `base` (up to NULL) with the entries of `change` in place of those with the same key. */
static const char *write_keys(const char *const *base, const char *const *change) {
    struct gguf_writer *writer;
    const char *path = scratch_path(&scratch, "keys.gguf");
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    for (const char *const *entry = base; *entry; entry++) {
        bool changed = false;
        for (const char *const *other = change; *other; other++) changed |= same_key(*entry, *other);
        if (!changed) put_key(writer, *entry);
    }
    for (const char *const *entry = change; *entry; entry++)
        if (**entry != '-') put_key(writer, *entry);
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
    return path;
}

static enum status read_file(struct model_desc *desc, const char *path) {
    struct file_map map;
    struct arena arena = {0};
    struct gguf gguf;
    struct tensor_list list = {0};
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    if (gguf_parse(&map, &arena, &gguf, &list) != STATUS_OK) fail_msg("%s", status_message());
    enum status status = model_desc_from_gguf(desc, &gguf);
    tensor_list_free(&list);
    arena_free(&arena);
    file_map_close(&map);
    return status;
}

static struct model_desc must_read(const char *const *base, const char *const *change) {
    struct model_desc desc;
    if (read_file(&desc, write_keys(base, change)) != STATUS_OK) fail_msg("%s", status_message());
    return desc;
}

#define CHANGE(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_CHANGE   ((const char *const[]){NULL})

#define D "deepseek2."
static const char *const v3[] = {"general.architecture:deepseek2",
                                 D "block_count=6",
                                 D "nextn_predict_layers=1",
                                 D "context_length=777",
                                 D "embedding_length=320",
                                 D "feed_forward_length=352",
                                 D "attention.head_count=3",
                                 D "attention.head_count_kv=1",
                                 D "attention.layer_norm_rms_epsilon=0.001",
                                 D "attention.q_lora_rank=72",
                                 D "attention.kv_lora_rank=48",
                                 D "attention.key_length=64",
                                 D "attention.value_length=48",
                                 D "attention.key_length_mla=40",
                                 D "attention.value_length_mla=20",
                                 D "vocab_size=1001",
                                 D "leading_dense_block_count=2",
                                 D "expert_count=16",
                                 D "expert_used_count=4",
                                 D "expert_shared_count=3",
                                 D "expert_feed_forward_length=44",
                                 D "expert_weights_scale=2.5",
                                 D "expert_weights_norm=true",
                                 D "expert_gating_func=2",
                                 D "expert_group_count=4",
                                 D "expert_group_used_count=2",
                                 D "rope.dimension_count=16",
                                 D "rope.freq_base=5000",
                                 D "rope.scaling.type:yarn",
                                 D "rope.scaling.factor=40",
                                 D "rope.scaling.original_context_length=4096",
                                 D "rope.scaling.yarn_log_multiplier=0.0707",
                                 "tokenizer.ggml.bos_token_id=7",
                                 "tokenizer.ggml.eos_token_id=8",
                                 "tokenizer.ggml.eot_token_id=9",
                                 NULL};

#define Q "qwen2."
static const char *const qwen[] = {"general.architecture:qwen2",
                                   Q "block_count=2",
                                   Q "context_length=512",
                                   Q "embedding_length=96",
                                   Q "feed_forward_length=128",
                                   Q "attention.head_count=6",
                                   Q "attention.head_count_kv=2",
                                   Q "attention.layer_norm_rms_epsilon=0.00001",
                                   Q "rope.freq_base=1000000.0",
                                   "tokenizer.ggml.tokens#5",
                                   NULL};

/* ---- fields ---- */

static void reads_every_key_of_v3(void **state) {
    (void)state;
    struct model_desc d = must_read(v3, NO_CHANGE);
    assert_string_equal(d.architecture, "deepseek_v3");
    assert_int_equal(d.layers, 5);
    assert_int_equal(d.mtp_layers, 1);
    assert_int_equal(d.context, 777);
    assert_int_equal(d.width, 320);
    assert_int_equal(d.dense_ffn, 352);
    assert_int_equal(d.heads, 3);
    assert_float_equal(d.norm_epsilon, 0.001F, 0);
    assert_int_equal(d.q_rank, 72);
    assert_int_equal(d.kv_rank, 48);
    assert_int_equal(d.nope_dim, 24);
    assert_int_equal(d.rope_dim, 16);
    assert_int_equal(d.value_dim, 20);
    assert_int_equal(d.vocab, 1001);
    assert_int_equal(d.experts, 16);
    assert_int_equal(d.experts_used, 4);
    assert_int_equal(d.shared_experts, 3);
    assert_int_equal(d.expert_ffn, 44);
    assert_near(d.routed_scale, 2.5, 0);
    assert_true(d.normalise_weights);
    assert_int_equal(d.expert_groups, 4);
    assert_int_equal(d.groups_used, 2);
    assert_near(d.rope.base, 5000, 0);
    assert_int_equal(d.rope.scaling, ROPE_YARN);
    assert_true(d.rope.interleaved);
    assert_near(d.rope.factor, 40, 0);
    assert_int_equal(d.rope.original_context, 4096);
    assert_near(d.rope.beta_fast, 32, 0);
    assert_near(d.rope.beta_slow, 1, 0);
    assert_near(d.rope.mscale, 0.707, 1e-7);
    assert_near(d.rope.mscale_all_dim, 0.707, 1e-7);
    assert_int_equal(d.bos, 7);
    assert_int_equal(d.eos_count, 2);
    assert_int_equal(d.eos[0], 8);
    assert_int_equal(d.eos[1], 9);
    for (int i = 0; i < 6; i++) assert_int_equal(d.layer[i].ffn, i < 2 ? FFN_DENSE : FFN_EXPERTS);
    assert_int_equal(d.layer[5].router, ROUTE_SIGMOID_BIASED);
}

/* Before the absorbed layout, key_length was the head's own. Routers were softmax where no key says so. */
static void reads_older_files(void **state) {
    (void)state;
    struct model_desc d = must_read(
        v3, CHANGE("-" D "attention.key_length_mla", "-" D "attention.value_length_mla",
                   D "attention.key_length=40", D "attention.value_length=20", "-" D "expert_gating_func",
                   "-" D "expert_weights_norm", "-" D "expert_group_count", "-" D "expert_group_used_count",
                   D "expert_weights_scale=0.0"));
    assert_int_equal(d.nope_dim, 24);
    assert_int_equal(d.value_dim, 20);
    assert_string_equal(d.architecture, "deepseek_v2");
    assert_int_equal(d.layer[4].router, ROUTE_SOFTMAX_GREEDY);
    assert_false(d.normalise_weights);
    assert_int_equal(d.expert_groups, 1);
    assert_near(d.routed_scale, 1, 0); /* 0 stands for none */
}

/* V2 and V3 files without the keys of the groups are known by their numbers of experts and layers. */
static void knows_the_groups_of_published_models(void **state) {
    (void)state;
    struct model_desc d = must_read(v3, CHANGE("-" D "expert_group_count", "-" D "expert_group_used_count",
                                               "-" D "nextn_predict_layers", D "block_count=61",
                                               D "expert_count=256", D "expert_used_count=8"));
    assert_int_equal(d.expert_groups, 8);
    assert_int_equal(d.groups_used, 4);
    d = must_read(v3, CHANGE("-" D "expert_group_count", "-" D "expert_group_used_count",
                             "-" D "nextn_predict_layers", D "block_count=60", D "expert_count=160",
                             D "expert_gating_func=1", D "expert_weights_norm=false"));
    assert_int_equal(d.expert_groups, 8);
    assert_int_equal(d.groups_used, 3);
    assert_int_equal(d.layer[59].router, ROUTE_GROUP_LIMITED);
}

static void reads_grouped_attention(void **state) {
    (void)state;
    struct model_desc d = must_read(qwen, NO_CHANGE);
    assert_string_equal(d.architecture, "qwen2");
    assert_int_equal(d.kv_heads, 2);
    assert_int_equal(d.head_dim, 16);
    assert_int_equal(d.vocab, 5); /* as many as there are tokens */
    assert_true(d.qkv_bias);
    assert_false(d.rope.interleaved);
    assert_int_equal(d.bos, -1);
    assert_int_equal(d.eos_count, 0);
    d = must_read(qwen, CHANGE(Q "attention.key_length=24", Q "attention.value_length=24",
                               Q "rope.dimension_count=24", Q "rope.scaling.type:linear",
                               Q "rope.scaling.factor=4"));
    assert_int_equal(d.head_dim, 24);
    assert_int_equal(d.rope.scaling, ROPE_LINEAR);
}

/* ---- refusals ---- */

struct refusal {
    const char *const *base;
    const char *change[3];
    enum status status;
    const char *names;
};

static const struct refusal refusals[] = {
    {v3, {"-general.architecture"}, STATUS_UNSUPPORTED, "general.architecture"},
    {v3, {"general.architecture:gemma"}, STATUS_UNSUPPORTED, "general.architecture"},
    {v3, {"general.architecture=3"}, STATUS_UNSUPPORTED, "general.architecture"},
    {v3, {"-" D "block_count"}, STATUS_FORMAT, "block_count"},
    {v3, {D "block_count=505"}, STATUS_FORMAT, "block_count"},
    {v3, {D "block_count:six"}, STATUS_FORMAT, "block_count"},
    {v3, {D "nextn_predict_layers=6"}, STATUS_FORMAT, "nextn_predict_layers"},
    {v3, {"-" D "embedding_length"}, STATUS_FORMAT, "embedding_length"},
    {v3, {D "embedding_length=262145"}, STATUS_FORMAT, "embedding_length"},
    {v3, {D "attention.head_count=0"}, STATUS_FORMAT, "attention.head_count"},
    {v3, {"-" D "feed_forward_length"}, STATUS_FORMAT, "feed_forward_length"},
    {v3, {"-" D "context_length"}, STATUS_FORMAT, "context_length"},
    {v3, {D "attention.layer_norm_rms_epsilon=nan"}, STATUS_FORMAT, "layer_norm_rms_epsilon"},
    {v3, {D "vocab_size=0"}, STATUS_FORMAT, "vocab_size"},
    {v3, {"-" D "vocab_size"}, STATUS_FORMAT, "vocab_size"},
    {v3, {"-" D "vocab_size", "tokenizer.ggml.tokens=3"}, STATUS_FORMAT, "tokenizer.ggml.tokens"},
    {v3, {"-" D "attention.kv_lora_rank"}, STATUS_FORMAT, "kv_lora_rank"},
    {v3, {D "attention.q_lora_rank=4294967295"}, STATUS_FORMAT, "q_lora_rank"},
    {v3, {D "attention.key_length_mla=16"}, STATUS_FORMAT, "key length 16"},
    {v3, {"-" D "attention.value_length_mla"}, STATUS_FORMAT, "value_length_mla"},
    {v3, {"-" D "rope.dimension_count"}, STATUS_FORMAT, "rope.dimension_count"},
    {v3, {D "rope.dimension_count=15"}, STATUS_FORMAT, "15 is odd"},
    {v3, {"-" D "expert_used_count"}, STATUS_FORMAT, "expert_used_count"},
    {v3, {D "expert_used_count=17"}, STATUS_FORMAT, "expert_used_count"},
    {v3, {D "expert_gating_func=4"}, STATUS_UNSUPPORTED, "expert_gating_func"},
    {v3, {D "expert_group_count=5"}, STATUS_FORMAT, "n_group 5"},
    {v3, {D "expert_weights_scale=nan"}, STATUS_FORMAT, "expert_weights_scale"},
    {v3, {D "rope.freq_base=0.5"}, STATUS_FORMAT, "rope.freq_base"},
    {v3, {D "rope.freq_base=1.0"}, STATUS_FORMAT, "rope_theta"},
    {v3, {D "rope.scaling.type:longrope"}, STATUS_UNSUPPORTED, "longrope"},
    {v3, {D "rope.scaling.factor=0"}, STATUS_FORMAT, "rope.scaling.factor"},
    {v3, {D "rope.scaling.original_context_length=0"}, STATUS_FORMAT, "original_context_length"},
    {v3, {D "rope.scaling.yarn_beta_fast=0.0"}, STATUS_FORMAT, "yarn_beta_fast"},
    {v3, {D "rope.scaling.yarn_beta_slow=50"}, STATUS_FORMAT, "beta_slow"},
    {qwen, {Q "attention.head_count_kv=4"}, STATUS_FORMAT, "num_key_value_heads"},
    {qwen, {Q "attention.value_length=8"}, STATUS_UNSUPPORTED, "attention.value_length"},
    {qwen, {Q "rope.dimension_count=8"}, STATUS_UNSUPPORTED, "rope.dimension_count"},
    {qwen, {Q "attention.head_count=5"}, STATUS_FORMAT, "attention.key_length"},
    {qwen, {Q "expert_count=8"}, STATUS_UNSUPPORTED, "expert_count"},
};

static void refuses_with_file_and_key(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct model_desc desc;
        enum status status = read_file(&desc, write_keys(r->base, r->change));
        if (status != r->status || !strstr(status_message(), r->names) ||
            !strstr(status_message(), "keys.gguf"))
            fail_msg("%s: status %d, \"%s\"; wanted %d and \"%s\"", r->change[0], status,
                     status == STATUS_OK ? "" : status_message(), r->status, r->names);
    }
}

/* Ids beyond the vocabulary are dropped: vocabulary-only files carry the model's. */
static void ids_outside_are_none(void **state) {
    (void)state;
    struct model_desc d =
        must_read(v3, CHANGE("tokenizer.ggml.bos_token_id=4000000000", "tokenizer.ggml.eos_token_id=1001"));
    assert_int_equal(d.bos, -1);
    assert_int_equal(d.eos_count, 1);
    assert_int_equal(d.eos[0], 9);
}

/* ---- and back ---- */

static struct model_desc read_config(const char *name, const char *field, json_t *value) {
    struct model_desc desc;
    json_t *config;
    const char *text = model_preset_config(name);
    assert_int_equal(json_parse(text, strlen(text), name, &config), STATUS_OK);
    if (field) json_object_set_new(config, field, value);
    if (model_desc_from_config(&desc, config, name) != STATUS_OK) fail_msg("%s", status_message());
    json_decref(config);
    return desc;
}

static enum status write_desc(const struct model_desc *desc, const char *path) {
    struct gguf_writer *writer;
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    enum status status = model_desc_to_gguf(desc, writer, "config.json");
    if (status == STATUS_OK) status = gguf_writer_finish(writer);
    gguf_writer_close(writer);
    return status;
}

/* What the format holds elsewhere or as f32 is set to what is expected; everything else must come back as it was. */
static void comes_back_the_same(void **state) {
    (void)state;
    for (int i = 0; model_preset_name(i); i++) {
        struct model_desc desc = read_config(model_preset_name(i), NULL, NULL), back;
        const char *path = scratch_path(&scratch, "preset.gguf");
        assert_int_equal(write_desc(&desc, path), STATUS_OK);
        if (read_file(&back, path) != STATUS_OK) fail_msg("%s", status_message());
        assert_near(back.rope.mscale_all_dim, desc.rope.mscale_all_dim, 1e-6);
        assert_near(back.attention_scale, desc.attention_scale, 1e-6);
        bool llama3 = desc.rope.scaling == ROPE_LLAMA3; /* a tensor holds it, and q and k are permuted */
        back.rope = desc.rope;
        back.attention_scale = desc.attention_scale;
        back.bos = desc.bos;
        back.eos_count = desc.eos_count;
        memcpy(back.eos, desc.eos, sizeof desc.eos);
        memcpy(back.fp8_block, desc.fp8_block, sizeof desc.fp8_block);
        if (!desc.experts) back.expert_groups = back.groups_used = 0;
        assert_int_equal(llama3, !strcmp(desc.architecture, "llama"));
        assert_string_equal(back.architecture, desc.architecture);
        assert_memory_equal(&back, &desc, offsetof(struct model_desc, layer));
        for (int layer = 0; layer < desc.layers + desc.mtp_layers; layer++) {
            assert_int_equal(back.layer[layer].attention, desc.layer[layer].attention);
            assert_int_equal(back.layer[layer].ffn, desc.layer[layer].ffn);
            if (desc.layer[layer].ffn == FFN_EXPERTS)
                assert_int_equal(back.layer[layer].router, desc.layer[layer].router);
        }
    }
}

static void refuses_what_the_format_cannot_say(void **state) {
    (void)state;
    const char *path = scratch_path(&scratch, "refused.gguf");
    struct model_desc desc = read_config("deepseek-v3", "moe_layer_freq", json_integer(2));
    assert_int_equal(write_desc(&desc, path), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "moe_layer_freq"));
    desc = read_config("deepseek-v3", NULL, NULL);
    desc.rope.mscale = 0.5;
    assert_int_equal(write_desc(&desc, path), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "mscale"));
    assert_false(scratch_has(&scratch, "refused.gguf"));
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key_of_v3),
        cmocka_unit_test(reads_older_files),
        cmocka_unit_test(knows_the_groups_of_published_models),
        cmocka_unit_test(reads_grouped_attention),
        cmocka_unit_test(refuses_with_file_and_key),
        cmocka_unit_test(ids_outside_are_none),
        cmocka_unit_test(comes_back_the_same),
        cmocka_unit_test(refuses_what_the_format_cannot_say),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
