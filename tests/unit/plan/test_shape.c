/* test_shape.c - bytes and operations of published models against published figures; the sheets of fit, serve and train. */
#include "plan/later.h"

#include "base/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct model_desc desc;

static struct plan_shape shape_of(const char *model, const char *type) {
    struct plan_shape shape;
    const char *text = model_preset_config(model);
    json_t *config;
    assert_non_null(text);
    assert_int_equal(json_parse(text, strlen(text), model, &config), STATUS_OK);
    assert_int_equal(model_desc_from_config(&desc, config, model), STATUS_OK);
    json_decref(config);
    if (plan_shape_of(&shape, &desc, type, DTYPE_BF16) != STATUS_OK) fail_msg("%s", status_message());
    return shape;
}

static void near(const char *what, double value, double expected, double within) {
    if (!(fabs(value / expected - 1) <= within)) fail_msg("%s: %.6g, expected %.6g", what, value, expected);
}

/* Parameters by DeepSeek's reports; the cache as MLA and GQA keep it. */
static void test_bytes(void **state) {
    (void)state;
    static const struct {
        const char *model;
        double parameters, kv_bytes;
    } models[] = {{"deepseek-v2-lite", 15706484224, 27 * 576 * 2},
                  {"deepseek-v2", 235741434880, 60 * 576 * 2},
                  {"deepseek-v3", 671026419200, 61 * 576 * 2},
                  {"r1-distill-qwen-1.5b", 1.777e9, 28 * 2 * 2 * 128 * 2},
                  {"r1-distill-llama-70b", 70.55e9, 80 * 2 * 8 * 128 * 2}};
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        struct plan_shape shape = shape_of(models[i].model, "bf16");
        near(models[i].model, shape.parameters, models[i].parameters, 0.001);
        near(models[i].model, shape.weight_bytes, 2 * shape.parameters, 1e-9);
        assert_true(shape.kv_bytes == models[i].kv_bytes);
        near(models[i].model, shape.ops_row + shape.ops_head, 2 * shape.active, 0.001);
        near(models[i].model, shape.fixed_bytes + shape.experts_used * shape.expert_bytes, 2 * shape.active,
             0.001);
    }
}

/* Files that others published. */
static void test_sizes_of_files(void **state) {
    (void)state;
    near("V3 in Q4_K_M", shape_of("deepseek-v3", "q4_k_m").weight_bytes, 404.4e9, 0.005);
    near("V3 in FP8", shape_of("deepseek-v3", "fp8").weight_bytes, 671e9, 0.01);
    near("32B in Q4_K_M", shape_of("r1-distill-qwen-32b", "q4_k_m").weight_bytes, 19.85e9, 0.005);
    near("8B in Q8_0", shape_of("r1-distill-llama-8b", "q8_0").weight_bytes, 8.54e9, 0.005);
}

/* Parameters and bytes of the cache as the reports and the published code have them; files as they are published. */
static void test_later(void **state) {
    (void)state;
    static const struct {
        const char *model;
        double parameters, active, kv_bytes, native;
    } models[] = {{"deepseek-v4-flash", 284.33e9, 13.27e9, 3514.25, 158e9},
                  {"deepseek-v4-pro", 1573e9, 48.85e9, 5031.4, 864.7e9},
                  {"deepseek-v3.2", 671.9e9, 37.48e9, 61 * (656 + 132), 672e9}};
    for (size_t i = 0; i < COUNT_OF(models); i++) {
        struct plan_shape shape;
        const struct later_model *later = later_find(models[i].model);
        assert_non_null(later);
        assert_int_equal(later_shape_of(&shape, later, "native"), STATUS_OK);
        near(models[i].model, shape.parameters, models[i].parameters, 0.002);
        near(models[i].model, shape.active, models[i].active, 0.01);
        near(models[i].model, shape.kv_bytes, models[i].kv_bytes, 0.001);
        near(models[i].model, shape.weight_bytes, models[i].native, 0.025);
        assert_true(shape.kv_read < shape.kv_bytes && shape.attended > 0);
        near(models[i].model, shape.fixed_bytes + shape.experts * shape.expert_bytes, shape.weight_bytes,
             0.02);
        assert_int_equal(later_shape_of(&shape, later, "q4_k_m"), STATUS_OK);
        near(models[i].model, shape.bits, 4.5, 0.1);
        assert_int_equal(later_shape_of(&shape, later, "q9_9"), STATUS_USAGE);
    }
    assert_null(later_find("deepseek-v3"));
    assert_null(later_name(COUNT_OF(models)));
}

/* The report of V4: at a million tokens Pro takes 27 % and Flash 10 % of V3.2's operations for a token, and 10 % and 7 % of
 * its cache. */
static void test_later_at_a_million(void **state) {
    (void)state;
    double operations[3], cache[3];
    static const char *const names[] = {"deepseek-v3.2", "deepseek-v4-pro", "deepseek-v4-flash"};
    for (int i = 0; i < 3; i++) {
        struct plan_shape shape;
        assert_int_equal(later_shape_of(&shape, later_find(names[i]), "native"), STATUS_OK);
        operations[i] = shape.ops_row + shape.ops_head + shape.attended * shape.ops_decode_context +
                        1e6 * shape.ops_index_context;
        cache[i] = shape.kv_bytes;
    }
    near("operations of Pro", operations[1] / operations[0], 0.27, 0.05);
    assert_true(operations[2] / operations[0] > 0.09 && operations[2] / operations[0] < 0.13);
    near("cache of Pro", cache[1] / cache[0], 0.10, 0.06);
    near("cache of Flash", cache[2] / cache[0], 0.07, 0.06);
}

