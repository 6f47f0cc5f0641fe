/* synth_plan.h - the tensors of a made-up checkpoint in the order of the file: what both containers'
 * writers loop over. Owned by one thread. */
#ifndef HADAL_MODEL_SYNTH_PLAN_H
#define HADAL_MODEL_SYNTH_PLAN_H

#include "model/gguf_layout.h"
#include "model/synth.h"
#include "model/synth_blocks.h"
#include "model/weight_stream.h"

#include <stddef.h>

struct synth_item {
    enum weight weight;
    int layer, expert;
    bool scale; /* the FP8 scales of the weight, [ceil(out/128), ceil(in/128)] */
    enum dtype dtype;
    int rank;
    int64_t shape[3], elements, bytes;
};

struct synth_plan {
    const struct synth_options *options;
    bool gguf;
    struct model_desc desc;
    json_t *config; /* of the checkpoint: layers and number format as they are written */
    struct synth_item *item;
    size_t items, capacity;
    int64_t bytes;
    struct synth_format format[DTYPE_COUNT]; /* of the types that occur */
};

enum { SYNTH_NAME_BYTES = 160 };

must_use enum status synth_plan_open(struct synth_plan *plan, const struct synth_options *options);
void synth_plan_close(struct synth_plan *plan); /* zeroed allowed */
void synth_item_name(const struct synth_plan *plan, const struct synth_item *item,
                     char name[SYNTH_NAME_BYTES]);
/* Makes the item's bytes and hands them to the stream's sink. */
must_use enum status synth_item_write(const struct synth_plan *plan, const struct synth_item *item,
                                      struct weight_stream *stream);

/* The containers: synth_gguf.c, synth_directory.c. The stream is open and has no sink yet. */
must_use enum status synth_write_gguf(const struct synth_plan *plan, struct weight_stream *stream);
must_use enum status synth_write_directory(const struct synth_plan *plan, struct weight_stream *stream);

#endif
