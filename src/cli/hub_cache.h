/* hub_cache.h - models by their names on a hub: where the cache is, and what it has. */
#ifndef HADAL_CLI_HUB_CACHE_H
#define HADAL_CLI_HUB_CACHE_H

#include "base/status.h"

#include <stddef.h>

/* $HF_HUB_CACHE, else hub in $HF_HOME, else huggingface/hub in $XDG_CACHE_HOME (~/.cache). STATUS_NOT_FOUND without a home. */
must_use enum status hub_cache_folder(char *path, size_t bytes);

/* A file or folder is itself; ORG/NAME that is none is looked for in the cache: then *path, which the caller frees, is where
 * it lies, otherwise NULL. STATUS_NOT_FOUND for a name of a model that has not been pulled. */
must_use enum status hub_cache_resolve(const char *text, char **path);

#endif
