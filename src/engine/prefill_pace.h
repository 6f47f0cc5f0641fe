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

enum { PREFILL_ROWS_FIRST = 64, PREFILL_ROWS_LEAST = 16 }; /* before anything is known; however slow it is */

/* 1 .. most. `streaming`: other answers wait for the step. */
int prefill_pace_rows(const struct prefill_pace *pace, double step_seconds, bool streaming, int most);
void prefill_pace_measure(struct prefill_pace *pace, int prompt_rows, bool streaming, double seconds);

#endif
