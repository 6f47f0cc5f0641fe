/* backward_attention.c - the way back through the attention sublayers. The mathematics is that of the decompressed form,
 * whatever form went forward: the two are the same function. */
#include "train/trainer_memory.h"

#include <string.h>

static const struct layer_record *record_of(const struct pass *pass, int layer) {
    return &pass->trainer->memory->layer[layer];
}

void linear_backward(const struct pass *pass, const struct linear_rows *rows) {
    struct trainer *trainer = pass->trainer;
    struct model *model = &trainer->model;
    struct linear_backward_op op = {
        .w = weights_matrix(&model->weights, rows->weight, rows->layer, 0),
        .x = rows->x,
        .dy = rows->dy,
        .dx = rows->dx,
        .dw = parameters_gradient(&trainer->parameters, &model->weights, rows->weight, rows->layer, 0),
        .rows = pass->step->rows,
        .x_stride = rows->x_stride,
        .dy_stride = rows->dy_stride,
        .dx_stride = rows->dx_stride};
    if (rows->bias != WEIGHT_COUNT && weights_matrix(&model->weights, rows->bias, rows->layer, 0))
        op.dbias = parameters_gradient(&trainer->parameters, &model->weights, rows->bias, rows->layer, 0);
    model->backend->ops->backward->linear(model->backend, &op);
    if (!trainer->adapters) return;
    const int64_t slot = weights_slot(&model->weights, rows->weight, rows->layer, 0);
    if (trainer->parameters.of_slot[slot] >= 0)
        adapters_backward(trainer->adapters, trainer->parameters.of_slot[slot], &op, model->backend);
}

void norm_backward(const struct pass *pass, const struct norm_rows *rows) {
    struct trainer *trainer = pass->trainer;
    struct model *model = &trainer->model;
    struct norm_backward_op op = {
        .x = rows->x,
        .weight = weights_vector(&model->weights, rows->weight, rows->layer),
        .dy = rows->dy,
        .dx = rows->dx,
        .dweight = parameters_gradient(&trainer->parameters, &model->weights, rows->weight, rows->layer, 0),
        .factor = trainer->memory->d.factor,
        .rows = pass->step->rows,
        .n = rows->n,
        .x_stride = rows->x_stride,
        .dy_stride = rows->dy_stride,
        .dx_stride = rows->dx_stride,
        .epsilon = model->desc.norm_epsilon};
    model->backend->ops->backward->norm(model->backend, &op);
}

static void rotate_back(const struct pass *pass, int layer, float *x, int heads, int64_t row_stride,
                        int64_t head_stride) {
    struct model *model = &pass->trainer->model;
    struct rope_op op = {.x = x,
                         .rows = pass->step->rows,
                         .row_stride = row_stride,
                         .head_stride = head_stride,
                         .heads = heads,
                         .dim = model_rope_dim(&model->desc),
                         .cosine = record_of(pass, layer)->a.cosine,
                         .sine = pass->trainer->memory->d.unsine,
                         .interleaved = model->desc.rope.interleaved};
    model->backend->ops->rope(model->backend, &op);
}

/* ---- grouped ---- */

