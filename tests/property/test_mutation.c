/* Damaged files: whatever happens to a valid checkpoint, opening it ends in OK or in a sentence, and
 * what an accepted one offers can be read. The seed is fixed; a failure names its round. */
#include "format/checkpoint.h"
#include "format/safetensors.h"
#include "support/mutate.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { ROUNDS = 4000, WATCHDOG_SECONDS = 30 };

static struct scratch scratch;

struct part {
    const char *name;
    enum dtype dtype;
    int64_t rows, columns;
};

static void write_safetensors(const char *path, const struct part *part, size_t count) {
    struct safetensors_writer *writer;
    static const char zeros[4096];
    assert_int_equal(safetensors_writer_open(&writer, path), STATUS_OK);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(safetensors_writer_declare(writer, part[i].name, part[i].dtype, 2,
                                                    (int64_t[]){part[i].rows, part[i].columns}),
                         STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        int64_t bytes = part[i].rows * part[i].columns * dtype_traits(part[i].dtype)->block_bytes;
        assert_int_equal(safetensors_writer_append(writer, zeros, (size_t)bytes), STATUS_OK);
    }
    assert_int_equal(safetensors_writer_finish(writer), STATUS_OK);
    safetensors_writer_close(writer);
}

static void write_directory(void) {
    static const char *const texts[][2] = {
        {"valid/config.json",
         "{\"model_type\":\"deepseek_v3\",\"quantization_config\":{\"quant_method\":\"fp8\","
         "\"fmt\":\"e4m3\",\"weight_block_size\":[16,16]}}"},
        {"valid/generation_config.json", "{\"temperature\":0.6,\"eos_token_id\":1}"},
        {"valid/model.safetensors.index.json",
         "{\"metadata\":{\"total_size\":816},\"weight_map\":{\"x.weight\":"
         "\"model-00001-of-00002.safetensors\","
         "\"n.weight\":\"model-00001-of-00002.safetensors\","
         "\"x.weight_scale_inv\":\"model-00002-of-00002.safetensors\","
         "\"y.weight\":\"model-00002-of-00002.safetensors\"}}"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) scratch_text(&scratch, texts[i][0], texts[i][1]);
    write_safetensors(
        scratch_path(&scratch, "valid/model-00001-of-00002.safetensors"),
        (const struct part[]){{"x.weight", DTYPE_F8_E4M3, 20, 33}, {"n.weight", DTYPE_F32, 1, 33}}, 2);
    write_safetensors(
        scratch_path(&scratch, "valid/model-00002-of-00002.safetensors"),
        (const struct part[]){{"x.weight_scale_inv", DTYPE_F32, 2, 3}, {"y.weight", DTYPE_BF16, 9, 7}}, 2);
}

static void write_gguf(const char *path) {
    struct gguf_writer *writer;
    static const char zeros[4096];
    const struct gguf_text words[] = {{"one", 3}, {"", 0}, {"three", 5}};
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    gguf_writer_text(writer, "general.architecture", "deepseek2");
    gguf_writer_u32(writer, "general.alignment", 32);
    gguf_writer_f32(writer, "deepseek2.rope.freq_base", 10000);
    gguf_writer_bool(writer, "tokenizer.ggml.add_bos_token", true);
    gguf_writer_texts(writer, "tokenizer.ggml.tokens", words, 3);
    gguf_writer_i32s(writer, "tokenizer.ggml.token_type", (int32_t[]){1, 2, 3}, 3);
    assert_int_equal(gguf_writer_declare(writer, "token_embd.weight", DTYPE_Q8_0, 2, (int64_t[]){3, 64}),
                     STATUS_OK);
    assert_int_equal(
        gguf_writer_declare(writer, "blk.0.ffn_up_exps.weight", DTYPE_Q4_K, 3, (int64_t[]){2, 3, 256}),
        STATUS_OK);
    assert_int_equal(gguf_writer_declare(writer, "output_norm.weight", DTYPE_F32, 1, (int64_t[]){64}),
                     STATUS_OK);
    assert_int_equal(gguf_writer_append(writer, zeros, 3 * 68 + 6 * 144 + 64 * 4), STATUS_OK);
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
}

/* Both ends of every view; the tools for memory errors see the rest. */
static unsigned touch_tensors(const struct tensor_list *list) {
    unsigned sum = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct tensor *tensor = &list->item[i].tensor;
        const uint8_t *data = tensor->data;
        sum += data[0] + data[tensor_bytes(tensor) - 1] + (unsigned)strlen(list->item[i].name);
        if (!tensor->scale) continue;
        float row[64];
        if (tensor->shape[1] <= 64) tensor_decode_row(tensor, tensor->shape[0] - 1, row);
    }
    return sum;
}

