/* schema_names.c - names of schemas in a document: $id, $anchor and references by them become places, "#/a/b".
 *
 * The document is copied once, with every reference that names a place of it written as that place. A name that two schemas
 * have names neither. Only what is a schema by its place counts: an "$id" inside an enum is a value. Where a document has
 * no names, nothing is copied, and references are what they are. */
#include "text/schema_compile.h"

#include "base/buffer.h"
#include "text/uri.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_LIMIT = 256, NAMES_LIMIT = 4096 };

#define NOWHERE SCHEMA_PLACE "nowhere" /* a reference that leads out of the document */

struct names {
    struct schema_compiler *compiler;
    const char *id; /* "$id", in draft 4 "id" */
    json_t
        *place; /* "URI" or "URI#name" -> where, null for a name that several have; "URI" without fragment */
    int depth;
    bool any; /* beside the document's own */
    bool rewriting;
};

/* ---- walking over schemas ---- */

/* The URI that names in a schema are relative to, and where it is. */
struct scope {
    const char *base;
    const char *pointer;
};

static bool visit(struct names *names, json_t *schema, const struct scope *scope);

/* Places are written as in references: ~0, ~1, and what a URI cannot hold as %xx. */
static void append_part(struct buffer *pointer, const char *part) {
    buffer_append_char(pointer, '/');
    for (const char *c = part; *c; c++) {
        if (*c == '~')
            buffer_append_text(pointer, "~0");
        else if (*c == '/')
            buffer_append_text(pointer, "~1");
        else if (*c == '%')
            buffer_append_text(pointer, "%25");
        else
            buffer_append_char(pointer, *c);
    }
}

static bool visit_at(struct names *names, json_t *schema, const struct scope *scope, const char *keyword,
                     const char *name) {
    struct buffer pointer = {0};
    if (!json_is_object(schema)) return true;
    buffer_append_text(&pointer, scope->pointer);
    append_part(&pointer, keyword);
    if (name) append_part(&pointer, name);
    bool good = !pointer.failed;
    if (good) good = visit(names, schema, &(struct scope){scope->base, pointer.data});
    buffer_free(&pointer);
    return good;
}

static bool visit_list(struct names *names, json_t *list, const struct scope *scope, const char *keyword) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        if (!visit_at(names, json_array_get(list, i), scope, keyword, number)) return false;
    }
    return true;
}

static bool visit_map(struct names *names, json_t *map, const struct scope *scope, const char *keyword) {
    const char *name;
    json_t *schema;
    if (json_is_object(map))
        json_object_foreach(map, name,
                            schema) if (!visit_at(names, schema, scope, keyword, name)) return false;
    return true;
}

static bool visit_parts(struct names *names, json_t *schema, const struct scope *scope) {
    static const char *const one_or_list[] = {"additionalProperties",
                                              "unevaluatedProperties",
                                              "items",
                                              "prefixItems",
                                              "additionalItems",
                                              "unevaluatedItems",
                                              "contains",
                                              "not",
                                              "if",
                                              "then",
                                              "else",
                                              "propertyNames",
                                              "allOf",
                                              "anyOf",
                                              "oneOf"};
    static const char *const maps[] = {"properties",  "patternProperties", "$defs",
                                       "definitions", "dependentSchemas",  "dependencies"};
    for (size_t i = 0; i < COUNT_OF(one_or_list); i++) {
        json_t *part = json_object_get(schema, one_or_list[i]);
        if (!visit_at(names, part, scope, one_or_list[i], NULL) ||
            !visit_list(names, part, scope, one_or_list[i]))
            return false;
    }
    for (size_t i = 0; i < COUNT_OF(maps); i++)
        if (!visit_map(names, json_object_get(schema, maps[i]), scope, maps[i])) return false;
    return true;
}

/* ---- names ---- */

static bool out_of_memory(struct names *names) {
    (void)schema_refuse(names->compiler, STATUS_MEMORY, "schema", "out of memory");
    return false;
}

/* A second schema of the same name takes it from the first. */
static bool add_name(struct names *names, const char *uri, const char *anchor, const char *pointer) {
    struct buffer name = {0};
    buffer_append_text(&name, uri);
    if (anchor) buffer_printf(&name, "#%s", anchor);
    const bool known = !name.failed && json_object_get(names->place, name.data);
    const bool full = json_object_size(names->place) >= NAMES_LIMIT;
    bool added = !name.failed && !full &&
                 !json_object_set_new(names->place, name.data, known ? json_null() : json_string(pointer));
    buffer_free(&name);
    if (full) (void)schema_refuse(names->compiler, STATUS_LIMIT, names->id, "names too many schemas");
    return added || full ? added : out_of_memory(names);
}

