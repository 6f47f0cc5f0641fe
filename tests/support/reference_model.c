/* reference_model.c - the walk of reference_model.h. */
#include "support/reference_model.h"

#include "support/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct reference_model *reference;
    const struct model_desc *d;
    const struct train_batch *batch;
    const struct loss_scale *scale;
    struct tape tape;
    const int32_t *run_of; /* [rows] */
    double *angle;         /* [rows, rope_dim / 2] */
    double multiplier, loss;
};

void reference_open(struct reference_model *reference, const struct model_desc *desc,
                    const struct parameters *parameters) {
    *reference = (struct reference_model){desc,
                                          parameters,
                                          calloc((size_t)parameters->elements, sizeof(double)),
                                          calloc((size_t)parameters->elements, sizeof(double)),
                                          {0}};
    MUST(reference->value && reference->gradient);
    for (int64_t i = 0; i < parameters->elements; i++) reference->value[i] = parameters->value[i];
}

void reference_close(struct reference_model *reference) {
    for (int i = 0; i < MODEL_MAX_LAYERS; i++) free(reference->expert[i]);
    free(reference->value);
    free(reference->gradient);
}

static struct node *parameter(struct walk *walk, enum weight weight, int layer, int expert) {
    const struct parameters *list = walk->reference->parameters;
    for (int i = 0; i < list->count; i++) {
        const struct parameter *item = &list->item[i];
        if (item->weight != weight || item->layer != layer || item->expert != expert) continue;
        int rows = item->rank > 1 ? (int)item->shape[0] : 1;
        return tape_parameter(&walk->tape, walk->reference->value + item->first,
                              walk->reference->gradient + item->first, rows, (int)(item->elements / rows));
    }
    return NULL;
}

static struct node *linear(struct walk *walk, struct node *x, enum weight weight, enum weight bias,
                           int layer) {
    return tape_linear(&walk->tape, x, parameter(walk, weight, layer, 0),
                       bias == WEIGHT_COUNT ? NULL : parameter(walk, bias, layer, 0));
}

static struct node *norm(struct walk *walk, struct node *x, enum weight weight, int layer) {
    return tape_norm(&walk->tape, x, parameter(walk, weight, layer, 0), walk->d->norm_epsilon);
}

static struct node *rope(struct walk *walk, struct node *x, int heads, int first) {
    return tape_rope(&walk->tape, x, heads, first, model_rope_dim(walk->d), walk->angle, walk->multiplier,
                     walk->d->rope.interleaved);
}

/* ---- attention ---- */

static struct node *grouped(struct walk *walk, struct node *x, int layer) {
    const struct model_desc *d = walk->d;
    struct node *q = rope(walk, linear(walk, x, WEIGHT_Q, WEIGHT_Q_BIAS, layer), d->heads, 0);
    struct node *k = rope(walk, linear(walk, x, WEIGHT_K, WEIGHT_K_BIAS, layer), d->kv_heads, 0);
    struct node *v = linear(walk, x, WEIGHT_V, WEIGHT_V_BIAS, layer);
    struct node *y =
        tape_attention(&walk->tape, q, k, v, d->heads, d->kv_heads, d->attention_scale, walk->run_of);
    return linear(walk, y, WEIGHT_OUTPUT, WEIGHT_OUTPUT_BIAS, layer);
}

/* Columns of each head one behind the other: parts [first, first + n) of `heads` equal parts. */
static struct node *head_parts(struct walk *walk, struct node *x, int head, int heads, int first, int n) {
    return tape_columns(&walk->tape, x, head * (x->n / heads) + first, n);
}

