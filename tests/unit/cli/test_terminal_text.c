/* test_terminal_text.c - no byte of a stranger's text drives the terminal. */
#include "base/rng.h"
#include "cli/terminal_text.h"
#include "text/utf8.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <string.h>

static void expect(const char *text, size_t bytes, const char *expected) {
    struct buffer out = {0};
    terminal_text_append(&out, text, bytes);
    buffer_append(&out, "", 0);
    assert_string_equal(out.data, expected);
    buffer_free(&out);
}

#define EXPECT(text, expected) expect(text, sizeof text - 1, expected)

static void control_characters_are_spelled_out(void **state) {
    (void)state;
    EXPECT("", "");
    EXPECT("plain\ttext\n", "plain\ttext\n");
    EXPECT("Grüße, 世界 🙂", "Grüße, 世界 🙂");
    EXPECT("\033]0;title\007x", "\\x1b]0;title\\x07x");
    EXPECT("a\0b\x7f", "a\\x00b\\x7f");
    EXPECT("\xC2\x9B"
           "2J",
           "\\x9b2J"); /* C1: CSI as one character */
    EXPECT("\xC2\xA0", "\xC2\xA0");
    EXPECT("a\r\nb", "a\nb");
    EXPECT("\xE2\x80\xAE"
           "abc",
           "\\u202eabc");
    EXPECT("\xff"
           "a\xE4",
           "\xEF\xBF\xBD"
           "a\xEF\xBF\xBD");
}

static void random_bytes_leave_nothing_behind(void **state) {
    (void)state;
    struct rng rng;
    rng_seed(&rng, 5);
    for (int round = 0; round < 3000; round++) {
        char text[64];
        struct buffer out = {0};
        size_t bytes = rng_next(&rng) % sizeof text;
        for (size_t i = 0; i < bytes; i++)
            text[i] = (char)(rng_next(&rng) & 1 ? rng_next(&rng) : rng_next(&rng) % 32);
        terminal_text_append(&out, text, bytes);
        assert_int_equal(utf8_valid_bytes(out.data ? out.data : "", out.bytes), out.bytes);
        for (size_t i = 0; i < out.bytes; i++) {
            unsigned char c = (unsigned char)out.data[i];
            assert_true(c >= 0x20 || c == '\n' || c == '\t');
            assert_true(c != 0x7f);
            if (c == 0xC2) assert_true((unsigned char)out.data[i + 1] >= 0xA0);
        }
        buffer_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_spelled_out),
        cmocka_unit_test(random_bytes_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("terminal_text", tests, NULL, NULL);
}
