/* Random blocks: in every format the numbers decode to the distribution that was asked for. */
#include "model/synth_blocks.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ELEMENTS = 1 << 16 };

static float values[ELEMENTS];
static uint8_t blocks[ELEMENTS * 4], again[ELEMENTS * 4];

static size_t fill(const struct synth_pattern *pattern, uint64_t seed, uint8_t *data) {
    struct rng rng;
    const struct dtype_traits *traits = dtype_traits(pattern->format->dtype);
    rng_seed(&rng, seed);
    synth_fill(pattern, &rng, 0, data, ELEMENTS);
    return (size_t)ELEMENTS / (size_t)traits->block_elements * (size_t)traits->block_bytes;
}

static void check_distribution(const char *name, double mean, double deviation) {
    double sum = 0, squares = 0, most = 0;
    for (int i = 0; i < ELEMENTS; i++) {
        if (!isfinite(values[i])) fail_msg("%s: value %d is %g", name, i, (double)values[i]);
        sum += values[i];
        most = fmax(most, fabs(values[i] - mean));
    }
    for (int i = 0; i < ELEMENTS; i++) squares += pow(values[i] - mean, 2);
    double found = sqrt(squares / ELEMENTS);
    if (fabs(sum / ELEMENTS - mean) > 0.03 * deviation) fail_msg("%s: mean %g", name, sum / ELEMENTS);
    if (fabs(found / deviation - 1) > 0.1) fail_msg("%s: deviation %g, not %g", name, found, deviation);
    if (most > 12 * deviation) fail_msg("%s: a value lies %g out", name, most);
}

static void every_weight_format_is_known(void **state) {
    (void)state;
    for (int t = 0; t < DTYPE_COUNT; t++)
        assert_int_equal(synth_format_known((enum dtype)t), dtype_traits((enum dtype)t)->decode != NULL &&
                                                                t != DTYPE_F8_E8M0 && t != DTYPE_F8_SCALED);
}

static void decodes_to_what_was_asked_for(void **state) {
    (void)state;
    static const double deviations[] = {1, 0.01};
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (!synth_format_known((enum dtype)t) || t == DTYPE_F8_E4M3) continue;
        struct synth_format format = synth_format_of((enum dtype)t);
        for (int i = 0; i < 2; i++) {
            struct synth_pattern pattern = synth_pattern_of(&format, 0, deviations[i]);
            fill(&pattern, 5, blocks);
            dtype_traits((enum dtype)t)->decode(blocks, values, ELEMENTS);
            check_distribution(dtype_traits((enum dtype)t)->name, 0, deviations[i]);
        }
    }
}

/* FP8 codes are scaled by a second tensor, by what the format says. */
static void fp8_codes_follow_the_scale(void **state) {
    (void)state;
    struct synth_format format = synth_format_of(DTYPE_F8_E4M3);
    struct synth_pattern pattern = synth_pattern_of(&format, 0, 1);
    fill(&pattern, 5, blocks);
    dtype_traits(DTYPE_F8_E4M3)->decode(blocks, values, ELEMENTS);
    check_distribution("f8_e4m3", 0, format.deviation);
}

static void vectors_have_a_mean(void **state) {
    (void)state;
    struct synth_format format = synth_format_of(DTYPE_F32);
    struct synth_pattern pattern = synth_pattern_of(&format, 1, 0.1);
    fill(&pattern, 5, blocks);
    memcpy(values, blocks, sizeof values);
    check_distribution("f32", 1, 0.1);
}

/* Rows of one tensor that differ in size: the same in every format, and wherever a piece of it begins. */
static void rows_differ_by_their_gain(void **state) {
    (void)state;
    enum { ROW = 4096, ROWS = ELEMENTS / ROW };
    static const enum dtype dtypes[] = {DTYPE_F32,  DTYPE_BF16, DTYPE_Q8_0,
                                        DTYPE_Q4_K, DTYPE_Q5_0, DTYPE_IQ1_M};
    for (size_t t = 0; t < sizeof dtypes / sizeof *dtypes; t++) {
        struct rng rng;
        struct synth_format format = synth_format_of(dtypes[t]);
        struct synth_pattern pattern = synth_pattern_of(&format, 0, 1);
        pattern.row_elements = ROW;
        pattern.row_seed = 77;
        rng_seed(&rng, 1);
        synth_fill(&pattern, &rng, 3 * ROW, blocks, ELEMENTS);
        dtype_traits(dtypes[t])->decode(blocks, values, ELEMENTS);
        for (int row = 0; row < ROWS; row++) {
            double squares = 0, gain = synth_row_gain(77, row + 3);
            for (int i = 0; i < ROW; i++) squares += pow(values[row * ROW + i], 2);
            assert_true(gain >= 0.999);
            assert_true(fabs(sqrt(squares / ROW) / gain - 1) < 0.25);
        }
    }
}

static void the_largest_gains_stand_out(void **state) {
    (void)state;
    enum { ROWS = 100000 };
    float most = 0;
    int above_two = 0;
    for (int row = 0; row < ROWS; row++) {
        float gain = synth_row_gain(1, row);
        most = gain > most ? gain : most;
        above_two += gain > 2;
    }
    assert_in_range(above_two, ROWS / 64 * 9 / 10, ROWS / 64 * 11 / 10);
    assert_true(most > 4 && most < 40);
}

static void a_seed_decides_every_bit(void **state) {
    (void)state;
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (!synth_format_known((enum dtype)t)) continue;
        struct synth_format format = synth_format_of((enum dtype)t);
        struct synth_pattern pattern = synth_pattern_of(&format, 0, 1);
        size_t bytes = fill(&pattern, 5, blocks), same = 0;
        memset(again, 0x5a, sizeof again);
        fill(&pattern, 5, again);
        assert_memory_equal(blocks, again, bytes);
        fill(&pattern, 6, again);
        for (size_t i = 0; i < bytes; i++) same += blocks[i] == again[i];
        assert_true(same < bytes / 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_weight_format_is_known), cmocka_unit_test(decodes_to_what_was_asked_for),
        cmocka_unit_test(fp8_codes_follow_the_scale),   cmocka_unit_test(vectors_have_a_mean),
        cmocka_unit_test(rows_differ_by_their_gain),    cmocka_unit_test(the_largest_gains_stand_out),
        cmocka_unit_test(a_seed_decides_every_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
