/* test_questions.c - published forms of questions become lines that verifiers take, and what is wrong is named. */
#include "eval/questions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static enum status parse(struct question_set *set, const char *text, const char *format) {
    static const struct verifiers none;
    struct question_reader reader = {&none, format, 0};
    *set = (struct question_set){0};
    return question_set_parse(set, text, strlen(text), "f.jsonl", &reader);
}

static const char *field(const struct question_set *set, int question, const char *name) {
    return json_string_value(json_object_get(set->question[question].line, name));
}

static bool judge(const struct question_set *set, int question, const char *text) {
    struct verifiers verifiers = {0};
    struct verdict verdict;
    if (verify(&verifiers, set->question[question].line, "q", text, strlen(text), &verdict) != STATUS_OK)
        fail_msg("%s", status_message());
    verifiers_close(&verifiers);
    return verdict.right;
}

static void refused(const char *text, const char *format, const char *message) {
    struct question_set set;
    if (parse(&set, text, format) == STATUS_OK) fail_msg("taken: %s", text);
    if (!strstr(status_message(), message)) fail_msg("'%s' says '%s'", text, status_message());
    question_set_free(&set);
}

static void test_maths(void **state) {
    (void)state;
    struct question_set set;
    assert_int_equal(
        parse(&set,
              "{\"ID\": \"2024-II-4\", \"Problem\": \"P1\", \"Solution\": \"s\", \"Answer\": 33}\n\n"
              "{\"problem\": \"P2\", \"answer\": \"\\\\frac{1}{2}\", \"subject\": \"Algebra\", "
              "\"level\": 2, \"unique_id\": \"test/algebra/1.json\"}\n"
              "{\"problem\": \"P3\", \"solution\": \"so \\\\boxed{x+1}.\", \"type\": \"Algebra\"}\n",
              NULL),
        STATUS_OK);
    assert_int_equal(set.questions, 3);
    assert_string_equal(set.question[0].id, "2024-II-4");
    assert_string_equal(set.question[1].group, "Algebra");
    assert_string_equal(set.question[2].id, "3");
    assert_non_null(strstr(field(&set, 0, "prompt"), "P1"));
    assert_non_null(strstr(field(&set, 0, "prompt"), "\\boxed{}"));
    assert_true(judge(&set, 0, "<think>\\boxed{1}</think>It is \\boxed{033}."));
    assert_false(judge(&set, 0, "33"));
    assert_true(judge(&set, 1, "\\boxed{0.5}"));
    assert_true(judge(&set, 2, "\\boxed{1 + x}"));
    question_set_free(&set);
}

static void test_gsm8k(void **state) {
    (void)state;
    struct question_set set;
    assert_int_equal(
        parse(&set, "{\"question\": \"Q\", \"answer\": \"3*5=<<3*5=15>>15\\n#### 1,015\"}", NULL), STATUS_OK);
    assert_true(judge(&set, 0, "\\boxed{1015}"));
    assert_true(judge(&set, 0, "\\boxed{\\$1,015.00}"));
    assert_false(judge(&set, 0, "\\boxed{15}"));
    question_set_free(&set);
}

