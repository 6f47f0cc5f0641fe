/* Importance matrices: both formats give the same means, and what is damaged is refused with a sentence. */
#include "format/imatrix.h"

#include "support/mutate.h"
#include "support/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct scratch scratch;

static void require(enum status status) {
    if (status != STATUS_OK) fail_msg("%s", status_message());
}

static int open_files(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}

static int close_files(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

static const char *write_two(const char *name) {
    static const double dense[3] = {8, 2, 0}, experts[6] = {1, 2, 3, 0, 0, 0};
    static const int64_t one[1] = {4}, each[2] = {2, 0};
    struct imatrix_sums sums[2] = {{"blk.1.ffn_up_exps.weight", 2, 3, experts, each, 2},
                                   {"blk.0.attn_q.weight", 1, 3, dense, one, 1}};
    const char *path = scratch_path(&scratch, name);
    require(imatrix_write(path, &(struct imatrix_origin){"text", 1, 4}, sums, 2));
    return path;
}

static void written_is_read(void **state) {
    (void)state;
    struct imatrix imatrix;
    const float *mean;
    require(imatrix_open(&imatrix, write_two("a.gguf")));
    assert_int_equal(imatrix.entries, 2);
    const struct imatrix_entry *dense = imatrix_find(&imatrix, "blk.0.attn_q.weight");
    const struct imatrix_entry *experts = imatrix_find(&imatrix, "blk.1.ffn_up_exps.weight");
    assert_non_null(dense);
    assert_non_null(experts);
    assert_null(imatrix_find(&imatrix, "blk.0.attn_k.weight"));
    require(imatrix_columns(dense, 1, 0, 3, &mean));
    assert_true(mean[0] == 2 && mean[1] == 0.5f && mean[2] == 0);
    require(imatrix_columns(experts, 2, 0, 3, &mean));
    assert_true(mean[0] == 0.5f && mean[1] == 1 && mean[2] == 1.5f);
    require(imatrix_columns(experts, 2, 1, 3, &mean)); /* an expert that no token reached */
    assert_null(mean);
    assert_int_equal(imatrix_columns(dense, 1, 0, 4, &mean), STATUS_FORMAT);
    assert_int_equal(imatrix_columns(experts, 3, 0, 2, &mean), STATUS_FORMAT);
    imatrix_close(&imatrix);
}

/* ---- the older format ---- */

static size_t put(uint8_t *at, size_t used, const void *data, size_t bytes) {
    memcpy(at + used, data, bytes);
    return used + bytes;
}

static size_t make_binary(uint8_t *data, int32_t entries, int32_t calls, const float values[3]) {
    const char name[] = "blk.0.attn_q.weight";
    size_t used = put(data, 0, &entries, 4);
    used = put(data, used, &(int32_t){sizeof name - 1}, 4);
    used = put(data, used, name, sizeof name - 1);
    used = put(data, used, &calls, 4);
    used = put(data, used, &(int32_t){3}, 4);
    used = put(data, used, values, 12);
    used = put(data, used, &(int32_t){5}, 4); /* the trailer: calls and the name of the text */
    used = put(data, used, &(int32_t){2}, 4);
    return put(data, used, "ab", 2);
}

static void older_is_read(void **state) {
    (void)state;
    uint8_t data[128];
    struct imatrix imatrix;
    const float *mean;
    size_t bytes = make_binary(data, 1, 5, (float[3]){10, 5, 0});
    require(imatrix_open(&imatrix, scratch_write(&scratch, "a.dat", data, bytes)));
    require(imatrix_columns(imatrix_find(&imatrix, "blk.0.attn_q.weight"), 1, 0, 3, &mean));
    assert_true(mean[0] == 2 && mean[1] == 1 && mean[2] == 0);
    imatrix_close(&imatrix);
}

/* ---- refusals ---- */

static void refused(const char *name, const uint8_t *data, size_t bytes, const char *sentence) {
    struct imatrix imatrix;
    assert_int_equal(imatrix_open(&imatrix, scratch_write(&scratch, name, data, bytes)), STATUS_FORMAT);
    if (!strstr(status_message(), sentence)) fail_msg("%s", status_message());
    assert_non_null(strstr(status_message(), name));
}

static void damage_is_refused(void **state) {
    (void)state;
    uint8_t data[128];
    const float good[3] = {1, 2, 3};
    size_t bytes = make_binary(data, 1, 5, good);
    refused("short.dat", data, 3, "ends inside its number of entries");
    refused("cut.dat", data, 20, "ends inside a name");
    refused("cut.dat", data, 40, "ends inside the values");
    refused("many.dat", data, make_binary(data, 1000, 5, good), "1000 entries do not fit");
    refused("none.dat", data, make_binary(data, 0, 5, good), "no importance matrix");
    refused("calls.dat", data, make_binary(data, 1, -1, good), "a number of calls is -1");
    refused("nan.dat", data, make_binary(data, 1, 5, (float[3]){1, NAN, 3}),
            "value 1 of blk.0.attn_q.weight");
    refused("negative.dat", data, make_binary(data, 1, 5, (float[3]){1, 2, -3}), "value 2");
    refused("infinite.dat", data, make_binary(data, 1, 5, (float[3]){INFINITY, 2, 3}), "value 0");
    bytes = make_binary(data, 2, 5, good);
    memmove(data + bytes - 10, data + 4, bytes - 14);
    refused("twice.dat", data, 2 * bytes - 24, "is there twice");
}

static void mutations_do_no_harm(void **state) {
    (void)state;
    size_t bytes;
    char *whole = file_contents(write_two("whole.gguf"), &bytes);
    uint8_t *damaged = malloc(bytes + 64);
    struct mutator mutator = {2};
    for (int i = 0; i < 2000; i++) {
        char path[] = "damaged.gguf";
        struct imatrix imatrix;
        memcpy(damaged, whole, bytes);
        size_t length = mutate_bytes(&mutator, damaged, bytes, bytes + 64);
        struct file_map map = {.data = damaged, .bytes = (int64_t)length, .path = path};
        if (imatrix_parse(&imatrix, &map) == STATUS_OK) {
            for (size_t e = 0; e < imatrix.entries; e++)
                for (int64_t v = 0; v < imatrix.entry[e].values; v++)
                    assert_true(imatrix.entry[e].mean[v] >= 0);
            imatrix_close(&imatrix);
        } else {
            assert_non_null(strstr(status_message(), path));
        }
    }
    free(damaged);
    free(whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(written_is_read), cmocka_unit_test(older_is_read),
                                       cmocka_unit_test(damage_is_refused),
                                       cmocka_unit_test(mutations_do_no_harm)};
    return cmocka_run_group_tests(tests, open_files, close_files);
}
