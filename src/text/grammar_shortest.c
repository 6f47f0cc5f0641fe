/* grammar_shortest.c - the shortest way from where a matcher is to the end of the text. It follows what grammar_rest.c has
 * found: of a split the next, through calls that take no byte not at all. */
#include "text/grammar.h"

#include <stdlib.h>

/* Calls of calls without a byte between them may be as many as there are rules. */
enum { STEPS_LIMIT = 1 << 20 };

int32_t place_rest(const struct matcher *matcher, int32_t node, int32_t frame) {
    const int32_t rest = matcher->grammar->rest[node], behind = frame < 0 ? 0 : matcher->frame[frame].rest;
    if (rest == GRAMMAR_NO_REST || behind == GRAMMAR_NO_REST) return GRAMMAR_NO_REST;
    return rest >= GRAMMAR_REST_LIMIT - behind ? GRAMMAR_REST_LIMIT : rest + behind;
}

int32_t matcher_rest(const struct matcher *matcher, const struct place_set *set) {
    int32_t least = set->ended ? 0 : GRAMMAR_NO_REST;
    for (int i = 0; i < set->places; i++) {
        const int32_t rest = place_rest(matcher, set->place[i].node, set->place[i].frame);
        if (rest < least) least = rest;
    }
    return least;
}

/* Signs that tokens are made of in long runs come first, then what is easy to read. */
static char plain_byte(const struct byte_set *set) {
    static const char first[] = "-0abcdefghijklmnopqrstuvwxyz123456789";
    for (const char *c = first; *c; c++)
        if (byte_set_has(set, (unsigned char)*c)) return *c;
    int byte = '!';
    while (byte < 256 + '!' && !byte_set_has(set, (unsigned char)byte)) byte++;
    return (char)(byte & 255);
}

/* Where a walk is: a node, the calls that it made, innermost last, and the frame that they were made in. */
struct walk {
    const struct matcher *matcher;
    int32_t node, frame;
    int32_t *call; /* [calls] nodes to return to */
    int calls, capacity;
    bool failed;
};

static void walk_call(struct walk *walk, const struct grammar_node *at) {
    const struct grammar *grammar = walk->matcher->grammar;
    if (grammar->rest[grammar->start[at->other]] == 0) {
        walk->node = at->next;
        return;
    }
    if (walk->calls == walk->capacity) {
        const int more = walk->capacity ? 2 * walk->capacity : 64;
        int32_t *grown = realloc(walk->call, (size_t)more * sizeof *grown);
        walk->failed = !grown;
        if (!grown) return;
        walk->call = grown;
        walk->capacity = more;
    }
    walk->call[walk->calls++] = at->next;
    walk->node = grammar->start[at->other];
}

/* False: the text ends here. */
static bool walk_return(struct walk *walk) {
    if (walk->calls) {
        walk->node = walk->call[--walk->calls];
        return true;
    }
    if (walk->frame < 0) return false;
    const struct frame *frame = &walk->matcher->frame[walk->frame];
    walk->node = frame->node;
    walk->frame = frame->parent;
    return true;
}

static bool walk_to_end(struct walk *walk, size_t limit, struct buffer *text) {
    const struct grammar *grammar = walk->matcher->grammar;
    const size_t before = text->bytes;
    for (int steps = 0; steps < STEPS_LIMIT && !walk->failed; steps++) {
        const struct grammar_node *at = &grammar->node[walk->node];
        if (text->bytes - before == limit) return true;
        /* what takes no byte may still take many steps */
        if (grammar->rest[walk->node] == 0) {
            if (!walk_return(walk)) return true;
            continue;
        }
        if (at->kind == NODE_BYTES) buffer_append_char(text, plain_byte(&grammar->set[at->other]));
        if (at->kind == NODE_CALL)
            walk_call(walk, at);
        else
            walk->node = at->next;
    }
    return false;
}

bool matcher_shortest(const struct matcher *matcher, const struct place_set *set, size_t limit,
                      struct buffer *text) {
    const int32_t least = matcher_rest(matcher, set);
    if (least == 0) return true;
    if (least == GRAMMAR_NO_REST || matcher->failed) return false;
    int i = 0;
    while (place_rest(matcher, set->place[i].node, set->place[i].frame) != least) i++;
    struct walk walk = {.matcher = matcher, .node = set->place[i].node, .frame = set->place[i].frame};
    const bool found = walk_to_end(&walk, limit, text);
    free(walk.call);
    return found && !text->failed;
}
