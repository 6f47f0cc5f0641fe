/* machine.c - sets of a grammar's places become states; products of states, the machines of combinations. */
#include "text/machine.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 4096 };
enum { NOWHERE = 0, FIRST = 1 }; /* states: nothing can come any more; the beginning */

struct machine {
    int32_t (*next)[256]; /* [states] */
    uint8_t *accepts;     /* [states] */
    int states, capacity;
};

static enum status no_memory(void) {
    return fail(STATUS_MEMORY, "out of memory for a pattern");
}

static enum status add_state(struct machine *machine, int32_t *state) {
    if (machine->states == MACHINE_STATES)
        return fail(STATUS_LIMIT, "a pattern needs more than %d states", MACHINE_STATES);
    if (machine->states == machine->capacity) {
        const int more = machine->capacity ? 2 * machine->capacity : 64;
        int32_t(*next)[256] = realloc(machine->next, (size_t)more * sizeof *next);
        if (next) machine->next = next;
        uint8_t *accepts = realloc(machine->accepts, (size_t)more);
        if (accepts) machine->accepts = accepts;
        if (!next || !accepts) return no_memory();
        machine->capacity = more;
    }
    memset(machine->next[machine->states], 0, sizeof *machine->next);
    machine->accepts[machine->states] = 0;
    *state = machine->states++;
    return STATUS_OK;
}

static struct machine *new_machine(void) {
    struct machine *machine = calloc(1, sizeof *machine);
    int32_t nowhere;
    if (machine && add_state(machine, &nowhere) == STATUS_OK) return machine;
    machine_close(machine);
    return NULL;
}

void machine_close(struct machine *machine) {
    if (!machine) return;
    free(machine->next);
    free(machine->accepts);
    free(machine);
}

/* States from which no text is accepted become NOWHERE, so that no way leads into them. */
static enum status cut_dead_states(struct machine *machine) {
    uint8_t *live = calloc((size_t)machine->states, 1);
    if (!live) return no_memory();
    for (bool changed = true; changed;) {
        changed = false;
        for (int s = machine->states; s-- > FIRST;) {
            if (live[s]) continue;
            live[s] = machine->accepts[s];
            for (int b = 0; b < 256 && !live[s]; b++) live[s] = live[machine->next[s][b]];
            changed |= live[s];
        }
    }
    for (int s = FIRST; s < machine->states; s++)
        for (int b = 0; b < 256; b++)
            if (!live[machine->next[s][b]]) machine->next[s][b] = NOWHERE;
    free(live);
    return STATUS_OK;
}

/* ---- of expressions ---- */

/* What follows a place at once, once it has had its byte. */
struct following {
    int32_t *node; /* [nodes] of kind NODE_BYTES; NULL: not known yet */
    int32_t nodes;
    bool ended;
};

/* The sets of places that the states stand for, by their number. There are no calls, so a place is its node. */
struct subsets {
    struct machine *machine;
    const struct grammar *grammar;
    struct matcher matcher;
    struct following *following; /* [nodes of the grammar] */
    struct following *set;       /* [MACHINE_STATES] ascending */
    int32_t *mark;               /* [nodes of the grammar] the step that a node was last met in */
    int32_t *list;               /* [nodes of the grammar] what a step leads to */
    int32_t step;
    int64_t work; /* nodes looked at */
    int32_t bucket[BUCKETS], chain[MACHINE_STATES];
};

/* A second and less of a processor; no pattern that people write comes near. */
enum { WORK_LIMIT = 1 << 28 };

static int compare_nodes(const void *one, const void *other) {
    const int32_t a = *(const int32_t *)one, b = *(const int32_t *)other;
    return (a > b) - (a < b);
}

static bool same_set(const struct following *set, const int32_t *node, int32_t nodes, bool ended) {
    return set->ended == ended && set->nodes == nodes &&
           (!nodes || !memcmp(set->node, node, (size_t)nodes * sizeof *node));
}

