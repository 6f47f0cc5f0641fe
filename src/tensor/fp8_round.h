/* fp8_round.h - floats as they come back from e4m3 with a scale for each block: the numerics of FP8 training (arXiv 2412.19437
 * section 3.3) without its bytes. Scales are max|x| / 448, so that the largest of a block keeps its size. Pure functions,
 * any thread. */
#ifndef HADAL_TENSOR_FP8_ROUND_H
#define HADAL_TENSOR_FP8_ROUND_H

#include <stdint.h>

enum { FP8_BLOCK = 128 };

/* y[n] from x[n], a scale for each 128 values; y may be x. A block with a value that is not finite stays as it is. */
void fp8_round_row(const float *x, float *y, int64_t n);
/* y [rows, columns] from x, a scale for each 128 x 128; y may be x. The bits that checkpoint_export.h writes and every reader makes
 * of them. */
void fp8_round_blocks(const float *x, float *y, int64_t rows, int64_t columns);

#endif
