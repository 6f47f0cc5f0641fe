/* schema_merge.c - schemas that hold at once, and whether two of them can. */
#include "text/schema_compile.h"

#include <stdlib.h>
#include <string.h>

enum {
    COPIES_LIMIT = 1 << 20,
    PAIRS_LIMIT = 1 << 19,
    PAIR_DEPTH_LIMIT = 16,
    MERGE_DEPTH_LIMIT = 256,
    CHOICES_LIMIT = 4096
};

/* Small schemas that hold at once with large ones could otherwise make gigabytes. False: refused. */
static bool spend_copies(struct schema_compiler *compiler, const json_t *schema) {
    compiler->copied += 1 + (int)json_object_size(schema) + (int)json_array_size(schema);
    if (compiler->copied <= COPIES_LIMIT) return true;
    (void)schema_refuse(compiler, STATUS_LIMIT, "allOf",
                        "its schemas, and those it stands beside, are too large");
    return false;
}

json_t *schema_own(struct schema_compiler *compiler, json_t *schema) {
    if (schema && !spend_copies(compiler, schema)) {
        json_decref(schema);
        return NULL;
    }
    if (schema && !json_array_append_new(compiler->owned, schema)) return schema;
    compiler->builder->failed = true;
    (void)schema_refuse(compiler, STATUS_MEMORY, "schema", "out of memory");
    return NULL;
}

json_t *schema_without(struct schema_compiler *compiler, const json_t *schema, const char *keyword) {
    json_t *copy = json_copy((json_t *)schema);
    if (copy) json_object_del(copy, keyword);
    return schema_own(compiler, copy);
}

/* ---- references ---- */

/* One part of a pointer, decoded: ~1 is /, ~0 is ~, %xx a byte. */
static bool decode_part(const char *at, size_t bytes, char *part, size_t capacity) {
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = at[i];
        if (c == '~' && i + 1 < bytes && (at[i + 1] == '0' || at[i + 1] == '1')) {
            c = at[++i] == '0' ? '~' : '/';
        } else if (c == '%' && i + 2 < bytes) {
            const char hex[3] = {at[i + 1], at[i + 2], 0};
            c = (char)strtol(hex, NULL, 16);
            i += 2;
        }
        if (n + 1 >= capacity || !c) return false;
        part[n++] = c;
    }
    part[n] = '\0';
    return true;
}

const json_t *schema_at(const struct schema_compiler *compiler, const char *reference) {
    const json_t *at = compiler->root;
    char part[256];
    if (compiler->placed) {
        const bool place = !strncmp(reference, SCHEMA_PLACE, strlen(SCHEMA_PLACE));
        if (!place && !compiler->one_name) return NULL;
        if (place) reference += strlen(SCHEMA_PLACE);
    }
    if (reference[0] != '#' || (reference[1] && reference[1] != '/')) return NULL;
    for (const char *next = reference + 1; *next && at;) {
        const char *begin = next + 1, *end = strchr(begin, '/');
        const size_t bytes = end ? (size_t)(end - begin) : strlen(begin);
        if (!decode_part(begin, bytes, part, sizeof part)) return NULL;
        at = json_is_array(at) ? json_array_get(at, (size_t)strtoul(part, NULL, 10))
                               : json_object_get(at, part);
        next = begin + bytes;
    }
    return json_is_object(at) || json_is_boolean(at) ? at : NULL;
}

/* ---- both at once ---- */

static bool says_nothing(const json_t *schema) {
    return json_is_true(schema) || (json_is_object(schema) && json_object_size(schema) == 0);
}

bool schema_is_annotation(const char *keyword) {
    static const char *const names[] = {"$schema", "$id",        "$comment",    "$defs",     "definitions",
                                        "$anchor", "title",      "description", "default",   "examples",
                                        "example", "deprecated", "readOnly",    "writeOnly", "nullable"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i], keyword)) return true;
    return false;
}

/* All that both lists hold; new reference. */
static json_t *common(const json_t *one, const json_t *other) {
    json_t *both = json_array();
    for (size_t i = 0; i < json_array_size(one); i++)
        for (size_t j = 0; j < json_array_size(other); j++)
            if (json_equal(json_array_get(one, i), json_array_get(other, j)))
                (void)json_array_append(both, json_array_get(one, i));
    return both;
}

