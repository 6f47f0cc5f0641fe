/* disk_room.c - see disk_room.h. */
#include "base/disk_room.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

enum status disk_room_check(const char *path, int64_t bytes) {
    const char *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."), need[32], left[32];
    struct statvfs disk;
    struct stat existing;
    bool device = !stat(path, &existing) && !S_ISREG(existing.st_mode) && !S_ISDIR(existing.st_mode);
    bool known = parent && !device && !statvfs(parent, &disk);
    free(parent);
    if (!known) return STATUS_OK;
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= bytes) return STATUS_OK;
    return fail(STATUS_LIMIT, "%s: needs %s, the disk has %s left", path, bytes_text(bytes, need),
                bytes_text(room, left));
}
