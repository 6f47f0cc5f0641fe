/* grpo.c - opening, steps, saving and going on; see grpo.h. */
#include "train/grpo.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/memory.h"
#include "train/grpo_job.h"
#include "train/start.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static bool is_first(const struct grpo_job *job) {
    return job->options->base.comm->rank == 0;
}

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

static enum status make_plan(struct grpo_job *job) {
    struct grpo_plan plan;
    char needed[32], available[32];
    TRY(grpo_plan_job(job, &plan));
    job->hands = plan.hands;
    if (plan.memory <= plan.available) return STATUS_OK;
    return fail(STATUS_MEMORY,
                "training needs %s and %s are available; fewer answers at once or --recompute "
                "may help",
                bytes_text(plan.memory, needed), bytes_text(plan.available, available));
}

static enum status open_teacher(struct grpo_job *job) {
    const struct trainer_options trainer = grpo_teacher_options(job);
    struct model_desc desc;
    if (!job->options->teacher) return STATUS_OK;
    TRY(grpo_teacher_desc(job, &desc));
    TRY(trainer_open(&job->teacher, &desc, &trainer));
    TRY(run_load_weights(job->options->teacher, &job->teacher));
    trainer_refresh(&job->teacher);
    return STATUS_OK;
}

static enum status open_learner(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    struct learner_options learner = {.policy = options->policy,
                                      .temperature = options->sampling.temperature,
                                      .mtp = job->desc.mtp_layers ? options->mtp : 0,
                                      .balance = job->desc.experts ? options->balance : 0,
                                      .teacher = options->teacher ? &job->teacher : NULL,
                                      .teacher_weight = options->teacher_weight};
    learner.policy.longest = options->longest;
    return learner_open(&job->learner, &job->crew, &learner);
}

static enum status open_model(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    const struct trainer_options lead = grpo_lead_options(job);
    int context;
    TRY(grpo_context(job, &context));
    const struct trainer_options hand = grpo_hand_options(job, context);
    TRY(trainer_open(&job->trainer, &job->desc, &lead));
    TRY(run_load_base(options->base.init, &job->trainer));
    TRY(crew_open(&job->crew, &job->trainer, &hand, job->hands, options->base.comm));
    TRY(open_teacher(job));
    TRY(open_learner(job));
    TRY(optimizer_open(&job->optimizer, &job->trainer, &options->base.optimizer, options->base.comm));
    struct rollout_options rollout = {&job->trainer, job->tokenizer, context, grpo_at_once(job)};
    return rollout_open(&job->rollout, &rollout);
}

static enum status open_store(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    if (!is_first(job)) return STATUS_OK;
    TRY(run_store_open(&job->store, base->run, base->resume));
    job->store.config = job->config;
    job->store.base = base->init;
    job->store.tokenizer = base->tokenizer;
    job->store.keep = base->keep;
    job->store.reference = job->reference;
    return STATUS_OK;
}

static enum status take_memory(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    size_t answers;
    TRY(open_model(job));
    if (!multiply_size_fits((size_t)options->prompts, (size_t)options->group, &answers))
        return fail(STATUS_LIMIT, "%d prompts with %d answers each are too many", options->prompts,
                    options->group);
    job->live = calloc((size_t)options->prompts, sizeof *job->live);
    job->lesson = calloc(answers, sizeof *job->lesson);
    if (options->policy.kl > 0 && !(job->reference = take_floats(trainer_trained(&job->trainer)->elements)))
        return fail(STATUS_MEMORY, "no memory for the reference policy");
    if (!job->live || !job->lesson) return fail(STATUS_MEMORY, "no memory for %zu answers", answers);
    return open_store(job);
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
    if (!job->reference) return STATUS_OK;
    return comm_broadcast(options->base.comm, 0, job->reference,
                          trainer_trained(&job->trainer)->elements * (int64_t)sizeof(float));
}

static enum status open_files(struct grpo_job *job, bool new) {
    int64_t known = new ? -1 : job->state.step; /* a new run measures step 0 itself */
    if (!is_first(job)) return STATUS_OK;
    TRY(run_store_open_lines(&job->store, "samples.jsonl", known, &job->samples));
    return run_store_open_metrics(&job->store, known);
}

static enum status begin(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    int64_t newest = base->resume && is_first(job) ? run_store_newest(&job->store) : -1;
    TRY(comm_broadcast(base->comm, 0, &newest, sizeof newest));
    TRY(newest < 0 ? begin_new(job) : begin_again(job, newest));
    trainer_refresh(&job->trainer);
    TRY(start_compare_weights(base->comm, &job->trainer, base->init));
    if (job->options->teacher) TRY(start_compare_weights(base->comm, &job->teacher, job->options->teacher));
    return open_files(job, newest < 0);
}

static enum status read_inputs(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    TRY(make_config(job));
    TRY(tokenizer_open(&job->tokenizer, base->tokenizer));
    if (tokenizer_vocabulary(job->tokenizer) > job->desc.vocab)
        return fail(STATUS_INPUT, "%s: vocab_size %lld, but the tokenizer %s has %d tokens", base->origin,
                    (long long)job->desc.vocab, base->tokenizer, tokenizer_vocabulary(job->tokenizer));
    return read_tasks(job);
}

