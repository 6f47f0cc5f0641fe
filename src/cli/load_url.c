/* load_url.c - http://HOST:PORT/PATH taken apart, and the host's address. */
#include "cli/load.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum status no_url(const char *url, const char *what) {
    return fail(STATUS_USAGE, "--url %.80s: %s (http://HOST[:PORT][/PATH] or https://...)", url, what);
}

/* "[::1]:80" or "name:80" into host and port. */
static bool split_authority(struct load_target *target, const char **port) {
    char *host = target->host, *end = strchr(host, ']');
    if (*host == '[') {
        if (!end) return false;
        memmove(host, host + 1, (size_t)(end - host - 1));
        end[-1] = '\0';
        *port = end[1] == ':' ? end + 2 : NULL;
        return end[1] == ':' || !end[1];
    }
    char *colon = strchr(host, ':');
    if (colon) *colon = '\0';
    *port = colon ? colon + 1 : NULL;
    return *host != '\0';
}

static enum status look_up(struct load_target *target, const char *port, const char *url) {
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    struct addrinfo *found = NULL;
    const int error = getaddrinfo(target->host, port, &hints, &found);
    if (error) return fail(STATUS_IO, "%.80s: %s", url, gai_strerror(error));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_bytes = found->ai_addrlen;
    freeaddrinfo(found);
    return STATUS_OK;
}

enum status load_target_from(struct load_target *target, const char *url) {
    const char *port, *rest = url;
    target->tls = !strncasecmp(url, "https://", 8);
    if (!target->tls && strncasecmp(url, "http://", 7)) return no_url(url, "neither http:// nor https://");
    rest += target->tls ? 8 : 7;
    const size_t host = strcspn(rest, "/?#");
    size_t path = strcspn(rest + host, "?#");
    if (rest[host + path]) return no_url(url, "has a query");
    if (memchr(rest, '@', host)) return no_url(url, "has a user: a key goes with --api-key");
    if (host == 0 || host >= sizeof target->host || path >= sizeof target->path)
        return no_url(url, "is no address");
    memcpy(target->authority, rest, host);
    target->authority[host] = '\0';
    memcpy(target->host, rest, host);
    target->host[host] = '\0';
    while (path > 0 && rest[host + path - 1] == '/') path--;
    memcpy(target->path, rest + host, path);
    target->path[path] = '\0';
    if (!split_authority(target, &port)) return no_url(url, "is no address");
    return look_up(target, port && *port ? port : target->tls ? "443" : "80", url);
}
