/* speculate.h - drafting the token after next with the model's own MTP module (arXiv 2412.19437 section 2.2), so that one
 * step of two rows may bring two tokens.
 *
 * The draft only decides what the second row computes ahead. Every token is still chosen from the trunk's logits, by the
 * same sampler with the same random numbers, and the second row counts when the token chosen from the first is the draft:
 * the tokens are those that come without drafts. That needs rows that do not depend on the rows beside them.
 *
 * Row i of the module's cache comes from the trunk's hidden state of token i and from token i + 1. It is therefore one
 * step behind, and hidden states wait here for it. Owned by one generation; runs on the engine's thread. */
#ifndef HADAL_ENGINE_SPECULATE_H
#define HADAL_ENGINE_SPECULATE_H

#include "engine/engine.h"
#include "engine/sample.h"

enum speculate {
    SPECULATE_AUTO, /* while it is faster, as engine/draft_pace.h finds out */
    SPECULATE_ON,   /* wherever the model has the module */
    SPECULATE_OFF
};

struct speculation {
    struct sequence *sequence;
    bool active; /* the module runs along */
    bool always;
    bool open;      /* the sequence's last token is a draft that nothing was compared with yet */
    bool ahead;     /* the last token was a draft, so that its row has been computed */
    float *hidden;  /* [room, width] of the tokens from module_cached on */
    int kept, room; /* active: module_cached + kept = cached between steps */
    double seconds; /* of the step with the open draft */
    int drafted, accepted;
};

must_use enum status speculation_open(struct speculation *speculation, struct sequence *sequence,
                                      enum speculate mode);
void speculation_close(struct speculation *speculation); /* also of a zeroed one */

/* Before a prefill. Lets a few tokens be computed again where the module has not seen them, or leaves it out. */
void speculation_start(struct speculation *speculation);
/* After each step of the prefill, which ran `rows` tokens. */
must_use enum status speculation_follow(struct speculation *speculation, int rows);

/* Runs the last token, the only one that is not cached. logits [2, vocab]: its row, then that of the draft if there is
 * one, which `more` allows: a token after the next may be wanted. `sampler` is what the next token will be chosen with. */
must_use enum status speculation_step(struct speculation *speculation, const struct sampler *sampler,
                                      struct sample_space *space, bool more, float *logits);
/* Appends the token that was chosen from the first row, or from the second if the sequence was `ahead`. */
must_use enum status speculation_append(struct speculation *speculation, int32_t id);

/* At the end, after failures too: takes back what was not settled, and brings the module up to date. */
must_use enum status speculation_finish(struct speculation *speculation);

#endif
