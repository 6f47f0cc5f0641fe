/* prefill_pace.h - how many rows of prompts fit into a step that should not take longer than planned, from running averages
 * of what steps took. Only speed depends on it: how a prompt is cut does not change its rows. Pure functions; zeroed is the
 * beginning. */
#ifndef HADAL_ENGINE_PREFILL_PACE_H
#define HADAL_ENGINE_PREFILL_PACE_H

#include <stdbool.h>

struct prefill_pace {
    double plain_seconds; /* of a step without prompt rows; 0: none was measured */
    double row_seconds;   /* that a prompt row adds */
};

enum { PREFILL_ROWS_FIRST = 64, PREFILL_ROWS_LEAST = 64 }; /* before anything is known; however slow it is */

/* 0 .. most. A step of few rows reads as many weights as one of many, so that there are never fewer than
 * PREFILL_ROWS_LEAST. `streaming` answers wait for the step, `waiting` prompts are computed by it: the more of these there
 * are for each of those, the longer it may take, up to eight times as long; sixteen times when nobody waits for it. */
int prefill_pace_rows(const struct prefill_pace *pace, double step_seconds, int streaming, int waiting,
                      int most);
void prefill_pace_measure(struct prefill_pace *pace, int prompt_rows, bool streaming, double seconds);

#endif
