/* Conversion to GGUF: the converted model computes what its source does, every format errs as much as it must and
 * no more, what has the format is copied, and nothing unfinished stays behind. */
#include "model/quantize.h"

#include "kernel/kernel.h"
#include "model/synth.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "support/small_model.h"

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

enum { TOKENS = 24, VOCAB = 500 };

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static void remove_tree(const char *path) {
    char command[512];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* ---- sources ---- */

static const char *make(const char *base, const char *patch, const char *name, enum dtype type) {
    static char path[256]; /* outlives those that scratch_path() keeps */
    struct synth_result result;
    json_t *config = small_config(base, patch);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, name));
    remove_tree(path);
    require(synth_write(&(struct synth_options){.config = config,
                                                .origin = "config.json",
                                                .name = base,
                                                .path = path,
                                                .mix = {.type = type},
                                                .seed = 1,
                                                .threads = 2},
                        &result));
    json_decref(config);
    return path;
}

static enum status write_tokenizer(void *context, const struct checkpoint *checkpoint,
                                   const struct model_desc *desc, struct gguf_writer *writer) {
    const char *pre;
    struct tokenizer_keys keys = {desc->vocab, desc->bos, desc->eos, desc->eos_count};
    return tokenizer_to_gguf(checkpoint, &keys, writer, &pre, context);
}

static enum status convert(const char *source, const char *path, const char *mix,
                           struct quantize_result *result) {
    bool exact;
    struct quantize_options options = {.source = source,
                                       .path = path,
                                       .threads = 2,
                                       .write_tokenizer = write_tokenizer,
                                       .tokenizer_context = &exact};
    assert_true(gguf_mix_from_name(mix, &options.mix));
    return quantize(&options, result);
}

static const char *converted(const char *source, const char *name, const char *mix,
                             struct quantize_result *result) {
    const char *path = scratch_path(&scratch, name);
    require(convert(source, path, mix, result));
    return path;
}

/* ---- logits ---- */

static void run(const char *path, bool mtp, float *logits) {
    struct engine *engine;
    struct sequence *sequence;
    int32_t id[TOKENS], row[TOKENS];
    struct engine_options options = {.model = {.path = path,
                                               .threads = 1,
                                               .cpu_level_cap = CPU_AMX,
                                               .max_rows = TOKENS,
                                               .kv_type = DTYPE_F32,
                                               .context = TOKENS}};
    require(engine_open(&engine, &options));
    assert_int_equal(engine->model.desc.vocab, VOCAB);
    for (int32_t i = 0; i < TOKENS; i++) {
        id[i] = (i * 97 + 11) % VOCAB;
        row[i] = i;
    }
    require(sequence_open(&sequence, engine));
    require(sequence_append(sequence, id, TOKENS, TOKEN_PROMPT));
    require(engine_step(engine, &(struct step_item){sequence, TOKENS}, 1));
    if (mtp)
        require(engine_mtp_logits(engine, &(struct step_item){sequence, TOKENS}, TOKENS - 1, logits));
    else
        engine_logits(engine, row, TOKENS, logits);
    sequence_close(sequence);
    engine_close(engine);
}

static struct difference compare(const char *reference, const char *ours, bool mtp) {
    static float logits[2][TOKENS * VOCAB];
    struct difference difference = {0};
    run(reference, mtp, logits[0]);
    run(ours, mtp, logits[1]);
    difference_add(&difference, logits[0], logits[1], TOKENS - mtp, VOCAB);
    return difference;
}

static const struct source {
    const char *base, *patch;
    bool mtp;
} sources[] = {
    {"deepseek-v3", "{}", true},          {"deepseek-v2-lite", "{}", false},
    {"deepseek-v2", "{}", false},         {"r1-distill-qwen-1.5b", "{\"tie_word_embeddings\": true}", false},
    {"r1-distill-llama-8b", "{}", false}, {"r1-distill-llama-8b", "{\"attention_bias\": true}", false},
};

static void f32_computes_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        struct quantize_result result;
        const char *source = make(sources[i].base, sources[i].patch, "source", DTYPE_F32);
        const char *path = converted(source, "f32.gguf", "f32", &result);
        assert_true(quantize_relative_error(&result.all) == 0);
        struct difference difference = compare(source, path, false);
        if (!(difference.largest <= 1e-5)) fail_msg("%s: %g", sources[i].base, difference.largest);
        if (!sources[i].mtp) continue;
        difference = compare(source, path, true);
        if (!(difference.largest <= 1e-5)) fail_msg("%s, MTP: %g", sources[i].base, difference.largest);
    }
}

