/* Checkpoints of random weights: both containers load, in every number format; a seed decides every byte;
 * nothing unfinished stays behind. */
#include "model/synth.h"

#include "model/synth_family.h"
#include "model/weights.h"
#include "support/scratch.h"
#include "support/small_model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch scratch;

struct made {
    struct synth_options options;
    struct synth_result result;
    json_t *config;
};

static struct made made_from(const char *base, const char *name, enum dtype type) {
    json_t *config = small_config(base, "{}");
    return (struct made){.options = {.config = config,
                                     .origin = "config.json",
                                     .name = base,
                                     .path = scratch_path(&scratch, name),
                                     .mix = {.type = type},
                                     .seed = 1,
                                     .threads = 2},
                         .config = config};
}

static void must_write(struct made *made) {
    if (synth_write(&made->options, &made->result) != STATUS_OK) fail_msg("%s", status_message());
}

static void remove_tree(const char *path) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* ---- loading ---- */

struct loaded {
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
};

static void load(struct loaded *loaded, const char *path) {
    struct checkpoint *checkpoint = &loaded->checkpoint;
    if (checkpoint_open(checkpoint, path, CHECKPOINT_TENSORS) != STATUS_OK) fail_msg("%s", status_message());
    enum status status = checkpoint->kind == CHECKPOINT_GGUF
                             ? model_desc_from_gguf(&loaded->desc, &checkpoint->gguf)
                             : model_desc_from_config(&loaded->desc, checkpoint->config, path);
    if (status != STATUS_OK) fail_msg("%s: %s", path, status_message());
    if (weights_load(&loaded->weights, &loaded->desc, checkpoint) != STATUS_OK)
        fail_msg("%s: %s", path, status_message());
}

static void unload(struct loaded *loaded) {
    weights_free(&loaded->weights);
    checkpoint_close(&loaded->checkpoint);
}

static int64_t rows_of(const struct tensor *tensor) {
    int64_t rows = 1;
    for (int i = 0; i + 1 < tensor->rank; i++) rows *= tensor->shape[i];
    return rows;
}

/* Every value is a number, none is wild, and no tensor is all the same. */
static void check_values(const struct named_tensor *item) {
    float values[1024], least = INFINITY, most = -INFINITY;
    struct tensor flat = item->tensor;
    int64_t rows = rows_of(&flat), columns = flat.shape[flat.rank - 1];
    assert_true(columns <= 1024);
    if (flat.rank == 3) {
        flat.rank = 2;
        flat.shape[0] = rows;
        flat.shape[1] = columns;
    }
    for (int64_t row = 0; row < rows; row++) {
        tensor_decode_row(&flat, row, values);
        for (int64_t i = 0; i < columns; i++) {
            if (!(fabsf(values[i]) < 100)) fail_msg("%s: %g", item->name, (double)values[i]);
            least = fminf(least, values[i]);
            most = fmaxf(most, values[i]);
        }
    }
    if (!(least < most)) fail_msg("%s is constant", item->name);
}

static void check_tensors(const struct loaded *loaded) {
    for (size_t i = 0; i < loaded->checkpoint.tensors.count; i++)
        check_values(&loaded->checkpoint.tensors.item[i]);
}

static const char *const bases[] = {"deepseek-v2-lite", "deepseek-v2", "deepseek-v3", "r1-distill-qwen-7b",
                                    "r1-distill-llama-8b"};

static void gguf_of_every_architecture_loads(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        struct loaded loaded;
        struct made made = made_from(bases[i], "model.gguf", DTYPE_Q8_0);
        must_write(&made);
        load(&loaded, made.options.path);
        check_tensors(&loaded);
        assert_int_equal(loaded.checkpoint.tensors.count, made.result.tensors);
        assert_int_equal(loaded.desc.mtp_layers, 0);
        unload(&loaded);
        json_decref(made.config);
    }
}

