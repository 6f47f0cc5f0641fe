/* tensor.h - a view of numbers in somebody else's memory. Owns nothing; copy freely. */
#ifndef HADAL_TENSOR_TENSOR_H
#define HADAL_TENSOR_TENSOR_H

#include "tensor/dtype.h"

enum { TENSOR_MAX_RANK = 4 };

/* A dense row-major tensor, outermost dimension first: shape [experts, out, in]. Rows (the innermost
 * dimension) are whole numbers of blocks; higher dimensions are contiguous. Data and scales of a
 * safetensors file may lie at any address: read them through decode, kernels or read_*(), never
 * through a float pointer. */
struct tensor {
    const void *data;
    const void *scale; /* F8_E4M3 only: [ceil(out/block[0]), ceil(in/block[1])] multipliers, else NULL */
    enum dtype dtype;
    enum dtype scale_dtype; /* F32, BF16 or F8_E8M0 */
    uint8_t rank;
    uint16_t block
        [2]; /* extent of one scale, 128 x 128 in published FP8 checkpoints; of F32 without scales: the values
                        * were rounded to FP8 under such scales, and a trainer's backend rounds what they meet */
    int64_t shape[TENSOR_MAX_RANK];
    const void
        *panels; /* of all rows: the same numbers rearranged for integer products (kernel/panel.h), or NULL */
    uint8_t panel_format; /* enum panel_format */
    const struct tensor_piece
        *piece; /* [pieces], for products alone: data or panels lie there, and NULL is one run */
    int pieces;
};

/* Rows [row, the next piece's row) of a matrix whose rows lie in several places: each beside those who multiply it. */
struct tensor_piece {
    int64_t row;
    const void *data; /* or panels, where the matrix has such */
};

int64_t tensor_elements(const struct tensor *tensor); /* of a validated tensor: cannot overflow */
int64_t tensor_bytes(const struct tensor *tensor);    /* data without scales */

/* Matrix `index` of a rank-3 tensor [n, out, in] as a rank-2 view, without panels; index 0 of a rank-2 tensor is itself. */
struct tensor tensor_matrix(const struct tensor *tensor, int64_t index);

/* All matrices of a rank-3 tensor without scales as one, [n * out, in]; a rank-2 tensor is itself. */
struct tensor tensor_flat(const struct tensor *tensor);

/* Rows [begin, begin+rows) of a rank-2 tensor. For F8 the scale follows only when begin is a multiple of
 * block[0]; use tensor_decode_row for arbitrary rows. */
struct tensor tensor_rows(const struct tensor *tensor, int64_t begin, int64_t rows);

/* Bytes of row `row`, as tensor_decode_row takes it. */
const void *tensor_row_data(const struct tensor *tensor, int64_t row);

/* Multiplier of the element at `row`, `column`; 1 without scales. */
float tensor_scale(const struct tensor *tensor, int64_t row, int64_t column);

/* Row `row` of a rank-2 tensor (or the whole of a rank-1 one, row 0) as floats [in], scales applied. */
void tensor_decode_row(const struct tensor *tensor, int64_t row, float *values);

#endif
