/* test_conversation.c - messages turn by turn, and answers to them from a model of random weights. */
#include "engine/conversation.h"
#include "support/small_model.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 128 };

static void add(struct conversation *conversation, enum chat_role role, const char *text) {
    assert_int_equal(conversation_add(conversation, role, text, strlen(text)), STATUS_OK);
}

/* "role:content|role:content|" */
static void expect(const struct conversation *conversation, const char *expected) {
    static const char letter[] = {[ROLE_SYSTEM] = 's', [ROLE_USER] = 'u', [ROLE_ASSISTANT] = 'a'};
    struct buffer text = {0};
    struct chat chat = conversation_chat(conversation);
    buffer_append(&text, "", 0);
    for (int i = 0; i < chat.messages; i++)
        buffer_printf(&text, "%c:%s|", letter[chat.message[i].role], chat.message[i].content);
    assert_string_equal(text.data, expected);
    buffer_free(&text);
}

static void messages_are_kept_in_order(void **state) {
    (void)state;
    struct conversation conversation = {0};
    expect(&conversation, "");
    assert_null(conversation_system(&conversation));
    add(&conversation, ROLE_USER, "one");
    assert_int_equal(conversation_set_system(&conversation, "first"), STATUS_OK);
    add(&conversation, ROLE_ASSISTANT, "");
    expect(&conversation, "s:first|u:one|a:|");
    assert_int_equal(conversation_set_system(&conversation, "second"), STATUS_OK);
    assert_string_equal(conversation_system(&conversation), "second");
    expect(&conversation, "s:second|u:one|a:|");
    assert_int_equal(conversation_set_system(&conversation, NULL), STATUS_OK);
    assert_int_equal(conversation_set_system(&conversation, NULL), STATUS_OK);
    expect(&conversation, "u:one|a:|");
    conversation_truncate(&conversation, 5);
    conversation_truncate(&conversation, 1);
    expect(&conversation, "u:one|");
    conversation_truncate(&conversation, -1);
    expect(&conversation, "");
    conversation_close(&conversation);
}

static void text_is_repaired(void **state) {
    (void)state;
    struct conversation conversation = {0};
    assert_int_equal(conversation_add(&conversation, ROLE_USER,
                                      "a\0b\xff"
                                      "c\0",
                                      6),
                     STATUS_OK);
    expect(&conversation, "u:a\xEF\xBF\xBD"
                          "b\xEF\xBF\xBD"
                          "c\xEF\xBF\xBD|");
    conversation_close(&conversation);
}

static void there_are_limits(void **state) {
    (void)state;
    struct conversation conversation = {0};
    for (int i = 0; i < CHAT_MESSAGES_LIMIT; i++) add(&conversation, ROLE_USER, "x");
    assert_int_equal(conversation_add(&conversation, ROLE_USER, "x", 1), STATUS_LIMIT);
    assert_int_equal(conversation.messages, CHAT_MESSAGES_LIMIT);
    char *large = calloc(1, CHAT_CONTENT_LIMIT + 1);
    assert_non_null(large);
    memset(large, 'x', CHAT_CONTENT_LIMIT + 1);
    conversation_truncate(&conversation, 0);
    assert_int_equal(conversation_add(&conversation, ROLE_USER, large, CHAT_CONTENT_LIMIT + 1), STATUS_LIMIT);
    assert_int_equal(conversation.messages, 0);
    free(large);
    conversation_close(&conversation);
}

static void json_replaces_everything_or_nothing(void **state) {
    (void)state;
    static const char good[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}],\"tools\":[{\"type\":"
                               "\"function\",\"function\":{\"name\":\"f\"}}]}";
    struct conversation conversation = {0};
    struct buffer text = {0};
    add(&conversation, ROLE_USER, "old");
    assert_int_equal(conversation_load(&conversation, "[{}]", 4, "file"), STATUS_INPUT);
    expect(&conversation, "u:old|");
    assert_int_equal(conversation_load(&conversation, good, strlen(good), "file"), STATUS_OK);
    add(&conversation, ROLE_ASSISTANT, "new");
    expect(&conversation, "u:hi|a:new|");
    struct chat chat = conversation_chat(&conversation);
    assert_int_equal(json_array_size(chat.tools), 1);
    chat_to_json(&chat, &text);
    assert_int_equal(conversation_load(&conversation, text.data, text.bytes, "again"), STATUS_OK);
    expect(&conversation, "u:hi|a:new|");
    assert_non_null(conversation_chat(&conversation).tools);
    buffer_free(&text);
    conversation_close(&conversation);
}

