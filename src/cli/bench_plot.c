/* bench_plot.c - `hadal bench plot`: reads records and draws what is in them.
 *
 * A file holds lines of `hadal bench --json`, or one object whose "results" are such lines and whose "ratios" compare
 * two programs, as the scripts in bench/ write it. Lines of other tests are passed over. */
#include "cli/bench.h"
#include "cli/plot.h"

#include "base/file_write.h"
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHART_DECODE, CHART_PREFILL, CHART_BATCH, CHART_RATIO, CHARTS };
enum { RECORD_MOST = 64 << 20 };
static const double most_number = 1e15;

struct drawing {
    struct plot_chart chart[CHARTS];
    bool no_memory;
};

static void add(struct drawing *drawing, int chart, const struct plot_point *point) {
    if (!plot_add(&drawing->chart[chart], point)) drawing->no_memory = true;
}

/* "models/v2-lite.gguf" -> "v2-lite" */
static int base_name(const char *path, const char **begin) {
    const char *slash = strrchr(path, '/');
    *begin = slash && slash[1] ? slash + 1 : path;
    size_t length = strlen(*begin);
    if (length > 5 && !strcmp(*begin + length - 5, ".gguf")) length -= 5;
    return (int)(length > 60 ? 60 : length);
}

static enum status read_range(struct json_reader reader, const char *samples, struct plot_point *point) {
    const json_t *value;
    size_t i;
    point->low = point->high = point->y;
    json_array_foreach(json_object_get(reader.object, samples), i, value) {
        double number = json_number_value(value);
        if (!(number >= 0 && number <= most_number))
            return fail(STATUS_FORMAT, "%s: \"%s\" holds what is no speed", reader.origin, samples);
        point->low = fmin(point->low, number);
        point->high = fmax(point->high, number);
    }
    return STATUS_OK;
}

/* One line of a benchmark of a model. */
static enum status take_result(struct drawing *drawing, struct json_reader reader) {
    struct plot_point point = {.y = 0};
    const char *test, *model, *program, *name, *level;
    int64_t depth, batch;
    TRY(json_get_text_or(reader, "test", "", &test));
    bool decode = !strcmp(test, "decode");
    if (!decode && strcmp(test, "prefill") != 0) return STATUS_OK;
    TRY(json_get_text_or(reader, "model", "", &model));
    TRY(json_get_text_or(reader, "program", "", &program));
    TRY(json_get_text_or(reader, "cpu", "", &level));
    TRY(json_get_int(reader, "depth", 0, INT32_MAX, &depth));
    TRY(json_get_int_or(reader, "batch", 1, INT32_MAX, 1, &batch));
    TRY(json_get_real_or(reader, "median", 0, most_number, 0, &point.y));
    TRY(read_range(reader, "tokens_per_second", &point));
    int length = base_name(model, &name);
    snprintf(point.series, sizeof point.series, "%.24s%s%.*s%s%.10s", program, *program ? ": " : "", length,
             name, *program ? "" : ", ", *program ? "" : level);
    point.x = (double)depth;
    if (batch == 1) add(drawing, decode ? CHART_DECODE : CHART_PREFILL, &point);
    if (!decode) return STATUS_OK;
    size_t used = strlen(point.series);
    snprintf(point.series + used, sizeof point.series - used, ", depth %lld", (long long)depth);
    point.x = (double)batch;
    add(drawing, CHART_BATCH, &point);
    return STATUS_OK;
}

static enum status take_ratio(struct drawing *drawing, struct json_reader reader) {
    struct plot_point point = {.y = 0};
    const char *test, *model, *peer, *name;
    int64_t tokens, depth;
    TRY(json_get_text_or(reader, "test", "", &test));
    TRY(json_get_text_or(reader, "model", "", &model));
    TRY(json_get_text_or(reader, "peer", "", &peer));
    TRY(json_get_int(reader, "tokens", 0, INT32_MAX, &tokens));
    TRY(json_get_int(reader, "depth", 0, INT32_MAX, &depth));
    TRY(json_get_real_or(reader, "ratio", 0, most_number, 0, &point.y));
    TRY(json_get_real_or(reader, "low", 0, most_number, point.y, &point.low));
    TRY(json_get_real_or(reader, "high", 0, most_number, point.y, &point.high));
    int length = base_name(model, &name);
    snprintf(point.series, sizeof point.series, "%.*s %.8s %lld at %lld / %.16s", length > 28 ? 28 : length,
             name, test, (long long)tokens, (long long)depth, peer);
    add(drawing, CHART_RATIO, &point);
    return STATUS_OK;
}

