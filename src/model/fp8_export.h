/* fp8_export.h - a Hugging Face directory again in DeepSeek's FP8 format: matrices of the layers in e4m3 with a float
 * multiplier for each 128 x 128 block (X.weight_scale_inv), embedding, head, norms and what routes in bf16, the routers'
 * biases in f32, and a config.json that says so. Nothing appears under the target's name before it is complete. */
#ifndef HADAL_MODEL_FP8_EXPORT_H
#define HADAL_MODEL_FP8_EXPORT_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

struct fp8_export_options {
    const char *source, *path; /* directories */
    bool (*progress)(void *context, int64_t done,
                     int64_t total); /* values; NULL allowed; false: stop and remove */
    void *progress_context;
};

struct fp8_export_result {
    int64_t tensors, elements, bytes; /* without scales, with scales in bytes */
    double error, reference; /* sums of squares over the e4m3 tensors: of the rounding, of the values */
};

must_use enum status fp8_export(const struct fp8_export_options *options, struct fp8_export_result *result);

#endif
