/* job_mask.h - answers that must follow a grammar: the tokens that a request's answers may continue with.
 *
 * Made on a thread of the desk; from the request's start to its end only the engine's thread uses it. Reasoning is
 * free: the grammar begins behind it. */
#ifndef HADAL_SERVER_JOB_MASK_H
#define HADAL_SERVER_JOB_MASK_H

#include "engine/reply.h"
#include "text/token_mask.h"

struct job_mask;

struct job_vocabulary {
    const struct engine *engine;
    const struct token_trie *trie;
    struct mask_shared *shared; /* NULL: nothing */
};

/* Takes over the grammar, also on failure. `thinking`: the answers begin in the middle of reasoning. */
must_use enum status job_mask_open(struct job_mask **mask, struct grammar *grammar,
                                   const struct job_vocabulary *vocabulary, int choices, bool thinking);
void job_mask_close(struct job_mask *mask); /* NULL allowed */
/* The grammar says this control token by its text, once and before all else that might: the name of a function ends so. */
void job_mask_separator(struct job_mask *mask, const char *token);
/* Answers are free until they call a function. */
struct tool_binding;
void job_mask_bind(struct job_mask *mask, const struct tool_binding *binding);
/* Did the answer end because nothing could follow, or because that could not be found out in time? Behind its end. */
bool job_mask_was_cut(const struct job_mask *mask, int choice);
struct token_mask job_mask_hooks(struct job_mask *mask);

#endif
