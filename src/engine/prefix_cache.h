/* prefix_cache.h - whole pages of tokens that were computed, found again by what they hold.
 *
 * A page is known by its isolation, its 64 tokens and all pages before it: the pages form a tree. A key is a cryptographic
 * hash of that path; a page that is found by its key is compared token by token, so that nothing but an equal beginning is
 * ever shared. Roles matter, since tokens of an answer are computed in another arithmetic form than those of a prompt: the
 * same tokens with other roles are another page, which a new prompt takes where there is none with its own.
 *
 * Where a beginning ends inside a page, the rows that it shares with a page are copied. For that the cache also keeps the page
 * in which a sequence ended, a tail, whose other tokens are NO_TOKEN: it is a leaf, never shared, never on the disk, and
 * dropped when a whole page begins with its tokens.
 *
 * The cache holds one reference to each of its pages. Pages that nobody else holds are idle and may be dropped, leaves
 * first, the least recently used ones before others. Owned by the engine's thread, keys apart. */
#ifndef HADAL_ENGINE_PREFIX_CACHE_H
#define HADAL_ENGINE_PREFIX_CACHE_H

#include "engine/engine.h"

struct prefix_key {
    uint8_t bytes[32];
};

/* Pure functions, any thread. */
struct prefix_key prefix_root(const char *isolation);
struct prefix_key prefix_next(const struct prefix_key *before, const int32_t token[KV_PAGE_TOKENS]);
/* The roles of a page's tokens, a bit for each of an answer. */
uint64_t prefix_roles(const uint8_t role[KV_PAGE_TOKENS]);
/* Sums up the roles of all pages of a path: 0 where all tokens are those of a prompt. */
uint64_t prefix_form(uint64_t before, uint64_t roles);

enum { NO_TOKEN = -1, PREFIX_PART_LEAST = 8 /* rows that are worth a copy */ };

struct prefix_page { /* of the pool's page with the same number, while the cache keeps it */
    struct prefix_key key, root;
    uint64_t roles;
    uint64_t before, form; /* prefix_form() of the pages before it, and with it */
    bool saved;            /* the disk has it, or will have it */
    int32_t parent;        /* page, -1: none */
    int32_t children;
    int32_t bucket_next, branch_next, older, newer; /* -1: none */
    int32_t token[KV_PAGE_TOKENS];
};

enum { PREFIX_GHOSTS = 1 << 13 };

struct prefix_cache {
    struct kv_pages *kv;
    bool strict;              /* roles make no difference */
    struct prefix_page *page; /* [kv->pages] */
    int32_t *bucket, *branch; /* [buckets] a power of two; by key, and by parent */
    int32_t buckets, oldest, newest, pages, unsaved;
    uint64_t *ghost; /* [PREFIX_GHOSTS] of keys that were dropped, for explanations alone */
    void (*drop)(void *context, const struct prefix_page *page, int32_t number); /* before; NULL: none */
    void *drop_context;
};

must_use enum status prefix_cache_open(struct prefix_cache *cache, struct kv_pages *kv, bool strict);
void prefix_cache_close(struct prefix_cache *cache); /* gives its pages back; also of a zeroed one */

/* The beginning of a sequence that is looked for. */
struct prefix_wish {
    const struct prefix_key *root, *key; /* key [pages] */
    const int32_t *token;                /* [pages * 64] */
    const uint8_t *role;                 /* [pages * 64] */
    int pages, tokens;                   /* tokens: as far as rows may be copied */
    bool exact;                          /* no other roles */
};

/* The longest beginning that is there: its number of pages, which page [pages] receives. Takes no references. */
int prefix_find(struct prefix_cache *cache, const struct prefix_wish *wish, int32_t *page);
/* The page with most rows in common with the wish behind the `found` pages of which `last` (-1: none) is the last. Returns their
 * number, 0 where there are fewer than PREFIX_PART_LEAST. Takes no references. */
int prefix_find_part(const struct prefix_cache *cache, const struct prefix_wish *wish, int found,
                     int32_t last, int32_t *page);
/* Adds page number `index` of a sequence whose tokens are all cached and whose pages before are the cache's. When the cache
 * has it already, the sequence gets that one for its own. */
void prefix_add(struct prefix_cache *cache, struct sequence *sequence, int index,
                const struct prefix_key *root);
/* Adds the first `rows` of a page as a tail, if they are enough. */
void prefix_add_tail(struct prefix_cache *cache, const struct sequence *sequence, int index, int rows,
                     const struct prefix_key *root);
/* The sequence's first `pages` pages were used just now. */
void prefix_touch(struct prefix_cache *cache, const struct sequence *sequence, int pages);
/* Frees an idle page; false: there is none. */
bool prefix_drop_one(struct prefix_cache *cache);

enum { PREFIX_TEXT_BYTES = 160 };
/* Why what is behind `found` pages of the wish, `last` (-1: none) being the last of them, was not there: a sentence, "" when
 * nothing is behind them. */
void prefix_explain(const struct prefix_cache *cache, const struct prefix_wish *wish, int found, int32_t last,
                    char text[PREFIX_TEXT_BYTES]);

#endif
