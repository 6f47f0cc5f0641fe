/* file_write.h - a file that appears whole or not at all.
 *
 * Bytes go to "NAME.partial-…" beside the target; finish flushes them to the disk and renames. A
 * target that exists and is no regular file (/dev/stdout, a pipe) is written directly. Owned by one
 * thread. */
#ifndef HADAL_BASE_FILE_WRITE_H
#define HADAL_BASE_FILE_WRITE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct file_writer {
    char *path;      /* as given, for sentences */
    char *target;    /* `path` with links followed */
    char *temporary; /* NULL: the target is written directly, or is published */
    char *pending;   /* bytes not yet handed to the system */
    size_t pending_bytes;
    int64_t bytes; /* appended so far */
    int file;
    bool open;
    bool lazy; /* set after opening: nothing is flushed, for content that is checked when it is read */
};

must_use enum status file_writer_open(struct file_writer *writer, const char *path);
must_use enum status file_writer_append(struct file_writer *writer, const void *data, size_t bytes);
must_use enum status file_writer_pad(struct file_writer *writer, int64_t multiple, char filler);
/* Replaces bytes that were appended before, of a target that is a regular file. */
must_use enum status file_writer_patch(struct file_writer *writer, int64_t offset, const void *data,
                                       size_t bytes);
must_use enum status file_writer_finish(struct file_writer *writer);
void file_writer_close(struct file_writer *writer); /* always; removes an unfinished file. Zeroed allowed. */

#endif
