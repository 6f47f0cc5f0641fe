/* schema_plain.c - what grammars have no words for, said in those that they have: "not", "if", "oneOf" and dependencies
 * become alternatives, of which each is allowed for certain. What is allowed in no such way is left out. */
#include "text/schema_compile.h"

#include <math.h>
#include <string.h>

enum { NEGATION_DEPTH = 12, CONSTANTS_LIMIT = 16, NEGATION_LIMIT = 1 << 16, NEGATIONS_LIMIT = 1 << 20 };

/* New references are borrowed from the compiler once they are owned; NULL goes through. */
static json_t *negate(struct schema_compiler *compiler, const json_t *schema, int depth);

static void add(json_t *list, json_t *schema) {
    if (schema) (void)json_array_append_new(list, schema);
}

static void add_all(json_t *list, json_t *more) {
    (void)json_array_extend(list, more);
    json_decref(more);
}

/* Schemas in schemas could otherwise be negated to gigabytes. What is left out only makes fewer alternatives. */
static bool spend_negations(struct schema_compiler *compiler, int count) {
    compiler->negated += count;
    compiler->negations += count;
    return compiler->negated <= NEGATION_LIMIT && compiler->negations <= NEGATIONS_LIMIT;
}

/* ---- what is not of some types ---- */

static json_t *names_of_types(int types) {
    static const char *const names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};
    json_t *list = json_array();
    for (int i = 0; i < (int)COUNT_OF(names); i++)
        if (types >> i & 1) add(list, json_string(names[i]));
    return list;
}

/* Integers are numbers: without one, none of the other. */
static void add_other_types(json_t *list, int types) {
    if (types & (SCHEMA_NUMBER | SCHEMA_INTEGER)) types |= SCHEMA_NUMBER | SCHEMA_INTEGER;
    const int others = SCHEMA_ANY & ~types;
    if (others) add(list, json_pack("{s:o}", "type", names_of_types(others)));
}

static int types_of_values(const json_t *values) {
    int types = 0;
    for (size_t i = 0; i < json_array_size(values); i++)
        for (int bit = 1; bit <= SCHEMA_NULL; bit <<= 1)
            if (schema_type_fits(bit, json_array_get(values, i))) types |= bit;
    return types;
}

/* Below the least of the numbers and above the largest. */
static void add_other_numbers(json_t *list, const json_t *values) {
    double low = 0, high = 0;
    bool any = false;
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_number(value)) continue;
        const double number = json_number_value(value);
        if (!any || number < low) low = number;
        if (!any || number > high) high = number;
        any = true;
    }
    if (!any) return;
    add(list, json_pack("{s:s,s:f}", "type", "number", "exclusiveMinimum", high));
    add(list, json_pack("{s:s,s:f}", "type", "number", "exclusiveMaximum", low));
}

static void negate_values(json_t *list, const json_t *values) {
    const int types = types_of_values(values);
    bool truth = false, falsity = false;
    add_other_types(list, types);
    if (types & SCHEMA_STRING)
        add(list, json_pack("{s:s,s:[{s:O}]}", "type", "string", SCHEMA_NOT, "enum", values));
    if (types & (SCHEMA_NUMBER | SCHEMA_INTEGER)) add_other_numbers(list, values);
    for (size_t i = 0; i < json_array_size(values); i++) {
        truth |= json_is_true(json_array_get(values, i));
        falsity |= json_is_false(json_array_get(values, i));
    }
    if (truth != falsity) add(list, json_pack("{s:b}", "const", falsity));
}

/* ---- what breaks one keyword ---- */

static void negate_types(struct schema_compiler *compiler, json_t *list, const json_t *schema) {
    const int types = schema_types(compiler, schema);
    if (types >= 0) add_other_types(list, types);
}

