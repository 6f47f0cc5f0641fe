/* cpu_route.c - which experts a row takes. Formulas: DeepSeek-V2 (arXiv 2405.04434, device-limited routing: a group
 * scores by its best expert) and DeepSeek-V3 (arXiv 2412.19437 section 2.1.2: selection by sigmoid + bias, a group
 * scores by its two best, weights without the bias). Ties go to the lower number. */
#include "backend/cpu/cpu.h"

#include <math.h>
#include <stdbool.h>

struct route_task {
    const struct cpu_backend *cpu;
    const struct route_op *op;
};

static void score_columns(void *context, int worker, int slice, int slices) {
    const struct route_task *task = context;
    const struct route_op *op = task->op;
    int64_t begin, end, width = op->w->shape[1];
    slice_share(op->experts, COLUMN_GRAIN, slice, slices, &begin, &end);
    struct gemm gemm = {
        .w = op->w, .x = op->x, .y = op->score, .x_stride = width, .y_stride = op->experts, .rows = op->rows};
    gemm_columns(&task->cpu->kernels, &gemm, begin, end, cpu_scratch(task->cpu, worker));
}

/* Router logits become affinities in place. */
static void affinities(const struct route_op *op, const struct kernels *kernels, float *score) {
    if (op->rule == ROUTE_RULE_SIGMOID_GROUPS) {
        for (int e = 0; e < op->experts; e++) score[e] = 1 / (1 + expf(-score[e]));
        return;
    }
    float sum = kernels->exp_sum(score, op->experts, kernels->maximum(score, op->experts));
    for (int e = 0; e < op->experts; e++) score[e] /= sum;
}

static float choice(const struct route_op *op, const float *score, int e) {
    return op->bias ? score[e] + op->bias[e] : score[e];
}

static float group_score(const struct route_op *op, const float *score, int group) {
    int size = op->experts / op->groups;
    float best = -INFINITY, second = -INFINITY;
    for (int e = group * size; e < (group + 1) * size; e++) {
        float value = choice(op, score, e);
        if (value > best) {
            second = best;
            best = value;
        } else if (value > second) {
            second = value;
        }
    }
    if (op->rule != ROUTE_RULE_SIGMOID_GROUPS) return best;
    return size > 1 ? best + second : best;
}

enum { MAX_EXPERTS = 4096 }; /* as desc.c allows */

/* Marks the groups whose experts may be chosen. */
static void choose_groups(const struct route_op *op, const float *score, bool *open) {
    float value[MAX_EXPERTS];
    bool limited = op->rule != ROUTE_RULE_SOFTMAX && op->groups_used < op->groups;
    for (int g = 0; g < op->groups; g++) {
        open[g] = !limited;
        if (limited) value[g] = group_score(op, score, g);
    }
    for (int n = 0; limited && n < op->groups_used; n++) {
        int best = -1;
        for (int g = 0; g < op->groups; g++)
            if (!open[g] && (best < 0 || value[g] > value[best])) best = g;
        open[best] = true;
    }
}

/* Marks `used` experts of open groups, best first. */
static void choose_experts(const struct route_op *op, const float *score, const bool *open, bool *chosen) {
    int size = op->experts / op->groups;
    for (int e = 0; e < op->experts; e++) chosen[e] = false;
    for (int n = 0; n < op->used; n++) {
        int best = -1;
        for (int e = 0; e < op->experts; e++)
            if (open[e / size] && !chosen[e] && (best < 0 || choice(op, score, e) > choice(op, score, best)))
                best = e;
        chosen[best] = true;
    }
}

static void take_fixed(const struct route_op *op, const int32_t *fixed, bool *chosen) {
    for (int e = 0; e < op->experts; e++) chosen[e] = false;
    for (int n = 0; n < op->used; n++) chosen[fixed[n]] = true;
}

static void route_row(const struct route_op *op, const struct kernels *kernels, int64_t row) {
    bool open[MAX_EXPERTS], chosen[MAX_EXPERTS];
    float *score = op->score + row * op->experts, *weight = op->weight + row * op->used, sum = 0;
    int32_t *expert = op->expert + row * op->used;
    affinities(op, kernels, score);
    if (op->fixed) {
        take_fixed(op, op->fixed + row * op->used, chosen);
    } else {
        choose_groups(op, score, open);
        choose_experts(op, score, open, chosen);
    }
    int n = 0;
    for (int e = 0; e < op->experts; e++) {
        if (!chosen[e]) continue;
        expert[n] = e;
        weight[n] = score[e];
        sum += score[e];
        n++;
    }
    float factor = op->normalise && op->used > 1 ? op->scale / (sum + 1e-20f) : op->scale;
    for (int i = 0; i < n; i++) weight[i] *= factor;
}

static void choose_rows(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct route_task *task = context;
    int64_t begin, end;
    slice_share(task->op->rows, 1, slice, slices, &begin, &end);
    for (int64_t r = begin; r < end; r++) route_row(task->op, &task->cpu->kernels, r);
}

void cpu_route(struct backend *backend, const struct route_op *op) {
    struct route_task task = {cpu_of(backend), op};
    thread_pool_run(task.cpu->pool, SLICES_FINE, score_columns, &task);
    cpu_run_rows(cpu_of(backend), op->rows, choose_rows, &task);
}
