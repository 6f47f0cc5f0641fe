/* math_text.c - see math_text.h. A parser by descent whose depth is bounded, over text that nobody vouches for. */
#include "verify/math_text.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MOST = 24, ITEMS_MOST = 32, EXPRESSION_MOST = 2048 };

struct reader {
    const char *at, *end;
    struct math_atoms *atoms;
    int depth;
};

struct slice {
    const char *text;
    size_t bytes;
};

/* ---- words ---- */

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool starts(const struct reader *reader, const char *word) {
    size_t bytes = strlen(word);
    return (size_t)(reader->end - reader->at) >= bytes && !memcmp(reader->at, word, bytes);
}

/* A command ends where its letters do. */
static bool take(struct reader *reader, const char *word) {
    size_t bytes = strlen(word);
    if (!starts(reader, word)) return false;
    bool command = word[0] == '\\' && is_letter(word[bytes - 1]);
    if (command && reader->at + bytes < reader->end && is_letter(reader->at[bytes])) return false;
    reader->at += bytes;
    return true;
}

static const char *const spacing[] = {" ",
                                      "\t",
                                      "\n",
                                      "\r",
                                      "~",
                                      "\\ ",
                                      "\\,",
                                      "\\!",
                                      "\\;",
                                      "\\:",
                                      "\\quad",
                                      "\\qquad",
                                      "\\left",
                                      "\\right",
                                      "\\big",
                                      "\\Big",
                                      "\\bigl",
                                      "\\bigr",
                                      "\\displaystyle",
                                      "\\circ",
                                      "\\%",
                                      "\\$",
                                      "$",
                                      "\\limits",
                                      "\\degree",
                                      "^\\circ",
                                      "^{\\circ}",
                                      "%"};

static void skip_spacing(struct reader *reader) {
    for (size_t i = 0; i < sizeof spacing / sizeof *spacing; i++)
        if (take(reader, spacing[i])) i = (size_t)-1;
}

static bool take_any(struct reader *reader, const char *const *word, size_t words) {
    skip_spacing(reader);
    for (size_t i = 0; i < words; i++)
        if (take(reader, word[i])) return true;
    return false;
}

/* ---- numbers and names ---- */

/* Bytes of what parts thousands at `at`: three digits and no fourth stand behind it; 0: nothing does. */
static size_t thousands_bytes(const char *at, const char *end) {
    static const char *const marks[] = {",\\!", ",", "{,}", "\\,", " "};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const size_t bytes = strlen(marks[i]);
        const char *digit = at + bytes;
        if ((size_t)(end - at) < bytes + 3 || memcmp(at, marks[i], bytes) != 0) continue;
        if (is_digit(digit[0]) && is_digit(digit[1]) && is_digit(digit[2]) &&
            (end - digit == 3 || !is_digit(digit[3])))
            return bytes;
    }
    return 0;
}

static bool read_number(struct reader *reader, struct math_form *form) {
    int64_t top = 0, bottom = 1;
    bool point = false, any = false;
    for (; reader->at < reader->end; reader->at++) {
        if (any && !point) reader->at += thousands_bytes(reader->at, reader->end);
        char c = *reader->at;
        if (c == '.' && !point && reader->at + 1 < reader->end && is_digit(reader->at[1])) {
            point = true;
            continue;
        }
        if (!is_digit(c)) break;
        any = true;
        if (__builtin_mul_overflow(top, 10, &top) || __builtin_add_overflow(top, c - '0', &top)) return false;
        if (point && __builtin_mul_overflow(bottom, 10, &bottom)) return false;
    }
    if (reader->at + 1 == reader->end && *reader->at == '.') reader->at++; /* the end of a sentence */
    return any && math_number(top, bottom, form);
}

static bool read_expression(struct reader *reader, struct math_form *form);

static bool read_group(struct reader *reader, const char *open, const char *close, struct math_form *form) {
    skip_spacing(reader);
    if (!take(reader, open) || !read_expression(reader, form)) return false;
    skip_spacing(reader);
    return take(reader, close);
}

