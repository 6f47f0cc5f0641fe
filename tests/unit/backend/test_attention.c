/* test_attention.c - both attentions of the CPU backend at depth: against sums in double, and the same bits for a row
 * whatever its chunk, its neighbours, the threads and the depth of other sequences. Contexts cross pages and the parts
 * that generated rows are cut into; every cache type and every level. */
#include "backend/backend.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "kernel/kernel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 70, SEQUENCES = 3, PAGES = 20, WIDTH_MOST = 256 };

/* Odd widths leave padding in blocks and vectors. */
static const struct shape {
    int heads, kv_heads; /* kv_heads 0: latent attention */
    int nope, rope, value, rank, dim;
    bool arranged; /* the up-projections are a split pair in Q8_0 with panels */
    bool integers; /* prompt rows are multiplied in integers, */
    bool scores;   /* for scores as well */
} shapes[] = {{3, 0, 20, 8, 18, 40, 0},
              {16, 0, 32, 16, 32, 64, 0},
              {33, 0, 16, 8, 16, 32, 0},
              {6, 2, 0, 0, 0, 0, 64},
              {5, 5, 0, 0, 0, 0, 20},
              {24, 1, 0, 0, 0, 0, 32},
              {6, 0, 64, 8, 48, 128, 0, true},
              {6, 0, 64, 8, 48, 128, 0, true, true, true},
              {3, 0, 20, 8, 18, 40, 0, false, true, true},
              {3, 0, 20, 8, 18, 40, 0, false, true}};

struct model { /* one operation's memory: the cache, weights, queries of one step */
    struct shape shape;
    struct kv_plane_view plane[2];
    struct tensor up;       /* of latent attention */
    struct tensor k_b, v_b; /* the same numbers, where the shape says so */
    int32_t page[SEQUENCES][PAGES];
    float *q; /* [SEQUENCES * PAGES * 64, q_width]: a query for every position */
    int q_width, y_width;
};

static void *take(size_t bytes) {
    void *memory = calloc(1, bytes + 64);
    assert_non_null(memory);
    return memory;
}

static float *random_floats(struct rng *rng, int64_t count) {
    float *x = take((size_t)count * sizeof *x);
    for (int64_t i = 0; i < count; i++) x[i] = (float)(rng_uniform(rng) * 2 - 1);
    return x;
}

static struct kv_plane_view plane_of(struct rng *rng, enum dtype dtype, int heads, int width) {
    const struct dtype_traits *traits = dtype_traits(dtype);
    int64_t blocks = (width + traits->block_elements - 1) / traits->block_elements;
    int64_t entries = (int64_t)SEQUENCES * PAGES * KV_PAGE_TOKENS * heads;
    struct kv_plane_view plane = {NULL, dtype, heads, width, blocks * traits->block_bytes};
    plane.data = take((size_t)(entries * plane.entry_bytes));
    for (int64_t e = 0; e < entries; e++) {
        float values[WIDTH_MOST + 256] = {0};
        for (int i = 0; i < width; i++) values[i] = (float)(rng_uniform(rng) * 2 - 1);
        traits->encode(values, plane.data + e * plane.entry_bytes, blocks * traits->block_elements);
    }
    return plane;
}

/* values [count, out, in] rounded to Q8_0, which the values become, with panels beside them. */
static struct tensor arranged_stack(float *values, int64_t count, int64_t out, int64_t in) {
    struct tensor stack = {.dtype = DTYPE_Q8_0, .rank = 3, .shape = {count, out, in}};
    const struct dtype_traits *traits = dtype_traits(stack.dtype);
    enum panel_format format = panel_format_for(stack.dtype, in);
    int64_t bytes = panels_bytes(format, count * out, in);
    void *data = take((size_t)tensor_bytes(&stack));
    uint8_t *panels = aligned_alloc(PANEL_ALIGNMENT, (size_t)round_up(bytes, PANEL_ALIGNMENT));
    assert_non_null(panels);
    traits->encode(values, data, count * out * in);
    traits->decode(data, values, count * out * in);
    stack.data = data;
    struct tensor flat = tensor_flat(&stack);
    panels_pack(format, &flat, 0, count * out / PANEL_OUTS, panels);
    stack.panels = panels;
    stack.panel_format = (uint8_t)format;
    return stack;
}

