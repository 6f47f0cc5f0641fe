/* Calls in generated text: every form, what is no call, and that it never matters how the text is cut; answers that must
 * be calls. */
#include "text/tool_calls.h"

#include "text/grammar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Events as one line: text as it is, "[name " arguments "]", and "!]" for a broken call. */
static void collect(void *context, enum tool_event event, const char *text, size_t bytes) {
    struct buffer *out = context;
    if (event == TOOL_CALL_BEGIN) buffer_append_char(out, '[');
    buffer_append(out, text, bytes);
    if (event == TOOL_CALL_BEGIN) buffer_append_char(out, ' ');
    if (event == TOOL_CALL_BROKEN) buffer_append_char(out, '!');
    if (event == TOOL_CALL_END || event == TOOL_CALL_BROKEN) buffer_append_char(out, ']');
}

static struct buffer parse_in_pieces(enum tool_format format, const char *text, size_t bytes, size_t piece) {
    struct tool_call_parser parser = {.format = format};
    struct buffer out = {0};
    for (size_t at = 0; at < bytes; at += piece)
        tool_calls_parse(&parser, text + at, bytes - at < piece ? bytes - at : piece, collect, &out);
    tool_calls_finish(&parser, collect, &out);
    buffer_append_char(&out, 0);
    return out;
}

static void expect(enum tool_format format, const char *text, const char *events) {
    for (size_t piece = 1; piece <= strlen(text); piece++) {
        struct buffer out = parse_in_pieces(format, text, strlen(text), piece);
        assert_string_equal(out.data, events);
        buffer_free(&out);
    }
}

#define LIST     "<｜tool▁calls▁begin｜>"
#define CALL     "<｜tool▁call▁begin｜>"
#define SEP      "<｜tool▁sep｜>"
#define END      "<｜tool▁call▁end｜>"
#define LIST_END "<｜tool▁calls▁end｜>"

static void calls_between_fences(void **state) {
    (void)state;
    expect(TOOL_FORMAT_FENCED,
           "Let me see.\n\n" LIST CALL "function" SEP "f\n```json\n{\"a\": {\"b\": [1, \"}\\\"\"]}}\n```" END
           "\n" CALL "function" SEP "g_2\n```json\n{}\n```" END LIST_END,
           "Let me see.[f {\"a\": {\"b\": [1, \"}\\\"\"]}}][g_2 {}]");
    expect(TOOL_FORMAT_FENCED, LIST CALL "function" SEP "f\n```json\n{}\n```" END LIST_END "Done.",
           "[f {}]Done.");
}

static void calls_without_fences(void **state) {
    (void)state;
    expect(TOOL_FORMAT_PLAIN, LIST CALL "f" SEP "{\"a\":1}" END CALL "g" SEP "{}" END LIST_END,
           "[f {\"a\":1}][g {}]");
    expect(TOOL_FORMAT_PLAIN, LIST CALL "function" SEP "{\"a\":1}" END LIST_END, "[function {\"a\":1}]");
    /* the forms of the one generation in the other */
    expect(TOOL_FORMAT_PLAIN, LIST CALL "function" SEP "f\n```json\n{}\n```" END LIST_END, "[f {}]");
    expect(TOOL_FORMAT_FENCED, CALL "f" SEP "{}" END, "[f {}]");
}

static void calls_between_tags(void **state) {
    (void)state;
    expect(TOOL_FORMAT_TAGGED,
           "Hm.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>\"}}\n</tool_call>\n"
           "<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>",
           "Hm.[f {\"a\": \"</tool_call>\"}][g {}]");
    expect(TOOL_FORMAT_BARE, "\n{\"name\": \"f\", \"parameters\": {\"a\": null}}", "[f {\"a\": null}]");
    expect(TOOL_FORMAT_BARE, "So {\"name\": \"f\", \"parameters\": {}}",
           "So {\"name\": \"f\", \"parameters\": {}}");
}

