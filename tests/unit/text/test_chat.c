/* Reading chats that a stranger wrote: forms that are accepted, sentences for those that are not, limits, and
 * the way back to JSON. */
#include "text/chat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct chat chat_of(const char *text) {
    struct chat chat;
    if (chat_from_json(&chat, text, strlen(text), "test") != STATUS_OK) fail_msg("%s", status_message());
    return chat;
}

static void every_field_is_read(void **state) {
    (void)state;
    struct chat chat =
        chat_of("{\"messages\": ["
                "{\"role\": \"developer\", \"content\": \"s\"},"
                "{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"a\"}, {\"type\": "
                "\"text\", \"text\": \"b\"}],"
                " \"name\": \"Ann\"},"
                "{\"role\": \"assistant\", \"content\": null, \"reasoning_content\": \"r\", \"refusal\": "
                "null, \"prefix\": true,"
                " \"tool_calls\": ["
                "{\"id\": \"c1\", \"type\": \"function\", \"function\": {\"name\": \"f\", \"arguments\": "
                "\"{\\\"x\\\":1}\"}},"
                "{\"function\": {\"name\": \"g\", \"arguments\": {\"x\": [1.0, \"é\"]}}}, {\"function\": "
                "{\"name\": \"h\"}}]},"
                "{\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": []},"
                "{\"role\": \"assistant\", \"tool_calls\": null}, {\"role\": \"assistant\", \"content\": "
                "\"\", \"tool_calls\": []}],"
                "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}], \"model\": \"x\"}");
    const struct message *message = chat.message;
    assert_int_equal(chat.messages, 6);
    assert_int_equal(message[0].role, ROLE_SYSTEM);
    assert_int_equal(message[1].role, ROLE_USER);
    assert_string_equal(message[1].content, "a\nb");
    assert_string_equal(message[1].name, "Ann");
    assert_null(message[2].content);
    assert_string_equal(message[2].reasoning, "r");
    assert_true(message[2].prefix);
    assert_int_equal(message[2].tool_calls, 3);
    assert_string_equal(message[2].tool_call[0].id, "c1");
    assert_string_equal(message[2].tool_call[0].arguments, "{\"x\":1}");
    assert_true(message[2].tool_call[0].arguments_are_text);
    assert_null(message[2].tool_call[1].id);
    assert_string_equal(message[2].tool_call[1].arguments, "{\"x\": [1.0, \"é\"]}");
    assert_false(message[2].tool_call[1].arguments_are_text);
    assert_string_equal(message[2].tool_call[2].arguments, "{}");
    assert_int_equal(message[3].role, ROLE_TOOL);
    assert_string_equal(message[3].content, "");
    assert_string_equal(message[3].tool_call_id, "c1");
    assert_null(message[4].content);
    assert_int_equal(message[4].tool_calls, 0);
    assert_string_equal(message[5].content, "");
    assert_int_equal(json_array_size(chat.tools), 1);
    chat_free(&chat);
    chat_free(&chat);
}

struct refusal {
    const char *json, *sentence;
    enum status status;
};

