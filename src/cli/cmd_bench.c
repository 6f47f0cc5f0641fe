/* cmd_bench.c - `hadal bench`: how fast prompts are read, tokens generated and text tokenized; and which other form
 * of it was asked for. */
#include "cli/bench.h"

#include "base/bytes.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/machine.h"
#include "cli/open_engine.h"
#include "kernel/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct bench_plan plan;
    struct bench_subject subject;
    struct engine *engine;
    struct tokenizer *tokenizer;
};

static int ascending(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static enum status read_plan(const struct option_values *values, struct bench_plan *plan) {
    const char *test = option_text(values, "test");
    const int64_t *depth;
    bool all = !strcmp(test, "all");
    *plan = (struct bench_plan){.json = option_flag(values, "json"),
                                .prompt = option_int(values, "prompt-tokens"),
                                .tokens = option_int(values, "tokens"),
                                .repeat = (int)option_int(values, "repeat"),
                                .text_file = option_text(values, "text-file")};
    plan->depths = option_ints(values, "depth", &depth);
    plan->batches = option_ints(values, "batch", &plan->batch);
    if (!plan->depths || !plan->batches)
        return fail(STATUS_USAGE, "--depth and --batch need at least one number each");
    plan->prefill = (all || !strcmp(test, "prefill")) && plan->prompt;
    plan->decode = (all || !strcmp(test, "decode")) && plan->tokens;
    plan->tokenizer = all || !strcmp(test, "tokenizer");
    if (!plan->prefill && !plan->decode && !plan->tokenizer)
        return fail(STATUS_USAGE, "nothing to measure: --test %s with 0 tokens", test);
    plan->threads =
        option_given(values, "threads") ? (int)option_int(values, "threads") : processors_available();
    plan->depth = malloc((size_t)plan->depths * sizeof *plan->depth);
    if (!plan->depth) return fail(STATUS_MEMORY, "no memory for %d depths", plan->depths);
    memcpy(plan->depth, depth, (size_t)plan->depths * sizeof *depth);
    qsort(plan->depth, (size_t)plan->depths, sizeof *plan->depth, ascending);
    return STATUS_OK;
}

static int64_t most_batch(const struct bench_plan *plan) {
    int64_t most = 1;
    for (int i = 0; plan->decode && i < plan->batches; i++) most = max_i64(most, plan->batch[i]);
    return most;
}

/* Cache and rows for exactly what the tests need, so that a big model is not refused for what it will not use. */
static enum status open_model(const struct option_values *values, struct job *job) {
    const struct bench_plan *plan = &job->plan;
    struct engine_options options;
    int64_t longest = max_i64(plan->prefill ? plan->prompt : 0, plan->decode ? plan->tokens : 0);
    int64_t context = plan->depth[plan->depths - 1] + longest, batch = most_batch(plan);
    TRY(engine_options_from(values, &options));
    if (options.model.context && options.model.context < context)
        return fail(STATUS_USAGE, "--ctx %lld has no room for a depth of %lld and %lld tokens",
                    (long long)options.model.context, (long long)plan->depth[plan->depths - 1],
                    (long long)longest);
    options.model.context = max_i64(options.model.context, context);
    options.model.sequences = (int)batch;
    options.model.max_rows = (int)max_i64(options.model.max_rows, batch);
    options.no_tokenizer = true;
    TRY(open_engine(&job->engine, &options));
    job->subject.engine = job->engine;
    job->subject.work = bench_work_of(&job->engine->model);
    return STATUS_OK;
}

/* A model of random weights has no tokenizer: then that test is left out, unless it alone was asked for. */
static enum status open_tokenizer(struct job *job) {
    if (!job->plan.tokenizer) return STATUS_OK;
    enum status status = tokenizer_open(&job->tokenizer, job->plan.model);
    if (status == STATUS_OK || !(job->plan.prefill || job->plan.decode)) return status;
    fprintf(stderr, "hadal bench: the tokenizer test is left out: %s\n", status_message());
    return STATUS_OK;
}

static enum status run(const struct option_values *values, struct job *job) {
    struct engine_options options;
    struct machine machine;
    TRY(engine_options_from(values, &options)); /* says that the model is missing */
    TRY(read_plan(values, &job->plan));
    job->plan.model = options.model.path;
    job->subject.plan = &job->plan;
    job->subject.cpu_level = cpu_level_name(kernels_for((enum cpu_level)options.model.cpu_level_cap).level);
    machine_read(&machine);
    job->subject.processor = machine.processor;
    if (job->plan.prefill || job->plan.decode) {
        TRY(open_model(values, job));
        TRY(ceilings_get(&job->subject.ceilings, machine.processor,
                         (enum cpu_level)options.model.cpu_level_cap, job->plan.threads));
    }
    TRY(open_tokenizer(job)); /* behind the model: what is wrong with that is said once */
    if (!job->plan.json) bench_report_subject(&job->subject);
    if (job->engine) TRY(bench_model(&job->subject, job->engine));
    return job->tokenizer ? bench_tokenizer(&job->subject, job->tokenizer) : STATUS_OK;
}

static enum status bench_whole(const struct option_values *values) {
    struct job job = {0};
    enum status status = run(values, &job);
    tokenizer_close(job.tokenizer);
    engine_close(job.engine);
    free(job.plan.depth);
    return status;
}

static const struct form {
    const char *name;
    enum status (*run)(const struct option_values *values);
    bool takes_files;
} forms[] = {{"model", bench_whole, false},     {"machine", bench_machine, false},
             {"kernels", bench_kernels, false}, {"attention", bench_attention, false},
             {"load", bench_load, false},       {"plot", bench_plot, true}};

enum status command_bench(const struct option_values *values) {
    const char *const *word;
    int words = option_positionals(values, &word);
    if (!words) return bench_whole(values);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (strcmp(word[0], forms[i].name) != 0) continue;
        if (words > 1 && !forms[i].takes_files)
            return fail(STATUS_USAGE, "unexpected argument '%.40s' (hadal bench %s [options])", word[1],
                        forms[i].name);
        return forms[i].run(values);
    }
    return fail(STATUS_USAGE, "hadal bench %.40s: name load, machine, kernels, attention, plot or model",
                word[0]);
}
