/* block_iq.c - decoders of the codebook formats: 256 elements as indices into the grids of grids.c, with
 * sign bits and four-bit (or three-bit) scales per 16 or 32 elements. All products are exact in float, so
 * their order does not show in the bits. Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

static float read_f16(const uint8_t *at) {
    return f16_to_f32(read_u16(at));
}

void decode_iq4_xs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq4_xs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int sub = 0; sub < 8; sub++) {
            int low = block->scales_low[sub / 2] >> (sub % 2 * 4) & 15;
            int high = read_u16(block->scales_high) >> (sub * 2) & 3;
            float sub_scale = scale * (float)((low | high << 4) - 32);
            const uint8_t *quants = block->quants + sub * 16;
            for (int i = 0; i < 16; i++) {
                values[sub * 32 + i] = sub_scale * (float)iq4_levels[quants[i] & 15];
                values[sub * 32 + 16 + i] = sub_scale * (float)iq4_levels[quants[i] >> 4];
            }
        }
    }
}

/* Eight elements: a grid entry of two-bit numbers and a byte of signs. */
static void put_eight(uint16_t entry, uint8_t signs, float scale, float *values) {
    for (int i = 0; i < 8; i++) {
        float magnitude = scale * (float)iq2_levels[entry >> (2 * i) & 3];
        values[i] = signs >> i & 1 ? -magnitude : magnitude;
    }
}

void decode_iq2_xxs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_xxs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int group = 0; group < 8; group++) {
            uint32_t tail = read_u32(block->groups[group] + 4);
            float group_scale = scale * (0.5f + (float)(tail >> 28)) * 0.25f;
            for (int i = 0; i < 4; i++)
                put_eight(iq2_xxs_grid[block->groups[group][i]], even_signs[tail >> (7 * i) & 127],
                          group_scale, values + group * 32 + i * 8);
        }
    }
}

/* Scale of the sixteen elements that `eight` (0..31) belongs to, in IQ2_XS and IQ2_S. */
static float half_scale(float scale, const uint8_t scales[8], int eight) {
    int number = scales[eight / 4] >> (eight % 4 / 2 * 4) & 15;
    return scale * (0.5f + (float)number) * 0.25f;
}

void decode_iq2_xs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_xs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 32; i++) {
            uint16_t quant = read_u16(block->quants[i]);
            put_eight(iq2_xs_grid[quant & 511], even_signs[quant >> 9], half_scale(scale, block->scales, i),
                      values + i * 8);
        }
    }
}

void decode_iq2_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq2_s *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 32; i++) {
            int high = block->high[i / 4] >> (i % 4 * 2) & 3;
            put_eight(iq2_s_grid[block->quants[i] | high << 8], block->signs[i],
                      half_scale(scale, block->scales, i), values + i * 8);
        }
    }
}

void decode_iq3_xxs(const void *blocks, float *values, int64_t elements) {
    const struct block_iq3_xxs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < BLOCK_LARGE; i++) {
            uint32_t tail = read_u32(block->groups[i / 32]);
            uint8_t signs = even_signs[tail >> (i % 32 / 8 * 7) & 127];
            int level = iq3_xxs_levels[iq3_xxs_grid[block->quants[i / 4]] >> (i % 4 * 3) & 7];
            float magnitude = scale * (0.5f + (float)(tail >> 28)) * 0.5f * (float)level;
            values[i] = signs >> (i % 8) & 1 ? -magnitude : magnitude;
        }
    }
}

void decode_iq3_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq3_s *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < BLOCK_LARGE; i++) {
            int number = block->scales[i / 64] >> (i / 32 % 2 * 4) & 15,
                high = block->high[i / 32] >> (i / 4 % 8) & 1;
            int level = 2 * (iq3_s_grid[block->quants[i / 4] | high << 8] >> (i % 4 * 3) & 7) + 1;
            float magnitude = scale * (float)(1 + 2 * number) * (float)level;
            values[i] = block->signs[i / 8] >> (i % 8) & 1 ? -magnitude : magnitude;
        }
    }
}

/* Eight elements of IQ1: minus one, zero or one, all moved by an eighth. */
static void put_ternary(uint16_t entry, bool down, float scale, float *values) {
    float shift = down ? -0.125f : 0.125f;
    for (int i = 0; i < 8; i++) values[i] = scale * ((float)((entry >> (2 * i) & 3) - 1) + shift);
}

void decode_iq1_s(const void *blocks, float *values, int64_t elements) {
    const struct block_iq1_s *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = read_f16(block->scale);
        for (int i = 0; i < 32; i++) {
            uint16_t group = read_u16(block->groups[i / 4]);
            int high = group >> (i % 4 * 3) & 7;
            float group_scale = scale * (float)(2 * (group >> 12 & 7) + 1);
            put_ternary(iq1_grid[block->quants[i] | high << 8], group >> 15, group_scale, values + i * 8);
        }
    }
}

/* IQ1_M spreads its f16 scale over the top nibbles of its four scale words. */
static float iq1_m_scale(const struct block_iq1_m *block) {
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) bits |= (unsigned)(read_u16(block->scales[i]) >> 12) << (4 * i);
    return f16_to_f32((uint16_t)bits);
}

void decode_iq1_m(const void *blocks, float *values, int64_t elements) {
    const struct block_iq1_m *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float scale = iq1_m_scale(block);
        for (int i = 0; i < 32; i++) {
            int nibble = block->high[i / 2] >> (i % 2 * 4) & 15;
            int number = read_u16(block->scales[i / 8]) >> (i / 2 % 4 * 3) & 7;
            float group_scale = scale * (float)(2 * number + 1);
            put_ternary(iq1_grid[block->quants[i] | (nibble & 7) << 8], nibble >> 3, group_scale,
                        values + i * 8);
        }
    }
}
