/* token_trie.h - the vocabulary as a tree of bytes, for asking of all tokens at once which of them a grammar allows.
 *
 * Immutable after opening: any thread. Tokens whose bytes are not text (control tokens) are not in it. */
#ifndef HADAL_TEXT_TOKEN_TRIE_H
#define HADAL_TEXT_TOKEN_TRIE_H

#include "text/tokenizer.h"

/* Nodes in the order of a walk that visits a node before its children; the root is node 0. */
struct trie_node {
    int32_t end;   /* of the nodes below: the next one that is not */
    int32_t token; /* index into `token` of the first one that ends here; -1: none */
    uint16_t tokens;
    uint8_t byte, depth; /* the byte that leads here */
};

struct token_trie {
    struct trie_node *node;
    int32_t *token; /* ids, by their bytes */
    int nodes, tokens;
    int32_t vocabulary;
};

/* Longer tokens are left out: mostly runs of one character, and how far ahead a mask looks counts for its cost. */
enum { TOKEN_BYTES_LIMIT = 32 };

/* Of the tokens below `vocabulary`, which is the model's and may be another number than the tokenizer's. */
must_use enum status token_trie_open(struct token_trie **trie, const struct tokenizer *tokenizer,
                                     int32_t vocabulary);
void token_trie_close(struct token_trie *trie); /* NULL allowed */

#endif
