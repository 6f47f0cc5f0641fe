/* buffer.c - the growing byte string of buffer.h. */
#include "base/buffer.h"

#include "base/bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_LIMIT = 1 << 30 };

static bool reserve(struct buffer *buffer, size_t more) {
    size_t need, limit = buffer->limit ? buffer->limit : DEFAULT_LIMIT;
    if (buffer->failed) return false;
    if (!add_size_fits(buffer->bytes, more, &need) || need > limit) {
        buffer->failed = true;
        return false;
    }
    if (need + 1 <= buffer->capacity) return true;
    size_t capacity = buffer->capacity ? buffer->capacity * 2 : 64;
    while (capacity < need + 1) capacity *= 2;
    char *data = realloc(buffer->data, capacity);
    if (!data) {
        buffer->failed = true;
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *buffer, const void *data, size_t bytes) {
    if (!reserve(buffer, bytes)) return;
    if (bytes) memcpy(buffer->data + buffer->bytes, data, bytes);
    buffer->bytes += bytes;
    buffer->data[buffer->bytes] = 0;
}

void buffer_append_text(struct buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}
void buffer_append_char(struct buffer *buffer, char c) {
    buffer_append(buffer, &c, 1);
}

void buffer_printf(struct buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int bytes = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (bytes >= 0 && reserve(buffer, (size_t)bytes)) {
        vsnprintf(buffer->data + buffer->bytes, (size_t)bytes + 1, format, again);
        buffer->bytes += (size_t)bytes;
    }
    va_end(again);
}

void buffer_clear(struct buffer *buffer) {
    buffer->bytes = 0;
    buffer->failed = false;
    if (buffer->data) buffer->data[0] = 0;
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}

enum status buffer_check(const struct buffer *buffer, const char *what) {
    if (!buffer->failed) return STATUS_OK;
    return fail(STATUS_LIMIT, "%s: longer than %zu bytes, or out of memory", what,
                buffer->limit ? buffer->limit : (size_t)DEFAULT_LIMIT);
}

static enum status read_stream(struct buffer *buffer, FILE *stream, const char *name, size_t limit) {
    char chunk[16384];
    size_t got;
    while ((got = fread(chunk, 1, sizeof chunk, stream)) > 0) {
        if (buffer->bytes + got > limit) return fail(STATUS_LIMIT, "%s: longer than %zu bytes", name, limit);
        buffer_append(buffer, chunk, got);
        TRY(buffer_check(buffer, name));
    }
    if (ferror(stream)) return fail(STATUS_IO, "%s: %s", name, strerror(errno));
    buffer_append(buffer, "", 0); /* NUL-terminated even when empty */
    return buffer_check(buffer, name);
}

enum status file_check_regular(const char *path) {
    struct stat about;
    if (stat(path, &about))
        return fail(errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s: %s", path, strerror(errno));
    return S_ISREG(about.st_mode) ? STATUS_OK : fail(STATUS_INPUT, "%s: not a regular file", path);
}

enum status buffer_read_file(struct buffer *buffer, const char *path, size_t limit) {
    *buffer = (struct buffer){.limit = limit};
    bool standard = !strcmp(path, "-");
    FILE *stream = standard ? stdin : fopen(path, "rb");
    if (!stream) return fail(STATUS_IO, "%s: %s", path, strerror(errno));
    enum status status = read_stream(buffer, stream, standard ? "standard input" : path, limit);
    if (!standard) fclose(stream);
    if (status != STATUS_OK) buffer_free(buffer);
    return status;
}
