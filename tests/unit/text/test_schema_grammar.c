/* JSON schemas as grammars: never more than a schema allows, by the standard's own test suite; names of what cannot be
 * kept; and the masks of tokens against the plain meaning of the grammar, token by token. */
#include "base/buffer.h"
#include "base/json.h"
#include "base/rng.h"
#include "text/json_grammar.h"
#include "text/token_mask.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct grammar *grammar_of(const char *schema) {
    json_t *root;
    struct grammar *grammar;
    assert_int_equal(json_parse(schema, strlen(schema), "test", &root), STATUS_OK);
    if (schema_grammar(&grammar, root, "schema") != STATUS_OK) fail_msg("%s: %s", schema, status_message());
    json_decref(root);
    return grammar;
}

static bool matches(const struct grammar *grammar, const char *text) {
    struct matcher matcher;
    assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
    const bool ok = matcher_push(&matcher, text, strlen(text)) && matcher_may_end(&matcher);
    matcher_close(&matcher);
    return ok;
}

static void check(const char *schema, const char *const *good, const char *const *bad) {
    struct grammar *grammar = grammar_of(schema);
    for (; *good; good++)
        if (!matches(grammar, *good)) fail_msg("%s refuses %s", schema, *good);
    for (; *bad; bad++)
        if (matches(grammar, *bad)) fail_msg("%s allows %s", schema, *bad);
    grammar_close(grammar);
}

#define LIST(...)                                                                                            \
    (const char *const[]) {                                                                                  \
        __VA_ARGS__, NULL                                                                                    \
    }

static void types_are_kept(void **state) {
    (void)state;
    check("{\"type\":\"integer\"}", LIST("0", "-7", "120"), LIST("01", "1.5", "\"1\"", "-", ""));
    check("{\"type\":\"number\"}", LIST("0", "-7.25", "1e5", "2.5E-3"), LIST("1.", ".5", "1e", "+1"));
    check("{\"type\":[\"string\",\"null\"]}", LIST("\"\"", "\"a\\n\\u00e9\xC3\xA9\"", "null"),
          LIST("\"a", "\"\\ud800\"", "\"\x80\"", "\"\n\"", "true"));
    check("{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":1,\"maxItems\":2}",
          LIST("[true]", "[ true,\n  false ]"), LIST("[]", "[true,true,true]", "[1]", "[true,]"));
    check("{\"prefixItems\":[{\"type\":\"null\"},{\"const\":5}],\"items\":false,\"type\":\"array\"}",
          LIST("[]", "[null]", "[null,5]"), LIST("[5]", "[null,5,1]"));
    check("{\"type\":\"dict\",\"properties\":{\"x\":{\"type\":\"float\"}},\"required\":[\"x\"]}",
          LIST("{\"x\":1.5}"), LIST("{}", "{\"x\":\"1\"}"));
}

static void bounds_of_numbers_are_kept(void **state) {
    (void)state;
    check("{\"type\":\"integer\",\"minimum\":-12,\"maximum\":105}",
          LIST("-12", "-9", "-1", "0", "99", "100", "105"),
          LIST("-13", "-20", "-120", "106", "110", "200", "1000"));
    check("{\"type\":\"integer\",\"exclusiveMinimum\":0}", LIST("1", "10", "999999"), LIST("0", "-1"));
    check("{\"type\":\"integer\",\"minimum\":1.5,\"exclusiveMaximum\":4}", LIST("2", "3"), LIST("1", "4"));
    check("{\"type\":\"number\",\"minimum\":0,\"maximum\":1}", LIST("0", "1", "0.5", "0.001"),
          LIST("1.5", "2", "-0.5", "1.0001"));
    check("{\"type\":\"number\",\"minimum\":0.25,\"maximum\":0.75}", LIST("0.25", "0.50", "0.75", "0.333"),
          LIST("0.24", "0.76", "0.751", "1", "0"));
    check("{\"type\":\"number\",\"maximum\":-2}", LIST("-2", "-3.5", "-100"), LIST("-1.9", "0", "2"));
}

static void multiples_are_kept(void **state) {
    (void)state;
    check("{\"type\":\"integer\",\"multipleOf\":7}", LIST("0", "7", "-14", "700", "123456788"),
          LIST("1", "-8", "07", "71"));
    check("{\"type\":\"number\",\"multipleOf\":0.01}", LIST("0", "5", "-120"), LIST("0.005", "1.001"));
    check("{\"type\":\"number\",\"multipleOf\":0.5,\"minimum\":1,\"maximum\":2}", LIST("1", "1.5", "2"),
          LIST("0.5", "1.25", "2.5"));
    check("{\"type\":\"integer\",\"multipleOf\":5,\"minimum\":12}", LIST("15", "100"),
          LIST("10", "12", "16"));
    check("{\"type\":\"number\",\"multipleOf\":1.5}", LIST("0", "1.5", "4.5"), LIST("1", "2.5"));
    check("{\"type\":\"number\",\"multipleOf\":0.01,\"minimum\":0,\"maximum\":99}",
          LIST("0", "7", "99", "0.06", "16.25"), LIST("-1", "100", "-900", "0.001"));
    check("{\"type\":\"number\",\"multipleOf\":0.01,\"minimum\":0,\"maximum\":99999999999.99}",
          LIST("0", "7", "12.25", "10000", "99999999999"), LIST("-1", "0.001", "100000000000"));
    check("{\"type\":\"number\",\"multipleOf\":0.1}", LIST("0", "-7", "12.5", "10000"), LIST("0.05", "0.3"));
    check("{\"type\":\"integer\",\"multipleOf\":10,\"minimum\":0}", LIST("0", "70", "1234560"),
          LIST("-10", "5"));
    check("{\"enum\":[0.1,1.5]}", LIST("0.1", "1.5"), LIST("0.10000000000000001", "1"));
    check("{\"minimum\":3,\"exclusiveMinimum\":true,\"type\":\"integer\"}", LIST("4"), LIST("3", "2"));
}

