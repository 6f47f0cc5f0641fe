/* encode_k.c - encoders of Q2_K to Q6_K, IQ4_NL and IQ4_XS. For each sub-block a few scales around the plain
 * one are tried, the numbers that each gives are fitted back by least squares, and the best is kept; then the
 * scales are rounded, and the numbers are chosen once more for the scales that will be read. NaN counts as
 * zero, and values stop where the format does. Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

#include <math.h>
#include <stdbool.h>

/* Steps of the search: scales from 92 % to 108 % of the plain one. */
enum { TRIALS = 9 };
static const float trial_step = 0.02f;

/* What all blocks start from: finite values that can be squared. */
static void tame(const float *values, float *x, int n) {
    const float most = 5e7f;
    for (int i = 0; i < n; i++) x[i] = values[i] != values[i] ? 0 : fmaxf(-most, fminf(values[i], most));
}

static float write_f16(uint8_t *at, float value) {
    uint16_t bits = f32_to_f16(fmaxf(-65504.0f, fminf(value, 65504.0f)));
    memcpy(at, &bits, sizeof bits);
    return f16_to_f32(bits);
}

/* To nearest; halves go up. */
static int clamp_round(float value, int low, int high) {
    float lifted = value - (float)low + 0.5f;
    if (!(lifted > 0)) return low;
    return lifted < (float)(high - low) ? low + (int)lifted : high;
}

static float divide_or_zero(float a, float b) {
    return b != 0 ? a / b : 0;
}

/* ---- scale * number - minimum, numbers from 0 to top ---- */

struct range {
    float scale, minimum; /* both at least 0 */
};

static void number_range(const float *x, int n, struct range range, int top, uint8_t *numbers) {
    float inverse = divide_or_zero(1, range.scale);
    for (int i = 0; i < n; i++) numbers[i] = (uint8_t)clamp_round((x[i] + range.minimum) * inverse, 0, top);
}

static float range_error(const float *x, int n, struct range range, const uint8_t *numbers) {
    float error = 0;
    for (int i = 0; i < n; i++) {
        float off = range.scale * (float)numbers[i] - range.minimum - x[i];
        error += off * off;
    }
    return error;
}

/* The least squares line through (number, x); without an offset when that would have to be negative. */
static struct range refit_range(const float *x, int n, const uint8_t *numbers) {
    float q = 0, qq = 0, sum = 0, qx = 0;
    for (int i = 0; i < n; i++) {
        float number = numbers[i];
        q += number;
        qq += number * number;
        sum += x[i];
        qx += number * x[i];
    }
    float determinant = (float)n * qq - q * q;
    struct range range = {0, 0};
    if (determinant > 0) {
        range.scale = ((float)n * qx - q * sum) / determinant;
        range.minimum = (q * qx - qq * sum) / determinant;
    }
    if (determinant <= 0 || range.minimum < 0) range = (struct range){divide_or_zero(qx, qq), 0};
    if (range.scale < 0) range.scale = 0;
    return range;
}

