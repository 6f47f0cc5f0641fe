/* .npy files: what is written reads back and is laid out as NumPy lays it out; damage is refused. */
#include "format/npy.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch scratch;

static void write_counting(const char *path, int64_t rows, int64_t columns) {
    struct npy_writer *writer;
    float row[16];
    assert_int_equal(npy_writer_open(&writer, path, rows, columns), STATUS_OK);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) row[c] = (float)(r * columns + c);
        assert_int_equal(npy_writer_append(writer, row), STATUS_OK);
    }
    assert_int_equal(npy_writer_finish(writer), STATUS_OK);
    npy_writer_close(writer);
}

static void reads_what_it_wrote(void **state) {
    (void)state;
    float *values;
    int64_t rows, columns;
    const char *path = scratch_path(&scratch, "a.npy");
    write_counting(path, 3, 5);
    assert_int_equal(npy_read(path, &values, &rows, &columns), STATUS_OK);
    assert_int_equal(rows, 3);
    assert_int_equal(columns, 5);
    for (int i = 0; i < 15; i++) assert_true(values[i] == (float)i);
    free(values);
}

static void lays_the_header_out_as_numpy(void **state) {
    (void)state;
    size_t bytes;
    const char *path = scratch_path(&scratch, "b.npy");
    write_counting(path, 2, 3);
    char *data = file_contents(path, &bytes);
    assert_int_equal(bytes, 128 + 24);
    assert_memory_equal(
        data, "\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 69);
    assert_int_equal(data[127], '\n');
    free(data);
}

static void reads_a_golden_file(void **state) {
    (void)state;
    float *values;
    int64_t rows, columns;
    if (npy_read("../shared/cases/v3_f32_odd/golden/logits_7.npy", &values, &rows, &columns) ==
        STATUS_NOT_FOUND)
        skip();
    assert_int_equal(rows, 7);
    assert_int_equal(columns, 1061);
    free(values);
}

static void counts_rows(void **state) {
    (void)state;
    struct npy_writer *writer;
    const float row[2] = {1, 2};
    const char *path = scratch_path(&scratch, "short.npy");
    assert_int_equal(npy_writer_open(&writer, path, 2, 2), STATUS_OK);
    assert_int_equal(npy_writer_append(writer, row), STATUS_OK);
    assert_int_equal(npy_writer_finish(writer), STATUS_INTERNAL);
    assert_int_equal(npy_writer_append(writer, row), STATUS_OK);
    assert_int_equal(npy_writer_append(writer, row), STATUS_INTERNAL);
    npy_writer_close(writer);
    assert_false(scratch_has(&scratch, "short.npy"));
    npy_writer_close(NULL);
}

static void refuses_damage(void **state) {
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        enum status status;
    } bad[] = {
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (1, 2), }\n", 16, STATUS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': True, 'shape': (1, 2), }\n", 8, STATUS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", 8, STATUS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 1), }\n", 8, STATUS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 2), }\n", 8, STATUS_UNSUPPORTED},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }\n", 8, STATUS_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }\n", 0, STATUS_FORMAT},
        {"{'descr': '<f4', 'fortran_order': False, 'shape'", 8, STATUS_UNSUPPORTED},
        {"", 8, STATUS_UNSUPPORTED},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char file[512] = "\x93NUMPY\x01";
        float *values;
        int64_t rows, columns;
        size_t header_bytes = strlen(bad[i].header);
        file[8] = (char)header_bytes;
        memcpy(file + 10, bad[i].header, header_bytes);
        const char *path = scratch_write(&scratch, "bad.npy", file, 10 + header_bytes + bad[i].data_bytes);
        assert_int_equal(npy_read(path, &values, &rows, &columns), bad[i].status);
        assert_null(values);
        assert_non_null(strstr(status_message(), "bad.npy"));
    }
}

static void refuses_other_files(void **state) {
    (void)state;
    float *values;
    int64_t rows, columns;
    assert_int_equal(npy_read(scratch_text(&scratch, "short", "\x93NUM"), &values, &rows, &columns),
                     STATUS_FORMAT);
    assert_int_equal(npy_read(scratch_text(&scratch, "empty", ""), &values, &rows, &columns), STATUS_FORMAT);
    assert_int_equal(
        npy_read(scratch_write(&scratch, "cut", "\x93NUMPY\x01\0\xff\xff", 10), &values, &rows, &columns),
        STATUS_FORMAT);
    assert_int_equal(
        npy_read(scratch_write(&scratch, "v2", "\x93NUMPY\x02\0\1\0\0\0", 12), &values, &rows, &columns),
        STATUS_FORMAT);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_it_wrote), cmocka_unit_test(lays_the_header_out_as_numpy),
        cmocka_unit_test(reads_a_golden_file), cmocka_unit_test(counts_rows),
        cmocka_unit_test(refuses_damage),      cmocka_unit_test(refuses_other_files),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