static void combinations_are_said_otherwise(void **state) {
    (void)state;
    check("{\"type\":\"integer\",\"not\":{\"enum\":[3,4]}}", LIST("2", "5"), LIST("3", "4"));
    check("{\"type\":\"string\",\"not\":{\"pattern\":\"^a\"}}", LIST("\"\"", "\"ba\""),
          LIST("\"a\"", "\"ab\""));
    check("{\"type\":[\"string\",\"null\"],\"not\":{\"type\":\"null\"}}", LIST("\"x\""), LIST("null"));
    check("{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[1,2]},\"v\":{\"type\":\"null\"}},\"if\":{"
          "\"properties\":{"
          "\"k\":{\"const\":1}},\"required\":[\"k\"]},\"then\":{\"required\":[\"v\"]},\"else\":{"
          "\"properties\":{\"v\":false}}}",
          LIST("{\"k\":1,\"v\":null}", "{\"k\":2}", "{}"),
          LIST("{\"k\":1}", "{\"k\":2,\"v\":null}", "{\"v\":null}"));
    check("{\"type\":\"integer\",\"oneOf\":[{\"minimum\":3},{\"maximum\":5}]}", LIST("2", "6"),
          LIST("3", "5"));
    check("{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"dependentRequired\":{\"a\":[\"b\"]}}",
          LIST("{}", "{\"b\":1}", "{\"a\":1,\"b\":1}"), LIST("{\"a\":1}"));
    check("{\"allOf\":[{\"anyOf\":[{\"minimum\":5},{\"maximum\":1}]},{\"anyOf\":[{\"multipleOf\":2},{"
          "\"const\":7}]}],\"type\":"
          "\"integer\"}",
          LIST("6", "0", "7"), LIST("5", "4", "1", "3"));
}

static void names_and_counts_are_kept(void **state) {
    (void)state;
    check("{\"type\":\"object\",\"patternProperties\":{\"^x-\":{\"type\":\"null\"}},\"properties\":{\"x-a\":{"
          "},\"b\":{}},"
          "\"additionalProperties\":false}",
          LIST("{\"x-a\":null,\"b\":1,\"x-c\":null}", "{\"x-\":null}"),
          LIST("{\"x-a\":1}", "{\"x-c\":1}", "{\"c\":null}"));
    check("{\"type\":\"object\",\"patternProperties\":{\"^a\":{\"type\":\"integer\"}},"
          "\"additionalProperties\":{\"type\":\"string\"}}",
          LIST("{\"a\":1,\"b\":\"x\"}"), LIST("{\"a\":\"x\"}", "{\"b\":1}"));
    check("{\"type\":\"object\",\"propertyNames\":{\"pattern\":\"^[a-z]+$\",\"maxLength\":3}}",
          LIST("{\"abc\":1}", "{}"), LIST("{\"abcd\":1}", "{\"A\":1}"));
    check("{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{},\"c\":{}},\"minProperties\":2,"
          "\"maxProperties\":2,"
          "\"additionalProperties\":false}",
          LIST("{\"a\":1,\"b\":1}", "{\"b\":1,\"c\":1}"),
          LIST("{}", "{\"a\":1}", "{\"a\":1,\"b\":1,\"c\":1}"));
    check("{\"type\":\"object\",\"minProperties\":1}", LIST("{\"x\":1}"), LIST("{}"));
    check("{\"type\":\"array\",\"contains\":{\"const\":5},\"items\":{\"type\":\"integer\"}}",
          LIST("[5]", "[5,1]"), LIST("[]", "[1]"));
    check("{\"type\":\"array\",\"items\":{\"enum\":[1,2,3]},\"uniqueItems\":true,\"minItems\":2}",
          LIST("[1,2]", "[1,3]", "[1,2,3]"), LIST("[1]", "[1,1]", "[]"));
    check("{\"type\":\"string\",\"pattern\":\"^(?!no)[a-z]+$\",\"minLength\":3,\"maxLength\":4}",
          LIST("\"yes\"", "\"abcd\""), LIST("\"nope\"", "\"ab\"", "\"abcde\""));
    check("{\"type\":\"object\",\"properties\":{\"a\":{\"not\":{}},\"b\":{\"type\":\"null\"}}}",
          LIST("{}", "{\"b\":null}"), LIST("{\"a\":1}"));
}

static void strings_follow_their_rules(void **state) {
    (void)state;
    check("{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
          LIST("\"ab\"", "\"\xC3\xA9\\n\xE4\xB8\xAD\""), LIST("\"a\"", "\"abcd\""));
    check("{\"type\":\"string\",\"pattern\":\"^a+(b|c)?$\"}", LIST("\"a\"", "\"aaab\"", "\"ac\""),
          LIST("\"\"", "\"b\"", "\"abc\"", "\"xa\""));
    check("{\"type\":\"string\",\"pattern\":\"b{2}\"}", LIST("\"bb\"", "\"xbby\"", "\"bbb\""),
          LIST("\"b\"", "\"bxb\""));
    check("{\"type\":\"string\",\"pattern\":\"^[^\\\\d\\\"]$\"}",
          LIST("\"x\"", "\"\\\\\"", "\"\xE4\xB8\xAD\""), LIST("\"5\"", "\"\\\"\"", "\"xx\""));
    check("{\"type\":\"string\",\"format\":\"date\"}", LIST("\"2024-02-28\""),
          LIST("\"2024-13-01\"", "\"2023-02-30\"", "\"x\""));
    check("{\"type\":\"string\",\"format\":\"uuid\"}", LIST("\"123e4567-e89b-12d3-a456-426614174000\""),
          LIST("\"123e4567\""));
    check("{\"type\":\"string\",\"format\":\"ipv4\"}", LIST("\"10.0.255.1\""),
          LIST("\"10.0.256.1\"", "\"1.2.3\""));
    check("{\"enum\":[\"a\\\"b\",1,null,{\"x\":[]}]}", LIST("\"a\\\"b\"", "1", "null", "{\"x\":[]}"),
          LIST("\"a\"", "2"));
}

