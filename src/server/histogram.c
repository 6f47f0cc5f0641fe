/* histogram.c */
#include "server/histogram.h"

const double histogram_bound[HISTOGRAM_BOUNDS] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25,
                                                  0.5,   0.75,  1,    2.5,  5,    10,   30,   60,  300};

const double histogram_token_bound[HISTOGRAM_BOUNDS] = {
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000};

static void add(struct histogram *histogram, const double *bound, double value) {
    int at = 0;
    while (at < HISTOGRAM_BOUNDS && value > bound[at]) at++;
    histogram->count[at]++;
    histogram->sum += value;
}

void histogram_add(struct histogram *histogram, double seconds) {
    add(histogram, histogram_bound, seconds);
}

void histogram_add_tokens(struct histogram *histogram, int64_t tokens) {
    add(histogram, histogram_token_bound, (double)tokens);
}
