/* JSON text as Python's json.dumps(ensure_ascii=False) writes it; the expected strings are Python's. */
#include "text/json_print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *json, int indent, const char *expected) {
    json_t *value = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct buffer text = {0};
    assert_non_null(value);
    json_print(&text, value, indent);
    assert_string_equal(text.data, expected);
    buffer_free(&text);
    json_decref(value);
}

static void numbers(void **state) {
    (void)state;
    static const char *const rows[][2] = {
        {"0", "0"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.0", "1.0"},
        {"-0.0", "-0.0"},
        {"0.1", "0.1"},
        {"1.50", "1.5"},
        {"100.0", "100.0"},
        {"1e5", "100000.0"},
        {"0.0001", "0.0001"},
        {"0.00001", "1e-05"},
        {"0.000012345", "1.2345e-05"},
        {"0.00123", "0.00123"},
        {"1e15", "1000000000000000.0"},
        {"9999999999999998.0", "9999999999999998.0"},
        {"1e16", "1e+16"},
        {"1.5e16", "1.5e+16"},
        {"1e22", "1e+22"},
        {"1e300", "1e+300"},
        {"5e-324", "5e-324"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"123456.789", "123456.789"},
        {"3.141592653589793", "3.141592653589793"},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) check(rows[index][0], 0, rows[index][1]);
}

static void strings(void **state) {
    (void)state;
    check("\"a\\\"\\\\/\\b\\f\\n\\r\\t\"", 0, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\"");
    check("\"\\u0000\\u0001\\u001f\\u007f\"", 0, "\"\\u0000\\u0001\\u001f\x7f\"");
    check("\"\\u00e9\\u4e16\\u2028\\ud83c\\udf0d<&>'\"", 0, "\"\u00e9\u4e16\u2028\U0001f30d<&>'\"");
}

static void containers(void **state) {
    (void)state;
    static const char json[] = "{\"z\": [1, [], {}, {\"b\": null}], \"a\": true, \"\": false}";
    check(json, 0, json);
    check(json, 2,
          "{\n  \"z\": [\n    1,\n    [],\n    {},\n    {\n      \"b\": null\n    }\n  ],\n  \"a\": true,\n"
          "  \"\": false\n}");
    check("[]", 4, "[]");
    check("{}", 4, "{}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(strings),
        cmocka_unit_test(containers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
