/* assets.c - pages and what they load, from memory. Nothing a page loads comes from elsewhere, and the policy that is sent
 * with every page says so: a text of the model that slipped through the page's own sanitizer could still neither run nor
 * load nor send anything. */
#include "server/assets.h"

#include "server/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify";

static int compare_names(const void *name, const void *asset) {
    return strcmp(name, ((const struct asset *)asset)->name);
}

static const struct asset *find_name(const char *name) {
    return bsearch(name, web_assets, (size_t)web_asset_count, sizeof *web_assets, compare_names);
}

const struct asset *asset_find(const char *path, bool *lasting) {
    static const char folder[] = "/web/";
    char name[64];
    *lasting = false;
    if (!strncmp(path, folder, sizeof folder - 1)) {
        const char *build = path + sizeof folder - 1, *slash = strchr(build, '/');
        if (!slash) return NULL;
        *lasting = (size_t)(slash - build) == strlen(web_build) &&
                   !strncmp(build, web_build, (size_t)(slash - build));
        return find_name(slash + 1);
    }
    if (!strcmp(path, "/")) return find_name("index.html");
    if (*path != '/' || strchr(path + 1, '/') || strlen(path) > sizeof name - 6) return NULL;
    snprintf(name, sizeof name, "%s.html", path + 1);
    return find_name(name);
}

/* Tags are compared as a client sends them back: a list, and a proxy may have marked them as weak. */
static bool has_current(const struct http_request *request, const struct asset *asset) {
    const char *tags = http_header_find(request, "if-none-match");
    return tags && strstr(tags, asset->tag);
}

static void add_headers(struct http_exchange *exchange, const struct asset *asset, bool lasting) {
    http_header_add(exchange, "ETag", asset->tag);
    http_header_add(exchange, "Cache-Control", lasting ? "public, max-age=31536000, immutable" : "no-cache");
    http_header_add(exchange, "Content-Security-Policy", policy);
    http_header_add(exchange, "X-Content-Type-Options", "nosniff");
    http_header_add(exchange, "Referrer-Policy", "no-referrer");
    http_header_add(exchange, "Cross-Origin-Opener-Policy", "same-origin");
    http_header_add(exchange, "Cross-Origin-Resource-Policy", "same-origin");
}

bool assets_serve(struct http_exchange *exchange) {
    const struct http_request *request = http_request_of(exchange);
    bool lasting;
    if (strcmp(request->method, "GET") && strcmp(request->method, "HEAD")) return false;
    const struct asset *asset = asset_find(request->path, &lasting);
    if (!asset) return false;
    add_headers(exchange, asset, lasting);
    if (has_current(request, asset))
        http_reply(exchange, 304, NULL, "", 0);
    else
        http_reply(exchange, 200, asset->type, asset->data, asset->bytes);
    return true;
}
