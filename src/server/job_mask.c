/* job_mask.c - a matcher for each answer, and one table of masks for all. */
#include "server/job_mask.h"

#include <stdlib.h>
#include <string.h>

struct masked_answer {
    struct matcher matcher;
    bool thinking, separated; /* separated: the separator came */
};

struct job_mask {
    const struct engine *engine;
    struct grammar *grammar;
    struct mask_table *table;
    struct masked_answer *answer; /* [choices] */
    int choices;
    int32_t thought;           /* </think>; -1: none */
    int32_t separator;         /* likewise */
    size_t words, known_words; /* of the model's vocabulary, and of the tree's */
};

enum status job_mask_open(struct job_mask **mask, struct grammar *grammar, const struct token_trie *trie,
                          const struct engine *engine, int choices, bool thinking) {
    struct job_mask *opened = calloc(1, sizeof *opened);
    *mask = NULL;
    if (!opened) {
        grammar_close(grammar);
        return fail(STATUS_MEMORY, "out of memory for the grammar of an answer");
    }
    opened->engine = engine;
    opened->grammar = grammar;
    opened->separator = -1;
    opened->thought = tokenizer_find(engine->tokenizer, "</think>");
    opened->words = ((size_t)engine->model.desc.vocab + 31) / 32;
    opened->known_words = ((size_t)trie->vocabulary + 31) / 32;
    opened->answer = calloc((size_t)choices, sizeof *opened->answer);
    enum status status = opened->answer ? mask_table_open(&opened->table, trie, grammar)
                                        : fail(STATUS_MEMORY, "out of memory for the grammar of an answer");
    for (; status == STATUS_OK && opened->choices < choices; opened->choices++) {
        opened->answer[opened->choices].thinking = thinking;
        status = matcher_open(&opened->answer[opened->choices].matcher, grammar);
    }
    if (status == STATUS_OK)
        *mask = opened;
    else
        job_mask_close(opened);
    return status;
}

void job_mask_close(struct job_mask *mask) {
    if (!mask) return;
    for (int i = 0; i < mask->choices; i++) matcher_close(&mask->answer[i].matcher);
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

static bool allow(void *context, int choice, uint32_t *allowed) {
    struct job_mask *mask = context;
    struct masked_answer *answer = &mask->answer[choice];
    if (answer->thinking) return false;
    if (mask->words > mask->known_words)
        memset(allowed + mask->known_words, 0, (mask->words - mask->known_words) * sizeof *allowed);
    const bool known = mask_table_allow(mask->table, &answer->matcher, allowed);
    /* without memory for a mask the answer ends here rather than in something else than was asked for */
    if (!known) memset(allowed, 0, mask->words * sizeof *allowed);
    if (!known || matcher_may_end(&answer->matcher) || answer->matcher.set.places == 0)
        allow_end(mask, allowed);
    if (known) allow_separator(mask, answer, allowed);
    return true;
}

static void accept(void *context, int choice, int32_t id) {
    struct job_mask *mask = context;
    struct masked_answer *answer = &mask->answer[choice];
    size_t bytes;
    if (answer->thinking) {
        answer->thinking = id != mask->thought;
        return;
    }
    for (int i = 0; i < mask->engine->end_tokens; i++)
        if (mask->engine->end_token[i] == id) return;
    const char *text = tokenizer_bytes(mask->engine->tokenizer, id, &bytes);
    if (id == mask->separator) answer->separated = true;
    (void)matcher_push(&answer->matcher, text, bytes);
}

struct token_mask job_mask_hooks(struct job_mask *mask) {
    return (struct token_mask){.context = mask, .allow = allow, .accept = accept};
}
