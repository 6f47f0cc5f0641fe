/* pretrain.c - the loop of pretrain.h. A step: sum the weights of all its batches, then each batch forward and back, then the
 * optimizer, then the routers' biases. */
#include "train/pretrain.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/crew.h"
#include "train/start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct job {
    const struct pretrain_options *options;
    struct model_desc desc;
    json_t *config;
    struct tokenizer *tokenizer;
    struct corpus corpus, valid;
    struct packing packing;
    struct packed_batch *batch;       /* [batches] of a step */
    const struct train_batch **order; /* [batches] the same, as a crew takes them */
    int batches;
    struct trainer trainer;
    struct crew crew; /* of `hands`; none where a step is one batch */
    int hands;
    struct optimizer optimizer;
    struct run_store store;
    struct run_state state;
    double flops_per_token;
    double taken;  /* seconds that the steps of this process took */
    int64_t begun; /* steps that were done before it */
};

/* ---- opening ---- */

static enum status make_config(struct job *job) {
    job->config = json_deep_copy(job->options->config);
    if (!job->config) return fail(STATUS_MEMORY, "%s: out of memory", job->options->origin);
    json_object_del(job->config, "quantization_config");
    json_object_set_new(job->config, "torch_dtype", json_string("float32"));
    return model_desc_from_config(&job->desc, job->config, job->options->origin);
}

static enum status check_tokenizer(const struct job *job) {
    int32_t needed = tokenizer_vocabulary(job->tokenizer);
    if (needed <= job->desc.vocab) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: vocab_size %lld, but the tokenizer %s has %d tokens", job->options->origin,
                (long long)job->desc.vocab, job->options->tokenizer, needed);
}

static enum status read_data(struct job *job) {
    const struct pretrain_options *options = job->options;
    struct corpus_options corpus = {.tokenizer = job->tokenizer,
                                    .dialogue = options->dialogue,
                                    .progress = options->listener->reading,
                                    .progress_context = options->listener->context,
                                    .middle_rate = options->middle_rate,
                                    .middle_seed = options->seed};
    for (int i = 0; i < options->datas; i++) TRY(corpus_add(&job->corpus, options->data[i], &corpus));
    corpus.middle_rate = 0;
    for (int i = 0; i < options->valids; i++) TRY(corpus_add(&job->valid, options->valid[i], &corpus));
    return packing_open(&job->packing, &job->corpus, options->seed, options->sequence_rows, options->packing);
}

static enum status make_plan(struct job *job) {
    struct pretrain_plan plan;
    char needed[32], available[32];
    TRY(pretrain_plan(job->options, &plan));
    job->flops_per_token = plan.flops_per_token;
    job->hands = plan.hands;
    if (plan.memory <= plan.available) return STATUS_OK;
    return fail(STATUS_MEMORY,
                "training needs %s and %s are available; fewer sequences at a time or --recompute may help",
                bytes_text(plan.memory, needed), bytes_text(plan.available, available));
}

static enum status read_inputs(struct job *job) {
    TRY(make_config(job));
    TRY(tokenizer_open(&job->tokenizer, job->options->tokenizer));
    TRY(check_tokenizer(job));
    TRY(read_data(job));
    return make_plan(job);
}

/* ---- among ranks ---- */

static bool is_first(const struct job *job) {
    return job->options->comm->rank == 0;
}

/* All have as many hands, so that they meet after as many rounds. */
static enum status meet(struct job *job) {
    struct comm *comm = job->options->comm;
    int batches = pretrain_batches(job->options);
    int64_t hands;
    if (comm->ranks > batches)
        return fail(STATUS_USAGE,
                    "the %d batches of a step cannot be shared by %d ranks: a smaller --micro-batch makes "
                    "more of them",
                    batches, comm->ranks);
    uint64_t valid = job->options->valids ? corpus_identity(&job->valid) : 0;
    TRY(start_compare(job->options, &job->desc, corpus_identity(&job->corpus), valid, 0));
    TRY(comm_least(comm, job->hands, &hands));
    job->hands = (int)hands;
    return STATUS_OK;
}

/* ---- memory and disk ---- */

static enum status open_model(struct job *job) {
    const struct pretrain_options *options = job->options;
    struct trainer_options trainer = options->trainer, own = pretrain_lead_options(options);
    trainer.max_rows = pretrain_batch_rows(options);
    TRY(trainer_open(&job->trainer, &job->desc, &own));
    TRY(run_load_base(options->init, &job->trainer));
    if (job->hands) TRY(crew_open(&job->crew, &job->trainer, &trainer, job->hands, options->comm));
    return optimizer_open(&job->optimizer, &job->trainer, &options->optimizer, options->comm);
}

