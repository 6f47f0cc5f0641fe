/* shipped_model.c - see shipped_model.h. */
#include "cli/shipped_model.h"

#include "base/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

/* The directory above the one that the program is in. */
static bool own_place(char place[PATH_BYTES]) {
    const ssize_t bytes = readlink("/proc/self/exe", place, PATH_BYTES - 1);
    if (bytes <= 0) return false;
    place[bytes] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(place, '/');
        if (!slash) return false;
        *slash = 0;
    }
    return true;
}

bool shipped_model_find(char *path, size_t bytes) {
    static const char *const places[] = {"models/reasoner", "share/hadal/reasoner"};
    char place[PATH_BYTES], config[PATH_BYTES];
    if (!own_place(place)) return false;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (snprintf(path, bytes, "%s/%s", place, places[i]) >= (int)bytes) continue;
        if (snprintf(config, sizeof config, "%s/config.json", path) >= (int)sizeof config) continue;
        if (!access(config, R_OK)) return true;
    }
    return false;
}
