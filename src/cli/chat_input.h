/* chat_input.h - what the user of `hadal chat` types: edited lines with history on a terminal, plain lines elsewhere.
 *
 * On a terminal SIGINT, SIGWINCH and SIGCONT are blocked and read from a descriptor, so that no handler and no
 * global is needed: chat_input_interrupted() says whether Ctrl-C was pressed meanwhile. Main thread. */
#ifndef HADAL_CLI_CHAT_INPUT_H
#define HADAL_CLI_CHAT_INPUT_H

#include "base/buffer.h"

#include <histedit.h>
#include <signal.h>

enum { MARK_CHARACTERS = 5 };

struct chat_input {
    bool terminal; /* edited; else plain lines, without prompts */
    EditLine *editor;
    History *history;
    const char *history_path; /* NULL: not kept */
    const char *prompt;
    int signals; /* descriptor */
    sigset_t mask_before;
    bool interrupted, was_empty; /* by Ctrl-C, on an empty line */
    bool pasting;                /* between the marks around a pasted text */
    wchar_t literal;             /* to come behind the key that quotes it; 0: none */
    wchar_t unread_character[MARK_CHARACTERS];
    int unread, unread_next; /* [unread_next, unread) were read in vain */
};

/* `history_path` (NULL: none) must outlive the input; its folder is made. */
must_use enum status chat_input_open(struct chat_input *input, bool terminal, const char *history_path);
void chat_input_close(struct chat_input *input); /* also of a zeroed one */

enum input_event {
    INPUT_MESSAGE,
    INPUT_CLEARED,     /* Ctrl-C dropped a line that had text */
    INPUT_INTERRUPTED, /* Ctrl-C on an empty line */
    INPUT_END          /* Ctrl-D, or the end of a pipe */
};
/* Reads a message into `text`: one line; lines that end in a backslash go on in the next; lines between one """ and
 * another are one message. */
must_use enum status chat_input_read(struct chat_input *input, struct buffer *text, enum input_event *event);

/* Whether Ctrl-C was pressed since the last call. Always false when not on a terminal, where it ends the program. */
bool chat_input_interrupted(struct chat_input *input);

#endif
