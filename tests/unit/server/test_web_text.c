/* The text of pages: what belongs to it, encodings, and pages that are made to take forever. */
#include "server/search/web_get.h"
#include "server/search/web_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *type, const struct buffer *page, const char *wanted_title,
                   const char *wanted) {
    struct buffer title = {.limit = 1024}, text = {0};
    assert_int_equal(web_text(type, page->data, page->bytes, &title, &text), STATUS_OK);
    assert_string_equal(title.data ? title.data : "", wanted_title);
    assert_string_equal(text.data ? text.data : "", wanted);
    buffer_free(&title);
    buffer_free(&text);
}

static void expect_text(const char *type, const char *body, const char *title, const char *text) {
    struct buffer page = {0};
    buffer_append_text(&page, body);
    expect(type, &page, title, text);
    buffer_free(&page);
}

static void pages(void **state) {
    (void)state;
    expect_text("text/html",
                "<title> A  b </title><script>x</script><h2>Head</h2><p>One<br>two</p><ul><li>a<li>b</ul>",
                "A b", "## Head\n\nOne\ntwo\n\n- a\n- b");
    expect_text("text/html; charset=gbk", "<p>\xc4\xe3\xba\xc3</p>", "", "\xe4\xbd\xa0\xe5\xa5\xbd");
    expect_text("", "<meta charset=\"gbk\"><p>\xc4\xe3\xba\xc3</p>", "", "\xe4\xbd\xa0\xe5\xa5\xbd");
    expect_text("text/plain", "a <b>", "", "a <b>");
}

/* All of a page's names of attributes would be compared with each other: most of an hour's work. What stands in front is read. */
static void many_attributes(void **state) {
    (void)state;
    struct buffer page = {0};
    buffer_append_text(&page, "<p>before</p><p ");
    for (int i = 0; page.bytes < WEB_BODY_LIMIT - 100; i++) buffer_printf(&page, "a%x ", (unsigned)i);
    buffer_append_text(&page, "></p>");
    expect("text/html", &page, "", "before");
    buffer_free(&page);
}

/* A long page of the usual kind is read up to the limit of its text. */
static void long_page(void **state) {
    (void)state;
    struct buffer page = {0}, title = {.limit = 1024}, text = {0};
    while (page.bytes < (1 << 20))
        buffer_append_text(&page, "<div class=\"x\"><p>Some words of a page.</p></div>\n");
    assert_int_equal(web_text("text/html", page.data, page.bytes, &title, &text), STATUS_OK);
    assert_true(text.bytes > WEB_TEXT_LIMIT - 100 && text.bytes <= WEB_TEXT_LIMIT);
    buffer_free(&page);
    buffer_free(&title);
    buffer_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages), cmocka_unit_test(many_attributes),
                                       cmocka_unit_test(long_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
