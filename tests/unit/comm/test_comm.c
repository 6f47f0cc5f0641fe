/* test_comm.c - what ranks say to each other: alone, and several that agree on failures, answers and numbers. */
#include "support/thread_ranks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { RANKS = 3 };

static void test_alone(void **state) {
    (void)state;
    struct comm comm = comm_self();
    int64_t sum[] = {5, -7}, least;
    double value = -0.25, seen = 0;
    bool all;
    assert_int_equal(comm.ranks, 1);
    assert_int_equal(comm.rank, 0);
    assert_int_equal(comm.ops->gather(&comm, &value, sizeof value, &seen), STATUS_OK);
    assert_true(seen == -0.25);
    assert_int_equal(comm.ops->broadcast(&comm, 0, &value, sizeof value), STATUS_OK);
    assert_int_equal(comm.ops->sum(&comm, sum, 2), STATUS_OK);
    assert_true(sum[0] == 5 && sum[1] == -7);
    assert_int_equal(comm_merge(&comm, &value, sizeof value), STATUS_OK);
    assert_true(value == -0.25);
    assert_int_equal(comm_least(&comm, 9, &least), STATUS_OK);
    assert_int_equal(least, 9);
    assert_int_equal(comm_all(&comm, false, &all), STATUS_OK);
    assert_false(all);
    assert_int_equal(comm.ops->send(&comm, 1, &value, sizeof value), STATUS_INTERNAL);
    assert_int_equal(comm_agree(&comm, STATUS_OK), STATUS_OK);
    assert_int_equal(comm_agree(&comm, (fail)(STATUS_LIMIT, "no further")), STATUS_LIMIT);
    assert_string_equal(status_message(), "no further");
    comm_close(&comm);
}

struct answers { /* of each rank */
    enum status failing[RANKS], agreed[RANKS], again[RANKS];
    char sentence[RANKS][64];
    bool all[RANKS], mine[RANKS];
    int64_t least[RANKS], sum[RANKS];
    double merged[RANKS][600];
};

static void agree(void *context, struct comm *comm) {
    struct answers *answers = context;
    int rank = comm->rank;
    enum status status = answers->failing[rank];
    if (status != STATUS_OK)
        status = (fail)(status, "this is bad %d", answers->failing[0] == STATUS_OK ? rank : 0);
    answers->agreed[rank] = comm_agree(comm, status);
    snprintf(answers->sentence[rank], sizeof answers->sentence[rank], "%s", status_message());
    answers->again[rank] = comm_agree(comm, answers->agreed[rank]); /* nobody waits for those who left */
}

static void test_agree(void **state) {
    (void)state;
    struct answers answers = {.failing = {STATUS_OK, STATUS_LIMIT, STATUS_IO}};
    thread_ranks_run(RANKS, agree, &answers);
    for (int r = 0; r < RANKS; r++) {
        assert_int_equal(answers.agreed[r], STATUS_LIMIT);
        assert_int_equal(answers.again[r], STATUS_LIMIT);
        assert_string_equal(answers.sentence[r], "rank 1: this is bad 1");
    }
    answers = (struct answers){.failing = {STATUS_IO, STATUS_IO, STATUS_IO}};
    thread_ranks_run(RANKS, agree, &answers);
    for (int r = 0; r < RANKS; r++) assert_string_equal(answers.sentence[r], "this is bad 0");
    answers = (struct answers){0};
    thread_ranks_run(RANKS, agree, &answers);
    for (int r = 0; r < RANKS; r++) assert_int_equal(answers.agreed[r] | answers.again[r], STATUS_OK);
}

static void reckon(void *context, struct comm *comm) {
    struct answers *answers = context;
    int rank = comm->rank;
    answers->sum[rank] = 1 << rank;
    for (int i = 0; i < 600; i++) answers->merged[rank][i] = i % RANKS == rank ? sin(i) - 0.5 : 0;
    MUST(comm->ops->sum(comm, &answers->sum[rank], 1) == STATUS_OK);
    MUST(comm_least(comm, 10 - rank, &answers->least[rank]) == STATUS_OK);
    MUST(comm_all(comm, answers->mine[rank], &answers->all[rank]) == STATUS_OK);
    MUST(comm_merge(comm, answers->merged[rank], sizeof answers->merged[rank]) == STATUS_OK);
}

static void test_numbers(void **state) {
    (void)state;
    for (int dissent = 0; dissent < 2; dissent++) {
        static struct answers answers;
        answers = (struct answers){.mine = {true, !dissent, true}};
        thread_ranks_run(RANKS, reckon, &answers);
        for (int r = 0; r < RANKS; r++) {
            assert_int_equal(answers.sum[r], 7);
            assert_int_equal(answers.least[r], 8);
            assert_int_equal(answers.all[r], !dissent);
            for (int i = 0; i < 600; i++) assert_true(answers.merged[r][i] == sin(i) - 0.5);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_agree),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
