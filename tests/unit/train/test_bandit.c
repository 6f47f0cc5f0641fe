/* test_bandit.c - reinforcement learning as a whole finds the known optimum, at every level of instructions and with any number of
 * threads. */
#include "kernel/kernel.h"
#include "train/bandit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void count(void *context, const char *what, double found, double bound) {
    (void)what;
    (void)found;
    (void)bound;
    ++*(int *)context;
}

static void test_bandit(void **state) {
    (void)state;
    for (int level = CPU_AVX2; level < CPU_LEVEL_COUNT; level++) {
        int checks = 0;
        struct bandit_options options = {.threads = 1 + level % 2,
                                         .cpu_level_cap = level,
                                         .seed = (uint64_t)level,
                                         .check = count,
                                         .context = &checks};
        if (bandit_run(&options) != STATUS_OK) fail_msg("%s", status_message());
        assert_int_equal(checks, 4);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bandit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
