/* panel.c - the table of panel formats and the rearranging of block formats into them. Pure functions over the
 * caller's memory; any thread. */
#include "kernel/panel.h"

#include "base/bytes.h"
#include "base/status.h"
#include "kernel/panel_layout.h"

#include <math.h>
#include <string.h>

struct panel_row {
    const char *name;
    int unit_inputs, unit_bytes;
};
static const struct panel_row rows[PANEL_COUNT] = {
    [PANEL_NONE] = {"none", 1, 0},
    [PANEL_I8] = {"i8", I8_UNIT, I8_BYTES},
    [PANEL_I4] = {"i4", I4_UNIT, I4_BYTES},
    [PANEL_Q4_K] = {"q4_k", K_UNIT, Q4_K_BYTES},
    [PANEL_Q5_K] = {"q5_k", K_UNIT, Q5_K_BYTES},
    [PANEL_Q6_K] = {"q6_k", K_UNIT, Q6_K_BYTES},
    [PANEL_IQ4_NL] = {"iq4_nl", I4_UNIT, I4_BYTES},
    [PANEL_IQ4_XS] = {"iq4_xs", K_UNIT, IQ4_XS_BYTES},
    [PANEL_MXFP4] = {"mxfp4", MXFP4_UNIT, MXFP4_BYTES},
    [PANEL_I5] = {"i5", I4_UNIT, I5_BYTES},
    [PANEL_Q2_K] = {"q2_k", K_UNIT, Q2_K_BYTES},
    [PANEL_Q3_K] = {"q3_k", K_UNIT, Q3_K_BYTES},
};

const char *panel_format_name(enum panel_format format) {
    return rows[format].name;
}
int64_t panel_unit_inputs(enum panel_format format) {
    return rows[format].unit_inputs;
}
int64_t panel_unit_bytes(enum panel_format format) {
    return rows[format].unit_bytes;
}
int64_t panel_row_bytes(enum panel_format format, int64_t in) {
    return in / rows[format].unit_inputs * rows[format].unit_bytes;
}
int64_t panels_bytes(enum panel_format format, int64_t outs, int64_t in) {
    return divide_up(outs, PANEL_OUTS) * panel_row_bytes(format, in);
}

static enum panel_format own_format(enum dtype dtype) {
    switch (dtype) {
    case DTYPE_Q4_0: return PANEL_I4;
    case DTYPE_Q5_0: return PANEL_I5;
    case DTYPE_Q4_K: return PANEL_Q4_K;
    case DTYPE_Q5_K: return PANEL_Q5_K;
    case DTYPE_Q6_K: return PANEL_Q6_K;
    case DTYPE_IQ4_NL: return PANEL_IQ4_NL;
    case DTYPE_IQ4_XS: return PANEL_IQ4_XS;
    case DTYPE_MXFP4: return PANEL_MXFP4;
    case DTYPE_Q2_K: return PANEL_Q2_K;
    case DTYPE_Q3_K: return PANEL_Q3_K;
    default: return PANEL_I8;
    }
}

enum panel_format panel_format_for(enum dtype dtype, int64_t in) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    if (!traits->decode || traits->block_elements == 1) return PANEL_NONE;
    enum panel_format format = own_format(dtype);
    if (in % rows[format].unit_inputs) format = PANEL_I8; /* which has the smallest unit */
    return in % rows[format].unit_inputs ? PANEL_NONE : format;
}

bool panel_is_exact(enum panel_format format, enum dtype dtype) {
    return format != PANEL_NONE && (own_format(dtype) == format) &&
           (format != PANEL_I8 || dtype == DTYPE_Q8_0);
}

/* ---- one unit of one output, in a plain form ---- */

struct unit {
    uint8_t value[K_UNIT];           /* as stored: I8 as two's complement, the others unsigned */
    uint16_t factor, minimum_factor; /* f16 */
    uint16_t block_scale[2];         /* f16, of the 64-input units */
    uint8_t scale[16], minimum[8];   /* of the other formats, as their unit has them */
};

static uint32_t four(const uint8_t *value) {
    return read_u32(value);
}
static void put_four(uint8_t *to, uint32_t word) {
    memcpy(to, &word, sizeof word);
}

static void read_q8_0(const uint8_t *blocks, struct unit *unit) {
    for (int b = 0; b < 2; b++, blocks += 34) {
        unit->block_scale[b] = read_u16(blocks);
        memcpy(unit->value + b * 32, blocks + 2, 32);
    }
}