static json_t *as_list(const json_t *value) {
    return json_is_array(value) ? json_incref((json_t *)value) : json_pack("[O]", value);
}

/* Number and integer have integers in common. */
static json_t *common_types(const json_t *one, const json_t *other) {
    json_t *a = as_list(one), *b = as_list(other), *both = common(a, b);
    json_t *integer = json_string("integer");
    for (int turn = 0; turn < 2; turn++) {
        const json_t *here = turn ? b : a, *there = turn ? a : b;
        bool has_integer = false, has_number = false;
        for (size_t i = 0; i < json_array_size(here); i++)
            has_integer |= json_equal(json_array_get(here, i), integer);
        for (size_t i = 0; i < json_array_size(there); i++) {
            const char *name = json_string_value(json_array_get(there, i));
            has_number |= name && !strcmp(name, "number");
        }
        if (has_integer && has_number) (void)json_array_append(both, integer);
    }
    json_decref(integer);
    json_decref(a);
    json_decref(b);
    return both;
}

/* properties: each name with both of its schemas. */
static json_t *both_properties(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    json_t *both = spend_copies(compiler, one) ? json_copy((json_t *)one) : NULL;
    const char *name;
    json_t *schema;
    if (!both) return NULL;
    json_object_foreach((json_t *)other, name, schema) {
        json_t *first = json_object_get(both, name);
        const json_t *merged = first ? schema_merge(compiler, first, schema) : schema;
        if (!merged || json_object_set(both, name, (json_t *)merged)) {
            json_decref(both);
            return NULL;
        }
    }
    return both;
}

static json_t *both_names(const json_t *one, const json_t *other) {
    json_t *all = json_array();
    for (int turn = 0; turn < 2; turn++) {
        const json_t *list = turn ? other : one;
        for (size_t i = 0; i < json_array_size(list); i++)
            (void)json_array_append(all, json_array_get(list, i));
    }
    return all;
}

static json_t *stricter(const char *keyword, const json_t *one, const json_t *other) {
    const bool most = !strncmp(keyword, "max", 3) || !strcmp(keyword, "exclusiveMaximum");
    const bool smaller = json_number_value(one) < json_number_value(other);
    return json_incref((json_t *)(smaller == most ? one : other));
}

/* Where nothing can be both, the pair is no alternative. What cannot be compared may be. */
static bool may_be_both(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    const enum status before = compiler->status;
    const bool overlap = schemas_overlap(compiler, one, other);
    if (compiler->status == STATUS_UNSUPPORTED || compiler->status == STATUS_INPUT) compiler->status = before;
    return overlap;
}

/* One of each: every pair is an alternative. New reference. */
static json_t *both_choices(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(one); i++)
        for (size_t j = 0; j < json_array_size(other) && json_array_size(all) <= CHOICES_LIMIT; j++) {
            const json_t *a = json_array_get(one, i), *b = json_array_get(other, j);
            if (may_be_both(compiler, a, b))
                (void)json_array_append_new(all, json_pack("{s:[O,O]}", "allOf", a, b));
        }
    if (json_array_size(all) > CHOICES_LIMIT) {
        json_decref(all);
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "anyOf",
                             "stands in two large schemas that must hold at once"),
               NULL;
    }
    if (json_array_size(all) == 0) (void)json_array_append_new(all, json_false());
    if (spend_copies(compiler, all)) return all;
    json_decref(all);
    return NULL;
}

