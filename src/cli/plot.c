/* plot.c - the charts of plot.h. Colours are classes of one style sheet, which the reader's preference for dark paper
 * replaces; series differ by dashes as well, for those who see fewer colours. */
#include "cli/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 960,
    LEFT = 76,
    RIGHT = 400, /* room for the names of series */
    TOP = 44,
    HEIGHT = 240,
    BOTTOM = 56,
    BAR = 22,
    STYLES = 6,
    TICKS = 5,
    X_TICKS_MOST = 12
};

static const char style_sheet[] =
    "<style>\n"
    "svg{--paper:#ffffff;--ink:#1c1e21;--faint:#d4d8dd;--c0:#1f6fb4;--c1:#c4501b;--c2:#2e8540;--c3:#8a4fb0;"
    "--c4:#8f6212;--c5:#0b7a7c}\n"
    "@media (prefers-color-scheme:dark){svg{--paper:#16181b;--ink:#e6e8eb;--faint:#3c4148;--c0:#6cb6ff;"
    "--c1:#ff9a66;--c2:#6fd08c;--c3:#c79bf0;--c4:#e8b84d;--c5:#5fd4d6}}\n"
    "text{fill:var(--ink);font:12px sans-serif}\n.t{font-weight:bold;font-size:14px}\n"
    ".p{fill:var(--paper)}.g{stroke:var(--faint);fill:none}.a{stroke:var(--ink);fill:none}\n"
    ".l{fill:none;stroke-width:2}\n"
    ".s0{stroke:var(--c0)}.s1{stroke:var(--c1);stroke-dasharray:7 3}.s2{stroke:var(--c2);stroke-dasharray:2 "
    "3}\n"
    ".s3{stroke:var(--c3);stroke-dasharray:9 3 2 3}.s4{stroke:var(--c4);stroke-dasharray:4 2}\n"
    ".s5{stroke:var(--c5);stroke-dasharray:12 4}\n"
    ".e{stroke-width:1.5}.e.e{stroke-dasharray:none}\n"
    ".f0{fill:var(--c0)}.f1{fill:var(--c1)}.f2{fill:var(--c2)}.f3{fill:var(--c3)}.f4{fill:var(--c4)}"
    ".f5{fill:var(--c5)}\n"
    "</style>\n";

bool plot_add(struct plot_chart *chart, const struct plot_point *point) {
    if (chart->points == chart->room) {
        int room = chart->room ? 2 * chart->room : 16;
        struct plot_point *more = realloc(chart->point, (size_t)room * sizeof *more);
        if (!more) return false;
        chart->point = more;
        chart->room = room;
    }
    chart->point[chart->points++] = *point;
    return true;
}

/* ---- text ---- */

/* Control characters are not allowed in XML at all; bytes beyond ASCII come from checked UTF-8, except where a name was
 * cut, so they are left out. */
static void write_escaped(struct buffer *svg, const char *text) {
    for (; *text; text++) {
        if (*text == '&')
            buffer_append_text(svg, "&amp;");
        else if (*text == '<')
            buffer_append_text(svg, "&lt;");
        else if (*text == '>')
            buffer_append_text(svg, "&gt;");
        else if (*text == '"')
            buffer_append_text(svg, "&quot;");
        else if (*text >= ' ' && *text < 0x7f)
            buffer_append_char(svg, *text);
        else
            buffer_append_char(svg, '?');
    }
}