/* Sixteen bytes, the first half in the low nibbles. */
static void read_nibbles(const uint8_t *bytes, uint8_t *value) {
    for (int i = 0; i < 16; i++) {
        value[i] = bytes[i] & 15;
        value[16 + i] = bytes[i] >> 4;
    }
}

/* Q4_0 and IQ4_NL */
static void read_q4_0(const uint8_t *blocks, struct unit *unit) {
    for (int b = 0; b < 2; b++, blocks += 18) {
        unit->block_scale[b] = read_u16(blocks);
        read_nibbles(blocks + 2, unit->value + b * 32);
    }
}

static void read_mxfp4(const uint8_t *blocks, struct unit *unit) {
    for (int b = 0; b < MXFP4_UNIT / 32; b++, blocks += 17) {
        unit->scale[b] = blocks[0];
        read_nibbles(blocks + 1, unit->value + b * 32);
    }
}

/* Factor, the upper two bits of eight scales of 6 bits, their lower four, numbers */
static void read_iq4_xs(const uint8_t *block, struct unit *unit) {
    uint32_t high = read_u16(block + 2), low = read_u32(block + 4);
    unit->factor = read_u16(block);
    for (int b = 0; b < 8; b++) {
        int scale = (int)((low >> (4 * b) & 15) | (high >> (2 * b) & 3) << 4) - 32;
        unit->scale[b] = (uint8_t)(int8_t)scale;
        read_nibbles(block + 8 + b * 16, unit->value + b * 32);
    }
}

/* The lower four bits as in Q4_0, the fifth in a word. */
static void read_q5_0(const uint8_t *blocks, struct unit *unit) {
    for (int b = 0; b < 2; b++, blocks += 22) {
        uint32_t high = read_u32(blocks + 2);
        unit->block_scale[b] = read_u16(blocks);
        for (int i = 0; i < 16; i++) {
            int low = (blocks[6 + i] & 15) | (int)(high >> i & 1) << 4;
            int up = blocks[6 + i] >> 4 | (int)(high >> (i + 16) & 1) << 4;
            unit->value[b * 32 + i] = (uint8_t)low;
            unit->value[b * 32 + 16 + i] = (uint8_t)up;
        }
    }
}

/* Eight scales and minima of 6 bits in 12 bytes: the first four plainly, the others in nibbles and leftover bits. */
static void read_k_scales(const uint8_t *packed, struct unit *unit) {
    for (int b = 0; b < 4; b++) {
        unit->scale[b] = packed[b] & 63;
        unit->minimum[b] = packed[b + 4] & 63;
        unit->scale[b + 4] = (uint8_t)((packed[b + 8] & 15) | (packed[b] >> 6) << 4);
        unit->minimum[b + 4] = (uint8_t)((packed[b + 8] >> 4) | (packed[b + 4] >> 6) << 4);
    }
}

/* Q4_K and Q5_K: factors, scales, [32 bytes of high bits,] 128 bytes of nibbles, 64 inputs in 32 bytes */
static void read_q45_k(const uint8_t *block, struct unit *unit, bool five) {
    const uint8_t *high = block + 16, *low = block + (five ? 48 : 16);
    const uint32_t nibble = 0x0f0f0f0f, bit = 0x01010101;
    unit->factor = read_u16(block);
    unit->minimum_factor = read_u16(block + 2);
    read_k_scales(block + 4, unit);
    for (int q = 0; q < 4; q++) {
        for (int i = 0; i < 32; i += 4) {
            uint32_t both = read_u32(low + q * 32 + i), fifth = five ? read_u32(high + i) >> (2 * q) : 0;
            put_four(unit->value + q * 64 + i, (both & nibble) | (fifth & bit) << 4);
            put_four(unit->value + q * 64 + 32 + i, (both >> 4 & nibble) | (fifth >> 1 & bit) << 4);
        }
    }
}