static void grouped_backward(const struct pass *pass, int layer) {
    struct model *model = &pass->trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    int64_t q_row = (int64_t)d->heads * d->head_dim, kv_row = (int64_t)d->kv_heads * d->head_dim;
    int64_t rows = pass->step->rows, width = d->width;
    clear_floats(g->attended, rows * q_row);
    linear_backward(pass, &(struct linear_rows){WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS, layer, record->a.attended,
                                                g->residual, g->attended, q_row, width, q_row});
    clear_floats(g->query, rows * q_row);
    clear_floats(g->key_value, rows * kv_row);
    clear_floats(g->latent, rows * kv_row);
    struct attention_backward_op op = {.q = {record->a.query, g->query, q_row, d->head_dim},
                                       .k = {record->a.key_value, g->key_value, kv_row, d->head_dim},
                                       .v = {record->a.latent, g->latent, kv_row, d->head_dim},
                                       .dy = g->attended,
                                       .heads = d->heads,
                                       .kv_heads = d->kv_heads,
                                       .key_dim = d->head_dim,
                                       .value_dim = d->head_dim,
                                       .scale = d->attention_scale,
                                       .run = pass->step->run,
                                       .runs = pass->step->runs};
    model->backend->ops->backward->attention(model->backend, &op);
    rotate_back(pass, layer, g->query, d->heads, q_row, d->head_dim);
    rotate_back(pass, layer, g->key_value, d->kv_heads, kv_row, d->head_dim);
    const float *x = record->attention_in;
    linear_backward(pass, &(struct linear_rows){WEIGHT_Q, WEIGHT_Q_BIAS, layer, x, g->query, g->normed, width,
                                                q_row, width});
    linear_backward(pass, &(struct linear_rows){WEIGHT_K, WEIGHT_K_BIAS, layer, x, g->key_value, g->normed,
                                                width, kv_row, width});
    linear_backward(pass, &(struct linear_rows){WEIGHT_V, WEIGHT_V_BIAS, layer, x, g->latent, g->normed,
                                                width, kv_row, width});
}

/* ---- latent ---- */

struct latent_widths {
    int64_t q_head, q_row, kv_row, expanded_head, expanded_row;
};

static struct latent_widths widths_of(const struct model_desc *d) {
    int64_t q_head = d->nope_dim + d->rope_dim, expanded_head = d->nope_dim + d->value_dim;
    return (struct latent_widths){q_head, d->heads * q_head, d->kv_rank + d->rope_dim, expanded_head,
                                  d->heads * expanded_head};
}

/* [k; v] = W_kvb c for all rows, and each head's key with the rotated part behind it */
static void expand(const struct pass *pass, int layer) {
    struct model *model = &pass->trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    struct latent_widths w = widths_of(d);
    struct project_op op = {
        .x = record->a.latent, .rows = pass->step->rows, .x_stride = d->kv_rank, .count = 1};
    op.target[0] = (struct project_target){weights_matrix(&model->weights, WEIGHT_KV_B, layer, 0), NULL,
                                           g->expanded, w.expanded_row};
    model->backend->ops->project(model->backend, &op);
    for (int64_t r = 0; r < pass->step->rows; r++)
        for (int h = 0; h < d->heads; h++) {
            float *key = g->key + r * w.q_row + h * w.q_head;
            memcpy(key, g->expanded + r * w.expanded_row + h * w.expanded_head,
                   (size_t)d->nope_dim * sizeof *key);
            memcpy(key + d->nope_dim, record->a.key_value + r * w.kv_row + d->kv_rank,
                   (size_t)d->rope_dim * sizeof *key);
        }
}

/* Gradients of the assembled keys go back to where they came from: heads add up in the rotated part. */
static void collapse(const struct pass *pass) {
    struct model *model = &pass->trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &pass->trainer->memory->d;
    struct latent_widths w = widths_of(d);
    for (int64_t r = 0; r < pass->step->rows; r++)
        for (int h = 0; h < d->heads; h++) {
            const float *key = g->dkey + r * w.q_row + h * w.q_head;
            float *rope = g->key_value + r * w.kv_row + d->kv_rank;
            memcpy(g->dexpanded + r * w.expanded_row + h * w.expanded_head, key,
                   (size_t)d->nope_dim * sizeof *key);
            for (int i = 0; i < d->rope_dim; i++) rope[i] += key[d->nope_dim + i];
        }
}

