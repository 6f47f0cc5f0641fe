/* Checkpoints: directories with one file or shards, FP8 pairs, split GGUF files, and the sentence for
 * everything that does not fit together. */
#include "format/checkpoint.h"
#include "format/safetensors.h"
#include "support/scratch.h"

#include <dirent.h>
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

struct sample {
    const char *name;
    enum dtype dtype;
    int64_t rows, columns;
    int fill;
};

static void write_shard(const char *name, const struct sample *sample, size_t count) {
    struct safetensors_writer *writer;
    assert_int_equal(safetensors_writer_open(&writer, scratch_path(&scratch, name)), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        const int64_t shape[2] = {sample[i].rows, sample[i].columns};
        assert_int_equal(safetensors_writer_declare(writer, sample[i].name, sample[i].dtype, 2, shape),
                         STATUS_OK);
    }
    for (size_t i = 0; i < count; i++) {
        int64_t bytes = sample[i].rows * sample[i].columns * dtype_traits(sample[i].dtype)->block_bytes;
        char *data = malloc((size_t)bytes);
        memset(data, sample[i].fill, (size_t)bytes);
        assert_int_equal(safetensors_writer_append(writer, data, (size_t)bytes), STATUS_OK);
        free(data);
    }
    assert_int_equal(safetensors_writer_finish(writer), STATUS_OK);
    safetensors_writer_close(writer);
}

#define shard(name, ...)                                                                                     \
    write_shard(name, (const struct sample[]){__VA_ARGS__}, COUNT_OF(((const struct sample[]){__VA_ARGS__})))

static void write_config(const char *config) {
    scratch_text(&scratch, "config.json", config);
}
static void write_index(const char *index) {
    scratch_text(&scratch, "model.safetensors.index.json", index);
}

static void assert_refused(const char *path, unsigned flags, enum status expected, const char *sentence) {
    struct checkpoint checkpoint;
    enum status status = checkpoint_open(&checkpoint, path, flags);
    if (status == STATUS_OK) checkpoint_close(&checkpoint);
    if (!strstr(status_message(), sentence))
        fail_msg("expected \"%s\", found \"%s\"", sentence, status_message());
    assert_int_equal(status, expected);
    assert_null(checkpoint.maps);
    assert_null(checkpoint.path);
}

static void assert_directory_refused(enum status expected, const char *sentence) {
    assert_refused(scratch.directory, CHECKPOINT_TENSORS, expected, sentence);
}

static void opens_one_file(void **state) {
    (void)state;
    struct checkpoint checkpoint;
    char path[100];
    write_config("{\"a\":1}");
    shard("model.safetensors", {"b", DTYPE_BF16, 2, 3, 1}, {"a", DTYPE_F32, 1, 1, 2});
    snprintf(path, sizeof path, "%s//", scratch.directory);
    assert_int_equal(checkpoint_open(&checkpoint, path, CHECKPOINT_TENSORS), STATUS_OK);
    assert_int_equal(checkpoint.kind, CHECKPOINT_HUGGING_FACE);
    assert_int_equal(json_integer_value(json_object_get(checkpoint.config, "a")), 1);
    assert_null(checkpoint.generation_config);
    assert_null(checkpoint.tokenizer_config);
    assert_int_equal(checkpoint.tensors.count, 2);
    assert_string_equal(checkpoint.tensors.item[0].name, "a");
    assert_non_null(strstr(checkpoint.tensors.item[0].path, "/model.safetensors"));
    assert_int_equal(checkpoint_check(&checkpoint), STATUS_OK);
    assert_int_equal(checkpoint_bytes(&checkpoint), checkpoint.maps[0].bytes);
    checkpoint_close(&checkpoint);
    checkpoint_close(&checkpoint);
}