/* ---- answers ---- */

struct fixture {
    struct scratch scratch;
    struct engine *engine;
    struct sequence *sequence;
};

static int open_fixture(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    if (!fixture) return 1;
    scratch_open(&fixture->scratch);
    fixture->engine = small_model_open(small_model_write(&fixture->scratch), CONTEXT, 16);
    if (sequence_open(&fixture->sequence, fixture->engine) != STATUS_OK) return 1;
    *state = fixture;
    return 0;
}

static int close_fixture(void **state) {
    struct fixture *fixture = *state;
    sequence_close(fixture->sequence);
    engine_close(fixture->engine);
    scratch_close(&fixture->scratch);
    free(fixture);
    return 0;
}

struct heard {
    struct buffer text[2];
    int tokens, stop_after;
};

static void hear_text(void *context, enum text_kind kind, const char *text, size_t bytes) {
    struct heard *heard = context;
    assert_true(bytes > 0);
    buffer_append(&heard->text[kind], text, bytes);
}

static bool hear_token(void *context, const struct choice *choice) {
    struct heard *heard = context;
    assert_non_null(choice);
    return ++heard->tokens != heard->stop_after;
}

static void hear_again(struct heard *heard) {
    heard->tokens = 0;
    for (int i = 0; i < 2; i++) {
        buffer_clear(&heard->text[i]);
        buffer_append(&heard->text[i], "", 0);
    }
}

static enum status ask(struct fixture *fixture, struct conversation *conversation,
                       enum chat_template template, int tokens, struct heard *heard, struct answer *answer) {
    struct render_options render = {.template = template};
    struct generation_options options = {.sampling = sampling_default(), .max_tokens = tokens};
    struct answer_events events = {.context = heard, .text = hear_text, .token = hear_token};
    hear_again(heard);
    return conversation_answer(conversation, &render, &options, fixture->sequence, &events, answer);
}

static void heard_free(struct heard *heard) {
    for (int i = 0; i < 2; i++) buffer_free(&heard->text[i]);
}

static void history_is_not_computed_again(void **state) {
    struct fixture *fixture = *state;
    struct conversation conversation = {0};
    struct heard heard = {0};
    struct answer answer = {0};
    add(&conversation, ROLE_USER, "a first question");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 8, &heard, &answer), STATUS_OK);
    assert_int_equal(answer.finish, FINISH_LENGTH);
    assert_false(answer.reasoned);
    assert_int_equal(heard.tokens, 8);
    assert_int_equal(conversation.messages, 2);
    assert_string_equal(conversation.message[1].content, answer.text.data);
    assert_string_equal(heard.text[TEXT_ANSWER].data, answer.text.data);
    assert_null(conversation.message[1].reasoning);
    int before = answer.timings.prompt_tokens;
    add(&conversation, ROLE_USER, "more");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 8, &heard, &answer), STATUS_OK);
    assert_true(answer.timings.cached_tokens >= before);
    assert_true(answer.timings.prompt_tokens > before + 4);
    assert_int_equal(conversation.messages, 4);
    conversation_truncate(&conversation, 3); /* the same prompt again: all but its last token is cached */
    int prompt = answer.timings.prompt_tokens;
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 1, &heard, &answer), STATUS_OK);
    assert_int_equal(answer.timings.cached_tokens, prompt - 1);
    answer_free(&answer);
    heard_free(&heard);
    conversation_close(&conversation);
}