static void objects_have_their_properties(void **state) {
    (void)state;
    check("{\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{},\"c\":{\"type\":\"null\"}},\"required\":["
          "\"b\"],"
          "\"additionalProperties\":false}",
          LIST("{\"b\":1}", "{\"a\":1,\"b\":[]}", "{ \"a\": 1, \"b\": {}, \"c\": null }"),
          LIST("{}", "{\"a\":1}", "{\"b\":1,\"d\":1}", "{\"b\":1,}", "{\"a\":1 \"b\":1}"));
    check("{\"properties\":{\"ab\":{\"type\":\"null\"},\"a\":{\"type\":\"null\"}},\"additionalProperties\":{"
          "\"type\":\"integer\"}}",
          LIST("{}", "{\"x\":1}", "{\"a\":null,\"abc\":2,\"\":3}", "{\"\xE4\xB8\xAD\":1}"),
          LIST("{\"a\":1}", "{\"ab\":1}", "{\"x\":null}"));
    check("{\"type\":\"object\"}", LIST("{}", "{\"x\":{\"y\":[1,\"z\"]}}"), LIST("[]", "{x:1}"));
    check("{\"$defs\":{\"t\":{\"type\":\"object\",\"properties\":{\"n\":{\"anyOf\":[{\"$ref\":\"#/$defs/"
          "t\"},{\"type\":\"null\"}]}},"
          "\"required\":[\"n\"]}},\"$ref\":\"#/$defs/t\"}",
          LIST("{\"n\":null}", "{\"n\":{\"n\":{\"n\":null}}}"), LIST("{}", "{\"n\":{}}"));
    check("{\"allOf\":[{\"properties\":{\"a\":{\"minimum\":3}},\"required\":[\"a\"]},{\"properties\":{\"a\":{"
          "\"type\":\"integer\",\"maximum\":5}}}]}",
          LIST("{\"a\":3}", "{\"a\":5}"), LIST("{\"a\":2}", "{\"a\":6}", "{}"));
    check("{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"x\"},\"v\":{\"type\":"
          "\"integer\"}},\"required\":[\"k\",\"v\"]},"
          "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":\"y\"}},\"required\":[\"k\"]},{\"type\":"
          "\"null\"}]}",
          LIST("{\"k\":\"x\",\"v\":1}", "{\"k\":\"y\"}", "null"), LIST("{\"k\":\"x\"}", "{\"k\":\"z\"}"));
}

static void what_cannot_be_kept_is_named(void **state) {
    static const struct {
        const char *schema, *words;
        enum status status;
    } rows[] = {
        {"{\"not\":{}}", "not", STATUS_UNSUPPORTED},
        {"{\"contains\":{},\"minContains\":3,\"maxContains\":2}", "maxContains", STATUS_INPUT},
        {"{\"allOf\":[{\"anyOf\":[{\"properties\":{\"a\":true}}],\"unevaluatedProperties\":false}],"
         "\"required\":[\"a\"]}",
         "unevaluatedProperties", STATUS_UNSUPPORTED},
        {"{\"not\":{\"not\":{\"properties\":{\"a\":true},\"required\":[\"a\"]}},\"unevaluatedProperties\":"
         "false}",
         "unevaluatedProperties", STATUS_UNSUPPORTED},
        {"{\"$dynamicRef\":\"#x\"}", "$dynamicRef", STATUS_UNSUPPORTED},
        {"{\"$ref\":\"#x\",\"$defs\":{\"a\":{\"$anchor\":\"x\"},\"b\":{\"$anchor\":\"x\"}}}", "$ref",
         STATUS_UNSUPPORTED},
        {"{\"$id\":\"http://x/a/\",\"allOf\":[{\"$id\":\"/b/"
         "\",\"$ref\":\"c\"}],\"$defs\":{\"1\":{\"$id\":\"c\"},\"2\":{\"$id\":"
         "\"/b/c\"}}}",
         "$ref", STATUS_UNSUPPORTED},
        {"{\"$ref\":\"#x\",\"enum\":[{\"$anchor\":\"x\"}],\"$anchor\":\"y\"}", "$ref", STATUS_UNSUPPORTED},
        {"{\"oneOf\":[{\"uniqueItems\":true},{\"uniqueItems\":false}]}", "oneOf", STATUS_UNSUPPORTED},
        {"{\"multipleOf\":0}", "multipleOf", STATUS_INPUT},
        {"{\"type\":\"string\",\"pattern\":\"a(?=a)\"}", "look around", STATUS_UNSUPPORTED},
        {"{\"type\":\"string\",\"pattern\":\"(a)\\\\1\"}", "escape", STATUS_UNSUPPORTED},
        {"{\"type\":\"array\",\"uniqueItems\":true,\"minItems\":2}", "uniqueItems", STATUS_UNSUPPORTED},
        {"{\"$ref\":\"http://example.com/x\"}", "$ref", STATUS_UNSUPPORTED},
        {"{\"$ref\":\"#\"}", "itself", STATUS_INPUT},
        {"{\"anyOf\":[{\"$ref\":\"#\"}]}", "itself", STATUS_INPUT},
        {"{\"type\":\"thing\"}", "type", STATUS_INPUT},
        {"{\"enum\":[]}", "enum", STATUS_INPUT},
        {"{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}", "maximum", STATUS_INPUT},
        {"{\"minLength\":-1}", "minLength", STATUS_INPUT},
        {"{\"properties\":{\"a\":false},\"required\":[\"a\"]}", "required", STATUS_INPUT},
        {"{\"properties\":{\"a\":{}},\"required\":[\"b\"],\"additionalProperties\":false}", "required",
         STATUS_INPUT},
        {"{\"type\":\"object\",\"required\":[\"a\\u0000b\"]}", "required", STATUS_INPUT},
        {"{\"type\":\"string\",\"pattern\":\"^a\\u0000b$\"}", "U+0000", STATUS_UNSUPPORTED},
        {"false", "no value", STATUS_INPUT},
        {"7", "object", STATUS_INPUT}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *root;
        struct grammar *grammar;
        assert_int_equal(json_parse(rows[i].schema, strlen(rows[i].schema), "test", &root), STATUS_OK);
        const enum status status = schema_grammar(&grammar, root, "schema");
        if (status != rows[i].status || !strstr(status_message(), rows[i].words))
            fail_msg("%s gave %d, \"%s\"", rows[i].schema, status, status_message());
        assert_null(grammar);
        json_decref(root);
    }
}