static void reads_only_json_without_tensors(void **state) {
    (void)state;
    struct checkpoint checkpoint;
    write_config("{}");
    scratch_text(&scratch, "generation_config.json", "{\"temperature\":0.5}");
    scratch_text(&scratch, "tokenizer_config.json", "{}");
    assert_int_equal(checkpoint_open(&checkpoint, scratch.directory, 0), STATUS_OK);
    assert_non_null(checkpoint.generation_config);
    assert_non_null(checkpoint.tokenizer_config);
    assert_int_equal(checkpoint.map_count, 0);
    checkpoint_close(&checkpoint);
    assert_int_equal(checkpoint_open(&checkpoint, scratch_path(&scratch, "config.json"), CHECKPOINT_TENSORS),
                     STATUS_OK);
    assert_non_null(checkpoint.config);
    assert_null(checkpoint.generation_config);
    assert_int_equal(checkpoint.tensors.count, 0);
    checkpoint_close(&checkpoint);
}

static void refuses_what_is_no_model(void **state) {
    (void)state;
    assert_refused(scratch_path(&scratch, "absent"), 0, STATUS_NOT_FOUND,
                   "expected a Hugging Face directory");
    assert_refused(scratch.directory, 0, STATUS_NOT_FOUND, "no config.json");
    assert_refused(scratch_text(&scratch, "notes.txt", "x"), 0, STATUS_INPUT, "notes.txt: not a model");
    assert_refused(scratch_text(&scratch, "model.safetensors", "x"), 0, STATUS_INPUT, "give its directory");
    assert_refused("/dev/null", 0, STATUS_INPUT, "/dev/null: not a model");
    assert_int_equal(mkfifo(scratch_path(&scratch, "config.json"), 0600), 0);
    assert_refused(scratch.directory, 0, STATUS_INPUT, "not a regular file");
    unlink(scratch_path(&scratch, "config.json"));
    write_config("[1]");
    assert_refused(scratch.directory, 0, STATUS_FORMAT, "config.json: not a JSON object");
    write_config("{");
    assert_refused(scratch.directory, 0, STATUS_FORMAT, "config.json: not valid JSON");
    char *large = malloc(2 << 20);
    memset(large, ' ', 2 << 20);
    scratch_write(&scratch, "config.json", large, 2 << 20);
    assert_refused(scratch.directory, 0, STATUS_LIMIT, "config.json: longer than");
    free(large);
    write_config("{}");
    assert_refused(scratch.directory, CHECKPOINT_TENSORS, STATUS_FORMAT, "too few");
    unlink(scratch_path(&scratch, "model.safetensors"));
    assert_refused(scratch.directory, CHECKPOINT_TENSORS, STATUS_NOT_FOUND, "neither model.safetensors nor");
    scratch_text(&scratch, "generation_config.json", "{\"a\":1,\"a\":2}");
    assert_refused(scratch.directory, 0, STATUS_FORMAT, "generation_config.json: not valid JSON");
    unlink(scratch_path(&scratch, "generation_config.json"));
    scratch_text(&scratch, "tokenizer_config.json", "3");
    assert_refused(scratch.directory, 0, STATUS_FORMAT, "tokenizer_config.json: not a JSON object");
}

static void write_two_shards(void) {
    write_config("{\"quantization_config\":{\"quant_method\":\"fp8\",\"scale_fmt\":\"ue8m0\",\"weight_block_"
                 "size\":[16,32]}}");
    shard("m-1.safetensors", {"x.weight", DTYPE_F8_E4M3, 17, 65, 0x38},
          {"y.weight_scale_inv", DTYPE_F8_E8M0, 1, 1, 0x80});
    shard("m-2.safetensors", {"y.weight", DTYPE_F8_E4M3, 16, 32, 0x40},
          {"x.weight_scale_inv", DTYPE_F32, 2, 3, 0x41}, {"z", DTYPE_F32, 1, 1, 0});
    write_index("{\"metadata\":{\"total_size\":1},\"weight_map\":{\"x.weight\":\"m-1.safetensors\",\"x."
                "weight_scale_inv\":"
                "\"m-2.safetensors\",\"y.weight\":\"m-2.safetensors\",\"y.weight_scale_inv\":\"m-1."
                "safetensors\",\"z\":\"m-2.safetensors\"}}");
}

