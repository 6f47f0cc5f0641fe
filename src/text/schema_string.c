/* schema_string.c - strings of a schema: one rule for them is a grammar as it is; several at once, or what must not be,
 * are automata that are combined.
 *
 * Characters of a string are written in one way only, escaped where they have to be, so that a difference of two languages
 * of such texts is one of strings. */
#include "text/grammar_expression.h"
#include "text/json_print.h"
#include "text/schema_compile.h"

#include <stdlib.h>
#include <string.h>

enum { CHARACTERS_LIMIT = 8192, LENGTH_LIMIT = 1 << 16, PART = 256, COUNTED_LIMIT = 256, COUNTED_LEAST = 48 };

static const struct expression *quoted(struct schema_compiler *compiler, const struct expression *inside) {
    struct grammar_builder *b = compiler->builder;
    return grammar_sequence(b, grammar_text(b, "\""), grammar_sequence(b, inside, grammar_text(b, "\"")));
}

/* Strings that follow one pattern; NULL without a failure: `filled`, and it allows the empty one. */
static const struct expression *matched(struct schema_compiler *compiler, const char *pattern, bool filled) {
    enum status status;
    const struct expression *inside =
        regex_characters(compiler->builder, pattern, compiler->origin, REGEX_REPETITIONS, &status);
    if (status != STATUS_OK && compiler->status == STATUS_OK) compiler->status = status;
    return filled && inside && expression_may_be_empty(inside) ? NULL : quoted(compiler, inside);
}

/* ---- automata ---- */

struct strings {
    struct schema_compiler *compiler;
    struct grammar_builder builder; /* of expressions that become machines */
    struct machine *all;            /* so far; NULL: any string */
    int repetitions; /* of what must hold: fewer are told apart where there are too many states */
};

bool schema_spend_states(struct schema_compiler *compiler, const struct machine *machine) {
    enum { STATES_LIMIT = 1 << 17 };
    if (machine) compiler->states += machine_states(machine);
    if (compiler->states <= STATES_LIMIT) return true;
    (void)schema_refuse(compiler, STATUS_LIMIT, "pattern", "all patterns together are too large");
    return false;
}

static bool take_status(struct strings *strings, enum status status) {
    if (status != STATUS_OK && strings->compiler->status == STATUS_OK) strings->compiler->status = status;
    return status == STATUS_OK;
}

/* What is allowed becomes what this expression allows of it, or with `but_not` what it does not. */
static bool narrow(struct strings *strings, const struct expression *expression, bool but_not) {
    struct machine *one = NULL, *both = NULL;
    if (strings->compiler->status != STATUS_OK) return false;
    if (!strings->all) {
        const struct expression *any =
            grammar_repeat(&strings->builder, json_characters(&strings->builder, 0, 0x10FFFF), 0, -1);
        if (!take_status(strings, machine_open(&strings->all, but_not ? any : expression))) return false;
        if (!but_not) return schema_spend_states(strings->compiler, strings->all);
    }
    bool done = take_status(strings, machine_open(&one, expression)) &&
                take_status(strings, machine_combine(&both, strings->all, one, but_not));
    done =
        done && schema_spend_states(strings->compiler, one) && schema_spend_states(strings->compiler, both);
    machine_close(one);
    if (!done) {
        machine_close(both);
        return false;
    }
    machine_close(strings->all);
    strings->all = both;
    return true;
}

static bool narrow_by_pattern(struct strings *strings, const char *pattern, bool but_not);

/* ^(?!x)(?=y)z is what begins with no x, begins with y, and matches ^z. */
static bool narrow_by_looks(struct strings *strings, const char *pattern) {
    bool done = true;
    const char *at = pattern + 1;
    struct buffer part = {0};
    while (done && at[0] == '(' && at[1] == '?' && (at[2] == '!' || at[2] == '=')) {
        const char *end = regex_group_end(at + 3);
        if (!end || strchr("*+?{", end[1] ? end[1] : ' ')) break;
        buffer_clear(&part);
        /* $ ends an alternative only outside of groups, where the ends of lines are looked for */
        const bool ends = end > at + 3 && end[-1] == '$' && !memchr(at + 3, '|', (size_t)(end - at - 3));
        buffer_printf(&part, ends ? "^%.*s$" : "^(?:%.*s)", (int)(end - at - 3 - ends), at + 3);
        done = !part.failed && narrow_by_pattern(strings, part.data, at[2] == '!');
        at = end + 1;
    }
    buffer_clear(&part);
    buffer_printf(&part, "^%s", at);
    done = done && !part.failed && narrow_by_pattern(strings, part.data, false);
    buffer_free(&part);
    return done;
}

static bool looks_around_first(const char *pattern) {
    return !strncmp(pattern, "^(?!", 4) || !strncmp(pattern, "^(?=", 4);
}