/* Replaces the up-projections by a split pair: k_b [heads, rank, nope], v_b [heads, value, rank]. */
static void split_up(struct model *model) {
    const struct shape *shape = &model->shape;
    int nope = shape->nope, value = shape->value, rank = shape->rank;
    float *up = (float *)(uintptr_t)model->up.data,
          *k = take((size_t)(shape->heads * rank * nope) * sizeof *k),
          *v = take((size_t)(shape->heads * value * rank) * sizeof *v);
    for (int pass = 0; pass < 2; pass++) { /* there, and rounded back */
        for (int h = 0; h < shape->heads; h++) {
            float *own = up + h * (nope + value) * rank, *own_v = v + h * value * rank;
            for (int i = 0; i < nope * rank; i++) {
                float *turned = &k[(h * rank + i % rank) * nope + i / rank];
                if (pass)
                    own[i] = *turned;
                else
                    *turned = own[i];
            }
            if (pass)
                memcpy(own + nope * rank, own_v, (size_t)(value * rank) * sizeof *v);
            else
                memcpy(own_v, own + nope * rank, (size_t)(value * rank) * sizeof *v);
        }
        if (pass) break;
        model->k_b = arranged_stack(k, shape->heads, rank, nope);
        model->v_b = arranged_stack(v, shape->heads, value, rank);
    }
    free(k);
    free(v);
}

static struct model *model_new(const struct shape *shape, enum dtype kv_type, uint64_t seed) {
    struct model *model = take(sizeof *model);
    struct rng rng;
    rng_seed(&rng, seed);
    model->shape = *shape;
    if (shape->kv_heads) {
        for (int i = 0; i < 2; i++) model->plane[i] = plane_of(&rng, kv_type, shape->kv_heads, shape->dim);
        model->q_width = model->y_width = shape->heads * shape->dim;
    } else {
        int rows = shape->heads * (shape->nope + shape->value);
        model->plane[0] = plane_of(&rng, kv_type, 1, shape->rank);
        model->plane[1] = plane_of(&rng, kv_type == DTYPE_F32 ? DTYPE_F32 : DTYPE_BF16, 1, shape->rope);
        model->up = (struct tensor){.data = random_floats(&rng, (int64_t)rows * shape->rank),
                                    .dtype = DTYPE_F32,
                                    .rank = 2,
                                    .shape = {rows, shape->rank}};
        model->q_width = shape->heads * (shape->nope + shape->rope);
        model->y_width = shape->heads * shape->value;
        if (shape->arranged) split_up(model);
    }
    for (int i = 0; i < SEQUENCES * PAGES; i++) /* pages of the sequences lie mixed and out of order */
        model->page[i % SEQUENCES][(i / SEQUENCES * 7 + 3) % PAGES] = i;
    model->q = random_floats(&rng, (int64_t)SEQUENCES * PAGES * KV_PAGE_TOKENS * model->q_width);
    return model;
}

static void model_free(struct model *model) {
    free(model->plane[0].data);
    free(model->plane[1].data);
    free((void *)(uintptr_t)model->up.data);
    free((void *)(uintptr_t)model->k_b.data);
    free((void *)(uintptr_t)model->k_b.panels);
    free((void *)(uintptr_t)model->v_b.data);
    free((void *)(uintptr_t)model->v_b.panels);
    free(model->q);
    free(model);
}