static void names_lead_to_their_schemas(void **state) {
    (void)state;
    check("{\"$ref\":\"#foo\",\"$defs\":{\"A\":{\"$anchor\":\"foo\",\"type\":\"integer\"}}}", LIST("1"),
          LIST("\"a\""));
    check("{\"$id\":\"http://x.org/root/a\",\"properties\":{\"p\":{\"$ref\":\"../b?q#foo\"}},\"$defs\":{"
          "\"A\":{\"$id\":\"/b?q\",\"$defs\":{\"B/~%\":{\"$anchor\":\"foo\",\"type\":\"null\"}}}}}",
          LIST("{\"p\":null}"), LIST("{\"p\":1}"));
    /* a place in a schema with a name is a place in that schema */
    check("{\"definitions\":{\"t\":{\"type\":\"null\"},\"in\":{\"$id\":\"http://x.org/"
          "in\",\"definitions\":{\"t\":{\"type\":"
          "\"integer\"}},\"items\":{\"$ref\":\"#/definitions/t\"},\"type\":\"array\"}},\"$ref\":\"http://"
          "x.org/in\"}",
          LIST("[1]"), LIST("[null]"));
    /* a part that is no schema by its place refers to the document */
    check("{\"$id\":\"http://x.org/a\",\"$ref\":\"#/types/"
          "list\",\"types\":{\"list\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/types/"
          "one\"}},\"one\":{\"type\":\"null\"}}}",
          LIST("[null]"), LIST("[1]"));
    check("{\"$ref\":\"#x\",\"definitions\":{\"a\":{\"$id\":\"#x\",\"const\":5}}}", LIST("5"),
          LIST("6")); /* draft 7 */
    check("{\"$schema\":\"http://json-schema.org/draft-04/"
          "schema#\",\"$ref\":\"u:1\",\"definitions\":{\"a\":{\"id\":\"u:1\","
          "\"type\":\"null\"}}}",
          LIST("null"), LIST("0"));
}

static void members_that_nothing_looks_at_follow_their_rule(void **state) {
    (void)state;
    check("{\"$ref\":\"#/$defs/"
          "base\",\"properties\":{\"b\":{\"type\":\"null\"}},\"unevaluatedProperties\":false,"
          "\"$defs\":{\"base\":{\"properties\":{\"a\":{\"type\":\"integer\"}},\"required\":[\"a\"]}}}",
          LIST("{\"b\":null,\"a\":1}"), LIST("{}", "{\"a\":1,\"c\":1}", "{\"a\":null}"));
    check("{\"anyOf\":[{\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\"]},{\"patternProperties\":{"
          "\"^x\":{\"type\":"
          "\"null\"}},\"minProperties\":1}],\"type\":\"object\",\"unevaluatedProperties\":{\"type\":"
          "\"boolean\"}}",
          LIST("{\"a\":1}", "{\"x1\":null}"), LIST("{\"a\":1,\"y\":5}", "{\"a\":2}", "{\"x\":1}"));
    /* what is inside does not see what is beside it */
    check("{\"allOf\":[{\"properties\":{\"a\":true}},{\"unevaluatedProperties\":false}],\"type\":\"object\"}",
          LIST("{}"), LIST("{\"a\":1}"));
    check("{\"prefixItems\":[{\"type\":\"null\"}],\"allOf\":[true],\"unevaluatedItems\":{\"type\":"
          "\"boolean\"}}",
          LIST("[]", "[null]", "[null,true]"), LIST("[true]", "[null,1]"));
    check("{\"dependentSchemas\":{\"a\":{\"properties\":{\"b\":{\"const\":1}}}},\"properties\":{\"a\":{"
          "\"const\":2}},"
          "\"unevaluatedProperties\":false}",
          LIST("{\"a\":2}", "{}"), LIST("{\"b\":1}", "{\"b\":2}"));
}

static void contained_items_are_counted(void **state) {
    (void)state;
    check("{\"contains\":{\"const\":1},\"minContains\":1,\"maxContains\":2,\"type\":\"array\"}",
          LIST("[1]", "[1,1]", "[1,\"a\",null]", "[1,1,2]"), LIST("[]", "[1,1,1]", "[2]"));
    check("{\"contains\":{\"type\":\"null\"},\"minContains\":0,\"maxContains\":1,\"items\":{\"type\":["
          "\"null\",\"boolean\"]},"
          "\"minItems\":1,\"maxItems\":2}",
          LIST("[null]", "[true]", "[null,true]", "[true,false]"),
          LIST("[]", "[null,null]", "[null,true,true]"));
    check("{\"contains\":{\"const\":1},\"maxContains\":0,\"minContains\":0}", LIST("[]", "[2]"), LIST("[1]"));
    check("{\"allOf\":[{\"contains\":{\"const\":1}},{\"minContains\":0}],\"type\":\"array\"}", LIST("[1]"),
          LIST("[]", "[2]"));
    check("{\"allOf\":[{\"contains\":{\"const\":1}},{\"contains\":{\"const\":1},\"minContains\":0}],\"type\":"
          "\"array\"}",
          LIST("[1]"), LIST("[]", "[2]"));
    check("{\"maxContains\":1}", LIST("[1,1]", "5"), LIST("]"));
}

/* ---- hostile schemas ---- */

static void gaps_between_keywords_let_nothing_through(void **state) {
    (void)state;
    check("{\"$defs\":{\"X\":{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"integer\"}}}},\"type\":"
          "\"object\",\"properties\":{\"q\":{\"$ref\":\"#/$defs/X\"},\"p\":{\"allOf\":[{\"type\":\"object\","
          "\"additionalProperties\":false},{\"$ref\":\"#/$defs/X\"}]}}}",
          LIST("{\"q\":{\"b\":1}}"), LIST("{\"q\":{\"b\":\"s\"}}"));
    check("{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":false},\"additionalProperties\":true}",
          LIST("{\"a\":1,\"c\":2}"), LIST("{\"b\":1}"));
    check("{\"type\":\"number\",\"maximum\":1000000000.5}", LIST("1000000000.5"), LIST("1000000001"));
    check("{\"type\":\"number\",\"minimum\":12345678901.3}", LIST("12345678901.3"),
          LIST("12345678901", "12345678901.2"));
}

/* A few lines that would be gigabytes when they are said plainly: they end in a grammar or in a sentence. */
static void small_schemas_stay_small(void **state) {
    static const char *const around[][3] = {
        {"{\"not\":", "{\"additionalProperties\":", "{\"type\":\"string\"}"},
        {"{\"$ref\":\"#/not\",\"not\":", "{\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}],\"items\":", "{}"},
        {"{\"not\":", "{\"allOf\":[{\"$ref\":\"#/not\"},{\"$ref\":\"#/not\"}],\"items\":", "{}"}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(around); i++) {
        struct buffer text = {0};
        struct grammar *grammar;
        json_t *root;
        buffer_append_text(&text, around[i][0]);
        for (int depth = 0; depth < 6; depth++) buffer_append_text(&text, around[i][1]);
        buffer_append_text(&text, around[i][2]);
        for (int depth = 0; depth < 6; depth++) buffer_append_text(&text, "}");
        buffer_append_text(&text, ",\"properties\":{\"n\":{}");
        for (int name = 0; name < 63; name++) buffer_printf(&text, ",\"n%d\":{}", name);
        buffer_append_text(&text, "}}");
        assert_int_equal(json_parse(text.data, text.bytes, "test", &root), STATUS_OK);
        if (schema_grammar(&grammar, root, "schema") != STATUS_OK) assert_true(*status_message());
        grammar_close(grammar);
        json_decref(root);
        buffer_free(&text);
    }
}

