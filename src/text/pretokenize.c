/* pretokenize.c - runs the stages of a pre-tokenizer, depth first: a piece goes through all later stages before
 * the next one is looked for, so nothing but the stack is needed, whatever the length of the text. */
#include "text/pretokenize.h"

#include "text/pretokenize_stage.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef const unsigned char *place;

struct run {
    const struct pretokenizer *pretokenizer;
    struct arena *arena;
    piece_sink *sink;
    void *context;
    struct regex_run regex;
};

static enum status run_stage(struct run *run, int index, place begin, place end);

static struct stage_input input_of(struct run *run, place begin, place end) {
    return (struct stage_input){
        .classes = &run->pretokenizer->classes, .begin = begin, .end = end, .regex = &run->regex};
}

/* Where to look for the match after this one: an empty match must not be found for ever. */
static place behind(const struct match *match, place end) {
    int bytes = 0;
    if (match->begin == match->end && match->end < end) (void)utf8_decode(match->end, &bytes);
    return match->end + bytes;
}

/* Matches and what lies between them become pieces. */
static enum status run_isolated(struct run *run, int index, place begin, place end) {
    const struct stage *stage = &run->pretokenizer->stage[index];
    struct stage_input input = input_of(run, begin, end);
    struct match match;
    place done = begin, from = begin;
    while (from < end && stage->match(stage, &input, from, &match)) {
        if (done < match.begin) TRY(run_stage(run, index + 1, done, match.begin));
        TRY(run_stage(run, index + 1, match.begin, match.end));
        done = match.end;
        from = behind(&match, end);
    }
    TRY(input.status);
    return run_stage(run, index + 1, done, end);
}

/* The piece that the next segment may still join. */
struct pending {
    place begin, end;
    bool is_match, exists;
};

static enum status flush(struct run *run, int index, struct pending *pending) {
    if (!pending->exists) return STATUS_OK;
    pending->exists = false;
    return run_stage(run, index + 1, pending->begin, pending->end);
}

static bool joins(enum split_behaviour behaviour, const struct pending *pending, bool is_match) {
    switch (behaviour) {
    case SPLIT_MERGED_WITH_PREVIOUS: return is_match && !pending->is_match;
    case SPLIT_MERGED_WITH_NEXT: return !is_match && pending->is_match;
    case SPLIT_CONTIGUOUS: return is_match == pending->is_match;
    default: return false;
    }
}

static enum status add_segment(struct run *run, int index, struct pending *pending, struct match segment,
                               bool is_match) {
    const struct stage *stage = &run->pretokenizer->stage[index];
    if (segment.begin == segment.end) return STATUS_OK;
    if (stage->invert) is_match = !is_match;
    if (stage->behaviour == SPLIT_REMOVED && is_match) return STATUS_OK;
    if (pending->exists && joins(stage->behaviour, pending, is_match)) {
        pending->end = segment.end;
        pending->is_match = is_match;
        return STATUS_OK;
    }
    TRY(flush(run, index, pending));
    *pending = (struct pending){segment.begin, segment.end, is_match, true};
    return STATUS_OK;
}

static enum status run_merging(struct run *run, int index, place begin, place end) {
    const struct stage *stage = &run->pretokenizer->stage[index];
    struct stage_input input = input_of(run, begin, end);
    struct pending pending = {0};
    struct match match;
    place done = begin, from = begin;
    while (from < end && stage->match(stage, &input, from, &match)) {
        TRY(add_segment(run, index, &pending, (struct match){done, match.begin}, false));
        TRY(add_segment(run, index, &pending, match, true));
        done = match.end;
        from = behind(&match, end);
    }
    TRY(input.status);
    TRY(add_segment(run, index, &pending, (struct match){done, end}, false));
    return flush(run, index, &pending);
}

static enum status run_put_space(struct run *run, int index, place begin, place end) {
    if (*begin == ' ') return run_stage(run, index + 1, begin, end);
    size_t bytes = (size_t)(end - begin);
    unsigned char *copy = arena_take(run->arena, bytes + 1);
    if (!copy) return fail(STATUS_MEMORY, "no memory for %zu bytes of text", bytes + 1);
    copy[0] = ' ';
    memcpy(copy + 1, begin, bytes);
    return run_stage(run, index + 1, copy, copy + bytes + 1);
}

static enum status run_stage(struct run *run, int index, place begin, place end) {
    if (begin == end) return STATUS_OK;
    if (index == run->pretokenizer->stages) return run->sink(run->context, begin, (size_t)(end - begin));
    const struct stage *stage = &run->pretokenizer->stage[index];
    if (!stage->match) return run_put_space(run, index, begin, end);
    if (stage->behaviour == SPLIT_ISOLATED) return run_isolated(run, index, begin, end);
    return run_merging(run, index, begin, end);
}

enum status pretokenizer_run(const struct pretokenizer *pretokenizer, const unsigned char *text, size_t bytes,
                             struct arena *arena, piece_sink *sink, void *context) {
    struct run run = {.pretokenizer = pretokenizer, .arena = arena, .sink = sink, .context = context};
    enum status status = pretokenizer->uses_pcre2 ? regex_run_open(&run.regex, bytes) : STATUS_OK;
    if (status == STATUS_OK) status = run_stage(&run, 0, text, text + bytes);
    regex_run_close(&run.regex);
    return status;
}

const struct unicode_classes *pretokenizer_classes(const struct pretokenizer *pretokenizer) {
    return &pretokenizer->classes;
}

void pretokenizer_close(struct pretokenizer *pretokenizer) {
    if (!pretokenizer) return;
    for (int i = 0; i < pretokenizer->stages; i++) {
        pcre2_code_free(pretokenizer->stage[i].code);
        free(pretokenizer->stage[i].pattern);
    }
    for (int i = 0; i < pretokenizer->customs; i++) free(pretokenizer->custom[i].range);
    unicode_classes_close(&pretokenizer->classes);
    free(pretokenizer);
}
