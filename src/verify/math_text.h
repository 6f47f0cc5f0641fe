/* math_text.h - mathematics as people and models write it, LaTeX or plain, to forms that can be compared. Pure functions. */
#ifndef HADAL_VERIFY_MATH_TEXT_H
#define HADAL_VERIFY_MATH_TEXT_H

#include "verify/math_form.h"

/* An expression: numbers with thousands and decimals, mixed numbers, letters, + - * / ^, fractions, roots, functions by their
 * names (things of their own: ln 4 is not 2 ln 2), brackets, spacing and units of
 * LaTeX. False for what is none, or is beyond the bounds of math_form.h. */
bool math_read(const char *text, size_t bytes, struct math_atoms *atoms, struct math_form *form);

/* Do two answers say the same? Lists, tuples and intervals element by element, sets in any order, equations by what the
 * letter is; what cannot be read is compared as text without spacing. */
bool math_same(const char *a, size_t a_bytes, const char *b, size_t b_bytes);

/* The content of the last \boxed{...}; false: there is none, or it has no end. */
bool math_boxed(const char *text, size_t bytes, const char **content, size_t *content_bytes);

#endif
