/* assets.h - the pages of the browser: what lies in web/ and the libraries that it uses, as bytes of the program. */
#ifndef HADAL_SERVER_ASSETS_H
#define HADAL_SERVER_ASSETS_H

#include <stdbool.h>
#include <stddef.h>

struct http_exchange;

struct asset {
    const char *name; /* "index.html", "js/main.js" */
    const char *type;
    const char *data;
    size_t bytes;
    const char *tag; /* entity tag, in its quotes */
};

/* Written by tools/embed.sh, in the order of their names. `web_build` is the hash of all. */
extern const struct asset web_assets[];
extern const int web_asset_count;
extern const char web_build[];

/* NULL: there is none under this path. "/" is index.html, "/x" is x.html, "/web/BUILD/NAME" any of them. `lasting`: the
 * path has the build in it, so that it never means another content. */
const struct asset *asset_find(const char *path, bool *lasting);

/* Answers a GET or HEAD for one of them. False: the path is none of theirs, and nothing was answered. */
bool assets_serve(struct http_exchange *exchange);

#endif
