/* prefix_cache.c - a hash table over pages, and a list in the order of use. */
#include "engine/prefix_cache.h"

#include "base/bytes.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    NONE = -1,
    VARIANTS = 8 /* pages of equal tokens and other roles that are followed side by side */
};

/* ---- keys ---- */

static struct prefix_key hash(const void *first, size_t first_bytes, const void *second,
                              size_t second_bytes) {
    struct prefix_key key;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, sizeof key.bytes);
    crypto_generichash_update(&state, first, first_bytes);
    crypto_generichash_update(&state, second, second_bytes);
    crypto_generichash_final(&state, key.bytes, sizeof key.bytes);
    return key;
}

struct prefix_key prefix_root(const char *isolation) {
    static const char purpose[] = "hadal prefix";
    return hash(purpose, sizeof purpose, isolation, strlen(isolation));
}

struct prefix_key prefix_next(const struct prefix_key *before, const int32_t token[KV_PAGE_TOKENS]) {
    return hash(before->bytes, sizeof before->bytes, token, KV_PAGE_TOKENS * sizeof *token);
}

uint64_t prefix_roles(const uint8_t role[KV_PAGE_TOKENS]) {
    uint64_t roles = 0;
    for (int i = 0; i < KV_PAGE_TOKENS; i++) roles |= (uint64_t)(role[i] == TOKEN_GENERATED) << i;
    return roles;
}

uint64_t prefix_form(uint64_t before, uint64_t roles) {
    uint64_t pair[2] = {before, roles};
    return before || roles ? XXH3_64bits(pair, sizeof pair) | 1 : 0;
}

static bool same_key(const struct prefix_key *a, const struct prefix_key *b) {
    return !memcmp(a->bytes, b->bytes, sizeof a->bytes);
}

static uint64_t roles_of(const struct prefix_cache *cache, const uint8_t *role) {
    return cache->strict ? 0 : prefix_roles(role);
}

/* ---- opening ---- */

enum status prefix_cache_open(struct prefix_cache *cache, struct kv_pages *kv, bool strict) {
    *cache = (struct prefix_cache){.kv = kv, .strict = strict, .oldest = NONE, .newest = NONE, .buckets = 64};
    while (cache->buckets < kv->pages && cache->buckets < 1 << 29) cache->buckets *= 2;
    cache->page = calloc((size_t)kv->pages, sizeof *cache->page);
    cache->bucket = malloc((size_t)cache->buckets * sizeof *cache->bucket);
    cache->ghost = calloc(PREFIX_GHOSTS, sizeof *cache->ghost);
    if (!cache->page || !cache->bucket || !cache->ghost) {
        prefix_cache_close(cache);
        return fail(STATUS_MEMORY, "no memory for an index of %d pages", kv->pages);
    }
    for (int32_t i = 0; i < cache->buckets; i++) cache->bucket[i] = NONE;
    return STATUS_OK;
}

void prefix_cache_close(struct prefix_cache *cache) {
    cache->drop = NULL;
    while (cache->kv && cache->page && cache->bucket && cache->ghost && prefix_drop_one(cache)) {}
    free(cache->page);
    free(cache->bucket);
    free(cache->ghost);
    *cache = (struct prefix_cache){0};
}

/* ---- the order of use ---- */

static void unlink_use(struct prefix_cache *cache, int32_t number) {
    struct prefix_page *page = &cache->page[number];
    if (page->older != NONE) cache->page[page->older].newer = page->newer;
    if (page->newer != NONE) cache->page[page->newer].older = page->older;
    if (cache->oldest == number) cache->oldest = page->newer;
    if (cache->newest == number) cache->newest = page->older;
}

static void link_newest(struct prefix_cache *cache, int32_t number) {
    struct prefix_page *page = &cache->page[number];
    page->older = cache->newest;
    page->newer = NONE;
    if (cache->newest != NONE) cache->page[cache->newest].newer = number;
    cache->newest = number;
    if (cache->oldest == NONE) cache->oldest = number;
}

static void use(struct prefix_cache *cache, int32_t number) {
    unlink_use(cache, number);
    link_newest(cache, number);
}

/* A page is used after those behind it, so that leaves are the oldest. */
void prefix_touch(struct prefix_cache *cache, const struct sequence *sequence, int pages) {
    for (int i = pages - 1; i >= 0; i--) use(cache, sequence->page[i]);
}

/* ---- the table ---- */

static int32_t *bucket_of(const struct prefix_cache *cache, const struct prefix_key *key) {
    return &cache->bucket[read_u64(key->bytes) & (uint64_t)(cache->buckets - 1)];
}

static bool is_page(const struct prefix_page *page, const struct prefix_key *key, const int32_t *token,
                    int32_t parent) {
    return page->parent == parent && same_key(&page->key, key) &&
           !memcmp(page->token, token, sizeof page->token);
}

/* Pages behind `parent` to `next`, as far as there is room; `equal`: with these roles, otherwise with others. */
static int follow(const struct prefix_cache *cache, const struct prefix_wish *wish, int index, int32_t parent,
                  bool equal, int32_t *next, int nexts) {
    const int32_t *token = wish->token + index * KV_PAGE_TOKENS;
    uint64_t roles = roles_of(cache, wish->role + index * KV_PAGE_TOKENS);
    int32_t number = *bucket_of(cache, &wish->key[index]);
    for (; number != NONE && nexts < VARIANTS; number = cache->page[number].bucket_next) {
        const struct prefix_page *page = &cache->page[number];
        if ((page->roles == roles) == equal && is_page(page, &wish->key[index], token, parent))
            next[nexts++] = number;
    }
    return nexts;
}

