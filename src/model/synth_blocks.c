/* synth_blocks.c - see synth_blocks.h. A block is first filled with random bits, which are valid quants
 * in every format; then its scale fields are overwritten. */
#include "model/synth_blocks.h"

#include "base/status.h"
#include "tensor/block.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

static void put_u16(uint8_t *at, uint16_t bits) {
    at[0] = (uint8_t)bits;
    at[1] = (uint8_t)(bits >> 8);
}

/* ---- fields beside scale and minimum ---- */

typedef void block_finish(uint8_t *block, const struct synth_format *format, float scale);

static void finish_q8_0(uint8_t *block, const struct synth_format *format, float scale) {
    (void)scale;
    int8_t *quants = ((struct block_q8_0 *)block)->quants;
    for (int i = 0; i < BLOCK_SMALL; i++) quants[i] = (int8_t)format->code[(uint8_t)quants[i]];
}

/* The minimum's small scale equals the scale's, so that each group of values is centred at zero. */
static void finish_q2_k(uint8_t *block, const struct synth_format *format, float scale) {
    (void)format, (void)scale;
    uint8_t *scales = ((struct block_q2_k *)block)->scales;
    for (int i = 0; i < 16; i++) scales[i] = (uint8_t)((scales[i] & 7) + 8) * 0x11;
}

/* Eight 6-bit scales and as many minima in 12 bytes: of the first four pairs all six bits, of the others
 * the low four, whose upper two lie above the first. Equal here, as in Q2_K. Q5_K has them at the same place. */
static void finish_q4_k(uint8_t *block, const struct synth_format *format, float scale) {
    (void)format, (void)scale;
    uint8_t *scales = ((struct block_q4_k *)block)->scales, six[8];
    for (int i = 0; i < 8; i++) six[i] = (scales[i] & 31) + 32;
    for (int i = 0; i < 4; i++) {
        scales[i] = scales[i + 4] = (uint8_t)(six[i] | (six[i + 4] >> 4) << 6);
        scales[i + 8] = (six[i + 4] & 15) * 0x11;
    }
}

/* The f16 scale lies in the upper four bits of the four small-scale words. */
static void finish_iq1_m(uint8_t *block, const struct synth_format *format, float scale) {
    (void)format;
    uint16_t bits = f32_to_f16(scale);
    for (int i = 0; i < 4; i++) {
        uint8_t *high = &((struct block_iq1_m *)block)->scales[i][1];
        *high = (uint8_t)((*high & 15) | (bits >> 4 * i & 15) << 4);
    }
}

static void finish_mxfp4(uint8_t *block, const struct synth_format *format, float scale) {
    (void)format;
    int exponent = 127 + ilogbf(scale * 1.41421356F); /* the nearest power of two */
    ((struct block_mxfp4 *)block)->exponent = (uint8_t)(exponent < 1 ? 1 : exponent > 254 ? 254 : exponent);
}

/* ---- the formats ---- */

#define FIELD(type, member) (int)offsetof(struct type, member)

struct block_row {
    enum dtype dtype;
    int scale, minimum;  /* offsets of f16 fields; -1: none */
    float minimum_ratio; /* minimum = ratio * scale centres the values */
    bool signs;          /* quants reach further down than up: scales of both signs centre them */
    block_finish *finish;
};

