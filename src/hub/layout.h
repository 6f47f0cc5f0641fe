/* layout.h - the folder in which files of a hub are kept, as huggingface_hub lays it out, so that programs share them:
 *
 *     models--ORG--NAME/refs/REVISION              the commit that a branch or tag stood for
 *     models--ORG--NAME/blobs/HASH                 a file: SHA-256 of large ones, git's SHA-1 of others
 *     models--ORG--NAME/snapshots/COMMIT/FILE      a link to a blob
 *
 * Names come from strangers; none leads out of the folder. Pure functions but for hub_find(). */
#ifndef HADAL_HUB_LAYOUT_H
#define HADAL_HUB_LAYOUT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { HUB_NAME_BYTES = 200, HUB_FILE_BYTES = 400, HUB_PATH_BYTES = 4096 };

/* "ORG/NAME", "ORG/NAME/FILE", each with "@REVISION" behind it where it is not main. */
struct hub_name {
    char repository[HUB_NAME_BYTES]; /* "ORG/NAME" */
    char revision[HUB_NAME_BYTES];
    char file[HUB_FILE_BYTES]; /* "": none */
};
bool hub_name_from(const char *text, struct hub_name *name);

bool hub_file_is_safe(const char *file);  /* relative, without ".." and the like */
bool hub_hash_is_valid(const char *hash); /* 40 or 64 digits of hexadecimal, in lower case */

/* Is it a part of a model in several .gguf files, and not the first, which names all? */
bool hub_is_later_part(const char *name);
/* The ending of such a part, the first too: "-00002-of-00009.gguf"; NULL: it is none. */
const char *hub_part_ending(const char *name);

/* CACHE/models--ORG--NAME, behind it "/" and `below` unless that is NULL. STATUS_LIMIT when it is too long. */
must_use enum status hub_path(const char *cache, const char *repository, const char *below,
                              char path[HUB_PATH_BYTES]);

/* What -m takes of a name that is in the cache: the snapshot's folder, the named file in it, or its only .gguf file.
 * STATUS_NOT_FOUND when it is not there, STATUS_INPUT when it has several .gguf files and none is named. */
must_use enum status hub_find(const char *cache, const struct hub_name *name, char path[HUB_PATH_BYTES]);

#endif
