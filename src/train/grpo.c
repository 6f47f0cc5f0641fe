/* grpo.c - opening, steps, saving and going on; see grpo.h. */
#include "train/grpo.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/grpo_job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening ---- */

static enum status make_config(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    job->config = json_deep_copy(base->config);
    if (!job->config) return fail(STATUS_MEMORY, "%s: out of memory", base->origin);
    json_object_del(job->config, "quantization_config");
    json_object_set_new(job->config, "torch_dtype", json_string("float32"));
    return model_desc_from_config(&job->desc, job->config, base->origin);
}

static enum status read_tasks(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    struct task_reader reader = {base->dialogue, job->tokenizer, job->options->verifiers,
                                 job->options->teacher != NULL};
    for (int i = 0; i < base->datas; i++) TRY(tasks_add(&job->tasks, base->data[i], &reader));
    for (int i = 0; i < base->valids; i++) TRY(tasks_add(&job->valid, base->valid[i], &reader));
    if (!job->tasks.tasks) return fail(STATUS_INPUT, "%s: there are no tasks", base->data[0]);
    return task_order_open(&job->order, &job->tasks, base->seed);
}

static enum status check_memory(const struct grpo_job *job) {
    struct grpo_plan plan;
    char needed[32], available[32];
    TRY(grpo_plan_job(job, &plan));
    if (plan.memory <= plan.available) return STATUS_OK;
    return fail(STATUS_MEMORY,
                "training needs %s and %s are available; fewer answers at once or --recompute "
                "may help",
                bytes_text(plan.memory, needed), bytes_text(plan.available, available));
}

static enum status open_teacher(struct grpo_job *job, int context) {
    const struct trainer_options trainer = grpo_teacher_options(job, context);
    struct model_desc desc;
    if (!job->options->teacher) return STATUS_OK;
    TRY(grpo_teacher_desc(job, &desc));
    TRY(trainer_open(&job->teacher, &desc, &trainer));
    return run_load_weights(job->options->teacher, &job->teacher);
}

static enum status open_model(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    int context;
    TRY(grpo_context(job, &context));
    const struct trainer_options trainer = grpo_trainer_options(job, context);
    TRY(check_memory(job));
    TRY(trainer_open(&job->trainer, &job->desc, &trainer));
    TRY(run_load_base(job->options->base.init, &job->trainer));
    TRY(open_teacher(job, context));
    TRY(optimizer_open(&job->optimizer, &job->trainer, &options->base.optimizer, options->base.comm));
    struct learner_options learner = {.policy = options->policy,
                                      .temperature = options->sampling.temperature,
                                      .mtp = job->desc.mtp_layers ? options->mtp : 0,
                                      .balance = job->desc.experts ? options->balance : 0,
                                      .teacher = options->teacher ? &job->teacher : NULL,
                                      .teacher_weight = options->teacher_weight};
    learner.policy.longest = options->longest;
    TRY(learner_open(&job->learner, &job->trainer, &learner));
    struct rollout_options rollout = {&job->trainer, job->tokenizer, context, grpo_at_once(job)};
    return rollout_open(&job->rollout, &rollout);
}

static enum status take_memory(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    size_t answers;
    if (!multiply_size_fits((size_t)options->prompts, (size_t)options->group, &answers))
        return fail(STATUS_LIMIT, "%d prompts with %d answers each are too many", options->prompts,
                    options->group);
    job->live = calloc((size_t)options->prompts, sizeof *job->live);
    job->lesson = calloc(answers, sizeof *job->lesson);
    if (options->policy.kl > 0 && !(job->reference = take_floats(trainer_trained(&job->trainer)->elements)))
        return fail(STATUS_MEMORY, "no memory for the reference policy");
    return job->live && job->lesson ? STATUS_OK : fail(STATUS_MEMORY, "no memory for %zu answers", answers);
}

