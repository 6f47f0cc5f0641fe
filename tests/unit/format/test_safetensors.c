/* safetensors: what the writer writes the reader reads, and every lie in a header has its sentence. */
#include "format/safetensors.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch scratch;

struct opened {
    struct file_map map;
    struct arena arena;
    struct tensor_list list;
};

static enum status open_file(struct opened *opened, const char *path) {
    *opened = (struct opened){0};
    TRY(file_map_open(&opened->map, path));
    TRY(safetensors_parse(&opened->map, &opened->arena, &opened->list));
    return tensor_list_sort(&opened->list);
}

static void close_file(struct opened *opened) {
    tensor_list_free(&opened->list);
    arena_free(&opened->arena);
    file_map_close(&opened->map);
}

/* A file from a header text and zeroed data. */
static enum status parse_text(const char *header, size_t data_bytes) {
    uint64_t header_bytes = strlen(header);
    char *file = calloc(1, 8 + header_bytes + data_bytes);
    struct opened opened;
    memcpy(file, &header_bytes, 8);
    memcpy(file + 8, header, header_bytes);
    enum status status =
        open_file(&opened, scratch_write(&scratch, "text", file, 8 + header_bytes + data_bytes));
    close_file(&opened);
    free(file);
    return status;
}

static void reads_what_it_wrote(void **state) {
    (void)state;
    struct safetensors_writer *writer;
    struct opened opened;
    const float matrix[6] = {1, 2, 3, 4, 5, 6};
    const uint8_t bytes[3] = {0x38, 0x40, 0x44}, scalar[2] = {0x80, 0x3f};
    const char *path = scratch_path(&scratch, "ours.safetensors");
    assert_int_equal(safetensors_writer_open(&writer, path), STATUS_OK);
    assert_int_equal(safetensors_writer_declare(writer, "m", DTYPE_F32, 2, (int64_t[]){2, 3}), STATUS_OK);
    assert_int_equal(
        safetensors_writer_declare(writer, "e \"quoted\"\n", DTYPE_F8_E4M3, 3, (int64_t[]){1, 3, 1}),
        STATUS_OK);
    assert_int_equal(safetensors_writer_declare(writer, "b", DTYPE_BF16, 0, NULL), STATUS_OK);
    assert_int_equal(safetensors_writer_append(writer, matrix, 10), STATUS_OK); /* pieces of any size */
    assert_int_equal(safetensors_writer_append(writer, (const char *)matrix + 10, 14), STATUS_OK);
    assert_int_equal(safetensors_writer_append(writer, bytes, 3), STATUS_OK);
    assert_int_equal(safetensors_writer_append(writer, scalar, 2), STATUS_OK);
    assert_int_equal(safetensors_writer_finish(writer), STATUS_OK);
    safetensors_writer_close(writer);

    assert_int_equal(open_file(&opened, path), STATUS_OK);
    assert_int_equal(opened.list.count, 3);
    const struct named_tensor *m = tensor_list_find(&opened.list, "m"),
                              *e = tensor_list_find(&opened.list, "e \"quoted\"\n"),
                              *b = tensor_list_find(&opened.list, "b");
    assert_non_null(m);
    assert_non_null(e);
    assert_non_null(b);
    assert_null(tensor_list_find(&opened.list, "absent"));
    assert_int_equal(m->tensor.dtype, DTYPE_F32);
    assert_int_equal(m->tensor.rank, 2);
    assert_int_equal(m->tensor.shape[0], 2);
    assert_int_equal(m->tensor.shape[1], 3);
    assert_memory_equal(m->tensor.data, matrix, sizeof matrix);
    assert_int_equal((m->tensor.data == NULL) + ((const uint8_t *)m->tensor.data - opened.map.data) % 8, 0);
    assert_string_equal(m->path, opened.map.path);
    assert_int_equal(e->tensor.rank, 3);
    assert_memory_equal(e->tensor.data, bytes, 3);
    assert_int_equal(b->tensor.rank, 0);
    assert_memory_equal(b->tensor.data, scalar, 2);
    close_file(&opened);
}

