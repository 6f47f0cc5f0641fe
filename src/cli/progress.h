/* progress.h - how far a long job is, on standard error when that is a terminal; silent elsewhere.
 *
 * One line that redraws itself: what, how far, how fast, when done. It appears after a moment, so that
 * short jobs show nothing, and finish removes it. One thread at a time. */
#ifndef HADAL_CLI_PROGRESS_H
#define HADAL_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *stream;
    const char *what, *unit; /* borrowed; the unit "bytes" is shown as MB and GB */
    int64_t total;           /* 0: unknown */
    double started, drawn;   /* seconds of the monotonic clock */
    bool terminal, visible;
};

void progress_start(struct progress *progress, const char *what, int64_t total, const char *unit);
void progress_update(struct progress *progress, int64_t done); /* cheap: draws at most ten times a second */
void progress_finish(struct progress *progress);

/* The line itself, cut to `bytes`, for `done` after `seconds`. */
void progress_line(const struct progress *progress, int64_t done, double seconds, char *line, size_t bytes);

#endif
