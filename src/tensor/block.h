/* block.h - the byte layouts of the block formats and the constant tables they index.
 *
 * Every member is a byte array, so a block may lie at any address; multi-byte fields are
 * little-endian. Data only: files compiled for wide registers include this. */
#ifndef HADAL_TENSOR_BLOCK_H
#define HADAL_TENSOR_BLOCK_H

#include <stdint.h>

enum { BLOCK_SMALL = 32, BLOCK_SCALED = 128, BLOCK_LARGE = 256 }; /* elements that share one block */

/* 32 elements. Element i < 16 is the low nibble of quants[i], element i + 16 the high one. */
struct block_q8_0 {
    uint8_t scale[2]; /* f16, as every scale and minimum of two bytes */
    int8_t quants[32];
};
struct block_q4_0 {
    uint8_t scale[2];
    uint8_t quants[16]; /* biased by 8 */
};
struct block_q4_1 {
    uint8_t scale[2], minimum[2];
    uint8_t quants[16];
};
struct block_q5_0 {
    uint8_t scale[2];
    uint8_t high[4];
    uint8_t quants[16]; /* biased by 16 */
};
struct block_q5_1 {
    uint8_t scale[2], minimum[2];
    uint8_t high[4];
    uint8_t quants[16];
};
struct block_iq4_nl {
    uint8_t scale[2];
    uint8_t quants[16];
};
struct block_mxfp4 {
    uint8_t exponent;
    uint8_t quants[16];
};

/* 128 elements of e4m3. */
struct block_f8 {
    uint8_t scale[4]; /* f32 */
    uint8_t numbers[128];
};

/* 256 elements with small scales relative to one f16 scale (and one f16 minimum). */
struct block_q2_k {
    uint8_t scales[16];
    uint8_t quants[64];
    uint8_t scale[2], minimum[2];
};
struct block_q3_k {
    uint8_t high[32];
    uint8_t quants[64];
    uint8_t scales[12];
    uint8_t scale[2];
};
struct block_q4_k {
    uint8_t scale[2], minimum[2];
    uint8_t scales[12];
    uint8_t quants[128];
};
struct block_q5_k {
    uint8_t scale[2], minimum[2];
    uint8_t scales[12];
    uint8_t high[32];
    uint8_t quants[128];
};
struct block_q6_k {
    uint8_t quants[128];
    uint8_t high[64];
    int8_t scales[16];
    uint8_t scale[2];
};

/* 256 elements through a level table or a codebook of small vectors. */
struct block_iq4_xs {
    uint8_t scale[2];
    uint8_t scales_high[2], scales_low[4];
    uint8_t quants[128];
};
struct block_iq2_xxs {
    uint8_t scale[2];
    uint8_t groups[8][8];
}; /* 4 index bytes, then 4 x 7 sign bits and 4 scale bits */
struct block_iq2_xs {
    uint8_t scale[2];
    uint8_t quants[32][2];
    uint8_t scales[8];
}; /* 9 index bits, 7 sign bits */
struct block_iq2_s {
    uint8_t scale[2];
    uint8_t quants[32], signs[32];
    uint8_t high[8];
    uint8_t scales[8];
};
struct block_iq3_xxs {
    uint8_t scale[2];
    uint8_t quants[64];
    uint8_t groups[8][4];
}; /* 4 x 7 sign bits, 4 scale bits */
struct block_iq3_s {
    uint8_t scale[2];
    uint8_t quants[64];
    uint8_t high[8];
    uint8_t signs[32];
    uint8_t scales[4];
};
struct block_iq1_s {
    uint8_t scale[2];
    uint8_t quants[32];
    uint8_t groups[8][2];
};
struct block_iq1_m {
    uint8_t quants[32];
    uint8_t high[16];
    uint8_t scales[4][2];
};

/* Codebooks (grids.c). Of the eight-element ones element i is bits 2i..2i+1, of the four-element
 * ones bits 3i..3i+2; the numbers select from the level tables below. */
extern const uint16_t iq2_xxs_grid[256], iq2_xs_grid[512], iq2_s_grid[1024]; /* iq2_levels */
extern const uint16_t iq3_xxs_grid[256];                                     /* iq3_xxs_levels */
extern const uint16_t iq3_s_grid[512];                                       /* 2 * number + 1 */
extern const uint16_t iq1_grid[2048];                                        /* number - 1 */
extern const int8_t iq2_levels[4], iq3_xxs_levels[8];
extern const int8_t iq4_levels[16];   /* IQ4_NL and IQ4_XS */
extern const int8_t mxfp4_levels[16]; /* twice the value of an E2M1 number */
/* Signs of eight elements from seven bits: the eighth makes the number of minus signs even. */
extern const uint8_t even_signs[128];

#endif
