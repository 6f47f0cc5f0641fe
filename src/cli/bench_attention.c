/* bench_attention.c - `hadal bench attention`: one layer's attention with the shape of a published model, for one
 * generated token in each of some sequences (the absorbed form of latent attention) and for a prompt (the
 * decompressed form), at some depths of context.
 *
 * There are as many layers of cache as the processor's caches do not hold, and the calls go round. */
#include "cli/bench.h"
#include "cli/rates.h"

#include "base/bytes.h"
#include "base/json.h"
#include "base/rng.h"
#include "model/synth_blocks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_MOST = 32, FILL_ROWS = 512 };
static const int64_t all_layers_bytes = INT64_C(512) << 20, usual_depths[] = {0, 4096, 16384};
static const double sample_seconds = 0.1;
static const uint64_t values_seed = 11;

struct attention_bench {
    struct bench_part part;
    struct model_desc desc;
    const char *like;
    enum dtype kv_type;
    const int64_t *depth, *batch;
    int depths, batches;
    int64_t prompt, most_rows;
    double *seconds; /* [repeat] */
    float *q, *y;    /* [most_rows, heads * width of a head] */
    float *values;   /* [FILL_ROWS, what one row of a plane holds] */
    uint8_t *kv_b;   /* latent: [heads * (nope + value), kv_rank] q8_0 */
    struct rng rng;
    /* of the case that is being measured */
    struct kv_plane plane[KV_PLANES];
    uint8_t *cache[KV_PLANES]; /* [layers, pages] */
    int64_t layer_bytes[KV_PLANES];
    int layers;
    int32_t *page;         /* [sequences, pages of one] */
    struct batch_run *run; /* [sequences] */
    int runs;
};

static int64_t row_width(const struct attention_bench *bench, int plane) {
    return (int64_t)bench->plane[plane].heads * bench->plane[plane].width;
}

static struct kv_plane_view view_of(const struct attention_bench *bench, int plane, int64_t layer) {
    const struct kv_plane *p = &bench->plane[plane];
    return (struct kv_plane_view){bench->cache[plane] + layer * bench->layer_bytes[plane], p->dtype, p->heads,
                                  p->width, p->entry_bytes};
}

static void attend_latent_once(struct attention_bench *bench, int64_t layer) {
    const struct model_desc *d = &bench->desc;
    struct tensor kv_b = {.data = bench->kv_b,
                          .dtype = DTYPE_Q8_0,
                          .rank = 2,
                          .shape = {(int64_t)d->heads * (d->nope_dim + d->value_dim), d->kv_rank}};
    struct latent_attention_op op = {.latent = view_of(bench, 0, layer),
                                     .rope_key = view_of(bench, 1, layer),
                                     .kv_b = &kv_b,
                                     .q = bench->q,
                                     .y = bench->y,
                                     .heads = d->heads,
                                     .nope_dim = d->nope_dim,
                                     .rope_dim = d->rope_dim,
                                     .value_dim = d->value_dim,
                                     .kv_rank = d->kv_rank,
                                     .scale = d->attention_scale,
                                     .integers = bench->part.backend->integer_products,
                                     .integer_scores = true,
                                     .run = bench->run,
                                     .runs = bench->runs};
    bench->part.backend->ops->attend_latent(bench->part.backend, &op);
}

static void attend_grouped_once(struct attention_bench *bench, int64_t layer) {
    const struct model_desc *d = &bench->desc;
    struct grouped_attention_op op = {.key = view_of(bench, 0, layer),
                                      .value = view_of(bench, 1, layer),
                                      .q = bench->q,
                                      .y = bench->y,
                                      .heads = d->heads,
                                      .kv_heads = d->kv_heads,
                                      .head_dim = d->head_dim,
                                      .scale = d->attention_scale,
                                      .run = bench->run,
                                      .runs = bench->runs};
    bench->part.backend->ops->attend_grouped(bench->part.backend, &op);
}

static bool is_latent(const struct attention_bench *bench) {
    return bench->desc.layer[0].attention == ATTEND_LATENT;
}

static void attend(void *context, int64_t index) {
    struct attention_bench *bench = context;
    if (is_latent(bench))
        attend_latent_once(bench, index % bench->layers);
    else
        attend_grouped_once(bench, index % bench->layers);
}

/* ---- the cache of a case ---- */

static void release_cache(struct attention_bench *bench) {
    for (int p = 0; p < KV_PLANES; p++) {
        bench->part.backend->ops->release(bench->part.backend, bench->cache[p]);
        bench->cache[p] = NULL;
    }
    free(bench->page);
    free(bench->run);
    bench->page = NULL;
    bench->run = NULL;
}

