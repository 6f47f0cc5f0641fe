/* pretokenize_match.c - the known patterns, by hand.
 *
 * Each matcher finds what its regular expression finds, leftmost and with the first alternative that matches, but walks
 * forward only: a run of spaces is read once to know both its end and its last newline, where a
 * backtracking engine would try every length. The tests compare them with PCRE2 on random text. */
#include "text/pretokenize_stage.h"

#include "base/bytes.h"
#include "text/utf8.h"

typedef const unsigned char *place;

/* The character at a place before the end: its class bits, and its length. */
static inline unsigned look(const struct unicode_classes *classes, place at, int *bytes) {
    if (*at < 0x80) return *bytes = 1, classes_of_ascii(classes)[*at];
    return class_of(classes, utf8_decode(at, bytes));
}

/* The end of the run of characters from `at` whose class is in `mask`. */
static inline place skip_class(const struct stage_input *input, place at, unsigned mask) {
    const uint16_t *ascii = classes_of_ascii(input->classes);
    for (;;) {
        while (at < input->end && *at < 0x80 && ascii[*at] & mask) at++;
        if (at == input->end || *at < 0x80) return at;
        int bytes;
        if (!(look(input->classes, at, &bytes) & mask)) return at;
        at += bytes;
    }
}

static inline place skip_newlines(const struct stage_input *input, place at) {
    while (at < input->end && (*at == '\r' || *at == '\n')) at++;
    return at;
}

static inline bool class_at(const struct stage_input *input, place at, unsigned mask) {
    int bytes;
    return at < input->end && look(input->classes, at, &bytes) & mask;
}

