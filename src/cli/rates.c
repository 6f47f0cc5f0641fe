/* rates.c - see rates.h. Samples of a format are taken in rounds over all rows, so that what else the machine does for a moment is
 * in one sample of each and in no median. */
#include "cli/rates.h"

#include "base/file_write.h"
#include "base/json.h"
#include "base/version.h"
#include "cli/bench.h"
#include "cli/bench_matrix.h"
#include "cli/environment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 20, SAMPLES_MOST = 64 };
static const int64_t copies_bytes = INT64_C(256) << 20;
static const enum dtype types[] = {DTYPE_F32,  DTYPE_BF16, DTYPE_F8_E4M3, DTYPE_Q8_0, DTYPE_Q4_0,
                                   DTYPE_Q5_0, DTYPE_Q4_K, DTYPE_Q5_K,    DTYPE_Q6_K, DTYPE_IQ4_XS};
static const char *const shapes[] = {"deepseek-v2-lite", "deepseek-v3", "r1-distill-qwen-1.5b",
                                     "r1-distill-qwen-32b"};

struct rating {
    const struct rates_request *request;
    struct plan_rates *rates;
    struct backend *backend;
    struct bench_matrix matrix;
    double sample[RATE_ROWS][SAMPLES_MOST];
    float *values; /* [2 * PASS_VALUES] */
    int done, all;
};

static enum status tell(struct rating *rating) {
    const struct rates_request *request = rating->request;
    rating->done++;
    if (!request->progress || request->progress(request->context, rating->done, rating->all))
        return STATUS_OK;
    return fail(STATUS_CANCELLED, "stopped");
}

static enum status measure_products(struct rating *rating, enum dtype dtype, double median[RATE_ROWS]) {
    const struct rates_request *request = rating->request;
    struct bench_matrix *matrix = &rating->matrix;
    TRY(bench_matrix_fill(matrix, dtype, false, copies_bytes));
    for (int s = 0; s < request->samples; s++)
        for (int r = 0; r < RATE_ROWS; r++) {
            matrix->rows = plan_rate_rows[r];
            bench_matrix_multiply(matrix, 0);
            rating->sample[r][s] = bench_seconds(bench_matrix_multiply, matrix, request->sample_seconds);
        }
    for (int r = 0; r < RATE_ROWS; r++)
        median[r] = bench_median(rating->sample[r], request->samples) / ((double)MATRIX_OUTS * MATRIX_IN);
    return tell(rating);
}

static enum status measure_attention(struct rating *rating) {
    const struct rates_request *request = rating->request;
    for (size_t i = 0; i < 2 * COUNT_OF(shapes); i++) {
        bool prompt = i % 2 != 0, latent;
        double rate;
        int heads;
        TRY(bench_attention_rate(rating->backend, shapes[i / 2], prompt, request->samples,
                                 request->sample_seconds, &rate, &heads, &latent));
        rating->rates->attention[i].latent = latent;
        rating->rates->attention[i].prompt = prompt;
        rating->rates->attention[i].heads = heads;
        rating->rates->attention[i].operations = rate;
        rating->rates->attentions = (int)i + 1;
        TRY(tell(rating));
    }
    return STATUS_OK;
}

enum { PASS_VALUES = 1 << 22 }; /* more than the caches next to a processor hold */

static void add_once(void *context, int64_t index) {
    struct rating *rating = context;
    (void)index;
    rating->backend->ops->add(rating->backend, rating->values, rating->values + PASS_VALUES, PASS_VALUES);
}

static enum status measure_pass(struct rating *rating) {
    const struct rates_request *request = rating->request;
    struct backend *backend = rating->backend;
    rating->values = backend->ops->allocate(backend, 2 * (int64_t)PASS_VALUES * (int64_t)sizeof(float));
    if (!rating->values) return fail(STATUS_MEMORY, "no memory for rows");
    add_once(rating, 0);
    for (int s = 0; s < request->samples; s++)
        rating->sample[0][s] = bench_seconds(add_once, rating, request->sample_seconds);
    rating->rates->pass = bench_median(rating->sample[0], request->samples) / PASS_VALUES;
    backend->ops->release(backend, rating->values);
    return tell(rating);
}

static enum status measure_all(struct rating *rating) {
    TRY(measure_pass(rating));
    TRY(measure_attention(rating));
    TRY(bench_matrix_open(&rating->matrix, rating->backend, plan_rate_rows[RATE_ROWS - 1]));
    for (size_t t = 0; t < COUNT_OF(types); t++) {
        rating->rates->type[t].dtype = types[t];
        TRY(measure_products(rating, types[t], rating->rates->type[t].seconds));
        rating->rates->types++;
    }
    return STATUS_OK;
}

enum status rates_measure(struct plan_rates *rates, const struct rates_request *request) {
    struct backend_options options = {.threads = request->threads, .cpu_level_cap = (int)request->cap};
    struct rating *rating = calloc(1, sizeof *rating);
    *rates = (struct plan_rates){0};
    if (!rating) return fail(STATUS_MEMORY, "no memory for samples");
    MUST(request->samples > 0 && request->samples <= SAMPLES_MOST && COUNT_OF(types) <= RATE_TYPES_MOST &&
         2 * COUNT_OF(shapes) <= RATE_ATTENTIONS_MOST);
    rating->request = request;
    rating->rates = rates;
    rating->all = 1 + (int)(2 * COUNT_OF(shapes) + COUNT_OF(types));
    enum status status = backend_open_cpu(&rating->backend, &options);
    if (status == STATUS_OK) status = measure_all(rating);
    bench_matrix_close(&rating->matrix);
    if (rating->backend) rating->backend->ops->close(rating->backend);
    free(rating);
    return status;
}

/* ---- the file ---- */

