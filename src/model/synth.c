/* synth.c - see synth.h: plan, room on the disk, then one of the two containers. */
#include "model/synth.h"

#include "base/disk_room.h"
#include "model/synth_plan.h"

enum { BUFFER_BYTES = 2 << 20 };

static enum status write_plan(const struct synth_plan *plan) {
    struct weight_stream stream;
    TRY(disk_room_check(plan->options->path, plan->bytes));
    TRY(weight_stream_open(&stream, plan->options->threads, BUFFER_BYTES));
    stream.total_bytes = plan->bytes;
    stream.progress = plan->options->progress;
    stream.progress_context = plan->options->progress_context;
    enum status status = plan->gguf ? synth_write_gguf(plan, &stream) : synth_write_directory(plan, &stream);
    weight_stream_close(&stream);
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
