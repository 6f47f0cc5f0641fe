/* record.c - see record.h. */
#include "eval/record.h"

#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_LIMIT ((size_t)1 << 36)
enum { SAMPLES_MOST = 1 << 24, SAMPLE_NUMBER_MOST = 1 << 20 };

void sample_free(struct sample *sample) {
    free(sample->set);
    free(sample->question);
    free(sample->group);
    free(sample->result);
    free(sample->text);
    *sample = (struct sample){0};
}

void record_free(struct record *record) {
    json_decref(record->head);
    for (int64_t i = 0; i < record->samples; i++) sample_free(&record->sample[i]);
    free(record->sample);
    *record = (struct record){0};
}

static enum status keep(struct record *record, struct sample *sample) {
    if (record->samples == SAMPLES_MOST) return fail(STATUS_LIMIT, "more than %d answers", SAMPLES_MOST);
    if (record->samples == record->capacity) {
        int64_t capacity = record->capacity ? 2 * record->capacity : 256;
        struct sample *more = realloc(record->sample, (size_t)capacity * sizeof *more);
        if (!more) return fail(STATUS_MEMORY, "no memory for %lld answers", (long long)capacity);
        record->sample = more;
        record->capacity = capacity;
    }
    record->sample[record->samples++] = *sample;
    *sample = (struct sample){0};
    return STATUS_OK;
}

/* ---- reading ---- */

static enum status take_text(struct json_reader reader, const char *field, bool needed, char **text) {
    const char *value;
    TRY(json_get_text_or(reader, field, NULL, &value));
    if (!value && needed) return fail(STATUS_FORMAT, "%s: \"%s\" is missing", reader.origin, field);
    *text = value ? strdup(value) : NULL;
    return !value || *text ? STATUS_OK : fail(STATUS_MEMORY, "no memory for an answer");
}

static enum status read_identity(struct json_reader reader, uint64_t *identity) {
    const char *text;
    char *end = NULL;
    TRY(json_get_text_or(reader, "identity", "", &text));
    *identity = strtoull(text, &end, 16);
    if (*text && !*end && strlen(text) <= 16) return STATUS_OK;
    return fail(STATUS_FORMAT, "%s: \"identity\" is no number in hexadecimal", reader.origin);
}

static enum status read_sample(const json_t *line, const char *origin, struct sample *sample) {
    struct json_reader reader = {line, origin};
    const char *finish, *rule;
    int64_t number;
    TRY(take_text(reader, "set", true, &sample->set));
    TRY(take_text(reader, "question", true, &sample->question));
    TRY(take_text(reader, "group", false, &sample->group));
    TRY(take_text(reader, "result", false, &sample->result));
    TRY(take_text(reader, "text", false, &sample->text));
    TRY(read_identity(reader, &sample->identity));
    TRY(json_get_int(reader, "sample", 0, SAMPLE_NUMBER_MOST, &number));
    TRY(json_get_bool_or(reader, "right", false, &sample->right));
    TRY(json_get_real_or(reader, "reward", -1e6, 1e6, 0, &sample->reward));
    TRY(json_get_text_or(reader, "finish", "", &finish));
    TRY(json_get_text_or(reader, "rule", "", &rule));
    TRY(json_get_int_or(reader, "prompt_tokens", 0, INT32_MAX, 0, &sample->prompt_tokens));
    TRY(json_get_int_or(reader, "tokens", 0, INT32_MAX, 0, &sample->tokens));
    TRY(json_get_real_or(reader, "seconds", 0, 1e12, 0, &sample->seconds));
    sample->number = (int)number;
    snprintf(sample->finish, sizeof sample->finish, "%s", finish);
    snprintf(sample->rule, sizeof sample->rule, "%s", rule);
    return STATUS_OK;
}

static enum status read_head(struct record *record, json_t *line, const char *origin) {
    int64_t version;
    TRY(json_get_int_or((struct json_reader){line, origin}, "hadal_eval", 0, 1 << 20, 0, &version));
    if (version != 1) return fail(STATUS_FORMAT, "%s: is no run of hadal eval", origin);
    record->head = json_incref(line);
    return STATUS_OK;
}

static enum status read_line(struct record *record, const char *text, size_t bytes, const char *origin) {
    struct sample sample = {0};
    json_t *line;
    TRY(json_parse(text, bytes, origin, &line));
    enum status status =
        json_is_object(line) ? STATUS_OK : fail(STATUS_FORMAT, "%s: expected an object", origin);
    if (status == STATUS_OK && !record->head)
        status = read_head(record, line, origin);
    else if (status == STATUS_OK && (status = read_sample(line, origin, &sample)) == STATUS_OK)
        status = keep(record, &sample);
    sample_free(&sample);
    json_decref(line);
    return status;
}

enum status record_parse(struct record *record, const char *text, size_t bytes, const char *origin,
                         size_t *whole) {
    int64_t number = 0;
    *whole = 0;
    for (size_t at = 0; at < bytes;) {
        const char *end = memchr(text + at, '\n', bytes - at);
        char place[512];
        if (!end) break;
        snprintf(place, sizeof place, "%.400s, line %lld", origin, (long long)++number);
        TRY(read_line(record, text + at, (size_t)(end - text) - at, place));
        at = *whole = (size_t)(end - text) + 1;
    }
    return record->head ? STATUS_OK : fail(STATUS_FORMAT, "%.400s: is no run of hadal eval", origin);
}

