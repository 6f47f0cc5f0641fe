/* small_file.h - one of the system's short files of text, whole. */
#ifndef HADAL_BASE_SMALL_FILE_H
#define HADAL_BASE_SMALL_FILE_H

#include <stddef.h>

/* At most bytes - 1 of the file, ended by a NUL: how many were read, -1 when it cannot be. A longer file is cut. */
long small_file_read(const char *path, char *text, size_t bytes);

#endif
