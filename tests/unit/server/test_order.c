/* Bodies of requests: what is read, the defaults, and the sentence for everything that is wrong. */
#include "server/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct order chat_order(const char *body) {
    struct order order;
    if (order_from_chat(&order, body, strlen(body), dialect_find("deepseek")) != STATUS_OK)
        fail_msg("%s: %s", body, status_message());
    return order;
}

#define MESSAGES "\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]"

static void defaults_are_the_contracts(void **state) {
    struct order order = chat_order("{" MESSAGES "}");
    (void)state;
    assert_string_equal(order.model, "m");
    assert_int_equal(order.chat.messages, 1);
    assert_true(order.sampling.temperature == 1 && order.sampling.top_p == 1);
    assert_int_equal(order.sampling.logprobs, -1);
    assert_int_equal(order.max_tokens, -1);
    assert_int_equal(order.choices, 1);
    assert_int_equal(order.stops, 0);
    assert_false(order.stream || order.usage_asked || order.seed_given);
    assert_int_equal(order.thinking, THINKING_DEFAULT);
    assert_int_equal(order.format, FORMAT_TEXT);
    order_free(&order);
}

static void every_field_is_read(void **state) {
    struct order order = chat_order(
        "{" MESSAGES ",\"temperature\":0.5,\"top_p\":0.25,\"top_k\":-1,\"min_p\":0.125,"
        "\"presence_penalty\":-2,\"frequency_penalty\":2,\"seed\":-3,\"n\":2,\"max_tokens\":7,\"stream\":"
        "true,"
        "\"stream_options\":{\"include_usage\":true},\"logprobs\":true,\"top_logprobs\":20,\"stop\":[\"a\","
        "\"b\"],"
        "\"logit_bias\":{\"5\":1.5,\"6\":-100},\"thinking\":{\"type\":\"disabled\"},\"user_id\":\"u_1-\","
        "\"response_format\":{\"type\":\"json_object\"},\"unknown\":[1,{}]}");
    (void)state;
    assert_string_equal(order.model, "m");
    assert_true(order.sampling.temperature == 0.5 && order.sampling.top_p == 0.25 &&
                order.sampling.top_k == 0);
    assert_true(order.sampling.min_p == 0.125 && order.sampling.presence_penalty == -2 &&
                order.sampling.frequency_penalty == 2);
    assert_int_equal((int64_t)order.sampling.seed, -3);
    assert_int_equal(order.choices, 2);
    assert_int_equal(order.max_tokens, 7);
    assert_true(order.stream && order.usage_asked && order.seed_given);
    assert_int_equal(order.sampling.logprobs, 20);
    assert_int_equal(order.stops, 2);
    assert_string_equal(order.stop[1], "b");
    assert_int_equal(order.sampling.biases, 2);
    assert_true(order.sampling.bias[1].id == 6 && order.sampling.bias[1].bias == -100);
    assert_int_equal(order.thinking, THINKING_OFF);
    assert_string_equal(order.user, "u_1-");
    assert_int_equal(order.format, FORMAT_JSON_OBJECT);
    order_free(&order);
}

static void null_is_as_good_as_missing(void **state) {
    struct order order = chat_order(
        "{" MESSAGES ",\"temperature\":null,\"stop\":null,\"stream\":null,\"stream_options\":null,"
        "\"max_tokens\":null,\"logit_bias\":null,\"thinking\":null,\"response_format\":null,\"tools\":null,"
        "\"user\":null,\"seed\":null,\"n\":null,\"logprobs\":null,\"top_logprobs\":null}");
    (void)state;
    assert_true(order.sampling.temperature == 1);
    assert_false(order.seed_given || order.temperature_given);
    order_free(&order);
}

static void newer_names_mean_the_same(void **state) {
    struct order order = chat_order("{" MESSAGES ",\"max_completion_tokens\":9,\"reasoning_effort\":\"high\","
                                    "\"user\":\"anyone at all\",\"stop\":\"x\"}");
    (void)state;
    assert_int_equal(order.max_tokens, 9);
    assert_int_equal(order.thinking, THINKING_ON);
    assert_string_equal(order.user, "anyone at all");
    assert_int_equal(order.stops, 1);
    order_free(&order);
}

