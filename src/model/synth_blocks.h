/* synth_blocks.h - random numbers written in a number format directly: blocks get random quants and
 * sane scales, nothing is quantised. Patterns are immutable once made; any thread may fill from one. */
#ifndef HADAL_MODEL_SYNTH_BLOCKS_H
#define HADAL_MODEL_SYNTH_BLOCKS_H

#include "base/rng.h"
#include "tensor/dtype.h"

enum { SYNTH_SCALES = 64 }; /* different block scales of one tensor */

/* What is the same for all tensors of a format. */
struct synth_format {
    enum dtype dtype;
    double deviation;  /* of the values when block scales lie around 1 */
    uint8_t code[256]; /* quants of a normal distribution for the formats of one byte a value */
};

/* One tensor: values around `mean` with standard deviation `deviation`. Block formats are centred at 0. */
struct synth_pattern {
    const struct synth_format *format;
    float mean, deviation;
    float scale[SYNTH_SCALES]; /* of blocks */
    int64_t row_elements;      /* set: rows differ in size, see synth_row_gain() */
    uint64_t row_seed;
};

bool synth_format_known(enum dtype dtype);
struct synth_format synth_format_of(enum dtype dtype); /* a known one */
/* `format` must outlive the pattern. */
struct synth_pattern synth_pattern_of(const struct synth_format *format, double mean, double deviation);

/* Elements [first, first + elements) of the tensor, counted row by row; both are multiples of the format's block. */
void synth_fill(const struct synth_pattern *pattern, struct rng *rng, int64_t first, void *data,
                int64_t elements);

/* What the values of a row are multiplied by in a tensor whose rows differ: heavy-tailed, at least 1. In a head it makes
 * some tokens likely and leaves clear winners, as training does. */
float synth_row_gain(uint64_t row_seed, int64_t row);

#endif