static void test_choices(void **state) {
    (void)state;
    struct question_set set;
    assert_int_equal(parse(&set, "\"One, or\n\"\"two\"\"?\",a,b,c,d,C\nNext?,e,f,g,h,A\n", NULL), STATUS_OK);
    assert_int_equal(set.questions, 2);
    assert_non_null(strstr(field(&set, 0, "prompt"), "One, or\n\"two\"?\n\nA) a\nB) b\nC) c\nD) d"));
    assert_true(judge(&set, 0, "Because.\n\nAnswer: C"));
    assert_true(judge(&set, 0, "**Answer:** (C)"));
    assert_true(judge(&set, 0, "C"));
    assert_true(judge(&set, 0, "the answer is \\boxed{\\text{C}}"));
    assert_false(judge(&set, 0, "Answer: A. But C is close"));
    assert_false(judge(&set, 0, "Can it be? A cat"));
    question_set_free(&set);
    assert_int_equal(parse(&set, "question,A,B,C,D,answer\r\nQ,1,2,3,4,d\r\n", NULL), STATUS_OK);
    assert_true(judge(&set, 0, "D"));
    question_set_free(&set);
    assert_int_equal(
        parse(&set,
              "{\"question\": \"Q\", \"choices\": [\"x\", \"y\"], \"answer\": 1, \"subject\": \"s\"}\n"
              "{\"question\": \"Q\", \"options\": [\"x\", \"y\", \"z\"], \"answer\": \"C\", "
              "\"answer_index\": 2, \"category\": \"t\"}",
              NULL),
        STATUS_OK);
    assert_true(judge(&set, 0, "Answer: B"));
    assert_true(judge(&set, 1, "(C)"));
    question_set_free(&set);
    /* ARC's labels, of which some are numbers from 1 */
    assert_int_equal(
        parse(
            &set,
            "{\"question\": \"Q\", \"choices\": {\"text\": [\"x\", \"y\", \"z\"], \"label\": [\"1\", \"2\", "
            "\"3\"]}, \"answerKey\": \"3\"}\n"
            "{\"question\": \"R\", \"choices\": {\"text\": [\"x\", \"y\"], \"label\": [\"A\", \"B\"]}, "
            "\"answerKey\": \"A\"}\n"
            "{\"question\": \"S\", \"choices\": {\"text\": [\"x\", \"y\", \"z\"], \"label\": [\"1\", \"2\", "
            "\"3\"]}, \"answerKey\": \"1\"}",
            NULL),
        STATUS_OK);
    assert_true(judge(&set, 0, "Answer: C"));
    assert_true(judge(&set, 1, "Answer: A"));
    assert_true(judge(&set, 2, "Answer: A"));
    question_set_free(&set);
}

/* The right answer moves, to the same place each time. */
static void test_gpqa(void **state) {
    (void)state;
    static const char text[] = "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,"
                               "Incorrect Answer 3,High-level domain\n"
                               "r1,Q one,right,w1,w2,w3,Physics\nr2,Q two,right,w1,w2,w3,Physics\n"
                               "r3,Q three,right,w1,w2,w3,Physics\nr4,Q four,right,w1,w2,w3,Chemistry\n"
                               "r5,Q five,right,w1,w2,w3,Chemistry\nr6,Q six,right,w1,w2,w3,Chemistry\n";
    struct question_set set, again;
    unsigned places = 0;
    assert_int_equal(parse(&set, text, NULL), STATUS_OK);
    assert_int_equal(parse(&again, text, "gpqa"), STATUS_OK);
    for (int i = 0; i < set.questions; i++) {
        char line[16];
        const char *letter = field(&set, i, "answer");
        places |= 1u << (*letter - 'A');
        snprintf(line, sizeof line, "%s) right", letter);
        assert_non_null(strstr(field(&set, i, "prompt"), line));
        assert_string_equal(letter, field(&again, i, "answer"));
    }
    assert_true(places & (places - 1));
    assert_string_equal(set.question[3].group, "Chemistry");
    question_set_free(&set);
    question_set_free(&again);
}

static void test_humaneval(void **state) {
    (void)state;
    struct question_set set;
    assert_int_equal(
        parse(&set,
              "{\"task_id\": \"HumanEval/0\", \"prompt\": \"def one() -> int:\\n    \\\"\\\"\\\"1"
              "\\\"\\\"\\\"\\n\", \"entry_point\": \"one\", \"canonical_solution\": \"    return 1\\n\","
              " \"test\": \"def check(candidate):\\n    assert candidate() == 1\\n\"}",
              NULL),
        STATUS_OK);
    assert_string_equal(set.question[0].id, "HumanEval/0");
    assert_string_equal(field(&set, 0, "plain"), "def one() -> int:\n    \"\"\"1\"\"\"\n");
    struct verifiers verifiers = {0};
    struct verdict verdict;
    const json_t *line = set.question[0].line;
    enum status status = verify(&verifiers, line, "q", "    return 1\n", 13, &verdict);
    if (status == STATUS_UNSUPPORTED) skip(); /* no sandbox here */
    assert_true(verdict.right);
    assert_true(judge(&set, 0, "Here:\n```python\ndef one() -> int:\n    return 1\n```\nDone."));
    assert_false(judge(&set, 0, "    return 2\n"));
    assert_false(judge(&set, 0, "```python\ndef two():\n    return 1\n```"));
    question_set_free(&set);
}