static void test_types_shrink(void **state) {
    (void)state;
    double last = INFINITY;
    for (int t = 0; plan_type_at(t); t++) {
        double bytes = shape_of("deepseek-v2-lite", plan_type_at(t)).weight_bytes;
        assert_true(bytes < last * 1.1); /* q8_0 has a scale for 32 values, fp8 one for 128 x 128 */
        last = bytes;
    }
    struct plan_shape shape;
    assert_int_equal(plan_shape_of(&shape, &desc, "q9_9", DTYPE_BF16), STATUS_USAGE);
}

static struct sheet filled(const struct sheet_kind *kind, const char *model, const char *type,
                           const char *hardware) {
    struct sheet sheet;
    struct plan_shape shape = shape_of(model, type);
    assert_non_null(hardware_find(hardware));
    sheet_start(&sheet, kind);
    assert_int_equal(plan_fill_shape(&sheet, &shape), STATUS_OK);
    assert_int_equal(plan_fill_hardware(&sheet, hardware_find(hardware), shape.bits), STATUS_OK);
    return sheet;
}

static void compute(struct sheet *sheet, const char *const *set) {
    for (; set && *set; set++) assert_int_equal(sheet_set_text(sheet, *set), STATUS_OK);
    if (sheet_compute(sheet) != STATUS_OK) fail_msg("%s", status_message());
}

static void test_fit(void **state) {
    (void)state;
    struct sheet sheet = filled(&sheet_fit, "deepseek-v3", "fp8", "h800");
    compute(&sheet, (const char *const[]){"devices=16", "batch=1", NULL});
    assert_true(sheet_value(&sheet, "resident") == 1);
    near("a token touches eight experts", sheet_value(&sheet, "touched"), 8, 1e-9);
    double alone = sheet_value(&sheet, "decode"), one = sheet_value(&sheet, "step");
    compute(&sheet, (const char *const[]){"batch=64", NULL});
    assert_true(sheet_value(&sheet, "touched") < 256 && sheet_value(&sheet, "touched") > 200);
    assert_true(sheet_value(&sheet, "decode") > alone && sheet_value(&sheet, "step") > one);
    compute(&sheet, (const char *const[]){"devices=5", "batch=1", NULL}); /* experts come from disk */
    assert_true(sheet_value(&sheet, "resident") < 1 && sheet_value(&sheet, "resident") > 0);
    assert_true(sheet_value(&sheet, "decode") < alone);
}

/* The two shares that DeepSeek's measurement sets: mean context 4,989, 21 tokens/s for a user. */
static void test_serve_as_measured(void **state) {
    (void)state;
    struct sheet sheet = filled(&sheet_serve, "deepseek-v3", "fp8", "h800");
    compute(&sheet, (const char *const[]){"price_out=2.19", "speed=21", NULL});
    near("input of a node", sheet_value(&sheet, "node_in"), 73.7e3, 0.04);
    compute(&sheet, (const char *const[]){"tokens_in=4589", "tokens_out=800", NULL});
    assert_true(sheet_value(&sheet, "context") == 4989);
    near("output of a node", sheet_value(&sheet, "node_out"), 14.8e3, 0.02);
    near("cost of what is served", sheet_value(&sheet, "cost"),
         sheet_value(&sheet, "devices") * sheet_value(&sheet, "kept") * 48, 1e-9);
}

static void test_train_as_reported(void **state) {
    (void)state;
    struct sheet sheet = filled(&sheet_train, "deepseek-v3", "bf16", "h800");
    compute(&sheet, NULL);
    near("hours of V3", sheet_value(&sheet, "hours"), 2788e3,
         0.015); /* 36.6 for 37 billion active parameters */
    near("money of V3", sheet_value(&sheet, "rent"), 5.576e6, 0.015);
    double shares = 0;
    static const char *const names[] = {"share_devices", "share_servers", "share_network",
                                        "share_site",    "share_power",   "share_staff"};
    for (size_t i = 0; i < COUNT_OF(names); i++) shares += sheet_value(&sheet, names[i]);
    near("shares", shares, 1, 1e-9);
    char text[32];
    snprintf(text, sizeof text, "used=%.15g", sheet_value(&sheet, "break_even"));
    compute(&sheet, (const char *const[]){text, NULL});
    near("at break-even, owning costs what renting costs", sheet_value(&sheet, "owned_hour"), 2, 1e-9);
}

static void test_hardware(void **state) {
    (void)state;
    for (int i = 0; hardware_at(i); i++) {
        const struct hardware *of = hardware_at(i);
        assert_ptr_equal(hardware_find(of->name), of);
        assert_true(of->memory > 1e9 && of->bandwidth > 1e11 && of->half > 1e12 && of->eight >= of->half);
        assert_true(of->watts > 0 && strlen(of->source) > 5);
    }
    assert_null(hardware_find("abacus"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_sizes_of_files),
        cmocka_unit_test(test_types_shrink),
        cmocka_unit_test(test_later),
        cmocka_unit_test(test_later_at_a_million),
        cmocka_unit_test(test_fit),
        cmocka_unit_test(test_serve_as_measured),
        cmocka_unit_test(test_train_as_reported),
        cmocka_unit_test(test_hardware),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
