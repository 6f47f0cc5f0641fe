/* Files of keys: what is understood, and that sentences never hold a key. */
#include "server/api_keys.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static enum status keys_of(struct api_keys *keys, const char *text, size_t bytes) {
    struct scratch scratch;
    scratch_open(&scratch);
    enum status status = api_keys_open(keys, scratch_write(&scratch, "keys", text, bytes));
    scratch_close(&scratch);
    return status;
}

static void keys_and_hashes_are_found(void **state) {
    /* the hash of "sk-second-key" */
    static const char text[] =
        "# keys\n\n  sk-first-key\r\nblake2b:%s bob\nsk-third-key   carol 7\nsk-fourth-key carol -3\n";
    struct api_keys keys;
    (void)state;
    assert_int_equal(keys_of(&keys, "sk-second-key x", 15), STATUS_OK);
    char hex[65], file[512];
    for (int i = 0; i < 32; i++) snprintf(hex + 2 * i, 3, "%02x", keys.key[0].hash[i]);
    api_keys_close(&keys);
    snprintf(file, sizeof file, text, hex);
    assert_int_equal(keys_of(&keys, file, strlen(file)), STATUS_OK);
    assert_int_equal(keys.keys, 4);
    assert_int_equal(api_keys_priority(&keys, "carol"), 7);
    assert_int_equal(api_keys_priority(&keys, "bob"), 0);
    assert_int_equal(api_keys_priority(&keys, "nobody"), 0);
    assert_string_equal(api_keys_find(&keys, "sk-first-key")->account, "key-3");
    assert_string_equal(api_keys_find(&keys, "sk-second-key")->account, "bob");
    assert_string_equal(api_keys_find(&keys, "sk-third-key")->account, "carol");
    assert_null(api_keys_find(&keys, "sk-first-ke"));
    assert_null(api_keys_find(&keys, ""));
    assert_null(api_keys_find(&keys, "bob"));
    api_keys_close(&keys);
}

static void what_is_wrong_is_told_without_the_key(void **state) {
    static const struct {
        const char *text, *words;
    } rows[] = {{"", "holds no key"},
                {"# nothing\n", "holds no key"},
                {"short\n", ":1: a key needs"},
                {"ok-0123456789 a b\n", ":1: a priority is a number"},
                {"ok-0123456789 a 101\n", ":1: a priority is a number"},
                {"ok-0123456789 a 1 2\n", ":1: a key, an account, a priority, and nothing else"},
                {"\nblake2b:zz\n", ":2: behind blake2b: there must be"},
                {"blake2b:00ff\n", "64 hexadecimal digits"}};
    struct api_keys keys;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(keys_of(&keys, rows[i].text, strlen(rows[i].text)), STATUS_INPUT);
        if (!strstr(status_message(), rows[i].words)) fail_msg("%s", status_message());
        assert_null(strstr(status_message(), "0123456789"));
        assert_null(keys.key);
    }
    assert_int_equal(keys_of(&keys, "sk-0123456789\0\n", 15), STATUS_INPUT);
    assert_int_not_equal(api_keys_open(&keys, "/nonexistent/keys"), STATUS_OK);
    assert_non_null(strstr(status_message(), "/nonexistent/keys"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_hashes_are_found),
        cmocka_unit_test(what_is_wrong_is_told_without_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
