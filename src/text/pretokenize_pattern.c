/* pretokenize_pattern.c - recognises the patterns that have a matcher; leaves the others to PCRE2. */
#include "text/pretokenize_stage.h"

#include "base/buffer.h"
#include "text/utf8.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Spelled with \r and \n escaped; a file may contain the characters themselves. */
enum { ASCII_WORDS = -1 };
static const struct {
    const char *pattern;
    stage_match *match;
    int digits; /* in one piece; ASCII_WORDS: only ASCII letters and digits count as such */
} known[] = {
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+|"
     " ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_words_deepseek, 0},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_words, 1},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
     "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     match_words, 3},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", match_words_gpt2,
     0},
    {"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\\sA-Za-z0-9]+|\\s+(?!\\S)|\\s+", match_words_gpt2,
     ASCII_WORDS},
    {"\\s+$", match_trailing_space, 0},
};

enum status pretokenizer_add_stage(struct pretokenizer *pretokenizer, struct stage **stage) {
    if (pretokenizer->stages == STAGES)
        return fail(STATUS_LIMIT, "%s: pre_tokenizer: more than %d stages", pretokenizer->origin, STAGES);
    *stage = &pretokenizer->stage[pretokenizer->stages++];
    return STATUS_OK;
}

/* ------- the form \s?[ranges]+ */

struct class_pattern {
    const char *at;
    bool space_first;
    int longest;
    uint16_t mask;
    struct code_range_list ranges;
};

/* \p{L} and its kind, behind "\p"; 0: none of ours. */
static uint16_t category_mask(const char **at) {
    static const struct {
        char name[4];
        uint16_t mask;
    } category[] = {{"{L}", CLASS_LETTER},
                    {"{M}", CLASS_MARK},
                    {"{N}", CLASS_NUMBER},
                    {"{P}", CLASS_PUNCTUATION},
                    {"{S}", CLASS_SYMBOL}};
    for (size_t i = 0; i < COUNT_OF(category); i++)
        if (!strncmp(*at, category[i].name, 3)) return *at += 3, category[i].mask;
    return 0;
}

/* One member of a bracket: a character. False when it is anything else. */
static bool read_member(const char **at, uint32_t *code_point) {
    int bytes = 1;
    if (**at == '\\') {
        static const char letter[] = "rnt\\-[]^./", value[] = "\r\n\t\\-[]^./";
        const char *which = strchr(letter, (*at)[1]);
        if (!which || !(*at)[1]) return false;
        *code_point = (unsigned char)value[which - letter];
        *at += 2;
        return true;
    }
    if (!**at || strchr("[]&^", **at)) return false;
    *code_point = utf8_decode((const unsigned char *)*at, &bytes);
    *at += bytes;
    return true;
}

/* Behind '[', through ']'. *fits says whether the bracket is of the simple form. */
static enum status read_bracket(struct class_pattern *pattern, bool *fits) {
    *fits = false;
    while (*pattern->at != ']') {
        uint32_t first, last;
        if (pattern->at[0] == '\\' && pattern->at[1] == 'p') {
            pattern->at += 2;
            uint16_t mask = category_mask(&pattern->at);
            if (!mask) return STATUS_OK;
            pattern->mask |= mask;
            continue;
        }
        if (!read_member(&pattern->at, &first)) return STATUS_OK;
        last = first;
        if (pattern->at[0] == '-' && pattern->at[1] != ']') {
            pattern->at++;
            if (!read_member(&pattern->at, &last) || last < first) return STATUS_OK;
        }
        TRY(code_range_append(&pattern->ranges, first, last));
    }
    pattern->at++;
    *fits = true;
    return STATUS_OK;
}

static bool read_quantifier(struct class_pattern *pattern) {
    const char *at = pattern->at;
    pattern->longest = !*at ? 1 : INT32_MAX;
    if (!*at || !strcmp(at, "+")) return true;
    if (strncmp(at, "{1,", 3) || at[3] < '1' || at[3] > '9' || strcmp(at + 4, "}") != 0) return false;
    pattern->longest = at[3] - '0';
    return true;
}

static enum status read_class_pattern(struct class_pattern *pattern, bool *fits) {
    *fits = false;
    if (!strncmp(pattern->at, "\\s?", 3)) {
        pattern->space_first = true;
        pattern->at += 3;
    }
    if (!strncmp(pattern->at, "\\p", 2)) {
        pattern->at += 2;
        pattern->mask = category_mask(&pattern->at);
        if (!pattern->mask) return STATUS_OK;
    } else if (*pattern->at == '[') {
        pattern->at++;
        TRY(read_bracket(pattern, fits));
        if (!*fits) return STATUS_OK;
    } else {
        return STATUS_OK;
    }
    *fits = read_quantifier(pattern);
    return STATUS_OK;
}

