/* Workers: each runs once per call, results are visible to the owner, odd numbers of threads, quotas. */
#include "base/processors.h"
#include "base/thread_pool.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 9, EACH = 3 };

struct tally {
    int calls[MOST * EACH]; /* plain memory: the pool orders it */
    int slices[MOST * EACH];
    atomic_int busy[MOST]; /* a worker runs one slice at a time: its scratch memory is its own */
};

static void count_call(void *context, int worker, int slice, int slices) {
    struct tally *tally = context;
    if (atomic_fetch_add(&tally->busy[worker], 1)) abort();
    tally->calls[slice]++;
    tally->slices[slice] = slices;
    atomic_fetch_sub(&tally->busy[worker], 1);
}

static void every_slice_runs_once(void **state) {
    (void)state;
    for (int threads = 1; threads <= MOST; threads += 2) {
        struct thread_pool *pool;
        struct tally tally = {0};
        int slices = threads == 1 ? 1 : threads * EACH;
        assert_int_equal(thread_pool_open(&pool, threads), STATUS_OK);
        assert_int_equal(thread_pool_threads(pool), threads);
        for (int run = 1; run <= 300; run++) {
            thread_pool_run(pool, EACH, count_call, &tally);
            for (int i = 0; i < slices; i++) {
                assert_int_equal(tally.calls[i], run);
                assert_int_equal(tally.slices[i], slices);
            }
            if (run % 100 == 0) usleep(3000); /* long enough for workers to fall asleep */
        }
        thread_pool_close(pool);
    }
}

/* Runs of different work and cut follow each other at once: a late worker must never mix them up. */
static void add_one(void *context, int worker, int slice, int slices) {
    (void)worker, (void)slice, (void)slices;
    atomic_fetch_add((atomic_int *)context, 1);
}
static void add_thousand(void *context, int worker, int slice, int slices) {
    (void)worker, (void)slice, (void)slices;
    atomic_fetch_add((atomic_int *)context, 1000);
}

static void late_workers_find_the_present_run(void **state) {
    (void)state;
    struct thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 4), STATUS_OK);
    for (int run = 0; run < 20000; run++) {
        atomic_int sum = 0;
        int each = 1 + run % 5;
        thread_pool_run(pool, each, run % 2 ? add_one : add_thousand, &sum);
        assert_int_equal(atomic_load(&sum), 4 * each * (run % 2 ? 1 : 1000));
    }
    thread_pool_close(pool);
}

struct relay {
    int64_t value[1000];
};

/* Each run reads what other workers wrote in the run before. */
static void reverse_and_add(void *context, int worker, int slice, int slices) {
    (void)worker;
    struct relay *relay = context; /* [2][1000] */
    int64_t begin, end;
    slice_share(1000, 8, slice, slices, &begin, &end);
    for (int64_t i = begin; i < end; i++) relay[1].value[i] = relay[0].value[999 - i] + 1;
}

static void results_pass_between_runs(void **state) {
    (void)state;
    struct thread_pool *pool;
    static struct relay relay[2];
    assert_int_equal(thread_pool_open(&pool, 2), STATUS_OK);
    for (int run = 0; run < 2000; run++) {
        thread_pool_run(pool, SLICES_FINE, reverse_and_add, relay);
        relay[0] = relay[1];
    }
    for (int i = 0; i < 1000; i++) assert_int_equal(relay[0].value[i], 2000);
    thread_pool_close(pool);
}

static void sleep_unevenly(void *context, int worker, int slice, int slices) {
    (void)worker;
    (void)slices;
    usleep((useconds_t)(slice * 2000));
    atomic_fetch_add((atomic_int *)context, 1);
}

static void owner_waits_for_the_slowest(void **state) {
    (void)state;
    struct thread_pool *pool;
    atomic_int done = 0;
    assert_int_equal(thread_pool_open(&pool, 4), STATUS_OK);
    for (int run = 1; run <= 5; run++) {
        thread_pool_run(pool, SLICES_WHOLE, sleep_unevenly, &done);
        assert_int_equal(atomic_load(&done), 4 * run);
    }
    thread_pool_close(pool);
}

static void refuses_impossible_counts(void **state) {
    (void)state;
    struct thread_pool *pool = NULL;
    static const int wrong[] = {0, -1, 100000};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(thread_pool_open(&pool, wrong[i]), STATUS_USAGE);
        assert_null(pool);
    }
    thread_pool_close(NULL);
}

static void shares_cover_everything_once(void **state) {
    (void)state;
    static const int64_t items[] = {0, 1, 7, 64, 65, 1000};
    static const int64_t grains[] = {1, 8, 64};
    for (size_t i = 0; i < COUNT_OF(items); i++)
        for (size_t g = 0; g < COUNT_OF(grains); g++)
            for (int workers = 1; workers < 6; workers++) {
                int64_t next = 0, begin, end;
                for (int worker = 0; worker < workers; worker++) {
                    slice_share(items[i], grains[g], worker, workers, &begin, &end);
                    assert_int_equal(begin, next);
                    assert_true(end >= begin && (end == items[i] || end % grains[g] == 0));
                    next = end;
                }
                assert_int_equal(next, items[i]);
            }
}

static struct scratch scratch;

static void make_group(const char *group, const char *file, const char *text) {
    char name[200];
    for (const char *slash = group; (slash = strchr(slash, '/')); slash++) {
        snprintf(name, sizeof name, "%.*s", (int)(slash - group), group);
        mkdir(scratch_path(&scratch, name), 0700);
    }
    mkdir(scratch_path(&scratch, group), 0700);
    snprintf(name, sizeof name, "%s/%s", group, file);
    scratch_text(&scratch, name, text);
}

static void reads_quotas_of_groups(void **state) {
    (void)state;
    const char *root = scratch.directory;
    assert_int_equal(processors_of_quota(root, "0::/\n"), 0);
    make_group("slice/job", "cpu.max", "max 100000\n");
    assert_int_equal(processors_of_quota(root, "0::/slice/job\n"), 0);
    make_group("slice", "cpu.max", "350000 100000\n"); /* the parent binds too; three and a half is three */
    assert_int_equal(processors_of_quota(root, "0::/slice/job\n"), 3);
    make_group("slice/job", "cpu.max", "50000 100000\n");
    assert_int_equal(processors_of_quota(root, "0::/slice/job\n"), 1);
    assert_int_equal(processors_of_quota(root, "0::/slice\n"), 3);
    make_group("cpu,cpuacct/old", "cpu.cfs_quota_us", "400000\n");
    make_group("cpu,cpuacct/old", "cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_of_quota(root, "5:cpuset:/\n4:cpu,cpuacct:/old\n0::/\n"), 4);
    make_group("cpu,cpuacct/old", "cpu.cfs_quota_us", "-1\n");
    assert_int_equal(processors_of_quota(root, "4:cpu,cpuacct:/old\n"), 0);
    make_group("slice/job", "cpu.max", "nonsense");
    assert_int_equal(processors_of_quota(root, "0::/slice/job"), 3);
    assert_int_equal(processors_of_quota(root, "no colons\n:\n::\n"), 0);
    assert_true(processors_available() >= 1);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slice_runs_once),
        cmocka_unit_test(late_workers_find_the_present_run),
        cmocka_unit_test(results_pass_between_runs),
        cmocka_unit_test(owner_waits_for_the_slowest),
        cmocka_unit_test(refuses_impossible_counts),
        cmocka_unit_test(shares_cover_everything_once),
        cmocka_unit_test_setup_teardown(reads_quotas_of_groups, open_scratch, close_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
