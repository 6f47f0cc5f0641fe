/* backward.h - the derivatives of the fused operations and what an optimizer needs: the part of a backend that trains.
 *
 * Gradients are added to what is there. Like the forward operations these are deterministic: each sum has one order,
 * which shapes, batch and level decide, never the number of threads. */
#ifndef HADAL_BACKEND_BACKWARD_H
#define HADAL_BACKEND_BACKWARD_H

#include "backend/backend.h"

/* The largest operations; scratch is taken once for them. */
struct backward_shape {
    int64_t run_rows; /* of the longest run */
    int64_t widest;   /* input width of any matrix */
    int head_dim;     /* of keys or values, the larger */
    int64_t fp8; /* values of the largest input or output of a matrix that is rounded to FP8; 0: none is */
};

struct linear_backward_op { /* of y = x w^T + bias; dx, dw and dbias may each be NULL */
    const struct tensor *w; /* [out, in] */
    const float *x, *dy;    /* [rows, in], [rows, out] */
    float *dx;              /* [rows, in] += dy w */
    float *dw;              /* [out, in] += dy^T x */
    float *dbias;           /* [out] += sum over the rows of dy */
    int64_t rows, x_stride, dy_stride, dx_stride;
};

struct norm_backward_op { /* of y = rms_norm(x) * weight */
    const float *x, *weight, *dy;
    float *dx;      /* += */
    float *dweight; /* [n] +=, or NULL */
    float *factor;  /* [rows] scratch */
    int64_t rows, n, x_stride, dy_stride, dx_stride;
    float epsilon;
};

/* Causal attention within each run, which holds all positions from 0 on; row r, head h of an array lies at
 * r * row_stride + h * head_stride. A gradient has the strides of what it belongs to. */
struct attention_backward_op {
    struct attention_rows {
        const float *value;
        float *gradient;
        int64_t row_stride, head_stride;
    } q, k, v;       /* heads, kv_heads and kv_heads of them */
    const float *dy; /* [rows, heads * value_dim] */
    int heads, kv_heads, key_dim, value_dim;
    float scale;
    const struct batch_run *run;
    int runs;
};

struct swiglu_backward_op {      /* of y = silu(gate) * up, rows of n values */
    const float *gate, *up, *dy; /* gradients go to dgate and dup; these are not added to */
    float *dgate, *dup;
    int64_t rows, n, gate_stride, up_stride, dy_stride, d_stride;
};

struct experts_backward_op {                                    /* of experts_op, with what it left behind */
    const struct tensor *const *gate, *const *up, *const *down; /* [experts] each */
    float *const *dgate, *const *dup, *const *ddown;            /* [experts] each; entries NULL: not needed */
    int experts, used;
    const int32_t *order;   /* as experts_op wrote it */
    const float *weight;    /* [rows, used] */
    const float *x, *dy;    /* [rows, width] */
    const float *gate_kept; /* [rows * used, ffn] */
    const float *inner;     /* [rows * used, 2 * ffn]: product left, up right */
    float *dx;              /* [rows, width] += */
    float *dweight;         /* [rows, used], not added to */
    float *x_gathered;      /* [2 * rows * used, width] scratch, as are the next three */
    float *dy_gathered;     /* [rows * used, width] */
    float *dinner;          /* [rows * used, 3 * ffn] */
    int32_t *place;         /* [rows * used] */
    int64_t rows;
};

struct route_backward_op { /* of route_op; the selection is constant */
    const float *score;    /* [rows, experts] affinities */
    const int32_t *expert; /* [rows, used] */
    const float *dweight;  /* [rows, used] */
    const float
        *balance; /* [sequences, experts]: gradient of the normalised affinities of its rows, or NULL */
    int64_t sequence_rows; /* rows [i * sequence_rows, ...) are sequence i */
    float *dlogit;         /* [rows, experts], not added to */
    enum route_rule rule;
    int experts, used;
    bool normalise;
    float scale;
    int64_t rows;
};

struct embed_backward_op { /* dtable [vocab, width] row of each token += dy */
    const int32_t *token;
    const float *dy; /* [rows, width] */
    float *dtable;
    int64_t rows, width;
};

struct cross_entropy_op {     /* loss of each row's target and its derivative in place of the logits */
    float *logits;            /* [rows, vocab] -> coefficient * (softmax - one at the target) */
    const int32_t *target;    /* [rows]; any where the coefficient is 0 */
    const float *coefficient; /* [rows]; a row with 0 gets zeros and loss 0 */
    float *loss;              /* [rows] -log softmax[target], not multiplied by the coefficient */
    int64_t rows, vocab;
};

/* ---- optimizer ---- */

/* AdamW (arXiv 1711.05101): moments from gradient * gradient_scale, then value -= step * m / (sqrt(v) * root + epsilon)
 * + decay * value, with the corrections of bias inside step and root. */
struct adam_op {
    float *value, *first, *second;
    const float *gradient;
    int64_t n;
    float gradient_scale, beta1, beta2, step, root, epsilon, decay;
};

/* Muon: momentum = mu momentum + g with g = gradient * gradient_scale; value -= decay * value + size * direction, where the
 * direction is g + mu momentum made orthonormal and size = rate * 0.2 sqrt(longer side). */
struct muon_op {
    const struct muon_matrix {
        float *value, *momentum; /* [rows, columns] */
        const float *gradient;
        int64_t rows, columns;
    } * matrix;
    int64_t count;
    float gradient_scale, momentum, decay;
    double rate;
};

struct backward_ops {
    must_use enum status (*reserve)(struct backend *backend, const struct backward_shape *shape);
    void (*linear)(struct backend *backend, const struct linear_backward_op *op);
    void (*norm)(struct backend *backend, const struct norm_backward_op *op);
    void (*attention)(struct backend *backend, const struct attention_backward_op *op);
    void (*swiglu)(struct backend *backend, const struct swiglu_backward_op *op);
    void (*experts)(struct backend *backend, const struct experts_backward_op *op);
    void (*route)(struct backend *backend, const struct route_backward_op *op);
    void (*embed)(struct backend *backend, const struct embed_backward_op *op);
    void (*cross_entropy)(struct backend *backend, const struct cross_entropy_op *op);
    void (*adam)(struct backend *backend, const struct adam_op *op);
    /* Room for matrices up to so many elements in this shape; once before the first muon(). */
    must_use enum status (*reserve_muon)(struct backend *backend, int64_t rows, int64_t columns);
    void (*muon)(struct backend *backend, const struct muon_op *op);
    double (*squares)(struct backend *backend, const float *x, int64_t n); /* sum of x^2 */
};

#endif
