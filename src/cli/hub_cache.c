/* hub_cache.c - see hub_cache.h. */
#include "cli/hub_cache.h"

#include "cli/environment.h"
#include "hub/layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum status hub_cache_folder(char *path, size_t bytes) {
    static const struct {
        const char *variable, *below;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HOME", "/.cache/huggingface/hub"}};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *base = environment_get(places[i].variable);
        if (base && snprintf(path, bytes, "%s%s", base, places[i].below) < (int)bytes) return STATUS_OK;
    }
    return fail(STATUS_NOT_FOUND, "there is no home for pulled models: name a folder with --hub-cache");
}

enum status hub_cache_resolve(const char *text, char **path) {
    char cache[HUB_PATH_BYTES], found[HUB_PATH_BYTES];
    struct hub_name name;
    *path = NULL;
    if (!access(text, F_OK) || !hub_name_from(text, &name)) return STATUS_OK;
    TRY(hub_cache_folder(cache, sizeof cache));
    enum status status = hub_find(cache, &name, found);
    if (status == STATUS_NOT_FOUND)
        return fail(status, "%.300s: no such file, nor a model that was pulled (hadal pull %.200s)", text,
                    name.repository);
    TRY(status);
    *path = strdup(found);
    return *path ? STATUS_OK : fail(STATUS_MEMORY, "no memory for a path");
}
