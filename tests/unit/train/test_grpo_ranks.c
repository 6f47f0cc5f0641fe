/* test_grpo_ranks.c - learning from one's own answers, shared by several ranks: the files of one, whatever the number of ranks and
 * threads and whoever goes on, for every part of the recipe; a failure or a stop of one is everybody's. */
#include "support/scratch.h"
#include "support/small_model.h"
#include "support/thread_ranks.h"

#include "kernel/kernel.h"
#include "train/grpo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, STEPS = 4, PROMPTS = 5 };

/* What varies between runs of one kind, and what came out. */
struct run {
    const struct grpo_options *kind; /* as one rank has it; what belongs to a rank is set there */
    char path[256];
    int threads;
    int64_t stop_at; /* `stopper` wishes to stop after this step; 0: never */
    int going_calls; /* `stopper` wishes to stop at this question of the sampler; 0: never */
    int stopper;
    bool other_tasks;            /* rank 1 has others */
    const char *verifier[RANKS]; /* command of each rank, if any */
    double first_deviation, right[RANKS];
    int64_t updated[RANKS]; /* steps that were not left out */
    enum status status[RANKS];
    char sentence[RANKS][256];
};

struct listening {
    struct run *run;
    int rank, calls;
};

static void hear_beginning(void *context, const struct grpo_report *report, int64_t tasks) {
    (void)context, (void)report, (void)tasks;
}

static bool hear_going(void *context) {
    struct listening *listening = context;
    const struct run *run = listening->run;
    listening->calls++;
    return !run->going_calls || listening->rank != run->stopper || listening->calls < run->going_calls;
}

static bool hear_step(void *context, const struct grpo_report *report) {
    const struct listening *listening = context;
    struct run *run = listening->run;
    run->updated[listening->rank] += !report->skipped;
    if (listening->rank == 0 && report->first_deviation > run->first_deviation)
        run->first_deviation = report->first_deviation;
    return listening->rank != run->stopper || report->step != run->stop_at;
}

static void hear_validation(void *context, const struct grpo_validation *validation) {
    const struct listening *listening = context;
    listening->run->right[listening->rank] = validation->reward;
}

static void train(void *context, struct comm *comm) {
    struct run *run = context;
    struct listening listening = {.run = run, .rank = comm->rank};
    struct grpo_listener listener = {&listening, hear_beginning, hear_going, hear_step, hear_validation};
    struct grpo_options options = *run->kind;
    struct verifiers verifiers;
    MUST(verifiers_open(&verifiers, NULL, 0) == STATUS_OK);
    verifiers_set_command(&verifiers, run->verifier[comm->rank]);
    options.listener = &listener;
    options.verifiers = &verifiers;
    options.base.comm = comm;
    options.base.run = run->path;
    options.base.trainer.threads = run->threads;
    if (run->other_tasks && comm->rank == 1) options.base.data = options.base.valid;
    run->status[comm->rank] = grpo_run(&options);
    snprintf(run->sentence[comm->rank], sizeof run->sentence[comm->rank], "%s", status_message());
    verifiers_close(&verifiers);
}

/* ---- kinds ---- */

struct bench {
    struct scratch scratch, other;
    struct dialogue_form form;
    const char *tasks[1], *held_out[1];
    json_t *config;
    struct grpo_options options;
};

/* Any number in an answer is right, and letters are worth something too: what is random differs in reward. */
static const char *write_tasks(struct scratch *scratch, const char *name, int first, int count) {
    char text[8192] = "";
    for (int i = 0, at = 0; i < count; i++)
        at +=
            snprintf(text + at, sizeof text - (size_t)at,
                     "{\"prompt\": \"say %d, or%.*s\", \"answer\": \"1\", \"tolerance\": 1e9, \"language\": "
                     "\"en\", \"verifier\": [\"numeric\", {\"name\": \"language\", \"weight\": 0.5}]}\n",
                     first + i, i % 7, " more of it");
    return strdup(scratch_text(scratch, name, text));
}