static enum status read_whole(struct record *record, const char *path, size_t *whole) {
    struct buffer content = {0};
    *record = (struct record){0};
    TRY(buffer_read_file(&content, path, FILE_LIMIT));
    enum status status = record_parse(record, content.data ? content.data : "", content.bytes, path, whole);
    buffer_free(&content);
    if (status != STATUS_OK) record_free(record);
    return status;
}

enum status record_read(struct record *record, const char *path) {
    size_t whole;
    return read_whole(record, path, &whole);
}

/* ---- writing ---- */

static enum status write_line(struct record_writer *writer, json_t *line) {
    char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
    json_decref(line);
    if (!text) return fail(STATUS_MEMORY, "an answer cannot be written");
    size_t bytes = strlen(text);
    text[bytes++] = '\n'; /* in the place of the NUL */
    enum status status = STATUS_OK;
    for (size_t at = 0; status == STATUS_OK && at < bytes;) {
        ssize_t part = write(writer->file, text + at, bytes - at);
        if (part > 0) at += (size_t)part;
        if (part < 0 && errno != EINTR)
            status = fail(STATUS_IO, "%s: cannot write: %s", writer->path, strerror(errno));
    }
    free(text);
    return status;
}

/* Of the head's fields, those that decide what is answered. */
static enum status check_head(const json_t *head, const json_t *found, const char *path) {
    static const char *const parts[] = {"answerer", "settings", "sets"};
    for (size_t p = 0; p < COUNT_OF(parts); p++) {
        const json_t *wanted = json_object_get(head, parts[p]), *has = json_object_get(found, parts[p]);
        const char *field;
        json_t *value;
        if (json_equal(wanted, has) || (!wanted && !has)) continue;
        json_object_foreach((json_t *)wanted, field, value) {
            if (json_equal(value, json_object_get(has, field))) continue;
            char *now = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
            char *before = json_dumps(json_object_get(has, field), JSON_COMPACT | JSON_ENCODE_ANY);
            enum status status =
                fail(STATUS_INPUT, "%.300s: is of another run: %s %s is %.60s there and %.60s here", path,
                     parts[p], field, before ? before : "missing", now ? now : "missing");
            free(now);
            free(before);
            return status;
        }
        return fail(STATUS_INPUT, "%.300s: is of another run: \"%s\" has more there", path, parts[p]);
    }
    return STATUS_OK;
}

/* A kill within the first line leaves nothing to go on with; anything else is somebody's file. */
static bool is_torn(const struct buffer *content) {
    static const char begin[] = "{\"hadal_eval\":";
    const size_t bytes = content->bytes < sizeof begin - 1 ? content->bytes : sizeof begin - 1;
    return !bytes || (!memchr(content->data, '\n', content->bytes) && !memcmp(content->data, begin, bytes));
}

static enum status continue_run(struct record_writer *writer, const json_t *head, struct record *record) {
    size_t whole;
    struct buffer content = {0};
    TRY(buffer_read_file(&content, writer->path, FILE_LIMIT));
    const bool torn = is_torn(&content);
    buffer_free(&content);
    if (torn) {
        if (ftruncate(writer->file, 0))
            return fail(STATUS_IO, "%s: cannot be cut: %s", writer->path, strerror(errno));
        record->head = json_deep_copy(head);
        return write_line(writer, json_incref((json_t *)head));
    }
    TRY(read_whole(record, writer->path, &whole));
    TRY(check_head(head, record->head, writer->path));
    if (ftruncate(writer->file, (off_t)whole))
        return fail(STATUS_IO, "%s: cannot be cut: %s", writer->path, strerror(errno));
    return STATUS_OK;
}

enum status record_open(struct record_writer *writer, const char *path, const json_t *head,
                        struct record *record) {
    *record = (struct record){0};
    *writer = (struct record_writer){.path = path,
                                     .file = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
    if (writer->file < 0) return fail(STATUS_IO, "%s: cannot be opened: %s", path, strerror(errno));
    writer->open = true;
    enum status status = file_check_regular(path);
    if (status == STATUS_OK && flock(writer->file, LOCK_EX | LOCK_NB))
        status = fail(STATUS_BUSY, "%s: another process writes it", path);
    if (status == STATUS_OK) status = continue_run(writer, head, record);
    if (status == STATUS_OK) return STATUS_OK;
    record_free(record);
    record_close(writer);
    return status;
}

enum status record_add(struct record_writer *writer, struct record *record, struct sample *sample) {
    char identity[20];
    snprintf(identity, sizeof identity, "%016llx", (unsigned long long)sample->identity);
    json_t *line =
        json_pack("{s:s, s:s, s:s*, s:s, s:i, s:b, s:f, s:s*, s:s, s:I, s:I, s:f}", "set", sample->set,
                  "question", sample->question, "group", sample->group, "identity", identity, "sample",
                  sample->number, "right", sample->right, "reward", sample->reward, "result", sample->result,
                  "finish", sample->finish, "prompt_tokens", (json_int_t)sample->prompt_tokens, "tokens",
                  (json_int_t)sample->tokens, "seconds", sample->seconds);
    if (line && *sample->rule) json_object_set_new(line, "rule", json_string(sample->rule));
    if (line && sample->text) json_object_set_new(line, "text", json_string(sample->text));
    TRY(write_line(writer, line));
    return keep(record, sample);
}

void record_close(struct record_writer *writer) {
    if (writer->open) close(writer->file);
    *writer = (struct record_writer){0};
}
