/* UTF-8: every code point there and back, what is refused, and how damage is replaced. */
#include "text/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_every_code_point(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        unsigned char text[4] = {0};
        int bytes, length = utf8_encode(c, text), classified;
        bool surrogate = c >= 0xD800 && c < 0xE000;
        assert_int_equal(utf8_decode(text, &bytes), c);
        assert_int_equal(bytes, length);
        assert_int_equal(utf8_classify(text, (size_t)length, &classified),
                         surrogate ? UTF8_BROKEN : UTF8_WHOLE);
        assert_int_equal(utf8_valid_bytes((char *)text, (size_t)length), surrogate ? 0 : length);
        for (int cut = 1; cut < length && !surrogate; cut++) {
            assert_int_equal(utf8_classify(text, (size_t)cut, &classified), UTF8_CUT);
            assert_int_equal(classified, cut);
        }
    }
}

static void test_repair(void **state) {
    (void)state;
#define X "\xEF\xBF\xBD"
    static const struct {
        const char *text, *repaired;
    } row[] = {
        {"", ""},
        {"abc é 日 😀", "abc é 日 😀"},
        {"\x80", X},
        {"a\xFF\xFE"
         "b",
         "a" X X "b"},
        {"\xC0\x80", X X},             /* overlong */
        {"\xE0\x80\x80", X X X},       /* overlong */
        {"\xED\xA0\x80", X X X},       /* surrogate */
        {"\xF4\x90\x80\x80", X X X X}, /* beyond U+10FFFF */
        {"\xE6\x97", X},               /* cut off */
        {"\xE6\x97"
         "a",
         X "a"}, /* a beginning and something else */
        {"\xF0\x9F\x98\xE6\x97\xA5", X "日"},
        {"\xF0\x9F\x98\x80\xC3", "😀" X},
        {"12345678901234567\xFF"
         "8901234567",
         "12345678901234567" X "8901234567"},
    };
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        struct buffer out = {0};
        buffer_append(&out, "", 0);
        utf8_repair(&out, row[i].text, strlen(row[i].text));
        assert_string_equal(out.data, row[i].repaired);
        buffer_free(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_code_point),
                                       cmocka_unit_test(test_repair)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
