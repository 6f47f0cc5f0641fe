/* schema_compile.h - what the files that turn a JSON Schema into a grammar share.
 *
 * Every function gives an expression, or NULL after recording in `status` why there is none. What comes out may
 * allow less than the schema, never more. */
#ifndef HADAL_TEXT_SCHEMA_COMPILE_H
#define HADAL_TEXT_SCHEMA_COMPILE_H

#include "text/json_grammar.h"

struct known_schema {
    const json_t *schema;
    int rule;
};

struct schema_compiler {
    struct grammar_builder *builder;
    struct json_parts parts;
    const json_t *root;
    const char *origin;
    json_t *owned; /* array: schemas that were made by merging */
    struct known_schema *known;
    int knowns, capacity, depth, pair_depth;
    int copied, compared; /* members of merged schemas; pairs of schemas: both are bounded */
    enum status status;
};

/* Records the first failure: "ORIGIN: KEYWORD: sentence". */
const struct expression *schema_refuse(struct schema_compiler *compiler, enum status status,
                                       const char *keyword, const char *sentence);

/* A call of the rule for a schema, compiled once. */
const struct expression *schema_rule(struct schema_compiler *compiler, const json_t *schema);

/* By type; the schema has no references and no combinations any more. */
const struct expression *schema_string(struct schema_compiler *compiler, const json_t *schema);
const struct expression *schema_number(struct schema_compiler *compiler, const json_t *schema, bool integer);
const struct expression *schema_array(struct schema_compiler *compiler, const json_t *schema);
const struct expression *schema_object(struct schema_compiler *compiler, const json_t *schema);

/* One schema that allows what both do. NULL with a failure where no single schema says it. */
const json_t *schema_merge(struct schema_compiler *compiler, const json_t *one, const json_t *other);
/* May a value be allowed by both? False only where that is certain. */
bool schemas_overlap(struct schema_compiler *compiler, const json_t *one, const json_t *other);
/* Follows "#/a/b"; NULL: it leads nowhere, or somewhere else. */
const json_t *schema_at(const struct schema_compiler *compiler, const char *reference);
/* A copy without one keyword, owned by the compiler. */
json_t *schema_without(struct schema_compiler *compiler, const json_t *schema, const char *keyword);

/* Values of keywords that are counts; `fallback` when there is none. -2: refused. */
int64_t schema_count(struct schema_compiler *compiler, const json_t *schema, const char *keyword,
                     int64_t fallback);

/* Types as bits, in the order of the names. */
enum schema_type {
    SCHEMA_OBJECT = 1,
    SCHEMA_ARRAY = 2,
    SCHEMA_STRING = 4,
    SCHEMA_NUMBER = 8,
    SCHEMA_INTEGER = 16,
    SCHEMA_BOOLEAN = 32,
    SCHEMA_NULL = 64,
    SCHEMA_ANY = 127
};
/* The types that "type" names, or those that the keywords of the schema are about; SCHEMA_ANY without any. -1: refused. */
int schema_types(struct schema_compiler *compiler, const json_t *schema);
bool schema_type_fits(int types, const json_t *value);

#endif
