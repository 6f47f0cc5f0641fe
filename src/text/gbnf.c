/* gbnf.c - the parser of gbnf.h: one function for each level of the notation. */
#include "text/gbnf.h"

#include "text/code_set.h"
#include "text/utf8.h"

#include <jansson.h>
#include <string.h>

enum { DEPTH_LIMIT = 64, REPEAT_LIMIT = 1000, NAME_LIMIT = 64, TEXT_LIMIT = 1 << 20 };

struct gbnf {
    struct grammar_builder builder;
    const char *begin, *at, *end, *origin;
    json_t *names; /* of rules: their numbers */
    json_t *used;  /* those that were called: where */
    int depth;
    enum status status;
};

static int line_of(const struct gbnf *gbnf, const char *at) {
    int line = 1;
    for (const char *c = gbnf->begin; c < at; c++) line += *c == '\n';
    return line;
}

static const struct expression *refuse(struct gbnf *gbnf, const char *sentence) {
    if (gbnf->status == STATUS_OK)
        gbnf->status = fail(STATUS_INPUT, "%s, line %d: %s", gbnf->origin, line_of(gbnf, gbnf->at), sentence);
    return NULL;
}

/* ---- characters ---- */

static char here(const struct gbnf *gbnf) {
    return gbnf->at < gbnf->end ? *gbnf->at : '\0';
}

static void skip_comment(struct gbnf *gbnf) {
    while (gbnf->at < gbnf->end && *gbnf->at != '\n' && *gbnf->at != '\r') gbnf->at++;
}

/* Blanks and comments, and with `lines` ends of lines. */
static void skip(struct gbnf *gbnf, bool lines) {
    for (;; gbnf->at++) {
        if (here(gbnf) == '#') skip_comment(gbnf);
        const char c = here(gbnf);
        if (gbnf->at == gbnf->end || !(c == ' ' || c == '\t' || (lines && (c == '\n' || c == '\r')))) return;
    }
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool read_hex(struct gbnf *gbnf, int digits, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < digits; i++, gbnf->at++) {
        static const char hex[] = "0123456789abcdefABCDEF";
        const char *found = here(gbnf) ? strchr(hex, here(gbnf)) : NULL;
        if (!found) return refuse(gbnf, "an escape with too few digits"), false;
        *code = *code * 16 + (uint32_t)(found - hex < 16 ? found - hex : found - hex - 6);
    }
    if (*code <= CODE_LAST && (*code < 0xD800 || *code > 0xDFFF)) return true;
    return refuse(gbnf, "an escape that is no character"), false;
}

/* One character of a text or a set, escaped or not. */
static bool read_character(struct gbnf *gbnf, uint32_t *code) {
    static const char letters[] = "tnr\\\"[]-^", codes[] = "\t\n\r\\\"[]-^";
    int bytes;
    if (gbnf->at == gbnf->end) return refuse(gbnf, "the text ends within a literal"), false;
    if (*gbnf->at != '\\') {
        *code = utf8_decode((const unsigned char *)gbnf->at, &bytes);
        gbnf->at += bytes;
        return true;
    }
    gbnf->at++;
    const char letter = here(gbnf), *found = letter ? strchr(letters, letter) : NULL;
    if (found) {
        gbnf->at++;
        *code = (uint32_t)codes[found - letters];
        return true;
    }
    const int digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (!digits) return refuse(gbnf, "an unknown escape"), false;
    gbnf->at++;
    return read_hex(gbnf, digits, code);
}

static const struct expression *read_literal(struct gbnf *gbnf) {
    struct grammar_builder *b = &gbnf->builder;
    struct buffer text = {0};
    const struct expression *literal = NULL;
    gbnf->at++;
    while (here(gbnf) != '"' && gbnf->status == STATUS_OK) {
        uint32_t code;
        unsigned char utf8[4];
        if (here(gbnf) == '\n') (void)refuse(gbnf, "a text that does not end in its line");
        if (gbnf->status == STATUS_OK && read_character(gbnf, &code))
            buffer_append(&text, utf8, (size_t)utf8_encode(code, utf8));
    }
    gbnf->at += gbnf->status == STATUS_OK;
    if (gbnf->status == STATUS_OK && !text.failed)
        literal = text.bytes ? grammar_bytes(b, text.data, text.bytes) : grammar_empty(b);
    buffer_free(&text);
    return literal;
}

static const struct expression *characters_of(struct gbnf *gbnf, struct code_set *set) {
    struct grammar_builder *b = &gbnf->builder;
    const struct expression *sum = NULL;
    code_set_settle(set);
    for (int i = 0; i < set->ranges; i++) {
        const struct expression *part = grammar_range(b, set->range[i].low, set->range[i].high);
        sum = sum ? grammar_either(b, sum, part) : part;
    }
    return sum ? sum : refuse(gbnf, "a set without a character");
}

