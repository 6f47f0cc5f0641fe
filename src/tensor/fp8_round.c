/* fp8_round.c - rounding to three bits of mantissa by integer arithmetic on the bits of a float, and to multiples of 2^-9 below
 * 2^-6 by adding what has no smaller bits. Both to nearest, ties to even, as the encoder does. */
#include "tensor/fp8_round.h"

#include "base/bytes.h"

#include <math.h>
#include <string.h>

#define MOST       448.0f
#define LEAST_FULL 0x1p-6f   /* smallest number with all bits of mantissa */
#define COARSE     0x1.8p14f /* its last bit is 2^-9 */

static float largest_of(const float *x, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        largest = size <= largest ? largest : size; /* NaN stays */
    }
    return largest;
}

static float scale_of(float largest) {
    return largest > 0 ? fmaxf(largest / MOST, 0x1p-126f) : 1;
}

static void round_values(const float *x, float *y, int64_t n, float scale) {
    for (int64_t i = 0; i < n; i++) {
        float value = x[i] / scale, size = fabsf(value), full;
        uint32_t bits;
        memcpy(&bits, &size, sizeof bits);
        bits = (bits + 0x7FFFFu + (bits >> 20 & 1)) & ~0xFFFFFu;
        memcpy(&full, &bits, sizeof full);
        float small = (size + COARSE) - COARSE;
        y[i] = copysignf(size < LEAST_FULL ? small : full, value) * scale;
    }
}

void fp8_round_row(const float *x, float *y, int64_t n) {
    for (int64_t begin = 0; begin < n; begin += FP8_BLOCK) {
        int64_t count = min_i64(FP8_BLOCK, n - begin);
        float largest = largest_of(x + begin, count);
        if (isfinite(largest))
            round_values(x + begin, y + begin, count, scale_of(largest));
        else if (y != x)
            memcpy(y + begin, x + begin, (size_t)count * sizeof *y);
    }
}

void fp8_round_blocks(const float *x, float *y, int64_t rows, int64_t columns) {
    for (int64_t row = 0; row < rows; row += FP8_BLOCK)
        for (int64_t column = 0; column < columns; column += FP8_BLOCK) {
            int64_t tall = min_i64(FP8_BLOCK, rows - row), wide = min_i64(FP8_BLOCK, columns - column);
            float largest = 0;
            for (int64_t r = row; r < row + tall; r++)
                largest = fmaxf(largest, largest_of(x + r * columns + column, wide));
            for (int64_t r = row; r < row + tall; r++)
                round_values(x + r * columns + column, y + r * columns + column, wide, scale_of(largest));
        }
}