/* The bound's opposite, in values of its type. */
static void negate_bounds(json_t *list, const json_t *schema) {
    static const struct {
        const char *keyword, *type, *opposite;
        int shift; /* of counts */
    } rows[] = {{"minimum", "number", "exclusiveMaximum", 0},
                {"maximum", "number", "exclusiveMinimum", 0},
                {"exclusiveMinimum", "number", "maximum", 0},
                {"exclusiveMaximum", "number", "minimum", 0},
                {"minLength", "string", "maxLength", -1},
                {"maxLength", "string", "minLength", 1},
                {"minItems", "array", "maxItems", -1},
                {"maxItems", "array", "minItems", 1},
                {"minProperties", "object", "maxProperties", -1},
                {"maxProperties", "object", "minProperties", 1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const json_t *bound = json_object_get(schema, rows[i].keyword);
        const double value = json_number_value(bound) + rows[i].shift;
        if (!json_is_number(bound) || (rows[i].shift && value < 0)) continue;
        json_t *number = rows[i].shift ? json_integer((json_int_t)value) : json_incref((json_t *)bound);
        add(list, json_pack("{s:s,s:o}", "type", rows[i].type, rows[i].opposite, number));
    }
}

static void negate_properties(struct schema_compiler *compiler, json_t *list, const json_t *schema,
                              int depth) {
    const json_t *required = json_object_get(schema, "required");
    const char *name;
    json_t *value;
    for (size_t i = 0; i < json_array_size(required); i++) {
        name = json_string_value(json_array_get(required, i));
        if (name) add(list, json_pack("{s:s,s:{s:b}}", "type", "object", "properties", name, 0));
    }
    json_object_foreach((json_t *)json_object_get(schema, "properties"), name, value) {
        json_t *others = negate(compiler, value, depth), *other;
        size_t i;
        json_array_foreach(others, i, other)
            add(list, json_pack("{s:s,s:[s],s:{s:O},s:b}", "type", "object", "required", name, "properties",
                                name, other, SCHEMA_SILENT, 1));
        json_decref(others);
    }
}

/* ---- what breaks the rules for members that are not listed ---- */

static bool is_listed(const json_t *list, const char *name) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_is_string(json_array_get(list, i)) &&
            !strcmp(json_string_value(json_array_get(list, i)), name))
            return true;
    return false;
}

/* Names of properties that a schema, and what holds beside it, speaks of: they are worth being asked for. */
static void collect_names(const struct schema_compiler *compiler, json_t *names, const json_t *schema,
                          int depth, int *visits) {
    enum { NAMES_LIMIT = 64, DEPTH = 4 };
    static const char *const parts[] = {"allOf", "anyOf", "oneOf"};
    const char *name, *reference = json_string_value(json_object_get(schema, "$ref"));
    json_t *value;
    if (depth == DEPTH || --*visits < 0) return;
    json_object_foreach(json_object_get(schema, "properties"), name, value) {
        if (--*visits < 0) return;
        if (json_array_size(names) < NAMES_LIMIT && !json_is_false(value) && !is_listed(names, name))
            add(names, json_string(name));
    }
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        for (size_t j = 0; j < json_array_size(json_object_get(schema, parts[i])) && *visits > 0; j++)
            collect_names(compiler, names, json_array_get(json_object_get(schema, parts[i]), j), depth + 1,
                          visits);
    if (reference) collect_names(compiler, names, schema_at(compiler, reference), depth + 1, visits);
}

/* An object with this member. */
static json_t *with_member(const char *name, json_t *value) {
    return json_pack("{s:s,s:[s],s:{s:O},s:b}", "type", "object", "required", name, "properties", name, value,
                     SCHEMA_SILENT, 1);
}

/* Objects of at least one member, of which all have such names and such values. */
static void add_members(json_t *list, json_t *names, json_t *values) {
    add(list, json_pack("{s:s,s:i,s:o,s:{s:O},s:b}", "type", "object", "minProperties", 1, "propertyNames",
                        names, "additionalProperties", "anyOf", values, SCHEMA_SILENT, 1));
}

static json_t *names_in(const json_t *properties) {
    json_t *names = json_array(), *value;
    const char *name;
    json_object_foreach((json_t *)properties, name, value) add(names, json_string(name));
    return names;
}

static void negate_additional(struct schema_compiler *compiler, json_t *list, const json_t *schema,
                              int depth) {
    const json_t *rule = json_object_get(schema, "additionalProperties"),
                 *properties = json_object_get(schema, "properties");
    if (!rule || json_is_true(rule) || json_object_size(json_object_get(schema, "patternProperties"))) return;
    json_t *others = negate(compiler, rule, depth), *other;
    size_t i;
    for (size_t n = 0; n < json_array_size(compiler->names); n++) {
        const char *name = json_string_value(json_array_get(compiler->names, n));
        if (json_object_get(properties, name)) continue;
        json_array_foreach(others, i, other) if (spend_negations(compiler, 1))
            add(list, with_member(name, other));
    }
    if (json_array_size(others))
        add_members(list, json_pack("{s:[{s:o}]}", SCHEMA_NOT, "enum", names_in(properties)), others);
    json_decref(others);
}

