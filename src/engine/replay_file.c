/* replay_file.c - records, two files, and the thread that writes. */
#include "engine/replay_file.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { PENDING_MOST = 8 << 20, CHECKSUM_BYTES = 8 };
#define DAY_SECONDS 86400.0

struct record_head { /* as in memory: little-endian, without gaps */
    uint8_t mark[8];
    uint32_t ids, zero;
    uint8_t root[32];
};
static const uint8_t mark[8] = {0xd6, 'a', 'n', 's', 'w', 'e', 'r', 1}; /* the last byte is the version */

struct replay_file {
    char *path[2]; /* newer, older */
    int file;      /* of the newer one, at its end */
    int64_t bytes, half_bytes;
    int64_t day_bytes, written_bytes; /* of this day */
    double day_begin;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t given;
    struct buffer pending;
    bool closing;
};

/* ---- records ---- */

void replay_record_write(struct buffer *out, const struct replay_record *record) {
    struct record_head head = {.ids = (uint32_t)record->ids};
    size_t begin = out->bytes;
    memcpy(head.mark, mark, sizeof mark);
    memcpy(head.root, record->root.bytes, sizeof head.root);
    buffer_append(out, &head, sizeof head);
    buffer_append(out, record->id, (size_t)record->ids * sizeof *record->id);
    if (out->failed) return;
    uint64_t sum = XXH3_64bits(out->data + begin, out->bytes - begin);
    buffer_append(out, &sum, sizeof sum);
}

/* Bytes of the record at the beginning of these; 0: there is none. */
static size_t record_bytes(const uint8_t *data, size_t bytes) {
    struct record_head head;
    if (bytes < sizeof head + CHECKSUM_BYTES) return 0;
    memcpy(&head, data, sizeof head);
    if (memcmp(head.mark, mark, sizeof mark) != 0 || head.zero || head.ids > INT32_MAX / 8) return 0;
    size_t whole = sizeof head + head.ids * sizeof(int32_t);
    if (bytes - CHECKSUM_BYTES < whole || XXH3_64bits(data, whole) != read_u64(data + whole)) return 0;
    return whole + CHECKSUM_BYTES;
}

static bool hear_record(const uint8_t *data, size_t bytes, replay_hear *hear, void *context) {
    struct record_head head;
    struct replay_record record;
    memcpy(&head, data, sizeof head);
    int32_t *id = malloc(bytes);
    if (!id) return false;
    memcpy(id, data + sizeof head, head.ids * sizeof *id);
    memcpy(record.root.bytes, head.root, sizeof head.root);
    record.id = id;
    record.ids = (int)head.ids;
    hear(context, &record);
    free(id);
    return true;
}

int replay_records_read(const void *data, size_t bytes, replay_hear *hear, void *context) {
    const uint8_t *at = data, *end = at + bytes;
    int records = 0;
    while (bytes && (at = memchr(at, mark[0], (size_t)(end - at)))) {
        size_t whole = record_bytes(at, (size_t)(end - at));
        if (whole) records += hear_record(at, whole, hear, context);
        at += whole ? whole : 1;
        if (at == end) break;
    }
    return records;
}

/* ---- writing ---- */

