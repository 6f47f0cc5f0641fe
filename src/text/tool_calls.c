/* tool_calls.c - the parser of tool_calls.h. Bytes are looked at one by one, so cuts cannot matter; what may be the head of
 * a call is held, in the caller's struct, until it is one or is not. */
#include "text/tool_calls.h"

#include <string.h>

#define LIST_BEGIN "<｜tool▁calls▁begin｜>"
#define LIST_END   "<｜tool▁calls▁end｜>"
#define CALL_BEGIN "<｜tool▁call▁begin｜>"
#define CALL_END   "<｜tool▁call▁end｜>"
#define SEPARATOR  "<｜tool▁sep｜>"

enum { SPACE_MOST = 8 };

/* ---- formats ---- */

enum tool_format chat_template_tool_format(enum chat_template template) {
    static const enum tool_format formats[TEMPLATE_COUNT] = {
        [TEMPLATE_DEEPSEEK_V2] = TOOL_FORMAT_NONE,
        [TEMPLATE_DEEPSEEK_V3] = TOOL_FORMAT_FENCED,
        [TEMPLATE_DEEPSEEK_R1] = TOOL_FORMAT_FENCED,
        [TEMPLATE_DEEPSEEK_V31] = TOOL_FORMAT_PLAIN,
        [TEMPLATE_DEEPSEEK_R1_DISTILL] = TOOL_FORMAT_FENCED,
        [TEMPLATE_QWEN25] = TOOL_FORMAT_TAGGED,
        [TEMPLATE_LLAMA3] = TOOL_FORMAT_BARE,
        [TEMPLATE_DEEPSEEK_V3_0324] = TOOL_FORMAT_FENCED,
        [TEMPLATE_DEEPSEEK_R1_0528] = TOOL_FORMAT_FENCED,
        [TEMPLATE_DEEPSEEK_V31_RELEASE] = TOOL_FORMAT_PLAIN,
        [TEMPLATE_DEEPSEEK_R1_LLAMA_CPP] = TOOL_FORMAT_FENCED,
        [TEMPLATE_DEEPSEEK_R1_DISTILL_LLAMA_CPP] = TOOL_FORMAT_FENCED,
    };
    return formats[template];
}

const char *tool_call_opening(enum tool_format format) {
    static const char *const openings[] = {[TOOL_FORMAT_NONE] = "",
                                           [TOOL_FORMAT_FENCED] = LIST_BEGIN CALL_BEGIN "function" SEPARATOR,
                                           [TOOL_FORMAT_PLAIN] = LIST_BEGIN CALL_BEGIN,
                                           [TOOL_FORMAT_TAGGED] = "<tool_call>\n{\"name\": \"",
                                           [TOOL_FORMAT_BARE] = "{\"name\": \""};
    return openings[format];
}

const char *tool_call_separator(enum tool_format format) {
    static const char *const separators[] = {[TOOL_FORMAT_NONE] = "",
                                             [TOOL_FORMAT_FENCED] = "\n```json\n",
                                             [TOOL_FORMAT_PLAIN] = SEPARATOR,
                                             [TOOL_FORMAT_TAGGED] = "\", \"arguments\":",
                                             [TOOL_FORMAT_BARE] = "\", \"parameters\":"};
    return separators[format];
}

struct tool_binding tool_call_binding(enum tool_format format) {
    static const struct tool_binding bindings[] = {
        [TOOL_FORMAT_NONE] = {NULL, 0, NULL},
        [TOOL_FORMAT_FENCED] = {SEPARATOR, 0, NULL},
        [TOOL_FORMAT_PLAIN] = {CALL_BEGIN, 0, SEPARATOR},
        [TOOL_FORMAT_TAGGED] = {"<tool_call>", 0, NULL},
        [TOOL_FORMAT_BARE] = {NULL, sizeof "{\"name\": \"" - 1, NULL},
    };
    return bindings[format];
}

static bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool tool_name_is_valid(const char *name, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (!is_name_byte(name[i])) return false;
    return bytes > 0 && bytes <= TOOL_NAME_LIMIT;
}

/* ---- heads ---- */

enum match { MATCH_NO, MATCH_MORE, MATCH_YES }; /* more: it may become one */

struct cursor {
    const char *at, *end;
    const char *name;
    size_t name_bytes;
};

