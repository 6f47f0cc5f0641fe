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

int64_t optimizer_bytes(const struct trainer_plan *plan) {
    return 2 * plan->trained;
}

bool optimizer_uses_muon(const struct optimizer *optimizer, const struct parameter *parameter) {
    return optimizer->options.kind == OPTIMIZER_MUON && parameter->rank == 2 &&
           parameter->weight != WEIGHT_EMBED && parameter->weight != WEIGHT_HEAD &&
           parameter->weight != WEIGHT_ROUTER;
}

/* The matrices that Muon moves, where their parts of the flat arrays lie. */
static enum status list_matrices(struct optimizer *optimizer, const struct trainer *trainer) {
    const struct parameters *parameters = trainer_trained(trainer);
    struct backend *backend = trainer->model.backend;
    optimizer->matrix = calloc((size_t)parameters->count, sizeof *optimizer->matrix);
    if (!optimizer->matrix) return fail(STATUS_MEMORY, "no memory for a list of matrices");
    for (int i = 0; i < parameters->count; i++) {
        const struct parameter *item = &parameters->item[i];
        if (!optimizer_uses_muon(optimizer, item)) continue;
        TRY(backend->ops->backward->reserve_muon(backend, item->shape[0], item->shape[1]));
        optimizer->matrix[optimizer->matrices++] =
            (struct muon_matrix){parameters->value + item->first, optimizer->first + item->first,
                                 parameters->gradient + item->first, item->shape[0], item->shape[1]};
    }
    return STATUS_OK;
}

enum status optimizer_open(struct optimizer *optimizer, const struct trainer *trainer,
                           const struct optimizer_options *options) {
    int64_t elements = trainer_trained(trainer)->elements;
    *optimizer = (struct optimizer){.options = *options};
    optimizer->first = take_floats(elements);
    optimizer->second = take_floats(elements);
    enum status status = STATUS_OK;
    if (!optimizer->first || !optimizer->second)
        status = fail(STATUS_MEMORY, "no memory for the moments of %lld parameters", (long long)elements);
    if (status == STATUS_OK && options->kind == OPTIMIZER_MUON) status = list_matrices(optimizer, trainer);
    if (status != STATUS_OK) optimizer_close(optimizer);
    return status;
}

void optimizer_close(struct optimizer *optimizer) {
    free(optimizer->first);
    free(optimizer->second);
    free(optimizer->matrix);
    *optimizer = (struct optimizer){0};
}

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

static void adam_range(const struct stride *s, int64_t first, int64_t end, bool decays) {
    const struct optimizer_options *options = &s->optimizer->options;
    const struct parameters *parameters = trainer_trained(s->trainer);
    struct backend *backend = s->trainer->model.backend;
    double count = (double)s->optimizer->steps;
    struct adam_op op = {.value = parameters->value + first,
                         .first = s->optimizer->first + first,
                         .second = s->optimizer->second + first,
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
    if (optimizer_uses_muon(optimizer, item)) return TREAT_MUON;
    return item->rank > 1 ? TREAT_DECAY : TREAT_PLAIN;
}

void optimizer_step(struct optimizer *optimizer, struct trainer *trainer, double rate, double norm) {
    const struct parameters *parameters = trainer_trained(trainer);
    double clip = optimizer->options.clip;
    struct stride stride = {optimizer, trainer, rate, clip > 0 && norm > clip ? clip / norm : 1};
    optimizer->steps++;
    for (int i = 0, last; i < parameters->count; i = last) {
        enum treatment treatment = treatment_of(optimizer, &parameters->item[i]);
        for (last = i + 1;
             last < parameters->count && treatment_of(optimizer, &parameters->item[last]) == treatment;
             last++) {}
        int64_t end = last < parameters->count ? parameters->item[last].first : parameters->elements;
        if (treatment == TREAT_PLAIN || treatment == TREAT_DECAY)
            adam_range(&stride, parameters->item[i].first, end, treatment == TREAT_DECAY);
    }
    muon_matrices(&stride);
    trainer_refresh(trainer);
}
