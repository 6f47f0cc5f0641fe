/* file_write.c - publishing by rename, see file_write.h. The name of the partial file is random and
 * opened exclusively, so that two writers of one target never share it: the last to finish wins. */
#include "base/file_write.h"

#include "base/bytes.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whole huge pages at a time, at multiples of their size: file systems then keep them as such in the page cache, which
 * makes a mapping of the file faster to read. */
enum { PENDING_BYTES = HUGE_PAGE_BYTES, ATTEMPTS = 16 };

static enum status write_failed(const struct file_writer *writer) {
    return fail(STATUS_IO, "%s: cannot write: %s", writer->path, strerror(errno));
}

static enum status open_partial(struct file_writer *writer, const struct stat *existing) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint32_t unique;
        if (getrandom(&unique, sizeof unique, 0) != sizeof unique) break;
        free(writer->temporary);
        if (asprintf(&writer->temporary, "%s.partial-%08x", writer->target, (unsigned)unique) < 0) {
            writer->temporary = NULL;
            return fail(STATUS_MEMORY, "%s: out of memory", writer->path);
        }
        writer->file = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        writer->open = writer->file >= 0;
        if (writer->open && existing && fchmod(writer->file, existing->st_mode & 0777))
            return write_failed(writer);
        if (writer->open) return STATUS_OK;
        if (errno != EEXIST) break;
    }
    free(writer->temporary); /* not ours to remove */
    writer->temporary = NULL;
    return fail(STATUS_IO, "%s: cannot create: %s", writer->path, strerror(errno));
}

static enum status open_target(struct file_writer *writer) {
    struct stat existing;
    bool exists = stat(writer->path, &existing) == 0;
    if (exists && S_ISDIR(existing.st_mode)) return fail(STATUS_INPUT, "%s: is a directory", writer->path);
    if (exists && !S_ISREG(existing.st_mode)) {
        writer->file = open(writer->path, O_WRONLY | O_CLOEXEC);
        writer->open = writer->file >= 0;
        return writer->open ? STATUS_OK
                            : fail(STATUS_IO, "%s: cannot open: %s", writer->path, strerror(errno));
    }
    writer->target = exists ? realpath(writer->path, NULL) : strdup(writer->path);
    if (!writer->target) return fail(STATUS_IO, "%s: %s", writer->path, strerror(errno));
    return open_partial(writer, exists ? &existing : NULL);
}

enum status file_writer_open(struct file_writer *writer, const char *path) {
    *writer = (struct file_writer){.path = strdup(path), .pending = malloc(PENDING_BYTES)};
    enum status status = writer->path && writer->pending ? open_target(writer)
                                                         : fail(STATUS_MEMORY, "%s: out of memory", path);
    if (status != STATUS_OK) file_writer_close(writer);
    return status;
}

static enum status write_now(struct file_writer *writer, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(writer->file, data, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return write_failed(writer);
        data += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

static enum status write_pending(struct file_writer *writer) {
    size_t bytes = writer->pending_bytes;
    writer->pending_bytes = 0;
    return write_now(writer, writer->pending, bytes);
}

enum status file_writer_append(struct file_writer *writer, const void *data, size_t bytes) {
    MUST(writer->open);
    writer->bytes += (int64_t)bytes;
    for (const char *from = data; bytes > 0;) {
        size_t room = PENDING_BYTES - writer->pending_bytes, part = bytes < room ? bytes : room;
        if (part == PENDING_BYTES) {
            part = bytes / PENDING_BYTES * PENDING_BYTES;
            TRY(write_now(writer, from, part));
        } else {
            memcpy(writer->pending + writer->pending_bytes, from, part);
            writer->pending_bytes += part;
            if (part == room) TRY(write_pending(writer));
        }
        from += part;
        bytes -= part;
    }
    return STATUS_OK;
}

enum status file_writer_pad(struct file_writer *writer, int64_t multiple, char filler) {
    char block[256];
    memset(block, filler, sizeof block);
    for (int64_t left = round_up(writer->bytes, multiple) - writer->bytes; left > 0;) {
        int64_t bytes = min_i64(left, sizeof block);
        TRY(file_writer_append(writer, block, (size_t)bytes));
        left -= bytes;
    }
    return STATUS_OK;
}

enum status file_writer_patch(struct file_writer *writer, int64_t offset, const void *data, size_t bytes) {
    MUST(writer->open && writer->temporary && offset >= 0 && (int64_t)bytes <= writer->bytes - offset);
    TRY(write_pending(writer));
    for (const char *from = data; bytes > 0;) {
        ssize_t written = pwrite(writer->file, from, bytes, offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return write_failed(writer);
        from += written;
        offset += written;
        bytes -= (size_t)written;
    }
    return STATUS_OK;
}

/* The rename is only lasting once the directory is on the disk. Some file systems cannot do that;
 * the file is complete all the same. */
static void flush_directory(const char *target) {
    const char *slash = strrchr(target, '/');
    char *directory = !slash            ? strdup(".")
                      : slash == target ? strdup("/")
                                        : strndup(target, (size_t)(slash - target));
    int file = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (file >= 0) {
        fsync(file);
        close(file);
    }
    free(directory);
}

enum status file_writer_finish(struct file_writer *writer) {
    MUST(writer->open);
    TRY(write_pending(writer));
    if (writer->temporary && !writer->lazy && fsync(writer->file)) return write_failed(writer);
    writer->open = false;
    if (close(writer->file)) return write_failed(writer);
    if (!writer->temporary) return STATUS_OK;
    if (rename(writer->temporary, writer->target))
        return fail(STATUS_IO, "%s: cannot rename the finished file: %s", writer->path, strerror(errno));
    free(writer->temporary);
    writer->temporary = NULL;
    if (!writer->lazy) flush_directory(writer->target);
    return STATUS_OK;
}

void file_writer_close(struct file_writer *writer) {
    if (writer->open) close(writer->file);
    if (writer->temporary) unlink(writer->temporary);
    free(writer->path);
    free(writer->target);
    free(writer->temporary);
    free(writer->pending);
    *writer = (struct file_writer){0};
}
