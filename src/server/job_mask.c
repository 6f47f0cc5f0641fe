/* job_mask.c - a matcher for each answer, and one table of masks for all. */
#include "server/job_mask.h"

#include "base/clock.h"
#include "text/mask_ending.h"
#include "text/tool_calls.h"

#include <stdlib.h>
#include <string.h>

/* How an answer stands to the grammar. */
enum hold {
    HOLD_BOUND,   /* only what follows it may come */
    HOLD_WAITING, /* anything may, until the token of the binding has come, or its text */
    HOLD_WATCHED, /* anything may; the answer has followed the grammar so far */
    HOLD_FREE     /* anything may, for good */
};

struct masked_answer {
    struct matcher matcher;
    struct mask_ending ending;
    enum hold hold;
    size_t followed; /* bytes: of the grammar while watched, of the binding's text while waiting */
    bool thinking, separated, cut; /* separated: the separator came */
};

struct job_mask {
    const struct engine *engine;
    const struct token_trie *trie;
    struct grammar *grammar;
    struct mask_table *table;
    struct masked_answer *answer; /* [choices] */
    int choices;
    int32_t thought;        /* </think>; -1: none */
    int32_t separator;      /* likewise */
    int32_t token;          /* of the binding; -1: the vocabulary has none, and its text counts */
    const char *token_text; /* NULL: it has no token */
    size_t free_bytes;      /* of the binding */
    bool bound_by_calls;
    size_t words, known_words; /* of the model's vocabulary, and of the tree's */
};

/* A byte that may come next, such that much of the grammar comes up; -1: none. */
static int sample_byte(const struct matcher *matcher) {
    static const char first[] = "\",}]";
    const struct grammar *grammar = matcher->grammar;
    struct byte_set bytes = {{0}};
    for (int i = 0; i < matcher->set.places; i++) {
        const struct byte_set *more = &grammar->set[grammar->node[matcher->set.place[i].node].other];
        for (int w = 0; w < 4; w++) bytes.bits[w] |= more->bits[w];
    }
    for (const char *c = first; *c; c++)
        if (byte_set_has(&bytes, (unsigned char)*c)) return *c;
    for (int b = '!'; b < 256 + '!'; b++)
        if (byte_set_has(&bytes, (unsigned char)b)) return b & 255;
    return -1;
}

/* The masks along a short text are known before the engine asks for them: to make one takes longer than a step has time. */
static void prepare(struct job_mask *mask) {
    enum { SAMPLE_BYTES = 256 };
    const double end = clock_seconds() + 0.05;
    const size_t words = mask->words > mask->known_words ? mask->words : mask->known_words;
    uint32_t *allowed = calloc(words, sizeof *allowed);
    struct matcher matcher = {0};
    bool going = allowed && matcher_open(&matcher, mask->grammar) == STATUS_OK;
    for (int i = 0; going && i < SAMPLE_BYTES && clock_seconds() < end; i++) {
        const int next = mask_table_allow(mask->table, &matcher, allowed) ? sample_byte(&matcher) : -1;
        const char byte = (char)next;
        going = next >= 0 && matcher_push(&matcher, &byte, 1);
    }
    matcher_close(&matcher);
    free(allowed);
}

