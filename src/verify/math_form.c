/* math_form.c - see math_form.h. */
#include "verify/math_form.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rational numbers ---- */

static uint64_t size_of(int64_t a) {
    return a < 0 ? 0 - (uint64_t)a : (uint64_t)a;
}

static int64_t common_factor(int64_t a, int64_t b) {
    uint64_t x = size_of(a), y = size_of(b);
    while (y) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
    }
    return x > INT64_MAX ? 1 : (int64_t)x;
}

static bool reduce(struct math_term *term) {
    if (!term->bottom || term->top == INT64_MIN || term->bottom == INT64_MIN) return false;
    int64_t factor = common_factor(term->top, term->bottom);
    term->top /= factor;
    term->bottom /= factor;
    if (term->bottom < 0) {
        term->top = -term->top;
        term->bottom = -term->bottom;
    }
    return true;
}

static bool add_coefficient(struct math_term *to, const struct math_term *from) {
    int64_t a, b, bottom;
    if (__builtin_mul_overflow(to->top, from->bottom, &a) ||
        __builtin_mul_overflow(from->top, to->bottom, &b) ||
        __builtin_mul_overflow(to->bottom, from->bottom, &bottom) || __builtin_add_overflow(a, b, &to->top))
        return false;
    to->bottom = bottom;
    return reduce(to);
}

static bool multiply_coefficient(struct math_term *to, int64_t top, int64_t bottom) {
    return !__builtin_mul_overflow(to->top, top, &to->top) &&
           !__builtin_mul_overflow(to->bottom, bottom, &to->bottom) && reduce(to);
}

/* ---- polynomials ---- */

static bool add_term(struct math_polynomial *p, const struct math_term *term) {
    int at = 0;
    while (at < p->terms && memcmp(p->term[at].power, term->power, sizeof term->power) < 0) at++;
    if (at < p->terms && !memcmp(p->term[at].power, term->power, sizeof term->power)) {
        if (!add_coefficient(&p->term[at], term)) return false;
        if (p->term[at].top) return true;
        memmove(&p->term[at], &p->term[at + 1], (size_t)(--p->terms - at) * sizeof *p->term);
        return true;
    }
    if (!term->top) return true;
    if (p->terms == MATH_TERMS) return false;
    memmove(&p->term[at + 1], &p->term[at], (size_t)(p->terms++ - at) * sizeof *p->term);
    p->term[at] = *term;
    return true;
}

static bool multiply_terms(const struct math_atoms *atoms, const struct math_term *a,
                           const struct math_term *b, struct math_term *term) {
    *term = *a;
    if (!multiply_coefficient(term, b->top, b->bottom)) return false;
    for (int i = 0; i < MATH_ATOMS; i++) {
        int power = a->power[i] + b->power[i];
        for (; i < atoms->count && atoms->square[i] && power >= 2; power -= 2)
            if (!multiply_coefficient(term, atoms->square[i], 1)) return false;
        if (power > MATH_POWER_MOST) return false;
        term->power[i] = (int8_t)power;
    }
    return true;
}

static bool multiply(const struct math_atoms *atoms, const struct math_polynomial *a,
                     const struct math_polynomial *b, struct math_polynomial *product) {
    *product = (struct math_polynomial){.terms = 0};
    for (int i = 0; i < a->terms; i++)
        for (int j = 0; j < b->terms; j++) {
            struct math_term term;
            if (!multiply_terms(atoms, &a->term[i], &b->term[j], &term) || !add_term(product, &term))
                return false;
        }
    return true;
}

static bool is_constant(const struct math_polynomial *p) {
    static const int8_t none[MATH_ATOMS];
    return !p->terms || (p->terms == 1 && !memcmp(p->term[0].power, none, sizeof none));
}

/* A constant below becomes 1. */
static bool settle(struct math_form *form) {
    if (!form->bottom.terms) return false;
    if (!is_constant(&form->bottom)) return true;
    struct math_term unit = form->bottom.term[0];
    for (int i = 0; i < form->top.terms; i++)
        if (!multiply_coefficient(&form->top.term[i], unit.bottom, unit.top)) return false;
    form->bottom.term[0].top = form->bottom.term[0].bottom = 1;
    return true;
}

/* ---- forms ---- */

bool math_number(int64_t top, int64_t bottom, struct math_form *form) {
    struct math_term one = {1, 1, {0}}, term = {top, bottom, {0}};
    *form = (struct math_form){.top.terms = 0};
    return reduce(&term) && add_term(&form->top, &term) && add_term(&form->bottom, &one);
}

static int find_atom(struct math_atoms *atoms, const char *name, size_t bytes) {
    if (bytes >= MATH_NAME_BYTES) return -1;
    for (int i = 0; i < atoms->count; i++)
        if (strlen(atoms->name[i]) == bytes && !memcmp(atoms->name[i], name, bytes)) return i;
    if (atoms->count == MATH_ATOMS) return -1;
    memcpy(atoms->name[atoms->count], name, bytes);
    atoms->name[atoms->count][bytes] = 0;
    atoms->square[atoms->count] = 0;
    return atoms->count++;
}

bool math_atom(struct math_atoms *atoms, const char *name, size_t bytes, struct math_form *form) {
    int at = find_atom(atoms, name, bytes);
    if (at < 0 || !math_number(1, 1, form)) return false;
    form->top.term[0].power[at] = 1;
    return true;
}

static bool square_atom(struct math_atoms *atoms, const char *name, int64_t square, struct math_form *form) {
    if (!math_atom(atoms, name, strlen(name), form)) return false;
    for (int i = 0; i < MATH_ATOMS; i++)
        if (form->top.term[0].power[i]) atoms->square[i] = square;
    return true;
}

