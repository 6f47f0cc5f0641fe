/* backward_ffn.c - the way back through the feed-forward sublayers: dense, routed experts beside shared ones, the router,
 * and the loss that balances the experts within a sequence. */
#include "train/trainer_memory.h"

#include "base/bytes.h"

#include <string.h>

static struct layer_record *record_of(const struct pass *pass, int layer) {
    return &pass->trainer->memory->layer[layer];
}

/* y = down(silu(gate x) * up x), with what ffn_op kept. */
static void dense_backward(const struct pass *pass, int layer, enum weight gate, enum weight up,
                           enum weight down) {
    struct model *model = &pass->trainer->model;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    const float *inner = record->a.inner, *x = record->ffn_in;
    int64_t width = model->desc.width, rows = pass->step->rows;
    int64_t ffn = weights_matrix(&model->weights, gate, layer, 0)->shape[0];
    float *dgate = g->inner, *dup = g->inner + ffn, *dproduct = g->inner + 2 * ffn;
    clear_floats(g->inner, rows * 3 * ffn);
    linear_backward(pass, &(struct linear_rows){down, WEIGHT_COUNT, layer, inner, g->residual, dproduct,
                                                2 * ffn, width, 3 * ffn});
    struct swiglu_backward_op op = {
        record->a.gate_kept, inner + ffn, dproduct, dgate, dup, rows, ffn, ffn, 2 * ffn, 3 * ffn, 3 * ffn};
    model->backend->ops->backward->swiglu(model->backend, &op);
    linear_backward(
        pass, &(struct linear_rows){gate, WEIGHT_COUNT, layer, x, dgate, g->normed, width, 3 * ffn, width});
    linear_backward(pass,
                    &(struct linear_rows){up, WEIGHT_COUNT, layer, x, dup, g->normed, width, 3 * ffn, width});
}

/* ---- experts ---- */

static void routed_backward(const struct pass *pass, int layer) {
    struct trainer *trainer = pass->trainer;
    struct model *model = &trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    const struct tensor *matrix[3][MODEL_MAX_EXPERTS];
    float *gradient[3][MODEL_MAX_EXPERTS];
    static const enum weight weight[3] = {WEIGHT_EXPERT_GATE, WEIGHT_EXPERT_UP, WEIGHT_EXPERT_DOWN};
    for (int i = 0; i < 3; i++)
        for (int e = 0; e < d->experts; e++) {
            matrix[i][e] = weights_matrix(&model->weights, weight[i], layer, e);
            gradient[i][e] = parameters_gradient(&trainer->parameters, &model->weights, weight[i], layer, e);
        }
    struct experts_backward_op op = {.gate = matrix[0],
                                     .up = matrix[1],
                                     .down = matrix[2],
                                     .dgate = gradient[0],
                                     .dup = gradient[1],
                                     .ddown = gradient[2],
                                     .experts = d->experts,
                                     .used = d->experts_used,
                                     .order = record->a.order,
                                     .weight = record->a.route_weight,
                                     .x = record->ffn_in,
                                     .dy = g->residual,
                                     .gate_kept = record->a.expert_gate_kept,
                                     .inner = record->a.expert_inner,
                                     .dx = g->normed,
                                     .dweight = g->route_weight,
                                     .x_gathered = g->x_gathered,
                                     .dy_gathered = g->dy_gathered,
                                     .dinner = g->expert_inner,
                                     .place = (int32_t *)(void *)g->place,
                                     .rows = pass->step->rows};
    model->backend->ops->backward->experts(model->backend, &op);
}

static void router_backward(const struct pass *pass, int layer) {
    struct model *model = &pass->trainer->model;
    const struct model_desc *d = &model->desc;
    struct derivatives *g = &pass->trainer->memory->d;
    const struct layer_record *record = record_of(pass, layer);
    static const enum route_rule rules[] = {[ROUTE_SOFTMAX_GREEDY] = ROUTE_RULE_SOFTMAX,
                                            [ROUTE_GROUP_LIMITED] = ROUTE_RULE_SOFTMAX_GROUPS,
                                            [ROUTE_SIGMOID_BIASED] = ROUTE_RULE_SIGMOID_GROUPS};
    struct route_backward_op op = {.score = record->a.score,
                                   .expert = record->a.expert,
                                   .dweight = g->route_weight,
                                   .balance = pass->balance != 0 && layer < d->layers ? g->balance : NULL,
                                   .sequence_rows = pass->batch->sequence_rows,
                                   .dlogit = g->score,
                                   .rule = rules[d->layer[layer].router],
                                   .experts = d->experts,
                                   .used = d->experts_used,
                                   .normalise = d->normalise_weights,
                                   .scale = (float)d->routed_scale,
                                   .rows = pass->step->rows};
    model->backend->ops->backward->route(model->backend, &op);
    linear_backward(pass, &(struct linear_rows){WEIGHT_ROUTER, WEIGHT_COUNT, layer, record->ffn_in, g->score,
                                                g->normed, d->width, d->experts, d->width});
}

/* sum of f_e P_e of rows [begin, end): f_e = experts / (used rows) * choices of e, P_e the mean of its share of a row's
 * affinities (arXiv 2412.19437 equations 17 to 20, f over the choices that were made). `f` comes out. */
static double sequence_balance(const struct layer_record *record, const struct model_desc *d, int64_t begin,
                               int64_t end, float *f) {
    double total = 0, rows = (double)(end - begin);
    clear_floats(f, d->experts);
    for (int64_t i = begin * d->experts_used; i < end * d->experts_used; i++) f[record->a.expert[i]]++;
    for (int e = 0; e < d->experts; e++) f[e] *= (float)(d->experts / (d->experts_used * rows));
    for (int64_t r = begin; r < end; r++) {
        const float *s = record->a.score + r * d->experts;
        double sum = 0, along = 0;
        for (int e = 0; e < d->experts; e++) {
            sum += s[e];
            along += (double)f[e] * s[e];
        }
        total += along / sum;
    }
    return total / rows;
}

double balance_loss(const struct pass *pass, int layer) {
    const struct model_desc *d = &pass->trainer->model.desc;
    const struct layer_record *record = record_of(pass, layer);
    int64_t rows = pass->step->rows, sequence_rows = pass->batch->sequence_rows;
    double sum = 0;
    for (int64_t begin = 0; begin < rows; begin += sequence_rows) {
        int64_t end = min_i64(begin + sequence_rows, rows);
        float *f = pass->trainer->memory->d.balance + begin / sequence_rows * d->experts;
        sum += (double)(end - begin) * sequence_balance(record, d, begin, end, f);
        for (int e = 0; e < d->experts; e++) f[e] *= (float)pass->balance; /* rows of the sequence cancel */
    }
    return sum;
}

void feed_forward_backward(const struct pass *pass, int layer) {
    const struct model_desc *d = &pass->trainer->model.desc;
    struct derivatives *g = &pass->trainer->memory->d;
    clear_floats(g->normed, pass->step->rows * d->width);
    if (d->layer[layer].ffn == FFN_EXPERTS) {
        routed_backward(pass, layer);
        router_backward(pass, layer);
        if (d->shared_experts)
            dense_backward(pass, layer, WEIGHT_SHARED_GATE, WEIGHT_SHARED_UP, WEIGHT_SHARED_DOWN);
    } else {
        dense_backward(pass, layer, WEIGHT_GATE, WEIGHT_UP, WEIGHT_DOWN);
    }
    norm_backward(pass, &(struct norm_rows){WEIGHT_FFN_NORM, layer, record_of(pass, layer)->middle, g->normed,
                                            g->residual, d->width, d->width, d->width, d->width});
}
