/* The journal of running requests: what a killed process has counted is there for the next one. */
#include "server/account/journal.h"
#include "support/scratch.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct scratch scratch;

static struct journal *open_journal(const char *path) {
    struct journal *journal;
    if (journal_open(&journal, path) != STATUS_OK) fail_msg("%s", status_message());
    return journal;
}

/* Counts until it is killed. */
static void count(const char *path, int told) {
    struct journal *journal;
    if (journal_open(&journal, path) != STATUS_OK) _exit(1);
    struct journal_slot *begun = journal_take(journal, "begun", 100),
                        *waiting = journal_take(journal, "waiting", 50);
    struct journal_slot *over = journal_take(journal, "over", 10);
    if (!begun || !waiting || !over) _exit(1);
    atomic_store(&over->started, 1);
    journal_give(over);
    atomic_store(&begun->hit, 64);
    atomic_store(&begun->started, 1);
    for (int i = 0;; i++) {
        atomic_fetch_add(&begun->generated, 1);
        if (i == 1000 && write(told, "x", 1) != 1) _exit(1);
    }
}

static void what_was_counted_outlives_a_kill(void **state) {
    const char *path = scratch_path(&scratch, "running");
    char name[64], byte;
    int told[2], ended;
    (void)state;
    struct journal *journal = open_journal(path);
    snprintf(name, sizeof name, "%s", journal_server(journal));
    assert_true(strlen(name) == 32);
    journal_close(journal);
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) count(path, told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(journal_open(&journal, path), STATUS_UNAVAILABLE);
    assert_non_null(strstr(status_message(), "another server"));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &ended, 0), child);
    journal = open_journal(path);
    assert_string_equal(journal_server(journal), name);
    const struct journal_slot *slot = journal_find(journal, "begun");
    assert_non_null(slot);
    assert_int_equal(slot->prompt, 100);
    assert_int_equal(slot->hit, 64);
    assert_true(slot->generated > 1000);
    assert_null(journal_find(journal, "waiting")); /* it had not begun */
    assert_null(journal_find(journal, "over"));
    assert_null(journal_find(journal, "nobody"));
    journal_clear(journal);
    assert_null(journal_find(journal, "begun"));
    journal_close(journal);
    close(told[0]);
    close(told[1]);
}

static void slots_end_and_come_back(void **state) {
    static struct journal_slot *slot[JOURNAL_SLOTS];
    struct journal *journal = open_journal(scratch_path(&scratch, "full"));
    (void)state;
    for (int i = 0; i < JOURNAL_SLOTS; i++) {
        slot[i] = journal_take(journal, "x", i);
        assert_non_null(slot[i]);
    }
    assert_null(journal_take(journal, "x", 1));
    journal_give(NULL);
    journal_give(slot[77]);
    assert_ptr_equal(journal_take(journal, "y", 1), slot[77]);
    journal_close(journal);
}

static void a_file_of_something_else_is_left_alone(void **state) {
    static const char text[] = "this is no journal, but somebody gave its name";
    const char *path = scratch_text(&scratch, "other", text);
    struct journal *journal;
    (void)state;
    assert_int_equal(journal_open(&journal, path), STATUS_INPUT);
    assert_null(journal);
    size_t bytes;
    char *left = file_contents(path, &bytes);
    assert_string_equal(left, text);
    free(left);
    /* as large as a journal, and still none */
    assert_int_equal(truncate(path, 64 + JOURNAL_SLOTS * (off_t)sizeof(struct journal_slot)), 0);
    assert_int_equal(journal_open(&journal, path), STATUS_INPUT);
    assert_int_not_equal(journal_open(&journal, "/nonexistent/running"), STATUS_OK);
    assert_null(journal);
}

static int open_scratch(void **state) {
    (void)state;
    scratch_open(&scratch);
    return 0;
}
static int close_scratch(void **state) {
    (void)state;
    scratch_close(&scratch);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_counted_outlives_a_kill),
        cmocka_unit_test(slots_end_and_come_back),
        cmocka_unit_test(a_file_of_something_else_is_left_alone),
    };
    return cmocka_run_group_tests(tests, open_scratch, close_scratch);
}