/* {...}, or the one thing that stands there: \frac12, \sqrt2. */
static bool read_argument(struct reader *reader, struct math_form *form) {
    skip_spacing(reader);
    if (reader->at < reader->end && *reader->at == '{') return read_group(reader, "{", "}", form);
    if (reader->at == reader->end || !(is_digit(*reader->at) || is_letter(*reader->at))) return false;
    const char *at = reader->at++;
    return is_digit(*at) ? math_number(*at - '0', 1, form) : math_atom(reader->atoms, at, 1, form);
}

static bool take_fraction(struct reader *reader) {
    static const char *const fractions[] = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"};
    return take_any(reader, fractions, 4);
}

static bool read_fraction(struct reader *reader, struct math_form *form) {
    struct math_form below;
    return read_argument(reader, form) && read_argument(reader, &below) &&
           math_divide(reader->atoms, form, &below, form);
}

static bool read_root(struct reader *reader, struct math_form *form) {
    skip_spacing(reader);
    bool round = reader->at < reader->end && *reader->at == '(';
    bool read = round ? read_group(reader, "(", ")", form) : read_argument(reader, form);
    return read && math_root(reader->atoms, form, form);
}

static bool take_text(struct reader *reader) {
    static const char *const texts[] = {"\\text",   "\\textrm", "\\textbf",      "\\textit",
                                        "\\mathrm", "\\mbox",   "\\operatorname"};
    return take_any(reader, texts, sizeof texts / sizeof *texts);
}

/* Behind the name of its command. */
static bool skip_text(struct reader *reader) {
    int open = 0;
    skip_spacing(reader);
    for (; reader->at < reader->end; reader->at++) {
        open += (*reader->at == '{') - (*reader->at == '}');
        if (!open) {
            reader->at++;
            return true;
        }
    }
    return false;
}

/* Words behind a value are its unit, which says nothing of it: 5\text{ cm}^2. */
static bool skip_units(struct reader *reader) {
    struct math_form power;
    while (take_text(reader)) {
        if (!skip_text(reader)) return false;
        skip_spacing(reader);
        if (take(reader, "^") && !read_argument(reader, &power)) return false;
    }
    return true;
}

/* Numbers that are written upright: \mathrm{e}. */
static bool read_upright(struct reader *reader, struct math_form *form) {
    static const char *const names[] = {"\\mathrm{e}", "\\mathrm{i}"};
    skip_spacing(reader);
    for (size_t i = 0; i < 2; i++)
        if (take(reader, names[i])) return math_atom(reader->atoms, reader->at - 2, 1, form);
    return false;
}

/* ---- functions ---- */

static const char *const functions[] = {"arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "sin", "cos",
                                        "tan",    "cot",    "sec",    "csc",  "log",  "exp",  "ln"};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static const char *function_at(const struct reader *reader) {
    struct reader ahead = *reader;
    const bool command = take(&ahead, "\\");
    for (int i = 0; i < FUNCTIONS; i++) {
        struct reader behind = ahead;
        if (!take(&behind, functions[i])) continue;
        if (!command || behind.at == behind.end || !is_letter(*behind.at)) return functions[i];
    }
    return NULL;
}

/* A letter that a product in an argument without brackets may go on with: \sin 2\theta. */
static const char *symbol_at(const struct reader *reader) {
    static const char *const symbols[] = {
        "\\alpha", "\\beta",     "\\gamma", "\\delta", "\\epsilon", "\\varepsilon", "\\zeta",   "\\eta",
        "\\theta", "\\vartheta", "\\iota",  "\\kappa", "\\lambda",  "\\mu",         "\\nu",     "\\xi",
        "\\pi",    "\\rho",      "\\sigma", "\\tau",   "\\upsilon", "\\phi",        "\\varphi", "\\chi",
        "\\psi",   "\\omega",    "\\Gamma", "\\Delta", "\\Theta",   "\\Lambda",     "\\Xi",     "\\Pi",
        "\\Sigma", "\\Upsilon",  "\\Phi",   "\\Psi",   "\\Omega",   "\\infty",      "\\ell",    "\\hbar"};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        struct reader ahead = *reader;
        if (take(&ahead, symbols[i])) return symbols[i];
    }
    return NULL;
}

static bool read_factor(struct reader *reader, struct math_form *form);

