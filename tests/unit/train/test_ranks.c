/* test_ranks.c - a run of training shared by several ranks: the bits of one, whatever their number and whoever goes on; each
 * with moments of its own part alone; a failure or a stop of one is everybody's. */
#include "support/scratch.h"
#include "support/thread_ranks.h"
#include "support/tiny_train.h"

#include "kernel/kernel.h"
#include "train/crew.h"
#include "train/pretrain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS = 5, BATCHES = 7 };

/* ---- gradients and steps ---- */

struct work { /* the same steps of some ranks */
    enum optimizer_kind kind;
    int hands;
    float *value[RANKS], *gradient; /* what comes out; the last rank has the gradient */
    int64_t elements, part[RANKS], bytes[RANKS], largest;
    struct loss_sums sums[RANKS];
    double norm[RANKS];
    int wrong; /* batch with a token that the model has not; -1: none */
    enum status status[RANKS];
    char sentence[RANKS][128];
};

struct batches {
    struct train_segment segment[BATCHES];
    struct train_batch batch[BATCHES];
    const struct train_batch *order[BATCHES];
};

/* Runs of the tiny batch's rows, of several lengths. */
static void cut(const struct train_batch *whole, struct batches *b) {
    for (int i = 0; i < BATCHES; i++) {
        int row = i, rows = 5 + i;
        b->segment[i] = (struct train_segment){0, rows};
        b->batch[i] = (struct train_batch){
            rows, whole->token + row, whole->target + row, whole->weight + row, &b->segment[i], 1, rows};
        b->order[i] = &b->batch[i];
    }
}

static enum status take_steps(struct work *work, struct trainer *lead, struct crew *crew,
                              struct optimizer *optimizer, struct batches *b) {
    struct loss_scale scale = tiny_scale();
    int rank = crew->comm->rank;
    for (int step = 0; step < 3; step++) {
        double norm;
        trainer_clear(lead);
        TRY(crew_accumulate(crew, b->order, BATCHES, &scale, &work->sums[rank]));
        TRY(crew_gradient_norm(crew, &norm));
        if (rank + 1 == crew->comm->ranks && step == 0)
            memcpy(work->gradient, lead->parameters.gradient, (size_t)work->elements * sizeof(float));
        TRY(crew_deal_gradient(crew, optimizer->border));
        TRY(optimizer_step(optimizer, lead, 1e-2, norm));
        trainer_balance(lead, 1e-2);
        work->norm[rank] = norm;
    }
    return STATUS_OK;
}

static void live(void *context, struct comm *comm) {
    struct work *work = context;
    struct train_batch whole = tiny_batch();
    struct batches b;
    struct trainer lead;
    struct crew crew;
    struct optimizer optimizer;
    int32_t token[TINY_ROWS];
    struct optimizer_options kind = optimizer_defaults(work->kind);
    struct trainer_options options = {
        .threads = work->hands, .cpu_level_cap = CPU_LEVEL_COUNT - 1, .max_rows = TINY_ROWS};
    int rank = comm->rank;
    cut(&whole, &b);
    memcpy(token, whole.token, sizeof token);
    token[TINY_ROWS - 1] = TINY_VOCAB;
    if (work->wrong >= 0) b.batch[work->wrong].token = token + TINY_ROWS - b.batch[work->wrong].rows;
    tiny_trainer_open(&lead, TINY_V3, &options);
    MUST(crew_open(&crew, &lead, &options, work->hands, comm) == STATUS_OK);
    MUST(optimizer_open(&optimizer, &lead, &kind, comm) == STATUS_OK);
    work->status[rank] = take_steps(work, &lead, &crew, &optimizer, &b);
    snprintf(work->sentence[rank], sizeof work->sentence[rank], "%s", status_message());
    memcpy(work->value[rank], lead.parameters.value, (size_t)work->elements * sizeof(float));
    work->part[rank] = optimizer_elements(&optimizer);
    work->bytes[rank] = optimizer_bytes(&optimizer);
    optimizer_close(&optimizer);
    crew_close(&crew);
    trainer_close(&lead);
}

static void open_work(struct work *work, enum optimizer_kind kind, int hands) {
    struct model_desc desc;
    struct parameters list;
    tiny_desc(TINY_V3, &desc);
    assert_int_equal(parameters_list(&list, &desc), STATUS_OK);
    *work = (struct work){.kind = kind, .hands = hands, .elements = list.elements, .wrong = -1};
    for (int i = 0; i < list.count; i++)
        if (list.item[i].elements > work->largest) work->largest = list.item[i].elements;
    parameters_close(&list);
    assert_int_equal(work->elements * (int64_t)sizeof(float), parameters_bytes(&desc));
    work->gradient = take_floats(work->elements);
    for (int r = 0; r < RANKS; r++) work->value[r] = take_floats(work->elements);
}

