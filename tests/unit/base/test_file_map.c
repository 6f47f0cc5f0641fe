/* Mapped files: contents, sentences, and survival when the file shrinks under its readers. */
#include "base/file_map.h"
#include "base/thread_pool.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PAGE = 4096, PAGES = 64 };

static struct scratch scratch;

static const char *write_pages(const char *name) {
    static uint8_t pages[PAGES * PAGE];
    memset(pages, 7, sizeof pages);
    return scratch_write(&scratch, name, pages, sizeof pages);
}

static int64_t sum(const struct file_map *map, int64_t begin, int64_t end) {
    int64_t total = 0;
    for (int64_t i = begin; i < end; i++) total += ((const volatile uint8_t *)map->data)[i];
    return total;
}

static void maps_contents(void **state) {
    (void)state;
    struct file_map map;
    const char *path = scratch_text(&scratch, "small", "twelve bytes");
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(map.bytes, 12);
    assert_memory_equal(map.data, "twelve bytes", 12);
    assert_string_equal(map.path, path);
    assert_int_equal(file_map_check(&map), STATUS_OK);
    file_map_close(&map);
    assert_null(map.data);
    file_map_close(&map);
}

static void closes_a_zeroed_map(void **state) {
    (void)state;
    struct file_map map = {0};
    file_map_close(&map);
    assert_null(map.path);
}

static void maps_an_empty_file(void **state) {
    (void)state;
    struct file_map map;
    assert_int_equal(file_map_open(&map, scratch_text(&scratch, "empty", "")), STATUS_OK);
    assert_int_equal(map.bytes, 0);
    assert_non_null(map.data);
    assert_int_equal(file_map_check(&map), STATUS_OK);
    file_map_close(&map);
}

static void refuses_what_is_no_file(void **state) {
    (void)state;
    struct file_map map;
    assert_int_equal(file_map_open(&map, scratch_path(&scratch, "absent")), STATUS_NOT_FOUND);
    assert_non_null(strstr(status_message(), "absent"));
    assert_int_equal(file_map_open(&map, scratch.directory), STATUS_INPUT);
    assert_non_null(strstr(status_message(), scratch.directory));
    const char *pipe = scratch_path(&scratch, "pipe");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_int_equal(file_map_open(&map, pipe), STATUS_INPUT);
}

static void survives_truncation(void **state) {
    (void)state;
    struct file_map map, other;
    const char *path = write_pages("shrinking");
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(file_map_open(&other, write_pages("other")), STATUS_OK);
    assert_int_equal(sum(&map, 0, map.bytes), 7 * map.bytes);
    assert_int_equal(truncate(path, 10 * PAGE), 0);
    assert_int_equal(sum(&map, 0, map.bytes), 7 * 10 * PAGE); /* zeros instead of a signal */
    assert_int_equal(file_map_check(&map), STATUS_IO);
    assert_non_null(strstr(status_message(), "shrinking"));
    assert_int_equal(file_map_check(&other), STATUS_OK);
    file_map_close(&map);
    assert_int_equal(sum(&other, 0, other.bytes), 7 * other.bytes);
    file_map_close(&other);
}

/* The rest of a page past the end of a file reads as zeros without any signal. */
static void notices_truncation_inside_a_page(void **state) {
    (void)state;
    struct file_map map;
    const char *path = write_pages("ragged");
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(truncate(path, PAGES * PAGE - 100), 0);
    assert_int_equal(file_map_check(&map), STATUS_IO);
    file_map_close(&map);
}

/* A page that was lost stays lost for the check, though the file has its old size again. */
static void remembers_a_lost_page(void **state) {
    (void)state;
    struct file_map map;
    const char *path = write_pages("regrown");
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(truncate(path, PAGE), 0);
    assert_int_equal(sum(&map, 5 * PAGE, 5 * PAGE + 1), 0);
    assert_int_equal(truncate(path, PAGES * PAGE), 0);
    assert_int_equal(file_map_check(&map), STATUS_IO);
    file_map_close(&map);
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(file_map_check(&map), STATUS_OK);
    file_map_close(&map);
}

static void replaced_file_stays_readable(void **state) {
    (void)state;
    struct file_map map;
    const char *path = write_pages("published");
    assert_int_equal(file_map_open(&map, path), STATUS_OK);
    assert_int_equal(rename(scratch_text(&scratch, "successor", "x"), path), 0);
    assert_int_equal(sum(&map, 0, map.bytes), 7 * map.bytes);
    assert_int_equal(file_map_check(&map), STATUS_OK);
    file_map_close(&map);
}

