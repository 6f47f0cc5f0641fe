/* block_small.c - decoders of the formats with 32 elements to a block, and of e4m3 with 128. Multiply, then add, each
 * rounded by itself: the formats define their values that way. Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

static float read_f16(const uint8_t *at) {
    return f16_to_f32(read_u16(at));
}

void decode_q8_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q8_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < BLOCK_SMALL; i++) values[i] = (float)block->quants[i] * scale;
    }
}

void decode_q4_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 16; i++) {
            values[i] = (float)((block->quants[i] & 15) - 8) * scale;
            values[i + 16] = (float)((block->quants[i] >> 4) - 8) * scale;
        }
    }
}

void decode_q4_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        for (int i = 0; i < 16; i++) {
            values[i] = (float)(block->quants[i] & 15) * scale + minimum;
            values[i + 16] = (float)(block->quants[i] >> 4) * scale + minimum;
        }
    }
}

/* Element i of a five-bit block: four bits from a nibble, the fifth from bit i of `high`. */
static int five_bits(const uint8_t quants[16], uint32_t high, int i) {
    int low = i < 16 ? quants[i] & 15 : quants[i - 16] >> 4;
    return low | (int)(high >> i & 1) << 4;
}

void decode_q5_0(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = read_f16(block->scale);
        uint32_t high = read_u32(block->high);
        for (int i = 0; i < BLOCK_SMALL; i++)
            values[i] = (float)(five_bits(block->quants, high, i) - 16) * scale;
    }
}

void decode_q5_1(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        uint32_t high = read_u32(block->high);
        for (int i = 0; i < BLOCK_SMALL; i++)
            values[i] = (float)five_bits(block->quants, high, i) * scale + minimum;
    }
}

static void decode_levels(const uint8_t quants[16], const int8_t levels[16], float scale, float *values) {
    for (int i = 0; i < 16; i++) {
        values[i] = (float)levels[quants[i] & 15] * scale;
        values[i + 16] = (float)levels[quants[i] >> 4] * scale;
    }
}

void decode_iq4_nl(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_nl *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++)
        decode_levels(block->quants, iq4_levels, read_f16(block->scale), values);
}

/* Half of 2^(exponent - 127), since the level table holds doubled values. 255 is a power like the others here. */
static float mxfp4_scale(uint8_t exponent) {
    uint32_t bits = exponent < 2 ? 0x00200000u << exponent : (exponent - 1u) << 23;
    return read_f32(&bits);
}

void decode_mxfp4(const void *blocks, float *values, int64_t elements) {
    const struct block_mxfp4 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++)
        decode_levels(block->quants, mxfp4_levels, mxfp4_scale(block->exponent), values);
}

void decode_f8_scaled(const void *blocks, float *values, int64_t elements) {
    const struct block_f8 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SCALED, values += BLOCK_SCALED, block++) {
        float scale;
        memcpy(&scale, block->scale, sizeof scale);
        for (int i = 0; i < BLOCK_SCALED; i++) values[i] = e4m3_to_f32(block->numbers[i]) * scale;
    }
}
