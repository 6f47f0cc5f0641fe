/* words.c - see words.h. */
#include "server/account/words.h"

#include "server/account/calendar.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES = 64 };

/* The next word of a list; false behind the last. Longer ones are cut, and match nothing. */
static bool next_word(const char **list, char word[WORD_BYTES]) {
    *list += strspn(*list, ", ");
    if (!**list) return false;
    const size_t bytes = strcspn(*list, ", ");
    snprintf(word, WORD_BYTES, "%.*s", bytes < WORD_BYTES ? (int)bytes : 0, *list);
    *list += bytes;
    return true;
}

bool words_have(const char *list, const char *word) {
    const size_t bytes = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ", ")) {
        at += strspn(at, ", ");
        if (strcspn(at, ", ") == bytes && bytes && !strncmp(at, word, bytes)) return true;
    }
    return false;
}

struct network {
    unsigned char address[16];
    int family, bits;
};

static bool parse_network(const char *text, struct network *network) {
    char word[WORD_BYTES], *slash, *end;
    snprintf(word, sizeof word, "%s", text);
    slash = strchr(word, '/');
    if (slash) *slash++ = '\0';
    network->family = strchr(word, ':') ? AF_INET6 : AF_INET;
    const int most = network->family == AF_INET6 ? 128 : 32;
    memset(network->address, 0, sizeof network->address);
    if (inet_pton(network->family, word, network->address) != 1) return false;
    const long bits = slash ? strtol(slash, &end, 10) : most;
    if (slash && (!*slash || *end || bits < 0 || bits > most)) return false;
    network->bits = (int)bits;
    return true;
}

static bool contains(const struct network *network, const struct network *one) {
    const int whole = network->bits / 8, rest = network->bits % 8;
    if (network->family != one->family || memcmp(network->address, one->address, (size_t)whole)) return false;
    return rest == 0 || (network->address[whole] ^ one->address[whole]) >> (8 - rest) == 0;
}

/* An IPv4 address that came through an IPv6 socket is the IPv4 address. */
static const char *plain(const char *address) {
    return !strncmp(address, "::ffff:", 7) && strchr(address, '.') ? address + 7 : address;
}

bool words_have_address(const char *list, const char *address) {
    struct network one, network;
    char word[WORD_BYTES];
    if (!parse_network(plain(address), &one)) return false;
    while (next_word(&list, word))
        if (parse_network(word, &network) && contains(&network, &one)) return true;
    return false;
}

enum status words_check_addresses(const char *list) {
    struct network network;
    char word[WORD_BYTES];
    while (next_word(&list, word))
        if (!parse_network(word, &network))
            return fail(STATUS_INPUT,
                        "addresses: '%.40s' is neither an address nor a network such as 10.0.0.0/8", word);
    return STATUS_OK;
}

int64_t words_month_begin(int64_t day) {
    char date[DATE_TEXT_BYTES];
    day_print(day, date);
    return day - (date[8] - '0') * 10 - (date[9] - '0') + 1;
}
