/* json_grammar.h - JSON as a grammar: the parts that schemas are made of, and any value at all.
 *
 * White space between tokens is bounded, so that a text that follows the grammar comes to an end: nothing, a space, or a
 * line break with its indentation. */
#ifndef HADAL_TEXT_JSON_GRAMMAR_H
#define HADAL_TEXT_JSON_GRAMMAR_H

#include "text/grammar.h"

#include <jansson.h>

struct json_parts {
    struct grammar_builder *builder;
    int space, value, object, array, string, number, integer; /* rules */
    int character;                                            /* of a string, escaped or not */
    int name_end; /* the rest of a string without escapes, and its quote */
};

/* Declares and defines the rules. Where they are the first of a grammar, masks of tokens are shared among grammars. */
void json_parts_open(struct json_parts *parts, struct grammar_builder *builder);

/* A character from `low` to `high` inside a string: as itself, or escaped where it has to be. */
const struct expression *json_characters(struct grammar_builder *builder, uint32_t low, uint32_t high);
/* The character of a string that the rule `character` is, in full. */
const struct expression *json_any_character(struct grammar_builder *builder);
/* A JSON value as it is written without spaces, its strings as json_print_text() writes them. */
const struct expression *json_literal(struct grammar_builder *builder, const json_t *value);
/* Its text; the caller frees. NULL: out of memory. */
char *json_literal_text(const json_t *value);
/* `first` space `second` */
const struct expression *json_spaced(const struct json_parts *parts, const struct expression *first,
                                     const struct expression *second);

/* Any JSON object. */
must_use enum status json_object_grammar(struct grammar **grammar);
/* What a schema allows, or some of it: never more. STATUS_UNSUPPORTED with the keyword that has no place in a grammar
 * and where it stands, STATUS_INPUT for a schema that is none or allows nothing. */
must_use enum status schema_grammar(struct grammar **grammar, const json_t *schema, const char *origin);
/* The same as a part of a grammar. NULL with a failure recorded in *status. */
const struct expression *schema_expression(const struct json_parts *parts, const json_t *schema,
                                           const char *origin, enum status *status);
/* What a regular expression of ECMAScript matches anywhere in a string, as the inside of a JSON string; what it repeats
 * more than `most` times is cut there; most < 0: nothing is cut, too much is refused. NULL with a failure recorded in *status. */
const struct expression *regex_characters(struct grammar_builder *builder, const char *pattern,
                                          const char *origin, int most, enum status *status);
/* Where a group ends that begins behind `at`; NULL: nowhere. */
const char *regex_group_end(const char *at);
enum { REGEX_REPETITIONS = 1000 }; /* of all that is asked for */

#endif