static void bad_chats_are_named(void **state) {
    (void)state;
    static const struct refusal rows[] = {
        {"", "not valid JSON", STATUS_INPUT},
        {"[", "not valid JSON", STATUS_INPUT},
        {"3", "must be an array of messages", STATUS_INPUT},
        {"{}", "messages must be an array", STATUS_INPUT},
        {"{\"messages\": {}}", "messages must be an array", STATUS_INPUT},
        {"[3]", "messages[0]: must be an object", STATUS_INPUT},
        {"[{}]", "messages[0].role: is \"\"", STATUS_INPUT},
        {"[{\"role\": \"robot\"}]", "messages[0].role: is \"robot\"", STATUS_INPUT},
        {"[{\"role\": \"user\"}]", "messages[0].content: is missing", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": 3}]", "messages[0].content: must be", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": [3]}]", "messages[0].content[0]: must be an object",
         STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]",
         "messages[0].content[0]: type is \"image_url\"", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": [{\"type\": \"text\"}]}]",
         "messages[0].content[0].text: must be a string", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": \"a\\u0000b\"}]",
         "messages[0].content: contains the character U+0000", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": \"\", \"role\": \"user\"}]", "duplicate", STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": \"\", \"name\": {}}]", "messages[0].name: must be a string",
         STATUS_INPUT},
        {"[{\"role\": \"user\", \"content\": \"\", \"tool_calls\": [{}]}]",
         "messages[0].tool_calls: only an assistant", STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"content\": \"\", \"prefix\": 1}]", "messages[0].prefix: must be",
         STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"tool_calls\": {}}]", "messages[0].tool_calls: must be an array",
         STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{}]}]",
         "messages[0].tool_calls[0]: function must be an object", STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"type\": \"custom\"}]}]",
         "messages[0].tool_calls[0]: type must be", STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"\"}}]}]",
         "messages[0].tool_calls[0]: function.name must be", STATUS_INPUT},
        {"[{\"role\": \"assistant\", \"tool_calls\": [{\"function\": {\"name\": \"f\", \"arguments\": "
         "[1]}}]}]",
         "messages[0].tool_calls[0].function.arguments: must be", STATUS_INPUT},
        {"{\"messages\": [], \"tools\": 1}", "tools must be an array", STATUS_INPUT},
        {"{\"messages\": [], \"tools\": [{\"type\": \"function\"}]}", "tools[0]: function must be an object",
         STATUS_INPUT},
    };
    for (size_t index = 0; index < COUNT_OF(rows); index++) {
        struct chat chat;
        assert_int_equal(chat_from_json(&chat, rows[index].json, strlen(rows[index].json), "chat.json"),
                         rows[index].status);
        if (!strstr(status_message(), rows[index].sentence) || strncmp(status_message(), "chat.json", 9) != 0)
            fail_msg("%s gives: %s", rows[index].json, status_message());
        assert_null(chat.message);
        assert_null(chat.root);
    }
}

/* `count` copies of `item` between `before` and `behind`, separated by commas. */
static void repeat(struct buffer *out, const char *before, const char *item, size_t count,
                   const char *behind) {
    buffer_append_text(out, before);
    for (size_t index = 0; index < count; index++) {
        if (index) buffer_append_char(out, ',');
        buffer_append_text(out, item);
    }
    buffer_append_text(out, behind);
}

static void check_limit(struct buffer *text, const char *sentence) {
    struct chat chat;
    assert_false(text->failed);
    enum status status = chat_from_json(&chat, text->data, text->bytes, "test");
    if (sentence) {
        assert_int_equal(status, STATUS_LIMIT);
        if (!strstr(status_message(), sentence)) fail_msg("%s", status_message());
    } else {
        if (status != STATUS_OK) fail_msg("%s", status_message());
        chat_free(&chat);
    }
    buffer_free(text);
}

static void limits_hold(void **state) {
    (void)state;
    static const char user[] = "{\"role\": \"user\", \"content\": \"\"}";
    static const char call[] = "{\"function\": {\"name\": \"f\", \"arguments\": \"\"}}";
    static const char tool[] = "{\"type\": \"function\", \"function\": {\"name\": \"f\"}}";
    static const char assistant[] = "[{\"role\": \"assistant\", \"tool_calls\": [",
                      tools[] = "{\"messages\": [], \"tools\": [";
    struct buffer text = {0};
    repeat(&text, "[", user, CHAT_MESSAGES_LIMIT, "]");
    check_limit(&text, NULL);
    repeat(&text, "[", user, CHAT_MESSAGES_LIMIT + 1, "]");
    check_limit(&text, "messages");
    repeat(&text, assistant, call, CHAT_TOOLS_LIMIT, "]}]");
    check_limit(&text, NULL);
    repeat(&text, assistant, call, CHAT_TOOLS_LIMIT + 1, "]}]");
    check_limit(&text, "messages[0].tool_calls: 129 calls");
    repeat(&text, tools, tool, CHAT_TOOLS_LIMIT, "]}");
    check_limit(&text, NULL);
    repeat(&text, tools, tool, CHAT_TOOLS_LIMIT + 1, "]}");
    check_limit(&text, "129 tools");
    repeat(&text, "[", "0", 1100000, "]");
    check_limit(&text, "JSON values");
    for (int depth = 0; depth < CHAT_NESTING_LIMIT + 1; depth++) buffer_append_char(&text, '[');
    check_limit(&text, "nested");
}

