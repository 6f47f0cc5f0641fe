/* math_text.c - see math_text.h. A parser by descent whose depth is bounded, over text that nobody vouches for. */
#include "verify/math_text.h"

#include <string.h>

enum { DEPTH_MOST = 24, ITEMS_MOST = 32, EXPRESSION_MOST = 2048 };

struct reader {
    const char *at, *end;
    struct math_atoms *atoms;
    int depth;
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

static bool read_number(struct reader *reader, struct math_form *form) {
    int64_t top = 0, bottom = 1;
    bool point = false, any = false;
    for (; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        bool thousands = c == ',' && !point && any && reader->end - reader->at > 3 &&
                         is_digit(reader->at[1]) && is_digit(reader->at[2]) && is_digit(reader->at[3]) &&
                         (reader->end - reader->at == 4 || !is_digit(reader->at[4]));
        if (thousands) continue;
        if (c == '.' && !point && reader->at + 1 < reader->end && is_digit(reader->at[1])) {
            point = true;
            continue;
        }
        if (!is_digit(c)) break;
        any = true;
        if (__builtin_mul_overflow(top, 10, &top) || __builtin_add_overflow(top, c - '0', &top)) return false;
        if (point && __builtin_mul_overflow(bottom, 10, &bottom)) return false;
    }
    if (reader->at < reader->end && *reader->at == '.') reader->at++; /* the end of a sentence */
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

/* Words in a text are units and the like, which say nothing of a value. */
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

static bool read_command(struct reader *reader, struct math_form *form) {
    static const char *const fractions[] = {"\\frac", "\\dfrac", "\\tfrac", "\\cfrac"};
    static const char *const texts[] = {"\\text", "\\textrm", "\\mathrm", "\\mbox", "\\operatorname"};
    const char *name = reader->at;
    if (take_any(reader, fractions, 4)) return read_fraction(reader, form);
    if (take(reader, "\\sqrt")) return read_root(reader, form);
    if (take_any(reader, texts, 5)) return skip_text(reader) && math_number(1, 1, form);
    if (*reader->at++ != '\\') return false;
    while (reader->at < reader->end && is_letter(*reader->at)) reader->at++;
    return reader->at > name + 1 && math_atom(reader->atoms, name, (size_t)(reader->at - name), form);
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

static bool read_factor(struct reader *reader, struct math_form *form) {
    if (!read_thing(reader, form)) return false;
    while (true) {
        skip_spacing(reader);
        if (take(reader, "**") || take(reader, "^")) {
            if (!apply_power(reader, form)) return false;
        } else {
            return true;
        }
    }
}

static bool begins_thing(struct reader *reader) {
    skip_spacing(reader);
    if (reader->at == reader->end) return false;
    char c = *reader->at;
    return is_letter(c) || is_digit(c) || c == '(' || c == '{' ||
           (c == '\\' && reader->at + 1 < reader->end && is_letter(reader->at[1]));
}

static bool read_term(struct reader *reader, struct math_form *form) {
    static const char *const times[] = {"\\cdot", "\\times", "*", "\xc3\x97", "\xc2\xb7"};
    static const char *const over[] = {"\\div", "/", "\xc3\xb7"};
    struct math_form next;
    if (!read_factor(reader, form)) return false;
    while (true) {
        if (take_any(reader, over, 3)) {
            if (!read_factor(reader, &next) || !math_divide(reader->atoms, form, &next, form)) return false;
        } else if (take_any(reader, times, 5) || begins_thing(reader)) {
            if (!read_factor(reader, &next) || !math_multiply(reader->atoms, form, &next, form)) return false;
        } else {
            return true;
        }
    }
}

static bool read_sign(struct reader *reader, bool *minus) {
    static const char *const pluses[] = {"+"}, *const minuses[] = {"-", "\xe2\x88\x92"};
    *minus = take_any(reader, minuses, 2);
    return *minus || take_any(reader, pluses, 1);
}

static bool read_sum(struct reader *reader, struct math_form *form) {
    struct math_form next, zero;
    bool minus;
    (void)read_sign(reader, &minus);
    if (!math_number(0, 1, &zero) || !read_term(reader, &next) ||
        !math_add(reader->atoms, &zero, &next, minus, form))
        return false;
    while (read_sign(reader, &minus))
        if (!read_term(reader, &next) || !math_add(reader->atoms, form, &next, minus, form)) return false;
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

struct slice {
    const char *text;
    size_t bytes;
};

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
    bool digits = at > 0 && is_digit(slice->text[at - 1]) && at + 3 < slice->bytes;
    for (size_t i = 1; digits && i <= 3; i++) digits = is_digit(slice->text[at + i]);
    return !digits || (at + 4 < slice->bytes && is_digit(slice->text[at + 4]));
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

static bool same_value(struct slice a, struct slice b) {
    struct math_atoms atoms = {.count = 0};
    struct math_form left, right;
    if (same_text(a, b)) return a.bytes > 0;
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
