/* grammar_compile.c - expressions to nodes, each rule from its end to its beginning, so that every node knows what
 * comes behind it. */
#include "text/grammar_expression.h"

#include <stdlib.h>
#include <string.h>

/* Steps: repeating nothing makes no nodes, and may still take for ever. */
enum { DEPTH_LIMIT = 8192, STEPS_LIMIT = 1 << 24 };

struct compiler {
    struct grammar *grammar;
    const struct grammar_builder *builder;
    int node_capacity, set_capacity, depth, steps;
    bool failed, full;
};

static int32_t add_node(struct compiler *compiler, enum node_kind kind, int32_t next, int32_t other) {
    struct grammar *grammar = compiler->grammar;
    if (grammar->nodes == compiler->node_capacity) {
        int more = compiler->node_capacity ? 2 * compiler->node_capacity : 256;
        struct grammar_node *grown = realloc(grammar->node, (size_t)more * sizeof *grown);
        if (grown) grammar->node = grown;
        if (!grown || grammar->nodes >= GRAMMAR_NODES_LIMIT) {
            compiler->failed = true;
            compiler->full |= grammar->nodes >= GRAMMAR_NODES_LIMIT;
            return 0;
        }
        compiler->node_capacity = more;
        int32_t *alike = realloc(grammar->alike, (size_t)more * sizeof *alike);
        if (alike) grammar->alike = alike;
        if (!alike) return compiler->failed = true, 0;
    }
    grammar->alike[grammar->nodes] = grammar->nodes;
    grammar->node[grammar->nodes] = (struct grammar_node){kind, next, other};
    return grammar->nodes++;
}

static int32_t add_set(struct compiler *compiler, struct byte_set set) {
    struct grammar *grammar = compiler->grammar;
    for (int i = grammar->sets; i-- > 0 && grammar->sets - i < 64;)
        if (!memcmp(&grammar->set[i], &set, sizeof set)) return i;
    if (grammar->sets == compiler->set_capacity) {
        int more = compiler->set_capacity ? 2 * compiler->set_capacity : 64;
        struct byte_set *grown = realloc(grammar->set, (size_t)more * sizeof *grown);
        if (!grown) {
            compiler->failed = true;
            return 0;
        }
        grammar->set = grown;
        compiler->set_capacity = more;
    }
    grammar->set[grammar->sets] = set;
    return grammar->sets++;
}

static int32_t compile(struct compiler *compiler, const struct expression *expression, int32_t next);

static int32_t compile_text(struct compiler *compiler, const struct expression *expression, int32_t next) {
    for (size_t i = expression->bytes; i-- > 0;) {
        struct byte_set set = {{0}};
        byte_set_add(&set, (unsigned char)expression->text[i]);
        next = add_node(compiler, NODE_BYTES, next, add_set(compiler, set));
    }
    return next;
}

/* Does it take a byte at least, for certain? */
static bool takes_bytes(const struct compiler *compiler, const struct expression *expression, int depth) {
    if (!expression || depth == 16) return false;
    switch (expression->kind) {
    case EXPRESSION_EMPTY: return false;
    case EXPRESSION_TEXT: return expression->bytes > 0;
    case EXPRESSION_SET: return true;
    case EXPRESSION_SEQUENCE:
        return takes_bytes(compiler, expression->two, depth + 1) ||
               takes_bytes(compiler, expression->one, depth + 1);
    case EXPRESSION_EITHER:
        return takes_bytes(compiler, expression->two, depth + 1) &&
               takes_bytes(compiler, expression->one, depth + 1);
    case EXPRESSION_REPEAT: return expression->low > 0 && takes_bytes(compiler, expression->one, depth + 1);
    case EXPRESSION_CALL: return takes_bytes(compiler, compiler->builder->rule[expression->low], depth + 1);
    }
    return false;
}

/* Repetitions are made from the last to the first, node for node the same: while more of them follow than a token can
 * take, one is like the one made before it. */
static void note_alike(struct compiler *compiler, int32_t before, int32_t begin) {
    struct grammar *grammar = compiler->grammar;
    if (compiler->failed || grammar->nodes - begin != begin - before) return;
    for (int32_t n = begin; n < grammar->nodes; n++) grammar->alike[n] = grammar->alike[n - (begin - before)];
}

