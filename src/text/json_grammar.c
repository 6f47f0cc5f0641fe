/* json_grammar.c - strings, numbers, spaces, values. */
#include "text/json_grammar.h"

#include "text/json_print.h"

#include <stdlib.h>
#include <string.h>

enum { INDENTATION = 20, DIGITS = 15, FRACTION = 15 };

static const struct expression *any_of(struct grammar_builder *builder, const char *bytes) {
    struct byte_set set = {{0}};
    for (; *bytes; bytes++) byte_set_add(&set, (unsigned char)*bytes);
    return grammar_set(builder, set);
}

const struct expression *json_spaced(const struct json_parts *parts, const struct expression *first,
                                     const struct expression *second) {
    struct grammar_builder *b = parts->builder;
    return grammar_sequence(b, first, grammar_sequence(b, grammar_call(b, parts->space), second));
}

/* ---- strings ---- */

static const struct expression *escape_of(struct grammar_builder *builder, uint32_t code) {
    static const char names[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = code ? strchr(names, (int)code) : NULL;
    if (found) {
        const char text[2] = {'\\', letters[found - names]};
        return grammar_bytes(builder, text, sizeof text);
    }
    static const char digits[] = "0123456789abcdef";
    const char text[6] = {'\\', 'u', '0', '0', digits[code >> 4 & 15], digits[code & 15]};
    return grammar_bytes(builder, text, sizeof text);
}

static const struct expression *either(struct grammar_builder *builder, const struct expression *sum,
                                       const struct expression *more) {
    return sum ? grammar_either(builder, sum, more) : more;
}

/* The pieces between the characters that cannot stand for themselves. */
const struct expression *json_characters(struct grammar_builder *builder, uint32_t low, uint32_t high) {
    static const uint32_t pieces[][2] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
    const struct expression *sum = NULL;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        uint32_t from = low > pieces[i][0] ? low : pieces[i][0],
                 to = high < pieces[i][1] ? high : pieces[i][1];
        if (from <= to) sum = either(builder, sum, grammar_range(builder, from, to));
    }
    for (uint32_t code = low; code <= high && code < 0x60; code++)
        if (code < 0x20 || code == '"' || code == '\\') sum = either(builder, sum, escape_of(builder, code));
    return sum ? sum : grammar_set(builder, (struct byte_set){{0}});
}

/* Every escape that JSON has, but for halves of surrogate pairs. */
static const struct expression *escapes(struct grammar_builder *b) {
    static const char hex[] = "0123456789abcdefABCDEF";
    const struct expression *digit = any_of(b, hex);
    const struct expression *plane =
        grammar_either(b, grammar_sequence(b, any_of(b, "0123456789abcefABCEF"), digit),
                       grammar_sequence(b, any_of(b, "dD"), any_of(b, "01234567")));
    const struct expression *code =
        grammar_sequence(b, grammar_text(b, "u"), grammar_sequence(b, plane, grammar_repeat(b, digit, 2, 2)));
    return grammar_sequence(b, grammar_text(b, "\\"), grammar_either(b, any_of(b, "\"\\/bfnrt"), code));
}

static const struct expression *plain_character(struct grammar_builder *b) {
    static const uint32_t pieces[][2] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
    const struct expression *plain = NULL;
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        plain = either(b, plain, grammar_range(b, pieces[i][0], pieces[i][1]));
    return plain;
}

const struct expression *json_any_character(struct grammar_builder *builder) {
    return grammar_either(builder, plain_character(builder), escapes(builder));
}

static void define_string(const struct json_parts *parts) {
    struct grammar_builder *b = parts->builder;
    const struct expression *quote = grammar_text(b, "\"");
    grammar_define(b, parts->name_end,
                   grammar_sequence(b, grammar_repeat(b, plain_character(b), 0, -1), quote));
    grammar_define(b, parts->character, json_any_character(b));
    const struct expression *inside = grammar_repeat(b, json_any_character(b), 0, -1);
    grammar_define(b, parts->string, grammar_sequence(b, quote, grammar_sequence(b, inside, quote)));
}

/* ---- numbers: at most so many digits, which a double can tell apart ---- */