static struct backend *backend_new(const struct shape *shape, enum cpu_level level, int threads) {
    struct backend *backend;
    struct backend_options options = {.threads = threads, .cpu_level_cap = level};
    struct backend_shape most = {.rows = ROWS * SEQUENCES,
                                 .places = ROWS,
                                 .widest = 64,
                                 .widest_expert = 64,
                                 .heads = shape->heads,
                                 .nope_dim = shape->nope,
                                 .rope_dim = shape->rope,
                                 .value_dim = shape->value,
                                 .kv_rank = shape->rank,
                                 .kv_heads = shape->kv_heads,
                                 .head_dim = shape->dim};
    assert_int_equal(backend_open_cpu(&backend, &options), STATUS_OK);
    assert_int_equal(backend->ops->reserve(backend, &most), STATUS_OK);
    return backend;
}

/* Rows [position, position + rows) of a sequence. */
struct request {
    int sequence, position, rows;
    bool absorbed;
};

static float scale_of(const struct shape *shape) {
    return 1 / sqrtf((float)(shape->kv_heads ? shape->dim : shape->nope + shape->rope));
}

/* One step; y [all rows, y_width]. */
static float *attend(struct backend *backend, const struct model *model, const struct request *request,
                     int requests) {
    const struct shape *shape = &model->shape;
    struct batch_run run[8];
    int rows = 0;
    for (int i = 0; i < requests; i++) {
        run[i] = (struct batch_run){rows, request[i].rows, request[i].position,
                                    model->page[request[i].sequence], request[i].absorbed};
        rows += request[i].rows;
    }
    float *q = take((size_t)(rows * model->q_width) * sizeof *q),
          *y = take((size_t)(rows * model->y_width) * sizeof *y);
    for (int i = 0; i < requests; i++)
        memcpy(q + (int64_t)run[i].row_begin * model->q_width,
               model->q + ((int64_t)request[i].sequence * PAGES * KV_PAGE_TOKENS + request[i].position) *
                              model->q_width,
               (size_t)(request[i].rows * model->q_width) * sizeof *q);
    if (shape->kv_heads)
        backend->ops->attend_grouped(backend,
                                     &(struct grouped_attention_op){model->plane[0], model->plane[1], q, y,
                                                                    shape->heads, shape->kv_heads, shape->dim,
                                                                    scale_of(shape), run, requests});
    else
        backend->ops->attend_latent(backend,
                                    &(struct latent_attention_op){.latent = model->plane[0],
                                                                  .rope_key = model->plane[1],
                                                                  .kv_b = shape->arranged ? NULL : &model->up,
                                                                  .k_b = shape->arranged ? &model->k_b : NULL,
                                                                  .v_b = shape->arranged ? &model->v_b : NULL,
                                                                  .q = q,
                                                                  .y = y,
                                                                  .heads = shape->heads,
                                                                  .nope_dim = shape->nope,
                                                                  .rope_dim = shape->rope,
                                                                  .value_dim = shape->value,
                                                                  .kv_rank = shape->rank,
                                                                  .scale = scale_of(shape),
                                                                  .integers = shape->integers,
                                                                  .integer_scores = shape->scores,
                                                                  .run = run,
                                                                  .runs = requests});
    free(q);
    return y;
}

/* ---- truth in double ---- */

static void cached(const struct kv_plane_view *plane, const int32_t *page, int position, int head,
                   float *values) {
    const struct dtype_traits *traits = dtype_traits(plane->dtype);
    traits->decode(kv_entry(plane, page[position / KV_PAGE_TOKENS], position % KV_PAGE_TOKENS, head), values,
                   plane->entry_bytes / traits->block_bytes * traits->block_elements);
}