/* ^ and $ hold an alternative wherever they stand. */
static void patterns_are_held_at_their_ends(void **state) {
    (void)state;
    check("{\"type\":\"string\",\"pattern\":\"^$|(^[a-f]{2}$)|x(y|z$)\"}",
          LIST("\"\"", "\"af\"", "\"-xy-\"", "\"-xz\""), LIST("\"a\"", "\"-xz-\"", "\"aff\""));
    check("{\"type\":\"string\",\"pattern\":\"(?:^a|b)c($|d)?\"}", LIST("\"ac\"", "\"xbc\"", "\"acdd\""),
          LIST("\"xac\"", "\"b\""));
    check("{\"type\":\"string\",\"pattern\":\"^a$b|a*^c\\\\$[$^]$(d*)\"}", LIST("\"c$^\""),
          LIST("\"ab\"", "\"ac$^\"", "\"c$^d\""));
    check("{\"type\":\"string\",\"pattern\":\"red|green|blue\",\"minLength\":1}",
          LIST("\"redgreen\"", "\"a blue\""), LIST("\"\"", "\"re\""));
    check("{\"type\":\"string\",\"not\":{\"pattern\":\"^(a$|b)\"}}", LIST("\"\"", "\"ab\"", "\"c\""),
          LIST("\"a\"", "\"bc\""));
}

/* Readers disagree on what \\s, \\d and \\w are beyond ASCII: what is to match does so for all of them. */
static void classes_are_those_of_every_reader(void **state) {
    (void)state;
    check("{\"type\":\"string\",\"pattern\":\"^\\\\s$\"}", LIST("\" \"", "\"\\t\"", "\"\xC2\xA0\""),
          LIST("\"\xEF\xBB\xBF\"", "\"\\u001c\"", "\"a\""));
    check("{\"type\":\"string\",\"pattern\":\"^\\\\S[^\\\\s]$\"}", LIST("\"a\xC3\xA9\""),
          LIST("\"\xEF\xBB\xBF"
               "a\"",
               "\"a\xEF\xBB\xBF\"", "\"\\u001fa\"", "\" a\""));
    check("{\"type\":\"string\",\"pattern\":\"^\\\\W\\\\D[^\\\\w]$\"}", LIST("\"-a-\"", "\"-\xC3\xA9+\""),
          LIST("\"\xC3\xA9"
               "a-\"",
               "\"-\xD9\xA3-\"", "\"-a\xC3\xA9\"", "\"-1-\""));
    check("{\"type\":\"string\",\"not\":{\"pattern\":\"\\\\s\"}}", LIST("\"a\""),
          LIST("\"\xEF\xBB\xBF\"", "\" \""));
}

/* What is told by names that a pattern does not match, or by strings that must not match, needs the pattern in full. */
static void patterns_are_never_shortened_where_that_allows_more(void **state) {
    (void)state;
    static const char *const schemas[] = {"{\"type\":\"string\",\"not\":{\"pattern\":\"^a{0,1500}$\"}}",
                                          "{\"type\":\"object\",\"patternProperties\":{\"^a{0,1500}$\":{"
                                          "\"type\":\"null\"}},\"additionalProperties\":true}"};
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        json_t *root;
        struct grammar *grammar;
        assert_int_equal(json_parse(schemas[i], strlen(schemas[i]), "test", &root), STATUS_OK);
        assert_int_equal(schema_grammar(&grammar, root, "schema"), STATUS_UNSUPPORTED);
        json_decref(root);
    }
    check("{\"type\":\"string\",\"pattern\":\"^a{0,1500}$\"}", LIST("\"aa\""), LIST("\"ab\""));
    check("{\"type\":\"string\",\"pattern\":\"^([a-z]+ +){0,300}[a-z]+$\",\"maxLength\":900}",
          LIST("\"a b c\""), LIST("\"a b \"", "\"\""));
}

static void long_strings_are_counted(void **state) {
    (void)state;
    static const int lengths[] = {511, 512, 513, 700, 767, 768, 1000};
    struct grammar *most = grammar_of("{\"type\":\"string\",\"maxLength\":767}"),
                   *both = grammar_of("{\"type\":\"string\",\"minLength\":513,\"maxLength\":40000}");
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        char text[1024];
        memset(text, 'x', sizeof text);
        text[0] = text[lengths[i] + 1] = '"';
        text[lengths[i] + 2] = '\0';
        assert_int_equal(matches(most, text), lengths[i] <= 767);
        assert_int_equal(matches(both, text), lengths[i] >= 513);
    }
    assert_true(both->nodes < 40000);
    grammar_close(most);
    grammar_close(both);
}

static void bounds_beyond_digits_are_kept_further_inside(void **state) {
    (void)state;
    check("{\"type\":\"number\",\"minimum\":0.205,\"exclusiveMaximum\":2.5}",
          LIST("0.3", "0.21", "0.205", "1", "2.0", "2.499", "0.2051"),
          LIST("0.2", "0", "2.5", "2.50", "0.2049", "3", "2.", "2.501"));
    check("{\"type\":\"number\",\"minimum\":-0.25,\"maximum\":0.25}", LIST("0", "-0.2", "0.25", "0.1"),
          LIST("-0.3", "1", "0.251", "-1"));
    check("{\"type\":\"number\",\"minimum\":-1.7976931348623157e308,\"maximum\":1.7976931348623157e308}",
          LIST("1e9", "-5.25"), LIST("\"1\""));
    check("{\"type\":\"number\",\"minimum\":1e-9,\"maximum\":1e300}", LIST("0.5", "7"), LIST("0", "-1"));
    check("{\"type\":\"number\",\"exclusiveMinimum\":0.00000025,\"maximum\":0.5}", LIST("0.25", "0.500000"),
          LIST("0", "0.51", "0.00000025"));
    check("{\"type\":\"integer\",\"minimum\":-9223372036854775808,\"maximum\":9223372036854775807}",
          LIST("0", "-123456789"), LIST("1.5"));
}