static void write_text(struct buffer *svg, double x, double y, const char *anchor, const char *text) {
    buffer_printf(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    write_escaped(svg, text);
    buffer_append_text(svg, "</text>\n");
}

static void write_number(struct buffer *svg, double x, double y, const char *anchor, double number) {
    buffer_printf(svg, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.6g</text>\n", x, y, anchor, number);
}

static void write_line(struct buffer *svg, const char *class, double x1, double y1, double x2, double y2) {
    buffer_printf(svg, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", class, x1,
                  y1, x2, y2);
}

static void write_title(struct buffer *svg, const struct plot_chart *chart, double top) {
    buffer_printf(svg, "<text class=\"t\" x=\"%d\" y=\"%.1f\">", LEFT, top + 20);
    write_escaped(svg, chart->title);
    buffer_append_text(svg, "</text>\n");
}

/* ---- scales ---- */

/* The next of 1, 2, 2.5, 5 times a power of ten. */
static double step_above(double value) {
    static const double steps[] = {1, 2, 2.5, 5, 10};
    double power = pow(10, floor(log10(value)));
    for (int i = 0; i < 5; i++)
        if (steps[i] * power >= value * 0.999999) return steps[i] * power;
    return 10 * power;
}

static double largest(const struct plot_chart *chart, bool of_x) {
    double most = 0;
    for (int i = 0; i < chart->points; i++)
        most = fmax(most, of_x ? chart->point[i].x : fmax(chart->point[i].y, chart->point[i].high));
    return most > 1e-300 ? most : 1;
}

/* 0, or what is below. */
static double smallest(const struct plot_chart *chart) {
    double least = 0;
    for (int i = 0; i < chart->points; i++) least = fmin(least, fmin(chart->point[i].y, chart->point[i].low));
    return least;
}

static int by_series(const void *a, const void *b) {
    const struct plot_point *x = a, *y = b;
    int order = strcmp(x->series, y->series);
    if (order) return order;
    return x->x < y->x ? -1 : x->x > y->x;
}

/* Points that a line joins: those of a series that has another x. */
void plot_tidy(struct plot_chart *chart) {
    int kept = 0;
    if (chart->bars || !chart->points) return;
    qsort(chart->point, (size_t)chart->points, sizeof *chart->point, by_series);
    for (int begin = 0, end; begin < chart->points; begin = end) {
        for (end = begin + 1; end < chart->points; end++)
            if (strcmp(chart->point[end].series, chart->point[begin].series) != 0) break;
        if (!(chart->point[end - 1].x > chart->point[begin].x)) continue;
        memmove(&chart->point[kept], &chart->point[begin], (size_t)(end - begin) * sizeof *chart->point);
        kept += end - begin;
    }
    chart->points = kept;
}

/* ---- lines ---- */

struct frame {
    const struct plot_chart *chart;
    double top, x_most, y_least, y_most; /* of the picture, of the axes */
};

static double place_x(const struct frame *frame, double x) {
    return LEFT + x / frame->x_most * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct frame *frame, double y) {
    return frame->top + TOP + HEIGHT - (y - frame->y_least) / (frame->y_most - frame->y_least) * HEIGHT;
}

static void write_axes(struct buffer *svg, const struct frame *frame, double step) {
    const struct plot_chart *chart = frame->chart;
    double right = WIDTH - RIGHT, last = -1, bottom = place_y(frame, frame->y_least);
    int ticks = 0;
    for (double y = frame->y_least; y <= frame->y_most + 0.01 * step; y += step) {
        write_line(svg, "g", LEFT, place_y(frame, y), right, place_y(frame, y));
        write_number(svg, LEFT - 6, place_y(frame, y) + 4, "end", fabs(y) < 1e-9 * step ? 0 : y);
    }
    write_line(svg, "a", LEFT, place_y(frame, 0), right, place_y(frame, 0));
    for (int i = 0; i < chart->points && ticks < X_TICKS_MOST;
         i++) { /* of the points themselves, apart enough */
        double x = place_x(frame, chart->point[i].x);
        if (x < last + 34) continue;
        write_line(svg, "a", x, bottom, x, bottom + 4);
        write_number(svg, x, bottom + 18, "middle", chart->point[i].x);
        last = x;
        ticks++;
    }
    write_text(svg, (LEFT + right) / 2, bottom + 38, "middle", chart->x_label);
    write_text(svg, LEFT, frame->top + TOP - 8, "start", chart->y_label);
}

/* Points [begin, end) of one series: spread, line, marks, name. */
static void write_series(struct buffer *svg, const struct frame *frame, int begin, int end, int index) {
    const struct plot_point *point = frame->chart->point;
    int style = index % STYLES;
    double row = frame->top + TOP + 8 + 18 * index, name = WIDTH - RIGHT + 16;
    buffer_printf(svg, "<polyline class=\"l s%d\" points=\"", style);
    for (int i = begin; i < end; i++)
        buffer_printf(svg, "%.1f,%.1f ", place_x(frame, point[i].x), place_y(frame, point[i].y));
    buffer_append_text(svg, "\"/>\n");
    for (int i = begin; i < end && !frame->chart->dense; i++) {
        double x = place_x(frame, point[i].x);
        buffer_printf(svg, "<line class=\"e s%d\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", style,
                      x, place_y(frame, point[i].low), x, place_y(frame, point[i].high));
        buffer_printf(svg, "<circle class=\"f%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>\n", style, x,
                      place_y(frame, point[i].y));
    }
    buffer_printf(svg, "<line class=\"l s%d\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", style,
                  name, row - 4, name + 26, row - 4);
    write_text(svg, name + 32, row, "start", point[begin].series);
}

static int count_series(const struct plot_chart *chart) {
    int series = 0;
    for (int i = 0; i < chart->points; i++)
        series += !i || strcmp(chart->point[i].series, chart->point[i - 1].series) != 0;
    return series;
}

static int by_x(const void *a, const void *b) {
    const struct plot_point *x = a, *y = b;
    return x->x < y->x ? -1 : x->x > y->x;
}

static double lines_height(const struct plot_chart *chart) {
    return fmax(TOP + HEIGHT + BOTTOM, TOP + 18.0 * count_series(chart) + 20);
}

static void write_lines(struct buffer *svg, struct plot_chart *chart, double top) {
    double most = largest(chart, false), least = smallest(chart), step = step_above((most - least) / TICKS);
    struct frame frame = {chart, top, largest(chart, true), step * floor(least / step + 1e-9),
                          step * ceil(most / step - 1e-9)};
    write_title(svg, chart, top);
    qsort(chart->point, (size_t)chart->points, sizeof *chart->point, by_x);
    write_axes(svg, &frame, step);
    qsort(chart->point, (size_t)chart->points, sizeof *chart->point, by_series);
    int index = 0;
    for (int begin = 0, end; begin < chart->points; begin = end) {
        for (end = begin + 1; end < chart->points; end++)
            if (strcmp(chart->point[end].series, chart->point[begin].series) != 0) break;
        write_series(svg, &frame, begin, end, index++);
    }
}

/* ---- bars ---- */

static double bars_height(const struct plot_chart *chart) {
    return TOP + BAR * chart->points + BOTTOM;
}

static void write_bars(struct buffer *svg, const struct plot_chart *chart, double top) {
    double most = fmax(largest(chart, false), 1), left = WIDTH / 2.0, scale = (WIDTH - left - 70) / most;
    write_title(svg, chart, top);
    for (int i = 0; i < chart->points; i++) {
        const struct plot_point *point = &chart->point[i];
        double y = top + TOP + BAR * i;
        write_text(svg, left - 8, y + 14, "end", point->series);
        buffer_printf(svg, "<rect class=\"f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>\n",
                      point->y < 1, left, y + 3, point->y * scale, BAR - 8);
        write_line(svg, "a", left + point->low * scale, y + 10, left + point->high * scale, y + 10);
        buffer_printf(svg, "<text x=\"%.1f\" y=\"%.1f\">%.2f</text>\n", left + point->high * scale + 6,
                      y + 14, point->y);
    }
    double end = top + TOP + BAR * chart->points;
    write_line(svg, "a", left + scale, top + TOP - 4, left + scale, end + 4);
    write_text(svg, left + scale, end + 18, "middle", "1");
    write_text(svg, (left + WIDTH) / 2, end + 36, "middle", chart->x_label);
}

void plot_write(struct buffer *svg, struct plot_chart *charts, int count) {
    double height = 12;
    for (int i = 0; i < count; i++) {
        if (!charts[i].points) continue;
        height += charts[i].bars ? bars_height(&charts[i]) : lines_height(&charts[i]);
    }
    buffer_printf(svg,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
                  "width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\" role=\"img\">\n",
                  WIDTH, height, WIDTH, height);
    buffer_append_text(svg, style_sheet);
    buffer_printf(svg, "<rect class=\"p\" width=\"%d\" height=\"%.0f\"/>\n", WIDTH, height);
    double top = 0;
    for (int i = 0; i < count; i++) {
        if (!charts[i].points) continue;
        if (charts[i].bars) {
            write_bars(svg, &charts[i], top);
            top += bars_height(&charts[i]);
        } else {
            double tall = lines_height(&charts[i]);
            write_lines(svg, &charts[i], top);
            top += tall;
        }
    }
    buffer_append_text(svg, "</svg>\n");
}
