/* expression.h - arithmetic written as text: what the formulas of a plan are made of.
 *
 * Numbers, names, + - * /, parentheses and a few functions: min, max, floor, ceil, round, sqrt, pow, digits(x, n)
 * (x rounded to n significant digits), choose(c, a, b) (a when c > 0, otherwise b). Every expression means the same in
 * JavaScript, which is how a page recomputes a plan. Pure functions, any thread. */
#ifndef HADAL_PLAN_EXPRESSION_H
#define HADAL_PLAN_EXPRESSION_H

#include "base/status.h"

#include <stdbool.h>

/* The value of a name; false: there is none. */
typedef bool expression_lookup(void *context, const char *name, double *value);

/* Division by zero gives infinity, which the caller judges. STATUS_INPUT names what is wrong and where. */
must_use enum status expression_evaluate(const char *text, expression_lookup *lookup, void *context,
                                         double *value);

/* x rounded to n significant digits, as digits() does. */
double round_digits(double x, double n);

#endif
