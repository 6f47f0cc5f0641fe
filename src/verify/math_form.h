/* math_form.h - expressions in a form in which equal ones are recognised: a quotient of two polynomials with rational coefficients
 * in up to MATH_ATOMS things that have a name. Roots of prime numbers are such things, whose square is known, and so are the
 * two signs of "plus or minus" and a function of a form.
 *
 * Plain data and pure functions. Everything is bounded: what would grow beyond its room makes the operation fail. */
#ifndef HADAL_VERIFY_MATH_FORM_H
#define HADAL_VERIFY_MATH_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MATH_ATOMS = 12, MATH_TERMS = 48, MATH_NAME_BYTES = 96, MATH_POWER_MOST = 60 };

struct math_atoms { /* shared by all forms that are compared */
    char name[MATH_ATOMS][MATH_NAME_BYTES];
    int64_t square[MATH_ATOMS]; /* 0: none */
    int count;
};

struct math_term {
    int64_t top, bottom; /* bottom > 0, without common factors */
    int8_t power[MATH_ATOMS];
};
struct math_polynomial { /* terms in the order of their powers, none with coefficient 0 */
    struct math_term term[MATH_TERMS];
    int terms;
};
struct math_form {
    struct math_polynomial top, bottom; /* bottom is not 0 */
};

bool math_number(int64_t top, int64_t bottom, struct math_form *form);
bool math_atom(struct math_atoms *atoms, const char *name, size_t bytes, struct math_form *form);
/* Plus or minus 1. */
bool math_either_sign(struct math_atoms *atoms, struct math_form *form);
/* The function `name` of `a`: the same thing for the same form. */
bool math_function(struct math_atoms *atoms, const char *name, const struct math_form *a,
                   struct math_form *form);
bool math_add(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
              bool minus, struct math_form *form);
bool math_multiply(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
                   struct math_form *form);
bool math_divide(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
                 struct math_form *form);
/* base to the power of a whole number. */
bool math_power(const struct math_atoms *atoms, const struct math_form *base, int power,
                struct math_form *form);
/* Square root of a rational number that is not negative. */
bool math_root(struct math_atoms *atoms, const struct math_form *a, struct math_form *form);
/* Is it a rational number? Then *top / *bottom. */
bool math_is_number(const struct math_form *form, int64_t *top, int64_t *bottom);
bool math_equal(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b);

#endif