static bool is_space(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_spaces(struct cursor *cursor) {
    while (cursor->at < cursor->end && is_space(*cursor->at)) cursor->at++;
}

/* Moves on only where the literal is there. */
static enum match match_literal(struct cursor *cursor, const char *literal) {
    const size_t left = (size_t)(cursor->end - cursor->at), bytes = strlen(literal);
    if (memcmp(cursor->at, literal, left < bytes ? left : bytes) != 0) return MATCH_NO;
    if (left < bytes) return MATCH_MORE;
    cursor->at += bytes;
    return MATCH_YES;
}

static enum match match_name(struct cursor *cursor) {
    cursor->name = cursor->at;
    while (cursor->at < cursor->end && is_name_byte(*cursor->at)) cursor->at++;
    cursor->name_bytes = (size_t)(cursor->at - cursor->name);
    if (cursor->name_bytes > TOOL_NAME_LIMIT) return MATCH_NO;
    if (cursor->at == cursor->end) return MATCH_MORE;
    return cursor->name_bytes ? MATCH_YES : MATCH_NO;
}

/* The literals one behind the other, with any white space in front of each. */
static enum match match_spaced(struct cursor *cursor, const char *const *literal, int literals) {
    enum match match = MATCH_YES;
    for (int i = 0; i < literals && match == MATCH_YES; i++) {
        skip_spaces(cursor);
        match = match_literal(cursor, literal[i]);
    }
    return match;
}

/* The first byte of the arguments is left to be read. */
static enum match match_object(struct cursor *cursor) {
    skip_spaces(cursor);
    if (cursor->at == cursor->end) return MATCH_MORE;
    return *cursor->at == '{' ? MATCH_YES : MATCH_NO;
}

/* "function" SEPARATOR name ```json: what stands behind the separator. */
static enum match match_fenced(struct cursor *cursor) {
    static const char *const fence[] = {"```"};
    enum match match = match_name(cursor);
    if (match == MATCH_YES) match = match_spaced(cursor, fence, 1);
    if (match == MATCH_YES && cursor->at < cursor->end && *cursor->at == 'j')
        match = match_literal(cursor, "json");
    return match == MATCH_YES ? match_object(cursor) : match;
}

/* Either of the two forms, whichever the template has: models take the one for the other. */
static enum match match_token_head(struct cursor *cursor) {
    static const char *const begin[] = {CALL_BEGIN}, *const separator[] = {SEPARATOR};
    enum match match = match_literal(cursor, LIST_BEGIN);
    if (match != MATCH_MORE) match = match_spaced(cursor, begin, 1);
    skip_spaces(cursor);
    if (match == MATCH_YES) match = match_name(cursor);
    if (match == MATCH_YES) match = match_spaced(cursor, separator, 1);
    if (match != MATCH_YES) return match;
    match = match_object(cursor);
    const bool fenced =
        cursor->name_bytes == strlen("function") && !memcmp(cursor->name, "function", cursor->name_bytes);
    return match == MATCH_NO && fenced ? match_fenced(cursor) : match;
}

static enum match match_json_head(struct cursor *cursor, bool tagged) {
    static const char *const before[] = {"<tool_call>", "{", "\"name\"", ":", "\""};
    static const char *const between[] = {"\"", ","}, *const colon[] = {":"};
    enum match match = match_spaced(cursor, before + !tagged, (int)COUNT_OF(before) - !tagged);
    if (match == MATCH_YES) match = match_name(cursor);
    if (match == MATCH_YES) match = match_spaced(cursor, between, (int)COUNT_OF(between));
    if (match != MATCH_YES) return match;
    skip_spaces(cursor);
    match = match_literal(cursor, "\"arguments\"");
    if (match == MATCH_NO) match = match_literal(cursor, "\"parameters\"");
    if (match == MATCH_YES) match = match_spaced(cursor, colon, 1);
    return match == MATCH_YES ? match_object(cursor) : match;
}

/* Is what is held a head, up to the first byte of the arguments? */
static enum match match_head(const struct tool_call_parser *parser, struct cursor *cursor) {
    const char *begin = parser->held;
    *cursor = (struct cursor){.at = begin, .end = begin + parser->held_bytes};
    if (parser->held_bytes == TOOL_HEAD_LIMIT) return MATCH_NO;
    skip_spaces(cursor);
    if (cursor->at - begin > SPACE_MOST) return MATCH_NO;
    if (cursor->at == cursor->end) return MATCH_MORE;
    switch (parser->format) {
    case TOOL_FORMAT_NONE: return MATCH_NO;
    case TOOL_FORMAT_FENCED:
    case TOOL_FORMAT_PLAIN: return match_token_head(cursor);
    case TOOL_FORMAT_TAGGED: return match_json_head(cursor, true);
    case TOOL_FORMAT_BARE: return parser->seen_any ? MATCH_NO : match_json_head(cursor, false);
    }
    return MATCH_NO;
}

/* ---- states ---- */

static void drop_held(struct tool_call_parser *parser, int bytes) {
    parser->held_bytes -= bytes;
    memmove(parser->held, parser->held + bytes, (size_t)parser->held_bytes);
}

static void begin_call(struct tool_call_parser *parser, const struct cursor *cursor, tool_sink *sink,
                       void *context) {
    sink(context, TOOL_CALL_BEGIN, cursor->name, cursor->name_bytes);
    sink(context, TOOL_ARGUMENTS, "{", 1);
    *parser = (struct tool_call_parser){
        .format = parser->format, .state = TOOL_STATE_ARGUMENTS, .seen_any = true, .depth = 1};
}

static void settle_text(struct tool_call_parser *parser, tool_sink *sink, void *context) {
    struct cursor cursor;
    while (parser->held_bytes) {
        const enum match match = match_head(parser, &cursor);
        if (match == MATCH_MORE) return;
        if (match == MATCH_YES) {
            begin_call(parser, &cursor, sink, context);
            return;
        }
        sink(context, TOOL_TEXT, parser->held, 1);
        parser->seen_any = true;
        drop_held(parser, 1);
    }
}

/* What may stand behind a call: white space, and what closes it or the list. */
static enum match match_closing(const struct tool_call_parser *parser, struct cursor *cursor) {
    static const char *const closings[][3] = {{"```", CALL_END, LIST_END},
                                              {"}", "</tool_call>", "</tool_call>"}};
    const bool tokens = parser->format == TOOL_FORMAT_FENCED || parser->format == TOOL_FORMAT_PLAIN;
    enum match best = MATCH_NO;
    for (int i = 0; i < 3 && best != MATCH_YES; i++) {
        *cursor = (struct cursor){.at = parser->held, .end = parser->held + parser->held_bytes};
        const enum match match = match_literal(cursor, closings[!tokens][i]);
        if (match > best) best = match;
    }
    return best;
}

static void settle_behind(struct tool_call_parser *parser, tool_sink *sink, void *context) {
    struct cursor closing, head;
    while (parser->held_bytes && is_space(*parser->held)) drop_held(parser, 1);
    if (!parser->held_bytes) return;
    const enum match closes = match_closing(parser, &closing), begins = match_head(parser, &head);
    if (closes == MATCH_YES) {
        drop_held(parser, (int)(closing.at - parser->held));
    } else if (begins == MATCH_YES) {
        begin_call(parser, &head, sink, context);
    } else if (closes == MATCH_NO && begins == MATCH_NO) {
        parser->state = TOOL_STATE_TEXT;
        settle_text(parser, sink, context);
    }
}

static void end_call(struct tool_call_parser *parser, enum tool_event event, tool_sink *sink, void *context) {
    sink(context, event, "", 0);
    parser->state = TOOL_STATE_BEHIND;
}

/* Takes what belongs to the arguments; the rest is behind them. */
static size_t take_arguments(struct tool_call_parser *parser, const char *text, size_t bytes, tool_sink *sink,
                             void *context) {
    size_t at = 0;
    bool broken = false;
    while (at < bytes && parser->depth > 0 && !broken) {
        const char c = text[at];
        if (parser->quoted) {
            if (c == '"' && !parser->escaped) parser->quoted = false;
            parser->escaped = c == '\\' && !parser->escaped;
        } else {
            parser->quoted = c == '"';
            parser->depth += (c == '{' || c == '[') - (c == '}' || c == ']');
            broken = !c || !strchr("{}[]\":,+-.0123456789eEtruefalsn \t\r\n", c);
        }
        at += !broken;
    }
    if (at) sink(context, TOOL_ARGUMENTS, text, at);
    if (broken || parser->depth == 0)
        end_call(parser, broken ? TOOL_CALL_BROKEN : TOOL_CALL_END, sink, context);
    return at;
}

/* Text in which no call can begin. */
static size_t plain_bytes(const struct tool_call_parser *parser, const char *text, size_t bytes) {
    size_t plain = 0;
    if (parser->state != TOOL_STATE_TEXT || parser->held_bytes) return 0;
    if (parser->format == TOOL_FORMAT_NONE) return bytes;
    if (parser->format == TOOL_FORMAT_BARE) return parser->seen_any ? bytes : 0;
    while (plain < bytes && text[plain] != '<' && !is_space(text[plain])) plain++;
    return plain;
}

void tool_calls_parse(struct tool_call_parser *parser, const char *text, size_t bytes, tool_sink *sink,
                      void *context) {
    for (size_t at = 0; at < bytes;) {
        if (parser->state == TOOL_STATE_ARGUMENTS) {
            at += take_arguments(parser, text + at, bytes - at, sink, context);
            continue;
        }
        const size_t plain = plain_bytes(parser, text + at, bytes - at);
        if (plain) {
            sink(context, TOOL_TEXT, text + at, plain);
            parser->seen_any = true;
            at += plain;
            continue;
        }
        parser->held[parser->held_bytes++] = text[at++];
        if (parser->state == TOOL_STATE_TEXT)
            settle_text(parser, sink, context);
        else
            settle_behind(parser, sink, context);
    }
}

void tool_calls_finish(struct tool_call_parser *parser, tool_sink *sink, void *context) {
    struct cursor cursor;
    if (parser->state == TOOL_STATE_ARGUMENTS) end_call(parser, TOOL_CALL_BROKEN, sink, context);
    const bool closing = parser->state == TOOL_STATE_BEHIND && match_closing(parser, &cursor) != MATCH_NO;
    if (parser->held_bytes && !closing) sink(context, TOOL_TEXT, parser->held, (size_t)parser->held_bytes);
    parser->held_bytes = 0;
}
