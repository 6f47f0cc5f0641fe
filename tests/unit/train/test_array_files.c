/* test_array_files.c - arrays that are dealt out to ranks, as files: whatever parts they have, what any ranks wrote any others
 * read; and what the first rank fails at, at any point, all return. */
#include "support/scratch.h"
#include "support/thread_ranks.h"
#include "support/tiny_train.h"

#include "train/array_files.h"
#include "train/optimizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 6 };

struct work { /* of each rank */
    struct parameters list;
    const char *path;
    bool reads;
    const int64_t *border; /* NULL: an optimizer's */
    enum status status[MOST];
    char sentence[MOST][256];
    int64_t wrong[MOST]; /* values that are not what was written */
};

static float value_of(int array, int64_t element) {
    return (float)(element + 1) * (array ? -0.5f : 1.0f);
}

/* Between parameters there is room that no file has. */
static int64_t wrong_values(const struct work *work, const struct flat_arrays *arrays, int64_t begin,
                            int64_t end) {
    int64_t wrong = 0;
    for (int i = 0; i < work->list.count; i++)
        for (int64_t e = 0; e < work->list.item[i].elements; e++) {
            int64_t at = work->list.item[i].first + e;
            for (int a = 0; at >= begin && at < end && a < 2; a++)
                wrong += arrays->array[a][at - begin] != value_of(a, at);
        }
    return wrong;
}

static void move_part(void *context, struct comm *comm) {
    struct work *work = context;
    int64_t even[MOST + 1];
    const int64_t *border = work->border ? work->border : even;
    int rank = comm->rank;
    optimizer_borders(&work->list, OPTIMIZER_ADAMW, comm->ranks, even);
    int64_t begin = border[rank], elements = border[rank + 1] - begin;
    struct flat_arrays arrays = {.prefix = {"first.", "second."}, .count = 2, .comm = comm, .border = border};
    for (int a = 0; a < 2; a++) {
        arrays.array[a] = take_floats(elements);
        for (int64_t i = 0; !work->reads && i < elements; i++) arrays.array[a][i] = value_of(a, begin + i);
    }
    enum status status = work->reads ? array_file_read(work->path, &work->list, &arrays)
                                     : array_file_write(work->path, &work->list, &arrays);
    work->status[rank] = comm_end(comm, status);
    snprintf(work->sentence[rank], sizeof work->sentence[rank], "%s", status_message());
    work->wrong[rank] = wrong_values(work, &arrays, begin, begin + elements);
    for (int a = 0; a < 2; a++) free(arrays.array[a]);
}

enum { SMALL = 40, LARGE = 46000 /* a parameter of several pieces */ };

static void open_work(struct work *work, int vocab) {
    struct model_desc desc;
    json_t *config = tiny_config(TINY_LLAMA);
    *work = (struct work){0};
    json_object_set_new(config, "vocab_size", json_integer(vocab));
    assert_int_equal(model_desc_from_config(&desc, config, "config.json"), STATUS_OK);
    assert_int_equal(parameters_list(&work->list, &desc), STATUS_OK);
    json_decref(config);
}

static void assert_all(const struct work *work, int ranks, enum status status, const char *sentence) {
    for (int r = 0; r < ranks; r++) {
        if (work->status[r] != status || (sentence && !strstr(work->sentence[r], sentence)))
            fail_msg("rank %d of %d: status %d, %s", r, ranks, (int)work->status[r], work->sentence[r]);
        if (status == STATUS_OK && work->reads) assert_int_equal(work->wrong[r], 0);
    }
}

static void move(struct work *work, bool reads, int ranks, const int64_t *border) {
    work->reads = reads;
    work->border = border;
    thread_ranks_run(ranks, move_part, work);
    assert_all(work, ranks, STATUS_OK, NULL);
}

/* Even parts; ranks with nothing, first, last and between; a parameter that several share; all of it one rank's. */
static void test_parts(void **state) {
    (void)state;
    struct scratch scratch;
    struct work work;
    scratch_open(&scratch);
    open_work(&work, LARGE);
    int64_t n = work.list.elements;
    assert_true(n > 2 << 20);
    const int64_t border[][5] = {
        {0, 0, n, n, n}, {0, 1, 2, 3, n}, {0, n - 1, n - 1, n - 1, n}, {0, 0, 0, 0, n}};
    work.path = scratch_path(&scratch, "arrays.safetensors");
    char *first = NULL;
    size_t bytes = 0;
    for (size_t i = 0; i < COUNT_OF(border) + 1; i++) {
        bool even = i >= COUNT_OF(border);
        int ranks = even ? 1 : 4;
        move(&work, false, ranks, even ? NULL : border[i]);
        size_t size;
        char *content = file_contents(work.path, &size);
        if (first) assert_true(size == bytes && !memcmp(content, first, bytes));
        if (first) free(content);
        if (!first) first = content, bytes = size;
        move(&work, true, 4, border[(i + 1) % COUNT_OF(border)]);
    }
    move(&work, true, 3, NULL);
    free(first);
    parameters_close(&work.list);
    scratch_close(&scratch);
}

static void refuse(struct work *work, bool reads, const char *path, enum status status,
                   const char *sentence) {
    work->reads = reads;
    work->path = path;
    work->border = NULL;
    thread_ranks_run(3, move_part, work);
    assert_all(work, 3, status, sentence);
}

static void test_refused(void **state) {
    (void)state;
    struct scratch scratch;
    struct work work;
    scratch_open(&scratch);
    open_work(&work, SMALL);
    refuse(&work, false, "/no such place/arrays", STATUS_IO, "rank 0: /no such place/arrays");
    refuse(&work, false, "/dev/full", STATUS_IO, "rank 0: /dev/full: cannot write");
    refuse(&work, true, scratch_path(&scratch, "nothing"), STATUS_NOT_FOUND, "rank 0: ");
    refuse(&work, true, scratch_text(&scratch, "empty", ""), STATUS_FORMAT, "rank 0: ");
    const char *path = scratch_path(&scratch, "arrays.safetensors");
    work.path = path;
    move(&work, false, 2, NULL);
    assert_int_equal(truncate(path, 20000), 0);
    refuse(&work, true, path, STATUS_FORMAT, "rank 0: ");
    static const char other[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    char small[8 + sizeof other + 4] = {0};
    small[0] = sizeof other;
    memcpy(small + 8, other, sizeof other - 1);
    small[8 + sizeof other - 1] = ' ';
    refuse(&work, true, scratch_write(&scratch, "other", small, 8 + sizeof other + 4), STATUS_FORMAT,
           "no tensor first.");
    parameters_close(&work.list);
    scratch_close(&scratch);
}

/* A table that fails at any operation of any rank. */
static void test_broken(void **state) {
    (void)state;
    struct scratch scratch;
    struct work work;
    scratch_open(&scratch);
    open_work(&work, SMALL);
    const char *path = scratch_path(&scratch, "arrays.safetensors");
    work.path = path;
    move(&work, false, 3, NULL);
    work.border = NULL;
    for (int reads = 1; reads >= 0; reads--)
        for (int rank = 0; rank < 3; rank++) {
            work.reads = reads;
            int64_t operation = 0;
            while (thread_ranks_break(3, move_part, &work, rank, operation)) {
                for (int r = 0; r < 3; r++) assert_int_not_equal(work.status[r], STATUS_OK);
                assert_non_null(strstr(work.sentence[rank], BROKEN_WIRE));
                operation++;
            }
            assert_true(operation >= 4);
            assert_int_equal(scratch_entries(&scratch), 1); /* nothing half-written is left */
        }
    parameters_close(&work.list);
    scratch_close(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
