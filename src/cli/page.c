/* page.c - layout of help texts. Writes to the stream that the page names, owns nothing. Texts are
 * ASCII, so that bytes are columns. */
#include "cli/page.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PLAIN_WIDTH = 80, WIDEST = 100, NARROWEST = 40, INDENT = 2, ITEM_INDENT = 6 };

struct page page_text(FILE *stream) {
    struct winsize size;
    int width = PLAIN_WIDTH;
    if (isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col)
        width = size.ws_col;
    return (struct page){stream, false, width > WIDEST ? WIDEST : width < NARROWEST ? NARROWEST : width};
}

struct page page_roff(FILE *stream) {
    return (struct page){stream, true, 0};
}

/* A dot or quote at the start of a line would be a request; a bare '-' may become a typographic hyphen. */
static void roff_write(FILE *stream, const char *text, size_t bytes) {
    if (bytes && (text[0] == '.' || text[0] == '\'')) fputs("\\&", stream);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\\')
            fputs("\\e", stream);
        else if (text[i] == '-')
            fputs("\\-", stream);
        else
            fputc(text[i], stream);
    }
}

/* Words of `text` between margins; the cursor stands at `column`. Ends the line. */
static void wrap(const struct page *page, const char *text, size_t bytes, int indent, int column) {
    const char *end = text + bytes;
    bool first = true;
    while (text < end) {
        while (text < end && *text == ' ') text++;
        size_t word = 0;
        while (text + word < end && text[word] != ' ') word++;
        if (!word) break;
        if (column + (int)word + !first > page->width && column > indent) {
            fputc('\n', page->stream);
            column = 0;
            first = true;
        }
        if (first && column < indent) column += fprintf(page->stream, "%*s", indent - column, "");
        if (!first) column += fprintf(page->stream, " ");
        column += fprintf(page->stream, "%.*s", (int)word, text);
        first = false;
        text += word;
    }
    fputc('\n', page->stream);
}

static void heading(const struct page *page, const char *request, const char *title) {
    if (!page->roff) {
        fprintf(page->stream, "\n%s\n", title);
        return;
    }
    fprintf(page->stream, "%s \"", request);
    roff_write(page->stream, title, strlen(title));
    fputs("\"\n", page->stream);
}

void page_heading(const struct page *page, const char *title) {
    heading(page, ".SH", title);
}

void page_subheading(const struct page *page, const char *title) {
    heading(page, ".SS", title);
}

void page_paragraphs(const struct page *page, const char *text) {
    for (bool first = true; *text; first = false) {
        const char *end = strstr(text, "\n\n");
        size_t bytes = end ? (size_t)(end - text) : strlen(text);
        if (page->roff) {
            fputs(".PP\n", page->stream);
            roff_write(page->stream, text, bytes);
            fputc('\n', page->stream);
        } else {
            if (!first) fputc('\n', page->stream);
            wrap(page, text, bytes, INDENT, 0);
        }
        text += bytes;
        while (*text == '\n') text++;
    }
}

void page_line(const struct page *page, const char *text) {
    if (!page->roff) {
        fprintf(page->stream, "%*s%s\n", INDENT, "", text);
        return;
    }
    fputs(".PP\n.B ", page->stream);
    roff_write(page->stream, text, strlen(text));
    fputc('\n', page->stream);
}

void page_item(const struct page *page, const char *term, const char *text) {
    if (page->roff) {
        fputs(".TP\n.B ", page->stream);
        roff_write(page->stream, term, strlen(term));
        fputc('\n', page->stream);
        roff_write(page->stream, text, strlen(text));
        fputc('\n', page->stream);
        return;
    }
    enum { TERM_COLUMN = 16 };
    int column = fprintf(page->stream, "%*s%s", INDENT, "", term);
    bool same_line = strlen(term) + INDENT < TERM_COLUMN && term[0] != '-';
    if (same_line) {
        column += fprintf(page->stream, "%*s", TERM_COLUMN - column, "");
    } else {
        fputc('\n', page->stream);
        column = 0;
    }
    wrap(page, text, strlen(text), same_line ? TERM_COLUMN : ITEM_INDENT, column);
}

void page_example(const struct page *page, const char *purpose, const char *command) {
    if (page->roff) {
        fputs(".PP\n", page->stream);
        roff_write(page->stream, purpose, strlen(purpose));
        fputs("\n.PP\n.RS\n.nf\n", page->stream);
        roff_write(page->stream, command, strlen(command));
        fputs("\n.fi\n.RE\n", page->stream);
        return;
    }
    wrap(page, purpose, strlen(purpose), INDENT, 0);
    fprintf(page->stream, "%*s%s\n", ITEM_INDENT, "", command);
}