static bool read_open_argument(struct reader *reader, struct math_form *form) {
    struct math_form next;
    if (!read_factor(reader, form)) return false;
    for (skip_spacing(reader); reader->at < reader->end; skip_spacing(reader)) {
        if (function_at(reader) || (!is_letter(*reader->at) && !symbol_at(reader))) break;
        if (!read_factor(reader, &next) || !math_multiply(reader->atoms, form, &next, form)) return false;
    }
    return true;
}

/* What a function's name may have behind it: a base below, a power above. */
static bool read_marks(struct reader *reader, int64_t *base, int64_t *power) {
    struct math_form mark;
    int64_t bottom = 1;
    skip_spacing(reader);
    if (take(reader, "_") && (!read_argument(reader, &mark) || !math_is_number(&mark, base, &bottom)))
        return false;
    skip_spacing(reader);
    if (bottom != 1) return false;
    if (take(reader, "^") && (!read_argument(reader, &mark) || !math_is_number(&mark, power, &bottom)))
        return false;
    return bottom == 1 && *power >= 1 && *power <= MATH_POWER_MOST;
}

static bool read_function(struct reader *reader, const char *name, struct math_form *form) {
    struct math_form argument;
    int64_t base = 0, power = 1;
    char whole[MATH_NAME_BYTES];
    if (*reader->at == '\\') reader->at++;
    reader->at += strlen(name);
    if (!read_marks(reader, &base, &power)) return false;
    skip_spacing(reader);
    const bool round = reader->at < reader->end && *reader->at == '(';
    if (!(round ? read_group(reader, "(", ")", &argument) : read_open_argument(reader, &argument)))
        return false;
    snprintf(whole, sizeof whole, "%s_%lld", name, (long long)base);
    return math_function(reader->atoms, whole, &argument, form) &&
           math_power(reader->atoms, form, (int)power, form);
}

/* Names of relations and of what else is no value are none. */
static bool read_command(struct reader *reader, struct math_form *form) {
    const char *name;
    if (take_fraction(reader)) return read_fraction(reader, form);
    if (take(reader, "\\sqrt")) return read_root(reader, form);
    if (read_upright(reader, form)) return true;
    if (!(name = symbol_at(reader))) return false;
    reader->at += strlen(name);
    return math_atom(reader->atoms, name, strlen(name), form);
}

static bool read_name(struct reader *reader, struct math_form *form) {
    if (take(reader, "sqrt")) return read_root(reader, form);
    if (take(reader, "pi")) return math_atom(reader->atoms, "\\pi", 3, form);
    return math_atom(reader->atoms, reader->at++, 1, form);
}

static bool read_thing(struct reader *reader, struct math_form *form) {
    skip_spacing(reader);
    if (reader->at == reader->end) return false;
    char c = *reader->at;
    const char *function = function_at(reader);
    if (function) {
        if (++reader->depth > DEPTH_MOST) return false;
        const bool read = read_function(reader, function, form);
        reader->depth--;
        return read;
    }
    if (is_digit(c) || c == '.') return read_number(reader, form);
    if (c == '(') return read_group(reader, "(", ")", form);
    if (c == '[') return read_group(reader, "[", "]", form);
    if (c == '{') return read_group(reader, "{", "}", form);
    if (c == '\\') return read_command(reader, form);
    return is_letter(c) && read_name(reader, form);
}

/* ---- operators ---- */

static bool apply_power(struct reader *reader, struct math_form *form) {
    struct math_form power, root;
    int64_t top, bottom;
    bool minus = false;
    skip_spacing(reader);
    if (reader->at < reader->end && *reader->at == '-') {
        minus = true;
        reader->at++;
    }
    bool round = reader->at < reader->end && *reader->at == '(';
    if (!(round ? read_group(reader, "(", ")", &power) : read_argument(reader, &power))) return false;
    if (!math_is_number(&power, &top, &bottom) || top < -MATH_POWER_MOST || top > MATH_POWER_MOST)
        return false;
    if (bottom == 2 && math_root(reader->atoms, form, &root)) {
        *form = root;
        bottom = 1;
    }
    return bottom == 1 && math_power(reader->atoms, form, (int)(minus ? -top : top), form);
}

