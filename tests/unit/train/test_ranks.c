/* test_ranks.c - a run of training shared by several ranks: the bits of one, whatever their number and whoever goes on; each
 * with moments of its own part alone; a failure or a stop of one is everybody's. */
#include "support/rank_run.h"

#include "kernel/kernel.h"
#include "train/crew.h"

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

/* Steps up to `steps`, by so many ranks. */
static void go(struct rank_run *run, const char *name, int ranks, int64_t stop_at, int stopper) {
    rank_run_name(run, name);
    run->stop_at = stop_at;
    run->stopper = stopper;
    thread_ranks_run(ranks, rank_run_train, run);
    for (int r = 0; r < ranks; r++) {
        if (run->status[r] != (stop_at ? STATUS_CANCELLED : STATUS_OK))
            fail_msg("%s, rank %d of %d: %s", name, r, ranks, run->sentence[r]);
        if (!stop_at) assert_memory_equal(&run->valid[r], &run->valid[0], sizeof run->valid[r]);
    }
}

static void check_runs(enum optimizer_kind kind) {
    struct rank_run run;
    rank_run_open(&run, kind, true);
    go(&run, "run-1", 1, 0, -1);
    double valid = run.valid[0];
    assert_true(valid > 0);
    go(&run, "run-3", 3, 0, -1);
    assert_true(run.valid[2] == valid);
    assert_true(rank_run_same(&run, "run-1", "run-3"));
    /* stopped by one of two ranks, then by one of three, ended by one alone */
    go(&run, "run-mixed", 2, 2, 1);
    go(&run, "run-mixed", 3, 4, 2);
    go(&run, "run-mixed", 1, 0, -1);
    assert_true(rank_run_same(&run, "run-1", "run-mixed"));
    go(&run, "run-grown", 1, 3, 0);
    go(&run, "run-grown", 5, 0, -1);
    assert_true(rank_run_same(&run, "run-1", "run-grown"));
    rank_run_close(&run);
}

static void test_runs_adamw(void **state) {
    (void)state;
    check_runs(OPTIMIZER_ADAMW);
}

static void test_runs_muon(void **state) {
    (void)state;
    check_runs(OPTIMIZER_MUON);
}

/* Steps that are left out, because they leap or because nothing is a number any more, are left out by all. */
static void check_skipped(double rate, double spike) {
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    run.rate = rate;
    run.spike = spike;
    run.steps = 50;
    go(&run, "run-1", 1, 0, -1);
    int skipped = run.skipped[0];
    go(&run, "run-3", 3, 0, -1);
    assert_true(skipped > 0 && skipped < 50);
    for (int r = 0; r < 3; r++) assert_int_equal(run.skipped[r], skipped);
    assert_true(rank_run_same(&run, "run-1", "run-3"));
    rank_run_close(&run);
}

static void test_skipped(void **state) {
    (void)state;
    check_skipped(1e-2, 0.1);
    check_skipped(1e30, 0);
}

static void test_refused(void **state) {
    (void)state;
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    run.micro = 3;
    thread_ranks_run(3, rank_run_train, &run);
    for (int r = 0; r < 3; r++) {
        assert_int_equal(run.status[r], STATUS_USAGE);
        assert_non_null(strstr(run.sentence[r], "the 2 batches of a step cannot be shared by 3 ranks"));
    }
    run.micro = 1;
    run.odd_rank = 1;
    run.odd_data =
        scratch_text(&run.scratch, "other.txt", "another text, of which there is enough for a few words");
    thread_ranks_run(2, rank_run_train, &run);
    for (int r = 0; r < 2; r++) {
        assert_int_equal(run.status[r], STATUS_INPUT);
        assert_non_null(strstr(run.sentence[r], "rank 1: was started with other data"));
    }
    rank_run_close(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),     cmocka_unit_test(test_failure), cmocka_unit_test(test_runs_adamw),
        cmocka_unit_test(test_runs_muon), cmocka_unit_test(test_skipped), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