static void what_is_no_call_is_text(void **state) {
    static const char *const texts[] = {
        "plain text",
        "a < b && <｜tool",
        LIST,
        LIST "no call",
        LIST CALL "f",
        LIST CALL "a b" SEP "{}",
        CALL "function" SEP "f\nno fence {}",
        CALL SEP "{}",
        "<tool_call>",
        "<tool_call> maybe </tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": \"text\"}</tool_call>",
        "         \n\n  spaces  \n",
        LIST_END END,
        "{\"name\": 5}",
        "<<<<tool_call><tool_call>{\"name\"",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        for (int format = TOOL_FORMAT_NONE; format <= TOOL_FORMAT_BARE; format++)
            expect((enum tool_format)format, texts[i], texts[i]);
}

static void a_call_that_goes_wrong_is_broken(void **state) {
    (void)state;
    expect(TOOL_FORMAT_PLAIN, LIST CALL "f" SEP "{\"a\": ", "[f {\"a\": !]");
    expect(TOOL_FORMAT_PLAIN, LIST CALL "f" SEP "{\"a\": x}" END LIST_END " and",
           "[f {\"a\": !]x}" END LIST_END " and");
    expect(TOOL_FORMAT_PLAIN, LIST CALL "f" SEP "{\"a\"" END CALL "g" SEP "{}" END, "[f {\"a\"!][g {}]");
    /* what closes a call is not text, also when it is cut */
    expect(TOOL_FORMAT_PLAIN, LIST CALL "f" SEP "{}<｜tool▁ca", "[f {}]");
}

static void names_are_short(void **state) {
    char text[512], name[80];
    (void)state;
    memset(name, 'n', sizeof name);
    name[TOOL_NAME_LIMIT] = 0;
    assert_true(tool_name_is_valid(name, strlen(name)));
    snprintf(text, sizeof text, CALL "%s" SEP "{}", name);
    struct buffer out = parse_in_pieces(TOOL_FORMAT_PLAIN, text, strlen(text), 7);
    assert_int_equal(out.data[0], '[');
    buffer_free(&out);
    name[TOOL_NAME_LIMIT] = 'n';
    name[TOOL_NAME_LIMIT + 1] = 0;
    assert_false(tool_name_is_valid(name, strlen(name)));
    snprintf(text, sizeof text, CALL "%s" SEP "{}", name);
    expect(TOOL_FORMAT_PLAIN, text, text);
    assert_false(tool_name_is_valid("", 0));
    assert_false(tool_name_is_valid("a.b", 3));
}

/* ---- forced ---- */

static json_t *tools_of(const char *text) {
    json_t *tools = json_loads(text, 0, NULL);
    assert_non_null(tools);
    return tools;
}

#define TWO_TOOLS                                                                                            \
    "[{\"function\":{\"name\":\"f\",\"parameters\":{\"properties\":{\"a\":{\"type\":\"integer\"}},"          \
    "\"required\":[\"a\"],\"additionalProperties\":false}}},{\"function\":{\"name\":\"g\"}}]"

static bool follows(const struct grammar *grammar, const char *text) {
    struct matcher matcher;
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    const bool would = matcher_would_push(&matcher, text, strlen(text));
    assert_int_equal(would, matcher_push(&matcher, text, strlen(text)));
    const bool ended = matcher_may_end(&matcher);
    matcher_close(&matcher);
    return ended;
}

static void a_forced_call_follows_its_schema(void **state) {
    json_t *tools = tools_of(TWO_TOOLS);
    struct buffer opening = {0};
    struct grammar *grammar;
    (void)state;
    assert_int_equal(tool_calls_force(tools, "f", TOOL_FORMAT_FENCED, &opening, &grammar), STATUS_OK);
    buffer_append_char(&opening, 0);
    assert_string_equal(opening.data, LIST CALL "function" SEP "f\n```json\n");
    assert_true(follows(grammar, "{\"a\": 5}"));
    assert_false(follows(grammar, "{\"a\": \"5\"}"));
    assert_false(follows(grammar, "{}"));
    grammar_close(grammar);
    buffer_free(&opening);
    assert_int_equal(tool_calls_force(tools, NULL, TOOL_FORMAT_PLAIN, &opening, &grammar), STATUS_OK);
    buffer_append_char(&opening, 0);
    assert_string_equal(opening.data, LIST CALL);
    assert_true(follows(grammar, "f" SEP "{\"a\": 5}"));
    assert_true(follows(grammar, "g" SEP "{}"));
    assert_false(follows(grammar, "g" SEP "{\"a\": 5}"));
    assert_false(follows(grammar, "h" SEP "{}"));
    grammar_close(grammar);
    buffer_free(&opening);
    json_decref(tools);
}

static void what_cannot_be_forced_is_refused(void **state) {
    json_t *tools = tools_of(TWO_TOOLS);
    json_t *odd = tools_of("[{\"function\":{\"name\":\"f\",\"parameters\":{\"not\":{}}}}]");
    json_t *strict =
        tools_of("[{\"function\":{\"name\":\"f\",\"strict\":true,\"parameters\":{\"not\":{}}}}]");
    struct buffer opening = {0};
    struct grammar *grammar;
    (void)state;
    assert_int_equal(tool_calls_force(tools, "h", TOOL_FORMAT_PLAIN, &opening, &grammar), STATUS_INPUT);
    assert_non_null(strstr(status_message(), "there is no tool \"h\""));
    assert_int_equal(tool_calls_force(tools, "f", TOOL_FORMAT_NONE, &opening, &grammar), STATUS_INPUT);
    assert_int_equal(tool_calls_force(strict, "f", TOOL_FORMAT_PLAIN, &opening, &grammar),
                     STATUS_UNSUPPORTED);
    assert_int_equal(tool_schemas_check(strict), STATUS_UNSUPPORTED);
    assert_non_null(strstr(status_message(), "not"));
    assert_int_equal(tool_schemas_check(odd), STATUS_OK);
    buffer_clear(&opening);
    assert_int_equal(tool_calls_force(odd, "f", TOOL_FORMAT_TAGGED, &opening, &grammar), STATUS_OK);
    assert_true(follows(grammar, "{\"anything\": [1]}"));
    grammar_close(grammar);
    buffer_free(&opening);
    json_decref(tools);
    json_decref(odd);
    json_decref(strict);
}

/* ---- in prompts ---- */

static void v31_has_the_published_text(void **state) {
    static const char body[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"}],"
        "\"tools\":[{"
        "\"type\":\"function\",\"function\":{\"name\":\"f\",\"description\":\"D\",\"parameters\":{\"type\":"
        "\"object\"}}}]}";
    struct chat chat;
    struct prompt prompt;
    struct buffer text = {0};
    struct render_options options = {.template = TEMPLATE_DEEPSEEK_V31, .tools_described = true};
    (void)state;
    assert_int_equal(chat_from_json(&chat, body, strlen(body), "test"), STATUS_OK);
    assert_int_equal(chat_render(&chat, &options, &prompt), STATUS_OK);
    prompt_text(&prompt, &text);
    buffer_append_char(&text, 0);
    assert_non_null(strstr(text.data,
                           "S\n\n## Tools\nYou have access to the following tools:\n\n### f\nDescription: D"
                           "\n\nParameters: {\"type\": \"object\"}\n\nIMPORTANT: ALWAYS adhere"));
    assert_non_null(strstr(text.data, "separators or spaces\n<｜User｜>U<｜Assistant｜>"));
    prompt_free(&prompt);
    buffer_clear(&text);
    options.tools_described = false;
    assert_int_equal(chat_render(&chat, &options, &prompt), STATUS_OK);
    prompt_text(&prompt, &text);
    buffer_append_char(&text, 0);
    assert_null(strstr(text.data, "Tools"));
    prompt_free(&prompt);
    buffer_free(&text);
    chat_free(&chat);
}

/* What a model is told to write is what the parser reads. */
static void the_form_in_the_prompt_is_a_call(void **state) {
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"U\"}],\"tools\":[{\"function\":{"
        "\"name\":\"f\"}}]}";
    struct chat chat;
    struct prompt prompt;
    struct buffer text = {0};
    struct render_options options = {.template = TEMPLATE_DEEPSEEK_V3, .tools_described = true};
    (void)state;
    assert_int_equal(chat_from_json(&chat, body, strlen(body), "test"), STATUS_OK);
    assert_int_equal(chat_render(&chat, &options, &prompt), STATUS_OK);
    prompt_text(&prompt, &text);
    buffer_append_char(&text, 0);
    struct buffer out = parse_in_pieces(TOOL_FORMAT_FENCED, text.data, strlen(text.data), 5);
    assert_non_null(strstr(out.data, "[FUNCTION_NAME {\"parameter\": \"value\"}]"));
    buffer_free(&out);
    buffer_free(&text);
    prompt_free(&prompt);
    chat_free(&chat);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_between_fences),
        cmocka_unit_test(calls_without_fences),
        cmocka_unit_test(calls_between_tags),
        cmocka_unit_test(what_is_no_call_is_text),
        cmocka_unit_test(a_call_that_goes_wrong_is_broken),
        cmocka_unit_test(names_are_short),
        cmocka_unit_test(a_forced_call_follows_its_schema),
        cmocka_unit_test(what_cannot_be_forced_is_refused),
        cmocka_unit_test(v31_has_the_published_text),
        cmocka_unit_test(the_form_in_the_prompt_is_a_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
