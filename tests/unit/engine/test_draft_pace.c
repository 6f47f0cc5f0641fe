/* test_draft_pace.c - drafting goes on where it pays and stops where it does not, and changes with the times. */
#include "engine/draft_pace.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

/* So many steps of a machine on which they take this long, with every `good`-th draft wrong (0: none). Returns how many
 * carried a draft. */
static int live(struct draft_pace *pace, int steps, double plain, double drafted, int good) {
    int drafts = 0;
    while (!draft_pace_begin(pace)) continue;
    for (int i = 0; i < steps; i++) {
        if (draft_pace_wants(pace)) {
            drafts++;
            draft_pace_drafted(pace, drafted, !good || drafts % good);
        } else {
            draft_pace_plain(pace, plain);
        }
    }
    return drafts;
}

static void drafts_go_on_where_they_pay(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    assert_false(draft_pace_wants(&pace)); /* something to compare with comes first */
    assert_true(draft_pace_gain(&pace) == 0);
    int drafts = live(&pace, 1000, 1, 1.3, 5);
    assert_true(drafts > 960);
    assert_true(draft_pace_gain(&pace) > 1.3 && draft_pace_gain(&pace) < 1.5); /* 1.8 / 1.3 */
    assert_true(pace.plain_seconds == 1);
}

static void drafts_stop_where_they_do_not(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    int drafts = live(&pace, 1000, 1, 1.9, 5);
    assert_true(drafts >= 24 && drafts < 80); /* tried again, ever more rarely */
    assert_true(draft_pace_gain(&pace) < 1 && draft_pace_gain(&pace) > 0.9);
    assert_true(live(&pace, 10000, 1, 1.9, 5) < 200);
}

static void hopeless_drafts_are_left_out(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    assert_true(draft_pace_begin(&pace));
    assert_int_equal(live(&pace, 10000, 1, 2.5, 5), 24); /* two trials */
    int left_out = 0;
    while (!draft_pace_begin(&pace)) left_out++;
    assert_int_equal(left_out, 8);
    assert_true(live(&pace, 10000, 1, 1.2, 5) > 9000); /* another text, other drafts */
}

static void a_change_is_noticed(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    live(&pace, 3000, 1, 1.9, 5);
    assert_true(live(&pace, 6000, 1, 1.2, 5) > 4000);
    assert_true(draft_pace_gain(&pace) > 1.4);
    assert_true(live(&pace, 6000, 1, 2.5, 5) < 2000);
}

/* The first steps after a start read weights for the first time, and others disturb now and then. */
static void single_slow_steps_do_not_mislead(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    live(&pace, 1, 50, 50, 0);
    for (int i = 0; i < 100; i++) {
        live(&pace, 39, 1, 2.1, 0);
        live(&pace, 1, 20, 3, 0);
    }
    assert_true(live(&pace, 4000, 1, 2.1, 0) < 200);
}

/* Where every step carries a draft, or none, whatever was wanted: nothing is learnt from what was not asked for. */
static void the_other_way_is_not_counted(void **state) {
    (void)state;
    struct draft_pace pace = {0};
    for (int i = 0; i < 100; i++) draft_pace_drafted(&pace, 1, true);
    assert_int_equal(pace.drafted_steps, 0);
    assert_false(draft_pace_wants(&pace));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drafts_go_on_where_they_pay),      cmocka_unit_test(drafts_stop_where_they_do_not),
        cmocka_unit_test(hopeless_drafts_are_left_out),     cmocka_unit_test(a_change_is_noticed),
        cmocka_unit_test(single_slow_steps_do_not_mislead), cmocka_unit_test(the_other_way_is_not_counted),
    };
    return cmocka_run_group_tests_name("draft pace", tests, NULL, NULL);
}
