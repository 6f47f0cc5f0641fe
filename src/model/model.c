/* model.c - opening and closing a model: files, description, weights, memory plan, backend, activations. */
#include "model/model.h"

#include "base/bytes.h"
#include "base/memory.h"
#include "model/activations.h"

#include <stdio.h>

enum { MAX_HEAD_DIM = 4096 }; /* of one head; the CPU backend keeps one such column on the stack */

static enum status check_dimensions(const struct model_desc *desc, const char *path) {
    int widest = desc->nope_dim;
    if (desc->rope_dim > widest) widest = desc->rope_dim;
    if (desc->value_dim > widest) widest = desc->value_dim;
    if (desc->head_dim > widest) widest = desc->head_dim;
    if (widest <= MAX_HEAD_DIM) return STATUS_OK;
    return fail(STATUS_LIMIT, "%s: a head dimension of %d is beyond the limit of %d", path, widest,
                MAX_HEAD_DIM);
}

static enum dtype automatic_kv_type(const struct model *model) {
    bool latent = model->desc.layer[0].attention == ATTEND_LATENT;
    const struct tensor *w = weights_matrix(&model->weights, latent ? WEIGHT_KV_A : WEIGHT_K, 0, 0);
    return dtype_traits(w->dtype)->block_elements == 1 ? DTYPE_F32 : DTYPE_BF16;
}

static int64_t kv_tokens(int64_t context, int sequences) {
    return round_up(context, KV_PAGE_TOKENS) * sequences; /* below 2^61: see MODEL_MAX_CONTEXT */
}

/* Tokens that the cache has room for; the automatic number is settled last. */
static int64_t cache_tokens(const struct model *model, const struct model_options *options) {
    int64_t one = kv_tokens(model->context, 1);
    if (options->cache_tokens > 0) return max_i64(round_up(options->cache_tokens, KV_PAGE_TOKENS), one);
    if (options->cache_tokens == CACHE_AUTOMATIC) return max_i64(model->cache_tokens, one);
    return kv_tokens(model->context, options->sequences);
}

static int64_t memory_to_use(const struct model_options *options) {
    return options->memory_limit ? options->memory_limit : memory_available();
}

/* INT64_MAX instead of a number that does not fit: no machine has that either. */
static int64_t product(int64_t a, int64_t b) {
    int64_t result;
    return multiply_fits(a, b, &result) ? result : INT64_MAX;
}
static int64_t sum(int64_t a, int64_t b) {
    int64_t result;
    return add_fits(a, b, &result) ? result : INT64_MAX;
}

/* Of a row for each answer that is computed at once, and one more where they draft. */
static int64_t logits_bytes(const struct model_desc *desc, const struct model_options *options) {
    int64_t rows = (desc->mtp_layers ? 2 : 1) * max_i64(options->sequences, 1);
    return product(rows, product(desc->vocab, (int64_t)sizeof(float)));
}

struct memory_plan model_memory_plan(const struct model *model, const struct model_options *options) {
    struct backend_shape shape = model_backend_shape(&model->desc, model->max_rows);
    struct memory_plan plan = {
        .weights = checkpoint_bytes(&model->checkpoint) - model->packed.native_bytes + model->packed.bytes,
        .kv = product(kv_bytes_per_token(&model->desc, model->plane, true), cache_tokens(model, options)),
        .activations = activations_bytes(&model->desc, model->max_rows),
        .scratch =
            sum(backend_cpu_scratch_bytes(&shape, options->threads), logits_bytes(&model->desc, options)),
        .available = memory_to_use(options),
    };
    plan.total = sum(sum(plan.weights, plan.kv), sum(plan.activations, plan.scratch));
    return plan;
}

static enum status check_memory(const struct model *model, const struct model_options *options) {
    struct memory_plan plan = model_memory_plan(model, options);
    if (plan.total <= plan.available) return STATUS_OK;
    char total[32], weights[32], kv[32], work[32], available[32];
    return fail(STATUS_MEMORY,
                "%s: needs %s (weights %s, cache of %lld tokens %s, working memory %s) but %s are available; "
                "a smaller context or batch size, a more compact type or a higher memory limit may help",
                model->checkpoint.path, bytes_text(plan.total, total), bytes_text(plan.weights, weights),
                (long long)cache_tokens(model, options), bytes_text(plan.kv, kv),
                bytes_text(plan.activations + plan.scratch, work), bytes_text(plan.available, available));
}

/* An asked-for context is taken or refused; an automatic one leaves half of the free memory to others. */
static enum status settle_context(struct model *model, const struct model_options *options) {
    if (options->context > model->desc.context)
        return fail(STATUS_LIMIT, "%s: a context of %lld tokens is beyond the model's %lld", options->path,
                    (long long)options->context, (long long)model->desc.context);
    model->context = options->context;
    if (options->context) return STATUS_OK;
    struct memory_plan without = model_memory_plan(model, options);
    int64_t each = product(kv_bytes_per_token(&model->desc, model->plane, true),
                           options->cache_tokens ? 1 : options->sequences);
    int64_t fits =
        (without.available - without.total) / 2 / max_i64(each, 1) / KV_PAGE_TOKENS * KV_PAGE_TOKENS;
    model->context = min_i64(min_i64(model->desc.context, AUTOMATIC_CONTEXT), max_i64(fits, KV_PAGE_TOKENS));
    return STATUS_OK;
}