static void directories_of_every_architecture_load(void **state) {
    (void)state;
    static const enum dtype types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F8_E4M3};
    for (size_t i = 0; i < COUNT_OF(bases) * COUNT_OF(types); i++) {
        struct loaded loaded;
        struct made made = made_from(bases[i % COUNT_OF(bases)], "model", types[i / COUNT_OF(bases)]);
        must_write(&made);
        load(&loaded, made.options.path);
        check_tensors(&loaded);
        bool v3 = !strcmp(loaded.desc.architecture, "deepseek_v3"),
             fp8 = made.options.mix.type == DTYPE_F8_E4M3;
        assert_int_equal(loaded.desc.mtp_layers, v3);
        assert_int_equal(loaded.desc.fp8_block[0], fp8 ? 128 : 0);
        unload(&loaded);
        remove_tree(made.options.path);
        json_decref(made.config);
    }
}

static void every_block_format_loads(void **state) {
    (void)state;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (!dtype_traits((enum dtype)t)->decode || dtype_traits((enum dtype)t)->gguf_type < 0) continue;
        struct loaded loaded;
        struct made made = made_from("deepseek-v2-lite", "model.gguf", (enum dtype)t);
        must_write(&made);
        load(&loaded, made.options.path);
        check_tensors(&loaded);
        assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_KV_A, 0, 0)->dtype, t); /* rows of 256 */
        unload(&loaded);
        json_decref(made.config);
    }
}

/* ---- number formats ---- */

static void short_rows_take_another_format(void **state) {
    (void)state;
    static const struct {
        enum dtype type, down, k_b, v_b; /* rows of 96 + experts' down 96, 32, 64 */
    } cases[] = {
        {DTYPE_Q4_K, DTYPE_Q5_0, DTYPE_Q5_0, DTYPE_Q5_0},
        {DTYPE_Q5_K, DTYPE_Q5_1, DTYPE_Q5_0, DTYPE_Q5_0},
        {DTYPE_Q6_K, DTYPE_Q8_0, DTYPE_Q5_0, DTYPE_Q5_0},
        {DTYPE_IQ2_XXS, DTYPE_IQ4_NL, DTYPE_Q5_0, DTYPE_Q5_0},
        {DTYPE_Q8_0, DTYPE_Q8_0, DTYPE_BF16, DTYPE_BF16},
        {DTYPE_F16, DTYPE_F16, DTYPE_BF16, DTYPE_BF16},
        {DTYPE_BF16, DTYPE_BF16, DTYPE_BF16, DTYPE_BF16},
        {DTYPE_F32, DTYPE_F32, DTYPE_F32, DTYPE_F32},
        {DTYPE_MXFP4, DTYPE_MXFP4, DTYPE_Q5_0, DTYPE_Q5_0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct loaded loaded;
        struct made made = made_from("deepseek-v3", "model.gguf", cases[i].type);
        must_write(&made);
        load(&loaded, made.options.path);
        const struct weights *weights = &loaded.weights;
        assert_int_equal(weights_matrix(weights, WEIGHT_EXPERT_DOWN, 1, 7)->dtype, cases[i].down);
        assert_int_equal(weights_matrix(weights, WEIGHT_K_B, 0, 0)->dtype, cases[i].k_b);
        assert_int_equal(weights_matrix(weights, WEIGHT_V_B, 0, 0)->dtype, cases[i].v_b);
        assert_int_equal(weights_matrix(weights, WEIGHT_ROUTER, 1, 0)->dtype, DTYPE_F32);
        unload(&loaded);
        json_decref(made.config);
    }
}

static void mixes_raise_some_tensors(void **state) {
    (void)state;
    struct loaded loaded;
    struct made made = made_from("r1-distill-qwen-7b", "model.gguf", DTYPE_Q4_K);
    json_object_set_new(made.config, "num_hidden_layers", json_integer(4));
    json_object_set_new(made.config, "intermediate_size", json_integer(512));
    made.options.mix.size = MIX_MEDIUM;
    must_write(&made);
    load(&loaded, made.options.path);
    static const enum dtype down[] = {DTYPE_Q4_K, DTYPE_Q4_K, DTYPE_Q6_K, DTYPE_Q6_K};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_DOWN, i, 0)->dtype, down[i]);
        assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_V, i, 0)->dtype, down[i]);
        assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_Q, i, 0)->dtype, DTYPE_Q4_K);
    }
    assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_HEAD, 0, 0)->dtype, DTYPE_Q6_K);
    assert_int_equal(weights_matrix(&loaded.weights, WEIGHT_EMBED, 0, 0)->dtype, DTYPE_Q4_K);
    unload(&loaded);
    made.options.mix.type = DTYPE_Q8_0;
    assert_int_equal(synth_write(&made.options, &made.result), STATUS_USAGE);
    json_decref(made.config);
}

