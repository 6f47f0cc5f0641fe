/* added_tokens.h - finds added tokens in text: leftmost, of those the longest, as the reference does.
 *
 * Tokens marked "normalized" are looked for in the normalised text, the others in the raw text before. One set holds
 * one kind. Immutable once sorted; any thread may search. */
#ifndef HADAL_TEXT_ADDED_TOKENS_H
#define HADAL_TEXT_ADDED_TOKENS_H

#include "base/status.h"
#include "text/unicode_classes.h"

#include <stddef.h>

struct added_token {
    char *content;
    size_t bytes;
    int32_t id;
    bool single_word;               /* not beside a word character */
    bool strips_left, strips_right; /* swallows the spaces on that side */
};

struct added_tokens {
    struct added_token *token; /* sorted by content */
    size_t count, capacity;
    bool first_byte[256];
    int only_byte; /* the first byte of all of them; -1: they differ */
};

/* Copies the content. */
must_use enum status added_tokens_append(struct added_tokens *set, const struct added_token *token);
/* After the last append. The same content twice: the smaller id counts. */
void added_tokens_sort(struct added_tokens *set);
void added_tokens_free(struct added_tokens *set);

/* NULL: none with that content. */
const struct added_token *added_tokens_find(const struct added_tokens *set, const char *content,
                                            size_t bytes);

struct added_match {
    const struct added_token *token;
    size_t begin, end; /* with the spaces that it swallows */
};
struct added_search {
    const struct added_tokens *set;
    const struct unicode_classes *classes;
    const unsigned char *text;
    size_t bytes;
    size_t at;   /* where to look on; 0 at first */
    size_t done; /* end of the last match; 0 at first */
};
/* The next match; false: none left. */
bool added_tokens_next(struct added_search *search, struct added_match *match);

#endif