static void reasoning_is_kept_apart_and_dropped_later(void **state) {
    struct fixture *fixture = *state;
    struct conversation conversation = {0};
    struct heard heard = {0};
    struct answer answer = {0};
    add(&conversation, ROLE_USER, "why?");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_R1, 8, &heard, &answer), STATUS_OK);
    assert_true(answer.reasoned && answer.reasoning.bytes > 0);
    assert_int_equal(answer.text.bytes, 0); /* a random model does not stop reasoning within 8 tokens */
    assert_string_equal(heard.text[TEXT_REASONING].data, answer.reasoning.data);
    assert_string_equal(conversation.message[1].reasoning, answer.reasoning.data);
    assert_string_equal(conversation.message[1].content, "");
    int first = answer.timings.prompt_tokens;
    add(&conversation, ROLE_USER, "why?");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_R1, 1, &heard, &answer), STATUS_OK);
    assert_true(answer.timings.prompt_tokens < 2 * first + 1);
    answer_free(&answer);
    heard_free(&heard);
    conversation_close(&conversation);
}

static void a_stopped_answer_counts(void **state) {
    struct fixture *fixture = *state;
    struct conversation conversation = {0};
    struct heard heard = {.stop_after = 3};
    struct answer answer = {0};
    add(&conversation, ROLE_USER, "x");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 20, &heard, &answer), STATUS_OK);
    assert_int_equal(answer.finish, FINISH_CANCELLED);
    assert_int_equal(answer.timings.generated_tokens, 3);
    assert_int_equal(conversation.messages, 2);
    assert_string_equal(conversation.message[1].content, answer.text.data);
    answer_free(&answer);
    heard_free(&heard);
    conversation_close(&conversation);
}

static bool stop_reading(void *context, int done, int total) {
    (void)context;
    assert_true(done <= total);
    return false;
}

static void an_answer_that_did_not_begin_is_none(void **state) {
    struct fixture *fixture = *state;
    struct conversation conversation = {0};
    struct answer answer = {0};
    struct render_options render = {.template = TEMPLATE_DEEPSEEK_V3};
    struct generation_options options = {.sampling = sampling_default(), .max_tokens = 4};
    struct answer_events events = {.prefill = stop_reading};
    static const char *const questions[] = {"x", "a question that takes more than one step to be read"};
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        conversation_truncate(&conversation, 0);
        add(&conversation, ROLE_USER, questions[i]);
        assert_int_equal(
            conversation_answer(&conversation, &render, &options, fixture->sequence, &events, &answer),
            STATUS_OK);
        assert_int_equal(answer.finish, FINISH_CANCELLED);
        assert_int_equal(answer.timings.generated_tokens, 0);
        assert_int_equal(conversation.messages, 1);
    }
    answer_free(&answer);
    conversation_close(&conversation);
}

static void what_does_not_fit_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    struct conversation conversation = {0};
    struct heard heard = {0};
    struct answer answer = {0};
    add(&conversation, ROLE_USER, "x");
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 2, &heard, &answer), STATUS_OK);
    int tokens = fixture->sequence->tokens;
    char large[4 * CONTEXT];
    memset(large, '7', sizeof large - 1);
    large[sizeof large - 1] = 0;
    add(&conversation, ROLE_USER, large);
    assert_int_equal(ask(fixture, &conversation, TEMPLATE_DEEPSEEK_V3, 2, &heard, &answer), STATUS_LIMIT);
    assert_non_null(strstr(status_message(), "more than the context of 128"));
    assert_int_equal(conversation.messages, 3);
    assert_int_equal(fixture->sequence->tokens, tokens);
    answer_free(&answer);
    heard_free(&heard);
    conversation_close(&conversation);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_kept_in_order),
        cmocka_unit_test(text_is_repaired),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(json_replaces_everything_or_nothing),
        cmocka_unit_test(history_is_not_computed_again),
        cmocka_unit_test(reasoning_is_kept_apart_and_dropped_later),
        cmocka_unit_test(a_stopped_answer_counts),
        cmocka_unit_test(an_answer_that_did_not_begin_is_none),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests_name("conversation", tests, open_fixture, close_fixture);
}
