/* backend.h - the fused layer operations that a model is made of, as one table per device.
 *
 * Each operation takes one descriptor. All activations are f32 in memory that the backend gave out;
 * [rows, n] means row-major with row stride n. Operations run in call order. The contract of batch
 * invariance: a row of any result depends, bit for bit, on that row's inputs and its own sequence's
 * cache alone; never on other rows, the size of the batch, or the number of threads. */
#ifndef HADAL_BACKEND_BACKEND_H
#define HADAL_BACKEND_BACKEND_H

#include "base/status.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stdint.h>

enum { KV_PAGE_TOKENS = 64 };

/* One plane of one layer's cache: pages of 64 tokens, each token `heads` entries of `width` values, each entry padded to
 * whole blocks of the format. Pages of one plane are contiguous, and so are the entries of a head within a page. */
struct kv_plane_view {
    uint8_t *data;
    enum dtype dtype;
    int heads, width;
    int64_t entry_bytes;
};
static inline uint8_t *kv_entry(const struct kv_plane_view *plane, int32_t page, int slot, int head) {
    return plane->data + (((int64_t)page * plane->heads + head) * KV_PAGE_TOKENS + slot) * plane->entry_bytes;
}

/* Consecutive rows of the batch that belong to one sequence: tokens at positions [position, position + rows). */
struct batch_run {
    int row_begin, rows;
    int position;
    const int32_t *page; /* page numbers of the sequence, page[p / 64] holds position p */
    bool absorbed;       /* the arithmetic form of attention: generated rows true, prompt rows false */
};

struct embed_op { /* y [rows, width] = table row of each token */
    const struct tensor *table;
    const int32_t *token;
    float *y;
    int64_t rows;
};

struct
    norm_op { /* y = rms_norm(x) * weight, over groups of n values whose starts are x_stride / y_stride apart */
    const float *x, *weight;
    float *y;
    int64_t rows, n, x_stride, y_stride;
    float epsilon;
};

enum { PROJECT_MAX = 4 };
struct project_op { /* y_i [rows, out_i] = x [rows, in] * w_i^T + bias_i */
    const float *x;
    int64_t rows, x_stride;
    int count;
    struct project_target {
        const struct tensor *w;
        const float *bias; /* or NULL */
        float *y;
        int64_t y_stride;
    } target[PROJECT_MAX];
};

struct rope_op { /* rotates the first or last `dim` values of each head in place */
    float *x;    /* row r, head h at x + r * row_stride + h * head_stride */
    int64_t rows, row_stride, head_stride;
    int heads, dim;
    const float *cosine, *sine; /* [rows, dim / 2] */
    bool interleaved;
};

struct kv_store_op { /* rounds x [rows, heads * width] into the cache at each row's position */
    struct kv_plane_view plane;
    const float *x;
    int64_t x_stride;
    const struct batch_run *run;
    int runs;
};

struct latent_attention_op { /* MLA, arXiv 2405.04434 section 2.1; absorbed or decompressed by run */
    struct kv_plane_view latent, rope_key; /* widths kv_rank and rope_dim, one head each */
    const struct tensor *kv_b;      /* [heads * (nope + value), kv_rank], or NULL and then the split pair: */
    const struct tensor *k_b, *v_b; /* [heads, kv_rank, nope], [heads, value, kv_rank] */
    const float *q;                 /* [rows, heads * (nope + rope)], rotated */
    float *y;                       /* [rows, heads * value] */
    int heads, nope_dim, rope_dim, value_dim, kv_rank;
    float scale;
    bool integers;       /* prompt rows: products in integers where the backend has them, */
    bool integer_scores; /* and scores of the unrotated dimensions, too */
    const struct batch_run *run;
    int runs;
};

struct grouped_attention_op {        /* each of kv_heads keys serves heads / kv_heads queries */
    struct kv_plane_view key, value; /* kv_heads entries of head_dim */
    const float *q;                  /* [rows, heads * head_dim], rotated */
    float *y;                        /* [rows, heads * head_dim] */
    int heads, kv_heads, head_dim;
    float scale;
    const struct batch_run *run;
    int runs;
};

