/* Which addresses are public, in all the ways in which an address of IPv4 can be written into one of IPv6. */
#include "server/search/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

union any_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union any_address address_of(const char *text, int port) {
    union any_address address;
    memset(&address, 0, sizeof address);
    if (strchr(text, ':')) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons((uint16_t)port);
        assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
    } else {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons((uint16_t)port);
        assert_int_equal(inet_pton(AF_INET, text, &address.v4.sin_addr), 1);
    }
    return address;
}

static void check_all(const char *const *texts, bool wanted) {
    for (; *texts; texts++) {
        union any_address address = address_of(*texts, 80);
        if (address_is_public(&address.any) != wanted)
            fail_msg("%s must%s be public", *texts, wanted ? "" : " not");
    }
}

static void private_addresses(void **state) {
    static const char *const texts[] = {"0.0.0.0",
                                        "0.255.255.255",
                                        "10.0.0.0",
                                        "10.255.255.255",
                                        "100.64.0.0",
                                        "100.127.255.255",
                                        "127.0.0.1",
                                        "127.255.255.255",
                                        "169.254.169.254",
                                        "172.16.0.0",
                                        "172.31.255.255",
                                        "192.0.0.1",
                                        "192.0.2.1",
                                        "192.88.99.1",
                                        "192.168.0.0",
                                        "192.168.255.255",
                                        "198.18.0.0",
                                        "198.19.255.255",
                                        "198.51.100.1",
                                        "203.0.113.1",
                                        "224.0.0.1",
                                        "239.255.255.255",
                                        "240.0.0.1",
                                        "255.255.255.255",
                                        "168.63.129.16",
                                        "::",
                                        "::1",
                                        "::127.0.0.1",
                                        "::ffff:127.0.0.1",
                                        "::ffff:10.1.2.3",
                                        "::ffff:0.0.0.0",
                                        "64:ff9b::127.0.0.1",
                                        "64:ff9b::192.168.1.1",
                                        "64:ff9b:1::8.8.8.8",
                                        "100::1",
                                        "2001::1",
                                        "2001:10::1",
                                        "2001:db8::1",
                                        "2002:7f00:1::",
                                        "2002:808:808::1",
                                        "3fff::1",
                                        "3ffe::1",
                                        "fc00::1",
                                        "fd12:3456::1",
                                        "fe80::1",
                                        "febf::1",
                                        "fec0::1",
                                        "ff02::1",
                                        "5f00::1",
                                        "4000::1",
                                        NULL};
    (void)state;
    check_all(texts, false);
}

static void public_addresses(void **state) {
    static const char *const texts[] = {"1.1.1.1",
                                        "8.8.8.8",
                                        "9.255.255.255",
                                        "11.0.0.0",
                                        "100.63.255.255",
                                        "100.128.0.0",
                                        "126.255.255.255",
                                        "128.0.0.0",
                                        "169.253.255.255",
                                        "172.15.255.255",
                                        "172.32.0.0",
                                        "192.167.255.255",
                                        "192.169.0.0",
                                        "198.17.255.255",
                                        "198.20.0.0",
                                        "223.255.255.255",
                                        "::ffff:8.8.8.8",
                                        "64:ff9b::8.8.8.8",
                                        "2606:4700:4700::1111",
                                        "2001:4860:4860::8888",
                                        "2a00:1450::1",
                                        NULL};
    (void)state;
    check_all(texts, true);
}

static void addresses_are_printed(void **state) {
    char text[80];
    (void)state;
    union any_address v4 = address_of("10.0.0.7", 8080), v6 = address_of("fd00::7", 443),
                      other = {.any.sa_family = AF_UNIX};
    address_print(&v4.any, text, sizeof text);
    assert_string_equal(text, "10.0.0.7:8080");
    address_print(&v6.any, text, sizeof text);
    assert_string_equal(text, "[fd00::7]:443");
    assert_int_equal(address_port(&v6.any), 443);
    address_print(&other.any, text, sizeof text);
    assert_string_equal(text, "");
    assert_false(address_is_public(&other.any));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(private_addresses),
                                       cmocka_unit_test(public_addresses),
                                       cmocka_unit_test(addresses_are_printed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