/* 128 bytes of nibbles, 64 of pairs of bits, scales, factor; each half of 128 inputs in four parts of 32 */
static void read_q6_k(const uint8_t *block, struct unit *unit) {
    memcpy(unit->scale, block + 192, 16);
    unit->factor = read_u16(block + 208);
    for (int half = 0; half < 2; half++) {
        const uint8_t *low = block + half * 64, *high = block + 128 + half * 32;
        uint8_t *value = unit->value + half * 128;
        for (int i = 0; i < 32; i++) {
            value[i] = (uint8_t)((low[i] & 15) | (high[i] & 3) << 4);
            value[32 + i] = (uint8_t)((low[32 + i] & 15) | (high[i] >> 2 & 3) << 4);
            value[64 + i] = (uint8_t)(low[i] >> 4 | (high[i] >> 4 & 3) << 4);
            value[96 + i] = (uint8_t)(low[32 + i] >> 4 | (high[i] >> 6) << 4);
        }
    }
}

/* 64 bytes of two bits: each half of 128 inputs in four parts of 32, a part of a byte each. */
static void read_two_bits(const uint8_t *bytes, uint8_t *value) {
    for (int i = 0; i < K_UNIT; i++) value[i] = bytes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

/* Scales and minima in nibbles, numbers, factors */
static void read_q2_k(const uint8_t *block, struct unit *unit) {
    memcpy(unit->scale, block, 16);
    read_two_bits(block + 16, unit->value);
    unit->factor = read_u16(block + 80);
    unit->minimum_factor = read_u16(block + 82);
}

/* 32 bytes of third bits, 64 of the lower two, 12 of scales (their nibbles, then the upper two bits), factor */
static void read_q3_k(const uint8_t *block, struct unit *unit) {
    const uint8_t *scales = block + 96;
    read_two_bits(block + 32, unit->value);
    for (int i = 0; i < K_UNIT; i++)
        unit->value[i] = (uint8_t)(unit->value[i] | (block[i % 32] >> (i / 32) & 1) << 2);
    for (int h = 0; h < 16; h++) {
        int low = scales[h % 8] >> (h / 8 * 4) & 15, high = scales[8 + h % 4] >> (h / 4 * 2) & 3;
        unit->scale[h] = (uint8_t)(int8_t)((low | high << 4) - 32);
    }
    unit->factor = read_u16(block + 108);
}

/* Adding and taking it off again rounds a small number to the nearest whole one, ties to even. */
static const float to_whole = 0x1.8p23f;

/* Any other format: to the nearest int8 of each 32. */
static void round_values(const float *values, struct unit *unit) {
    for (int b = 0; b < 2; b++) {
        float largest = 0;
        for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(values[b * 32 + i]));
        uint16_t bits = f32_to_f16(largest / 127);
        if (f16_to_f32(bits) * 127 < largest) bits++; /* upwards, so that the largest number fits */
        float scale = f16_to_f32(unit->block_scale[b] = bits);
        for (int i = 0; i < 32; i++) {
            float nearest = scale > 0 ? values[b * 32 + i] / scale + to_whole - to_whole : 0;
            unit->value[b * 32 + i] = (uint8_t)(int8_t)fminf(fmaxf(nearest, -127), 127);
        }
    }
}

static const uint8_t *blocks_at(const struct tensor *w, int64_t out, int64_t input) {
    int64_t before;
    MUST(dtype_row_bytes(w->dtype, input, &before));
    return (const uint8_t *)tensor_row_data(w, out) + before;
}

/* A format without a layout of its own. Its blocks may be larger than the unit of 64, which then lies inside one. */
static void read_any(const struct tensor *w, int64_t out, int64_t index, struct unit *unit) {
    float values[K_UNIT];
    int64_t block = dtype_traits(w->dtype)->block_elements, span = max_i64(block, I8_UNIT);
    int64_t first = index * I8_UNIT / span * span;
    dtype_traits(w->dtype)->decode(blocks_at(w, out, first), values, span);
    round_values(values + (index * I8_UNIT - first), unit);
}