static bool write_all(int file, const char *data, size_t bytes) {
    while (bytes) {
        ssize_t put = write(file, data, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        data += put;
        bytes -= (size_t)put;
    }
    return true;
}

static int open_newer(const struct replay_file *file) {
    return open(file->path[0], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The newer file becomes the older one. */
static void turn_over(struct replay_file *file) {
    if (file->file >= 0) close(file->file);
    if (rename(file->path[0], file->path[1])) unlink(file->path[0]);
    file->file = open_newer(file);
    file->bytes = 0;
}

static bool may_write(struct replay_file *file, size_t bytes) {
    double now = clock_seconds();
    if (now - file->day_begin >= DAY_SECONDS) {
        file->day_begin = now;
        file->written_bytes = 0;
    }
    return file->written_bytes + (int64_t)bytes <= file->day_bytes;
}

/* A full disk loses answers, not the server. */
static void write_pending(struct replay_file *file, const struct buffer *pending) {
    if (pending->failed || !may_write(file, pending->bytes)) return;
    if (file->bytes && file->bytes + (int64_t)pending->bytes > file->half_bytes) turn_over(file);
    if (file->file < 0 || !write_all(file->file, pending->data, pending->bytes)) return;
    file->bytes += (int64_t)pending->bytes;
    file->written_bytes += (int64_t)pending->bytes;
}

static void *run_writer(void *context) {
    struct replay_file *file = context;
    pthread_mutex_lock(&file->lock);
    while (true) {
        if (!file->pending.bytes && file->closing) break;
        if (!file->pending.bytes) {
            pthread_cond_wait(&file->given, &file->lock);
            continue;
        }
        struct buffer pending = file->pending;
        file->pending = (struct buffer){.limit = PENDING_MOST};
        pthread_mutex_unlock(&file->lock);
        write_pending(file, &pending);
        buffer_free(&pending);
        pthread_mutex_lock(&file->lock);
    }
    pthread_mutex_unlock(&file->lock);
    return NULL;
}

void replay_file_append(struct replay_file *file, const struct replay_record *record) {
    size_t bytes = sizeof(struct record_head) + (size_t)record->ids * sizeof *record->id + CHECKSUM_BYTES;
    pthread_mutex_lock(&file->lock);
    if (file->pending.bytes + bytes <= PENDING_MOST) replay_record_write(&file->pending, record);
    if (file->pending.failed) buffer_free(&file->pending); /* no memory: nothing half written either */
    pthread_cond_signal(&file->given);
    pthread_mutex_unlock(&file->lock);
}

/* ---- opening ---- */

static void read_old(const struct replay_file *file, int which, const struct replay_file_options *options,
                     size_t *bytes) {
    struct buffer content = {0};
    *bytes = 0;
    if (file_check_regular(file->path[which]) != STATUS_OK) return;
    if (buffer_read_file(&content, file->path[which], (size_t)options->most_bytes) != STATUS_OK) {
        unlink(file->path[which]); /* larger than it can be, or it cannot be read */
        return;
    }
    *bytes = content.bytes;
    replay_records_read(content.data, content.bytes, options->hear, options->context);
    buffer_free(&content);
}

static enum status open_parts(struct replay_file *file, const struct replay_file_options *options) {
    static const char *const name[2] = {"answers", "answers-old"};
    size_t newer, older;
    for (int i = 0; i < 2; i++)
        if (asprintf(&file->path[i], "%s/%s", options->folder, name[i]) < 0) {
            file->path[i] = NULL;
            return fail(STATUS_MEMORY, "no memory for a path");
        }
    read_old(file, 1, options, &older);
    read_old(file, 0, options, &newer);
    file->file = open_newer(file);
    if (file->file < 0) return fail(STATUS_IO, "%s: cannot be written: %s", file->path[0], strerror(errno));
    file->bytes = (int64_t)newer;
    if (pthread_create(&file->thread, NULL, run_writer, file))
        return fail(STATUS_MEMORY, "the thread that keeps answers cannot be started");
    file->started = true;
    return STATUS_OK;
}

enum status replay_file_open(struct replay_file **file, const struct replay_file_options *options) {
    struct replay_file *made = *file = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for a list of answers");
    made->file = -1;
    made->half_bytes = options->most_bytes / 2;
    made->day_bytes = options->day_bytes;
    made->day_begin = clock_seconds();
    made->pending.limit = PENDING_MOST;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->given, NULL);
    enum status status = open_parts(made, options);
    if (status == STATUS_OK) return STATUS_OK;
    replay_file_close(made);
    *file = NULL;
    return status;
}

void replay_file_close(struct replay_file *file) {
    if (!file) return;
    pthread_mutex_lock(&file->lock);
    file->closing = true;
    pthread_cond_signal(&file->given);
    pthread_mutex_unlock(&file->lock);
    if (file->started) pthread_join(file->thread, NULL);
    if (file->file >= 0) close(file->file);
    buffer_free(&file->pending);
    pthread_cond_destroy(&file->given);
    pthread_mutex_destroy(&file->lock);
    free(file->path[0]);
    free(file->path[1]);
    free(file);
}
