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
    VARIANTS = 8,     /* pages of equal tokens and other roles that are followed side by side */
    CANDIDATES = 1024 /* pages that are compared for rows to copy, the newest first */
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
    cache->branch = malloc((size_t)cache->buckets * sizeof *cache->branch);
    cache->ghost = calloc(PREFIX_GHOSTS, sizeof *cache->ghost);
    if (!cache->page || !cache->bucket || !cache->branch || !cache->ghost) {
        prefix_cache_close(cache);
        return fail(STATUS_MEMORY, "no memory for an index of %d pages", kv->pages);
    }
    for (int32_t i = 0; i < cache->buckets; i++) cache->bucket[i] = cache->branch[i] = NONE;
    return STATUS_OK;
}

void prefix_cache_close(struct prefix_cache *cache) {
    cache->drop = NULL;
    const bool opened = cache->kv && cache->page && cache->bucket && cache->branch && cache->ghost;
    while (opened && prefix_drop_one(cache)) {}
    free(cache->page);
    free(cache->bucket);
    free(cache->branch);
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

/* Pages behind `parent`, the newest first, with others between them; those behind none by their root. */
static int32_t *branch_of(const struct prefix_cache *cache, int32_t parent, const struct prefix_key *root) {
    uint64_t hash = parent == NONE ? read_u64(root->bytes) : (uint64_t)parent * UINT64_C(0x9e3779b97f4a7c15);
    return &cache->branch[(hash >> 32) & (uint64_t)(cache->buckets - 1)];
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
    int32_t *bucket = bucket_of(cache, &page->key), *branch = branch_of(cache, page->parent, &page->root);
    cache->page[number] = *page;
    cache->page[number].bucket_next = *bucket;
    cache->page[number].branch_next = *branch;
    *bucket = *branch = number;
    if (page->parent != NONE) cache->page[page->parent].children++;
    link_newest(cache, number);
    kv_page_keep(cache->kv, number);
    cache->pages++;
    cache->unsaved += !page->saved;
}

static int common_tokens(const int32_t *a, const int32_t *b, int most) {
    int same = 0;
    while (same < most && a[same] == b[same]) same++;
    return same;
}

static bool is_behind(const struct prefix_page *page, int32_t parent, const struct prefix_key *root) {
    return page->parent == parent && same_key(&page->root, root);
}

/* ---- parts of pages ---- */

/* How many rows may be copied; `*equal` of them have the roles of the wish. */
static int common_rows(const struct prefix_cache *cache, const struct prefix_wish *wish, int found,
                       const struct prefix_page *page, int *equal) {
    const int begin = found * KV_PAGE_TOKENS;
    const int rows =
        common_tokens(page->token, wish->token + begin, (int)min_i64(KV_PAGE_TOKENS, wish->tokens - begin));
    for (*equal = 0; *equal < rows && !cache->strict; ++*equal)
        if ((page->roles >> *equal & 1) != (wish->role[begin + *equal] == TOKEN_GENERATED)) break;
    if (cache->strict) *equal = rows;
    return wish->exact ? *equal : rows;
}

int prefix_find_part(const struct prefix_cache *cache, const struct prefix_wish *wish, int found,
                     int32_t last, int32_t *page) {
    int best = PREFIX_PART_LEAST - 1, best_equal = -1, left = CANDIDATES;
    int32_t number = *branch_of(cache, last, wish->root);
    for (; number != NONE && left; number = cache->page[number].branch_next, left--) {
        const struct prefix_page *here = &cache->page[number];
        int equal,
            rows = is_behind(here, last, wish->root) ? common_rows(cache, wish, found, here, &equal) : 0;
        if (rows < best || rows < PREFIX_PART_LEAST || (rows == best && equal <= best_equal)) continue;
        *page = number;
        best = rows;
        best_equal = equal;
    }
    return best < PREFIX_PART_LEAST ? 0 : best;
}

void prefix_add_tail(struct prefix_cache *cache, const struct sequence *sequence, int index, int rows,
                     const struct prefix_key *root) {
    const int begin = index * KV_PAGE_TOKENS;
    struct prefix_page page = {
        .root = *root, .saved = true, .parent = index ? sequence->page[index - 1] : NONE};
    if (rows < PREFIX_PART_LEAST) return;
    MUST(rows < KV_PAGE_TOKENS && begin + rows <= sequence->cached);
    for (int i = 0; i < KV_PAGE_TOKENS; i++) page.token[i] = i < rows ? sequence->token[begin + i] : NO_TOKEN;
    for (int i = 0; i < rows && !cache->strict; i++)
        page.roles |= (uint64_t)(sequence->role[begin + i] == TOKEN_GENERATED) << i;
    page.key = prefix_next(index ? &cache->page[page.parent].key : root, page.token);
    page.before = index ? cache->page[page.parent].form : 0;
    page.form = prefix_form(page.before, page.roles);
    int32_t there = find_equal(cache, &page);
    if (there == NONE)
        insert(cache, sequence->page[index], &page);
    else
        use(cache, there);
}

/* ---- dropping ---- */

static void drop(struct prefix_cache *cache, int32_t number) {
    struct prefix_page *page = &cache->page[number];
    int32_t *at = bucket_of(cache, &page->key);
    if (cache->drop) cache->drop(cache->drop_context, page, number);
    while (*at != number) at = &cache->page[*at].bucket_next;
    *at = page->bucket_next;
    at = branch_of(cache, page->parent, &page->root);
    while (*at != number) at = &cache->page[*at].branch_next;
    *at = page->branch_next;
    if (page->parent != NONE) cache->page[page->parent].children--;
    unlink_use(cache, number);
    uint64_t mark = read_u64(page->key.bytes);
    cache->ghost[mark % PREFIX_GHOSTS] = mark;
    cache->pages--;
    cache->unsaved -= !page->saved;
    kv_page_forget(cache->kv, number);
}

/* ---- whole pages ---- */

/* A page that begins with a tail's tokens has all that it is for. */
static void drop_tails(struct prefix_cache *cache, const struct prefix_page *page) {
    int32_t number = *branch_of(cache, page->parent, &page->root), next;
    for (int left = CANDIDATES; number != NONE && left; number = next, left--) {
        const struct prefix_page *tail = &cache->page[number];
        next = tail->branch_next;
        int rows = common_tokens(tail->token, page->token, KV_PAGE_TOKENS);
        if (rows < KV_PAGE_TOKENS && tail->token[rows] == NO_TOKEN && cache->kv->references[number] == 1 &&
            is_behind(tail, page->parent, &page->root))
            drop(cache, number);
    }
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
        drop_tails(cache, &page);
        insert(cache, own, &page);
    } else if (there != own) { /* bits that follow from the same tokens and roles are the same */
        kv_page_share(cache->kv, there);
        kv_page_release(cache->kv, own);
        sequence->page[index] = there;
        use(cache, there);
    }
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

/* The most tokens that a page behind the last one that was found has in common with the wish; -1: there is no page.
 * `ends`: that page has no more. */
static int nearest(const struct prefix_cache *cache, const struct prefix_wish *wish, int found,
                   int32_t parent, bool *ends) {
    int best = -1, most = (int)min_i64(KV_PAGE_TOKENS, wish->tokens - found * KV_PAGE_TOKENS);
    for (int32_t number = cache->newest; number != NONE; number = cache->page[number].older) {
        const struct prefix_page *page = &cache->page[number];
        if (!is_behind(page, parent, wish->root)) continue;
        int same = common_tokens(page->token, wish->token + found * KV_PAGE_TOKENS, most);
        if (same <= best) continue;
        best = same;
        *ends = same < most && page->token[same] == NO_TOKEN;
    }
    return best;
}

void prefix_explain(const struct prefix_cache *cache, const struct prefix_wish *wish, int found, int32_t last,
                    char text[PREFIX_TEXT_BYTES]) {
    int at = found * KV_PAGE_TOKENS;
    bool ends = false;
    *text = 0;
    if (at >= wish->tokens) return;
    uint64_t mark = found < wish->pages ? read_u64(wish->key[found].bytes) : 0;
    int same = nearest(cache, wish, found, last, &ends);
    if (same >= 0 && same < KV_PAGE_TOKENS && same < wish->tokens - at && !ends)
        snprintf(text, PREFIX_TEXT_BYTES, "token %d differs from what is cached behind the %d before it",
                 at + same, at + same);
    else if (mark && cache->ghost[mark % PREFIX_GHOSTS] == mark)
        snprintf(text, PREFIX_TEXT_BYTES, "the page of tokens %d to %d was dropped to make room", at,
                 at + KV_PAGE_TOKENS - 1);
    else if (found || same > 0)
        snprintf(text, PREFIX_TEXT_BYTES, "what is cached ends at token %d", same > 0 ? at + same : at);
    else
        snprintf(text, PREFIX_TEXT_BYTES, "nothing is cached for this account and user");
}
