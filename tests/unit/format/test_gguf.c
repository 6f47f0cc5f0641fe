/* GGUF: what the writer writes the reader reads; files built byte by byte show every value type, both
 * versions, and a sentence for every lie. */
#include "base/buffer.h"
#include "format/gguf.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch scratch;

struct opened {
    struct file_map map;
    struct arena arena;
    struct gguf gguf;
    struct tensor_list list;
};

static enum status open_file(struct opened *opened, const char *path) {
    *opened = (struct opened){0};
    TRY(file_map_open(&opened->map, path));
    TRY(gguf_parse(&opened->map, &opened->arena, &opened->gguf, &opened->list));
    return tensor_list_sort(&opened->list);
}

static void close_file(struct opened *opened) {
    tensor_list_free(&opened->list);
    arena_free(&opened->arena);
    file_map_close(&opened->map);
}

/* A file under construction. */
static struct buffer raw;

static void u8(uint8_t value) {
    buffer_append(&raw, &value, 1);
}
static void u32(uint32_t value) {
    buffer_append(&raw, &value, 4);
}
static void u64(uint64_t value) {
    buffer_append(&raw, &value, 8);
}
static void f64(double value) {
    buffer_append(&raw, &value, 8);
}

static void text(const char *value) {
    u64(strlen(value));
    buffer_append_text(&raw, value);
}

static void key(const char *name, uint32_t type) {
    text(name);
    u32(type);
}

static void header(uint32_t version, uint64_t tensors, uint64_t values) {
    buffer_clear(&raw);
    buffer_append_text(&raw, "GGUF");
    u32(version);
    u64(tensors);
    u64(values);
}

static void tensor_row(const char *name, uint64_t columns, uint64_t rows, uint32_t type, uint64_t offset) {
    text(name);
    u32(2);
    u64(columns);
    u64(rows);
    u32(type);
    u64(offset);
}

static void data(size_t bytes) {
    while (raw.bytes % 32) u8(0);
    for (size_t i = 0; i < bytes; i++) u8((uint8_t)i);
}

static enum status open_raw(struct opened *opened) {
    return open_file(opened, scratch_write(&scratch, "raw.gguf", raw.data, raw.bytes));
}

static void assert_refused(enum status expected, const char *sentence) {
    struct opened opened;
    enum status status = open_raw(&opened);
    close_file(&opened);
    assert_int_equal(status, expected);
    if (!strstr(status_message(), sentence))
        fail_msg("expected \"%s\", found \"%s\"", sentence, status_message());
    assert_non_null(strstr(status_message(), "raw.gguf: "));
}

static void write_sample(const char *path, const float *matrix, const uint8_t *blocks) {
    struct gguf_writer *writer;
    const struct gguf_text words[] = {{"a", 1}, {"", 0}, {"x\0y", 3}};
    assert_int_equal(gguf_writer_open(&writer, path), STATUS_OK);
    gguf_writer_text(writer, "general.architecture", "deepseek2");
    gguf_writer_u32(writer, "n", 7);
    gguf_writer_f32(writer, "f", 1e-6f);
    gguf_writer_bool(writer, "b", true);
    gguf_writer_texts(writer, "words", words, 3);
    gguf_writer_i32s(writer, "ints", (int32_t[]){-1, 2}, 2);
    gguf_writer_f32s(writer, "reals", (float[]){0.5f}, 1);
    assert_int_equal(gguf_writer_declare(writer, "m", DTYPE_F32, 2, (int64_t[]){2, 3}), STATUS_OK);
    assert_int_equal(gguf_writer_declare(writer, "q", DTYPE_Q8_0, 3, (int64_t[]){2, 1, 64}), STATUS_OK);
    assert_int_equal(gguf_writer_append(writer, matrix, 20), STATUS_OK);
    char rest[4 + 136];
    memcpy(rest, (const char *)matrix + 20, 4);
    memcpy(rest + 4, blocks, 136);
    assert_int_equal(gguf_writer_append(writer, rest, sizeof rest), STATUS_OK); /* over a boundary */
    assert_int_equal(gguf_writer_finish(writer), STATUS_OK);
    gguf_writer_close(writer);
}