static struct node *latent(struct walk *walk, struct node *x, int layer) {
    const struct model_desc *d = walk->d;
    struct tape *tape = &walk->tape;
    struct node *q;
    if (d->q_rank)
        q = linear(walk, norm(walk, linear(walk, x, WEIGHT_Q_A, WEIGHT_COUNT, layer), WEIGHT_Q_A_NORM, layer),
                   WEIGHT_Q_B, WEIGHT_COUNT, layer);
    else
        q = linear(walk, x, WEIGHT_LATENT_Q, WEIGHT_COUNT, layer);
    q = rope(walk, q, d->heads, d->nope_dim);
    struct node *kv = linear(walk, x, WEIGHT_KV_A, WEIGHT_COUNT, layer);
    struct node *key = rope(walk, tape_columns(tape, kv, d->kv_rank, d->rope_dim), 1, 0);
    struct node *c = norm(walk, tape_columns(tape, kv, 0, d->kv_rank), WEIGHT_KV_A_NORM, layer);
    struct node *up = linear(walk, c, WEIGHT_KV_B, WEIGHT_COUNT, layer), *k = NULL, *v = NULL;
    for (int h = 0; h < d->heads; h++) {
        struct node *own = tape_beside(tape, head_parts(walk, up, h, d->heads, 0, d->nope_dim), key);
        struct node *value = head_parts(walk, up, h, d->heads, d->nope_dim, d->value_dim);
        k = k ? tape_beside(tape, k, own) : own;
        v = v ? tape_beside(tape, v, value) : value;
    }
    struct node *y = tape_attention(tape, q, k, v, d->heads, d->heads, d->attention_scale, walk->run_of);
    return linear(walk, y, WEIGHT_LATENT_OUTPUT, WEIGHT_COUNT, layer);
}

/* ---- feed-forward ---- */

static struct node *feed(struct walk *walk, struct node *x, enum weight gate, enum weight up,
                         enum weight down, int layer, int expert) {
    struct tape *tape = &walk->tape;
    struct node *product = tape_swiglu(tape, tape_linear(tape, x, parameter(walk, gate, layer, expert), NULL),
                                       tape_linear(tape, x, parameter(walk, up, layer, expert), NULL));
    return tape_linear(tape, product, parameter(walk, down, layer, expert), NULL);
}

static double group_value(const double *choice, int size, bool two) {
    double best = -INFINITY, second = -INFINITY;
    for (int e = 0; e < size; e++) {
        if (choice[e] > best)
            second = best, best = choice[e];
        else if (choice[e] > second)
            second = choice[e];
    }
    return two && size > 1 ? best + second : best;
}

/* The `count` largest of values[n]; earlier ones win ties. */
static void mark_largest(const double *values, int n, int count, bool *marked) {
    memset(marked, 0, (size_t)n * sizeof *marked);
    for (int c = 0; c < count; c++) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!marked[i] && (best < 0 || values[i] > values[best])) best = i;
        marked[best] = true;
    }
}

static void choose_row(const struct model_desc *d, enum router router, const double *score,
                       const double *bias, int32_t *expert) {
    double choice[64], group[64] = {0};
    bool open[64], chosen[64];
    int size = d->experts / d->expert_groups, n = 0;
    MUST(d->experts <= 64);
    for (int e = 0; e < d->experts; e++) choice[e] = score[e] + (bias ? bias[e] : 0);
    for (int g = 0; g < d->expert_groups; g++)
        group[g] = group_value(choice + g * size, size, router == ROUTE_SIGMOID_BIASED);
    mark_largest(group, d->expert_groups, d->groups_used, open);
    for (int e = 0; e < d->experts; e++)
        if (!open[e / size]) choice[e] = -INFINITY;
    mark_largest(choice, d->experts, d->experts_used, chosen);
    for (int e = 0; e < d->experts; e++)
        if (chosen[e]) expert[n++] = e;
}

