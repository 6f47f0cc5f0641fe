/* chat_input.c - libedit on a terminal, plain reading elsewhere. Owns the terminal's mode only while a line is edited.
 *
 * libedit reads through read_character(), which waits for signals too: a read that a signal interrupts would be
 * taken for an error. A pasted text comes between two marks and becomes one line that contains newlines. */
#include "cli/chat_input.h"

#include "text/utf8.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HISTORY_LINES = 1000,
    MESSAGE_BYTES = 1 << 24,
    QUOTE_BYTES = 3,
    MARK_MILLISECONDS = 20,
    QUOTE_KEY = 'V' & 31 /* Ctrl-V: what follows is text */
};

static const char quote[] = "\"\"\"", paste_on[] = "\033[?2004h", paste_off[] = "\033[?2004l";
static const wchar_t paste_begin[] = L"[200~", paste_end[] = L"[201~"; /* behind an escape character */

/* ---- signals ---- */

static enum status block_signals(struct chat_input *input) {
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGWINCH);
    sigaddset(&mask, SIGCONT);
    input->signals = signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC);
    if (input->signals < 0) return fail(STATUS_IO, "cannot watch for Ctrl-C: %s", strerror(errno));
    pthread_sigmask(SIG_BLOCK, &mask, &input->mask_before);
    return STATUS_OK;
}

/* The next pending signal, or 0. */
static int take_signal(struct chat_input *input) {
    struct signalfd_siginfo info;
    return read(input->signals, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

bool chat_input_interrupted(struct chat_input *input) {
    bool interrupted = false;
    if (!input->terminal) return false;
    for (int signal = take_signal(input); signal; signal = take_signal(input))
        interrupted |= signal == SIGINT;
    return interrupted;
}

/* ---- characters for libedit ---- */

/* True when Ctrl-C was among them. */
static bool handle_signals(struct chat_input *input) {
    bool interrupted = false;
    for (int signal = take_signal(input); signal; signal = take_signal(input)) {
        interrupted |= signal == SIGINT;
        if (signal == SIGWINCH) el_resize(input->editor);
        if (signal != SIGCONT) continue;
        el_set(input->editor, EL_PREP_TERM, 1); /* the shell has changed the terminal's mode meanwhile */
        el_set(input->editor, EL_REFRESH);
    }
    return interrupted;
}

/* Waits for a byte. 1, 0 at the end of the input, -1 after Ctrl-C or a failure. */
static int read_byte(struct chat_input *input, unsigned char *byte) {
    struct pollfd ready[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                              {.fd = input->signals, .events = POLLIN}};
    while (true) {
        if (poll(ready, 2, -1) < 0 && errno != EINTR) return -1;
        if (ready[1].revents && handle_signals(input)) {
            const LineInfo *line = el_line(input->editor);
            input->interrupted = true;
            input->was_empty = line->lastchar == line->buffer;
            errno = EINTR;
            return -1;
        }
        if (!ready[0].revents) continue;
        ssize_t got = read(STDIN_FILENO, byte, 1);
        if (got >= 0 || errno != EINTR) return (int)got;
    }
}

/* One character as it was typed. */
static int read_typed(struct chat_input *input, wchar_t *character) {
    unsigned char bytes[4];
    int count = 0, length;
    if (input->unread_next < input->unread) {
        *character = input->unread_character[input->unread_next++];
        return 1;
    }
    while (true) {
        int got = read_byte(input, &bytes[count]);
        if (got <= 0) return got;
        count++;
        enum utf8_kind kind = utf8_classify(bytes, (size_t)count, &length);
        if (kind == UTF8_WHOLE) break;
        if (kind == UTF8_BROKEN) count = 0;
    }
    *character = (wchar_t)utf8_decode(bytes, &length);
    return 1;
}

static bool more_soon(const struct chat_input *input) {
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    return input->unread_next < input->unread || poll(&ready, 1, MARK_MILLISECONDS) > 0;
}

/* Behind an escape character: whether the rest of a mark follows, which a terminal sends at one go. What was read in
 * vain is read again; an escape character among it is the last, so that no call finds any of it unread. */
static bool read_mark(struct chat_input *input, const wchar_t *mark) {
    wchar_t seen[MARK_CHARACTERS];
    int count = 0;
    bool same = true;
    while (same && count < MARK_CHARACTERS) {
        if (!more_soon(input) || read_typed(input, &seen[count]) != 1) break;
        same = seen[count] == mark[count];
        count++;
    }
    if (same && count == MARK_CHARACTERS) return true;
    wmemcpy(input->unread_character, seen, (size_t)count);
    input->unread = count;
    input->unread_next = 0;
    return false;
}

/* A pasted text is free of keys: newlines and tabs are quoted, other control characters dropped. True: *character is to
 * be delivered. */
static bool take_pasted(struct chat_input *input, wchar_t *character) {
    if (*character == L'\033') {
        input->pasting = !read_mark(input, paste_end);
        return false;
    }
    if (*character == L'\r') *character = L'\n';
    if (*character == L'\n' || *character == L'\t') {
        input->literal = *character;
        *character = QUOTE_KEY;
    } else if (*character < L' ' || *character == 0x7f) {
        return false;
    }
    return true;
}

static int read_character(EditLine *editor, wchar_t *character) {
    struct chat_input *input;
    el_get(editor, EL_CLIENTDATA, &input);
    if (input->literal) { /* behind the key that quotes it */
        *character = input->literal;
        input->literal = 0;
        return 1;
    }
    while (true) {
        int got = read_typed(input, character);
        if (got <= 0) return got;
        if (input->pasting) {
            if (take_pasted(input, character)) return 1;
        } else if (*character != L'\033' || !read_mark(input, paste_begin)) {
            return 1;
        } else {
            input->pasting = true;
        }
    }
}

static char *show_prompt(EditLine *editor) {
    struct chat_input *input;
    el_get(editor, EL_CLIENTDATA, &input);
    return (char *)input->prompt;
}

/* ---- history ---- */

static void make_folders(const char *path) {
    char folder[4096];
    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder) return;
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(folder, 0700);
        *slash = '/';
    }
}