static enum status keep(struct following *set, const int32_t *node, int32_t nodes, bool ended) {
    set->node = malloc(((size_t)nodes + 1) * sizeof *node);
    if (!set->node) return no_memory();
    if (nodes) memcpy(set->node, node, (size_t)nodes * sizeof *node);
    set->nodes = nodes;
    set->ended = ended;
    return STATUS_OK;
}

/* The state of the nodes in `list`, which it sorts. */
static enum status state_of(struct subsets *subsets, int32_t nodes, bool ended, int32_t *state) {
    struct machine *machine = subsets->machine;
    uint32_t hash = ended;
    qsort(subsets->list, (size_t)nodes, sizeof *subsets->list, compare_nodes);
    for (int32_t i = 0; i < nodes; i++) hash = (hash ^ (uint32_t)subsets->list[i]) * 0x9e3779b1U;
    int32_t *head = &subsets->bucket[(hash >> 16) % BUCKETS];
    *state = NOWHERE;
    if (nodes == 0 && !ended) return STATUS_OK;
    for (*state = *head; *state >= 0; *state = subsets->chain[*state])
        if (same_set(&subsets->set[*state], subsets->list, nodes, ended)) return STATUS_OK;
    TRY(add_state(machine, state));
    TRY(keep(&subsets->set[*state], subsets->list, nodes, ended));
    subsets->work += nodes;
    subsets->chain[*state] = *head;
    *head = *state;
    machine->accepts[*state] = ended;
    return STATUS_OK;
}

/* Looks up, or finds, what follows node `from`, of any kind. */
static enum status follow(struct subsets *subsets, int32_t from, const struct following **found) {
    struct following *following = &subsets->following[from];
    struct place_set places = {0};
    *found = following;
    if (following->node) return STATUS_OK;
    subsets->matcher.work = 0;
    matcher_follow(&subsets->matcher, from, FRAME_ROOT, &places);
    subsets->work += places.places + subsets->matcher.work / 16;
    following->node = malloc(((size_t)places.places + 1) * sizeof *following->node);
    for (int i = 0; following->node && i < places.places; i++) following->node[i] = places.place[i].node;
    following->nodes = places.places;
    following->ended = places.ended;
    place_set_free(&places);
    if (subsets->matcher.full) return fail(STATUS_LIMIT, "a pattern has too many ways to go on");
    return subsets->matcher.failed || !following->node ? no_memory() : STATUS_OK;
}

static const struct byte_set *bytes_of(const struct subsets *subsets, int32_t node) {
    return &subsets->grammar->set[subsets->grammar->node[node].other];
}

/* The state behind a byte, and the bytes that no place tells from it. */
static enum status step(struct subsets *subsets, int32_t from, unsigned char byte, struct byte_set *alike,
                        int32_t *to) {
    const struct following *set = &subsets->set[from];
    int32_t nodes = 0;
    bool ended = false;
    *alike = (struct byte_set){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}};
    subsets->step++;
    subsets->work += set->nodes;
    for (int32_t i = 0; i < set->nodes; i++) {
        const struct byte_set *bytes = bytes_of(subsets, set->node[i]);
        const struct following *next;
        const bool comes = byte_set_has(bytes, byte);
        for (int w = 0; w < 4; w++) alike->bits[w] &= bytes->bits[w] ^ (comes ? 0 : UINT64_MAX);
        if (!comes) continue;
        TRY(follow(subsets, subsets->grammar->node[set->node[i]].next, &next));
        ended |= next->ended;
        subsets->work += next->nodes;
        for (int32_t n = 0; n < next->nodes; n++) {
            if (subsets->mark[next->node[n]] == subsets->step) continue;
            subsets->mark[next->node[n]] = subsets->step;
            subsets->list[nodes++] = next->node[n];
        }
    }
    return state_of(subsets, nodes, ended, to);
}