static const int32_t *choices(struct walk *walk, const struct node *score, int layer) {
    const struct model_desc *d = walk->d;
    int32_t **expert = &walk->reference->expert[layer];
    struct node *bias = parameter(walk, WEIGHT_ROUTER_BIAS, layer, 0);
    if (*expert) return *expert;
    *expert = calloc((size_t)(score->rows * d->experts_used), sizeof **expert);
    MUST(*expert);
    for (int r = 0; r < score->rows; r++)
        choose_row(d, d->layer[layer].router, score->value + r * d->experts, bias ? bias->value : NULL,
                   *expert + r * d->experts_used);
    return *expert;
}

static void add_balance(struct walk *walk, struct node *score, const int32_t *expert) {
    const struct model_desc *d = walk->d;
    int rows = score->rows, used = d->experts_used, length = walk->batch->sequence_rows;
    double *f = arena_take(&walk->tape.arena, (size_t)(rows * d->experts) * sizeof *f);
    MUST(f);
    for (int begin = 0; begin < rows; begin += length) {
        int end = begin + length < rows ? begin + length : rows;
        for (int r = begin; r < end; r++)
            for (int other = begin; other < end; other++)
                for (int i = 0; i < used; i++)
                    f[r * d->experts + expert[other * used + i]] +=
                        walk->scale->balance * d->experts / ((double)used * (end - begin));
    }
    walk->loss += tape_balance(&walk->tape, score, f);
}

static struct node *experts(struct walk *walk, struct node *x, int layer) {
    const struct model_desc *d = walk->d;
    struct tape *tape = &walk->tape;
    struct node *score = tape_affinity(tape, linear(walk, x, WEIGHT_ROUTER, WEIGHT_COUNT, layer),
                                       d->layer[layer].router == ROUTE_SIGMOID_BIASED);
    const int32_t *expert = choices(walk, score, layer);
    struct node *weight =
        tape_choose(tape, score, expert, d->experts_used, d->normalise_weights, d->routed_scale);
    struct node *sum = NULL;
    for (int e = 0; e < d->experts; e++) {
        int32_t *row = arena_take(&tape->arena, (size_t)x->rows * sizeof *row);
        int32_t *pair = arena_take(&tape->arena, (size_t)x->rows * 2 * sizeof *pair);
        int n = 0;
        for (int i = 0; i < x->rows * d->experts_used; i++)
            if (expert[i] == e)
                row[n] = pair[2 * n] = i / d->experts_used, pair[2 * n++ + 1] = i % d->experts_used;
        if (!n) continue;
        struct node *y = feed(walk, tape_rows(tape, x, row, n), WEIGHT_EXPERT_GATE, WEIGHT_EXPERT_UP,
                              WEIGHT_EXPERT_DOWN, layer, e);
        y = tape_scatter(tape, y, weight, pair, x->rows);
        sum = sum ? tape_add(tape, sum, y) : y;
    }
    if (walk->scale->balance != 0 && layer < d->layers) add_balance(walk, score, expert);
    if (d->shared_experts)
        sum = tape_add(tape, sum,
                       feed(walk, x, WEIGHT_SHARED_GATE, WEIGHT_SHARED_UP, WEIGHT_SHARED_DOWN, layer, 0));
    return sum;
}

/* ---- the walk ---- */

static struct node *block(struct walk *walk, struct node *x, int layer) {
    const struct layer_desc *desc = &walk->d->layer[layer];
    struct node *in = norm(walk, x, WEIGHT_ATTENTION_NORM, layer);
    x = tape_add(&walk->tape, x,
                 desc->attention == ATTEND_LATENT ? latent(walk, in, layer) : grouped(walk, in, layer));
    in = norm(walk, x, WEIGHT_FFN_NORM, layer);
    struct node *y = desc->ffn == FFN_EXPERTS ? experts(walk, in, layer)
                                              : feed(walk, in, WEIGHT_GATE, WEIGHT_UP, WEIGHT_DOWN, layer, 0);
    return tape_add(&walk->tape, x, y);
}

static struct node *head(struct walk *walk, struct node *hidden) {
    return tape_linear(&walk->tape, hidden,
                       parameter(walk, walk->d->tied_head ? WEIGHT_EMBED : WEIGHT_HEAD, 0, 0), NULL);
}

