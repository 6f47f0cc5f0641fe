/* reasoning.c - splits a stream of text into reasoning and answer. The state is in the caller's struct; one
 * thread. What is held back is bounded: white space that may stand before a tag, and a tag's beginning. All
 * of it is ASCII, so no character that came in one piece goes out in two. */
#include "text/chat.h"

#include <string.h>

static const char open_tag[] = "<think>", close_tag[] = "</think>";

enum { SPACE_MOST = 8 }; /* so much white space may stand before a tag */

static bool is_newline(char c) {
    return c == '\n' || c == '\r';
}

static void emit(struct reasoning_splitter *splitter, const char *text, size_t bytes, text_sink *sink,
                 void *context) {
    splitter->seen_any = true;
    if (bytes) sink(context, splitter->thinking ? TEXT_REASONING : TEXT_ANSWER, text, bytes);
}

static void emit_held(struct reasoning_splitter *splitter, text_sink *sink, void *context) {
    emit(splitter, splitter->held, (size_t)splitter->held_bytes, sink, context);
    splitter->held_bytes = 0;
}

static void enter(struct reasoning_splitter *splitter, bool thinking) {
    *splitter = (struct reasoning_splitter){.thinking = thinking, .after_tag = true};
}

/* How much of the text can be neither a tag nor the white space before one. */
static size_t plain_bytes(const struct reasoning_splitter *splitter, const char *text, size_t bytes) {
    size_t plain = 0;
    if (!splitter->seen_any || splitter->held_bytes) return 0;
    if (!splitter->thinking) return bytes;
    while (plain < bytes && text[plain] != '<' && !is_newline(text[plain])) plain++;
    return plain;
}

/* Takes a byte that continues `tag`, whose beginning is held[from..). */
static bool hold_tag(struct reasoning_splitter *splitter, int from, char c, const char *tag, bool thinking) {
    size_t bytes = (size_t)(splitter->held_bytes - from);
    if (memcmp(splitter->held + from, tag, bytes) != 0 || tag[bytes] != c) return false;
    splitter->held[splitter->held_bytes++] = c;
    if (!tag[bytes + 1]) enter(splitter, thinking);
    return true;
}

/* Takes a byte, or returns false: what is held is text, and so is the byte unless it begins something new. */
static bool hold(struct reasoning_splitter *splitter, char c) {
    bool fresh = !splitter->seen_any;
    int spaces = 0;
    while (spaces < splitter->held_bytes && splitter->held[spaces] != '<') spaces++;
    if (is_newline(c) || (fresh && (c == ' ' || c == '\t'))) {
        bool behind_tag = fresh && (splitter->thinking || splitter->after_tag);
        if (behind_tag && is_newline(c) && !splitter->held_bytes) return true;
        if (spaces < splitter->held_bytes || spaces == SPACE_MOST) return false;
        splitter->held[splitter->held_bytes++] = c;
        return true;
    }
    return (fresh && hold_tag(splitter, spaces, c, open_tag, true)) ||
           (splitter->thinking && hold_tag(splitter, spaces, c, close_tag, false));
}

void reasoning_split(struct reasoning_splitter *splitter, const char *text, size_t bytes, text_sink *sink,
                     void *context) {
    const char *end = text + bytes;
    if (bytes && splitter->spaced) {
        splitter->spaced = false;
        text += *text == ' ';
    }
    while (text < end) {
        size_t plain = plain_bytes(splitter, text, (size_t)(end - text));
        if (plain) emit(splitter, text, plain, sink, context);
        text += plain;
        if (text < end && hold(splitter, *text))
            text++;
        else if (text < end)
            emit_held(splitter, sink, context);
    }
}

void reasoning_split_finish(struct reasoning_splitter *splitter, text_sink *sink, void *context) {
    emit_held(splitter, sink, context);
}