static void negate_names(struct schema_compiler *compiler, json_t *list, const json_t *schema, int depth) {
    json_t *names = json_object_get(schema, "propertyNames"), *any = json_pack("[{}]"), *value;
    const char *pattern;
    if (json_object_get(names, "pattern") || json_object_get(names, "enum"))
        add_members(list, json_pack("{s:[O]}", SCHEMA_NOT, names), any);
    json_decref(any);
    json_object_foreach(json_object_get(schema, "patternProperties"), pattern, value) {
        json_t *others = negate(compiler, value, depth);
        if (json_array_size(others)) add_members(list, json_pack("{s:s}", "pattern", pattern), others);
        json_decref(others);
    }
}

static void negate_items(struct schema_compiler *compiler, json_t *list, const json_t *schema, int depth) {
    const json_t *items = json_object_get(schema, "items"), *contains = json_object_get(schema, "contains");
    json_t *others = json_is_array(items) || json_object_get(schema, "prefixItems")
                         ? json_array()
                         : negate(compiler, items, depth);
    if (json_array_size(others))
        add(list,
            json_pack("{s:s,s:{s:O},s:b}", "type", "array", "contains", "anyOf", others, SCHEMA_SILENT, 1));
    json_decref(others);
    if (!contains || json_object_get(schema, "minContains")) return;
    others = negate(compiler, contains, depth);
    if (json_array_size(others))
        add(list,
            json_pack("{s:s,s:{s:O},s:b}", "type", "array", "items", "anyOf", others, SCHEMA_SILENT, 1));
    add(list, json_pack("{s:s,s:i}", "type", "array", "maxItems", 0));
    json_decref(others);
}

/* Some numbers between multiples. */
static void negate_multiple(json_t *list, const json_t *schema) {
    enum { NUMBERS = 64 };
    const json_t *divisor = json_object_get(schema, "multipleOf");
    json_t *numbers = json_array();
    if (json_is_integer(divisor) && json_integer_value(divisor) > 1)
        for (json_int_t n = 1; n <= NUMBERS; n++)
            if (n % json_integer_value(divisor)) add(numbers, json_integer(n));
    if (json_array_size(numbers)) add(list, json_pack("{s:O}", "enum", numbers));
    json_decref(numbers);
}

/* None of them, or NULL where one cannot be ruled out. */
static json_t *none_of(struct schema_compiler *compiler, const json_t *schemas, int depth) {
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(schemas); i++) {
        json_t *others = negate(compiler, json_array_get(schemas, i), depth);
        if (json_array_size(others) == 0) {
            json_decref(others);
            json_decref(all);
            return NULL;
        }
        add(all, json_pack("{s:o}", "anyOf", others));
    }
    return all;
}

static void negate_combinations(struct schema_compiler *compiler, json_t *list, const json_t *schema,
                                int depth) {
    static const char *const keywords[] = {"anyOf", "oneOf"};
    const json_t *all = json_object_get(schema, "allOf"), *not = json_object_get(schema, "not"),
                 *condition = json_object_get(schema, "if");
    for (size_t i = 0; i < json_array_size(all); i++)
        add_all(list, negate(compiler, json_array_get(all, i), depth));
    if (not ) add(list, json_pack("{s:[O],s:b}", "allOf", not, SCHEMA_SILENT, 1));
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        const json_t *choices = json_object_get(schema, keywords[i]);
        json_t *none = choices ? none_of(compiler, choices, depth) : NULL;
        if (none) add(list, json_pack("{s:o}", "allOf", none));
    }
    if (!condition) return;
    json_t *then = json_object_get(schema, "then"), *otherwise = json_object_get(schema, "else");
    json_t *not_then = then ? negate(compiler, then, depth) : json_array(),
           *not_else = otherwise ? negate(compiler, otherwise, depth) : json_array(),
           *not_if = negate(compiler, condition, depth);
    if (json_array_size(not_then))
        add(list, json_pack("{s:[O,{s:O}],s:b}", "allOf", condition, "anyOf", not_then, SCHEMA_SILENT, 1));
    if (json_array_size(not_else) && json_array_size(not_if))
        add(list, json_pack("{s:[{s:O},{s:O}]}", "allOf", "anyOf", not_if, "anyOf", not_else));
    json_decref(not_then);
    json_decref(not_else);
    json_decref(not_if);
}

