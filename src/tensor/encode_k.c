/* encode_k.c - encoders of Q2_K to Q6_K, IQ4_NL and IQ4_XS, and those of the small formats that search: each fits a
 * block (tensor/fit.h) and packs what came out. NaN counts as zero, and values stop where the format does. Pure
 * functions, any thread. */
#include "base/bytes.h"
#include "tensor/block.h"
#include "tensor/codec.h"
#include "tensor/fit.h"

enum { TRIALS = 15, TRIALS_FINE = 5 };

/* The importance of the next block, where there is any. */
static const float *next(const float *importance, int elements) {
    return importance ? importance + elements : NULL;
}

/* ---- scale * number - minimum ---- */

void fit_q2_k(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct range_format format = {16, 3, 15};
    struct block_q2_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct range_fit fit;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_ranges(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->minimum, fit.minimum, sizeof fit.minimum);
        memset(block->quants, 0, sizeof block->quants);
        for (int sub = 0; sub < 16; sub++) {
            uint8_t *quants = block->quants + sub / 8 * 32 + sub % 2 * 16;
            block->scales[sub] = (uint8_t)(fit.scales[sub] | fit.minima[sub] << 4);
            for (int i = 0; i < 16; i++)
                quants[i] |= (uint8_t)(fit.numbers[16 * sub + i] << (sub % 8 / 2 * 2));
        }
        importance = next(importance, BLOCK_LARGE);
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

static void pack_k_nibbles(const uint8_t numbers[BLOCK_LARGE], uint8_t quants[128]) {
    for (int i = 0; i < 128; i++) {
        const uint8_t *low = numbers + i / 32 * 64 + i % 32;
        quants[i] = (uint8_t)((low[0] & 15) | (low[32] & 15) << 4);
    }
}

void fit_q4_k(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct range_format format = {8, 15, 63};
    struct block_q4_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct range_fit fit;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_ranges(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->minimum, fit.minimum, sizeof fit.minimum);
        pack_k_scales(fit.scales, fit.minima, block->scales);
        pack_k_nibbles(fit.numbers, block->quants);
        importance = next(importance, BLOCK_LARGE);
    }
}

void fit_q5_k(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct range_format format = {8, 31, 63};
    struct block_q5_k *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct range_fit fit;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_ranges(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->minimum, fit.minimum, sizeof fit.minimum);
        pack_k_scales(fit.scales, fit.minima, block->scales);
        pack_k_nibbles(fit.numbers, block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int i = 0; i < BLOCK_LARGE; i++)
            block->high[i % 32] |= (uint8_t)((fit.numbers[i] >> 4) << (i / 32));
        importance = next(importance, BLOCK_LARGE);
    }
}

/* ---- scale * level ---- */

void fit_q3_k(const float *values, const float *importance, void *blocks, int64_t elements) {
    struct block_q3_k *block = blocks;
    const struct levels levels = levels_even(8, TRIALS);
    const struct level_format format = {&levels, 16, 32};
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct level_fit fit;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_levels(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memset(block->scales, 0, sizeof block->scales);
        memset(block->quants, 0, sizeof block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int sub = 0; sub < 16; sub++) {
            int biased = fit.scales[sub] + 32;
            block->scales[sub % 8] |= (uint8_t)((biased & 15) << (sub / 8 * 4));
            block->scales[8 + sub % 4] |= (uint8_t)((biased >> 4) << (sub / 4 * 2));
        }
        for (int i = 0; i < BLOCK_LARGE; i++) {
            block->quants[i / 128 * 32 + i % 32] |= (uint8_t)((fit.numbers[i] & 3) << (i % 128 / 32 * 2));
            block->high[i % 32] |= (uint8_t)((fit.numbers[i] >> 2) << (i / 32));
        }
        importance = next(importance, BLOCK_LARGE);
    }
}

void fit_q6_k(const float *values, const float *importance, void *blocks, int64_t elements) {
    struct block_q6_k *block = blocks;
    const struct levels levels = levels_even(64, TRIALS_FINE);
    const struct level_format format = {&levels, 16, 128};
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct level_fit fit;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_levels(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->scales, fit.scales, sizeof fit.scales);
        memset(block->quants, 0, sizeof block->quants);
        memset(block->high, 0, sizeof block->high);
        for (int i = 0; i < BLOCK_LARGE; i++) {
            int half = i / 128, quarter = i % 128 / 32;
            block->quants[half * 64 + quarter % 2 * 32 + i % 32] |=
                (uint8_t)((fit.numbers[i] & 15) << (quarter / 2 * 4));
            block->high[half * 32 + i % 32] |= (uint8_t)((fit.numbers[i] >> 4) << (quarter * 2));
        }
        importance = next(importance, BLOCK_LARGE);
    }
}

/* Numbers of 32 elements as nibbles: the first half low, the second high. */
static void pack_small_nibbles(const uint8_t numbers[32], uint8_t quants[16]) {
    for (int i = 0; i < 16; i++) quants[i] = (uint8_t)((numbers[i] & 15) | (numbers[i + 16] & 15) << 4);
}

