/* attention.c - the attention sublayers in terms of backend operations. Input: activations->normed; output:
 * activations->projected. */
#include "kernel/panel.h"
#include "model/activations.h"

static struct kv_plane_view plane_of(const struct model_step *step, int layer, int plane) {
    return step->kv[layer * KV_PLANES + plane];
}

static void store(struct model *model, const struct model_step *step, int layer, int plane, const float *x,
                  int64_t x_stride) {
    struct kv_store_op op = {plane_of(step, layer, plane), x, x_stride, step->run, step->runs};
    model->backend->ops->kv_store(model->backend, &op);
}

static void rotate(struct model *model, const struct model_step *step, float *x, int heads,
                   int64_t row_stride, int64_t head_stride) {
    const struct activations *a = model->activations;
    struct rope_op op = {.x = x,
                         .rows = step->rows,
                         .row_stride = row_stride,
                         .head_stride = head_stride,
                         .heads = heads,
                         .dim = model_rope_dim(&model->desc),
                         .cosine = a->cosine,
                         .sine = a->sine,
                         .interleaved = model->desc.rope.interleaved};
    model->backend->ops->rope(model->backend, &op);
}

static struct project_target target(const struct model *model, enum weight weight, enum weight bias,
                                    int layer, float *y) {
    const struct tensor *w = weights_matrix(&model->weights, weight, layer, 0);
    return (struct project_target){
        w, bias == WEIGHT_COUNT ? NULL : weights_vector(&model->weights, bias, layer), y, w->shape[0]};
}

/* q = W_qb norm(W_qa x), or W_q x; and [c; k_r] = W_kva x in the same pass over x */
static void project_latent(struct model *model, const struct model_step *step, int layer) {
    const struct model_desc *d = &model->desc;
    struct activations *a = model->activations;
    const struct backend_ops *ops = model->backend->ops;
    enum weight first = d->q_rank ? WEIGHT_Q_A : WEIGHT_LATENT_Q;
    struct project_op op = {.x = a->normed, .rows = step->rows, .x_stride = d->width, .count = 2};
    op.target[0] = target(model, first, WEIGHT_COUNT, layer, d->q_rank ? a->query_latent : a->query);
    op.target[1] = target(model, WEIGHT_KV_A, WEIGHT_COUNT, layer, a->key_value);
    ops->project(model->backend, &op);
    if (!d->q_rank) return;
    struct norm_op norm = {a->query_latent, weights_vector(&model->weights, WEIGHT_Q_A_NORM, layer),
                           a->query_normed, step->rows,
                           d->q_rank,       d->q_rank,
                           d->q_rank,       d->norm_epsilon};
    ops->norm(model->backend, &norm);
    struct project_op up = {.x = a->query_normed, .rows = step->rows, .x_stride = d->q_rank, .count = 1};
    up.target[0] = target(model, WEIGHT_Q_B, WEIGHT_COUNT, layer, a->query);
    ops->project(model->backend, &up);
}

static void project_output(struct model *model, const struct model_step *step, int layer, enum weight weight,
                           enum weight bias) {
    struct activations *a = model->activations;
    const struct tensor *w = weights_matrix(&model->weights, weight, layer, 0);
    struct project_op op = {.x = a->attended, .rows = step->rows, .x_stride = w->shape[1], .count = 1};
    op.target[0] = target(model, weight, bias, layer, a->projected);
    model->backend->ops->project(model->backend, &op);
}

/* A layer attends in integers where its own matrices are multiplied in them: where the one behind attention is. Scores are what
 * rounding disturbs most, and rotated keys have large numbers among small ones: only scores of
 * unrotated keys are rounded, and only where weights have fewer than six bits. */
static bool in_integers(const struct tensor *output) {
    return output->panels;
}
static bool scores_in_integers(const struct tensor *output) {
    enum panel_format format = (enum panel_format)output->panel_format;
    return output->panels && panel_unit_bytes(format) * 8 < 6 * PANEL_OUTS * panel_unit_inputs(format);
}