/* Reads unit `index` of an output. */
static void read_unit(enum panel_format format, const struct tensor *w, int64_t out, int64_t index,
                      struct unit *unit) {
    int64_t input = index * rows[format].unit_inputs;
    if (format != own_format(w->dtype)) {
        read_any(w, out, index, unit);
        return;
    }
    switch (w->dtype) {
    case DTYPE_Q8_0: read_q8_0(blocks_at(w, out, input), unit); break;
    case DTYPE_Q4_0: read_q4_0(blocks_at(w, out, input), unit); break;
    case DTYPE_Q5_0: read_q5_0(blocks_at(w, out, input), unit); break;
    case DTYPE_Q4_K: read_q45_k(blocks_at(w, out, input), unit, false); break;
    case DTYPE_Q5_K: read_q45_k(blocks_at(w, out, input), unit, true); break;
    case DTYPE_Q6_K: read_q6_k(blocks_at(w, out, input), unit); break;
    case DTYPE_IQ4_NL: read_q4_0(blocks_at(w, out, input), unit); break;
    case DTYPE_IQ4_XS: read_iq4_xs(blocks_at(w, out, input), unit); break;
    case DTYPE_MXFP4: read_mxfp4(blocks_at(w, out, input), unit); break;
    case DTYPE_Q2_K: read_q2_k(blocks_at(w, out, input), unit); break;
    case DTYPE_Q3_K: read_q3_k(blocks_at(w, out, input), unit); break;
    default: read_any(w, out, index, unit);
    }
}

/* ---- writing a unit: output o's numbers go to column o of every group ---- */

static void write_i8(const struct unit *unit, int o, uint8_t *to) {
    for (int g = 0; g < I8_UNIT / 4; g++) put_four(to + g * 64 + o * 4, four(unit->value + g * 4));
    for (int b = 0; b < 2; b++) memcpy(to + I8_SCALE + (b * PANEL_OUTS + o) * 2, &unit->block_scale[b], 2);
}

/* The low four bits of 64 inputs: block 0 in low nibbles, block 1 in high ones. */
static void write_quarter(const uint8_t *value, int o, uint8_t *to) {
    const uint32_t low = 0x0f0f0f0f;
    for (int g = 0; g < PANEL_BLOCK / 4; g++)
        put_four(to + g * 64 + o * 4, (four(value + g * 4) & low) | (four(value + PANEL_BLOCK + g * 4) & low)
                                                                        << 4);
}

static void write_i4(const struct unit *unit, int o, uint8_t *to) {
    write_quarter(unit->value, o, to);
    for (int b = 0; b < 2; b++) memcpy(to + I4_SCALE + (b * PANEL_OUTS + o) * 2, &unit->block_scale[b], 2);
}

static void write_k_scales(const struct unit *unit, int o, uint8_t *scale, uint8_t *minimum,
                           uint8_t *factor) {
    for (int b = 0; b < 8; b++) {
        scale[b * PANEL_OUTS + o] = unit->scale[b];
        minimum[b * PANEL_OUTS + o] = unit->minimum[b];
    }
    memcpy(factor + o * 2, &unit->factor, 2);
    memcpy(factor + (PANEL_OUTS + o) * 2, &unit->minimum_factor, 2);
}

static void write_q4_k(const struct unit *unit, int o, uint8_t *to) {
    for (int q = 0; q < 4; q++) write_quarter(unit->value + q * 64, o, to + q * K_QUARTER);
    write_k_scales(unit, o, to + Q4_K_SCALE, to + Q4_K_MINIMUM, to + Q4_K_FACTOR);
}

/* Bit `bit` of each number: byte [block][output][4] has it for each of the block's eight groups. */
static void write_bits(const uint8_t *value, int blocks, int bit, int o, uint8_t *to) {
    for (int b = 0; b < blocks; b++) {
        uint32_t bits = 0;
        for (int g = 0; g < 8; g++) bits |= (four(value + b * 32 + g * 4) >> bit & 0x01010101) << g;
        put_four(to + b * 64 + o * 4, bits);
    }
}

/* Bits `bit` and the next: byte [half block][output][4] has them for each of four groups. */
static void write_bit_pairs(const uint8_t *value, int bit, int o, uint8_t *to) {
    for (int h = 0; h < K_UNIT / 16; h++) {
        uint32_t bits = 0;
        for (int g = 0; g < 4; g++) bits |= (four(value + h * 16 + g * 4) >> bit & 0x03030303) << (2 * g);
        put_four(to + h * 64 + o * 4, bits);
    }
}

static void write_i5(const struct unit *unit, int o, uint8_t *to) {
    write_quarter(unit->value, o, to);
    write_bits(unit->value, 2, 4, o, to + I5_HIGH);
    for (int b = 0; b < 2; b++) memcpy(to + I5_SCALE + (b * PANEL_OUTS + o) * 2, &unit->block_scale[b], 2);
}

