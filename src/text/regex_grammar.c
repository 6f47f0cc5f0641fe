/* regex_grammar.c - regular expressions of ECMAScript, as far as they are regular: no looking around, no references.
 *
 * An expression matches anywhere in the string unless ^ and $ hold it at the ends, where alone they may stand. */
#include "text/code_set.h"
#include "text/json_grammar.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH_LIMIT = 64, REPEAT_LIMIT = 1000 };

struct regex {
    struct grammar_builder *builder;
    const char *at, *origin;
    enum status *status;
    int depth;
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

/* \d \w \s and their opposites. False: another letter. */
static bool add_class(struct regex *regex, struct code_set *set, char letter) {
    static const struct code_range digits[] = {{'0', '9'}},
                                   words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                                   spaces[] = {{9, 13},          {32, 32},         {0xA0, 0xA0},
                                               {0x1680, 0x1680}, {0x2000, 0x200A}, {0x2028, 0x2029},
                                               {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
                                               {0xFEFF, 0xFEFF}};
    static const struct {
        char letter;
        const struct code_range *range;
        int ranges;
    } rows[] = {
        {'d', digits, COUNT_OF(digits)}, {'w', words, COUNT_OF(words)}, {'s', spaces, COUNT_OF(spaces)}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if ((letter | 32) != rows[i].letter) continue;
        struct code_set found = {.ranges = rows[i].ranges};
        memcpy(found.range, rows[i].range, (size_t)rows[i].ranges * sizeof *rows[i].range);
        if (letter == rows[i].letter)
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
static bool read_member(struct regex *regex, struct code_set *set, uint32_t *code, bool *single) {
    int bytes;
    *single = true;
    if (*regex->at != '\\') {
        *code = utf8_decode((const unsigned char *)regex->at, &bytes);
        regex->at += bytes;
        return true;
    }
    regex->at++;
    if (*regex->at == 'b') return regex->at++, *code = 8, true;
    if (*regex->at && add_class(regex, set, *regex->at)) return regex->at++, *single = false, true;
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
        if (!read_member(regex, &found, &low, &single)) return false;
        high = low;
        if (single && regex->at[0] == '-' && regex->at[1] && regex->at[1] != ']') {
            regex->at++;
            if (!read_member(regex, &found, &high, &end_single) || !end_single || high < low) return false;
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
    case '$': return refuse(regex, "^ or $ in the middle");
    case '*':
    case '+':
    case '?': return refuse(regex, "nothing to repeat");
    case '\\':
        regex->at++;
        if (*regex->at && add_class(regex, &set, *regex->at)) return regex->at++, characters_of(regex, &set);
        if (!read_escape(regex, &code)) return refuse(regex, "an escape that is not regular");
        return json_characters(regex->builder, code, code);
    default:
        code = utf8_decode((const unsigned char *)regex->at, &bytes);
        regex->at += bytes;
        return json_characters(regex->builder, code, code);
    }
}

/* {n}, {n,}, {n,m}; anything else is a brace. */
static bool read_braces(const char *at, int *low, int *high, const char **end) {
    char *stop;
    if (at[1] < '0' || at[1] > '9') return false;
    long first = strtol(at + 1, &stop, 10), last = first;
    if (*stop == ',') {
        at = stop + 1;
        last = *at >= '0' && *at <= '9' ? strtol(at, &stop, 10) : (stop++, -1);
    }
    if (*stop != '}' || first > REPEAT_LIMIT || (last >= 0 && last < first)) return false;
    if (last > REPEAT_LIMIT) last = REPEAT_LIMIT; /* fewer than it allows, never more */
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
        if (!read_braces(regex->at, &low, &high, &end)) return refuse(regex, "a brace, or too high a count");
        break;
    default: return atom;
    }
    regex->at = *end == '?' ? end + 1 : end;
    return grammar_repeat(regex->builder, atom, low, high);
}

static bool is_end(const struct regex *regex) {
    return !*regex->at || *regex->at == '|' || *regex->at == ')' ||
           (regex->at[0] == '$' && !regex->depth && (!regex->at[1] || regex->at[1] == '|'));
}

static const struct expression *read_sequence(struct regex *regex) {
    const struct expression *all = grammar_empty(regex->builder);
    while (all && !is_end(regex)) all = grammar_sequence(regex->builder, all, read_repeated(regex));
    return all;
}

/* An alternative of the whole expression, with what may stand before and behind it. */
static const struct expression *read_whole(struct regex *regex, const struct expression *anything) {
    const bool begins = *regex->at == '^';
    if (begins) regex->at++;
    const struct expression *inside = read_sequence(regex);
    const bool ends = inside && *regex->at == '$';
    if (ends) regex->at++;
    if (!begins) inside = grammar_sequence(regex->builder, anything, inside);
    return ends ? inside : grammar_sequence(regex->builder, inside, anything);
}

static const struct expression *read_either(struct regex *regex) {
    const struct expression *sum = read_sequence(regex);
    while (sum && *regex->at == '|') {
        regex->at++;
        sum = grammar_either(regex->builder, sum, read_sequence(regex));
    }
    return sum;
}

const struct expression *regex_characters(struct grammar_builder *builder, const char *pattern,
                                          const char *origin, enum status *status) {
    struct regex regex = {.builder = builder, .at = pattern, .origin = origin, .status = status};
    const struct expression *anything = grammar_repeat(builder, json_characters(builder, 0, 0x10FFFF), 0, -1);
    *status = STATUS_OK;
    if (utf8_valid_bytes(pattern, strlen(pattern)) != strlen(pattern)) return refuse(&regex, "broken UTF-8");
    const struct expression *sum = read_whole(&regex, anything);
    while (sum && *regex.at == '|') {
        regex.at++;
        sum = grammar_either(builder, sum, read_whole(&regex, anything));
    }
    if (sum && *regex.at) return refuse(&regex, "more than one expression");
    return *status == STATUS_OK ? sum : NULL;
}
