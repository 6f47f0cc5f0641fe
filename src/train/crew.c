/* crew.c - rounds of one batch for each hand, see crew.h. */
#include "train/crew.h"

#include "base/bytes.h"
#include "base/thread_pool.h"
#include "train/optimizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SENTENCE = 512, ELEMENT_GRAIN = 4096, PIECE = 1 << 20 /* floats that go from rank to rank at once */ };

/* What a hand brings back from its batch. */
struct crew_hand {
    struct trainer trainer;
    enum status status;
    char sentence[SENTENCE]; /* of a failure: sentences belong to threads */
};

static int threads_of(const struct trainer_options *options) {
    return options->threads ? options->threads : processors_available();
}

int crew_hands(const struct trainer_options *options, int batches, int ranks) {
    int threads = threads_of(options), most = (int)divide_up(batches, ranks);
    return threads < most ? threads : most;
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
                      int hands, struct comm *comm) {
    struct trainer_options own = hand_options(options, hands);
    MUST(hands >= 1 && own.threads >= 1);
    *crew = (struct crew){.lead = lead, .comm = comm, .hand = calloc((size_t)hands, sizeof *crew->hand)};
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
    free(crew->lost);
    thread_pool_close(crew->pool);
    *crew = (struct crew){0};
}

struct trainer *crew_trainer(const struct crew *crew, int hand) {
    return &crew->hand[hand].trainer;
}

/* ---- a round ---- */

struct round {
    struct crew *crew;
    const struct crew_work *work;
    bool learns;        /* gradients are wanted */
    int64_t first;      /* batch of this rank in this round */
    int batches;        /* at most one for each hand */
    int64_t begin, end; /* of the flat arrays, what is added */
};

/* The hands of all ranks have a batch each; of a last round that is not full each rank has about as many. */
static struct round round_at(struct crew *crew, const struct crew_work *work, int64_t done, bool learns) {
    int64_t rank = crew->comm->rank, ranks = crew->comm->ranks;
    int64_t all = min_i64(work->batches - done, crew->hands * ranks);
    int64_t begin = done + all * rank / ranks, end = done + all * (rank + 1) / ranks;
    return (struct round){
        .crew = crew, .work = work, .learns = learns, .first = begin, .batches = (int)(end - begin)};
}

static void take_batch(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct round *round = context;
    const struct crew_work *work = round->work;
    for (int i = slice; i < round->batches; i += slices) {
        struct crew_hand *hand = &round->crew->hand[i];
        if (round->learns) trainer_clear(&hand->trainer);
        hand->status = work->task(work->context, &hand->trainer, i, round->first + i);
        if (hand->status != STATUS_OK) snprintf(hand->sentence, SENTENCE, "%s", status_message());
    }
}

static void add_slice(void *context, int worker, int slice, int slices) {
    (void)worker;
    const struct round *round = context;
    struct trainer *lead = round->crew->lead;
    struct backend *backend = lead->model.backend;
    float *sum = trainer_trained(lead)->gradient;
    int64_t begin, end;
    slice_share(round->end - round->begin, ELEMENT_GRAIN, slice, slices, &begin, &end);
    for (int64_t at = round->begin + begin; at < round->begin + end;
         at += ELEMENT_GRAIN) /* a part of the lead's stays in the first cache level */
        for (int i = 0; i < round->batches; i++)
            backend->ops->add(backend, trainer_trained(&round->crew->hand[i].trainer)->gradient + at,
                              sum + at, min_i64(ELEMENT_GRAIN, round->begin + end - at));
}

static void add_gradients(struct round *round, int64_t begin, int64_t end) {
    round->begin = begin;
    round->end = end;
    thread_pool_run(round->crew->pool, SLICES_FINE, add_slice, round);
}

static void add_loads(struct trainer *lead, const struct trainer *hand) {
    const struct model_desc *d = &lead->model.desc;
    for (int64_t i = 0; i < (int64_t)(d->layers + d->mtp_layers) * d->experts; i++)
        lead->load[i] += hand->load[i];
}

static enum status compute(struct round *round) {
    struct crew *crew = round->crew;
    thread_pool_run(crew->pool, SLICES_WHOLE, take_batch, round);
    for (int i = 0; i < round->batches; i++) {
        const struct crew_hand *hand = &crew->hand[i];
        if (hand->status != STATUS_OK) return fail(hand->status, "%s", hand->sentence);
        if (round->learns) add_loads(crew->lead, &hand->trainer);
    }
    return STATUS_OK;
}

/* ---- from rank to rank ---- */

struct piece {
    float *at;
    int64_t bytes, begin, end;
};

static struct piece piece_of(const struct crew *crew, int64_t index) {
    const struct parameters *sum = trainer_trained(crew->lead);
    int64_t begin = index * PIECE, end = min_i64(begin + PIECE, sum->elements);
    return (struct piece){sum->gradient + begin, (end - begin) * (int64_t)sizeof(float), begin, end};
}

/* The sum so far comes from the rank before, in the first round from nowhere, and goes on to the next but for the last. */
static enum status pass_piece(struct round *round, int64_t index, bool first) {
    struct comm *comm = round->crew->comm;
    struct piece piece = piece_of(round->crew, index);
    int before = (comm->rank + comm->ranks - 1) % comm->ranks;
    if (!first || comm->rank) TRY(comm_receive(comm, before, piece.at, piece.bytes));
    add_gradients(round, piece.begin, piece.end);
    if (comm->rank + 1 < comm->ranks) TRY(comm_send(comm, comm->rank + 1, piece.at, piece.bytes));
    return STATUS_OK;
}

