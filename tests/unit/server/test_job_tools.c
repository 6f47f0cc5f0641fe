/* Calls in the answers of a job: what a whole answer and a stream make of them, and why the answer ended. */
#include "server/job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define CALL(name, arguments) "<｜tool▁call▁begin｜>" name "<｜tool▁sep｜>" arguments "<｜tool▁call▁end｜>"

static struct job_answer hear(const char *text, enum finish finish, bool streamed) {
    struct job_answer answer = {.parser = {.format = TOOL_FORMAT_PLAIN}, .finish = finish};
    for (size_t at = 0; at < strlen(text); at++) job_hear_answer(&answer, text + at, 1);
    job_end_answer(&answer, streamed);
    buffer_append_char(&answer.text[TEXT_ANSWER], 0);
    for (int i = 0; i < answer.calls; i++) buffer_append_char(&answer.call[i].arguments, 0);
    return answer;
}

static void forget(struct job_answer *answer) {
    buffer_free(&answer->text[TEXT_ANSWER]);
    job_free_calls(answer);
}

static void calls_stand_beside_the_text(void **state) {
    struct job_answer answer = hear("See:\n" CALL("f", "{\"a\":1}") CALL("g", "{}"), FINISH_STOP, false);
    (void)state;
    assert_string_equal(answer.text[TEXT_ANSWER].data, "See:");
    assert_int_equal(answer.calls, 2);
    assert_string_equal(answer.call[0].name, "f");
    assert_string_equal(answer.call[0].arguments.data, "{\"a\":1}");
    assert_string_equal(answer.call[1].name, "g");
    assert_int_equal(strlen(answer.call[0].id), JOB_CALL_ID_BYTES - 1);
    assert_string_not_equal(answer.call[0].id, answer.call[1].id);
    assert_string_equal(job_finish_reason(&answer), "tool_calls");
    forget(&answer);
}

/* Brackets in order are not JSON yet. */
static void what_is_no_json_is_text_again(void **state) {
    static const char *const texts[] = {CALL("f", "{\"a\":tru}"), CALL("f", "{\"a\" 1}"), CALL("f", "{]")};
    static const char *const shown[] = {"{\"a\":tru}", "{\"a\" 1}", "{]"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct job_answer whole = hear(texts[i], FINISH_STOP, false),
                          stream = hear(texts[i], FINISH_STOP, true);
        assert_int_equal(whole.calls, 0);
        assert_non_null(strstr(whole.text[TEXT_ANSWER].data, shown[i]));
        assert_string_equal(job_finish_reason(&whole), "stop");
        assert_int_equal(stream.calls, 1);
        assert_true(stream.call[0].broken);
        assert_string_equal(job_finish_reason(&stream), "stop");
        forget(&whole);
        forget(&stream);
    }
}

static void a_call_that_is_cut_has_the_reason_of_the_cut(void **state) {
    struct job_answer whole =
        hear(CALL("f", "{}") "<｜tool▁call▁begin｜>g<｜tool▁sep｜>{\"a\"", FINISH_LENGTH, false);
    struct job_answer stream = hear("<｜tool▁call▁begin｜>g<｜tool▁sep｜>{\"a\"", FINISH_LENGTH, true);
    struct job_answer late = hear(CALL("f", "{}"), FINISH_LENGTH, false);
    (void)state;
    assert_int_equal(whole.calls, 1);
    assert_string_equal(whole.call[0].name, "f");
    assert_non_null(strstr(whole.text[TEXT_ANSWER].data, "g<｜tool▁sep｜>{\"a\""));
    assert_string_equal(job_finish_reason(&whole), "length");
    assert_true(stream.call[0].broken);
    assert_string_equal(job_finish_reason(&stream), "length");
    assert_int_equal(late.calls, 1);
    assert_string_equal(job_finish_reason(&late), "length");
    forget(&whole);
    forget(&stream);
    forget(&late);
}

static void one_call_too_many_is_text(void **state) {
    struct buffer text = {0};
    (void)state;
    for (int i = 0; i <= CHAT_TOOLS_LIMIT; i++) buffer_append_text(&text, CALL("f", "{}"));
    buffer_append_char(&text, 0);
    struct job_answer answer = hear(text.data, FINISH_STOP, false);
    assert_int_equal(answer.calls, CHAT_TOOLS_LIMIT);
    assert_string_equal(answer.text[TEXT_ANSWER].data,
                        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}");
    forget(&answer);
    buffer_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_stand_beside_the_text),
        cmocka_unit_test(what_is_no_json_is_text_again),
        cmocka_unit_test(a_call_that_is_cut_has_the_reason_of_the_cut),
        cmocka_unit_test(one_call_too_many_is_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