static void reads_what_it_wrote(void **state) {
    (void)state;
    const float matrix[6] = {1, 2, 3, 4, 5, 6};
    uint8_t blocks[136];
    for (int i = 0; i < 136; i++) blocks[i] = (uint8_t)(i * 3);
    const char *path = scratch_path(&scratch, "ours.gguf");
    write_sample(path, matrix, blocks);
    struct opened opened;
    assert_int_equal(open_file(&opened, path), STATUS_OK);
    assert_int_equal(opened.gguf.version, 3);
    assert_int_equal(opened.gguf.values, 7);
    assert_int_equal(opened.list.count, 2);
    const struct tensor *m = &tensor_list_find(&opened.list, "m")->tensor,
                        *q = &tensor_list_find(&opened.list, "q")->tensor;
    assert_int_equal(m->rank, 2);
    assert_int_equal(m->shape[0], 2);
    assert_int_equal(m->shape[1], 3);
    assert_memory_equal(m->data, matrix, sizeof matrix);
    assert_int_equal(q->dtype, DTYPE_Q8_0);
    assert_int_equal(q->rank, 3);
    assert_int_equal(q->shape[0], 2);
    assert_int_equal(q->shape[2], 64);
    assert_memory_equal(q->data, blocks, sizeof blocks);
    assert_int_equal((uintptr_t)q->data % 32, 0);
    const struct gguf_value *words = gguf_find(&opened.gguf, "words"),
                            *ints = gguf_find(&opened.gguf, "ints");
    assert_int_equal(words->type, GGUF_ARRAY);
    assert_int_equal(words->item_type, GGUF_STRING);
    assert_int_equal(words->count, 3);
    assert_int_equal(words->text[1].bytes, 0);
    assert_memory_equal(words->text[2].data, "x\0y", 3);
    assert_int_equal(gguf_array_int(ints, 0), -1);
    assert_int_equal(gguf_array_int(ints, 1), 2);
    assert_true(gguf_array_real(gguf_find(&opened.gguf, "reals"), 0) == 0.5);
    assert_null(gguf_find(&opened.gguf, "absent"));
    close_file(&opened);
}

static void getters_check_types_and_ranges(void **state) {
    (void)state;
    const float matrix[6] = {0};
    const uint8_t blocks[136] = {0};
    const char *path = scratch_path(&scratch, "keys.gguf"), *word;
    int64_t whole;
    double real;
    bool truth;
    struct opened opened;
    write_sample(path, matrix, blocks);
    assert_int_equal(open_file(&opened, path), STATUS_OK);
    const struct gguf *gguf = &opened.gguf;
    assert_int_equal(gguf_get_int(gguf, "n", 0, 10, &whole), STATUS_OK);
    assert_int_equal(whole, 7);
    assert_int_equal(gguf_get_int(gguf, "n", 8, 10, &whole), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "key n is 7, allowed are 8 to 10"));
    assert_int_equal(gguf_get_int(gguf, "absent", 0, 1, &whole), STATUS_FORMAT);
    assert_int_equal(gguf_get_int(gguf, "f", 0, 1, &whole), STATUS_FORMAT);
    assert_int_equal(gguf_get_int(gguf, "ints", -9, 9, &whole), STATUS_FORMAT);
    assert_int_equal(gguf_get_int_or(gguf, "absent", 0, 1, 5, &whole), STATUS_OK);
    assert_int_equal(whole, 5);
    assert_int_equal(gguf_get_real_or(gguf, "f", 0, &real), STATUS_OK);
    assert_true(real == (double)1e-6f);
    assert_int_equal(gguf_get_real_or(gguf, "n", 0, &real), STATUS_OK);
    assert_true(real == 7);
    assert_int_equal(gguf_get_real_or(gguf, "absent", 2.5, &real), STATUS_OK);
    assert_true(real == 2.5);
    assert_int_equal(gguf_get_real_or(gguf, "b", 0, &real), STATUS_FORMAT);
    assert_int_equal(gguf_get_bool_or(gguf, "b", false, &truth), STATUS_OK);
    assert_true(truth);
    assert_int_equal(gguf_get_bool_or(gguf, "n", false, &truth), STATUS_FORMAT);
    assert_int_equal(gguf_get_text_or(gguf, &opened.arena, "general.architecture", &word), STATUS_OK);
    assert_string_equal(word, "deepseek2");
    assert_int_equal(gguf_get_text_or(gguf, &opened.arena, "absent", &word), STATUS_OK);
    assert_null(word);
    assert_int_equal(gguf_get_text_or(gguf, &opened.arena, "n", &word), STATUS_FORMAT);
    close_file(&opened);
}

