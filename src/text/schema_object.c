/* schema_object.c - objects of a schema: the listed properties in their order, then others where they may be.
 *
 * Properties come in the order in which the schema lists them, each at most once. Where the schema lists some and says
 * nothing about others, no others come. Names of others differ from all that are listed; where patterns say which value
 * belongs to which name, a name follows one pattern at most. What may be missing and cannot be kept does not come. */
#include "text/json_print.h"
#include "text/schema_compile.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum {
    PROPERTIES_LIMIT = 2048,
    NAME_LIMIT = 1024,
    PATTERNS_LIMIT = 32,
    COUNT_LIMIT = 64,
    OTHERS_LIMIT = 1024
};

struct property {
    const char *name;
    const json_t *schema; /* NULL: any value */
    bool required, never; /* never: it may not come, under this name or as another */
    bool unlisted;        /* a pattern must allow it */
};

struct pattern {
    struct machine *names; /* that match it */
    const json_t *schema;
};

struct object {
    struct schema_compiler *compiler;
    struct property *property;
    int properties, capacity;
    struct pattern pattern[PATTERNS_LIMIT];
    int patterns;
    struct machine *names; /* that propertyNames allows; NULL: all */
    const json_t *others;  /* NULL: none may come */
    bool free;             /* others may come with any value */
    bool closed;           /* the schema says that none may come, but for patterns */
};

/* ---- names of others ---- */

/* Listed names that begin alike, `at` bytes in; sorted. */
struct names {
    const char *const *name;
    int names;
};

static int compare_names(const void *one, const void *other) {
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

static const struct expression *plain_range(struct schema_compiler *compiler, uint32_t low, uint32_t high) {
    static const uint32_t pieces[][2] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
    const struct expression *sum = NULL;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        uint32_t from = low > pieces[i][0] ? low : pieces[i][0],
                 to = high < pieces[i][1] ? high : pieces[i][1];
        if (from > to) continue;
        const struct expression *part = grammar_range(compiler->builder, from, to);
        sum = sum ? grammar_either(compiler->builder, sum, part) : part;
    }
    return sum;
}

static const struct expression *join(struct schema_compiler *compiler, const struct expression *sum,
                                     const struct expression *more) {
    return sum && more ? grammar_either(compiler->builder, sum, more) : sum ? sum : more;
}

/* Every continuation that makes none of the names, which are alike up to `at`, and the quote behind it; `rest` is any.
 * NULL: there is none. */
static const struct expression *other_rest(struct schema_compiler *compiler, struct names names, size_t at,
                                           const struct expression *rest) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *sum = NULL;
    uint32_t next = 0;
    int i = 0;
    if (b->failed) return NULL;
    if (names.names > 0 && !names.name[0][at])
        i++; /* this very text is a name: it may not end here */
    else
        sum = grammar_text(b, "\"");
    while (i < names.names) {
        int bytes, end = i;
        const uint32_t code = utf8_decode((const unsigned char *)names.name[i] + at, &bytes);
        while (end < names.names && !strncmp(names.name[end] + at, names.name[i] + at, (size_t)bytes)) end++;
        if (code > next) {
            const struct expression *gap = plain_range(compiler, next, code - 1);
            if (gap) sum = join(compiler, sum, grammar_sequence(b, gap, rest));
        }
        const struct expression *here = plain_range(compiler, code, code),
                                *below = other_rest(compiler, (struct names){names.name + i, end - i},
                                                    at + (size_t)bytes, rest);
        if (here && below) sum = join(compiler, sum, grammar_sequence(b, here, below));
        next = code + 1;
        i = end;
    }
    const struct expression *last = next <= 0x10FFFF ? plain_range(compiler, next, 0x10FFFF) : NULL;
    return last ? join(compiler, sum, grammar_sequence(b, last, rest)) : sum;
}

static const struct expression *other_name(const struct object *object) {
    struct grammar_builder *b = object->compiler->builder;
    if (object->properties == 0) return grammar_call(b, object->compiler->parts.string);
    for (int i = 0; i < object->properties; i++)
        if (strlen(object->property[i].name) > NAME_LIMIT)
            return schema_refuse(object->compiler, STATUS_LIMIT, "properties",
                                 "have too long a name beside additional ones");
    const char **name = malloc(((size_t)object->properties + 1) * sizeof *name);
    if (!name) {
        b->failed = true;
        return NULL;
    }
    for (int i = 0; i < object->properties; i++) name[i] = object->property[i].name;
    qsort(name, (size_t)object->properties, sizeof *name, compare_names);
    const struct expression *rest = other_rest(object->compiler, (struct names){name, object->properties}, 0,
                                               grammar_call(b, object->compiler->parts.name_end));
    free(name);
    return grammar_sequence(b, grammar_text(b, "\""), rest);
}

