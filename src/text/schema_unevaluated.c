/* schema_unevaluated.c - unevaluatedProperties and unevaluatedItems, said by what a grammar has words for.
 *
 * They are about the members that no schema which holds for the same object or array has looked at. A schema without others
 * beside its own keywords has looked at what it lists: there they are additionalProperties, and items. One with others is
 * compiled alternative by alternative, and in each everything that holds for certain is merged into one schema, which then
 * lists all that was looked at: until then the keyword goes along under a name of its own. What a schema inside it lists is
 * seen from outside, and never the other way round: merged into another, it has said its own before.
 *
 * What is listed only because something must not hold was not looked at: such a schema is marked, and cannot be kept where
 * unevaluated members are to be told. */
#include "text/schema_compile.h"

static bool has_any(const json_t *schema, const char *const *keyword, size_t keywords) {
    for (size_t i = 0; i < keywords; i++)
        if (json_object_get(schema, keyword[i])) return true;
    return false;
}

/* Schemas that hold, or may hold, for the same value. */
static bool has_others(const json_t *schema) {
    static const char *const keywords[] = {
        "allOf",        "anyOf",      "oneOf", "not", "if", "then", "else", "$ref", "dependentSchemas",
        "dependencies", "$dynamicRef"};
    return has_any(schema, keywords, COUNT_OF(keywords));
}

static void settle_properties(json_t *schema) {
    json_t *rule = json_object_get(schema, "unevaluatedProperties");
    if (rule && !json_object_get(schema, "additionalProperties"))
        (void)json_object_set(schema, "additionalProperties", rule);
    (void)json_object_del(schema, "unevaluatedProperties");
}

/* Items behind the leading ones were looked at where a schema says what they are. Those that contain something are, too, in the
 * last draft alone: here they follow the rule as well. */
static void settle_items(json_t *schema) {
    json_t *rule = json_object_get(schema, "unevaluatedItems");
    const bool list = json_is_array(json_object_get(schema, "items"));
    const char *rest = list ? "additionalItems" : "items";
    if (rule && !json_object_get(schema, rest)) (void)json_object_set(schema, rest, rule);
    (void)json_object_del(schema, "unevaluatedItems");
}

static bool rename_to(json_t *schema, const char *from, const char *to) {
    json_t *rule = json_incref(json_object_get(schema, from));
    const bool good = !rule || !json_object_set(schema, to, rule);
    (void)json_object_del(schema, from);
    json_decref(rule);
    return good;
}

const json_t *schema_settle(struct schema_compiler *compiler, const json_t *schema, bool alone) {
    static const char *const keywords[] = {"unevaluatedProperties", "unevaluatedItems"};
    if (!json_is_object(schema) || !has_any(schema, keywords, COUNT_OF(keywords))) return schema;
    const bool others = has_others(schema);
    const char *first = json_object_get(schema, keywords[0]) ? keywords[0] : keywords[1];
    for (size_t i = 0; i < COUNT_OF(keywords); i++) {
        const json_t *rule = json_object_get(schema, keywords[i]);
        if (rule && !json_is_object(rule) && !json_is_boolean(rule))
            return schema_refuse(compiler, STATUS_INPUT, keywords[i], "must be a schema"), NULL;
    }
    if (others && !alone)
        return schema_refuse(compiler, STATUS_UNSUPPORTED, first,
                             "is not supported beside references and combinations in a schema that must hold "
                             "together with others"),
               NULL;
    json_t *copy = json_copy((json_t *)schema);
    bool good = copy != NULL;
    if (good && !others) {
        settle_properties(copy);
        settle_items(copy);
    } else if (good) {
        good = rename_to(copy, keywords[0], SCHEMA_UNEVALUATED) &&
               rename_to(copy, keywords[1], SCHEMA_UNEVALUATED_ITEMS);
    }
    if (!good) {
        json_decref(copy);
        return schema_refuse(compiler, STATUS_MEMORY, "schema", "out of memory"), NULL;
    }
    return schema_own(compiler, copy);
}

bool schema_tells_unevaluated(struct schema_compiler *compiler, const json_t *schema, const char *keyword,
                              const char *name) {
    if (!json_object_get(schema, keyword) || !json_object_get(schema, SCHEMA_SILENT)) return true;
    (void)schema_refuse(compiler, STATUS_UNSUPPORTED, name, "is not supported beside what must not hold");
    return false;
}
