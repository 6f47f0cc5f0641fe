/* regex_grammar.c - regular expressions of ECMAScript, as far as they are regular: no looking around, no references.
 *
 * An expression matches anywhere in the string unless ^ and $ hold it at the ends. A group with one of them inside is written
 * out first, an expression for each of its alternatives, so that they stand in no group: there what is before ^ and behind $
 * has to be nothing. */
#include "base/buffer.h"
#include "text/code_set.h"
#include "text/grammar_expression.h"
#include "text/json_grammar.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 64, WRITTEN_OUT_LIMIT = 256 };

/* Alternatives by the ends that hold them, so that what may stand before and behind comes once for all of a kind. */
struct ends {
    const struct expression *held[2][2]; /* at the beginning, at the end; NULL: none */
};

struct regex {
    struct grammar_builder *builder;
    const char *at, *origin;
    enum status *status;
    int depth;
    int most; /* repetitions that are told apart where the expression allows more */
    int written;
    struct ends ends;
};

static const struct expression *refuse(struct regex *regex, const char *what) {
    if (*regex->status == STATUS_OK)
        *regex->status =
            fail(STATUS_UNSUPPORTED, "%s: the pattern has %s at \"%.32s\"", regex->origin, what, regex->at);
    return NULL;
}

/* ---- sets of characters ---- */

static void add_range(struct regex *regex, struct code_set *set, uint32_t low, uint32_t high) {
    if (!code_set_add(set, low, high)) (void)refuse(regex, "too many ranges");
}

static void add_complement(struct regex *regex, struct code_set *set, struct code_set *of) {
    if (!code_set_add_complement(set, of)) (void)refuse(regex, "too many ranges");
}

/* What a class has for every reader, and what it has for some: those of Python know the digits and letters of all scripts, and
 * another white space. What is to match does so for all of them. */
struct class_ranges {
    char letter;
    struct code_range narrow[10], more[6];
    int narrows, mores;
};

static const struct class_ranges classes[] = {
    {'d',
     {{'0', '9'}},
     {{0x80, 0x9F}, {0x250, 0x303F}, {0x3100, 0x4DFF}, {0xA000, 0xABFF}, {0xD7A4, CODE_LAST}},
     1,
     5},
    {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, {{0x80, CODE_LAST}}, 4, 1},
    {'s',
     {{9, 13},
      {32, 32},
      {0xA0, 0xA0},
      {0x1680, 0x1680},
      {0x2000, 0x200A},
      {0x2028, 0x2029},
      {0x202F, 0x202F},
      {0x205F, 0x205F},
      {0x3000, 0x3000}},
     {{0xFEFF, 0xFEFF}, {0x1C, 0x1F}, {0x85, 0x85}},
     9,
     3}};

/* \d \w \s and their opposites; in `wide` all that some reader takes for one. False: another letter. */
static bool add_class(struct regex *regex, struct code_set *set, char letter, bool wide) {
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        const struct class_ranges *class = &classes[i];
        if ((letter | 32) != class->letter) continue;
        const bool opposite = letter != class->letter, exact = regex->most < 0;
        /* the standard's white space has the first of the others */
        const int more = !exact ? (wide != opposite ? class->mores : 0) : class->letter == 's';
        struct code_set found = {.ranges = class->narrows + more};
        memcpy(found.range, class->narrow, (size_t) class->narrows * sizeof *class->narrow);
        memcpy(found.range + class->narrows, class->more, (size_t)more * sizeof *class->more);
        code_set_settle(&found);
        if (!opposite)
            for (int r = 0; r < found.ranges; r++)
                add_range(regex, set, found.range[r].low, found.range[r].high);
        else
            add_complement(regex, set, &found);
        return true;
    }
    return false;
}

static bool read_hex(struct regex *regex, int digits, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < digits; i++, regex->at++) {
        static const char hex[] = "0123456789abcdefABCDEF";
        const char *found = *regex->at ? strchr(hex, *regex->at) : NULL;
        if (!found) return false;
        *code = *code * 16 + (uint32_t)(found - hex < 16 ? found - hex : found - hex - 6);
    }
    return true;
}

