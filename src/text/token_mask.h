/* token_mask.h - which tokens may come next where a text must follow a grammar.
 *
 * Most of the answer depends on the places of the innermost rule alone: it is computed once for each set of them,
 * with the places in the tree of tokens at which a token leaves that rule, and only those are followed anew through the
 * calls that the text is in. One thread uses a mask table; constraints of many texts may share it. */
#ifndef HADAL_TEXT_TOKEN_MASK_H
#define HADAL_TEXT_TOKEN_MASK_H

#include "text/grammar.h"
#include "text/token_trie.h"

struct mask_table;

/* What is known of the parts of JSON, which all grammars that begin with them have in common. Any thread. */
struct mask_shared;
must_use enum status mask_shared_open(struct mask_shared **shared, const struct token_trie *trie);
void mask_shared_close(struct mask_shared *shared); /* NULL allowed */

/* Trie, grammar and what is shared (of the same trie; NULL: nothing) must outlive the table. */
must_use enum status mask_table_open(struct mask_table **table, const struct token_trie *trie,
                                     const struct grammar *grammar, struct mask_shared *shared);
void mask_table_close(struct mask_table *table); /* NULL allowed */

/* Sets a bit in allowed [vocabulary / 32, rounded up] for each token that may come next, after clearing all. Whether
 * the text may end is matcher_may_end()'s to say. False: out of memory, or the grammar leaves more
 * ways open than can be followed in the time of a step; nothing is said then. */
bool mask_table_allow(struct mask_table *table, struct matcher *matcher, uint32_t *allowed);

#endif