enum status job_mask_open(struct job_mask **mask, struct grammar *grammar,
                          const struct job_vocabulary *vocabulary, int choices, bool thinking) {
    struct job_mask *opened = calloc(1, sizeof *opened);
    const struct engine *engine = vocabulary->engine;
    const struct token_trie *trie = vocabulary->trie;
    *mask = NULL;
    if (!opened) {
        grammar_close(grammar);
        return fail(STATUS_MEMORY, "out of memory for the grammar of an answer");
    }
    opened->engine = engine;
    opened->trie = trie;
    opened->grammar = grammar;
    opened->separator = opened->token = -1;
    opened->thought = tokenizer_find(engine->tokenizer, "</think>");
    opened->words = ((size_t)engine->model.desc.vocab + 31) / 32;
    opened->known_words = ((size_t)trie->vocabulary + 31) / 32;
    opened->answer = calloc((size_t)choices, sizeof *opened->answer);
    enum status status = opened->answer ? mask_table_open(&opened->table, trie, grammar, vocabulary->shared)
                                        : fail(STATUS_MEMORY, "out of memory for the grammar of an answer");
    for (; status == STATUS_OK && opened->choices < choices; opened->choices++) {
        opened->answer[opened->choices].thinking = thinking;
        status = matcher_open(&opened->answer[opened->choices].matcher, grammar);
    }
    if (status == STATUS_OK) prepare(opened);
    if (status == STATUS_OK)
        *mask = opened;
    else
        job_mask_close(opened);
    return status;
}

void job_mask_close(struct job_mask *mask) {
    if (!mask) return;
    for (int i = 0; i < mask->choices; i++) {
        matcher_close(&mask->answer[i].matcher);
        mask_ending_free(&mask->answer[i].ending);
    }
    free(mask->answer);
    mask_table_close(mask->table);
    grammar_close(mask->grammar);
    free(mask);
}

static void allow_end(const struct job_mask *mask, uint32_t *allowed) {
    for (int i = 0; i < mask->engine->end_tokens; i++) {
        const int32_t id = mask->engine->end_token[i];
        if (id >= 0 && id < mask->engine->model.desc.vocab) allowed[id >> 5] |= UINT32_C(1) << (id & 31);
    }
}

void job_mask_separator(struct job_mask *mask, const char *token) {
    mask->separator = tokenizer_find(mask->engine->tokenizer, token);
}

/* Control tokens are not in the tree. */
static void allow_separator(const struct job_mask *mask, struct masked_answer *answer, uint32_t *allowed) {
    const int32_t id = mask->separator;
    size_t bytes;
    if (answer->separated || id < 0 || id >= mask->engine->model.desc.vocab) return;
    const char *text = tokenizer_bytes(mask->engine->tokenizer, id, &bytes);
    if (matcher_would_push(&answer->matcher, text, bytes)) allowed[id >> 5] |= UINT32_C(1) << (id & 31);
}

void job_mask_bind(struct job_mask *mask, const struct tool_binding *binding) {
    mask->bound_by_calls = true;
    mask->free_bytes = binding->free_bytes;
    mask->token_text = binding->token;
    if (binding->token) mask->token = tokenizer_find(mask->engine->tokenizer, binding->token);
    if (binding->separator) job_mask_separator(mask, binding->separator);
    for (int i = 0; i < mask->choices; i++)
        mask->answer[i].hold = binding->token ? HOLD_WAITING : HOLD_WATCHED;
}

bool job_mask_was_cut(const struct job_mask *mask, int choice) {
    return mask->answer[choice].cut;
}

static bool any_allowed(const struct job_mask *mask, const uint32_t *allowed) {
    for (size_t w = 0; w < mask->words; w++)
        if (allowed[w]) return true;
    return false;
}

static bool allow(void *context, int choice, uint32_t *allowed) {
    struct job_mask *mask = context;
    struct masked_answer *answer = &mask->answer[choice];
    if (answer->thinking || answer->hold != HOLD_BOUND) return false;
    if (mask->words > mask->known_words)
        memset(allowed + mask->known_words, 0, (mask->words - mask->known_words) * sizeof *allowed);
    const bool known = mask_table_allow(mask->table, &answer->matcher, allowed);
    /* without memory or time for a mask the answer ends here rather than in something else than was asked for */
    if (!known) memset(allowed, 0, mask->words * sizeof *allowed);
    if (known) allow_separator(mask, answer, allowed);
    if (known && matcher_may_end(&answer->matcher)) {
        allow_end(mask, allowed);
    } else if (!any_allowed(mask, allowed)) {
        answer->cut = true;
        allow_end(mask, allowed);
    }
    return true;
}

