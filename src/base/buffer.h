/* buffer.h - a growing byte string. Appending never fails visibly: the first allocation failure or a
 * crossed limit sets `failed`, later appends do nothing, and the owner asks once at the end. */
#ifndef HADAL_BASE_BUFFER_H
#define HADAL_BASE_BUFFER_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data;                    /* always NUL-terminated once anything was appended */
    size_t bytes, capacity, limit; /* limit 0: 1 GiB */
    bool failed;
};

void buffer_append(struct buffer *buffer, const void *data, size_t bytes);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_printf(struct buffer *buffer, const char *format, ...) printf_like(2, 3);
void buffer_clear(struct buffer *buffer);
void buffer_free(struct buffer *buffer);

/* STATUS_MEMORY or STATUS_LIMIT with `what` in the sentence when an append failed. */
must_use enum status buffer_check(const struct buffer *buffer, const char *what);

/* A file that a model should have, before it is opened: reading a pipe would wait for its writer. STATUS_NOT_FOUND when
 * there is none, STATUS_INPUT when it is no regular file. */
must_use enum status file_check_regular(const char *path);

/* Reads a whole file (or standard input for "-") of at most `limit` bytes. The caller frees; on failure there is nothing to free. */
must_use enum status buffer_read_file(struct buffer *buffer, const char *path, size_t limit);

#endif