/* Schemas that allow only what `schema` does not; maybe none. New reference. */
static json_t *negate(struct schema_compiler *compiler, const json_t *schema, int depth) {
    json_t *list = json_array();
    if (depth == 0) compiler->negated = 0;
    if (json_is_false(schema)) add(list, json_object());
    if (!json_is_object(schema) || depth == NEGATION_DEPTH || compiler->status != STATUS_OK ||
        !spend_negations(compiler, 1))
        return list;
    if (json_object_get(schema, "$ref")) {
        const char *reference = json_string_value(json_object_get(schema, "$ref"));
        const json_t *target = reference ? schema_at(compiler, reference) : NULL;
        if (target) add_all(list, negate(compiler, target, depth + 1));
    }
    const json_t *values = json_object_get(schema, "enum"), *value = json_object_get(schema, "const"),
                 *pattern = json_object_get(schema, "pattern");
    if (json_object_get(schema, "type")) negate_types(compiler, list, schema);
    if (json_array_size(values) <= CONSTANTS_LIMIT && json_array_size(values)) negate_values(list, values);
    if (value) {
        json_t *one = json_pack("[O]", value);
        negate_values(list, one);
        json_decref(one);
    }
    if (json_is_string(pattern))
        add(list, json_pack("{s:s,s:[{s:O}]}", "type", "string", SCHEMA_NOT, "pattern", pattern));
    negate_bounds(list, schema);
    negate_properties(compiler, list, schema, depth + 1);
    negate_additional(compiler, list, schema, depth + 1);
    negate_names(compiler, list, schema, depth + 1);
    negate_items(compiler, list, schema, depth + 1);
    negate_multiple(list, schema);
    negate_combinations(compiler, list, schema, depth + 1);
    (void)spend_negations(compiler, (int)json_array_size(list));
    return list;
}

/* ---- keywords that become alternatives ---- */

/* `schema` with these alternatives, beside those it has. Takes over both. */
static json_t *with_choices(struct schema_compiler *compiler, json_t *schema, json_t *choices,
                            const char *keyword) {
    if (json_array_size(choices) == 0) {
        json_decref(choices);
        json_decref(schema);
        (void)schema_refuse(compiler, STATUS_UNSUPPORTED, keyword, "cannot be kept by any grammar");
        return NULL;
    }
    json_t *all = json_copy(json_object_get(schema, "hadal:choices"));
    if (!all) all = json_array();
    add(all, choices);
    (void)json_object_set_new(schema, "hadal:choices", all);
    return schema;
}

static json_t *plain_not(struct schema_compiler *compiler, json_t *schema) {
    json_t *choices = negate(compiler, json_object_get(schema, "not"), 0);
    (void)json_object_del(schema, "not");
    return with_choices(compiler, schema, choices, "not");
}

static json_t *plain_if(struct schema_compiler *compiler, json_t *schema) {
    json_t *condition = json_object_get(schema, "if"), *then = json_object_get(schema, "then"),
           *otherwise = json_object_get(schema, "else"), *choices = json_array();
    if (then || otherwise) {
        json_t *others = negate(compiler, condition, 0), *other;
        size_t i;
        if (!json_is_false(then))
            add(choices, then ? json_pack("{s:[O,O]}", "allOf", condition, then) : json_incref(condition));
        json_array_foreach(others, i, other)
            add(choices, otherwise ? json_pack("{s:[O,O]}", "allOf", other, otherwise) : json_incref(other));
        json_decref(others);
    }
    static const char *const keywords[] = {"if", "then", "else"};
    if (then || otherwise)
        schema = with_choices(compiler, schema, choices, "if");
    else
        json_decref(choices);
    for (size_t i = 0; schema && i < COUNT_OF(keywords); i++) (void)json_object_del(schema, keywords[i]);
    return schema;
}

