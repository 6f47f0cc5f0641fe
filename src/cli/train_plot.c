/* train_plot.c - `hadal train plot`: the curves of runs as SVG. Every number of metrics.jsonl has a chart, but that losses share
 * one; steps are gathered into as many means as a chart has room for, so that noise does not hide the course. */
#include "base/file_write.h"
#include "base/json.h"
#include "cli/plot.h"
#include "cli/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHARTS_MOST = 40, POINTS = 240, KEY_BYTES = 48, RUNS_MOST = 8 };
#define METRICS_BYTES ((size_t)1 << 30)

/* One number of one run. */
struct curve {
    char key[KEY_BYTES];
    double sum[POINTS];
    int64_t count[POINTS], last[POINTS]; /* lines gathered, the last step of them */
};

struct run {
    const char *path;
    struct curve *curve; /* [CHARTS_MOST] */
    int curves;
    int64_t steps;
};

struct drawing {
    struct plot_chart chart[CHARTS_MOST];
    char title[CHARTS_MOST][KEY_BYTES];
    int charts;
};

/* ---- reading ---- */

static bool is_drawn(const char *key, const json_t *value) {
    return json_is_number(value) && isfinite(json_number_value(value)) &&
           fabs(json_number_value(value)) < 1e15 && strcmp(key, "step") != 0 &&
           strcmp(key, "unix_seconds") != 0 && strcmp(key, "seconds") != 0 && strcmp(key, "tokens") != 0 &&
           strlen(key) < KEY_BYTES;
}

static struct curve *curve_of(struct run *run, const char *key) {
    for (int i = 0; i < run->curves; i++)
        if (!strcmp(run->curve[i].key, key)) return &run->curve[i];
    if (run->curves == CHARTS_MOST) return NULL;
    snprintf(run->curve[run->curves].key, KEY_BYTES, "%s", key);
    return &run->curve[run->curves++];
}

static void take_line(struct run *run, const json_t *line) {
    const char *key;
    json_t *value;
    int64_t step = json_integer_value(json_object_get(line, "step"));
    if (step < 0 || step > run->steps) return;
    int64_t place = run->steps > POINTS ? step * (POINTS - 1) / run->steps : step % POINTS;
    json_object_foreach((json_t *)line, key, value) {
        struct curve *curve = is_drawn(key, value) ? curve_of(run, key) : NULL;
        if (!curve) continue;
        curve->sum[place] += json_number_value(value);
        curve->count[place]++;
        curve->last[place] = step;
    }
}

typedef void visitor(struct run *run, const json_t *line);

static void count_steps(struct run *run, const json_t *line) {
    int64_t step = json_integer_value(json_object_get(line, "step"));
    if (step > run->steps) run->steps = step;
}

/* The last line may be unfinished. */
static void visit_lines(struct run *run, const struct buffer *text, visitor *visit) {
    for (size_t at = 0; at < text->bytes;) {
        const char *line = text->data + at, *end = memchr(line, '\n', text->bytes - at);
        size_t bytes = end ? (size_t)(end - line) : text->bytes - at;
        json_t *root = json_loadb(line, bytes, 0, NULL);
        if (json_is_object(root)) visit(run, root);
        json_decref(root);
        at += bytes + 1;
    }
}

static enum status read_run(struct run *run) {
    char path[4096];
    struct buffer text = {0};
    if (snprintf(path, sizeof path, "%s/metrics.jsonl", run->path) >= (int)sizeof path)
        return fail(STATUS_USAGE, "%.64s...: the run's name is too long", run->path);
    run->curve = calloc(CHARTS_MOST, sizeof *run->curve);
    if (!run->curve) return fail(STATUS_MEMORY, "no memory for the curves of %s", run->path);
    TRY(buffer_read_file(&text, path, METRICS_BYTES));
    visit_lines(run, &text, count_steps);
    visit_lines(run, &text, take_line);
    buffer_free(&text);
    return run->curves ? STATUS_OK : fail(STATUS_INPUT, "%s: holds no steps", path);
}

/* ---- drawing ---- */

static bool is_loss(const char *key) {
    size_t bytes = strlen(key);
    return bytes >= 4 && !strcmp(key + bytes - 4, "loss");
}

static struct plot_chart *chart_of(struct drawing *drawing, const char *key) {
    const char *title = is_loss(key) ? "loss" : key;
    for (int i = 0; i < drawing->charts; i++)
        if (!strcmp(drawing->title[i], title)) return &drawing->chart[i];
    if (drawing->charts == CHARTS_MOST) return NULL;
    int index = drawing->charts++;
    snprintf(drawing->title[index], KEY_BYTES, "%s", title);
    drawing->chart[index] =
        (struct plot_chart){.title = drawing->title[index], .x_label = "step", .y_label = "", .dense = true};
    return &drawing->chart[index];
}

static bool add_curve(struct drawing *drawing, const struct run *run, const struct curve *curve, bool named) {
    struct plot_chart *chart = chart_of(drawing, curve->key);
    struct plot_point point;
    if (!chart) return true;
    snprintf(point.series, sizeof point.series, "%.40s%s%.40s", named ? run->path : "", named ? " " : "",
             curve->key);
    for (int i = 0; i < POINTS; i++) {
        if (!curve->count[i]) continue;
        point.x = (double)curve->last[i];
        point.y = point.low = point.high = curve->sum[i] / (double)curve->count[i];
        if (!plot_add(chart, &point)) return false;
    }
    return true;
}

static enum status write_picture(struct drawing *drawing, const char *path) {
    struct buffer svg = {0};
    struct file_writer writer = {0};
    int points = 0;
    for (int i = 0; i < drawing->charts; i++) {
        plot_tidy(&drawing->chart[i]);
        points += drawing->chart[i].points;
    }
    if (!points) return fail(STATUS_INPUT, "nothing to draw: a line needs two steps");
    plot_write(&svg, drawing->chart, drawing->charts);
    enum status status = buffer_check(&svg, "the picture");
    if (status == STATUS_OK) status = file_writer_open(&writer, path);
    if (status == STATUS_OK) status = file_writer_append(&writer, svg.data, svg.bytes);
    if (status == STATUS_OK) status = file_writer_finish(&writer);
    file_writer_close(&writer);
    buffer_free(&svg);
    return status;
}

static enum status draw(struct run *run, int runs, const char *path) {
    struct drawing drawing = {.charts = 0};
    enum status status = STATUS_OK;
    bool fits = true;
    for (int r = 0; r < runs && status == STATUS_OK; r++) status = read_run(&run[r]);
    for (int r = 0; r < runs && status == STATUS_OK; r++)
        for (int c = 0; c < run[r].curves; c++)
            fits = fits && add_curve(&drawing, &run[r], &run[r].curve[c], runs > 1);
    if (!fits) status = fail(STATUS_MEMORY, "no memory for the points of the curves");
    if (status == STATUS_OK) status = write_picture(&drawing, path);
    for (int i = 0; i < drawing.charts; i++) free(drawing.chart[i].point);
    return status;
}

enum status train_plot(const struct option_values *values) {
    const char *const *word, *output = option_text(values, "output");
    struct run run[RUNS_MOST] = {{0}};
    int runs = option_positionals(values, &word) - 1;
    if (runs < 1 || runs > RUNS_MOST)
        return fail(STATUS_USAGE, "name one to %d runs: hadal train plot RUN... [-o FILE]", RUNS_MOST);
    for (int r = 0; r < runs; r++) run[r].path = word[r + 1];
    enum status status = draw(run, runs, output ? output : "/dev/stdout");
    for (int r = 0; r < runs; r++) free(run[r].curve);
    return status;
}
