/* test_prefill_pace.c - rows of prompts in a step: within its planned time once that is known, never so few that a step reads
 * its weights for nothing. */
#include "engine/prefill_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ROWS = 512 };

/* A step takes `plain` and `row` for each row. */
static struct prefill_pace learn(double plain, double row) {
    struct prefill_pace pace = {0};
    for (int i = 0; i < 50; i++) {
        prefill_pace_measure(&pace, 0, true, plain);
        prefill_pace_measure(&pace, 100, true, plain + 100 * row);
    }
    return pace;
}

static void the_first_step_is_a_small_one(void **state) {
    (void)state;
    const struct prefill_pace pace = {0};
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 0, 1, ROWS), PREFILL_ROWS_FIRST);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 3, 1, 10), 10);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 3, 1, 0), 0);
}

static void a_step_keeps_its_time(void **state) {
    (void)state;
    struct prefill_pace pace = learn(0.05, 0.001);
    assert_in_range(prefill_pace_rows(&pace, 0.25, 1, 1, ROWS), 195, 205);
    assert_in_range(prefill_pace_rows(&pace, 0.15, 1, 1, ROWS), 95, 105);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 0, 1, ROWS), ROWS); /* nobody waits */
    assert_in_range(prefill_pace_rows(&pace, 0.25, 1, 1000, 100000), 1900, 2000);
    assert_in_range(prefill_pace_rows(&pace, 0.25, 0, 1000, 100000), 3950, 4050);
    assert_in_range(prefill_pace_rows(&pace, 0.15, 4, 8, ROWS), 245, 255);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 1, 100, ROWS), ROWS);
}

static void a_slow_machine_gets_the_least(void **state) {
    (void)state;
    struct prefill_pace pace = learn(1, 0.1);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 1, 1, ROWS), PREFILL_ROWS_LEAST);
    assert_int_equal(prefill_pace_rows(&pace, 0.25, 0, 1, ROWS), PREFILL_ROWS_LEAST);
}

/* A prompt of 30,000 tokens, each row of which costs more the deeper it is: steps stay near their time all the way, and are
 * never longer than what the least number of rows takes. The clock is the model's. */
static void a_long_prompt_keeps_the_time_of_steps(void **state) {
    (void)state;
    const double plain = 0.08, shallow = 0.0004, deeper = 6e-8, planned = 0.25;
    struct prefill_pace pace = {0};
    int steps = 0, first = 0, last = 0;
    prefill_pace_measure(&pace, 0, true, plain);
    for (int at = 0, rows; at < 30000; at += rows, steps++) {
        rows = prefill_pace_rows(&pace, planned, 1, 1, ROWS);
        double each = shallow + deeper * at, seconds = plain + rows * each;
        assert_true(rows >= PREFILL_ROWS_LEAST);
        assert_true(seconds <= 1.1 * planned || rows == PREFILL_ROWS_LEAST);
        prefill_pace_measure(&pace, rows, true, seconds);
        if (steps == 20) first = rows;
        last = rows;
    }
    assert_in_range(first, 200, ROWS);
    assert_in_range(last, PREFILL_ROWS_LEAST, 100);
    assert_in_range(steps, 100, 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_step_is_a_small_one),
        cmocka_unit_test(a_step_keeps_its_time),
        cmocka_unit_test(a_slow_machine_gets_the_least),
        cmocka_unit_test(a_long_prompt_keeps_the_time_of_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