/* Whole numbers that no integer holds are bounds, but no values. */
static void numbers_of_any_size_are_read(void **state) {
    (void)state;
    check("{\"type\":\"integer\",\"minimum\":0,\"maximum\":18446744073709551615,\"description\":"
          "\"1\\\"99999999999999999999\"}",
          LIST("0", "12345"), LIST("-1", "1.5"));
    check("{\"enum\":[-18446744073709551615,1,0.5]}", LIST("1", "0.5"), LIST("-18446744073709551615"));
}

/* Keywords that nobody knows say nothing, be there two of them. */
static void unknown_words_are_no_rules(void **state) {
    (void)state;
    check("{\"allOf\":[{\"help\":\"a\",\"x-y\":1,\"type\":\"integer\"},{\"help\":\"b\",\"x-y\":2,\"minimum\":"
          "3}]}",
          LIST("3"), LIST("2"));
}

/* Alternatives that forbid each other's members are told by a member. */
static void closed_alternatives_are_told_by_members(void **state) {
    (void)state;
    check("{\"type\":\"object\",\"oneOf\":[{\"properties\":{\"next\":{\"type\":\"string\"}},"
          "\"additionalProperties\":false},"
          "{\"properties\":{\"last\":{\"type\":\"string\"}},\"additionalProperties\":false}]}",
          LIST("{\"next\":\"\"}", "{\"last\":\"a\"}"), LIST("{}", "{\"next\":\"\",\"last\":\"\"}"));
    check("{\"type\":\"object\",\"not\":{\"additionalProperties\":{\"type\":\"integer\"}}}",
          LIST("{\"a\":\"x\"}"), LIST("{}", "{\"a\":1}"));
    check("{\"type\":\"array\",\"not\":{\"items\":{\"type\":\"integer\"}}}", LIST("[null]", "[null,1]"),
          LIST("[]", "[1,2]"));
    check("{\"type\":\"array\",\"not\":{\"contains\":{\"type\":\"integer\"}}}", LIST("[]", "[null]"),
          LIST("[1]", "[null,2]"));
    check("{\"type\":\"integer\",\"not\":{\"multipleOf\":3}}", LIST("1", "4"), LIST("0", "3"));
    /* one requires what the other has another kind of */
    check("{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1}},\"required\":[\"k\"]},"
          "{\"type\":\"object\",\"properties\":{\"k\":{\"const\":2},\"a\":{\"type\":\"null\"}}}]}",
          LIST("{\"k\":1}", "{\"k\":2}", "{}"), LIST("{\"k\":3}"));
    check("{\"allOf\":[{\"properties\":{\"xa\":{\"type\":\"string\"},\"b\":{}},\"type\":\"object\"},"
          "{\"patternProperties\":{\"^x\":{}},\"additionalProperties\":false}]}",
          LIST("{\"xa\":\"\"}", "{\"xb\":5}"), LIST("{\"xa\":5}", "{\"b\":1}"));
    check("{\"oneOf\":[{\"type\":\"object\",\"required\":[\"xa\"],\"properties\":{\"xa\":{\"type\":"
          "\"integer\"}}},"
          "{\"type\":\"object\",\"patternProperties\":{\"^x\":{\"type\":\"integer\"}},"
          "\"additionalProperties\":false}]}",
          LIST("{}"), LIST("{\"xa\":1}"));
}

/* Only alternatives that can hold at once are kept apart by words. */
static void alternatives_are_told_apart_by_what_they_say(void **state) {
    (void)state;
    check("{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^a[0-9]+$\"},{\"type\":\"string\",\"pattern\":\"^"
          "b\"},{\"const\":\"c\"}]}",
          LIST("\"a1\"", "\"b\"", "\"c\""), LIST("\"a\"", "\"d\""));
    check("{\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^a\"},{\"type\":\"string\",\"pattern\":\"b$\"}]}",
          LIST("\"a\"", "\"b\""), LIST("\"ab\"", "\"c\""));
    /* what is required around them tells them apart */
    check("{\"type\":\"object\",\"required\":[\"k\"],\"oneOf\":[{\"properties\":{\"k\":{\"const\":1},\"a\":{"
          "\"type\":\"null\"}}},"
          "{\"properties\":{\"k\":{\"const\":2},\"b\":{\"type\":\"null\"}}}]}",
          LIST("{\"k\":1}", "{\"k\":1,\"a\":null}", "{\"k\":2,\"b\":null}"), LIST("{}", "{\"k\":3}"));
    check("{\"oneOf\":[{\"enum\":[{\"t\":\"void\"}]},{\"type\":\"object\",\"properties\":{\"t\":{\"enum\":["
          "\"a\",\"b\"]}},\"required\":[\"t\"]}]}",
          LIST("{\"t\":\"void\"}", "{\"t\":\"a\"}"), LIST("{\"t\":\"c\"}", "{}"));
    check("{\"oneOf\":[{\"type\":\"number\",\"maximum\":3},{\"type\":\"number\",\"minimum\":3},{\"type\":"
          "\"null\"}]}",
          LIST("2", "4", "null"), LIST("3"));
    check("{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}}},{\"type\":\"object\","
          "\"properties\":{\"a\":{\"const\":2}}}]}",
          LIST("{\"a\":1}", "{\"a\":2}"), LIST("{}", "{\"a\":3}"));
}

