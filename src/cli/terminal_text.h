/* terminal_text.h - text of a stranger (a model, a file) made safe to print on a terminal. Pure functions. */
#ifndef HADAL_CLI_TERMINAL_TEXT_H
#define HADAL_CLI_TERMINAL_TEXT_H

#include "base/buffer.h"

/* Appends the text with every control character but newline and tab spelled out as \xNN, so that it cannot drive the
 * terminal: C0, DEL and C1 (whose code points begin escape sequences on some terminals), and the marks that reorder
 * neighbouring text. A carriage return is dropped. Whole UTF-8 characters in. */
void terminal_text_append(struct buffer *out, const char *text, size_t bytes);

#endif