static struct range fit_range(const float *x, int n, int top) {
    float low = 0, high = x[0];
    for (int i = 0; i < n; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    struct range plain = {fmaxf(high - low, 0) / (float)top, -low}, best = plain;
    float best_error = INFINITY;
    uint8_t numbers[32];
    for (int trial = 0; trial < TRIALS && plain.scale > 0; trial++) {
        struct range range = {plain.scale * (1 + trial_step * (float)(trial - TRIALS / 2)), plain.minimum};
        number_range(x, n, range, top, numbers);
        range = refit_range(x, n, numbers);
        float error = range_error(x, n, range, numbers);
        if (error < best_error) best = range, best_error = error;
    }
    return best;
}

/* The scales and minima of the sub-blocks as numbers from 0 to `top`, under one scale and one minimum. */
static struct range round_ranges(const struct range *ranges, int subs, int top, uint8_t scale[2],
                                 uint8_t minimum[2], uint8_t *scales, uint8_t *minima) {
    struct range most = {0, 0};
    for (int i = 0; i < subs; i++) {
        most.scale = fmaxf(most.scale, ranges[i].scale);
        most.minimum = fmaxf(most.minimum, ranges[i].minimum);
    }
    struct range unit = {write_f16(scale, most.scale / (float)top),
                         write_f16(minimum, most.minimum / (float)top)};
    for (int i = 0; i < subs; i++) {
        scales[i] = (uint8_t)clamp_round(divide_or_zero(ranges[i].scale, unit.scale), 0, top);
        minima[i] = (uint8_t)clamp_round(divide_or_zero(ranges[i].minimum, unit.minimum), 0, top);
    }
    return unit;
}

void encode_q2_k(const float *values, void *blocks, int64_t elements) {
    struct block_q2_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        float x[BLOCK_LARGE];
        struct range ranges[16];
        uint8_t scales[16], minima[16], numbers[16];
        tame(values, x, BLOCK_LARGE);
        for (int sub = 0; sub < 16; sub++) ranges[sub] = fit_range(x + 16 * sub, 16, 3);
        struct range unit = round_ranges(ranges, 16, 15, block->scale, block->minimum, scales, minima);
        memset(block->quants, 0, sizeof block->quants);
        for (int sub = 0; sub < 16; sub++) {
            struct range range = {unit.scale * scales[sub], unit.minimum * minima[sub]};
            uint8_t *quants = block->quants + sub / 8 * 32 + sub % 2 * 16;
            block->scales[sub] = (uint8_t)(scales[sub] | minima[sub] << 4);
            number_range(x + 16 * sub, 16, range, 3, numbers);
            for (int i = 0; i < 16; i++) quants[i] |= (uint8_t)(numbers[i] << (sub % 8 / 2 * 2));
        }
    }
}

/* The inverse of what the decoders of Q4_K and Q5_K unpack. */
static void pack_k_scales(const uint8_t scales[8], const uint8_t minima[8], uint8_t packed[12]) {
    for (int i = 0; i < 4; i++) {
        packed[i] = (uint8_t)(scales[i] | (scales[i + 4] >> 4) << 6);
        packed[i + 4] = (uint8_t)(minima[i] | (minima[i + 4] >> 4) << 6);
        packed[i + 8] = (uint8_t)((scales[i + 4] & 15) | (minima[i + 4] & 15) << 4);
    }
}

/* All that Q4_K and Q5_K share. */
static void number_k_block(const float *values, int top, uint8_t scale[2], uint8_t minimum[2],
                           uint8_t packed[12], uint8_t numbers[BLOCK_LARGE]) {
    float x[BLOCK_LARGE];
    struct range ranges[8];
    uint8_t scales[8], minima[8];
    tame(values, x, BLOCK_LARGE);
    for (int sub = 0; sub < 8; sub++) ranges[sub] = fit_range(x + 32 * sub, 32, top);
    struct range unit = round_ranges(ranges, 8, 63, scale, minimum, scales, minima);
    pack_k_scales(scales, minima, packed);
    for (int sub = 0; sub < 8; sub++) {
        struct range range = {unit.scale * scales[sub], unit.minimum * minima[sub]};
        number_range(x + 32 * sub, 32, range, top, numbers + 32 * sub);
    }
}

static void pack_k_nibbles(const uint8_t numbers[BLOCK_LARGE], uint8_t quants[128]) {
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = numbers + i / 32 * 64 + i % 32;
        quants[i] = (uint8_t)((low[0] & 15) | (low[32] & 15) << 4);
    }
}

void encode_q4_k(const float *values, void *blocks, int64_t elements) {
    struct block_q4_k *block = blocks;
    uint8_t numbers[BLOCK_LARGE];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        number_k_block(values, 15, block->scale, block->minimum, block->scales, numbers);
        pack_k_nibbles(numbers, block->quants);
    }
}

void encode_q5_k(const float *values, void *blocks, int64_t elements) {
    struct block_q5_k *block = blocks;
    uint8_t numbers[BLOCK_LARGE];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        number_k_block(values, 31, block->scale, block->minimum, block->scales, numbers);
        pack_k_nibbles(numbers, block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int i = 0; i < BLOCK_LARGE; i++) block->high[i % 32] |= (uint8_t)((numbers[i] >> 4) << (i / 32));
    }
}