static json_t *rates_json(const struct plan_rates *rates) {
    json_t *products = json_object(), *attention = json_array();
    for (int t = 0; t < rates->types; t++) {
        json_t *seconds = json_array();
        for (int r = 0; r < RATE_ROWS; r++)
            json_array_append_new(seconds, json_real(rates->type[t].seconds[r]));
        json_object_set_new(products, dtype_traits(rates->type[t].dtype)->name, seconds);
    }
    for (int i = 0; i < rates->attentions; i++)
        json_array_append_new(
            attention, json_pack("{s:b, s:b, s:i, s:f}", "latent", rates->attention[i].latent, "prompt",
                                 rates->attention[i].prompt, "heads", rates->attention[i].heads, "operations",
                                 rates->attention[i].operations));
    return json_pack("{s:f, s:f, s:o, s:o}", "wake", rates->wake, "pass", rates->pass, "products", products,
                     "attention", attention);
}

enum status rates_store(const struct plan_rates *rates, const char *processor, enum cpu_level level,
                        int threads) {
    char path[4096];
    struct file_writer file = {0};
    if (!user_path(USER_CACHE, "rates.json", path, sizeof path)) return STATUS_OK;
    json_t *rows = json_array();
    for (int r = 0; r < RATE_ROWS; r++) json_array_append_new(rows, json_integer(plan_rate_rows[r]));
    json_t *object =
        json_pack("{s:s, s:s*, s:s, s:i, s:o, s:o}", "hadal", HADAL_VERSION, "processor", processor, "cpu",
                  cpu_level_name(level), "threads", threads, "rows", rows, "rates", rates_json(rates));
    char *text = object ? json_dumps(object, JSON_INDENT(1) | JSON_REAL_PRECISION(8)) : NULL;
    json_decref(object);
    if (!text) return fail(STATUS_MEMORY, "no memory for the record of this machine");
    enum status status = file_writer_open(&file, path);
    if (status == STATUS_OK) status = file_writer_append(&file, text, strlen(text));
    if (status == STATUS_OK) status = file_writer_finish(&file);
    file_writer_close(&file);
    free(text);
    return status;
}

static enum status read_type(struct plan_rates *rates, const char *name, const json_t *seconds) {
    enum dtype dtype;
    if (rates->types == RATE_TYPES_MOST || !dtype_from_name(name, &dtype) ||
        json_array_size(seconds) != RATE_ROWS)
        return fail(STATUS_FORMAT, "rates.json: %.40s", name);
    rates->type[rates->types].dtype = dtype;
    for (int r = 0; r < RATE_ROWS; r++) {
        double value = json_number_value(json_array_get(seconds, (size_t)r));
        if (!(value > 0 && value < 1)) return fail(STATUS_FORMAT, "rates.json: %.40s", name);
        rates->type[rates->types].seconds[r] = value;
    }
    rates->types++;
    return STATUS_OK;
}

static enum status read_attention(struct plan_rates *rates, struct json_reader reader) {
    int64_t heads;
    int at = rates->attentions;
    if (at == RATE_ATTENTIONS_MOST) return fail(STATUS_FORMAT, "rates.json: too many kinds of attention");
    TRY(json_get_int(reader, "heads", 1, 1 << 20, &heads));
    TRY(json_get_bool_or(reader, "latent", false, &rates->attention[at].latent));
    TRY(json_get_bool_or(reader, "prompt", false, &rates->attention[at].prompt));
    TRY(json_get_real_or(reader, "operations", 1, 1e18, 1, &rates->attention[at].operations));
    rates->attention[at].heads = (int)heads;
    rates->attentions++;
    return STATUS_OK;
}

static enum status read_rates(struct plan_rates *rates, struct json_reader reader) {
    const json_t *products = json_object_get(reader.object, "products");
    const json_t *attention = json_object_get(reader.object, "attention"), *entry;
    const char *name;
    json_t *seconds;
    size_t i;
    TRY(json_get_real_or(reader, "wake", 0, 1, 0, &rates->wake));
    TRY(json_get_real_or(reader, "pass", 0, 1, 0, &rates->pass));
    json_object_foreach((json_t *)products, name, seconds) TRY(read_type(rates, name, seconds));
    json_array_foreach(attention, i, entry)
        TRY(read_attention(rates, (struct json_reader){entry, reader.origin}));
    return rates->types ? STATUS_OK : fail(STATUS_FORMAT, "rates.json: no products");
}

static bool is_of(const json_t *root, const char *field, const char *wanted) {
    const char *text = json_string_value(json_object_get(root, field));
    return text && !strcmp(text, wanted);
}

static bool has_rows(const json_t *root) {
    const json_t *rows = json_object_get(root, "rows");
    for (int r = 0; r < RATE_ROWS; r++)
        if (json_integer_value(json_array_get(rows, (size_t)r)) != plan_rate_rows[r]) return false;
    return json_array_size(rows) == RATE_ROWS;
}

bool rates_recall(struct plan_rates *rates, const char *processor, enum cpu_level level, int threads) {
    char path[4096];
    json_t *root;
    *rates = (struct plan_rates){0};
    if (!user_path(USER_CACHE, "rates.json", path, sizeof path) ||
        json_read_file(path, FILE_MOST, &root) != STATUS_OK)
        return false;
    bool own = is_of(root, "hadal", HADAL_VERSION) && is_of(root, "processor", processor) &&
               is_of(root, "cpu", cpu_level_name(level)) && has_rows(root) &&
               json_integer_value(json_object_get(root, "threads")) == threads;
    struct json_reader reader = {json_object_get(root, "rates"), path};
    bool read = own && reader.object && read_rates(rates, reader) == STATUS_OK;
    json_decref(root);
    return read;
}
