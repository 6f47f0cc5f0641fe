/* crew.c - rounds of one batch for each hand, see crew.h. */
#include "train/crew.h"

#include "base/bytes.h"
#include "base/thread_pool.h"

#include <stdio.h>
#include <stdlib.h>

enum { SENTENCE = 512, ELEMENT_GRAIN = 4096 };

/* What a hand brings back from its batch. */
struct crew_hand {
    struct trainer trainer;
    struct loss_sums sums;
    enum status status;
    char sentence[SENTENCE]; /* of a failure: sentences belong to threads */
};

static int threads_of(const struct trainer_options *options) {
    return options->threads ? options->threads : processors_available();
}

int crew_hands(const struct trainer_options *options, int batches) {
    int threads = threads_of(options);
    return threads < batches ? threads : batches;
}

static struct trainer_options hand_options(const struct trainer_options *options, int hands) {
    struct trainer_options own = *options;
    own.threads = threads_of(options) / hands;
    return own;
}

int64_t crew_bytes(const struct model_desc *desc, const struct trainer_options *options, int hands) {
    struct trainer_options own = hand_options(options, hands);
    const struct trainer_plan plan = trainer_plan(desc, &own);
    int64_t one, all;
    if (!add_fits(plan.activations, plan.trained, &one) || !multiply_fits(one, hands, &all)) return INT64_MAX;
    return all;
}

enum status crew_open(struct crew *crew, struct trainer *lead, const struct trainer_options *options,
                      int hands) {
    struct trainer_options own = hand_options(options, hands);
    MUST(hands >= 1 && own.threads >= 1);
    *crew = (struct crew){.lead = lead, .hand = calloc((size_t)hands, sizeof *crew->hand)};
    enum status status = crew->hand ? STATUS_OK : fail(STATUS_MEMORY, "no memory for %d trainers", hands);
    while (status == STATUS_OK && crew->hands < hands) {
        status = trainer_open_beside(&crew->hand[crew->hands].trainer, lead, &own);
        crew->hands += status == STATUS_OK;
    }
    if (status == STATUS_OK) status = thread_pool_open(&crew->pool, hands);
    if (status != STATUS_OK) crew_close(crew);
    return status;
}

void crew_close(struct crew *crew) {
    for (int i = 0; i < crew->hands; i++) trainer_close(&crew->hand[i].trainer);
    free(crew->hand);
    thread_pool_close(crew->pool);
    *crew = (struct crew){0};
}

struct round {
    struct crew *crew;
    const struct train_batch *const *batch;
    int batches; /* of this round, at most one for each hand */
    const struct loss_scale *scale;
};

static void take_batch(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct round *round = context;
    for (int i = slice; i < round->batches; i += slices) {
        struct crew_hand *hand = &round->crew->hand[i];
        hand->sums = (struct loss_sums){0};
        trainer_clear(&hand->trainer);
        hand->status = trainer_accumulate(&hand->trainer, round->batch[i], round->scale, &hand->sums);
        if (hand->status != STATUS_OK) snprintf(hand->sentence, SENTENCE, "%s", status_message());
    }
}

static void add_gradients(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct round *round = context;
    struct trainer *lead = round->crew->lead;
    struct backend *backend = lead->model.backend;
    const struct parameters *sum = trainer_trained(lead);
    int64_t begin, end;
    slice_share(sum->elements, ELEMENT_GRAIN, slice, slices, &begin, &end);
    for (int64_t at = begin; at < end;
         at += ELEMENT_GRAIN) /* a part of the lead's stays in the first cache level */
        for (int i = 0; i < round->batches; i++)
            backend->ops->add(backend, trainer_trained(&round->crew->hand[i].trainer)->gradient + at,
                              sum->gradient + at, min_i64(ELEMENT_GRAIN, end - at));
}

static void add_loads(struct trainer *lead, const struct trainer *hand) {
    const struct model_desc *d = &lead->model.desc;
    for (int64_t i = 0; i < (int64_t)(d->layers + d->mtp_layers) * d->experts; i++)
        lead->load[i] += hand->load[i];
}

static enum status take_round(const struct round *round, struct loss_sums *sums) {
    struct crew *crew = round->crew;
    thread_pool_run(crew->pool, SLICES_WHOLE, take_batch, (void *)round);
    for (int i = 0; i < round->batches; i++) {
        const struct crew_hand *hand = &crew->hand[i];
        if (hand->status != STATUS_OK) return fail(hand->status, "%s", hand->sentence);
        sums->token += hand->sums.token;
        sums->mtp += hand->sums.mtp;
        sums->balance += hand->sums.balance;
        add_loads(crew->lead, &hand->trainer);
    }
    thread_pool_run(crew->pool, SLICES_FINE, add_gradients, (void *)round);
    return STATUS_OK;
}

enum status crew_accumulate(struct crew *crew, const struct train_batch *const *batch, int batches,
                            const struct loss_scale *scale, struct loss_sums *sums) {
    for (int done = 0; done < batches; done += crew->hands) {
        int left = batches - done;
        struct round round = {crew, batch + done, left < crew->hands ? left : crew->hands, scale};
        TRY(take_round(&round, sums));
    }
    return STATUS_OK;
}
