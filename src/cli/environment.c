/* environment.c - environment variables and the places that they name. */
#include "cli/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *environment_get(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *environment_entry(size_t index) {
    return environ ? environ[index] : NULL;
}

static const struct {
    const char *variable, *below_home;
} folders[] = {[USER_CONFIG] = {"XDG_CONFIG_HOME", ".config"},
               [USER_STATE] = {"XDG_STATE_HOME", ".local/state"},
               [USER_CACHE] = {"XDG_CACHE_HOME", ".cache"}};

bool user_path(enum user_folder folder, const char *name, char *path, size_t bytes) {
    const char *base = environment_get(folders[folder].variable);
    const char *home = environment_get("HOME");
    int length;
    if (base && base[0] == '/') /* a relative name is invalid there and to be ignored */
        length = snprintf(path, bytes, "%s/hadal/%s", base, name);
    else if (home)
        length = snprintf(path, bytes, "%s/%s/hadal/%s", home, folders[folder].below_home, name);
    else
        return false;
    return length > 0 && (size_t)length < bytes;
}
