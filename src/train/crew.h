/* crew.h - the batches of a step shared out among hands: trainers that read one model's parameters and have activations and a
 * gradient of their own, so that they wait for each other once a batch and not once an operation.
 *
 * A batch's gradient is summed up from zero by whoever takes the batch, and the gradients of all batches are added in the
 * batches' order: the bits do not depend on the number of hands, nor on how many ranks have hands. The hands of all ranks
 * take their batches in rounds; then the sum so far goes from rank to rank, each of which adds what its hands have. It ends
 * at the last rank. Owned by the lead's thread; each hand computes on a thread of the crew's pool. */
#ifndef HADAL_TRAIN_CREW_H
#define HADAL_TRAIN_CREW_H

#include "comm/comm.h"
#include "train/trainer.h"

struct thread_pool;
struct crew_hand;

struct crew {
    struct trainer *lead;
    struct comm *comm;
    struct crew_hand *hand;
    int hands; /* of each rank */
    struct thread_pool *pool;
    struct loss_sums *lost; /* [losts] of each batch of a step */
    int losts;
};

/* As many hands of each rank as there are threads, and not more than it has batches in a step; `options` are the lead's, with the
 * rows of a batch. */
int crew_hands(const struct trainer_options *options, int batches, int ranks);
/* What they take beside the lead's own memory. */
int64_t crew_bytes(const struct model_desc *desc, const struct trainer_options *options, int hands);

/* The lead and `comm` stay where they are while the crew is open; all ranks have as many hands. */
must_use enum status crew_open(struct crew *crew, struct trainer *lead, const struct trainer_options *options,
                               int hands, struct comm *comm);
void crew_close(struct crew *crew); /* zeroed allowed */
struct trainer *crew_trainer(const struct crew *crew, int hand);

/* What a hand does with a batch, on its thread: what it adds to gradient and loads of its own trainer is the batch's. */
typedef enum status crew_task(void *context, struct trainer *trainer, int hand, int64_t batch);
struct crew_work {
    crew_task *task;
    void *context;
    int64_t batches; /* the same ones on all ranks */
};

/* Collective: each batch is taken once. Of equally many batches each rank takes the same ones every time. */
must_use enum status crew_share(struct crew *crew, const struct crew_work *work);
/* Collective: the same after trainer_clear() of the lead, and what the tasks add is summed up. All get the loads; the last
 * rank has the gradient. */
must_use enum status crew_learn(struct crew *crew, const struct crew_work *work);
/* Collective: the same with trainer_accumulate() for a task. All get the sums. */
must_use enum status crew_accumulate(struct crew *crew, const struct train_batch *const *batch, int batches,
                                     const struct loss_scale *scale, struct loss_sums *sums);
/* Collective: the length of the gradient, and elements [border[r], border[r + 1]) of it for rank r. */
must_use enum status crew_gradient_norm(const struct crew *crew, double *norm);
must_use enum status crew_deal_gradient(const struct crew *crew, const int64_t *border);

#endif