/* ---- reading ---- */

static bool add_property(struct object *object, const char *name, const json_t *schema, bool required) {
    for (int i = 0; i < object->properties; i++)
        if (!strcmp(object->property[i].name, name)) return object->property[i].required |= required, true;
    if (object->properties == object->capacity) {
        (void)schema_refuse(object->compiler, STATUS_LIMIT, "properties", "are too many");
        return false;
    }
    object->property[object->properties++] = (struct property){name, schema, required};
    return true;
}

static const struct expression *bad(const struct object *object, const char *keyword, const char *sentence) {
    return schema_refuse(object->compiler, STATUS_INPUT, keyword, sentence);
}

static bool read_properties(struct object *object, const json_t *schema) {
    const json_t *properties = json_object_get(schema, "properties"),
                 *required = json_object_get(schema, "required");
    const char *name;
    json_t *value;
    if (properties && !json_is_object(properties))
        return bad(object, "properties", "must be an object"), false;
    if (required && !json_is_array(required)) return bad(object, "required", "must be an array"), false;
    json_object_foreach((json_t *)properties, name, value) {
        if (!add_property(object, name, value, false)) return false;
        object->property[object->properties - 1].never = json_is_false(value);
    }
    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (!name || strlen(name) != json_string_length(json_array_get(required, i)))
            return bad(object, "required", "must be an array of names"), false;
        const json_t *listed = json_object_get(properties, name);
        const bool closed = !listed && object->closed;
        if (json_is_false(listed) || (closed && object->patterns == 0))
            return bad(object, "required", "names a property that is not allowed"), false;
        if (!add_property(object, name, object->others, true)) return false;
        if (closed) object->property[object->properties - 1].unlisted = true;
    }
    return true;
}

static bool lists_any(const json_t *properties) {
    const char *name;
    json_t *schema;
    json_object_foreach((json_t *)properties, name, schema) if (!json_is_false(schema)) return true;
    return false;
}

/* Without a word about others they may come if nothing is listed; otherwise nobody expects them. */
static void read_others(struct object *object, const json_t *schema) {
    const json_t *others = json_object_get(schema, "additionalProperties");
    if (!others) others = json_object_get(schema, SCHEMA_UNEVALUATED);
    const bool lists =
        lists_any(json_object_get(schema, "properties")) || json_object_get(schema, "patternProperties");
    object->free = others ? json_is_true(others) : !lists;
    object->others = json_is_object(others) ? others : NULL;
    object->closed = json_is_false(others);
}

/* ---- patterns of names ---- */

static struct machine *names_of(const struct object *object, const char *pattern) {
    json_t *schema = json_pack("{ss}", "pattern", pattern);
    object->compiler->exact = true; /* others are those that it does not match */
    struct machine *machine = schema ? schema_strings(object->compiler, schema) : NULL;
    object->compiler->exact = false;
    json_decref(schema);
    return machine;
}

static bool read_patterns(struct object *object, const json_t *schema) {
    json_t *patterns = json_object_get(schema, "patternProperties"), *value,
           *names = json_object_get(schema, "propertyNames");
    const char *pattern;
    if (patterns && !json_is_object(patterns))
        return bad(object, "patternProperties", "must be an object"), false;
    json_object_foreach(patterns, pattern, value) {
        if (object->patterns == PATTERNS_LIMIT)
            return schema_refuse(object->compiler, STATUS_LIMIT, "patternProperties", "are too many"), false;
        struct machine *machine = names_of(object, pattern);
        if (!machine) return false;
        object->pattern[object->patterns++] = (struct pattern){machine, value};
    }
    if (!names || json_is_true(names)) return true;
    const json_t *strings = names;
    if (!schema_expand(object->compiler, &strings)) return false;
    if (!json_is_object(strings) || json_object_get(strings, "anyOf") || json_object_get(strings, "allOf") ||
        json_object_get(strings, "oneOf") || json_object_get(strings, "not") ||
        json_object_get(strings, "const") || json_object_get(strings, "if"))
        return schema_refuse(object->compiler, STATUS_UNSUPPORTED, "propertyNames",
                             "is supported with pattern, format, lengths and enum"),
               false;
    object->names = schema_strings(object->compiler, strings);
    return object->names != NULL;
}

