/* trainer_memory.c - sizes and takes the memory of a trainer: one block of floats for what passes keep, and the cache pages
 * that attention reads within a layer, which all layers share, since the way back needs none of them. */
#include "train/trainer_memory.h"

#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void clear_floats(float *floats, int64_t count) {
    memset(floats, 0, (size_t)count * sizeof *floats);
}

/* With `base` NULL only the size is of interest. */
struct carver {
    float *base;
    int64_t at;
};

static void carve(struct carver *carver, float **part, int64_t floats) {
    if (carver->base) *part = carver->base + carver->at;
    carver->at += round_up(floats, 16);
}

static void carve_int(struct carver *carver, int32_t **part, int64_t count) {
    float *memory = NULL;
    carve(carver, &memory, count);
    if (memory) *part = (int32_t *)(void *)memory;
}

static int64_t query_width(const struct model_desc *d) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    return (int64_t)d->heads * (latent ? d->nope_dim + d->rope_dim : d->head_dim);
}
static int64_t key_width(const struct model_desc *d) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    return latent ? d->kv_rank + d->rope_dim : (int64_t)d->kv_heads * d->head_dim;
}
static int64_t value_width(const struct model_desc *d) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    return latent ? d->kv_rank : (int64_t)d->kv_heads * d->head_dim;
}
static int64_t attended_width(const struct model_desc *d) {
    return d->layer[0].attention == ATTEND_LATENT ? (int64_t)d->heads * d->value_dim : query_width(d);
}
static int64_t ffn_width(const struct model_desc *d) {
    return max_i64(d->dense_ffn, d->shared_experts * d->expert_ffn);
}

/* What a layer keeps, its input apart. */
static void carve_kept(struct carver *carver, struct layer_record *record, const struct model_desc *d,
                       int64_t rows) {
    struct activations *a = &record->a;
    int64_t places = rows * d->experts_used, ffn = ffn_width(d);
    carve(carver, &record->middle, rows * d->width);
    carve(carver, &record->attention_in, rows * d->width);
    carve(carver, &record->ffn_in, rows * d->width);
    carve(carver, &a->query_latent, rows * d->q_rank);
    carve(carver, &a->query_normed, rows * d->q_rank);
    carve(carver, &a->query, rows * query_width(d));
    carve(carver, &a->key_value, rows * key_width(d));
    carve(carver, &a->latent, rows * value_width(d));
    carve(carver, &a->attended, rows * attended_width(d));
    carve(carver, &a->inner, rows * 2 * ffn);
    carve(carver, &a->gate_kept, rows * ffn);
    carve(carver, &a->score, rows * d->experts);
    carve(carver, &a->route_weight, places);
    carve_int(carver, &a->expert, places);
    carve_int(carver, &a->order, places + d->experts + 1);
    carve(carver, &a->expert_inner, places * 2 * d->expert_ffn);
    carve(carver, &a->expert_gate_kept, places * d->expert_ffn);
}

static void carve_derivatives(struct carver *carver, struct derivatives *g, const struct model_desc *d,
                              int64_t rows) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    int64_t keys = latent ? query_width(d) : 0, places = rows * d->experts_used;
    int64_t expanded = latent ? (int64_t)d->heads * (d->nope_dim + d->value_dim) : 0;
    int64_t mtp = d->mtp_layers ? rows : 0;
    carve(carver, &g->residual, rows * d->width);
    carve(carver, &g->normed, rows * d->width);
    carve(carver, &g->hidden, rows * d->width);
    carve(carver, &g->mtp_hidden, mtp * d->width);
    carve(carver, &g->attended, rows * attended_width(d));
    carve(carver, &g->query, rows * query_width(d));
    carve(carver, &g->key_value, rows * key_width(d));
    carve(carver, &g->latent, rows * value_width(d));
    carve(carver, &g->query_latent, rows * d->q_rank);
    carve(carver, &g->query_normed, rows * d->q_rank);
    carve(carver, &g->key, rows * keys);
    carve(carver, &g->dkey, rows * keys);
    carve(carver, &g->expanded, rows * expanded);
    carve(carver, &g->dexpanded, rows * expanded);
    carve(carver, &g->inner, rows * 3 * ffn_width(d));
    carve(carver, &g->score, rows * d->experts);
    carve(carver, &g->route_weight, places);
    carve(carver, &g->x_gathered, 2 * places * d->width);
    carve(carver, &g->dy_gathered, places * d->width);
    carve(carver, &g->expert_inner, places * 3 * d->expert_ffn);
    carve(carver, &g->place, places);
    carve(carver, &g->balance, rows * d->experts);
    carve(carver, &g->factor, rows);
    carve(carver, &g->unsine, rows * model_rope_dim(d) / 2);
    carve(carver, &g->row, mtp * d->width);
    carve(carver, &g->pair, mtp * 2 * d->width);
}