/* Plain formats of directories widen exactly; scales of FP8 multiply to the same floats. */
static void every_directory_format_is_read(void **state) {
    (void)state;
    static const enum dtype types[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F8_E4M3};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct quantize_result result;
        const char *source = make("deepseek-v3", "{}", "source", types[i]);
        const char *path = converted(source, "f32.gguf", "f32", &result);
        assert_true(compare(source, path, false).largest <= 1e-5);
        assert_true(compare(source, path, true).largest <= 1e-5);
    }
}

static void q8_0_says_nearly_the_same(void **state) {
    (void)state;
    for (size_t i = 3; i < COUNT_OF(sources); i++) { /* no experts: no choice can tip over */
        struct quantize_result result;
        const char *source = make(sources[i].base, sources[i].patch, "source", DTYPE_BF16);
        const char *path = converted(source, "q8_0.gguf", "q8_0", &result);
        struct difference difference = compare(source, path, false);
        print_message("%s: KL %.2e\n", sources[i].base, difference.divergence);
        if (!(difference.divergence < 0.01)) fail_msg("%s: %g", sources[i].base, difference.divergence);
    }
}

/* ---- formats ---- */

/* Relative errors on normally distributed values lie where the step of the format puts them. */
static void formats_err_as_they_must(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum dtype dtype;
        double least, most;
    } rows[] = {
        {"f16", DTYPE_F16, 1e-5, 4e-4},       {"bf16", DTYPE_BF16, 1e-3, 2.5e-3},
        {"q8_0", DTYPE_Q8_0, 3e-3, 7e-3},     {"q6_k", DTYPE_Q6_K, 0.01, 0.025},
        {"q5_k", DTYPE_Q5_K, 0.02, 0.045},    {"q4_k", DTYPE_Q4_K, 0.045, 0.085},
        {"q4_0", DTYPE_Q4_0, 0.06, 0.11},     {"iq4_xs", DTYPE_IQ4_XS, 0.05, 0.09},
        {"q3_k", DTYPE_Q3_K, 0.1, 0.2},       {"q2_k", DTYPE_Q2_K, 0.2, 0.4},
        {"q4_k_m", DTYPE_Q4_K, 0.045, 0.085}, {"q5_k_m", DTYPE_Q5_K, 0.02, 0.045},
    };
    const char *source = make("r1-distill-llama-8b", "{}", "source", DTYPE_F32);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct quantize_result result;
        const char *path = converted(source, "model.gguf", rows[i].name, &result);
        double error = quantize_relative_error(&result.type[rows[i].dtype]);
        print_message("%s: %.4f\n", rows[i].name, error);
        if (!(error >= rows[i].least && error <= rows[i].most)) fail_msg("%s: %g", rows[i].name, error);
        struct stat about;
        assert_int_equal(stat(path, &about), 0);
        assert_true(result.all.bytes < about.st_size && about.st_size < result.all.bytes + 60000);
        compare(source, path, false); /* it loads and runs */
    }
}

struct loaded {
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
};

static void load(struct loaded *loaded, const char *path) {
    require(checkpoint_open(&loaded->checkpoint, path, CHECKPOINT_TENSORS));
    require(model_desc_from_checkpoint(&loaded->desc, &loaded->checkpoint));
    require(weights_load(&loaded->weights, &loaded->desc, &loaded->checkpoint));
}

static void unload(struct loaded *loaded) {
    weights_free(&loaded->weights);
    checkpoint_close(&loaded->checkpoint);
}

static void expect_type(const struct loaded *loaded, const char *name, enum dtype expected) {
    const struct named_tensor *found = tensor_list_find(&loaded->checkpoint.tensors, name);
    if (!found) fail_msg("%s is missing", name);
    if (found->tensor.dtype != expected)
        fail_msg("%s is %s, expected %s", name, dtype_traits(found->tensor.dtype)->name,
                 dtype_traits(expected)->name);
}