static void free_patterns(struct object *object) {
    for (int i = 0; i < object->patterns; i++) machine_close(object->pattern[i].names);
    machine_close(object->names);
}

static bool has_name(const struct machine *names, const char *name) {
    struct buffer text = {0};
    json_print_text(&text, name, strlen(name));
    const bool has = !text.failed && machine_has(names, text.data + 1, text.bytes - 2);
    buffer_free(&text);
    return has;
}

/* Patterns that a listed name matches hold for its value, too. */
static bool apply_patterns(struct object *object) {
    struct schema_compiler *compiler = object->compiler;
    for (int i = 0; i < object->properties; i++) {
        struct property *property = &object->property[i];
        bool allowed = !property->unlisted;
        if (object->names && !has_name(object->names, property->name)) property->never = true;
        for (int p = 0; p < object->patterns && !property->never; p++) {
            if (!has_name(object->pattern[p].names, property->name)) continue;
            const json_t *schema = object->pattern[p].schema;
            allowed = true;
            property->never = json_is_false(schema);
            /* others' schema is not for names that a pattern has */
            if (!property->never && property->schema && property->schema != object->others)
                property->schema = schema_merge(compiler, property->schema, schema);
            else if (!property->never)
                property->schema = schema;
            property->never |= json_is_false(property->schema);
            if (compiler->status != STATUS_OK) return false;
        }
        property->never |= !allowed;
        if (property->never && property->required)
            return bad(object, "required", "names a property that is not allowed"), false;
    }
    return true;
}

/* ---- the text ---- */

static const struct expression *pair(const struct object *object, const struct expression *name,
                                     const json_t *schema) {
    struct schema_compiler *compiler = object->compiler;
    struct grammar_builder *b = compiler->builder;
    const struct expression *value =
        schema ? schema_rule(compiler, schema) : grammar_call(b, compiler->parts.value);
    return grammar_sequence(
        b, name,
        grammar_sequence(b, grammar_text(b, ":"),
                         grammar_sequence(b, grammar_call(b, compiler->parts.space), value)));
}

static int rule_of(struct grammar_builder *b, const struct expression *expression) {
    const int rule = grammar_declare(b);
    grammar_define(b, rule, expression);
    return rule;
}

static const struct expression *behind_comma(const struct object *object,
                                             const struct expression *expression) {
    struct grammar_builder *b = object->compiler->builder;
    return grammar_sequence(b, grammar_text(b, ","),
                            grammar_sequence(b, grammar_call(b, object->compiler->parts.space), expression));
}

static const struct expression *quoted_name(struct grammar_builder *b, const struct expression *inside) {
    return grammar_sequence(b, grammar_text(b, "\""), grammar_sequence(b, inside, grammar_text(b, "\"")));
}

/* Takes `names` over, and gives those that are not in `but`, or with `both` those that are in both. */
static struct machine *narrowed(const struct object *object, struct machine *names, const struct machine *by,
                                bool but_not) {
    struct machine *rest = NULL;
    enum status status = names && by ? machine_combine(&rest, names, by, but_not) : STATUS_OK;
    if (status == STATUS_LIMIT) status = STATUS_UNSUPPORTED;
    if (status != STATUS_OK && object->compiler->status == STATUS_OK) object->compiler->status = status;
    (void)schema_spend_states(object->compiler, rest);
    machine_close(names);
    return rest;
}

/* Names that are listed are none of the others. */
static struct machine *listed_names(const struct object *object) {
    json_t *list = json_array(), *schema;
    for (int i = 0; i < object->properties; i++)
        (void)json_array_append_new(list, json_string(object->property[i].name));
    schema = json_pack("{s:o}", "enum", list);
    struct machine *machine = json_array_size(list) ? schema_strings(object->compiler, schema) : NULL;
    json_decref(schema);
    return machine;
}