static void fp8_leaves_out_what_is_sensitive(void **state) {
    (void)state;
    struct loaded loaded;
    struct made made = made_from("deepseek-v3", "model", DTYPE_F8_E4M3);
    must_write(&made);
    load(&loaded, made.options.path);
    const struct weights *weights = &loaded.weights;
    assert_int_equal(weights_matrix(weights, WEIGHT_EMBED, 0, 0)->dtype, DTYPE_BF16);
    assert_int_equal(weights_matrix(weights, WEIGHT_HEAD, 0, 0)->dtype, DTYPE_BF16);
    assert_int_equal(weights_matrix(weights, WEIGHT_ROUTER, 1, 0)->dtype, DTYPE_BF16);
    const struct tensor *down = weights_matrix(weights, WEIGHT_EXPERT_DOWN, 2, 3);
    assert_int_equal(down->dtype, DTYPE_F8_E4M3);
    assert_non_null(down->scale);
    unload(&loaded);
    remove_tree(made.options.path);
    json_decref(made.config);
}

/* Matrices multiply unit vectors into unit vectors: what a deep model of them needs. */
static void matrices_keep_the_size_of_vectors(void **state) {
    (void)state;
    static const enum dtype types[] = {DTYPE_BF16, DTYPE_F8_E4M3};
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        struct loaded loaded;
        struct made made = made_from("deepseek-v3", "model", types[t]);
        float values[1024];
        double squares = 0;
        must_write(&made);
        load(&loaded, made.options.path);
        const struct tensor *w = weights_matrix(&loaded.weights, WEIGHT_EXPERT_GATE, 1, 0);
        for (int64_t row = 0; row < w->shape[0]; row++) {
            tensor_decode_row(w, row, values);
            for (int64_t i = 0; i < w->shape[1]; i++) squares += (double)values[i] * values[i];
        }
        assert_true(fabs(sqrt(squares / (double)w->shape[0]) - 1) < 0.1);
        unload(&loaded);
        remove_tree(made.options.path);
        json_decref(made.config);
    }
}

/* ---- bytes ---- */

static char *bytes_of(enum dtype type, uint64_t seed, int threads, size_t *bytes) {
    struct made made = made_from("deepseek-v2-lite", "model.gguf", type);
    made.options.seed = seed;
    made.options.threads = threads;
    must_write(&made);
    json_decref(made.config);
    return file_contents(made.options.path, bytes);
}

static void a_seed_decides_every_byte(void **state) {
    (void)state;
    size_t one_bytes, two_bytes, other_bytes, same = 0;
    char *one = bytes_of(DTYPE_Q4_0, 1, 1, &one_bytes), *two = bytes_of(DTYPE_Q4_0, 1, 3, &two_bytes);
    char *other = bytes_of(DTYPE_Q4_0, 2, 1, &other_bytes);
    assert_int_equal(one_bytes, two_bytes);
    assert_memory_equal(one, two, one_bytes);
    assert_int_equal(one_bytes, other_bytes);
    for (size_t i = one_bytes / 2; i < one_bytes; i++) same += one[i] == other[i];
    assert_true(same < one_bytes / 8);
    free(one);
    free(two);
    free(other);
}

