/* test_peaks.c - the loops of every level do what they are timed for: read every byte, copy every byte, multiply. */
#include "base/rng.h"
#include "kernel/peak.h"
#include "support/amx_trap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BYTES = 3 * PEAK_GRAIN, GUARD = 4096 };

static uint64_t *words(uint64_t seed) {
    uint64_t *word = aligned_alloc(64, BYTES + GUARD);
    struct rng rng;
    assert_non_null(word);
    rng_seed(&rng, seed);
    for (int i = 0; i < (BYTES + GUARD) / 8; i++) word[i] = rng_next(&rng);
    return word;
}

static void reads_every_byte(void **state) {
    (void)state;
    uint64_t *word = words(1), sum = 0;
    for (int i = 0; i < BYTES / 8; i++) sum += word[i];
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVEL_COUNT; level++) {
        assert_true(peak_kernels_for(level).read(word, BYTES) == sum);
        assert_true(peak_kernels_for(level).read(word, 0) == 0);
    }
    free(word);
}

static void copies_every_byte(void **state) {
    (void)state;
    uint64_t *from = words(2), *to = words(3), *before = words(3);
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVEL_COUNT; level++) {
        memcpy(to, before, BYTES);
        peak_kernels_for(level).copy(to, from, BYTES);
        assert_memory_equal(to, from, BYTES);
        assert_memory_equal(to + BYTES / 8, before + BYTES / 8, GUARD);
    }
    free(from);
    free(to);
    free(before);
}

static void multiplies_at_every_level(void **state) {
    (void)state;
    for (enum cpu_level level = CPU_SCALAR; level < CPU_LEVEL_COUNT; level++) {
        struct peak_kernels peaks = peak_kernels_for(level);
        assert_true(peaks.level <= level);
        assert_non_null(peaks.multiply[PEAK_F32].run);
        assert_non_null(peaks.multiply[PEAK_INT8].run);
        for (enum peak peak = 0; peak < PEAK_COUNT; peak++) {
            if (!peaks.multiply[peak].run) continue;
            assert_true(peaks.multiply[peak].operations > 0);
            assert_true(isfinite(peaks.multiply[peak].run(1000)));
        }
        /* Every sum tends to 2: their total says how many there are, and with the lanes how many operations. */
        float total = peaks.multiply[PEAK_F32].run(1000);
        int64_t sums = (int64_t)(total / 2), lanes = peaks.level >= CPU_AVX512 ? 16 : peaks.level ? 8 : 1;
        assert_true(fabsf(total - 2 * (float)sums) < 1e-3f);
        assert_int_equal(peaks.multiply[PEAK_F32].operations, 2 * sums * lanes);
    }
}

/* Where there are no tiles their instructions are carried out in software, one by one: few rounds. */
static void tiles_are_multiplied(void **state) {
    (void)state;
#if defined(__x86_64__)
    struct peak_kernels peaks = {.level = CPU_AMX};
    bool software = cpu_level_available() < CPU_AMX;
    if (software && !amx_trap_install()) skip();
    amx_add_peaks(&peaks);
    for (enum peak peak = PEAK_AMX_INT8; peak <= PEAK_AMX_BF16; peak++) {
        int64_t before = amx_trap_instructions();
        assert_true(isfinite(peaks.multiply[peak].run(3)));
        int64_t with_three = amx_trap_instructions() - before;
        peaks.multiply[peak].run(4);
        int64_t of_a_round = amx_trap_instructions() - before - 2 * with_three;
        int64_t products = peak == PEAK_AMX_INT8 ? 16 * 16 * 64 : 16 * 16 * 32;
        if (software) assert_int_equal(peaks.multiply[peak].operations, 2 * products * of_a_round);
        assert_false(amx_trap_configured());
    }
#else
    skip();
#endif
}

static void names_are_known(void **state) {
    (void)state;
    for (enum peak peak = 0; peak < PEAK_COUNT; peak++) assert_string_not_equal(peak_name(peak), "unknown");
    assert_string_equal(peak_name(PEAK_COUNT), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_byte),          cmocka_unit_test(copies_every_byte),
        cmocka_unit_test(multiplies_at_every_level), cmocka_unit_test(tiles_are_multiplied),
        cmocka_unit_test(names_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
