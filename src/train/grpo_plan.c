/* grpo_plan.c - sizes of a run of reinforcement learning, and what it will take, from options, description and tasks alone. */
#include "base/bytes.h"
#include "base/memory.h"
#include "train/grpo_job.h"

#include <stdio.h>

enum {
    MOST_AT_ONCE = 256,
    LEAD_ROWS = 512 /* of prompts at a time */,
    CONFIG_LIMIT = 1 << 20,
    PATH_BYTES = 4096
};

static int longest_prompt(const struct grpo_job *job) {
    return job->tasks.longest > job->valid.longest ? job->tasks.longest : job->valid.longest;
}

enum status grpo_context(const struct grpo_job *job, int *context) {
    int64_t tokens = (int64_t)longest_prompt(job) + job->options->longest + 1;
    *context = (int)min_i64(tokens, INT32_MAX);
    if (tokens <= job->desc.context) return STATUS_OK;
    return fail(STATUS_LIMIT,
                "%s: prompts of up to %d tokens with answers of %d are beyond "
                "max_position_embeddings %lld",
                job->options->base.origin, longest_prompt(job), job->options->longest,
                (long long)job->desc.context);
}

int grpo_at_once(const struct grpo_job *job) {
    const struct grpo_options *options = job->options;
    int64_t all = divide_up(options->prompts, options->base.comm->ranks) * options->group;
    return options->at_once ? options->at_once : (int)min_i64(all, MOST_AT_ONCE);
}

/* A token has the same bits when it is sampled and when it is learnt from. */
static struct trainer_options strict_options(const struct grpo_job *job) {
    struct trainer_options trainer = job->options->base.trainer;
    trainer.strict = true;
    return trainer;
}

/* It samples alone: layers share what they would keep. */
struct trainer_options grpo_lead_options(const struct grpo_job *job) {
    struct trainer_options trainer = strict_options(job);
    trainer.recompute = true;
    trainer.max_rows = (int)max_i64(LEAD_ROWS, grpo_at_once(job));
    return trainer;
}

struct trainer_options grpo_hand_options(const struct grpo_job *job, int context) {
    struct trainer_options trainer = strict_options(job);
    trainer.max_rows = (int)max_i64(job->options->micro_rows, context);
    return trainer;
}

/* Hands go forward with it, each in memory of its own. */
struct trainer_options grpo_teacher_options(const struct grpo_job *job) {
    struct trainer_options trainer = strict_options(job);
    trainer.frozen = trainer.recompute = true;
    trainer.lora = (struct adapter_options){0};
    trainer.max_rows = 1;
    return trainer;
}

enum status grpo_teacher_desc(const struct grpo_job *job, struct model_desc *desc) {
    const char *path = job->options->teacher;
    char name[PATH_BYTES];
    json_t *config;
    if (snprintf(name, sizeof name, "%s/config.json", path) >= (int)sizeof name)
        return fail(STATUS_USAGE, "--teacher: the name is too long");
    TRY(json_read_file(name, CONFIG_LIMIT, &config));
    enum status status = model_desc_from_config(desc, config, path);
    json_decref(config);
    TRY(status);
    if (desc->vocab == job->desc.vocab) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: vocab_size %lld, but the student's is %lld", path, (long long)desc->vocab,
                (long long)job->desc.vocab);
}

/* ---- memory ---- */

/* Of an update at most. */
static int most_batches(const struct grpo_job *job, int context, int rows) {
    const struct grpo_options *options = job->options;
    int64_t all = (int64_t)options->prompts * options->group * context;
    return (int)min_i64(max_i64(1, divide_up(divide_up(all, options->updates), rows)), INT32_MAX);
}

static int64_t hands_bytes(const struct grpo_job *job, const struct trainer_options *options, int hands) {
    int64_t bytes;
    bool fits = add_fits(crew_bytes(&job->desc, options, hands), learner_bytes(&job->desc, hands), &bytes);
    return fits ? bytes : INT64_MAX;
}

static int64_t sum_of(const struct grpo_plan *plan) {
    const int64_t part[] = {plan->policy, plan->moments, plan->reference, plan->teacher, plan->cache};
    int64_t sum = 0;
    for (size_t i = 0; i < COUNT_OF(part); i++)
        if (!add_fits(sum, part[i], &sum)) return INT64_MAX;
    return sum;
}

