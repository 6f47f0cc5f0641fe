/* pretrain_plan.c - what a run of pretrain.h will take, before it begins. */
#include "base/bytes.h"
#include "base/memory.h"
#include "train/crew.h"
#include "train/pretrain.h"

#include <stdlib.h>

/* What a token meets; with the module of multi-token prediction its use of the head is included. */
static int64_t active_parameters(const struct model_desc *d, bool mtp) {
    struct parameter_counts counts = model_parameters(d);
    int64_t idle = (int64_t)(d->experts - d->experts_used) * 3 * d->width * d->expert_ffn;
    if (!mtp || !d->mtp_layers) return counts.active;
    bool routed = d->layer[d->layers].ffn == FFN_EXPERTS;
    return counts.active + counts.mtp - (routed ? idle : 0) + d->vocab * d->width;
}

/* Six for each parameter that a token meets, and attention over half a sequence on average. */
double training_flops_per_token(const struct model_desc *d, int sequence_rows, bool mtp) {
    bool latent = d->layer[0].attention == ATTEND_LATENT;
    double dims = latent ? d->nope_dim + d->rope_dim + d->value_dim : 2 * d->head_dim;
    int layers = d->layers + (mtp ? d->mtp_layers : 0);
    return 6 * (double)active_parameters(d, mtp) + 6 * dims * d->heads * layers * sequence_rows / 2;
}

int pretrain_batches(const struct pretrain_options *options) {
    return (int)divide_up(options->batch_sequences, options->micro_sequences);
}

int pretrain_batch_rows(const struct pretrain_options *options) {
    return options->micro_sequences * options->sequence_rows;
}

struct trainer_options pretrain_lead_options(const struct pretrain_options *options) {
    struct trainer_options trainer = options->trainer;
    trainer.max_rows = pretrain_batches(options) > 1 ? options->sequence_rows : pretrain_batch_rows(options);
    return trainer;
}

enum status training_moments(const struct pretrain_options *options, const struct model_desc *desc,
                             int64_t trained, int64_t *least, int64_t *most) {
    int ranks = options->comm->ranks;
    struct parameters list;
    *least = *most = divide_up(2 * trained, ranks);
    if (options->trainer.lora.rank || ranks == 1) return STATUS_OK;
    int64_t *border = calloc((size_t)ranks + 1, sizeof *border);
    if (!border) return fail(STATUS_MEMORY, "no memory for the parts of %d ranks", ranks);
    enum status status = parameters_list(&list, desc);
    if (status == STATUS_OK) {
        optimizer_borders(&list, options->optimizer.kind, ranks, border);
        parameters_close(&list);
    }
    for (int r = 0; status == STATUS_OK && r < ranks; r++) {
        int64_t bytes = 2 * (border[r + 1] - border[r]) * (int64_t)sizeof(float);
        *least = r ? min_i64(*least, bytes) : bytes;
        *most = r ? max_i64(*most, bytes) : bytes;
    }
    free(border);
    return status;
}

/* As many hands as fit. */
static enum status plan_memory(const struct pretrain_options *options, const struct model_desc *desc,
                               struct pretrain_plan *plan) {
    struct trainer_options trainer = options->trainer, own = pretrain_lead_options(options);
    const struct trainer_plan whole = trainer_plan(desc, &own);
    int batches = pretrain_batches(options);
    TRY(training_moments(options, desc, whole.trained, &plan->moments_least, &plan->moments_most));
    plan->memory = whole.total + plan->moments_most;
    if (batches == 1) return STATUS_OK;
    trainer.max_rows = pretrain_batch_rows(options);
    plan->hands = crew_hands(&trainer, batches, options->comm->ranks);
    while (plan->hands > 1 && plan->memory + crew_bytes(desc, &trainer, plan->hands) > plan->available)
        plan->hands--;
    plan->memory += crew_bytes(desc, &trainer, plan->hands);
    return STATUS_OK;
}

enum status pretrain_plan(const struct pretrain_options *options, struct pretrain_plan *plan) {
    struct model_desc desc;
    TRY(model_desc_from_config(&desc, options->config, options->origin));
    int64_t rows;
    if (!multiply_fits(options->micro_sequences, options->sequence_rows, &rows) || rows > 1 << 24)
        return fail(STATUS_LIMIT, "%d sequences of %d tokens at a time are too many",
                    options->micro_sequences, options->sequence_rows);
    if (options->sequence_rows > desc.context)
        return fail(STATUS_LIMIT, "%s: sequences of %d tokens are beyond max_position_embeddings %lld",
                    options->origin, options->sequence_rows, (long long)desc.context);
    *plan = (struct pretrain_plan){.parameters = model_parameters(&desc),
                                   .available = memory_available() / options->comm->neighbours};
    if (options->trainer.lora.rank) plan->adapters = adapters_elements(&desc, &options->trainer.lora);
    TRY(plan_memory(options, &desc, plan));
    plan->tokens = options->steps * options->batch_sequences * options->sequence_rows;
    plan->flops_per_token = training_flops_per_token(&desc, options->sequence_rows, true);
    plan->flops = plan->flops_per_token * (double)plan->tokens;
    return STATUS_OK;
}