static void open_bench(struct bench *bench) {
    char path[320];
    scratch_open(&bench->scratch);
    scratch_open(&bench->other);
    bench->form = (struct dialogue_form){.plain = true};
    bench->tasks[0] = write_tasks(&bench->scratch, "tasks.jsonl", 0, 17);
    bench->held_out[0] = write_tasks(&bench->scratch, "held-out.jsonl", 40, 4);
    const char *model = strdup(small_model_write_mtp(&bench->scratch));
    snprintf(path, sizeof path, "%s/config.json", model);
    assert_int_equal(json_read_file(path, 1 << 20, &bench->config), STATUS_OK);
    bench->options = (struct grpo_options){
        .base = {.config = bench->config,
                 .origin = "config.json",
                 .init = model,
                 .tokenizer = model,
                 .data = bench->tasks,
                 .valid = bench->held_out,
                 .datas = 1,
                 .valids = 1,
                 .resume = true,
                 .trainer = {.cpu_level_cap = CPU_LEVEL_COUNT - 1},
                 .sequence_rows = 64,
                 .packing = PACK_WHOLE,
                 .dialogue = &bench->form,
                 .steps = STEPS,
                 .valid_every = 2,
                 .keep = 1,
                 .seed = 5,
                 .schedule = {.kind = SCHEDULE_CONSTANT, .peak = 1e-3, .steps = STEPS},
                 .optimizer = optimizer_defaults(OPTIMIZER_ADAMW)},
        .policy = {.clip_low = 0.2, .clip_high = 0.28},
        .sampling = sampling_default(),
        .prompts = PROMPTS,
        .group = 4,
        .longest = 8,
        .micro_rows = 48,
        .refill = 1,
        .least_groups = 1,
        .updates = 1,
        .epochs = 1,
        .samples_every = 1,
    };
    bench->options.sampling.temperature = 1;
}

static void close_bench(struct bench *bench) {
    char command[320]; /* scratch_close() removes files alone */
    for (int i = 0; i < 2; i++) {
        struct scratch *scratch = i ? &bench->other : &bench->scratch;
        snprintf(command, sizeof command, "rm -rf %s/*", scratch->directory);
        assert_int_equal(system(command), 0);
        scratch_close(scratch);
    }
    free((char *)bench->tasks[0]);
    free((char *)bench->held_out[0]);
    free((char *)bench->options.base.init);
    free((char *)bench->options.teacher);
    json_decref(bench->config);
}

/* ---- runs ---- */

/* By so many ranks; `run` says where it stops. */
static void go(const struct bench *bench, const char *name, int ranks, int threads, struct run *run) {
    run->kind = &bench->options;
    run->threads = threads;
    snprintf(run->path, sizeof run->path, "%s/%s", bench->scratch.directory, name);
    thread_ranks_run(ranks, train, run);
    bool stops = run->stop_at || run->going_calls;
    for (int r = 0; r < ranks; r++) {
        if (run->status[r] != (stops ? STATUS_CANCELLED : STATUS_OK))
            fail_msg("%s, rank %d of %d: %s", name, r, ranks, run->sentence[r]);
        assert_int_equal(run->updated[r], run->updated[0]);
        assert_true(run->right[r] == run->right[0]);
    }
    assert_true(run->first_deviation == 0);
}

static char *contents(const struct bench *bench, const char *run, const char *file, size_t *bytes) {
    char path[400];
    snprintf(path, sizeof path, "%s/%s/%s", bench->scratch.directory, run, file);
    return file_contents(path, bytes);
}

/* The lines of a run's metrics without what a clock said. */
static json_t *metrics(const struct bench *bench, const char *run) {
    size_t bytes;
    char *text = contents(bench, run, "metrics.jsonl", &bytes);
    json_t *all = json_array();
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        json_t *row = json_loads(line, 0, NULL);
        const char *key;
        json_t *value;
        void *next;
        assert_non_null(row);
        json_object_foreach_safe(row, next, key, value) if (strstr(key, "second")) json_object_del(row, key);
        json_array_append_new(all, row);
    }
    free(text);
    return all;
}

