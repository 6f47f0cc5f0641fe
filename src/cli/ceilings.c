/* ceilings.c - names and medians of ceilings, and the file that keeps them. */
#include "cli/ceilings.h"

#include "base/file_write.h"
#include "base/json.h"
#include "base/version.h"
#include "cli/bench.h"
#include "cli/environment.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { FILE_MOST = 1 << 20, QUICK_SAMPLES = 3 };
static const int64_t quick_bytes = INT64_C(512) << 20;

const char *ceiling_name(enum ceiling ceiling) {
    switch (ceiling) {
    case CEILING_READ: return "read";
    case CEILING_COPY: return "copy";
    case CEILING_WAKE_WARM: return "wake_warm";
    case CEILING_WAKE_COLD: return "wake_cold";
    default: return peak_name((enum peak)(ceiling - CEILING_MULTIPLY));
    }
}

const char *ceiling_unit(enum ceiling ceiling) {
    if (ceiling <= CEILING_COPY) return "bytes/s";
    return ceiling < CEILING_WAKE_WARM ? "operations/s" : "s";
}

double ceiling_median(const struct ceilings *ceilings, enum ceiling ceiling) {
    const struct ceiling_samples *samples = &ceilings->of[ceiling];
    return samples->count ? bench_median(samples->value, samples->count) : 0;
}

static enum ceiling faster(const struct ceilings *ceilings, enum peak peak, enum ceiling than) {
    enum ceiling other = (enum ceiling)(CEILING_MULTIPLY + (int)peak);
    return ceiling_median(ceilings, other) > ceiling_median(ceilings, than) ? other : than;
}

enum ceiling ceiling_of_products(const struct ceilings *ceilings, bool integers) {
    enum ceiling first = (enum ceiling)(CEILING_MULTIPLY + (integers ? (int)PEAK_INT8 : (int)PEAK_F32));
    if (integers) return faster(ceilings, PEAK_AMX_INT8, first);
    return faster(ceilings, PEAK_AMX_BF16, faster(ceilings, PEAK_BF16, first));
}

/* ---- writing ---- */

static json_t *samples_json(enum ceiling ceiling, const struct ceiling_samples *samples) {
    json_t *list = json_array();
    for (int i = 0; i < samples->count; i++) json_array_append_new(list, json_real(samples->value[i]));
    return json_pack("{s:s, s:s, s:o, s:f, s:f}", "ceiling", ceiling_name(ceiling), "unit",
                     ceiling_unit(ceiling), "samples", list, "median",
                     bench_median(samples->value, samples->count), "spread",
                     bench_spread(samples->value, samples->count));
}

static json_t *record_json(const struct ceilings *ceilings) {
    json_t *list = json_array();
    for (enum ceiling c = 0; c < CEILING_COUNT; c++)
        if (ceilings->of[c].count) json_array_append_new(list, samples_json(c, &ceilings->of[c]));
    return json_pack("{s:s, s:i, s:I, s:b, s:o}", "cpu", cpu_level_name(ceilings->level), "threads",
                     ceilings->threads, "buffer_bytes", (json_int_t)ceilings->buffer_bytes, "huge_pages",
                     ceilings->huge_pages, "ceilings", list);
}

json_t *ceilings_json(const struct ceilings *list, int count, const char *processor) {
    json_t *records = json_array();
    for (int i = 0; i < count; i++) json_array_append_new(records, record_json(&list[i]));
    return json_pack("{s:i, s:s*, s:s, s:I, s:o}", "version", CEILINGS_VERSION, "processor", processor,
                     "hadal", HADAL_VERSION, "measured", (json_int_t)time(NULL), "records", records);
}

static void make_parents(char *path) {
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        mkdir(path, 0700); /* what is missing shows when the file is opened */
        *at = '/';
    }
}

static enum status write_text(const char *path, const char *text) {
    struct file_writer writer = {0};
    enum status status = file_writer_open(&writer, path);
    if (status == STATUS_OK) status = file_writer_append(&writer, text, strlen(text));
    if (status == STATUS_OK) status = file_writer_append(&writer, "\n", 1);
    if (status == STATUS_OK) status = file_writer_finish(&writer);
    file_writer_close(&writer);
    return status;
}