/* Alternatives that multiply are kept few: what is left out costs ways to say it, never rules. */
static void alternatives_stay_few(void **state) {
    (void)state;
    struct buffer text = {0};
    buffer_append_text(&text, "{\"type\":\"object\",\"oneOf\":[");
    for (int i = 0; i < 24; i++) {
        buffer_printf(&text, "%s{\"properties\":{\"kind\":{\"enum\":[\"k%d\"]}", i ? "," : "", i);
        for (char name = 'a'; name < 'f'; name++)
            buffer_printf(&text, ",\"%c\":{\"type\":\"%s\"}", name, i % 2 ? "null" : "string");
        buffer_append_text(&text, "}}");
    }
    buffer_append_text(&text, "]}");
    struct grammar *grammar = grammar_of(text.data);
    if (grammar->nodes >= 100000) fail_msg("%d places", grammar->nodes);
    assert_true(matches(grammar, "{\"kind\":\"k3\",\"a\":null}"));
    assert_true(matches(grammar, "{\"kind\":\"k4\",\"b\":\"\"}"));
    assert_false(matches(grammar, "{\"kind\":\"k4\",\"b\":null}"));
    assert_false(matches(grammar, "{}"));
    grammar_close(grammar);
    buffer_free(&text);
    check("{\"enum\":[\"a\",\"b\",\"c\",\"d\"],\"allOf\":[{\"not\":{\"const\":\"a\"}},{\"not\":{\"enum\":["
          "\"b\",\"x\"]}},{\"not\":{\"pattern\":\"^d\"}}]}",
          LIST("\"c\""), LIST("\"a\"", "\"b\"", "\"d\""));
    check("{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[1,2]}},\"required\":[\"k\"],"
          "\"dependencies\":{\"k\":{\"oneOf\":["
          "{\"properties\":{\"k\":{\"const\":1},\"a\":{\"type\":\"null\"}}},{\"properties\":{\"k\":{"
          "\"const\":2},\"b\":{\"type\":\"null\"}}}]}}}",
          LIST("{\"k\":1,\"a\":null}", "{\"k\":2}", "{\"k\":2,\"b\":null}"), LIST("{}", "{\"k\":3}"));
}

static void formats_have_room(void **state) {
    (void)state;
    check("{\"type\":\"string\",\"format\":\"uri\"}",
          LIST("\"https://example.com:8080/a%20b/c?q=1&r=x/y#top\"", "\"urn:oid:1.2.3\"", "\"mailto:a@b.c\""),
          LIST("\"/a\"", "\"http://exa mple.com\"", "\"http://a/%2\"", "\"\""));
    check("{\"type\":\"string\",\"format\":\"uri-reference\"}",
          LIST("\"/a/b?c\"", "\"a#b\"", "\"http://a.b\""), LIST("\"//a b\"", "\"%\""));
    check("{\"type\":\"string\",\"format\":\"date\"}",
          LIST("\"2024-02-29\"", "\"2000-02-29\"", "\"2023-12-31\""),
          LIST("\"2023-02-29\"", "\"1900-02-29\"", "\"0000-01-01\"", "\"2024-04-31\""));
    check("{\"type\":\"string\",\"format\":\"ipv6\"}",
          LIST("\"::1\"", "\"fe80::1:2\"", "\"::\"", "\"1:2:3:4:5:6:7:8\""),
          LIST("\"1::2::3\"", "\"1:2:3\"", "\"1:2:3:4:5:6:7:8:9\"", "\":1\""));
    check("{\"type\":\"string\",\"format\":\"duration\"}", LIST("\"P1Y2M3DT4H5M6S\"", "\"PT5M\"", "\"P2W\""),
          LIST("\"P\"", "\"PT\"", "\"P1W2D\"", "\"P1D2M\""));
}

/* A schema of `head`, `part` so many times with a comma between, and `tail`. */
static void try_repeated(const char *head, const char *part, int times, const char *tail,
                         enum status expected) {
    struct buffer text = {0};
    struct grammar *grammar;
    struct matcher matcher;
    json_t *root;
    buffer_append_text(&text, head);
    for (int i = 0; i < times; i++) buffer_printf(&text, part, i);
    buffer_append_text(&text, tail);
    assert_int_equal(json_parse(text.data, text.bytes, "test", &root), STATUS_OK);
    enum status status = schema_grammar(&grammar, root, "schema");
    if (status == STATUS_OK) {
        status = matcher_open(&matcher, grammar);
        if (status == STATUS_OK) matcher_close(&matcher);
    }
    if (status != expected) fail_msg("%.60s...: %d, %s", text.data, status, status_message());
    grammar_close(grammar);
    json_decref(root);
    buffer_free(&text);
}

static void huge_schemas_are_refused(void **state) {
    (void)state;
    try_repeated("{\"enum\":[0", ",\"v%d\"", 100000, "]}", STATUS_OK);
    try_repeated("{\"enum\":[0", ",\"v%d\"", 2000, "]}", STATUS_OK);
    try_repeated("{\"type\":\"string\",\"pattern\":\"", "|a", 1000000, "\"}", STATUS_LIMIT);
    try_repeated("{\"type\":\"string\",\"pattern\":\"^(a", "|b", 1000000, ")$\"}", STATUS_LIMIT);
    try_repeated("{\"type\":\"string\",\"pattern\":\"", "(((((){1000}){1000}){1000}){1000}){1000}", 1, "\"}",
                 STATUS_LIMIT);
    try_repeated("{\"type\":\"object\",\"properties\":{\"", "n", 1000000,
                 "\":{}},\"additionalProperties\":true}", STATUS_LIMIT);
    try_repeated("{\"type\":\"array\",\"prefixItems\":[true", ",true", 60000, "]}", STATUS_LIMIT);
    try_repeated("{\"oneOf\":[{\"minLength\":1}", ",{\"minLength\":%d}", 5000, "]}", STATUS_UNSUPPORTED);
    try_repeated("{\"type\":\"string\",\"pattern\":\"", "[a", 1, "\"}", STATUS_UNSUPPORTED);
    try_repeated(
        "{\"$defs\":{\"A\":{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"$ref\":\"#/"
        "$defs/A\"}}},\"B\":{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"$ref\":\"#/"
        "$defs/B\"}}}},\"oneOf\":[{\"$ref\":\"#/$defs/A\"}",
        ",{\"$ref\":\"#/$defs/B\"}", 1, "]}", STATUS_UNSUPPORTED);
}

/* ---- the standard's test suite ---- */

struct tally {
    int compiled, refused, accepted, wrong;
};

static void run_group(const json_t *group, const char *file, struct tally *tally) {
    struct grammar *grammar;
    json_t *test;
    size_t i;
    if (schema_grammar(&grammar, json_object_get(group, "schema"), "schema") != STATUS_OK) {
        tally->refused++;
        assert_true(*status_message());
        return;
    }
    tally->compiled++;
    json_array_foreach(json_object_get(group, "tests"), i, test) {
        char *text = json_dumps(json_object_get(test, "data"), JSON_ENCODE_ANY | JSON_COMPACT);
        const bool allowed = matches(grammar, text), valid = json_is_true(json_object_get(test, "valid"));
        tally->accepted += allowed && valid;
        if (allowed && !valid) {
            tally->wrong++;
            print_message("%s: %s: %s\n", file, json_string_value(json_object_get(group, "description")),
                          text);
        }
        free(text);
    }
    grammar_close(grammar);
}

