/* optimizer.c - walks the list of parameters; what is treated alike and lies together is one operation. */
#include "train/optimizer.h"

#include "base/bytes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct optimizer_options optimizer_defaults(enum optimizer_kind kind) {
    return (struct optimizer_options){.kind = kind,
                                      .beta1 = 0.9,
                                      .beta2 = 0.95,
                                      .epsilon = 1e-8,
                                      .momentum = 0.95,
                                      .decay = 0.1,
                                      .clip = 1};
}

bool optimizer_uses_muon(enum optimizer_kind kind, const struct parameter *parameter) {
    return kind == OPTIMIZER_MUON && parameter->rank == 2 && parameter->weight != WEIGHT_EMBED &&
           parameter->weight != WEIGHT_HEAD && parameter->weight != WEIGHT_ROUTER;
}

/* ---- parts ---- */

/* Where the parameter after `index` begins. */
static int64_t item_end(const struct parameters *list, int index) {
    return index + 1 < list->count ? list->item[index + 1].first : list->elements;
}

/* `at` or, inside a matrix of Muon's, that end of it which is nearer. */
static int64_t outside_matrices(const struct parameters *list, enum optimizer_kind kind, int64_t at) {
    int low = 0, high = list->count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (list->item[middle].first <= at)
            low = middle;
        else
            high = middle;
    }
    int64_t begin = list->item[low].first, end = item_end(list, low);
    if (!optimizer_uses_muon(kind, &list->item[low])) return at;
    return at - begin < end - at ? begin : end;
}

void optimizer_borders(const struct parameters *list, enum optimizer_kind kind, int ranks, int64_t *border) {
    enum { GRAIN = 16 }; /* floats of a cache line */
    for (int r = 0; r < ranks; r++) {
        int64_t at = list->elements / ranks * r / GRAIN * GRAIN;
        border[r] = r && list->count ? outside_matrices(list, kind, at) : 0;
    }
    border[ranks] = list->elements;
}

static int64_t part_begin(const struct optimizer *optimizer) {
    return optimizer->border[optimizer->comm->rank];
}

static int64_t part_end(const struct optimizer *optimizer) {
    return optimizer->border[optimizer->comm->rank + 1];
}

int64_t optimizer_elements(const struct optimizer *optimizer) {
    return part_end(optimizer) - part_begin(optimizer);
}

int64_t optimizer_bytes(const struct optimizer *optimizer) {
    return 2 * optimizer_elements(optimizer) * (int64_t)sizeof(float);
}

/* ---- opening ---- */

/* The matrices that Muon moves here, where their parts of the flat arrays lie. */
static enum status list_matrices(struct optimizer *optimizer, const struct trainer *trainer) {
    const struct parameters *parameters = trainer_trained(trainer);
    struct backend *backend = trainer->model.backend;
    optimizer->matrix = calloc((size_t)parameters->count, sizeof *optimizer->matrix);
    if (!optimizer->matrix) return fail(STATUS_MEMORY, "no memory for a list of matrices");
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        bool ours = item->first >= part_begin(optimizer) && item->first < part_end(optimizer);
        if (!ours || !optimizer_uses_muon(optimizer->options.kind, item)) continue;
        TRY(backend->ops->backward->reserve_muon(backend, item->shape[0], item->shape[1]));
        optimizer->matrix[optimizer->matrices++] = (struct muon_matrix){
            parameters->value + item->first, optimizer->first + item->first - part_begin(optimizer),
            parameters->gradient + item->first, item->shape[0], item->shape[1]};
    }
    return STATUS_OK;
}

static enum status take_part(struct optimizer *optimizer, const struct trainer *trainer) {
    int ranks = optimizer->comm->ranks;
    optimizer->border = calloc((size_t)ranks + 1, sizeof *optimizer->border);
    if (!optimizer->border) return fail(STATUS_MEMORY, "no memory for the parts of %d ranks", ranks);
    optimizer_borders(trainer_trained(trainer), optimizer->options.kind, ranks, optimizer->border);
    int64_t elements = optimizer_elements(optimizer);
    optimizer->first = take_floats(elements);
    optimizer->second = take_floats(elements);
    if (!optimizer->first || !optimizer->second)
        return fail(STATUS_MEMORY, "no memory for the moments of %lld parameters", (long long)elements);
    return optimizer->options.kind == OPTIMIZER_MUON ? list_matrices(optimizer, trainer) : STATUS_OK;
}