/* Behind a backslash: one character. */
static bool read_escape(struct regex *regex, uint32_t *code) {
    static const char letters[] = "tnrfv0", codes[] = "\t\n\r\f\v";
    const char letter = *regex->at;
    const char *found = letter ? strchr(letters, letter) : NULL;
    if (found) {
        regex->at++;
        *code = (uint32_t)codes[found - letters];
        return !(letter == '0' && *regex->at >= '0' && *regex->at <= '9');
    }
    if (letter == 'x') return regex->at++, read_hex(regex, 2, code);
    if (letter == 'u') return regex->at++, read_hex(regex, 4, code) && (*code < 0xD800 || *code > 0xDFFF);
    if (!letter || (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'z') ||
        (letter >= 'A' && letter <= 'Z'))
        return false;
    int bytes;
    *code = utf8_decode((const unsigned char *)regex->at, &bytes);
    regex->at += bytes;
    return true;
}

/* One character or class of a bracket; *single: it can be an end of a range. */
static bool read_member(struct regex *regex, struct code_set *set, uint32_t *code, bool *single, bool wide) {
    int bytes;
    *single = true;
    if (*regex->at != '\\') {
        *code = utf8_decode((const unsigned char *)regex->at, &bytes);
        regex->at += bytes;
        return true;
    }
    regex->at++;
    if (*regex->at == 'b') return regex->at++, *code = 8, true;
    if (*regex->at && add_class(regex, set, *regex->at, wide)) return regex->at++, *single = false, true;
    if (*regex->at == '-') return regex->at++, *code = '-', true;
    return read_escape(regex, code);
}

static bool read_bracket(struct regex *regex, struct code_set *set) {
    struct code_set found = {.ranges = 0};
    const bool opposite = *regex->at == '^';
    if (opposite) regex->at++;
    while (*regex->at && *regex->at != ']') {
        uint32_t low = 0, high = 0;
        bool single, end_single;
        if (!read_member(regex, &found, &low, &single, opposite)) return false;
        high = low;
        if (single && regex->at[0] == '-' && regex->at[1] && regex->at[1] != ']') {
            regex->at++;
            if (!read_member(regex, &found, &high, &end_single, opposite) || !end_single || high < low)
                return false;
        }
        if (single) add_range(regex, &found, low, high);
    }
    if (*regex->at != ']') return false;
    regex->at++;
    if (opposite) {
        add_complement(regex, set, &found);
        return true;
    }
    code_set_settle(&found);
    *set = found;
    return true;
}

static const struct expression *characters_of(struct regex *regex, struct code_set *set) {
    const struct expression *sum = NULL;
    code_set_settle(set);
    for (int i = 0; i < set->ranges; i++) {
        const struct expression *part =
            json_characters(regex->builder, set->range[i].low, set->range[i].high);
        sum = sum ? grammar_either(regex->builder, sum, part) : part;
    }
    return sum ? sum : grammar_set(regex->builder, (struct byte_set){{0}});
}

/* ---- the expression ---- */

static const struct expression *read_either(struct regex *regex);

static const struct expression *read_group(struct regex *regex) {
    if (regex->at[0] == '?' && regex->at[1] == ':') {
        regex->at += 2;
    } else if (regex->at[0] == '?' && regex->at[1] == '<' && regex->at[2] != '=' && regex->at[2] != '!') {
        const char *end = strchr(regex->at, '>');
        if (!end) return refuse(regex, "a group without a name");
        regex->at = end + 1;
    } else if (regex->at[0] == '?') {
        return refuse(regex, "a look around");
    }
    if (++regex->depth > DEPTH_LIMIT) return refuse(regex, "groups nested too deep");
    const struct expression *inside = read_either(regex);
    regex->depth--;
    if (inside && *regex->at != ')') return refuse(regex, "a group that does not end");
    if (inside) regex->at++;
    return inside;
}

static const struct expression *read_atom(struct regex *regex) {
    static const struct code_range line_ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};
    struct code_set set = {.ranges = 0}, ends = {.ranges = COUNT_OF(line_ends)};
    uint32_t code;
    int bytes;
    switch (*regex->at) {
    case '(': return regex->at++, read_group(regex);
    case '[':
        regex->at++;
        return read_bracket(regex, &set) ? characters_of(regex, &set) : refuse(regex, "a set that is none");
    case '.':
        regex->at++;
        memcpy(ends.range, line_ends, sizeof line_ends);
        add_complement(regex, &set, &ends);
        return characters_of(regex, &set);
    case '^':
    case '$': return refuse(regex, "^ or $ in a group");
    case '*':
    case '+':
    case '?': return refuse(regex, "nothing to repeat");
    case '\\':
        regex->at++;
        if (*regex->at && add_class(regex, &set, *regex->at, false))
            return regex->at++, characters_of(regex, &set);
        if (!read_escape(regex, &code)) return refuse(regex, "an escape that is not regular");
        return json_characters(regex->builder, code, code);
    default:
        code = utf8_decode((const unsigned char *)regex->at, &bytes);
        regex->at += bytes;
        return json_characters(regex->builder, code, code);
    }
}

