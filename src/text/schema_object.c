/* schema_object.c - objects of a schema: the listed properties in their order, then others where they may be.
 *
 * Properties come in the order in which the schema lists them, each at most once. Where the schema lists some and says
 * nothing about others, no others come. Names of others are written without escapes and differ from all that are listed. */
#include "text/schema_compile.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_LIMIT = 2048, NAME_LIMIT = 1024 };

struct property {
    const char *name;
    const json_t *schema; /* NULL: any value */
    bool required, never; /* never: it may not come, under this name or as another */
};

struct object {
    struct schema_compiler *compiler;
    struct property *property;
    int properties, capacity;
    const json_t *others; /* NULL: none may come */
    bool free;            /* others may come with any value */
    bool closed;          /* the schema says that none may come */
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

/* Every continuation that makes none of the names, which are alike up to `at`. NULL: there is none. */
static const struct expression *other_rest(struct schema_compiler *compiler, struct names names, size_t at) {
    struct grammar_builder *b = compiler->builder;
    const struct expression *rest = grammar_repeat(b, grammar_call(b, compiler->parts.plain), 0, -1),
                            *sum = NULL;
    uint32_t next = 0;
    int i = 0;
    if (b->failed) return NULL;
    if (names.names > 0 && !names.name[0][at])
        i++; /* this very text is a name: it may not end here */
    else
        sum = grammar_empty(b);
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
                                                    at + (size_t)bytes);
        if (here && below) sum = join(compiler, sum, grammar_sequence(b, here, below));
        next = code + 1;
        i = end;
    }
    const struct expression *last = next <= 0x10FFFF ? plain_range(compiler, next, 0x10FFFF) : NULL;
    return last ? join(compiler, sum, grammar_sequence(b, last, rest)) : sum;
}

static const struct expression *other_name(const struct object *object) {
    struct grammar_builder *b = object->compiler->builder;
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
    const struct expression *rest = other_rest(object->compiler, (struct names){name, object->properties}, 0);
    free(name);
    return grammar_sequence(b, grammar_text(b, "\""), grammar_sequence(b, rest, grammar_text(b, "\"")));
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
        if (json_is_false(listed) || (!listed && object->closed))
            return bad(object, "required", "names a property that is not allowed"), false;
        if (!add_property(object, name, object->others, true)) return false;
    }
    return true;
}

/* Without a word about others they may come if nothing is listed; otherwise nobody expects them. */
static void read_others(struct object *object, const json_t *schema) {
    const json_t *others = json_object_get(schema, "additionalProperties");
    if (!others) others = json_object_get(schema, "unevaluatedProperties");
    const bool lists = json_object_size(json_object_get(schema, "properties")) > 0;
    object->free = others ? json_is_true(others) : !lists;
    object->others = json_is_object(others) ? others : NULL;
    object->closed = json_is_false(others);
}

static bool check_counts(struct object *object, const json_t *schema) {
    struct schema_compiler *compiler = object->compiler;
    const int64_t least = schema_count(compiler, schema, "minProperties", 0),
                  most = schema_count(compiler, schema, "maxProperties", -1);
    int required = 0, listed = 0;
    for (int i = 0; i < object->properties; i++) {
        required += object->property[i].required;
        listed += !object->property[i].never;
    }
    if (least > required)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "minProperties", "is more than the required ones"),
               false;
    if (most >= 0 && (object->free || object->others || most < listed))
        return schema_refuse(compiler, STATUS_UNSUPPORTED, "maxProperties", "is less than what may come"),
               false;
    return compiler->status == STATUS_OK;
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

/* For each property from the last on two rules: what may come from it on behind another one, and as the first. */
static const struct expression *members(const struct object *object) {
    struct schema_compiler *compiler = object->compiler;
    struct grammar_builder *b = compiler->builder;
    const struct expression *more = grammar_empty(b), *first = grammar_empty(b);
    if (object->free || object->others) {
        const struct expression *other =
            grammar_call(b, rule_of(b, pair(object, other_name(object), object->others)));
        more = grammar_repeat(b, behind_comma(object, other), 0, -1);
        first = grammar_optional(b, grammar_sequence(b, other, more));
    }
    for (int i = object->properties; i-- > 0 && compiler->status == STATUS_OK;) {
        const struct property *property = &object->property[i];
        if (property->never) continue;
        json_t *text = json_string(property->name);
        const struct expression *name = json_literal(b, text);
        json_decref(text);
        const struct expression *here = grammar_call(b, rule_of(b, pair(object, name, property->schema)));
        const struct expression *behind = grammar_call(b, rule_of(b, more));
        const struct expression *with = grammar_sequence(b, here, behind);
        first = property->required ? with : grammar_either(b, with, grammar_call(b, rule_of(b, first)));
        more = property->required ? behind_comma(object, with)
                                  : grammar_either(b, behind_comma(object, with), behind);
    }
    return first;
}

const struct expression *schema_object(struct schema_compiler *compiler, const json_t *schema) {
    struct grammar_builder *b = compiler->builder;
    const size_t most = json_object_size(json_object_get(schema, "properties")) +
                        json_array_size(json_object_get(schema, "required"));
    struct object object = {.compiler = compiler};
    if (most > PROPERTIES_LIMIT) return schema_refuse(compiler, STATUS_LIMIT, "properties", "are too many");
    object.property = calloc(most + 1, sizeof *object.property);
    object.capacity = (int)most;
    if (!object.property) return schema_refuse(compiler, STATUS_MEMORY, "properties", "out of memory");
    read_others(&object, schema);
    const struct expression *inside = NULL;
    if (read_properties(&object, schema) && check_counts(&object, schema)) inside = members(&object);
    free(object.property);
    if (compiler->status != STATUS_OK || !inside) return NULL;
    const struct expression *space = grammar_call(b, compiler->parts.space);
    return grammar_sequence(
        b, grammar_text(b, "{"),
        grammar_sequence(b, space,
                         grammar_sequence(b, inside, grammar_sequence(b, space, grammar_text(b, "}")))));
}