enum status optimizer_open(struct optimizer *optimizer, const struct trainer *trainer,
                           const struct optimizer_options *options, struct comm *comm) {
    *optimizer = (struct optimizer){.options = *options, .comm = comm};
    enum status status = take_part(optimizer, trainer);
    if (status != STATUS_OK) optimizer_close(optimizer);
    return status;
}

void optimizer_close(struct optimizer *optimizer) {
    free(optimizer->border);
    free(optimizer->first);
    free(optimizer->second);
    free(optimizer->matrix);
    *optimizer = (struct optimizer){0};
}

/* ---- steps ---- */

double optimizer_gradient_norm(const struct trainer *trainer) {
    struct backend *backend = trainer->model.backend;
    const struct parameters *parameters = trainer_trained(trainer);
    return sqrt(backend->ops->backward->squares(backend, parameters->gradient, parameters->elements));
}

/* One optimizer step's numbers. */
struct stride {
    struct optimizer *optimizer;
    struct trainer *trainer;
    double rate, scale; /* of the gradient, which clips it */
};

/* What of [first, end) is this rank's. */
static void adam_range(const struct stride *s, int64_t first, int64_t end, bool decays) {
    const struct optimizer_options *options = &s->optimizer->options;
    int64_t begin = part_begin(s->optimizer);
    first = max_i64(first, begin);
    end = min_i64(end, part_end(s->optimizer));
    const struct parameters *parameters = trainer_trained(s->trainer);
    struct backend *backend = s->trainer->model.backend;
    double count = (double)s->optimizer->steps;
    struct adam_op op = {.value = parameters->value + first,
                         .first = s->optimizer->first + first - begin,
                         .second = s->optimizer->second + first - begin,
                         .gradient = parameters->gradient + first,
                         .n = end - first,
                         .gradient_scale = (float)s->scale,
                         .beta1 = (float)options->beta1,
                         .beta2 = (float)options->beta2,
                         .step = (float)(s->rate / (1 - pow(options->beta1, count))),
                         .root = (float)(1 / sqrt(1 - pow(options->beta2, count))),
                         .epsilon = (float)options->epsilon,
                         .decay = decays ? (float)(s->rate * options->decay) : 0};
    if (first < end) backend->ops->backward->adam(backend, &op);
}

static void muon_matrices(const struct stride *s) {
    struct optimizer *optimizer = s->optimizer;
    struct backend *backend = s->trainer->model.backend;
    struct muon_op op = {.matrix = optimizer->matrix,
                         .count = optimizer->matrices,
                         .gradient_scale = (float)s->scale,
                         .momentum = (float)optimizer->options.momentum,
                         .decay = (float)(s->rate * optimizer->options.decay),
                         .rate = s->rate};
    if (op.count) backend->ops->backward->muon(backend, &op);
}

enum treatment { TREAT_NOT, TREAT_PLAIN, TREAT_DECAY, TREAT_MUON };

static enum treatment treatment_of(const struct optimizer *optimizer, const struct parameter *item) {
    if (!parameter_has_gradient(item)) return TREAT_NOT;
    if (optimizer_uses_muon(optimizer->options.kind, item)) return TREAT_MUON;
    return item->rank > 1 ? TREAT_DECAY : TREAT_PLAIN;
}

/* Everybody hears from each rank what became of its part. */
static enum status tell_values(const struct optimizer *optimizer, const struct parameters *parameters) {
    struct comm *comm = optimizer->comm;
    const int64_t *border = optimizer->border;
    for (int r = 0; r < comm->ranks; r++)
        TRY(comm_broadcast(comm, r, parameters->value + border[r],
                           (border[r + 1] - border[r]) * (int64_t)sizeof(float)));
    return STATUS_OK;
}

enum status optimizer_step(struct optimizer *optimizer, struct trainer *trainer, double rate, double norm) {
    const struct parameters *parameters = trainer_trained(trainer);
    double clip = optimizer->options.clip;
    struct stride stride = {optimizer, trainer, rate, clip > 0 && norm > clip ? clip / norm : 1};
    optimizer->steps++;
    for (int i = 0, last; i < parameters->count; i = last) {
        enum treatment treatment = treatment_of(optimizer, &parameters->item[i]);
        for (last = i + 1;
             last < parameters->count && treatment_of(optimizer, &parameters->item[last]) == treatment;
             last++) {}
        int64_t end = item_end(parameters, last - 1);
        if (treatment == TREAT_PLAIN || treatment == TREAT_DECAY)
            adam_range(&stride, parameters->item[i].first, end, treatment == TREAT_DECAY);
    }
    muon_matrices(&stride);
    TRY(tell_values(optimizer, parameters));
    trainer_refresh(trainer);
    return STATUS_OK;
}