/* The same choices as synth's: one rule. */
static void mixes_follow_synth(void **state) {
    (void)state;
    struct quantize_result result;
    struct loaded ours, synth;
    static const char patch[] = "{\"num_hidden_layers\": 4, \"intermediate_size\": 512}";
    json_t *config = small_config("r1-distill-qwen-7b", patch);
    struct synth_result written;
    const char *source = make("r1-distill-qwen-7b", patch, "source", DTYPE_BF16);
    const char *path = converted(source, "ours.gguf", "Q4_K_M", &result);
    const char *like = scratch_path(&scratch, "synth.gguf");
    require(synth_write(
        &(struct synth_options){
            .config = config, .origin = "config", .path = like, .mix = {DTYPE_Q4_K, true}, .threads = 1},
        &written));
    json_decref(config);
    load(&ours, path);
    load(&synth, like);
    assert_int_equal(ours.checkpoint.tensors.count, synth.checkpoint.tensors.count);
    for (size_t i = 0; i < synth.checkpoint.tensors.count; i++) {
        const struct named_tensor *item = &synth.checkpoint.tensors.item[i];
        expect_type(&ours, item->name, item->tensor.dtype);
    }
    int64_t number;
    require(gguf_get_int(&ours.checkpoint.gguf, "general.file_type", 0, 99, &number));
    assert_int_equal(number, 15);
    unload(&ours);
    unload(&synth);
}

/* ---- from GGUF to GGUF ---- */

static void the_same_format_is_copied(void **state) {
    (void)state;
    struct quantize_result result;
    struct loaded first, second;
    const char *source = make("deepseek-v3", "{}", "source", DTYPE_BF16);
    const char *once = converted(source, "once.gguf", "q8_0", &result);
    const char *twice = converted(once, "twice.gguf", "q8_0", &result);
    assert_int_equal(result.all.copied, result.all.elements);
    load(&first, once);
    load(&second, twice);
    assert_int_equal(first.checkpoint.tensors.count, second.checkpoint.tensors.count);
    for (size_t i = 0; i < first.checkpoint.tensors.count; i++) {
        const struct named_tensor *a = &first.checkpoint.tensors.item[i],
                                  *b = &second.checkpoint.tensors.item[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(tensor_bytes(&a->tensor), tensor_bytes(&b->tensor));
        assert_memory_equal(a->tensor.data, b->tensor.data, (size_t)tensor_bytes(&a->tensor));
    }
    assert_int_equal(first.checkpoint.gguf.values, second.checkpoint.gguf.values);
    for (size_t i = 0; i < first.checkpoint.gguf.values; i++)
        assert_string_equal(first.checkpoint.gguf.value[i].key, second.checkpoint.gguf.value[i].key);
    assert_int_equal(second.desc.mtp_layers, 1);
    unload(&first);
    unload(&second);
}

/* A detour through F32 changes nothing. */
static void a_detour_changes_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        struct quantize_result result;
        struct loaded direct, detour;
        const char *source = make(sources[i].base, sources[i].patch, "source", DTYPE_BF16);
        load(&direct, converted(source, "direct.gguf", "q4_k", &result));
        load(&detour,
             converted(converted(source, "f32.gguf", "f32", &result), "detour.gguf", "q4_k", &result));
        for (size_t t = 0; t < direct.checkpoint.tensors.count; t++) {
            const struct named_tensor *a = &direct.checkpoint.tensors.item[t];
            const struct named_tensor *b = tensor_list_find(&detour.checkpoint.tensors, a->name);
            assert_non_null(b);
            assert_int_equal(a->tensor.dtype, b->tensor.dtype);
            assert_memory_equal(a->tensor.data, b->tensor.data, (size_t)tensor_bytes(&a->tensor));
        }
        unload(&direct);
        unload(&detour);
    }
}

