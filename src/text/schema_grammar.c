/* schema_grammar.c - JSON Schema (drafts 7 and 2020-12) as a grammar: references, combinations, types. */
#include "text/schema_compile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_LIMIT = 64 };

const struct expression *schema_refuse(struct schema_compiler *compiler, enum status status,
                                       const char *keyword, const char *sentence) {
    if (compiler->status == STATUS_OK)
        compiler->status = fail(status, "%s: %s: %s", compiler->origin, keyword, sentence);
    return NULL;
}

/* ---- keywords ---- */

/* Keywords that say nothing about the value, those that are compiled, and none else. */
static bool is_known(const char *keyword) {
    static const char *const names[] = {"$schema",
                                        "$id",
                                        "$comment",
                                        "$defs",
                                        "definitions",
                                        "$anchor",
                                        "$vocabulary",
                                        "title",
                                        "description",
                                        "default",
                                        "examples",
                                        "example",
                                        "deprecated",
                                        "readOnly",
                                        "writeOnly",
                                        "contentMediaType",
                                        "contentEncoding",
                                        "nullable",
                                        "optional",
                                        "strict",
                                        "$ref",
                                        "type",
                                        "enum",
                                        "const",
                                        "anyOf",
                                        "oneOf",
                                        "allOf",
                                        "properties",
                                        "required",
                                        "additionalProperties",
                                        "minProperties",
                                        "maxProperties",
                                        "items",
                                        "prefixItems",
                                        "additionalItems",
                                        "minItems",
                                        "maxItems",
                                        "uniqueItems",
                                        "minLength",
                                        "maxLength",
                                        "pattern",
                                        "format",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "multipleOf",
                                        "patternProperties",
                                        "propertyNames",
                                        "contains",
                                        "minContains",
                                        "maxContains",
                                        "id",
                                        SCHEMA_AND,
                                        SCHEMA_NOT};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i], keyword)) return true;
    return false;
}

static bool check_keywords(struct schema_compiler *compiler, const json_t *schema) {
    const char *keyword;
    json_t *value;
    json_object_foreach((json_t *)schema, keyword, value) {
        (void)value;
        if (is_known(keyword)) continue;
        /* what the standard does not know, such as x-order, says nothing */
        static const char *const others[] = {"$dynamicRef", "$recursiveRef", "$dynamicAnchor"};
        for (size_t i = 0; i < COUNT_OF(others); i++)
            if (!strcmp(others[i], keyword)) {
                (void)schema_refuse(compiler, STATUS_UNSUPPORTED, others[i], "this keyword is not supported");
                return false;
            }
    }
    return true;
}

int64_t schema_count(struct schema_compiler *compiler, const json_t *schema, const char *keyword,
                     int64_t fallback) {
    const json_t *value = json_object_get(schema, keyword);
    if (!value) return fallback;
    const double number = json_number_value(value);
    if (json_is_number(value) && number >= 0 && number <= 1e9 && number == (double)(int64_t)number)
        return (int64_t)number;
    (void)schema_refuse(compiler, STATUS_INPUT, keyword, "must be a whole number from 0 on");
    return -2;
}

/* ---- types ---- */

static int type_named(const char *name) {
    static const struct {
        const char *name;
        int type;
    } rows[] = {{"object", SCHEMA_OBJECT},
                {"array", SCHEMA_ARRAY},
                {"string", SCHEMA_STRING},
                {"number", SCHEMA_NUMBER | SCHEMA_INTEGER},
                {"integer", SCHEMA_INTEGER},
                {"boolean", SCHEMA_BOOLEAN},
                {"null", SCHEMA_NULL},
                /* as languages call them */
                {"dict", SCHEMA_OBJECT},
                {"float", SCHEMA_NUMBER | SCHEMA_INTEGER},
                {"tuple", SCHEMA_ARRAY},
                {"list", SCHEMA_ARRAY},
                {"bool", SCHEMA_BOOLEAN},
                {"int", SCHEMA_INTEGER},
                {"any", SCHEMA_ANY}};
    for (size_t i = 0; name && i < COUNT_OF(rows); i++)
        if (!strcmp(rows[i].name, name)) return rows[i].type;
    return -1;
}

