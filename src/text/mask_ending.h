/* mask_ending.h - texts under a grammar come to their end before their tokens are used up: what a chosen token leaves to be
 * said must fit in the tokens that are left, or the next one of a shortest ending comes instead.
 *
 * A byte is a token at worst, so that near the limit alone endings are cut into tokens; from then on the one that is
 * known to fit is kept, and a later one need not be shorter. Zeroed at the beginning of a text. One per text. */
#ifndef HADAL_TEXT_MASK_ENDING_H
#define HADAL_TEXT_MASK_ENDING_H

#include "text/grammar.h"
#include "text/token_trie.h"

struct ending_plan {
    int32_t *token; /* [tokens] from `at` on they bring the text to its end, or to so many bytes before it */
    int tokens, at, bytes;
    bool known;
};

struct mask_ending {
    struct ending_plan now, next; /* from where the text is; scratch */
    struct buffer text;           /* scratch */
    struct place_set behind;      /* where the text would be behind the token that was looked at */
    bool looked;
    int32_t looked_id;
};
void mask_ending_free(struct mask_ending *ending);
/* The text begins anew. */
void mask_ending_restart(struct mask_ending *ending);

/* The token that was chosen. `room`: tokens that may come behind it. */
struct chosen_token {
    int32_t id;
    const char *text;
    size_t bytes;
    int64_t room;
};

/* A token that is not in the tree and may come, by its text. */
struct control_token {
    int32_t id; /* -1: none */
    const char *text;
    size_t bytes;
};

/* The token that comes instead, ENDING_FITS for the chosen one, ENDING_NOW for none: the text ends. The one that is
 * said comes for certain. Where no ending fits, not even at first, any token does. */
enum { ENDING_FITS = -1, ENDING_NOW = -2 };
int32_t mask_ending_choose(struct mask_ending *ending, const struct token_trie *trie, struct matcher *matcher,
                           const struct control_token *control, const struct chosen_token *chosen);

/* The token comes: as matcher_push(), and cheaper where it was asked about. */
bool mask_ending_push(struct mask_ending *ending, struct matcher *matcher, const struct chosen_token *token);

#endif
