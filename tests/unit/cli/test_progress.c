/* test_progress.c - the progress line: contents, scales, width; and silence where nobody watches. */
#include "cli/progress.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

static void line_says_how_far_how_fast_and_when(void **state) {
    (void)state;
    char line[200];
    struct progress progress = {.what = "loading", .unit = "tensors", .total = 200};
    progress_line(&progress, 50, 10, line, sizeof line);
    assert_string_equal(line, "loading [======>                 ]  25%  50 of 200 tensors  5.0/s  0:30 left");
    progress_line(&progress, 200, 10, line, sizeof line);
    assert_string_equal(line, "loading [========================] 100%  200 of 200 tensors  20/s");
}

static void bytes_have_one_scale(void **state) {
    (void)state;
    char line[200];
    struct progress progress = {.what = "writing", .unit = "bytes", .total = 8000000000};
    progress_line(&progress, 500000000, 2, line, sizeof line);
    assert_string_equal(line,
                        "writing [=>                      ]   6%  0.5 of 8.0 GB  250.0 MB/s  0:30 left");
    progress_line(&progress, 1, 3600, line, sizeof line);
    assert_non_null(strstr(line, "99:59:59 left"));
}

static void unknown_total_has_no_bar(void **state) {
    (void)state;
    char line[200];
    struct progress progress = {.what = "reading", .unit = "tokens"};
    progress_line(&progress, 1200, 0, line, sizeof line);
    assert_string_equal(line, "reading  1200 tokens  0.0/s");
}

static void line_is_cut_to_the_terminal(void **state) {
    (void)state;
    char line[12];
    struct progress progress = {.what = "loading", .unit = "tensors", .total = 200};
    progress_line(&progress, 300, 1, line, sizeof line);
    assert_string_equal(line, "loading [==");
}

static void nothing_is_drawn_into_a_file(void **state) {
    (void)state;
    struct progress progress;
    progress_start(&progress, "loading", 10, "tensors"); /* the test's standard error is a pipe or file */
    if (progress.terminal) skip();
    progress_update(&progress, 5);
    assert_false(progress.visible);
    progress_finish(&progress);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_says_how_far_how_fast_and_when),
        cmocka_unit_test(bytes_have_one_scale),
        cmocka_unit_test(unknown_total_has_no_bar),
        cmocka_unit_test(line_is_cut_to_the_terminal),
        cmocka_unit_test(nothing_is_drawn_into_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
