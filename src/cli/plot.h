/* plot.h - charts as SVG text, readable on light and on dark paper. Pure functions over the caller's points. */
#ifndef HADAL_CLI_PLOT_H
#define HADAL_CLI_PLOT_H

#include "base/buffer.h"

#include <stdbool.h>

enum { PLOT_NAME_BYTES = 96 };

struct plot_point {
    char series[PLOT_NAME_BYTES]; /* of bars: what the bar is for */
    double x, y, low, high; /* all finite; x is not negative, nor is anything of bars, which have no x */
};

struct plot_chart {
    const char *title, *x_label, *y_label;
    bool bars;  /* lying, with a line at 1 */
    bool dense; /* lines of many points, which have no marks */
    struct plot_point *point;
    int points, room;
};

/* Copies the point; false when memory is out. */
bool plot_add(struct plot_chart *chart, const struct plot_point *point);
/* Leaves the points that make lines, in order; of bars all. None left: nothing to draw. */
void plot_tidy(struct plot_chart *chart);
/* One picture with the tidied charts that have points, one below the other; orders them. */
void plot_write(struct buffer *svg, struct plot_chart *charts, int count);

#endif