/* ---- scale * level ---- */

/* Ascending levels; the first is the one of largest magnitude. */
struct levels {
    int count;
    int trials; /* scales to try for each end of the levels: fine levels gain little from more */
    bool even;  /* evenly spaced, one apart */
    float level[64];
    /* Of uneven ones: the middles between neighbours, closed by infinity; and how many of them lie at or below
     * cell - 128, which leaves one to compare with, since they are more than 1 apart. */
    float middle[16];
    uint8_t passed[256];
};

static struct levels even_levels(int count, int trials) {
    struct levels levels = {.count = count, .trials = trials, .even = true};
    for (int i = 0; i < count; i++) levels.level[i] = (float)(i - count / 2);
    return levels;
}

static struct levels uneven_levels(const int8_t level[16], int trials) {
    struct levels levels = {.count = 16, .trials = trials};
    for (int i = 0; i < 16; i++) levels.level[i] = level[i];
    for (int i = 0; i < 15; i++) levels.middle[i] = 0.5f * (levels.level[i] + levels.level[i + 1]);
    levels.middle[15] = INFINITY;
    for (int cell = 0; cell < 256; cell++)
        for (int i = 0; i < 15; i++) levels.passed[cell] += levels.middle[i] <= (float)(cell - 128);
    return levels;
}

/* The index of the nearest level. */
static uint8_t nearest_level(const struct levels *levels, float value) {
    if (levels->even) return (uint8_t)clamp_round(value - levels->level[0], 0, levels->count - 1);
    float lifted = value + 128;
    int passed = levels->passed[!(lifted > 0) ? 0 : lifted < 255 ? (int)lifted : 255];
    return (uint8_t)(passed + (value > levels->middle[passed]));
}

static void number_levels(const float *x, int n, float scale, const struct levels *levels, uint8_t *numbers) {
    float inverse = divide_or_zero(1, scale);
    for (int i = 0; i < n; i++) numbers[i] = nearest_level(levels, x[i] * inverse);
}

/* The scale of least squares for the numbers that `scale` gives, and its error. */
static float refit_scale(const float *x, int n, float scale, const struct levels *levels, float *error) {
    uint8_t numbers[32];
    float lx = 0, ll = 0;
    number_levels(x, n, scale, levels, numbers);
    for (int i = 0; i < n; i++) {
        float level = levels->level[numbers[i]];
        lx += level * x[i];
        ll += level * level;
    }
    float fitted = divide_or_zero(lx, ll);
    *error = 0;
    for (int i = 0; i < n; i++) {
        float off = fitted * levels->level[numbers[i]] - x[i];
        *error += off * off;
    }
    return fitted;
}

/* A scale of either sign: the value of largest magnitude goes near one end or the other. */
static float fit_scale(const float *x, int n, const struct levels *levels) {
    float extreme = 0, best = 0, best_error = INFINITY;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(extreme)) extreme = x[i];
    for (int trial = 0; trial < 2 * levels->trials && extreme != 0; trial++) {
        float error, plain = extreme / levels->level[trial % 2 ? levels->count - 1 : 0];
        float scale = plain * (1 + trial_step * (float)(trial / 2 - levels->trials / 2));
        scale = refit_scale(x, n, scale, levels, &error);
        if (error < best_error) best = scale, best_error = error;
    }
    return best;
}

/* One unit for signed scales that reach from -most to most - 1; the largest becomes -most. */
static float scale_unit(const float *scales, int subs, int most) {
    float extreme = 0;
    for (int i = 0; i < subs; i++)
        if (fabsf(scales[i]) > fabsf(extreme)) extreme = scales[i];
    return extreme / (float)-most;
}

