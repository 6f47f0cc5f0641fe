/* grammar_rest.c - how many bytes it takes at least from each node to the end of its rule, in the order of that number
 * (D. Knuth, A generalization of Dijkstra's algorithm, 1977), so that nodes without a number are those from which there
 * is no end. Pure.
 *
 * Each node is reached once: a split by the nearer of its sides, a call when both what it calls and what comes behind it are
 * known. Steps of no byte wait on a stack, of one in a queue, and only calls need a heap. */
#include "text/grammar_expression.h"

#include <stdlib.h>
#include <string.h>

struct measure {
    struct grammar *grammar;
    int32_t *first;                 /* [nodes] the first way that leads to a node; -1: none */
    int32_t *link;                  /* [2 nodes] the next one: 2 n, or 2 n + 1 for what `other` of n is */
    int32_t *stack, *queue, *call;  /* [nodes] reached, and not yet looked at */
    int stacked, head, tail, calls; /* of the stack, of the queue, of the heap */
};

static int32_t rest_sum(int32_t one, int32_t other) {
    return one >= GRAMMAR_REST_LIMIT - other ? GRAMMAR_REST_LIMIT : one + other;
}

static void add_way(struct measure *measure, int32_t to, int32_t way) {
    measure->link[way] = measure->first[to];
    measure->first[to] = way;
}

static void list_ways(struct measure *measure) {
    const struct grammar *grammar = measure->grammar;
    for (int32_t n = 0; n < grammar->nodes; n++) {
        const struct grammar_node *at = &grammar->node[n];
        if (at->kind == NODE_END) continue;
        add_way(measure, at->next, 2 * n);
        if (at->kind == NODE_SPLIT) add_way(measure, at->other, 2 * n + 1);
        if (at->kind == NODE_CALL) add_way(measure, grammar->start[at->other], 2 * n + 1);
    }
}

/* ---- calls, the shortest first ---- */

static void push_call(struct measure *measure, int32_t node) {
    const int32_t *rest = measure->grammar->rest;
    int at = measure->calls++;
    for (; at > 0 && rest[measure->call[(at - 1) / 2]] > rest[node]; at = (at - 1) / 2)
        measure->call[at] = measure->call[(at - 1) / 2];
    measure->call[at] = node;
}

static int32_t pop_call(struct measure *measure) {
    const int32_t *rest = measure->grammar->rest;
    const int32_t top = measure->call[0], last = measure->call[--measure->calls];
    int at = 0;
    for (int below = 1; below < measure->calls; below = 2 * at + 1) {
        if (below + 1 < measure->calls && rest[measure->call[below + 1]] < rest[measure->call[below]])
            below++;
        if (rest[measure->call[below]] >= rest[last]) break;
        measure->call[at] = measure->call[below];
        at = below;
    }
    measure->call[at] = last;
    return top;
}

/* ---- from the ends backwards ---- */

static void reach_split(struct measure *measure, int32_t node, int32_t from, bool by_other) {
    struct grammar_node *at = &measure->grammar->node[node];
    if (measure->grammar->rest[node] != GRAMMAR_NO_REST) return;
    if (by_other) {
        const int32_t swap = at->next;
        at->next = at->other;
        at->other = swap;
    }
    measure->grammar->rest[node] = measure->grammar->rest[from];
    measure->stack[measure->stacked++] = node;
}

static void reach_bytes(struct measure *measure, int32_t node, int32_t from) {
    static const struct byte_set none = {{0}};
    struct grammar *grammar = measure->grammar;
    if (!memcmp(&grammar->set[grammar->node[node].other], &none, sizeof none)) return;
    grammar->rest[node] = rest_sum(grammar->rest[from], 1);
    measure->queue[measure->tail++] = node;
}

static void reach_call(struct measure *measure, int32_t node) {
    struct grammar *grammar = measure->grammar;
    const struct grammar_node *at = &grammar->node[node];
    const int32_t called = grammar->rest[grammar->start[at->other]], behind = grammar->rest[at->next];
    if (called == GRAMMAR_NO_REST || behind == GRAMMAR_NO_REST || grammar->rest[node] != GRAMMAR_NO_REST)
        return;
    grammar->rest[node] = rest_sum(called, behind);
    push_call(measure, node);
}

static void look_back(struct measure *measure, int32_t from) {
    for (int32_t way = measure->first[from], next; way >= 0; way = next) {
        const int32_t node = way / 2;
        next = measure->link[way];
        switch (measure->grammar->node[node].kind) {
        case NODE_END: break;
        case NODE_BYTES: reach_bytes(measure, node, from); break;
        case NODE_SPLIT: reach_split(measure, node, from, way % 2); break;
        case NODE_CALL: reach_call(measure, node); break;
        }
    }
}

/* The nearest node that was reached. */
static int32_t next_node(struct measure *measure) {
    const int32_t *rest = measure->grammar->rest;
    if (measure->stacked) return measure->stack[--measure->stacked];
    const bool queued = measure->head < measure->tail;
    if (!measure->calls) return queued ? measure->queue[measure->head++] : -1;
    if (queued && rest[measure->queue[measure->head]] <= rest[measure->call[0]])
        return measure->queue[measure->head++];
    return pop_call(measure);
}

static void measure_all(struct measure *measure) {
    struct grammar *grammar = measure->grammar;
    list_ways(measure);
    for (int32_t n = 0; n < grammar->nodes; n++) {
        const bool end = grammar->node[n].kind == NODE_END;
        grammar->rest[n] = end ? 0 : GRAMMAR_NO_REST;
        if (end) measure->stack[measure->stacked++] = n;
    }
    for (int32_t n; (n = next_node(measure)) >= 0;) look_back(measure, n);
}

enum status grammar_measure(struct grammar *grammar) {
    const size_t nodes = (size_t)grammar->nodes + 1;
    int32_t *memory = calloc(6 * nodes, sizeof *memory);
    grammar->rest = calloc(nodes, sizeof *grammar->rest);
    enum status status =
        memory && grammar->rest ? STATUS_OK : fail(STATUS_MEMORY, "out of memory for a grammar");
    if (status == STATUS_OK) {
        struct measure measure = {.grammar = grammar,
                                  .first = memory,
                                  .link = memory + nodes,
                                  .stack = memory + 3 * nodes,
                                  .queue = memory + 4 * nodes,
                                  .call = memory + 5 * nodes};
        memset(measure.first, -1, nodes * sizeof *memory);
        measure_all(&measure);
    }
    free(memory);
    return status;
}