typedef enum status take_line(struct drawing *drawing, struct json_reader reader);

static enum status take_all(struct drawing *drawing, const json_t *list, const char *origin,
                            take_line *take) {
    const json_t *entry;
    size_t i;
    json_array_foreach(list, i, entry) TRY(take(drawing, (struct json_reader){entry, origin}));
    return STATUS_OK;
}

static enum status take_object(struct drawing *drawing, const json_t *root, const char *origin) {
    const json_t *results = json_object_get(root, "results"), *ratios = json_object_get(root, "ratios");
    if (!json_is_object(root)) return fail(STATUS_FORMAT, "%s: a record is a JSON object", origin);
    if (!results && !ratios) return take_result(drawing, (struct json_reader){root, origin});
    TRY(take_all(drawing, results, origin, take_result));
    return take_all(drawing, ratios, origin, take_ratio);
}

/* A file is one object, or one on each line. */
static enum status read_lines(struct drawing *drawing, struct buffer *text, const char *path) {
    json_t *root;
    char origin[512];
    int number = 0;
    for (char *line = text->data, *end; line; line = end ? end + 1 : NULL) {
        end = strchr(line, '\n');
        size_t bytes = end ? (size_t)(end - line) : strlen(line);
        number++;
        if (strspn(line, " \t\r") >= bytes) continue;
        snprintf(origin, sizeof origin, "%.480s:%d", path, number);
        TRY(json_parse(line, bytes, origin, &root));
        enum status status = take_object(drawing, root, origin);
        json_decref(root);
        TRY(status);
    }
    return STATUS_OK;
}

static enum status read_file(struct drawing *drawing, const char *path) {
    struct buffer text = {0};
    json_t *root;
    TRY(buffer_read_file(&text, path, RECORD_MOST));
    enum status status;
    if (text.bytes && json_parse(text.data, text.bytes, path, &root) == STATUS_OK) {
        status = take_object(drawing, root, path);
        json_decref(root);
    } else {
        status = text.bytes ? read_lines(drawing, &text, path) : STATUS_OK;
    }
    buffer_free(&text);
    return status;
}

static enum status write_file(struct drawing *drawing, const char *path) {
    struct buffer svg = {0};
    struct file_writer writer = {0};
    plot_write(&svg, drawing->chart, CHARTS);
    enum status status = buffer_check(&svg, "the picture");
    if (status == STATUS_OK) status = file_writer_open(&writer, path);
    if (status == STATUS_OK) status = file_writer_append(&writer, svg.data, svg.bytes);
    if (status == STATUS_OK) status = file_writer_finish(&writer);
    file_writer_close(&writer);
    buffer_free(&svg);
    return status;
}

static enum status draw(struct drawing *drawing, const char *const *word, int words, const char *output) {
    bool worth = false;
    for (int i = 1; i < words; i++) TRY(read_file(drawing, word[i]));
    if (drawing->no_memory) return fail(STATUS_MEMORY, "no memory for the points of the records");
    for (int c = 0; c < CHARTS; c++) {
        plot_tidy(&drawing->chart[c]);
        worth |= drawing->chart[c].points > 0;
    }
    if (!worth)
        return fail(STATUS_INPUT,
                    "nothing to draw: a line needs two depths or batch sizes, a bar needs a ratio");
    return write_file(drawing, output);
}

enum status bench_plot(const struct option_values *values) {
    const char *const *word, *output = option_text(values, "output");
    int words = option_positionals(values, &word);
    if (words < 2 || !output)
        return fail(STATUS_USAGE,
                    "name the records and the file to write: hadal bench plot RECORDS... -o FILE");
    struct drawing drawing = {
        .chart = {
            [CHART_DECODE] = {.title = "Decode, one sequence",
                              .x_label = "tokens in the context",
                              .y_label = "tokens/s"},
            [CHART_PREFILL] = {.title = "Prefill", .x_label = "tokens in the context", .y_label = "tokens/s"},
            [CHART_BATCH] = {.title = "Decode, several sequences",
                             .x_label = "sequences",
                             .y_label = "tokens/s of all"},
            [CHART_RATIO] = {
                .title = "hadal compared", .x_label = "times the speed of the other", .bars = true}}};
    enum status status = draw(&drawing, word, words, output);
    for (int c = 0; c < CHARTS; c++) free(drawing.chart[c].point);
    return status;
}
