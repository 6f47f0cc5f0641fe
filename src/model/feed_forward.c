/* feed_forward.c - the feed-forward sublayers in terms of backend operations: dense, and routed experts beside shared
 * ones. Input: activations->normed; output: activations->projected. */
#include "model/activations.h"

#include <string.h>

static void dense(struct model *model, const struct model_step *step, int layer, enum weight gate,
                  enum weight up, enum weight down) {
    struct activations *a = model->activations;
    struct ffn_op op = {.gate = weights_matrix(&model->weights, gate, layer, 0),
                        .up = weights_matrix(&model->weights, up, layer, 0),
                        .down = weights_matrix(&model->weights, down, layer, 0),
                        .x = a->normed,
                        .y = a->projected,
                        .inner = a->inner,
                        .output = a->head_rows, /* free until the head picks its rows */
                        .gate_kept = a->gate_kept,
                        .rows = step->rows};
    model->backend->ops->ffn(model->backend, &op);
}

static void clear_output(struct model *model, const struct model_step *step) {
    memset(model->activations->projected, 0, (size_t)(step->rows * model->desc.width) * sizeof(float));
}

void feed_forward_dense(struct model *model, const struct model_step *step, int layer) {
    clear_output(model, step);
    dense(model, step, layer, WEIGHT_GATE, WEIGHT_UP, WEIGHT_DOWN);
}

static void route(struct model *model, const struct model_step *step, int layer) {
    const struct model_desc *d = &model->desc;
    struct activations *a = model->activations;
    static const enum route_rule rules[] = {[ROUTE_SOFTMAX_GREEDY] = ROUTE_RULE_SOFTMAX,
                                            [ROUTE_GROUP_LIMITED] = ROUTE_RULE_SOFTMAX_GROUPS,
                                            [ROUTE_SIGMOID_BIASED] = ROUTE_RULE_SIGMOID_GROUPS};
    struct route_op op = {.x = a->normed,
                          .w = weights_matrix(&model->weights, WEIGHT_ROUTER, layer, 0),
                          .bias = weights_vector(&model->weights, WEIGHT_ROUTER_BIAS, layer),
                          .fixed = a->fixed_expert,
                          .rule = rules[d->layer[layer].router],
                          .experts = d->experts,
                          .used = d->experts_used,
                          .groups = d->expert_groups,
                          .groups_used = d->groups_used,
                          .normalise = d->normalise_weights,
                          .scale = (float)d->routed_scale,
                          .rows = step->rows,
                          .score = a->score,
                          .expert = a->expert,
                          .weight = a->route_weight};
    if (!weight_exists(d, WEIGHT_ROUTER_BIAS, layer)) op.bias = NULL;
    model->backend->ops->route(model->backend, &op);
}

void feed_forward_experts(struct model *model, const struct model_step *step, int layer) {
    const struct model_desc *d = &model->desc;
    struct activations *a = model->activations;
    const struct tensor **gate = a->expert_matrix, **up = gate + d->experts, **down = up + d->experts;
    clear_output(model, step);
    route(model, step, layer);
    for (int e = 0; e < d->experts; e++) {
        gate[e] = weights_matrix(&model->weights, WEIGHT_EXPERT_GATE, layer, e);
        up[e] = weights_matrix(&model->weights, WEIGHT_EXPERT_UP, layer, e);
        down[e] = weights_matrix(&model->weights, WEIGHT_EXPERT_DOWN, layer, e);
    }
    struct experts_op op = {.gate = gate,
                            .up = up,
                            .down = down,
                            .experts = d->experts,
                            .used = d->experts_used,
                            .expert = a->expert,
                            .weight = a->route_weight,
                            .x = a->normed,
                            .y = a->projected,
                            .gathered = a->gathered,
                            .inner = a->expert_inner,
                            .gate_kept = a->expert_gate_kept,
                            .order = a->order,
                            .rows = step->rows};
    model->backend->ops->experts(model->backend, &op);
    if (d->shared_experts)
        dense(model, step, layer, WEIGHT_SHARED_GATE, WEIGHT_SHARED_UP, WEIGHT_SHARED_DOWN);
}
