/* panel_layout.h - where things lie in a unit, for the files that write and read panels. Offsets in bytes; every part
 * starts at a multiple of 32, units at one of 64. */
#ifndef HADAL_KERNEL_PANEL_LAYOUT_H
#define HADAL_KERNEL_PANEL_LAYOUT_H

enum {
    /* PANEL_I8: unit of 64 inputs: int8 [16 groups][16][4], f16 scale [2][16] */
    I8_UNIT = 64,
    I8_SCALE = 1024,
    I8_BYTES = 1088,
    /* PANEL_I4: unit of 64: bytes [8 groups][16][4], low nibbles block 0 and high nibbles block 1; f16 scale [2][16] */
    I4_UNIT = 64,
    I4_SCALE = 512,
    I4_BYTES = 576,
    /* K formats: unit of 256: four quarters of 64 inputs as in PANEL_I4, then the higher bits, then the scales */
    K_UNIT = 256,
    K_QUARTER = 512,
    /* PANEL_Q4_K: u8 scale [8][16], u8 minimum [8][16], f16 factor of scales [16], of minima [16] */
    Q4_K_SCALE = 2048,
    Q4_K_MINIMUM = 2176,
    Q4_K_FACTOR = 2304,
    Q4_K_BYTES = 2368,
    /* PANEL_Q5_K: bit 4 as [8 blocks][16][4] bytes with a bit for each of eight groups, then as PANEL_Q4_K */
    Q5_K_HIGH = 2048,
    Q5_K_SCALE = 2560,
    Q5_K_MINIMUM = 2688,
    Q5_K_FACTOR = 2816,
    Q5_K_BYTES = 2880,
    /* PANEL_Q6_K: bits 4 and 5 as [16 half blocks][16][4] bytes with two bits for each of four groups; int8 scale
     * [16][16]; f16 factor [16] */
    Q6_K_HIGH = 2048,
    Q6_K_SCALE = 3072,
    Q6_K_FACTOR = 3328,
    Q6_K_BYTES = 3392,
    /* PANEL_IQ4_NL: as PANEL_I4, unit of 64. PANEL_IQ4_XS: four quarters, int8 scale [8][16], f16 factor [16] */
    IQ4_XS_SCALE = 2048,
    IQ4_XS_FACTOR = 2176,
    IQ4_XS_BYTES = 2240,
    /* PANEL_I5: as PANEL_I4, then bit 4 as [2 blocks][16][4] bytes with a bit for each of eight groups; f16 scale [2][16] */
    I5_HIGH = 512,
    I5_SCALE = 640,
    I5_BYTES = 704,
    /* PANEL_MXFP4: unit of 128: two quarters of 64, u8 exponent [4][16] */
    MXFP4_UNIT = 128,
    MXFP4_EXPONENT = 1024,
    MXFP4_BYTES = 1088,
    /* PANEL_Q2_K: [16 half blocks][16][4] bytes with two bits for each of four groups; for each block [16][2 halves]
     * bytes, the scale in the low nibble and the minimum in the high one; f16 factor of scales [16], of minima [16] */
    Q2_K_SCALE = 1024,
    Q2_K_FACTOR = 1280,
    Q2_K_BYTES = 1344,
    /* PANEL_Q3_K: two bits as there; bit 2 as [8 blocks][16][4] bytes with a bit for each of eight groups; int8 scale
     * [8 blocks][16][2 halves]; f16 factor [16] */
    Q3_K_HIGH = 1024,
    Q3_K_SCALE = 1536,
    Q3_K_FACTOR = 1792,
    Q3_K_BYTES = 1856
};

#endif