/* {n}, {n,}, {n,m}; anything else is a brace. */
static bool read_braces(const struct regex *regex, int *low, int *high, const char **end) {
    const char *at = regex->at;
    char *stop;
    if (at[1] < '0' || at[1] > '9') return false;
    long first = strtol(at + 1, &stop, 10), last = first;
    if (*stop == ',') {
        at = stop + 1;
        last = *at >= '0' && *at <= '9' ? strtol(at, &stop, 10) : (stop++, -1);
    }
    if (*stop != '}' || first > REGEX_REPETITIONS || (last >= 0 && last < first)) return false;
    const int most = regex->most < 0 ? REGEX_REPETITIONS : regex->most;
    if (last > REGEX_REPETITIONS && regex->most < 0) return false;
    if (last > most) last = most > first ? most : first; /* fewer than it allows, never more */
    *low = (int)first;
    *high = (int)last;
    *end = stop + 1;
    return true;
}

static const struct expression *read_repeated(struct regex *regex) {
    const struct expression *atom = read_atom(regex);
    int low = 1, high = 1;
    const char *end = regex->at + 1;
    switch (atom ? *regex->at : 0) {
    case '*': low = 0, high = -1; break;
    case '+': high = -1; break;
    case '?': low = 0; break;
    case '{':
        if (!read_braces(regex, &low, &high, &end)) return refuse(regex, "a brace, or too high a count");
        break;
    default: return atom;
    }
    regex->at = *end == '?' ? end + 1 : end;
    return grammar_repeat(regex->builder, atom, low, high);
}

static bool is_end(const struct regex *regex) {
    return !*regex->at || *regex->at == '|' || *regex->at == ')';
}

static const struct expression *read_sequence(struct regex *regex) {
    const struct expression *all = grammar_empty(regex->builder);
    while (all && !is_end(regex)) all = grammar_sequence(regex->builder, all, read_repeated(regex));
    return all;
}

static const struct expression *read_either(struct regex *regex) {
    const struct expression *sum = read_sequence(regex);
    while (sum && *regex->at == '|') {
        regex->at++;
        sum = grammar_either(regex->builder, sum, read_sequence(regex));
    }
    return sum;
}

/* ---- the ends ---- */

static void add_to_ends(struct regex *regex, const struct expression *inside, bool begins, bool ends) {
    const struct expression **held = &regex->ends.held[begins][ends];
    *held = *held ? grammar_either(regex->builder, *held, inside) : inside;
}

/* One alternative, in no group. False: refused. */
static bool read_whole(struct regex *regex) {
    const struct expression *inside = grammar_empty(regex->builder);
    bool begins = false, ends = false, never = false;
    while (inside && !is_end(regex)) {
        const char anchor = *regex->at == '^' || *regex->at == '$' ? *regex->at : '\0';
        if (!anchor) {
            const struct expression *next = read_repeated(regex);
            if (!ends || !next)
                inside = grammar_sequence(regex->builder, inside, next);
            else
                never |= !expression_may_be_empty(next);
            continue;
        }
        if (regex->at[1] && strchr("*+?{", regex->at[1]))
            return refuse(regex, "^ or $ that comes repeatedly"), false;
        regex->at++;
        begins |= anchor == '^';
        ends |= anchor == '$';
        if (anchor == '$') continue;
        never |= !expression_may_be_empty(inside);
        inside = grammar_empty(regex->builder);
    }
    if (inside && !never) add_to_ends(regex, inside, begins, ends);
    return inside != NULL;
}

/* Where a part of a pattern ends, groups and brackets being whole; NULL: a group does not end. */
static const char *part_end(const char *at, bool stop_at_or) {
    int depth = 0;
    bool bracket = false;
    for (; *at; at++) {
        if (*at == '\\' && at[1])
            at++;
        else if (bracket || *at == '[')
            bracket = *at != ']';
        else if (*at == '(')
            depth++;
        else if (*at == ')' && --depth < 0)
            return at;
        else if (*at == '|' && depth == 0 && stop_at_or)
            return at;
    }
    return depth ? NULL : at;
}

const char *regex_group_end(const char *at) {
    const char *end = part_end(at, false);
    return end && *end ? end : NULL;
}