static void carve_batch(struct carver *carver, struct trainer_memory *m, const struct model_desc *d,
                        int64_t rows) {
    int64_t mtp = d->mtp_layers ? rows : 0, half = model_rope_dim(d) / 2;
    carve(carver, &m->logits, min_i64(HEAD_ROWS, rows) * d->vocab);
    carve(carver, &m->coefficient, HEAD_ROWS);
    carve(carver, &m->loss, HEAD_ROWS);
    carve_int(carver, &m->mtp_token, mtp);
    carve_int(carver, &m->mtp_target, mtp);
    carve(carver, &m->mtp_weight, mtp);
    carve_int(carver, &m->hidden_row, mtp);
    carve(carver, &m->mtp.residual, mtp * d->width);
    carve(carver, &m->mtp.cosine, mtp * half);
    carve(carver, &m->mtp.sine, mtp * half);
    carve_int(carver, &m->page, 2 * rows);
}

static void carve_all(struct carver *carver, struct trainer_memory *m, const struct model_desc *d,
                      const struct trainer_options *options) {
    int64_t rows = options->max_rows;
    struct layer_record unused = {0};
    carve_batch(carver, m, d, rows);
    carve_derivatives(carver, &m->d, d, rows);
    for (int layer = 0; layer < d->layers + d->mtp_layers; layer++) {
        struct layer_record *record = m->layer ? &m->layer[layer] : &unused;
        carve(carver, &record->input, rows * d->width);
        if (layer && options->recompute) { /* the arrays of the first */
            float *input = record->input;
            if (m->layer) *record = m->layer[0];
            record->input = input;
            continue;
        }
        carve_kept(carver, record, d, rows);
    }
}

struct trainer_plan trainer_plan(const struct model_desc *desc, const struct trainer_options *options) {
    struct trainer_memory memory = {0};
    struct carver carver = {0};
    struct backend_shape shape = model_backend_shape(desc, options->max_rows);
    carve_all(&carver, &memory, desc, options);
    const int64_t model = parameters_bytes(desc), adapters = adapters_elements(desc, &options->lora);
    const int64_t trained = options->frozen      ? 0
                            : options->lora.rank ? adapters * (int64_t)sizeof(float)
                                                 : model;
    struct trainer_plan plan = {
        .trained = trained,
        .parameters = options->lora.rank ? model + 2 * trained : model + trained + (options->fp8 ? model : 0),
        .activations = carver.at * (int64_t)sizeof(float) + activations_bytes(desc, options->max_rows) +
                       backend_cpu_scratch_bytes(&shape, options->threads)};
    plan.total = plan.parameters + plan.activations;
    return plan;
}

/* The kept arrays take the place of the model's in a copy of its activations. */
static void lay_over(struct activations *a, const struct activations *base) {
    struct activations kept = *a;
    *a = *base;
    a->query_latent = kept.query_latent;
    a->query_normed = kept.query_normed;
    a->query = kept.query;
    a->key_value = kept.key_value;
    a->latent = kept.latent;
    a->attended = kept.attended;
    a->inner = kept.inner;
    a->gate_kept = kept.gate_kept;
    a->score = kept.score;
    a->route_weight = kept.route_weight;
    a->expert = kept.expert;
    a->order = kept.order;
    a->expert_inner = kept.expert_inner;
    a->expert_gate_kept = kept.expert_gate_kept;
}

static void arrange(struct trainer *trainer) {
    struct trainer_memory *m = trainer->memory;
    struct activations *base = trainer->model.activations, mtp = m->mtp;
    const struct model_desc *d = &trainer->model.desc;
    m->original = base;
    m->trunk = m->mtp = *base;
    if (d->mtp_layers) {
        m->mtp.residual = mtp.residual;
        m->mtp.cosine = mtp.cosine;
        m->mtp.sine = mtp.sine;
    }
    for (int layer = 0; layer < d->layers + d->mtp_layers; layer++)
        lay_over(&m->layer[layer].a, layer < d->layers ? &m->trunk : &m->mtp);
}

