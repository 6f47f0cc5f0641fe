/* gguf_write.c - the writer of gguf.h: GGUF version 3 with the default alignment. Keys and the tensor
 * table grow in memory; the first data starts the file. Owned by one thread. */
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/file_write.h"
#include "format/gguf.h"

#include <stdlib.h>

enum { VERSION = 3, ALIGNMENT = 32 };

struct gguf_writer {
    struct file_writer file;
    struct buffer values, table;
    uint64_t value_count;
    struct arena arena;
    struct tensor_list declared; /* names only: to refuse duplicates */
    int64_t *end;                /* of each declared tensor in the data, unpadded */
    size_t tensors, capacity, current;
    int64_t begin_of_next; /* offset of the next declaration */
    int64_t data_begin;    /* in the file */
    bool header_written;
};

enum status gguf_writer_open(struct gguf_writer **writer, const char *path) {
    *writer = calloc(1, sizeof **writer);
    if (!*writer) return fail(STATUS_MEMORY, "%s: out of memory", path);
    enum status status = file_writer_open(&(*writer)->file, path);
    if (status != STATUS_OK) {
        free(*writer);
        *writer = NULL;
    }
    return status;
}

static void put_u32(struct buffer *buffer, uint32_t value) {
    buffer_append(buffer, &value, sizeof value);
}
static void put_u64(struct buffer *buffer, uint64_t value) {
    buffer_append(buffer, &value, sizeof value);
}

static void put_text(struct buffer *buffer, const char *data, size_t bytes) {
    put_u64(buffer, bytes);
    buffer_append(buffer, data, bytes);
}

static void put_key(struct gguf_writer *writer, const char *key, enum gguf_type type) {
    MUST(!writer->header_written);
    writer->value_count++;
    put_text(&writer->values, key, strlen(key));
    put_u32(&writer->values, type);
}

static void put_array(struct gguf_writer *writer, const char *key, enum gguf_type item_type, size_t count) {
    put_key(writer, key, GGUF_ARRAY);
    put_u32(&writer->values, item_type);
    put_u64(&writer->values, count);
}

void gguf_writer_text(struct gguf_writer *writer, const char *key, const char *value) {
    put_key(writer, key, GGUF_STRING);
    put_text(&writer->values, value, strlen(value));
}

void gguf_writer_u32(struct gguf_writer *writer, const char *key, uint32_t value) {
    put_key(writer, key, GGUF_U32);
    put_u32(&writer->values, value);
}

void gguf_writer_f32(struct gguf_writer *writer, const char *key, float value) {
    put_key(writer, key, GGUF_F32);
    buffer_append(&writer->values, &value, sizeof value);
}

void gguf_writer_bool(struct gguf_writer *writer, const char *key, bool value) {
    put_key(writer, key, GGUF_BOOL);
    buffer_append_char(&writer->values, value ? 1 : 0);
}

void gguf_writer_texts(struct gguf_writer *writer, const char *key, const struct gguf_text *text,
                       size_t count) {
    put_array(writer, key, GGUF_STRING, count);
    for (size_t i = 0; i < count; i++) put_text(&writer->values, text[i].data, text[i].bytes);
}

void gguf_writer_i32s(struct gguf_writer *writer, const char *key, const int32_t *value, size_t count) {
    put_array(writer, key, GGUF_I32, count);
    buffer_append(&writer->values, value, count * sizeof *value);
}

void gguf_writer_f32s(struct gguf_writer *writer, const char *key, const float *value, size_t count) {
    put_array(writer, key, GGUF_F32, count);
    buffer_append(&writer->values, value, count * sizeof *value);
}

void gguf_writer_value(struct gguf_writer *writer, const struct gguf_value *value) {
    if (value->type == GGUF_ARRAY)
        put_array(writer, value->key, value->item_type, value->count);
    else
        put_key(writer, value->key, value->type);
    for (uint64_t i = 0; value->text && i < value->count; i++)
        put_text(&writer->values, value->text[i].data, value->text[i].bytes);
    if (!value->text)
        buffer_append(&writer->values, value->data, value->count * gguf_type_bytes(value->item_type));
}

static enum status remember(struct gguf_writer *writer, const char *name, int64_t end) {
    if (writer->tensors == writer->capacity) {
        size_t capacity = writer->capacity ? writer->capacity * 2 : 64;
        int64_t *grown = realloc(writer->end, capacity * sizeof *grown);
        if (!grown) return fail(STATUS_MEMORY, "%s: out of memory", writer->file.path);
        writer->end = grown;
        writer->capacity = capacity;
    }
    struct named_tensor item = {.name = arena_copy(&writer->arena, name, strlen(name)),
                                .path = writer->file.path};
    if (!item.name) return fail(STATUS_MEMORY, "%s: out of memory", writer->file.path);
    TRY(tensor_list_append(&writer->declared, &item));
    writer->end[writer->tensors++] = end;
    return STATUS_OK;
}