/* NULL: too large a number. */
static json_t *common_multiple(int64_t one, int64_t other) {
    int64_t a = one, b = other;
    while (b) {
        const int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return one > 0 && other > 0 && one / a < INT64_C(1000000) && other < INT64_C(1000000)
               ? json_integer(one / a * other)
               : NULL;
}

#define AT_ONCE "stands in two schemas that must hold at once"

/* Keywords that cannot be said twice; what is left says nothing, or is unknown. */
static bool is_rule(const char *keyword) {
    static const char *const names[] = {"$ref",
                                        "const",
                                        "not",
                                        "if",
                                        "then",
                                        "else",
                                        "oneOf",
                                        "prefixItems",
                                        "additionalItems",
                                        "contains",
                                        "minContains",
                                        "maxContains",
                                        "multipleOf",
                                        "pattern",
                                        "format",
                                        "minimum",
                                        "maximum",
                                        "exclusiveMinimum",
                                        "exclusiveMaximum",
                                        "minLength",
                                        "maxLength",
                                        "minItems",
                                        "maxItems",
                                        "minProperties",
                                        "maxProperties",
                                        "dependencies",
                                        "dependentRequired",
                                        "dependentSchemas",
                                        "unevaluatedItems",
                                        "unevaluatedProperties",
                                        SCHEMA_UNEVALUATED,
                                        SCHEMA_UNEVALUATED_ITEMS,
                                        "$dynamicRef",
                                        "$recursiveRef"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (!strcmp(names[i], keyword)) return true;
    return false;
}

/* New reference; NULL where one keyword cannot say both. */
static json_t *merge_keyword(struct schema_compiler *compiler, const char *keyword, const json_t *one,
                             const json_t *other) {
    static const char *const bounds[] = {
        "minimum",  "maximum",  "exclusiveMinimum", "exclusiveMaximum", "minLength",   "maxLength",
        "minItems", "maxItems", "minProperties",    "maxProperties",    "minContains", "maxContains"};
    if (json_equal((json_t *)one, (json_t *)other)) return json_incref((json_t *)one);
    for (size_t i = 0; i < COUNT_OF(bounds); i++)
        if (!strcmp(keyword, bounds[i]) && json_is_number(one) && json_is_number(other))
            return stricter(keyword, one, other);
    if (json_is_boolean(one) && json_is_boolean(other) && !strncmp(keyword, "exclusive", 9))
        return json_true();
    if (!strcmp(keyword, "type")) return common_types(one, other);
    if (!strcmp(keyword, "enum")) return common(one, other);
    if (!strcmp(keyword, "required")) return both_names(one, other);
    if (!strcmp(keyword, "properties") || !strcmp(keyword, "patternProperties"))
        return both_properties(compiler, one, other);
    if (!strcmp(keyword, "uniqueItems")) return json_true();
    if (!strcmp(keyword, "multipleOf") && json_is_integer(one) && json_is_integer(other))
        return common_multiple(json_integer_value(one), json_integer_value(other));
    if (!strcmp(keyword, "additionalProperties") || !strcmp(keyword, "items") ||
        !strcmp(keyword, "propertyNames")) {
        if (json_is_false(one) || json_is_false(other)) return json_false();
        const json_t *merged = schema_merge(compiler, one, other);
        return merged ? json_incref((json_t *)merged) : NULL;
    }
    if (!strcmp(keyword, "allOf") || !strcmp(keyword, SCHEMA_AND) || !strcmp(keyword, SCHEMA_NOT))
        return both_names(one, other);
    if (!strcmp(keyword, "anyOf")) return both_choices(compiler, one, other);
    if (!is_rule(keyword)) return json_incref((json_t *)one);
    (void)schema_refuse(compiler, STATUS_UNSUPPORTED, keyword, AT_ONCE);
    return NULL;
}

/* Does the name certainly follow one of the patterns? */
static bool follows_pattern(struct schema_compiler *compiler, const json_t *patterns, const char *name) {
    const char *pattern;
    json_t *schema, *text = patterns ? json_string(name) : NULL;
    bool follows = false;
    json_object_foreach((json_t *)patterns, pattern, schema) {
        json_t *rule = json_pack("{s:s}", "pattern", pattern);
        follows = follows || schema_allows(compiler, rule, text);
        json_decref(rule);
    }
    json_decref(text);
    return follows;
}

/* additionalProperties is about the names that its own schema does not list: it becomes a part of the other's. */
static bool spread_additional(struct schema_compiler *compiler, json_t *into, const json_t *from) {
    const json_t *additional = json_object_get(from, "additionalProperties"),
                 *listed = json_object_get(from, "properties"),
                 *patterns = json_object_get(from, "patternProperties");
    const char *name;
    json_t *schema, *properties = json_object_get(into, "properties");
    void *next;
    if (!additional || json_is_true(additional) || !properties) return true;
    json_object_foreach_safe(properties, next, name, schema) {
        if (json_object_get(listed, name) || follows_pattern(compiler, patterns, name)) continue;
        if (json_is_false(additional)) {
            if (patterns && json_object_set_new(properties, name, json_false())) return false;
            if (!patterns) json_object_del(properties, name);
            continue;
        }
        const json_t *merged = schema_merge(compiler, schema, additional);
        if (!merged || json_object_set(properties, name, (json_t *)merged)) return false;
    }
    return true;
}

/* A required name that only additionalProperties: false of the other knows can never be there. */
static bool names_remain(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *required = json_object_get(schema, "required"),
                 *properties = json_object_get(schema, "properties");
    if (!json_is_false(json_object_get(schema, "additionalProperties")) ||
        json_object_get(schema, "patternProperties"))
        return true;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name && json_object_get(properties, name)) continue;
        (void)schema_refuse(compiler, STATUS_INPUT, "required", "names a property that is not allowed");
        return false;
    }
    return true;
}

