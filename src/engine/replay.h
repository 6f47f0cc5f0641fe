/* replay.h - which tokens a piece of an answer was sampled as.
 *
 * A text can be cut into tokens in many ways, and a model does not always choose the tokenizer's. When the text of an answer
 * comes back as part of a later prompt, the tokens that it was sampled as are found here by its exact text, so that the
 * prompt begins with what is cached. A prompt means the same text either way. What was found is never more than that text, of
 * the same isolation. A bounded number of bytes is kept, the least recently used go first. Any thread. */
#ifndef HADAL_ENGINE_REPLAY_H
#define HADAL_ENGINE_REPLAY_H

#include "engine/prefix_cache.h"

struct replay;

struct replay_options {
    const struct tokenizer *tokenizer;
    int64_t most_bytes;
    const char
        *folder; /* where a restart finds them, in files of at most as many bytes again; NULL: nowhere */
    int64_t day_bytes; /* that may be written there in a day */
};

must_use enum status replay_open(struct replay **replay, const struct replay_options *options);
void replay_close(struct replay *replay); /* NULL allowed */

struct replay_answer {
    const int32_t *prompt; /* what it answers */
    int prompt_tokens;
    bool
        chat; /* words may stand for control tokens in the prompt, so that much text is behind the last of these */
    const int32_t *id;
    int ids;
    size_t part; /* bytes of the token behind these that count as well: a stop string cut it */
};
/* Notes an answer: its stretches of text between control tokens. Text behind the prompt's last control token becomes one with
 * the beginning of the answer when they are rendered again. Without memory nothing is noted. */
void replay_note(struct replay *replay, const struct prefix_key *root, const struct replay_answer *answer);

/* Appends the tokens of a text that was noted; *found is false when it was not. */
must_use enum status replay_find(struct replay *replay, const struct prefix_key *root, const char *text,
                                 size_t bytes, struct token_list *list, bool *found);

#endif
