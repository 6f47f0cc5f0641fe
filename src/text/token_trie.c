/* token_trie.c - sorts the tokens by their bytes; the tree is then written down in one pass. */
#include "text/token_trie.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    const char *text;
    int32_t id;
    uint16_t bytes;
};

static int compare_entries(const void *one, const void *other) {
    const struct entry *a = one, *b = other;
    const size_t least = a->bytes < b->bytes ? a->bytes : b->bytes;
    const int order = memcmp(a->text, b->text, least);
    if (order) return order;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static int list_tokens(const struct tokenizer *tokenizer, int32_t vocabulary, struct entry *entry) {
    int entries = 0;
    for (int32_t id = 0; id < vocabulary && id < tokenizer_vocabulary(tokenizer); id++) {
        size_t bytes;
        const char *text = tokenizer_bytes(tokenizer, id, &bytes);
        if (bytes == 0 || bytes > TOKEN_BYTES_LIMIT || tokenizer_is_added(tokenizer, id)) continue;
        entry[entries++] = (struct entry){text, id, (uint16_t)bytes};
    }
    return entries;
}

static size_t common_bytes(const struct entry *a, const struct entry *b) {
    size_t n = 0;
    while (n < a->bytes && n < b->bytes && a->text[n] == b->text[n]) n++;
    return n;
}

/* Closes the nodes that are deeper than `depth`: what follows is not below them. */
static void close_nodes(struct token_trie *trie, int32_t *open, size_t *depth, size_t keep) {
    for (; *depth > keep; --*depth) trie->node[open[*depth]].end = trie->nodes;
}

static void build(struct token_trie *trie, const struct entry *entry, int entries) {
    int32_t open[TOKEN_BYTES_LIMIT + 1];
    size_t depth = 0;
    open[0] = 0;
    trie->node[trie->nodes++] = (struct trie_node){.token = -1};
    for (int i = 0; i < entries; i++) {
        close_nodes(trie, open, &depth, i ? common_bytes(&entry[i - 1], &entry[i]) : 0);
        while (depth < entry[i].bytes) {
            open[depth + 1] = trie->nodes;
            trie->node[trie->nodes++] = (struct trie_node){
                .token = -1, .byte = (uint8_t)entry[i].text[depth], .depth = (uint8_t)(depth + 1)};
            depth++;
        }
        struct trie_node *last = &trie->node[open[depth]];
        if (last->tokens++ == 0) last->token = trie->tokens;
        trie->token[trie->tokens++] = entry[i].id;
    }
    close_nodes(trie, open, &depth, 0);
    trie->node[0].end = trie->nodes;
}

static enum status fill(struct token_trie *trie, const struct tokenizer *tokenizer, struct entry *entry) {
    const int entries = list_tokens(tokenizer, trie->vocabulary, entry);
    size_t nodes = 1;
    qsort(entry, (size_t)entries, sizeof *entry, compare_entries);
    for (int i = 0; i < entries; i++)
        nodes += entry[i].bytes - (i ? common_bytes(&entry[i - 1], &entry[i]) : 0);
    trie->node = malloc(nodes * sizeof *trie->node);
    trie->token = malloc(((size_t)entries + 1) * sizeof *trie->token);
    if (!trie->node || !trie->token) return fail(STATUS_MEMORY, "out of memory for the tree of tokens");
    build(trie, entry, entries);
    return STATUS_OK;
}

enum status token_trie_open(struct token_trie **trie, const struct tokenizer *tokenizer, int32_t vocabulary) {
    struct token_trie *opened = calloc(1, sizeof *opened);
    struct entry *entry = malloc(((size_t)vocabulary + 1) * sizeof *entry);
    enum status status =
        opened && entry ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for the tree of tokens");
    *trie = NULL;
    if (status == STATUS_OK) {
        opened->vocabulary = vocabulary;
        status = fill(opened, tokenizer, entry);
    }
    free(entry);
    if (status == STATUS_OK)
        *trie = opened;
    else
        token_trie_close(opened);
    return status;
}

void token_trie_close(struct token_trie *trie) {
    if (!trie) return;
    free(trie->node);
    free(trie->token);
    free(trie);
}