static enum status give_piece(const struct round *round, int64_t index) {
    struct comm *comm = round->crew->comm;
    struct piece piece = piece_of(round->crew, index);
    return comm_send(comm, 0, piece.at, piece.bytes);
}

/* The last rank gives out the sum of the round before, as many pieces ahead as there are ranks between it and the first: each
 * has one in its hands, and nobody waits in a circle. */
static enum status pass_on(struct round *round, bool first) {
    struct comm *comm = round->crew->comm;
    int64_t pieces = divide_up(trainer_trained(round->crew->lead)->elements, PIECE);
    bool gives = !first && comm->rank + 1 == comm->ranks;
    int64_t ahead = gives ? comm->ranks - 2 : 0;
    for (int64_t i = 0; i < pieces + ahead; i++) {
        if (gives && i < pieces) TRY(give_piece(round, i));
        if (i >= ahead) TRY(pass_piece(round, i - ahead, first));
    }
    return STATUS_OK;
}

static enum status learn_round(struct round *round, bool first) {
    struct comm *comm = round->crew->comm;
    TRY(comm_agree(comm, compute(round)));
    if (comm->ranks > 1) return pass_on(round, first);
    add_gradients(round, 0, trainer_trained(round->crew->lead)->elements);
    return STATUS_OK;
}

/* ---- all batches ---- */

static enum status compute_all(struct crew *crew, const struct crew_work *work) {
    for (int64_t done = 0; done < work->batches; done += (int64_t)crew->hands * crew->comm->ranks) {
        struct round round = round_at(crew, work, done, false);
        TRY(compute(&round));
    }
    return STATUS_OK;
}

enum status crew_share(struct crew *crew, const struct crew_work *work) {
    return comm_agree(crew->comm, compute_all(crew, work));
}

enum status crew_learn(struct crew *crew, const struct crew_work *work) {
    struct comm *comm = crew->comm;
    const struct model_desc *d = &crew->lead->model.desc;
    for (int64_t done = 0; done < work->batches; done += (int64_t)crew->hands * comm->ranks) {
        struct round round = round_at(crew, work, done, true);
        TRY(learn_round(&round, done == 0));
    }
    return comm_sum(comm, crew->lead->load, (int64_t)(d->layers + d->mtp_layers) * d->experts);
}

/* ---- losses ---- */

struct accumulation {
    const struct train_batch *const *batch;
    const struct loss_scale *scale;
    struct loss_sums *lost; /* of each batch */
};

static enum status accumulate(void *context, struct trainer *trainer, int hand, int64_t batch) {
    const struct accumulation *all = context;
    (void)hand;
    return trainer_accumulate(trainer, all->batch[batch], all->scale, &all->lost[batch]);
}

static enum status make_room(struct crew *crew, int batches) {
    if (crew->losts < batches) {
        free(crew->lost);
        crew->lost = malloc((size_t)batches * sizeof *crew->lost);
        crew->losts = crew->lost ? batches : 0;
    }
    if (!crew->lost) return fail(STATUS_MEMORY, "no memory for the losses of %d batches", batches);
    memset(crew->lost, 0, (size_t)batches * sizeof *crew->lost);
    return STATUS_OK;
}

/* In the order of batches, whoever had them. */
static enum status add_losses(const struct crew *crew, int batches, struct loss_sums *sums) {
    TRY(comm_merge(crew->comm, crew->lost, batches * (int64_t)sizeof *crew->lost));
    for (int i = 0; i < batches; i++) {
        sums->token += crew->lost[i].token;
        sums->mtp += crew->lost[i].mtp;
        sums->balance += crew->lost[i].balance;
    }
    return STATUS_OK;
}

enum status crew_accumulate(struct crew *crew, const struct train_batch *const *batch, int batches,
                            const struct loss_scale *scale, struct loss_sums *sums) {
    TRY(make_room(crew, batches));
    struct accumulation all = {batch, scale, crew->lost};
    struct crew_work work = {accumulate, &all, batches};
    TRY(crew_learn(crew, &work));
    return add_losses(crew, batches, sums);
}

enum status crew_gradient_norm(const struct crew *crew, double *norm) {
    struct comm *comm = crew->comm;
    if (comm->rank + 1 == comm->ranks) *norm = optimizer_gradient_norm(crew->lead);
    return comm_broadcast(comm, comm->ranks - 1, norm, sizeof *norm);
}

enum status crew_deal_gradient(const struct crew *crew, const int64_t *border) {
    struct comm *comm = crew->comm;
    float *gradient = trainer_trained(crew->lead)->gradient;
    int last = comm->ranks - 1;
    TRY(comm_agree(comm, STATUS_OK)); /* all are here */
    for (int r = 0; r < last; r++) {
        int64_t bytes = (border[r + 1] - border[r]) * (int64_t)sizeof(float);
        if (comm->rank == last) TRY(comm_send(comm, r, gradient + border[r], bytes));
        if (comm->rank == r) TRY(comm_receive(comm, last, gradient + border[r], bytes));
    }
    return STATUS_OK;
}
