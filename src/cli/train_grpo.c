/* train_grpo.c - `hadal train grpo`: options to a run of reinforcement learning, and what is shown of it. */
#include "base/bytes.h"
#include "base/memory.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train.h"
#include "train/bandit.h"
#include "train/grpo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    MICRO_TOKENS = 1024,
    SAMPLING_COSTS = 4 /* times the time of as many operations on whole texts: tokens come one by one */
};

/* ---- what is shown ---- */

struct screen {
    struct progress progress;
    char what[80];
    int64_t begun, every;
};

static void show_beginning(void *context, const struct grpo_report *report, int64_t tasks) {
    struct screen *screen = context;
    screen->begun = report->step;
    printf("%lld tasks; ", (long long)tasks);
    if (report->step)
        printf("going on after step %lld\n", (long long)report->step);
    else
        printf("%lld steps\n", (long long)report->steps);
    fflush(stdout);
    snprintf(screen->what, sizeof screen->what, "sampling");
    progress_start(&screen->progress, screen->what, report->steps - report->step, "steps");
}

static void print_step(const struct grpo_report *r) {
    if (r->teacher > 0)
        printf("step %lld  from the teacher %.4f nats a token\n", (long long)r->step, r->teacher);
    printf("step %lld  reward %.3f  right %.1f%%  live %d/%d  length %.1f", (long long)r->step, r->reward,
           100 * r->right, r->live, r->groups, r->length);
    if (r->truncated > 0) printf("  cut off %.1f%%", 100 * r->truncated);
    if (!r->skipped) printf("  entropy %.3f  gradient %.3g", r->entropy, r->norm);
    if (r->clipped_low + r->clipped_high > 0)
        printf("  clipped %.2f%%", 100 * (r->clipped_low + r->clipped_high));
    if (r->kl > 0) printf("  kl %.4f", r->kl);
    if (r->deviation > 0) printf("  ratio off by %.2g", r->deviation);
    printf("  %.1f + %.1f s\n", r->rollout_seconds, r->learn_seconds);
    if (r->words) printf("step %lld: %s\n", (long long)r->step, r->words);
    fflush(stdout);
}

static bool show_step(void *context, const struct grpo_report *report) {
    struct screen *screen = context;
    snprintf(screen->what, sizeof screen->what, "step %lld, right %.0f%%", (long long)report->step,
             100 * report->right);
    if (report->step == report->steps || report->step % screen->every == 0) {
        progress_finish(&screen->progress);
        print_step(report);
    }
    progress_update(&screen->progress, report->step - screen->begun);
    return !interrupt_seen();
}

static void show_validation(void *context, const struct grpo_validation *validation) {
    struct screen *screen = context;
    progress_finish(&screen->progress);
    printf("step %lld  held-out tasks: right %.1f%%, length %.1f\n", (long long)validation->step,
           100 * validation->right, validation->length);
    fflush(stdout);
}

static bool going(void *context) {
    (void)context;
    return !interrupt_seen();
}

/* ---- other ranks: what is shown the first shows ---- */

static void pass_beginning(void *context, const struct grpo_report *report, int64_t tasks) {
    (void)context, (void)report, (void)tasks;
}

static bool pass_step(void *context, const struct grpo_report *report) {
    (void)context, (void)report;
    return !interrupt_seen();
}

static void pass_validation(void *context, const struct grpo_validation *validation) {
    (void)context, (void)validation;
}

/* ---- options ---- */

static void read_policy(const struct option_values *values, struct policy_options *policy) {
    const char *normaliser = option_text(values, "normalise");
    *policy = (struct policy_options){
        .advantage = !strcmp(option_text(values, "advantage"), "std") ? ADVANTAGE_STD : ADVANTAGE_MEAN,
        .ratio = !strcmp(option_text(values, "ratio"), "sequence") ? RATIO_SEQUENCE : RATIO_TOKEN,
        .normaliser = !strcmp(normaliser, "tokens")      ? NORMALISE_TOKENS
                      : !strcmp(normaliser, "sequences") ? NORMALISE_SEQUENCES
                                                         : NORMALISE_CONSTANT,
        .clip_low = option_real(values, "clip-low"),
        .clip_high = option_real(values, "clip-high"),
        .dual_clip = option_real(values, "dual-clip"),
        .kl = option_real(values, "kl"),
        .kl_unbiased = !strcmp(option_text(values, "kl-form"), "unbiased"),
        .off_policy = option_real(values, "off-policy")};
}

void train_sampling_read(const struct option_values *values, struct sampling *sampling) {
    *sampling = sampling_default();
    sampling->temperature = option_real(values, "temperature");
    sampling->top_k = option_int(values, "top-k");
    sampling->top_p = option_real(values, "top-p");
    sampling->min_p = option_real(values, "min-p");
}

/* Large models want small steps: 1e-4 at a width of 64, 1e-6 at 1536. */
static double usual_rate(const json_t *config) {
    double width = (double)json_integer_value(json_object_get(config, "hidden_size"));
    return width > 64 ? 1e-4 * pow(64 / width, 1.5) : 1e-4;
}

static void read_rates(const struct option_values *values, struct grpo_options *options) {
    struct schedule *schedule = &options->base.schedule;
    if (!option_given(values, "lr")) schedule->peak = usual_rate(options->base.config);
    if (!option_given(values, "lr-floor")) schedule->floor = schedule->peak / 10;
    if (!option_given(values, "schedule")) schedule->kind = SCHEDULE_CONSTANT;
    options->mtp = option_given(values, "mtp-weight") ? option_real(values, "mtp-weight") : 0;
    options->balance = option_given(values, "balance") ? option_real(values, "balance") : 0;
    options->bias_rate = option_given(values, "bias-rate") ? option_real(values, "bias-rate") : 0;
}

