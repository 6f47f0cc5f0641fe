/* chat_screen.c - writes the parts of an answer and the marks between them. */
#include "cli/chat_screen.h"

#include "base/clock.h"
#include "cli/terminal_text.h"

#include <stdarg.h>
#include <string.h>

#define REDRAW_SECONDS 0.1

static const char dim[] = "\033[2m", plain[] = "\033[0m", clear_line[] = "\r\033[K";

void chat_screen_free(struct chat_screen *screen) {
    buffer_free(&screen->safe);
}

static void style(struct chat_screen *screen, const char *sequence) {
    if (screen->colour) fputs(sequence, screen->stream);
}

static void write_text(struct chat_screen *screen, const char *text, size_t bytes) {
    if (screen->terminal) {
        buffer_clear(&screen->safe);
        terminal_text_append(&screen->safe, text, bytes);
        text = screen->safe.data;
        bytes = screen->safe.bytes;
    }
    if (!bytes) return;
    fwrite(text, 1, bytes, screen->stream);
    screen->at_line_start = text[bytes - 1] == '\n';
}

static void end_line(struct chat_screen *screen) {
    if (!screen->at_line_start) fputc('\n', screen->stream);
    screen->at_line_start = true;
}

/* ---- reasoning ---- */

static void draw_folded(struct chat_screen *screen, bool running) {
    double now = clock_seconds();
    if (running && now - screen->drawn < REDRAW_SECONDS) return;
    fputs(clear_line, screen->stream);
    style(screen, dim);
    fprintf(screen->stream, "%s %d token%s, %.1f s", running ? "thinking…" : "thought for",
            screen->reasoning_tokens, screen->reasoning_tokens == 1 ? "" : "s", now - screen->started);
    style(screen, plain);
    fflush(screen->stream);
    screen->drawn = now;
    screen->at_line_start = false;
}

static void begin_reasoning(struct chat_screen *screen) {
    screen->part = PART_REASONING;
    screen->started = clock_seconds();
    screen->drawn = 0;
    if (screen->terminal && !screen->folded) style(screen, dim);
}

static void end_reasoning(struct chat_screen *screen) {
    if (!screen->terminal) return;
    if (!screen->reasoning_tokens) { /* the answer began at once */
        style(screen, plain);
        return;
    }
    if (screen->folded)
        draw_folded(screen, false);
    else
        style(screen, plain);
    end_line(screen);
    fputc('\n', screen->stream);
}

/* ---- answers ---- */

void chat_screen_begin(struct chat_screen *screen, bool thinking) {
    screen->part = PART_NONE;
    screen->reasoning_tokens = 0;
    screen->at_line_start = true;
    if (thinking) begin_reasoning(screen);
}

void chat_screen_text(struct chat_screen *screen, enum text_kind kind, const char *text, size_t bytes) {
    if (kind == TEXT_REASONING) {
        if (screen->part == PART_ANSWER) end_line(screen);
        if (screen->part != PART_REASONING) begin_reasoning(screen);
        if (screen->terminal && !screen->folded) write_text(screen, text, bytes);
    } else {
        if (screen->part == PART_REASONING) end_reasoning(screen);
        screen->part = PART_ANSWER;
        write_text(screen, text, bytes);
    }
    fflush(screen->stream);
}

void chat_screen_token(struct chat_screen *screen) {
    if (screen->part != PART_REASONING) return;
    screen->reasoning_tokens++;
    if (screen->terminal && screen->folded) draw_folded(screen, true);
}

void chat_screen_end(struct chat_screen *screen) {
    if (screen->part == PART_REASONING) end_reasoning(screen);
    if (screen->part == PART_ANSWER || !screen->terminal) end_line(screen);
    screen->part = PART_NONE;
    fflush(screen->stream);
}

void chat_screen_note(struct chat_screen *screen, const char *format, ...) {
    if (!screen->terminal) return;
    va_list arguments;
    va_start(arguments, format);
    style(screen, dim);
    vfprintf(screen->stream, format, arguments);
    style(screen, plain);
    fputc('\n', screen->stream);
    fflush(screen->stream);
    va_end(arguments);
}

void chat_screen_line(struct chat_screen *screen, const char *text) {
    screen->at_line_start = true;
    write_text(screen, text, strlen(text));
    end_line(screen);
    fflush(screen->stream);
}

void chat_screen_reasoning(struct chat_screen *screen, const char *text, size_t bytes) {
    style(screen, dim);
    screen->at_line_start = true;
    write_text(screen, text, bytes);
    style(screen, plain);
    end_line(screen);
    fflush(screen->stream);
}
