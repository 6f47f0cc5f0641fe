/* test_dtype.c - the traits table, the scalar conversions against published tables, and tensor views. */
#include "base/bytes.h"
#include "support/material.h"
#include "tensor/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const fp8_folder = "tests/golden/formats/fp8";

static uint32_t bits_of(float value) {
    return read_u32(&value);
}

static void *read_table(const char *name, size_t *bytes) {
    void *data = material_read(fp8_folder, name, bytes);
    assert_non_null(data);
    return data;
}

static void every_row_is_complete(void **state) {
    (void)state;
    for (int i = 0; i < DTYPE_COUNT; i++) {
        const struct dtype_traits *row = dtype_traits((enum dtype)i);
        assert_non_null(row->name);
        assert_true(row->block_elements > 0 && row->block_bytes > 0);
        enum dtype found;
        assert_true(dtype_from_name(row->name, &found));
        assert_int_equal(found, i);
        if (row->safetensors_name) {
            assert_true(dtype_from_safetensors(row->safetensors_name, &found));
            assert_int_equal(found, i);
        }
        if (row->gguf_type >= 0) {
            assert_true(dtype_from_gguf((uint32_t)row->gguf_type, &found));
            assert_int_equal(found, i);
        }
    }
}

static void unknown_names_are_refused(void **state) {
    (void)state;
    enum dtype found = DTYPE_U8;
    assert_false(dtype_from_name("q9_9", &found));
    assert_false(dtype_from_name("", &found));
    assert_false(dtype_from_safetensors("bf16", &found)); /* safetensors names are exact */
    assert_false(dtype_from_gguf(0xffffffffu, &found));
    assert_false(dtype_from_gguf(4, &found)); /* a withdrawn type */
    assert_int_equal(found, DTYPE_U8);
    assert_true(dtype_from_name("Q4_K", &found));
    assert_int_equal(found, DTYPE_Q4_K);
}

static void row_bytes_are_whole_blocks(void **state) {
    (void)state;
    int64_t bytes;
    assert_true(dtype_row_bytes(DTYPE_Q4_K, 512, &bytes));
    assert_int_equal(bytes, 288);
    assert_true(dtype_row_bytes(DTYPE_Q8_0, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_false(dtype_row_bytes(DTYPE_Q4_K, 500, &bytes));
    assert_false(dtype_row_bytes(DTYPE_BF16, -1, &bytes));
    assert_false(dtype_row_bytes(DTYPE_F32, INT64_MAX, &bytes));
    assert_false(dtype_row_bytes(DTYPE_Q8_0, INT64_MAX / 32 * 32, &bytes));
}

static void fp8_decodes_as_published(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *e4m3 = read_table("e4m3fn_decode.f32", &bytes), *e5m2 = read_table("e5m2_decode.f32", &bytes);
    for (int i = 0; i < 256; i++) {
        assert_int_equal(bits_of(e4m3_to_f32((uint8_t)i)), read_u32(e4m3 + 4 * i));
        assert_int_equal(bits_of(e5m2_to_f32((uint8_t)i)), read_u32(e5m2 + 4 * i));
    }
    free(e4m3);
    free(e5m2);
}

static void eight_bit_encoders_round_as_published(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint8_t (*encode)(float);
    } tables[] = {{"e4m3fn_encode.u8", f32_to_e4m3_strict},
                  {"e4m3fn_encode_sat.u8", f32_to_e4m3},
                  {"e5m2_encode.u8", f32_to_e5m2}};
    size_t bytes, count;
    uint8_t *input = read_table("encode_input.f32", &bytes);
    for (int t = 0; t < 3; t++) {
        uint8_t *expected = read_table(tables[t].name, &count);
        assert_int_equal(count * 4, bytes);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(tables[t].encode(read_f32(input + 4 * i)), expected[i]);
        free(expected);
    }
    free(input);
}

static void sixteen_bit_encoders_round_as_published(void **state) {
    (void)state;
    static const struct {
        const char *name;
        uint16_t (*encode)(float);
    } tables[] = {{"f16_rne.u16", f32_to_f16}, {"bf16_rne.u16", f32_to_bf16}};
    size_t bytes, expected_bytes;
    uint8_t *input = read_table("encode_input.f32", &bytes);
    for (int t = 0; t < 2; t++) {
        uint8_t *expected = read_table(tables[t].name, &expected_bytes);
        assert_int_equal(expected_bytes * 2, bytes);
        for (size_t i = 0; i < bytes / 4; i++)
            assert_int_equal(tables[t].encode(read_f32(input + 4 * i)), read_u16(expected + 2 * i));
        free(expected);
    }
    free(input);
}

static void sixteen_bits_survive_a_round_trip(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 0x10000; i++) {
        float half = f16_to_f32((uint16_t)i), brain = bf16_to_f32((uint16_t)i);
        uint32_t quiet_half = isnan(half) ? 0x200 : 0, quiet_brain = isnan(brain) ? 0x40 : 0;
        assert_int_equal(f32_to_f16(half), i | quiet_half);
        assert_int_equal(f32_to_bf16(brain), i | quiet_brain);
    }
}

