/* train_sample.c - `hadal train sample`: right answers of a teacher to a file that `hadal train sft` takes. */
#include "base/bytes.h"
#include "base/memory.h"
#include "cli/answer_options.h"
#include "cli/interrupt.h"
#include "cli/open_engine.h"
#include "cli/progress.h"
#include "cli/ranks.h"
#include "cli/train.h"
#include "kernel/kernel.h"
#include "train/harvest.h"

#include <stdio.h>
#include <string.h>

enum { AT_ONCE = 64, STEP_ROWS = 512 };

static bool show_progress(void *context, const struct harvest_report *report) {
    struct progress *progress = context;
    progress->total = report->all_tasks;
    progress_update(progress, report->tasks);
    return !interrupt_seen();
}

/* Of the other ranks: what is shown the first shows. */
static bool pass_progress(void *context, const struct harvest_report *report) {
    (void)context, (void)report;
    return !interrupt_seen();
}

static enum status open_teacher(const struct option_values *values, const char *path, const struct comm *comm,
                                struct engine **engine) {
    enum cpu_level level;
    MUST(cpu_level_from_name(option_text(values, "cpu"), &level)); /* the table allows no other */
    int at_once = option_given(values, "at-once") ? (int)option_int(values, "at-once") : AT_ONCE;
    struct engine_options options = {.model = {.path = path,
                                               .threads = (int)option_int(values, "threads"),
                                               .cpu_level_cap = level,
                                               .max_rows = at_once > STEP_ROWS ? at_once : STEP_ROWS,
                                               .strict = option_flag(values, "strict"),
                                               .kv_automatic = true,
                                               .sequences = at_once,
                                               .cache_tokens = CACHE_AUTOMATIC}};
    MUST(pack_mode_from_name("auto", &options.model.pack));
    if (comm->ranks > 1 && !options.model.threads) options.model.threads = ranks_threads(comm);
    if (comm->neighbours > 1) options.model.memory_limit = memory_available() / comm->neighbours;
    return open_engine(engine, &options);
}

static enum status read_form(const struct option_values *values, const struct engine *engine,
                             struct arena *arena, struct dialogue_form *form) {
    form->plain = option_flag(values, "plain");
    return form->plain ? STATUS_OK
                       : render_options_from(values, &engine->model.checkpoint, arena, &form->render);
}

static enum status sample_engine(const struct option_values *values, const char *teacher,
                                 struct harvest_options *options, struct dialogue_form *form,
                                 struct harvest_report *report) {
    struct engine *engine;
    struct arena arena = {0};
    TRY(open_teacher(values, teacher, options->comm, &engine));
    enum status status = read_form(values, engine, &arena, form);
    options->engine = engine;
    if (status == STATUS_OK) status = harvest_run(options, report);
    engine_close(engine);
    arena_free(&arena);
    return status;
}

static enum status sample(const struct option_values *values, const char *teacher,
                          struct harvest_options *options) {
    struct dialogue_form form = {.plain = option_flag(values, "plain")};
    struct progress progress = {0};
    struct harvest_report report;
    options->form = &form;
    bool first = options->comm->rank == 0;
    options->progress = first ? show_progress : pass_progress;
    options->context = &progress;
    interrupt_catch();
    if (first) progress_start(&progress, "sampling", 0, "tasks");
    enum status status = train_sample_is_url(teacher)
                             ? train_sample_server(values, teacher, options, &report)
                             : sample_engine(values, teacher, options, &form, &report);
    if (first) progress_finish(&progress);
    if (status != STATUS_OK || !first) return status;
    printf("%lld answers to %lld tasks: %lld right, to %lld of the tasks; %lld lines in %s\n",
           (long long)report.answers, (long long)report.tasks, (long long)report.right,
           (long long)report.solved, (long long)report.kept, options->output);
    return STATUS_OK;
}

enum status train_sample(const struct option_values *values, struct comm *comm) {
    const char *const *names, *teacher = option_text(values, "teacher");
    struct verifiers verifiers;
    struct harvest_options options = {.comm = comm,
                                      .verifiers = &verifiers,
                                      .output = option_text(values, "output"),
                                      .seed = (uint64_t)option_int(values, "seed"),
                                      .group = (int)option_int(values, "group"),
                                      .longest = (int)option_int(values, "answer-tokens"),
                                      .most = (int)option_int(values, "most")};
    options.datas = option_texts(values, "data", &options.data);
    if (!teacher) return fail(STATUS_USAGE, "--teacher MODEL or URL says who answers");
    if (!options.datas) return fail(STATUS_USAGE, "--data PATH says what is asked");
    if (!options.output) return fail(STATUS_USAGE, "-o FILE says where the answers go");
    if (comm->ranks > 1 && train_sample_is_url(teacher))
        return fail(STATUS_USAGE,
                    "--teacher URL: one process asks a server, as much --at-once as that takes");
    train_sampling_read(values, &options.sampling);
    int count = option_texts(values, "verifier", &names);
    TRY(verifiers_open(&verifiers, names, count));
    verifiers_set_command(&verifiers, option_text(values, "verifier-command"));
    enum status status = sample(values, teacher, &options);
    verifiers_close(&verifiers);
    return status;
}