static enum status open_batches(struct job *job) {
    const struct pretrain_options *options = job->options;
    job->batches = pretrain_batches(options);
    job->batch = calloc((size_t)job->batches, sizeof *job->batch);
    job->order = calloc((size_t)job->batches, sizeof *job->order);
    if (!job->batch || !job->order) return fail(STATUS_MEMORY, "no memory for %d batches", job->batches);
    for (int i = 0; i < job->batches; i++) {
        TRY(packed_batch_open(&job->batch[i], pretrain_batch_rows(options)));
        job->order[i] = &job->batch[i].batch;
    }
    return STATUS_OK;
}

static enum status begin_new(struct job *job) {
    const struct pretrain_options *options = job->options;
    job->state = (struct run_state){.seed = options->seed,
                                    .data = corpus_identity(&job->corpus),
                                    .sequence_rows = options->sequence_rows,
                                    .batch_sequences = options->batch_sequences};
    if (job->trainer.adapters) return run_begin_adapters(&job->trainer, options->adapter, options->seed);
    if (options->init) return run_load_weights(options->init, &job->trainer);
    parameters_initialise(&job->trainer.parameters, options->deviation, options->seed);
    return STATUS_OK;
}

/* Goes on only with what gives the same steps. */
static enum status begin_again(struct job *job, int64_t step) {
    const struct pretrain_options *options = job->options;
    TRY(run_store_load(&job->store, step, &job->trainer, &job->optimizer, &job->state));
    const struct run_state *state = &job->state;
    if (state->seed != options->seed || state->sequence_rows != options->sequence_rows ||
        state->batch_sequences != options->batch_sequences)
        return fail(
            STATUS_INPUT,
            "%s: was begun with a seed, sequence length or batch of its own (sequences of %lld tokens, "
            "%lld of them a step)",
            options->run, (long long)state->sequence_rows, (long long)state->batch_sequences);
    if (state->data != corpus_identity(&job->corpus))
        return fail(STATUS_INPUT, "%s: was begun with other data or another tokenizer", options->run);
    return STATUS_OK;
}

static enum status open_run(struct job *job) {
    const struct pretrain_options *options = job->options;
    if (!is_first(job)) return STATUS_OK;
    TRY(run_store_open(&job->store, options->run, options->resume));
    job->store.config = job->config;
    job->store.base = options->init;
    job->store.tokenizer = options->tokenizer;
    job->store.keep = options->keep;
    return STATUS_OK;
}

static enum status take_memory(struct job *job) {
    TRY(open_model(job));
    TRY(open_batches(job));
    return open_run(job);
}

static enum status begin(struct job *job) {
    const struct pretrain_options *options = job->options;
    int64_t newest = options->resume && is_first(job) ? run_store_newest(&job->store) : -1;
    TRY(comm_broadcast(options->comm, 0, &newest, sizeof newest));
    TRY(newest < 0 ? begin_new(job) : begin_again(job, newest));
    trainer_refresh(&job->trainer);
    if (options->init) TRY(start_compare_weights(options->comm, &job->trainer, options->init));
    return is_first(job) ? run_store_open_metrics(&job->store, job->state.step) : STATUS_OK;
}

/* Ranks agree wherever one may fail alone, so that nobody goes on to take what all is for nothing. */
static enum status open_job(struct job *job) {
    struct comm *comm = job->options->comm;
    TRY(comm_agree(comm, read_inputs(job)));
    TRY(meet(job));
    TRY(comm_agree(comm, take_memory(job)));
    return comm_agree(comm, begin(job));
}

static void close_job(struct job *job) {
    run_store_close(&job->store);
    for (int i = 0; job->batch && i < job->batches; i++) packed_batch_close(&job->batch[i]);
    free(job->batch);
    free(job->order);
    optimizer_close(&job->optimizer);
    crew_close(&job->crew);
    trainer_close(&job->trainer);
    packing_close(&job->packing);
    corpus_close(&job->corpus);
    corpus_close(&job->valid);
    tokenizer_close(job->tokenizer);
    json_decref(job->config);
}

/* ---- a step ---- */

static struct train_weights fill_batches(struct job *job) {
    const struct pretrain_options *options = job->options;
    struct train_weights weights = {0};
    int64_t left = options->batch_sequences, next = job->state.sequence;
    for (int i = 0; i < job->batches; i++) {
        packed_batch_clear(&job->batch[i]);
        for (int s = 0; s < options->micro_sequences && left; s++, left--)
            packing_append(&job->packing, next++, &job->batch[i]);
        train_batch_weights(&job->batch[i].batch, &weights);
    }
    return weights;
}

