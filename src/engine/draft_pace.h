/* draft_pace.h - does drafting pay? Running averages of what steps take, with and without a draft, and of how many drafts
 * were right. The steps may be those of several answers at once.
 *
 * The better way runs for a stretch; then the other is tried for a few steps, and the stretch doubles as long as nothing
 * changes. Where drafts are slower by far, trial after trial, whole generations go without what drafting needs. Only speed
 * depends on it: the tokens are the same either way. Pure functions; zeroed is the beginning. */
#ifndef HADAL_ENGINE_DRAFT_PACE_H
#define HADAL_ENGINE_DRAFT_PACE_H

#include <stdbool.h>

struct draft_pace {
    double plain_seconds, drafted_seconds; /* of a step; averages */
    double accepted;                       /* of one draft; average */
    int plain_steps, drafted_steps;        /* that are in the averages */
    bool drafting;                         /* the present way */
    bool trial;                            /* the present way is being tried */
    int rest;                              /* generations to leave out */
    int steps, stretch;                    /* so far in this phase; planned for the next that is no trial */
};

/* At the beginning of a generation: should it be ready for drafts? */
bool draft_pace_begin(struct draft_pace *pace);

/* Should the next step carry a draft? */
bool draft_pace_wants(const struct draft_pace *pace);

/* What a step took, which may be of the other kind than was wanted. */
void draft_pace_plain(struct draft_pace *pace, double seconds);
void draft_pace_drafted(struct draft_pace *pace, double seconds, double accepted); /* share of the answers */

/* Tokens per second with drafts, over those without; 0 until both have been measured. */
double draft_pace_gain(const struct draft_pace *pace);

#endif
