/* Published files: whole under their name or not at all, and nothing left behind. */
#include "base/file_write.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch scratch;

static void assert_contents(const char *name, const char *expected) {
    size_t bytes;
    char *data = file_contents(scratch_path(&scratch, name), &bytes);
    assert_string_equal(data, expected);
    free(data);
}

static void publishes_on_finish(void **state) {
    (void)state;
    struct file_writer writer;
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "new")), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "abc", 3), STATUS_OK);
    assert_int_equal(file_writer_pad(&writer, 8, '.'), STATUS_OK);
    assert_int_equal(writer.bytes, 8);
    assert_false(scratch_has(&scratch, "new"));
    assert_int_equal(file_writer_finish(&writer), STATUS_OK);
    file_writer_close(&writer);
    assert_contents("new", "abc.....");
    assert_int_equal(scratch_entries(&scratch), 1);
}

static void writes_large_pieces_in_order(void **state) {
    (void)state;
    enum { PIECES = 40, LARGEST = 5000000 }; /* below and beyond what is written at a time */
    struct file_writer writer;
    uint8_t *piece = malloc(LARGEST);
    size_t bytes, at = 0;
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "large")), STATUS_OK);
    for (int i = 0; i < PIECES; i++) {
        memset(piece, i, LARGEST);
        assert_int_equal(file_writer_append(&writer, piece, (size_t)(LARGEST / PIECES * i)), STATUS_OK);
    }
    assert_int_equal(file_writer_finish(&writer), STATUS_OK);
    file_writer_close(&writer);
    char *data = file_contents(scratch_path(&scratch, "large"), &bytes);
    for (int i = 0; i < PIECES; i++)
        for (int k = 0; k < LARGEST / PIECES * i; k++)
            if (data[at++] != (char)i) fail_msg("byte %zu", at - 1);
    assert_int_equal(at, bytes);
    free(data);
    free(piece);
}

static void an_abandoned_file_leaves_nothing(void **state) {
    (void)state;
    struct file_writer writer;
    scratch_text(&scratch, "kept", "before");
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "kept")), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "after", 5), STATUS_OK);
    file_writer_close(&writer);
    assert_contents("kept", "before");
    assert_int_equal(scratch_entries(&scratch), 1);
    file_writer_close(&writer); /* zeroed now */
}

static void replaces_and_keeps_the_mode(void **state) {
    (void)state;
    struct file_writer writer;
    struct stat about;
    const char *path = scratch_text(&scratch, "private", "before");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(file_writer_open(&writer, path), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "after", 5), STATUS_OK);
    assert_int_equal(file_writer_finish(&writer), STATUS_OK);
    file_writer_close(&writer);
    assert_contents("private", "after");
    assert_int_equal(stat(scratch_path(&scratch, "private"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
}

static void follows_a_link(void **state) {
    (void)state;
    struct file_writer writer;
    struct stat about;
    scratch_text(&scratch, "target", "before");
    assert_int_equal(symlink("target", scratch_path(&scratch, "link")), 0);
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "link")), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "after", 5), STATUS_OK);
    assert_int_equal(file_writer_finish(&writer), STATUS_OK);
    file_writer_close(&writer);
    assert_contents("target", "after");
    assert_int_equal(lstat(scratch_path(&scratch, "link"), &about), 0);
    assert_true(S_ISLNK(about.st_mode));
}

static void refuses_impossible_targets(void **state) {
    (void)state;
    struct file_writer writer;
    assert_int_equal(file_writer_open(&writer, scratch.directory), STATUS_INPUT);
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "absent/file")), STATUS_IO);
    assert_non_null(strstr(status_message(), "absent/file"));
    assert_int_equal(scratch_entries(&scratch), 0);
}

static void devices_are_written_directly(void **state) {
    (void)state;
    struct file_writer writer;
    struct stat about;
    assert_int_equal(file_writer_open(&writer, "/dev/null"), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "x", 1), STATUS_OK);
    assert_int_equal(file_writer_finish(&writer), STATUS_OK);
    file_writer_close(&writer);
    assert_int_equal(stat("/dev/null", &about), 0);
    assert_true(S_ISCHR(about.st_mode));
}

static void a_full_disk_is_reported(void **state) {
    (void)state;
    struct file_writer writer;
    if (access("/dev/full", W_OK)) skip();
    assert_int_equal(file_writer_open(&writer, "/dev/full"), STATUS_OK);
    assert_int_equal(file_writer_append(&writer, "x", 1), STATUS_OK);
    assert_int_equal(file_writer_finish(&writer), STATUS_IO);
    assert_non_null(strstr(status_message(), "/dev/full: cannot write: No space left"));
    file_writer_close(&writer);
}

/* A limit on the file size stands in for a disk that fills up in the middle. */
static void a_failed_write_keeps_the_old_file(void **state) {
    (void)state;
    struct file_writer writer;
    enum { BLOCK = 4 << 20 }; /* more than is held back */
    struct rlimit before, tight = {4096, 4096};
    char *block = calloc(1, BLOCK);
    scratch_text(&scratch, "kept", "before");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(file_writer_open(&writer, scratch_path(&scratch, "kept")), STATUS_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum status status = file_writer_append(&writer, block, BLOCK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(status, STATUS_IO);
    assert_non_null(strstr(status_message(), "kept: cannot write"));
    file_writer_close(&writer);
    assert_contents("kept", "before");
    assert_int_equal(scratch_entries(&scratch), 1);
    free(block);
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
        in_scratch(publishes_on_finish),
        in_scratch(writes_large_pieces_in_order),
        in_scratch(an_abandoned_file_leaves_nothing),
        in_scratch(replaces_and_keeps_the_mode),
        in_scratch(follows_a_link),
        in_scratch(refuses_impossible_targets),
        in_scratch(devices_are_written_directly),
        in_scratch(a_full_disk_is_reported),
        in_scratch(a_failed_write_keeps_the_old_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