static bool has_ascii(const struct class_pattern *pattern) {
    bool ascii = pattern->space_first || pattern->mask;
    for (int i = 0; i < pattern->ranges.count; i++) ascii |= pattern->ranges.range[i].first < 0x80;
    return ascii;
}

/* Takes over the ranges. *added stays false when the pattern is of another form. */
static enum status add_class_run(struct pretokenizer *pretokenizer, const char *text, struct stage *stage,
                                 bool *added) {
    struct class_pattern pattern = {.at = text};
    enum status status = read_class_pattern(&pattern, added);
    bool custom = pattern.ranges.count > 0;
    if (custom && pretokenizer->customs == CLASS_CUSTOM_COUNT) *added = false;
    if (status != STATUS_OK || !*added) {
        free(pattern.ranges.range);
        return status;
    }
    stage->match = match_class_run;
    stage->space_first = pattern.space_first;
    stage->ascii_free = !has_ascii(&pattern);
    stage->longest = pattern.longest;
    stage->mask = pattern.mask;
    if (custom) {
        stage->mask |= (uint16_t)(CLASS_CUSTOM << pretokenizer->customs);
        pretokenizer->custom[pretokenizer->customs++] = pattern.ranges;
    }
    return STATUS_OK;
}

/* ------- any pattern */

static void escape_newlines(struct buffer *out, const char *pattern) {
    for (; *pattern; pattern++) {
        if (*pattern == '\r')
            buffer_append_text(out, "\\r");
        else if (*pattern == '\n')
            buffer_append_text(out, "\\n");
        else
            buffer_append_char(out, *pattern);
    }
    buffer_append(out, "", 0);
}

/* *mask gets the bit of a class of ASCII characters; no bit is left when *added becomes false. */
static enum status add_ascii_class(struct pretokenizer *pretokenizer, const char *ranges, uint16_t *mask,
                                   bool *added) {
    *added = pretokenizer->customs < CLASS_CUSTOM_COUNT;
    if (!*added) return STATUS_OK;
    *mask = (uint16_t)(CLASS_CUSTOM << pretokenizer->customs);
    struct code_range_list *custom = &pretokenizer->custom[pretokenizer->customs++];
    for (; *ranges; ranges += 2)
        TRY(code_range_append(custom, (unsigned char)ranges[0], (unsigned char)ranges[1]));
    return STATUS_OK;
}

static enum status set_words(struct pretokenizer *pretokenizer, struct stage *stage, int digits,
                             bool *added) {
    stage->digits = digits;
    stage->mask = CLASS_LETTER;
    stage->numbers = CLASS_NUMBER;
    *added = true;
    if (digits != ASCII_WORDS) return STATUS_OK;
    TRY(add_ascii_class(pretokenizer, "AZaz", &stage->mask, added));
    return *added ? add_ascii_class(pretokenizer, "09", &stage->numbers, added) : STATUS_OK;
}

static enum status add_known(struct pretokenizer *pretokenizer, const char *pattern, struct stage *stage,
                             bool *added) {
    *added = false;
    if (pretokenizer->engine == PRETOKENIZE_PCRE2) return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (strcmp(known[i].pattern, pattern) != 0) continue;
        stage->match = known[i].match;
        return set_words(pretokenizer, stage, known[i].digits, added);
    }
    return add_class_run(pretokenizer, pattern, stage, added);
}

enum status pretokenizer_add_pattern(struct pretokenizer *pretokenizer, const char *pattern,
                                     enum split_behaviour behaviour, bool invert) {
    struct buffer escaped = {0};
    struct stage *stage = NULL;
    bool added = false;
    TRY(pretokenizer_add_stage(pretokenizer, &stage));
    stage->behaviour = behaviour;
    stage->invert = invert;
    escape_newlines(&escaped, pattern);
    enum status status = buffer_check(&escaped, "pattern");
    if (status == STATUS_OK) status = add_known(pretokenizer, escaped.data, stage, &added);
    buffer_free(&escaped);
    if (status != STATUS_OK || added) return status;
    pretokenizer->uses_pcre2 = true;
    return stage_compile(stage, pattern, false, pretokenizer->origin);
}
