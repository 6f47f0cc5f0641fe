/* forward.c - the walk through a model: embed, layers, final norm; the head; and the MTP module. Runs on the engine's
 * thread; the backend's workers do the arithmetic. */
#include "model/activations.h"

#include <math.h>
#include <string.h>

typedef void sublayer(struct model *model, const struct model_step *step, int layer);

static sublayer *const attentions[] = {[ATTEND_GROUPED] = attend_grouped, [ATTEND_LATENT] = attend_latent};
static sublayer *const feed_forwards[] = {
    [FFN_DENSE] = feed_forward_dense, [FFN_EXPERTS] = feed_forward_experts};

static void norm_rows(struct model *model, enum weight weight, int layer, const float *x, float *y,
                      int64_t y_stride, int64_t rows) {
    struct norm_op op = {x,
                         weights_vector(&model->weights, weight, layer),
                         y,
                         rows,
                         model->desc.width,
                         model->desc.width,
                         y_stride,
                         model->desc.norm_epsilon};
    model->backend->ops->norm(model->backend, &op);
}

/* cos and sin of every row's position; double precision, since positions reach a million */
static void set_positions(struct model *model, const struct model_step *step) {
    struct activations *a = model->activations;
    int half = model_rope_dim(&model->desc) / 2;
    for (int i = 0; i < step->runs; i++) {
        for (int r = 0; r < step->run[i].rows; r++) {
            int64_t row = step->run[i].row_begin + r;
            for (int j = 0; j < half; j++) {
                double angle = (step->run[i].position + r) * a->frequency[j];
                a->cosine[row * half + j] = (float)(cos(angle) * a->multiplier);
                a->sine[row * half + j] = (float)(sin(angle) * a->multiplier);
            }
        }
    }
}

static void embed(struct model *model, const struct tensor *table, const struct model_step *step, float *y) {
    struct embed_op op = {table, step->token, y, step->rows};
    model->backend->ops->embed(model->backend, &op);
}

static void run_sublayer(struct model *model, const struct model_step *step, int layer, enum weight norm,
                         sublayer *run) {
    struct activations *a = model->activations;
    int64_t width = model->desc.width;
    norm_rows(model, norm, layer, a->residual, a->normed, width, step->rows);
    run(model, step, layer);
    model->backend->ops->add(model->backend, a->projected, a->residual, step->rows * width);
}

void model_attention(struct model *model, const struct model_step *step, int layer) {
    run_sublayer(model, step, layer, WEIGHT_ATTENTION_NORM, attentions[model->desc.layer[layer].attention]);
}

void model_feed_forward(struct model *model, const struct model_step *step, int layer) {
    run_sublayer(model, step, layer, WEIGHT_FFN_NORM, feed_forwards[model->desc.layer[layer].ffn]);
}

void model_layer(struct model *model, const struct model_step *step, int layer) {
    model_attention(model, step, layer);
    model_feed_forward(model, step, layer);
}

void model_begin(struct model *model, const struct model_step *step) {
    MUST(step->rows >= 1 && step->rows <= model->activations->rows);
    set_positions(model, step);
    embed(model, weights_matrix(&model->weights, WEIGHT_EMBED, 0, 0), step, model->activations->residual);
}

void model_end(struct model *model, const struct model_step *step) {
    struct activations *a = model->activations;
    norm_rows(model, WEIGHT_FINAL_NORM, 0, a->residual, a->hidden, model->desc.width, step->rows);
}

enum status model_forward(struct model *model, const struct model_step *step) {
    model_begin(model, step);
    for (int layer = 0; layer < model->desc.layers; layer++) model_layer(model, step, layer);
    model_end(model, step);
    return model_check(model);
}

static void head(struct model *model, const struct tensor *w, const float *hidden, const int32_t *row,
                 int count, float *logits) {
    struct activations *a = model->activations;
    int64_t width = model->desc.width;
    MUST(count <= a->rows);
    for (int i = 0; i < count; i++)
        memcpy(a->head_rows + i * width, hidden + row[i] * width, (size_t)width * sizeof(float));
    struct project_op op = {.x = a->head_rows,
                            .rows = count,
                            .x_stride = width,
                            .count = 1,
                            .target = {{.w = w, .y = logits, .y_stride = model->desc.vocab}}};
    model->backend->ops->project(model->backend, &op);
}

/* A tied head has a slot of its own once it is rearranged. */
const struct tensor *model_head_matrix(const struct model *model, bool mtp) {
    const struct tensor *module =
        mtp ? weights_matrix(&model->weights, WEIGHT_MTP_HEAD, model->desc.layers, 0) : NULL;
    const struct tensor *own = weights_matrix(&model->weights, WEIGHT_HEAD, 0, 0);
    return module ? module : own ? own : weights_matrix(&model->weights, WEIGHT_EMBED, 0, 0);
}

void model_head(struct model *model, const int32_t *row, int count, float *logits) {
    head(model, model_head_matrix(model, false), model->activations->hidden, row, count, logits);
}

/* x = W_proj [enorm(emb(next)); hnorm(h)], then one block: arXiv 2412.19437 equations 21 to 23, with the order of the
 * pair as the published weights have it, and h after the trunk's final norm. */
void model_mtp_begin(struct model *model, const struct model_step *step, int module,
                     const int32_t *hidden_row) {
    struct activations *a = model->activations;
    int layer = model->desc.layers + module;
    int64_t width = model->desc.width;
    MUST(module < model->desc.mtp_layers && step->rows <= a->rows);
    const struct tensor *own = weights_matrix(&model->weights, WEIGHT_MTP_EMBED, layer, 0);
    set_positions(model, step);
    embed(model, own ? own : weights_matrix(&model->weights, WEIGHT_EMBED, 0, 0), step, a->residual);
    norm_rows(model, WEIGHT_MTP_EMBED_NORM, layer, a->residual, a->mtp_pair, 2 * width, step->rows);
    for (int r = 0; r < step->rows; r++)
        memcpy(a->normed + r * width, a->hidden + hidden_row[r] * width, (size_t)width * sizeof(float));
    norm_rows(model, WEIGHT_MTP_HIDDEN_NORM, layer, a->normed, a->mtp_pair + width, 2 * width, step->rows);
    struct project_op project = {.x = a->mtp_pair, .rows = step->rows, .x_stride = 2 * width, .count = 1};
    project.target[0] = (struct project_target){weights_matrix(&model->weights, WEIGHT_MTP_PROJECT, layer, 0),
                                                NULL, a->residual, width};
    model->backend->ops->project(model->backend, &project);
}

void model_mtp_end(struct model *model, const struct model_step *step, int module) {
    struct activations *a = model->activations;
    norm_rows(model, WEIGHT_MTP_FINAL_NORM, model->desc.layers + module, a->residual, a->mtp_hidden,
              model->desc.width, step->rows);
}

enum status model_mtp_forward(struct model *model, const struct model_step *step, int module,
                              const int32_t *hidden_row) {
    model_mtp_begin(model, step, module, hidden_row);
    model_layer(model, step, model->desc.layers + module);
    model_mtp_end(model, step, module);
    return model_check(model);
}

void model_mtp_head(struct model *model, const int32_t *row, int count, float *logits) {
    head(model, model_head_matrix(model, true), model->activations->mtp_hidden, row, count, logits);
}