static bool holds_anchor(const char *at, const char *end) {
    bool bracket = false;
    for (; at < end; at++) {
        if (*at == '\\')
            at++;
        else if (bracket || *at == '[')
            bracket = *at != ']';
        else if (*at == '^' || *at == '$')
            return true;
    }
    return false;
}

/* The first group with ^ or $ inside, and its end; NULL: none. */
static const char *anchored_group(const char *at, const char **end) {
    bool bracket = false;
    for (; *at; at++) {
        if (*at == '\\' && at[1]) {
            at++;
        } else if (bracket || *at == '[') {
            bracket = *at != ']';
        } else if (*at == '(') {
            *end = part_end(at + 1, false);
            if (!*end || !**end) return NULL;
            if (holds_anchor(at + 1, *end)) return at;
            at = *end;
        }
    }
    return NULL;
}

static bool read_alternatives(struct regex *regex, const char *pattern);

/* The pattern with one alternative of its group in the group's place. */
static bool read_with(struct regex *regex, const char *pattern, const char *group, const char *inside,
                      size_t bytes, const char *rest) {
    struct buffer text = {0};
    if (++regex->written > WRITTEN_OUT_LIMIT) return refuse(regex, "too many ^ and $ in groups"), false;
    buffer_append(&text, pattern, (size_t)(group - pattern));
    buffer_append(&text, inside, bytes);
    buffer_append_text(&text, rest);
    buffer_append_char(&text, '\0');
    if (text.failed) regex->builder->failed = true;
    const bool good = !text.failed && read_alternatives(regex, text.data);
    buffer_free(&text);
    return good;
}

/* One alternative, whose groups may hold ^ and $. */
static bool read_written_out(struct regex *regex, const char *pattern) {
    const char *end, *group = anchored_group(pattern, &end);
    regex->at = pattern;
    if (!group)
        return read_whole(regex) && (!*regex->at || (refuse(regex, "more than one expression"), false));
    const bool optional = end[1] == '?';
    const char *inside = group + 1, *rest = end + 1 + optional;
    regex->at = group;
    if (strchr("*+{", end[1] ? end[1] : ' ')) return refuse(regex, "^ or $ that comes repeatedly"), false;
    if (inside[0] == '?' && inside[1] == ':')
        inside += 2;
    else if (inside[0] == '?')
        return refuse(regex, "a look around, or a name of a group with ^ or $,"), false;
    for (;;) {
        const char *stop = part_end(inside, true);
        if (!stop || !read_with(regex, pattern, group, inside, (size_t)(stop - inside), rest)) return false;
        if (stop == end) break;
        inside = stop + 1;
    }
    return !optional || read_with(regex, pattern, group, "", 0, rest);
}

static bool read_alternatives(struct regex *regex, const char *pattern) {
    for (;;) {
        const char *end = part_end(pattern, true);
        struct buffer text = {0};
        regex->at = pattern;
        if (!end || *end == ')') return refuse(regex, "a group that does not end"), false;
        buffer_append(&text, pattern, (size_t)(end - pattern));
        buffer_append_char(&text, '\0');
        if (text.failed) regex->builder->failed = true;
        const bool good = !text.failed && read_written_out(regex, text.data);
        buffer_free(&text);
        if (!good || !*end) return good;
        pattern = end + 1;
    }
}

const struct expression *regex_characters(struct grammar_builder *builder, const char *pattern,
                                          const char *origin, int most, enum status *status) {
    struct regex regex = {
        .builder = builder, .at = pattern, .origin = origin, .status = status, .most = most};
    const struct expression *anything = grammar_repeat(builder, json_characters(builder, 0, 0x10FFFF), 0, -1),
                            *sum = NULL;
    *status = STATUS_OK;
    if (utf8_valid_bytes(pattern, strlen(pattern)) != strlen(pattern)) return refuse(&regex, "broken UTF-8");
    if (!read_alternatives(&regex, pattern) || *status != STATUS_OK) return NULL;
    for (int begins = 0; begins < 2; begins++)
        for (int ends = 0; ends < 2; ends++) {
            const struct expression *one = regex.ends.held[begins][ends];
            if (!one) continue;
            if (!begins) one = grammar_sequence(builder, anything, one);
            if (!ends) one = grammar_sequence(builder, one, anything);
            sum = sum ? grammar_either(builder, sum, one) : one;
        }
    return sum ? sum : grammar_set(builder, (struct byte_set){{0}});
}
