/* address.c - the registries of special-purpose addresses (RFC 6890 and what IANA has added), as tables of prefixes. */
#include "server/search/address.h"

#include "base/status.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct prefix {
    uint8_t byte[16];
    int bits;
};

static bool has_prefix(const uint8_t *address, const struct prefix *prefix) {
    const int whole = prefix->bits / 8, rest = prefix->bits % 8;
    if (memcmp(address, prefix->byte, (size_t)whole)) return false;
    return rest == 0 || ((address[whole] ^ prefix->byte[whole]) >> (8 - rest)) == 0;
}

static bool is_public_v4(const uint8_t *address) {
    static const struct prefix special[] = {
        {{0}, 8},                /* this network */
        {{10}, 8},               /* private */
        {{100, 64}, 10},         /* behind a provider's translation */
        {{127}, 8},              /* loopback */
        {{169, 254}, 16},        /* link-local, and where clouds keep their secrets */
        {{172, 16}, 12},         /* private */
        {{192, 0, 0}, 24},       /* protocols */
        {{192, 0, 2}, 24},       /* documentation */
        {{192, 31, 196}, 24},    /* AS112 */
        {{192, 52, 193}, 24},    /* multicast tunnels */
        {{192, 88, 99}, 24},     /* relays of 6to4 */
        {{192, 168}, 16},        /* private */
        {{192, 175, 48}, 24},    /* AS112 */
        {{198, 18}, 15},         /* benchmarks */
        {{198, 51, 100}, 24},    /* documentation */
        {{203, 0, 113}, 24},     /* documentation */
        {{224}, 4},              /* multicast */
        {{240}, 4},              /* reserved, broadcast */
        {{168, 63, 129, 16}, 32} /* the host of virtual machines in a large cloud */
    };
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (has_prefix(address, &special[i])) return false;
    return true;
}

/* Of IPv6 only what is handed out as global unicast, 2000::/3, can be public. */
static bool is_public_v6(const uint8_t *address) {
    static const struct prefix mapped = {{[10] = 0xff, [11] = 0xff}, 96},
                               translated = {{0, 0x64, 0xff, 0x9b}, 96}, global = {{0x20}, 3};
    static const struct prefix special[] = {
        {{0x20, 0x01}, 23},                /* protocols, Teredo among them */
        {{0x20, 0x01, 0x0d, 0xb8}, 32},    /* documentation */
        {{0x20, 0x02}, 16},                /* 6to4 */
        {{0x26, 0x20, 0, 0x4f, 0x80}, 48}, /* AS112 */
        {{0x3f, 0xff}, 20},                /* documentation */
        {{0x3f, 0xfe}, 16}                 /* once a test network */
    };
    if (has_prefix(address, &mapped) || has_prefix(address, &translated)) return is_public_v4(address + 12);
    if (!has_prefix(address, &global)) return false;
    for (size_t i = 0; i < COUNT_OF(special); i++)
        if (has_prefix(address, &special[i])) return false;
    return true;
}

static const struct sockaddr_in *v4_of(const struct sockaddr *address) {
    return (const struct sockaddr_in *)(const void *)address;
}

static const struct sockaddr_in6 *v6_of(const struct sockaddr *address) {
    return (const struct sockaddr_in6 *)(const void *)address;
}

bool address_is_public(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) return is_public_v4((const uint8_t *)&v4_of(address)->sin_addr);
    return address->sa_family == AF_INET6 && is_public_v6(v6_of(address)->sin6_addr.s6_addr);
}

int address_port(const struct sockaddr *address) {
    if (address->sa_family == AF_INET) return ntohs(v4_of(address)->sin_port);
    return address->sa_family == AF_INET6 ? ntohs(v6_of(address)->sin6_port) : 0;
}

void address_print(const struct sockaddr *address, char *text, size_t bytes) {
    char host[INET6_ADDRSTRLEN] = "";
    const bool v6 = address->sa_family == AF_INET6;
    const void *source =
        v6 ? (const void *)&v6_of(address)->sin6_addr : (const void *)&v4_of(address)->sin_addr;
    if ((v6 || address->sa_family == AF_INET) && inet_ntop(address->sa_family, source, host, sizeof host))
        snprintf(text, bytes, v6 ? "[%s]:%d" : "%s:%d", host, address_port(address));
    else
        *text = '\0';
}