static void close_work(struct work *work) {
    free(work->gradient);
    for (int r = 0; r < RANKS; r++) free(work->value[r]);
}

static void check_parts(const struct work *work, int ranks) {
    int64_t sum = 0;
    for (int r = 0; r < ranks; r++) {
        sum += work->part[r];
        assert_int_equal(work->bytes[r], 2 * work->part[r] * (int64_t)sizeof(float));
        assert_true(work->part[r] <= work->elements / ranks + work->largest + 32);
        if (work->kind == OPTIMIZER_ADAMW) assert_true(work->part[r] <= work->elements / ranks + 32 * ranks);
    }
    assert_int_equal(sum, work->elements);
}

static void test_steps(void **state) {
    (void)state;
    static const int shape[][2] = {{1, 1}, {2, 1}, {2, 2}, {3, 1}, {3, 2}, {5, 1}};
    size_t bytes = 0;
    for (int kind = OPTIMIZER_ADAMW; kind <= OPTIMIZER_MUON; kind++) {
        struct work first = {0};
        for (size_t s = 0; s < COUNT_OF(shape); s++) {
            struct work work;
            int ranks = shape[s][0];
            open_work(&work, (enum optimizer_kind)kind, shape[s][1]);
            bytes = (size_t)work.elements * sizeof(float);
            thread_ranks_run(ranks, live, &work);
            check_parts(&work, ranks);
            if (!s) first = work;
            assert_memory_equal(work.gradient, first.gradient, bytes);
            for (int r = 0; r < ranks; r++) {
                assert_int_equal(work.status[r], STATUS_OK);
                assert_memory_equal(work.value[r], first.value[0], bytes);
                assert_memory_equal(&work.sums[r], &first.sums[0], sizeof work.sums[r]);
                assert_true(work.norm[r] == first.norm[0] && work.norm[r] > 0);
            }
            if (s) close_work(&work);
        }
        close_work(&first);
    }
}

static void test_failure(void **state) {
    (void)state;
    struct work work;
    open_work(&work, OPTIMIZER_ADAMW, 1);
    work.wrong = 4; /* in the second round, rank 1 has it */
    thread_ranks_run(3, live, &work);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(work.status[r], STATUS_INPUT);
        assert_non_null(strstr(work.sentence[r], "rank 1: token 40"));
    }
    close_work(&work);
}

/* ---- whole runs ---- */

struct run {
    json_t *config;
    const char *path, *data[1];
    int64_t steps, stop_at; /* rank `stopper` wishes to stop after this step; 0: never */
    int stopper, micro;
    enum optimizer_kind kind;
    bool other_data;
    double valid[RANKS];
    enum status status[RANKS];
    char sentence[RANKS][256];
};

struct listening {
    struct run *run;
    int rank;
};

static void hear_beginning(void *context, const struct pretrain_report *report, int64_t tokens) {
    (void)context, (void)report, (void)tokens;
}

static bool hear_step(void *context, const struct pretrain_report *report) {
    const struct listening *listening = context;
    return listening->rank != listening->run->stopper || report->step != listening->run->stop_at;
}

static void hear_validation(void *context, int64_t step, double loss) {
    const struct listening *listening = context;
    (void)step;
    listening->run->valid[listening->rank] = loss;
}

static void hear_saved(void *context, int64_t step) {
    const struct listening *listening = context;
    (void)step;
    MUST(listening->rank == 0);
}

static void train(void *context, struct comm *comm) {
    struct run *run = context;
    struct listening listening = {run, comm->rank};
    struct pretrain_listener listener = {&listening,      NULL,      hear_beginning, hear_step,
                                         hear_validation, hear_saved};
    struct pretrain_options options = {
        .config = run->config,
        .origin = "config.json",
        .tokenizer = "models/reasoner",
        .data = run->data,
        .datas = run->other_data && comm->rank == 1 ? 0 : 1,
        .valid = run->data,
        .valids = 1,
        .comm = comm,
        .run = run->path,
        .resume = true,
        .trainer = {.threads = 1, .cpu_level_cap = CPU_LEVEL_COUNT - 1},
        .sequence_rows = 16,
        .batch_sequences = 5,
        .micro_sequences = run->micro,
        .packing = PACK_CUT,
        .steps = run->steps,
        .valid_every = 4,
        .keep = 2,
        .seed = 3,
        .deviation = 0.1,
        .schedule = {.kind = SCHEDULE_CONSTANT, .peak = 1e-2, .steps = run->steps},
        .mtp = {0.3, 0.1, 0.5},
        .bias = {1e-2, 0, 1},
        .balance = 1e-3,
        .optimizer = optimizer_defaults(run->kind),
        .listener = &listener};
    run->status[comm->rank] = pretrain_run(&options);
    snprintf(run->sentence[comm->rank], sizeof run->sentence[comm->rank], "%s", status_message());
}