static void writer_minds_its_declarations(void **state) {
    (void)state;
    struct safetensors_writer *writer;
    const char data[16] = {0};
    assert_int_equal(safetensors_writer_open(&writer, scratch_path(&scratch, "never")), STATUS_OK);
    assert_int_equal(safetensors_writer_declare(writer, "q", DTYPE_Q4_K, 1, (int64_t[]){256}),
                     STATUS_UNSUPPORTED);
    assert_int_equal(safetensors_writer_declare(writer, "", DTYPE_F32, 1, (int64_t[]){1}), STATUS_LIMIT);
    assert_int_equal(safetensors_writer_declare(writer, "z", DTYPE_F32, 1, (int64_t[]){0}), STATUS_INPUT);
    assert_int_equal(safetensors_writer_declare(writer, "x", DTYPE_F32, 2, (int64_t[]){INT64_MAX / 2, 4}),
                     STATUS_INPUT);
    assert_int_equal(safetensors_writer_declare(writer, "a", DTYPE_F32, 1, (int64_t[]){2}), STATUS_OK);
    assert_int_equal(safetensors_writer_append(writer, data, 4), STATUS_OK);
    assert_int_equal(safetensors_writer_finish(writer), STATUS_INTERNAL);
    assert_int_equal(safetensors_writer_append(writer, data, 5), STATUS_INTERNAL);
    safetensors_writer_close(writer);
    assert_false(scratch_has(&scratch, "never"));
    safetensors_writer_close(NULL);
}

static void writer_refuses_duplicates(void **state) {
    (void)state;
    struct safetensors_writer *writer;
    assert_int_equal(safetensors_writer_open(&writer, scratch_path(&scratch, "twice")), STATUS_OK);
    assert_int_equal(safetensors_writer_declare(writer, "a", DTYPE_F32, 1, (int64_t[]){1}), STATUS_OK);
    assert_int_equal(safetensors_writer_declare(writer, "a", DTYPE_F32, 1, (int64_t[]){1}), STATUS_OK);
    assert_int_equal(safetensors_writer_append(writer, "1234", 4), STATUS_FORMAT);
    safetensors_writer_close(writer);
}

#define ENTRY(name, dtype, shape, begin, end)                                                                \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void accepts_the_unusual(void **state) {
    (void)state;
    assert_int_equal(parse_text("{}", 0), STATUS_OK);
    assert_int_equal(parse_text("{\"__metadata__\":{\"a\":\"b\"}}   ", 0), STATUS_OK);
    assert_int_equal(parse_text("{" ENTRY("b", "U8", "[3]", 1, 4) "," ENTRY("a", "U8", "[]", 0, 1) "}", 4),
                     STATUS_OK);
}