static bool run_folder(const char *folder, struct tally *tally) {
    DIR *directory = opendir(folder);
    if (!directory) return false;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char path[512];
        json_t *root, *group;
        size_t i;
        if (!strstr(entry->d_name, ".json")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        assert_int_equal(json_read_file(path, 1 << 24, &root), STATUS_OK);
        json_array_foreach(root, i, group) run_group(group, entry->d_name, tally);
        json_decref(root);
    }
    closedir(directory);
    return true;
}

static void nothing_invalid_is_allowed(void **state) {
    struct tally tally = {0};
    (void)state;
    if (!run_folder("../shared/schemas/json-schema-test-suite/tests/draft7", &tally)) skip();
    run_folder("../shared/schemas/json-schema-test-suite/tests/draft2020-12", &tally);
    print_message("%d schemas compiled, %d refused; %d valid values allowed\n", tally.compiled, tally.refused,
                  tally.accepted);
    assert_int_equal(tally.wrong, 0);
    assert_true(tally.compiled >= 550 && tally.accepted >= 720);
}

/* ---- masks ---- */

/* Along random texts, the mask against each token by itself. */
static void compare_masks(const char *schema, int runs, bool share) {
    struct tokenizer *tokenizer;
    struct token_trie *trie;
    struct mask_table *table;
    struct mask_shared *shared = NULL;
    struct rng rng;
    if (tokenizer_open(&tokenizer, "../shared/models/tiny-v3") != STATUS_OK) skip();
    const int32_t vocabulary = tokenizer_vocabulary(tokenizer);
    struct grammar *grammar = grammar_of(schema);
    uint32_t *allowed = calloc((size_t)vocabulary / 32 + 1, sizeof *allowed);
    assert_int_equal(token_trie_open(&trie, tokenizer, vocabulary), STATUS_OK);
    if (share) assert_int_equal(mask_shared_open(&shared, trie), STATUS_OK);
    assert_int_equal(mask_table_open(&table, trie, grammar, shared), STATUS_OK);
    rng_seed(&rng, 5);
    for (int run = 0; run < runs; run++) {
        struct buffer text = {0};
        struct matcher matcher;
        assert_int_equal(matcher_open(&matcher, grammar), STATUS_OK);
        for (int step = 0; step < 25; step++) {
            int32_t chosen = -1, count = 0;
            assert_true(mask_table_allow(table, &matcher, allowed));
            for (int32_t id = 0; id < vocabulary; id++) {
                size_t bytes;
                const char *token = tokenizer_bytes(tokenizer, id, &bytes);
                struct matcher fresh;
                const bool masked = allowed[id >> 5] >> (id & 31) & 1;
                if (tokenizer_is_added(tokenizer, id) || bytes == 0 || bytes > TOKEN_BYTES_LIMIT) {
                    assert_false(masked);
                    continue;
                }
                assert_int_equal(matcher_open(&fresh, grammar), STATUS_OK);
                const bool meant = (!text.bytes || matcher_push(&fresh, text.data, text.bytes)) &&
                                   matcher_push(&fresh, token, bytes);
                matcher_close(&fresh);
                if (masked != meant)
                    fail_msg("behind \"%s\", token %d: mask %d, grammar %d", text.data, id, masked, meant);
                if (masked && rng_next(&rng) % (uint64_t)++count == 0) chosen = id;
            }
            if (chosen < 0) break;
            size_t bytes;
            const char *token = tokenizer_bytes(tokenizer, chosen, &bytes);
            buffer_append(&text, token, bytes);
            assert_true(matcher_push(&matcher, token, bytes));
        }
        buffer_free(&text);
        matcher_close(&matcher);
    }
    free(allowed);
    mask_table_close(table);
    mask_shared_close(shared);
    token_trie_close(trie);
    grammar_close(grammar);
    tokenizer_close(tokenizer);
}

static void masks_say_what_the_grammar_says(void **state) {
    static const char schema[] = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"},\"n\":{"
                                 "\"type\":\"integer\",\"minimum\":5},"
                                 "\"list\":{\"type\":\"array\",\"items\":{\"enum\":[\"to\",\"the\",\"thee\"]}"
                                 "},\"any\":{}},\"required\":[\"name\",\"any\"]}",
                      counted[] =
                          "{\"type\":\"object\",\"properties\":{\"s\":{\"type\":\"string\",\"minLength\":40,"
                          "\"maxLength\":90},\"p\":{\"type\":\"string\",\"pattern\":\"^[a-z ]{36,50}$\"}},"
                          "\"required\":[\"s\",\"p\"]}";
    (void)state;
    compare_masks(schema, 3, false);
    compare_masks(schema, 3, true);
    compare_masks(counted, 2, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_kept),
        cmocka_unit_test(bounds_of_numbers_are_kept),
        cmocka_unit_test(multiples_are_kept),
        cmocka_unit_test(combinations_are_said_otherwise),
        cmocka_unit_test(names_and_counts_are_kept),
        cmocka_unit_test(strings_follow_their_rules),
        cmocka_unit_test(objects_have_their_properties),
        cmocka_unit_test(what_cannot_be_kept_is_named),
        cmocka_unit_test(names_lead_to_their_schemas),
        cmocka_unit_test(members_that_nothing_looks_at_follow_their_rule),
        cmocka_unit_test(contained_items_are_counted),
        cmocka_unit_test(small_schemas_stay_small),
        cmocka_unit_test(patterns_are_held_at_their_ends),
        cmocka_unit_test(classes_are_those_of_every_reader),
        cmocka_unit_test(patterns_are_never_shortened_where_that_allows_more),
        cmocka_unit_test(long_strings_are_counted),
        cmocka_unit_test(bounds_beyond_digits_are_kept_further_inside),
        cmocka_unit_test(numbers_of_any_size_are_read),
        cmocka_unit_test(unknown_words_are_no_rules),
        cmocka_unit_test(closed_alternatives_are_told_by_members),
        cmocka_unit_test(alternatives_are_told_apart_by_what_they_say),
        cmocka_unit_test(alternatives_stay_few),
        cmocka_unit_test(formats_have_room),
        cmocka_unit_test(gaps_between_keywords_let_nothing_through),
        cmocka_unit_test(huge_schemas_are_refused),
        cmocka_unit_test(nothing_invalid_is_allowed),
        cmocka_unit_test(masks_say_what_the_grammar_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
