/* start.c - see start.h. */
#include "train/start.h"

#include "kernel/kernel.h"

#include <string.h>

struct start {
    uint64_t data, valid, more, seed;
    int64_t steps, batch, micro, rows, save_every, valid_every, parameters, trained;
    int64_t packing, strict, fp8, level, optimizer, schedule, keep_best;
    double real[20];
};

static struct start start_of(const struct pretrain_options *o, const struct model_desc *desc, uint64_t data,
                             uint64_t valid, uint64_t more) {
    const struct trainer_plan plan = trainer_plan(desc, &o->trainer);
    const struct optimizer_options *p = &o->optimizer;
    const struct schedule *s = &o->schedule;
    int level = (int)cpu_level_available();
    struct start start;
    memset(&start, 0, sizeof start); /* it is compared as bytes */
    start.data = data;
    start.valid = valid;
    start.more = more;
    start.seed = o->seed;
    start.steps = o->steps;
    start.batch = o->batch_sequences;
    start.micro = o->micro_sequences;
    start.rows = o->sequence_rows;
    start.save_every = o->save_every;
    start.valid_every = o->valid_every;
    start.parameters = parameters_bytes(desc);
    start.trained = plan.trained;
    start.packing = o->packing;
    start.strict = o->trainer.strict;
    start.fp8 = o->trainer.fp8;
    start.level = level < o->trainer.cpu_level_cap ? level : o->trainer.cpu_level_cap;
    start.optimizer = p->kind;
    start.schedule = s->kind;
    start.keep_best = o->keep_best;
    const double real[] = {p->beta1,   p->beta2,      p->epsilon,   p->momentum,    p->decay,
                           p->clip,    s->peak,       s->floor,     s->warmup,      s->steps,
                           s->decay,   o->mtp.before, o->mtp.after, o->bias.before, o->bias.after,
                           o->balance, o->spike,      o->deviation, o->middle_rate, o->trainer.lora.alpha};
    memcpy(start.real, real, sizeof start.real);
    return start;
}

enum status start_compare(const struct pretrain_options *options, const struct model_desc *desc,
                          uint64_t data, uint64_t valid, uint64_t more) {
    const struct start mine = start_of(options, desc, data, valid, more);
    struct start first = mine;
    TRY(comm_broadcast(options->comm, 0, &first, sizeof first));
    enum status status = STATUS_OK;
    if (mine.level != first.level)
        status = fail(STATUS_INPUT,
                      "runs on another kind of processor than the first rank: --cpu makes them alike");
    else if (memcmp(&mine, &first, sizeof mine) != 0)
        status = fail(STATUS_INPUT, "was started with other data or options than the first rank");
    return comm_agree(options->comm, status);
}