/* An alternative with what the schema around all of them requires: only for telling which of them can hold at once. */
static const json_t *told(struct schema_compiler *compiler, const json_t *around, const json_t *choice) {
    const json_t *required = json_object_get(around, "required"), *type = json_object_get(around, "type"),
                 *beyond = compiler->required;
    const enum status before = compiler->status;
    const bool expanded = schema_expand(compiler, &choice);
    if (compiler->status == STATUS_UNSUPPORTED || compiler->status == STATUS_INPUT) compiler->status = before;
    if (!expanded || !json_is_object(choice) || (!required && !type && !beyond)) return choice;
    json_t *copy = json_copy((json_t *)choice), *names = json_copy(json_object_get(choice, "required"));
    if (!names) names = json_array();
    if (json_is_array(required)) (void)json_array_extend(names, (json_t *)required);
    if (json_is_array(beyond)) (void)json_array_extend(names, (json_t *)beyond);
    if (json_array_size(names)) (void)json_object_set(copy, "required", names);
    if (type && !json_object_get(copy, "type")) (void)json_object_set(copy, "type", (json_t *)type);
    json_decref(names);
    return schema_own(compiler, copy);
}

/* Does the alternative ask for a member for which the schema lists values? Schemas are mostly told apart by such. */
static bool asks_for_listed(const json_t *alternative, const json_t *schema) {
    const json_t *required = json_object_get(alternative, "required");
    const char *name = json_string_value(json_array_get(required, 0));
    const json_t *property = name ? json_object_get(json_object_get(schema, "properties"), name) : NULL;
    return json_array_size(required) == 1 &&
           (json_object_get(property, "enum") || json_object_get(property, "const"));
}

/* Of alternatives to another schema those that may hold beside this one, the telling ones first. */
static json_t *beside(struct schema_compiler *compiler, json_t *alternatives, const json_t *schema) {
    json_t *kept = json_array(), *alternative;
    size_t i;
    for (int turn = 0; turn < 2; turn++)
        json_array_foreach(alternatives, i,
                           alternative) if (asks_for_listed(alternative, schema) == (turn == 0) &&
                                            schemas_overlap(compiler, alternative, schema))(void)
            json_array_append(kept, alternative);
    json_decref(alternatives);
    return kept;
}

/* Each of one list with each of the others: the longest lose their last ones until that are few, the fewer the more schemas
 * do so. */
static void keep_few(json_t *lists, size_t schemas) {
    const double most = schemas <= 8 ? 16 : schemas < 64 ? 128.0 / (double)schemas : 2;
    double product = 0; /* its logarithm */
    size_t longest = 0, i;
    json_t *list;
    json_array_foreach(lists, i, list) {
        product += log2((double)json_array_size(list));
        if (json_array_size(list) > longest) longest = json_array_size(list);
    }
    for (; longest > 1; longest--) json_array_foreach(lists, i, list) {
            if (product <= log2(most) + 1e-6) return;
            if (json_array_size(list) != longest) continue;
            (void)json_array_remove(list, longest - 1);
            product -= log2((double)longest / (double)(longest - 1));
        }
}

/* None of the alternatives that may hold beside this one, or NULL where one cannot be ruled out. */
static json_t *none_beside(struct schema_compiler *compiler, const json_t *list, const json_t *told_list,
                           size_t which) {
    const json_t *schema = json_array_get(told_list, which);
    json_t *lists = json_array(), *none = json_array(), *alternatives;
    bool all = true;
    size_t i;
    for (size_t j = 0; j < json_array_size(list) && all; j++) {
        if (j == which || !schemas_overlap(compiler, schema, json_array_get(told_list, j))) continue;
        alternatives = beside(compiler, negate(compiler, json_array_get(list, j), 0), schema);
        all = json_array_size(alternatives) > 0;
        add(lists, alternatives);
    }
    if (all) keep_few(lists, json_array_size(list));
    json_array_foreach(lists, i, alternatives) add(none, json_pack("{s:O}", "anyOf", alternatives));
    json_decref(lists);
    if (all) return none;
    json_decref(none);
    return NULL;
}

/* Each alternative without the others. */
static json_t *plain_one_of(struct schema_compiler *compiler, json_t *schema) {
    enum { CHOICES_LIMIT = 512 };
    json_t *list = json_incref(json_object_get(schema, "oneOf")), *choices = json_array(),
           *told_list = json_array();
    (void)json_object_del(schema, "oneOf");
    if (json_array_size(list) <= CHOICES_LIMIT) {
        for (size_t i = 0; i < json_array_size(list); i++) {
            const json_t *one = told(compiler, schema, json_array_get(list, i));
            (void)json_array_append(told_list, one ? (json_t *)one : json_array_get(list, i));
        }
        for (size_t i = 0; i < json_array_size(list); i++) {
            json_t *none = none_beside(compiler, list, told_list, i);
            if (!none) continue;
            (void)json_array_append(none, json_array_get(list, i));
            if (json_array_size(none) == 1)
                (void)json_array_append(choices, json_array_get(list, i));
            else
                add(choices, json_pack("{s:O}", "allOf", none));
            json_decref(none);
        }
    }
    json_decref(told_list);
    json_decref(list);
    return with_choices(compiler, schema, choices, "oneOf");
}

