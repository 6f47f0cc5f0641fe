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

/* The sets of places that the states stand for, by their number. */
struct subsets {
    struct machine *machine;
    struct matcher matcher;
    struct place_set *set; /* [MACHINE_STATES] */
    int32_t bucket[BUCKETS], chain[MACHINE_STATES];
};

static int compare_places(const void *one, const void *other) {
    const struct place *a = one, *b = other;
    return (a->node > b->node) - (a->node < b->node);
}

static bool same_set(const struct place_set *one, const struct place_set *other) {
    return one->ended == other->ended && one->places == other->places &&
           (!one->places || !memcmp(one->place, other->place, (size_t)one->places * sizeof *one->place));
}

/* Takes over the set, or empties it. */
static enum status state_of(struct subsets *subsets, struct place_set *set, int32_t *state) {
    struct machine *machine = subsets->machine;
    uint32_t hash = set->ended;
    if (set->places) qsort(set->place, (size_t)set->places, sizeof *set->place, compare_places);
    for (int i = 0; i < set->places; i++) hash = (hash ^ (uint32_t)set->place[i].node) * 0x9e3779b1U;
    int32_t *head = &subsets->bucket[(hash >> 16) % BUCKETS];
    *state = NOWHERE;
    if (set->places == 0 && !set->ended) return STATUS_OK;
    for (*state = *head; *state >= 0; *state = subsets->chain[*state])
        if (same_set(&subsets->set[*state], set)) return STATUS_OK;
    TRY(add_state(machine, state));
    subsets->chain[*state] = *head;
    *head = *state;
    machine->accepts[*state] = set->ended;
    subsets->set[*state] = *set;
    *set = (struct place_set){0};
    return STATUS_OK;
}

/* Bytes that no place tells apart lead to the same state: only the first of each kind is stepped. */
static enum status step_all(struct subsets *subsets, int32_t from) {
    const struct grammar *grammar = subsets->matcher.grammar;
    for (int b = 0; b < 256; b++) {
        const struct place_set *set = &subsets->set[from];
        struct place_set to = {0};
        int32_t state = -1;
        for (int a = b - 1; a >= 0 && a >= b - 8 && state < 0; a--) {
            bool alike = true;
            for (int p = 0; p < set->places && alike; p++) {
                const struct byte_set *bytes = &grammar->set[grammar->node[set->place[p].node].other];
                alike = byte_set_has(bytes, (unsigned char)a) == byte_set_has(bytes, (unsigned char)b);
            }
            if (alike) state = subsets->machine->next[from][a];
        }
        if (state < 0) {
            matcher_step(&subsets->matcher, set, (unsigned char)b, &to);
            enum status status = subsets->matcher.failed ? no_memory() : state_of(subsets, &to, &state);
            place_set_free(&to);
            TRY(status);
        }
        subsets->machine->next[from][b] = state;
    }
    return STATUS_OK;
}

static enum status find_states(struct subsets *subsets, const struct grammar *grammar) {
    struct place_set first = {0};
    int32_t state;
    TRY(matcher_open(&subsets->matcher, grammar));
    matcher_follow(&subsets->matcher, grammar->start[grammar->root], FRAME_ROOT, &first);
    enum status status = state_of(subsets, &first, &state);
    place_set_free(&first);
    /* a language without a text begins NOWHERE */
    if (status == STATUS_OK && state == NOWHERE) status = add_state(subsets->machine, &state);
    for (int s = FIRST; status == STATUS_OK && s < subsets->machine->states; s++)
        status = step_all(subsets, s);
    matcher_close(&subsets->matcher);
    return status;
}

/* `grammar` has one rule, which calls none. */
static enum status make_machine(struct machine **machine, const struct grammar *grammar) {
    struct subsets *subsets = calloc(1, sizeof *subsets);
    struct machine *made = new_machine();
    if (subsets) subsets->machine = made;
    if (subsets) subsets->set = calloc(MACHINE_STATES, sizeof *subsets->set);
    if (subsets) memset(subsets->bucket, -1, sizeof subsets->bucket);
    enum status status = made && subsets && subsets->set ? find_states(subsets, grammar) : no_memory();
    for (int s = 0; subsets && subsets->set && s < MACHINE_STATES; s++) place_set_free(&subsets->set[s]);
    if (subsets) free(subsets->set);
    free(subsets);
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
