/* file_map.h - a file as read-only memory.
 *
 * Weights are mapped, never copied. A file that shrinks under a mapping would raise SIGBUS in
 * whichever thread reads the lost page; while any map is open a process-wide handler puts a page of
 * zeros there instead and marks the map, and the owner asks file_map_check() after each step.
 * Any thread may open and close maps of its own while others do; reading is free for all threads. */
#ifndef HADAL_BASE_FILE_MAP_H
#define HADAL_BASE_FILE_MAP_H

#include "base/status.h"

#include <stdint.h>
#include <sys/stat.h>

struct file_map {
    const uint8_t *data;
    int64_t bytes;
    char *path;
    int slot; /* in the handler's table */
};

must_use enum status file_map_open(struct file_map *map, const char *path);
/* STATUS_IO, naming the file, once a page of it could not be read. */
must_use enum status file_map_check(const struct file_map *map);
/* What the system says about the mapped file itself, which its path may no longer name. */
must_use enum status file_map_stat(const struct file_map *map, struct stat *about);
void file_map_close(struct file_map *map); /* also for a zeroed map */

#endif
