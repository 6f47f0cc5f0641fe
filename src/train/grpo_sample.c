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

static enum status grade_answer(struct grpo_job *job, const struct task_list *tasks, int64_t task,
                                const struct rollout_answer *answer, struct buffer *text,
                                struct grpo_grade *grade) {
    struct verdict verdict = {0};
    *grade = (struct grpo_grade){.tokens = answer->tokens};
    if (job->options->teacher && !verifiers_apply(job->options->verifiers, tasks->task[task].line))
        return STATUS_OK;
    TRY(answer_text(job, answer, text));
    TRY(verify(job->options->verifiers, tasks->task[task].line, "a task", text->data ? text->data : "",
               text->bytes, &verdict));
    grade->reward = verdict.reward;
    grade->right = verdict.right;
    return STATUS_OK;
}

static json_t *sample_line(const struct grpo_job *job, const struct rollout_answer *answer,
                           const struct grpo_grade *grade, const struct buffer *prompt,
                           const struct buffer *text) {
    return json_pack("{s:I, s:s%, s:s%, s:f, s:b, s:i}", "step", (json_int_t)job->state.step + 1, "prompt",
                     prompt->data, prompt->bytes, "answer", text->data ? text->data : "", text->bytes,
                     "reward", grade->reward, "right", grade->right != 0, "tokens", answer->tokens);
}

static enum status write_sample(struct grpo_job *job, const struct grpo_group *group, int index,
                                const struct grpo_grade *grade) {
    const struct task *task = &job->tasks.task[group->task];
    struct buffer prompt = {0}, text = {0};
    enum status status = text_of(job, task_prompt(&job->tasks, group->task), task->tokens, &prompt);
    if (status == STATUS_OK) status = answer_text(job, &group->answer[index], &text);
    json_t *line =
        status == STATUS_OK ? sample_line(job, &group->answer[index], grade, &prompt, &text) : NULL;
    if (line) json_dumpf(line, job->samples, JSON_COMPACT);
    if (line) fputs("\n", job->samples);
    json_decref(line);
    buffer_free(&prompt);
    buffer_free(&text);
    if (!line || !fflush(job->samples)) return status;
    return fail(STATUS_IO, "%s/samples.jsonl: cannot write", job->store.path);
}

struct tally { /* over all answers of a step */
    double reward, deviation, right, truncated, length;
    int64_t answers;
    int shortest, longest;
    bool all_right, all_wrong;
};

static void count_answer(struct tally *tally, const struct rollout_answer *answer, double reward,
                         bool right) {
    if (!tally->answers || answer->tokens < tally->shortest) tally->shortest = answer->tokens;
    if (answer->tokens > tally->longest) tally->longest = answer->tokens;
    tally->answers++;
    tally->reward += reward;
    tally->right += right;
    tally->truncated += answer->truncated;
    tally->length += answer->tokens;
    tally->all_right &= right;
    tally->all_wrong &= !right;
}

/* False: all rewards are equal. */
static bool reward_group(const struct grpo_job *job, struct grpo_group *group, const struct grpo_grade *grade,
                         struct tally *tally) {
    const struct grpo_options *options = job->options;
    double mean = 0, squares = 0;
    for (int i = 0; i < options->group; i++) {
        const struct rollout_answer *answer = &group->answer[i];
        group->reward[i] =
            grade[i].reward - policy_overlong(answer->tokens, options->longest, options->overlong);
        count_answer(tally, answer, group->reward[i], grade[i].right);
    }
    for (int i = 0; i < options->group; i++) mean += group->reward[i] / options->group;
    for (int i = 0; i < options->group; i++) squares += pow(group->reward[i] - mean, 2) / options->group;
    tally->deviation += sqrt(squares);
    return policy_advantages(options->policy.advantage, group->reward, options->group, group->advantage);
}

