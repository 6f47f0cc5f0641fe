/* checkpoint_export.h - a model again as a Hugging Face directory of another number format: plain floats, or DeepSeek's FP8,
 * which is matrices of the layers in e4m3 with a float multiplier for each 128 x 128 block (X.weight_scale_inv), embedding,
 * head, norms and what routes in bf16, and the routers' biases in f32. The config.json says so. Values may be changed on the
 * way. Nothing appears under the target's name before it is complete. */
#ifndef HADAL_MODEL_CHECKPOINT_EXPORT_H
#define HADAL_MODEL_CHECKPOINT_EXPORT_H

#include "model/weight_table.h"
#include "tensor/dtype.h"

#include <stdbool.h>
#include <stdint.h>

struct checkpoint_export_options {
    const char *source, *path; /* directories */
    enum dtype type; /* of matrices: F8_E4M3 as above; BF16, F16 or F32: of everything but routers' biases */
    /* Changes rows [first, first + rows) of a weight, [rows, columns], before they are written; NULL allowed. */
    void (*change)(void *context, enum weight weight, int layer, int expert, int64_t first, int64_t rows,
                   int64_t columns, float *values);
    void *change_context;
    bool (*progress)(void *context, int64_t done,
                     int64_t total); /* values; NULL allowed; false: stop and remove */
    void *progress_context;
};

struct checkpoint_export_result {
    int64_t tensors, elements, bytes; /* without scales, with scales in bytes */
    double error, reference; /* sums of squares over the e4m3 tensors: of the rounding, of the values */
};

must_use enum status checkpoint_export(const struct checkpoint_export_options *options,
                                       struct checkpoint_export_result *result);

#endif
