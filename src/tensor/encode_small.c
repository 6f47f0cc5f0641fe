/* encode_small.c - encoders of the formats with 32 elements to a block. They give the same bytes as the
 * reference quantizer of the GGUF tools for finite input; NaN counts as zero, scales stop at the largest
 * f16. Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

#include <float.h>
#include <math.h>

static void write_f16(uint8_t *at, float value) {
    uint16_t bits = f32_to_f16(fmaxf(-65504.0f, fminf(value, 65504.0f)));
    memcpy(at, &bits, sizeof bits);
}

/* Truncates to a whole number within [low, high]; NaN gives low. */
static int whole(float value, int low, int high) {
    if (!(value > (float)low)) return low;
    return value < (float)high ? (int)value : high;
}

/* Same, rounding halves away from zero; NaN gives 0. */
static int nearest_whole(float value, int low, int high) {
    if (value != value) return 0;
    float rounded = roundf(value);
    return rounded <= (float)low ? low : rounded >= (float)high ? high : (int)rounded;
}

/* The first of the values with the largest magnitude, with its sign; 0 for none. */
static float extreme_of(const float *values) {
    float extreme = 0;
    for (int i = 0; i < BLOCK_SMALL; i++)
        if (fabsf(values[i]) > fabsf(extreme)) extreme = values[i];
    return extreme;
}

static void range_of(const float *values, float *low, float *high) {
    *low = *high = values[0] == values[0] ? values[0] : 0;
    for (int i = 1; i < BLOCK_SMALL; i++) {
        if (values[i] < *low) *low = values[i];
        if (values[i] > *high) *high = values[i];
    }
}

static float inverse(float scale) {
    return scale != 0 ? 1.0f / scale : 0.0f;
}

/* Nibbles of the first and second half of the block side by side. */
static void put_nibbles(const uint8_t numbers[32], uint8_t quants[16]) {
    for (int i = 0; i < 16; i++) quants[i] = (uint8_t)((numbers[i] & 15) | numbers[i + 16] << 4);
}

static void put_fifth_bits(const uint8_t numbers[32], uint8_t high[4]) {
    memset(high, 0, 4);
    for (int i = 0; i < BLOCK_SMALL; i++) high[i / 8] |= (uint8_t)((numbers[i] >> 4 & 1) << (i % 8));
}

/* Numbers 0..2*bias-1 with the value of largest magnitude at 0. The product and sum are taken in double,
 * which is how the reference bytes come about. Returns the scale. */
static float quantize_around(const float *values, int bias, uint8_t numbers[32]) {
    float scale = extreme_of(values) / (float)-bias, multiplier = inverse(scale);
    for (int i = 0; i < BLOCK_SMALL; i++) {
        double moved = (double)values[i] * (double)multiplier + ((double)bias + 0.5);
        numbers[i] = (uint8_t)whole((float)moved, 0, 2 * bias - 1);
    }
    return scale;
}

/* Numbers 0..top from the least to the greatest value. Returns the scale. */
static float quantize_between(const float *values, int top, float *low, uint8_t numbers[32]) {
    float high;
    range_of(values, low, &high);
    float scale = (high - *low) / (float)top, multiplier = inverse(scale);
    for (int i = 0; i < BLOCK_SMALL; i++)
        numbers[i] = (uint8_t)whole((values[i] - *low) * multiplier + 0.5f, 0, top);
    return scale;
}

void encode_q8_0(const float *values, void *blocks, int64_t elements) {
    struct block_q8_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = fabsf(extreme_of(values)) / 127.0f, multiplier = inverse(scale);
        write_f16(block->scale, scale);
        for (int i = 0; i < BLOCK_SMALL; i++)
            block->quants[i] = (int8_t)nearest_whole(values[i] * multiplier, -127, 127);
    }
}

void encode_q4_0(const float *values, void *blocks, int64_t elements) {
    struct block_q4_0 *block = blocks;
    uint8_t numbers[BLOCK_SMALL];
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        write_f16(block->scale, quantize_around(values, 8, numbers));
        put_nibbles(numbers, block->quants);
    }
}

void encode_q4_1(const float *values, void *blocks, int64_t elements) {
    struct block_q4_1 *block = blocks;
    uint8_t numbers[BLOCK_SMALL];
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float low;
        write_f16(block->scale, quantize_between(values, 15, &low, numbers));
        write_f16(block->minimum, low);
        put_nibbles(numbers, block->quants);
    }
}

void encode_q5_0(const float *values, void *blocks, int64_t elements) {
    struct block_q5_0 *block = blocks;
    uint8_t numbers[BLOCK_SMALL];
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        write_f16(block->scale, quantize_around(values, 16, numbers));
        put_fifth_bits(numbers, block->high);
        put_nibbles(numbers, block->quants);
    }
}

void encode_q5_1(const float *values, void *blocks, int64_t elements) {
    struct block_q5_1 *block = blocks;
    uint8_t numbers[BLOCK_SMALL];
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float low;
        write_f16(block->scale, quantize_between(values, 31, &low, numbers));
        write_f16(block->minimum, low);
        put_fifth_bits(numbers, block->high);
        put_nibbles(numbers, block->quants);
    }
}

/* The level nearest to value / unit; of two equally near ones the first in the table. */
static uint8_t nearest_mxfp4(float value, float unit) {
    uint8_t best = 0;
    float best_error = INFINITY;
    for (uint8_t i = 0; i < 16; i++) {
        float error = fabsf((float)mxfp4_levels[i] * unit - value);
        if (error < best_error) best = i, best_error = error;
    }
    return best;
}

void encode_mxfp4(const float *values, void *blocks, int64_t elements) {
    struct block_mxfp4 *block = blocks;
    uint8_t numbers[BLOCK_SMALL];
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float extreme = fabsf(extreme_of(values));
        int exponent =
            0; /* biased; puts the largest value between 4 and 8 units, of which 6 can be written */
        if (extreme > 0) exponent = isinf(extreme) ? 252 : ilogbf(extreme) - 2 + 127;
        block->exponent = (uint8_t)(exponent < 0 ? 0 : exponent);
        float unit = ldexpf(0.5f, block->exponent - 127);
        for (int i = 0; i < BLOCK_SMALL; i++) numbers[i] = nearest_mxfp4(values[i], unit);
        put_nibbles(numbers, block->quants);
    }
}

/* The largest magnitude becomes 448, the largest e4m3. Quotients, since the inverse of a small scale overflows. */
void encode_f8_scaled(const float *values, void *blocks, int64_t elements) {
    struct block_f8 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SCALED, values += BLOCK_SCALED, block++) {
        float largest = 0;
        for (int i = 0; i < BLOCK_SCALED; i++)
            if (fabsf(values[i]) > largest) largest = fabsf(values[i]);
        float scale = fminf(largest, FLT_MAX) / 448;
        memcpy(block->scale, &scale, sizeof scale);
        for (int i = 0; i < BLOCK_SCALED; i++)
            block->numbers[i] = scale > 0 && values[i] == values[i] ? f32_to_e4m3(values[i] / scale) : 0;
    }
}