static void define_numbers(const struct json_parts *parts) {
    struct grammar_builder *b = parts->builder;
    const struct expression *digit = any_of(b, "0123456789");
    const struct expression *whole =
        grammar_either(b, grammar_text(b, "0"),
                       grammar_sequence(b, any_of(b, "123456789"), grammar_repeat(b, digit, 0, DIGITS - 1)));
    const struct expression *integer = grammar_sequence(b, grammar_optional(b, grammar_text(b, "-")), whole);
    const struct expression *fraction =
        grammar_sequence(b, grammar_text(b, "."), grammar_repeat(b, digit, 1, FRACTION));
    const struct expression *exponent = grammar_sequence(
        b, any_of(b, "eE"),
        grammar_sequence(b, grammar_optional(b, any_of(b, "+-")), grammar_repeat(b, digit, 1, 2)));
    grammar_define(b, parts->integer, integer);
    grammar_define(
        b, parts->number,
        grammar_sequence(b, grammar_call(b, parts->integer),
                         grammar_sequence(b, grammar_optional(b, fraction), grammar_optional(b, exponent))));
}

/* ---- values ---- */

/* open (item (, item)*)? close */
static const struct expression *list_of(const struct json_parts *parts, const char *open,
                                        const struct expression *item, const char *close) {
    struct grammar_builder *b = parts->builder;
    const struct expression *space = grammar_call(b, parts->space);
    const struct expression *more =
        grammar_sequence(b, grammar_text(b, ","), grammar_sequence(b, space, item));
    const struct expression *items =
        grammar_sequence(b, item, grammar_sequence(b, grammar_repeat(b, more, 0, -1), space));
    return grammar_sequence(
        b, grammar_text(b, open),
        grammar_sequence(b, space, grammar_sequence(b, grammar_optional(b, items), grammar_text(b, close))));
}

static void define_values(const struct json_parts *parts) {
    struct grammar_builder *b = parts->builder;
    const struct expression *value = grammar_call(b, parts->value), *string = grammar_call(b, parts->string);
    const struct expression *pair = grammar_sequence(
        b, string,
        grammar_sequence(b, grammar_text(b, ":"), grammar_sequence(b, grammar_call(b, parts->space), value)));
    grammar_define(b, parts->object, list_of(parts, "{", pair, "}"));
    grammar_define(b, parts->array, list_of(parts, "[", value, "]"));
    const struct expression *sum =
        grammar_either(b, grammar_call(b, parts->object), grammar_call(b, parts->array));
    sum = grammar_either(b, sum, grammar_either(b, string, grammar_call(b, parts->number)));
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < COUNT_OF(words); i++) sum = grammar_either(b, sum, grammar_text(b, words[i]));
    grammar_define(b, parts->value, sum);
}

void json_parts_open(struct json_parts *parts, struct grammar_builder *builder) {
    const bool first = builder->rules == 0;
    *parts = (struct json_parts){.builder = builder};
    int *const rules[] = {&parts->space,  &parts->value,   &parts->object,    &parts->array,   &parts->string,
                          &parts->number, &parts->integer, &parts->character, &parts->name_end};
    for (size_t i = 0; i < COUNT_OF(rules); i++) *rules[i] = grammar_declare(builder);
    if (first) builder->shared_rules = builder->rules;
    const struct expression *line =
        grammar_sequence(builder, grammar_text(builder, "\n"),
                         grammar_repeat(builder, grammar_text(builder, " "), 0, INDENTATION));
    grammar_define(builder, parts->space,
                   grammar_optional(builder, grammar_either(builder, grammar_text(builder, " "), line)));
    define_string(parts);
    define_numbers(parts);
    define_values(parts);
}

char *json_literal_text(const json_t *value) {
    struct buffer text = {0};
    if (!json_is_string(value) && !json_is_real(value))
        return json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_print(&text, value, 0);
    if (text.failed) buffer_free(&text);
    return text.data;
}

const struct expression *json_literal(struct grammar_builder *builder, const json_t *value) {
    char *text = json_literal_text(value);
    if (!text) builder->failed = true;
    const struct expression *literal = text ? grammar_text(builder, text) : NULL;
    free(text);
    return literal;
}

enum status json_object_grammar(struct grammar **grammar) {
    struct grammar_builder builder = {0};
    struct json_parts parts;
    json_parts_open(&parts, &builder);
    enum status status = grammar_open(grammar, &builder, parts.object);
    grammar_builder_free(&builder);
    return status;
}