static void large_checkpoints_are_split(void **state) {
    (void)state;
    struct loaded whole, split;
    struct made one = made_from("deepseek-v3", "one", DTYPE_BF16);
    struct made many = made_from("deepseek-v3", "many", DTYPE_BF16);
    many.options.shard_bytes = 500000;
    must_write(&one);
    must_write(&many);
    load(&whole, one.options.path);
    load(&split, many.options.path);
    assert_int_equal(whole.checkpoint.map_count, 1);
    assert_true(split.checkpoint.map_count > 4);
    assert_int_equal(whole.checkpoint.tensors.count, split.checkpoint.tensors.count);
    for (size_t i = 0; i < whole.checkpoint.tensors.count; i++) {
        const struct named_tensor *a = &whole.checkpoint.tensors.item[i],
                                  *b = &split.checkpoint.tensors.item[i];
        assert_string_equal(a->name, b->name);
        assert_memory_equal(a->tensor.data, b->tensor.data, (size_t)tensor_bytes(&a->tensor));
    }
    unload(&whole);
    unload(&split);
    remove_tree(one.options.path);
    remove_tree(many.options.path);
    json_decref(one.config);
    json_decref(many.config);
}

static void fewer_layers(void **state) {
    (void)state;
    struct loaded loaded;
    struct made made = made_from("deepseek-v3", "model", DTYPE_BF16);
    made.options.layers = 2;
    must_write(&made);
    load(&loaded, made.options.path);
    assert_int_equal(loaded.desc.layers, 2);
    assert_int_equal(loaded.desc.mtp_layers, 1);
    assert_int_equal(loaded.desc.layer[1].ffn, FFN_EXPERTS);
    unload(&loaded);
    remove_tree(made.options.path);
    json_decref(made.config);
}

/* ---- tokenizers ---- */

static void check_tokenizer(const struct tokenizer *tokenizer, const struct model_desc *desc) {
    static const char text[] = "Hello, bako dife 123!\n  \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x99\x82";
    struct token_list list = {0};
    struct buffer out = {0};
    struct detokenizer detokenizer = {.tokenizer = tokenizer, .show_special = true};
    assert_int_equal(tokenizer_encode(tokenizer, text, strlen(text), TOKENIZE_SPECIAL, &list), STATUS_OK);
    assert_true(list.count < strlen(text)); /* some merges apply */
    for (size_t i = 0; i < list.count; i++) detokenizer_push(&detokenizer, list.id[i], &out);
    detokenizer_finish(&detokenizer, &out);
    assert_string_equal(out.data, text);
    assert_int_equal(tokenizer_bos(tokenizer), desc->bos);
    assert_int_equal(tokenizer_eos(tokenizer), desc->eos[0]);
    assert_true(tokenizer_adds_bos(tokenizer));
    assert_int_equal(tokenizer_find(tokenizer, "<｜begin▁of▁sentence｜>"), desc->bos);
    token_list_free(&list);
    buffer_free(&out);
}

static void tokenizers_of_both_containers_agree(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        struct loaded directory, file;
        struct tokenizer *from_json, *from_gguf;
        struct made made = made_from(bases[i], "model", DTYPE_BF16);
        char path[512];
        json_t *root;
        must_write(&made);
        load(&directory, made.options.path);
        snprintf(path, sizeof path, "%s/tokenizer.json", made.options.path);
        assert_int_equal(json_read_file(path, 1 << 24, &root), STATUS_OK);
        if (tokenizer_from_json(&from_json, root, directory.checkpoint.tokenizer_config, path) != STATUS_OK)
            fail_msg("%s", status_message());
        json_decref(root);
        remove_tree(made.options.path);
        made.options.path = scratch_path(&scratch, "model.gguf");
        must_write(&made);
        load(&file, made.options.path);
        if (tokenizer_from_gguf(&from_gguf, &file.checkpoint.gguf) != STATUS_OK)
            fail_msg("%s", status_message());
        check_tokenizer(from_json, &directory.desc);
        check_tokenizer(from_gguf, &directory.desc);
        for (int32_t id = 0; id < 500; id++) {
            size_t a_bytes, b_bytes;
            const char *a = tokenizer_bytes(from_json, id, &a_bytes),
                       *b = tokenizer_bytes(from_gguf, id, &b_bytes);
            assert_int_equal(a_bytes, b_bytes);
            assert_memory_equal(a, b, a_bytes);
            assert_true(a_bytes > 0);
        }
        tokenizer_close(from_json);
        tokenizer_close(from_gguf);
        unload(&directory);
        unload(&file);
        json_decref(made.config);
    }
}

