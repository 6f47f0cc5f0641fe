/* test_rank_failures.c - a run of several ranks of which one fails by itself: at a file, for want of memory, or because it cannot
 * be heard any more. All end, with its sentence; what is on the disk can be gone on with, to the same bits. */
#include "support/rank_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RANKS = 3 };

static void assert_all(const struct rank_run *run, enum status status, const char *sentence) {
    for (int r = 0; r < RANKS; r++)
        if (run->status[r] != status || (sentence && !strstr(run->sentence[r], sentence)))
            fail_msg("rank %d: status %d, %s", r, (int)run->status[r], run->sentence[r]);
}

static void train(struct rank_run *run, const char *name, int64_t steps) {
    rank_run_name(run, name);
    run->steps = steps;
    thread_ranks_run(RANKS, rank_run_train, run);
}

/* ---- files ---- */

static const char *in_run(struct rank_run *run, const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", run->path, name);
    return path;
}

static void test_places(void **state) {
    (void)state;
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    train(&run, "no such place/run", 2);
    assert_all(&run, STATUS_IO, "rank 0: ");
    scratch_text(&run.scratch, "file", "");
    train(&run, "file/run", 2);
    assert_all(&run, STATUS_IO, "rank 0: ");
    run.odd_rank = 2;
    run.odd_data = "/no such data";
    train(&run, "run", 2);
    assert_all(&run, STATUS_NOT_FOUND, "rank 2: /no such data");
    rank_run_close(&run);
}

/* A step that cannot be written, at whichever file: all are told and nothing of it is left. */
static void test_full_disk(void **state) {
    (void)state;
    static const rlim_t sizes[] = {100, 20000, 250000, 500000}; /* tokenizer, weights, moments, moments */
    struct rank_run run;
    struct rlimit before;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct rlimit limit = {sizes[i], before.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        train(&run, "run", 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_all(&run, STATUS_IO, "rank 0: ");
        assert_all(&run, STATUS_IO, "File too large");
        assert_int_not_equal(access(in_run(&run, "step.partial"), F_OK), 0);
        assert_int_not_equal(access(in_run(&run, "latest"), F_OK), 0);
    }
    train(&run, "run", 1);
    assert_all(&run, STATUS_OK, NULL);
    rank_run_remove(&run, "run");
    rank_run_close(&run);
}

/* A step that cannot be read. */
static void test_damage(void **state) {
    (void)state;
    static const char *const files[] = {"latest/trainer/optimizer.safetensors", "latest/model.safetensors",
                                        "latest/trainer/state.json"};
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        for (int whole = 0; whole < 2; whole++) {
            struct stat about;
            train(&run, "run", 1);
            assert_all(&run, STATUS_OK, NULL);
            const char *path = in_run(&run, files[i]);
            assert_int_equal(stat(path, &about), 0);
            assert_int_equal(whole ? unlink(path) : truncate(path, about.st_size - 5), 0);
            train(&run, "run", 2);
            for (int r = 0; r < RANKS; r++) {
                assert_int_not_equal(run.status[r], STATUS_OK);
                assert_non_null(strstr(run.sentence[r], "rank 0: "));
                assert_string_equal(run.sentence[r], run.sentence[0]);
            }
            rank_run_remove(&run, "run");
        }
    rank_run_close(&run);
}

/* ---- ranks that cannot be heard ---- */

/* Each rank is cut off at points all over a run that goes on from a step, validates and saves. What is there then is gone
 * on with. */
static void test_broken(void **state) {
    (void)state;
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_ADAMW, false);
    train(&run, "whole", 2);
    assert_all(&run, STATUS_OK, NULL);
    for (int rank = 0; rank < RANKS; rank++) {
        int64_t operation = 7 * rank, breaks = 0;
        for (;; operation += 61, breaks++) {
            rank_run_remove(&run, "run");
            train(&run, "run", 1);
            assert_all(&run, STATUS_OK, NULL);
            run.steps = 2;
            if (!thread_ranks_break(RANKS, rank_run_train, &run, rank, operation)) break;
            for (int r = 0; r < RANKS; r++) assert_int_not_equal(run.status[r], STATUS_OK);
            assert_non_null(strstr(run.sentence[rank], BROKEN_WIRE));
            assert_int_not_equal(access(in_run(&run, "step.partial"), F_OK), 0);
            train(&run, "run", 2);
            assert_all(&run, STATUS_OK, NULL);
            assert_true(rank_run_same(&run, "run", "whole"));
        }
        assert_true(breaks >= 3);
    }
    rank_run_remove(&run, "run");
    rank_run_remove(&run, "whole");
    rank_run_close(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