static enum status read_options(const struct option_values *values, struct grpo_options *options) {
    read_policy(values, &options->policy);
    train_sampling_read(values, &options->sampling);
    read_rates(values, options);
    options->prompts = (int)option_int(values, "batch");
    options->group = (int)option_int(values, "group");
    options->longest = (int)option_int(values, "answer-tokens");
    options->at_once = (int)option_int(values, "at-once");
    options->micro_rows = MICRO_TOKENS;
    if (option_given(values, "micro-batch"))
        options->micro_rows =
            (int)min_i64(option_int(values, "micro-batch") * options->base.sequence_rows, 1 << 20);
    options->refill = (int)option_int(values, "refill");
    options->least_groups = (int)option_int(values, "least-groups");
    options->updates = (int)option_int(values, "updates");
    options->epochs = (int)option_int(values, "epochs");
    options->overlong = (int)option_int(values, "overlong");
    options->mask_truncated = option_flag(values, "mask-truncated");
    options->keep_routing = !strcmp(option_text(values, "keep-routing"), "on");
    options->teacher_weight = 1;
    options->reference_every = option_int(values, "reference-every");
    options->samples_every = option_int(values, "samples-every");
    if (!(options->sampling.temperature > 0))
        return fail(STATUS_USAGE, "--temperature 0: answers that are all the same teach nothing");
    return STATUS_OK;
}

/* A teacher's whole distribution says more of each token than a group of answers: one is enough. */
static enum status read_teacher(const struct option_values *values, struct grpo_options *options) {
    options->teacher = option_text(values, "teacher");
    if (!options->teacher) return fail(STATUS_USAGE, "--teacher MODEL says who is learnt from");
    if (!option_given(values, "group")) options->group = 1;
    if (!option_given(values, "normalise")) options->policy.normaliser = NORMALISE_TOKENS;
    if (options->sampling.top_k || options->sampling.top_p < 1 || options->sampling.min_p > 0)
        return fail(STATUS_USAGE,
                    "the whole distribution is learnt: distill takes no --top-k, --top-p and --min-p");
    return STATUS_OK;
}

/* ---- before a run ---- */

static void print_bytes(const char *what, int64_t bytes) {
    char text[32];
    if (bytes) printf("  %-17s%s\n", what, bytes_text(bytes, text));
}

static enum status print_plan(const struct grpo_options *options) {
    struct grpo_plan plan;
    char memory[32], available[32];
    TRY(grpo_plan(options, &plan));
    printf("parameters         %lld, %lld of them active for a token\n", (long long)plan.parameters.total,
           (long long)plan.parameters.active);
    if (plan.adapters)
        printf("learnt             %lld in adapters of rank %d\n", (long long)plan.adapters,
               options->base.trainer.lora.rank);
    printf("tasks              %lld, with prompts of up to %d tokens\n", (long long)plan.tasks,
           plan.longest_prompt);
    printf("memory             %s of %s%s\n", bytes_text(plan.memory, memory),
           bytes_text(plan.available, available), options->base.comm->ranks > 1 ? ", each rank" : "");
    print_bytes("policy", plan.policy);
    print_bytes("moments", plan.moments);
    print_bytes("reference", plan.reference);
    print_bytes("teacher", plan.teacher);
    printf("  cache            %s for %d answers at once\n", bytes_text(plan.cache, memory), plan.at_once);
    printf("tokens             at most %lld sampled, and %lld learnt from, prompts included\n",
           (long long)plan.sampled, (long long)plan.learnt);
    printf("operations         at most %.3g to sample, %.3g to learn\n", plan.sampling_flops,
           plan.learning_flops);
    train_print_time(&options->base, SAMPLING_COSTS * plan.sampling_flops + plan.learning_flops,
                     ", if every answer is as long as it may be");
    return STATUS_OK;
}

enum status train_grpo(const struct option_values *values, bool distill,
                       const struct pretrain_options *base) {
    bool dry = option_flag(values, "dry-run");
    const char *const *names;
    struct verifiers verifiers;
    struct screen screen = {.every = option_int(values, "log-every")};
    struct grpo_listener listener = {&screen, show_beginning, going, show_step, show_validation};
    struct grpo_listener silent = {NULL, pass_beginning, going, pass_step, pass_validation};
    bool first = base->comm->rank == 0;
    struct grpo_options options = {
        .base = *base, .verifiers = &verifiers, .listener = first ? &listener : &silent};
    if (!base->datas) return fail(STATUS_USAGE, "--data PATH says what is asked");
    if (!base->run && !dry) return fail(STATUS_USAGE, "-o RUN says where the run goes");
    TRY(read_options(values, &options));
    if (distill) TRY(read_teacher(values, &options));
    int count = option_texts(values, "verifier", &names);
    TRY(verifiers_open(&verifiers, names, count));
    verifiers_set_command(&verifiers, option_text(values, "verifier-command"));
    enum status status;
    if (dry) {
        status = first ? print_plan(&options) : STATUS_OK;
    } else {
        interrupt_catch();
        status = grpo_run(&options);
        if (first) progress_finish(&screen.progress);
    }
    verifiers_close(&verifiers);
    return status;
}

/* ---- --selftest ---- */

static void show_check(void *context, const char *what, double found, double bound) {
    (void)context;
    printf("%-64s %10.3g  (at most %g)\n", what, found, bound);
}

enum status train_selftest(const struct option_values *values) {
    struct bandit_options options = {.threads = (int)option_int(values, "threads"),
                                     .seed = (uint64_t)option_int(values, "seed"),
                                     .check = show_check};
    enum status status = bandit_run(&options);
    if (status == STATUS_OK) printf("what is rewarded is learnt\n");
    return status;
}