static struct loss_scale scale_of(const struct job *job, const struct train_weights *weights) {
    const struct pretrain_options *options = job->options;
    double lambda = job->desc.mtp_layers ? schedule_value(&options->mtp, job->state.step, options->steps) : 0;
    return (struct loss_scale){.token = weights->token > 0 ? 1 / weights->token : 0,
                               .mtp = weights->mtp > 0 ? lambda / weights->mtp : 0,
                               .balance = job->desc.experts ? options->balance / (double)weights->rows : 0};
}

static int routed_layers(const struct model_desc *desc) {
    int count = 0;
    for (int i = 0; i < desc->layers; i++) count += desc->layer[i].ffn == FFN_EXPERTS;
    return count;
}

static double load_most(const struct job *job) {
    const struct model_desc *d = &job->desc;
    double most = 0;
    for (int layer = 0; layer < d->layers; layer++) {
        const int64_t *load = job->trainer.load + (int64_t)layer * d->experts;
        int64_t sum = 0, largest = 0;
        for (int e = 0; d->layer[layer].ffn == FFN_EXPERTS && e < d->experts; e++) {
            sum += load[e];
            largest = max_i64(largest, load[e]);
        }
        if (sum) most = fmax(most, (double)largest * d->experts / (double)sum);
    }
    return most;
}

static enum status measure_gradient(const struct job *job, double *norm) {
    if (job->hands) return crew_gradient_norm(&job->crew, norm);
    *norm = optimizer_gradient_norm(&job->trainer);
    return STATUS_OK;
}

static enum status apply(struct job *job, struct pretrain_report *report) {
    const struct pretrain_options *options = job->options;
    struct run_state *state = &job->state;
    TRY(measure_gradient(job, &report->norm));
    report->rate = schedule_rate(&options->schedule, state->step);
    /* both are looked at in every step, so that both statistics go on */
    bool loss = spike_seen(&state->loss, report->loss, options->spike);
    bool norm = spike_seen(&state->norm, report->norm, options->spike);
    report->skipped = loss || norm;
    if (report->skipped) return STATUS_OK;
    if (job->hands) TRY(crew_deal_gradient(&job->crew, job->optimizer.border));
    TRY(optimizer_step(&job->optimizer, &job->trainer, report->rate, report->norm));
    trainer_balance(&job->trainer, schedule_value(&options->bias, state->step, options->steps));
    return STATUS_OK;
}

static enum status take_step(struct job *job, struct pretrain_report *report) {
    double begin = clock_seconds();
    struct train_weights weights = fill_batches(job);
    struct loss_scale scale = scale_of(job, &weights);
    struct loss_sums sums = {0};
    trainer_clear(&job->trainer);
    if (job->hands)
        TRY(crew_accumulate(&job->crew, job->order, job->batches, &scale, &sums));
    else
        TRY(trainer_accumulate(&job->trainer, &job->batch[0].batch, &scale, &sums));
    *report = (struct pretrain_report){.steps = job->options->steps};
    report->loss = scale.token * sums.token;
    report->mtp_loss = weights.mtp > 0 ? sums.mtp / weights.mtp : 0;
    report->balance =
        scale.balance != 0 ? sums.balance / (double)weights.rows / routed_layers(&job->desc) : 0;
    report->load_most = load_most(job);
    TRY(apply(job, report));
    job->state.step++;
    job->state.sequence += job->options->batch_sequences;
    job->state.tokens += weights.rows;
    report->step = job->state.step;
    report->tokens = job->state.tokens;
    report->seconds = clock_seconds() - begin;
    report->tokens_per_second = (double)weights.rows / report->seconds;
    report->flops_per_second = report->tokens_per_second * job->flops_per_token;
    job->taken += report->seconds;
    report->seconds_left =
        job->taken / (double)(report->step - job->begun) * (double)(report->steps - report->step);
    return STATUS_OK;
}

static enum status write_metrics(struct job *job, const struct pretrain_report *report) {
    if (!is_first(job)) return STATUS_OK;
    json_t *line =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f}", "step", (json_int_t)report->step, "loss",
                  isfinite(report->loss) ? report->loss : -1, "rate", report->rate, "norm",
                  isfinite(report->norm) ? report->norm : -1, "load_most", report->load_most, "tokens",
                  (json_int_t)report->tokens, "seconds", report->seconds, "tokens_per_second",
                  report->tokens_per_second, "flops_per_second", report->flops_per_second);
    if (line && report->mtp_loss > 0) json_object_set_new(line, "mtp_loss", json_real(report->mtp_loss));
    if (line && report->balance > 0) json_object_set_new(line, "balance", json_real(report->balance));
    if (line && report->skipped) json_object_set_new(line, "skipped", json_true());
    return run_store_write_metrics(&job->store, line);
}