static bool narrow_by_pattern(struct strings *strings, const char *pattern, bool but_not) {
    enum status status;
    const int most = but_not || strings->compiler->exact ? -1 : strings->repetitions;
    if (!but_not && looks_around_first(pattern) && !regex_group_end(pattern + 4)) return false;
    if (!but_not && looks_around_first(pattern)) return narrow_by_looks(strings, pattern);
    const struct expression *inside =
        regex_characters(&strings->builder, pattern, strings->compiler->origin, most, &status);
    return take_status(strings, status) && inside && narrow(strings, inside, but_not);
}

static bool narrow_by_text(struct strings *strings, const json_t *list, bool but_not) {
    struct grammar_builder *b = &strings->builder;
    const struct expression *sum = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        struct buffer text = {0};
        if (!json_is_string(value)) continue;
        json_print_text(&text, json_string_value(value), json_string_length(value));
        const struct expression *one = text.failed || text.bytes < 2 ? NULL
                                       : text.bytes == 2             ? grammar_empty(b)
                                                         : grammar_bytes(b, text.data + 1, text.bytes - 2);
        sum = sum ? grammar_either(b, sum, one) : one;
        buffer_free(&text);
    }
    if (!sum) return but_not;
    return narrow(strings, sum, but_not);
}

static const char *usable_pattern(struct strings *strings, const json_t *pattern) {
    const char *text = json_string_value(pattern);
    if (!text)
        (void)schema_refuse(strings->compiler, STATUS_INPUT, "pattern", "must be a string");
    else if (strlen(text) != json_string_length(pattern))
        (void)schema_refuse(strings->compiler, STATUS_UNSUPPORTED, "pattern",
                            "contains the character U+0000");
    else
        return text;
    return NULL;
}

static bool narrow_by_rules(struct strings *strings, const json_t *schema, bool but_not) {
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format"),
                 *list = json_object_get(schema, "enum");
    const char *text = pattern ? usable_pattern(strings, pattern) : NULL,
               *known = json_is_string(format) ? schema_format(json_string_value(format)) : NULL;
    if (pattern && (!text || !narrow_by_pattern(strings, text, but_not))) return false;
    if (known && !but_not && !narrow_by_pattern(strings, known, false)) return false;
    return !list || narrow_by_text(strings, list, but_not);
}

static bool narrow_by_list(struct strings *strings, const json_t *list, bool but_not) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!narrow_by_rules(strings, json_array_get(list, i), but_not)) return false;
    return true;
}

/* Lengths cost states: at most so many characters are allowed, which is fewer than the schema does. */
static bool narrow_by_length(struct strings *strings, int64_t least, int64_t most) {
    struct grammar_builder *b = &strings->builder;
    if (least <= 0 && most < 0) return true;
    if (least > COUNTED_LIMIT)
        return schema_refuse(strings->compiler, STATUS_UNSUPPORTED, "minLength", "is too large"), false;
    for (int limit = COUNTED_LIMIT;; limit = COUNTED_LEAST) {
        int high = most < 0 ? -1 : (int)(most < limit ? most : limit);
        if (high >= 0 && high < least) high = (int)least;
        if (narrow(strings, grammar_repeat(b, json_characters(b, 0, 0x10FFFF), (int)least, high), false))
            return true;
        if (limit == COUNTED_LEAST || strings->compiler->status != STATUS_LIMIT || most < 0) return false;
        strings->compiler->status = STATUS_OK;
    }
}

static bool narrow_by_all(struct strings *strings, const json_t *schema, int64_t least, int64_t most) {
    if (!narrow_by_rules(strings, schema, false) ||
        !narrow_by_list(strings, json_object_get(schema, SCHEMA_AND), false) ||
        !narrow_by_list(strings, json_object_get(schema, SCHEMA_NOT), true) ||
        !narrow_by_length(strings, least, most))
        return false;
    struct grammar_builder *b = &strings->builder;
    return strings->all || narrow(strings, grammar_repeat(b, json_characters(b, 0, 0x10FFFF), 0, -1), false);
}

struct machine *schema_strings(struct schema_compiler *compiler, const json_t *schema) {
    enum { FAILURE_STATES = 1024 }; /* what is too large takes its time, too, and may come often */
    static const int repetitions[] = {REGEX_REPETITIONS, 64, 12, 3};
    const int64_t least = schema_count(compiler, schema, "minLength", 0),
                  most = schema_count(compiler, schema, "maxLength", -1);
    for (size_t i = 0; i < COUNT_OF(repetitions) && compiler->status == STATUS_OK; i++) {
        struct strings strings = {.compiler = compiler, .repetitions = repetitions[i]};
        const bool done = narrow_by_all(&strings, schema, least, most);
        grammar_builder_free(&strings.builder);
        if (done) return strings.all;
        machine_close(strings.all);
        if (compiler->status == STATUS_LIMIT && schema_spend_states(compiler, NULL))
            compiler->status =
                compiler->exact || i + 1 == COUNT_OF(repetitions) ? STATUS_UNSUPPORTED : STATUS_OK;
    }
    compiler->states += FAILURE_STATES;
    (void)schema_refuse(compiler, STATUS_UNSUPPORTED, "pattern",
                        "cannot be kept beside the other rules for this string");
    return NULL;
}

