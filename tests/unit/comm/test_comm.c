/* test_comm.c - what ranks say to each other: alone, and several that agree on failures, answers and numbers, wherever one of
 * them fails. */
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
    double value = -0.25;
    bool all;
    assert_int_equal(comm.ranks, 1);
    assert_int_equal(comm.rank, 0);
    assert_int_equal(comm_broadcast(&comm, 0, &value, sizeof value), STATUS_OK);
    assert_int_equal(comm_sum(&comm, sum, 2), STATUS_OK);
    assert_true(sum[0] == 5 && sum[1] == -7);
    assert_int_equal(comm_merge(&comm, &value, sizeof value), STATUS_OK);
    assert_true(value == -0.25);
    assert_int_equal(comm_least(&comm, 9, &least), STATUS_OK);
    assert_int_equal(least, 9);
    assert_int_equal(comm_all(&comm, false, &all), STATUS_OK);
    assert_false(all);
    assert_int_equal(comm_agree(&comm, STATUS_OK), STATUS_OK);
    assert_int_equal(comm_agree(&comm, (fail)(STATUS_LIMIT, "no further")), STATUS_LIMIT);
    assert_string_equal(status_message(), "no further");
    assert_int_equal(comm_send(&comm, 1, &value, sizeof value), STATUS_INTERNAL);
    assert_int_equal(comm_end(&comm, STATUS_OK), STATUS_OK);
    comm_close(&comm);
}

struct answers { /* of each rank */
    enum status failing[RANKS], agreed[RANKS], again[RANKS];
    char sentence[RANKS][64];
    bool all[RANKS], mine[RANKS];
    int64_t least[RANKS], sum[RANKS];
    double merged[RANKS][600];
    int32_t told[RANKS];
    int failing_turn;
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

enum { TURNS = 6 };

/* Everything that can be said, one turn after the other. */
static enum status take_turn(int turn, struct answers *answers, struct comm *comm) {
    int rank = comm->rank, last = comm->ranks - 1;
    char word[] = "round and round";
    switch (turn) {
    case 0: return comm_sum(comm, &answers->sum[rank], 1);
    case 1: return comm_least(comm, 10 - rank, &answers->least[rank]);
    case 2: return comm_all(comm, answers->mine[rank], &answers->all[rank]);
    case 3: return comm_merge(comm, answers->merged[rank], sizeof answers->merged[rank]);
    case 4: return comm_broadcast(comm, last, &answers->told[rank], sizeof answers->told[rank]);
    default: break;
    }
    TRY(comm_agree(comm, STATUS_OK));
    if (rank) TRY(comm_receive(comm, rank - 1, word, sizeof word));
    return comm_send(comm, (rank + 1) % comm->ranks, word, rank < last ? sizeof word : 0);
}

static enum status take_turns(struct answers *answers, struct comm *comm) {
    int rank = comm->rank;
    answers->sum[rank] = 1 << rank;
    answers->told[rank] = 3 * rank;
    for (int i = 0; i < 600; i++) answers->merged[rank][i] = i % RANKS == rank ? sin(i) - 0.5 : 0;
    for (int turn = 0; turn < TURNS; turn++) {
        if (answers->failing[rank] != STATUS_OK && turn == answers->failing_turn)
            return (fail)(answers->failing[rank], "bad luck %d", rank);
        TRY(take_turn(turn, answers, comm));
    }
    return STATUS_OK;
}

static void reckon(void *context, struct comm *comm) {
    struct answers *answers = context;
    int rank = comm->rank;
    answers->agreed[rank] = comm_end(comm, take_turns(answers, comm));
    snprintf(answers->sentence[rank], sizeof answers->sentence[rank], "%s", status_message());
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
            assert_int_equal(answers.told[r], 3 * (RANKS - 1));
            assert_int_equal(answers.agreed[r], STATUS_OK);
            for (int i = 0; i < 600; i++) assert_true(answers.merged[r][i] == sin(i) - 0.5);
        }
    }
}

/* Whatever the others are at. */
static void test_failure_anywhere(void **state) {
    (void)state;
    for (int rank = 0; rank < RANKS; rank++)
        for (int turn = 0; turn < TURNS; turn++) {
            static struct answers answers;
            answers = (struct answers){.failing_turn = turn};
            answers.failing[rank] = STATUS_LIMIT;
            thread_ranks_run(RANKS, reckon, &answers);
            char sentence[64];
            snprintf(sentence, sizeof sentence, "rank %d: bad luck %d", rank, rank);
            for (int r = 0; r < RANKS; r++) {
                assert_int_equal(answers.agreed[r], STATUS_LIMIT);
                assert_string_equal(answers.sentence[r], sentence);
            }
        }
}

/* One that had less to do goes to its end; nobody waits for it. */
static void leave_early(void *context, struct comm *comm) {
    struct answers *answers = context;
    int rank = comm->rank;
    enum status status = rank == 1 ? STATUS_OK : take_turns(answers, comm);
    answers->agreed[rank] = comm_end(comm, status);
    answers->again[rank] = comm_send(comm, 0, answers, 1);
    snprintf(answers->sentence[rank], sizeof answers->sentence[rank], "%s", status_message());
}

static void test_early_end(void **state) {
    (void)state;
    static struct answers answers;
    thread_ranks_run(RANKS, leave_early, &answers);
    for (int r = 0; r < RANKS; r++) {
        assert_int_equal(answers.agreed[r], STATUS_USAGE);
        assert_int_equal(answers.again[r], STATUS_INTERNAL);
        assert_string_equal(answers.sentence[r], "the ranks' work is over");
    }
}

/* Whatever the table fails at, wherever: the rank returns with the table's sentence, and ends all. */
static void test_cut_off(void **state) {
    (void)state;
    for (int failing = 0; failing < 2; failing++) /* underway, or when a failure is told */
        for (int rank = 0; rank < RANKS; rank++) {
            int64_t operation = 0;
            for (;; operation++) {
                static struct answers answers;
                answers = (struct answers){.failing_turn = 2};
                if (failing) answers.failing[1] = STATUS_LIMIT;
                if (!thread_ranks_break(RANKS, reckon, &answers, rank, operation)) break;
                for (int r = 0; r < RANKS; r++) assert_int_not_equal(answers.agreed[r], STATUS_OK);
                bool own = failing && rank == 1 && answers.agreed[1] == STATUS_LIMIT; /* it goes before */
                assert_non_null(strstr(answers.sentence[rank], own ? "bad luck 1" : BROKEN_WIRE));
            }
            assert_true(operation > 10);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone),     cmocka_unit_test(test_agree),
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_failure_anywhere),
        cmocka_unit_test(test_early_end), cmocka_unit_test(test_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
