/* grammar_build.c - expressions, and code points as the bytes of UTF-8. */
#include "text/grammar_expression.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

static const struct expression *make(struct grammar_builder *builder, struct expression expression) {
    if (builder->failed) return NULL;
    builder->full = ++builder->expressions > GRAMMAR_EXPRESSIONS_LIMIT;
    struct expression *made = builder->full ? NULL : arena_take(&builder->arena, sizeof *made);
    if (!made) {
        builder->failed = true;
        return NULL;
    }
    *made = expression;
    return made;
}

void grammar_builder_free(struct grammar_builder *builder) {
    arena_free(&builder->arena);
    free(builder->rule);
    *builder = (struct grammar_builder){0};
}

const struct expression *grammar_empty(struct grammar_builder *builder) {
    return make(builder, (struct expression){.kind = EXPRESSION_EMPTY});
}

const struct expression *grammar_bytes(struct grammar_builder *builder, const void *text, size_t bytes) {
    char *copy = arena_copy(&builder->arena, text, bytes);
    if (!copy) builder->failed = true;
    return copy ? make(builder, (struct expression){.kind = EXPRESSION_TEXT, .text = copy, .bytes = bytes})
                : NULL;
}

const struct expression *grammar_text(struct grammar_builder *builder, const char *text) {
    return grammar_bytes(builder, text, strlen(text));
}

const struct expression *grammar_set(struct grammar_builder *builder, struct byte_set set) {
    return make(builder, (struct expression){.kind = EXPRESSION_SET, .set = set});
}

const struct expression *grammar_sequence(struct grammar_builder *builder, const struct expression *first,
                                          const struct expression *second) {
    if (!first || !second) return NULL;
    return make(builder, (struct expression){.kind = EXPRESSION_SEQUENCE, .one = first, .two = second});
}

const struct expression *grammar_either(struct grammar_builder *builder, const struct expression *one,
                                        const struct expression *other) {
    if (!one || !other) return NULL;
    return make(builder, (struct expression){.kind = EXPRESSION_EITHER, .one = one, .two = other});
}

const struct expression *grammar_repeat(struct grammar_builder *builder, const struct expression *expression,
                                        int low, int high) {
    if (!expression) return NULL;
    return make(builder,
                (struct expression){.kind = EXPRESSION_REPEAT, .one = expression, .low = low, .high = high});
}

const struct expression *grammar_optional(struct grammar_builder *builder,
                                          const struct expression *expression) {
    return grammar_repeat(builder, expression, 0, 1);
}

int grammar_declare(struct grammar_builder *builder) {
    if (builder->rules == builder->capacity) {
        int more = builder->capacity ? 2 * builder->capacity : 64;
        const struct expression **grown = realloc(builder->rule, (size_t)more * sizeof(void *));
        if (!grown || builder->rules >= GRAMMAR_RULES_LIMIT) {
            if (grown) builder->rule = grown;
            builder->full |= builder->rules >= GRAMMAR_RULES_LIMIT;
            builder->failed = true;
            return 0;
        }
        builder->rule = grown;
        builder->capacity = more;
    }
    builder->rule[builder->rules] = NULL;
    return builder->rules++;
}

void grammar_define(struct grammar_builder *builder, int rule, const struct expression *expression) {
    if (rule < builder->rules) builder->rule[rule] = expression;
}

const struct expression *grammar_call(struct grammar_builder *builder, int rule) {
    return make(builder, (struct expression){.kind = EXPRESSION_CALL, .low = rule});
}

bool expression_may_be_empty(const struct expression *expression) {
    for (; expression && expression->kind == EXPRESSION_SEQUENCE; expression = expression->one)
        if (!expression_may_be_empty(expression->two)) return false;
    if (!expression) return false;
    switch (expression->kind) {
    case EXPRESSION_EMPTY: return true;
    case EXPRESSION_TEXT: return expression->bytes == 0;
    case EXPRESSION_EITHER:
        return expression_may_be_empty(expression->two) || expression_may_be_empty(expression->one);
    case EXPRESSION_REPEAT: return expression->low == 0 || expression_may_be_empty(expression->one);
    default: return false;
    }
}

/* ---- code points ---- */

static const struct expression *byte_range(struct grammar_builder *builder, unsigned low, unsigned high) {
    struct byte_set set = {{0}};
    for (unsigned b = low; b <= high; b++) byte_set_add(&set, (unsigned char)b);
    return grammar_set(builder, set);
}

/* From `low` to `high`, two sequences of one length of which only the last `free` bytes differ freely. */
static const struct expression *same_length(struct grammar_builder *builder, const unsigned char *low,
                                            const unsigned char *high, int bytes) {
    if (bytes == 1) return byte_range(builder, low[0], high[0]);
    if (low[0] == high[0])
        return grammar_sequence(builder, byte_range(builder, low[0], low[0]),
                                same_length(builder, low + 1, high + 1, bytes - 1));
    static const unsigned char least[3] = {0x80, 0x80, 0x80}, most[3] = {0xBF, 0xBF, 0xBF};
    unsigned first = low[0], last = high[0];
    const struct expression *sum = NULL, *part;
    if (memcmp(low + 1, least, (size_t)bytes - 1)) {
        sum = grammar_sequence(builder, byte_range(builder, first, first),
                               same_length(builder, low + 1, most, bytes - 1));
        first++;
    }
    if (memcmp(high + 1, most, (size_t)bytes - 1)) {
        part = grammar_sequence(builder, byte_range(builder, last, last),
                                same_length(builder, least, high + 1, bytes - 1));
        sum = sum ? grammar_either(builder, sum, part) : part;
        last--;
    }
    if (first > last) return sum;
    part = grammar_sequence(builder, byte_range(builder, first, last),
                            same_length(builder, least, most, bytes - 1));
    return sum ? grammar_either(builder, sum, part) : part;
}

static const struct expression *encoded_range(struct grammar_builder *builder, uint32_t low, uint32_t high) {
    unsigned char from[4], to[4];
    int bytes = utf8_encode(low, from);
    (void)utf8_encode(high, to);
    return same_length(builder, from, to, bytes);
}

const struct expression *grammar_range(struct grammar_builder *builder, uint32_t low, uint32_t high) {
    /* lengths change, and surrogates are left out, at these */
    static const uint32_t pieces[][2] = {
        {0, 0x7F}, {0x80, 0x7FF}, {0x800, 0xD7FF}, {0xE000, 0xFFFF}, {0x10000, 0x10FFFF}};
    const struct expression *sum = NULL;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        uint32_t from = low > pieces[i][0] ? low : pieces[i][0],
                 to = high < pieces[i][1] ? high : pieces[i][1];
        if (from > to) continue;
        const struct expression *part = encoded_range(builder, from, to);
        sum = sum ? grammar_either(builder, sum, part) : part;
    }
    return sum ? sum : grammar_set(builder, (struct byte_set){{0}});
}