enum status ceilings_store(const struct ceilings *list, int count, const char *processor, char path[4096]) {
    *path = 0;
    if (!user_path(USER_CACHE, "machine.json", path, 4096)) {
        *path = 0;
        return STATUS_OK;
    }
    json_t *object = ceilings_json(list, count, processor);
    char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for the record of this machine");
    make_parents(path);
    enum status status = write_text(path, text);
    free(text);
    return status;
}

/* ---- reading ---- */

static enum ceiling ceiling_named(const char *name) {
    enum ceiling c = 0;
    while (c < CEILING_COUNT && strcmp(name, ceiling_name(c)) != 0) c++;
    return c;
}

static enum status read_samples(struct ceilings *ceilings, struct json_reader reader) {
    const char *name;
    TRY(json_get_text_or(reader, "ceiling", "", &name));
    enum ceiling ceiling = ceiling_named(name);
    if (ceiling == CEILING_COUNT) return STATUS_OK; /* of another version's making */
    struct ceiling_samples *samples = &ceilings->of[ceiling];
    const json_t *list = json_object_get(reader.object, "samples"), *value;
    size_t i;
    samples->count = 0;
    json_array_foreach(list, i, value) {
        double number = json_number_value(value);
        if (samples->count == CEILING_SAMPLES_MOST || !(number > 0))
            return fail(STATUS_FORMAT, "%s: the samples of %.20s are no list of at most %d positive numbers",
                        reader.origin, name, CEILING_SAMPLES_MOST);
        samples->value[samples->count++] = number;
    }
    return STATUS_OK;
}

static enum status read_record(struct ceilings *ceilings, struct json_reader reader, bool *matches) {
    const char *level;
    int64_t threads;
    size_t i;
    const json_t *entry;
    TRY(json_get_text_or(reader, "cpu", "", &level));
    TRY(json_get_int(reader, "threads", 1, 1024, &threads));
    TRY(json_get_int_or(reader, "buffer_bytes", 0, INT64_MAX, 0, &ceilings->buffer_bytes));
    TRY(json_get_bool_or(reader, "huge_pages", false, &ceilings->huge_pages));
    *matches = threads == ceilings->threads && !strcmp(level, cpu_level_name(ceilings->level));
    json_array_foreach(json_object_get(reader.object, "ceilings"), i, entry)
        TRY(read_samples(ceilings, (struct json_reader){entry, reader.origin}));
    return STATUS_OK;
}

static enum status read_file(struct ceilings *ceilings, const json_t *root, const char *path,
                             const char *processor, bool *found) {
    const struct json_reader reader = {root, path};
    const struct ceilings wanted = *ceilings;
    const char *of;
    int64_t version;
    size_t i;
    const json_t *record;
    TRY(json_get_int(reader, "version", 0, INT64_MAX, &version));
    TRY(json_get_text_or(reader, "processor", "", &of));
    if (version != CEILINGS_VERSION || strcmp(of, processor) != 0) return STATUS_OK;
    json_array_foreach(json_object_get(root, "records"), i, record) {
        if (*found) break;
        *ceilings = wanted;
        TRY(read_record(ceilings, (struct json_reader){record, path}, found));
    }
    return STATUS_OK;
}

bool ceilings_recall(struct ceilings *ceilings, const char *path, const char *processor, enum cpu_level level,
                     int threads) {
    json_t *root;
    bool found = false;
    *ceilings = (struct ceilings){.level = level, .threads = threads, .stored = true};
    if (json_read_file(path, FILE_MOST, &root) != STATUS_OK) return false;
    enum status status = read_file(ceilings, root, path, processor, &found);
    json_decref(root);
    return status == STATUS_OK && found && ceilings->of[CEILING_READ].count;
}

enum status ceilings_get(struct ceilings *ceilings, const char *processor, enum cpu_level cap, int threads) {
    char path[4096];
    enum cpu_level level = peak_kernels_for(cap).level;
    if (user_path(USER_CACHE, "machine.json", path, sizeof path) &&
        ceilings_recall(ceilings, path, processor, level, threads))
        return STATUS_OK;
    return ceilings_measure(ceilings,
                            &(struct ceiling_request){.cap = cap,
                                                      .threads = threads,
                                                      .samples = QUICK_SAMPLES,
                                                      .buffer_bytes = ceilings_buffer_bytes(quick_bytes),
                                                      .quick = true});
}
