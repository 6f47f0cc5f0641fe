/* train_sample_server.c - `hadal train sample --teacher URL`: the teacher is a server that speaks OpenAI's API. Answers come in
 * any order and are written in the order of the tasks. */
#include "cli/eval.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/train.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 16 };

struct server_sample {
    const struct harvest_options *options;
    struct harvest_lines lines;
    struct question_set tasks;
    struct asker asker;
    struct answered *answer;        /* [tasks, group] */
    bool *heard;                    /* [tasks, group] */
    int64_t asked, answered, taken; /* answers, answers, tasks */
};

bool train_sample_is_url(const char *teacher) {
    return !strncmp(teacher, "http://", 7) || !strncmp(teacher, "https://", 8);
}

static enum status read_file(struct server_sample *sample, const char *path) {
    const struct question_reader reader = {.verifiers = sample->options->verifiers};
    struct question_set tasks;
    enum status status = question_set_read(&tasks, path, &reader);
    if (status == STATUS_OK) status = question_set_append(&sample->tasks, &tasks);
    question_set_free(&tasks);
    return status;
}

static enum status read_tasks(struct server_sample *sample) {
    const struct harvest_options *options = sample->options;
    for (int i = 0; i < options->datas; i++) TRY(read_file(sample, options->data[i]));
    if (!sample->tasks.questions) return fail(STATUS_INPUT, "%s: there are no tasks", options->data[0]);
    const size_t answers = (size_t)sample->tasks.questions * (size_t)options->group;
    sample->answer = calloc(answers, sizeof *sample->answer);
    sample->heard = calloc(answers, sizeof *sample->heard);
    sample->lines.report.all_tasks = sample->tasks.questions;
    return sample->answer && sample->heard ? STATUS_OK
                                           : fail(STATUS_MEMORY, "no memory for %zu answers", answers);
}

static enum status ask_more(struct server_sample *sample) {
    const int group = sample->options->group;
    const int64_t all = (int64_t)sample->tasks.questions * group;
    for (; sample->asked < all && sample->asked - sample->answered < sample->asker.at_once; sample->asked++) {
        const struct question *question = &sample->tasks.question[sample->asked / group];
        const uint64_t seed = question_seed(question, sample->options->seed, (int)(sample->asked % group));
        const struct asked asked = {question, seed, sample->asked};
        TRY(sample->asker.ask(sample->asker.context, &asked));
    }
    return STATUS_OK;
}

/* Tasks whose answers are all there, from the first that is not written. */
static enum status take_whole(struct server_sample *sample) {
    const int group = sample->options->group;
    for (; sample->taken < sample->tasks.questions; sample->taken++) {
        struct answered *answered = sample->answer + sample->taken * group;
        struct harvest_answer said[SERVICE_CHOICES_LIMIT];
        for (int i = 0; i < group; i++) {
            if (!sample->heard[sample->taken * group + i]) return STATUS_OK;
            said[i] =
                (struct harvest_answer){answered[i].text ? answered[i].text : "", answered[i].bytes,
                                        answered[i].unfinished || strcmp(answered[i].finish, "stop") != 0};
        }
        TRY(harvest_take(&sample->lines, sample->tasks.question[sample->taken].line, said, group));
        TRY(harvest_write(&sample->lines));
        for (int i = 0; i < group; i++) free(answered[i].text);
        memset(answered, 0, (size_t)group * sizeof *answered);
    }
    return STATUS_OK;
}

static enum status run(struct server_sample *sample) {
    const struct harvest_options *options = sample->options;
    while (sample->taken < sample->tasks.questions) {
        struct answered answered;
        bool found;
        TRY(ask_more(sample));
        TRY(sample->asker.hear(sample->asker.context, &answered, &found));
        if (!options->progress(options->context, &sample->lines.report))
            return fail(STATUS_CANCELLED, "stopped after %lld of %d tasks", (long long)sample->taken,
                        sample->tasks.questions);
        if (!found) continue;
        sample->answer[answered.number] = answered;
        sample->heard[answered.number] = true;
        sample->answered++;
        TRY(take_whole(sample));
    }
    return harvest_finish(&sample->lines);
}

static void close_sample(struct server_sample *sample) {
    const int64_t answers = (int64_t)sample->tasks.questions * sample->options->group;
    for (int64_t i = 0; sample->answer && i < answers; i++) free(sample->answer[i].text);
    free(sample->answer);
    free(sample->heard);
    harvest_close(&sample->lines);
    question_set_free(&sample->tasks);
}

enum status train_sample_server(const struct option_values *values, const char *url,
                                const struct harvest_options *options, struct harvest_report *report) {
    const struct eval_sampling sampling = {.temperature = options->sampling.temperature,
                                           .top_p = options->sampling.top_p,
                                           .most = options->longest,
                                           .plain = options->form->plain};
    struct server_sample sample = {
        .options = options,
        .lines = {.form = options->form, .verifiers = options->verifiers, .most = options->most}};
    struct eval_endpoint *endpoint = NULL;
    json_t *about = json_object();
    const int at_once = option_given(values, "at-once") ? (int)option_int(values, "at-once") : AT_ONCE;
    enum status status = about ? STATUS_OK : fail(STATUS_MEMORY, "out of memory");
    if (status == STATUS_OK)
        status = eval_endpoint_open(&endpoint, values, url, at_once, &sampling, &sample.asker, about);
    if (status == STATUS_OK) status = read_tasks(&sample);
    if (status == STATUS_OK) status = harvest_open(&sample.lines, options->output);
    if (status == STATUS_OK) status = run(&sample);
    *report = sample.lines.report;
    close_sample(&sample);
    eval_endpoint_close(endpoint);
    json_decref(about);
    return status;
}
