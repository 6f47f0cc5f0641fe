/* activations.h - the working memory of one step, planned from the description and taken once at open. */
#ifndef HADAL_MODEL_ACTIVATIONS_H
#define HADAL_MODEL_ACTIVATIONS_H

#include "model/model.h"

struct activations {
    int64_t rows;
    double *frequency;    /* [rope_dim / 2] radians per position */
    double multiplier;    /* of cos and sin */
    float *cosine, *sine; /* [rows, rope_dim / 2] of the current step */
    float *residual;      /* [rows, width] */
    float *normed;        /* [rows, width] */
    float *query_latent;  /* [rows, q_rank] */
    float *query_normed;  /* of query_latent; the same memory where nothing is kept */
    float *query;         /* [rows, heads * (nope + rope)] or [rows, heads * head_dim] */
    float *key_value;     /* [rows, kv_rank + rope] or [rows, kv_heads * head_dim]: keys */
    float *latent;        /* [rows, kv_rank] or values */
    float *attended;      /* [rows, heads * value_dim] */
    float *projected;     /* [rows, width] what a sublayer adds to the residual */
    float *inner;         /* [rows, 2 * ffn] of dense and shared feed-forward */
    float *gate_kept,
        *expert_gate_kept; /* [rows, ffn], [rows * used, expert_ffn]: see ffn_op; NULL in inference */
    float *score;          /* [rows, experts] */
    float *route_weight;   /* [rows, used] */
    float *gathered;       /* [rows * used, width] */
    float *expert_inner;   /* [rows * used, 2 * expert_ffn] */
    float *hidden;         /* [rows, width] after the final norm */
    float *mtp_hidden;     /* [rows, width] of the MTP module, after its final norm */
    float *mtp_pair;       /* [rows, 2 * width] */
    float *head_rows;      /* [rows, width] rows picked for the head */
    int32_t *expert;       /* [rows, used] */
    int32_t *order;        /* [rows * used + experts + 1] */
    const int32_t
        *fixed_expert; /* [rows, used] of the current layer: the choice, whatever the scores; NULL: none */
    const struct tensor **expert_matrix; /* [3][experts] of the current layer */
};

/* Bytes that activations_open takes. */
int64_t activations_bytes(const struct model_desc *desc, int64_t rows);
must_use enum status activations_open(struct model *model);
void activations_close(struct model *model);

struct backend_shape model_backend_shape(const struct model_desc *desc, int64_t rows);

/* The parts of a step, for a caller that keeps what lies between them: the trainer. Each works on model->activations. */
void model_begin(struct model *model, const struct model_step *step); /* positions, embedding */
void model_attention(struct model *model, const struct model_step *step,
                     int layer); /* residual += attention */
void model_feed_forward(struct model *model, const struct model_step *step,
                        int layer);                                 /* residual += feed-forward */
void model_end(struct model *model, const struct model_step *step); /* hidden = norm(residual) */
void model_mtp_begin(struct model *model, const struct model_step *step, int module,
                     const int32_t *hidden_row);
void model_mtp_end(struct model *model, const struct model_step *step, int module);
/* What the head of the trunk, or of the MTP modules, is multiplied with. */
const struct tensor *model_head_matrix(const struct model *model, bool mtp);

/* One block of the trunk or of an MTP module: attention, then feed-forward. */
void model_layer(struct model *model, const struct model_step *step, int layer);

/* ---- the sublayers, each one function in its own file ---- */
void attend_latent(struct model *model, const struct model_step *step, int layer);
void attend_grouped(struct model *model, const struct model_step *step, int layer);
void feed_forward_dense(struct model *model, const struct model_step *step, int layer);
void feed_forward_experts(struct model *model, const struct model_step *step, int layer);

#endif
