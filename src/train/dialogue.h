/* dialogue.h - lines of conversations, and of prompts with their completions, as token ids: what a model is asked, and what it
 * is to answer.
 *
 * A line is an object with one of
 *     "messages"               a conversation as chat.h reads it, with "tools" where it has some
 *     "prompt", "completion"   texts, or lists of messages; "answer" stands in for a missing completion
 * A prompt is rendered by the model's template as it is when the model answers: the reasoning of earlier answers is left
 * out, and an answer with reasoning follows a prompt that asks for it. Answers that the next prompt begins with
 * share one text; others become texts of their own. Pure functions; any thread. */
#ifndef HADAL_TRAIN_DIALOGUE_H
#define HADAL_TRAIN_DIALOGUE_H

#include "text/chat.h"
#include "train/corpus.h"

struct dialogue_form {
    struct render_options render;
    bool plain; /* no template: prompt and completion are laid one behind the other */
};

/* Appends the texts of a line, whose targets are the answers alone. */
must_use enum status corpus_add_dialogue(struct corpus *corpus, const json_t *line, const char *origin,
                                         const struct corpus_options *options);

/* Ids of what a line asks, up to where the answer begins: of "prompt", or of "messages" up to its last answer. */
must_use enum status dialogue_prompt(const struct dialogue_form *form, const struct tokenizer *tokenizer,
                                     const json_t *line, const char *origin, struct token_list *list);

#endif
