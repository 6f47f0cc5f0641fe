/* histogram.c */
#include "server/histogram.h"

const double histogram_bound[HISTOGRAM_BOUNDS] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25,
                                                  0.5,   0.75,  1,    2.5,  5,    10,   30,   60,  300};

void histogram_add(struct histogram *histogram, double seconds) {
    int at = 0;
    while (at < HISTOGRAM_BOUNDS && seconds > histogram_bound[at]) at++;
    histogram->count[at]++;
    histogram->sum += seconds;
}
