/* test_presets.c - the presets against the figures that their sources published, and the arithmetic below them. */
#include "plan/expression.h"
#include "plan/sheet_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool nothing(void *context, const char *name, double *value) {
    (void)context;
    *value = 7;
    return !strcmp(name, "seven");
}

static double value_of(const char *text) {
    double value;
    if (expression_evaluate(text, nothing, NULL, &value) != STATUS_OK) fail_msg("%s", status_message());
    return value;
}

static void test_expressions(void **state) {
    (void)state;
    assert_true(value_of("2 + 3 * 4") == 14);
    assert_true(value_of("(2 + 3) * 4 - -1") == 21);
    assert_true(value_of("100 / 5 / 2") == 10);
    assert_true(value_of("10 - 3 - 2") == 5);
    assert_true(value_of("seven * 1e3 / 2.5") == 2800);
    assert_true(value_of("min(3, 4) + max(3, 4) + floor(1.9) + ceil(1.1) + round(2.5)") == 13);
    assert_true(value_of("pow(2, 10) + sqrt(81)") == 1033);
    assert_true(value_of("choose(1, 2, 3) * 10 + choose(0, 2, 3)") == 23);
    assert_true(fabs(value_of("digits(15532407e12, 2)") / 1.6e19 - 1) < 1e-12);
    assert_true(isinf(value_of("1 / 0")));
}

static void test_wrong_expressions(void **state) {
    (void)state;
    static const char *const wrong[] = {"",       "1 +",    "(1",           "1)",    "eight", "seven seven",
                                        "min(1)", "sin(1)", "min(1, 2, 3)", "1 $ 2", "*3"};
    double value;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(expression_evaluate(wrong[i], nothing, NULL, &value), STATUS_INPUT);
    char deep[400] = "";
    for (int i = 0; i < 100; i++) strcat(deep, "(");
    assert_int_equal(expression_evaluate(deep, nothing, NULL, &value), STATUS_INPUT);
}

static struct sheet computed(const char *name) {
    struct sheet sheet;
    const struct sheet_kind *kind = preset_find(name);
    assert_non_null(kind);
    sheet_start(&sheet, kind);
    if (sheet_compute(&sheet) != STATUS_OK) fail_msg("%s", status_message());
    return sheet;
}

/* Published, and how far rounding may be off. */
static const struct {
    const char *preset, *name;
    double published, within;
} figures[] = {
    {"v3-training", "hours", 2.788e6, 0.5},
    {"v3-training", "cost", 5.576e6, 0.5},
    {"v3-training", "hours_pretraining", 2.664e6, 0.5},
    {"v3-training", "days_per_trillion", 3.7, 0.05},
    {"day", "cost", 87072, 0.5},
    {"day", "revenue", 562027, 100}, /* tokens are published in whole billions */
    {"day", "profit_on_cost", 5.45, 0.01},
    {"day", "hit_share", 0.563, 0.001},
    {"day", "nodes_needed", 226.75, 0.5},
    {"guotai-junan", "ops_published", 1.6e19, 1e6},
    {"guotai-junan", "h100_published", 16177, 0},
    {"guotai-junan", "a100_published", 51282, 0},
    {"guotai-junan", "ratio", 18, 0.5},
    {"domestic-chips", "fewest", 83334, 0},
    {"domestic-chips", "most", 166667, 0},
    {"prices", "share_out", 0.037, 0.0006},
    {"shares", "server", 269010, 0},
    {"tpp", "a100_tpp", 4992, 0},
    {"tpp", "h100_tpp", 15824, 8.5},
    {"tpp", "h20_tpp", 2368, 0},
    {"tpp", "rtx4090_tpp", 5285, 0.5},
};

static void test_published_figures(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(figures); i++) {
        struct sheet sheet = computed(figures[i].preset);
        double value = sheet_value(&sheet, figures[i].name);
        if (!(fabs(value - figures[i].published) <= figures[i].within))
            fail_msg("%s %s: %.8g, published %.8g", figures[i].preset, figures[i].name, value,
                     figures[i].published);
    }
}

