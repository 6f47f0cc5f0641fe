/* dot_blocks.c - activations against weights that stay in their blocks: each vector that
 * unpack.h makes is used at once, so a weight is read once and written nowhere. The elements meet the same
 * eight lanes in the same order as in dot.c, so the bits are those of decoding first.
 *
 * Four outputs take turns block by block: their sums are independent, which hides the latency of each. */
#include "kernel/level.h"
#include "kernel/x86/avx2/unpack.h"

enum { OUTS = 4 };

/* `outs` outputs whose rows lie w_bytes apart, over whole blocks; sums[outs] go on from what they were. */
INLINE void add_blocks(unpack *unpack_block, int block_bytes, int block_elements, const float *x,
                       int64_t x_stride, const uint8_t *blocks, int64_t w_bytes, int outs, int64_t in,
                       __m256 *sums) {
    for (int64_t k = 0; k < in; k += block_elements, blocks += block_bytes) {
#pragma GCC unroll 4
        for (int o = 0; o < outs; o++) {
            struct sink sink = {.multiply = true, .x = x + o * x_stride + k, .sum = sums[o]};
            unpack_block(blocks + o * w_bytes, &sink);
            sums[o] = sink.sum;
        }
    }
}

/* `outs` is a constant where this is expanded. */
INLINE void dot_group(unpack *unpack_block, int block_bytes, int block_elements, const float *x,
                      int64_t x_stride, const uint8_t *blocks, int64_t w_bytes, int outs, int64_t in,
                      float *y) {
    __m256 sums[OUTS];
#pragma GCC unroll 4
    for (int o = 0; o < outs; o++) sums[o] = _mm256_setzero_ps();
    add_blocks(unpack_block, block_bytes, block_elements, x, x_stride, blocks, w_bytes, outs, in, sums);
#pragma GCC unroll 4
    for (int o = 0; o < outs; o++) y[o] = sum_lanes(sums[o]);
}

INLINE void dot_all(unpack *unpack_block, int block_bytes, int block_elements, const float *x,
                    int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs, int64_t in, float *y) {
    const uint8_t *at = w;
    int64_t o = 0;
    for (; o + OUTS <= outs; o += OUTS, at += OUTS * w_bytes)
        dot_group(unpack_block, block_bytes, block_elements, x + o * x_stride, x_stride, at, w_bytes, OUTS,
                  in, y + o);
    for (; o < outs; o++, at += w_bytes)
        dot_group(unpack_block, block_bytes, block_elements, x + o * x_stride, x_stride, at, w_bytes, 1, in,
                  y + o);
}

static void dot_q8_0(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q8_0, sizeof(struct block_q8_0), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q4_0(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q4_0, sizeof(struct block_q4_0), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q4_1(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q4_1, sizeof(struct block_q4_1), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q5_0(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q5_0, sizeof(struct block_q5_0), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q5_1(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q5_1, sizeof(struct block_q5_1), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_iq4_nl(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                       int64_t in, float *y) {
    dot_all(unpack_iq4_nl, sizeof(struct block_iq4_nl), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_mxfp4(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                      int64_t in, float *y) {
    dot_all(unpack_mxfp4, sizeof(struct block_mxfp4), BLOCK_SMALL, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q2_k(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q2_k, sizeof(struct block_q2_k), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q3_k(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q3_k, sizeof(struct block_q3_k), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q4_k(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q4_k, sizeof(struct block_q4_k), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q5_k(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q5_k, sizeof(struct block_q5_k), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_q6_k(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                     int64_t in, float *y) {
    dot_all(unpack_q6_k, sizeof(struct block_q6_k), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

static void dot_iq4_xs(const float *x, int64_t x_stride, const void *w, int64_t w_bytes, int64_t outs,
                       int64_t in, float *y) {
    dot_all(unpack_iq4_xs, sizeof(struct block_iq4_xs), BLOCK_LARGE, x, x_stride, w, w_bytes, outs, in, y);
}

void avx2_add_dot_blocks(struct kernels *kernels) {
    kernels->dot_blocks[DTYPE_Q8_0] = dot_q8_0;
    kernels->dot_blocks[DTYPE_Q4_0] = dot_q4_0;
    kernels->dot_blocks[DTYPE_Q4_1] = dot_q4_1;
    kernels->dot_blocks[DTYPE_Q5_0] = dot_q5_0;
    kernels->dot_blocks[DTYPE_Q5_1] = dot_q5_1;
    kernels->dot_blocks[DTYPE_IQ4_NL] = dot_iq4_nl;
    kernels->dot_blocks[DTYPE_MXFP4] = dot_mxfp4;
    kernels->dot_blocks[DTYPE_Q2_K] = dot_q2_k;
    kernels->dot_blocks[DTYPE_Q3_K] = dot_q3_k;
    kernels->dot_blocks[DTYPE_Q4_K] = dot_q4_k;
    kernels->dot_blocks[DTYPE_Q5_K] = dot_q5_k;
    kernels->dot_blocks[DTYPE_Q6_K] = dot_q6_k;
    kernels->dot_blocks[DTYPE_IQ4_XS] = dot_iq4_xs;
}