static enum status begin_new(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    job->state = (struct run_state){.seed = options->base.seed,
                                    .data = tasks_identity(&job->tasks),
                                    .sequence_rows = options->group,
                                    .batch_sequences = options->prompts};
    TRY(job->trainer.adapters ? run_begin_adapters(&job->trainer, options->base.adapter, options->base.seed)
                              : run_load_weights(options->base.init, &job->trainer));
    const struct parameters *trained = trainer_trained(&job->trainer);
    if (job->reference) memcpy(job->reference, trained->value, (size_t)trained->elements * sizeof(float));
    return STATUS_OK;
}

static enum status begin_again(struct grpo_job *job, int64_t step) {
    const struct grpo_options *options = job->options;
    TRY(run_store_load(&job->store, step, &job->trainer, &job->optimizer, &job->state));
    const struct run_state *state = &job->state;
    if (state->seed != options->base.seed || state->sequence_rows != options->group ||
        state->batch_sequences != options->prompts)
        return fail(STATUS_INPUT,
                    "%s: was begun with a seed of its own, or with %lld prompts and %lld answers to each",
                    options->base.run, (long long)state->batch_sequences, (long long)state->sequence_rows);
    if (state->data != tasks_identity(&job->tasks))
        return fail(STATUS_INPUT, "%s: was begun with other tasks or another tokenizer", options->base.run);
    return STATUS_OK;
}

static enum status open_store(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    TRY(run_store_open(&job->store, base->run, base->resume));
    job->store.config = job->config;
    job->store.base = base->init;
    job->store.tokenizer = base->tokenizer;
    job->store.keep = base->keep;
    job->store.reference = job->reference;
    int64_t newest = base->resume ? run_store_newest(&job->store) : -1;
    TRY(newest < 0 ? begin_new(job) : begin_again(job, newest));
    trainer_refresh(&job->trainer);
    int64_t known = newest < 0 ? -1 : job->state.step; /* a new run measures step 0 itself */
    TRY(run_store_open_lines(&job->store, "samples.jsonl", known, &job->samples));
    return run_store_open_metrics(&job->store, known);
}

static enum status read_inputs(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    if (base->comm->ranks > 1)
        return fail(STATUS_UNSUPPORTED, "%d ranks: what learns from its own answers learns in one process",
                    base->comm->ranks);
    TRY(make_config(job));
    TRY(tokenizer_open(&job->tokenizer, base->tokenizer));
    if (tokenizer_vocabulary(job->tokenizer) > job->desc.vocab)
        return fail(STATUS_INPUT, "%s: vocab_size %lld, but the tokenizer %s has %d tokens", base->origin,
                    (long long)job->desc.vocab, base->tokenizer, tokenizer_vocabulary(job->tokenizer));
    return read_tasks(job);
}

static enum status open_job(struct grpo_job *job) {
    TRY(read_inputs(job));
    TRY(open_model(job));
    TRY(take_memory(job));
    return open_store(job);
}

static void close_job(struct grpo_job *job) {
    if (job->samples) fclose(job->samples);
    run_store_close(&job->store);
    if (job->live) grpo_drop_groups(job);
    free(job->live);
    free(job->lesson);
    free(job->logprob);
    free(job->reference);
    rollout_close(job->rollout);
    learner_close(&job->learner);
    optimizer_close(&job->optimizer);
    trainer_close(&job->trainer);
    trainer_close(&job->teacher);
    task_order_close(&job->order);
    tasks_close(&job->tasks);
    tasks_close(&job->valid);
    tokenizer_close(job->tokenizer);
    json_decref(job->config);
}

/* ---- steps ---- */

static enum status take_step(struct grpo_job *job, struct grpo_report *report) {
    double begin = clock_seconds();
    int64_t before = job->state.tokens;
    *report = (struct grpo_report){.steps = job->options->base.steps};
    enum status status = grpo_sample(job, report);
    if (status == STATUS_OK) status = grpo_learn(job, report);
    grpo_drop_groups(job);
    TRY(status);
    if (report->first_deviation > 0 && !report->words)
        report->words = "sampler and trainer disagree about probabilities before the first update";
    report->step = ++job->state.step;
    report->tokens = job->state.tokens;
    report->tokens_per_second = (double)(job->state.tokens - before) / (clock_seconds() - begin);
    return STATUS_OK;
}

