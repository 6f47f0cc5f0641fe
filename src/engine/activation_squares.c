/* activation_squares.c - the observed operations call the backend's own, with the inputs counted before. A matrix is known
 * by its place among the slots of the weights. */
#include "engine/activation_squares.h"

#include "base/bytes.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STORES_KEPT = 4 };

struct slot_sum {
    double *sum; /* [matrices, columns]; NULL: not multiplied yet */
    int64_t matrices, columns, rows;
};

/* Sums of a cache entry that was just written: latents are the input of the up-projections. */
struct stored {
    const uint8_t *plane;
    double *sum;
    int64_t width, rows;
};

struct activation_squares {
    struct backend_ops ops; /* first: the backend's table is found by this address */
    const struct backend_ops *inner;
    struct engine *engine;
    int64_t slots;
    struct slot_sum *slot;
    struct stored stored[STORES_KEPT];
    int next_stored;
    float *gathered, *hidden; /* rows of a feed-forward network once more */
    int64_t gathered_floats, hidden_floats;
    double *stacked; /* the sums of all experts, one weight after the other */
    int64_t *counts;
    bool failed;
};

/* ---- counting ---- */

static void add_squares(double *sum, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) sum[i] += (double)x[i] * x[i];
}

static struct slot_sum *slot_at(struct activation_squares *squares, int64_t index, int64_t matrices,
                                int64_t columns) {
    struct slot_sum *slot = &squares->slot[index];
    if (slot->sum) return slot;
    slot->sum = calloc((size_t)(matrices * columns), sizeof *slot->sum);
    if (!slot->sum) {
        squares->failed = true;
        return NULL;
    }
    slot->matrices = matrices;
    slot->columns = columns;
    return slot;
}

/* NULL for what is no weight, and when memory ends. */
static struct slot_sum *slot_of(struct activation_squares *squares, const struct tensor *w) {
    const struct tensor *first = squares->engine->model.weights.slot;
    if (w < first || w >= first + squares->slots) return NULL;
    return slot_at(squares, w - first, 1, w->shape[w->rank - 1]);
}

static void count_rows(struct activation_squares *squares, const struct tensor *w, const float *x,
                       int64_t x_stride, int64_t rows) {
    struct slot_sum *slot = slot_of(squares, w);
    if (!slot) return;
    for (int64_t r = 0; r < rows; r++) add_squares(slot->sum, x + r * x_stride, slot->columns);
    slot->rows += rows;
}

static bool reserve(struct activation_squares *squares, float **floats, int64_t *have, int64_t need) {
    if (need <= *have) return true;
    float *grown = realloc(*floats, (size_t)need * sizeof *grown);
    if (!grown) squares->failed = true;
    if (!grown) return false;
    *floats = grown;
    *have = need;
    return true;
}

/* ---- operations ---- */

static struct activation_squares *squares_of(struct backend *backend) {
    return (struct activation_squares *)(uintptr_t)backend->ops;
}

static void observe_project(struct backend *backend, const struct project_op *op) {
    struct activation_squares *squares = squares_of(backend);
    for (int i = 0; i < op->count; i++) count_rows(squares, op->target[i].w, op->x, op->x_stride, op->rows);
    squares->inner->project(backend, op);
}

/* silu(gate x) * up x of `rows` rows, which `down` is multiplied by. */
static void count_network(struct backend *backend, const struct ffn_op *op) {
    struct activation_squares *squares = squares_of(backend);
    int64_t width = op->gate->shape[1], ffn = op->gate->shape[0];
    count_rows(squares, op->gate, op->x, width, op->rows);
    count_rows(squares, op->up, op->x, width, op->rows);
    if (!reserve(squares, &squares->hidden, &squares->hidden_floats, op->rows * 2 * ffn)) return;
    float *gate = squares->hidden, *up = gate + op->rows * ffn;
    struct project_op project = {.x = op->x,
                                 .rows = op->rows,
                                 .x_stride = width,
                                 .count = 2,
                                 .target = {{op->gate, NULL, gate, ffn}, {op->up, NULL, up, ffn}}};
    squares->inner->project(backend, &project);
    for (int64_t i = 0; i < op->rows * ffn; i++) gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
    count_rows(squares, op->down, gate, ffn, op->rows);
}

static void observe_ffn(struct backend *backend, const struct ffn_op *op) {
    count_network(backend, op);
    squares_of(backend)->inner->ffn(backend, op);
}

