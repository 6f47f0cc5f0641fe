/* kernel.h - the contract of the CPU leaf arithmetic.
 *
 * A level (scalar, avx2, avx512, amx) is a table of functions; the scalar one in ref/ is the truth that
 * `hadal check` and the tests hold the others to, over whatever the tables hold. A kernel gets plain
 * pointers and a row range, never a thread pool.
 *
 * Determinism: at one level the bits of an output row depend on that row's inputs alone, never on how
 * many rows or columns the call covers, and never on pointer alignment. Decoders give the same bits at
 * every level; sums differ between levels within the bounds of docs/NUMERICS.md. No kernel allocates. */
#ifndef HADAL_KERNEL_KERNEL_H
#define HADAL_KERNEL_KERNEL_H

#include "kernel/panel.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum cpu_level { CPU_SCALAR, CPU_AVX2, CPU_AVX512, CPU_AMX, CPU_LEVEL_COUNT };

/* Weighted sums of rows: y[r][i] += sum_k p[r][k] * v[k][i]. Strides in floats. */
struct mix {
    const float *p; /* [rows, keys] */
    const float *v; /* [keys, n] */
    float *y;       /* [rows, n] */
    int64_t p_stride, v_stride, y_stride, rows, keys, n;
};

/* Scores of rows against up to 64 keys become weights relative to the running maximum: with z = score * scale and
 * m' = max(m, z), weights are exp(z - m'), 0 for keys that the row does not see; shrink = exp(m - m'), which what was
 * gathered so far has to be multiplied by; sum = sum * shrink + the sum of the weights; m = m'. */
enum { FOLD_KEYS = 64 };
struct softmax_fold {
    float *score;                  /* [rows, 64], in and out */
    float *maximum, *sum, *shrink; /* [rows] */
    int64_t rows, keys, keys_step; /* row r sees min(64, keys + r * keys_step) of the keys, at least 1 */
    float scale;
};

enum {
    DOT_CHUNK = 512, /* a multiple of every block length */
    DOT_ROWS_MOST =
        8, /* what dot_rows is meant for where it is not for any number: decoding to memory is cheaper then */
    DOT_SCALE_GRAIN = 128
};

/* y[r][o] = sum_i x[r][i] * w[o][i] * scale[i / scale_inputs]. */
struct dot_rows {
    const float *x;     /* [rows, in] */
    const void *w;      /* [outs, in] of the format, any alignment */
    const float *scale; /* of these outputs; NULL: there is none */
    float *y;           /* [rows, outs] */
    int64_t x_stride, w_bytes, y_stride, rows, outs, in;
    int64_t scale_inputs; /* with scales: a multiple of DOT_SCALE_GRAIN, or all */
};

/* Sums of outer products: y[r][i] += sum_k a(r, k) * b[k][i], with a(r, k) at a + r * a_row + k * a_key, of which one
 * stride is 1. Strides in floats. */
struct outer {
    const float *a, *b;
    float *y;
    int64_t rows, keys, n, a_row, a_key, b_stride, y_stride;
};
enum { OUTER_SCRATCH_FLOATS = 144 * 1024 }; /* what the kernel wants of its caller */

struct kernels {
    enum cpu_level level;

    /* values[elements] from whole blocks of the format; bit-identical at every level. */
    void (*decode[DTYPE_COUNT])(const void *blocks, float *values, int64_t elements);

    /* y[o] = sum_i x[o * x_stride + i] * w[o][i] for o < outs, with blocks that are not decoded to memory, w_bytes apart,
     * `in` in whole blocks: the bits of decode followed by dot_tile. x_stride 0: one row meets many; another: pieces of
     * one row meet pieces of one row. NULL: the level has no such kernel for the format. */
    void (*dot_blocks[DTYPE_COUNT])(const float *x, int64_t x_stride, const void *w, int64_t w_bytes,
                                    int64_t outs, int64_t in, float *y);

    /* Rows meet weights of a plain format that stay where they lie: read once, in their order, and widened in registers.
     * Of each DOT_CHUNK inputs the bits of decode, scale and dot_tile; these sums are added in order. NULL: as above. */
    void (*dot_rows[DTYPE_COUNT])(const struct dot_rows *op);
    /* It serves any number of rows and its bits are its own, so that every product with such a matrix goes there. */
    bool dot_rows_any[DTYPE_COUNT];