/* Only one byte of each kind is stepped. */
static enum status step_all(struct subsets *subsets, int32_t from) {
    bool known[256] = {false};
    for (int b = 0; b < 256; b++) {
        struct byte_set alike;
        int32_t to;
        if (known[b]) continue;
        TRY(step(subsets, from, (unsigned char)b, &alike, &to));
        if (subsets->work > WORK_LIMIT) return fail(STATUS_LIMIT, "a pattern takes too long to work out");
        for (int a = b; a < 256; a++) {
            if (!byte_set_has(&alike, (unsigned char)a)) continue;
            known[a] = true;
            subsets->machine->next[from][a] = to;
        }
    }
    return STATUS_OK;
}

static enum status find_states(struct subsets *subsets) {
    const struct following *first;
    int32_t state;
    TRY(follow(subsets, subsets->grammar->start[subsets->grammar->root], &first));
    if (first->nodes) memcpy(subsets->list, first->node, (size_t)first->nodes * sizeof *first->node);
    TRY(state_of(subsets, first->nodes, first->ended, &state));
    /* a language without a text begins NOWHERE */
    if (state == NOWHERE) TRY(add_state(subsets->machine, &state));
    for (int s = FIRST; s < subsets->machine->states; s++) TRY(step_all(subsets, s));
    return STATUS_OK;
}

static void close_subsets(struct subsets *subsets) {
    for (int s = 0; subsets->set && s < MACHINE_STATES; s++) free(subsets->set[s].node);
    for (int n = 0; subsets->following && n < subsets->grammar->nodes; n++) free(subsets->following[n].node);
    matcher_close(&subsets->matcher);
    free(subsets->set);
    free(subsets->following);
    free(subsets->mark);
    free(subsets->list);
    free(subsets);
}

static struct subsets *open_subsets(const struct grammar *grammar, struct machine *machine) {
    struct subsets *subsets = calloc(1, sizeof *subsets);
    const size_t nodes = (size_t)grammar->nodes + 1;
    if (!subsets) return NULL;
    subsets->machine = machine;
    subsets->grammar = grammar;
    memset(subsets->bucket, -1, sizeof subsets->bucket);
    subsets->set = calloc(MACHINE_STATES, sizeof *subsets->set);
    subsets->following = calloc(nodes, sizeof *subsets->following);
    subsets->mark = calloc(nodes, sizeof *subsets->mark);
    subsets->list = calloc(nodes, sizeof *subsets->list);
    if (subsets->set && subsets->following && subsets->mark && subsets->list) return subsets;
    close_subsets(subsets);
    return NULL;
}

/* `grammar` has one rule, which calls none. */
static enum status make_machine(struct machine **machine, const struct grammar *grammar) {
    struct machine *made = new_machine();
    struct subsets *subsets = made ? open_subsets(grammar, made) : NULL;
    enum status status = subsets ? matcher_open(&subsets->matcher, grammar) : no_memory();
    if (status == STATUS_OK) status = find_states(subsets);
    if (subsets) close_subsets(subsets);
    if (status == STATUS_OK) status = cut_dead_states(made);
    if (status == STATUS_OK)
        *machine = made;
    else
        machine_close(made);
    return status;
}

enum status machine_open(struct machine **machine, const struct expression *expression) {
    struct grammar_builder builder = {0};
    struct grammar *grammar;
    *machine = NULL;
    const int root = grammar_declare(&builder);
    grammar_define(&builder, root, expression);
    enum status status = grammar_open(&grammar, &builder, root);
    if (status == STATUS_OK) status = make_machine(machine, grammar);
    grammar_close(grammar);
    grammar_builder_free(&builder);
    return status;
}

/* ---- combinations ---- */

struct pair {
    int32_t one, other;
};

struct product {
    struct machine *machine;
    const struct machine *one, *other;
    struct pair *pair; /* [MACHINE_STATES] of each state */
    int32_t *bucket, *chain;
    bool but_not;
};