static void every_lie_has_its_sentence(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        enum status status;
        const char *sentence;
    } bad[] = {
        {"[]", 0, STATUS_FORMAT, "not an object"},
        {"{\"a\":", 0, STATUS_FORMAT, "not valid JSON"},
        {"{\"a\":[]}", 0, STATUS_FORMAT, "tensor a: not an object"},
        {"{\"a\":{}}", 0, STATUS_FORMAT, "\"dtype\" must be"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, STATUS_FORMAT, "\"shape\" must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, STATUS_FORMAT, "\"data_offsets\" must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, STATUS_FORMAT,
         "\"data_offsets\" must be"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4.0]}}", 4, STATUS_FORMAT,
         "\"data_offsets\" must be"},
        {"{" ENTRY("a", "F64", "[1]", 0, 8) "}", 8, STATUS_UNSUPPORTED, "tensor a: type \"F64\""},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1]", 0, 4) "}", 4, STATUS_LIMIT, "5 dimensions"},
        {"{" ENTRY("a", "F32", "[-1]", 0, 4) "}", 4, STATUS_FORMAT, "dimension 0"},
        {"{" ENTRY("a", "F32", "[1,0]", 0, 0) "}", 0, STATUS_FORMAT, "dimension 1"},
        {"{" ENTRY("a", "F32", "[1.0]", 0, 4) "}", 4, STATUS_FORMAT, "dimension 0"},
        {"{" ENTRY("a", "F32", "[\"1\"]", 0, 4) "}", 4, STATUS_FORMAT, "dimension 0"},
        {"{" ENTRY("a", "F32", "[4611686018427387904,4]", 0, 0) "}", 0, STATUS_FORMAT, "overflows"},
        {"{" ENTRY("a", "F32", "[99999999999999999999]", 0, 4) "}", 4, STATUS_FORMAT,
         "dimension 0 must be a positive whole number"},
        {"{" ENTRY("a", "F32", "[2]", 0, 4) "}", 4, STATUS_FORMAT, "need 8 bytes, data_offsets give 4"},
        {"{" ENTRY("a", "F32", "[1]", 4, 0) "}", 4, STATUS_FORMAT, "no range"},
        {"{" ENTRY("a", "F32", "[1]", -4, 0) "}", 4, STATUS_FORMAT, "no range"},
        {"{" ENTRY("a", "F32", "[4]", 0, 16) "}", 12, STATUS_FORMAT, "cut off"},
        {"{" ENTRY("a", "U8", "[2]", 0, 2) "," ENTRY("b", "U8", "[2]", 1, 3) "}", 3, STATUS_FORMAT,
         "a and b overlap"},
        {"{" ENTRY("a", "U8", "[2]", 0, 2) "," ENTRY("b", "U8", "[2]", 0, 2) "}", 2, STATUS_FORMAT,
         "overlap"},
        {"{" ENTRY("a", "U8", "[1]", 0, 1) "," ENTRY("b", "U8", "[1]", 2, 3) "}", 3, STATUS_FORMAT,
         "tensors take 2"},
        {"{" ENTRY("a", "U8", "[1]", 0, 1) "}", 2, STATUS_FORMAT, "tensors take 1"},
        {"{" ENTRY("a", "U8", "[1]", 0, 1) "," ENTRY("a", "U8", "[1]", 0, 1) "}", 1, STATUS_FORMAT,
         "duplicate"},
        {"{" ENTRY("", "U8", "[1]", 0, 1) "}", 1, STATUS_LIMIT, "name of 0 bytes"},
        {"{\"a\\u0000b\":1}", 0, STATUS_FORMAT, "not valid JSON"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(parse_text(bad[i].header, bad[i].data_bytes), bad[i].status);
        if (!strstr(status_message(), bad[i].sentence)) fail_msg("%s: %s", bad[i].header, status_message());
        assert_non_null(strstr(status_message(), "text: "));
    }
}

static void refuses_other_files(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t bytes;
        const char *sentence;
    } bad[] = {
        {"", 0, "too few"},
        {"1234567", 7, "too few"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff", 8, "does not fit"},
        {"\x03\0\0\0\0\0\0\0{}", 10, "does not fit"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", 56, "Git LFS pointer"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct opened opened;
        assert_int_equal(open_file(&opened, scratch_write(&scratch, "other", bad[i].data, bad[i].bytes)),
                         STATUS_FORMAT);
        if (!strstr(status_message(), bad[i].sentence)) fail_msg("%s", status_message());
        close_file(&opened);
    }
}

static void finds_duplicates_between_files(void **state) {
    (void)state;
    struct tensor_list list = {0};
    assert_int_equal(tensor_list_append(&list, &(struct named_tensor){.name = "t", .path = "one"}),
                     STATUS_OK);
    assert_int_equal(tensor_list_append(&list, &(struct named_tensor){.name = "a", .path = "one"}),
                     STATUS_OK);
    assert_int_equal(tensor_list_sort(&list), STATUS_OK);
    assert_string_equal(list.item[0].name, "a");
    assert_int_equal(tensor_list_append(&list, &(struct named_tensor){.name = "t", .path = "other"}),
                     STATUS_OK);
    assert_int_equal(tensor_list_sort(&list), STATUS_FORMAT);
    assert_non_null(strstr(status_message(), "one"));
    assert_non_null(strstr(status_message(), "other"));
    tensor_list_free(&list);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_wrote),
        cmocka_unit_test(writer_minds_its_declarations),
        cmocka_unit_test(writer_refuses_duplicates),
        cmocka_unit_test(accepts_the_unusual),
        cmocka_unit_test(every_lie_has_its_sentence),
        cmocka_unit_test(refuses_other_files),
        cmocka_unit_test(finds_duplicates_between_files),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