/* The schema with one more required name. */
static json_t *requiring(const json_t *schema, const char *name) {
    json_t *copy = json_copy((json_t *)schema), *names = json_copy(json_object_get(schema, "required"));
    if (!json_is_array(names)) {
        json_decref(names);
        names = json_array();
    }
    add(names, json_string(name));
    (void)json_object_set_new(copy, "required", names);
    return copy;
}

/* A name that brings others with it, or a schema: it does not come, or they do. */
static json_t *plain_dependencies(struct schema_compiler *compiler, json_t *schema, const char *keyword) {
    json_t *map = json_incref(json_object_get(schema, keyword)), *value;
    const char *name;
    (void)json_object_del(schema, keyword);
    json_object_foreach(map, name, value) {
        if (json_is_array(value) && json_array_size(value) == 0) continue;
        if (json_is_true(value)) continue;
        json_t *choices = json_array();
        if (json_is_array(value)) add(choices, json_pack("{s:O}", "required", value));
        if (json_is_object(value)) add(choices, requiring(value, name));
        if (!json_is_array(json_object_get(schema, "required")) ||
            !is_listed(json_object_get(schema, "required"), name))
            add(choices, json_pack("{s:{s:b}}", "properties", name, 0));
        schema = with_choices(compiler, schema, choices, keyword);
        if (!schema) break;
    }
    json_decref(map);
    return schema;
}

/* Alternatives of several keywords hold at once: all but one stand in allOf, which the compiler merges. */
static json_t *settle_choices(json_t *schema) {
    json_t *all = json_incref(json_object_get(schema, "hadal:choices")),
           *list = json_copy(json_object_get(schema, "allOf"));
    (void)json_object_del(schema, "hadal:choices");
    if (!list) list = json_array();
    for (size_t i = 0; i < json_array_size(all); i++) {
        json_t *choices = json_array_get(all, i);
        if (json_object_get(schema, "anyOf"))
            add(list, json_pack("{s:O}", "anyOf", choices));
        else
            (void)json_object_set(schema, "anyOf", choices);
    }
    if (json_array_size(list)) (void)json_object_set(schema, "allOf", list);
    json_decref(list);
    json_decref(all);
    return schema;
}

const json_t *schema_plain(struct schema_compiler *compiler, const json_t *schema) {
    static const char *const dependencies[] = {"dependencies", "dependentRequired", "dependentSchemas"};
    bool plain = !json_object_get(schema, "not") && !json_object_get(schema, "if") &&
                 !json_object_get(schema, "oneOf");
    for (size_t i = 0; i < COUNT_OF(dependencies); i++)
        plain = plain && !json_object_get(schema, dependencies[i]);
    if (plain || !json_is_object(schema)) return schema;
    json_t *copy = json_copy((json_t *)schema);
    if (copy && json_object_get(copy, "oneOf") && !json_is_array(json_object_get(copy, "oneOf"))) {
        json_decref(copy);
        return schema_refuse(compiler, STATUS_INPUT, "oneOf", "must be an array of schemas"), NULL;
    }
    json_t *outer = compiler->names;
    compiler->names = json_array();
    int visits = 4096;
    collect_names(compiler, compiler->names, schema, 0, &visits);
    if (copy && json_object_get(copy, "oneOf")) copy = plain_one_of(compiler, copy);
    if (copy && json_object_get(copy, "not")) copy = plain_not(compiler, copy);
    if (copy && json_object_get(copy, "if")) copy = plain_if(compiler, copy);
    for (size_t i = 0; copy && i < COUNT_OF(dependencies); i++)
        if (json_object_get(copy, dependencies[i]))
            copy = plain_dependencies(compiler, copy, dependencies[i]);
    json_decref(compiler->names);
    compiler->names = outer;
    if (!copy) {
        (void)schema_refuse(compiler, STATUS_MEMORY, "schema", "out of memory");
        return NULL;
    }
    return schema_own(compiler, settle_choices(copy));
}