bool schema_expand(struct schema_compiler *compiler, const json_t **schema) {
    for (int hops = 0; json_is_object(*schema) && json_object_get(*schema, "$ref"); hops++) {
        const char *reference = json_string_value(json_object_get(*schema, "$ref"));
        const json_t *target = reference ? schema_at(compiler, reference) : NULL;
        if (!target || hops == 16) {
            (void)schema_refuse(compiler, STATUS_UNSUPPORTED, "$ref", "cannot be followed");
            return false;
        }
        *schema = schema_settle(compiler, *schema, false);
        if (!*schema) return false;
        const json_t *rest = schema_without(compiler, *schema, "$ref");
        if (!rest) return false;
        *schema = json_object_size(rest) ? schema_merge(compiler, rest, target) : target;
        if (!*schema) return false;
    }
    return true;
}

static bool has_any(const json_t *schema, const char *const *keyword) {
    for (; *keyword; keyword++)
        if (json_object_get(schema, *keyword)) return true;
    return false;
}

/* additionalProperties is about names that no pattern beside it has; those of the other schema would be forgotten. */
static bool patterns_agree(const json_t *one, const json_t *other) {
    json_t *patterns = json_object_get(other, "patternProperties"),
           *additional = json_object_get(one, "additionalProperties");
    if (!patterns || !additional || json_is_true(additional)) return true;
    return json_equal(patterns, json_object_get(one, "patternProperties"));
}

/* Keywords whose meaning depends on their neighbours in the same schema. */
static bool neighbours_agree(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    static const char *const leading[] = {"prefixItems", "additionalItems", NULL}, *const items[] = {
                                                                                       "items", "prefixItems",
                                                                                       "additionalItems",
                                                                                       NULL};
    if (!patterns_agree(one, other) || !patterns_agree(other, one)) {
        (void)schema_refuse(compiler, STATUS_UNSUPPORTED, "patternProperties",
                            "stands beside additionalProperties of another schema that must hold at once");
        return false;
    }
    const bool lists = json_is_array(json_object_get(one, "items")) ||
                       json_is_array(json_object_get(other, "items")) || has_any(one, leading) ||
                       has_any(other, leading);
    if (!lists || !has_any(one, items) || !has_any(other, items)) return true;
    (void)schema_refuse(compiler, STATUS_UNSUPPORTED, "prefixItems",
                        "stands in one of two schemas that must hold at once");
    return false;
}

/* A second rule for the same string. */
static bool add_facet(json_t *into, const char *keyword, json_t *value) {
    json_t *list = json_copy(json_object_get(into, SCHEMA_AND));
    if (!list) list = json_array();
    return !json_array_append_new(list, json_pack("{sO}", keyword, value)) &&
           !json_object_set_new(into, SCHEMA_AND, list);
}

static bool merge_all(struct schema_compiler *compiler, json_t *into, const json_t *other) {
    const char *keyword;
    json_t *value;
    json_object_foreach((json_t *)other, keyword, value) {
        json_t *first = json_object_get(into, keyword);
        if (schema_is_annotation(keyword) && first) continue;
        const bool facet = !strcmp(keyword, "pattern") || !strcmp(keyword, "format");
        if (first && facet && !json_equal(first, value)) {
            if (!add_facet(into, keyword, value)) return false;
            continue;
        }
        json_t *merged = first ? merge_keyword(compiler, keyword, first, value) : json_incref(value);
        if (!merged && compiler->status == STATUS_OK)
            (void)schema_refuse(compiler, STATUS_UNSUPPORTED, keyword, AT_ONCE);
        if (!merged || json_object_set_new(into, keyword, merged)) return false;
    }
    return true;
}