/* A page of its own for each row is the most that segments can need; what is not touched costs no memory. */
static enum status take_pages(struct trainer *trainer) {
    struct trainer_memory *m = trainer->memory;
    struct model *model = &trainer->model;
    int layers = model->desc.layers + model->desc.mtp_layers;
    m->kv = calloc((size_t)layers * KV_PLANES, sizeof *m->kv);
    if (!m->kv) return fail(STATUS_MEMORY, "no memory for cache views");
    for (int p = 0; p < KV_PLANES; p++) {
        const struct kv_plane *plane = &model->plane[p];
        int64_t bytes;
        if (!multiply_fits((int64_t)trainer->options.max_rows * KV_PAGE_TOKENS,
                           plane->heads * plane->entry_bytes, &bytes))
            return fail(STATUS_LIMIT, "the batch is too large");
        m->plane[p] = model->backend->ops->allocate(model->backend, bytes);
        if (!m->plane[p]) return fail(STATUS_MEMORY, "no memory for %lld bytes of cache", (long long)bytes);
        for (int layer = 0; layer < layers; layer++)
            m->kv[layer * KV_PLANES + p] = (struct kv_plane_view){m->plane[p], plane->dtype, plane->heads,
                                                                  plane->width, plane->entry_bytes};
    }
    return STATUS_OK;
}

static enum status take_floats_and_runs(struct trainer *trainer) {
    struct trainer_memory *m = trainer->memory;
    const struct model_desc *d = &trainer->model.desc;
    struct carver carver = {0};
    carve_all(&carver, m, d, &trainer->options);
    size_t layers = (size_t)(d->layers + d->mtp_layers), rows = (size_t)trainer->options.max_rows;
    m->floats = carver.at;
    m->layer = calloc(layers, sizeof *m->layer);
    m->run = calloc(2 * rows, sizeof *m->run);
    m->base = take_floats(carver.at);
    if (!m->layer || !m->run || !m->base)
        return fail(STATUS_MEMORY, "no memory for %lld bytes of activations and derivatives",
                    (long long)(carver.at * (int64_t)sizeof(float)));
    m->mtp_run = m->run + rows;
    carver = (struct carver){m->base, 0};
    carve_all(&carver, m, d, &trainer->options);
    return STATUS_OK;
}

enum status trainer_memory_open(struct trainer *trainer) {
    const struct model_desc *d = &trainer->model.desc;
    int head = d->nope_dim + d->rope_dim > d->value_dim ? d->nope_dim + d->rope_dim : d->value_dim;
    struct backward_shape shape = {
        .run_rows = trainer->options.max_rows,
        .widest = model_backend_shape(d, 1).widest,
        .head_dim = head > d->head_dim ? head : d->head_dim,
    };
    for (int i = 0; trainer->options.fp8 && i < trainer->parameters.count; i++) {
        const struct parameter *item = &trainer->parameters.item[i];
        if (parameter_is_fp8(item)) shape.fp8 = max_i64(shape.fp8, max_i64(item->shape[0], item->shape[1]));
    }
    shape.fp8 *= trainer->options.max_rows;
    trainer->memory = calloc(1, sizeof *trainer->memory);
    if (!trainer->memory) return fail(STATUS_MEMORY, "no memory for the trainer");
    TRY(take_floats_and_runs(trainer));
    TRY(take_pages(trainer));
    TRY(trainer->model.backend->ops->backward->reserve(trainer->model.backend, &shape));
    arrange(trainer);
    return STATUS_OK;
}

void trainer_memory_close(struct trainer *trainer) {
    struct trainer_memory *m = trainer->memory;
    if (!m) return;
    if (m->original) trainer->model.activations = m->original;
    for (int p = 0; p < KV_PLANES; p++)
        if (m->plane[p]) trainer->model.backend->ops->release(trainer->model.backend, m->plane[p]);
    free(m->base);
    free(m->layer);
    free(m->run);
    free(m->kv);
    free(m);
    trainer->memory = NULL;
}
