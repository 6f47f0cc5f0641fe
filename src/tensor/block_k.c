/* block_k.c - decoders of Q2_K to Q6_K: 256 elements, sub-blocks of 16 or 32 with small integer scales
 * under one f16 scale. value = (scale * sub_scale) * q - (minimum * sub_minimum), each operation rounded
 * by itself (all but the subtraction are exact). Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

static float read_f16(const uint8_t *at) {
    return f16_to_f32(read_u16(at));
}

/* Sub-block `sub` of 16; its two-bit fields lie 32 bytes to a half block, four shifts each. */
static void decode_q2_k_sub(const struct block_q2_k *block, int sub, float scale, float minimum,
                            float *values) {
    const uint8_t *quants = block->quants + sub / 8 * 32 + sub % 2 * 16;
    int shift = sub % 8 / 2 * 2;
    float sub_scale = scale * (float)(block->scales[sub] & 15),
          sub_minimum = minimum * (float)(block->scales[sub] >> 4);
    for (int i = 0; i < 16; i++) values[i] = sub_scale * (float)(quants[i] >> shift & 3) - sub_minimum;
}

void decode_q2_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q2_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        for (int sub = 0; sub < 16; sub++) decode_q2_k_sub(block, sub, scale, minimum, values + sub * 16);
    }
}

/* The sixteen six-bit scales: low nibbles in eight bytes, the top two bits in four more; biased by 32. */
static int q3_k_scale(const uint8_t scales[12], int sub) {
    int low = sub < 8 ? scales[sub] & 15 : scales[sub - 8] >> 4;
    int high = scales[8 + sub % 4] >> (sub / 4 * 2) & 3;
    return (low | high << 4) - 32;
}

static void decode_q3_k_sub(const struct block_q3_k *block, int sub, float scale, float *values) {
    const uint8_t *quants = block->quants + sub / 8 * 32 + sub % 2 * 16;
    const uint8_t *high = block->high + sub % 2 * 16;
    int shift = sub % 8 / 2 * 2, high_bit = sub / 2;
    float sub_scale = scale * (float)q3_k_scale(block->scales, sub);
    for (int i = 0; i < 16; i++) {
        int quant = (quants[i] >> shift & 3) - (high[i] >> high_bit & 1 ? 0 : 4);
        values[i] = sub_scale * (float)quant;
    }
}

void decode_q3_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q3_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int sub = 0; sub < 16; sub++) decode_q3_k_sub(block, sub, scale, values + sub * 16);
    }
}

/* Scale and minimum of sub-block `sub` of 32 in Q4_K and Q5_K: six bits each. The first four pairs lie
 * whole in bytes 0..3 and 4..7; the others are nibbles of bytes 8..11 with their top bits in those. */
static void q4_k_scale(const uint8_t scales[12], int sub, int *scale, int *minimum) {
    if (sub < 4) {
        *scale = scales[sub] & 63;
        *minimum = scales[sub + 4] & 63;
    } else {
        *scale = (scales[sub + 4] & 15) | (scales[sub - 4] >> 6) << 4;
        *minimum = (scales[sub + 4] >> 4) | (scales[sub] >> 6) << 4;
    }
}

void decode_q4_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q4_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        for (int sub = 0; sub < 8; sub++) {
            const uint8_t *quants = block->quants + sub / 2 * 32;
            int sub_scale, sub_minimum, shift = sub % 2 * 4;
            q4_k_scale(block->scales, sub, &sub_scale, &sub_minimum);
            float multiply = scale * (float)sub_scale, subtract = minimum * (float)sub_minimum;
            for (int i = 0; i < 32; i++)
                values[sub * 32 + i] = multiply * (float)(quants[i] >> shift & 15) - subtract;
        }
    }
}

void decode_q5_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q5_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale), minimum = read_f16(block->minimum);
        for (int sub = 0; sub < 8; sub++) {
            const uint8_t *quants = block->quants + sub / 2 * 32;
            int sub_scale, sub_minimum, shift = sub % 2 * 4;
            q4_k_scale(block->scales, sub, &sub_scale, &sub_minimum);
            float multiply = scale * (float)sub_scale, subtract = minimum * (float)sub_minimum;
            for (int i = 0; i < 32; i++) {
                int quant = (quants[i] >> shift & 15) | (block->high[i] >> sub & 1) << 4;
                values[sub * 32 + i] = multiply * (float)quant - subtract;
            }
        }
    }
}

/* Half blocks of 128: 64 bytes of nibbles and 32 of two-bit fields; quarter q of it takes shift 2q of the latter. */
static void decode_q6_k_quarter(const struct block_q6_k *block, int half, int quarter, float scale,
                                float *values) {
    const uint8_t *quants = block->quants + half * 64 + quarter % 2 * 32, *high = block->high + half * 32;
    int shift = quarter / 2 * 4;
    for (int i = 0; i < 32; i++) {
        int quant = (quants[i] >> shift & 15) | (high[i] >> (quarter * 2) & 3) << 4;
        float sub_scale = scale * (float)block->scales[half * 8 + quarter * 2 + i / 16];
        values[i] = sub_scale * (float)(quant - 32);
    }
}

void decode_q6_k(const void *blocks, float *values, int64_t elements) {
    const struct block_q6_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int part = 0; part < 8; part++)
            decode_q6_k_quarter(block, part / 4, part % 4, scale, values + part * 32);
    }
}
