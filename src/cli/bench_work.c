/* bench_work.c - what a step of a model has to read and to multiply: the figures that speeds are set against.
 *
 * Bytes are those of the form in which a step reads a matrix, rearranged panels where there are any. Operations are the
 * useful ones, two for each weight and row: what an arithmetic form does beyond them counts as time lost. */
#include "cli/bench.h"

#include "base/bytes.h"
#include "kernel/panel.h"

#include <math.h>

static int64_t elements_of(const struct tensor *w) {
    return w->data ? tensor_elements(w) : w->panels ? w->shape[0] * w->shape[1] : 0;
}

static int64_t read_bytes(const struct tensor *w) {
    if (w->panels) {
        struct tensor flat = tensor_flat(w);
        return panels_bytes((enum panel_format)w->panel_format, flat.shape[0], flat.shape[1]);
    }
    if (!w->data) return 0;
    int64_t bytes = tensor_bytes(w);
    if (w->scale && w->block[0] && w->block[1])
        bytes += divide_up(w->shape[0], w->block[0]) * divide_up(w->shape[1], w->block[1]) *
                 dtype_traits(w->scale_dtype)->block_bytes;
    return bytes;
}

static bool is_integer(const struct tensor *w) {
    return w->panels && dtype_traits(w->dtype)->block_elements > 1;
}

struct sums {
    struct bench_work *work;
    double integers, all; /* operations */
};

static void add_matrix(struct sums *sums, const struct tensor *w, enum weight weight, double share) {
    double operations = 2 * share * (double)elements_of(w);
    if (weight_rows()[weight].kind == WEIGHT_VECTOR || weight == WEIGHT_EMBED) return;
    sums->all += operations;
    if (is_integer(w)) sums->integers += operations;
    if (weight == WEIGHT_HEAD)
        sums->work->head_operations += operations;
    else
        sums->work->weight_operations += operations;
}

static void add_weight(struct sums *sums, const struct model *model, enum weight weight, int layer) {
    const struct model_desc *desc = &model->desc;
    bool experts = weight_rows()[weight].copies == PER_EXPERT;
    for (int copy = 0; copy < (experts ? desc->experts : 1); copy++) {
        const struct tensor *w = &model->weights.slot[weights_slot(&model->weights, weight, layer, copy)];
        int64_t bytes = read_bytes(w);
        if (weight == WEIGHT_EMBED) bytes /= desc->vocab; /* one row */
        if (experts)
            sums->work->expert_bytes += bytes / desc->experts; /* they are alike */
        else
            sums->work->fixed_bytes += bytes;
        add_matrix(sums, w, weight, experts ? (double)desc->experts_used / desc->experts : 1);
    }
}

/* A head that is the embedding has a slot of its own only when it is rearranged. */
static void add_tied_head(struct sums *sums, const struct model *model) {
    const struct tensor *head = &model->weights.slot[model->weights.first[WEIGHT_HEAD]];
    if (head->data || head->panels) return;
    const struct tensor *table = &model->weights.slot[model->weights.first[WEIGHT_EMBED]];
    sums->work->fixed_bytes += read_bytes(table);
    add_matrix(sums, table, WEIGHT_HEAD, 1);
}

struct bench_work bench_work_of(const struct model *model) {
    const struct model_desc *desc = &model->desc;
    struct bench_work work = {.cache_bytes = kv_bytes_per_token(desc, model->plane, false),
                              .experts = desc->experts,
                              .experts_used = desc->experts_used};
    struct sums sums = {.work = &work};
    for (enum weight w = 0; w < WEIGHT_MTP_EMBED; w++)
        for (int layer = 0; layer < (weight_rows()[w].copies == PER_MODEL ? 1 : desc->layers); layer++)
            if (weight_exists(desc, w, layer) || w == WEIGHT_HEAD) add_weight(&sums, model, w, layer);
    add_tied_head(&sums, model);
    for (int layer = 0; layer < desc->layers; layer++)
        work.context_operations +=
            desc->layer[layer].attention == ATTEND_LATENT
                ? 2.0 * desc->heads * (desc->nope_dim + desc->rope_dim + desc->value_dim)
                : 4.0 * desc->heads * desc->head_dim;
    work.integers = sums.integers > sums.all / 2;
    return work;
}

double bench_step_bytes(const struct bench_work *work, int batch, double context) {
    double experts = 0;
    if (work->experts)
        experts = work->experts * (1 - pow(1 - (double)work->experts_used / work->experts, batch));
    return (double)work->fixed_bytes + experts * (double)work->expert_bytes +
           batch * context * (double)work->cache_bytes;
}

double bench_prompt_operations(const struct bench_work *work, int64_t tokens, int64_t depth) {
    double contexts = (double)tokens * (double)depth + 0.5 * (double)tokens * (double)(tokens + 1);
    return (double)tokens * work->weight_operations + work->head_operations +
           contexts * work->context_operations;
}
