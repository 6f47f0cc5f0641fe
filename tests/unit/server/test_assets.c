/* The table of pages: what is in it, and which paths lead where. */
#include "server/assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void the_table_is_in_order(void **state) {
    (void)state;
    assert_true(web_asset_count > 20);
    for (int i = 0; i < web_asset_count; i++) {
        const struct asset *asset = &web_assets[i];
        if (i > 0) assert_true(strcmp(web_assets[i - 1].name, asset->name) < 0);
        assert_true(asset->bytes > 0);
        assert_int_equal(asset->data[asset->bytes], 0);
        assert_int_equal(asset->tag[0], '"');
        assert_int_equal(asset->tag[strlen(asset->tag) - 1], '"');
        assert_null(strstr(asset->name, ".."));
    }
}

static void paths_lead_to_files(void **state) {
    char path[128];
    bool lasting;
    (void)state;
    const struct asset *page = asset_find("/", &lasting);
    assert_non_null(page);
    assert_string_equal(page->name, "index.html");
    assert_false(lasting);
    assert_ptr_equal(asset_find("/index", &lasting), page);
    snprintf(path, sizeof path, "/web/%s/js/main.js", web_build);
    assert_string_equal(asset_find(path, &lasting)->name, "js/main.js");
    assert_true(lasting);
    assert_string_equal(asset_find("/web/another/js/main.js", &lasting)->name, "js/main.js");
    assert_false(lasting);
    snprintf(path, sizeof path, "src=\"/web/%s/js/main.js\"", web_build);
    assert_non_null(strstr(page->data, path));
}

static void other_paths_lead_nowhere(void **state) {
    static const char *const paths[] = {
        "",         "web",         "/web", "/web/", "/web/x", "/web/x/", "/web/x/js", "/web/x/../index.html",
        "/js/main", "/index.html", "/a/b", "//",    "/index/"};
    char long_path[4096];
    bool lasting;
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) assert_null(asset_find(paths[i], &lasting));
    memset(long_path, 'a', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    assert_null(asset_find(long_path, &lasting));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_table_is_in_order),
                                       cmocka_unit_test(paths_lead_to_files),
                                       cmocka_unit_test(other_paths_lead_nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
