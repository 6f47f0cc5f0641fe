/* test_figures.c - figures of samples against ones that were computed elsewhere. */
#include "eval/figures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void close_to(double found, double expected, double within) {
    if (!(fabs(found - expected) <= within)) fail_msg("%.9g, expected %.9g", found, expected);
}

/* Wilson's interval of 7 of 10 is 0.3968 .. 0.8922 (Wilson 1927; statsmodels proportion_confint). */
static void test_share_of_outcomes(void **state) {
    (void)state;
    const double mean[10] = {1, 1, 1, 1, 1, 1, 1};
    struct share share = share_of(mean, 10);
    close_to(share.value, 0.7, 1e-12);
    close_to(share.low, 0.396781, 1e-5);
    close_to(share.high, 0.892209, 1e-5);
    share = share_of(mean, 7); /* none is wrong: still not certain */
    close_to(share.low, 0.645669, 1e-5);
    close_to(share.high, 1, 1e-12);
    share = share_of(mean + 7, 3);
    close_to(share.low, 0, 1e-12);
    close_to(share.high, 0.561497, 1e-5);
    share = share_of(mean, 0);
    close_to(share.low, 0, 0);
    close_to(share.high, 1, 0);
}

/* Ten samples of a question say less than ten questions, and more than one sample. */
static void test_share_of_means(void **state) {
    (void)state;
    const double outcome[4] = {1, 0, 1, 0}, even[4] = {0.5, 0.5, 0.5, 0.5}, mixed[4] = {0.7, 0.3, 0.6, 0.4};
    struct share one = share_of(outcome, 4), many = share_of(mixed, 4), same = share_of(even, 4);
    close_to(many.value, 0.5, 1e-12);
    assert_true(many.high - many.low < one.high - one.low);
    assert_true(same.high - same.low <= one.high - one.low);
}

/* By counting: C(n - c, k) / C(n, k). */
static void test_pass_at(void **state) {
    (void)state;
    close_to(pass_at(10, 3, 1), 0.3, 1e-12);
    close_to(pass_at(10, 3, 2), 1 - 21.0 / 45, 1e-12);
    close_to(pass_at(5, 2, 4), 1, 1e-12);
    close_to(pass_at(4, 0, 4), 0, 1e-12);
    close_to(pass_at(200, 10, 100), 1 - 0.00081, 1e-4);
}

static void test_mcnemar(void **state) {
    (void)state;
    const double first[12] = {1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0},
                 second[12] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0};
    struct mcnemar test = mcnemar_test(first, second, 12);
    assert_int_equal(test.first_only, 8);
    assert_int_equal(test.second_only, 1);
    close_to(test.chance, 2.0 * (1 + 9) / 512, 1e-12); /* binomial, 9 with 1/2 */
    close_to(mcnemar_test(first, first, 12).chance, 1, 0);
    close_to(mcnemar_test(first, second, 0).chance, 1, 0);
}

static void test_paired(void **state) {
    (void)state;
    double first[40], second[40];
    struct paired paired, again;
    for (int i = 0; i < 40; i++) {
        first[i] = i % 4 / 4.0;
        second[i] = first[i] + (i % 3 ? 0.25 : 0);
    }
    assert_int_equal(paired_compare(first, second, 40, &paired), STATUS_OK);
    close_to(paired.difference, 26 * 0.25 / 40, 1e-12);
    /* of the mean: 0.25 * sqrt(0.65 * 0.35 / 40) = 0.0189 */
    close_to(paired.low, paired.difference - 1.96 * 0.0189, 0.006);
    close_to(paired.high, paired.difference + 1.96 * 0.0189, 0.006);
    assert_true(paired.chance < 0.001);
    assert_int_equal(paired_compare(first, second, 40, &again), STATUS_OK);
    close_to(again.low, paired.low, 0);
    assert_int_equal(paired_compare(first, first, 40, &paired), STATUS_OK);
    close_to(paired.difference, 0, 0);
    close_to(paired.chance, 1, 1e-12);
    assert_int_equal(paired_compare(first, second, 0, &paired), STATUS_OK);
    close_to(paired.chance, 1, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_share_of_outcomes),
                                       cmocka_unit_test(test_share_of_means), cmocka_unit_test(test_pass_at),
                                       cmocka_unit_test(test_mcnemar), cmocka_unit_test(test_paired)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
