/* Normal forms: what Unicode says of single texts, what utf8proc says of random ones, and long runs of marks in time. */
#include "text/normalize.h"
#include "text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include <cmocka.h>

static struct unicode_classes classes;

static int open_classes(void **state) {
    (void)state;
    return unicode_classes_open(&classes, NULL, 0) != STATUS_OK;
}
static int close_classes(void **state) {
    (void)state;
    unicode_classes_close(&classes);
    return 0;
}

static void assert_form(enum normal_form form, const char *text, const char *expected) {
    struct arena arena = {0};
    const char *result;
    size_t bytes;
    assert_int_equal(normalize(form, &classes, &arena, text, strlen(text), &result, &bytes), STATUS_OK);
    if (bytes != strlen(expected) || memcmp(result, expected, bytes) != 0)
        fail_msg("form %d of \"%s\": \"%.*s\", expected \"%s\"", (int)form, text, (int)bytes, result,
                 expected);
    arena_free(&arena);
}

static void test_examples(void **state) {
    (void)state;
    assert_form(NORMAL_NONE, "e\u0301", "e\u0301");
    assert_form(NORMAL_C, "", "");
    assert_form(NORMAL_C, "plain, dé jà vu, 日本語 한국어", "plain, dé jà vu, 日本語 한국어");
    assert_form(NORMAL_C, "ve\u0301lo", "v\u00E9lo");
    assert_form(NORMAL_C, "\u0301e", "\u0301e");
    assert_form(NORMAL_C, "e\u0316\u0301 e\u0301\u0316", "\u00E9\u0316 \u00E9\u0316");
    assert_form(NORMAL_C, "q\u0307\u0323", "q\u0323\u0307");
    assert_form(NORMAL_C, "\u212B\u2126\u212A", "\u00C5\u03A9K");
    assert_form(NORMAL_C, "\u1100\u1161\u11A8\uAC00\u11A8", "\uAC01\uAC01");
    assert_form(NORMAL_C, "\u0958", "\u0915\u093C"); /* excluded from composition */
    assert_form(NORMAL_C, "\u09C7\u09BE", "\u09CB");
    assert_form(NORMAL_C, "\uFB01", "\uFB01");
    assert_form(NORMAL_D, "\u00E9\uAC01", "e\u0301\u1100\u1161\u11A8");
    assert_form(NORMAL_KC, "\uFB01\uFF21\u00E9", "fiA\u00E9");
    assert_form(NORMAL_KD, "\u00BD\u00E9", "1\u20442e\u0301");
}

/* Normal text comes back as it is, without a copy. */
static void test_normal_text_is_not_copied(void **state) {
    (void)state;
    static const char text[] = "plain, dé jà vu, Ελληνικά, 日本語 한국어 豈";
    struct arena arena = {0};
    const char *result;
    size_t bytes;
    assert_int_equal(normalize(NORMAL_C, &classes, &arena, text, sizeof text - 1, &result, &bytes),
                     STATUS_OK);
    assert_ptr_equal(result, text);
    assert_int_equal(bytes, sizeof text - 1);
    assert_null(arena.chunk);
}

static uint64_t random_next(uint64_t *seed) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static size_t random_text(uint64_t *seed, char *text) {
    static const uint32_t often[] = {'e',    'a',    ' ',    0x301,  0x316, 0x323, 0x307, 0x345,
                                     0x1100, 0x1161, 0x11A8, 0xAC00, 0x9C7, 0x9BE, 0x212B};
    size_t bytes = 0;
    for (int n = (int)(random_next(seed) % 60); n >= 0; n--) {
        uint32_t c;
        switch (random_next(seed) % 4) {
        case 0: c = 0x300 + (uint32_t)random_next(seed) % 0x70; break;
        case 1: c = (uint32_t)random_next(seed) % 0x20000; break;
        default: c = often[random_next(seed) % COUNT_OF(often)]; break;
        }
        if (c == 0 || (c >= 0xD800 && c < 0xE000)) continue;
        bytes += (size_t)utf8_encode(c, (unsigned char *)text + bytes);
    }
    text[bytes] = 0;
    return bytes;
}

static void test_random_text_is_utf8procs(void **state) {
    (void)state;
    static const int options[] = {[NORMAL_C] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
                                  [NORMAL_D] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
                                  [NORMAL_KC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
                                  [NORMAL_KD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT};
    uint64_t seed = 3;
    for (int i = 0; i < 8000; i++) {
        char text[512];
        enum normal_form form = i % 2 ? NORMAL_C : (enum normal_form)(NORMAL_C + i / 2 % 4);
        utf8proc_uint8_t *expected;
        size_t bytes = random_text(&seed, text);
        utf8proc_ssize_t mapped = utf8proc_map((utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &expected,
                                               (utf8proc_option_t)options[form]);
        assert_true(mapped >= 0);
        struct arena arena = {0};
        const char *result, *again;
        size_t result_bytes, again_bytes;
        assert_int_equal(normalize(form, &classes, &arena, text, bytes, &result, &result_bytes), STATUS_OK);
        if (result_bytes != (size_t)mapped || memcmp(result, expected, result_bytes) != 0)
            fail_msg("form %d of \"%s\"", (int)form, text);
        assert_int_equal(normalize(form, &classes, &arena, result, result_bytes, &again, &again_bytes),
                         STATUS_OK);
        assert_int_equal(again_bytes, result_bytes);
        assert_memory_equal(again, result, result_bytes);
        arena_free(&arena);
        free(expected);
    }
}

/* A run of a million marks of falling classes: sorting it by exchange would take minutes. */
static void test_long_run_of_marks(void **state) {
    (void)state;
    enum { PAIRS = 250000 };
    char *text = malloc(4 * PAIRS + 1);
    struct arena arena = {0};
    const char *result;
    size_t bytes;
    text[0] = 'e';
    for (int i = 0; i < PAIRS; i++)
        memcpy(text + 1 + 4 * i, "\xCC\x81\xCC\x96", 4); /* U+0301 (230), U+0316 (220) */
    assert_int_equal(normalize(NORMAL_C, &classes, &arena, text, 4 * PAIRS + 1, &result, &bytes), STATUS_OK);
    assert_int_equal(bytes,
                     4 * PAIRS); /* é takes the first acute, then all that is below, then all that is above */
    assert_memory_equal(result, "\xC3\xA9\xCC\x96\xCC\x96", 6);
    assert_memory_equal(result + 2 + 2 * (PAIRS - 1), "\xCC\x96\xCC\x81", 4);
    assert_memory_equal(result + bytes - 2, "\xCC\x81", 2);
    arena_free(&arena);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_normal_text_is_not_copied),
        cmocka_unit_test(test_random_text_is_utf8procs),
        cmocka_unit_test(test_long_run_of_marks),
    };
    return cmocka_run_group_tests(tests, open_classes, close_classes);
}
