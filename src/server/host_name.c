/* host_name.c - see host_name.h. */
#include "server/host_name.h"

#include "base/status.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Bytes of the name alone. */
static size_t name_bytes(const char *host) {
    size_t bytes = strcspn(host, ":");
    if (bytes > 0 && host[bytes - 1] == '.') bytes--;
    return bytes;
}

static bool ends_with(const char *name, size_t bytes, const char *end) {
    const size_t length = strlen(end);
    return bytes > length && !strncasecmp(name + bytes - length, end, length);
}

bool host_name_is_local(const char *host) {
    static const char *const ends[] = {".localhost", ".local", ".internal", ".home.arpa"};
    const size_t bytes = name_bytes(host);
    char text[INET_ADDRSTRLEN];
    struct in_addr address;
    if (*host == '[' || !memchr(host, '.', bytes)) return true;
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (ends_with(host, bytes, ends[i])) return true;
    if (bytes >= sizeof text) return false;
    memcpy(text, host, bytes);
    text[bytes] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

bool host_name_is(const char *host, const char *name) {
    const size_t bytes = name_bytes(host);
    return bytes == strlen(name) && !strncasecmp(host, name, bytes);
}