static void reads_every_value_type(void **state) {
    (void)state;
    struct opened opened;
    int64_t whole;
    double real;
    header(2, 0, 11);
    key("t0", GGUF_U8), u8(200);
    key("t1", GGUF_I8), u8(200);
    key("t2", GGUF_U16), u8(0x34), u8(0xf2);
    key("t3", GGUF_I16), u8(0x34), u8(0xf2);
    key("t4", GGUF_U32), u32(0xfffffffe);
    key("t5", GGUF_I32), u32(0xfffffffe);
    key("t6", GGUF_BOOL), u8(0);
    key("t7", GGUF_U64), u64(1ull << 40);
    key("t8", GGUF_U64), u64(UINT64_MAX);
    key("t9", GGUF_I64), u64((uint64_t)-5);
    key("ta", GGUF_F64), f64(0.1);
    assert_int_equal(open_raw(&opened), STATUS_OK);
    assert_int_equal(opened.gguf.version, 2);
    static const struct {
        const char *key;
        int64_t value;
    } expected[] = {{"t0", 200},        {"t1", -56}, {"t2", 0xf234},    {"t3", 0xf234 - 65536},
                    {"t4", 0xfffffffe}, {"t5", -2},  {"t7", 1ll << 40}, {"t9", -5}};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_int_equal(gguf_get_int(&opened.gguf, expected[i].key, INT64_MIN, INT64_MAX, &whole),
                         STATUS_OK);
        assert_int_equal(whole, expected[i].value);
        assert_int_equal(gguf_get_real_or(&opened.gguf, expected[i].key, 0, &real), STATUS_OK);
        assert_true(real == (double)expected[i].value);
    }
    assert_int_equal(gguf_get_int(&opened.gguf, "t8", INT64_MIN, INT64_MAX, &whole), STATUS_FORMAT);
    assert_int_equal(gguf_array_int(gguf_find(&opened.gguf, "t8"), 0), INT64_MIN);
    assert_int_equal(gguf_get_real_or(&opened.gguf, "ta", 0, &real), STATUS_OK);
    assert_true(real == 0.1);
    assert_true(isnan(gguf_array_real(gguf_find(&opened.gguf, "t6"), 0)));
    close_file(&opened);
}

static void lies_in_the_header(void **state) {
    (void)state;
    header(1, 0, 0), assert_refused(STATUS_UNSUPPORTED, "version 1");
    header(4, 0, 0), assert_refused(STATUS_UNSUPPORTED, "version 4");
    header(0x03000000, 0, 0), assert_refused(STATUS_UNSUPPORTED, "big-endian");
    header(3, 0, UINT64_MAX), assert_refused(STATUS_FORMAT, "keys do not fit");
    header(3, UINT64_MAX / 2, 0), assert_refused(STATUS_FORMAT, "tensors do not fit");
    header(3, 0, 0), raw.bytes = 20, assert_refused(STATUS_FORMAT, "cut off");
    header(3, 0, 0), raw.data[0] = 'g', assert_refused(STATUS_FORMAT, "does not start");
    buffer_clear(&raw), assert_refused(STATUS_FORMAT, "cut off");
    buffer_append_text(&raw, "version https://git-lfs.github.com/spec/v1\n"),
        assert_refused(STATUS_FORMAT, "Git LFS");
}