static enum status write_metrics(struct grpo_job *job, const struct grpo_report *r) {
    json_t *line =
        json_pack("{s:I, s:f, s:f, s:f, s:f, s:i, s:i, s:f, s:i, s:i}", "step", (json_int_t)r->step, "reward",
                  r->reward, "reward_deviation", r->reward_deviation, "right", r->right, "truncated",
                  r->truncated, "groups", r->groups, "live_groups", r->live, "length", r->length, "shortest",
                  r->shortest, "longest", r->longest);
    json_t *learnt = json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:I, s:f, s:f}", "entropy", r->entropy, "kl",
        r->kl, "clipped_low", r->clipped_low, "clipped_high", r->clipped_high, "first_deviation",
        r->first_deviation, "deviation", r->deviation, "left_out", (json_int_t)r->left_out, "loss", r->loss,
        "rate", r->rate, "norm", isfinite(r->norm) ? r->norm : -1, "tokens", (json_int_t)r->tokens,
        "rollout_seconds", r->rollout_seconds, "learn_seconds", r->learn_seconds);
    if (line && learnt) json_object_update(line, learnt);
    if (line && job->options->teacher) json_object_set_new(line, "teacher_kl", json_real(r->teacher));
    if (line && r->skipped) json_object_set_new(line, "skipped", json_true());
    if (line && r->words) json_object_set_new(line, "words", json_string(r->words));
    json_decref(learnt);
    return run_store_write_metrics(&job->store, line);
}

static enum status validate(struct grpo_job *job) {
    struct grpo_validation validation;
    if (!job->valid.tasks) return STATUS_OK;
    TRY(grpo_validate(job, &validation));
    job->options->listener->validated(job->options->listener->context, &validation);
    return run_store_write_metrics(&job->store,
                                   json_pack("{s:I, s:f, s:f, s:f}", "step", (json_int_t)validation.step,
                                             "valid_right", validation.right, "valid_reward",
                                             validation.reward, "valid_length", validation.length));
}

static enum status save(struct grpo_job *job) {
    return run_store_save(&job->store, &job->trainer, &job->optimizer, &job->state);
}

static bool due(int64_t step, int64_t every, int64_t steps) {
    return step == steps || (every && step % every == 0);
}

static enum status stopped(const struct grpo_job *job) {
    return fail(STATUS_CANCELLED, "stopped after step %lld of %lld", (long long)job->state.step,
                (long long)job->options->base.steps);
}

static enum status run_steps(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    const struct grpo_listener *listener = job->options->listener;
    int64_t saved = job->state.step;
    bool going = true;
    if (!job->state.step) TRY(validate(job));
    while (going && job->state.step < base->steps) {
        struct grpo_report report;
        struct run_state before = job->state;
        enum status status = take_step(job, &report);
        if (status == STATUS_CANCELLED) { /* in the middle of sampling: as if the step had not begun */
            job->state = before;
            break;
        }
        TRY(status);
        TRY(write_metrics(job, &report));
        going = listener->step(listener->context, &report);
        if (due(job->state.step, base->valid_every, base->steps)) TRY(validate(job));
        if (due(job->state.step, base->save_every, base->steps)) {
            TRY(save(job));
            saved = job->state.step;
        }
    }
    if (job->state.step > saved) TRY(save(job));
    return job->state.step < base->steps ? stopped(job) : STATUS_OK;
}

enum status grpo_run(const struct grpo_options *options) {
    struct grpo_job job = {.options = options};
    enum status status = open_job(&job);
    if (status == STATUS_OK) {
        struct grpo_report begin = {
            .step = job.state.step, .steps = options->base.steps, .tokens = job.state.tokens};
        options->listener->began(options->listener->context, &begin, job.tasks.tasks);
        status = run_steps(&job);
    }
    close_job(&job);
    return status;
}

enum status grpo_plan(const struct grpo_options *options, struct grpo_plan *plan) {
    struct grpo_job job = {.options = options};
    enum status status = read_inputs(&job);
    if (status == STATUS_OK) status = grpo_plan_job(&job, plan);
    close_job(&job);
    return status;
}
