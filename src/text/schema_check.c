/* schema_check.c - is a value that a schema lists allowed by its other keywords? Only what is certain counts. */
#include "text/schema_compile.h"

#include "base/bytes.h"
#include "text/utf8.h"

#include <math.h>
#include <string.h>

static bool within(const json_t *schema, const char *least, const char *most, double value) {
    const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);
    return (!low || (json_is_number(low) && value >= json_number_value(low))) &&
           (!high || (json_is_number(high) && value <= json_number_value(high)));
}

static bool allows_number(const json_t *schema, double value) {
    const json_t *low = json_object_get(schema, "exclusiveMinimum"),
                 *high = json_object_get(schema, "exclusiveMaximum"),
                 *multiple = json_object_get(schema, "multipleOf");
    const double of = json_number_value(multiple);
    if (!within(schema, "minimum", "maximum", value)) return false;
    if (low && !(json_is_number(low) && value > json_number_value(low))) return false;
    if (high && !(json_is_number(high) && value < json_number_value(high))) return false;
    return !multiple || (of > 0 && value / of == nearbyint(value / of));
}

static size_t characters(const char *text, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) count += (text[i] & 0xC0) != 0x80;
    return count;
}

static bool has_rules(const json_t *schema) {
    static const char *const keywords[] = {"pattern", "format", SCHEMA_AND, SCHEMA_NOT};
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (json_object_get(schema, keywords[i])) return true;
    return false;
}

static bool lists(const json_t *list, const json_t *value) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_equal(json_array_get(list, i), (json_t *)value)) return true;
    return false;
}

/* Rules that are lists of strings are looked up, and taken out of the schema. False: one of them forbids the value. */
static bool passes_lists(json_t *schema, const char *keyword, const json_t *value, bool listed) {
    json_t *rules = json_object_get(schema, keyword), *left = json_array(), *rule;
    bool passes = true;
    size_t i;
    json_array_foreach(rules, i, rule) {
        const json_t *list = json_object_get(rule, "enum");
        if (list && json_object_size(rule) == 1)
            passes = passes && lists(list, value) == listed;
        else
            (void)json_array_append(left, rule);
    }
    if (rules && json_array_size(left)) (void)json_object_set(schema, keyword, left);
    if (rules && !json_array_size(left)) (void)json_object_del(schema, keyword);
    json_decref(left);
    return passes;
}

/* Its rules are those of a schema of one string. */
static bool allows_string(struct schema_compiler *compiler, const json_t *schema, const json_t *value) {
    const char *text = json_string_value(value);
    const size_t bytes = json_string_length(value);
    if (!within(schema, "minLength", "maxLength", (double)characters(text, bytes))) return false;
    json_t *rules = json_copy((json_t *)schema);
    const bool passes =
        passes_lists(rules, SCHEMA_AND, value, true) && passes_lists(rules, SCHEMA_NOT, value, false);
    if (!passes || !has_rules(rules)) {
        json_decref(rules);
        return passes;
    }
    json_t *only = json_pack("[{s:[O]}]", "enum", value);
    const json_t *more = json_object_get(rules, SCHEMA_AND);
    static const char *const others[] = {"minLength", "maxLength", "enum", "const"};
    for (size_t i = 0; i < COUNT_OF(others); i++) (void)json_object_del(rules, others[i]);
    if (more) (void)json_array_extend(only, (json_t *)more);
    (void)json_object_set_new(rules, SCHEMA_AND, only);
    const enum status before = compiler->status;
    struct machine *machine = schema_strings(compiler, rules);
    const bool allowed = machine && !machine_is_empty(machine);
    if (before == STATUS_OK && (compiler->status == STATUS_UNSUPPORTED || compiler->status == STATUS_INPUT))
        compiler->status = STATUS_OK; /* then it is not certain */
    machine_close(machine);
    json_decref(rules);
    return allowed;
}

static bool has_any_of(const json_t *schema, const char *const *keyword, size_t keywords) {
    for (size_t i = 0; i < keywords; i++)
        if (json_object_get(schema, keyword[i])) return true;
    return false;
}

static bool allows_object(struct schema_compiler *compiler, const json_t *schema, const json_t *value) {
    static const char *const hard[] = {"patternProperties", "propertyNames", "unevaluatedProperties",
                                       SCHEMA_UNEVALUATED};
    const json_t *required = json_object_get(schema, "required"),
                 *properties = json_object_get(schema, "properties"),
                 *others = json_object_get(schema, "additionalProperties");
    const char *name;
    json_t *member;
    if (has_any_of(schema, hard, COUNT_OF(hard)) ||
        !within(schema, "minProperties", "maxProperties", (double)json_object_size(value)))
        return false;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(value, json_string_value(json_array_get(required, i)))) return false;
    json_object_foreach((json_t *)value, name, member) {
        const json_t *of = json_object_get(properties, name);
        if (!of) of = others;
        if (of && !schema_allows(compiler, of, member)) return false;
    }
    return true;
}

static bool allows_array(struct schema_compiler *compiler, const json_t *schema, const json_t *value) {
    static const char *const hard[] = {"prefixItems",      "additionalItems",        "contains",
                                       "unevaluatedItems", SCHEMA_UNEVALUATED_ITEMS, "uniqueItems"};
    const json_t *items = json_object_get(schema, "items");
    if (has_any_of(schema, hard, COUNT_OF(hard)) || json_is_array(items) ||
        !within(schema, "minItems", "maxItems", (double)json_array_size(value)))
        return false;
    for (size_t i = 0; items && i < json_array_size(value); i++)
        if (!schema_allows(compiler, items, json_array_get(value, i))) return false;
    return true;
}

bool schema_allows(struct schema_compiler *compiler, const json_t *schema, const json_t *value) {
    static const char *const hard[] = {
        "not", "if", "dependencies", "dependentRequired", "dependentSchemas", "$ref", "oneOf"};
    const json_t *all = json_object_get(schema, "allOf"), *any = json_object_get(schema, "anyOf"),
                 *list = json_object_get(schema, "enum"), *constant = json_object_get(schema, "const");
    bool found = !any, listed = !list;
    if (json_is_boolean(schema)) return json_is_true(schema);
    if (!json_is_object(schema) || has_any_of(schema, hard, COUNT_OF(hard))) return false;
    if (json_object_get(schema, "type")) {
        const int types = schema_types(compiler, schema);
        if (types < 0 || !schema_type_fits(types, value)) return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++)
        listed |= json_equal(json_array_get(list, i), (json_t *)value);
    if (!listed || (constant && !json_equal((json_t *)constant, (json_t *)value))) return false;
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!schema_allows(compiler, json_array_get(all, i), value)) return false;
    for (size_t i = 0; i < json_array_size(any); i++)
        found = found || schema_allows(compiler, json_array_get(any, i), value);
    if (!found) return false;
    if (json_is_number(value)) return allows_number(schema, json_number_value(value));
    if (json_is_string(value)) return allows_string(compiler, schema, value);
    if (json_is_object(value)) return allows_object(compiler, schema, value);
    return !json_is_array(value) || allows_array(compiler, schema, value);
}