static void settle_cache(struct model *model, const struct model_options *options) {
    struct memory_plan plan = model_memory_plan(model, options); /* with the least */
    int64_t each = max_i64(kv_bytes_per_token(&model->desc, model->plane, true), 1);
    int64_t more = max_i64((plan.available - plan.total) / 2 / each, 0) / KV_PAGE_TOKENS * KV_PAGE_TOKENS;
    int64_t least = cache_tokens(model, options);
    model->cache_tokens = least;
    if (options->cache_tokens == CACHE_AUTOMATIC)
        model->cache_tokens = min_i64(least + more, kv_tokens(model->context, options->sequences));
}

/* Compact types take more memory when they are rearranged: a model that only fits as it is runs as it is. */
static void give_up_what_does_not_fit(struct model *model, const struct model_options *options) {
    char reason[160], total[32], available[32];
    if (options->pack != PACK_AUTOMATIC || model->packed.place == PACKED_NOWHERE) return;
    model->context = options->context ? min_i64(options->context, model->desc.context) : KV_PAGE_TOKENS;
    struct memory_plan plan = model_memory_plan(model, options);
    if (plan.total <= plan.available) return;
    snprintf(reason, sizeof reason, "arranged it would need %s and %s are available",
             bytes_text(plan.total, total), bytes_text(plan.available, available));
    packed_give_up(&model->packed, reason);
}

static enum status prepare_packed(struct model *model, const struct model_options *options) {
    struct packed_options packed = {.mode = options->pack,
                                    .cache_dir = options->cache_dir,
                                    .available = memory_to_use(options),
                                    .progress = options->progress,
                                    .progress_context = options->progress_context};
    if (!model->backend->integer_products) return STATUS_OK;
    TRY(packed_prepare(&model->packed, &model->weights, &model->desc, &model->checkpoint, &packed));
    give_up_what_does_not_fit(model, options);
    return STATUS_OK;
}

static enum status open_parts(struct model *model, const struct model_options *options) {
    TRY(checkpoint_open(&model->checkpoint, options->path, CHECKPOINT_TENSORS));
    TRY(model_desc_from_checkpoint(&model->desc, &model->checkpoint));
    TRY(check_dimensions(&model->desc, options->path));
    TRY(weights_load(&model->weights, &model->desc, &model->checkpoint));
    model->max_rows = options->max_rows;
    model->strict = options->strict;
    TRY(kv_planes_of(&model->desc, options->kv_automatic ? automatic_kv_type(model) : options->kv_type,
                     model->plane));
    struct backend_options backend = {options->threads, options->cpu_level_cap, options->numa};
    TRY(backend_open_cpu(&model->backend, &backend));
    TRY(prepare_packed(model, options));
    TRY(settle_context(model, options));
    settle_cache(model, options);
    TRY(check_memory(model, options));
    struct backend_shape shape = model_backend_shape(&model->desc, model->max_rows);
    TRY(model->backend->ops->reserve(model->backend, &shape));
    TRY(packed_arrange(&model->packed, &model->weights, &model->checkpoint, model->backend));
    TRY(placed_arrange(&model->placed, &model->weights, &model->desc, model->backend, options->progress,
                       options->progress_context));
    return activations_open(model);
}

enum status model_open(struct model *model, const struct model_options *options) {
    *model = (struct model){0};
    MUST(options->max_rows >= 1 && options->sequences >= 1 && options->cache_tokens >= CACHE_AUTOMATIC);
    enum status status = open_parts(model, options);
    if (status != STATUS_OK) model_close(model);
    return status;
}

static enum status open_around_weights(struct model *model, const struct model_options *options) {
    struct backend_options backend = {options->threads, options->cpu_level_cap, options->numa};
    struct backend_shape shape = model_backend_shape(&model->desc, model->max_rows);
    TRY(check_dimensions(&model->desc, model->desc.architecture));
    TRY(kv_planes_of(&model->desc, options->kv_automatic ? automatic_kv_type(model) : options->kv_type,
                     model->plane));
    TRY(backend_open_cpu(&model->backend, &backend));
    TRY(model->backend->ops->reserve(model->backend, &shape));
    return activations_open(model);
}

enum status model_open_weights(struct model *model, const struct model_desc *desc, struct weights *weights,
                               const struct model_options *options) {
    MUST(options->max_rows >= 1);
    *model = (struct model){.desc = *desc,
                            .weights = *weights,
                            .max_rows = options->max_rows,
                            .strict = options->strict,
                            .context = options->context ? options->context : desc->context};
    *weights = (struct weights){0};
    enum status status = open_around_weights(model, options);
    if (status != STATUS_OK) model_close(model);
    return status;
}

enum status model_check(const struct model *model) {
    TRY(packed_check(&model->packed));
    return checkpoint_check(&model->checkpoint);
}

void model_close(struct model *model) {
    activations_close(model);
    if (model->backend) model->backend->ops->close(model->backend);
    placed_close(&model->placed);
    packed_close(&model->packed);
    weights_free(&model->weights);
    checkpoint_close(&model->checkpoint);
    *model = (struct model){0};
}
