/* grpo_sample.c - the answers of a step and their rewards; see grpo.h. */
#include "train/grpo_job.h"

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- text ---- */

static bool ends(const struct grpo_job *job, int32_t id) {
    for (int i = 0; i < job->desc.eos_count; i++)
        if (job->desc.eos[i] == id) return true;
    return id == tokenizer_eos(job->tokenizer);
}

static enum status text_of(const struct grpo_job *job, const int32_t *id, int tokens, struct buffer *text) {
    struct detokenizer detokenizer = {job->tokenizer, .show_special = true};
    buffer_clear(text);
    for (int i = 0; i < tokens; i++) detokenizer_push(&detokenizer, id[i], text);
    detokenizer_finish(&detokenizer, text);
    buffer_append(text, "", 0);
    return buffer_check(text, "an answer");
}

static enum status answer_text(const struct grpo_job *job, const struct rollout_answer *answer,
                               struct buffer *text) {
    int tokens = answer->tokens;
    if (tokens && ends(job, answer->id[tokens - 1])) tokens--;
    return text_of(job, answer->id, tokens, text);
}

/* ---- rewards ---- */

static enum status verify_answer(struct grpo_job *job, const struct task_list *tasks, int64_t task,
                                 const struct rollout_answer *answer, struct buffer *text,
                                 struct verdict *verdict) {
    TRY(answer_text(job, answer, text));
    *verdict = (struct verdict){0};
    if (job->options->teacher && !verifiers_apply(job->options->verifiers, tasks->task[task].line))
        return STATUS_OK;
    return verify(job->options->verifiers, tasks->task[task].line, "a task", text->data ? text->data : "",
                  text->bytes, verdict);
}

static enum status write_sample(struct grpo_job *job, const struct grpo_group *group, int index,
                                const struct verdict *verdict, const struct buffer *text) {
    const struct task *task = &job->tasks.task[group->task];
    struct buffer prompt = {0};
    enum status status = text_of(job, task_prompt(&job->tasks, group->task), task->tokens, &prompt);
    json_t *line = NULL;
    if (status == STATUS_OK)
        line = json_pack("{s:I, s:s%, s:s%, s:f, s:b, s:i}", "step", (json_int_t)job->state.step + 1,
                         "prompt", prompt.data, prompt.bytes, "answer", text->data ? text->data : "",
                         text->bytes, "reward", verdict->reward, "right", verdict->right, "tokens",
                         group->answer[index].tokens);
    if (line) json_dumpf(line, job->samples, JSON_COMPACT);
    if (line) fputs("\n", job->samples);
    json_decref(line);
    buffer_free(&prompt);
    if (!line || status != STATUS_OK || !fflush(job->samples)) return status;
    return fail(STATUS_IO, "%s/samples.jsonl: cannot write", job->store.path);
}

struct tally { /* over all answers of a step */
    double reward, deviation, right, truncated, length;
    int64_t answers;
    int shortest, longest;
    bool all_right, all_wrong;
};

static enum status reward_answer(struct grpo_job *job, struct grpo_group *group, int index, bool show,
                                 struct buffer *text, struct tally *tally) {
    const struct grpo_options *options = job->options;
    const struct rollout_answer *answer = &group->answer[index];
    struct verdict verdict;
    TRY(verify_answer(job, &job->tasks, group->task, answer, text, &verdict));
    group->reward[index] =
        verdict.reward - policy_overlong(answer->tokens, options->longest, options->overlong);
    if (show) TRY(write_sample(job, group, index, &verdict, text));
    if (!tally->answers || answer->tokens < tally->shortest) tally->shortest = answer->tokens;
    if (answer->tokens > tally->longest) tally->longest = answer->tokens;
    tally->answers++;
    tally->reward += group->reward[index];
    tally->right += verdict.right;
    tally->truncated += answer->truncated;
    tally->length += answer->tokens;
    tally->all_right &= verdict.right;
    tally->all_wrong &= !verdict.right;
    return STATUS_OK;
}

