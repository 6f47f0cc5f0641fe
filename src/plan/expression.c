/* expression.c - a recursive descent over the text, which evaluates as it reads; see expression.h. */
#include "plan/expression.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 48, ARGUMENTS_MOST = 3, DEPTH_MOST = 64 };

struct reader {
    const char *text, *at;
    expression_lookup *lookup;
    void *context;
    int depth;
};

double round_digits(double x, double n) {
    if (x == 0 || !isfinite(x)) return x;
    double scale = pow(10, n - 1 - floor(log10(fabs(x))));
    return round(x * scale) / scale;
}

static enum status wrong(const struct reader *reader, const char *what) {
    return fail(STATUS_INPUT, "formula \"%.120s\": %s at character %d", reader->text, what,
                (int)(reader->at - reader->text) + 1);
}

static void skip_spaces(struct reader *reader) {
    while (*reader->at == ' ') reader->at++;
}

static bool take(struct reader *reader, char c) {
    skip_spaces(reader);
    if (*reader->at != c) return false;
    reader->at++;
    return true;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
}
static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- functions ---- */

static double of_min(const double *a) {
    return fmin(a[0], a[1]);
}
static double of_max(const double *a) {
    return fmax(a[0], a[1]);
}
static double of_floor(const double *a) {
    return floor(a[0]);
}
static double of_ceil(const double *a) {
    return ceil(a[0]);
}
static double of_round(const double *a) {
    return round(a[0]);
}
static double of_sqrt(const double *a) {
    return sqrt(a[0]);
}
static double of_pow(const double *a) {
    return pow(a[0], a[1]);
}
static double of_digits(const double *a) {
    return round_digits(a[0], a[1]);
}
static double of_choose(const double *a) {
    return a[0] > 0 ? a[1] : a[2];
}

static const struct function {
    const char *name;
    int arguments;
    double (*of)(const double *argument);
} functions[] = {{"min", 2, of_min},   {"max", 2, of_max},       {"floor", 1, of_floor},
                 {"ceil", 1, of_ceil}, {"round", 1, of_round},   {"sqrt", 1, of_sqrt},
                 {"pow", 2, of_pow},   {"digits", 2, of_digits}, {"choose", 3, of_choose}};

static enum status read_sum(struct reader *reader, double *value);

static enum status read_call(struct reader *reader, const char *name, double *value) {
    double argument[ARGUMENTS_MOST] = {0};
    for (size_t f = 0; f < COUNT_OF(functions); f++) {
        if (strcmp(functions[f].name, name) != 0) continue;
        for (int i = 0; i < functions[f].arguments; i++) {
            if (i && !take(reader, ',')) return wrong(reader, "a comma is missing");
            TRY(read_sum(reader, &argument[i]));
        }
        if (!take(reader, ')')) return wrong(reader, "a closing parenthesis is missing");
        *value = functions[f].of(argument);
        return STATUS_OK;
    }
    return wrong(reader, "an unknown function is called");
}

static enum status read_name(struct reader *reader, double *value) {
    char name[NAME_MOST];
    size_t bytes = 0;
    while (is_letter(reader->at[bytes]) || is_digit(reader->at[bytes])) bytes++;
    if (bytes >= sizeof name) return wrong(reader, "a name is too long");
    memcpy(name, reader->at, bytes);
    name[bytes] = 0;
    reader->at += bytes;
    if (take(reader, '(')) return read_call(reader, name, value);
    if (reader->lookup(reader->context, name, value)) return STATUS_OK;
    reader->at -= bytes;
    return wrong(reader, "there is an unknown name");
}

static enum status read_primary(struct reader *reader, double *value) {
    skip_spaces(reader);
    if (is_letter(*reader->at)) return read_name(reader, value);
    if (is_digit(*reader->at)) {
        char *end;
        *value = strtod(reader->at, &end);
        reader->at = end;
        return STATUS_OK;
    }
    if (!take(reader, '(')) return wrong(reader, "a value is missing");
    TRY(read_sum(reader, value));
    return take(reader, ')') ? STATUS_OK : wrong(reader, "a closing parenthesis is missing");
}

static enum status read_factor(struct reader *reader, double *value) {
    double sign = take(reader, '-') ? -1 : 1;
    TRY(read_primary(reader, value));
    *value *= sign;
    return STATUS_OK;
}

static enum status read_product(struct reader *reader, double *value) {
    double right;
    TRY(read_factor(reader, value));
    for (;;) {
        bool times = take(reader, '*');
        if (!times && !take(reader, '/')) return STATUS_OK;
        TRY(read_factor(reader, &right));
        *value = times ? *value * right : *value / right;
    }
}

static enum status read_sum(struct reader *reader, double *value) {
    double right;
    if (++reader->depth > DEPTH_MOST) return wrong(reader, "parentheses go too deep");
    TRY(read_product(reader, value));
    for (;;) {
        bool plus = take(reader, '+');
        if (!plus && !take(reader, '-')) break;
        TRY(read_product(reader, &right));
        *value = plus ? *value + right : *value - right;
    }
    reader->depth--;
    return STATUS_OK;
}

enum status expression_evaluate(const char *text, expression_lookup *lookup, void *context, double *value) {
    struct reader reader = {.text = text, .at = text, .lookup = lookup, .context = context};
    TRY(read_sum(&reader, value));
    skip_spaces(&reader);
    return *reader.at ? wrong(&reader, "something follows the end") : STATUS_OK;
}