/* Without "type" a keyword allows all values of the types that it is not about; those that it is about are enough. */
static int types_of_keywords(const json_t *schema) {
    static const struct {
        int types;
        const char *keyword;
    } rows[] = {{SCHEMA_OBJECT, "properties"},
                {SCHEMA_OBJECT, "required"},
                {SCHEMA_OBJECT, "additionalProperties"},
                {SCHEMA_OBJECT, "minProperties"},
                {SCHEMA_OBJECT, "maxProperties"},
                {SCHEMA_OBJECT, "unevaluatedProperties"},
                {SCHEMA_OBJECT, SCHEMA_UNEVALUATED},
                {SCHEMA_ARRAY, "unevaluatedItems"},
                {SCHEMA_ARRAY, SCHEMA_UNEVALUATED_ITEMS},
                {SCHEMA_OBJECT, "patternProperties"},
                {SCHEMA_OBJECT, "propertyNames"},
                {SCHEMA_ARRAY, "contains"},
                {SCHEMA_STRING, SCHEMA_AND},
                {SCHEMA_STRING, SCHEMA_NOT},
                {SCHEMA_ARRAY, "items"},
                {SCHEMA_ARRAY, "prefixItems"},
                {SCHEMA_ARRAY, "minItems"},
                {SCHEMA_ARRAY, "maxItems"},
                {SCHEMA_ARRAY, "additionalItems"},
                {SCHEMA_ARRAY, "uniqueItems"},
                {SCHEMA_STRING, "minLength"},
                {SCHEMA_STRING, "maxLength"},
                {SCHEMA_STRING, "pattern"},
                {SCHEMA_STRING, "format"},
                {SCHEMA_NUMBER | SCHEMA_INTEGER, "minimum"},
                {SCHEMA_NUMBER | SCHEMA_INTEGER, "maximum"},
                {SCHEMA_NUMBER | SCHEMA_INTEGER, "exclusiveMinimum"},
                {SCHEMA_NUMBER | SCHEMA_INTEGER, "exclusiveMaximum"},
                {SCHEMA_NUMBER | SCHEMA_INTEGER, "multipleOf"}};
    int types = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (json_object_get(schema, rows[i].keyword)) types |= rows[i].types;
    return types ? types : SCHEMA_ANY;
}

int schema_types(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *type = json_object_get(schema, "type");
    int types = 0;
    if (!type) return types_of_keywords(schema);
    for (size_t i = 0; i < (json_is_array(type) ? json_array_size(type) : 1); i++) {
        const int named = type_named(json_string_value(json_is_array(type) ? json_array_get(type, i) : type));
        if (named < 0) {
            (void)schema_refuse(compiler, STATUS_INPUT, "type", "is no type of JSON");
            return -1;
        }
        types |= named;
    }
    return types;
}

bool schema_type_fits(int types, const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT: return types & SCHEMA_OBJECT;
    case JSON_ARRAY: return types & SCHEMA_ARRAY;
    case JSON_STRING: return types & SCHEMA_STRING;
    case JSON_INTEGER: return types & (SCHEMA_INTEGER | SCHEMA_NUMBER);
    case JSON_REAL:
        return (types & SCHEMA_NUMBER) ||
               ((types & SCHEMA_INTEGER) && json_real_value(value) == floor(json_real_value(value)));
    case JSON_TRUE:
    case JSON_FALSE: return types & SCHEMA_BOOLEAN;
    case JSON_NULL: return types & SCHEMA_NULL;
    }
    return false;
}

static const struct expression *either(struct schema_compiler *compiler, const struct expression *sum,
                                       const struct expression *more) {
    return sum ? grammar_either(compiler->builder, sum, more) : more;
}