/* Towers without braces are read in two ways, and so in none. */
static bool read_factor(struct reader *reader, struct math_form *form) {
    if (!read_thing(reader, form)) return false;
    struct reader ahead = *reader;
    skip_spacing(&ahead);
    if (!take(&ahead, "**") && !take(&ahead, "^")) return true;
    if (!apply_power(&ahead, form)) return false;
    *reader = ahead;
    skip_spacing(&ahead);
    return !starts(&ahead, "**") && !starts(&ahead, "^");
}

static bool begins_thing(struct reader *reader) {
    skip_spacing(reader);
    if (reader->at == reader->end || starts(reader, "\\pm") || starts(reader, "\\mp")) return false;
    char c = *reader->at;
    return is_letter(c) || is_digit(c) || c == '(' || c == '{' ||
           (c == '\\' && reader->at + 1 < reader->end && is_letter(reader->at[1]));
}

/* 3/4 behind a whole number. */
static bool read_plain_fraction(struct reader *reader, struct math_form *form) {
    struct math_form below;
    skip_spacing(reader);
    if (!read_number(reader, form)) return false;
    skip_spacing(reader);
    if (!take(reader, "/")) return false;
    skip_spacing(reader);
    return read_number(reader, &below) && math_divide(reader->atoms, form, &below, form);
}

/* A whole number and a fraction below 1 behind it are a sum: 2\frac{1}{2}, 2 1/2. False, with nothing read, for others. */
static bool read_mixed(struct reader *reader, struct slice whole, struct math_form *form) {
    struct reader ahead = *reader;
    struct math_form part;
    int64_t top, bottom;
    for (size_t i = 0; i < whole.bytes; i++)
        if (!is_digit(whole.text[i])) return false;
    if (!(take_fraction(&ahead) ? read_fraction(&ahead, &part) : read_plain_fraction(&ahead, &part)))
        return false;
    if (!math_is_number(&part, &top, &bottom) || top <= 0 || top >= bottom) return false;
    *reader = ahead;
    return math_add(reader->atoms, form, &part, false, form);
}

/* What stands beside the value `before`: a factor, a unit, or the fraction of a mixed number. *more: there was
 * something. False for what has no such meaning: two numbers beside each other, words between values. */
static bool read_beside(struct reader *reader, struct slice before, struct math_form *form, bool *more) {
    const bool digits = before.bytes && is_digit(before.text[before.bytes - 1]);
    struct math_form next;
    *more = true;
    if (digits && read_mixed(reader, before, form)) return true;
    if (read_upright(reader, &next)) return math_multiply(reader->atoms, form, &next, form);
    const char *from = reader->at;
    if (!skip_units(reader)) return false;
    const bool units = reader->at != from;
    *more = begins_thing(reader);
    if (!*more) return true;
    return !units && !(digits && is_digit(*reader->at)) && read_factor(reader, &next) &&
           math_multiply(reader->atoms, form, &next, form);
}

static bool read_term(struct reader *reader, struct math_form *form) {
    static const char *const times[] = {"\\cdot", "\\times", "*", "\xc3\x97", "\xc2\xb7"};
    static const char *const over[] = {"\\div", "/", "\xc3\xb7"};
    struct math_form next;
    skip_spacing(reader);
    const char *begin = reader->at;
    if (!read_factor(reader, form)) return false;
    for (bool more = true; more;) {
        const struct slice before = {begin, (size_t)(reader->at - begin)}; /* skipping moves on */
        if (take_any(reader, over, 3)) {
            if (!read_factor(reader, &next) || !math_divide(reader->atoms, form, &next, form)) return false;
        } else if (take_any(reader, times, 5)) {
            if (!read_factor(reader, &next) || !math_multiply(reader->atoms, form, &next, form)) return false;
        } else if (!read_beside(reader, before, form, &more)) {
            return false;
        }
    }
    return true;
}

enum sign { SIGN_NONE, SIGN_PLUS, SIGN_MINUS, SIGN_EITHER, SIGN_OTHER };