static void read_share(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct file_map *map = context;
    int64_t begin, end;
    slice_share(map->bytes, 1, slice, slices, &begin, &end);
    for (int round = 0; round < 20; round++) (void)sum(map, begin, end);
}

static void *truncate_soon(void *path) {
    usleep(500);
    return truncate(path, PAGE) ? path : NULL;
}

static void survives_truncation_under_threads(void **state) {
    (void)state;
    struct thread_pool *pool;
    assert_int_equal(thread_pool_open(&pool, 3), STATUS_OK);
    for (int round = 0; round < 10; round++) {
        struct file_map map;
        pthread_t thread;
        void *failed;
        char *path = strdup(write_pages("raced"));
        assert_int_equal(file_map_open(&map, path), STATUS_OK);
        assert_int_equal(pthread_create(&thread, NULL, truncate_soon, path), 0);
        thread_pool_run(pool, SLICES_WHOLE, read_share, &map);
        assert_int_equal(pthread_join(thread, &failed), 0);
        assert_null(failed);
        assert_int_equal(file_map_check(&map), STATUS_IO);
        file_map_close(&map);
        free(path);
    }
    thread_pool_close(pool);
}

static sigjmp_buf escape;
static void jump_out(int number) {
    siglongjmp(escape, number);
}

static void passes_foreign_faults_on(void **state) {
    (void)state;
    struct sigaction own = {.sa_handler = jump_out}, before, after;
    assert_int_equal(sigaction(SIGBUS, &own, &before), 0);
    struct file_map map;
    assert_int_equal(file_map_open(&map, write_pages("ours")), STATUS_OK);
    const char *path = write_pages("foreign");
    int file = open(path, O_RDONLY);
    const volatile uint8_t *foreign = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, file, 0);
    assert_int_equal(truncate(path, 0), 0);
    int caught = sigsetjmp(escape, 1);
    if (!caught) assert_int_equal(foreign[PAGE], 99); /* does not return */
    assert_int_equal(caught, SIGBUS);
    assert_int_equal(file_map_check(&map), STATUS_OK);
    munmap((void *)(uintptr_t)foreign, PAGES * PAGE);
    close(file);
    file_map_close(&map);
    assert_int_equal(sigaction(SIGBUS, NULL, &after), 0); /* the handler left with the last map */
    assert_ptr_equal(after.sa_handler, jump_out);
    assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
}

static void a_sent_signal_still_kills(void **state) {
    (void)state;
    struct file_map map;
    struct sigaction fallback = {.sa_handler = SIG_DFL}, before;
    assert_int_equal(sigaction(SIGBUS, &fallback, &before), 0); /* without the one of the test library */
    assert_int_equal(file_map_open(&map, write_pages("ours")), STATUS_OK);
    pid_t child = fork();
    if (child == 0) {
        kill(getpid(), SIGBUS);
        _exit(0);
    }
    int result;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_true(WIFSIGNALED(result));
    assert_int_equal(WTERMSIG(result), SIGBUS);
    file_map_close(&map);
    assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
}

static void reports_a_full_table(void **state) {
    (void)state;
    static struct file_map map[1100];
    size_t opened = 0;
    const char *path = scratch_text(&scratch, "one", "1");
    while (opened < COUNT_OF(map) && file_map_open(&map[opened], path) == STATUS_OK) opened++;
    assert_true(opened > 100 && opened <= 1024); /* the limit on open files may be lower */
    assert_non_null(strstr(status_message(), "one"));
    while (opened > 0) file_map_close(&map[--opened]);
    assert_int_equal(file_map_open(&map[0], path), STATUS_OK);
    file_map_close(&map[0]);
}

static int open_scratch(void **state) {
    return (void)state, scratch_open(&scratch), 0;
}
static int close_scratch(void **state) {
    return (void)state, scratch_close(&scratch), 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_contents),
        cmocka_unit_test(closes_a_zeroed_map),
        cmocka_unit_test(maps_an_empty_file),
        cmocka_unit_test(refuses_what_is_no_file),
        cmocka_unit_test(survives_truncation),
        cmocka_unit_test(notices_truncation_inside_a_page),
        cmocka_unit_test(remembers_a_lost_page),
        cmocka_unit_test(replaced_file_stays_readable),
        cmocka_unit_test(survives_truncation_under_threads),
        cmocka_unit_test(passes_foreign_faults_on),
        cmocka_unit_test(a_sent_signal_still_kills),
        cmocka_unit_test(reports_a_full_table),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