static void pairs_scales_over_shards(void **state) {
    (void)state;
    struct checkpoint checkpoint;
    write_two_shards();
    assert_int_equal(checkpoint_open(&checkpoint, scratch.directory, CHECKPOINT_TENSORS), STATUS_OK);
    assert_int_equal(checkpoint.map_count, 2);
    assert_int_equal(checkpoint.tensors.count, 3);
    const struct named_tensor *x = tensor_list_find(&checkpoint.tensors, "x.weight");
    const struct named_tensor *y = tensor_list_find(&checkpoint.tensors, "y.weight");
    assert_null(tensor_list_find(&checkpoint.tensors, "x.weight_scale_inv"));
    assert_int_equal(x->tensor.scale_dtype, DTYPE_F32);
    assert_int_equal(x->tensor.block[0], 16);
    assert_int_equal(x->tensor.block[1], 32);
    assert_memory_equal(x->tensor.scale, "AAAAAAAAAAAAAAAAAAAAAAAA", 24);
    assert_int_equal(y->tensor.scale_dtype, DTYPE_F8_E8M0);
    float row[32];
    tensor_decode_row(&y->tensor, 3, row);
    assert_true(row[31] == 4.0f); /* 2 scaled by 2 */
    assert_null(tensor_list_find(&checkpoint.tensors, "z")->tensor.scale);
    assert_int_equal(truncate(scratch_path(&scratch, "m-2.safetensors"), 100), 0);
    assert_int_equal(checkpoint_check(&checkpoint), STATUS_IO);
    assert_non_null(strstr(status_message(), "m-2.safetensors"));
    checkpoint_close(&checkpoint);
}