void attend_latent(struct model *model, const struct model_step *step, int layer) {
    const struct model_desc *d = &model->desc;
    struct activations *a = model->activations;
    const struct backend_ops *ops = model->backend->ops;
    int64_t q_head = d->nope_dim + d->rope_dim, kv_row = d->kv_rank + d->rope_dim;
    const struct tensor *output = weights_matrix(&model->weights, WEIGHT_LATENT_OUTPUT, layer, 0);
    project_latent(model, step, layer);
    rotate(model, step, a->query + d->nope_dim, d->heads, d->heads * q_head, q_head);
    rotate(model, step, a->key_value + d->kv_rank, 1, kv_row, 0);
    struct norm_op norm = {a->key_value, weights_vector(&model->weights, WEIGHT_KV_A_NORM, layer),
                           a->latent,    step->rows,
                           d->kv_rank,   kv_row,
                           d->kv_rank,   d->norm_epsilon};
    ops->norm(model->backend, &norm);
    store(model, step, layer, 0, a->latent, d->kv_rank);
    store(model, step, layer, 1, a->key_value + d->kv_rank, kv_row);
    struct latent_attention_op attention = {.latent = plane_of(step, layer, 0),
                                            .rope_key = plane_of(step, layer, 1),
                                            .kv_b = weights_matrix(&model->weights, WEIGHT_KV_B, layer, 0),
                                            .k_b = weights_matrix(&model->weights, WEIGHT_K_B, layer, 0),
                                            .v_b = weights_matrix(&model->weights, WEIGHT_V_B, layer, 0),
                                            .q = a->query,
                                            .y = a->attended,
                                            .heads = d->heads,
                                            .nope_dim = d->nope_dim,
                                            .rope_dim = d->rope_dim,
                                            .value_dim = d->value_dim,
                                            .kv_rank = d->kv_rank,
                                            .scale = d->attention_scale,
                                            .integers = in_integers(output),
                                            .integer_scores = scores_in_integers(output),
                                            .run = step->run,
                                            .runs = step->runs};
    ops->attend_latent(model->backend, &attention);
    project_output(model, step, layer, WEIGHT_LATENT_OUTPUT, WEIGHT_COUNT);
}

void attend_grouped(struct model *model, const struct model_step *step, int layer) {
    const struct model_desc *d = &model->desc;
    struct activations *a = model->activations;
    int64_t q_row = (int64_t)d->heads * d->head_dim, kv_row = (int64_t)d->kv_heads * d->head_dim;
    struct project_op op = {.x = a->normed, .rows = step->rows, .x_stride = d->width, .count = 3};
    op.target[0] = target(model, WEIGHT_Q, WEIGHT_Q_BIAS, layer, a->query);
    op.target[1] = target(model, WEIGHT_K, WEIGHT_K_BIAS, layer, a->key_value);
    op.target[2] = target(model, WEIGHT_V, WEIGHT_V_BIAS, layer, a->latent);
    model->backend->ops->project(model->backend, &op);
    rotate(model, step, a->query, d->heads, q_row, d->head_dim);
    rotate(model, step, a->key_value, d->kv_heads, kv_row, d->head_dim);
    store(model, step, layer, 0, a->key_value, kv_row);
    store(model, step, layer, 1, a->latent, kv_row);
    struct grouped_attention_op attention = {.key = plane_of(step, layer, 0),
                                             .value = plane_of(step, layer, 1),
                                             .q = a->query,
                                             .y = a->attended,
                                             .heads = d->heads,
                                             .kv_heads = d->kv_heads,
                                             .head_dim = d->head_dim,
                                             .scale = d->attention_scale,
                                             .run = step->run,
                                             .runs = step->runs};
    model->backend->ops->attend_grouped(model->backend, &attention);
    project_output(model, step, layer, WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS);
}