/* minContains and maxContains belong to the "contains" beside them, and mean nothing without it. NULL goes through. */
static const json_t *with_own_counts(struct schema_compiler *compiler, const json_t *schema) {
    const bool contains = schema && json_object_get(schema, "contains");
    const bool counts =
        schema && (json_object_get(schema, "minContains") || json_object_get(schema, "maxContains"));
    if (!schema || (!contains && !counts)) return schema;
    json_t *copy = json_copy((json_t *)schema);
    if (copy && !contains) {
        (void)json_object_del(copy, "minContains");
        (void)json_object_del(copy, "maxContains");
    } else if (copy && !json_object_get(copy, "minContains")) {
        (void)json_object_set_new(copy, "minContains", json_integer(1));
    }
    return schema_own(compiler, copy);
}

/* Said plainly, for objects that have the members which another schema requires. */
static const json_t *plain_beside(struct schema_compiler *compiler, const json_t *schema,
                                  const json_t *required) {
    const json_t *outer = compiler->required;
    compiler->required = required;
    const json_t *plain = schema_plain(compiler, schema);
    compiler->required = outer;
    return plain;
}

/* Neither has a reference any more. */
static const json_t *merge_expanded(struct schema_compiler *compiler, const json_t *one,
                                    const json_t *other) {
    if (json_is_false(one) || json_is_false(other)) return json_false();
    if (!json_is_object(one) || !json_is_object(other))
        return schema_refuse(compiler, STATUS_INPUT, "allOf", "must be schemas"), NULL;
    one = schema_settle(compiler, one, false);
    other = schema_settle(compiler, other, false);
    const json_t *theirs = other ? json_object_get(other, "required") : NULL,
                 *ours = one ? json_object_get(one, "required") : NULL;
    one = one && other ? with_own_counts(compiler, plain_beside(compiler, one, theirs)) : NULL;
    other = one ? with_own_counts(compiler, plain_beside(compiler, other, ours)) : NULL;
    if (!one || !other) return NULL;
    json_t *merged =
        neighbours_agree(compiler, one, other) ? schema_own(compiler, json_copy((json_t *)one)) : NULL;
    if (!merged) return NULL;
    if (!merge_all(compiler, merged, other)) {
        if (compiler->status == STATUS_OK)
            (void)schema_refuse(compiler, STATUS_MEMORY, "schema", "out of memory");
        return NULL;
    }
    /* what follows changes the properties, which may still be those of `one` or `other` */
    json_t *properties = json_object_get(merged, "properties");
    if (properties && (!spend_copies(compiler, properties) ||
                       json_object_set_new(merged, "properties", json_copy(properties))))
        return NULL;
    if (!spread_additional(compiler, merged, one) || !spread_additional(compiler, merged, other)) return NULL;
    return names_remain(compiler, merged) ? merged : NULL;
}

const json_t *schema_merge(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    if (compiler->status != STATUS_OK) return NULL;
    if (says_nothing(one)) return other;
    if (says_nothing(other)) return one;
    if (++compiler->depth > MERGE_DEPTH_LIMIT)
        return schema_refuse(compiler, STATUS_LIMIT, "allOf", "is nested too deep"), NULL;
    const bool expanded = schema_expand(compiler, &one) && schema_expand(compiler, &other);
    const json_t *merged = expanded ? merge_expanded(compiler, one, other) : NULL;
    compiler->depth--;
    return merged;
}

/* ---- can both hold? ---- */

static const json_t *values_of(const json_t *schema) {
    return json_object_get(schema, "enum");
}

/* May they be one value? Numbers are, however they are written; what holds numbers may be. */
static bool may_equal(const json_t *one, const json_t *other) {
    if (json_is_number(one) && json_is_number(other))
        return json_number_value(one) == json_number_value(other);
    if (json_typeof(one) == json_typeof(other) && (json_is_object(one) || json_is_array(one))) return true;
    return json_equal((json_t *)one, (json_t *)other);
}

static bool allows_constant(const json_t *schema, const json_t *value) {
    const json_t *list = values_of(schema), *constant = json_object_get(schema, "const");
    if (constant) return may_equal(constant, value);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (may_equal(json_array_get(list, i), value)) return true;
    return !list;
}