static enum status save(struct job *job) {
    const struct pretrain_listener *listener = job->options->listener;
    TRY(run_store_save(&job->store, &job->trainer, &job->optimizer, &job->state));
    if (is_first(job)) listener->saved(listener->context, job->state.step);
    return STATUS_OK;
}

/* Each rank runs some sequences; the losses are added in the order of these. */
static enum status evaluate(struct job *job, struct packing *packing, struct packed_batch *batch,
                            double *lost, double *loss) {
    struct comm *comm = job->options->comm;
    struct train_weights weights = {0};
    double sum = 0;
    for (int64_t i = 0; i < packing->sequences; i++) {
        struct loss_sums sums = {0};
        packed_batch_clear(batch);
        packing_append(packing, i, batch);
        train_batch_weights(&batch->batch, &weights);
        if (i % comm->ranks != comm->rank) continue;
        TRY(trainer_evaluate(&job->trainer, &batch->batch, false, &sums));
        lost[i] = sums.token;
    }
    TRY(comm_merge(comm, lost, packing->sequences * (int64_t)sizeof *lost));
    for (int64_t i = 0; i < packing->sequences; i++) sum += lost[i];
    *loss = weights.token > 0 ? sum / weights.token : 0;
    return STATUS_OK;
}

static enum status measure_valid(struct job *job, double *loss) {
    const struct pretrain_options *options = job->options;
    struct packing packing;
    struct packed_batch batch = {0};
    TRY(packing_open(&packing, &job->valid, 0, options->sequence_rows, options->packing));
    double *lost = calloc((size_t)packing.sequences, sizeof *lost);
    enum status status = lost ? packed_batch_open(&batch, options->sequence_rows)
                              : fail(STATUS_MEMORY, "no memory for the losses of the validation data");
    status = comm_agree(options->comm, status);
    if (status == STATUS_OK) status = evaluate(job, &packing, &batch, lost, loss);
    free(lost);
    packed_batch_close(&batch);
    packing_close(&packing);
    return status;
}

/* Mean loss over every whole sequence of the validation data, in its own order. `best`: the lowest so far. */
static enum status validate(struct job *job, bool *best) {
    const struct pretrain_options *options = job->options;
    double loss;
    TRY(measure_valid(job, &loss));
    *best = options->keep_best && (!job->state.best_step || loss < job->state.best_loss);
    if (*best) {
        job->state.best_step = job->state.step;
        job->state.best_loss = loss;
    }
    options->listener->validated(options->listener->context, job->state.step, loss);
    if (!is_first(job)) return STATUS_OK;
    return run_store_write_metrics(
        &job->store, json_pack("{s:I, s:f}", "step", (json_int_t)job->state.step, "valid_loss", loss));
}

static bool due(int64_t step, int64_t every, int64_t steps) {
    return step == steps || (every && step % every == 0);
}

static enum status report_step(struct job *job, const struct pretrain_report *report, bool *going) {
    const struct pretrain_listener *listener = job->options->listener;
    struct comm *comm = job->options->comm;
    TRY(comm_agree(comm, write_metrics(job, report)));
    return comm_all(comm, listener->step(listener->context, report), going);
}

static enum status save_and_agree(struct job *job, int64_t *saved) {
    *saved = job->state.step;
    return comm_agree(job->options->comm, save(job));
}

static enum status run_steps(struct job *job) {
    const struct pretrain_options *options = job->options;
    int64_t saved = job->state.step;
    bool going = true;
    while (going && job->state.step < options->steps) {
        struct pretrain_report report;
        bool best = false;
        TRY(take_step(job, &report));
        TRY(report_step(job, &report, &going));
        if (options->valids && due(job->state.step, options->valid_every, options->steps))
            TRY(comm_agree(options->comm, validate(job, &best)));
        if (best || due(job->state.step, options->save_every, options->steps))
            TRY(save_and_agree(job, &saved));
    }
    if (job->state.step > saved) TRY(save_and_agree(job, &saved));
    return job->state.step < options->steps ? fail(STATUS_CANCELLED, "stopped after step %lld of %lld",
                                                   (long long)job->state.step, (long long)options->steps)
                                            : STATUS_OK;
}

enum status pretrain_run(const struct pretrain_options *options) {
    struct job job = {.options = options};
    enum status status = open_job(&job);
    if (status == STATUS_OK) {
        job.begun = job.state.step;
        struct pretrain_report begin = {
            .step = job.state.step, .steps = options->steps, .tokens = job.state.tokens};
        options->listener->began(options->listener->context, &begin, (int64_t)job.corpus.tokens.count);
        status = run_steps(&job);
    }
    close_job(&job);
    return comm_agree(options->comm, status);
}
