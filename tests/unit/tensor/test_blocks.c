/* test_blocks.c - every block format against vectors made by an independent implementation: decoders bit
 * for bit, encoders byte for byte; and encoders on hostile input. */
#include "base/bytes.h"
#include "base/status.h"
#include "support/material.h"
#include "tensor/dtype.h"

#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const golden_folder = "tests/golden/formats/ggml", *const shared_folder =
                                                                          "../shared/formats/ggml";

static void file_name(enum dtype dtype, const char *before, const char *after, char name[64]) {
    char upper[32];
    size_t length = 0;
    for (const char *c = dtype_traits(dtype)->name; *c; c++)
        upper[length++] = (char)toupper((unsigned char)*c);
    upper[length] = 0;
    snprintf(name, 64, "%s%s%s", before, upper, after);
}

/* Returns whether there was something to compare. */
static bool decoder_matches(const char *folder, enum dtype dtype) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    char name[64];
    size_t block_bytes, value_bytes;
    file_name(dtype, "", ".bin", name);
    uint8_t *blocks = material_read(folder, name, &block_bytes);
    if (!blocks) return false;
    file_name(dtype, "", ".f32", name);
    uint8_t *expected = material_read(folder, name, &value_bytes);
    assert_non_null(expected);
    int64_t elements = (int64_t)(value_bytes / 4), bytes;
    assert_true(elements > 0 && dtype_row_bytes(dtype, elements, &bytes));
    assert_int_equal(bytes, block_bytes);
    float *values = malloc(value_bytes);
    assert_non_null(values);
    traits->decode(blocks, values, elements);
    for (int64_t i = 0; i < elements; i++) {
        if (read_u32(&values[i]) == read_u32(expected + 4 * i)) continue;
        fail_msg("%s: element %lld is %a, not %a", traits->name, (long long)i, (double)values[i],
                 (double)read_f32(expected + 4 * i));
    }
    /* one byte further: no decoder may depend on alignment */
    uint8_t *moved = malloc(block_bytes + 1);
    float *again = malloc(value_bytes);
    assert_true(moved && again);
    memcpy(moved + 1, blocks, block_bytes);
    traits->decode(moved + 1, again, elements);
    assert_memory_equal(values, again, value_bytes);
    free(again);
    free(moved);
    free(values);
    free(expected);
    free(blocks);
    return true;
}

static bool encoder_matches(const char *folder, const char *input_name, enum dtype dtype) {
    char name[64];
    size_t input_bytes, expected_bytes;
    file_name(dtype, "quantize_", ".bin", name);
    uint8_t *expected = material_read(folder, name, &expected_bytes);
    if (!expected) return false;
    float *input = material_read(folder, input_name, &input_bytes);
    assert_non_null(input);
    int64_t elements = (int64_t)(input_bytes / sizeof *input), bytes;
    assert_true(dtype_row_bytes(dtype, elements, &bytes));
    assert_int_equal(bytes, expected_bytes);
    uint8_t *blocks = malloc(expected_bytes);
    assert_true(blocks && dtype_traits(dtype)->encode);
    dtype_traits(dtype)->encode(input, blocks, elements);
    for (size_t i = 0; i < expected_bytes; i++) {
        if (blocks[i] == expected[i]) continue;
        fail_msg("%s: byte %zu is %02x, not %02x", dtype_traits(dtype)->name, i, blocks[i], expected[i]);
    }
    free(blocks);
    free(input);
    free(expected);
    return true;
}

static void match_formats(const char *folder, const char *input_name) {
    int decoders = 0, encoders = 0;
    for (int i = 0; i < DTYPE_COUNT; i++) {
        decoders += decoder_matches(folder, (enum dtype)i);
        encoders += encoder_matches(folder, input_name, (enum dtype)i);
    }
    assert_true(decoders >= 22);
    assert_true(encoders >= 7);
}

static void golden_vectors(void **state) {
    (void)state;
    match_formats(golden_folder, "quantize_input.f32");
}

static void shared_vectors(void **state) {
    (void)state;
    size_t bytes;
    void *index = material_read(shared_folder, "index.json", &bytes);
    if (!index) skip();
    free(index);
    match_formats(shared_folder, "quantize_input_16x512.f32");
}

/* What an encoder writes, its decoder reads back to within the step that the block's range allows. */
static void encoders_stay_near_their_input(void **state) {
    (void)state;
    static const struct {
        enum dtype dtype;
        float step;
    } rows[] = {{DTYPE_F32, 0},
                {DTYPE_F16, 0x1p-11f},
                {DTYPE_BF16, 0x1p-8f},
                {DTYPE_F8_E4M3, 0x1p-4f},
                {DTYPE_Q8_0, 0.5f / 110},
                {DTYPE_Q4_0, 1.0f / 7},
                {DTYPE_Q4_1, 0.52f / 7.5f},
                {DTYPE_Q5_0, 1.0f / 15},
                {DTYPE_Q5_1, 0.52f / 15.5f},
                {DTYPE_MXFP4, 0.26f},
                {DTYPE_F8_SCALED, 0x1p-4f}};
    enum { ELEMENTS = 512 };
    float values[ELEMENTS], back[ELEMENTS];
    uint8_t blocks[ELEMENTS * 4];
    for (int i = 0; i < ELEMENTS; i++) values[i] = sinf((float)(i * i) * 0.37f) * (1.0f + (float)(i / 32));
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        const struct dtype_traits *traits = dtype_traits(rows[row].dtype);
        traits->encode(values, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) {
            float range = 1.0f + (float)(i / 32), error = fabsf(back[i] - values[i]);
            if (error > rows[row].step * range)
                fail_msg("%s: element %d: %g became %g", traits->name, i, (double)values[i], (double)back[i]);
        }
    }
}

