/* synth.h - writes a checkpoint of random weights with the shape of any description: for measuring speed
 * and memory, and as test material. Runs like a real model of that shape; what it says is noise.
 *
 * Memory stays at a few megabytes whatever the size. The bytes depend on description, type and seed
 * alone. Nothing appears under `path` before it is complete. */
#ifndef HADAL_MODEL_SYNTH_H
#define HADAL_MODEL_SYNTH_H

#include "model/desc.h"
#include "model/gguf_layout.h"

struct synth_options {
    const json_t *config; /* of the model; borrowed */
    const char *origin;   /* names the config in sentences */
    const char *name;     /* of the model, for general.name; a preset's picks its chat template */
    const char *path;     /* ends in .gguf: that format; otherwise a Hugging Face directory */
    struct gguf_mix mix;  /* directories have no mixes, only the type; a few tensors stay outside it */
    uint64_t seed;
    int layers;          /* only the first; 0: all */
    int threads;         /* 0: one for each processor */
    int64_t shard_bytes; /* of one safetensors file; 0: 5 GB */
    bool (*progress)(void *context, int64_t done,
                     int64_t total); /* bytes; NULL allowed; false: stop and remove */
    void *progress_context;
};

struct synth_result {
    int64_t tensors, bytes; /* of weights */
};

must_use enum status synth_write(const struct synth_options *options, struct synth_result *result);

#endif
