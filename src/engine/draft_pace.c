/* draft_pace.c - averages that follow a growing context, and the alternation between the two ways. */
#include "engine/draft_pace.h"

enum { PLAIN_TRIAL = 4, DRAFTED_TRIAL = 12, SHORTEST_STRETCH = 64, LONGEST_STRETCH = 1024, REST = 8 };

/* A step that takes longer than so many average ones counts as that. */
static const double outlier = 2;
/* Below this gain being ready for drafts costs more than another trial is likely to bring. */
static const double hopeless = 0.9;

/* After a rest nothing is known any more. */
bool draft_pace_begin(struct draft_pace *pace) {
    if (!pace->rest) return true;
    if (--pace->rest == 0) *pace = (struct draft_pace){0};
    return false;
}

bool draft_pace_wants(const struct draft_pace *pace) {
    return pace->drafting && !pace->rest;
}

double draft_pace_gain(const struct draft_pace *pace) {
    if (!pace->plain_steps || !pace->drafted_steps || pace->drafted_seconds <= 0) return 0;
    return (1 + pace->accepted) * pace->plain_seconds / pace->drafted_seconds;
}

/* `count` values before this one are in the average; from `memory` on the oldest fade. */
static void follow(double *average, double value, int count, int memory) {
    *average += (value - *average) / (count < memory ? count + 1 : memory);
}

static void follow_seconds(double *average, double seconds, int count) {
    if (count > 1 && seconds > outlier * *average) seconds = outlier * *average;
    follow(average, seconds, count, 16);
}

static void decide(struct draft_pace *pace) {
    double gain = draft_pace_gain(pace);
    bool pays = gain > 1, stays = pays != pace->drafting;
    if (gain < hopeless && stays && pace->stretch) pace->rest = REST;
    pace->stretch = stays && pace->stretch ? 2 * pace->stretch : SHORTEST_STRETCH;
    if (pace->stretch > LONGEST_STRETCH) pace->stretch = LONGEST_STRETCH;
    pace->drafting = pays;
    pace->trial = false;
}

/* Without a stretch yet the first phase is as short as a trial. */
static void advance(struct draft_pace *pace) {
    int shortest = pace->drafting ? DRAFTED_TRIAL : PLAIN_TRIAL;
    int phase = pace->trial || !pace->stretch ? shortest : pace->stretch;
    if (++pace->steps < phase) return;
    pace->steps = 0;
    if (pace->trial) {
        decide(pace);
    } else {
        pace->trial = true;
        pace->drafting = !pace->drafting;
    }
}

/* The first step of a phase finds the caches as the other way left them: its time does not count. */
void draft_pace_plain(struct draft_pace *pace, double seconds) {
    if (pace->drafting) return;
    if (pace->steps) follow_seconds(&pace->plain_seconds, seconds, pace->plain_steps++);
    advance(pace);
}

void draft_pace_drafted(struct draft_pace *pace, double seconds, double accepted) {
    if (!pace->drafting) return;
    if (pace->steps) {
        follow_seconds(&pace->drafted_seconds, seconds, pace->drafted_steps);
        follow(&pace->accepted, accepted, pace->drafted_steps++, 64);
    }
    advance(pace);
}