/* Rows of segments less the last `less` ones: where each row's run begins, its angles, its row in the batch. */
struct rows {
    int count;
    int32_t *run_of, *from, *next, *target;
    double *angle, *coefficient;
};

static struct rows rows_of(struct walk *walk, int less) {
    const struct train_batch *batch = walk->batch;
    int half = model_rope_dim(walk->d) / 2;
    size_t most = (size_t)batch->rows;
    double frequency[256];
    struct arena *arena = &walk->tape.arena;
    struct rows rows = {0,
                        arena_take(arena, most * sizeof(int32_t)),
                        arena_take(arena, most * sizeof(int32_t)),
                        arena_take(arena, most * sizeof(int32_t)),
                        arena_take(arena, most * sizeof(int32_t)),
                        arena_take(arena, most * (size_t)half * sizeof(double)),
                        arena_take(arena, most * sizeof(double))};
    rope_frequencies(&walk->d->rope, 2 * half, frequency, &walk->multiplier);
    for (int s = 0; s < batch->segments; s++) {
        int begin = rows.count;
        for (int r = 0; r + less < batch->segment[s].rows; r++, rows.count++) {
            int from = batch->segment[s].row_begin + r, last = from + less;
            rows.run_of[rows.count] = begin;
            rows.from[rows.count] = from;
            rows.next[rows.count] = batch->token[less ? from + 1 : from];
            rows.target[rows.count] = batch->target[last];
            rows.coefficient[rows.count] =
                batch->weight[last] * (less ? walk->scale->mtp : walk->scale->token);
            for (int j = 0; j < half; j++) rows.angle[rows.count * half + j] = r * frequency[j];
        }
    }
    return rows;
}

static void mtp_loss(struct walk *walk, struct node *hidden) {
    int layer = walk->d->layers;
    struct rows rows = rows_of(walk, 1);
    walk->run_of = rows.run_of;
    walk->angle = rows.angle;
    struct node *next = tape_rows(&walk->tape, parameter(walk, WEIGHT_EMBED, 0, 0), rows.next, rows.count);
    struct node *state = tape_rows(&walk->tape, hidden, rows.from, rows.count);
    struct node *x = tape_beside(&walk->tape, norm(walk, next, WEIGHT_MTP_EMBED_NORM, layer),
                                 norm(walk, state, WEIGHT_MTP_HIDDEN_NORM, layer));
    x = block(walk, linear(walk, x, WEIGHT_MTP_PROJECT, WEIGHT_COUNT, layer), layer);
    walk->loss += tape_cross_entropy(&walk->tape, head(walk, norm(walk, x, WEIGHT_MTP_FINAL_NORM, layer)),
                                     rows.target, rows.coefficient);
}

double reference_loss(struct reference_model *reference, const struct train_batch *batch,
                      const struct loss_scale *scale, bool backward) {
    struct walk walk = {.reference = reference, .d = reference->desc, .batch = batch, .scale = scale};
    struct rows rows = rows_of(&walk, 0);
    walk.run_of = rows.run_of;
    walk.angle = rows.angle;
    struct node *x = tape_rows(&walk.tape, parameter(&walk, WEIGHT_EMBED, 0, 0), rows.next, rows.count);
    for (int layer = 0; layer < walk.d->layers; layer++) x = block(&walk, x, layer);
    struct node *hidden = norm(&walk, x, WEIGHT_FINAL_NORM, 0);
    walk.loss += tape_cross_entropy(&walk.tape, head(&walk, hidden), rows.target, rows.coefficient);
    if (scale->mtp != 0 && walk.d->mtp_layers) mtp_loss(&walk, hidden);
    memset(reference->gradient, 0, (size_t)reference->parameters->elements * sizeof(double));
    if (backward) tape_back(&walk.tape);
    tape_free(&walk.tape);
    return walk.loss;
}
