/* npy.c - NumPy's .npy version 1.0 for two-dimensional float32 arrays. The header is a Python
 * dictionary as text; the reader accepts its three keys in any order, as NumPy does. */
#include "format/npy.h"

#include "base/bytes.h"
#include "base/file_map.h"
#include "base/file_write.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { PREFIX_BYTES = 10, HEADER_MULTIPLE = 64 };
static const char magic[8] = "\x93NUMPY\x01"; /* version 1.0 */

struct npy_writer {
    struct file_writer file;
    int64_t rows, columns, rows_written;
};

static enum status write_header(struct npy_writer *writer) {
    char text[256];
    int bytes = snprintf(text + PREFIX_BYTES, sizeof text - PREFIX_BYTES,
                         "{'descr': '<f4', 'fortran_order': False, 'shape': (%lld, %lld), }",
                         (long long)writer->rows, (long long)writer->columns);
    int64_t total = round_up(PREFIX_BYTES + bytes + 1, HEADER_MULTIPLE);
    memset(text + PREFIX_BYTES + bytes, ' ', (size_t)(total - PREFIX_BYTES - bytes));
    text[total - 1] = '\n';
    uint16_t header_bytes = (uint16_t)(total - PREFIX_BYTES);
    memcpy(text, magic, sizeof magic);
    memcpy(text + sizeof magic, &header_bytes, sizeof header_bytes);
    return file_writer_append(&writer->file, text, (size_t)total);
}

enum status npy_writer_open(struct npy_writer **writer, const char *path, int64_t rows, int64_t columns) {
    *writer = calloc(1, sizeof **writer);
    if (!*writer) return fail(STATUS_MEMORY, "%s: out of memory", path);
    (*writer)->rows = rows;
    (*writer)->columns = columns;
    enum status status = file_writer_open(&(*writer)->file, path);
    if (status == STATUS_OK) status = write_header(*writer);
    if (status == STATUS_OK) return STATUS_OK;
    npy_writer_close(*writer);
    *writer = NULL;
    return status;
}

enum status npy_writer_append(struct npy_writer *writer, const float *row) {
    if (writer->rows_written == writer->rows)
        return fail(STATUS_INTERNAL, "%s: more than the %lld declared rows", writer->file.path,
                    (long long)writer->rows);
    writer->rows_written++;
    return file_writer_append(&writer->file, row, (size_t)writer->columns * sizeof *row);
}

enum status npy_writer_finish(struct npy_writer *writer) {
    if (writer->rows_written != writer->rows)
        return fail(STATUS_INTERNAL, "%s: %lld of %lld rows were written", writer->file.path,
                    (long long)writer->rows_written, (long long)writer->rows);
    return file_writer_finish(&writer->file);
}

void npy_writer_close(struct npy_writer *writer) {
    if (!writer) return;
    file_writer_close(&writer->file);
    free(writer);
}

/* The text after "'key':" and any blanks; NULL when there is none. */
static const char *value_of(const char *header, const char *key) {
    const char *at = strstr(header, key);
    if (!at) return NULL;
    at += strlen(key);
    return at + strspn(at, " ");
}

static bool starts_with(const char *text, const char *prefix) {
    return text && !strncmp(text, prefix, strlen(prefix));
}

/* "(rows, columns)" */
static bool read_shape(const char *text, int64_t *rows, int64_t *columns) {
    char *end;
    if (!starts_with(text, "(")) return false;
    *rows = strtoll(text + 1, &end, 10);
    if (end == text + 1 || *end != ',') return false;
    const char *second = end + 1;
    *columns = strtoll(second, &end, 10);
    if (end == second) return false;
    end += *end == ',';
    return *end == ')' && *rows >= 0 && *columns >= 0;
}

static enum status read_header(const struct file_map *map, int64_t *rows, int64_t *columns, int64_t *begin) {
    char text[4096];
    if (map->bytes < PREFIX_BYTES || memcmp(map->data, magic, sizeof magic))
        return fail(STATUS_FORMAT, "%s: not a .npy file of version 1.0", map->path);
    size_t bytes = read_u16(map->data + sizeof magic);
    *begin = PREFIX_BYTES + (int64_t)bytes;
    if (*begin > map->bytes || bytes >= sizeof text)
        return fail(STATUS_FORMAT, "%s: a header of %zu bytes is not possible here", map->path, bytes);
    memcpy(text, map->data + PREFIX_BYTES, bytes);
    text[bytes] = 0;
    if (!starts_with(value_of(text, "'descr':"), "'<f4'"))
        return fail(STATUS_UNSUPPORTED, "%s: only little-endian float32 ('<f4') is supported", map->path);
    if (!starts_with(value_of(text, "'fortran_order':"), "False"))
        return fail(STATUS_UNSUPPORTED, "%s: only C order is supported", map->path);
    if (!read_shape(value_of(text, "'shape':"), rows, columns))
        return fail(STATUS_UNSUPPORTED, "%s: only arrays of two dimensions are supported", map->path);
    return STATUS_OK;
}

static enum status read_values(const struct file_map *map, float **values, int64_t *rows, int64_t *columns) {
    int64_t begin = 0, bytes = 0;
    TRY(read_header(map, rows, columns, &begin));
    if (!multiply_fits(*rows, *columns, &bytes) || !multiply_fits(bytes, sizeof(float), &bytes) ||
        bytes != map->bytes - begin)
        return fail(STATUS_FORMAT, "%s: its shape (%lld, %lld) does not match %lld bytes of data", map->path,
                    (long long)*rows, (long long)*columns, (long long)(map->bytes - begin));
    *values = malloc(bytes ? (size_t)bytes : 1);
    if (!*values) return fail(STATUS_MEMORY, "%s: out of memory for %lld bytes", map->path, (long long)bytes);
    memcpy(*values, map->data + begin, (size_t)bytes);
    return STATUS_OK;
}

enum status npy_read(const char *path, float **values, int64_t *rows, int64_t *columns) {
    struct file_map map;
    *values = NULL;
    *rows = *columns = 0;
    TRY(file_map_open(&map, path));
    enum status status = read_values(&map, values, rows, columns);
    if (status == STATUS_OK) status = file_map_check(&map);
    file_map_close(&map);
    if (status != STATUS_OK) {
        free(*values);
        *values = NULL;
    }
    return status;
}
