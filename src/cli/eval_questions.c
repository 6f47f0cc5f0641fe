/* eval_questions.c - the mode of `hadal eval` that asks sets of questions: reads them, opens who answers, and leads a run that
 * can be interrupted in any way and goes on. */
#include "base/version.h"
#include "cli/eval.h"
#include "cli/interrupt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct job {
    const struct option_values *values;
    struct verifiers verifiers;
    struct question_set *set;
    int sets;
    struct eval_sampling sampling;
    struct eval_engine *engine;
    struct eval_endpoint *endpoint;
    struct asker asker;
    json_t *head;
    struct record_writer writer;
    struct record record;
    struct eval_table table;
    char *temporary; /* where no file was asked for */
};

static enum status read_sets(struct job *job) {
    const char *const *file, *const *name, *format = option_text(job->values, "format");
    int files = option_texts(job->values, "questions", &file),
        names = option_texts(job->values, "verifier", &name);
    struct question_reader reader = {&job->verifiers, strcmp(format, "auto") != 0 ? format : NULL,
                                     (int)option_int(job->values, "limit")};
    TRY(verifiers_open(&job->verifiers, name, names));
    verifiers_set_command(&job->verifiers, option_text(job->values, "verifier-command"));
    job->set = calloc((size_t)files, sizeof *job->set);
    if (!job->set) return fail(STATUS_MEMORY, "no memory for questions");
    for (; job->sets < files; job->sets++) {
        enum status status = question_set_read(&job->set[job->sets], file[job->sets], &reader);
        if (status != STATUS_OK) question_set_free(&job->set[job->sets]);
        TRY(status);
    }
    return STATUS_OK;
}

static json_t *settings_json(const struct job *job) {
    const struct eval_sampling *sampling = &job->sampling;
    const char *const *name;
    int names = option_texts(job->values, "verifier", &name);
    json_t *verifiers = json_array();
    for (int i = 0; i < names; i++) json_array_append_new(verifiers, json_string(name[i]));
    return json_pack("{s:f, s:f, s:I, s:b, s:I, s:o}", "temperature", sampling->temperature, "top_p",
                     sampling->top_p, "max_tokens", (json_int_t)sampling->most, "plain", sampling->plain,
                     "seed", (json_int_t)option_int(job->values, "seed"), "verifiers", verifiers);
}

static json_t *sets_json(const struct job *job) {
    json_t *sets = json_object();
    for (int s = 0; s < job->sets; s++) {
        char identity[20];
        snprintf(identity, sizeof identity, "%016llx",
                 (unsigned long long)question_set_identity(&job->set[s]));
        json_object_set_new(
            sets, job->set[s].name,
            json_pack("{s:i, s:s}", "questions", job->set[s].questions, "identity", identity));
    }
    return sets;
}

static enum status open_asker(struct job *job) {
    const char *model = option_text(job->values, "model"), *url = option_text(job->values, "url");
    json_t *about = json_object();
    if (model && url) {
        json_decref(about);
        return fail(STATUS_USAGE, "--model and --url: one of them answers");
    }
    job->head = json_pack("{s:i, s:s, s:o, s:o, s:o}", "hadal_eval", 1, "version", HADAL_VERSION, "answerer",
                          about, "settings", settings_json(job), "sets", sets_json(job));
    if (!job->head) return fail(STATUS_MEMORY, "no memory for a run");
    if (model) json_object_set_new(job->head, "model", json_string(model));
    if (url)
        return eval_endpoint_open(&job->endpoint, job->values, url, (int)option_int(job->values, "parallel"),
                                  &job->sampling, &job->asker, about);
    return eval_engine_open(&job->engine, job->values, job->set, job->sets, &job->sampling, &job->asker,
                            about);
}

/* A run of which nobody wants the answers has a file too, which nobody sees. */
static enum status open_file(struct job *job) {
    const char *path = option_text(job->values, "output");
    if (!path) {
        char name[] = "/tmp/hadal-eval-XXXXXX";
        int file = mkstemp(name);
        if (file < 0) return fail(STATUS_IO, "no temporary file can be made; name one with --output");
        close(file);
        job->temporary = strdup(name);
        if (!job->temporary) return fail(STATUS_MEMORY, "no memory for a run");
        path = job->temporary;
    }
    return record_open(&job->writer, path, job->head, &job->record);
}

static bool going(void *context, const struct record *record) {
    struct job *job = context;
    eval_table_update(&job->table, record);
    return !interrupt_seen();
}

static enum status run(struct job *job) {
    int samples = (int)option_int(job->values, "samples");
    int64_t all = 0;
    for (int s = 0; s < job->sets; s++) all += (int64_t)job->set[s].questions * samples;
    struct run_options options = {.set = job->set,
                                  .sets = job->sets,
                                  .samples = samples,
                                  .seed = (uint64_t)option_int(job->values, "seed"),
                                  .verifiers = &job->verifiers,
                                  .asker = &job->asker,
                                  .writer = &job->writer,
                                  .record = &job->record,
                                  .drop_texts = option_flag(job->values, "no-texts"),
                                  .going = going,
                                  .context = job};
    interrupt_catch();
    eval_table_start(&job->table, all, job->record.samples);
    enum status status = run_questions(&options);
    eval_table_finish(&job->table);
    return status;
}

static enum status report(const struct job *job) {
    json_t *object;
    if (!option_flag(job->values, "json")) return eval_table_print(&job->record, true);
    TRY(eval_table_json(&job->record, &object));
    char *text = json_dumps(object, JSON_REAL_PRECISION(9));
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for the report");
    puts(text);
    free(text);
    return STATUS_OK;
}

static enum status eval_all(struct job *job) {
    job->sampling =
        (struct eval_sampling){option_real(job->values, "temperature"), option_real(job->values, "top-p"),
                               option_int(job->values, "max-tokens"), option_flag(job->values, "plain")};
    if (!option_text(job->values, "model") && !option_text(job->values, "url") &&
        !option_shipped_model(job->values))
        return fail(STATUS_USAGE, "nobody to ask: name a model with --model, or a server with --url");
    TRY(read_sets(job));
    TRY(open_asker(job));
    TRY(open_file(job));
    TRY(run(job));
    return report(job);
}

enum status eval_questions(const struct option_values *values) {
    struct job job = {.values = values};
    enum status status = eval_all(&job);
    eval_engine_close(job.engine);
    eval_endpoint_close(job.endpoint);
    record_close(&job.writer);
    record_free(&job.record);
    if (job.temporary) unlink(job.temporary);
    free(job.temporary);
    json_decref(job.head);
    for (int s = 0; s < job.sets; s++) question_set_free(&job.set[s]);
    free(job.set);
    verifiers_close(&job.verifiers);
    return status;
}
