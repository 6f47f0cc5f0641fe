/* test_replay_file.c - the log of answers: what was appended comes back, in order and within its bounds, and what is damaged
 * costs itself alone. */
#include "engine/replay_file.h"

#include "support/scratch.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

static struct scratch scratch;
static char folder[512];

enum { MOST = 4000 };

struct heard {
    int first[MOST], ids[MOST], count;
    uint8_t root;
};

static void hear(void *context, const struct replay_record *record) {
    struct heard *heard = context;
    assert_true(heard->count < MOST);
    for (int i = 0; i < record->ids; i++) assert_int_equal(record->id[i], record->id[0] + i);
    heard->first[heard->count] = record->id[0];
    heard->ids[heard->count++] = record->ids;
    heard->root = record->root.bytes[31];
}

static struct replay_file *open_file(struct heard *heard, int64_t most_bytes, int64_t day_bytes) {
    struct replay_file *file;
    *heard = (struct heard){0};
    struct replay_file_options options = {folder, most_bytes, day_bytes, hear, heard};
    if (replay_file_open(&file, &options) != STATUS_OK) fail_msg("%s", status_message());
    return file;
}

static void append(struct replay_file *file, int first, int ids) {
    int32_t id[256];
    struct replay_record record = {.id = id, .ids = ids};
    record.root.bytes[31] = 77;
    for (int i = 0; i < ids; i++) id[i] = first + i;
    replay_file_append(file, &record);
}

static char *path_of(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void empty_folder(void) {
    unlink(path_of("answers"));
    unlink(path_of("answers-old"));
}

static int64_t size_of(const char *name) {
    struct stat about;
    return stat(path_of(name), &about) ? 0 : about.st_size;
}

static void what_was_appended_comes_back(void **state) {
    (void)state;
    struct heard heard;
    empty_folder();
    struct replay_file *file = open_file(&heard, 1 << 20, 1 << 20);
    assert_int_equal(heard.count, 0);
    for (int i = 0; i < 50; i++) append(file, 1000 * i, 1 + i);
    replay_file_close(file);
    for (int again = 0; again < 2; again++) {
        file = open_file(&heard, 1 << 20, 1 << 20);
        assert_int_equal(heard.count, 50 + again);
        for (int i = 0; i < 50; i++) {
            assert_int_equal(heard.first[i], 1000 * i);
            assert_int_equal(heard.ids[i], 1 + i);
        }
        assert_int_equal(heard.root, 77);
        append(file, 5, 5);
        replay_file_close(file);
    }
}

static void a_damaged_record_costs_itself(void **state) {
    (void)state;
    struct heard heard;
    empty_folder();
    struct replay_file *file = open_file(&heard, 1 << 20, 1 << 20);
    for (int i = 0; i < 20; i++) append(file, 1000 * i, 10);
    replay_file_close(file);
    int64_t each = size_of("answers") / 20;
    for (int64_t at = 0; at < each; at++) { /* every byte of the eighth */
        FILE *out = fopen(path_of("answers"), "r+b");
        fseek(out, 7 * each + at, SEEK_SET);
        int byte = fgetc(out);
        fseek(out, 7 * each + at, SEEK_SET);
        fputc(byte ^ 0x10, out);
        fflush(out);
        replay_file_close(open_file(&heard, 1 << 20, 1 << 20));
        assert_int_equal(heard.count, 19);
        assert_int_equal(heard.first[7], 8000);
        fseek(out, 7 * each + at, SEEK_SET);
        fputc(byte, out);
        fclose(out);
    }
    assert_int_equal(truncate(path_of("answers"), 19 * each + 5), 0); /* as after a kill */
    file = open_file(&heard, 1 << 20, 1 << 20);
    assert_int_equal(heard.count, 19);
    append(file, 99, 3);
    replay_file_close(file);
    replay_file_close(open_file(&heard, 1 << 20, 1 << 20));
    assert_int_equal(heard.count, 20);
    assert_int_equal(heard.first[19], 99);
}

static void bytes_are_bounded(void **state) {
    (void)state;
    struct heard heard;
    enum { BYTES = 8192 };
    empty_folder();
    for (int round = 0; round < 40; round++) {
        struct replay_file *file = open_file(&heard, BYTES, 1 << 20);
        for (int i = 0; i < 10; i++) append(file, 1000 * (10 * round + i), 20);
        replay_file_close(file);
        assert_true(size_of("answers") + size_of("answers-old") <= BYTES);
    }
    replay_file_close(open_file(&heard, BYTES, 1 << 20));
    assert_true(heard.count >= BYTES / 2 / 150 - 10);
    assert_int_equal(heard.first[heard.count - 1], 1000 * 399);
    empty_folder();
    struct replay_file *file = open_file(&heard, 1 << 20, 1000);
    for (int i = 0; i < 100; i++) append(file, i, 20);
    replay_file_close(file);
    assert_true(size_of("answers") <= 1000);
    empty_folder();
    assert_int_equal(mkdir(path_of("answers"), 0700), 0);
    struct replay_file_options options = {folder, 1 << 20, 1 << 20, hear, &heard};
    assert_int_equal(replay_file_open(&file, &options), STATUS_IO);
    assert_int_equal(rmdir(path_of("answers")), 0);
}

static int open_scratch(void **state) {
    (void)state;
    scratch_open(&scratch);
    snprintf(folder, sizeof folder, "%s", scratch_path(&scratch, "log"));
    return mkdir(folder, 0700);
}
static int close_scratch(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_comes_back),
        cmocka_unit_test(a_damaged_record_costs_itself),
        cmocka_unit_test(bytes_are_bounded),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
