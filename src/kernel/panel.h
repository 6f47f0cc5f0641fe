/* panel.h - block-quantised weights rearranged for integer dot products, and the products.
 *
 * A panel is 16 outputs. Along the inputs it is a row of units of 64, 128 or 256 inputs; a unit holds the
 * numbers of all 16 outputs in groups of four inputs, [group][output][4], which is what one 64-byte
 * register or matrix tile row takes, followed by the scales of the unit, [block][output]. A decode step
 * reads a panel from front to back once; a prefill step reuses it for all rows.
 *
 * The activations are rounded to int8 in blocks of 32 inputs with a scale each. All sums within a block
 * are integers, and the blocks are added in float in one written-down order, so that every level, row
 * count and thread count gives the same bits. */
#ifndef HADAL_KERNEL_PANEL_H
#define HADAL_KERNEL_PANEL_H

#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum panel_format {
    PANEL_NONE,
    PANEL_I8,     /* Q8_0, and any other format rounded to it: f16 scale for each 32 inputs */
    PANEL_I4,     /* Q4_0: 4 bits less 8, f16 scale for each 32 */
    PANEL_Q4_K,   /* 4 bits; scale and minimum of 6 bits for each 32, f16 factors for each 256 */
    PANEL_Q5_K,   /* 5 bits, likewise */
    PANEL_Q6_K,   /* 6 bits less 32; int8 scale for each 16, f16 factor for each 256 */
    PANEL_IQ4_NL, /* 4 bits, places in the table iq4_levels; f16 scale for each 32 */
    PANEL_IQ4_XS, /* likewise; int8 scale for each 32, f16 factor for each 256 */
    PANEL_MXFP4,  /* 4 bits, places in mxfp4_levels; power of two for each 32 */
    PANEL_I5,     /* Q5_0: 5 bits less 16, f16 scale for each 32 */
    PANEL_Q2_K,   /* 2 bits; scale and minimum of 4 bits for each 16, f16 factors for each 256 */
    PANEL_Q3_K,   /* 3 bits less 4; int8 scale for each 16, f16 factor for each 256 */
    PANEL_COUNT
};

/* Of the bytes that panels_pack() writes: counts up with every change, and files of another version are made anew. */
enum { PANEL_LAYOUT_VERSION = 3 };

enum { PANEL_OUTS = 16, PANEL_BLOCK = 32, PANEL_ALIGNMENT = 64 };

/* The rearranged form of a rank-2 tensor [outs, in]; a view. */
struct panels {
    enum panel_format format;
    const uint8_t
        *data; /* [ceil(outs / 16)][in / unit] units, PANEL_ALIGNMENT-aligned; outputs past the end are 0 */
    int64_t outs, in;
};

/* Activations rounded for integer products. */
struct rounded_rows {
    int8_t *value; /* [rows, in], in a multiple of 32 */
    float *scale;  /* [rows, in / 32] */
    int32_t *sum;  /* [rows, in / 16] sums of value, by halves of a block */
    int64_t in;
};

/* The format that a type is rearranged to; PANEL_NONE for plain types and rows that are no whole number of units. */
enum panel_format panel_format_for(enum dtype dtype, int64_t in);
/* Does the rearranged form hold exactly the values of `dtype`? */
bool panel_is_exact(enum panel_format format, enum dtype dtype);
const char *panel_format_name(enum panel_format format); /* "i8" */

int64_t panel_unit_inputs(enum panel_format format);
int64_t panel_unit_bytes(enum panel_format format);
int64_t panel_row_bytes(enum panel_format format, int64_t in); /* of one panel */
int64_t panels_bytes(enum panel_format format, int64_t outs, int64_t in);

/* Rearranges panels [begin, end) of `w` into `data`, the memory of all panels. */
void panels_pack(enum panel_format format, const struct tensor *w, int64_t begin, int64_t end, uint8_t *data);

/* y[r * y_stride + o] = sum of x_r * w_o (+ bias_o) for the outputs o of panels [begin, end). */
struct panel_product {
    const struct panels *w;
    const struct rounded_rows *x;
    const float *bias; /* [outs] or NULL */
    float *y;
    int64_t rows, y_stride;
};
typedef void panel_multiply(const struct panel_product *product, int64_t begin, int64_t end);

/* Rounds x[n] to value[n], scale[n / 32] and sum[n / 16]: scale = max|x| / 127, value = x / scale to nearest even, in
 * the order (x * (127 / max|x|)). A block that holds an infinity or NaN gets a NaN scale, so that it stays visible. */
typedef void panel_round(const float *x, int64_t n, int8_t *value, float *scale, int32_t *sum);

/* Writes PANEL_I8 panels of a matrix of floats that lies by inputs, w[o][i] = x[i * x_stride + o]; `in` a multiple of the
 * unit. For each 32 inputs of an output, scale is max|w| / 127 as f16, rounded up where that would not reach the largest
 * number and at most 65504, and value = w * (1 / scale) to nearest even, within -127 .. 127. A block that holds an infinity
 * or NaN gets a NaN scale. */
typedef void panel_from_columns(const float *x, int64_t x_stride, int64_t in, int64_t outs, uint8_t *panels);

#endif