static const struct expression *read_set(struct gbnf *gbnf) {
    struct code_set found = {.ranges = 0}, set = {.ranges = 0};
    gbnf->at++;
    const bool opposite = here(gbnf) == '^';
    gbnf->at += opposite;
    while (here(gbnf) != ']') {
        uint32_t low, high;
        if (!read_character(gbnf, &low)) return NULL;
        high = low;
        if (here(gbnf) == '-' && gbnf->at + 1 < gbnf->end && gbnf->at[1] != ']') {
            gbnf->at++;
            if (!read_character(gbnf, &high)) return NULL;
            if (high < low) return refuse(gbnf, "a range of characters that ends before it begins");
        }
        if (!code_set_add(&found, low, high)) return refuse(gbnf, "a set with too many ranges");
    }
    gbnf->at++;
    if (!opposite) return characters_of(gbnf, &found);
    if (!code_set_add_complement(&set, &found)) return refuse(gbnf, "a set with too many ranges");
    return characters_of(gbnf, &set);
}

/* ---- rules ---- */

/* A copy in `name`; false: none stands here, or one that is too long. */
static bool read_name(struct gbnf *gbnf, char *name) {
    size_t bytes = 0;
    while (gbnf->at + bytes < gbnf->end && is_word(gbnf->at[bytes])) bytes++;
    if (bytes == 0) return refuse(gbnf, "a rule's name, a text or a set is expected here"), false;
    if (bytes > NAME_LIMIT) return refuse(gbnf, "a rule's name is longer than 64 characters"), false;
    memcpy(name, gbnf->at, bytes);
    name[bytes] = '\0';
    gbnf->at += bytes;
    return true;
}

static int rule_named(struct gbnf *gbnf, const char *name) {
    const json_t *known = json_object_get(gbnf->names, name);
    if (known) return (int)json_integer_value(known);
    const int rule = grammar_declare(&gbnf->builder);
    if (json_object_set_new(gbnf->names, name, json_integer(rule))) gbnf->builder.failed = true;
    return rule;
}

static const struct expression *read_either(struct gbnf *gbnf, bool nested);

static const struct expression *read_group(struct gbnf *gbnf) {
    gbnf->at++;
    if (++gbnf->depth > DEPTH_LIMIT) return refuse(gbnf, "groups are nested more than 64 deep");
    const struct expression *inside = read_either(gbnf, true);
    gbnf->depth--;
    if (!inside) return NULL;
    if (here(gbnf) != ')') return refuse(gbnf, "a group that does not end");
    gbnf->at++;
    return inside;
}

static const struct expression *read_call(struct gbnf *gbnf) {
    char name[NAME_LIMIT + 1];
    const json_int_t place = gbnf->at - gbnf->begin;
    if (!read_name(gbnf, name)) return NULL;
    if (!json_object_get(gbnf->used, name) && json_object_set_new(gbnf->used, name, json_integer(place)))
        gbnf->builder.failed = true;
    return grammar_call(&gbnf->builder, rule_named(gbnf, name));
}

static const struct expression *read_symbol(struct gbnf *gbnf) {
    switch (here(gbnf)) {
    case '"': return read_literal(gbnf);
    case '[': return read_set(gbnf);
    case '(': return read_group(gbnf);
    case '.': return gbnf->at++, grammar_range(&gbnf->builder, 0, CODE_LAST);
    case '<':
    case '!': return refuse(gbnf, "tokens cannot be named: write the text");
    default: return read_call(gbnf);
    }
}

static bool read_count(struct gbnf *gbnf, int *count) {
    if (here(gbnf) < '0' || here(gbnf) > '9') return refuse(gbnf, "a number is expected in { }"), false;
    for (*count = 0; here(gbnf) >= '0' && here(gbnf) <= '9'; gbnf->at++) {
        *count = 10 * *count + (*gbnf->at - '0');
        if (*count > REPEAT_LIMIT) return refuse(gbnf, "more than 1000 repetitions"), false;
    }
    skip(gbnf, true);
    return true;
}

/* {m}, {m,}, {m,n}; the brace is here. */
static bool read_braces(struct gbnf *gbnf, int *low, int *high) {
    gbnf->at++;
    skip(gbnf, true);
    if (!read_count(gbnf, low)) return false;
    *high = *low;
    if (here(gbnf) == ',') {
        gbnf->at++;
        skip(gbnf, true);
        *high = -1;
        if (here(gbnf) != '}' && !read_count(gbnf, high)) return false;
    }
    if (here(gbnf) != '}') return refuse(gbnf, "a repetition that does not end"), false;
    gbnf->at++;
    return *high < 0 || *high >= *low || (refuse(gbnf, "a repetition that ends before it begins"), false);
}

/* A symbol and what is said of its number, perhaps several times over. */
static const struct expression *read_repeated(struct gbnf *gbnf, bool nested) {
    const struct expression *symbol = read_symbol(gbnf);
    for (;;) {
        int low = 0, high = -1;
        skip(gbnf, nested);
        switch (symbol ? here(gbnf) : '\0') {
        case '*': gbnf->at++; break;
        case '+': gbnf->at++, low = 1; break;
        case '?': gbnf->at++, high = 1; break;
        case '{':
            if (!read_braces(gbnf, &low, &high)) return NULL;
            break;
        default: return symbol;
        }
        symbol = grammar_repeat(&gbnf->builder, symbol, low, high);
    }
}