static enum status take_cache(struct attention_bench *bench, int sequences, int64_t tokens) {
    struct backend *backend = bench->part.backend;
    int64_t pages = divide_up(tokens, KV_PAGE_TOKENS), bytes = 0;
    for (int p = 0; p < KV_PLANES; p++) {
        bench->layer_bytes[p] =
            pages * sequences * KV_PAGE_TOKENS * bench->plane[p].heads * bench->plane[p].entry_bytes;
        bytes += bench->layer_bytes[p];
    }
    bench->layers = (int)max_i64(1, min_i64(LAYERS_MOST, all_layers_bytes / bytes));
    bench->page = malloc((size_t)(pages * sequences) * sizeof *bench->page);
    bench->run = calloc((size_t)sequences, sizeof *bench->run);
    for (int p = 0; p < KV_PLANES; p++)
        bench->cache[p] = backend->ops->allocate(backend, bench->layer_bytes[p] * bench->layers);
    if (!bench->page || !bench->run || !bench->cache[0] || !bench->cache[1])
        return fail(STATUS_MEMORY, "no memory for a cache of %d times %lld tokens", sequences,
                    (long long)tokens);
    for (int64_t i = 0; i < pages * sequences; i++) bench->page[i] = (int32_t)i;
    for (int s = 0; s < sequences; s++) bench->run[s].page = bench->page + s * pages;
    bench->runs = sequences;
    return STATUS_OK;
}

/* Random values in the first layer; the others hold the same. */
static void fill_cache(struct attention_bench *bench, int64_t tokens) {
    struct backend *backend = bench->part.backend;
    for (int s = 0; s < bench->runs; s++)
        for (int64_t begin = 0; begin < tokens; begin += FILL_ROWS) {
            struct batch_run run = {.rows = (int)min_i64(FILL_ROWS, tokens - begin),
                                    .position = (int)begin,
                                    .page = bench->run[s].page};
            for (int p = 0; p < KV_PLANES; p++) {
                struct kv_store_op op = {view_of(bench, p, 0), bench->values, row_width(bench, p), &run, 1};
                backend->ops->kv_store(backend, &op);
            }
        }
    for (int p = 0; p < KV_PLANES; p++)
        for (int layer = 1; layer < bench->layers; layer++)
            memcpy(bench->cache[p] + layer * bench->layer_bytes[p], bench->cache[p],
                   (size_t)bench->layer_bytes[p]);
}

/* ---- what a call does ---- */

/* Useful operations of all rows: scores and sums, and what the form does once for a row or for a cached token. */
static double operations_of(const struct attention_bench *bench, int64_t depth, int64_t rows, bool prompt) {
    const struct model_desc *d = &bench->desc;
    double heads = d->heads, contexts = 0, each;
    int64_t own = prompt ? rows : 1;
    contexts = (double)own * (double)depth + 0.5 * (double)own * (double)(own + 1);
    if (!prompt) contexts *= (double)rows;
    if (!is_latent(bench)) return contexts * heads * 4 * d->head_dim;
    double up = 2.0 * d->kv_rank * (d->nope_dim + d->value_dim) * heads;
    each = prompt ? 2.0 * (d->nope_dim + d->rope_dim + d->value_dim) : 2.0 * (2 * d->kv_rank + d->rope_dim);
    return contexts * heads * each + up * (double)(prompt ? depth + rows : rows);
}

static double bytes_of(const struct attention_bench *bench, int64_t depth, int64_t rows, bool prompt) {
    const struct model_desc *d = &bench->desc;
    int64_t token = 0, up = 0;
    for (int p = 0; p < KV_PLANES; p++) token += bench->plane[p].heads * bench->plane[p].entry_bytes;
    if (is_latent(bench))
        MUST(dtype_row_bytes(DTYPE_Q8_0, (int64_t)d->heads * (d->nope_dim + d->value_dim) * d->kv_rank, &up));
    return (double)up + (double)token * (double)(prompt ? depth + rows : rows * (depth + 1));
}