static void lies_in_keys(void **state) {
    (void)state;
    static const char padding[64] = {0};
    header(3, 0, 1), key("k", 13), u64(0), assert_refused(STATUS_UNSUPPORTED, "key k has unknown type 13");
    header(3, 0, 1), key("", GGUF_U64), u64(0), u64(0), assert_refused(STATUS_LIMIT, "a key has 0 bytes");
    header(3, 0, 1), u64(70000), buffer_append(&raw, padding, 64), assert_refused(STATUS_FORMAT, "cut off");
    header(3, 0, 1), u64(UINT64_MAX), buffer_append(&raw, padding, 64),
        assert_refused(STATUS_FORMAT, "cut off");
    header(3, 0, 1), u64(2), buffer_append(&raw, "a\0", 2), u32(0), u8(0),
        assert_refused(STATUS_FORMAT, "zero byte");
    header(3, 0, 1), key("k", GGUF_BOOL), u8(2), assert_refused(STATUS_FORMAT, "2 is no truth value");
    header(3, 0, 1), key("k", GGUF_STRING), u64(1ull << 60), u64(0),
        assert_refused(STATUS_FORMAT, "ends inside k");
    header(3, 0, 1), key("k", GGUF_ARRAY), u32(GGUF_ARRAY), u64(0),
        assert_refused(STATUS_UNSUPPORTED, "array of arrays");
    header(3, 0, 1), key("k", GGUF_ARRAY), u32(GGUF_F64), u64(1ull << 61),
        assert_refused(STATUS_FORMAT, "ends inside k");
    header(3, 0, 1), key("k", GGUF_ARRAY), u32(GGUF_STRING), u64(3), u64(0),
        assert_refused(STATUS_FORMAT, "3 strings");
    header(3, 0, 1), key("k", GGUF_ARRAY), u32(GGUF_STRING), u64(1), u64(9),
        assert_refused(STATUS_FORMAT, "ends inside k");
    header(3, 0, 2), key("k", GGUF_U8), u8(0), key("k", GGUF_I8), u8(0),
        assert_refused(STATUS_FORMAT, "k occurs twice");
    header(3, 0, 1), key("general.alignment", GGUF_U32), u32(48),
        assert_refused(STATUS_FORMAT, "no power of two");
    header(3, 0, 1), key("general.alignment", GGUF_U32), u32(0),
        assert_refused(STATUS_FORMAT, "allowed are 8 to");
}

static void lies_in_tensors(void **state) {
    (void)state;
    header(3, 1, 0), tensor_row("t", 4, 2, 34, 0), data(64),
        assert_refused(STATUS_UNSUPPORTED, "tensor t: ggml type 34 (TQ1_0)");
    header(3, 1, 0), tensor_row("t", 4, 2, 999, 0), data(64),
        assert_refused(STATUS_UNSUPPORTED, "type 999 is");
    header(3, 1, 0), tensor_row("t", 4, 0, 0, 0), data(64),
        assert_refused(STATUS_FORMAT, "0 is no possible dimension");
    header(3, 1, 0), tensor_row("t", 4, 1ull << 63, 0, 0), data(64),
        assert_refused(STATUS_FORMAT, "no possible dimension");
    header(3, 1, 0), tensor_row("t", 1ull << 40, 1ull << 40, 0, 0), data(64),
        assert_refused(STATUS_FORMAT, "overflows");
    header(3, 1, 0), tensor_row("t", 33, 1, 8, 0), data(64),
        assert_refused(STATUS_FORMAT, "rows of 33 elements are not whole blocks of 32 (q8_0)");
    header(3, 1, 0), tensor_row("t", 4, 2, 0, 16), data(64),
        assert_refused(STATUS_FORMAT, "offset 16 is not a multiple");
    header(3, 1, 0), tensor_row("t", 4, 2, 0, 64), data(64), assert_refused(STATUS_FORMAT, "cut off");
    header(3, 1, 0), tensor_row("t", 4, 2, 0, UINT64_MAX - 31), data(64),
        assert_refused(STATUS_FORMAT, "cut off");
    header(3, 1, 0), tensor_row("t", 4, 2, 0, 0), data(31),
        assert_refused(STATUS_FORMAT, "32 bytes at offset 0");
    header(3, 1, 0), tensor_row("t", 4, 2, 0, 0), assert_refused(STATUS_FORMAT, "has only 0");
    header(3, 2, 0), tensor_row("t", 4, 2, 0, 0), tensor_row("t", 4, 2, 0, 32), data(64),
        assert_refused(STATUS_FORMAT, "occurs twice");
    header(3, 2, 0), tensor_row("t", 4, 3, 0, 0), tensor_row("u", 4, 2, 0, 32), data(64),
        assert_refused(STATUS_FORMAT, "t and u overlap");
    header(3, 1, 0), text("t"), u32(5), data(64), assert_refused(STATUS_LIMIT, "5 dimensions");
    header(3, 1, 0), text("t"), u32(0), data(64), assert_refused(STATUS_LIMIT, "0 dimensions");
}

static void honours_the_alignment_key(void **state) {
    (void)state;
    struct opened opened;
    header(3, 2, 1);
    key("general.alignment", GGUF_U32), u32(64);
    tensor_row("a", 4, 2, 0, 64), tensor_row("b", 4, 2, 0, 0); /* any order, gaps allowed */
    while (raw.bytes % 64) u8(0xee);
    data(96);
    assert_int_equal(open_raw(&opened), STATUS_OK);
    assert_int_equal(((const uint8_t *)opened.list.item[0].tensor.data)[0], 64);
    assert_int_equal(((const uint8_t *)opened.list.item[1].tensor.data)[31], 31);
    close_file(&opened);
}