static bool is_end(const struct job_mask *mask, int32_t id) {
    for (int i = 0; i < mask->engine->end_tokens; i++)
        if (mask->engine->end_token[i] == id) return true;
    return false;
}

static int32_t instead(void *context, int choice, int32_t id, int64_t room) {
    struct job_mask *mask = context;
    struct masked_answer *answer = &mask->answer[choice];
    struct control_token separator = {.id = answer->separated ? -1 : mask->separator};
    struct chosen_token chosen = {.id = id, .room = room};
    if (answer->thinking || answer->hold != HOLD_BOUND || is_end(mask, id)) return -1;
    if (separator.id >= 0)
        separator.text = tokenizer_bytes(mask->engine->tokenizer, separator.id, &separator.bytes);
    chosen.text = tokenizer_bytes(mask->engine->tokenizer, id, &chosen.bytes);
    const int32_t better =
        mask_ending_choose(&answer->ending, mask->trie, &answer->matcher, &separator, &chosen);
    if (better != ENDING_NOW) return better;
    return mask->engine->end_tokens ? mask->engine->end_token[0] : -1;
}

/* The call is complete: what follows is free again. */
static void release(const struct job_mask *mask, struct masked_answer *answer) {
    if (mask->bound_by_calls && answer->matcher.set.places == 0)
        answer->hold = mask->token_text ? HOLD_WAITING : HOLD_FREE;
}

static void accept_text(const struct job_mask *mask, struct masked_answer *answer, int32_t id) {
    struct chosen_token token = {.id = id};
    token.text = tokenizer_bytes(mask->engine->tokenizer, id, &token.bytes);
    if (id == mask->separator) answer->separated = true;
    const bool follows = mask_ending_push(&answer->ending, &answer->matcher, &token);
    if (answer->hold == HOLD_WATCHED) {
        answer->followed += token.bytes;
        answer->hold = !follows ? HOLD_FREE : answer->followed > mask->free_bytes ? HOLD_BOUND : HOLD_WATCHED;
    }
    release(mask, answer);
}

static void bind(struct masked_answer *answer) {
    answer->separated = false;
    answer->followed = 0;
    mask_ending_restart(&answer->ending);
    answer->hold = matcher_restart(&answer->matcher) ? HOLD_BOUND : HOLD_FREE;
}

/* Where the binding is spelled out. Its text repeats no beginning of itself but the first byte, so that looking again at
 * that one is enough. What a token has behind it must fit, or the call is no call of ours. */
static void wait_for_text(const struct job_mask *mask, struct masked_answer *answer, int32_t id) {
    size_t bytes;
    const char *text = tokenizer_bytes(mask->engine->tokenizer, id, &bytes);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != mask->token_text[answer->followed]) answer->followed = 0;
        answer->followed += text[i] == mask->token_text[answer->followed];
        if (mask->token_text[answer->followed]) continue;
        bind(answer);
        if (answer->hold == HOLD_BOUND && !matcher_push(&answer->matcher, text + i + 1, bytes - i - 1))
            answer->hold = HOLD_WAITING;
        return;
    }
}

static void accept(void *context, int choice, int32_t id) {
    struct job_mask *mask = context;
    struct masked_answer *answer = &mask->answer[choice];
    if (answer->thinking) {
        answer->thinking = id != mask->thought;
        return;
    }
    if (is_end(mask, id) || answer->hold == HOLD_FREE) return;
    if (answer->hold != HOLD_WAITING)
        accept_text(mask, answer, id);
    else if (mask->token < 0)
        wait_for_text(mask, answer, id);
    else if (id == mask->token)
        bind(answer);
}

struct token_mask job_mask_hooks(struct job_mask *mask) {
    return (struct token_mask){.context = mask, .allow = allow, .accept = accept, .instead = instead};
}
