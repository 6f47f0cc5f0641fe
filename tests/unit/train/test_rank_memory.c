/* test_rank_memory.c - a run of several ranks of which one gets no memory, at any of its requests: none waits for it. The
 * program is linked so that this code's requests come here (Makefile). */
#include "support/rank_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

enum { RANKS = 2 };

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);

static int poor_rank;                       /* while a run goes on, these are not changed */
static int64_t poor_request;                /* of that rank's thread, from 0 */
static _Thread_local int64_t requests = -1; /* of a rank that is poor; -1: another thread */
static int64_t seen;                        /* how many there were */

static bool is_refused(void) {
    if (requests < 0) return false;
    seen = requests + 1;
    return requests++ == poor_request;
}

void *__wrap_malloc(size_t bytes) {
    return is_refused() ? NULL : __real_malloc(bytes);
}
void *__wrap_calloc(size_t count, size_t bytes) {
    return is_refused() ? NULL : __real_calloc(count, bytes);
}
/* Who gives some back can do without an answer: that is no request. */
void *__wrap_realloc(void *old, size_t bytes) {
    return bytes > malloc_usable_size(old) && is_refused() ? NULL : __real_realloc(old, bytes);
}
void *__wrap_aligned_alloc(size_t alignment, size_t bytes) {
    return is_refused() ? NULL : __real_aligned_alloc(alignment, bytes);
}

static void begin_rank(int rank) {
    if (rank == poor_rank) requests = 0;
}

static int64_t train(struct rank_run *run, int rank, int64_t request) {
    poor_rank = rank;
    poor_request = request;
    seen = 0;
    thread_ranks_run(RANKS, rank_run_train, run);
    return seen;
}

static void test_poor(void **state) {
    (void)state;
    struct rank_run run;
    rank_run_open(&run, OPTIMIZER_MUON, false);
    run.began = begin_rank;
    run.steps = 1;
    for (int rank = 0; rank < RANKS; rank++) {
        char whose[24];
        int64_t all = train(&run, rank, -1);
        assert_int_equal(run.status[rank], STATUS_OK);
        assert_true(all > 50);
        rank_run_remove(&run, "run");
        snprintf(whose, sizeof whose, "rank %d: ", rank);
        for (int64_t request = 0; request < all; request += all / 30) {
            train(&run, rank, request);
            for (int r = 0; r < RANKS; r++) {
                assert_int_not_equal(run.status[r], STATUS_OK);
                assert_non_null(strstr(run.sentence[r], whose));
            }
            rank_run_remove(&run, "run");
        }
    }
    rank_run_close(&run);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_poor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