/* A key and a value of one head as the model means them. */
static void key_value(const struct model *model, int sequence, int position, int head, double *key,
                      double *value) {
    const struct shape *shape = &model->shape;
    float first[WIDTH_MOST + 256], second[WIDTH_MOST + 256];
    int kv_head = shape->kv_heads ? head / (shape->heads / shape->kv_heads) : 0;
    cached(&model->plane[0], model->page[sequence], position, kv_head, first);
    cached(&model->plane[1], model->page[sequence], position, kv_head, second);
    if (shape->kv_heads) {
        for (int i = 0; i < shape->dim; i++) key[i] = (double)first[i], value[i] = (double)second[i];
        return;
    }
    const float *up =
        (const float *)model->up.data + (int64_t)head * (shape->nope + shape->value) * shape->rank;
    for (int o = 0; o < shape->nope + shape->value; o++) {
        double sum = 0;
        for (int i = 0; i < shape->rank; i++) sum += (double)up[o * shape->rank + i] * (double)first[i];
        if (o < shape->nope)
            key[o] = sum;
        else
            value[o - shape->nope] = sum;
    }
    for (int i = 0; i < shape->rope; i++) key[shape->nope + i] = (double)second[i];
}

/* Largest difference of one row's head from the truth, relative to the largest value. */
static double row_error(const struct model *model, int sequence, int position, int head, const float *y) {
    const struct shape *shape = &model->shape;
    int dims = shape->kv_heads ? shape->dim : shape->nope + shape->rope,
        values = shape->kv_heads ? shape->dim : shape->value;
    const float *q = model->q + ((int64_t)sequence * PAGES * KV_PAGE_TOKENS + position) * model->q_width +
                     (int64_t)head * dims;
    double *score = take((size_t)(position + 1) * sizeof *score), sum = 0, highest = -INFINITY, worst = 0,
           largest = 0;
    double key[WIDTH_MOST], value[WIDTH_MOST], truth[WIDTH_MOST] = {0};
    for (int p = 0; p <= position; p++) {
        key_value(model, sequence, p, head, key, value);
        score[p] = 0;
        for (int i = 0; i < dims; i++) score[p] += (double)q[i] * key[i];
        score[p] *= (double)scale_of(shape);
        highest = fmax(highest, score[p]);
    }
    for (int p = 0; p <= position; p++) {
        double weight = exp(score[p] - highest);
        key_value(model, sequence, p, head, key, value);
        sum += weight;
        for (int i = 0; i < values; i++) truth[i] += weight * value[i];
    }
    for (int i = 0; i < values; i++) {
        worst = fmax(worst, fabs(truth[i] / sum - (double)y[i]));
        largest = fmax(largest, fabs(truth[i] / sum));
    }
    free(score);
    return worst / largest;
}

static const enum dtype kv_types[] = {DTYPE_F32, DTYPE_BF16, DTYPE_Q8_0, DTYPE_F8_SCALED};

static void near_truth(void **state) {
    (void)state;
    static const int positions[] = {0, 64, 511, 1100};
    for (size_t i = 0; i < COUNT_OF(shapes) * COUNT_OF(kv_types); i++) {
        struct model *model = model_new(&shapes[i % COUNT_OF(shapes)], kv_types[i / COUNT_OF(shapes)], 5);
        const struct shape *shape = &model->shape;
        for (int level = CPU_SCALAR; level <= (int)cpu_level_available(); level++) {
            struct backend *backend = backend_new(shape, (enum cpu_level)level, 2);
            for (size_t p = 0; p < COUNT_OF(positions) * 2; p++) {
                struct request request = {1, positions[p / 2], 1, p % 2};
                float *y = attend(backend, model, &request, 1);
                int head = shape->heads - 1;
                double error = row_error(model, 1, request.position, head,
                                         y + (int64_t)head * (model->y_width / shape->heads));
                /* what meets panels is rounded to a byte */
                double bound = (request.absorbed ? shape->arranged : shape->integers) ? 6e-2 : 2e-5;
                if (!(error < bound)) fail_msg("shape %d, position %d: %g", (int)i, request.position, error);
                free(y);
            }
            backend->ops->close(backend);
        }
        model_free(model);
    }
}

/* ---- the same bits ---- */

static void expect_rows(const struct model *model, const float *truth, const float *y, int rows,
                        const char *what) {
    if (memcmp(truth, y, (size_t)(rows * model->y_width) * sizeof *y))
        fail_msg("%s: heads %d, cache %s", what, model->shape.heads,
                 dtype_traits(model->plane[0].dtype)->name);
}

