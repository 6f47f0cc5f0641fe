/* token_mask.c - the walk of a grammar and the tree of tokens side by side, and what is remembered of it. */
#include "text/token_mask.h"

#include "text/json_grammar.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    ENTRIES_LIMIT = 4096,
    BUCKETS = 4096,
    SPARSE = 1024 /* tokens up to which a list is shorter than bits */
};

/* What follows a set of nodes, whatever they were called from. */
struct entry {
    struct entry *next;
    uint64_t hash;
    int32_t *node; /* [nodes] ascending */
    int nodes;
    int32_t *token;  /* [tokens] that stay within the rule or end with it; NULL: `bits` has them */
    uint32_t *bits;  /* [vocabulary / 32] */
    int32_t *escape; /* [escapes] nodes of the tree behind which the rule has ended */
    int tokens, escapes;
};

/* A set of places below a rule as a state of a finite automaton, which is made while it is walked. */
struct local_state {
    struct place_set set;
    uint64_t hash;
    int32_t chain;
    int32_t next[256]; /* UNKNOWN, or a state; 0 is the empty one */
};

enum { UNKNOWN = -1, EMPTY_STATE = 0, STATES_LIMIT = 1 << 14 };
/* Of one mask: a grammar that leaves thousands of ways open would hold up everybody's answers. */
enum { WORK_LIMIT = 1 << 26, MASK_STATES_LIMIT = 1 << 17 };

struct mask_table {
    const struct token_trie *trie;
    const struct grammar *grammar;
    struct entry *bucket[BUCKETS];
    int entries;
    size_t words;              /* of a row of bits */
    struct matcher local;      /* frames below the places of an entry */
    struct local_state *state; /* [states] of the local matcher */
    int states, state_capacity;
    int32_t state_bucket[BUCKETS];
    int32_t behind[TOKEN_BYTES_LIMIT + 2];         /* state behind each byte of a token */
    struct place_set depth[TOKEN_BYTES_LIMIT + 2]; /* places, where no states are kept */
    struct place_set scratch;
    int32_t *list; /* [tokens of the tree] scratch */
    int32_t *escape;
    int32_t *group; /* nodes of one frame */
    int group_capacity;
    struct mask_shared *shared; /* NULL: none */
};

struct mask_shared {
    pthread_mutex_t lock;
    struct grammar *grammar;
    struct mask_table *table; /* its entries are never forgotten */
};

static void free_entry(struct entry *entry) {
    free(entry->node);
    free(entry->token);
    free(entry->bits);
    free(entry->escape);
    free(entry);
}

static void forget(struct mask_table *table) {
    for (int b = 0; b < BUCKETS; b++)
        for (struct entry *entry = table->bucket[b], *next; entry; entry = next) {
            next = entry->next;
            free_entry(entry);
        }
    memset(table->bucket, 0, sizeof table->bucket);
    table->entries = 0;
}

static void forget_states(struct mask_table *table) {
    for (int i = 0; i < table->states; i++) place_set_free(&table->state[i].set);
    table->states = 0;
    memset(table->state_bucket, -1, sizeof table->state_bucket);
}

enum status mask_table_open(struct mask_table **table, const struct token_trie *trie,
                            const struct grammar *grammar, struct mask_shared *shared) {
    struct mask_table *opened = calloc(1, sizeof *opened);
    *table = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for masks of tokens");
    opened->trie = trie;
    opened->grammar = grammar;
    opened->shared = shared;
    memset(opened->state_bucket, -1, sizeof opened->state_bucket);
    opened->words = ((size_t)trie->vocabulary + 31) / 32;
    opened->list = malloc(((size_t)trie->tokens + 1) * sizeof(int32_t));
    opened->escape = malloc(((size_t)trie->nodes + 1) * sizeof(int32_t));
    enum status status = matcher_open(&opened->local, grammar);
    if (status == STATUS_OK && (!opened->list || !opened->escape))
        status = fail(STATUS_MEMORY, "out of memory for masks of tokens");
    if (status == STATUS_OK)
        *table = opened;
    else
        mask_table_close(opened);
    return status;
}

void mask_table_close(struct mask_table *table) {
    if (!table) return;
    forget(table);
    matcher_close(&table->local);
    for (size_t i = 0; i < COUNT_OF(table->depth); i++) place_set_free(&table->depth[i]);
    forget_states(table);
    free(table->state);
    place_set_free(&table->scratch);
    free(table->list);
    free(table->escape);
    free(table->group);
    free(table);
}

/* ---- states ---- */

static int compare_places(const void *one, const void *other) {
    const struct place *a = one, *b = other;
    if (a->node != b->node) return a->node < b->node ? -1 : 1;
    return (a->frame > b->frame) - (a->frame < b->frame);
}

