/* test_stop_text.c - stop strings: what is shown does not depend on how the text is cut, and is what a search finds. */
#include "base/rng.h"
#include "engine/stop_text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* Pushes `text` in pieces of at most `most` bytes; `out` is all that was shown. */
static bool run(const char *const *stop, int stops, const char *text, size_t most, struct buffer *out) {
    struct stop_matcher matcher;
    bool stopped = false;
    size_t bytes = strlen(text);
    buffer_clear(out);
    buffer_append(out, "", 0);
    assert_int_equal(stop_matcher_open(&matcher, stop, stops), STATUS_OK);
    for (size_t at = 0; at < bytes && !stopped; at += most)
        stopped = stop_matcher_push(&matcher, text + at, bytes - at < most ? bytes - at : most, out);
    if (!stopped) stop_matcher_finish(&matcher, out);
    stop_matcher_close(&matcher);
    return stopped;
}

#define SHOWS(expected, expect_stop, text, ...)                                                              \
    do {                                                                                                     \
        const char *const stops_[] = {__VA_ARGS__};                                                          \
        for (size_t most = 1; most < 12; most++) {                                                           \
            assert_int_equal(run(stops_, (int)COUNT_OF(stops_), text, most, &out), expect_stop);             \
            assert_string_equal(out.data, expected);                                                         \
        }                                                                                                    \
    } while (0)

static void text_ends_where_a_stop_string_begins(void **state) {
    (void)state;
    struct buffer out = {0};
    SHOWS("one ", true, "one END two", "END");
    SHOWS("", true, "END", "END");
    SHOWS("one EN", false, "one EN", "END");
    SHOWS("EENE", true, "EENEEND", "END");
    SHOWS("aab", true, "aabaabaac", "aabaac");
    SHOWS("x", true, "xabcabd", "abd", "abcab");
    SHOWS("x", true, "xabc", "c", "bc", "abc");
    SHOWS("xa", true, "xabcd", "abcde", "bc");
    SHOWS("no stop at all", false, "no stop at all", "zzz");
    SHOWS("Grüße ", true, "Grüße 世界!", "世界");
    SHOWS("a\n", true, "a\n\n\nb", "\n\nb", "\n\n\n\n");
    buffer_free(&out);
}

static void no_stop_strings_show_everything_at_once(void **state) {
    (void)state;
    struct stop_matcher matcher;
    struct buffer out = {0};
    assert_int_equal(stop_matcher_open(&matcher, NULL, 0), STATUS_OK);
    assert_false(stop_matcher_push(&matcher, "a\0b", 3, &out));
    assert_int_equal(out.bytes, 3);
    assert_false(stop_matcher_push(&matcher, "", 0, &out));
    assert_int_equal(out.bytes, 3);
    stop_matcher_close(&matcher);
    buffer_free(&out);
}

/* Only what may be the beginning of a stop string waits. */
static void nothing_is_held_without_need(void **state) {
    (void)state;
    static const struct {
        const char *push, *shown;
    } steps[] = {{"he", "he"}, {"l", ""}, {"l", "l"}, {"o", ""}, {"!", "lo!"}, {"lo", ""}, {"lx", "lolx"}};
    const char *const stop[] = {"low", "lol"};
    struct stop_matcher matcher;
    struct buffer out = {0};
    assert_int_equal(stop_matcher_open(&matcher, stop, 2), STATUS_OK);
    for (size_t i = 0; i + 1 < COUNT_OF(steps); i++) {
        buffer_clear(&out);
        buffer_append(&out, "", 0);
        assert_false(stop_matcher_push(&matcher, steps[i].push, strlen(steps[i].push), &out));
        assert_string_equal(out.data, steps[i].shown);
    }
    buffer_clear(&out);
    assert_true(stop_matcher_push(&matcher, "lx", 2, &out)); /* lo + l */
    assert_int_equal(out.bytes, 0);
    stop_matcher_close(&matcher);
    buffer_free(&out);
}