/* What one type cannot be kept for is left to the others. */
static bool leave_out(struct schema_compiler *compiler) {
    if (compiler->status != STATUS_UNSUPPORTED && compiler->status != STATUS_INPUT) return false;
    if (compiler->first_status == STATUS_OK) {
        compiler->first_status = compiler->status;
        snprintf(compiler->first_sentence, sizeof compiler->first_sentence, "%s", status_message());
    }
    compiler->status = STATUS_OK;
    return true;
}

static const struct expression *either_attempt(struct schema_compiler *compiler, const struct expression *sum,
                                               const struct expression *more) {
    if (more) return either(compiler, sum, more);
    return leave_out(compiler) ? sum : NULL;
}

const struct expression *schema_attempt(struct schema_compiler *compiler, const json_t *schema) {
    const struct expression *rule = schema_rule(compiler, schema);
    if (!rule) (void)leave_out(compiler);
    return rule;
}

const struct expression *schema_refuse_left_out(struct schema_compiler *compiler, const char *keyword,
                                                const char *sentence) {
    if (compiler->status == STATUS_OK && compiler->first_status != STATUS_OK)
        compiler->status = fail(compiler->first_status, "%s", compiler->first_sentence);
    return schema_refuse(compiler, STATUS_INPUT, keyword, sentence);
}

