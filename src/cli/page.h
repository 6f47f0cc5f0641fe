/* page.h - one description, two layouts: wrapped text for --help, roff for the manual page. */
#ifndef HADAL_CLI_PAGE_H
#define HADAL_CLI_PAGE_H

#include <stdbool.h>
#include <stdio.h>

struct page {
    FILE *stream;
    bool roff;
    int width; /* of text lines */
};

struct page page_text(FILE *stream); /* as wide as the terminal, at most 100 columns; 80 elsewhere */
struct page page_roff(FILE *stream);

void page_heading(const struct page *page, const char *title);
void page_subheading(const struct page *page, const char *title);
void page_paragraphs(const struct page *page, const char *text); /* separated by an empty line */
void page_line(const struct page *page, const char *text);       /* as it stands, for synopses */
/* A term and what it means; a short term shares the first line. */
void page_item(const struct page *page, const char *term, const char *text);
void page_example(const struct page *page, const char *purpose, const char *command);

#endif