bool math_either_sign(struct math_atoms *atoms, struct math_form *form) {
    return square_atom(atoms, "\\pm", 1, form);
}

/* Bytes behind `used`; more than there is room for when it does not fit. */
static size_t print_polynomial(const struct math_polynomial *p, char name[MATH_NAME_BYTES], size_t used) {
    for (int t = 0; t < p->terms && used < MATH_NAME_BYTES; t++) {
        const struct math_term *term = &p->term[t];
        used += (size_t)snprintf(name + used, MATH_NAME_BYTES - used, "+%lld/%lld", (long long)term->top,
                                 (long long)term->bottom);
        for (int i = 0; i < MATH_ATOMS && used < MATH_NAME_BYTES; i++)
            if (term->power[i])
                used += (size_t)snprintf(name + used, MATH_NAME_BYTES - used, " %d^%d", i, term->power[i]);
    }
    return used;
}

bool math_function(struct math_atoms *atoms, const char *name, const struct math_form *a,
                   struct math_form *form) {
    char whole[MATH_NAME_BYTES];
    size_t used = (size_t)snprintf(whole, sizeof whole, "%s(", name);
    if (used < sizeof whole) used = print_polynomial(&a->top, whole, used);
    if (used < sizeof whole) used += (size_t)snprintf(whole + used, sizeof whole - used, ":");
    if (used < sizeof whole) used = print_polynomial(&a->bottom, whole, used);
    return used < sizeof whole && math_atom(atoms, whole, used, form);
}

bool math_add(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
              bool minus, struct math_form *form) {
    struct math_polynomial right;
    struct math_form made;
    if (!multiply(atoms, &a->top, &b->bottom, &made.top) || !multiply(atoms, &b->top, &a->bottom, &right) ||
        !multiply(atoms, &a->bottom, &b->bottom, &made.bottom))
        return false;
    for (int i = 0; i < right.terms; i++) {
        if (minus) right.term[i].top = -right.term[i].top;
        if (!add_term(&made.top, &right.term[i])) return false;
    }
    if (!settle(&made)) return false;
    *form = made;
    return true;
}

bool math_multiply(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
                   struct math_form *form) {
    struct math_form made;
    if (!multiply(atoms, &a->top, &b->top, &made.top) ||
        !multiply(atoms, &a->bottom, &b->bottom, &made.bottom) || !settle(&made))
        return false;
    *form = made;
    return true;
}

bool math_divide(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b,
                 struct math_form *form) {
    if (!b->top.terms) return false;
    struct math_form turned = {b->bottom, b->top};
    return math_multiply(atoms, a, &turned, form);
}

bool math_power(const struct math_atoms *atoms, const struct math_form *base, int power,
                struct math_form *form) {
    struct math_form made, one;
    if (abs(power) > MATH_POWER_MOST || !math_number(1, 1, &made) || !math_number(1, 1, &one)) return false;
    for (int i = 0; i < abs(power); i++)
        if (!math_multiply(atoms, &made, base, &made)) return false;
    if (power < 0) return math_divide(atoms, &one, &made, form);
    *form = made;
    return true;
}

bool math_is_number(const struct math_form *form, int64_t *top, int64_t *bottom) {
    if (!is_constant(&form->top) || !is_constant(&form->bottom)) return false;
    *top = form->top.terms ? form->top.term[0].top : 0; /* settled: the form's own bottom is 1 */
    *bottom = form->top.terms ? form->top.term[0].bottom : 1;
    return true;
}

/* Times the root of a prime number. */
static bool multiply_root(struct math_atoms *atoms, int64_t prime, struct math_form *form) {
    struct math_form root;
    char name[32];
    snprintf(name, sizeof name, "sqrt %lld", (long long)prime);
    return square_atom(atoms, name, prime, &root) && math_multiply(atoms, form, &root, form);
}

/* sqrt(top / bottom) = sqrt(top * bottom) / bottom; squares come out of the root, and what is left is one of primes: the
 * root of 6 is that of 2 times that of 3. */
bool math_root(struct math_atoms *atoms, const struct math_form *a, struct math_form *form) {
    enum { ROOT_MOST = 1 << 30 };
    int64_t top, bottom, inside, outside = 1;
    if (!math_is_number(a, &top, &bottom) || top < 0 || __builtin_mul_overflow(top, bottom, &inside) ||
        inside > ROOT_MOST)
        return false;
    if (!inside) return math_number(0, 1, form);
    for (int64_t factor = 2; factor * factor <= inside; factor++)
        while (inside % (factor * factor) == 0) {
            inside /= factor * factor;
            outside *= factor;
        }
    if (!math_number(outside, bottom, form)) return false;
    for (int64_t prime = 2; prime * prime <= inside; prime++) {
        if (inside % prime) continue;
        inside /= prime;
        if (!multiply_root(atoms, prime, form)) return false;
    }
    return inside == 1 || multiply_root(atoms, inside, form);
}

bool math_equal(const struct math_atoms *atoms, const struct math_form *a, const struct math_form *b) {
    struct math_polynomial left, right;
    if (!multiply(atoms, &a->top, &b->bottom, &left) || !multiply(atoms, &b->top, &a->bottom, &right))
        return false;
    if (left.terms != right.terms) return false;
    for (int i = 0; i < left.terms; i++)
        if (left.term[i].top != right.term[i].top || left.term[i].bottom != right.term[i].bottom ||
            memcmp(left.term[i].power, right.term[i].power, sizeof left.term[i].power) != 0)
            return false;
    return true;
}
