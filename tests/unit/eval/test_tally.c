/* test_tally.c - recorded answers counted: shares, votes by what answers mean, and files that go on after a cut. */
#include "support/scratch.h"

#include "base/buffer.h"
#include "eval/tally.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char head[] = "{\"hadal_eval\": 1, \"settings\": {\"seed\": 1}}\n";

static void append(char *text, size_t room, const char *question, int sample, bool right,
                   const char *result) {
    size_t used = strlen(text);
    snprintf(text + used, room - used,
             "{\"set\": \"s\", \"question\": \"%s\", \"identity\": \"ff\", \"sample\": %d, \"right\": %s, "
             "\"reward\": "
             "0, %s%s%s \"rule\": \"boxed\", \"finish\": \"stop\", \"tokens\": 10}\n",
             question, sample, right ? "true" : "false", result ? "\"result\": \"" : "", result ? result : "",
             result ? "\"," : "");
}

static void test_votes(void **state) {
    (void)state;
    char text[4096] = "";
    struct record record = {0};
    struct tally tally;
    struct tally_row row;
    size_t whole;
    strcpy(text, head);
    append(text, sizeof text, "b", 1, false, "7"); /* a: 1/2 and 0.5 are one answer */
    append(text, sizeof text, "a", 0, true, "1/2");
    append(text, sizeof text, "a", 1, false, "3");
    append(text, sizeof text, "a", 2, true, "0.5");
    append(text, sizeof text, "b", 0, true, "6"); /* b: even, the first counts */
    append(text, sizeof text, "c", 0, false, NULL);
    append(text, sizeof text, "c", 1, false, NULL);
    assert_int_equal(record_parse(&record, text, strlen(text), "r", &whole), STATUS_OK);
    assert_int_equal(whole, strlen(text));
    assert_int_equal(tally_make(&tally, &record), STATUS_OK);
    assert_int_equal(tally.questions, 3);
    assert_true(tally.question[0].vote == 1 && tally.question[1].vote == 1 && tally.question[2].vote == 0);
    assert_int_equal(tally_row_of(&tally, &record, 0, 3, &row), STATUS_OK);
    assert_true(fabs(row.pass.value - (2.0 / 3 + 0.5 + 0) / 3) < 1e-12);
    assert_true(fabs(row.vote.value - 2.0 / 3) < 1e-12);
    assert_int_equal(row.pass_ats, 1); /* no question has fewer than two */
    assert_true(fabs(row.pass_at[0].value - (1 + 1 + 0) / 3.0) < 1e-12);
    assert_true(row.tokens == 10 && row.samples == 7 && row.least == 2 && row.most == 3);
    tally_free(&tally);
    record_free(&record);
}

static void refused(const char *text, const char *message) {
    struct record record = {0};
    size_t whole;
    assert_int_not_equal(record_parse(&record, text, strlen(text), "r", &whole), STATUS_OK);
    if (!strstr(status_message(), message)) fail_msg("'%s', expected '%s'", status_message(), message);
    record_free(&record);
}

static void test_refusals(void **state) {
    (void)state;
    refused("", "no run of hadal eval");
    refused("{}\n", "no run of hadal eval");
    refused("{\"hadal_eval\": 2}\n", "no run of hadal eval");
    refused("{\"hadal_eval\": 1}\n{\"set\": 1}\n", "line 2");
    refused(
        "{\"hadal_eval\": 1}\n{\"set\": \"s\", \"question\": \"q\", \"identity\": \"x\", \"sample\": 0}\n",
        "\"identity\"");
    refused(
        "{\"hadal_eval\": 1}\n{\"set\": \"s\", \"question\": \"q\", \"identity\": \"1\", \"sample\": -1}\n",
        "\"sample\"");
}

/* What a kill leaves behind the last whole line is cut off; another run's file is refused and stays as it is. */
static void test_going_on(void **state) {
    (void)state;
    char path[512], text[2048] = "";
    struct record_writer writer, second;
    struct record record, other;
    json_t *wanted = json_loads(head, 0, NULL);
    struct scratch scratch;
    scratch_open(&scratch);
    snprintf(path, sizeof path, "%s", scratch_path(&scratch, "run"));
    strcpy(text, head);
    append(text, sizeof text, "a", 0, true, "1");
    size_t whole = strlen(text);
    strcat(text, "{\"set\": \"s\", \"quest");
    scratch_write(&scratch, "run", text, strlen(text));
    assert_int_equal(record_open(&writer, path, wanted, &record), STATUS_OK);
    assert_int_equal(record.samples, 1);
    assert_int_equal(record_open(&second, path, wanted, &other), STATUS_BUSY);
    struct sample sample = {strdup("s"), strdup("b"), NULL,           255,    1, true, 1,
                            strdup("x"), "boxed",     strdup("text"), "stop", 3, 4,    0.5};
    assert_int_equal(record_add(&writer, &record, &sample), STATUS_OK);
    record_close(&writer);
    record_free(&record);
    assert_int_equal(record_read(&record, path), STATUS_OK);
    assert_int_equal(record.samples, 2);
    assert_string_equal(record.sample[1].text, "text");
    assert_string_equal(record.sample[1].rule, "boxed");
    record_free(&record);
    assert_int_equal(truncate(path, (off_t)whole), 0);
    json_object_set_new(json_object_get(wanted, "settings"), "seed", json_integer(2));
    assert_int_equal(record_open(&writer, path, wanted, &record), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "settings seed is 1 there and 2 here"));
    assert_int_equal(truncate(path, 20), 0); /* within the first line */
    assert_int_equal(record_open(&writer, path, wanted, &record), STATUS_OK);
    assert_int_equal(record.samples, 0);
    record_close(&writer);
    record_free(&record);
    static const char *const others[] = {"a diary\n", "a diary", "{\"colour\": \"blue\"}", "{\"hadal\""};
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct buffer left = {0};
        scratch_write(&scratch, "run", others[i], strlen(others[i]));
        assert_int_not_equal(record_open(&writer, path, wanted, &record), STATUS_OK);
        assert_int_equal(buffer_read_file(&left, path, 100), STATUS_OK);
        assert_string_equal(left.data, others[i]);
        buffer_free(&left);
    }
    json_decref(wanted);
    scratch_close(&scratch);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_votes), cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_going_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