/* Both have constants, and none in common. */
static bool constants_differ(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    enum { VALUES_LIKE_A_PAIR = 256 }; /* that take as long to compare */
    const json_t *list = values_of(one), *constant = json_object_get(one, "const");
    const double values = (double)json_array_size(list) * (double)json_array_size(values_of(other));
    if (!list && !constant) return false;
    if (!values_of(other) && !json_object_get(other, "const")) return false;
    if (constant) return !allows_constant(other, constant);
    if (values / VALUES_LIKE_A_PAIR > PAIRS_LIMIT - compiler->compared) return false;
    compiler->compared += (int)(values / VALUES_LIKE_A_PAIR);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (allows_constant(other, json_array_get(list, i))) return false;
    return true;
}

static bool requires_name(const json_t *schema, const char *name) {
    const json_t *required = json_object_get(schema, "required");
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *other = json_string_value(json_array_get(required, i));
        if (other && !strcmp(other, name)) return true;
    }
    return false;
}

/* A property that one requires and that tells them apart. */
static bool property_differs(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    const char *name;
    json_t *schema;
    json_object_foreach(json_object_get(one, "properties"), name, schema) {
        const json_t *second = json_object_get(json_object_get(other, "properties"), name);
        if (second && (requires_name(one, name) || requires_name(other, name)) &&
            !schemas_overlap(compiler, schema, second))
            return true;
    }
    return false;
}

/* One requires a property that the other forbids. */
static bool property_is_forbidden(const json_t *one, const json_t *other) {
    const json_t *required = json_object_get(one, "required");
    if (!json_is_false(json_object_get(other, "additionalProperties")) ||
        json_object_get(other, "patternProperties"))
        return false;
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (name && !json_object_get(json_object_get(other, "properties"), name)) return true;
    }
    return false;
}

/* Types of what is allowed for certain: only where "type" or constants say so. */
static int certain_types(struct schema_compiler *compiler, const json_t *schema) {
    const json_t *list = values_of(schema), *constant = json_object_get(schema, "const");
    int types = 0;
    if (json_object_get(schema, "type")) return schema_types(compiler, schema);
    if (!list && !constant) return SCHEMA_ANY;
    for (int bit = 1; bit <= SCHEMA_NULL; bit <<= 1) {
        if (constant && schema_type_fits(bit, constant)) types |= bit;
        for (size_t i = 0; i < json_array_size(list); i++)
            if (schema_type_fits(bit, json_array_get(list, i))) types |= bit;
    }
    return types;
}

/* One is of schemas that hold at once, or of alternatives, which the other rules out. */
static bool parts_are_apart(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    static const char *const alternatives[] = {"anyOf", "oneOf"};
    const json_t *all = json_object_get(one, "allOf");
    for (size_t i = 0; i < json_array_size(all); i++)
        if (!schemas_overlap(compiler, json_array_get(all, i), other)) return true;
    for (size_t k = 0; k < COUNT_OF(alternatives); k++) {
        const json_t *any = json_object_get(one, alternatives[k]);
        bool overlap = json_array_size(any) == 0;
        for (size_t i = 0; i < json_array_size(any) && !overlap; i++)
            overlap = schemas_overlap(compiler, json_array_get(any, i), other);
        if (!overlap) return true;
    }
    return false;
}

/* An object with a member that the other forbids, or without one that it requires. */
static bool object_is_apart(struct schema_compiler *compiler, const json_t *object, const json_t *other) {
    const json_t *required = json_object_get(other, "required"),
                 *properties = json_object_get(other, "properties");
    const char *name;
    json_t *value;
    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (name && !json_object_get(object, name)) return true;
    }
    json_object_foreach((json_t *)object, name, value) {
        const json_t *schema = json_object_get(properties, name);
        const json_t *only = schema ? schema_own(compiler, json_pack("{s:O}", "const", value)) : NULL;
        if (only && !schemas_overlap(compiler, only, schema)) return true;
    }
    return false;
}

/* One lists objects alone, of which the other allows none. */
static bool objects_are_apart(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    const json_t *list = values_of(one), *constant = json_object_get(one, "const");
    if (constant) return json_is_object(constant) && object_is_apart(compiler, constant, other);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_object(json_array_get(list, i)) ||
            !object_is_apart(compiler, json_array_get(list, i), other))
            return false;
    return json_array_size(list) > 0;
}