static void writer_minds_its_declarations(void **state) {
    (void)state;
    struct gguf_writer *writer;
    const char zeros[64] = {0};
    assert_int_equal(gguf_writer_open(&writer, scratch_path(&scratch, "never")), STATUS_OK);
    assert_int_equal(gguf_writer_declare(writer, "f", DTYPE_F8_E4M3, 1, (int64_t[]){8}), STATUS_UNSUPPORTED);
    assert_int_equal(gguf_writer_declare(writer, "q", DTYPE_Q8_0, 1, (int64_t[]){33}), STATUS_INPUT);
    assert_int_equal(gguf_writer_declare(writer, "", DTYPE_F32, 1, (int64_t[]){1}), STATUS_LIMIT);
    assert_int_equal(gguf_writer_declare(writer, "a", DTYPE_F32, 1, (int64_t[]){2}), STATUS_OK);
    assert_int_equal(gguf_writer_append(writer, zeros, 4), STATUS_OK);
    assert_int_equal(gguf_writer_finish(writer), STATUS_INTERNAL);
    assert_int_equal(gguf_writer_append(writer, zeros, 5), STATUS_INTERNAL);
    gguf_writer_close(writer);
    assert_false(scratch_has(&scratch, "never"));
    gguf_writer_close(NULL);
}

static void names_the_parts_of_a_split_file(void **state) {
    (void)state;
    struct arena arena = {0};
    char **paths;
    int count;
    assert_int_equal(gguf_split_paths("d/x.gguf", &arena, &paths, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_string_equal(paths[0], "d/x.gguf");
    assert_int_equal(gguf_split_paths("d/x-00001-of-00003.gguf", &arena, &paths, &count), STATUS_OK);
    assert_int_equal(count, 3);
    assert_string_equal(paths[0], "d/x-00001-of-00003.gguf");
    assert_string_equal(paths[2], "d/x-00003-of-00003.gguf");
    assert_int_equal(gguf_split_paths("d/x-00002-of-00003.gguf", &arena, &paths, &count), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "open the first part, d/x-00001-of-00003.gguf"));
    assert_int_equal(gguf_split_paths("x-00004-of-00003.gguf", &arena, &paths, &count), STATUS_INPUT);
    assert_int_equal(gguf_split_paths("x-00000-of-00003.gguf", &arena, &paths, &count), STATUS_INPUT);
    assert_int_equal(gguf_split_paths("x-0001-of-00003.gguf", &arena, &paths, &count), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(gguf_split_paths("-00001-of-00001.gguf", &arena, &paths, &count), STATUS_OK);
    assert_int_equal(count, 1);
    arena_free(&arena);
}

static void reads_published_vocabularies(void **state) {
    (void)state;
    static const char *const names[] = {"deepseek-llm", "llama-bpe", "qwen2"};
    if (access("../shared/tokenizers/vocab-gguf", R_OK)) skip();
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char command[400];
        struct opened opened;
        const char *path = scratch_path(&scratch, "vocab.gguf");
        snprintf(command, sizeof command,
                 "gzip -dc ../shared/tokenizers/vocab-gguf/ggml-vocab-%s.gguf.gz > %s", names[i], path);
        assert_int_equal(system(command), 0);
        assert_int_equal(open_file(&opened, path), STATUS_OK);
        assert_int_equal(opened.list.count, 0);
        const struct gguf_value *tokens = gguf_find(&opened.gguf, "tokenizer.ggml.tokens");
        assert_int_equal(tokens->item_type, GGUF_STRING);
        assert_true(tokens->count > 100000);
        assert_int_equal(gguf_find(&opened.gguf, "tokenizer.ggml.token_type")->count, tokens->count);
        close_file(&opened);
    }
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, buffer_free(&raw), scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(getters_check_types_and_ranges),
        cmocka_unit_test(reads_every_value_type),
        cmocka_unit_test(lies_in_the_header),
        cmocka_unit_test(lies_in_keys),
        cmocka_unit_test(lies_in_tensors),
        cmocka_unit_test(honours_the_alignment_key),
        cmocka_unit_test(writer_minds_its_declarations),
        cmocka_unit_test(names_the_parts_of_a_split_file),
        cmocka_unit_test(reads_published_vocabularies),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