static enum status reward_group(struct grpo_job *job, struct grpo_group *group, bool show,
                                struct tally *tally, bool *alive) {
    const struct grpo_options *options = job->options;
    struct buffer text = {0};
    enum status status = STATUS_OK;
    double mean = 0, squares = 0;
    for (int i = 0; status == STATUS_OK && i < options->group; i++)
        status = reward_answer(job, group, i, show && i < 2, &text, tally);
    buffer_free(&text);
    TRY(status);
    for (int i = 0; i < options->group; i++) mean += group->reward[i] / options->group;
    for (int i = 0; i < options->group; i++) squares += pow(group->reward[i] - mean, 2) / options->group;
    tally->deviation += sqrt(squares);
    *alive = policy_advantages(options->policy.advantage, group->reward, options->group, group->advantage);
    return STATUS_OK;
}

/* ---- groups ---- */

static void group_free(struct grpo_group *group, int answers) {
    for (int i = 0; group->answer && i < answers; i++) rollout_answer_free(&group->answer[i]);
    free(group->answer);
    free(group->reward);
    free(group->advantage);
    *group = (struct grpo_group){0};
}

void grpo_drop_groups(struct grpo_job *job) {
    for (int i = 0; i < job->lives; i++) group_free(&job->live[i], job->options->group);
    job->lives = 0;
}

/* Answers [count * group] become groups of their own. */
static enum status make_group(const struct grpo_job *job, int64_t task, struct rollout_answer *answer,
                              struct grpo_group *group) {
    size_t answers = (size_t)job->options->group;
    *group = (struct grpo_group){task, malloc(answers * sizeof *answer), calloc(answers, sizeof(double)),
                                 calloc(answers, sizeof(double))};
    if (!group->answer || !group->reward || !group->advantage) {
        free(group->answer);
        group->answer = NULL;
        group_free(group, 0);
        return fail(STATUS_MEMORY, "no memory for a group of answers");
    }
    memcpy(group->answer, answer, answers * sizeof *answer);
    memset(answer, 0, answers * sizeof *answer);
    return STATUS_OK;
}

static bool is_kept(const struct grpo_job *job, bool alive) {
    return alive || job->options->teacher || (job->reference && !job->options->refill);
}

static enum status take_groups(struct grpo_job *job, const int64_t *task, struct rollout_answer *answer,
                               int count, struct tally *tally, struct grpo_report *report) {
    const struct grpo_options *options = job->options;
    bool due = options->samples_every && (job->state.step + 1) % options->samples_every == 0;
    for (int p = 0; p < count; p++) {
        struct grpo_group group;
        bool alive = false;
        TRY(make_group(job, task[p], answer + (int64_t)p * options->group, &group));
        enum status status = reward_group(job, &group, due && !report->groups, tally, &alive);
        report->groups++;
        report->live += alive;
        if (status == STATUS_OK && is_kept(job, alive))
            job->live[job->lives++] = group;
        else
            group_free(&group, options->group);
        TRY(status);
    }
    return STATUS_OK;
}

struct round { /* the prompts of one round of sampling */
    struct rollout_prompt *prompt;
    int64_t *task;
    struct rollout_answer *answer;
    int count;
};

/* Each place of the run has a seed of its own. */
static uint64_t seed_at(const struct grpo_job *job, int64_t place) {
    struct rng rng;
    rng_seed_stream(&rng, job->options->base.seed ^ UINT64_C(0x67727067), (uint64_t)place);
    return rng_next(&rng);
}

static enum status sample_round(struct grpo_job *job, struct round *round, struct tally *tally,
                                struct grpo_report *report) {
    const struct grpo_options *options = job->options;
    for (int p = 0; p < round->count; p++) {
        int64_t place = job->state.sequence + p, task = task_order_at(&job->order, place);
        round->task[p] = task;
        round->prompt[p] = (struct rollout_prompt){task_prompt(&job->tasks, task),
                                                   job->tasks.task[task].tokens, seed_at(job, place)};
    }
    struct rollout_request request = {.prompt = round->prompt,
                                      .prompts = round->count,
                                      .group = options->group,
                                      .sampling = options->sampling,
                                      .longest = options->longest,
                                      .going = options->listener->going,
                                      .context = options->listener->context};
    enum status status = rollout_run(job->rollout, &request, round->answer);
    if (status == STATUS_OK)
        status = take_groups(job, round->task, round->answer, round->count, tally, report);
    for (int i = 0; i < round->count * options->group; i++) rollout_answer_free(&round->answer[i]);
    TRY(status);
    job->state.sequence += round->count;
    return STATUS_OK;
}