static bool sequence_ends(const struct gbnf *gbnf) {
    return gbnf->at == gbnf->end || strchr("|)\r\n", *gbnf->at);
}

static const struct expression *read_sequence(struct gbnf *gbnf, bool nested) {
    const struct expression *all = grammar_empty(&gbnf->builder);
    skip(gbnf, nested);
    while (all && gbnf->status == STATUS_OK && !sequence_ends(gbnf))
        all = grammar_sequence(&gbnf->builder, all, read_repeated(gbnf, nested));
    return gbnf->status == STATUS_OK ? all : NULL;
}

/* Does the next line go on with another alternative? Then it is there. */
static bool goes_on(struct gbnf *gbnf) {
    const char *kept = gbnf->at;
    skip(gbnf, true);
    if (here(gbnf) == '|') return true;
    gbnf->at = kept;
    return false;
}

static const struct expression *read_either(struct gbnf *gbnf, bool nested) {
    const struct expression *sum = read_sequence(gbnf, nested);
    while (sum && goes_on(gbnf)) {
        gbnf->at++;
        skip(gbnf, true);
        sum = grammar_either(&gbnf->builder, sum, read_sequence(gbnf, nested));
    }
    return sum;
}

static void read_rule(struct gbnf *gbnf) {
    char name[NAME_LIMIT + 1];
    if (!read_name(gbnf, name)) return;
    skip(gbnf, false);
    if (gbnf->end - gbnf->at < 3 || memcmp(gbnf->at, "::=", 3) != 0) {
        (void)refuse(gbnf, "::= is expected behind a rule's name");
        return;
    }
    gbnf->at += 3;
    const int rule = rule_named(gbnf, name);
    if (!gbnf->builder.failed && gbnf->builder.rule[rule]) {
        (void)refuse(gbnf, "a rule of this name is there already");
        return;
    }
    skip(gbnf, true);
    grammar_define(&gbnf->builder, rule, read_either(gbnf, false));
    skip(gbnf, false);
    if (gbnf->status == STATUS_OK && here(gbnf) == ')') (void)refuse(gbnf, "a ) without its (");
}

/* ---- the whole ---- */

static enum status check_names(struct gbnf *gbnf) {
    const char *name;
    json_t *place;
    json_object_foreach(gbnf->used, name, place) {
        const int rule = (int)json_integer_value(json_object_get(gbnf->names, name));
        if (!gbnf->builder.rule[rule])
            return fail(STATUS_INPUT, "%s, line %d: there is no rule \"%s\"", gbnf->origin,
                        line_of(gbnf, gbnf->begin + json_integer_value(place)), name);
    }
    if (json_object_get(gbnf->names, "root")) return STATUS_OK;
    return fail(STATUS_INPUT, "%s: there is no rule \"root\", which is the whole text", gbnf->origin);
}

static enum status name_circular(const struct gbnf *gbnf) {
    const char *name;
    json_t *rule;
    json_object_foreach(
        gbnf->names, name,
        rule) if (json_integer_value(rule) ==
                  gbnf->builder
                      .circular) return fail(STATUS_INPUT,
                                             "%s: the rule \"%s\" begins with itself, without an end",
                                             gbnf->origin, name);
    return STATUS_INPUT;
}

static enum status parse(struct gbnf *gbnf, struct grammar **grammar) {
    for (skip(gbnf, true); gbnf->at < gbnf->end && gbnf->status == STATUS_OK && !gbnf->builder.failed;
         skip(gbnf, true))
        read_rule(gbnf);
    TRY(gbnf->status);
    if (!gbnf->builder.failed) TRY(check_names(gbnf));
    const int root = (int)json_integer_value(json_object_get(gbnf->names, "root"));
    const enum status status = grammar_open(grammar, &gbnf->builder, root);
    return status == STATUS_INPUT && gbnf->builder.circular >= 0 ? name_circular(gbnf) : status;
}

enum status gbnf_grammar(struct grammar **grammar, const char *text, size_t bytes, const char *origin) {
    struct gbnf gbnf = {.begin = text,
                        .at = text,
                        .end = text + bytes,
                        .origin = origin,
                        .names = json_object(),
                        .used = json_object(),
                        .status = STATUS_OK};
    *grammar = NULL;
    enum status status = STATUS_OK;
    if (bytes > TEXT_LIMIT)
        status = fail(STATUS_LIMIT, "%s: %zu bytes, at most %d are allowed", origin, bytes, TEXT_LIMIT);
    else if (!gbnf.names || !gbnf.used)
        status = fail(STATUS_MEMORY, "%s: out of memory", origin);
    else if (memchr(text, 0, bytes) || utf8_valid_bytes(text, bytes) != bytes)
        status = fail(STATUS_INPUT, "%s: is no text in UTF-8, or contains the character U+0000", origin);
    if (status == STATUS_OK) status = parse(&gbnf, grammar);
    grammar_builder_free(&gbnf.builder);
    json_decref(gbnf.names);
    json_decref(gbnf.used);
    return status;
}