static void test_refusals(void **state) {
    (void)state;
    refused("", NULL, "there are no questions");
    refused("{\"id\": 1}", NULL, "f.jsonl, line 1: expected \"prompt\"");
    refused("{\"prompt\": \"x\"}", NULL, "line 1: no \"verifier\"");
    refused("{\"prompt\": \"x\", \"verifier\": \"boxed\"}", NULL, "\"answer\" must be");
    refused("{\"prompt\": \"x\", \"verifier\": \"choice\", \"answer\": \"yes\"}", NULL, "a letter");
    refused("{\"prompt\": \"x\", \"verifier\": \"exact\", \"answer\": \"a\", \"id\": \"i\"}\n"
            "{\"prompt\": \"y\", \"verifier\": \"exact\", \"answer\": \"a\", \"id\": \"i\"}",
            NULL, "two questions have the id 'i'");
    refused("{\"question\": \"Q\", \"answer\": \"7\"}", "gsm8k", "gsm8k needs");
    refused("{\"question\": \"Q\", \"choices\": [\"x\"], \"answer\": 0}", NULL, "mmlu needs");
    refused("{\"question\": \"Q\", \"choices\": [\"x\", \"y\"], \"answer\": 2}", NULL, "mmlu needs");
    refused("{\"question\": \"Q\", \"choices\": [\"x\", \"y\", 3, \"z\"], \"answer\": 1}", NULL,
            "mmlu needs");
    refused("{\"prompt\": \"x\"}", "nosuch", "--format nosuch");
    refused("a,\"b\n", NULL, "a quote is opened");
    refused("question,A\nx\n", NULL, "line 2: 1 fields below a head of 2");
    refused("\x1f\x8b\x08", NULL, "gunzip");
    refused("PAR1xxxx", NULL, "Parquet");
    refused("{\"prompt\": ", NULL, "line 1");
    refused("[1]", NULL, "f.jsonl");
}

/* A question's seeds are its own, whatever lies beside it. */
static void test_seeds(void **state) {
    (void)state;
    static const char one[] =
        "{\"prompt\": \"a\", \"verifier\": \"exact\", \"answer\": \"1\", \"id\": \"x\"}";
    static const char two[] =
        "{\"prompt\": \"b\", \"verifier\": \"exact\", \"answer\": \"1\"}\n"
        "{\"prompt\": \"a\", \"verifier\": \"exact\", \"answer\": \"1\", \"id\": \"x\"}";
    struct question_set first, second;
    assert_int_equal(parse(&first, one, NULL), STATUS_OK);
    assert_int_equal(parse(&second, two, NULL), STATUS_OK);
    assert_int_equal(question_seed(&first.question[0], 1, 3), question_seed(&second.question[1], 1, 3));
    assert_int_not_equal(question_seed(&first.question[0], 1, 3), question_seed(&first.question[0], 1, 4));
    assert_int_not_equal(question_seed(&first.question[0], 1, 3), question_seed(&first.question[0], 2, 3));
    assert_int_not_equal(question_seed(&second.question[0], 1, 3), question_seed(&second.question[1], 1, 3));
    assert_true(question_set_identity(&first) != question_set_identity(&second));
    question_set_free(&first);
    question_set_free(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_maths),     cmocka_unit_test(test_gsm8k),
                                       cmocka_unit_test(test_choices),   cmocka_unit_test(test_gpqa),
                                       cmocka_unit_test(test_humaneval), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