static uint64_t hash_set(const struct place_set *set) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + set->ended + 2 * set->below;
    for (int i = 0; i < set->places; i++) {
        hash = (hash ^ (uint32_t)set->place[i].node) * UINT64_C(0x100000001b3);
        hash = (hash ^ (uint32_t)set->place[i].frame) * UINT64_C(0x100000001b3);
    }
    return hash ^ hash >> 29;
}

static bool same_set(const struct place_set *one, const struct place_set *other) {
    return one->places == other->places && one->ended == other->ended && one->below == other->below &&
           (one->places == 0 || !memcmp(one->place, other->place, (size_t)one->places * sizeof *one->place));
}

static bool grow_states(struct mask_table *table) {
    if (table->states < table->state_capacity) return true;
    int more = table->state_capacity ? 2 * table->state_capacity : 64;
    struct local_state *grown = realloc(table->state, (size_t)more * sizeof *grown);
    if (!grown) return false;
    table->state = grown;
    table->state_capacity = more;
    return true;
}

/* The state of a set, which is taken over. UNKNOWN: out of memory. */
static int32_t state_of(struct mask_table *table, struct place_set *set) {
    if (set->places) qsort(set->place, (size_t)set->places, sizeof *set->place, compare_places);
    const uint64_t hash = hash_set(set);
    int32_t *bucket = &table->state_bucket[hash % BUCKETS];
    for (int32_t i = *bucket; i >= 0; i = table->state[i].chain)
        if (table->state[i].hash == hash && same_set(&table->state[i].set, set)) return i;
    if (table->states >= MASK_STATES_LIMIT || !grow_states(table)) return UNKNOWN;
    struct local_state *state = &table->state[table->states];
    *state = (struct local_state){.set = *set, .hash = hash, .chain = *bucket};
    memset(state->next, -1, sizeof state->next);
    *set = (struct place_set){0};
    return *bucket = table->states++;
}

/* The first state is the empty one. */
static bool open_states(struct mask_table *table) {
    struct place_set none = {0};
    if (table->states > STATES_LIMIT) forget_states(table);
    return table->states > 0 || state_of(table, &none) == EMPTY_STATE;
}

