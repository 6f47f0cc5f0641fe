/* schema_compile.h - what the files that turn a JSON Schema into a grammar share.
 *
 * Every function gives an expression, or NULL after recording in `status` why there is none. What comes out may
 * allow less than the schema, never more. */
#ifndef HADAL_TEXT_SCHEMA_COMPILE_H
#define HADAL_TEXT_SCHEMA_COMPILE_H

#include "text/json_grammar.h"
#include "text/machine.h"

/* Keywords of schemas that were made by merging: lists of rules for strings that must hold, and of some that must not. */
#define SCHEMA_AND               "hadal:and"
#define SCHEMA_NOT               "hadal:not"
/* The unevaluated... keyword of the schema into which others are merged; and that some of these list properties which an annotation
 * would not name (schema_unevaluated.c). */
#define SCHEMA_UNEVALUATED       "hadal:unevaluatedProperties"
#define SCHEMA_UNEVALUATED_ITEMS "hadal:unevaluatedItems"
#define SCHEMA_SILENT            "hadal:silent"
/* References that were written as places (schema_names.c) begin with it. */
#define SCHEMA_PLACE             "hadal:"

struct known_schema {
    int rule;
    bool refused; /* nothing may call it */
};

struct schema_compiler {
    struct grammar_builder *builder;
    struct json_parts parts;
    const json_t *root;
    bool placed;   /* references are places, but for those in parts that no keyword of the standard holds */
    bool one_name; /* only the document has one: "#/a" is a place of it, wherever that stands */
    const char *origin;
    json_t *owned;          /* array: schemas that were made by merging */
    const json_t *required; /* by what a schema is being merged with; NULL: nothing */
    json_t *names; /* array: of properties that a schema speaks of, while alternatives to it are looked for */
    struct known_schema *known;
    json_t *by_place, *by_text; /* their numbers (schema_known.c) */
    int knowns, capacity, depth, pair_depth;
    int characters, few_characters; /* rules of parts of long strings; 0: none yet */
    bool exact;             /* patterns are to be said in full: something is told by what they do not match */
    int states;             /* of all automata: bounded */
    int string_pairs;       /* that were told apart by their patterns: bounded */
    int negated, negations; /* alternatives to one schema, and to all of them: both are bounded */
    int copied, compared;   /* members of merged schemas; pairs of schemas: both are bounded */
    enum status status;
    enum status first_status; /* of what was left out, and its sentence */
    char first_sentence[256];
};

/* Records the first failure: "ORIGIN: KEYWORD: sentence". */
const struct expression *schema_refuse(struct schema_compiler *compiler, enum status status,
                                       const char *keyword, const char *sentence);

/* The number of a known schema that is this one, or says the same; -1: none. */
int schema_known(struct schema_compiler *compiler, const json_t *schema);
/* Its number from now on. -1: there are too many, or out of memory. */
int schema_keep(struct schema_compiler *compiler, const json_t *schema, int rule);
void schema_forget_known(struct schema_compiler *compiler);
/* Does the keyword say nothing about values? */
bool schema_is_annotation(const char *keyword);

/* A call of the rule for a schema, compiled once. */
const struct expression *schema_rule(struct schema_compiler *compiler, const json_t *schema);

/* The same where the text can do without: what is not supported or allows nothing is left out, NULL, and remembered. */
const struct expression *schema_attempt(struct schema_compiler *compiler, const json_t *schema);
/* Fails with the first of what was left out, or with these words. */
const struct expression *schema_refuse_left_out(struct schema_compiler *compiler, const char *keyword,
                                                const char *sentence);

/* The document with its references as places, where it has names of its own; owned by the compiler. NULL: refused. */
const json_t *schema_with_places(struct schema_compiler *compiler, const json_t *schema);
/* The schema with unevaluatedProperties and unevaluatedItems as keywords that can be merged; `alone`: it is compiled by itself, and
 * merged into no other. NULL: refused. */
const json_t *schema_settle(struct schema_compiler *compiler, const json_t *schema, bool alone);
/* False, refused under this name: it has the keyword, and lists what nothing has looked at. */
bool schema_tells_unevaluated(struct schema_compiler *compiler, const json_t *schema, const char *keyword,
                              const char *name);
/* The schema with not, if, oneOf and dependencies said by anyOf alone. NULL: refused. */
const json_t *schema_plain(struct schema_compiler *compiler, const json_t *schema);
/* Is the value certainly allowed by the keywords beside enum and const? */
bool schema_allows(struct schema_compiler *compiler, const json_t *schema, const json_t *value);

/* By type; the schema has no references and no combinations any more. */
const struct expression *schema_string(struct schema_compiler *compiler, const json_t *schema);
const struct expression *schema_number(struct schema_compiler *compiler, const json_t *schema, bool integer);
const struct expression *schema_array(struct schema_compiler *compiler, const json_t *schema);
const struct expression *schema_object(struct schema_compiler *compiler, const json_t *schema);

/* The insides of the strings that a schema allows, or of some. NULL: refused. */
struct machine *schema_strings(struct schema_compiler *compiler, const json_t *schema);

/* One schema that allows what both do. NULL with a failure where no single schema says it. */
const json_t *schema_merge(struct schema_compiler *compiler, const json_t *one, const json_t *other);
/* May a value be allowed by both? False only where that is certain. */
bool schemas_overlap(struct schema_compiler *compiler, const json_t *one, const json_t *other);
/* Follows "#/a/b"; NULL: it leads nowhere, or somewhere else. */
const json_t *schema_at(const struct schema_compiler *compiler, const char *reference);
/* Follows references until there is none, siblings merged in. False: refused. */
bool schema_expand(struct schema_compiler *compiler, const json_t **schema);
/* Keeps a schema that was made for as long as the compiler lives. NULL goes through it. */
json_t *schema_own(struct schema_compiler *compiler, json_t *schema);
/* A copy without one keyword, owned by the compiler. */
json_t *schema_without(struct schema_compiler *compiler, const json_t *schema, const char *keyword);

/* The pattern of strings of a format; NULL: the standard knows no such format. */
const char *schema_format(const char *name);

/* Counts an automaton that was made. False: there are too many. */
bool schema_spend_states(struct schema_compiler *compiler, const struct machine *machine);

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