static const struct expression *combined(struct schema_compiler *compiler, const json_t *schema) {
    struct machine *machine = schema_strings(compiler, schema);
    if (!machine) return NULL;
    const bool empty = machine_is_empty(machine);
    const struct expression *inside = machine_expression(machine, compiler->builder);
    machine_close(machine);
    if (empty)
        return schema_refuse(compiler, STATUS_INPUT, "pattern",
                             "allows no string beside the other rules for it");
    return quoted(compiler, inside);
}

/* ---- one rule alone ---- */

static const struct expression *rule_of(struct grammar_builder *b, int *rule, int low, int high) {
    if (*rule == 0) {
        *rule = grammar_declare(b);
        grammar_define(b, *rule, grammar_repeat(b, json_any_character(b), low, high));
    }
    return grammar_call(b, *rule);
}

/* Each character of a string that is counted is a place of its own: those of long ones are shared in parts. */
static const struct expression *characters(struct schema_compiler *compiler, int64_t count) {
    struct grammar_builder *b = compiler->builder;
    const int left = (int)(count % PART);
    const struct expression *all = grammar_repeat(b, json_any_character(b), left, left);
    for (int64_t part = 0; part < count / PART; part++)
        all = grammar_sequence(b, rule_of(b, &compiler->characters, PART, PART), all);
    return all;
}

static const struct expression *characters_up_to(struct schema_compiler *compiler, int64_t most) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *all = grammar_repeat(b, json_any_character(b), 0, (int)(most % PART));
    for (int64_t part = 0; part < most / PART; part++)
        all = grammar_either(b, rule_of(b, &compiler->few_characters, 0, PART - 1),
                             grammar_sequence(b, rule_of(b, &compiler->characters, PART, PART), all));
    return all;
}

static const struct expression *of_length(struct schema_compiler *compiler, int64_t least, int64_t most) {
    struct grammar_builder *b = compiler->builder;
    if (least > CHARACTERS_LIMIT)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minLength", "is too large");
    if (most >= 0 && most < least)
        return schema_refuse(compiler, STATUS_INPUT, "maxLength", "is less than minLength");
    if (most > LENGTH_LIMIT) most = least > LENGTH_LIMIT ? least : LENGTH_LIMIT;
    const struct expression *more =
        most < 0 ? grammar_repeat(b, json_any_character(b), 0, -1) : characters_up_to(compiler, most - least);
    return quoted(compiler, grammar_sequence(b, characters(compiler, least), more));
}

const struct expression *schema_string(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *pattern = json_object_get(schema, "pattern"), *format = json_object_get(schema, "format");
    const int64_t least = schema_count(compiler, schema, "minLength", 0),
                  most = schema_count(compiler, schema, "maxLength", -1);
    const char *text = json_string_value(pattern);
    if (least == -2 || most == -2) return NULL;
    if (format && !json_is_string(format))
        return schema_refuse(compiler, STATUS_INPUT, "format", "must be a string");
    /* what the standard does not know, such as int32, says nothing of strings */
    const char *known = format ? schema_format(json_string_value(format)) : NULL;
    const bool bounded = least > 0 || most >= 0,
               more = json_object_get(schema, SCHEMA_AND) || json_object_get(schema, SCHEMA_NOT);
    const bool looks = text && looks_around_first(text);
    /* a pattern that allows no empty string keeps a length of at least one by itself */
    if (least == 1 && most < 0 && !more && !looks && (text != NULL) != (known != NULL)) {
        const struct expression *alone = matched(compiler, text ? text : known, true);
        if (alone || compiler->status != STATUS_OK) return alone;
    }
    if ((pattern != NULL) + (known != NULL) + bounded > 1 || more || looks) return combined(compiler, schema);
    if (pattern && !text) return schema_refuse(compiler, STATUS_INPUT, "pattern", "must be a string");
    if (pattern && strlen(text) != json_string_length(pattern))
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "pattern", "contains the character U+0000");
    if (text || known) return matched(compiler, text ? text : known, false);
    return bounded ? of_length(compiler, least, most)
                   : grammar_call(compiler->builder, compiler->parts.string);
}