static void history_load(struct chat_input *input) {
    HistEvent event;
    history(input->history, &event, H_SETSIZE, HISTORY_LINES);
    history(input->history, &event, H_SETUNIQUE, 1);
    if (!input->history_path) return;
    make_folders(input->history_path);
    history(input->history, &event, H_LOAD, input->history_path); /* there may be none yet */
}

/* After each line, so that nothing is lost with the terminal. A history that cannot be written is no reason to stop. */
static void history_enter(struct chat_input *input, const char *line) {
    HistEvent event;
    if (!line[strspn(line, " \t\n")]) return;
    history(input->history, &event, H_ENTER, line);
    if (input->history_path) history(input->history, &event, H_SAVE, input->history_path);
}

/* ---- opening ---- */

static enum status open_editor(struct chat_input *input) {
    if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "");
    input->history = history_init();
    input->editor = el_init("hadal", stdin, stdout, stderr);
    if (!input->history || !input->editor) return fail(STATUS_MEMORY, "no memory for the line editor");
    history_load(input);
    EditLine *editor = input->editor;
    el_set(editor, EL_CLIENTDATA, input);
    el_set(editor, EL_PROMPT, show_prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, input->history);
    el_set(editor, EL_GETCFN, read_character);
    el_set(editor, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(editor, EL_BIND, "\\e[1;5D", "ed-prev-word", NULL);
    el_set(editor, EL_BIND, "\\e[1;5C", "em-next-word", NULL);
    el_set(editor, EL_BIND, "\\e[3~", "ed-delete-next-char", NULL);
    el_source(editor, NULL);                                 /* the user's own bindings */
    el_set(editor, EL_BIND, "^V", "ed-quoted-insert", NULL); /* QUOTE_KEY */
    return STATUS_OK;
}

enum status chat_input_open(struct chat_input *input, bool terminal, const char *history_path) {
    *input = (struct chat_input){.history_path = history_path, .signals = -1};
    if (!terminal) return STATUS_OK;
    TRY(block_signals(input));
    input->terminal = true;
    enum status status = open_editor(input);
    if (status != STATUS_OK) chat_input_close(input);
    return status;
}

void chat_input_close(struct chat_input *input) {
    if (input->editor) el_end(input->editor);
    if (input->history) history_end(input->history);
    if (input->terminal) {
        close(input->signals);
        pthread_sigmask(SIG_SETMASK, &input->mask_before, NULL);
    }
    *input = (struct chat_input){0};
}

/* ---- lines ---- */

static void cut_newline(struct buffer *line) {
    if (line->bytes && line->data[line->bytes - 1] == '\n') line->data[--line->bytes] = 0;
    if (line->bytes && line->data[line->bytes - 1] == '\r') line->data[--line->bytes] = 0;
}

