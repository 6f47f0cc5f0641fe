/* References, as RFC 3986 gives them in section 5.4, and some that are none. */
#include "text/uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(const char *base, const char *reference, const char *wanted) {
    struct buffer found = {0};
    uri_resolve(&found, base, reference);
    assert_false(found.failed);
    assert_string_equal(found.data, wanted);
    buffer_free(&found);
}

static void references_are_resolved(void **state) {
    static const char *const rows[][2] = {{"g:h", "g:h"},
                                          {"g", "http://a/b/c/g"},
                                          {"./g", "http://a/b/c/g"},
                                          {"g/", "http://a/b/c/g/"},
                                          {"/g", "http://a/g"},
                                          {"//g", "http://g"},
                                          {"?y", "http://a/b/c/d;p?y"},
                                          {"g?y", "http://a/b/c/g?y"},
                                          {"#s", "http://a/b/c/d;p?q#s"},
                                          {"g#s", "http://a/b/c/g#s"},
                                          {"g?y#s", "http://a/b/c/g?y#s"},
                                          {";x", "http://a/b/c/;x"},
                                          {"", "http://a/b/c/d;p?q"},
                                          {".", "http://a/b/c/"},
                                          {"./", "http://a/b/c/"},
                                          {"..", "http://a/b/"},
                                          {"../g", "http://a/b/g"},
                                          {"../..", "http://a/"},
                                          {"../../g", "http://a/g"},
                                          {"../../../g", "http://a/g"},
                                          {"/./g", "http://a/g"},
                                          {"/../g", "http://a/g"},
                                          {"g.", "http://a/b/c/g."},
                                          {"..g", "http://a/b/c/..g"},
                                          {"./../g", "http://a/b/g"},
                                          {"g/./h", "http://a/b/c/g/h"},
                                          {"g/../h", "http://a/b/c/h"},
                                          {"g?y/../x", "http://a/b/c/g?y/../x"},
                                          {"g#s/../x", "http://a/b/c/g#s/../x"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) expect("http://a/b/c/d;p?q#z", rows[i][0], rows[i][1]);
}

static void bases_may_be_anything(void **state) {
    (void)state;
    expect("", "", "");
    expect("", "#x", "#x");
    expect("", "a/../../b", "b");
    expect("http://a", "b", "http://a/b");
    expect("urn:uuid:1", "#/a", "urn:uuid:1#/a");
    expect("a/b", "c", "a/c");
    expect("1:/", "x", "1:/x");
    expect("//", "/..", "///");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_resolved),
        cmocka_unit_test(bases_may_be_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
