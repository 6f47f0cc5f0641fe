/* activations.c - sizes and takes the working memory of a step. The one list below is both the plan and the
 * allocation. */
#include "model/activations.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>

struct part {
    void **memory;
    int64_t bytes;
};
enum { PARTS = 23 };

/* With `a` NULL only the sizes are of interest. */
static void list_parts(struct activations *a, const struct model_desc *d, int64_t rows,
                       struct part part[PARTS]) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    int64_t f = (int64_t)sizeof(float), half = model_rope_dim(d) / 2;
    int64_t query =
        latent ? (int64_t)d->heads * (d->nope_dim + d->rope_dim) : (int64_t)d->heads * d->head_dim;
    int64_t key = latent ? (int64_t)d->kv_rank + d->rope_dim : (int64_t)d->kv_heads * d->head_dim;
    int64_t value = latent ? d->kv_rank : (int64_t)d->kv_heads * d->head_dim;
    int64_t attended = latent ? (int64_t)d->heads * d->value_dim : query;
    int64_t ffn = max_i64(d->dense_ffn, d->shared_experts * d->expert_ffn);
    int64_t places = rows * d->experts_used, mtp = d->mtp_layers ? rows : 0;
#define PART(field, size)                                                                                    \
    { a ? (void **)&a->field : NULL, (size) }
    const struct part list[PARTS] = {
        PART(frequency, half * (int64_t)sizeof(double)),
        PART(cosine, rows * half * f),
        PART(sine, rows * half * f),
        PART(residual, rows * d->width * f),
        PART(normed, rows * d->width * f),
        PART(query_latent, rows * d->q_rank * f),
        PART(query, rows * query * f),
        PART(key_value, rows * key * f),
        PART(latent, rows * value * f),
        PART(attended, rows * attended * f),
        PART(projected, rows * d->width * f),
        PART(inner, rows * 2 * ffn * f),
        PART(score, rows * d->experts * f),
        PART(route_weight, places * f),
        PART(gathered, places * d->width * f),
        PART(expert_inner, places * 2 * d->expert_ffn * f),
        PART(hidden, rows * d->width * f),
        PART(mtp_hidden, mtp * d->width * f),
        PART(mtp_pair, mtp * 2 * d->width * f),
        PART(head_rows, rows * d->width * f),
        PART(expert, places * (int64_t)sizeof(int32_t)),
        PART(order, (places + d->experts + 1) * (int64_t)sizeof(int32_t)),
        PART(expert_matrix, 3 * d->experts * (int64_t)sizeof(struct tensor *)),
    };
#undef PART
    for (int i = 0; i < PARTS; i++) part[i] = list[i];
}

int64_t activations_bytes(const struct model_desc *desc, int64_t rows) {
    struct part part[PARTS];
    int64_t bytes = 0;
    list_parts(NULL, desc, rows, part);
    for (int i = 0; i < PARTS; i++) bytes += part[i].bytes;
    return bytes;
}

enum status activations_open(struct model *model) {
    struct part part[PARTS];
    struct activations *a = calloc(1, sizeof *a);
    if (!a) return fail(STATUS_MEMORY, "no memory for activations");
    model->activations = a;
    a->rows = model->max_rows;
    list_parts(a, &model->desc, model->max_rows, part);
    for (int i = 0; i < PARTS; i++) {
        *part[i].memory = model->backend->ops->allocate(model->backend, part[i].bytes);
        if (!*part[i].memory)
            return fail(STATUS_MEMORY, "no memory for %lld bytes of activations", (long long)part[i].bytes);
    }
    a->query_normed = a->query_latent;
    rope_frequencies(&model->desc.rope, model_rope_dim(&model->desc), a->frequency, &a->multiplier);
    const float *divisor = weights_vector(&model->weights, WEIGHT_ROPE_DIVISOR, 0);
    for (int i = 0; divisor && i < model_rope_dim(&model->desc) / 2; i++) a->frequency[i] /= divisor[i];
    return STATUS_OK;
}

void activations_close(struct model *model) {
    struct part part[PARTS];
    if (!model->activations) return;
    list_parts(model->activations, &model->desc, model->max_rows, part);
    for (int i = 0; i < PARTS; i++) model->backend->ops->release(model->backend, *part[i].memory);
    free(model->activations);
    model->activations = NULL;
}

struct backend_shape model_backend_shape(const struct model_desc *d, int64_t rows) {
    int64_t attended = max_i64((int64_t)d->heads * d->value_dim, (int64_t)d->heads * d->head_dim);
    int64_t widest =
        max_i64(max_i64(2 * d->width, attended), max_i64(d->dense_ffn, d->shared_experts * d->expert_ffn));
    widest = max_i64(max_i64(widest, d->expert_ffn), max_i64(d->q_rank, d->kv_rank));
    return (struct backend_shape){.rows = rows,
                                  .places = rows * d->experts_used,
                                  .widest_expert = max_i64(d->width, d->expert_ffn),
                                  .widest = widest,
                                  .heads = d->heads,
                                  .nope_dim = d->nope_dim,
                                  .rope_dim = d->rope_dim,
                                  .value_dim = d->value_dim,
                                  .kv_rank = d->kv_rank,
                                  .kv_heads = d->kv_heads,
                                  .head_dim = d->head_dim};
}