static const struct expression *by_types(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *sum = NULL;
    const int types = schema_types(compiler, schema);
    if (types < 0) return NULL;
    if (types == SCHEMA_ANY && types_of_keywords(schema) == SCHEMA_ANY)
        return grammar_call(b, compiler->parts.value);
    static const struct {
        int types;
        const struct expression *(*compile)(struct schema_compiler *, const json_t *);
    } rows[] = {{SCHEMA_OBJECT, schema_object}, {SCHEMA_ARRAY, schema_array}, {SCHEMA_STRING, schema_string}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (types & rows[i].types) sum = either_attempt(compiler, sum, rows[i].compile(compiler, schema));
    if (types & (SCHEMA_NUMBER | SCHEMA_INTEGER))
        sum = either_attempt(compiler, sum, schema_number(compiler, schema, !(types & SCHEMA_NUMBER)));
    if (types & SCHEMA_BOOLEAN)
        sum = either(compiler, sum, grammar_either(b, grammar_text(b, "true"), grammar_text(b, "false")));
    if (types & SCHEMA_NULL) sum = either(compiler, sum, grammar_text(b, "null"));
    if (!sum && !b->failed) return schema_refuse_left_out(compiler, "type", "no value of it is allowed");
    return compiler->status == STATUS_OK ? sum : NULL;
}

/* ---- constants ---- */

static int compare_literals(const void *one, const void *other) {
    return strcmp(*(char *const *)one, *(char *const *)other);
}

/* Sorted texts that are alike up to `at`: what they share is said once, so that a long list has few ways to begin. */
static const struct expression *words(struct grammar_builder *b, char *const *text, size_t texts, size_t at) {
    const struct expression *sum = NULL;
    for (size_t i = 0, end; i < texts; i = end) {
        size_t shared = at + 1;
        if (!text[i][at]) {
            sum = grammar_empty(b);
            for (end = i; end < texts && !text[end][at]; end++)
                ;
            continue;
        }
        for (end = i; end < texts && text[end][at] == text[i][at]; end++)
            ;
        while (text[i][shared] && text[i][shared] == text[end - 1][shared]) shared++;
        const struct expression *begin = grammar_bytes(b, text[i] + at, shared - at),
                                *rest = words(b, text + i, end - i, shared),
                                *both = grammar_sequence(b, begin, rest);
        sum = sum ? grammar_either(b, sum, both) : both;
    }
    return sum;
}

/* A whole number that no integer holds: what was read of it may be another one. */
static bool loses_digits(const json_t *value) {
    return json_is_real(value) && fabs(json_real_value(value)) >= 0x1p63;
}

/* Values are written as they are. Other keywords beside them are looked up for each. */
static const struct expression *constants(struct schema_compiler *compiler, const json_t *schema,
                                          const json_t *list) {
    const json_t *rest = schema_without(compiler, schema_without(compiler, schema, "enum"), "const");
    const struct expression *sum = NULL;
    char **text = calloc(json_array_size(list) + 1, sizeof *text);
    size_t texts = 0;
    for (size_t i = 0; text && rest && i < json_array_size(list) && compiler->status == STATUS_OK; i++) {
        const json_t *value = json_array_get(list, i);
        if (!schema_allows(compiler, rest, value) || loses_digits(value)) continue;
        text[texts] = json_literal_text(value);
        if (!text[texts++]) compiler->builder->failed = true;
    }
    if (text && texts && !compiler->builder->failed) {
        qsort(text, texts, sizeof *text, compare_literals);
        sum = words(compiler->builder, text, texts, 0);
    }
    for (size_t i = 0; text && i < texts; i++) free(text[i]);
    free(text);
    return texts ? sum : schema_refuse(compiler, STATUS_INPUT, "enum", "no value of it is allowed");
}

static const struct expression *constant(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *list = json_object_get(schema, "enum"), *value = json_object_get(schema, "const");
    if (list && !json_is_array(list))
        return schema_refuse(compiler, STATUS_INPUT, "enum", "must be an array");
    if (list && value) {
        for (size_t i = 0; i < json_array_size(list); i++)
            if (json_equal(json_array_get(list, i), value))
                return constant(compiler, schema_without(compiler, schema, "enum"));
        return schema_refuse(compiler, STATUS_INPUT, "const", "is none of the values of enum");
    }
    if (list) return constants(compiler, schema, list);
    json_t *single = json_pack("[O]", value);
    if (!single || json_array_append_new(compiler->owned, single)) {
        compiler->builder->failed = true;
        return NULL;
    }
    return constants(compiler, schema, single);
}

/* ---- combinations ---- */

static const struct expression *alternatives(struct schema_compiler *compiler, const json_t *schema,
                                             const char *keyword) {
    const json_t *list = json_object_get(schema, keyword);
    const json_t *rest = schema_without(compiler, schema, keyword);
    const struct expression *sum = NULL;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return schema_refuse(compiler, STATUS_INPUT, keyword, "must be an array of schemas");
    for (size_t i = 0; i < json_array_size(list) && compiler->status == STATUS_OK; i++) {
        if (json_is_false(json_array_get(list, i))) continue;
        const json_t *merged = schema_merge(compiler, rest, json_array_get(list, i));
        sum = either_attempt(compiler, sum, merged ? schema_rule(compiler, merged) : NULL);
    }
    if (!sum && compiler->status == STATUS_OK)
        return schema_refuse_left_out(compiler, keyword, "allows no value");
    return compiler->status == STATUS_OK ? sum : NULL;
}

static const struct expression *all_of(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *list = json_object_get(schema, "allOf"),
                 *merged = schema_without(compiler, schema, "allOf");
    if (!json_is_array(list))
        return schema_refuse(compiler, STATUS_INPUT, "allOf", "must be an array of schemas");
    for (size_t i = 0; i < json_array_size(list) && merged; i++)
        merged = schema_merge(compiler, merged, json_array_get(list, i));
    return merged ? schema_rule(compiler, merged) : NULL;
}

static const struct expression *referenced(struct schema_compiler *compiler, const json_t *schema) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    const json_t *target = reference ? schema_at(compiler, reference) : NULL,
                 *rest = schema_without(compiler, schema, "$ref");
    if (!target)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "$ref",
                             "only places in the same schema can be named");
    if (types_of_keywords(rest) == SCHEMA_ANY && !json_object_get(rest, "type") &&
        !json_object_get(rest, "enum") && !json_object_get(rest, "const") &&
        !json_object_get(rest, "anyOf") && !json_object_get(rest, "allOf"))
        return schema_rule(compiler, target);
    const json_t *merged = schema_merge(compiler, rest, target);
    return merged ? schema_rule(compiler, merged) : NULL;
}