/* Large enough for several pieces on the way from rank to rank. */
static json_t *wide_config(void) {
    json_t *config = tiny_config(TINY_V3);
    json_object_set_new(config, "vocab_size", json_integer(512));
    json_object_set_new(config, "intermediate_size", json_integer(20000));
    return config;
}

struct bench { /* of the runs below */
    struct scratch scratch;
    struct run run;
};

static void open_bench(struct bench *bench, enum optimizer_kind kind) {
    char text[3000] = "";
    scratch_open(&bench->scratch);
    for (int i = 0, at = 0; i < 60; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "the number %d and seven times it is %d.\n", i,
                       7 * i);
    bench->run = (struct run){.config = wide_config(), .steps = 6, .stopper = -1, .micro = 1, .kind = kind};
    bench->run.data[0] = strdup(scratch_text(&bench->scratch, "data.txt", text));
}

static void close_bench(struct bench *bench) {
    char command[320]; /* scratch_close() removes files alone */
    snprintf(command, sizeof command, "rm -rf %s/run*", bench->scratch.directory);
    assert_int_equal(system(command), 0);
    json_decref(bench->run.config);
    free((char *)bench->run.data[0]);
    scratch_close(&bench->scratch);
}

/* Steps up to `steps`, by so many ranks. */
static void go(struct bench *bench, const char *name, int ranks, int64_t stop_at, int stopper) {
    struct run *run = &bench->run;
    char path[256];
    snprintf(path, sizeof path, "%s/%s", bench->scratch.directory, name);
    run->path = path;
    run->stop_at = stop_at;
    run->stopper = stopper;
    thread_ranks_run(ranks, train, run);
    for (int r = 0; r < ranks; r++) {
        if (run->status[r] != (stop_at ? STATUS_CANCELLED : STATUS_OK))
            fail_msg("%s, rank %d of %d: %s", name, r, ranks, run->sentence[r]);
        if (!stop_at) assert_true(run->valid[r] == run->valid[0] && run->valid[r] > 0);
    }
}

static void assert_same(struct bench *bench, const char *a, const char *b) {
    static const char *const files[] = {"model.safetensors", "trainer/optimizer.safetensors",
                                        "trainer/state.json"};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        char path[2][320], *content[2];
        size_t bytes[2];
        for (int side = 0; side < 2; side++) {
            snprintf(path[side], sizeof path[side], "%s/%s/latest/%s", bench->scratch.directory, side ? b : a,
                     files[i]);
            content[side] = file_contents(path[side], &bytes[side]);
        }
        if (bytes[0] != bytes[1] || memcmp(content[0], content[1], bytes[0]) != 0)
            fail_msg("%s and %s differ", path[0], path[1]);
        free(content[0]);
        free(content[1]);
    }
}

static void check_runs(enum optimizer_kind kind) {
    struct bench bench;
    open_bench(&bench, kind);
    go(&bench, "run-1", 1, 0, -1);
    double valid = bench.run.valid[0];
    go(&bench, "run-3", 3, 0, -1);
    assert_true(bench.run.valid[2] == valid);
    assert_same(&bench, "run-1", "run-3");
    /* stopped by one of two ranks, then by one of three, ended by one alone */
    go(&bench, "run-mixed", 2, 2, 1);
    go(&bench, "run-mixed", 3, 4, 2);
    go(&bench, "run-mixed", 1, 0, -1);
    assert_same(&bench, "run-1", "run-mixed");
    go(&bench, "run-grown", 1, 3, 0);
    go(&bench, "run-grown", 5, 0, -1);
    assert_same(&bench, "run-1", "run-grown");
    close_bench(&bench);
}

static void test_runs_adamw(void **state) {
    (void)state;
    check_runs(OPTIMIZER_ADAMW);
}

static void test_runs_muon(void **state) {
    (void)state;
    check_runs(OPTIMIZER_MUON);
}

static void test_refused(void **state) {
    (void)state;
    struct bench bench;
    char path[256];
    open_bench(&bench, OPTIMIZER_ADAMW);
    snprintf(path, sizeof path, "%s/run", bench.scratch.directory);
    bench.run.path = path;
    bench.run.micro = 3;
    thread_ranks_run(3, train, &bench.run);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(bench.run.status[r], STATUS_USAGE);
        assert_non_null(strstr(bench.run.sentence[r], "the 2 batches of a step cannot be shared by 3 ranks"));
    }
    bench.run.micro = 1;
    bench.run.other_data = true;
    thread_ranks_run(2, train, &bench.run);
    for (int r = 0; r < 2; r++) {
        assert_int_equal(bench.run.status[r], STATUS_INPUT);
        assert_non_null(strstr(bench.run.sentence[r], "rank 1"));
    }
    close_bench(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),     cmocka_unit_test(test_failure), cmocka_unit_test(test_runs_adamw),
        cmocka_unit_test(test_runs_muon), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
