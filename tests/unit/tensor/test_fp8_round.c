/* test_fp8_round.c - rounding by bits against the encoder and decoder of e4m3, on every magnitude that matters. */
#include "base/rng.h"
#include "tensor/dtype.h"
#include "tensor/fp8_round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

static float through_bytes(float value, float scale) {
    uint8_t byte;
    float back;
    value /= scale;
    dtype_traits(DTYPE_F8_E4M3)->encode(&value, &byte, 1);
    dtype_traits(DTYPE_F8_E4M3)->decode(&byte, &back, 1);
    return back * scale;
}

static void assert_same(float a, float b) {
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    assert_int_equal(x, y);
}

static void test_rows(void **state) {
    (void)state;
    struct rng rng;
    rng_seed_stream(&rng, 5, 0);
    for (int round = 0; round < 2000; round++) {
        float x[300], y[300];
        for (int i = 0; i < 300; i++) {
            double size = ldexp(rng_uniform(&rng), -(int)(rng_next(&rng) % 24));
            x[i] = (float)(rng_next(&rng) % 2 ? size : -size) * (round % 3 ? 1 : 1e-20f);
            if (rng_next(&rng) % 50 == 0) x[i] = 0;
        }
        fp8_round_row(x, y, 300);
        for (int begin = 0; begin < 300; begin += 128) {
            int end = begin + 128 < 300 ? begin + 128 : 300;
            float most = 0;
            for (int i = begin; i < end; i++) most = fmaxf(most, fabsf(x[i]));
            for (int i = begin; i < end; i++)
                assert_same(y[i], through_bytes(x[i], most > 0 ? most / 448 : 1));
        }
    }
}

/* Every tie and its neighbours, with the scale held at 1 by a 448. */
static void test_ties(void **state) {
    (void)state;
    for (int exponent = -12; exponent < 9; exponent++)
        for (int sixteenth = 16; sixteenth < 32; sixteenth++) {
            float at = ldexpf((float)sixteenth / 16, exponent);
            float x[4] = {448, at, nextafterf(at, 0), nextafterf(at, 1000)}, y[4];
            if (x[3] > 448) continue;
            fp8_round_row(x, y, 4);
            for (int i = 0; i < 4; i++) assert_same(y[i], through_bytes(x[i], 1));
        }
}

static void test_blocks(void **state) {
    (void)state;
    enum { ROWS = 130, COLUMNS = 140 };
    static float x[ROWS * COLUMNS], y[ROWS * COLUMNS];
    for (int i = 0; i < ROWS * COLUMNS; i++) x[i] = (float)sin(i * 0.7) * (i % COLUMNS < 128 ? 1 : 100);
    x[5] = 3;
    fp8_round_blocks(x, y, ROWS, COLUMNS);
    for (int i = 0; i < 128 * COLUMNS; i++)
        if (i % COLUMNS < 128) assert_same(y[i], through_bytes(x[i], 3.0f / 448));
    fp8_round_blocks(y, x, ROWS, COLUMNS); /* once more changes nothing */
    assert_memory_equal(x, y, sizeof x);
}

static void test_not_finite(void **state) {
    (void)state;
    float x[3] = {1, NAN, 2}, y[3];
    fp8_round_row(x, y, 3);
    assert_memory_equal(x, y, sizeof x);
    x[1] = INFINITY;
    fp8_round_row(x, y, 3);
    assert_memory_equal(x, y, sizeof x);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_ties),
                                       cmocka_unit_test(test_blocks), cmocka_unit_test(test_not_finite)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