static void test_under_two_months(void **state) {
    (void)state;
    struct sheet sheet = computed("v3-training");
    assert_true(sheet_value(&sheet, "days") < 60);
    assert_true(sheet_value(&sheet, "devices") == 2048);
}

/* The classes of ECCN 3A090. */
static void test_export_classes(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double class;
    } chips[] = {
        {"a100_class", 2}, {"h100_class", 2}, {"h20_class", 0}, {"rtx4090_class", 2}, {"rtx4090d_class", 2}};
    struct sheet sheet = computed("tpp");
    for (size_t i = 0; i < COUNT_OF(chips); i++)
        if (sheet_value(&sheet, chips[i].name) != chips[i].class) fail_msg("%s", chips[i].name);
}

/* Every row's formula stands on rows above it, every published figure is reached, every word can be written. */
static void test_all_presets_agree(void **state) {
    (void)state;
    char number[SHEET_NUMBER_BYTES];
    for (int i = 0; preset_at(i); i++) {
        struct sheet sheet = computed(preset_at(i)->name);
        struct buffer text = {0};
        for (int row = 0; row < sheet.kind->rows; row++) {
            if (sheet_verdict(&sheet, row) == VERDICT_DIFFERS)
                fail_msg("%s %s: %s", sheet.kind->name, sheet.kind->row[row].name,
                         sheet_number(sheet.value[row], NULL, number));
            if (sheet.kind->row[row].kind == ROW_WORDS)
                sheet_write_words(&text, &sheet, &sheet.kind->row[row]);
        }
        assert_false(text.failed);
        buffer_free(&text);
    }
}

static void test_setting(void **state) {
    (void)state;
    struct sheet sheet;
    sheet_start(&sheet, preset_find("guotai-junan"));
    assert_int_equal(sheet_set_text(&sheet, "visits=50e6"), STATUS_OK);
    assert_int_equal(sheet_set_text(&sheet, "utilisation=25%"), STATUS_OK);
    assert_int_equal(sheet_compute(&sheet), STATUS_OK);
    assert_true(sheet_value(&sheet, "tokens") == 5e11);
    assert_true(sheet_value(&sheet, "h100_published") == 15773); /* 7.8e18 / (1978e12 / 4) */
    static const char *const wrong[] = {"visits",          "=3",           "visits=", "visits=x",
                                        "visits=-1",       "visits=1e400", "visit=1", "tokens=3",
                                        "visits=3 apples", "visits=nan"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(sheet_set_text(&sheet, wrong[i]), STATUS_USAGE);
    assert_int_equal(sheet_set_text(&sheet, "h100=0"), STATUS_OK);
    assert_int_equal(sheet_compute(&sheet), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "h100_published"));
    for (int row = 0; row < sheet.kind->rows; row++) /* changed inputs are nobody's published figures */
        assert_int_equal(sheet_verdict(&sheet, row), VERDICT_NONE);
}

static void test_numbers(void **state) {
    (void)state;
    char text[SHEET_NUMBER_BYTES];
    assert_string_equal(sheet_number(16177, "GPUs", text), "16,177");
    assert_string_equal(sheet_number(1.6e19, "OP/s", text), "1.6e19");
    assert_string_equal(sheet_number(0.5625, "%", text), "56.2 %");
    assert_string_equal(sheet_number(5.455, "%", text), "545.5 %");
    assert_string_equal(sheet_number(0, "$", text), "0");
    assert_string_equal(sheet_number(2.19, "$", text), "2.19");
    assert_string_equal(sheet_number(562100, "$", text), "562,100");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),       cmocka_unit_test(test_wrong_expressions),
        cmocka_unit_test(test_published_figures), cmocka_unit_test(test_under_two_months),
        cmocka_unit_test(test_export_classes),    cmocka_unit_test(test_all_presets_agree),
        cmocka_unit_test(test_setting),           cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