static void plan_hands(const struct grpo_job *job, const struct trainer_options *hand,
                       const struct model_desc *teacher, int hands, struct grpo_plan *plan) {
    const struct trainer_options lead = grpo_lead_options(job), other = grpo_teacher_options(job);
    plan->hands = hands;
    if (!add_fits(trainer_plan(&job->desc, &lead).total, hands_bytes(job, hand, hands), &plan->policy))
        plan->policy = INT64_MAX;
    plan->teacher = 0;
    if (teacher && !add_fits(trainer_plan(teacher, &other).total, learner_teacher_bytes(teacher, hand, hands),
                             &plan->teacher))
        plan->teacher = INT64_MAX;
    plan->memory = sum_of(plan);
}

/* As many hands as fit. */
static enum status plan_memory(const struct grpo_job *job, int context, const struct model_desc *teacher,
                               struct grpo_plan *plan) {
    struct kv_plane plane[KV_PLANES];
    const struct grpo_options *options = job->options;
    const struct trainer_options hand = grpo_hand_options(job, context);
    int64_t trained = trainer_plan(&job->desc, &hand).trained, least;
    int hands = crew_hands(&hand, most_batches(job, context, hand.max_rows), options->base.comm->ranks);
    TRY(kv_planes_of(&job->desc, DTYPE_F32, plane));
    TRY(training_moments(&options->base, &job->desc, trained, &least, &plan->moments));
    plan->reference = options->policy.kl > 0 ? trained : 0;
    plan->cache =
        round_up(context, KV_PAGE_TOKENS) * grpo_at_once(job) * kv_bytes_per_token(&job->desc, plane, true);
    plan_hands(job, &hand, teacher, hands, plan);
    while (hands > 1 && plan->memory > plan->available) plan_hands(job, &hand, teacher, --hands, plan);
    return STATUS_OK;
}

/* ---- operations ---- */

/* A group's prompt is run once. What is learnt from goes forward and back; forward alone for each policy that it is compared
 * with, and once more where the experts are to stay. */
static void plan_operations(const struct grpo_job *job, const struct model_desc *teacher,
                            struct grpo_plan *plan) {
    const struct grpo_options *options = job->options;
    double prompts = (double)options->base.steps * options->prompts, answers = prompts * options->group;
    double prompt = (double)job->tasks.prompt.count / (double)job->tasks.tasks;
    int rows = (int)(prompt + options->longest);
    double whole = training_flops_per_token(&job->desc, rows, false), forward = whole / 3;
    bool again = job->desc.experts && options->keep_routing && (options->updates > 1 || options->epochs > 1);
    double each = whole * options->epochs +
                  (options->base.trainer.recompute ? forward * options->epochs : 0) +
                  (plan->reference ? forward : 0) + (again ? forward : 0);
    if (teacher) each += training_flops_per_token(teacher, rows, false) / 3 * options->epochs;
    plan->sampled = (int64_t)(answers * options->longest);
    plan->learnt = (int64_t)(answers * rows);
    plan->sampling_flops = forward * (answers * options->longest + prompts * prompt);
    plan->learning_flops = each * (double)plan->learnt;
}

enum status grpo_plan_job(const struct grpo_job *job, struct grpo_plan *plan) {
    const struct grpo_options *options = job->options;
    struct model_desc other;
    int context;
    TRY(grpo_context(job, &context));
    if (options->teacher) TRY(grpo_teacher_desc(job, &other));
    const struct model_desc *teacher = options->teacher ? &other : NULL;
    *plan = (struct grpo_plan){.parameters = model_parameters(&job->desc),
                               .tasks = job->tasks.tasks,
                               .longest_prompt = longest_prompt(job),
                               .at_once = grpo_at_once(job),
                               .available = memory_available() / options->base.comm->neighbours};
    if (options->base.trainer.lora.rank)
        plan->adapters = adapters_elements(&job->desc, &options->base.trainer.lora);
    TRY(plan_memory(job, context, teacher, plan));
    plan_operations(job, teacher, plan);
    return STATUS_OK;
}