enum route_rule { ROUTE_RULE_SOFTMAX, ROUTE_RULE_SOFTMAX_GROUPS, ROUTE_RULE_SIGMOID_GROUPS };
struct route_op {           /* which experts each row takes, and with what weights */
    const float *x;         /* [rows, width] */
    const struct tensor *w; /* [experts, width] */
    const float *bias;      /* [experts] for selection only, or NULL */
    const int32_t *fixed;   /* [rows, used] the selection, ascending in each row; NULL: the rule selects */
    enum route_rule rule;
    int experts, used, groups, groups_used;
    bool normalise;
    float scale;
    int64_t rows;
    float *score;    /* [rows, experts] scratch */
    int32_t *expert; /* [rows, used], ascending expert number within a row */
    float *weight;   /* [rows, used] */
};

struct ffn_op { /* y [rows, width] += down(silu(gate x) * up x) */
    const struct tensor *gate, *up, *down;
    const float *x;
    float *y;
    float *inner;  /* [rows, 2 * ffn] scratch */
    float *output; /* [rows, width] scratch */
    float *
        gate_kept; /* [rows, ffn]: gate x for the backward pass; `inner` then holds the product left, up x right. Or NULL */
    int64_t rows;
};

struct
    experts_op { /* y [rows, width] += sum over the row's experts, in ascending number, of weight * ffn_e(x) */
    const struct tensor *const *gate, *const *up, *const *down; /* [experts] each */
    int experts, used;
    const int32_t *expert; /* [rows, used] */
    const float *weight;   /* [rows, used] */
    const float *x;
    float *y;
    float *gathered; /* [rows * used, width] scratch */
    float *inner;    /* [rows * used, 2 * ffn] scratch */
    int32_t
        *order; /* [experts + 1 + rows * used]: where each expert's places begin, then what sits at a place */
    float *gate_kept; /* [rows * used, ffn], as in ffn_op, or NULL */
    int64_t rows;
};

/* The largest sizes that any operation will see; scratch is taken once for them. */
struct backend_shape {
    int64_t rows;          /* of one step */
    int64_t places;        /* rows times experts of a row */
    int64_t widest;        /* largest input width of any matrix */
    int64_t widest_expert; /* of an expert's matrix */
    int heads, nope_dim, rope_dim, value_dim, kv_rank, kv_heads, head_dim;
};

struct backend_options {
    int threads;       /* 0: all processors */
    int cpu_level_cap; /* enum cpu_level */
    const char *numa;  /* as nodes_plan_for() takes it */
};

struct backend;
struct node_plan; /* base/nodes.h */
struct backward_ops;
struct backend_ops {
    const char *name;
    void (*close)(struct backend *backend);
    must_use enum status (*reserve)(struct backend *backend, const struct backend_shape *shape);
    void *(*allocate)(struct backend *backend, int64_t bytes); /* zeroed device memory or NULL */
    void (*release)(struct backend *backend, void *memory);
    /* Writes w rearranged into `panels`, panels_bytes() of 64-byte aligned memory. */
    void (*pack)(struct backend *backend, const struct tensor *w, int panel_format, void *panels);
    /* The same bytes elsewhere, by all workers. */
    void (*copy)(struct backend *backend, const void *from, void *to, int64_t bytes);
    void (*embed)(struct backend *backend, const struct embed_op *op);
    void (*norm)(struct backend *backend, const struct norm_op *op);
    void (*project)(struct backend *backend, const struct project_op *op);
    void (*rope)(struct backend *backend, const struct rope_op *op);
    void (*kv_store)(struct backend *backend, const struct kv_store_op *op);
    void (*attend_latent)(struct backend *backend, const struct latent_attention_op *op);
    void (*attend_grouped)(struct backend *backend, const struct grouped_attention_op *op);
    void (*route)(struct backend *backend, const struct route_op *op);
    void (*ffn)(struct backend *backend, const struct ffn_op *op);
    void (*experts)(struct backend *backend, const struct experts_op *op);
    void (*add)(struct backend *backend, const float *x, float *y, int64_t n); /* y += x */
    const struct backward_ops *backward; /* backward.h; NULL: inference only */
};

struct backend {
    const struct backend_ops *ops;
    bool integer_products;         /* matrices of block formats are faster rearranged: see pack */
    const struct node_plan *nodes; /* workers of several memory nodes, or NULL: weights may lie anywhere */
};

/* One thread at a time may use a backend. The scratch that reserve() takes is `scratch_bytes` in all. */
must_use enum status backend_open_cpu(struct backend **backend, const struct backend_options *options);
const char *backend_description(const struct backend *backend); /* "cpu avx512, 2 threads" */
/* Bytes that reserve() takes for a shape, for the memory plan. */
int64_t backend_cpu_scratch_bytes(const struct backend_shape *shape, int threads);

#endif
