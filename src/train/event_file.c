/* event_file.c - records of TensorFlow's event files: length, its masked checksum, an Event message in protocol-buffer
 * encoding, its masked checksum (tensorflow/core/lib/io/record_writer.h, core/util/event.proto). */
#include "train/event_file.h"

#include "base/buffer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of fields with their kind of encoding in the lower three bits. */
enum {
    EVENT_TIME = 1 << 3 | 1,    /* double */
    EVENT_STEP = 2 << 3,        /* varint */
    EVENT_VERSION = 3 << 3 | 2, /* bytes */
    EVENT_SUMMARY = 5 << 3 | 2,
    SUMMARY_VALUE = 1 << 3 | 2,
    VALUE_TAG = 1 << 3 | 2,
    VALUE_NUMBER = 2 << 3 | 5 /* float */
};

uint32_t crc32c(const void *data, size_t bytes) {
    const unsigned char *at = data;
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82F63B78u & (0u - (crc & 1)));
    }
    return ~crc;
}

static uint32_t masked(const void *data, size_t bytes) {
    uint32_t crc = crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

/* ---- encoding ---- */

static void put_varint(struct buffer *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) buffer_append_char(out, (char)((value & 0x7F) | 0x80));
    buffer_append_char(out, (char)value);
}

static void put_fixed(struct buffer *out, uint64_t bits, int bytes) {
    for (int i = 0; i < bytes; i++) buffer_append_char(out, (char)(bits >> 8 * i & 0xFF));
}

static void put_bytes(struct buffer *out, int field, const void *data, size_t bytes) {
    put_varint(out, (uint64_t)field);
    put_varint(out, bytes);
    buffer_append(out, data, bytes);
}

static void put_double(struct buffer *out, int field, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_varint(out, (uint64_t)field);
    put_fixed(out, bits, 8);
}

static void put_value(struct buffer *summary, const char *tag, float number) {
    struct buffer value = {0};
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_bytes(&value, VALUE_TAG, tag, strlen(tag));
    put_varint(&value, VALUE_NUMBER);
    put_fixed(&value, bits, 4);
    put_bytes(summary, SUMMARY_VALUE, value.data, value.bytes);
    summary->failed |= value.failed;
    buffer_free(&value);
}

/* ---- records ---- */

static enum status write_record(struct event_file *events, const struct buffer *event) {
    struct buffer frame = {0};
    unsigned char length[8];
    TRY(buffer_check(event, "an event"));
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)((uint64_t)event->bytes >> 8 * i);
    buffer_append(&frame, length, sizeof length);
    put_fixed(&frame, masked(length, sizeof length), 4);
    buffer_append(&frame, event->data, event->bytes);
    put_fixed(&frame, masked(event->data, event->bytes), 4);
    enum status status = buffer_check(&frame, "an event");
    if (status == STATUS_OK &&
        (fwrite(frame.data, 1, frame.bytes, events->file) != frame.bytes || fflush(events->file)))
        status = fail(STATUS_IO, "%s: cannot write: %s", events->path, strerror(errno));
    buffer_free(&frame);
    return status;
}

static enum status write_version(struct event_file *events) {
    static const char version[] = "brain.Event:2";
    struct buffer event = {0};
    put_double(&event, EVENT_TIME, 0);
    put_bytes(&event, EVENT_VERSION, version, sizeof version - 1);
    enum status status = write_record(events, &event);
    buffer_free(&event);
    return status;
}

enum status event_file_open(struct event_file *events, const char *directory) {
    struct buffer path = {0};
    buffer_printf(&path, "%s/%s", directory, EVENT_FILE_NAME);
    TRY(buffer_check(&path, "a file's name"));
    *events = (struct event_file){fopen(path.data, "we"), path.data};
    if (events->file) return write_version(events);
    enum status status = fail(STATUS_IO, "%s: cannot open: %s", events->path, strerror(errno));
    event_file_close(events);
    return status;
}

void event_file_close(struct event_file *events) {
    if (events->file) fclose(events->file);
    free(events->path);
    *events = (struct event_file){0};
}

enum status event_file_write(struct event_file *events, const json_t *line) {
    struct buffer event = {0}, summary = {0};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)line, key, value) {
        if (json_is_number(value) && strcmp(key, "step") != 0 && strcmp(key, "unix_seconds") != 0)
            put_value(&summary, key, (float)json_number_value(value));
    }
    put_double(&event, EVENT_TIME, json_number_value(json_object_get(line, "unix_seconds")));
    put_varint(&event, EVENT_STEP);
    put_varint(&event, (uint64_t)json_integer_value(json_object_get(line, "step")));
    put_bytes(&event, EVENT_SUMMARY, summary.data, summary.bytes);
    enum status status = buffer_check(&summary, "an event");
    if (status == STATUS_OK) status = write_record(events, &event);
    buffer_free(&summary);
    buffer_free(&event);
    return status;
}