/* x{2,4} is x x (x (x)?)?, x{1,} is x with a way back behind it. */
static int32_t compile_repeat(struct compiler *compiler, const struct expression *expression, int32_t next) {
    const struct expression *one = expression->one;
    int32_t at = next;
    if (expression->high < 0) {
        int32_t split = add_node(compiler, NODE_SPLIT, next, next), body = compile(compiler, one, split);
        if (compiler->failed) return next;
        compiler->grammar->node[split].next = body;
        at = split;
    }
    const bool counted = expression->high > GRAMMAR_AHEAD_BYTES || expression->low > GRAMMAR_AHEAD_BYTES;
    const bool steps = counted && takes_bytes(compiler, one, 0);
    int32_t before = 0;
    for (int i = expression->low; i < expression->high && !compiler->failed; i++) {
        const int32_t begin = compiler->grammar->nodes;
        at = add_node(compiler, NODE_SPLIT, compile(compiler, one, at), next);
        if (steps && i - expression->low > GRAMMAR_AHEAD_BYTES) note_alike(compiler, before, begin);
        before = begin;
    }
    for (int i = 0; i < expression->low && !compiler->failed; i++) {
        const int32_t begin = compiler->grammar->nodes;
        at = compile(compiler, one, at);
        if (steps && i > GRAMMAR_AHEAD_BYTES) note_alike(compiler, before, begin);
        before = begin;
    }
    return at;
}

/* Alternatives and sequences lean to the left, as far as there are values in an enumeration or characters in a pattern. */
static int32_t compile_either(struct compiler *compiler, const struct expression *expression, int32_t next) {
    int32_t sum = compile(compiler, expression->two, next);
    for (expression = expression->one; expression->kind == EXPRESSION_EITHER && !compiler->failed;
         expression = expression->one)
        sum = add_node(compiler, NODE_SPLIT, compile(compiler, expression->two, next), sum);
    return add_node(compiler, NODE_SPLIT, compile(compiler, expression, next), sum);
}

static int32_t compile_one(struct compiler *compiler, const struct expression *expression, int32_t next) {
    while (expression->kind == EXPRESSION_SEQUENCE && !compiler->failed) {
        next = compile(compiler, expression->two, next);
        expression = expression->one;
    }
    switch (expression->kind) {
    case EXPRESSION_SEQUENCE:
    case EXPRESSION_EMPTY: return next;
    case EXPRESSION_TEXT: return compile_text(compiler, expression, next);
    case EXPRESSION_SET: return add_node(compiler, NODE_BYTES, next, add_set(compiler, expression->set));
    case EXPRESSION_EITHER: return compile_either(compiler, expression, next);
    case EXPRESSION_REPEAT: return compile_repeat(compiler, expression, next);
    case EXPRESSION_CALL: return add_node(compiler, NODE_CALL, next, expression->low);
    }
    return next;
}

static int32_t compile(struct compiler *compiler, const struct expression *expression, int32_t next) {
    if (!expression || compiler->failed) return compiler->failed = true, 0;
    if (compiler->depth == DEPTH_LIMIT || ++compiler->steps > STEPS_LIMIT)
        return compiler->failed = compiler->full = true, 0;
    compiler->depth++;
    const int32_t at = compile_one(compiler, expression, next);
    compiler->depth--;
    return at;
}

/* ---- rules that begin with themselves would be entered for ever ---- */

struct beginnings {
    const struct grammar *grammar;
    uint8_t *nullable; /* [rules] the rule can be nothing */
    uint8_t *sound;    /* [rules] it does not begin with itself */
    uint8_t *seen;     /* [nodes] */
    int32_t *list;     /* [nodes] what was reached */
    int listed;
};

static void list_node(struct beginnings *b, int32_t node) {
    if (b->seen[node]) return;
    b->seen[node] = 1;
    b->list[b->listed++] = node;
}

/* Lists the nodes that can be reached from the start of a rule without a byte; true when its end is one of them. */
static bool reach(struct beginnings *b, int rule) {
    const struct grammar *grammar = b->grammar;
    bool ends = false;
    b->listed = 0;
    list_node(b, grammar->start[rule]);
    for (int i = 0; i < b->listed; i++) {
        const struct grammar_node *at = &grammar->node[b->list[i]];
        if (at->kind == NODE_END) ends = true;
        if (at->kind == NODE_SPLIT || (at->kind == NODE_CALL && b->nullable[at->other]))
            list_node(b, at->next);
        if (at->kind == NODE_SPLIT) list_node(b, at->other);
    }
    for (int i = 0; i < b->listed; i++) b->seen[b->list[i]] = 0;
    return ends;
}

static void find_nullable(struct beginnings *b) {
    for (bool changed = true; changed;) {
        changed = false;
        for (int r = 0; r < b->grammar->rules; r++)
            if (!b->nullable[r] && reach(b, r)) b->nullable[r] = changed = true;
    }
}

/* Every rule that this one can begin with is sound. */
static bool begins_soundly(struct beginnings *b, int rule) {
    (void)reach(b, rule);
    for (int i = 0; i < b->listed; i++) {
        const struct grammar_node *at = &b->grammar->node[b->list[i]];
        if (at->kind == NODE_CALL && !b->sound[at->other]) return false;
    }
    return true;
}

