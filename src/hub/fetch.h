/* fetch.h - files from a hub into a folder: several ranges at once, again after what passes, checked at the end.
 *
 * A server is a stranger: it may redirect, refuse, forget ranges, cut answers or send other bytes than it promised. What is
 * there stays there when a fetch ends early, and the next one goes on from it. One thread; blocks. */
#ifndef HADAL_HUB_FETCH_H
#define HADAL_HUB_FETCH_H

#include "base/buffer.h"
#include "hub/listing.h"

struct hub_source {
    const char *url;   /* of the hub, without a slash at its end */
    const char *token; /* sent to the hub alone, not to where it redirects; NULL: none */
    int connections;
    double stall_seconds; /* without a byte: the connection counts as lost */
    /* Bytes that are there, of all; false: stop. NULL allowed. */
    bool (*progress)(void *context, int64_t done, int64_t total);
    void *context;
};

/* A small answer. STATUS_DENIED, STATUS_NOT_FOUND and STATUS_IO as the server says. */
must_use enum status hub_get(const struct hub_source *source, const char *path, size_t limit,
                             struct buffer *body);

/* The needed files of a listing that are not in `folder` yet, each under its hash. `repository` and the listing's commit
 * say where they are. STATUS_FORMAT when a file is not what the listing says, twice. */
must_use enum status hub_fetch(const struct hub_source *source, const char *repository,
                               const struct hub_listing *listing, const char *folder);

/* Bytes of the needed files that are not in `folder` yet. */
int64_t hub_missing_bytes(const struct hub_listing *listing, const char *folder);

#endif