static void write_q5_k(const struct unit *unit, int o, uint8_t *to) {
    for (int q = 0; q < 4; q++) write_quarter(unit->value + q * 64, o, to + q * K_QUARTER);
    write_bits(unit->value, K_UNIT / 32, 4, o, to + Q5_K_HIGH);
    write_k_scales(unit, o, to + Q5_K_SCALE, to + Q5_K_MINIMUM, to + Q5_K_FACTOR);
}

static void write_q6_k(const struct unit *unit, int o, uint8_t *to) {
    for (int q = 0; q < 4; q++) write_quarter(unit->value + q * 64, o, to + q * K_QUARTER);
    write_bit_pairs(unit->value, 4, o, to + Q6_K_HIGH);
    for (int b = 0; b < 16; b++) to[Q6_K_SCALE + b * PANEL_OUTS + o] = unit->scale[b];
    memcpy(to + Q6_K_FACTOR + o * 2, &unit->factor, 2);
}

static void write_iq4_xs(const struct unit *unit, int o, uint8_t *to) {
    for (int q = 0; q < 4; q++) write_quarter(unit->value + q * 64, o, to + q * K_QUARTER);
    for (int b = 0; b < 8; b++) to[IQ4_XS_SCALE + b * PANEL_OUTS + o] = unit->scale[b];
    memcpy(to + IQ4_XS_FACTOR + o * 2, &unit->factor, 2);
}

static void write_mxfp4(const struct unit *unit, int o, uint8_t *to) {
    for (int q = 0; q < 2; q++) write_quarter(unit->value + q * 64, o, to + q * K_QUARTER);
    for (int b = 0; b < 4; b++) to[MXFP4_EXPONENT + b * PANEL_OUTS + o] = unit->scale[b];
}

static void write_half_scales(const uint8_t *scale, int o, uint8_t *to) {
    for (int h = 0; h < 16; h++) to[h / 2 * 2 * PANEL_OUTS + o * 2 + h % 2] = scale[h];
}

static void write_q2_k(const struct unit *unit, int o, uint8_t *to) {
    write_bit_pairs(unit->value, 0, o, to);
    write_half_scales(unit->scale, o, to + Q2_K_SCALE);
    memcpy(to + Q2_K_FACTOR + o * 2, &unit->factor, 2);
    memcpy(to + Q2_K_FACTOR + (PANEL_OUTS + o) * 2, &unit->minimum_factor, 2);
}

static void write_q3_k(const struct unit *unit, int o, uint8_t *to) {
    write_bit_pairs(unit->value, 0, o, to);
    write_bits(unit->value, K_UNIT / 32, 2, o, to + Q3_K_HIGH);
    write_half_scales(unit->scale, o, to + Q3_K_SCALE);
    memcpy(to + Q3_K_FACTOR + o * 2, &unit->factor, 2);
}

static void write_unit(enum panel_format format, const struct unit *unit, int o, uint8_t *to) {
    switch (format) {
    case PANEL_I8: write_i8(unit, o, to); break;
    case PANEL_I4:
    case PANEL_IQ4_NL: write_i4(unit, o, to); break;
    case PANEL_Q4_K: write_q4_k(unit, o, to); break;
    case PANEL_Q5_K: write_q5_k(unit, o, to); break;
    case PANEL_Q6_K: write_q6_k(unit, o, to); break;
    case PANEL_IQ4_XS: write_iq4_xs(unit, o, to); break;
    case PANEL_MXFP4: write_mxfp4(unit, o, to); break;
    case PANEL_I5: write_i5(unit, o, to); break;
    case PANEL_Q2_K: write_q2_k(unit, o, to); break;
    case PANEL_Q3_K: write_q3_k(unit, o, to); break;
    default: MUST(false);
    }
}

void panels_pack(enum panel_format format, const struct tensor *w, int64_t begin, int64_t end,
                 uint8_t *data) {
    int64_t outs = w->shape[0], units = w->shape[1] / rows[format].unit_inputs,
            panel_bytes = panel_row_bytes(format, w->shape[1]);
    struct unit unit;
    for (int64_t p = begin; p < end; p++) {
        memset(data + p * panel_bytes, 0, (size_t)panel_bytes);
        for (int o = 0; o < min_i64(PANEL_OUTS, outs - p * PANEL_OUTS); o++) {
            for (int64_t u = 0; u < units; u++) {
                read_unit(format, w, p * PANEL_OUTS + o, u, &unit);
                write_unit(format, &unit, o, data + p * panel_bytes + u * rows[format].unit_bytes);
            }
        }
    }
}
