/* suggest.h - the known name that a mistyped one most likely means. Pure functions. */
#ifndef HADAL_CLI_SUGGEST_H
#define HADAL_CLI_SUGGEST_H

/* Edits (insert, delete, replace, swap of neighbours) between two names; a large number when either is longer than 63
 * bytes. */
int edit_distance(const char *a, const char *b);

/* Keeps the nearest name offered so far. Start from {.wanted = name}. */
struct suggestion {
    const char *wanted, *nearest; /* nearest: NULL until something close enough was offered */
    int distance;
};
void suggestion_offer(struct suggestion *suggestion, const char *known);

#endif