/* ROWS rows from `position` on in chunks; all in one array. */
static float *in_chunks(struct backend *backend, const struct model *model, int position, int chunk,
                        bool absorbed) {
    float *all = take((size_t)(ROWS * model->y_width) * sizeof *all);
    for (int r = 0; r < ROWS; r += chunk) {
        int rows = ROWS - r < chunk ? ROWS - r : chunk;
        float *y = attend(backend, model, &(struct request){0, position + r, rows, absorbed}, 1);
        memcpy(all + (int64_t)r * model->y_width, y, (size_t)(rows * model->y_width) * sizeof *y);
        free(y);
    }
    return all;
}

static void check_company(struct backend *backend, const struct model *model, const float *truth,
                          int position, bool absorbed) {
    struct request request[] = {{1, 40, 9, true},
                                {0, position, ROWS, absorbed},
                                {2, 1000, 30, false},
                                {1, 49, 1, true},
                                {2, 1030, 2, true}};
    float *y = attend(backend, model, request, COUNT_OF(request));
    expect_rows(model, truth, y + 9 * (int64_t)model->y_width, ROWS, "among others");
    free(y);
}

static void check_model(const struct model *model, enum cpu_level level) {
    static const int positions[] = {0, 480, 990}, chunks[] = {1, 7, 64};
    for (size_t i = 0; i < COUNT_OF(positions) * 2; i++) {
        int position = positions[i / 2];
        struct backend *one = backend_new(&model->shape, level, 1);
        float *truth = in_chunks(one, model, position, ROWS, i % 2);
        one->ops->close(one);
        for (int threads = 1; threads <= 3; threads++) {
            struct backend *backend = backend_new(&model->shape, level, threads);
            float *y =
                in_chunks(backend, model, position, chunks[(i + (size_t)threads) % COUNT_OF(chunks)], i % 2);
            expect_rows(model, truth, y, ROWS, "in chunks");
            free(y);
            check_company(backend, model, truth, position, i % 2);
            backend->ops->close(backend);
        }
        free(truth);
    }
}

static void same_bits(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++)
        for (size_t t = 0; t < COUNT_OF(kv_types); t++) {
            struct model *model = model_new(&shapes[i], kv_types[t], 9);
            for (int level = CPU_SCALAR; level <= (int)cpu_level_available(); level++)
                if (t == (i + (size_t)level) % COUNT_OF(kv_types) &&
                    (level != CPU_SCALAR || i % 3 == 0)) /* slow: one shape of each attention */
                    check_model(model, (enum cpu_level)level);
            model_free(model);
        }
}

/* A later token must not reach a row even where it is infinite. */
static void later_tokens_stay_out(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct model *model = model_new(&shapes[i], DTYPE_F32, 11);
        struct backend *backend = backend_new(&model->shape, cpu_level_available(), 2);
        for (int absorbed = 0; absorbed <= 1; absorbed++) {
            struct request request = {0, 510, 20, absorbed};
            float *before = attend(backend, model, &request, 1);
            for (int plane = 0; plane < 2; plane++) { /* position 520 of sequence 0 */
                struct kv_plane_view *view = &model->plane[plane];
                for (int head = 0; head < view->heads; head++) {
                    float *entry = (float *)(void *)kv_entry(view, model->page[0][520 / KV_PAGE_TOKENS],
                                                             520 % KV_PAGE_TOKENS, head);
                    for (int v = 0; v < view->width; v++) entry[v] = INFINITY;
                }
            }
            float *after = attend(backend, model, &request, 1);
            expect_rows(model, before, after, 10, "before an infinite token");
            free(before);
            free(after);
        }
        backend->ops->close(backend);
        model_free(model);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(near_truth), cmocka_unit_test(same_bits),
                                       cmocka_unit_test(later_tokens_stay_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