static enum status show_group(struct grpo_job *job, const struct grpo_group *group,
                              const struct grpo_grade *grade) {
    for (int i = 0; job->samples && i < job->options->group && i < 2; i++)
        TRY(write_sample(job, group, i, &grade[i]));
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

static enum status take_group(struct grpo_job *job, const struct grpo_round *round, int p, bool show,
                              struct tally *tally, struct grpo_report *report) {
    int64_t first = (int64_t)p * round->group;
    struct grpo_group group;
    TRY(make_group(job, round->task[p], round->answer + first, &group));
    bool alive = reward_group(job, &group, round->grade + first, tally);
    enum status status = show ? show_group(job, &group, round->grade + first) : STATUS_OK;
    report->groups++;
    report->live += alive;
    if (status == STATUS_OK && is_kept(job, alive))
        job->live[job->lives++] = group;
    else
        group_free(&group, round->group);
    return status;
}

static enum status take_groups(struct grpo_job *job, const struct grpo_round *round, struct tally *tally,
                               struct grpo_report *report) {
    const struct grpo_options *options = job->options;
    bool due = options->samples_every && (job->state.step + 1) % options->samples_every == 0;
    for (int p = 0; p < round->count; p++)
        TRY(take_group(job, round, p, due && !report->groups, tally, report));
    return STATUS_OK;
}

/* ---- rounds ---- */

static enum status round_open(struct grpo_round *round, int prompts, int group) {
    size_t count = (size_t)prompts, answers;
    *round = (struct grpo_round){.prompt = calloc(count, sizeof *round->prompt),
                                 .task = calloc(count, sizeof *round->task),
                                 .group = group};
    if (multiply_size_fits(count, (size_t)group, &answers)) {
        round->answer = calloc(answers, sizeof *round->answer);
        round->grade = calloc(answers, sizeof *round->grade);
    }
    return round->prompt && round->task && round->answer && round->grade
               ? STATUS_OK
               : fail(STATUS_MEMORY, "no memory for %d prompts", prompts);
}

static void round_close(struct grpo_round *round) {
    free(round->prompt);
    free(round->task);
    free(round->answer);
    free(round->grade);
}

static void free_answers(struct grpo_round *round) {
    for (int i = 0; i < round->count * round->group; i++) rollout_answer_free(&round->answer[i]);
}

/* This rank's part of the answers, sampled and graded. */
static enum status answer_part(struct grpo_job *job, const struct task_list *tasks, struct grpo_round *round,
                               const struct sampling *sampling) {
    const struct grpo_options *options = job->options;
    const struct comm *comm = options->base.comm;
    struct buffer text = {0};
    int begin, end;
    grpo_round_part(round, comm, comm->rank, &begin, &end);
    struct rollout_request request = {.prompt = round->prompt + begin,
                                      .prompts = end - begin,
                                      .group = round->group,
                                      .sampling = *sampling,
                                      .longest = options->longest,
                                      .going = options->listener->going,
                                      .context = options->listener->context};
    enum status status = STATUS_OK;
    if (begin < end)
        status = rollout_run(job->rollout, &request, round->answer + (int64_t)begin * round->group);
    for (int i = begin * round->group; status == STATUS_OK && i < end * round->group; i++)
        status = grade_answer(job, tasks, round->task[i / round->group], &round->answer[i], &text,
                              &round->grade[i]);
    buffer_free(&text);
    return status;
}

/* Collective: all get all grades. STATUS_CANCELLED for all where one was to stop, with which the run is not over: it saves. */
static enum status answer_round(struct grpo_job *job, const struct task_list *tasks, struct grpo_round *round,
                                const struct sampling *sampling) {
    struct comm *comm = job->options->base.comm;
    size_t grades = (size_t)round->count * (size_t)round->group * sizeof *round->grade;
    bool going;
    memset(round->grade, 0, grades);
    enum status status = answer_part(job, tasks, round, sampling);
    if (status != STATUS_CANCELLED) TRY(status);
    TRY(comm_all(comm, status != STATUS_CANCELLED, &going));
    if (!going) return fail(STATUS_CANCELLED, "stopped while answers were sampled");
    return comm_merge(comm, round->grade, (int64_t)grades);
}

/* Each place of the run has a seed of its own. */
static uint64_t seed_at(const struct grpo_job *job, int64_t place) {
    struct rng rng;
    rng_seed_stream(&rng, job->options->base.seed ^ UINT64_C(0x67727067), (uint64_t)place);
    return rng_next(&rng);
}

static void set_prompt(struct grpo_round *round, int p, const struct task_list *tasks, int64_t task,
                       uint64_t seed) {
    round->task[p] = task;
    round->prompt[p] = (struct rollout_prompt){task_prompt(tasks, task), tasks->task[task].tokens, seed};
}

static enum status sample_round(struct grpo_job *job, struct grpo_round *round, struct tally *tally,
                                struct grpo_report *report) {
    for (int p = 0; p < round->count; p++) {
        int64_t place = job->state.sequence + p;
        set_prompt(round, p, &job->tasks, task_order_at(&job->order, place), seed_at(job, place));
    }
    enum status status = answer_round(job, &job->tasks, round, &job->options->sampling);
    if (status == STATUS_OK) status = grpo_share_answers(round, job->options->base.comm);
    if (status == STATUS_OK) status = take_groups(job, round, tally, report);
    free_answers(round);
    TRY(status);
    job->state.sequence += round->count;
    return STATUS_OK;
}

/* ---- steps ---- */

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
    struct grpo_round round;
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

/* In the order of the tasks, whoever had them. */
static void add_grades(const struct grpo_round *round, struct grpo_validation *validation) {
    for (int p = 0; p < round->count; p++) {
        validation->right += (double)round->grade[p].right;
        validation->reward += round->grade[p].reward;
        validation->length += (double)round->grade[p].tokens;
    }
}

enum status grpo_validate(struct grpo_job *job, struct grpo_validation *validation) {
    enum { AT_ONCE = 256 };
    const struct sampling likeliest = sampling_default();
    struct grpo_round round;
    *validation = (struct grpo_validation){.step = job->state.step};
    enum status status = round_open(&round, AT_ONCE, 1);
    for (int64_t first = 0; status == STATUS_OK && first < job->valid.tasks; first += AT_ONCE) {
        round.count = (int)min_i64(AT_ONCE, job->valid.tasks - first);
        for (int p = 0; p < round.count; p++) set_prompt(&round, p, &job->valid, first + p, 0);
        status = answer_round(job, &job->valid, &round, &likeliest);
        if (status == STATUS_OK) add_grades(&round, validation);
        free_answers(&round);
    }
    round_close(&round);
    TRY(status);
    double tasks = (double)max_i64(job->valid.tasks, 1);
    validation->right /= tasks;
    validation->reward /= tasks;
    validation->length /= tasks;
    return STATUS_OK;
}