/* Normally distributed weights lose no more than the format's bits must cost, whatever the sign of the largest. */
static void k_encoders_lose_what_they_must(void **state) {
    (void)state;
    static const struct {
        enum dtype dtype;
        float loss; /* root mean square, relative */
    } rows[] = {{DTYPE_Q2_K, 0.30f},  {DTYPE_Q3_K, 0.16f},   {DTYPE_Q4_K, 0.08f},  {DTYPE_Q5_K, 0.04f},
                {DTYPE_Q6_K, 0.019f}, {DTYPE_IQ4_NL, 0.08f}, {DTYPE_IQ4_XS, 0.08f}};
    enum { ELEMENTS = 4096 };
    static float values[ELEMENTS], back[ELEMENTS];
    static uint8_t blocks[ELEMENTS];
    uint32_t random = 1;
    for (int i = 0; i < ELEMENTS; i++) {
        float sum = 0;
        for (int k = 0; k < 12; k++) sum += (float)((random = random * 1664525 + 1013904223) >> 8) * 0x1p-24f;
        values[i] = (sum - 6) * (0.01f + 0.01f * (float)(i / 1024));
    }
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        const struct dtype_traits *traits = dtype_traits(rows[row].dtype);
        double lost = 0, whole = 0;
        traits->encode(values, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) {
            lost += pow((double)back[i] - (double)values[i], 2);
            whole += pow((double)values[i], 2);
        }
        if (!(sqrt(lost / whole) < (double)rows[row].loss))
            fail_msg("%s loses %g", traits->name, sqrt(lost / whole));
    }
}

static double weighted_loss(const float *values, const float *back, const float *importance, int elements) {
    double lost = 0;
    for (int i = 0; i < elements; i++) lost += importance[i] * pow((double)back[i] - (double)values[i], 2);
    return lost;
}

/* A search that knows what counts loses clearly less of it, and nothing hostile among the weights does harm. */
static void fits_follow_importance(void **state) {
    (void)state;
    enum { ELEMENTS = 4096 };
    static float values[ELEMENTS], importance[ELEMENTS], odd[ELEMENTS], back[ELEMENTS];
    static uint8_t blocks[ELEMENTS * 2];
    uint32_t random = 7;
    for (int i = 0; i < ELEMENTS; i++) {
        float sum = 0;
        for (int k = 0; k < 12; k++) sum += (float)((random = random * 1664525 + 1013904223) >> 8) * 0x1p-24f;
        values[i] = sum - 6;
        importance[i] = i % 5 == 0 ? 20.0f : 0.05f;
        odd[i] = i % 3 ? 3e38f : i % 2 ? 0 : 1e-45f;
    }
    for (int d = 0; d < DTYPE_COUNT; d++) {
        const struct dtype_traits *traits = dtype_traits((enum dtype)d);
        if (!traits->fit) continue;
        traits->fit(values, NULL, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        double plain = weighted_loss(values, back, importance, ELEMENTS);
        traits->fit(values, importance, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        double weighed = weighted_loss(values, back, importance, ELEMENTS);
        if (!(weighed < 0.9 * plain))
            fail_msg("%s loses %g, %g without weights", traits->name, weighed, plain);
        traits->encode(values, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        double rounded = 0, fitted = 0;
        for (int i = 0; i < ELEMENTS; i++) rounded += pow((double)back[i] - (double)values[i], 2);
        traits->fit(values, NULL, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) fitted += pow((double)back[i] - (double)values[i], 2);
        assert_true(fitted <= rounded);
        traits->fit(values, odd, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) assert_true(isfinite(back[i]));
    }
}

/* NaN, infinities, zeros, denormals: no undefined conversion (a sanitizer build sees it), no NaN scale. */
static void encoders_accept_anything(void **state) {
    (void)state;
    enum { ELEMENTS = 256 };
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, 1e-45f, -0.0f, 0.0f, 1.0f};
    float values[ELEMENTS], back[ELEMENTS];
    uint8_t blocks[ELEMENTS * 4];
    for (int d = 0; d < DTYPE_COUNT; d++) {
        const struct dtype_traits *traits = dtype_traits((enum dtype)d);
        if (!traits->encode) continue;
        for (size_t k = 0; k < COUNT_OF(odd); k++) {
            for (int i = 0; i < ELEMENTS; i++) values[i] = i % 3 == 0 ? odd[k] : k % 2 ? 0.25f : 0.0f;
            traits->encode(values, blocks, ELEMENTS);
            traits->decode(blocks, back, ELEMENTS);
            if (traits->block_elements == 1) continue;
            for (int i = 0; i < ELEMENTS; i++) assert_false(isnan(back[i]));
        }
        for (int i = 0; i < ELEMENTS; i++) values[i] = 0;
        traits->encode(values, blocks, ELEMENTS);
        traits->decode(blocks, back, ELEMENTS);
        for (int i = 0; i < ELEMENTS; i++) assert_true(back[i] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_vectors),
        cmocka_unit_test(shared_vectors),
        cmocka_unit_test(encoders_stay_near_their_input),
        cmocka_unit_test(k_encoders_lose_what_they_must),
        cmocka_unit_test(fits_follow_importance),
        cmocka_unit_test(encoders_accept_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