static void chat_templates_are_known(void **state) {
    (void)state;
    static const struct {
        const char *base;
        enum chat_template template;
    } cases[] = {{"deepseek-v2-lite", TEMPLATE_DEEPSEEK_V2},
                 {"deepseek-v3", TEMPLATE_DEEPSEEK_V3},
                 {"deepseek-r1", TEMPLATE_DEEPSEEK_R1},
                 {"deepseek-v3.1", TEMPLATE_DEEPSEEK_V31_RELEASE},
                 {"r1-distill-qwen-7b", TEMPLATE_DEEPSEEK_R1_DISTILL},
                 {"r1-distill-llama-8b", TEMPLATE_DEEPSEEK_R1_DISTILL}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct checkpoint checkpoint;
        enum chat_template template;
        struct made made = made_from(cases[i].base, "model.gguf", DTYPE_Q4_0);
        must_write(&made);
        assert_int_equal(checkpoint_open(&checkpoint, made.options.path, 0), STATUS_OK);
        if (chat_template_choose(&checkpoint, &template, NULL) != STATUS_OK) fail_msg("%s", status_message());
        assert_int_equal(template, cases[i].template);
        checkpoint_close(&checkpoint);
        json_decref(made.config);
    }
}

/* Special tokens stand at their published ids where the vocabulary has them. */
static void special_tokens_have_their_ids(void **state) {
    (void)state;
    struct made made = made_from("deepseek-r1", "model.gguf", DTYPE_Q4_0);
    struct checkpoint checkpoint;
    struct tokenizer *tokenizer;
    json_object_set_new(made.config, "vocab_size", json_integer(129280));
    json_object_set_new(made.config, "hidden_size", json_integer(32));
    must_write(&made);
    assert_int_equal(checkpoint_open(&checkpoint, made.options.path, 0), STATUS_OK);
    if (tokenizer_from_gguf(&tokenizer, &checkpoint.gguf) != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(tokenizer_find(tokenizer, "<｜User｜>"), 128803);
    assert_int_equal(tokenizer_find(tokenizer, "<think>"), 128798);
    assert_int_equal(tokenizer_find(tokenizer, "<｜tool▁sep｜>"), 128814);
    assert_int_equal(tokenizer_vocabulary(tokenizer), 129280);
    tokenizer_close(tokenizer);
    checkpoint_close(&checkpoint);
    json_decref(made.config);
}

/* ---- failures ---- */

static void check_refusal(struct made *made, enum status expected, const char *names) {
    int before = scratch_entries(&scratch);
    enum status status = synth_write(&made->options, &made->result);
    if (status != expected || !strstr(status_message(), names))
        fail_msg("status %d, \"%s\"; wanted %d and \"%s\"", status, status_message(), expected, names);
    assert_int_equal(scratch_entries(&scratch), before);
    json_decref(made->config);
}

static void refuses_what_cannot_be(void **state) {
    (void)state;
    struct made made = made_from("deepseek-v3", "refused.gguf", DTYPE_F8_E4M3);
    check_refusal(&made, STATUS_USAGE, "GGUF cannot hold fp8");
    made = made_from("deepseek-v3", "refused", DTYPE_Q8_0);
    check_refusal(&made, STATUS_USAGE, "must end in .gguf");
    made = made_from("deepseek-v3", "refused.gguf", DTYPE_I32);
    check_refusal(&made, STATUS_USAGE, "cannot hold weights");
    made = made_from("deepseek-v3", "refused.gguf", DTYPE_Q8_0);
    made.options.layers = 4;
    check_refusal(&made, STATUS_USAGE, "4 layers: config.json has 3");
    made = made_from("deepseek-v3", "refused.gguf", DTYPE_Q8_0);
    json_object_set_new(made.config, "vocab_size", json_integer(279));
    check_refusal(&made, STATUS_INPUT, "vocab_size 279");
    made = made_from("deepseek-v3", "refused.gguf", DTYPE_Q8_0);
    json_object_del(made.config, "hidden_size");
    check_refusal(&made, STATUS_FORMAT, "hidden_size");
    made = made_from("deepseek-v3", "missing/refused.gguf", DTYPE_Q8_0);
    check_refusal(&made, STATUS_IO, "refused.gguf");
    made = made_from("deepseek-v3", "missing/refused", DTYPE_BF16);
    check_refusal(&made, STATUS_IO, "refused");
    scratch_text(&scratch, "taken", "");
    made = made_from("deepseek-v3", "taken", DTYPE_BF16);
    check_refusal(&made, STATUS_INPUT, "exists");
}

/* More than any disk has: refused before anything is made. */
static void refuses_without_room(void **state) {
    (void)state;
    struct made made = made_from("deepseek-v3", "refused.gguf", DTYPE_F32);
    json_object_set_new(made.config, "n_routed_experts", json_integer(4096));
    json_object_set_new(made.config, "moe_intermediate_size", json_integer(262144));
    json_object_set_new(made.config, "hidden_size", json_integer(262144));
    check_refusal(&made, STATUS_LIMIT, "the disk has");
}

static bool stop_after(void *context, int64_t done, int64_t total) {
    int64_t *limit = context;
    assert_true(done <= total);
    return done < *limit;
}

static void a_stopped_job_leaves_nothing(void **state) {
    (void)state;
    int64_t limit = 300000;
    struct made made = made_from("deepseek-v3", "stopped.gguf", DTYPE_BF16);
    made.options.progress = stop_after;
    made.options.progress_context = &limit;
    check_refusal(&made, STATUS_CANCELLED, "stopped");
    made = made_from("deepseek-v3", "stopped", DTYPE_BF16);
    made.options.progress = stop_after;
    made.options.progress_context = &limit;
    made.options.shard_bytes = 100000;
    check_refusal(&made, STATUS_CANCELLED, "stopped");
}

static void an_empty_directory_is_filled(void **state) {
    (void)state;
    struct loaded loaded;
    struct made made = made_from("deepseek-v3", "empty", DTYPE_BF16);
    assert_int_equal(mkdir(made.options.path, 0777), 0);
    must_write(&made);
    load(&loaded, made.options.path);
    unload(&loaded);
    remove_tree(made.options.path);
    json_decref(made.config);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_of_every_architecture_loads),
        cmocka_unit_test(directories_of_every_architecture_load),
        cmocka_unit_test(every_block_format_loads),
        cmocka_unit_test(short_rows_take_another_format),
        cmocka_unit_test(mixes_raise_some_tensors),
        cmocka_unit_test(fp8_leaves_out_what_is_sensitive),
        cmocka_unit_test(matrices_keep_the_size_of_vectors),
        cmocka_unit_test(a_seed_decides_every_byte),
        cmocka_unit_test(large_checkpoints_are_split),
        cmocka_unit_test(fewer_layers),
        cmocka_unit_test(tokenizers_of_both_containers_agree),
        cmocka_unit_test(chat_templates_are_known),
        cmocka_unit_test(special_tokens_have_their_ids),
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(refuses_without_room),
        cmocka_unit_test(a_stopped_job_leaves_nothing),
        cmocka_unit_test(an_empty_directory_is_filled),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
