/* test_rates.c - measured parts to steps of models: sums that can be checked by hand, and sheets that come to them. */
#include "plan/rates.h"

#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static struct model_desc desc;

static void read_model(const char *model) {
    const char *text = model_preset_config(model);
    json_t *config;
    assert_int_equal(json_parse(text, strlen(text), model, &config), STATUS_OK);
    assert_int_equal(model_desc_from_config(&desc, config, model), STATUS_OK);
    json_decref(config);
}

static void near(const char *what, double value, double expected, double within) {
    if (!(fabs(value / expected - 1) <= within)) fail_msg("%s: %.9g, expected %.9g", what, value, expected);
}

/* A machine that takes 1 ns for a weight of bf16 and 0.5 ns for one of q8_0, and rows one after the other. */
static struct plan_rates even_rates(void) {
    struct plan_rates rates = {.types = 2, .attentions = 4, .pass = 1e-10, .wake = 1e-6};
    rates.type[0].dtype = DTYPE_BF16;
    rates.type[1].dtype = DTYPE_Q8_0;
    for (int r = 0; r < RATE_ROWS; r++) {
        rates.type[0].seconds[r] = 1e-9 * plan_rate_rows[r];
        rates.type[1].seconds[r] = 0.5e-9 * plan_rate_rows[r];
    }
    for (int i = 0; i < 4; i++) {
        rates.attention[i].latent = true;
        rates.attention[i].prompt = i % 2;
        rates.attention[i].heads = i < 2 ? 16 : 128;
        rates.attention[i].operations = 1e9 * (i + 1);
    }
    return rates;
}

static void test_rates(void **state) {
    (void)state;
    struct plan_rates rates = even_rates();
    near("a row", plan_rate_seconds(&rates, DTYPE_BF16, 1), 1e-9, 1e-9);
    near("less than a row", plan_rate_seconds(&rates, DTYPE_BF16, 0.5), 1e-9, 1e-9);
    near("between", plan_rate_seconds(&rates, DTYPE_BF16, 5), 5e-9, 1e-9);
    near("most rows", plan_rate_seconds(&rates, DTYPE_BF16, 512), 512e-9, 1e-9);
    near("more rows", plan_rate_seconds(&rates, DTYPE_BF16, 2048), 2048e-9, 1e-9);
    near("the nearest format", plan_rate_seconds(&rates, DTYPE_F16, 1), 1e-9, 1e-9);
    near("the nearest format", plan_rate_seconds(&rates, DTYPE_Q4_K, 1), 0.5e-9, 1e-9);
    near("heads", plan_rate_attention(&rates, true, false, 16), 1e9, 1e-9);
    near("fewer heads", plan_rate_attention(&rates, true, true, 8), 2e9, 1e-9);
    double middle = plan_rate_attention(&rates, true, false, 40);
    assert_true(middle > 1e9 && middle < 3e9);
    assert_true(plan_rate_attention(&rates, false, false, 16) == 0);
}

/* With rows one after the other a step takes its active weights, a prompt all rows of them and the head once. */
static void test_steps(void **state) {
    (void)state;
    static const char *const models[] = {"r1-distill-qwen-1.5b", "r1-distill-llama-8b", "deepseek-v2-lite",
                                         "deepseek-v3"};
    struct plan_rates rates = even_rates();
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        struct plan_shape shape;
        struct plan_steps steps;
        read_model(models[i]);
        assert_int_equal(plan_shape_of(&shape, &desc, "bf16", DTYPE_BF16), STATUS_OK);
        assert_int_equal(plan_steps_of(&steps, &rates, &desc, "bf16", 1, 512), STATUS_OK);
        near(models[i], steps.step_seconds, (shape.ops_row + shape.ops_head) / 2 * 1e-9, 1e-6);
        near(models[i], steps.prompt_seconds, (512 * shape.ops_row + shape.ops_head) / 2 * 1e-9, 1e-6);
        assert_true(steps.operations > 10 * desc.layers && steps.operations < 30 * desc.layers);
    }
}

static void test_sheet(void **state) {
    (void)state;
    struct hardware machine = {
        .name = "this", .memory = 1e12, .bandwidth = 20e9, .half = 1e12, .eight = 2e12, .source = "x"};
    struct plan_rates rates = even_rates();
    struct plan_shape shape;
    struct plan_steps steps;
    struct sheet sheet;
    read_model("deepseek-v2-lite");
    assert_int_equal(plan_shape_of(&shape, &desc, "q8_0", DTYPE_BF16), STATUS_OK);
    assert_int_equal(plan_steps_of(&steps, &rates, &desc, "q8_0", 4, 512), STATUS_OK);
    sheet_start(&sheet, &sheet_fit);
    assert_int_equal(plan_fill_shape(&sheet, &shape), STATUS_OK);
    assert_int_equal(plan_fill_hardware(&sheet, &machine, shape.bits), STATUS_OK);
    assert_int_equal(sheet_set(&sheet, "batch", 4, "test"), STATUS_OK);
    assert_int_equal(sheet_set(&sheet, "context", 100, "test"), STATUS_OK);
    assert_int_equal(plan_fill_rates(&sheet, &rates, &desc, "q8_0", "test"), STATUS_OK);
    assert_int_equal(sheet_compute(&sheet), STATUS_OK);
    near("weights", sheet_value(&sheet, "weights_memory"), steps.step_seconds, 1e-9);
    near("prompt", sheet_value(&sheet, "prompt_compute"), steps.prompt_seconds, 1e-9);
    near("attention", sheet_value(&sheet, "attention_compute"), 4 * 100 * shape.ops_decode_context / 1e9,
         1e-9);
    near("waking", sheet_value(&sheet, "seconds_waking"), steps.operations * 1e-6, 1e-9);
    near("step", sheet_value(&sheet, "step"),
         fmax(steps.step_seconds, sheet_value(&sheet, "weights_compute")) +
             fmax(sheet_value(&sheet, "attention_memory"), sheet_value(&sheet, "attention_compute")) +
             steps.operations * 1e-6 + 4 * steps.values * 1e-10,
         1e-9);
    /* of a token's values, those of 6 experts in 26 layers are the most */
    double most = 26 * 6 * (2 * 2048 + 1.5 * 1408);
    assert_true(steps.values > most && steps.values < 2.5 * most);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rates), cmocka_unit_test(test_steps),
                                       cmocka_unit_test(test_sheet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