static const struct expression *compile(struct schema_compiler *compiler, const json_t *schema) {
    if (json_is_true(schema)) return grammar_call(compiler->builder, compiler->parts.value);
    if (json_is_false(schema)) return schema_refuse(compiler, STATUS_INPUT, "false", "allows no value");
    if (!json_is_object(schema)) return schema_refuse(compiler, STATUS_INPUT, "schema", "must be an object");
    schema = schema_settle(compiler, schema, true);
    schema = schema ? schema_plain(compiler, schema) : NULL;
    if (!schema || !check_keywords(compiler, schema)) return NULL;
    if (json_object_get(schema, "$ref")) return referenced(compiler, schema);
    if (json_object_get(schema, "allOf")) return all_of(compiler, schema);
    if (json_object_get(schema, "anyOf")) return alternatives(compiler, schema, "anyOf");
    if (json_object_get(schema, "enum") || json_object_get(schema, "const"))
        return constant(compiler, schema);
    return by_types(compiler, schema);
}

const struct expression *schema_rule(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    if (b->failed)
        return schema_refuse(compiler, b->full ? STATUS_LIMIT : STATUS_MEMORY, "schema",
                             b->full ? "is too large for a grammar" : "out of memory");
    if (compiler->status != STATUS_OK) return NULL;
    int known = json_is_object(schema) ? schema_known(compiler, schema) : -1;
    if (known >= 0 && !compiler->known[known].refused) return grammar_call(b, compiler->known[known].rule);
    if (known >= 0) return schema_refuse_left_out(compiler, "schema", "allows no value");
    const int rule = grammar_declare(b);
    if (json_is_object(schema) && (known = schema_keep(compiler, schema, rule)) < 0)
        return schema_refuse(compiler, STATUS_LIMIT, "schema", "holds too many schemas");
    if (++compiler->depth > NESTING_LIMIT)
        return schema_refuse(compiler, STATUS_LIMIT, "schema", "is nested too deep");
    const struct expression *says = compile(compiler, schema);
    compiler->depth--;
    grammar_define(b, rule, says ? says : grammar_set(b, (struct byte_set){{0}}));
    if (known >= 0) compiler->known[known].refused = !says;
    return says && compiler->status == STATUS_OK ? grammar_call(b, rule) : NULL;
}

const struct expression *schema_expression(const struct json_parts *parts, const json_t *schema,
                                           const char *origin, enum status *status) {
    struct schema_compiler compiler = {.builder = parts->builder,
                                       .parts = *parts,
                                       .root = schema,
                                       .origin = origin,
                                       .owned = json_array(),
                                       .status = STATUS_OK};
    compiler.root = schema_with_places(&compiler, schema);
    const struct expression *expression = compiler.root ? schema_rule(&compiler, compiler.root) : NULL;
    if (compiler.status != STATUS_OK) *status = compiler.status;
    json_decref(compiler.owned);
    schema_forget_known(&compiler);
    return expression;
}

enum status schema_grammar(struct grammar **grammar, const json_t *schema, const char *origin) {
    struct grammar_builder builder = {0};
    enum status compiled = STATUS_OK;
    *grammar = NULL;
    struct json_parts parts;
    json_parts_open(&parts, &builder);
    const int root = grammar_declare(&builder);
    grammar_define(&builder, root, schema_expression(&parts, schema, origin, &compiled));
    enum status status = compiled;
    if (status == STATUS_OK) status = grammar_open(grammar, &builder, root);
    if (status == STATUS_INPUT && compiled == STATUS_OK && builder.circular < 0)
        return grammar_builder_free(&builder),
               fail(STATUS_INPUT, "%s: the schema allows no value that ends", origin);
    if (status == STATUS_INPUT && compiled == STATUS_OK)
        status = fail(STATUS_INPUT, "%s: $ref: a schema refers to itself without an end", origin);
    grammar_builder_free(&builder);
    return status;
}
