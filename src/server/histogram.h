/* histogram.h - how often durations fell below each of some bounds, as Prometheus wants them. */
#ifndef HADAL_SERVER_HISTOGRAM_H
#define HADAL_SERVER_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 18 };
extern const double histogram_bound[HISTOGRAM_BOUNDS]; /* seconds, ascending */

struct histogram {
    int64_t count[HISTOGRAM_BOUNDS + 1]; /* the last: above all bounds */
    double sum;
};

void histogram_add(struct histogram *histogram, double seconds);

extern const double histogram_token_bound[HISTOGRAM_BOUNDS]; /* ascending */
void histogram_add_tokens(struct histogram *histogram, int64_t tokens);

#endif