static void content_is_limited_as_a_whole(void **state) {
    (void)state;
    static char half[CHAT_CONTENT_LIMIT / 2 + 1];
    memset(half, 'x', sizeof half - 1);
    for (int more = 0; more < 2; more++) {
        struct buffer text = {0};
        buffer_printf(
            &text, "[{\"role\": \"user\", \"content\": \"%s\"}, {\"role\": \"user\", \"content\": \"%s%s\"}]",
            half, half, more ? "x" : "");
        check_limit(&text, more ? "messages[1].content: all messages together" : NULL);
    }
    struct buffer text = {.limit = (size_t)CHAT_JSON_LIMIT + 2};
    for (size_t index = 0; index <= CHAT_JSON_LIMIT; index++) buffer_append_char(&text, ' ');
    check_limit(&text, "bytes of JSON");
}

static void tools_can_be_replaced(void **state) {
    (void)state;
    struct chat chat = chat_of("{\"messages\": [], \"tools\": [{\"function\": {\"name\": \"old\"}}]}");
    static const char good[] =
        "[{\"type\": \"function\", \"function\": {\"name\": \"new\"}}, {\"function\": {\"name\": \"n\"}}]";
    assert_int_equal(chat_set_tools(&chat, "[1]", 3, "tools.json"), STATUS_INPUT);
    assert_string_equal(status_message(), "tools.json: tools[0]: must be an object");
    assert_int_equal(json_array_size(chat.tools), 1);
    assert_int_equal(chat_set_tools(&chat, good, sizeof good - 1, "tools.json"), STATUS_OK);
    assert_int_equal(json_array_size(chat.tools), 2);
    chat_free(&chat);
}

static void chats_come_back_from_json(void **state) {
    (void)state;
    static const char saved[] =
        "{\"messages\": [\n"
        "{\"role\": \"system\", \"content\": \"\\u0001\\\"\\n世界\"},\n"
        "{\"role\": \"assistant\", \"reasoning_content\": \"r\", \"content\": null, \"tool_calls\": "
        "[{\"type\": \"function\", "
        "\"id\": \"c\", \"function\": {\"name\": \"f\", \"arguments\": \"{}\"}}, {\"type\": \"function\", "
        "\"function\": {\"name\": "
        "\"g\", \"arguments\": {\"x\": 1}}}]},\n"
        "{\"role\": \"tool\", \"name\": \"f\", \"tool_call_id\": \"c\", \"content\": \"\"},\n"
        "{\"role\": \"assistant\", \"content\": \"The\", \"prefix\": true}\n"
        "],\n"
        "\"tools\": [{\"type\": \"function\", \"function\": {\"name\": \"f\"}}]}\n";
    struct chat chat = chat_of(saved);
    struct buffer text = {0};
    chat_to_json(&chat, &text);
    assert_string_equal(text.data, saved);
    buffer_free(&text);
    chat_free(&chat);

    chat = chat_of("[]");
    chat_to_json(&chat, &text);
    assert_string_equal(text.data, "{\"messages\": []}\n");
    buffer_free(&text);
    chat_free(&chat);
}

/* What was typed into a terminal may be no UTF-8; what is saved must be. */
static void saved_chats_are_utf8(void **state) {
    (void)state;
    const struct message message = {.role = ROLE_USER, .content = "a\xff\xe4\xb8z\xed\xa0\x80"};
    const struct chat chat = {.message = &message, .messages = 1};
    struct buffer text = {0};
    chat_to_json(&chat, &text);
    struct chat again = chat_of(text.data);
    assert_string_equal(again.message->content, "a\ufffd\ufffd\ufffdz\ufffd\ufffd\ufffd");
    buffer_free(&text);
    chat_free(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_read),   cmocka_unit_test(bad_chats_are_named),
        cmocka_unit_test(limits_hold),           cmocka_unit_test(content_is_limited_as_a_whole),
        cmocka_unit_test(tools_can_be_replaced), cmocka_unit_test(chats_come_back_from_json),
        cmocka_unit_test(saved_chats_are_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