static inline bool found(struct match *match, place begin, place end) {
    match->begin = begin;
    match->end = end;
    return true;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ (without the first alternative where newlines are only spaces), at a space: up to the last
 * newline of the run; else the run without the space that belongs to the next word; else that space. */
static place match_spaces(const struct stage_input *input, place begin, bool newlines) {
    place at = begin, last = begin, behind_newline = NULL;
    while (at < input->end) {
        int bytes;
        if (!(look(input->classes, at, &bytes) & CLASS_SPACE)) break;
        last = at;
        at += bytes;
        if (newlines && (*last == '\n' || *last == '\r')) behind_newline = at;
    }
    if (behind_newline) return behind_newline;
    return at == input->end || last == begin ? at : last;
}

/* ------- one class */

/* Skips to the first character whose class is in `mask`. */
static place seek_class(const struct stage *stage, const struct stage_input *input, place at, unsigned mask) {
    const uint16_t *ascii = classes_of_ascii(input->classes);
    while (at < input->end) {
        if (*at < 0x80) {
            if (stage->ascii_free)
                while (input->end - at >= 8 && !(read_u64(at) & 0x8080808080808080u)) at += 8;
            while (at < input->end && *at < 0x80 && !(ascii[*at] & mask)) at++;
            if (at == input->end || *at < 0x80) return at;
        }
        int bytes;
        if (look(input->classes, at, &bytes) & mask) return at;
        at += bytes;
    }
    return at;
}

bool match_class_run(const struct stage *stage, struct stage_input *input, place from, struct match *match) {
    unsigned seek = stage->mask | (stage->space_first ? CLASS_SPACE : 0u);
    place at = from;
    while ((at = seek_class(stage, input, at, seek)) < input->end) {
        int bytes;
        unsigned class = look(input->classes, at, &bytes);
        place begin = at;
        if (stage->space_first && class & CLASS_SPACE && class_at(input, at + bytes, stage->mask)) {
            at += bytes; /* the space in front, greedily */
        } else if (!(class & stage->mask)) {
            at += bytes;
            continue;
        }
        if (stage->longest == INT32_MAX) return found(match, begin, skip_class(input, at, stage->mask));
        for (int i = 0; i < stage->longest && class_at(input, at, stage->mask); i++) {
            (void)look(input->classes, at, &bytes);
            at += bytes;
        }
        return found(match, begin, at);
    }
    return false;
}

/* \s+$ where $ is the end of the text or stands before a newline */
bool match_trailing_space(const struct stage *stage, struct stage_input *input, place from,
                          struct match *match) {
    place at = from;
    while ((at = seek_class(stage, input, at, CLASS_SPACE)) < input->end) {
        place begin = at, end = NULL;
        int bytes;
        while (at < input->end && look(input->classes, at, &bytes) & CLASS_SPACE) {
            if (*at == '\n' && at > begin) end = at;
            at += bytes;
        }
        if (at == input->end) end = at;
        if (end) return found(match, begin, end);
    }
    return false;
}

/* ------- words */

static inline bool is_ascii_letter(unsigned char c) {
    return (unsigned char)((c | 0x20) - 'a') < 26;
}

/* [!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
bool match_words_deepseek(const struct stage *stage, struct stage_input *input, place from,
                          struct match *match) {
    enum { WORD = CLASS_LETTER | CLASS_MARK, SIGN = CLASS_PUNCTUATION | CLASS_SYMBOL };
    (void)stage;
    int bytes;
    for (place at = from; at < input->end; at += bytes) {
        unsigned class = look(input->classes, at, &bytes);
        if (class & WORD) return found(match, at, skip_class(input, at + bytes, WORD));
        if (class & SIGN) {
            place next = at + bytes;
            if (*at < 0x80 && next < input->end && is_ascii_letter(*next)) {
                while (next < input->end && is_ascii_letter(*next)) next++;
                return found(match, at, next);
            }
            return found(match, at, skip_newlines(input, skip_class(input, next, SIGN)));
        }
        unsigned next_class = 0;
        int next_bytes = 0;
        if (at + bytes < input->end) next_class = look(input->classes, at + bytes, &next_bytes);
        if (next_class & WORD && *at != '\r' && *at != '\n')
            return found(match, at, skip_class(input, at + bytes + next_bytes, WORD));
        if (*at == ' ' && next_class & SIGN)
            return found(match, at, skip_newlines(input, skip_class(input, at + bytes + next_bytes, SIGN)));
        if (class & CLASS_SPACE) return found(match, at, match_spaces(input, at, true));
    }
    return false;
}

/* Bytes of (?i:'s|'t|'re|'ve|'m|'ll|'d) at an apostrophe; 0: none. U+017F is a small s to a caseless match. */
static int contraction_bytes(const struct stage_input *input, place at, bool caseless) {
    size_t left = (size_t)(input->end - at);
    unsigned char fold = caseless ? 0x20 : 0;
    if (left < 2) return 0;
    unsigned char a = at[1] | fold, b = left > 2 ? at[2] | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((b == 'e' && (a == 'r' || a == 'v')) || (a == 'l' && b == 'l')) return 3;
    return caseless && left > 2 && at[1] == 0xC5 && at[2] == 0xBF ? 3 : 0;
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * Some alternative matches everywhere. */
bool match_words(const struct stage *stage, struct stage_input *input, place at, struct match *match) {
    enum { NOT_SIGN = CLASS_SPACE | CLASS_LETTER | CLASS_NUMBER };
    if (at == input->end) return false;
    int bytes, next_bytes = 0;
    unsigned class = look(input->classes, at, &bytes), next_class = NOT_SIGN;
    if (class & CLASS_LETTER) return found(match, at, skip_class(input, at + bytes, CLASS_LETTER));
    if (*at == '\'') {
        int contraction = contraction_bytes(input, at, true);
        if (contraction) return found(match, at, at + contraction);
    }
    if (class & CLASS_NUMBER) {
        place end = at + bytes;
        for (int i = 1; i < stage->digits && class_at(input, end, CLASS_NUMBER); i++) {
            (void)look(input->classes, end, &bytes);
            end += bytes;
        }
        return found(match, at, end);
    }
    place next = at + bytes;
    if (next < input->end) next_class = look(input->classes, next, &next_bytes);
    bool has_next = next < input->end;
    if (has_next && next_class & CLASS_LETTER && *at != '\r' && *at != '\n')
        return found(match, at, skip_class(input, next + next_bytes, CLASS_LETTER));
    if (class & CLASS_SPACE && !(*at == ' ' && has_next && !(next_class & NOT_SIGN)))
        return found(match, at, match_spaces(input, at, true));
    while (has_next && !(next_class & NOT_SIGN)) {
        next += next_bytes;
        has_next = next < input->end;
        if (has_next) next_class = look(input->classes, next, &next_bytes);
    }
    return found(match, at, skip_newlines(input, next));
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * with the letters and numbers of the stage: all of Unicode's, or A-Z, a-z and 0-9. */
bool match_words_gpt2(const struct stage *stage, struct stage_input *input, place at, struct match *match) {
    if (at == input->end) return false;
    if (*at == '\'') {
        int contraction = contraction_bytes(input, at, false);
        if (contraction) return found(match, at, at + contraction);
    }
    int bytes;
    place begin = at;
    unsigned class = look(input->classes, at, &bytes), not_sign = CLASS_SPACE | stage->mask | stage->numbers;
    if (*at == ' ' && at + 1 < input->end && !class_at(input, at + 1, CLASS_SPACE))
        class = look(input->classes, ++at, &bytes);
    if (class & CLASS_SPACE) return found(match, begin, match_spaces(input, begin, false));
    at += bytes;
    if (class & stage->mask) return found(match, begin, skip_class(input, at, stage->mask));
    if (class & stage->numbers) return found(match, begin, skip_class(input, at, stage->numbers));
    while (at < input->end && !(look(input->classes, at, &bytes) & not_sign)) at += bytes;
    return found(match, begin, at);
}