static void shards_and_index_must_agree(void **state) {
    (void)state;
    write_config("{}");
    shard("a.safetensors", {"t", DTYPE_F32, 1, 1, 0});
    shard("b.safetensors", {"u", DTYPE_F32, 1, 1, 0});
    static const struct {
        const char *index;
        enum status status;
        const char *sentence;
    } bad[] = {
        {"{}", STATUS_FORMAT, "\"weight_map\" must be an object"},
        {"[]", STATUS_FORMAT, "index.json: not a JSON object"},
        {"{\"weight_map\":[]}", STATUS_FORMAT, "\"weight_map\" must be an object"},
        {"{\"weight_map\":{}}", STATUS_FORMAT, "\"weight_map\" must be an object"},
        {"{\"weight_map\":{\"t\":1}}", STATUS_FORMAT, "entry t must be a string"},
        {"{\"weight_map\":{\"t\":\"../a.safetensors\"}}", STATUS_FORMAT, "no file name of a shard"},
        {"{\"weight_map\":{\"t\":\"/a.safetensors\"}}", STATUS_FORMAT, "no file name of a shard"},
        {"{\"weight_map\":{\"t\":\"config.json\"}}", STATUS_FORMAT, "no file name of a shard"},
        {"{\"weight_map\":{\"t\":\".safetensors\"}}", STATUS_FORMAT, "no file name of a shard"},
        {"{\"weight_map\":{\"t\":\"a.safetensors\\u0000.safetensors\"}}", STATUS_FORMAT,
         "no file name of a shard"},
        {"{\"weight_map\":{\"t\":\"a.safetensors\",\"u\":\"c.safetensors\"}}", STATUS_NOT_FOUND,
         "lists a shard that is missing: "},
        {"{\"weight_map\":{\"t\":\"a.safetensors\",\"u\":\"a.safetensors\"}}", STATUS_FORMAT,
         "places tensor u in a.safetensors, which does not"},
        {"{\"weight_map\":{\"t\":\"b.safetensors\",\"u\":\"a.safetensors\"}}", STATUS_FORMAT,
         "places tensor t in b.safetensors, but it is in a.s"},
        {"{\"weight_map\":{\"t\":\"a.safetensors\",\"v\":\"b.safetensors\"}}", STATUS_FORMAT,
         "does not list tensor u of b.safetensors"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_index(bad[i].index);
        assert_directory_refused(bad[i].status, bad[i].sentence);
    }
    shard("b.safetensors", {"t", DTYPE_F32, 1, 1, 0});
    write_index("{\"weight_map\":{\"t\":\"a.safetensors\",\"u\":\"b.safetensors\"}}");
    assert_directory_refused(STATUS_FORMAT, "tensor t occurs twice");
}

static void scales_must_fit(void **state) {
    (void)state;
    static const struct sample weight = {"x.weight", DTYPE_F8_E4M3, 130, 128, 0};
    static const struct {
        const char *config;
        struct sample scale;
        enum status status;
        const char *sentence;
    } bad[] = {
        {"{}",
         {"x.weight_scale_inv", DTYPE_F32, 1, 1, 0},
         STATUS_FORMAT,
         "shape [1, 1], expected [2, 1] for a weight of [130, 128] in blocks of 128 x 128"},
        {"{}", {"x.weight_scale_inv", DTYPE_F16, 2, 1, 0}, STATUS_UNSUPPORTED, "has type f16"},
        {"{}",
         {"w.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "w.weight_scale_inv has no weight w.weight"},
        {"{}",
         {"x.other", DTYPE_F32, 2, 1, 0},
         STATUS_UNSUPPORTED,
         "x.weight is F8_E4M3 without x.weight_scale_inv"},
        {"{\"quantization_config\":3}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "must be an object"},
        {"{\"quantization_config\":{\"quant_method\":\"awq\"}}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_UNSUPPORTED,
         "\"awq\""},
        {"{\"quantization_config\":{\"weight_block_size\":[128]}}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "weight_block_size"},
        {"{\"quantization_config\":{\"weight_block_size\":[0,1]}}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "weight_block_size"},
        {"{\"quantization_config\":{\"weight_block_size\":[128,65536]}}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "weight_block_size"},
        {"{\"quantization_config\":{\"weight_block_size\":\"128\"}}",
         {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0},
         STATUS_FORMAT,
         "weight_block_size"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        write_config(bad[i].config);
        write_shard("model.safetensors", (const struct sample[]){weight, bad[i].scale}, 2);
        assert_directory_refused(bad[i].status, bad[i].sentence);
    }
    write_config("{\"quantization_config\":{\"weight_block_size\":null}}");
    shard("model.safetensors", {"x.weight", DTYPE_BF16, 130, 128, 0},
          {"x.weight_scale_inv", DTYPE_F32, 2, 1, 0});
    assert_directory_refused(STATUS_FORMAT, "belongs to a bf16 tensor");
}

static void write_part(const char *name, int number, int count, int total, const char *tensor) {
    struct gguf_writer *writer;
    const float value = 1;
    assert_int_equal(gguf_writer_open(&writer, scratch_path(&scratch, name)), STATUS_OK);
    gguf_writer_text(writer, "general.architecture", "llama");
    if (count) {
        gguf_writer_u32(writer, "split.no", (uint32_t)number);
        gguf_writer_u32(writer, "split.count", (uint32_t)count);
        gguf_writer_u32(writer, "split.tensors.count", (uint32_t)total);
    }
    assert_int_equal(gguf_writer_declare(writer, tensor, DTYPE_F32, 1, (int64_t[]){1}), STATUS_OK);
    assert_int_equal(gguf_writer_append(writer, &value, sizeof value), STATUS_OK);
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
}

static void opens_gguf_files(void **state) {
    (void)state;
    struct checkpoint checkpoint;
    write_part("one.GGUF", 0, 0, 0, "t");
    assert_int_equal(checkpoint_open(&checkpoint, scratch_path(&scratch, "one.GGUF"), CHECKPOINT_TENSORS),
                     STATUS_OK);
    assert_int_equal(checkpoint.kind, CHECKPOINT_GGUF);
    assert_null(checkpoint.config);
    assert_int_equal(checkpoint.tensors.count, 1);
    checkpoint_close(&checkpoint);
    write_part("m-00001-of-00002.gguf", 0, 2, 2, "u");
    write_part("m-00002-of-00002.gguf", 1, 2, 2, "t");
    const char *first = scratch_path(&scratch, "m-00001-of-00002.gguf");
    assert_int_equal(checkpoint_open(&checkpoint, first, CHECKPOINT_TENSORS), STATUS_OK);
    assert_int_equal(checkpoint.map_count, 2);
    assert_int_equal(checkpoint.tensors.count, 2);
    assert_non_null(strstr(checkpoint.tensors.item[0].path, "m-00002"));
    assert_string_equal(checkpoint.gguf.path, first);
    assert_non_null(gguf_find(&checkpoint.gguf, "general.architecture"));
    checkpoint_close(&checkpoint);
    unlink(scratch_path(&scratch, "m-00002-of-00002.gguf"));
    assert_int_equal(checkpoint_open(&checkpoint, first, 0), STATUS_OK); /* keys need the first part only */
    assert_int_equal(checkpoint.tensors.count, 0);
    assert_non_null(gguf_find(&checkpoint.gguf, "split.count"));
    checkpoint_close(&checkpoint);
}

static void parts_must_fit_together(void **state) {
    (void)state;
    static const char first_name[] = "m-00001-of-00002.gguf", second_name[] = "m-00002-of-00002.gguf";
    const unsigned all = CHECKPOINT_TENSORS;
    write_part(first_name, 0, 2, 2, "t");
    const char *first = scratch_path(&scratch, first_name);
    assert_refused(first, all, STATUS_NOT_FOUND, "part 2 of 2: ");
    write_part(second_name, 1, 2, 2, "t");
    assert_refused(first, all, STATUS_FORMAT, "tensor t occurs twice");
    assert_refused(scratch_path(&scratch, second_name), all, STATUS_INPUT, "open the first part");
    write_part(second_name, 0, 2, 2, "u");
    assert_refused(first, all, STATUS_FORMAT, "part 2 of 2 by its name, but part 1 of 2 by its keys");
    write_part(second_name, 1, 3, 2, "u");
    assert_refused(first, all, STATUS_FORMAT, "but part 2 of 3 by its keys");
    write_part(second_name, 0, 0, 0, "u");
    assert_refused(first, all, STATUS_FORMAT, "no split.count");
    write_part(second_name, 1, 2, 2, "u");
    write_part(first_name, 0, 2, 3, "t");
    assert_refused(first, all, STATUS_FORMAT, "split.tensors.count is 3, but the parts hold 2");
    write_part("renamed.gguf", 1, 2, 2, "t");
    assert_refused(scratch_path(&scratch, "renamed.gguf"), all, STATUS_FORMAT,
                   "is part 2 of 2 of a split model");
    assert_refused(scratch_text(&scratch, "bad.gguf", "GGUQ"), 0, STATUS_FORMAT, "does not start with");
}

static void opens_the_golden_cases(void **state) {
    (void)state;
    DIR *cases = opendir("../shared/cases");
    if (!cases) skip();
    int opened = 0;
    for (struct dirent *entry; (entry = readdir(cases));) {
        char path[600];
        struct checkpoint checkpoint;
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "../shared/cases/%s", entry->d_name);
        if (checkpoint_open(&checkpoint, path, CHECKPOINT_TENSORS) != STATUS_OK)
            fail_msg("%s", status_message());
        assert_true(checkpoint.tensors.count > 20);
        for (size_t i = 0; i < checkpoint.tensors.count; i++) {
            const struct tensor *tensor = &checkpoint.tensors.item[i].tensor;
            assert_int_equal(tensor->dtype == DTYPE_F8_E4M3, tensor->scale != NULL);
        }
        checkpoint_close(&checkpoint);
        opened++;
    }
    closedir(cases);
    assert_true(opened > 0);
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
        in_scratch(opens_one_file),
        in_scratch(reads_only_json_without_tensors),
        in_scratch(refuses_what_is_no_model),
        in_scratch(pairs_scales_over_shards),
        in_scratch(shards_and_index_must_agree),
        in_scratch(scales_must_fit),
        in_scratch(opens_gguf_files),
        in_scratch(parts_must_fit_together),
        in_scratch(opens_the_golden_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
