/* grpo_learn.c - the updates of a step; see grpo.h. */
#include "train/grpo_job.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- lessons ---- */

static bool is_learnt(const struct grpo_job *job, const struct rollout_answer *answer) {
    return answer->tokens && !(answer->truncated && job->options->mask_truncated);
}

static int list_lessons(struct grpo_job *job, int64_t *tokens) {
    int lessons = 0;
    *tokens = 0;
    for (int g = 0; g < job->lives; g++) {
        const struct grpo_group *group = &job->live[g];
        for (int i = 0; i < job->options->group; i++) {
            if (!is_learnt(job, &group->answer[i])) continue;
            job->lesson[lessons++] = (struct lesson){.prompt = task_prompt(&job->tasks, group->task),
                                                     .prompt_tokens = job->tasks.task[group->task].tokens,
                                                     .answer = &group->answer[i],
                                                     .advantage = group->advantage[i]};
            *tokens += group->answer[i].tokens;
        }
    }
    return lessons;
}

static enum status take_logprobs(struct grpo_job *job, int lessons, int64_t tokens) {
    if (2 * tokens > job->logprob_capacity) {
        double *logprob = realloc(job->logprob, (size_t)(2 * tokens) * sizeof *logprob);
        if (!logprob) return fail(STATUS_MEMORY, "no memory for %lld tokens of answers", (long long)tokens);
        job->logprob = logprob;
        job->logprob_capacity = 2 * tokens;
    }
    int64_t at = 0;
    for (int i = 0; i < lessons; i++) {
        job->lesson[i].now = job->logprob + at;
        job->lesson[i].reference = job->reference ? job->logprob + tokens + at : NULL;
        at += job->lesson[i].answer->tokens;
    }
    return STATUS_OK;
}

/* ---- the reference ---- */

static void swap_weights(struct grpo_job *job) {
    const struct parameters *trained = trainer_trained(&job->trainer);
    for (int64_t i = 0; i < trained->elements; i++) {
        float kept = trained->value[i];
        trained->value[i] = job->reference[i];
        job->reference[i] = kept;
    }
    trainer_refresh(&job->trainer);
}

static void renew_reference(struct grpo_job *job) {
    int64_t every = job->options->reference_every;
    const struct parameters *trained = trainer_trained(&job->trainer);
    if (job->reference && every && (job->state.step + 1) % every == 0)
        memcpy(job->reference, trained->value, (size_t)trained->elements * sizeof(float));
}

/* ---- updates ---- */

static int64_t tokens_of(const struct lesson *lesson, int lessons) {
    int64_t tokens = 0;
    for (int i = 0; i < lessons; i++) tokens += lesson[i].answer->tokens;
    return tokens;
}

/* A constant share of the whole batch, whether its groups are alive or not: few of them make a short step. */
static struct learner_totals totals_of(const struct grpo_job *job, const struct lesson *lesson, int lessons) {
    const struct grpo_options *options = job->options;
    struct learner_totals totals = {lessons, tokens_of(lesson, lessons)};
    if (options->policy.normaliser == NORMALISE_CONSTANT)
        totals.answers = divide_up((int64_t)options->prompts * options->group, options->updates);
    return totals;
}

static void add_sums(struct grpo_report *report, const struct learner_sums *sums, bool first) {
    report->loss += sums->policy.loss;
    report->kl += sums->policy.kl;
    report->entropy += sums->entropy;
    report->teacher += sums->teacher;
    report->clipped_low += sums->policy.clipped_low;
    report->clipped_high += sums->policy.clipped_high;
    report->left_out += sums->policy.left_out;
    report->deviation = fmax(report->deviation, sums->policy.deviation);
    if (first) report->first_deviation = sums->policy.deviation;
}

static enum status update(struct grpo_job *job, const struct lesson *lesson, int lessons,
                          const struct lesson_routes *replay, struct grpo_report *report, int64_t *tokens) {
    const struct grpo_options *options = job->options;
    struct learner_totals totals = totals_of(job, lesson, lessons);
    struct learner_sums sums = {0};
    trainer_clear(&job->trainer);
    TRY(learner_learn(&job->learner, lesson, lessons, &totals, replay, &sums));
    add_sums(report, &sums, *tokens == 0);
    *tokens += sums.policy.tokens;
    TRY(crew_gradient_norm(&job->crew, &report->norm));
    report->rate = schedule_rate(&options->base.schedule, job->state.step);
    if (spike_seen(&job->state.norm, report->norm, 0)) {
        report->words = "the gradient is no number: the update is left out";
        return STATUS_OK;
    }
    TRY(crew_deal_gradient(&job->crew, job->optimizer.border));
    TRY(optimizer_step(&job->optimizer, &job->trainer, report->rate, report->norm));
    if (options->bias_rate > 0) trainer_balance(&job->trainer, options->bias_rate);
    return STATUS_OK;
}