static void the_tokenizer_goes_along(void **state) {
    (void)state;
    static const char text[] = "bako deli <think>1234 caf\xc3\xa9</think>";
    for (size_t i = 0; i < COUNT_OF(sources); i++) {
        struct quantize_result result;
        struct tokenizer *tokenizer[2];
        struct token_list list[2] = {{0}, {0}};
        const char *source = make(sources[i].base, sources[i].patch, "source", DTYPE_BF16);
        const char *path = converted(source, "model.gguf", "q8_0", &result);
        for (int t = 0; t < 2; t++) {
            require(tokenizer_open(&tokenizer[t], t ? path : source));
            require(tokenizer_encode(tokenizer[t], text, strlen(text), TOKENIZE_SPECIAL, &list[t]));
        }
        assert_int_equal(list[0].count, list[1].count);
        assert_memory_equal(list[0].id, list[1].id, list[0].count * sizeof *list[0].id);
        assert_int_equal(tokenizer_bos(tokenizer[0]), tokenizer_bos(tokenizer[1]));
        assert_int_equal(tokenizer_eos(tokenizer[0]), tokenizer_eos(tokenizer[1]));
        assert_int_equal(tokenizer_adds_bos(tokenizer[0]), tokenizer_adds_bos(tokenizer[1]));
        for (int32_t id = 0; id < VOCAB; id++) {
            size_t bytes[2];
            const char *a = tokenizer_bytes(tokenizer[0], id, &bytes[0]);
            const char *b = tokenizer_bytes(tokenizer[1], id, &bytes[1]);
            assert_int_equal(bytes[0], bytes[1]);
            assert_memory_equal(a ? a : "", b ? b : "", bytes[0]);
            assert_int_equal(tokenizer_is_special(tokenizer[0], id), tokenizer_is_special(tokenizer[1], id));
        }
        for (int t = 0; t < 2; t++) {
            tokenizer_close(tokenizer[t]);
            token_list_free(&list[t]);
        }
    }
}

/* ---- options ---- */

static void overrides_choose_by_name(void **state) {
    (void)state;
    struct quantize_result result;
    struct loaded loaded;
    const char *source = make("deepseek-v3", "{}", "source", DTYPE_BF16);
    struct quantize_override override[] = {
        {"blk.*", DTYPE_Q8_0}, {"blk.1.*_exps.weight", DTYPE_Q4_0}, {"blk.[2]*shexp*", DTYPE_Q6_K}};
    struct quantize_options options = {.source = source,
                                       .path = scratch_path(&scratch, "model.gguf"),
                                       .mix = {.type = DTYPE_Q5_K},
                                       .override = override,
                                       .overrides = COUNT_OF(override)};
    require(quantize(&options, &result));
    load(&loaded, options.path);
    expect_type(&loaded, "token_embd.weight", DTYPE_Q5_K);
    expect_type(&loaded, "blk.0.attn_q_a.weight", DTYPE_Q8_0);
    expect_type(&loaded, "blk.1.ffn_gate_exps.weight", DTYPE_Q4_0);
    expect_type(&loaded, "blk.2.ffn_gate_exps.weight", DTYPE_Q8_0);
    expect_type(&loaded, "blk.2.ffn_gate_shexp.weight", DTYPE_Q6_K);
    expect_type(&loaded, "blk.2.ffn_down_shexp.weight", DTYPE_Q8_0); /* rows of 96 */
    expect_type(&loaded, "blk.0.attn_k_b.weight", DTYPE_BF16);
    expect_type(&loaded, "blk.0.attn_norm.weight", DTYPE_F32);
    expect_type(&loaded, "blk.1.ffn_gate_inp.weight", DTYPE_F32);
    unload(&loaded);
    override[2].pattern = "*_norm.weight";
    assert_int_equal(quantize(&options, &result), STATUS_USAGE);
    assert_non_null(strstr(status_message(), "_norm.weight"));
}

static void modules_can_be_left_out(void **state) {
    (void)state;
    struct quantize_result result;
    struct loaded loaded;
    const char *source = make("deepseek-v3", "{}", "source", DTYPE_BF16);
    struct quantize_options options = {
        .source = source, .path = scratch_path(&scratch, "model.gguf"), .mix = {.type = DTYPE_BF16}};
    require(quantize(&options, &result));
    load(&loaded, options.path);
    assert_int_equal(loaded.desc.mtp_layers, 1);
    expect_type(&loaded, "blk.3.nextn.eh_proj.weight", DTYPE_BF16);
    unload(&loaded);
    options.no_mtp = true;
    require(quantize(&options, &result));
    load(&loaded, options.path);
    assert_int_equal(loaded.desc.mtp_layers, 0);
    assert_null(tensor_list_find(&loaded.checkpoint.tensors, "blk.3.attn_norm.weight"));
    unload(&loaded);
}

