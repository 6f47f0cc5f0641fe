/* start.c - see start.h. */
#include "train/start.h"

#include "kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

struct start {
    uint64_t data, valid, more, seed, config, targets;
    int64_t steps, batch, micro, rows, save_every, valid_every, parameters, trained;
    int64_t packing, strict, fp8, level, optimizer, schedule, keep_best;
    double real[20];
};

static enum status hash_config(const struct pretrain_options *options, uint64_t *hash) {
    char *text = json_dumps(options->config, JSON_SORT_KEYS | JSON_COMPACT);
    if (!text) return fail(STATUS_MEMORY, "%s: out of memory", options->origin);
    *hash = XXH64(text, strlen(text), 0);
    free(text);
    return STATUS_OK;
}

static uint64_t hash_targets(const struct adapter_options *lora) {
    uint64_t hash = 0;
    for (int i = 0; i < lora->targets; i++) hash = XXH64(lora->target[i], strlen(lora->target[i]), hash);
    return hash;
}

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
    start.targets = hash_targets(&o->trainer.lora);
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
    struct start mine = start_of(options, desc, data, valid, more);
    TRY(hash_config(options, &mine.config));
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

enum status start_compare_weights(struct comm *comm, const struct trainer *trainer, const char *origin) {
    const struct parameters *all = &trainer->parameters, *trained = trainer_trained(trainer);
    if (comm->ranks == 1) return STATUS_OK;
    uint64_t hash = XXH64(all->value, (size_t)all->elements * sizeof(float), 0);
    if (trained != all) hash = XXH64(trained->value, (size_t)trained->elements * sizeof(float), hash);
    uint64_t first = hash;
    TRY(comm_broadcast(comm, 0, &first, sizeof first));
    return comm_agree(
        comm, hash == first ? STATUS_OK
                            : fail(STATUS_INPUT, "%s: holds other weights than on the first rank", origin));
}