static enum status report_case(struct attention_bench *bench, int64_t depth, int64_t rows, bool prompt) {
    char label[80];
    const char *test = prompt ? "attention_prefill" : "attention_decode";
    const char *kv = dtype_traits(bench->kv_type)->name;
    struct bench_speeds speeds = {.seconds = bench->seconds,
                                  .samples = bench->part.repeat,
                                  .bytes = bytes_of(bench, depth, rows, prompt),
                                  .operations = operations_of(bench, depth, rows, prompt)};
    json_t *object = json_object();
    bench_set_text(object, "test", test);
    bench_set_text(object, "like", bench->like);
    bench_set_text(object, "attention", is_latent(bench) ? "latent" : "grouped");
    bench_set_whole(object, "heads", bench->desc.heads);
    bench_set_text(object, "kv_type", kv);
    bench_set_whole(object, "depth", depth);
    bench_set_whole(object, "batch", prompt ? 1 : rows);
    bench_set_whole(object, "rows", rows);
    bench_set_whole(object, "layers", bench->layers);
    snprintf(label, sizeof label, "%-8s %-5s %7lld %6lld", prompt ? "prefill" : "decode", kv,
             (long long)depth, (long long)rows);
    return bench_part_report(&bench->part, &speeds, object, label);
}

static enum status time_case(struct attention_bench *bench, int64_t depth, int64_t rows, bool prompt,
                             double seconds_each) {
    int64_t tokens = depth + (prompt ? rows : 1);
    enum status status = take_cache(bench, prompt ? 1 : (int)rows, tokens);
    if (status == STATUS_OK) {
        fill_cache(bench, tokens);
        for (int s = 0; s < bench->runs; s++) {
            bench->run[s].row_begin = s;
            bench->run[s].rows = prompt ? (int)rows : 1;
            bench->run[s].position = (int)depth;
            bench->run[s].absorbed = !prompt;
        }
        bench_seconds(attend, bench, seconds_each / 4);
        for (int i = 0; i < bench->part.repeat; i++)
            bench->seconds[i] = bench_seconds(attend, bench, seconds_each);
    }
    release_cache(bench);
    return status;
}

static enum status measure_case(struct attention_bench *bench, int64_t depth, int64_t rows, bool prompt) {
    TRY(time_case(bench, depth, rows, prompt, sample_seconds));
    return report_case(bench, depth, rows, prompt);
}

static enum status measure_cases(struct attention_bench *bench) {
    for (int i = 0; i < bench->depths; i++) {
        for (int b = 0; b < bench->batches; b++)
            TRY(measure_case(bench, bench->depth[i], bench->batch[b], false));
        if (bench->prompt) TRY(measure_case(bench, bench->depth[i], bench->prompt, true));
    }
    return STATUS_OK;
}

/* ---- opening ---- */

static enum status read_shape(struct attention_bench *bench) {
    const char *text = model_preset_config(bench->like);
    json_t *config;
    if (!text) return fail(STATUS_USAGE, "--like %.60s: no published model of that name", bench->like);
    TRY(json_parse(text, strlen(text), bench->like, &config));
    enum status status = model_desc_from_config(&bench->desc, config, bench->like);
    json_decref(config);
    return status;
}

static enum status read_options(struct attention_bench *bench, const struct option_values *values) {
    const char *kv_type = option_text(values, "kv-type"), *like = option_text(values, "like");
    bench->like = like ? like : "deepseek-v2-lite";
    bench->kv_type = DTYPE_BF16;
    if (strcmp(kv_type, "auto") != 0) MUST(dtype_from_name(kv_type, &bench->kv_type));
    bench->prompt = option_int(values, "prompt-tokens");
    bench->depth = usual_depths;
    bench->depths = COUNT_OF(usual_depths);
    if (option_given(values, "depth")) bench->depths = option_ints(values, "depth", &bench->depth);
    bench->batches = option_ints(values, "batch", &bench->batch);
    if (!bench->depths || !bench->batches)
        return fail(STATUS_USAGE, "--depth and --batch need at least one number each");
    bench->most_rows = bench->prompt;
    for (int i = 0; i < bench->batches; i++) bench->most_rows = max_i64(bench->most_rows, bench->batch[i]);
    TRY(read_shape(bench));
    return kv_planes_of(&bench->desc, bench->kv_type, bench->plane);
}

static enum status make_up(struct attention_bench *bench) {
    const struct model_desc *d = &bench->desc;
    struct synth_format format = synth_format_of(DTYPE_Q8_0);
    struct synth_pattern pattern = synth_pattern_of(&format, 0, 0.02);
    int64_t elements = (int64_t)d->heads * (d->nope_dim + d->value_dim) * d->kv_rank, bytes;
    if (!is_latent(bench)) return STATUS_OK;
    MUST(dtype_row_bytes(DTYPE_Q8_0, elements, &bytes));
    bench->kv_b = bench->part.backend->ops->allocate(bench->part.backend, bytes);
    if (!bench->kv_b) return fail(STATUS_MEMORY, "no memory for an up-projection");
    synth_fill(&pattern, &bench->rng, 0, bench->kv_b, elements);
    return STATUS_OK;
}