static void assert_same(const struct bench *bench, const char *a, const char *b) {
    const char *weights = bench->options.base.trainer.lora.rank ? "latest/adapter_model.safetensors"
                                                                : "latest/model.safetensors";
    const char *reference = bench->options.policy.kl > 0 ? "latest/trainer/reference.safetensors" : weights;
    const char *const files[] = {weights, "latest/trainer/optimizer.safetensors", "latest/trainer/state.json",
                                 reference, "samples.jsonl"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        size_t bytes[2];
        char *content[2] = {contents(bench, a, files[i], &bytes[0]), contents(bench, b, files[i], &bytes[1])};
        if (bytes[0] != bytes[1] || memcmp(content[0], content[1], bytes[0]) != 0)
            fail_msg("%s of %s and %s differ", files[i], a, b);
        free(content[0]);
        free(content[1]);
    }
    json_t *left = metrics(bench, a), *right = metrics(bench, b);
    assert_true(json_array_size(left) >= STEPS);
    if (!json_equal(left, right))
        fail_msg("metrics of %s and %s differ:\n%s\n%s", a, b, json_dumps(left, 0), json_dumps(right, 0));
    json_decref(left);
    json_decref(right);
}

/* One rank, more of them, more threads, and a run that others go on with each time. */
static void check_kind(const struct bench *bench) {
    struct run one = {0};
    go(bench, "run-one", 1, 1, &one);
    assert_true(one.updated[0] >= 3);
    go(bench, "run-threads", 1, 3, &(struct run){0});
    assert_same(bench, "run-one", "run-threads");
    go(bench, "run-two", 2, 2, &(struct run){0});
    assert_same(bench, "run-one", "run-two");
    go(bench, "run-three", 3, 1, &(struct run){0});
    assert_same(bench, "run-one", "run-three");
    go(bench, "run-mixed", 3, 1, &(struct run){.stop_at = 1, .stopper = 2});
    go(bench, "run-mixed", 1, 2, &(struct run){.stop_at = 2});
    go(bench, "run-mixed", 2, 1, &(struct run){0});
    assert_same(bench, "run-one", "run-mixed");
}

static void test_grpo(void **state) {
    (void)state;
    struct bench bench;
    open_bench(&bench);
    check_kind(&bench);
    close_bench(&bench);
}

/* Several updates with the experts of the first pass, a reference that moves, modules and routers that learn, Muon. */
static void test_everything(void **state) {
    (void)state;
    struct bench bench;
    open_bench(&bench);
    bench.options.base.optimizer = optimizer_defaults(OPTIMIZER_MUON);
    bench.options.policy.kl = 0.05;
    bench.options.policy.advantage = ADVANTAGE_STD;
    bench.options.policy.normaliser = NORMALISE_TOKENS;
    bench.options.reference_every = 3;
    bench.options.updates = 2;
    bench.options.epochs = 2;
    bench.options.keep_routing = true;
    bench.options.mtp = 0.1;
    bench.options.balance = 1e-3;
    bench.options.bias_rate = 1e-2;
    check_kind(&bench);
    close_bench(&bench);
}

/* Adapters, of answers whose tokens were few to choose from. */
static void test_adapters(void **state) {
    (void)state;
    struct bench bench;
    open_bench(&bench);
    bench.options.base.trainer.lora = (struct adapter_options){.rank = 2, .alpha = 4};
    bench.options.base.trainer.recompute = true;
    bench.options.policy.ratio = RATIO_SEQUENCE;
    bench.options.policy.kl = 0.01;
    bench.options.sampling.top_k = 500;
    bench.options.sampling.top_p = 0.95;
    bench.options.epochs = 2;
    bench.options.refill = 0;
    bench.options.overlong = 4;
    check_kind(&bench);
    close_bench(&bench);
}

