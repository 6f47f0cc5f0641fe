/* synth.c - see synth.h: plan, room on the disk, then one of the two containers. */
#include "model/synth.h"

#include "base/memory.h"
#include "model/synth_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* A full disk is better known now than after an hour. What cannot be asked is left to the writer. */
static enum status check_room(const struct synth_plan *plan) {
    const char *path = plan->options->path, *slash = strrchr(path, '/');
    char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("."), need[32], left[32];
    struct statvfs disk;
    struct stat existing;
    bool device = !stat(path, &existing) && !S_ISREG(existing.st_mode) && !S_ISDIR(existing.st_mode);
    bool known = parent && !device && !statvfs(parent, &disk);
    free(parent);
    if (!known) return STATUS_OK;
    int64_t room = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    if (room >= plan->bytes) return STATUS_OK;
    return fail(STATUS_LIMIT, "%s: needs %s, the disk has %s left", path, bytes_text(plan->bytes, need),
                bytes_text(room, left));
}

static enum status write_plan(const struct synth_plan *plan) {
    struct synth_stream stream;
    TRY(check_room(plan));
    TRY(synth_stream_open(&stream, plan->options->threads));
    stream.total_bytes = plan->bytes;
    stream.progress = plan->options->progress;
    stream.progress_context = plan->options->progress_context;
    enum status status = plan->gguf ? synth_write_gguf(plan, &stream) : synth_write_directory(plan, &stream);
    synth_stream_close(&stream);
    return status;
}

enum status synth_write(const struct synth_options *options, struct synth_result *result) {
    struct synth_plan plan;
    TRY(synth_plan_open(&plan, options));
    enum status status = write_plan(&plan);
    *result = (struct synth_result){(int64_t)plan.items, plan.bytes};
    synth_plan_close(&plan);
    return status;
}