/* What never becomes sound begins with itself. To and fro, so that no order of rules takes a round for each. */
static bool all_sound(struct beginnings *b) {
    const int rules = b->grammar->rules;
    int sound = 0;
    for (bool changed = true, down = true; changed; down = !down) {
        changed = false;
        for (int i = 0; i < rules; i++) {
            const int r = down ? rules - 1 - i : i;
            if (!b->sound[r] && begins_soundly(b, r)) b->sound[r] = changed = true, sound++;
        }
    }
    return sound == rules;
}

/* From one unsound rule to the next that it begins with: after as many as there are, one comes again. */
static int find_circular(struct beginnings *b) {
    int rule = 0;
    while (b->sound[rule]) rule++;
    for (int steps = 0; steps < b->grammar->rules; steps++) {
        (void)reach(b, rule);
        for (int i = 0; i < b->listed; i++) {
            const struct grammar_node *at = &b->grammar->node[b->list[i]];
            if (at->kind != NODE_CALL || b->sound[at->other]) continue;
            rule = at->other;
            break;
        }
    }
    return rule;
}

static enum status check_beginnings(const struct grammar *grammar, int *circular) {
    const size_t rules = (size_t)grammar->rules, nodes = (size_t)grammar->nodes;
    struct beginnings b = {grammar,
                           calloc(rules + 1, 1),
                           calloc(rules + 1, 1),
                           calloc(nodes + 1, 1),
                           calloc(nodes + 1, sizeof(int32_t)),
                           0};
    enum status status = STATUS_OK;
    if (!b.nullable || !b.sound || !b.seen || !b.list) {
        status = fail(STATUS_MEMORY, "out of memory for a grammar");
    } else {
        find_nullable(&b);
        if (!all_sound(&b)) {
            *circular = find_circular(&b);
            status = fail(STATUS_INPUT, "a rule of the grammar begins with itself");
        }
    }
    free(b.nullable);
    free(b.sound);
    free(b.seen);
    free(b.list);
    return status;
}

/* ---- ways that lead nowhere are cut off ---- */

/* A text that follows the grammar can always come to its end: splits lose the side from which there is none. */
static enum status cut_dead_ends(struct grammar *grammar, bool *any) {
    TRY(grammar_measure(grammar));
    for (int n = 0; n < grammar->nodes; n++) {
        struct grammar_node *at = &grammar->node[n];
        if (at->kind == NODE_SPLIT && grammar->rest[n] != GRAMMAR_NO_REST &&
            grammar->rest[at->other] == GRAMMAR_NO_REST)
            at->other = at->next;
    }
    *any = grammar->rest[grammar->start[grammar->root]] != GRAMMAR_NO_REST;
    return STATUS_OK;
}

/* ---- all rules ---- */

static enum status compile_rules(struct compiler *compiler, struct grammar_builder *builder) {
    struct grammar *grammar = compiler->grammar;
    for (int r = 0; r < builder->rules; r++) {
        if (!builder->rule[r] && !builder->failed)
            return fail(STATUS_INPUT, "rule %d of the grammar says nothing", r);
        if (builder->failed) break;
        int32_t end = add_node(compiler, NODE_END, -1, -1);
        grammar->start[r] = compile(compiler, builder->rule[r], end);
        if (compiler->failed) break;
        if (r + 1 == builder->shared_rules) grammar->shared_nodes = grammar->nodes;
    }
    if (compiler->full || builder->full)
        return fail(STATUS_LIMIT, "the grammar is too large: more than %d places", GRAMMAR_NODES_LIMIT);
    if (compiler->failed || builder->failed) return fail(STATUS_MEMORY, "out of memory for a grammar");
    TRY(check_beginnings(grammar, &builder->circular));
    bool any = false;
    TRY(cut_dead_ends(grammar, &any));
    return any ? STATUS_OK : fail(STATUS_INPUT, "the grammar allows no text");
}

enum status grammar_open(struct grammar **grammar, struct grammar_builder *builder, int root) {
    struct grammar *opened = calloc(1, sizeof *opened);
    *grammar = NULL;
    if (!opened) return fail(STATUS_MEMORY, "out of memory for a grammar");
    builder->circular = -1;
    opened->rules = builder->rules;
    opened->root = root;
    opened->start = calloc((size_t)builder->rules + 1, sizeof *opened->start);
    struct compiler compiler = {.grammar = opened, .builder = builder, .failed = !opened->start};
    enum status status = compile_rules(&compiler, builder);
    if (status == STATUS_OK)
        *grammar = opened;
    else
        grammar_close(opened);
    return status;
}

void grammar_close(struct grammar *grammar) {
    if (!grammar) return;
    free(grammar->node);
    free(grammar->alike);
    free(grammar->rest);
    free(grammar->set);
    free(grammar->start);
    free(grammar);
}