static void test_distill(void **state) {
    (void)state;
    struct bench bench;
    open_bench(&bench);
    bench.options.teacher = strdup(small_model_write(&bench.other));
    bench.options.teacher_weight = 1;
    bench.options.group = 1;
    bench.options.prompts = 12;
    bench.options.policy.normaliser = NORMALISE_TOKENS;
    check_kind(&bench);
    close_bench(&bench);
}

/* Stopped by one rank while it samples: the step is as if it had not begun. */
static void test_stopped_inside(void **state) {
    (void)state;
    struct bench bench;
    struct run whole = {0};
    open_bench(&bench);
    go(&bench, "run-one", 1, 1, &whole);
    go(&bench, "run-cut", 2, 1, &(struct run){.stop_at = 1, .stopper = 0});
    go(&bench, "run-cut", 3, 1, &(struct run){.going_calls = 3, .stopper = 1});
    go(&bench, "run-cut", 2, 1, &(struct run){0});
    assert_same(&bench, "run-one", "run-cut");
    close_bench(&bench);
}

static void refuse(const struct bench *bench, int ranks, struct run *run, enum status status,
                   const char *sentence) {
    run->kind = &bench->options;
    run->threads = 1;
    snprintf(run->path, sizeof run->path, "%s/run", bench->scratch.directory);
    thread_ranks_run(ranks, train, run);
    for (int r = 0; r < ranks; r++) {
        assert_int_equal(run->status[r], status);
        if (!strstr(run->sentence[r], sentence)) fail_msg("rank %d says: %s", r, run->sentence[r]);
    }
    assert_false(scratch_has((struct scratch *)&bench->scratch, "run"));
}

static void test_refused(void **state) {
    (void)state;
    struct bench bench;
    open_bench(&bench);
    refuse(&bench, 2, &(struct run){.other_tasks = true}, STATUS_INPUT,
           "rank 1: was started with other data or options");
    bench.options.prompts = 2;
    refuse(&bench, 3, &(struct run){0}, STATUS_USAGE, "the 2 prompts of a step cannot be shared by 3 ranks");
    close_bench(&bench);
}

/* A rank whose verifier ends while the others sample: all hear why. */
static void test_failure_of_one(void **state) {
    (void)state;
    static const char script[] = "import json, sys\n"
                                 "for line in sys.stdin:\n"
                                 "    asked = json.loads(line)\n"
                                 "    print(json.dumps({'id': asked['id'], 'score': 1}), flush=True)\n";
    static const char tasks[] = "{\"prompt\": \"say one\", \"verifier\": \"external\"}\n"
                                "{\"prompt\": \"say two\", \"verifier\": \"external\"}\n";
    struct bench bench;
    char command[320];
    open_bench(&bench);
    snprintf(command, sizeof command, "python3 %s", scratch_text(&bench.scratch, "verifier.py", script));
    bench.options.base.data = (const char *const[]){scratch_text(&bench.scratch, "asked.jsonl", tasks)};
    bench.options.base.valids = 0;
    struct run run = {.kind = &bench.options, .threads = 1, .verifier = {command, "false", command}};
    snprintf(run.path, sizeof run.path, "%s/run", bench.scratch.directory);
    thread_ranks_run(RANKS, train, &run);
    for (int r = 0; r < RANKS; r++) {
        assert_int_not_equal(run.status[r], STATUS_OK);
        assert_int_not_equal(run.status[r], STATUS_CANCELLED);
        if (strncmp(run.sentence[r], "rank 1: ", 8) != 0) fail_msg("rank %d says: %s", r, run.sentence[r]);
    }
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grpo),           cmocka_unit_test(test_everything),
        cmocka_unit_test(test_adapters),       cmocka_unit_test(test_distill),
        cmocka_unit_test(test_stopped_inside), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_failure_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
