/* Grammars in GBNF: what they allow, and the sentences that refuse others. */
#include "base/buffer.h"
#include "text/gbnf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool matches(const struct grammar *grammar, const char *text) {
    struct matcher matcher;
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    const bool ok = matcher_push(&matcher, text, strlen(text)) && matcher_may_end(&matcher);
    matcher_close(&matcher);
    return ok;
}

static void check(const char *text, const char *const *good, const char *const *bad) {
    struct grammar *grammar;
    if (gbnf_grammar(&grammar, text, strlen(text), "grammar") != STATUS_OK)
        fail_msg("%s: %s", text, status_message());
    for (; *good; good++)
        if (!matches(grammar, *good)) fail_msg("%s refuses %s", text, *good);
    for (; *bad; bad++)
        if (matches(grammar, *bad)) fail_msg("%s allows %s", text, *bad);
    grammar_close(grammar);
}

#define LIST(...)                                                                                            \
    (const char *const[]) {                                                                                  \
        __VA_ARGS__, NULL                                                                                    \
    }

static void alternatives_and_sequences(void **state) {
    (void)state;
    check("root ::= \"a\" | \"b\" \"c\"", LIST("a", "bc"), LIST("", "b", "ac", "abc"));
    check("# head\nroot ::= x y # behind\n\n  x ::= \"1\"\ny ::= | \"2\"\n", LIST("1", "12"),
          LIST("2", "122"));
    check("root ::= (\"a\" |\n \"b\"\n)\n  | \"c\"\n  | \"d\"", LIST("a", "b", "c", "d"), LIST("ab", ""));
    check("root ::=\n  \"a\" (\"b\" # here\n  \"c\")", LIST("abc"), LIST("ab"));
    check("r-1_x ::= \"x\"\r\nroot ::= r-1_x\tr-1_x\r\n", LIST("xx"), LIST("x"));
    check("root ::= \"(\" root \")\" | \"\"", LIST("", "()", "((()))"), LIST("(", "())"));
}

static void repetitions(void **state) {
    (void)state;
    check("root ::= \"ab\"* [0-9]+ \"!\"?", LIST("1", "ab12!", "abab7"), LIST("", "ab", "aba1", "1!!"));
    check("root ::= \"a\"{2} \"b\"{1,} \"c\"{0,2} \"d\"{ 1 , 1 }", LIST("aabd", "aabbbccd"),
          LIST("abd", "aad", "aabcccd", "aab"));
    check("root ::= (\"a\"{2}){2} (\"b\"*)*", LIST("aaaa", "aaaabbb"), LIST("aaa", "b"));
    check("root ::= x{3}\nx ::= \"a\" | \"b\"", LIST("aba"), LIST("ab", "abab"));
}

static void characters(void **state) {
    (void)state;
    check("root ::= [a-cx] [^a-c\\n] . [\\]\\-^] [-z]",
          LIST("a\xC3\xA9\n]-", "xx.^z", "cz\xF0\x9F\x98\x80-z"), LIST("ab.^z", "d..^z", "ax.az"));
    check("root ::= \"\\x41\\u00e9\\U0001F600\\t\\\"\\\\\\n\" [\\x30-\\u0039] \"\\[\"",
          LIST("A\xC3\xA9\xF0\x9F\x98\x80\t\"\\\n5["), LIST("A", ""));
    check("root ::= [\xCE\xB1-\xCF\x89]+", LIST("\xCE\xB2\xCE\xB3"), LIST("\xCE", "b"));
    check("root ::= \"[\" [\"#]", LIST("[#", "[\""), LIST("["));
}

static void what_is_no_grammar_is_refused(void **state) {
    static const struct {
        const char *text, *words;
    } rows[] = {{"", "there is no rule \"root\""},
                {"x ::= \"a\"", "there is no rule \"root\""},
                {"root ::= \"a\" y", "line 1: there is no rule \"y\""},
                {"root ::= \"a\"\n\nroot ::= \"b\"", "line 3: a rule of this name"},
                {"root = \"a\"", "line 1: ::= is expected"},
                {"root ::= \"a", "ends within a literal"},
                {"root ::= \"a\nb\"", "does not end in its line"},
                {"root ::= [a", "ends within a literal"},
                {"root ::= (\"a\"", "a group that does not end"},
                {"root ::= \"a\")", "a ) without its ("},
                {"root ::= [b-a]", "ends before it begins"},
                {"root ::= []", "a set without a character"},
                {"root ::= \"\\q\"", "an unknown escape"},
                {"root ::= \"\\x4\"", "too few digits"},
                {"root ::= \"\\ud800\"", "no character"},
                {"root ::= \"a\"{2,1}", "ends before it begins"},
                {"root ::= \"a\"{x}", "a number is expected"},
                {"root ::= \"a\"{1001}", "more than 1000"},
                {"root ::= \"a\"{2", "does not end"},
                {"root ::= *", "is expected here"},
                {"root ::= <think>", "tokens cannot be named"},
                {"root ::= \xC3", "UTF-8"},
                {"root ::= root \"a\" | \"b\"", "\"root\" begins with itself"},
                {"root ::= \"x\" | a\na ::= b?\nb ::= \"\" c\nc ::= b \"z\" | \"y\"", "begins with itself"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct grammar *grammar;
        const enum status status = gbnf_grammar(&grammar, rows[i].text, strlen(rows[i].text), "grammar");
        if (status != STATUS_INPUT || !strstr(status_message(), rows[i].words) || grammar)
            fail_msg("%s gave %d, \"%s\"", rows[i].text, status, status_message());
    }
}

static enum status of_repeated(const char *head, const char *part, int times, const char *tail) {
    struct buffer text = {0};
    struct grammar *grammar;
    buffer_append_text(&text, head);
    for (int i = 0; i < times; i++) buffer_append_text(&text, part);
    buffer_append_text(&text, tail);
    const enum status status = gbnf_grammar(&grammar, text.data, text.bytes, "grammar");
    grammar_close(grammar);
    buffer_free(&text);
    return status;
}

static void hostile_grammars_are_refused(void **state) {
    struct grammar *grammar;
    (void)state;
    assert_int_equal(of_repeated("root ::= ", "(", 1000, ""), STATUS_INPUT);
    assert_int_equal(of_repeated("root ::= ", "a ", 200000, ""), STATUS_INPUT);
    assert_int_equal(of_repeated("root ::= \"a\"", "{1000}", 6, ""), STATUS_LIMIT);
    assert_int_equal(of_repeated("root ::= \"\"", "{1000}", 6, ""), STATUS_LIMIT);
    assert_int_equal(of_repeated("root ::= \"a\"", "*", 10000, ""), STATUS_LIMIT);
    assert_int_equal(of_repeated("root ::= \"a\"", "?", 3000, "\n"), STATUS_OK);
    assert_int_equal(of_repeated("root ::= ", "\n", 1 << 21, ""), STATUS_LIMIT);
    assert_int_equal(gbnf_grammar(&grammar, "root ::= \"a\0\"", 13, "grammar"), STATUS_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alternatives_and_sequences),
        cmocka_unit_test(repetitions),
        cmocka_unit_test(characters),
        cmocka_unit_test(what_is_no_grammar_is_refused),
        cmocka_unit_test(hostile_grammars_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