/* "#name" in an $id is an anchor, as draft 7 has them. */
static bool add_names(struct names *names, const json_t *schema, const char *base, const char *pointer) {
    const char *id = json_string_value(json_object_get(schema, names->id)),
               *anchor = json_string_value(json_object_get(schema, "$anchor"));
    const char *fragment = id ? strchr(id, '#') : NULL;
    if (id && fragment != id && !add_name(names, base, NULL, pointer)) return false;
    if (fragment && fragment[1] && !add_name(names, base, fragment + 1, pointer)) return false;
    names->any |= *pointer && (id || anchor);
    names->any |= anchor != NULL;
    return !anchor || add_name(names, base, anchor, pointer);
}

/* ---- references ---- */

/* Where a reference leads: the place of the document or of a schema in it, and the rest of its fragment. */
static bool place_of(const struct names *names, const char *base, const char *reference,
                     struct buffer *place) {
    struct buffer uri = {0};
    uri_resolve(&uri, base, reference);
    const char *fragment = uri.failed ? NULL : strchr(uri.data, '#');
    const bool pointer = !fragment || !fragment[1] || fragment[1] == '/';
    if (fragment && pointer) uri.data[fragment - uri.data] = '\0';
    const char *at = uri.failed ? NULL : json_string_value(json_object_get(names->place, uri.data));
    if (at) {
        buffer_printf(place, SCHEMA_PLACE "#%s", at);
        if (pointer && fragment) buffer_append_text(place, fragment + 1);
    }
    buffer_free(&uri);
    return at && !place->failed;
}

/* In draft 7 an $id beside a reference says nothing, later it does: where that leads to two places nobody knows what is meant. */
static bool rewrite(struct names *names, json_t *schema, const char *outer, const char *base) {
    const char *reference = json_string_value(json_object_get(schema, "$ref"));
    struct buffer place = {0}, other = {0};
    if (!reference) return true;
    const bool here = place_of(names, base, reference, &place),
               there = outer != base && place_of(names, outer, reference, &other),
               apart = here && there && strcmp(place.data, other.data) != 0;
    const char *to = apart ? NOWHERE : here ? place.data : there ? other.data : NOWHERE;
    const bool set = !json_object_set_new(schema, "$ref", json_string(to));
    buffer_free(&place);
    buffer_free(&other);
    return set || out_of_memory(names);
}

static bool visit(struct names *names, json_t *schema, const struct scope *scope) {
    const char *id = json_string_value(json_object_get(schema, names->id));
    struct buffer base = {0};
    if (names->depth == DEPTH_LIMIT)
        return schema_refuse(names->compiler, STATUS_LIMIT, "schema", "is nested too deep"), false;
    if (id && *id != '#') {
        uri_resolve(&base, scope->base, id);
        char *fragment = base.failed ? NULL : strchr(base.data, '#');
        if (fragment) *fragment = '\0';
    }
    bool good = !base.failed || out_of_memory(names);
    const char *own = base.data ? base.data : scope->base;
    names->depth++;
    if (good)
        good = names->rewriting ? rewrite(names, schema, scope->base, own)
                                : add_names(names, schema, own, scope->pointer);
    if (good) good = visit_parts(names, schema, &(struct scope){own, scope->pointer});
    names->depth--;
    buffer_free(&base);
    return good;
}

/* Schemas and values alike that have a name. */
static int named_in(const json_t *value, const char *id) {
    const char *name;
    json_t *member;
    int count = json_is_string(json_object_get(value, id));
    if (json_is_object(value))
        json_object_foreach((json_t *)value, name, member) count += named_in(member, id);
    for (size_t i = 0; i < json_array_size(value); i++) count += named_in(json_array_get(value, i), id);
    return count;
}

const json_t *schema_with_places(struct schema_compiler *compiler, const json_t *schema) {
    const char *draft = json_string_value(json_object_get(schema, "$schema"));
    struct names names = {.compiler = compiler,
                          .id = draft && strstr(draft, "draft-04") ? "id" : "$id",
                          .place = json_object()};
    const struct scope whole = {"", ""};
    const json_t *placed = schema;
    bool good = !json_is_object(schema) ||
                (names.place && add_name(&names, "", NULL, "") && visit(&names, (json_t *)schema, &whole));
    const bool own = json_string_value(json_object_get(schema, names.id)) != NULL;
    if (good && json_is_object(schema) && (names.any || own)) {
        json_t *copy = json_deep_copy(schema);
        names.rewriting = true;
        good = (copy && visit(&names, copy, &whole)) || out_of_memory(&names);
        placed = copy;
        compiler->placed = true;
        compiler->one_name = own && named_in(schema, names.id) == 1;
        if (copy && json_array_append_new(compiler->owned, copy)) good = out_of_memory(&names);
    }
    json_decref(names.place);
    return good ? placed : NULL;
}