static enum sign read_sign(struct reader *reader) {
    static const char *const pluses[] = {"+"}, *const minuses[] = {"-", "\xe2\x88\x92"},
                             *const eithers[] = {"\\pm", "\xc2\xb1"}, *const others[] = {"\\mp"};
    if (take_any(reader, pluses, 1)) return SIGN_PLUS;
    if (take_any(reader, minuses, 2)) return SIGN_MINUS;
    if (take_any(reader, eithers, 2)) return SIGN_EITHER;
    return take_any(reader, others, 1) ? SIGN_OTHER : SIGN_NONE;
}

static bool add_signed(struct reader *reader, enum sign sign, struct math_form *form) {
    struct math_form next, either;
    if (!read_term(reader, &next)) return false;
    if ((sign == SIGN_EITHER || sign == SIGN_OTHER) &&
        (!math_either_sign(reader->atoms, &either) || !math_multiply(reader->atoms, &next, &either, &next)))
        return false;
    return math_add(reader->atoms, form, &next, sign == SIGN_MINUS || sign == SIGN_OTHER, form);
}

static bool read_sum(struct reader *reader, struct math_form *form) {
    enum sign sign = read_sign(reader);
    if (!math_number(0, 1, form) || !add_signed(reader, sign, form)) return false;
    while ((sign = read_sign(reader)))
        if (!add_signed(reader, sign, form)) return false;
    return true;
}

static bool read_expression(struct reader *reader, struct math_form *form) {
    if (++reader->depth > DEPTH_MOST) return false;
    bool read = read_sum(reader, form);
    reader->depth--;
    return read;
}

bool math_read(const char *text, size_t bytes, struct math_atoms *atoms, struct math_form *form) {
    struct reader reader = {text, text + bytes, atoms, 0};
    if (bytes > EXPRESSION_MOST || !read_expression(&reader, form)) return false;
    skip_spacing(&reader);
    return reader.at == reader.end;
}

/* ---- answers ---- */

bool math_boxed(const char *text, size_t bytes, const char **content, size_t *content_bytes) {
    static const char mark[] = "\\boxed";
    const char *end = text + bytes, *begin = NULL;
    for (const char *at = text; (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)); at++)
        begin = at;
    if (!begin) return false;
    begin += sizeof mark - 1;
    while (begin < end && *begin == ' ') begin++;
    if (begin == end || *begin != '{') return false;
    int open = 0;
    for (const char *at = begin; at < end; at++) {
        bool escaped = at > begin && at[-1] == '\\';
        if (!escaped) open += (*at == '{') - (*at == '}');
        if (open) continue;
        *content = begin + 1;
        *content_bytes = (size_t)(at - begin - 1);
        return true;
    }
    return false;
}

static struct slice trim(struct slice slice) {
    struct reader reader = {slice.text, slice.text + slice.bytes, NULL, 0};
    skip_spacing(&reader);
    const char *end = reader.end;
    while (end > reader.at && strchr(" \t\r\n.$", end[-1])) end--;
    return (struct slice){reader.at, (size_t)(end - reader.at)};
}

/* How far into brackets character `at` leads. */
static int step_of(const struct slice *slice, size_t at) {
    char c = slice->text[at];
    if (c == '(' || c == '[' || c == '{') return 1;
    return c == ')' || c == ']' || c == '}' ? -1 : 0;
}

static bool parts_items(const struct slice *slice, size_t at) {
    if (slice->text[at] != ',') return false;
    return !at || !is_digit(slice->text[at - 1]) ||
           !thousands_bytes(slice->text + at, slice->text + slice->bytes);
}

/* What commas outside of brackets part; 0: too much. */
static int split_items(struct slice slice, struct slice item[ITEMS_MOST]) {
    int items = 0, open = 0;
    size_t begin = 0;
    for (size_t at = 0; at <= slice.bytes; at++) {
        if (at < slice.bytes) open += step_of(&slice, at);
        if (at < slice.bytes && (open || !parts_items(&slice, at))) continue;
        if (items == ITEMS_MOST) return 0;
        item[items++] = (struct slice){slice.text + begin, at - begin};
        begin = at + 1;
    }
    return items;
}

