/* decoders.h - the decoders of a vector level: what the level's unpack.h makes of each block is stored. Included once, by
 * the level's decode.c, behind its unpack.h and PLAIN_UNIT, the elements that it takes of a plain format at a time; so
 * every function here is that file's own, compiled for its level. */
#ifndef HADAL_KERNEL_X86_DECODERS_H
#define HADAL_KERNEL_X86_DECODERS_H

INLINE void decode_blocks(unpack *unpack_block, int block_bytes, int block_elements, const void *blocks,
                          float *values, int64_t elements) {
    const uint8_t *at = blocks;
    for (; elements >= block_elements;
         elements -= block_elements, values += block_elements, at += block_bytes) {
        struct sink sink = {.values = values};
        unpack_block(at, &sink);
    }
}

/* Formats without blocks may end within a unit: the rest goes by way of a whole one. */
INLINE void decode_units(unpack *unpack_unit, int element_bytes, const void *numbers, float *values,
                         int64_t elements) {
    int64_t whole = elements / PLAIN_UNIT * PLAIN_UNIT, rest = elements - whole;
    uint8_t in[PLAIN_UNIT * 2] = {0};
    float out[PLAIN_UNIT];
    decode_blocks(unpack_unit, PLAIN_UNIT * element_bytes, PLAIN_UNIT, numbers, values, whole);
    if (rest == 0) return;
    memcpy(in, (const uint8_t *)numbers + whole * element_bytes, (size_t)(rest * element_bytes));
    decode_blocks(unpack_unit, PLAIN_UNIT * element_bytes, PLAIN_UNIT, in, out, PLAIN_UNIT);
    memcpy(values + whole, out, (size_t)rest * sizeof *values);
}

static void decode_f16(const void *numbers, float *values, int64_t elements) {
    decode_units(unpack_f16, 2, numbers, values, elements);
}

static void decode_bf16(const void *numbers, float *values, int64_t elements) {
    decode_units(unpack_bf16, 2, numbers, values, elements);
}

static void decode_e4m3(const void *numbers, float *values, int64_t elements) {
    decode_units(unpack_e4m3, 1, numbers, values, elements);
}

static void decode_f8_scaled(const void *blocks, float *values, int64_t elements) {
    const struct block_f8 *block = blocks;
    for (; elements > 0; elements -= BLOCK_SCALED, values += BLOCK_SCALED, block++) {
        float scale;
        memcpy(&scale, block->scale, sizeof scale);
        decode_units(unpack_e4m3, 1, block->numbers, values, BLOCK_SCALED);
        for (int i = 0; i < BLOCK_SCALED; i++) values[i] *= scale;
    }
}

static void decode_q8_0(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q8_0, sizeof(struct block_q8_0), BLOCK_SMALL, blocks, values, elements);
}

static void decode_q4_0(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q4_0, sizeof(struct block_q4_0), BLOCK_SMALL, blocks, values, elements);
}

static void decode_q4_1(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q4_1, sizeof(struct block_q4_1), BLOCK_SMALL, blocks, values, elements);
}

static void decode_q5_0(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q5_0, sizeof(struct block_q5_0), BLOCK_SMALL, blocks, values, elements);
}

static void decode_q5_1(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q5_1, sizeof(struct block_q5_1), BLOCK_SMALL, blocks, values, elements);
}

static void decode_iq4_nl(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_iq4_nl, sizeof(struct block_iq4_nl), BLOCK_SMALL, blocks, values, elements);
}

static void decode_mxfp4(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_mxfp4, sizeof(struct block_mxfp4), BLOCK_SMALL, blocks, values, elements);
}

static void decode_q2_k(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q2_k, sizeof(struct block_q2_k), BLOCK_LARGE, blocks, values, elements);
}

static void decode_q3_k(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q3_k, sizeof(struct block_q3_k), BLOCK_LARGE, blocks, values, elements);
}

static void decode_q4_k(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q4_k, sizeof(struct block_q4_k), BLOCK_LARGE, blocks, values, elements);
}

static void decode_q5_k(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q5_k, sizeof(struct block_q5_k), BLOCK_LARGE, blocks, values, elements);
}

static void decode_q6_k(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_q6_k, sizeof(struct block_q6_k), BLOCK_LARGE, blocks, values, elements);
}

static void decode_iq4_xs(const void *blocks, float *values, int64_t elements) {
    decode_blocks(unpack_iq4_xs, sizeof(struct block_iq4_xs), BLOCK_LARGE, blocks, values, elements);
}

static void add_decoders(struct kernels *kernels) {
    kernels->decode[DTYPE_F16] = decode_f16;
    kernels->decode[DTYPE_BF16] = decode_bf16;
    kernels->decode[DTYPE_F8_E4M3] = decode_e4m3;
    kernels->decode[DTYPE_Q8_0] = decode_q8_0;
    kernels->decode[DTYPE_Q4_0] = decode_q4_0;
    kernels->decode[DTYPE_Q4_1] = decode_q4_1;
    kernels->decode[DTYPE_Q5_0] = decode_q5_0;
    kernels->decode[DTYPE_Q5_1] = decode_q5_1;
    kernels->decode[DTYPE_IQ4_NL] = decode_iq4_nl;
    kernels->decode[DTYPE_MXFP4] = decode_mxfp4;
    kernels->decode[DTYPE_F8_SCALED] = decode_f8_scaled;
    kernels->decode[DTYPE_Q2_K] = decode_q2_k;
    kernels->decode[DTYPE_Q3_K] = decode_q3_k;
    kernels->decode[DTYPE_Q4_K] = decode_q4_k;
    kernels->decode[DTYPE_Q5_K] = decode_q5_k;
    kernels->decode[DTYPE_Q6_K] = decode_q6_k;
    kernels->decode[DTYPE_IQ4_XS] = decode_iq4_xs;
}

#endif