/* Members whose names follow pattern number `which` and no other, or none at all (-1). NULL: there are none. */
static const struct expression *pattern_member(const struct object *object, int which,
                                               const struct machine *listed) {
    struct grammar_builder *b = object->compiler->builder;
    const json_t *schema = which >= 0 ? object->pattern[which].schema : object->others;
    struct machine *names = names_of(object, "");
    for (int p = 0; p < object->patterns && names; p++)
        names = narrowed(object, names, object->pattern[p].names, p != which);
    if (names && object->names) names = narrowed(object, names, object->names, false);
    if (names && listed) names = narrowed(object, names, listed, true);
    const struct expression *value = NULL, *inside = names ? machine_expression(names, b) : NULL;
    machine_close(names);
    if (inside)
        value = schema ? schema_attempt(object->compiler, schema)
                       : grammar_call(b, object->compiler->parts.value);
    if (!value) return NULL;
    return grammar_sequence(
        b, quoted_name(b, inside),
        grammar_sequence(b, grammar_text(b, ":"),
                         grammar_sequence(b, grammar_call(b, object->compiler->parts.space), value)));
}

/* Any one of the others. NULL: none may come. */
static const struct expression *other_member(const struct object *object) {
    struct schema_compiler *compiler = object->compiler;
    const struct expression *sum = NULL;
    if (object->patterns == 0 && !object->names) {
        if (!object->free && !object->others) return NULL;
        const struct expression *value = object->others ? schema_attempt(compiler, object->others) : NULL;
        return object->others && !value ? NULL : pair(object, other_name(object), object->others);
    }
    struct machine *listed = listed_names(object);
    for (int p = object->free || object->others ? -1 : 0;
         p < object->patterns && compiler->status == STATUS_OK; p++) {
        if (p >= 0 && json_is_false(object->pattern[p].schema)) continue;
        const struct expression *one = pattern_member(object, p, listed);
        if (one) sum = sum ? grammar_either(compiler->builder, sum, one) : one;
    }
    machine_close(listed);
    return sum;
}

/* Counting members costs rules for each number: only as far as one matters. */
struct counts {
    int64_t least, most; /* most < 0: it does not matter */
    int64_t others;      /* the most others; -1: any number */
    int states;          /* numbers that are told apart: the last is "so many or more" */
};

static bool settle_counts(struct object *object, const json_t *schema, struct counts *counts) {
    struct schema_compiler *compiler = object->compiler;
    const int64_t least = schema_count(compiler, schema, "minProperties", 0),
                  most = schema_count(compiler, schema, "maxProperties", -1);
    int required = 0, listed = 0;
    for (int i = 0; i < object->properties; i++) {
        required += object->property[i].required;
        listed += !object->property[i].never;
    }
    *counts = (struct counts){.least = least > required ? least : 0, .most = -1, .others = -1};
    if (most >= 0 && most < least) return bad(object, "maxProperties", "is less than minProperties"), false;
    if (most >= 0 && most < required)
        return bad(object, "maxProperties", "is less than the required ones"), false;
    if (most >= 0) counts->others = most > listed ? most - listed : 0;
    if (counts->others > OTHERS_LIMIT) counts->others = OTHERS_LIMIT;
    if (most >= 0 && most < listed) counts->most = most;
    const int64_t states = (counts->least > counts->most ? counts->least : counts->most) + 1;
    if (states > COUNT_LIMIT)
        return schema_refuse(compiler, STATUS_UNSUPPORTED,
                             counts->least > counts->most ? "minProperties" : "maxProperties",
                             "is too large"),
               false;
    counts->states = (int)states;
    return compiler->status == STATUS_OK;
}

/* The end of an object with `count` members; a name may come twice, so that only one other can be counted. NULL: there
 * is none. */
static const struct expression *tail_of(const struct object *object, const struct counts *counts,
                                        const struct expression *other, int count) {
    struct grammar_builder *b = object->compiler->builder;
    const struct expression *next = other ? behind_comma(object, other) : NULL, *none = grammar_empty(b);
    const int high = counts->others < 0 ? -1 : (int)counts->others;
    const bool full = counts->most >= 0 && count >= counts->most;
    if (count > 0 && (!other || full || high == 0)) return count >= counts->least ? none : NULL;
    if (count > 0)
        return count >= counts->least       ? grammar_repeat(b, next, 0, high)
               : count + 1 >= counts->least ? grammar_repeat(b, next, 1, high)
                                            : NULL;
    if (!other || full || high == 0) return counts->least == 0 ? none : NULL;
    const struct expression *some =
        grammar_sequence(b, other, grammar_repeat(b, next, 0, high < 0 ? -1 : high - 1));
    return counts->least == 0 ? grammar_optional(b, some) : counts->least == 1 ? some : NULL;
}

