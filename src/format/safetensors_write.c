/* safetensors_write.c - the writer of safetensors.h. The header is complete when the first bytes
 * arrive, so the file is written front to back. Owned by one thread. */
#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file_write.h"
#include "format/safetensors.h"

#include <stdlib.h>

struct safetensors_writer {
    struct file_writer file;
    struct buffer header;
    struct arena arena;
    struct tensor_list declared; /* names only: to refuse duplicates */
    int64_t expected_bytes, appended_bytes;
    bool header_written;
};

enum status safetensors_writer_open(struct safetensors_writer **writer, const char *path) {
    *writer = calloc(1, sizeof **writer);
    if (!*writer) return fail(STATUS_MEMORY, "%s: out of memory", path);
    enum status status = file_writer_open(&(*writer)->file, path);
    if (status != STATUS_OK) {
        free(*writer);
        *writer = NULL;
        return status;
    }
    buffer_append_text(&(*writer)->header, "{\"__metadata__\":{\"format\":\"pt\"}");
    return STATUS_OK;
}

static void append_json_text(struct buffer *buffer, const char *text) {
    buffer_append_char(buffer, '"');
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20) {
            buffer_printf(buffer, "\\u%04x", (unsigned)*text);
            continue;
        }
        if (*text == '"' || *text == '\\') buffer_append_char(buffer, '\\');
        buffer_append_char(buffer, *text);
    }
    buffer_append_char(buffer, '"');
}

enum status safetensors_writer_declare(struct safetensors_writer *writer, const char *name, enum dtype dtype,
                                       int rank, const int64_t *shape) {
    const char *path = writer->file.path, *type = dtype_traits(dtype)->safetensors_name;
    int64_t bytes, end;
    MUST(!writer->header_written && rank >= 0 && rank <= TENSOR_MAX_RANK);
    if (!type)
        return fail(STATUS_UNSUPPORTED, "%s: tensor %s: safetensors cannot hold %s", path, name,
                    dtype_traits(dtype)->name);
    if (!*name || strlen(name) > TENSOR_NAME_BYTES)
        return fail(STATUS_LIMIT, "%s: tensor name \"%.32s\": allowed are 1 to %d bytes", path, name,
                    TENSOR_NAME_BYTES);
    if (!shape_bytes(dtype, rank, shape, &bytes) || !add_fits(writer->expected_bytes, bytes, &end))
        return fail(STATUS_INPUT, "%s: tensor %s: impossible shape", path, name);
    struct named_tensor item = {.name = arena_copy(&writer->arena, name, strlen(name)), .path = path};
    if (!item.name) return fail(STATUS_MEMORY, "%s: out of memory", path);
    TRY(tensor_list_append(&writer->declared, &item));
    struct buffer *header = &writer->header;
    buffer_append_char(header, ',');
    append_json_text(header, name);
    buffer_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", type);
    for (int i = 0; i < rank; i++) buffer_printf(header, i ? ",%lld" : "%lld", (long long)shape[i]);
    buffer_printf(header, "],\"data_offsets\":[%lld,%lld]}", (long long)writer->expected_bytes,
                  (long long)end);
    writer->expected_bytes = end;
    return STATUS_OK;
}

static enum status write_header(struct safetensors_writer *writer) {
    struct buffer *header = &writer->header;
    if (writer->header_written) return STATUS_OK;
    writer->header_written = true;
    TRY(tensor_list_sort(&writer->declared));
    buffer_append_char(header, '}');
    while (header->bytes % 8 && !header->failed) buffer_append_char(header, ' ');
    TRY(buffer_check(header, writer->file.path));
    uint64_t bytes = header->bytes;
    TRY(file_writer_append(&writer->file, &bytes, sizeof bytes));
    return file_writer_append(&writer->file, header->data, header->bytes);
}

enum status safetensors_writer_append(struct safetensors_writer *writer, const void *data, size_t bytes) {
    TRY(write_header(writer));
    int64_t left = writer->expected_bytes - writer->appended_bytes;
    if (bytes > (size_t)left)
        return fail(STATUS_INTERNAL, "%s: %zu bytes of data where the declared tensors leave room for %lld",
                    writer->file.path, bytes, (long long)left);
    writer->appended_bytes += (int64_t)bytes;
    return file_writer_append(&writer->file, data, bytes);
}

enum status safetensors_writer_finish(struct safetensors_writer *writer) {
    TRY(write_header(writer));
    if (writer->appended_bytes != writer->expected_bytes)
        return fail(STATUS_INTERNAL, "%s: %lld of %lld bytes of data were written", writer->file.path,
                    (long long)writer->appended_bytes, (long long)writer->expected_bytes);
    return file_writer_finish(&writer->file);
}

void safetensors_writer_close(struct safetensors_writer *writer) {
    if (!writer) return;
    file_writer_close(&writer->file);
    buffer_free(&writer->header);
    arena_free(&writer->arena);
    tensor_list_free(&writer->declared);
    free(writer);
}
