/* schema_known.c - schemas that have a rule already: by where they are in memory, and small ones by what they say, so that
 * a string which a document describes a hundred times is one rule.
 *
 * Schemas live as long as the compiler, and do not change once they have a rule. */
#include "text/schema_compile.h"

#include <stdio.h>
#include <stdlib.h>

enum { SCHEMAS_LIMIT = 1 << 15, SMALL = 48 /* values in a schema that is looked up by what it says */ };

/* Counts values, as far as `limit`. */
static int values_in(const json_t *value, int limit) {
    int count = 1;
    if (json_is_object(value)) {
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)value, name, member) {
            count += values_in(member, limit - count);
            if (count >= limit) break;
        }
    }
    for (size_t i = 0; i < json_array_size(value) && count < limit; i++)
        count += values_in(json_array_get(value, i), limit - count);
    return count;
}

/* What it says, in the order in which it says it: that of properties counts. NULL: too much, or out of memory. */
static char *text_of(const json_t *schema) {
    const char *keyword;
    json_t *value, *copy;
    if (values_in(schema, SMALL) >= SMALL || !(copy = json_copy((json_t *)schema))) return NULL;
    json_object_foreach((json_t *)schema, keyword, value) if (schema_is_annotation(keyword))(void)
        json_object_del(copy, keyword);
    char *text = json_dumps(copy, JSON_COMPACT);
    json_decref(copy);
    return text;
}

static void name_place(char *name, size_t bytes, const json_t *schema) {
    snprintf(name, bytes, "%p", (const void *)schema);
}

static int number_in(const json_t *map, const char *name) {
    const json_t *number = json_object_get(map, name);
    return number ? (int)json_integer_value(number) : -1;
}

int schema_known(struct schema_compiler *compiler, const json_t *schema) {
    char place[32];
    name_place(place, sizeof place, schema);
    const int here = number_in(compiler->by_place, place);
    char *text = here < 0 ? text_of(schema) : NULL;
    const int alike = text ? number_in(compiler->by_text, text) : -1;
    free(text);
    return here >= 0 ? here : alike;
}

int schema_keep(struct schema_compiler *compiler, const json_t *schema, int rule) {
    if (compiler->knowns == compiler->capacity) {
        int more = compiler->capacity ? 2 * compiler->capacity : 64;
        struct known_schema *grown =
            more > SCHEMAS_LIMIT ? NULL : realloc(compiler->known, (size_t)more * sizeof *grown);
        if (!grown) return -1;
        compiler->known = grown;
        compiler->capacity = more;
    }
    char place[32], *text = text_of(schema);
    name_place(place, sizeof place, schema);
    if (!compiler->by_place) compiler->by_place = json_object();
    if (!compiler->by_text) compiler->by_text = json_object();
    (void)json_object_set_new(compiler->by_place, place, json_integer(compiler->knowns));
    if (text) (void)json_object_set_new(compiler->by_text, text, json_integer(compiler->knowns));
    free(text);
    compiler->known[compiler->knowns] = (struct known_schema){rule, false};
    return compiler->knowns++;
}

void schema_forget_known(struct schema_compiler *compiler) {
    json_decref(compiler->by_place);
    json_decref(compiler->by_text);
    free(compiler->known);
}