static enum status round_open(struct round *round, int prompts, int group) {
    size_t count = (size_t)prompts, answers;
    *round = (struct round){.prompt = calloc(count, sizeof *round->prompt),
                            .task = calloc(count, sizeof *round->task)};
    if (multiply_size_fits(count, (size_t)group, &answers))
        round->answer = calloc(answers, sizeof *round->answer);
    return round->prompt && round->task && round->answer
               ? STATUS_OK
               : fail(STATUS_MEMORY, "no memory for %d prompts", prompts);
}

static void round_close(struct round *round) {
    free(round->prompt);
    free(round->task);
    free(round->answer);
}

static const char *words_of(const struct grpo_job *job, const struct tally *tally,
                            const struct grpo_report *report) {
    if (job->options->teacher) return NULL;
    if (!report->live && tally->all_right) return "nothing to learn: every answer to every prompt is right";
    if (!report->live && tally->all_wrong)
        return "nothing to learn: every answer to every prompt is wrong; what is never sampled cannot be "
               "chosen";
    if (!report->live) return "nothing to learn: the answers to each prompt have the same reward";
    if (report->live < job->options->least_groups)
        return "too few prompts have answers that differ in reward";
    if (2 * report->live < report->groups)
        return "most prompts have answers of equal reward and teach nothing: mix in easier or harder ones, "
               "or "
               "sample larger groups";
    return NULL;
}

enum status grpo_sample(struct grpo_job *job, struct grpo_report *report) {
    const struct grpo_options *options = job->options;
    struct tally tally = {.all_right = true, .all_wrong = true};
    struct round round;
    double begin = clock_seconds();
    enum status status = round_open(&round, options->prompts, options->group);
    for (int i = 0; status == STATUS_OK && i <= options->refill && job->lives < options->prompts; i++) {
        round.count = options->prompts - job->lives;
        status = sample_round(job, &round, &tally, report);
    }
    round_close(&round);
    TRY(status);
    double answers = (double)tally.answers;
    report->reward = tally.reward / answers;
    report->reward_deviation = tally.deviation / report->groups;
    report->right = tally.right / answers;
    report->truncated = tally.truncated / answers;
    report->length = tally.length / answers;
    report->shortest = tally.shortest;
    report->longest = tally.longest;
    report->words = words_of(job, &tally, report);
    report->rollout_seconds = clock_seconds() - begin;
    return STATUS_OK;
}

/* ---- validation ---- */

static enum status validate_round(struct grpo_job *job, const struct round *round, int64_t first,
                                  struct grpo_validation *validation) {
    struct buffer text = {0};
    enum status status = STATUS_OK;
    for (int p = 0; status == STATUS_OK && p < round->count; p++) {
        struct verdict verdict;
        status = verify_answer(job, &job->valid, first + p, &round->answer[p], &text, &verdict);
        if (status != STATUS_OK) break;
        validation->right += verdict.right;
        validation->reward += verdict.reward;
        validation->length += round->answer[p].tokens;
    }
    buffer_free(&text);
    return status;
}

enum status grpo_validate(struct grpo_job *job, struct grpo_validation *validation) {
    enum { AT_ONCE = 256 };
    struct round round;
    *validation = (struct grpo_validation){.step = job->state.step};
    enum status status = round_open(&round, AT_ONCE, 1);
    for (int64_t first = 0; status == STATUS_OK && first < job->valid.tasks; first += AT_ONCE) {
        round.count = (int)min_i64(AT_ONCE, job->valid.tasks - first);
        for (int p = 0; p < round.count; p++)
            round.prompt[p] = (struct rollout_prompt){task_prompt(&job->valid, first + p),
                                                      job->valid.task[first + p].tokens, 0};
        struct rollout_request request = {.prompt = round.prompt,
                                          .prompts = round.count,
                                          .group = 1,
                                          .sampling = sampling_default(),
                                          .longest = job->options->longest,
                                          .going = job->options->listener->going,
                                          .context = job->options->listener->context};
        status = rollout_run(job->rollout, &request, round.answer);
        if (status == STATUS_OK) status = validate_round(job, &round, first, validation);
        for (int p = 0; p < round.count; p++) rollout_answer_free(&round.answer[p]);
    }
    round_close(&round);
    TRY(status);
    double tasks = (double)max_i64(job->valid.tasks, 1);
    validation->right /= tasks;
    validation->reward /= tasks;
    validation->length /= tasks;
    return STATUS_OK;
}