enum status gguf_writer_declare(struct gguf_writer *writer, const char *name, enum dtype dtype, int rank,
                                const int64_t *shape) {
    const char *path = writer->file.path;
    int64_t bytes, end, padded;
    MUST(!writer->header_written && rank >= 1 && rank <= TENSOR_MAX_RANK);
    if (dtype_traits(dtype)->gguf_type < 0)
        return fail(STATUS_UNSUPPORTED, "%s: tensor %s: GGUF cannot hold %s", path, name,
                    dtype_traits(dtype)->name);
    if (!*name || strlen(name) > TENSOR_NAME_BYTES)
        return fail(STATUS_LIMIT, "%s: tensor name \"%.32s\": allowed are 1 to %d bytes", path, name,
                    TENSOR_NAME_BYTES);
    if (!shape_bytes(dtype, rank, shape, &bytes) || !add_fits(writer->begin_of_next, bytes, &end) ||
        !add_fits(end, ALIGNMENT, &padded))
        return fail(STATUS_INPUT, "%s: tensor %s: its rows are not whole blocks of %s, or its size overflows",
                    path, name, dtype_traits(dtype)->name);
    TRY(remember(writer, name, end));
    put_text(&writer->table, name, strlen(name));
    put_u32(&writer->table, (uint32_t)rank);
    for (int i = rank - 1; i >= 0; i--) put_u64(&writer->table, (uint64_t)shape[i]); /* innermost first */
    put_u32(&writer->table, (uint32_t)dtype_traits(dtype)->gguf_type);
    put_u64(&writer->table, (uint64_t)writer->begin_of_next);
    writer->begin_of_next = round_up(end, ALIGNMENT);
    return STATUS_OK;
}

static enum status write_header(struct gguf_writer *writer) {
    struct buffer head = {0};
    if (writer->header_written) return STATUS_OK;
    writer->header_written = true;
    TRY(tensor_list_sort(&writer->declared));
    TRY(buffer_check(&writer->values, writer->file.path));
    TRY(buffer_check(&writer->table, writer->file.path));
    buffer_append(&head, "GGUF", 4);
    put_u32(&head, VERSION);
    put_u64(&head, writer->tensors);
    put_u64(&head, writer->value_count);
    enum status status = buffer_check(&head, writer->file.path);
    if (status == STATUS_OK) status = file_writer_append(&writer->file, head.data, head.bytes);
    buffer_free(&head);
    TRY(status);
    TRY(file_writer_append(&writer->file, writer->values.data, writer->values.bytes));
    TRY(file_writer_append(&writer->file, writer->table.data, writer->table.bytes));
    if (writer->tensors) TRY(file_writer_pad(&writer->file, ALIGNMENT, 0));
    writer->data_begin = writer->file.bytes;
    return STATUS_OK;
}

enum status gguf_writer_append(struct gguf_writer *writer, const void *data, size_t bytes) {
    const char *at = data;
    TRY(write_header(writer));
    while (bytes > 0) {
        if (writer->current == writer->tensors)
            return fail(STATUS_INTERNAL, "%s: more data than the declared tensors take", writer->file.path);
        int64_t left = writer->end[writer->current] - (writer->file.bytes - writer->data_begin);
        size_t now = bytes < (size_t)left ? bytes : (size_t)left;
        TRY(file_writer_append(&writer->file, at, now));
        at += now;
        bytes -= now;
        if (now < (size_t)left) continue;
        writer->current++;
        TRY(file_writer_pad(&writer->file, ALIGNMENT, 0)); /* the header ends on a multiple too */
    }
    return STATUS_OK;
}

enum status gguf_writer_finish(struct gguf_writer *writer) {
    TRY(write_header(writer));
    if (writer->current < writer->tensors)
        return fail(STATUS_INTERNAL, "%s: data of %zu of %zu tensors was written", writer->file.path,
                    writer->current, writer->tensors);
    return file_writer_finish(&writer->file);
}

void gguf_writer_close(struct gguf_writer *writer) {
    if (!writer) return;
    file_writer_close(&writer->file);
    buffer_free(&writer->values);
    buffer_free(&writer->table);
    arena_free(&writer->arena);
    tensor_list_free(&writer->declared);
    free(writer->end);
    free(writer);
}