static void latent_attention_backward(const struct pass *pass, int layer) {
    struct model *model = &pass->trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    struct latent_widths w = widths_of(d);
    int64_t rows = pass->step->rows;
    expand(pass, layer);
    clear_floats(g->query, rows * w.q_row);
    clear_floats(g->dkey, rows * w.q_row);
    clear_floats(g->dexpanded, rows * w.expanded_row);
    clear_floats(g->key_value, rows * w.kv_row);
    struct attention_backward_op op = {
        .q = {record->a.query, g->query, w.q_row, w.q_head},
        .k = {g->key, g->dkey, w.q_row, w.q_head},
        .v = {g->expanded + d->nope_dim, g->dexpanded + d->nope_dim, w.expanded_row, w.expanded_head},
        .dy = g->attended,
        .heads = d->heads,
        .kv_heads = d->heads,
        .key_dim = d->nope_dim + d->rope_dim,
        .value_dim = d->value_dim,
        .scale = d->attention_scale,
        .run = pass->step->run,
        .runs = pass->step->runs};
    model->backend->ops->backward->attention(model->backend, &op);
    collapse(pass);
    rotate_back(pass, layer, g->query + d->nope_dim, d->heads, w.q_row, w.q_head);
    rotate_back(pass, layer, g->key_value + d->kv_rank, 1, w.kv_row, 0);
}

static void query_backward(const struct pass *pass, int layer) {
    const struct model_desc *d = &pass->trainer->model.desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    int64_t q_row = widths_of(d).q_row, rows = pass->step->rows, width = d->width;
    if (!d->q_rank) {
        linear_backward(pass,
                        &(struct linear_rows){WEIGHT_LATENT_Q, WEIGHT_COUNT, layer, record->attention_in,
                                              g->query, g->normed, width, q_row, width});
        return;
    }
    clear_floats(g->query_normed, rows * d->q_rank);
    clear_floats(g->query_latent, rows * d->q_rank);
    linear_backward(pass, &(struct linear_rows){WEIGHT_Q_B, WEIGHT_COUNT, layer, record->a.query_normed,
                                                g->query, g->query_normed, d->q_rank, q_row, d->q_rank});
    norm_backward(pass, &(struct norm_rows){WEIGHT_Q_A_NORM, layer, record->a.query_latent, g->query_normed,
                                            g->query_latent, d->q_rank, d->q_rank, d->q_rank, d->q_rank});
    linear_backward(pass, &(struct linear_rows){WEIGHT_Q_A, WEIGHT_COUNT, layer, record->attention_in,
                                                g->query_latent, g->normed, width, d->q_rank, width});
}

static void latent_backward(const struct pass *pass, int layer) {
    const struct model_desc *d = &pass->trainer->model.desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    struct latent_widths w = widths_of(d);
    int64_t attended = (int64_t)d->heads * d->value_dim, rows = pass->step->rows, width = d->width;
    clear_floats(g->attended, rows * attended);
    linear_backward(pass, &(struct linear_rows){WEIGHT_LATENT_OUTPUT, WEIGHT_COUNT, layer, record->a.attended,
                                                g->residual, g->attended, attended, width, attended});
    latent_attention_backward(pass, layer);
    clear_floats(g->latent, rows * d->kv_rank);
    linear_backward(pass,
                    &(struct linear_rows){WEIGHT_KV_B, WEIGHT_COUNT, layer, record->a.latent, g->dexpanded,
                                          g->latent, d->kv_rank, w.expanded_row, d->kv_rank});
    norm_backward(pass, &(struct norm_rows){WEIGHT_KV_A_NORM, layer, record->a.key_value, g->latent,
                                            g->key_value, d->kv_rank, w.kv_row, d->kv_rank, w.kv_row});
    linear_backward(pass, &(struct linear_rows){WEIGHT_KV_A, WEIGHT_COUNT, layer, record->attention_in,
                                                g->key_value, g->normed, width, w.kv_row, width});
    query_backward(pass, layer);
}

void attention_backward(const struct pass *pass, int layer) {
    const struct model_desc *d = &pass->trainer->model.desc;
    struct derivatives *g = &pass->trainer->memory->d;
    clear_floats(g->normed, pass->step->rows * d->width);
    if (d->layer[layer].attention == ATTEND_LATENT)
        latent_backward(pass, layer);
    else
        grouped_backward(pass, layer);
    norm_backward(pass, &(struct norm_rows){WEIGHT_ATTENTION_NORM, layer, record_of(pass, layer)->input,
                                            g->normed, g->residual, d->width, d->width, d->width, d->width});
}