static enum status take_rows(struct attention_bench *bench) {
    struct backend *backend = bench->part.backend;
    const struct model_desc *d = &bench->desc;
    int64_t head = is_latent(bench) ? d->nope_dim + d->rope_dim : d->head_dim;
    int64_t query = bench->most_rows * d->heads * head, f = (int64_t)sizeof(float);
    int64_t widest = max_i64(row_width(bench, 0), row_width(bench, 1)), fill = FILL_ROWS * widest;
    struct backend_shape shape = {.rows = bench->most_rows,
                                  .places = bench->most_rows,
                                  .widest = d->width,
                                  .widest_expert = d->width,
                                  .heads = d->heads,
                                  .nope_dim = d->nope_dim,
                                  .rope_dim = d->rope_dim,
                                  .value_dim = d->value_dim,
                                  .kv_rank = d->kv_rank,
                                  .kv_heads = d->kv_heads,
                                  .head_dim = d->head_dim};
    TRY(backend->ops->reserve(backend, &shape));
    bench->q = backend->ops->allocate(backend, query * f);
    bench->y = backend->ops->allocate(backend, query * f);
    bench->values = backend->ops->allocate(backend, fill * f);
    bench->seconds = calloc((size_t)bench->part.repeat, sizeof *bench->seconds);
    if (!bench->q || !bench->y || !bench->values || !bench->seconds)
        return fail(STATUS_MEMORY, "no memory for %lld rows", (long long)bench->most_rows);
    for (int64_t i = 0; i < query; i++) bench->q[i] = (float)rng_uniform(&bench->rng) - 0.5f;
    for (int64_t i = 0; i < fill; i++) bench->values[i] = (float)rng_uniform(&bench->rng) - 0.5f;
    return STATUS_OK;
}

static void release_rows(struct attention_bench *bench) {
    struct backend *backend = bench->part.backend;
    void *taken[] = {bench->q, bench->y, bench->values, bench->kv_b};
    for (size_t i = 0; backend && i < COUNT_OF(taken); i++) backend->ops->release(backend, taken[i]);
    free(bench->seconds);
}

static enum status open_bench(struct attention_bench *bench, const struct option_values *values) {
    rng_seed(&bench->rng, values_seed);
    TRY(read_options(bench, values));
    TRY(bench_part_open(&bench->part, values));
    TRY(take_rows(bench));
    TRY(make_up(bench));
    if (!bench->part.json)
        printf("one layer of %s, %d heads\n%-8s %-5s %7s %6s %14s %13s %7s %15s %7s\n", bench->like,
               bench->desc.heads, "test", "cache", "depth", "rows", "a call", "reads", "of all", "multiplies",
               "of all");
    return STATUS_OK;
}

enum status bench_attention(const struct option_values *values) {
    struct attention_bench *bench = calloc(1, sizeof *bench);
    if (!bench) return fail(STATUS_MEMORY, "no memory");
    enum status status = open_bench(bench, values);
    if (status == STATUS_OK) status = measure_cases(bench);
    release_rows(bench);
    bench_part_close(&bench->part);
    free(bench);
    return status;
}

/* ---- for plans ---- */

static enum status rate_of(struct attention_bench *bench, bool prompt, double seconds_each, double *rate) {
    enum { DEPTH = 2048, ROWS = 256 };
    int64_t rows = prompt ? ROWS : 1;
    bench->kv_type = DTYPE_BF16;
    bench->prompt = bench->most_rows = rows;
    rng_seed(&bench->rng, values_seed);
    TRY(read_shape(bench));
    TRY(kv_planes_of(&bench->desc, bench->kv_type, bench->plane));
    TRY(take_rows(bench));
    TRY(make_up(bench));
    TRY(time_case(bench, DEPTH, rows, prompt, seconds_each));
    *rate = operations_of(bench, DEPTH, rows, prompt) / bench_median(bench->seconds, bench->part.repeat);
    return STATUS_OK;
}

enum status bench_attention_rate(struct backend *backend, const char *like, bool prompt, int samples,
                                 double seconds_each, double *rate, int *heads, bool *latent) {
    struct attention_bench *bench = calloc(1, sizeof *bench);
    if (!bench) return fail(STATUS_MEMORY, "no memory");
    bench->part.backend = backend;
    bench->part.repeat = samples;
    bench->like = like;
    enum status status = rate_of(bench, prompt, seconds_each, rate);
    *heads = bench->desc.heads;
    *latent = status == STATUS_OK && is_latent(bench);
    release_rows(bench);
    free(bench);
    return status;
}
