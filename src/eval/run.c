/* run.c - see run.h. */
#include "eval/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
    const struct run_options *options;
    bool *done;     /* [sets' questions * samples] */
    int64_t *first; /* [sets] questions of the sets before */
    int64_t all, next, out;
};

/* ---- what is left ---- */

struct place {
    int set, question, sample;
};

/* Sample by sample over all questions of a set, so that a run that is looked at early has seen each of them. */
static struct place place_of(const struct run *run, int64_t number) {
    const struct run_options *options = run->options;
    int set = 0;
    while (set + 1 < options->sets && number >= run->first[set + 1] * options->samples) set++;
    int64_t within = number - run->first[set] * options->samples, questions = options->set[set].questions;
    return (struct place){set, (int)(within % questions), (int)(within / questions)};
}

static int64_t number_of(const struct run *run, struct place place) {
    const struct run_options *options = run->options;
    return run->first[place.set] * options->samples +
           (int64_t)place.sample * options->set[place.set].questions + place.question;
}

static int find_set(const struct run_options *options, const char *name) {
    for (int s = 0; s < options->sets; s++)
        if (!strcmp(options->set[s].name, name)) return s;
    return -1;
}

/* `at` by id for each set: a record may have millions of samples. */
static enum status mark_done(struct run *run) {
    const struct run_options *options = run->options;
    json_t *at = json_array();
    for (int s = 0; s < options->sets; s++) {
        json_t *ids = json_object();
        for (int q = 0; q < options->set[s].questions; q++)
            json_object_set_new(ids, options->set[s].question[q].id, json_integer(q));
        json_array_append_new(at, ids);
    }
    enum status status = STATUS_OK;
    for (int64_t i = 0; status == STATUS_OK && i < options->record->samples; i++) {
        const struct sample *sample = &options->record->sample[i];
        int set = find_set(options, sample->set);
        const json_t *found =
            set < 0 ? NULL : json_object_get(json_array_get(at, (size_t)set), sample->question);
        if (!found || sample->number >= options->samples) continue;
        struct place place = {set, (int)json_integer_value(found), sample->number};
        bool *done = &run->done[number_of(run, place)];
        if (options->set[set].question[place.question].identity != sample->identity)
            status = fail(STATUS_INPUT, "%s: question %.60s of %.60s is another one there",
                          options->writer->path, sample->question, sample->set);
        else if (*done)
            status = fail(STATUS_FORMAT, "%s: question %.60s of %.60s has sample %d twice",
                          options->writer->path, sample->question, sample->set, sample->number);
        *done = true;
    }
    json_decref(at);
    return status;
}

static enum status open_run(struct run *run) {
    const struct run_options *options = run->options;
    int64_t questions = 0;
    run->first = calloc((size_t)options->sets, sizeof *run->first);
    if (!run->first) return fail(STATUS_MEMORY, "no memory for a run");
    for (int s = 0; s < options->sets; s++) {
        if (find_set(options, options->set[s].name) != s)
            return fail(STATUS_USAGE, "two sets of questions are called %.60s", options->set[s].name);
        run->first[s] = questions;
        questions += options->set[s].questions;
    }
    run->all = questions * options->samples;
    if (run->all >= 1 << 24) return fail(STATUS_LIMIT, "more than %d answers to ask for", 1 << 24);
    run->done = calloc((size_t)run->all, sizeof *run->done);
    return run->done ? mark_done(run) : fail(STATUS_MEMORY, "no memory for a run");
}

/* ---- asking and hearing ---- */

static enum status ask_more(struct run *run) {
    const struct run_options *options = run->options;
    for (; run->next < run->all && run->out < options->asker->at_once; run->next++) {
        if (run->done[run->next]) continue;
        struct place place = place_of(run, run->next);
        const struct question *question = &options->set[place.set].question[place.question];
        struct asked asked = {question, question_seed(question, options->seed, place.sample), run->next};
        TRY(options->asker->ask(options->asker->context, &asked));
        run->out++;
    }
    return STATUS_OK;
}

static char *copy_of(const char *text) {
    return text ? strdup(text) : NULL;
}

static enum status judge(const struct run_options *options, const struct question *question,
                         const struct answered *answered, struct sample *sample) {
    struct verdict verdict = {0};
    const char *rule = "";
    char origin[160];
    snprintf(origin, sizeof origin, "question %.100s", question->id);
    const char *text = answered->unfinished ? "" : answered->text;
    size_t bytes = answered->unfinished ? 0 : answered->bytes;
    if (!answered->unfinished) TRY(verify(options->verifiers, question->line, origin, text, bytes, &verdict));
    sample->right = verdict.right;
    sample->reward = verdict.reward;
    TRY(verify_result(options->verifiers, question->line, origin, text, bytes, &sample->result, &rule));
    snprintf(sample->rule, sizeof sample->rule, "%s", rule);
    return STATUS_OK;
}

static enum status take(struct run *run, const struct answered *answered) {
    const struct run_options *options = run->options;
    MUST(answered->number >= 0 && answered->number < run->next && !run->done[answered->number]);
    struct place place = place_of(run, answered->number);
    const struct question_set *set = &options->set[place.set];
    const struct question *question = &set->question[place.question];
    struct sample sample = {.set = copy_of(set->name),
                            .question = copy_of(question->id),
                            .group = copy_of(question->group),
                            .identity = question->identity,
                            .number = place.sample,
                            .text = options->drop_texts ? NULL : copy_of(answered->text),
                            .prompt_tokens = answered->prompt_tokens,
                            .tokens = answered->tokens,
                            .seconds = answered->seconds};
    snprintf(sample.finish, sizeof sample.finish, "%s", answered->finish);
    enum status status =
        sample.set && sample.question ? STATUS_OK : fail(STATUS_MEMORY, "no memory for an answer");
    if (status == STATUS_OK) status = judge(options, question, answered, &sample);
    if (status == STATUS_OK) status = record_add(options->writer, options->record, &sample);
    sample_free(&sample);
    run->done[answered->number] = true;
    run->out--;
    return status;
}

static enum status run_all(struct run *run) {
    const struct run_options *options = run->options;
    for (;;) {
        struct answered answered = {0};
        bool found = false;
        if (options->going && !options->going(options->context, options->record))
            return fail(STATUS_CANCELLED, "stopped after %lld of %lld answers; the same command goes on",
                        (long long)options->record->samples, (long long)run->all);
        TRY(ask_more(run));
        if (!run->out) return STATUS_OK;
        TRY(options->asker->hear(options->asker->context, &answered, &found));
        enum status status = found ? take(run, &answered) : STATUS_OK;
        free(answered.text);
        TRY(status);
    }
}

enum status run_questions(const struct run_options *options) {
    struct run run = {.options = options};
    enum status status = open_run(&run);
    if (status == STATUS_OK) status = run_all(&run);
    free(run.done);
    free(run.first);
    return status;
}