/* The stop string that ends first, of those the longest; -1: none. */
static int search(const char *const *stop, int stops, const char *text) {
    size_t bytes = strlen(text);
    for (size_t end = 1; end <= bytes; end++) {
        int begin = -1;
        for (int i = 0; i < stops; i++) {
            size_t length = strlen(stop[i]);
            if (length > end || memcmp(text + end - length, stop[i], length) != 0) continue;
            if (begin < 0 || (int)(end - length) < begin) begin = (int)(end - length);
        }
        if (begin >= 0) return begin;
    }
    return -1;
}

static void random_texts_end_where_a_search_says(void **state) {
    (void)state;
    struct rng rng;
    struct buffer out = {0};
    int found = 0;
    rng_seed(&rng, 11);
    for (int round = 0; round < 20000; round++) {
        char text[60], word[3][8];
        const char *stop[3];
        int stops = 1 + (int)(rng_next(&rng) % 3), letters = 2 + (int)(rng_next(&rng) % 2);
        size_t bytes = rng_next(&rng) % (sizeof text - 1);
        for (size_t i = 0; i < bytes; i++) text[i] = (char)('a' + rng_next(&rng) % (uint64_t)letters);
        text[bytes] = 0;
        for (int s = 0; s < stops; s++) {
            size_t length = 1 + rng_next(&rng) % 7;
            for (size_t i = 0; i < length; i++) word[s][i] = (char)('a' + rng_next(&rng) % (uint64_t)letters);
            word[s][length] = 0;
            stop[s] = word[s];
        }
        int begin = search(stop, stops, text);
        assert_int_equal(run(stop, stops, text, 1 + rng_next(&rng) % 9, &out), begin >= 0);
        if (begin >= 0) text[begin] = 0;
        assert_string_equal(out.data, text);
        found += begin >= 0;
    }
    assert_true(found > 2000 && found < 18000);
    buffer_free(&out);
}

static void a_hostile_stop_string_takes_linear_time(void **state) {
    (void)state;
    enum { BYTES = 2 << 20 };
    char *stop = malloc(STOP_TEXT_BYTES_LIMIT + 1), *text = malloc(BYTES + 1);
    struct buffer out = {0};
    assert_true(stop && text);
    memset(stop, 'a', STOP_TEXT_BYTES_LIMIT);
    stop[STOP_TEXT_BYTES_LIMIT - 1] = 'b';
    stop[STOP_TEXT_BYTES_LIMIT] = 0;
    memset(text, 'a', BYTES);
    text[BYTES] = 0;
    assert_false(
        run((const char *const *)&stop, 1, text, 3, &out)); /* 8 GB of comparing if it were quadratic */
    assert_int_equal(out.bytes, BYTES);
    buffer_free(&out);
    free(stop);
    free(text);
}

static void bad_stop_strings_are_refused(void **state) {
    (void)state;
    struct stop_matcher matcher;
    char *large = calloc(1, STOP_TEXT_BYTES_LIMIT + 2);
    const char *many[STOP_TEXTS_LIMIT + 1];
    assert_non_null(large);
    memset(large, 'x', STOP_TEXT_BYTES_LIMIT + 1);
    for (int i = 0; i <= STOP_TEXTS_LIMIT; i++) many[i] = "x";
    assert_int_equal(stop_matcher_open(&matcher, (const char *const[]){"a", ""}, 2), STATUS_INPUT);
    assert_string_equal(status_message(), "stop: an empty text would end every answer at once");
    assert_int_equal(stop_matcher_open(&matcher, (const char *const[]){"\x80"}, 1), STATUS_INPUT);
    assert_string_equal(status_message(), "stop: the text is not UTF-8");
    assert_int_equal(stop_matcher_open(&matcher, (const char *const *)&large, 1), STATUS_LIMIT);
    assert_int_equal(stop_matcher_open(&matcher, many, STOP_TEXTS_LIMIT + 1), STATUS_LIMIT);
    free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_ends_where_a_stop_string_begins),
        cmocka_unit_test(no_stop_strings_show_everything_at_once),
        cmocka_unit_test(nothing_is_held_without_need),
        cmocka_unit_test(random_texts_end_where_a_search_says),
        cmocka_unit_test(a_hostile_stop_string_takes_linear_time),
        cmocka_unit_test(bad_stop_strings_are_refused),
    };
    return cmocka_run_group_tests_name("stop_text", tests, NULL, NULL);
}
