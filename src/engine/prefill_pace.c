/* prefill_pace.c - the averages of prefill_pace.h. */
#include "engine/prefill_pace.h"

/* Share of the newest measurement in an average. Rows of a long prompt cost more the deeper they are: an average that followed
 * them slowly would let steps become too long. */
#define NEWEST_LESS 0.2
#define NEWEST_MORE 0.5

/* Times the planned step. Rows of a long step cost less each: experts get more of them, and what a step does for the whole
 * context is done less often. */
enum { LONGEST = 8, LONGEST_ALONE = 16 };

int prefill_pace_rows(const struct prefill_pace *pace, double step_seconds, int streaming, int waiting,
                      int most) {
    double rows = PREFILL_ROWS_FIRST, longer = (double)waiting / (streaming ? streaming : 1);
    if (longer > LONGEST) longer = LONGEST;
    if (!streaming) longer = LONGEST_ALONE;
    if (longer > 1) step_seconds *= longer;
    double left = streaming ? step_seconds - pace->plain_seconds : step_seconds;
    if (pace->row_seconds > 0) rows = left / pace->row_seconds;
    if (rows < PREFILL_ROWS_LEAST) rows = PREFILL_ROWS_LEAST;
    return rows < most ? (int)rows : most;
}

static void follow(double *average, double newest) {
    double share = newest > *average ? NEWEST_MORE : NEWEST_LESS;
    *average = *average > 0 ? *average + share * (newest - *average) : newest;
}

/* A few rows tell nothing about a row: they cost about what none do. */
void prefill_pace_measure(struct prefill_pace *pace, int prompt_rows, bool streaming, double seconds) {
    if (!prompt_rows) {
        follow(&pace->plain_seconds, seconds);
    } else if (prompt_rows >= PREFILL_ROWS_LEAST / 2) {
        double own = streaming ? seconds - pace->plain_seconds : seconds;
        if (own < seconds / 8) own = seconds / 8; /* other steps were slower than this one */
        follow(&pace->row_seconds, own / prompt_rows);
    }
}
