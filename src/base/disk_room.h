/* disk_room.h - a full disk is better known before an hour of work than after it. */
#ifndef HADAL_BASE_DISK_ROOM_H
#define HADAL_BASE_DISK_ROOM_H

#include "base/status.h"

#include <stdint.h>

/* STATUS_LIMIT, with both numbers, when the disk that will hold `path` has less than `bytes` left. What cannot be asked
 * is left to the writer; devices and pipes always have room. */
must_use enum status disk_room_check(const char *path, int64_t bytes);

#endif
