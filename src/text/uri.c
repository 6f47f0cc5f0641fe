/* uri.c - RFC 3986, section 5.2. */
#include "text/uri.h"

#include <ctype.h>
#include <string.h>

struct part {
    const char *text; /* NULL: it is not there */
    size_t bytes;
};

struct uri {
    struct part scheme, authority, path, query, fragment;
};

static struct part take_until(const char **at, const char *ends) {
    struct part part = {*at, strcspn(*at, ends)};
    *at += part.bytes;
    return part;
}

static size_t scheme_bytes(const char *text) {
    size_t bytes = 0;
    if (!isalpha((unsigned char)*text)) return 0;
    while (isalnum((unsigned char)text[bytes]) || (text[bytes] && strchr("+-.", text[bytes]))) bytes++;
    return text[bytes] == ':' ? bytes : 0;
}

static struct uri parse(const char *text) {
    struct uri uri = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    const size_t scheme = scheme_bytes(text);
    if (scheme) {
        uri.scheme = (struct part){text, scheme};
        text += scheme + 1;
    }
    if (!strncmp(text, "//", 2)) {
        text += 2;
        uri.authority = take_until(&text, "/?#");
    }
    uri.path = take_until(&text, "?#");
    if (*text == '?') {
        text++;
        uri.query = take_until(&text, "#");
    }
    if (*text == '#') uri.fragment = (struct part){text + 1, strlen(text + 1)};
    return uri;
}

static void append(struct buffer *out, struct part part) {
    if (part.bytes) buffer_append(out, part.text, part.bytes);
}

/* Back to the slash before the last segment; nothing before `begin` is touched. */
static void drop_segment(struct buffer *out, size_t begin) {
    while (out->bytes > begin && out->data[out->bytes - 1] != '/') out->bytes--;
}

/* A path without "." and "..", behind what is there already. */
static void append_path(struct buffer *out, struct part directory, struct part path) {
    struct buffer whole = {0};
    append(&whole, directory);
    append(&whole, path);
    const size_t begin = out->bytes;
    for (size_t at = 0; at < whole.bytes && !whole.failed && !out->failed;) {
        const char *segment = whole.data + at, *slash = memchr(segment, '/', whole.bytes - at);
        const size_t bytes = slash ? (size_t)(slash - segment) : whole.bytes - at;
        const bool here = bytes == 1 && *segment == '.', up = bytes == 2 && !memcmp(segment, "..", 2);
        if (up && out->bytes > begin + 1) {
            out->bytes--; /* the slash behind the segment that goes */
            drop_segment(out, begin);
        } else if (!here && !up) {
            buffer_append(out, segment, bytes + (slash != NULL));
        }
        at += bytes + (slash != NULL);
    }
    out->failed |= whole.failed;
    buffer_free(&whole);
}

/* The base's path up to its last slash. */
static struct part directory_of(const struct uri *base) {
    size_t bytes = base->path.bytes;
    while (bytes && base->path.text[bytes - 1] != '/') bytes--;
    if (bytes == 0 && base->authority.text) return (struct part){"/", 1};
    return (struct part){base->path.text, bytes};
}

void uri_resolve(struct buffer *out, const char *base_text, const char *reference) {
    const struct uri base = parse(base_text), given = parse(reference);
    const bool absolute = given.scheme.text != NULL, own_host = absolute || given.authority.text;
    const struct part nothing = {NULL, 0};
    const struct part scheme = absolute ? given.scheme : base.scheme,
                      authority = own_host ? given.authority : base.authority;
    const bool same_path = !own_host && given.path.bytes == 0;
    append(out, scheme);
    if (scheme.text) buffer_append_char(out, ':');
    if (authority.text) buffer_append_text(out, "//");
    append(out, authority);
    if (same_path)
        append(out, base.path);
    else if (own_host || *given.path.text == '/')
        append_path(out, nothing, given.path);
    else
        append_path(out, directory_of(&base), given.path);
    const struct part query = same_path && !given.query.text ? base.query : given.query;
    if (query.text) buffer_append_char(out, '?');
    append(out, query);
    if (given.fragment.text) buffer_append_char(out, '#');
    append(out, given.fragment);
    buffer_append(out, "", 0);
}
