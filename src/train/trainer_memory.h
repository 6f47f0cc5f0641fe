/* trainer_memory.h - the memory of trainer.h: what each layer keeps, and room for derivatives. Shared by the trainer's files
 * alone. One list in trainer_memory.c is both plan and allocation. */
#ifndef HADAL_TRAIN_TRAINER_MEMORY_H
#define HADAL_TRAIN_TRAINER_MEMORY_H

#include "train/trainer.h"

/* What a layer leaves for the way back. `a` is the model's activations with the kept arrays in memory of their own. */
struct layer_record {
    struct activations a;
    float *input, *middle;        /* [rows, width] residual before attention and before the feed-forward */
    float *attention_in, *ffn_in; /* [rows, width] normed */
};

struct derivatives {            /* [rows, ...] each */
    float *residual, *normed;   /* width */
    float *hidden, *mtp_hidden; /* width, behind the final norms */
    float *attended;            /* heads * value */
    float *query, *key_value;   /* as in struct activations */
    float *latent;
    float *query_latent, *query_normed;
    float *key;                      /* heads * (nope + rope): keys assembled, then */
    float *dkey;                     /* their gradients */
    float *expanded, *dexpanded;     /* heads * (nope + value): keys and values out of the latent */
    float *inner;                    /* 3 * ffn */
    float *score, *route_weight;     /* experts, used */
    float *x_gathered, *dy_gathered; /* 2 * used * width, used * width */
    float *expert_inner;             /* used * 3 * expert_ffn */
    float *place;                    /* used int32_t */
    float *balance;                  /* [sequences <= rows, experts] */
    float *factor;                   /* 1 */
    float *unsine;                   /* rope_dim / 2: the sine of the rotation back */
    float *row;                      /* width: rows of the MTP module's input */
    float *pair;                     /* 2 * width */
};

enum { HEAD_ROWS = 256 }; /* rows whose logits exist at a time */

struct trainer_memory {
    struct activations trunk, mtp; /* the model's own arrays; mtp has residual, positions and hidden apart */
    struct activations *original;
    struct layer_record *layer; /* [layers + mtp_layers]; under `recompute` they share all but `input` */
    struct derivatives d;
    float *logits, *coefficient, *loss; /* [HEAD_ROWS, vocab], [HEAD_ROWS], [HEAD_ROWS] */
    int32_t *mtp_token, *mtp_target;    /* [rows] of the module's batch */
    float *mtp_weight;                  /* [rows] */
    int32_t *hidden_row;                /* [rows] */
    struct batch_run *run, *mtp_run;    /* [rows] */
    int32_t *page;                      /* [pages] */
    struct kv_plane_view *kv;           /* [layers + mtp_layers][KV_PLANES]: all in the same memory */
    void *plane[KV_PLANES];
    struct model_step step, mtp_step;
    float *base;
    int64_t floats;
};

must_use enum status trainer_memory_open(struct trainer *trainer);
void trainer_memory_close(struct trainer *trainer);

/* ---- the way back, each in its own file ---- */

struct pass { /* what a layer's derivative is taken for */
    struct trainer *trainer;
    const struct model_step *step;
    const struct train_batch *batch; /* of the trunk */
    double balance;                  /* coefficient, as in struct loss_scale */
};

/* y = x w^T: gradients of the weight (and its bias) and, where dx is not NULL, dx += dy w. */
struct linear_rows {
    enum weight weight, bias; /* bias WEIGHT_COUNT: none */
    int layer;
    const float *x, *dy;
    float *dx;
    int64_t x_stride, dy_stride, dx_stride;
};
void linear_backward(const struct pass *pass, const struct linear_rows *rows);

/* dx += through the norm `weight` of `layer`; rows of `n` values */
struct norm_rows {
    enum weight weight;
    int layer;
    const float *x, *dy;
    float *dx;
    int64_t n, x_stride, dy_stride, dx_stride;
};
void norm_backward(const struct pass *pass, const struct norm_rows *rows);

/* derivatives.residual: gradient of what the sublayer and the path around it gave; becomes that of what went in. */
void attention_backward(const struct pass *pass, int layer);
void feed_forward_backward(const struct pass *pass, int layer);

/* Adds the balance loss of one layer to the sums; its gradient goes to derivatives.balance. */
double balance_loss(const struct pass *pass, int layer);

void clear_floats(float *floats, int64_t count);

#endif
