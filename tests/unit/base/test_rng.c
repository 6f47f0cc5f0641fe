/* Random numbers: the published generator, independent streams, any length. */
#include "base/rng.h"

#include "base/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The first outputs of xoshiro256++ for the state 1, 2, 3, 4, worked out by hand from its definition. */
static void follows_the_definition(void **state) {
    (void)state;
    struct rng rng = {{1, 2, 3, 4}};
    assert_true(rng_next(&rng) == (UINT64_C(5) << 23) + 1);
    assert_true(rng_next(&rng) == UINT64_C(58720359));
    assert_true(rng_next(&rng) == UINT64_C(3588806011781223));
    assert_true(rng_next(&rng) == UINT64_C(3591011842654386));
}

static void same_seed_same_numbers(void **state) {
    (void)state;
    struct rng a, b;
    rng_seed_stream(&a, 7, 9);
    rng_seed_stream(&b, 7, 9);
    for (int i = 0; i < 100; i++) assert_true(rng_next(&a) == rng_next(&b));
}

static void neighbouring_streams_differ(void **state) {
    (void)state;
    enum { STREAMS = 64, DRAWS = 64 };
    uint64_t seen[STREAMS * DRAWS];
    size_t count = 0;
    for (uint64_t i = 0; i < STREAMS; i++) {
        struct rng rng;
        rng_seed_stream(&rng, i / 8, i % 8);
        for (int j = 0; j < DRAWS; j++) seen[count++] = rng_next(&rng);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) assert_true(seen[i] != seen[j]);
}

static void uniform_is_uniform(void **state) {
    (void)state;
    enum { DRAWS = 100000, BINS = 16 };
    struct rng rng;
    int bin[BINS] = {0};
    double sum = 0;
    rng_seed(&rng, 1);
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        bin[(int)(u * BINS)]++;
    }
    assert_true(sum / DRAWS > 0.495 && sum / DRAWS < 0.505);
    for (int i = 0; i < BINS; i++) assert_in_range(bin[i], DRAWS / BINS - 500, DRAWS / BINS + 500);
}

static void fills_any_length(void **state) {
    (void)state;
    for (size_t bytes = 0; bytes < 40; bytes++) {
        struct rng rng, again;
        unsigned char data[48], expected[48];
        memset(data, 0xa5, sizeof data);
        rng_seed(&rng, bytes);
        again = rng;
        rng_fill(&rng, data, bytes);
        for (size_t i = 0; i < sizeof expected; i += 8) {
            uint64_t draw = rng_next(&again);
            memcpy(expected + i, &draw, 8);
        }
        assert_memory_equal(data, expected, bytes);
        for (size_t i = bytes; i < sizeof data; i++) assert_int_equal(data[i], 0xa5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),
        cmocka_unit_test(same_seed_same_numbers),
        cmocka_unit_test(neighbouring_streams_differ),
        cmocka_unit_test(uniform_is_uniform),
        cmocka_unit_test(fills_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