static enum status pair_state(struct product *product, struct pair pair, int32_t *state) {
    const uint32_t hash = ((uint32_t)pair.one * 0x9e3779b1U ^ (uint32_t)pair.other * 0x85ebca6bU) % BUCKETS;
    *state = NOWHERE;
    if (pair.one == NOWHERE || (!product->but_not && pair.other == NOWHERE)) return STATUS_OK;
    for (*state = product->bucket[hash]; *state >= 0; *state = product->chain[*state])
        if (product->pair[*state].one == pair.one && product->pair[*state].other == pair.other)
            return STATUS_OK;
    TRY(add_state(product->machine, state));
    product->machine->accepts[*state] =
        product->one->accepts[pair.one] && product->other->accepts[pair.other] != product->but_not;
    product->pair[*state] = pair;
    product->chain[*state] = product->bucket[hash];
    product->bucket[hash] = *state;
    return STATUS_OK;
}

static enum status find_pairs(struct product *product) {
    int32_t state;
    memset(product->bucket, -1, BUCKETS * sizeof *product->bucket);
    TRY(pair_state(product, (struct pair){FIRST, FIRST}, &state));
    for (int32_t s = FIRST; s < product->machine->states; s++)
        for (int b = 0; b < 256; b++) {
            const struct pair from = product->pair[s];
            const struct pair to = {product->one->next[from.one][b], product->other->next[from.other][b]};
            TRY(pair_state(product, to, &state));
            product->machine->next[s][b] = state;
        }
    return cut_dead_states(product->machine);
}

enum status machine_combine(struct machine **machine, const struct machine *one, const struct machine *other,
                            bool but_not) {
    struct product product = {.machine = new_machine(),
                              .one = one,
                              .other = other,
                              .pair = calloc(MACHINE_STATES, sizeof *product.pair),
                              .bucket = calloc(BUCKETS, sizeof *product.bucket),
                              .chain = calloc(MACHINE_STATES, sizeof *product.chain),
                              .but_not = but_not};
    enum status status = product.machine && product.pair && product.bucket && product.chain
                             ? find_pairs(&product)
                             : no_memory();
    free(product.pair);
    free(product.bucket);
    free(product.chain);
    *machine = NULL;
    if (status == STATUS_OK)
        *machine = product.machine;
    else
        machine_close(product.machine);
    return status;
}

/* ---- asking ---- */

bool machine_has(const struct machine *machine, const char *text, size_t bytes) {
    int32_t state = FIRST;
    for (size_t i = 0; i < bytes; i++) state = machine->next[state][(unsigned char)text[i]];
    return machine->accepts[state];
}

int machine_states(const struct machine *machine) {
    return machine->states;
}

bool machine_is_empty(const struct machine *machine) {
    if (machine->accepts[FIRST]) return false;
    for (int b = 0; b < 256; b++)
        if (machine->next[FIRST][b] != NOWHERE) return false;
    return true;
}

/* ---- as rules: one for each state, which ends with the call of the next ---- */

static const struct expression *ways_from(const struct machine *machine, int32_t state, const int *rule,
                                          struct grammar_builder *b) {
    const struct expression *sum = machine->accepts[state] ? grammar_empty(b) : NULL;
    bool done[256] = {false};
    for (int first = 0; first < 256; first++) {
        const int32_t to = machine->next[state][first];
        struct byte_set set = {{0}};
        if (to == NOWHERE || done[first]) continue;
        for (int byte = first; byte < 256; byte++)
            if (machine->next[state][byte] == to) {
                byte_set_add(&set, (unsigned char)byte);
                done[byte] = true;
            }
        const struct expression *way = grammar_sequence(b, grammar_set(b, set), grammar_call(b, rule[to]));
        sum = sum ? grammar_either(b, sum, way) : way;
    }
    return sum ? sum : grammar_set(b, (struct byte_set){{0}});
}

const struct expression *machine_expression(const struct machine *machine, struct grammar_builder *builder) {
    int *rule = machine_is_empty(machine) ? NULL : malloc((size_t)machine->states * sizeof *rule);
    if (!rule) return NULL;
    for (int s = FIRST; s < machine->states; s++) rule[s] = grammar_declare(builder);
    for (int s = FIRST; s < machine->states; s++)
        grammar_define(builder, rule[s], ways_from(machine, s, rule, builder));
    const struct expression *call = grammar_call(builder, rule[FIRST]);
    free(rule);
    return call;
}