/* Sub-scales as numbers, and each element as the index of its level under the scales that will be read. */
static void number_level_block(const float *values, int subs, int most, const struct levels *levels,
                               uint8_t scale[2], int8_t *scales, uint8_t numbers[BLOCK_LARGE]) {
    float x[BLOCK_LARGE], fitted[16];
    int n = BLOCK_LARGE / subs;
    tame(values, x, BLOCK_LARGE);
    for (int sub = 0; sub < subs; sub++) fitted[sub] = fit_scale(x + n * sub, n, levels);
    float unit = write_f16(scale, scale_unit(fitted, subs, most));
    for (int sub = 0; sub < subs; sub++) {
        scales[sub] = (int8_t)clamp_round(divide_or_zero(fitted[sub], unit), -most, most - 1);
        number_levels(x + n * sub, n, unit * (float)scales[sub], levels, numbers + n * sub);
    }
}

void encode_q3_k(const float *values, void *blocks, int64_t elements) {
    struct block_q3_k *block = blocks;
    const struct levels levels = even_levels(8, TRIALS);
    uint8_t numbers[BLOCK_LARGE];
    int8_t scales[16];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        number_level_block(values, 16, 32, &levels, block->scale, scales, numbers);
        memset(block->scales, 0, sizeof block->scales);
        memset(block->quants, 0, sizeof block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int sub = 0; sub < 16; sub++) {
            int biased = scales[sub] + 32;
            block->scales[sub % 8] |= (uint8_t)((biased & 15) << (sub / 8 * 4));
            block->scales[8 + sub % 4] |= (uint8_t)((biased >> 4) << (sub / 4 * 2));
        }
        for (int i = 0; i < BLOCK_LARGE; i++) {
            block->quants[i / 128 * 32 + i % 32] |= (uint8_t)((numbers[i] & 3) << (i % 128 / 32 * 2));
            block->high[i % 32] |= (uint8_t)((numbers[i] >> 2) << (i / 32));
        }
    }
}

void encode_q6_k(const float *values, void *blocks, int64_t elements) {
    struct block_q6_k *block = blocks;
    uint8_t numbers[BLOCK_LARGE];
    const struct levels levels = even_levels(64, TRIALS / 3);
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        number_level_block(values, 16, 128, &levels, block->scale, block->scales, numbers);
        memset(block->quants, 0, sizeof block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int i = 0; i < BLOCK_LARGE; i++) {
            int half = i / 128, quarter = i % 128 / 32;
            block->quants[half * 64 + quarter % 2 * 32 + i % 32] |=
                (uint8_t)((numbers[i] & 15) << (quarter / 2 * 4));
            block->high[half * 32 + i % 32] |= (uint8_t)((numbers[i] >> 4) << (quarter * 2));
        }
    }
}

/* Numbers of 32 elements as nibbles: the first half low, the second high. */
static void pack_small_nibbles(const uint8_t numbers[32], uint8_t quants[16]) {
    for (int i = 0; i < 16; i++) quants[i] = (uint8_t)(numbers[i] | numbers[i + 16] << 4);
}

void encode_iq4_nl(const float *values, void *blocks, int64_t elements) {
    const struct levels levels = uneven_levels(iq4_levels, TRIALS);
    struct block_iq4_nl *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        float x[BLOCK_SMALL];
        uint8_t numbers[BLOCK_SMALL];
        tame(values, x, BLOCK_SMALL);
        float scale = write_f16(block->scale, fit_scale(x, BLOCK_SMALL, &levels));
        number_levels(x, BLOCK_SMALL, scale, &levels, numbers);
        pack_small_nibbles(numbers, block->quants);
    }
}

void encode_iq4_xs(const float *values, void *blocks, int64_t elements) {
    const struct levels levels = uneven_levels(iq4_levels, TRIALS);
    struct block_iq4_xs *block = blocks;
    uint8_t numbers[BLOCK_LARGE];
    int8_t scales[8];
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        number_level_block(values, 8, 32, &levels, block->scale, scales, numbers);
        uint16_t high = 0;
        memset(block->scales_low, 0, sizeof block->scales_low);
        for (int sub = 0; sub < 8; sub++) {
            int biased = scales[sub] + 32;
            block->scales_low[sub / 2] |= (uint8_t)((biased & 15) << (sub % 2 * 4));
            high |= (uint16_t)((biased >> 4) << (sub * 2));
            pack_small_nibbles(numbers + 32 * sub, block->quants + 16 * sub);
        }
        memcpy(block->scales_high, &high, sizeof high);
    }
}