static const struct block_row rows[] = {
    {DTYPE_Q8_0, FIELD(block_q8_0, scale), -1, 0, false, finish_q8_0},
    {DTYPE_Q4_0, FIELD(block_q4_0, scale), -1, 0, true, NULL},
    {DTYPE_Q4_1, FIELD(block_q4_1, scale), FIELD(block_q4_1, minimum), -7.5, false, NULL},
    {DTYPE_Q5_0, FIELD(block_q5_0, scale), -1, 0, true, NULL},
    {DTYPE_Q5_1, FIELD(block_q5_1, scale), FIELD(block_q5_1, minimum), -15.5, false, NULL},
    {DTYPE_Q2_K, FIELD(block_q2_k, scale), FIELD(block_q2_k, minimum), 1.5, false, finish_q2_k},
    {DTYPE_Q3_K, FIELD(block_q3_k, scale), -1, 0, true, NULL},
    {DTYPE_Q4_K, FIELD(block_q4_k, scale), FIELD(block_q4_k, minimum), 7.5, false, finish_q4_k},
    {DTYPE_Q5_K, FIELD(block_q5_k, scale), FIELD(block_q5_k, minimum), 15.5, false, finish_q4_k},
    {DTYPE_Q6_K, FIELD(block_q6_k, scale), -1, 0, true, NULL},
    {DTYPE_IQ4_NL, FIELD(block_iq4_nl, scale), -1, 0, true, NULL},
    {DTYPE_IQ4_XS, FIELD(block_iq4_xs, scale), -1, 0, true, NULL},
    {DTYPE_IQ1_S, FIELD(block_iq1_s, scale), -1, 0, true, NULL},
    {DTYPE_IQ1_M, -1, -1, 0, true, finish_iq1_m},
    {DTYPE_IQ2_XXS, FIELD(block_iq2_xxs, scale), -1, 0, true, NULL},
    {DTYPE_IQ2_XS, FIELD(block_iq2_xs, scale), -1, 0, true, NULL},
    {DTYPE_IQ2_S, FIELD(block_iq2_s, scale), -1, 0, true, NULL},
    {DTYPE_IQ3_XXS, FIELD(block_iq3_xxs, scale), -1, 0, true, NULL},
    {DTYPE_IQ3_S, FIELD(block_iq3_s, scale), -1, 0, true, NULL},
    {DTYPE_MXFP4, -1, -1, 0, false, finish_mxfp4},
};

static const struct block_row *row_find(enum dtype dtype) {
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].dtype == dtype) return &rows[i];
    return NULL;
}

static bool is_plain(enum dtype dtype) {
    return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_BF16;
}

bool synth_format_known(enum dtype dtype) {
    return is_plain(dtype) || dtype == DTYPE_F8_E4M3 || row_find(dtype);
}

/* ---- filling ---- */

float synth_row_gain(uint64_t row_seed, int64_t row) {
    struct rng rng;
    rng_seed_stream(&rng, row_seed, (uint64_t)row);
    return (float)pow(rng_uniform(&rng) + 1e-9, -1.0 / 6); /* P(gain > x) = x^-6 */
}

/* The gain of the row that an element lies in; elements are asked for in order. */
struct row_gain {
    int64_t row;
    float gain;
};

static float gain_at(const struct synth_pattern *pattern, struct row_gain *now, int64_t element) {
    if (!pattern->row_elements) return 1;
    int64_t row = element / pattern->row_elements;
    if (row != now->row) *now = (struct row_gain){row, synth_row_gain(pattern->row_seed, row)};
    return now->gain;
}

static void fill_plain(const struct synth_pattern *pattern, struct rng *rng, int64_t first, void *data,
                       int64_t elements) {
    enum { BATCH = 256 };
    const struct dtype_traits *traits = dtype_traits(pattern->format->dtype);
    struct row_gain row = {-1, 1};
    float value[BATCH];
    uint8_t *at = data;
    /* four uniform numbers of 16 bits add up to nearly normal ones of this deviation */
    const float scale = pattern->deviation / 37837.227F;
    for (int64_t done = 0; done < elements; done += BATCH) {
        int64_t count = elements - done < BATCH ? elements - done : BATCH;
        for (int64_t i = 0; i < count; i++) {
            uint64_t draw = rng_next(rng);
            int sum = (int)((draw & 0xffff) + (draw >> 16 & 0xffff) + (draw >> 32 & 0xffff) + (draw >> 48));
            value[i] = pattern->mean + scale * (float)(sum - 131070);
        }
        for (int64_t i = 0; i < count && pattern->row_elements; i++)
            value[i] *= gain_at(pattern, &row, first + done + i);
        traits->encode(value, at, count);
        at += count * traits->block_bytes;
    }
}

static void fill_codes(const struct synth_pattern *pattern, struct rng *rng, uint8_t *data,
                       int64_t elements) {
    rng_fill(rng, data, (size_t)elements);
    for (int64_t i = 0; i < elements; i++) data[i] = pattern->format->code[data[i]];
}

