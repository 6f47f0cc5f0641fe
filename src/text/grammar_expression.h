/* grammar_expression.h - what an expression is, for the files that make and compile them. */
#ifndef HADAL_TEXT_GRAMMAR_EXPRESSION_H
#define HADAL_TEXT_GRAMMAR_EXPRESSION_H

#include "text/grammar.h"

enum expression_kind {
    EXPRESSION_EMPTY,
    EXPRESSION_TEXT,
    EXPRESSION_SET,
    EXPRESSION_SEQUENCE,
    EXPRESSION_EITHER,
    EXPRESSION_REPEAT,
    EXPRESSION_CALL
};

struct expression {
    enum expression_kind kind;
    const struct expression *one, *two;
    const char *text;
    size_t bytes;
    struct byte_set set;
    int low, high; /* of a repetition; low: the rule of a call */
};

/* Finds grammar->rest, and turns splits so that `next` is the shorter way. */
must_use enum status grammar_measure(struct grammar *grammar);

/* May it be nothing? It calls no rules. */
bool expression_may_be_empty(const struct expression *expression);

#endif