static enum status edit_line(struct chat_input *input, struct buffer *line, enum input_event *event) {
    int count;
    input->interrupted = input->pasting = false;
    input->literal = 0;
    input->unread = input->unread_next = 0;
    chat_input_interrupted(input); /* one that came too late for the answer */
    el_resize(input->editor);
    el_set(input->editor, EL_PREP_TERM, 1); /* before the prompt, so that nothing is echoed twice */
    fputs(paste_on, stdout);
    const char *text = el_gets(input->editor, &count);
    fputs(paste_off, stdout);
    if (text && count > 0) {
        buffer_append(line, text, (size_t)count);
    } else if (input->interrupted) {
        puts("^C");
        *event = input->was_empty ? INPUT_INTERRUPTED : INPUT_CLEARED;
    } else {
        putchar('\n');
        *event = INPUT_END;
    }
    fflush(stdout);
    return buffer_check(line, "the line");
}

static enum status plain_line(struct buffer *line, enum input_event *event) {
    int byte = 0;
    errno = 0;
    while (byte != '\n' && (byte = getc_unlocked(stdin)) != EOF) {
        buffer_append_char(line, (char)byte);
        TRY(buffer_check(line, "a line of standard input"));
    }
    if (ferror(stdin)) return fail(STATUS_IO, "standard input: %s", strerror(errno));
    if (!line->bytes) *event = INPUT_END;
    return STATUS_OK;
}

static enum status read_line(struct chat_input *input, const char *prompt, struct buffer *line,
                             enum input_event *event) {
    buffer_clear(line);
    buffer_append(line, "", 0);
    input->prompt = prompt;
    *event = INPUT_MESSAGE;
    TRY(input->terminal ? edit_line(input, line, event) : plain_line(line, event));
    cut_newline(line);
    if (*event == INPUT_MESSAGE && input->terminal) history_enter(input, line->data);
    return STATUS_OK;
}

static bool ends_in(const struct buffer *line, const char *end) {
    size_t bytes = strlen(end);
    return line->bytes >= bytes && memcmp(line->data + line->bytes - bytes, end, bytes) == 0;
}

/* A further line of a message. A message that the end of the input cuts off is one too; Ctrl-C drops all of it. */
static enum status read_next(struct chat_input *input, struct buffer *line, enum input_event *event,
                             bool *more) {
    TRY(read_line(input, "... ", line, event));
    *more = *event == INPUT_MESSAGE;
    if (*event == INPUT_END) *event = INPUT_MESSAGE;
    if (*event == INPUT_INTERRUPTED) *event = INPUT_CLEARED;
    return STATUS_OK;
}

static enum status read_continued(struct chat_input *input, struct buffer *text, struct buffer *line,
                                  enum input_event *event) {
    bool more = true;
    while (more && ends_in(line, "\\")) {
        buffer_append(text, line->data, line->bytes - 1);
        buffer_append_char(text, '\n');
        TRY(read_next(input, line, event, &more));
    }
    buffer_append(text, line->data, line->bytes);
    return buffer_check(text, "the message");
}

static enum status read_quoted(struct chat_input *input, struct buffer *text, struct buffer *line,
                               enum input_event *event) {
    size_t begin = QUOTE_BYTES;
    bool more = true;
    while (more) {
        bool closed = line->bytes >= begin + QUOTE_BYTES && ends_in(line, quote);
        buffer_append(text, line->data + begin, line->bytes - begin - (closed ? QUOTE_BYTES : 0));
        if (closed) break;
        if (text->bytes) buffer_append_char(text, '\n');
        TRY(read_next(input, line, event, &more));
        begin = 0;
    }
    TRY(buffer_check(text, "the message"));
    if (ends_in(text, "\n")) text->data[--text->bytes] = 0; /* the closing quotes have a line of their own */
    return STATUS_OK;
}

enum status chat_input_read(struct chat_input *input, struct buffer *text, enum input_event *event) {
    struct buffer line = {.limit = MESSAGE_BYTES};
    buffer_clear(text);
    buffer_append(text, "", 0);
    text->limit = MESSAGE_BYTES;
    enum status status = read_line(input, "> ", &line, event);
    bool quoted = line.bytes >= QUOTE_BYTES && memcmp(line.data, quote, QUOTE_BYTES) == 0;
    if (status == STATUS_OK && *event == INPUT_MESSAGE)
        status = (quoted ? read_quoted : read_continued)(input, text, &line, event);
    if (*event == INPUT_CLEARED || *event == INPUT_INTERRUPTED) buffer_clear(text);
    buffer_free(&line);
    return status;
}