static void fill_blocks(const struct synth_pattern *pattern, struct rng *rng, int64_t first, uint8_t *data,
                        int64_t blocks) {
    const struct block_row *row = row_find(pattern->format->dtype);
    MUST(row);
    const struct dtype_traits *traits = dtype_traits(row->dtype);
    struct row_gain gain = {-1, 1};
    uint64_t choices = 0;
    rng_fill(rng, data, (size_t)(blocks * traits->block_bytes));
    for (int64_t i = 0; i < blocks; i++, data += traits->block_bytes, choices >>= 6) {
        if (i % 10 == 0) choices = rng_next(rng);
        float scale = pattern->scale[choices % SYNTH_SCALES];
        if (pattern->row_elements) scale *= gain_at(pattern, &gain, first + i * traits->block_elements);
        if (row->scale >= 0) put_u16(data + row->scale, f32_to_f16(scale));
        if (row->minimum >= 0) put_u16(data + row->minimum, f32_to_f16(scale * row->minimum_ratio));
        if (row->finish) row->finish(data, pattern->format, scale);
    }
}

void synth_fill(const struct synth_pattern *pattern, struct rng *rng, int64_t first, void *data,
                int64_t elements) {
    enum dtype dtype = pattern->format->dtype;
    if (is_plain(dtype))
        fill_plain(pattern, rng, first, data, elements);
    else if (dtype == DTYPE_F8_E4M3)
        fill_codes(pattern, rng, data, elements);
    else
        fill_blocks(pattern, rng, first, data, elements / dtype_traits(dtype)->block_elements);
}

/* ---- patterns and formats ---- */

/* Powers of two: as many of the next higher one as it takes for the mean square to be right. */
static void make_powers(struct synth_pattern *pattern, double around) {
    double exponent = floor(log2(around)), higher = (pow(around / exp2(exponent), 2) - 1) / 3 * SYNTH_SCALES;
    for (int i = 0; i < SYNTH_SCALES; i++) pattern->scale[i] = (float)exp2(exponent + (i < higher));
}

struct synth_pattern synth_pattern_of(const struct synth_format *format, double mean, double deviation) {
    struct synth_pattern pattern = {.format = format, .mean = (float)mean, .deviation = (float)deviation};
    const struct block_row *row = row_find(format->dtype);
    double around = format->deviation > 0 ? deviation / format->deviation : 1;
    for (int i = 0; row && i < SYNTH_SCALES; i++) {
        double scale = around * (0.5 + (i + 0.5) / SYNTH_SCALES);
        pattern.scale[i] = (float)(row->signs && i % 2 ? -scale : scale);
    }
    if (format->dtype == DTYPE_MXFP4) make_powers(&pattern, around);
    return pattern;
}

/* The value that a standard normal variable stays below with probability p, by bisection. */
static double normal_quantile(double p) {
    double low = -8, high = 8;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (erfc(-middle / sqrt(2)) / 2 < p)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The outermost of 256 equally likely values is 2.9 deviations out: it becomes the largest code. */
static void make_codes(struct synth_format *format) {
    double most = format->dtype == DTYPE_Q8_0 ? 127 : 448, unit = most / normal_quantile(511.0 / 512);
    for (int i = 0; i < 256; i++) {
        double value = unit * normal_quantile((i + 0.5) / 256);
        format->code[i] =
            format->dtype == DTYPE_Q8_0 ? (uint8_t)(int8_t)lround(value) : f32_to_e4m3((float)value);
    }
}

static double measure_deviation(const struct synth_format *format) {
    enum { ELEMENTS = 2048, ROUNDS = 48 };
    const struct dtype_traits *traits = dtype_traits(format->dtype);
    struct synth_pattern pattern = synth_pattern_of(format, 0, 1);
    float value[ELEMENTS];
    uint8_t block[ELEMENTS * 2];
    struct rng rng;
    double squares = 0;
    rng_seed(&rng, 1);
    MUST(ELEMENTS / traits->block_elements * traits->block_bytes <= (int)sizeof block);
    for (int round = 0; round < ROUNDS; round++) {
        synth_fill(&pattern, &rng, 0, block, ELEMENTS);
        traits->decode(block, value, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) squares += (double)value[i] * value[i];
    }
    return sqrt(squares / (ELEMENTS * ROUNDS));
}

struct synth_format synth_format_of(enum dtype dtype) {
    struct synth_format format = {.dtype = dtype};
    MUST(synth_format_known(dtype));
    if (dtype == DTYPE_Q8_0 || dtype == DTYPE_F8_E4M3) make_codes(&format);
    format.deviation = is_plain(dtype) ? 1 : measure_deviation(&format);
    return format;
}
