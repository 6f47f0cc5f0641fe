/* test_verify.c - what counts as right, and what a stranger's text and task can do: nothing but be wrong or be refused. */
#include "train/verify.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static enum status judge(const char *line, const char *text, struct verdict *verdict) {
    struct verifiers verifiers;
    json_t *root;
    if (json_parse(line, strlen(line), "t", &root) != STATUS_OK) fail_msg("%s", status_message());
    assert_int_equal(verifiers_open(&verifiers, NULL, 0), STATUS_OK);
    enum status status = verifiers_check(&verifiers, root, "t");
    if (status == STATUS_OK) status = verify(&verifiers, root, "t", text, strlen(text), verdict);
    verifiers_close(&verifiers);
    json_decref(root);
    return status;
}

static void expect(bool right, const char *line, const char *text) {
    struct verdict verdict;
    if (judge(line, text, &verdict) != STATUS_OK) fail_msg("%s: %s", line, status_message());
    if (verdict.right != right) fail_msg("%s: '%s' counts as %s", line, text, right ? "wrong" : "right");
}

#define NUMERIC(answer) "{\"verifier\": \"numeric\", \"answer\": " answer "}"

static void test_numeric(void **state) {
    (void)state;
    expect(true, NUMERIC("\"42\""), "it is 42");
    expect(true, NUMERIC("42"), "<think>41? 43?</think>\n\n**42**.");
    expect(false, NUMERIC("42"), "42 or 43");
    expect(false, NUMERIC("42"), "");
    expect(false, NUMERIC("42"), "forty-two");
    expect(true, NUMERIC("1234567"), "1,234,567");
    expect(true, NUMERIC("\"1,234\""), "= 1234.00");
    expect(false, NUMERIC("1234"), "1,23,4");
    expect(true, NUMERIC("-5"), "x = -5");
    expect(false, NUMERIC("-5"), "x = 5");
    expect(true, NUMERIC("5"), "10-5");
    expect(true, NUMERIC("0"), "-0.00");
    expect(true, NUMERIC("\"0.5\""), ".50");
    expect(true, NUMERIC("7"), "007");
    expect(false, NUMERIC("7"), "7.5");
    expect(true, NUMERIC("\"123456789012345678901234567890\""), "123456789012345678901234567890");
    expect(false, NUMERIC("\"123456789012345678901234567890\""), "123456789012345678901234567891");
    expect(true, "{\"verifier\": \"numeric\", \"answer\": 3.14159, \"tolerance\": 0.01}", "about 3.14");
    expect(false, "{\"verifier\": \"numeric\", \"answer\": 3.14159, \"tolerance\": 0.001}", "about 3.14");
}

static void test_exact(void **state) {
    (void)state;
    expect(true, "{\"verifier\": \"exact\", \"answer\": \"Paris\"}", "<think>Rome</think> Paris\n");
    expect(false, "{\"verifier\": \"exact\", \"answer\": \"Paris\"}", "Paris.");
    expect(true, "{\"verifier\": \"exact\", \"answer\": \"\"}", " \n ");
}

static void test_format(void **state) {
    (void)state;
    const char *line = "{\"verifier\": \"format\"}";
    expect(true, line, "<think>\nhm\n</think>\n\nyes");
    expect(true, line, "hm\n</think>\n\nyes"); /* the prompt opened it */
    expect(false, line, "yes");
    expect(false, line, "<think>hm");
    expect(false, line, "<think>hm</think>");
    expect(false, line, "<think> \n</think>yes");
    expect(false, line, "</think>yes");
    expect(false, line, "<think>a</think>b</think>c");
    expect(false, line, "a<think>b</think>c");
    expect(false, line, "<think><think>b</think>c");
}

static void test_sums(void **state) {
    (void)state;
    const char *line =
        "{\"verifier\": [\"numeric\", {\"name\": \"format\", \"weight\": 0.25}], \"answer\": 3}";
    struct verdict verdict;
    assert_int_equal(judge(line, "<think>so</think>3", &verdict), STATUS_OK);
    assert_true(verdict.reward == 1.25 && verdict.right);
    assert_int_equal(judge(line, "<think>so</think>4", &verdict), STATUS_OK);
    assert_true(verdict.reward == 0.25 && !verdict.right);
    assert_int_equal(judge(line, "3", &verdict), STATUS_OK);
    assert_true(verdict.reward == 1 && verdict.right);
}

static void test_options(void **state) {
    (void)state;
    static const char *const good[] = {"numeric", "format=0.5"}, *const bad[] = {"numeric=x", "fine",
                                                                                 "exact=", "=1"};
    struct verifiers verifiers;
    struct verdict verdict;
    json_t *line = json_pack("{s:i}", "answer", 7);
    assert_int_equal(verifiers_open(&verifiers, good, 2), STATUS_OK);
    assert_int_equal(verifiers_check(&verifiers, line, "t"), STATUS_OK);
    assert_int_equal(verify(&verifiers, line, "t", "<think>a</think>7", 17, &verdict), STATUS_OK);
    assert_true(verdict.reward == 1.5);
    verifiers_close(&verifiers);
    json_decref(line);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(verifiers_open(&verifiers, &bad[i], 1), STATUS_USAGE);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {"{}",
                                      "{\"verifier\": 3}",
                                      "{\"verifier\": \"magic\"}",
                                      "{\"verifier\": [\"exact\", 3], \"answer\": \"x\"}",
                                      "{\"verifier\": \"exact\"}",
                                      "{\"verifier\": \"exact\", \"answer\": []}",
                                      "{\"verifier\": []}",
                                      "{\"verifier\": {\"name\": \"format\", \"weight\": \"much\"}}",
                                      "{\"verifier\": \"numeric\", \"answer\": \"none\"}",
                                      "{\"verifier\": \"numeric\", \"answer\": 1, \"tolerance\": -1}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct verdict verdict;
        if (judge(bad[i], "1", &verdict) == STATUS_OK) fail_msg("%s is taken", bad[i]);
        assert_non_null(strstr(status_message(), "t: "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numeric), cmocka_unit_test(test_exact),   cmocka_unit_test(test_format),
        cmocka_unit_test(test_sums),    cmocka_unit_test(test_options), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