static void threads_do_not_show(void **state) {
    (void)state;
    char *contents[2];
    size_t bytes[2];
    const char *source = make("deepseek-v2-lite", "{}", "source", DTYPE_BF16);
    for (int i = 0; i < 2; i++) {
        struct quantize_result result;
        struct quantize_options options = {.source = source,
                                           .path = scratch_path(&scratch, "model.gguf"),
                                           .mix = {DTYPE_Q4_K, true},
                                           .threads = i ? 3 : 1};
        require(quantize(&options, &result));
        contents[i] = file_contents(options.path, &bytes[i]);
    }
    assert_int_equal(bytes[0], bytes[1]);
    assert_memory_equal(contents[0], contents[1], bytes[0]);
    free(contents[0]);
    free(contents[1]);
}

/* ---- refusals ---- */

static bool stop(void *context, int64_t done, int64_t total) {
    (void)context;
    return done < total / 2;
}

static void refusals_leave_nothing_behind(void **state) {
    (void)state;
    struct quantize_result result;
    const char *source = make("r1-distill-llama-8b", "{}", "source", DTYPE_F32);
    int entries = scratch_entries(&scratch);
    struct quantize_options options = {
        .source = source, .path = scratch_path(&scratch, "none.gguf"), .mix = {.type = DTYPE_IQ2_XXS}};
    assert_int_equal(quantize(&options, &result), STATUS_USAGE);
    options.mix.type = DTYPE_F8_E4M3;
    assert_int_equal(quantize(&options, &result), STATUS_USAGE);
    options.mix = (struct gguf_mix){DTYPE_Q8_0, MIX_MEDIUM};
    assert_int_equal(quantize(&options, &result), STATUS_USAGE);
    options.mix.size = MIX_PURE;
    options.progress = stop;
    assert_int_equal(quantize(&options, &result), STATUS_CANCELLED);
    options.progress = NULL;
    options.source = "nosuch";
    assert_int_equal(quantize(&options, &result), STATUS_NOT_FOUND);
    options.source = source;
    options.path = "nosuch/none.gguf";
    assert_int_equal(quantize(&options, &result), STATUS_IO);
    assert_int_equal(scratch_entries(&scratch), entries);
}

/* Writes `value` over the first number of the last tensor in the file. */
static void spoil(const char *directory, float value) {
    char path[512];
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, -(long)sizeof value * 8, SEEK_END), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, file), 1);
    assert_int_equal(fclose(file), 0);
}

static void values_that_do_not_fit_are_named(void **state) {
    (void)state;
    struct quantize_result result;
    const char *source = make("r1-distill-llama-8b", "{}", "source", DTYPE_F32);
    const char *path = scratch_path(&scratch, "none.gguf");
    spoil(source, 1e30F);
    assert_int_equal(convert(source, path, "f16", &result), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "blk.1."));
    assert_non_null(strstr(status_message(), "f16 cannot hold"));
    spoil(source, NAN);
    assert_int_equal(convert(source, path, "q8_0", &result), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "not finite"));
    assert_int_not_equal(access(path, F_OK), 0);
}

static void biases_without_a_place_are_refused(void **state) {
    (void)state;
    struct quantize_result result;
    const char *source = make("r1-distill-qwen-7b", "{\"attention_bias\": false}", "source", DTYPE_BF16);
    assert_int_equal(convert(source, scratch_path(&scratch, "none.gguf"), "q8_0", &result),
                     STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "attention_bias"));
}

static int open_scratch(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}

static int close_scratch(void **state) {
    (void)state;
    remove_tree(scratch_path(&scratch, "source"));
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(f32_computes_the_same),
                                       cmocka_unit_test(every_directory_format_is_read),
                                       cmocka_unit_test(q8_0_says_nearly_the_same),
                                       cmocka_unit_test(formats_err_as_they_must),
                                       cmocka_unit_test(mixes_follow_synth),
                                       cmocka_unit_test(the_same_format_is_copied),
                                       cmocka_unit_test(a_detour_changes_nothing),
                                       cmocka_unit_test(the_tokenizer_goes_along),
                                       cmocka_unit_test(overrides_choose_by_name),
                                       cmocka_unit_test(modules_can_be_left_out),
                                       cmocka_unit_test(threads_do_not_show),
                                       cmocka_unit_test(refusals_leave_nothing_behind),
                                       cmocka_unit_test(values_that_do_not_fit_are_named),
                                       cmocka_unit_test(biases_without_a_place_are_refused)};
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
