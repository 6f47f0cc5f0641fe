/* grammar.h - which bytes may come next, by a grammar: rules of a pushdown automaton over bytes.
 *
 * A grammar is built of expressions, then compiled, and never changes again: any number of threads may match with
 * it. Rules may call each other in any depth, but not begin with themselves. A matcher follows one text; the states that
 * it can be in are sets of places, each with the calls that it has to return to. */
#ifndef HADAL_TEXT_GRAMMAR_H
#define HADAL_TEXT_GRAMMAR_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRAMMAR_RULES_LIMIT = 1 << 16, GRAMMAR_NODES_LIMIT = 1 << 20, GRAMMAR_EXPRESSIONS_LIMIT = 1 << 20 };

/* ---- building ---- */

struct expression; /* lives in the builder; may stand in several places */

struct byte_set {
    uint64_t bits[4];
};

struct grammar_builder {
    struct arena arena;             /* owns the expressions */
    const struct expression **rule; /* [rules] */
    int rules, capacity, expressions;
    bool failed;      /* out of memory, or more than a limit: then nothing is made any more */
    bool full;        /* it was a limit */
    int shared_rules; /* the first rules, which are the parts of JSON in every grammar that has them; 0: none */
    int circular;     /* where that failed: a rule that begins with itself; -1: none */
};
void grammar_builder_free(struct grammar_builder *builder);

/* All take and give expressions; NULL goes through them, and shows when the grammar is made. */
const struct expression *grammar_empty(struct grammar_builder *builder);
const struct expression *grammar_bytes(struct grammar_builder *builder, const void *text, size_t bytes);
const struct expression *grammar_text(struct grammar_builder *builder, const char *text);
const struct expression *grammar_set(struct grammar_builder *builder, struct byte_set set);
const struct expression *grammar_range(struct grammar_builder *builder, uint32_t low,
                                       uint32_t high); /* code points */
const struct expression *grammar_sequence(struct grammar_builder *builder, const struct expression *first,
                                          const struct expression *second);
const struct expression *grammar_either(struct grammar_builder *builder, const struct expression *one,
                                        const struct expression *other);
/* `high` < 0: any number of times. */
const struct expression *grammar_repeat(struct grammar_builder *builder, const struct expression *expression,
                                        int low, int high);
const struct expression *grammar_optional(struct grammar_builder *builder,
                                          const struct expression *expression);
/* A rule is declared before it is known what it says, so that it can be called from within. */
int grammar_declare(struct grammar_builder *builder);
void grammar_define(struct grammar_builder *builder, int rule, const struct expression *expression);
const struct expression *grammar_call(struct grammar_builder *builder, int rule);

/* ---- the compiled form ---- */

enum node_kind { NODE_BYTES, NODE_SPLIT, NODE_CALL, NODE_END };
struct grammar_node {
    enum node_kind kind;
    int32_t next, other; /* other: of a split, or the rule of a call; of bytes, the index of their set */
};

struct grammar {
    struct grammar_node *node;
    struct byte_set *set;
    int32_t *start; /* [rules] */
    int32_t *
        alike; /* [nodes] one that is the same for as long as a token is: itself, or that of another repetition */
    int32_t *rest; /* [nodes] bytes that it takes at least to the end of the rule */
    int nodes, sets, rules, root;
    int shared_nodes; /* the first ones: those of the shared rules */
};

/* Of `rest`: there is no end; so many or more. */
enum { GRAMMAR_NO_REST = INT32_MAX, GRAMMAR_REST_LIMIT = 1 << 30 };

/* For how many bytes nodes must be the same to be alike: no token is longer. */
enum { GRAMMAR_AHEAD_BYTES = 32 };

/* Rule `root` is the whole text. STATUS_LIMIT for too large a grammar, STATUS_INPUT for a rule that begins with itself
 * or was never defined. The builder may be freed afterwards. */
must_use enum status grammar_open(struct grammar **grammar, struct grammar_builder *builder, int root);
void grammar_close(struct grammar *grammar); /* NULL allowed */

/* ---- matching ---- */

enum {
    FRAME_ROOT = -1,
    FRAME_BELOW = -2
}; /* below: calls that were made before the text that is looked at */

/* A place: a node of kind NODE_BYTES, and the call to return to. */
struct place {
    int32_t node, frame;
};

struct place_set {
    struct place *place;
    int places, capacity;
    bool ended; /* the text may end here */
    bool below; /* a place returned from FRAME_BELOW */
};

struct frame {
    int32_t node, parent;
    int32_t rest; /* bytes that it takes at least from its node to the end of the text */
};

struct matcher {
    const struct grammar *grammar;
    struct place_set set, spare;
    struct frame *frame; /* no two alike */
    int32_t *bucket, *chain;
    int frames, frame_capacity, buckets;
    struct place *todo; /* of the closure */
    int todos, todo_capacity;
    int64_t work; /* comparisons so far, for those who bound them */
    bool failed;  /* out of memory, or too many ways to go on: nothing may come any more */
    bool full;    /* it was too many ways */
};

must_use enum status matcher_open(struct matcher *matcher, const struct grammar *grammar);
bool matcher_restart(struct matcher *matcher); /* as it was after opening; false: out of memory */
void matcher_close(struct matcher *matcher);   /* also of a zeroed one */
/* False: the text does not follow the grammar; the matcher then stays where nothing may come. */
bool matcher_push(struct matcher *matcher, const char *text, size_t bytes);
bool matcher_may_end(const struct matcher *matcher);
/* Would it be true, of a byte at least? The matcher stays where it is. */
bool matcher_would_push(struct matcher *matcher, const char *text, size_t bytes);
/* The places that there would be behind it, to be freed. */
void matcher_look(struct matcher *matcher, const char *text, size_t bytes, struct place_set *set);
/* The text did come: as matcher_push(), without doing it again. The set is scratch then. */
bool matcher_take(struct matcher *matcher, struct place_set *set);
/* Bytes that it takes at least from a node to the end of the text. */
int32_t place_rest(const struct matcher *matcher, int32_t node, int32_t frame);
/* And from the nearest of places; GRAMMAR_NO_REST: there is none. */
int32_t matcher_rest(const struct matcher *matcher, const struct place_set *set);
/* Appends the first `limit` bytes of a text as short as that. False: it is too hard to find. */
bool matcher_shortest(const struct matcher *matcher, const struct place_set *set, size_t limit,
                      struct buffer *text);

/* The parts of it, for masks: adds what follows a place at once to `set`; the places after a byte. */
void matcher_follow(struct matcher *matcher, int32_t node, int32_t frame, struct place_set *set);
void matcher_step(struct matcher *matcher, const struct place_set *from, unsigned char byte,
                  struct place_set *to);
void place_set_free(struct place_set *set);

static inline bool byte_set_has(const struct byte_set *set, unsigned char byte) {
    return set->bits[byte >> 6] >> (byte & 63) & 1;
}
static inline void byte_set_add(struct byte_set *set, unsigned char byte) {
    set->bits[byte >> 6] |= UINT64_C(1) << (byte & 63);
}

#endif