/* What may come from some property on, by the number of members before it; NULL: nothing that is allowed. */
struct rest {
    const struct expression *of[COUNT_LIMIT + 1];
};

static const struct expression *called(struct grammar_builder *b, const struct expression *expression) {
    return expression ? grammar_call(b, rule_of(b, expression)) : NULL;
}

static const struct expression *or_both(struct grammar_builder *b, const struct expression *one,
                                        const struct expression *other) {
    return one && other ? grammar_either(b, one, other) : one ? one : other;
}

/* Puts a property in front of what may come behind it. */
static void put_before(const struct object *object, const struct property *property,
                       const struct counts *counts, const struct expression *here, struct rest *rest) {
    struct grammar_builder *b = object->compiler->builder;
    struct rest with = {{NULL}};
    for (int c = 0; c <= counts->states; c++) rest->of[c] = called(b, rest->of[c]);
    for (int c = 0; c <= counts->states; c++) {
        const int after = c < counts->states ? c + 1 : c;
        const bool full = counts->most >= 0 && c >= counts->most;
        const struct expression *both =
            full || !here || !rest->of[after] ? NULL : grammar_sequence(b, here, rest->of[after]);
        if (both && c > 0) both = behind_comma(object, both);
        with.of[c] = property->required ? both : or_both(b, both, rest->of[c]);
    }
    *rest = with;
}

static const struct expression *members(const struct object *object, const struct counts *counts) {
    struct schema_compiler *compiler = object->compiler;
    struct grammar_builder *b = compiler->builder;
    struct rest rest = {{NULL}};
    const struct expression *other = called(b, other_member(object));
    if (compiler->status != STATUS_OK) return NULL;
    for (int c = 0; c <= counts->states; c++) rest.of[c] = tail_of(object, counts, other, c);
    for (int i = object->properties; i-- > 0 && compiler->status == STATUS_OK;) {
        const struct property *property = &object->property[i];
        if (property->never) continue;
        json_t *text = json_string(property->name);
        const struct expression *name = json_literal(b, text), *here = NULL;
        json_decref(text);
        const bool any = !property->schema;
        if (any || property->required || schema_attempt(compiler, property->schema))
            here = pair(object, name, property->schema);
        if (compiler->status != STATUS_OK) return NULL;
        put_before(object, property, counts, called(b, here), &rest);
    }
    return rest.of[0];
}

static const struct expression *inside_of(struct object *object, const json_t *schema) {
    struct counts counts;
    if (!read_patterns(object, schema) || !read_properties(object, schema) || !apply_patterns(object) ||
        !settle_counts(object, schema, &counts))
        return NULL;
    const struct expression *inside = members(object, &counts);
    if (!inside && object->compiler->status == STATUS_OK && !object->compiler->builder->failed)
        return schema_refuse_left_out(object->compiler, "minProperties", "leaves no object");
    return inside;
}

const struct expression *schema_object(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const size_t most = json_object_size(json_object_get(schema, "properties")) +
                        json_array_size(json_object_get(schema, "required"));
    struct object object = {.compiler = compiler};
    if (!schema_tells_unevaluated(compiler, schema, SCHEMA_UNEVALUATED, "unevaluatedProperties")) return NULL;
    if (most > PROPERTIES_LIMIT) return schema_refuse(compiler, STATUS_LIMIT, "properties", "are too many");
    object.property = calloc(most + 1, sizeof *object.property);
    object.capacity = (int)most;
    if (!object.property) return schema_refuse(compiler, STATUS_MEMORY, "properties", "out of memory");
    read_others(&object, schema);
    const struct expression *inside = inside_of(&object, schema);
    free_patterns(&object);
    free(object.property);
    if (compiler->status != STATUS_OK || !inside) return NULL;
    const struct expression *space = grammar_call(b, compiler->parts.space);
    return grammar_sequence(
        b, grammar_text(b, "{"),
        grammar_sequence(b, space,
                         grammar_sequence(b, inside, grammar_sequence(b, space, grammar_text(b, "}")))));
}
