/* test_harvest.c - a teacher's right answers, found by several ranks: the file and the figures of one, a stop of one leaves no file,
 * and what was started differently is refused. */
#include "support/scratch.h"
#include "support/thread_ranks.h"

#include "engine/engine.h"
#include "kernel/kernel.h"
#include "train/harvest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS = 3, TASKS = 70 /* more than one round of three ranks has */, GROUP = 2 };

struct gathering {
    const char *tasks[1], *output;
    int stopper; /* this rank wishes to stop at once; -1: none does */
    int most;    /* of rank 1 */
    struct harvest_report report[RANKS];
    enum status status[RANKS];
    char sentence[RANKS][256];
};

struct hearing {
    const struct gathering *gathering;
    int rank;
};

static bool hear(void *context, const struct harvest_report *report) {
    const struct hearing *hearing = context;
    MUST(report->all_tasks == TASKS && report->tasks <= TASKS);
    return hearing->rank != hearing->gathering->stopper;
}

static void gather(void *context, struct comm *comm) {
    struct gathering *gathering = context;
    struct hearing hearing = {gathering, comm->rank};
    struct dialogue_form form = {.render = {.template = TEMPLATE_DEEPSEEK_R1}};
    struct verifiers verifiers;
    struct engine *engine;
    struct engine_options teacher = {.model = {.path = "models/reasoner",
                                               .threads = 1,
                                               .cpu_level_cap = CPU_LEVEL_COUNT - 1,
                                               .max_rows = 128,
                                               .kv_type = DTYPE_F32,
                                               .context = 256,
                                               .sequences = 16}};
    MUST(engine_open(&engine, &teacher) == STATUS_OK);
    MUST(verifiers_open(&verifiers, NULL, 0) == STATUS_OK);
    struct harvest_options options = {.engine = engine,
                                      .comm = comm,
                                      .form = &form,
                                      .verifiers = &verifiers,
                                      .data = gathering->tasks,
                                      .datas = 1,
                                      .output = gathering->output,
                                      .sampling = sampling_default(),
                                      .seed = 3,
                                      .group = GROUP,
                                      .longest = 60,
                                      .most = comm->rank == 1 ? gathering->most : 0,
                                      .progress = hear,
                                      .context = &hearing};
    options.sampling.temperature = 1.3;
    gathering->status[comm->rank] = harvest_run(&options, &gathering->report[comm->rank]);
    gathering->status[comm->rank] = comm_agree(comm, gathering->status[comm->rank]);
    snprintf(gathering->sentence[comm->rank], sizeof gathering->sentence[comm->rank], "%s", status_message());
    verifiers_close(&verifiers);
    engine_close(engine);
}

static void open_gathering(struct gathering *gathering, struct scratch *scratch) {
    char text[8192] = "";
    scratch_open(scratch);
    for (int i = 0, at = 0; i < TASKS; i++)
        at += snprintf(text + at, sizeof text - (size_t)at,
                       "{\"prompt\": \"What is %d + %d?\", \"answer\": %d, \"verifier\": \"numeric\"}\n",
                       11 * i, 7 + i, 12 * i + 7);
    *gathering = (struct gathering){.tasks = {scratch_text(scratch, "tasks.jsonl", text)}, .stopper = -1};
}

static void test_same_file(void **state) {
    (void)state;
    struct scratch scratch;
    struct gathering one, other;
    size_t bytes, others;
    open_gathering(&one, &scratch);
    one.output = scratch_path(&scratch, "one.jsonl");
    thread_ranks_run(1, gather, &one);
    if (one.status[0] != STATUS_OK) fail_msg("%s", one.sentence[0]);
    assert_true(one.report[0].tasks == TASKS && one.report[0].answers == TASKS * GROUP);
    assert_true(one.report[0].kept >= TASKS / 2 && one.report[0].kept <= one.report[0].right);
    char *found = file_contents(one.output, &bytes);
    for (int ranks = 2; ranks <= RANKS; ranks++) {
        other = one;
        other.output = scratch_path(&scratch, "other.jsonl");
        thread_ranks_run(ranks, gather, &other);
        for (int r = 0; r < ranks; r++) {
            if (other.status[r] != STATUS_OK) fail_msg("rank %d: %s", r, other.sentence[r]);
            assert_memory_equal(&other.report[r], &one.report[0], sizeof one.report[0]);
        }
        char *again = file_contents(other.output, &others);
        assert_int_equal(others, bytes);
        assert_memory_equal(again, found, bytes);
        free(again);
    }
    free(found);
    scratch_close(&scratch);
}

static void test_no_file(void **state) {
    (void)state;
    static const struct {
        int stopper, most;
        enum status status;
        const char *sentence;
    } rows[] = {{1, 0, STATUS_CANCELLED, "stopped after"},
                {-1, 1, STATUS_INPUT, "rank 1: was started with other data or options"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct scratch scratch;
        struct gathering gathering;
        open_gathering(&gathering, &scratch);
        gathering.output = scratch_path(&scratch, "none.jsonl");
        gathering.stopper = rows[i].stopper;
        gathering.most = rows[i].most;
        thread_ranks_run(2, gather, &gathering);
        for (int r = 0; r < 2; r++) {
            assert_int_equal(gathering.status[r], rows[i].status);
            if (!strstr(gathering.sentence[r], rows[i].sentence))
                fail_msg("rank %d: %s", r, gathering.sentence[r]);
        }
        assert_int_equal(scratch_entries(&scratch), 1); /* the tasks */
        scratch_close(&scratch);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_file), cmocka_unit_test(test_no_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