static unsigned touch_keys(const struct gguf *gguf, struct arena *arena) {
    unsigned sum = 0;
    for (size_t i = 0; i < gguf->values; i++) {
        const struct gguf_value *value = &gguf->value[i];
        int64_t whole;
        double real;
        bool truth;
        const char *text;
        sum += gguf_get_int(gguf, value->key, 0, 100, &whole) == STATUS_OK;
        sum += gguf_get_real_or(gguf, value->key, 0, &real) == STATUS_OK;
        sum += gguf_get_bool_or(gguf, value->key, false, &truth) == STATUS_OK;
        sum += gguf_get_text_or(gguf, arena, value->key, &text) == STATUS_OK;
        for (uint64_t k = 0; k < value->count; k++) {
            if (value->text)
                sum += value->text[k].bytes ? (uint8_t)value->text[k].data[value->text[k].bytes - 1] : 0;
            else
                sum += (unsigned)gguf_array_int(value, k) + (gguf_array_real(value, k) > 0);
        }
    }
    return sum;
}

struct outcome {
    int accepted, refused;
};

static void open_damaged(const char *path, int round, struct outcome *outcome) {
    struct checkpoint checkpoint;
    static volatile unsigned sink;
    enum status status = (fail)(STATUS_OK, "%s", ""); /* an old sentence must not count */
    alarm(WATCHDOG_SECONDS);
    status = checkpoint_open(&checkpoint, path, CHECKPOINT_TENSORS);
    if (status != STATUS_OK) {
        if (!*status_message()) fail_msg("round %d: refused without a sentence", round);
        outcome->refused++;
    } else {
        sink += touch_tensors(&checkpoint.tensors) + touch_keys(&checkpoint.gguf, &checkpoint.arena);
        assert_int_equal(checkpoint_check(&checkpoint), STATUS_OK);
        checkpoint_close(&checkpoint);
        outcome->accepted++;
    }
    alarm(0);
}

static void assert_both_outcomes(const struct outcome *outcome) {
    print_message("%d accepted, %d refused\n", outcome->accepted, outcome->refused);
    assert_int_equal(outcome->accepted + outcome->refused, ROUNDS);
    assert_true(outcome->refused > ROUNDS / 4); /* else the damage is no damage */
    assert_true(outcome->accepted > ROUNDS / 100);
}

static void damaged_safetensors_never_crash(void **state) {
    (void)state;
    struct mutator mutator = {1};
    struct outcome outcome = {0};
    char valid[300], damaged[300];
    scratch_text(&scratch, "config.json", "{}");
    snprintf(valid, sizeof valid, "%s", scratch_path(&scratch, "valid"));
    snprintf(damaged, sizeof damaged, "%s", scratch_path(&scratch, "model.safetensors"));
    write_safetensors(
        valid, (const struct part[]){{"a", DTYPE_F32, 3, 5}, {"b", DTYPE_BF16, 4, 1}, {"c", DTYPE_U8, 1, 9}},
        3);
    for (int round = 0; round < ROUNDS; round++) {
        mutate_file(&mutator, valid, damaged);
        open_damaged(scratch.directory, round, &outcome);
    }
    assert_both_outcomes(&outcome);
}

static void damaged_gguf_never_crashes(void **state) {
    (void)state;
    struct mutator mutator = {2};
    struct outcome outcome = {0};
    char valid[300], damaged[300];
    snprintf(valid, sizeof valid, "%s", scratch_path(&scratch, "valid.gguf"));
    snprintf(damaged, sizeof damaged, "%s", scratch_path(&scratch, "damaged.gguf"));
    write_gguf(valid);
    for (int round = 0; round < ROUNDS; round++) {
        mutate_file(&mutator, valid, damaged);
        open_damaged(damaged, round, &outcome);
    }
    assert_both_outcomes(&outcome);
}

static void damaged_directories_never_crash(void **state) {
    (void)state;
    struct mutator mutator = {3};
    struct outcome outcome = {0};
    char valid[300], damaged[300], name[256];
    snprintf(valid, sizeof valid, "%s", scratch_path(&scratch, "valid"));
    snprintf(damaged, sizeof damaged, "%s", scratch_path(&scratch, "damaged"));
    assert_int_equal(mkdir(valid, 0700) | mkdir(damaged, 0700), 0);
    write_directory();
    for (int round = 0; round < ROUNDS; round++) {
        mutate_directory(&mutator, valid, damaged, name);
        open_damaged(damaged, round, &outcome);
    }
    assert_both_outcomes(&outcome);
}

static void the_same_seed_does_the_same_damage(void **state) {
    (void)state;
    struct mutator one = {42}, other = {42};
    for (int round = 0; round < 200; round++) {
        uint8_t a[400] = "{\"a\": 123, \"b\": [4, 5]}", b[400] = "{\"a\": 123, \"b\": [4, 5]}";
        size_t bytes = mutate_bytes(&one, a, 24, sizeof a);
        assert_int_equal(mutate_bytes(&other, b, 24, sizeof b), bytes);
        assert_true(bytes <= sizeof a);
        assert_memory_equal(a, b, bytes);
    }
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, open_scratch, close_scratch)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_does_the_same_damage),
        in_scratch(damaged_safetensors_never_crash),
        in_scratch(damaged_gguf_never_crashes),
        in_scratch(damaged_directories_never_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