static void observe_experts(struct backend *backend, const struct experts_op *op) {
    struct activation_squares *squares = squares_of(backend);
    int64_t width = op->gate[0]->shape[1];
    if (reserve(squares, &squares->gathered, &squares->gathered_floats, op->rows * width))
        for (int e = 0; e < op->experts; e++) {
            struct ffn_op network = {
                .gate = op->gate[e], .up = op->up[e], .down = op->down[e], .x = squares->gathered};
            for (int64_t i = 0; i < op->rows * op->used; i++)
                if (op->expert[i] == e)
                    memcpy(squares->gathered + network.rows++ * width, op->x + i / op->used * width,
                           (size_t)width * sizeof(float));
            if (network.rows) count_network(backend, &network);
        }
    squares->inner->experts(backend, op);
}

static void observe_store(struct backend *backend, const struct kv_store_op *op) {
    struct activation_squares *squares = squares_of(backend);
    struct stored *stored = &squares->stored[squares->next_stored];
    int64_t width = (int64_t)op->plane.heads * op->plane.width;
    double *sum = calloc((size_t)width, sizeof *sum);
    if (!sum) squares->failed = true;
    free(stored->sum);
    *stored = (struct stored){op->plane.data, sum, width, 0};
    squares->next_stored = (squares->next_stored + 1) % STORES_KEPT;
    for (int i = 0; sum && i < op->runs; i++) {
        for (int r = 0; r < op->run[i].rows; r++)
            add_squares(sum, op->x + (op->run[i].row_begin + r) * op->x_stride, width);
        stored->rows += op->run[i].rows;
    }
    squares->inner->kv_store(backend, op);
}

/* The latents of these rows, for each of `matrices` heads. */
static void count_latents(struct activation_squares *squares, int64_t index, int64_t matrices,
                          const struct latent_attention_op *op) {
    struct slot_sum *slot = slot_at(squares, index, matrices, op->kv_rank);
    for (int s = 0; slot && s < STORES_KEPT; s++) {
        const struct stored *stored = &squares->stored[s];
        if (!stored->sum || stored->plane != op->latent.data || stored->width != op->kv_rank) continue;
        for (int64_t m = 0; m < matrices; m++)
            for (int64_t i = 0; i < op->kv_rank; i++) slot->sum[m * op->kv_rank + i] += stored->sum[i];
        slot->rows += stored->rows;
    }
}

/* k_b is multiplied by the queries that are not rotated; v_b, and kv_b as a whole, by the latents. */
static void observe_attend_latent(struct backend *backend, const struct latent_attention_op *op) {
    struct activation_squares *squares = squares_of(backend);
    const struct weights *weights = &squares->engine->model.weights;
    const struct tensor *w = op->kv_b ? op->kv_b : op->k_b;
    int layer = (int)(w - weights->slot - weights->first[op->kv_b ? WEIGHT_KV_B : WEIGHT_K_B]);
    count_latents(squares, weights_slot(weights, WEIGHT_KV_B, layer, 0), 1, op);
    count_latents(squares, weights_slot(weights, WEIGHT_V_B, layer, 0), op->heads, op);
    struct slot_sum *slot =
        slot_at(squares, weights_slot(weights, WEIGHT_K_B, layer, 0), op->heads, op->nope_dim);
    for (int i = 0; slot && i < op->runs; i++) {
        int64_t head_stride = op->nope_dim + op->rope_dim, row_stride = op->heads * head_stride;
        const float *q = op->q + op->run[i].row_begin * row_stride;
        for (int r = 0; r < op->run[i].rows; r++)
            for (int h = 0; h < op->heads; h++)
                add_squares(slot->sum + h * slot->columns, q + r * row_stride + h * head_stride,
                            slot->columns);
        slot->rows += op->run[i].rows;
    }
    squares->inner->attend_latent(backend, op);
}

/* ---- life ---- */

static int64_t count_slots(const struct model *model) {
    int64_t layers = model->desc.layers + model->desc.mtp_layers, most = 0;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        enum weight_copies copies = weight_rows()[w].copies;
        int64_t each = copies == PER_MODEL   ? 1
                       : copies == PER_LAYER ? layers
                                             : layers * model->weights.experts;
        most = max_i64(most, model->weights.first[w] + each);
    }
    return most;
}

