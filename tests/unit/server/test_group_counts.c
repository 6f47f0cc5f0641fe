/* Sums by groups of accounts, and their bound. */
#include "server/group_counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void add(struct group_counts *counts, const char *group, const char *currency, int64_t amount) {
    struct ledger_use use = {.amount = amount, .units = {{[PRICE_HIT] = 1, [PRICE_SEARCH] = 2}}};
    snprintf(use.group, sizeof use.group, "%s", group);
    snprintf(use.currency, sizeof use.currency, "%s", currency);
    group_counts_add(counts, &use);
}

static void groups_and_currencies_are_apart(void **state) {
    struct group_counts counts = {.rows = 0};
    (void)state;
    add(&counts, "default", "USD", 5);
    add(&counts, "default", "CNY", 7);
    add(&counts, "default", "USD", 6);
    assert_int_equal(counts.rows, 2);
    assert_int_equal(counts.row[0].micros, 11);
    assert_int_equal(counts.row[0].requests, 2);
    assert_int_equal(counts.row[0].units[PRICE_SEARCH], 4);
    assert_int_equal(counts.row[1].micros, 7);
}

static void what_does_not_fit_is_counted_together(void **state) {
    struct group_counts counts = {.rows = 0};
    int64_t requests = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        char group[16];
        snprintf(group, sizeof group, "g%d", i);
        add(&counts, group, "USD", 1);
    }
    add(&counts, "g0", "USD", 1);
    assert_int_equal(counts.rows, GROUP_ROWS);
    assert_string_equal(counts.row[GROUP_ROWS - 1].group, "other");
    assert_int_equal(counts.row[GROUP_ROWS - 1].requests, 100 - GROUP_ROWS + 1);
    assert_int_equal(counts.row[0].requests, 2);
    for (int i = 0; i < counts.rows; i++) requests += counts.row[i].requests;
    assert_int_equal(requests, 101);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_and_currencies_are_apart),
        cmocka_unit_test(what_does_not_fit_is_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