struct part { /* of the lessons, for one update at a time */
    const struct lesson *lesson;
    int lessons;
    struct lesson_routes routes;
};

struct parts {
    struct part *part;
    int count;
};

static enum status open_parts(struct grpo_job *job, int lessons, struct parts *parts) {
    parts->count = job->options->updates < lessons ? job->options->updates : lessons;
    parts->part = calloc((size_t)parts->count, sizeof *parts->part);
    if (!parts->part) return fail(STATUS_MEMORY, "no memory for %d parts of a step", parts->count);
    for (int p = 0; p < parts->count; p++) {
        int begin = (int)((int64_t)lessons * p / parts->count);
        int end = (int)((int64_t)lessons * (p + 1) / parts->count);
        parts->part[p] = (struct part){.lesson = job->lesson + begin, .lessons = end - begin};
    }
    return STATUS_OK;
}

static void close_parts(struct parts *parts) {
    for (int p = 0; parts->part && p < parts->count; p++) lesson_routes_free(&parts->part[p].routes);
    free(parts->part);
}

/* Part by part, so that each rank measures the batches that it will learn from. */
static enum status measure_reference(struct grpo_job *job, const struct parts *parts) {
    enum status status = STATUS_OK;
    if (!job->reference) return STATUS_OK;
    swap_weights(job);
    for (int p = 0; status == STATUS_OK && p < parts->count; p++)
        status =
            learner_measure(&job->learner, parts->part[p].lesson, parts->part[p].lessons, MEASURE_REFERENCE);
    swap_weights(job);
    return status;
}

/* Before the weights move: the experts that tokens were sampled with are those of a pass with the same weights. */
static enum status record_parts(struct grpo_job *job, const struct parts *parts) {
    for (int p = 0; p < parts->count; p++)
        TRY(learner_record(&job->learner, parts->part[p].lesson, parts->part[p].lessons,
                           &parts->part[p].routes));
    return STATUS_OK;
}

static enum status update_parts(struct grpo_job *job, const struct parts *parts, struct grpo_report *report,
                                int64_t *tokens) {
    const struct grpo_options *options = job->options;
    int updates = parts->count * options->epochs;
    bool replay = updates > 1 && options->keep_routing && job->desc.experts;
    TRY(measure_reference(job, parts));
    if (replay) TRY(record_parts(job, parts));
    for (int i = 0; i < updates; i++) {
        const struct part *now = &parts->part[i % parts->count];
        TRY(update(job, now->lesson, now->lessons, replay ? &now->routes : NULL, report, tokens));
    }
    return STATUS_OK;
}

static enum status learn_lessons(struct grpo_job *job, int lessons, int64_t tokens,
                                 struct grpo_report *report, int64_t *seen) {
    struct parts parts = {0};
    enum status status = take_logprobs(job, lessons, tokens);
    if (status == STATUS_OK) status = open_parts(job, lessons, &parts);
    if (status == STATUS_OK) status = update_parts(job, &parts, report, seen);
    close_parts(&parts);
    return status;
}

enum status grpo_learn(struct grpo_job *job, struct grpo_report *report) {
    double begin = clock_seconds();
    int64_t tokens, seen = 0;
    int lessons = list_lessons(job, &tokens);
    bool few = !job->options->teacher && report->live < job->options->least_groups;
    report->skipped = !lessons || few;
    if (!report->skipped) {
        TRY(learn_lessons(job, lessons, tokens, report, &seen));
        double all = (double)max_i64(seen, 1);
        report->entropy /= all;
        report->teacher /= all;
        report->kl /= all;
        report->clipped_low /= all;
        report->clipped_high /= all;
        job->state.tokens += tokens;
    }
    renew_reference(job);
    report->learn_seconds = clock_seconds() - begin;
    return STATUS_OK;
}