    /* y[r*y_stride + o] = sum_i x[r*x_stride + i] * w[o*w_stride + i], for r < rows, o < outs, i < in.
     * Strides in floats. Each sum has one order, fixed by `in` alone. Any in >= 0, no alignment needed. */
    void (*dot_tile)(const float *x, int64_t x_stride, int64_t rows, const float *w, int64_t w_stride,
                     int64_t outs, int64_t in, float *y, int64_t y_stride);

    /* y[n] += a * x[n], one rounding order per element: fused multiply-add at vector levels. */
    void (*axpy)(float a, const float *x, float *y, int64_t n);

    /* Keys in ascending order; at vector levels one fused multiply-add for each. */
    void (*mix)(const struct mix *op);

    /* For derivatives: factors may be rounded to bf16, sums are floats. NULL: the level has no such kernel, and
     * mix() does it without rounding. */
    void (*outer)(const struct outer *op, float *scratch);

    /* y[n] = x[n] * weight[n] / sqrt(mean(x^2) + epsilon). y may be x. */
    void (*rms_norm)(const float *x, const float *weight, float *y, int64_t n, float epsilon);

    /* y[n] = silu(gate[n]) * up[n], silu(g) = g / (1 + exp(-g)). y may be gate or up. */
    void (*silu_multiply)(const float *gate, const float *up, float *y, int64_t n);

    /* x[n] <- exp(x[n] - maximum); returns their sum in one fixed order. maximum >= every x. */
    float (*exp_sum)(float *x, int64_t n, float maximum);

    /* The same bits as scale, maximum and exp_sum one after the other. */
    void (*softmax_fold)(const struct softmax_fold *op);

    /* y[c * y_stride + r] = x[r * x_stride + c] */
    void (*transpose)(const float *x, int64_t x_stride, int64_t rows, int64_t columns, float *y,
                      int64_t y_stride);

    /* y[n] += x[n] and y[n] *= a */
    void (*add)(const float *x, float *y, int64_t n);
    void (*scale)(float a, float *y, int64_t n);

    /* The largest of x[n], n >= 1; NaN entries are ignored. */
    float (*maximum)(const float *x, int64_t n);

    /* Integer products over rearranged weights and the rounding of activations for them, panel.h; the same bits at every
     * level. */
    panel_multiply *panel_multiply[PANEL_COUNT];
    panel_round *panel_round;
    panel_from_columns *panel_from_columns;
    bool integer_products; /* the level has its own: they are faster than decoding to floats */
};

/* The highest level that this processor and operating system have. Where the processor has matrix tiles this asks the
 * system for them, on behalf of the process and all its threads; without its permission the level is avx512. */
enum cpu_level cpu_level_available(void);
const char *cpu_level_name(enum cpu_level level); /* "avx512" */
/* "auto" is the highest. False for a name that is none. */
bool cpu_level_from_name(const char *name, enum cpu_level *level);

/* Levels up to min(cap, available) laid over each other. By value: there is no global table. */
struct kernels kernels_for(enum cpu_level cap);
/* The table of a level that this processor may lack: for tests that carry out its instructions in software. */
struct kernels kernels_of(enum cpu_level level);

/* ---- built from the table, level-independent source ---- */

/* y[rows, out_end-out_begin] (at y + r*y_stride + o, o counted from out_begin's own index) = x * w^T + bias.
 * w [out, in] of any weight format, decoded row by row into scratch. */
struct gemm {
    const struct tensor *w; /* rank 2 [out, in] */
    const float *bias;      /* [out] or NULL */
    const float *x;         /* [rows, in], row stride x_stride floats */
    float *y;               /* [rows, out], row stride y_stride floats; column o of the full output */
    int64_t x_stride, y_stride, rows;
    const struct rounded_rows *rounded; /* x rounded, for weights that have panels; NULL: not needed */
};
/* Computes columns [out_begin, out_end) of every row; with panels both are multiples of PANEL_OUTS, or out_end is the
 * last. scratch: GEMM_SCRATCH_ROWS * in floats. */
enum { GEMM_SCRATCH_ROWS = 8 };
void gemm_columns(const struct kernels *kernels, const struct gemm *gemm, int64_t out_begin, int64_t out_end,
                  float *scratch);
/* Row `row` of w as floats through the level's decoder. */
void kernels_decode_row(const struct kernels *kernels, const struct tensor *w, int64_t row, float *values);
/* Rows [first, first + rows), one behind the other. */
void kernels_decode_rows(const struct kernels *kernels, const struct tensor *w, int64_t first, int64_t rows,
                         float *values);

#endif