static void what_is_wrong_is_named(void **state) {
    static const struct {
        const char *body, *words;
    } rows[] = {
        {"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"[]", "JSON object"},
        {"7", "JSON object"},
        {"{}", "missing field `messages` at line 1 column 2"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}",
         "missing field `model` at line 1 column 45"},
        {"{" MESSAGES ",\"messages\":[]}", "duplicate"},
        {"{\"messages\":[{\"content\":\"x\"}],\"model\":\"m\"}", "missing field `role`"},
        {"{\"messages\":[{\"role\":\"tool\",\"content\":\"x\"}],\"model\":\"m\"}",
         "missing field `tool_call_id`"},
        {"{\"messages\":[],\"model\":\"m\"}", "at least one message"},
        {"{\"messages\":[{\"role\":\"nobody\",\"content\":\"\"}]}",
         "messages[0].role: unknown variant `nobody`, expected one of `system`, `user`, `assistant`, `tool` "
         "at line 1 column 29"},
        {"{\"messages\":[{\"role\":\"developer\",\"content\":\"\"}]}", "unknown variant `developer`"},
        {"{\"messages\":[{\"role\":\"assistant\"}],\"model\":\"m\"}", "content or tool_calls must be set"},
        {"{\"messages\":[{\"role\":\"user\",\"content\":\"\",\"prefix\":true}],\"model\":\"m\"}", "prefix"},
        {"{" MESSAGES ",\"temperature\":2.5}", "valid range of temperature is [0, 2]"},
        {"{" MESSAGES ",\"temperature\":\"hot\"}", "temperature: must be a number"},
        {"{" MESSAGES ",\"top_p\":-1}", "top_p"},
        {"{" MESSAGES ",\"max_tokens\":0}", "max_tokens"},
        {"{" MESSAGES ",\"max_tokens\":1.5}", "max_tokens: must be a whole number"},
        {"{" MESSAGES ",\"n\":17}", "[1, 16]"},
        {"{" MESSAGES ",\"stream\":1}", "stream: must be true or false"},
        {"{" MESSAGES ",\"stop\":[1]}", "stop"},
        {"{" MESSAGES ",\"logprobs\":true,\"top_logprobs\":21}", "[0, 20]"},
        {"{" MESSAGES ",\"top_logprobs\":1}", "top_logprobs needs logprobs"},
        {"{" MESSAGES ",\"logit_bias\":{\"x\":1}}", "\"x\" is no token id"},
        {"{" MESSAGES ",\"logit_bias\":{\"99999999999\":1}}", "is no token id"},
        {"{" MESSAGES ",\"logit_bias\":{\"1\":\"1\"}}", "logit_bias"},
        {"{" MESSAGES ",\"thinking\":{\"type\":\"maybe\"}}", "thinking.type"},
        {"{" MESSAGES ",\"reasoning_effort\":\"lots\"}", "reasoning_effort"},
        {"{" MESSAGES ",\"response_format\":{\"type\":\"xml\"}}", "unknown variant `xml`"},
        {"{" MESSAGES ",\"response_format\":{\"type\":\"json_schema\"}}",
         "response_format.json_schema.schema"},
        {"{" MESSAGES ",\"user_id\":\"a b\"}", "user_id"},
        {"{" MESSAGES ",\"tools\":{}}", "tools must be an array"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct order order;
        enum status status =
            order_from_chat(&order, rows[i].body, strlen(rows[i].body), dialect_find("deepseek"));
        if (status == STATUS_OK || !strstr(status_message(), rows[i].words))
            fail_msg("%s gave \"%s\", expected \"%s\"", rows[i].body, status ? status_message() : "no error",
                     rows[i].words);
        assert_null(order.root);
        assert_null(order.arena.chunk);
    }
}

static void dialects_differ_by_their_rows(void **state) {
    static const char
        developer[] = "{\"messages\":[{\"role\":\"developer\",\"content\":\"x\"}]}",
        reasoning[] = "{\"messages\":[{\"role\":\"assistant\",\"content\":\"x\","
                      "\"reasoning_content\":\"y\"},{\"role\":\"user\",\"content\":\"z\"}],\"model\":\"m\"}";
    struct order order;
    (void)state;
    assert_int_equal(order_from_chat(&order, developer, strlen(developer), dialect_find("openai")),
                     STATUS_OK);
    assert_int_equal(order.chat.message[0].role, ROLE_SYSTEM);
    order_free(&order);
    assert_int_equal(order_from_chat(&order, reasoning, strlen(reasoning), dialect_find("deepseek")),
                     STATUS_OK);
    order_free(&order);
    assert_int_equal(order_from_chat(&order, reasoning, strlen(reasoning), dialect_find("deepseek-r1")),
                     STATUS_INPUT);
    assert_null(dialect_find("klingon"));
}

/* Empty turns are refused, but for the beginning of an answer and results of tools. */
static void turns_of_messages_say_something(void **state) {
#define TURNS(turns) "{\"model\":\"m\",\"max_tokens\":5,\"messages\":[" turns "]}"
    static const struct {
        const char *body, *words; /* NULL: it is fine */
        int messages;
    } rows[] = {
        {TURNS("{\"role\":\"user\",\"content\":\"\"}"), "messages.0: user messages must have non-empty", 0},
        {TURNS("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\"}]}"), "messages.0: user", 0},
        {TURNS("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},{\"role\":"
               "\"user\","
               "\"content\":\"\"}"),
         "messages.2: user", 0},
        {TURNS("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\"},{\"role\":"
               "\"user\","
               "\"content\":\"b\"}"),
         "messages.1: assistant", 0},
        {TURNS("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"\"}"), NULL, 2},
        {TURNS("{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_"
               "use\","
               "\"id\":\"1\",\"name\":\"f\",\"input\":{}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_"
               "result\","
               "\"tool_use_id\":\"1\"}]}"),
         NULL, 3},
        {"{\"max_tokens\":5,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "model: Field required",
         0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct order order;
        const enum status status =
            order_from_messages(&order, rows[i].body, strlen(rows[i].body), dialect_find("deepseek"));
        if (rows[i].words ? status == STATUS_OK || !strstr(status_message(), rows[i].words)
                          : status != STATUS_OK)
            fail_msg("%s gave \"%s\"", rows[i].body, status ? status_message() : "no error");
        if (status != STATUS_OK) continue;
        assert_int_equal(order.chat.messages, rows[i].messages);
        order_free(&order);
    }
}

static void completions_have_their_own_fields(void **state) {
    static const char body[] =
        "{\"prompt\":[\"a\"],\"suffix\":\"b\",\"echo\":true,\"logprobs\":3,\"max_tokens\":5}",
                      least[] = "{\"prompt\":\"\"}", two[] = "{\"prompt\":[\"a\",\"b\"]}", none[] = "{}";
    const struct dialect *dialect = dialect_find("deepseek");
    struct order order;
    (void)state;
    assert_int_equal(order_from_completion(&order, body, strlen(body), dialect), STATUS_OK);
    assert_string_equal(order.prompt, "a");
    assert_string_equal(order.suffix, "b");
    assert_true(order.echo);
    assert_int_equal(order.sampling.logprobs, 3);
    order_free(&order);
    assert_int_equal(order_from_completion(&order, least, strlen(least), dialect), STATUS_OK);
    assert_int_equal(order.max_tokens, 16);
    order_free(&order);
    assert_int_equal(order_from_completion(&order, two, strlen(two), dialect), STATUS_INPUT);
    assert_int_equal(order_from_completion(&order, none, strlen(none), dialect), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "prompt"));
}

#define TOOLS "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]"

static void tools_may_or_must_be_called(void **state) {
    static const struct {
        const char *fields;
        enum tool_choice choice;
        const char *name;
    } rows[] = {{"\"n\":1", TOOLS_NONE, NULL},
                {"\"tools\":[]", TOOLS_NONE, NULL},
                {TOOLS, TOOLS_AUTO, NULL},
                {TOOLS ",\"tool_choice\":null", TOOLS_AUTO, NULL},
                {TOOLS ",\"tool_choice\":\"auto\"", TOOLS_AUTO, NULL},
                {TOOLS ",\"tool_choice\":\"none\"", TOOLS_NONE, NULL},
                {TOOLS ",\"tool_choice\":\"required\"", TOOLS_REQUIRED, NULL},
                {TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"f\"}}",
                 TOOLS_REQUIRED, "f"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char body[512];
        snprintf(body, sizeof body, "{" MESSAGES ",%s}", rows[i].fields);
        struct order order = chat_order(body);
        assert_int_equal(order.tool_choice, rows[i].choice);
        if (rows[i].name)
            assert_string_equal(order.tool_name, rows[i].name);
        else
            assert_null(order.tool_name);
        order_free(&order);
    }
}

/* Text and calls of the assistant are one message, as chats have them. */
static void items_become_messages(void **state) {
    static const char body[] =
        "{\"instructions\":\"I\",\"input\":[{\"role\":\"user\",\"content\":\"Q\"},{\"type\":\"message\","
        "\"role\":"
        "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"A\"}]},{\"type\":\"function_call\","
        "\"call_id\":"
        "\"1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call\",\"call_id\":\"2\",\"name\":"
        "\"g\","
        "\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":\"R\"}],"
        "\"tools\":[{\"type\":"
        "\"function\",\"name\":\"f\"},{\"type\":\"web_search\"}],\"max_output_tokens\":5,\"n\":7}";
    struct order order;
    (void)state;
    assert_int_equal(order_from_responses(&order, body, strlen(body), dialect_find("deepseek")), STATUS_OK);
    const struct message *message = order.chat.message;
    assert_int_equal(order.chat.messages, 4);
    assert_int_equal(message[0].role, ROLE_SYSTEM);
    assert_string_equal(message[1].content, "Q");
    assert_string_equal(message[2].content, "A");
    assert_int_equal(message[2].tool_calls, 2);
    assert_string_equal(message[2].tool_call[1].name, "g");
    assert_int_equal(message[3].role, ROLE_TOOL);
    assert_string_equal(message[3].tool_call_id, "1");
    assert_int_equal(json_array_size(order.chat.tools), 1);
    assert_int_equal(order.max_tokens, 5);
    assert_int_equal(order.choices, 1);
    order_free(&order);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_contracts),
        cmocka_unit_test(every_field_is_read),
        cmocka_unit_test(null_is_as_good_as_missing),
        cmocka_unit_test(newer_names_mean_the_same),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(dialects_differ_by_their_rows),
        cmocka_unit_test(tools_may_or_must_be_called),
        cmocka_unit_test(items_become_messages),
        cmocka_unit_test(turns_of_messages_say_something),
        cmocka_unit_test(completions_have_their_own_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