int prefix_find(struct prefix_cache *cache, const struct prefix_wish *wish, int32_t *page) {
    int32_t now[VARIANTS] = {NONE}, next[VARIANTS];
    int nows = 1, found = 0;
    while (found < wish->pages) {
        int nexts = 0;
        for (int i = 0; i < nows; i++) nexts = follow(cache, wish, found, now[i], true, next, nexts);
        for (int i = 0; i < nows && !wish->exact; i++)
            nexts = follow(cache, wish, found, now[i], false, next, nexts);
        if (!nexts) break;
        memcpy(now, next, sizeof now);
        nows = nexts;
        found++;
    }
    int32_t number = now[0];
    for (int i = found - 1; i >= 0; i--) {
        page[i] = number;
        number = cache->page[number].parent;
    }
    return found;
}

static int32_t find_equal(const struct prefix_cache *cache, const struct prefix_page *wanted) {
    int32_t number = *bucket_of(cache, &wanted->key);
    for (; number != NONE; number = cache->page[number].bucket_next) {
        const struct prefix_page *page = &cache->page[number];
        if (page->roles == wanted->roles && is_page(page, &wanted->key, wanted->token, wanted->parent)) break;
    }
    return number;
}

static void insert(struct prefix_cache *cache, int32_t number, const struct prefix_page *page) {
    int32_t *bucket = bucket_of(cache, &page->key);
    cache->page[number] = *page;
    cache->page[number].bucket_next = *bucket;
    *bucket = number;
    if (page->parent != NONE) cache->page[page->parent].children++;
    link_newest(cache, number);
    kv_page_keep(cache->kv, number);
    cache->pages++;
    cache->unsaved++;
}

void prefix_add(struct prefix_cache *cache, struct sequence *sequence, int index,
                const struct prefix_key *root) {
    const int32_t *token = sequence->token + index * KV_PAGE_TOKENS;
    struct prefix_page page = {.root = *root, .parent = index ? sequence->page[index - 1] : NONE};
    MUST((index + 1) * KV_PAGE_TOKENS <= sequence->cached);
    page.key = prefix_next(index ? &cache->page[page.parent].key : root, token);
    page.roles = roles_of(cache, sequence->role + index * KV_PAGE_TOKENS);
    page.before = index ? cache->page[page.parent].form : 0;
    page.form = prefix_form(page.before, page.roles);
    memcpy(page.token, token, sizeof page.token);
    int32_t own = sequence->page[index], there = find_equal(cache, &page);
    if (there == NONE) {
        insert(cache, own, &page);
    } else if (there != own) { /* bits that follow from the same tokens and roles are the same */
        kv_page_share(cache->kv, there);
        kv_page_release(cache->kv, own);
        sequence->page[index] = there;
        use(cache, there);
    }
}

/* ---- dropping ---- */

static void drop(struct prefix_cache *cache, int32_t number) {
    struct prefix_page *page = &cache->page[number];
    int32_t *at = bucket_of(cache, &page->key);
    if (cache->drop) cache->drop(cache->drop_context, page, number);
    while (*at != number) at = &cache->page[*at].bucket_next;
    *at = page->bucket_next;
    if (page->parent != NONE) cache->page[page->parent].children--;
    unlink_use(cache, number);
    uint64_t mark = read_u64(page->key.bytes);
    cache->ghost[mark % PREFIX_GHOSTS] = mark;
    cache->pages--;
    cache->unsaved -= !page->saved;
    kv_page_forget(cache->kv, number);
}

/* What is in use, or was used before what is behind it, is not old. */
bool prefix_drop_one(struct prefix_cache *cache) {
    if (!cache->kv->idle_pages) return false;
    while (true) {
        int32_t number = cache->oldest;
        if (cache->kv->references[number] == 1 && !cache->page[number].children) {
            drop(cache, number);
            return true;
        }
        use(cache, number);
    }
}

/* ---- explaining ---- */

static int common_tokens(const int32_t *a, const int32_t *b) {
    int same = 0;
    while (same < KV_PAGE_TOKENS && a[same] == b[same]) same++;
    return same;
}

/* The most tokens that a page behind the last one that was found has in common with the wish; -1: there is no page. */
static int nearest(const struct prefix_cache *cache, const struct prefix_wish *wish, int found,
                   int32_t parent) {
    int best = -1;
    for (int32_t number = cache->newest; number != NONE; number = cache->page[number].older) {
        const struct prefix_page *page = &cache->page[number];
        if (page->parent != parent || !same_key(&page->root, wish->root)) continue;
        int same = common_tokens(page->token, wish->token + found * KV_PAGE_TOKENS);
        if (same > best) best = same;
    }
    return best;
}

void prefix_explain(const struct prefix_cache *cache, const struct prefix_wish *wish, int found, int32_t last,
                    char text[PREFIX_TEXT_BYTES]) {
    int at = found * KV_PAGE_TOKENS;
    *text = 0;
    if (found == wish->pages) return;
    uint64_t mark = read_u64(wish->key[found].bytes);
    int same = nearest(cache, wish, found, last);
    if (same >= 0 && same < KV_PAGE_TOKENS)
        snprintf(text, PREFIX_TEXT_BYTES, "token %d differs from what is cached behind the %d before it",
                 at + same, at + same);
    else if (cache->ghost[mark % PREFIX_GHOSTS] == mark)
        snprintf(text, PREFIX_TEXT_BYTES, "the page of tokens %d to %d was dropped to make room", at,
                 at + KV_PAGE_TOKENS - 1);
    else if (found)
        snprintf(text, PREFIX_TEXT_BYTES, "what is cached ends at token %d", at);
    else
        snprintf(text, PREFIX_TEXT_BYTES, "nothing is cached for this account and user");
}