static void scale_exponents_are_powers_of_two(void **state) {
    (void)state;
    for (int i = 0; i < 255; i++) assert_true(e8m0_to_f32((uint8_t)i) == ldexpf(1.0f, i - 127));
    assert_true(isnan(e8m0_to_f32(255)));
}

/* A 5 x 6 matrix in 2 x 4 scale blocks, twice: ragged in both directions. */
static void scales_follow_their_blocks(void **state) {
    (void)state;
    uint8_t data[60];
    float scale[12];
    for (int i = 0; i < 60; i++) data[i] = (uint8_t)(i + 0x20);
    for (int i = 0; i < 12; i++) scale[i] = (float)(i + 1) * 0.37f;
    struct tensor both = {data, scale, DTYPE_F8_E4M3, DTYPE_F32, 3, {2, 4}, {2, 5, 6, 0}};
    for (int matrix = 0; matrix < 2; matrix++) {
        struct tensor one = tensor_matrix(&both, matrix);
        assert_int_equal(tensor_elements(&one), 30);
        for (int row = 0; row < 5; row++) {
            float values[6];
            tensor_decode_row(&one, row, values);
            for (int i = 0; i < 6; i++) {
                float multiplier = scale[matrix * 6 + row / 2 * 2 + i / 4];
                assert_true(values[i] == e4m3_to_f32(data[matrix * 30 + row * 6 + i]) * multiplier);
            }
        }
        struct tensor tail = tensor_rows(&one, 2, 3);
        float whole[6], part[6];
        tensor_decode_row(&one, 4, whole);
        tensor_decode_row(&tail, 2, part);
        assert_memory_equal(whole, part, sizeof whole);
    }
}

static void scales_come_in_three_formats(void **state) {
    (void)state;
    uint8_t data[4] = {0x38, 0x38, 0x38, 0x38}, powers[2] = {126, 130};
    uint16_t brain[2] = {f32_to_bf16(0.5f), f32_to_bf16(8.0f)};
    float plain[2] = {0.5f, 8.0f}, values[4];
    const struct {
        const void *scale;
        enum dtype dtype;
    } forms[] = {{plain, DTYPE_F32}, {brain, DTYPE_BF16}, {powers, DTYPE_F8_E8M0}};
    for (int form = 0; form < 3; form++) {
        struct tensor tensor = {data,   forms[form].scale, DTYPE_F8_E4M3, forms[form].dtype, 2,
                                {1, 2}, {1, 4, 0, 0}};
        tensor_decode_row(&tensor, 0, values);
        assert_true(values[0] == 0.5f && values[1] == 0.5f && values[2] == 8.0f && values[3] == 8.0f);
    }
}

static void views_are_address_arithmetic(void **state) {
    (void)state;
    uint8_t data[2 * 3 * 34];
    struct tensor tensor = {data, NULL, DTYPE_Q8_0, DTYPE_F32, 3, {0, 0}, {2, 3, 32, 0}};
    assert_int_equal(tensor_bytes(&tensor), sizeof data);
    struct tensor matrix = tensor_matrix(&tensor, 1);
    assert_ptr_equal(matrix.data, data + 3 * 34);
    struct tensor rows = tensor_rows(&matrix, 1, 2);
    assert_ptr_equal(rows.data, data + 4 * 34);
    assert_int_equal(tensor_bytes(&rows), 2 * 34);
    assert_ptr_equal(tensor_row_data(&rows, 1), data + 5 * 34);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(row_bytes_are_whole_blocks),
        cmocka_unit_test(fp8_decodes_as_published),
        cmocka_unit_test(eight_bit_encoders_round_as_published),
        cmocka_unit_test(sixteen_bit_encoders_round_as_published),
        cmocka_unit_test(sixteen_bits_survive_a_round_trip),
        cmocka_unit_test(scale_exponents_are_powers_of_two),
        cmocka_unit_test(scales_follow_their_blocks),
        cmocka_unit_test(scales_come_in_three_formats),
        cmocka_unit_test(views_are_address_arithmetic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