static bool numbers_are_apart(const json_t *one, const json_t *other) {
    static const char *const most[] = {"maximum", "exclusiveMaximum"}, *const least[] = {"minimum",
                                                                                         "exclusiveMinimum"};
    for (size_t i = 0; i < COUNT_OF(most); i++)
        for (size_t j = 0; j < COUNT_OF(least); j++) {
            const json_t *high = json_object_get(one, most[i]), *low = json_object_get(other, least[j]);
            if (!json_is_number(high) || !json_is_number(low)) continue;
            if (json_number_value(high) < json_number_value(low)) return true;
            if (i + j > 0 && json_number_value(high) == json_number_value(low)) return true;
        }
    return false;
}

/* Strings that follow both: none, for certain. What a format allows is not looked at, since some readers do not. */
static bool strings_are_apart(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    enum { PAIRS = 2048, FAILURES = 8 };
    static const char *const words[] = {"pattern", "const", "enum"};
    const json_t *both[] = {one, other};
    const enum status before = compiler->status;
    json_t *all = json_array();
    bool apart = false;
    for (size_t i = 0; i < COUNT_OF(both); i++) {
        const json_t *pattern = json_object_get(both[i], words[0]),
                     *value = json_object_get(both[i], words[1]), *list = json_object_get(both[i], words[2]);
        if (pattern) (void)json_array_append_new(all, json_pack("{s:O}", "pattern", pattern));
        if (value || list)
            (void)json_array_append_new(all, value ? json_pack("{s:[O]}", "enum", value)
                                                   : json_pack("{s:O}", "enum", list));
    }
    if (before == STATUS_OK && json_array_size(all) > 1 &&
        (json_object_get(one, "pattern") || json_object_get(other, "pattern")) &&
        compiler->string_pairs++ < PAIRS) {
        json_t *schema = json_pack("{s:O}", SCHEMA_AND, all);
        const bool exact = compiler->exact;
        compiler->exact = true;
        struct machine *machine = schema_strings(compiler, schema);
        compiler->exact = exact;
        apart = machine && machine_is_empty(machine);
        if (!machine) compiler->string_pairs += PAIRS / FAILURES; /* which take longest */
        machine_close(machine);
        json_decref(schema);
        if (compiler->status == STATUS_UNSUPPORTED || compiler->status == STATUS_INPUT)
            compiler->status = before;
    }
    json_decref(all);
    return apart;
}

static bool expanded_overlap(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    if (json_is_false(one) || json_is_false(other)) return false;
    if (!json_is_object(one) || !json_is_object(other)) return true;
    if (parts_are_apart(compiler, one, other) || parts_are_apart(compiler, other, one)) return false;
    int types = certain_types(compiler, one), others = certain_types(compiler, other);
    if (types < 0 || others < 0) return true;
    if (types & SCHEMA_NUMBER) types |= SCHEMA_INTEGER;
    if (others & SCHEMA_NUMBER) others |= SCHEMA_INTEGER;
    if (!(types & others) || constants_differ(compiler, one, other)) return false;
    if (!(types & others & ~(SCHEMA_NUMBER | SCHEMA_INTEGER)) &&
        (numbers_are_apart(one, other) || numbers_are_apart(other, one)))
        return false;
    if ((types & others) == SCHEMA_STRING) return !strings_are_apart(compiler, one, other);
    if ((types & others) != SCHEMA_OBJECT) return true;
    if (objects_are_apart(compiler, one, other) || objects_are_apart(compiler, other, one)) return false;
    return !property_differs(compiler, one, other) && !property_is_forbidden(one, other) &&
           !property_is_forbidden(other, one);
}

/* Schemas that refer to themselves are compared as far as the limits go. */
bool schemas_overlap(struct schema_compiler *compiler, const json_t *one, const json_t *other) {
    if (compiler->pair_depth == PAIR_DEPTH_LIMIT || ++compiler->compared > PAIRS_LIMIT) return true;
    if (!schema_expand(compiler, &one) || !schema_expand(compiler, &other)) return true;
    compiler->pair_depth++;
    const bool overlap = expanded_overlap(compiler, one, other);
    compiler->pair_depth--;
    return overlap;
}