static void pack_fifth_bits(const uint8_t numbers[32], uint8_t high[4]) {
    memset(high, 0, 4);
    for (int i = 0; i < BLOCK_SMALL; i++) high[i / 8] |= (uint8_t)((numbers[i] >> 4) << (i % 8));
}

void fit_iq4_xs(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct levels levels = levels_uneven(iq4_levels, TRIALS);
    const struct level_format format = {&levels, 8, 32};
    struct block_iq4_xs *block = blocks;
    for (; elements > 0; elements -= BLOCK_LARGE, values += BLOCK_LARGE, block++) {
        struct fit_input input;
        struct level_fit fit;
        uint16_t high = 0;
        fit_prepare(&input, values, importance, BLOCK_LARGE);
        fit_levels(&input, &format, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memset(block->scales_low, 0, sizeof block->scales_low);
        for (int sub = 0; sub < 8; sub++) {
            int biased = fit.scales[sub] + 32;
            block->scales_low[sub / 2] |= (uint8_t)((biased & 15) << (sub % 2 * 4));
            high |= (uint16_t)((biased >> 4) << (sub * 2));
            pack_small_nibbles(fit.numbers + 32 * sub, block->quants + 16 * sub);
        }
        memcpy(block->scales_high, &high, sizeof high);
        importance = next(importance, BLOCK_LARGE);
    }
}

/* ---- blocks of 32 ---- */

void fit_iq4_nl(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct levels levels = levels_uneven(iq4_levels, TRIALS);
    struct block_iq4_nl *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        struct fit_input input;
        uint8_t numbers[BLOCK_SMALL];
        fit_prepare(&input, values, importance, BLOCK_SMALL);
        fit_level(&input, &levels, block->scale, numbers);
        pack_small_nibbles(numbers, block->quants);
        importance = next(importance, BLOCK_SMALL);
    }
}

void fit_q4_0(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct levels levels = levels_even(16, TRIALS);
    struct block_q4_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        struct fit_input input;
        uint8_t numbers[BLOCK_SMALL];
        fit_prepare(&input, values, importance, BLOCK_SMALL);
        fit_level(&input, &levels, block->scale, numbers);
        pack_small_nibbles(numbers, block->quants);
        importance = next(importance, BLOCK_SMALL);
    }
}

void fit_q5_0(const float *values, const float *importance, void *blocks, int64_t elements) {
    const struct levels levels = levels_even(32, TRIALS);
    struct block_q5_0 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        struct fit_input input;
        uint8_t numbers[BLOCK_SMALL];
        fit_prepare(&input, values, importance, BLOCK_SMALL);
        fit_level(&input, &levels, block->scale, numbers);
        pack_fifth_bits(numbers, block->high);
        pack_small_nibbles(numbers, block->quants);
        importance = next(importance, BLOCK_SMALL);
    }
}

void fit_q4_1(const float *values, const float *importance, void *blocks, int64_t elements) {
    struct block_q4_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        struct fit_input input;
        struct offset_fit fit;
        fit_prepare(&input, values, importance, BLOCK_SMALL);
        fit_offset(&input, 15, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->minimum, fit.offset, sizeof fit.offset);
        pack_small_nibbles(fit.numbers, block->quants);
        importance = next(importance, BLOCK_SMALL);
    }
}

void fit_q5_1(const float *values, const float *importance, void *blocks, int64_t elements) {
    struct block_q5_1 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SMALL, values += BLOCK_SMALL, block++) {
        struct fit_input input;
        struct offset_fit fit;
        fit_prepare(&input, values, importance, BLOCK_SMALL);
        fit_offset(&input, 31, &fit);
        memcpy(block->scale, fit.scale, sizeof fit.scale);
        memcpy(block->minimum, fit.offset, sizeof fit.offset);
        pack_fifth_bits(fit.numbers, block->high);
        pack_small_nibbles(fit.numbers, block->quants);
        importance = next(importance, BLOCK_SMALL);
    }
}

/* ---- without weights: the one way that these formats are written ---- */

void encode_q2_k(const float *values, void *blocks, int64_t elements) {
    fit_q2_k(values, NULL, blocks, elements);
}
void encode_q3_k(const float *values, void *blocks, int64_t elements) {
    fit_q3_k(values, NULL, blocks, elements);
}
void encode_q4_k(const float *values, void *blocks, int64_t elements) {
    fit_q4_k(values, NULL, blocks, elements);
}
void encode_q5_k(const float *values, void *blocks, int64_t elements) {
    fit_q5_k(values, NULL, blocks, elements);
}
void encode_q6_k(const float *values, void *blocks, int64_t elements) {
    fit_q6_k(values, NULL, blocks, elements);
}
void encode_iq4_nl(const float *values, void *blocks, int64_t elements) {
    fit_iq4_nl(values, NULL, blocks, elements);
}
void encode_iq4_xs(const float *values, void *blocks, int64_t elements) {
    fit_iq4_xs(values, NULL, blocks, elements);
}
