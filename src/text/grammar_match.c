/* grammar_match.c - following a text through the grammar: sets of places, and calls kept once each.
 *
 * A call is a frame of where to return and what to return to after that; equal frames are one frame, so that
 * sets of places stay small however deep the text is nested. */
#include "text/grammar.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES_LIMIT = 1 << 20, TODOS_LIMIT = 1 << 13, PLACES_LIMIT = 1 << 12 };

void place_set_free(struct place_set *set) {
    free(set->place);
    *set = (struct place_set){0};
}

static void place_set_clear(struct place_set *set) {
    set->places = 0;
    set->ended = set->below = false;
}

/* ---- frames ---- */

static uint32_t hash_frame(int32_t node, int32_t parent) {
    uint64_t h = ((uint64_t)(uint32_t)node << 32 | (uint32_t)parent) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

static bool grow_frames(struct matcher *matcher) {
    int more = matcher->frame_capacity ? 2 * matcher->frame_capacity : 64;
    if (more > FRAMES_LIMIT) return false;
    struct frame *frame = realloc(matcher->frame, (size_t)more * sizeof *frame);
    if (frame) matcher->frame = frame;
    int32_t *chain = realloc(matcher->chain, (size_t)more * sizeof *chain);
    if (chain) matcher->chain = chain;
    int32_t *bucket = realloc(matcher->bucket, (size_t)more * 2 * sizeof *bucket);
    if (bucket) matcher->bucket = bucket;
    if (!frame || !chain || !bucket) return false;
    matcher->frame_capacity = more;
    matcher->buckets = 2 * more;
    memset(bucket, -1, (size_t)matcher->buckets * sizeof *bucket);
    for (int f = 0; f < matcher->frames; f++) {
        int32_t *head =
            &bucket[hash_frame(frame[f].node, frame[f].parent) & (uint32_t)(matcher->buckets - 1)];
        chain[f] = *head;
        *head = f;
    }
    return true;
}

static int32_t frame_of(struct matcher *matcher, int32_t node, int32_t parent) {
    const uint32_t hash = hash_frame(node, parent);
    if (matcher->frames > 0)
        for (int32_t f = matcher->bucket[hash & (uint32_t)(matcher->buckets - 1)]; f >= 0;
             f = matcher->chain[f])
            if (matcher->frame[f].node == node && matcher->frame[f].parent == parent) return f;
    if (matcher->frames == matcher->frame_capacity && !grow_frames(matcher)) {
        matcher->failed = true;
        return FRAME_ROOT;
    }
    int32_t *head = &matcher->bucket[hash & (uint32_t)(matcher->buckets - 1)];
    matcher->frame[matcher->frames] = (struct frame){node, parent, place_rest(matcher, node, parent)};
    matcher->chain[matcher->frames] = *head;
    return *head = matcher->frames++;
}

/* ---- closure ---- */

static void push_todo(struct matcher *matcher, int32_t node, int32_t frame) {
    if (matcher->todos == matcher->todo_capacity) {
        int more = matcher->todo_capacity ? 2 * matcher->todo_capacity : 64;
        struct place *grown =
            more > TODOS_LIMIT ? NULL : realloc(matcher->todo, (size_t)more * sizeof *grown);
        if (!grown) {
            matcher->full |= more > TODOS_LIMIT;
            matcher->failed = true;
            return;
        }
        matcher->todo = grown;
        matcher->todo_capacity = more;
    }
    matcher->todo[matcher->todos++] = (struct place){node, frame};
}

static void add_place(struct matcher *matcher, struct place place, struct place_set *set) {
    if (set->places == set->capacity) {
        int more = set->capacity ? 2 * set->capacity : 16;
        struct place *grown = more > PLACES_LIMIT ? NULL : realloc(set->place, (size_t)more * sizeof *grown);
        if (!grown) {
            matcher->full |= more > PLACES_LIMIT;
            matcher->failed = true;
            return;
        }
        set->place = grown;
        set->capacity = more;
    }
    set->place[set->places++] = place;
}

/* Was it on the list already? The list is what is done and what is to be done: a place comes once. */
static bool is_listed(const struct matcher *matcher, int from, struct place place) {
    for (int i = from; i < matcher->todos; i++)
        if (matcher->todo[i].node == place.node && matcher->todo[i].frame == place.frame) return true;
    return false;
}

static void list(struct matcher *matcher, int from, int32_t node, int32_t frame) {
    matcher->work += matcher->todos - from;
    if (!is_listed(matcher, from, (struct place){node, frame})) push_todo(matcher, node, frame);
}

static bool has_place(const struct place_set *set, struct place place) {
    for (int i = 0; i < set->places; i++)
        if (set->place[i].node == place.node && set->place[i].frame == place.frame) return true;
    return false;
}

static void return_from(struct matcher *matcher, int from, int32_t frame, struct place_set *set) {
    if (frame == FRAME_ROOT)
        set->ended = true;
    else if (frame == FRAME_BELOW)
        set->below = true;
    else
        list(matcher, from, matcher->frame[frame].node, matcher->frame[frame].parent);
}

void matcher_follow(struct matcher *matcher, int32_t node, int32_t frame, struct place_set *set) {
    const struct grammar *grammar = matcher->grammar;
    const int from = matcher->todos;
    push_todo(matcher, node, frame);
    for (int i = from; i < matcher->todos && !matcher->failed; i++) {
        const struct place place = matcher->todo[i];
        const struct grammar_node *at = &grammar->node[place.node];
        switch (at->kind) {
        case NODE_BYTES:
            matcher->work += set->places;
            if (!has_place(set, place)) add_place(matcher, place, set);
            break;
        case NODE_SPLIT:
            list(matcher, from, at->next, place.frame);
            list(matcher, from, at->other, place.frame);
            break;
        case NODE_CALL:
            /* a call at the end of its rule has nothing to come back to but where the rule returns */
            if (grammar->node[at->next].kind == NODE_END)
                list(matcher, from, grammar->start[at->other], place.frame);
            else
                list(matcher, from, grammar->start[at->other], frame_of(matcher, at->next, place.frame));
            break;
        case NODE_END: return_from(matcher, from, place.frame, set); break;
        }
    }
    matcher->todos = from;
}

void matcher_step(struct matcher *matcher, const struct place_set *from, unsigned char byte,
                  struct place_set *to) {
    const struct grammar *grammar = matcher->grammar;
    place_set_clear(to);
    matcher->work += from->places;
    for (int i = 0; i < from->places && !matcher->failed; i++) {
        const struct grammar_node *at = &grammar->node[from->place[i].node];
        if (byte_set_has(&grammar->set[at->other], byte))
            matcher_follow(matcher, at->next, from->place[i].frame, to);
    }
}

/* ---- matchers ---- */

enum status matcher_open(struct matcher *matcher, const struct grammar *grammar) {
    *matcher = (struct matcher){.grammar = grammar};
    if (grow_frames(matcher))
        matcher_follow(matcher, grammar->start[grammar->root], FRAME_ROOT, &matcher->set);
    if (!matcher->failed && matcher->frame) return STATUS_OK;
    const bool full = matcher->full;
    matcher_close(matcher);
    if (full) return fail(STATUS_LIMIT, "the grammar has more than %d ways to begin", PLACES_LIMIT);
    return fail(STATUS_MEMORY, "out of memory for following a grammar");
}

bool matcher_restart(struct matcher *matcher) {
    const struct grammar *grammar = matcher->grammar;
    place_set_clear(&matcher->set);
    memset(matcher->bucket, -1, (size_t)matcher->buckets * sizeof *matcher->bucket);
    matcher->frames = matcher->todos = 0;
    matcher->failed = matcher->full = false;
    matcher_follow(matcher, grammar->start[grammar->root], FRAME_ROOT, &matcher->set);
    return !matcher->failed;
}

void matcher_close(struct matcher *matcher) {
    place_set_free(&matcher->set);
    place_set_free(&matcher->spare);
    free(matcher->frame);
    free(matcher->bucket);
    free(matcher->chain);
    free(matcher->todo);
    *matcher = (struct matcher){0};
}

bool matcher_push(struct matcher *matcher, const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        matcher_step(matcher, &matcher->set, (unsigned char)text[i], &matcher->spare);
        struct place_set swap = matcher->set;
        matcher->set = matcher->spare;
        matcher->spare = swap;
    }
    if (matcher->failed) place_set_clear(&matcher->set);
    return matcher->set.places > 0 || matcher->set.ended;
}

void matcher_look(struct matcher *matcher, const char *text, size_t bytes, struct place_set *set) {
    struct place_set next = {0};
    place_set_clear(set);
    for (size_t i = 0; i < bytes; i++) {
        matcher_step(matcher, i ? set : &matcher->set, (unsigned char)text[i], &next);
        struct place_set swap = *set;
        *set = next;
        next = swap;
    }
    if (matcher->failed) place_set_clear(set);
    place_set_free(&next);
}

bool matcher_take(struct matcher *matcher, struct place_set *set) {
    const struct place_set swap = matcher->set;
    matcher->set = *set;
    *set = swap;
    return matcher->set.places > 0 || matcher->set.ended;
}

bool matcher_would_push(struct matcher *matcher, const char *text, size_t bytes) {
    struct place_set set = {0};
    matcher_look(matcher, text, bytes, &set);
    const bool follows = set.places > 0 || set.ended;
    place_set_free(&set);
    return follows;
}

bool matcher_may_end(const struct matcher *matcher) {
    return matcher->set.ended;
}
