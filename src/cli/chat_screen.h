/* chat_screen.h - how an answer of `hadal chat` appears: reasoning dim or folded into one line, then the answer.
 *
 * Off a terminal only the answer is printed, byte for byte. Main thread; owns the terminal's last line while an answer
 * is running. */
#ifndef HADAL_CLI_CHAT_SCREEN_H
#define HADAL_CLI_CHAT_SCREEN_H

#include "base/buffer.h"
#include "text/chat.h"

#include <stdio.h>

enum screen_part { PART_NONE, PART_REASONING, PART_ANSWER };

struct chat_screen {
    FILE *stream;
    bool terminal; /* someone is looking: reasoning is shown, control characters are not obeyed */
    bool colour;
    bool folded; /* reasoning is one line that counts */
    enum screen_part part;
    int reasoning_tokens;
    double started, drawn; /* of the reasoning; of its line */
    bool at_line_start;
    struct buffer safe;
};

void chat_screen_free(struct chat_screen *screen);

/* An answer: begin, then text and tokens as they come, then end. `thinking`: it begins with reasoning. */
void chat_screen_begin(struct chat_screen *screen, bool thinking);
void chat_screen_text(struct chat_screen *screen, enum text_kind kind, const char *text, size_t bytes);
void chat_screen_token(struct chat_screen *screen);
void chat_screen_end(struct chat_screen *screen);

/* A line about the conversation, dim, on a terminal only. */
void chat_screen_note(struct chat_screen *screen, const char *format, ...) printf_like(2, 3);
/* A line of text that may come from a file. */
void chat_screen_line(struct chat_screen *screen, const char *text);
/* Reasoning that is over, in full. */
void chat_screen_reasoning(struct chat_screen *screen, const char *text, size_t bytes);

#endif