static enum status read_and_plan(struct grpo_job *job) {
    TRY(read_inputs(job));
    return make_plan(job);
}

/* ---- among ranks ---- */

/* What the numbers of a run depend on beside what pretrain.h has. */
static uint64_t options_identity(const struct grpo_options *o) {
    const struct policy_options *p = &o->policy;
    const struct verifiers *verifiers = o->verifiers;
    const double number[] = {p->advantage,
                             p->ratio,
                             p->normaliser,
                             p->clip_low,
                             p->clip_high,
                             p->dual_clip,
                             p->kl,
                             p->kl_unbiased,
                             p->off_policy,
                             o->sampling.temperature,
                             (double)o->sampling.top_k,
                             o->sampling.top_p,
                             o->sampling.min_p,
                             o->prompts,
                             o->group,
                             o->longest,
                             o->micro_rows,
                             o->refill,
                             o->least_groups,
                             o->updates,
                             o->epochs,
                             o->overlong,
                             o->mask_truncated,
                             o->keep_routing,
                             (double)o->reference_every,
                             o->mtp,
                             o->balance,
                             o->bias_rate,
                             o->teacher != NULL,
                             o->teacher_weight};
    uint64_t hash = XXH64(number, sizeof number, 0);
    for (int i = 0; i < verifiers->choices; i++) {
        const char *name = verifiers->choice[i].row->name;
        hash = XXH64(name, strlen(name), hash);
        hash = XXH64(&verifiers->choice[i].weight, sizeof verifiers->choice[i].weight, hash);
    }
    return hash;
}

/* All have as many hands, so that they meet after as many rounds. */
static enum status meet(struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    struct comm *comm = options->base.comm;
    int64_t hands;
    if (comm->ranks > options->prompts)
        return fail(STATUS_USAGE, "the %d prompts of a step cannot be shared by %d ranks", options->prompts,
                    comm->ranks);
    TRY(start_compare(&options->base, &job->desc, tasks_identity(&job->tasks), tasks_identity(&job->valid),
                      options_identity(options)));
    TRY(comm_least(comm, job->hands, &hands));
    job->hands = (int)hands;
    return STATUS_OK;
}

/* Ranks agree wherever one may fail alone. */
static enum status open_job(struct grpo_job *job) {
    struct comm *comm = job->options->base.comm;
    TRY(comm_agree(comm, read_and_plan(job)));
    TRY(meet(job));
    TRY(comm_agree(comm, take_memory(job)));
    return comm_agree(comm, begin(job));
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
    crew_close(&job->crew);
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
    if (!is_first(job)) return STATUS_OK;
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
    if (!is_first(job)) return STATUS_OK;
    return run_store_write_metrics(&job->store,
                                   json_pack("{s:I, s:f, s:f, s:f}", "step", (json_int_t)validation.step,
                                             "valid_right", validation.right, "valid_reward",
                                             validation.reward, "valid_length", validation.length));
}

static enum status save(struct grpo_job *job, int64_t *saved) {
    *saved = job->state.step;
    return comm_agree(job->options->base.comm,
                      run_store_save(&job->store, &job->trainer, &job->optimizer, &job->state));
}

static bool due(int64_t step, int64_t every, int64_t steps) {
    return step == steps || (every && step % every == 0);
}

static enum status stopped(const struct grpo_job *job) {
    return fail(STATUS_CANCELLED, "stopped after step %lld of %lld", (long long)job->state.step,
                (long long)job->options->base.steps);
}

static enum status report_step(struct grpo_job *job, const struct grpo_report *report, bool *going) {
    const struct grpo_listener *listener = job->options->listener;
    struct comm *comm = job->options->base.comm;
    TRY(comm_agree(comm, write_metrics(job, report)));
    return comm_all(comm, listener->step(listener->context, report), going);
}

/* Stopped in the middle of it a step is saved all the same. */
static enum status validate_step(struct grpo_job *job, bool *going) {
    enum status status = validate(job);
    if (status == STATUS_CANCELLED) {
        *going = false;
        return STATUS_OK;
    }
    return comm_agree(job->options->base.comm, status);
}

static enum status run_steps(struct grpo_job *job) {
    const struct pretrain_options *base = &job->options->base;
    int64_t saved = job->state.step;
    bool going = true;
    if (!job->state.step) TRY(validate_step(job, &going));
    while (going && job->state.step < base->steps) {
        struct grpo_report report;
        struct run_state before = job->state;
        enum status status = take_step(job, &report);
        if (status == STATUS_CANCELLED) { /* in the middle of sampling: as if the step had not begun */
            job->state = before;
            break;
        }
        TRY(status);
        TRY(report_step(job, &report, &going));
        if (due(job->state.step, base->valid_every, base->steps)) TRY(validate_step(job, &going));
        if (due(job->state.step, base->save_every, base->steps)) TRY(save(job, &saved));
    }
    if (job->state.step > saved) TRY(save(job, &saved));
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
    return comm_agree(options->base.comm, status);
}

enum status grpo_plan(const struct grpo_options *options, struct grpo_plan *plan) {
    struct grpo_job job = {.options = options};
    enum status status = read_inputs(&job);
    if (status == STATUS_OK) status = grpo_plan_job(&job, plan);
    close_job(&job);
    return status;
}
