/* Names under which a server is asked for: those that an owner of a web page can have are not local. */
#include "base/status.h"
#include "server/host_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void own_names_are_local(void **state) {
    static const char *const names[] = {"localhost",
                                        "LOCALHOST:8000",
                                        "localhost.",
                                        "127.0.0.1:8000",
                                        "127.0.0.1",
                                        "10.1.2.3",
                                        "[::1]:8000",
                                        "[::1]",
                                        "desk",
                                        "desk:80",
                                        "desk.local:8000",
                                        "a.localhost",
                                        "",
                                        ":80",
                                        "host.docker.internal:1",
                                        "box.home.arpa."};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!host_name_is_local(names[i])) fail_msg("%s", names[i]);
}

static void public_names_are_not(void **state) {
    static const char *const names[] = {"example.com",
                                        "example.com:8000",
                                        "localhost.example.com",
                                        "127.0.0.1.example.com",
                                        "notlocal.notlocal",
                                        "x.local.example.com:80",
                                        "0x7f.1",
                                        "1.2.3.4.5",
                                        ".local",
                                        "evil.com."};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (host_name_is_local(names[i])) fail_msg("%s", names[i]);
}

static void names_are_compared(void **state) {
    (void)state;
    assert_true(host_name_is("Chat.Example.com:443", "chat.example.com"));
    assert_true(host_name_is("chat.example.com.", "chat.example.com"));
    assert_false(host_name_is("chat.example.com.evil.com", "chat.example.com"));
    assert_false(host_name_is("at.example.com", "chat.example.com"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_names_are_local),
        cmocka_unit_test(public_names_are_not),
        cmocka_unit_test(names_are_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