/* Bytes that no place of the set tells from this one. */
static struct byte_set bytes_alike(const struct mask_table *table, const struct place_set *set,
                                   unsigned char byte) {
    const struct grammar *grammar = table->grammar;
    struct byte_set alike = {{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    for (int i = 0; i < set->places; i++) {
        const struct byte_set *of = &grammar->set[grammar->node[set->place[i].node].other];
        const uint64_t flip = byte_set_has(of, byte) ? 0 : UINT64_MAX;
        for (int w = 0; w < 4; w++) alike.bits[w] &= of->bits[w] ^ flip;
    }
    return alike;
}

static int32_t next_state(struct mask_table *table, int32_t from, unsigned char byte) {
    int32_t to = table->state[from].next[byte];
    if (to != UNKNOWN) return to;
    const struct byte_set alike = bytes_alike(table, &table->state[from].set, byte);
    matcher_step(&table->local, &table->state[from].set, byte, &table->scratch);
    to = state_of(table, &table->scratch);
    for (int b = 0; b < 256 && to != UNKNOWN; b++)
        if (byte_set_has(&alike, (unsigned char)b)) table->state[from].next[b] = to;
    return to;
}

/* ---- walks ---- */

static void set_bit(uint32_t *bits, int32_t id) {
    bits[id >> 5] |= UINT32_C(1) << (id & 31);
}

/* What a walk of the whole tree from a state finds: tokens, and nodes behind which the rule has ended. */
struct found {
    int tokens, escapes;
};

static bool walk_tree(struct mask_table *table, int32_t root, struct found *found) {
    const struct token_trie *trie = table->trie;
    table->behind[0] = root;
    for (int32_t i = 1; i < trie->nodes;) {
        const struct trie_node *node = &trie->node[i];
        const int32_t to = next_state(table, table->behind[node->depth - 1], node->byte);
        if (to == UNKNOWN || table->local.failed || table->local.work > WORK_LIMIT) return false;
        table->behind[node->depth] = to;
        if (to == EMPTY_STATE) {
            i = node->end;
            continue;
        }
        for (int t = 0; t < node->tokens; t++) table->list[found->tokens++] = trie->token[node->token + t];
        const struct place_set *set = &table->state[to].set;
        if (set->below && node->end > i + 1) table->escape[found->escapes++] = i;
        i = set->places > 0 ? i + 1 : node->end;
    }
    return true;
}

/* Bytes that can come at `set`. */
static struct byte_set first_bytes(const struct grammar *grammar, const struct place_set *set) {
    struct byte_set bytes = {{0}};
    for (int i = 0; i < set->places; i++) {
        const struct byte_set *more = &grammar->set[grammar->node[set->place[i].node].other];
        for (int w = 0; w < 4; w++) bytes.bits[w] |= more->bits[w];
    }
    return bytes;
}

/* Sets the tokens below `top` that go on from `from`, in a text's own matcher: most ways end after a byte or two. */
static void walk_below(struct mask_table *table, struct matcher *matcher, int32_t top,
                       const struct place_set *from, const struct byte_set *first, uint32_t *bits) {
    const struct token_trie *trie = table->trie;
    const int base = trie->node[top].depth;
    for (int32_t i = top + 1; i < trie->node[top].end && matcher->work <= WORK_LIMIT && !matcher->failed;) {
        const struct trie_node *node = &trie->node[i];
        const bool direct = node->depth == base + 1;
        struct place_set *set = &table->depth[node->depth];
        if (direct && !byte_set_has(first, node->byte)) {
            i = node->end;
            continue;
        }
        matcher_step(matcher, direct ? from : &table->depth[node->depth - 1], node->byte, set);
        for (int t = 0; (set->places > 0 || set->ended) && t < node->tokens; t++)
            set_bit(bits, trie->token[node->token + t]);
        i = set->places > 0 ? i + 1 : node->end;
    }
}

/* ---- entries ---- */

static uint64_t hash_nodes(const int32_t *node, int nodes) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (int i = 0; i < nodes; i++) hash = (hash ^ (uint32_t)node[i]) * UINT64_C(0x100000001b3);
    return hash;
}

static void *copy_of(const void *from, size_t bytes) {
    void *copy = malloc(bytes ? bytes : 1);
    if (copy && bytes) memcpy(copy, from, bytes);
    return copy;
}

static bool keep_tokens(struct mask_table *table, struct entry *entry, int tokens) {
    if (tokens <= SPARSE) {
        entry->token = copy_of(table->list, (size_t)tokens * sizeof(int32_t));
        entry->tokens = tokens;
        return entry->token != NULL;
    }
    entry->bits = calloc(table->words, sizeof(uint32_t));
    for (int t = 0; entry->bits && t < tokens; t++) set_bit(entry->bits, table->list[t]);
    return entry->bits != NULL;
}

static struct entry *make_entry(struct mask_table *table, const int32_t *node, int nodes, uint64_t hash) {
    struct entry *entry = calloc(1, sizeof *entry);
    struct place_set root = {0};
    struct found found = {0};
    if (!entry || !open_states(table)) {
        free(entry);
        return NULL;
    }
    for (int i = 0; i < nodes; i++) matcher_follow(&table->local, node[i], FRAME_BELOW, &root);
    const int32_t state = state_of(table, &root);
    const bool walked = state != UNKNOWN && walk_tree(table, state, &found);
    place_set_free(&root);
    entry->hash = hash;
    entry->nodes = nodes;
    entry->node = copy_of(node, (size_t)nodes * sizeof *node);
    entry->escapes = found.escapes;
    entry->escape = copy_of(table->escape, (size_t)found.escapes * sizeof(int32_t));
    if (walked && entry->node && entry->escape && keep_tokens(table, entry, found.tokens)) return entry;
    free_entry(entry);
    return NULL;
}

static const struct entry *find_entry(struct mask_table *table, const int32_t *node, int nodes);

/* Nodes are ascending: the last one tells. */
static const struct entry *find_shared(struct mask_table *table, const int32_t *node, int nodes) {
    struct mask_shared *shared = table->shared;
    const struct entry *entry = NULL;
    if (!shared || nodes == 0 || node[nodes - 1] >= table->grammar->shared_nodes) return NULL;
    pthread_mutex_lock(&shared->lock);
    if (shared->table->entries < ENTRIES_LIMIT) {
        shared->table->local.work = 0;
        entry = find_entry(shared->table, node, nodes);
    }
    pthread_mutex_unlock(&shared->lock);
    return entry;
}

static const struct entry *find_entry(struct mask_table *table, const int32_t *node, int nodes) {
    const struct entry *known = find_shared(table, node, nodes);
    if (known) return known;
    const uint64_t hash = hash_nodes(node, nodes);
    struct entry **bucket = &table->bucket[hash % BUCKETS];
    for (struct entry *entry = *bucket; entry; entry = entry->next)
        if (entry->hash == hash && entry->nodes == nodes &&
            !memcmp(entry->node, node, (size_t)nodes * sizeof *node))
            return entry;
    if (table->entries >= ENTRIES_LIMIT) forget(table);
    struct entry *made = make_entry(table, node, nodes, hash);
    if (!made) return NULL;
    made->next = *bucket;
    *bucket = made;
    table->entries++;
    return made;
}

/* ---- a matcher's answer ---- */

static void add_entry(const struct mask_table *table, const struct entry *entry, uint32_t *allowed) {
    for (int t = 0; t < entry->tokens; t++) set_bit(allowed, entry->token[t]);
    for (size_t w = 0; entry->bits && w < table->words; w++) allowed[w] |= entry->bits[w];
}

/* Tokens that go on behind the end of the rule, in what called it. */
static void add_escapes(struct mask_table *table, const struct entry *entry, struct matcher *matcher,
                        int32_t frame, uint32_t *allowed) {
    struct place_set behind = {0};
    if (frame < 0 || entry->escapes == 0) return;
    matcher_follow(matcher, matcher->frame[frame].node, matcher->frame[frame].parent, &behind);
    const struct byte_set first = first_bytes(table->grammar, &behind);
    for (int e = 0; e < entry->escapes; e++)
        walk_below(table, matcher, entry->escape[e], &behind, &first, allowed);
    place_set_free(&behind);
}

static int compare_nodes(const void *one, const void *other) {
    const int32_t a = *(const int32_t *)one, b = *(const int32_t *)other;
    return (a > b) - (a < b);
}

/* The nodes of the places that have this frame, ascending. -1: out of memory. */
static int group_nodes(struct mask_table *table, const struct place_set *set, int32_t frame) {
    int nodes = 0;
    if (table->group_capacity < set->places) {
        int32_t *grown = realloc(table->group, (size_t)set->places * sizeof *grown);
        if (!grown) return -1;
        table->group = grown;
        table->group_capacity = set->places;
    }
    for (int i = 0; i < set->places; i++)
        if (set->place[i].frame == frame) table->group[nodes++] = table->grammar->alike[set->place[i].node];
    qsort(table->group, (size_t)nodes, sizeof *table->group, compare_nodes);
    int kept = 0;
    for (int i = 0; i < nodes; i++)
        if (i == 0 || table->group[i] != table->group[kept - 1]) table->group[kept++] = table->group[i];
    return kept;
}

static bool is_first_of_frame(const struct place_set *set, int index) {
    for (int i = 0; i < index; i++)
        if (set->place[i].frame == set->place[index].frame) return false;
    return true;
}

bool mask_table_allow(struct mask_table *table, struct matcher *matcher, uint32_t *allowed) {
    const struct place_set *set = &matcher->set;
    memset(allowed, 0, table->words * sizeof *allowed);
    table->local.work = matcher->work = 0;
    for (int i = 0; i < set->places; i++) {
        if (!is_first_of_frame(set, i)) continue;
        const int32_t frame = set->place[i].frame;
        const int nodes = group_nodes(table, set, frame);
        const struct entry *entry = nodes < 0 ? NULL : find_entry(table, table->group, nodes);
        if (!entry) return false;
        add_entry(table, entry, allowed);
        add_escapes(table, entry, matcher, frame, allowed);
    }
    return !matcher->failed && matcher->work <= WORK_LIMIT;
}

/* ---- what grammars share ---- */

/* Every kind of place in a JSON value comes up in it, so that the first answers find them known. */
static bool walk_sample(struct mask_shared *shared) {
    static const char sample[] = "{ \"a\\n\\u00e9\xC3\xA9\xE4\xB8\xAD\xF0\x9F\x98\x80\": [\n  -10.25e-3, 0, "
                                 "true, false, null, {}, [ ], \"b\" ], \"c\":1 }";
    const struct token_trie *trie = shared->table->trie;
    uint32_t *allowed = calloc(((size_t)trie->vocabulary + 31) / 32 + 1, sizeof *allowed);
    struct matcher matcher = {0};
    bool done = allowed && matcher_open(&matcher, shared->grammar) == STATUS_OK;
    for (size_t i = 0; done && i + 1 < sizeof sample; i++)
        done = mask_table_allow(shared->table, &matcher, allowed) && matcher_push(&matcher, &sample[i], 1);
    matcher_close(&matcher);
    free(allowed);
    return done;
}

enum status mask_shared_open(struct mask_shared **shared, const struct token_trie *trie) {
    struct mask_shared *opened = calloc(1, sizeof *opened);
    *shared = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for masks of tokens");
    pthread_mutex_init(&opened->lock, NULL);
    enum status status = json_object_grammar(&opened->grammar);
    if (status == STATUS_OK) status = mask_table_open(&opened->table, trie, opened->grammar, NULL);
    if (status == STATUS_OK && !walk_sample(opened))
        status = fail(STATUS_MEMORY, "out of memory for masks of tokens");
    if (status == STATUS_OK)
        *shared = opened;
    else
        mask_shared_close(opened);
    return status;
}

void mask_shared_close(struct mask_shared *shared) {
    if (!shared) return;
    mask_table_close(shared->table);
    grammar_close(shared->grammar);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
}