/* What "x =" or "x \in" in front of it says is what follows. */
static struct slice without_name(struct slice slice) {
    slice = trim(slice);
    struct reader reader = {slice.text, slice.text + slice.bytes, NULL, 0};
    if (!slice.bytes || !is_letter(*reader.at)) return slice;
    reader.at++;
    skip_spacing(&reader);
    if (!take(&reader, "=") && !take(&reader, "\\in")) return slice;
    return trim((struct slice){reader.at, (size_t)(reader.end - reader.at)});
}

static bool same_text(struct slice a, struct slice b) {
    struct reader x = {a.text, a.text + a.bytes, NULL, 0}, y = {b.text, b.text + b.bytes, NULL, 0};
    while (true) {
        skip_spacing(&x);
        skip_spacing(&y);
        if (x.at == x.end || y.at == y.end) return x.at == x.end && y.at == y.end;
        if (*x.at++ != *y.at++) return false;
    }
}

/* The words of an answer that is a text and nothing else: \text{east}. */
static bool take_words(struct slice *slice) {
    struct reader reader = {slice->text, slice->text + slice->bytes, NULL, 0};
    if (!take_text(&reader)) return false;
    skip_spacing(&reader);
    const char *begin = reader.at;
    if (begin == reader.end || *begin != '{' || !skip_text(&reader) || reader.at != reader.end) return false;
    *slice = trim((struct slice){begin + 1, (size_t)(reader.end - begin) - 2});
    return true;
}

static bool has_word(struct slice slice) {
    for (size_t i = 1; i < slice.bytes; i++)
        if (is_letter(slice.text[i - 1]) && is_letter(slice.text[i])) return true;
    return false;
}

/* A word is no product of its letters where either side says that it is a text. */
static bool same_value(struct slice a, struct slice b) {
    struct math_atoms atoms = {.count = 0};
    struct math_form left, right;
    const bool left_text = take_words(&a), right_text = take_words(&b);
    if (same_text(a, b)) return a.bytes > 0;
    if ((left_text || right_text) && (has_word(a) || has_word(b))) return false;
    return math_read(a.text, a.bytes, &atoms, &left) && math_read(b.text, b.bytes, &atoms, &right) &&
           math_equal(&atoms, &left, &right);
}

/* Brackets around the whole: their kind, and what lies in them. */
static char strip_brackets(struct slice *slice) {
    struct slice s = trim(*slice);
    bool set = s.bytes >= 4 && s.text[0] == '\\' && s.text[1] == '{';
    size_t lead = set ? 2 : 1;
    if (s.bytes < 2 || (!set && !strchr("([", s.text[0]))) return 0;
    int open = 0;
    for (size_t at = lead - 1; at < s.bytes; at++) {
        open += step_of(&s, at);
        if (!open && at + 1 < s.bytes) return 0;
    }
    if (open || step_of(&s, s.bytes - 1) != -1) return 0;
    char close = s.text[s.bytes - 1];
    struct slice inner = {s.text + lead, s.bytes - lead - 1};
    if (set && inner.bytes && inner.text[inner.bytes - 1] == '\\') inner.bytes--;
    *slice = inner;
    if (set) return '{';
    return s.text[0] == '(' ? (close == ')' ? '(' : '<') : close == ']' ? '[' : '>';
}

static bool same_items(const struct slice *a, const struct slice *b, int items, bool ordered) {
    bool used[ITEMS_MOST] = {false};
    for (int i = 0; i < items; i++) {
        bool found = false;
        for (int j = ordered ? i : 0; !found && j < (ordered ? i + 1 : items); j++) {
            found = !used[j] && same_value(trim(a[i]), trim(b[j]));
            if (found) used[j] = true;
        }
        if (!found) return false;
    }
    return true;
}

bool math_same(const char *a, size_t a_bytes, const char *b, size_t b_bytes) {
    struct slice left = without_name((struct slice){a, a_bytes}),
                 right = without_name((struct slice){b, b_bytes});
    struct slice x[ITEMS_MOST], y[ITEMS_MOST];
    if (same_value(left, right)) return true;
    char round = strip_brackets(&left), other = strip_brackets(&right);
    int items = split_items(left, x);
    if (round != other || !items || items != split_items(right, y)) return false;
    if (items == 1 && !round) return false;
    return same_items(x, y, items, round && round != '{');
}