enum status activation_squares_open(struct activation_squares **squares, struct engine *engine) {
    struct backend *backend = engine->model.backend;
    struct activation_squares *made = *squares = calloc(1, sizeof *made);
    if (!made) return fail(STATUS_MEMORY, "no memory for sums of squares");
    made->engine = engine;
    made->inner = backend->ops;
    made->slots = count_slots(&engine->model);
    made->slot = calloc((size_t)made->slots, sizeof *made->slot);
    if (!made->slot) {
        free(made);
        *squares = NULL;
        return fail(STATUS_MEMORY, "no memory for sums of squares");
    }
    made->ops = *made->inner;
    made->ops.project = observe_project;
    made->ops.ffn = observe_ffn;
    made->ops.experts = observe_experts;
    made->ops.kv_store = observe_store;
    made->ops.attend_latent = observe_attend_latent;
    backend->ops = &made->ops;
    return STATUS_OK;
}

void activation_squares_close(struct activation_squares *squares) {
    if (!squares) return;
    squares->engine->model.backend->ops = squares->inner;
    for (int64_t i = 0; i < squares->slots; i++) free(squares->slot[i].sum);
    for (int i = 0; i < STORES_KEPT; i++) free(squares->stored[i].sum);
    free(squares->slot);
    free(squares->gathered);
    free(squares->hidden);
    free(squares->stacked);
    free(squares->counts);
    free(squares);
}

enum status activation_squares_check(const struct activation_squares *squares) {
    return squares->failed ? fail(STATUS_MEMORY, "no memory for sums of squares") : STATUS_OK;
}

/* ---- the list ---- */

/* Visits every weight that was multiplied: the slots of its experts, or its one. */
struct listing {
    struct activation_squares *squares;
    struct imatrix_sums *sums; /* NULL: count only */
    size_t count;
    int64_t doubles, numbers; /* of `stacked` and `counts` used */
};

static const struct slot_sum *any_of(const struct slot_sum *slot, int64_t slots) {
    for (int64_t i = 0; i < slots; i++)
        if (slot[i].sum) return &slot[i];
    return NULL;
}

static void list_weight(struct listing *listing, enum weight weight, int layer) {
    struct activation_squares *squares = listing->squares;
    const struct weights *weights = &squares->engine->model.weights;
    int64_t slots = weight_rows()[weight].copies == PER_EXPERT ? weights->experts : 1;
    const struct slot_sum *slot = &squares->slot[weights_slot(weights, weight, layer, 0)];
    const struct slot_sum *any = any_of(slot, slots);
    if (!any || !weight_rows()[weight].gguf) return;
    int64_t each = any->matrices * any->columns, doubles = listing->doubles, numbers = listing->numbers;
    listing->doubles += slots * each;
    listing->numbers += slots;
    listing->count++;
    if (!listing->sums) return;
    double *sum = squares->stacked + doubles;
    int64_t *counts = squares->counts + numbers;
    for (int64_t i = 0; i < slots; i++) {
        counts[i] = slot[i].rows;
        if (slot[i].sum) memcpy(sum + i * each, slot[i].sum, (size_t)each * sizeof *sum);
    }
    struct imatrix_sums *made = &listing->sums[listing->count - 1];
    *made = (struct imatrix_sums){.matrices = slots * any->matrices,
                                  .columns = any->columns,
                                  .sum = sum,
                                  .counts = counts,
                                  .count_values = slots};
    /* a tied head is rearranged apart from the embedding that it is in the file */
    bool tied = weight == WEIGHT_HEAD && squares->engine->model.desc.tied_head;
    weight_name(&weight_rows()[tied ? WEIGHT_EMBED : weight], true, layer, 0, made->name, sizeof made->name);
}

static void list_all(struct listing *listing) {
    const struct model_desc *desc = &listing->squares->engine->model.desc;
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        int layers = weight_rows()[w].copies == PER_MODEL ? 1 : desc->layers + desc->mtp_layers;
        for (int layer = 0; layer < layers; layer++) list_weight(listing, (enum weight)w, layer);
    }
}

enum status activation_squares_list(struct activation_squares *squares, struct imatrix_sums **sums,
                                    size_t *count) {
    struct listing listing = {.squares = squares};
    TRY(activation_squares_check(squares));
    list_all(&listing);
    free(squares->stacked);
    free(squares->counts);
    squares->stacked = calloc((size_t)listing.doubles + 1, sizeof *squares->stacked);
    squares->counts = calloc((size_t)listing.numbers + 1, sizeof *squares->counts);
    *sums = calloc(listing.count + 1, sizeof **sums);
    if (!squares->stacked || !squares->counts || !*sums) {
        free(*sums);
        return fail(STATUS_MEMORY, "no memory for a list of %zu weights", listing.count);
    }
    listing = (struct listing){.squares = squares, .sums = *sums};
    list_all(&listing);
    *count = listing.count;
    return STATUS_OK;
}
