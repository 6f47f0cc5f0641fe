/* pretrain.h - a run of pretraining from begin to end: data, steps, checkpoints, metrics. Nothing of it knows the command
 * line: it reports through functions. Owned by one thread.
 *
 * Several ranks share the batches of a step, come to the same bits as one would, and read the data each for itself. The first
 * alone touches the run's directory, which any number of ranks may go on with. */
#ifndef HADAL_TRAIN_PRETRAIN_H
#define HADAL_TRAIN_PRETRAIN_H

#include "train/corpus.h"
#include "train/run_store.h"

struct pretrain_options {
    const json_t *config;  /* of the model; borrowed */
    const char *origin;    /* names it in sentences */
    const char *init;      /* a model directory whose weights are begun with, or NULL: random ones */
    const char *adapter;   /* a PEFT directory to begin with, where adapters are trained, or NULL: new ones */
    const char *tokenizer; /* a directory or tokenizer.json */
    const char *const *data, *const *valid;
    int datas, valids;
    struct comm *comm;
    const char *run; /* the directory that comes out */
    bool resume;
    struct trainer_options trainer;       /* max_rows is set from the next two */
    int sequence_rows;                    /* tokens of a sequence */
    int batch_sequences, micro_sequences; /* of a step, and of what goes through the model together */
    enum packing_way packing;
    const struct dialogue_form *dialogue; /* how conversations become text; NULL: there are none */
    int64_t steps, save_every, valid_every;
    int keep;
    bool keep_best; /* a step whose validation loss is the lowest so far is saved and stays */
    uint64_t seed;
    double middle_rate; /* of the texts that are learnt from, as in corpus.h */
    double deviation;   /* of random weights */
    struct schedule schedule;
    struct schedule_switch mtp, bias;
    double balance; /* alpha */
    double spike;   /* deviations; 0: only what is no number is left out */
    struct optimizer_options optimizer;
    const struct pretrain_listener *listener;
};

struct pretrain_report { /* after a step */
    int64_t step, steps, tokens;
    double loss, mtp_loss, balance; /* means for each target; balance 1 is perfect */
    double rate, norm, seconds, tokens_per_second;
    double flops_per_second, seconds_left; /* by the plan's operations; at the speed so far */
    double load_most; /* largest share of an expert's choices relative to an even one, over layers */
    bool skipped;     /* the step was not taken: loss or gradient far beyond what they were */
};

struct pretrain_listener { /* of each rank; the first alone hears of what was saved */
    void *context;
    bool (*reading)(void *context, int64_t bytes); /* false: stop */
    void (*began)(void *context, const struct pretrain_report *report,
                  int64_t data_tokens);                                /* where it begins */
    bool (*step)(void *context, const struct pretrain_report *report); /* false: save and stop */
    void (*validated)(void *context, int64_t step, double loss);
    void (*saved)(void *context, int64_t step);
};

/* What a run will take, without beginning it. */
struct pretrain_plan {
    struct parameter_counts parameters;
    int64_t adapters;                    /* numbers that are learnt instead; 0: all of the parameters are */
    int64_t memory, available;           /* bytes of one rank */
    int64_t moments_least, moments_most; /* bytes of the optimizer's part of it, over ranks */
    double flops_per_token, flops;       /* forward and back; of the whole run */
    int64_t tokens;                      /* of the whole run */
    int hands; /* of each rank's crew that computes a step's batches; 0: a step is one batch */
};
must_use enum status pretrain_plan(const struct pretrain_options *options, struct pretrain_plan *plan);
int pretrain_batches(const struct pretrain_options *options);    /* of a step */
int pretrain_batch_rows(const struct pretrain_options *options); /* of each of them */
/* Forward and back for a token of sequences of so many; a third of it is forward. */
double training_flops_per_token(const struct model_desc *desc, int sequence_rows, bool mtp);
/* Bytes of moments of `trained` bytes of weights, the least and the most that a rank has; of adapters about. */
must_use enum status training_moments(const struct pretrain_options *options, const struct model_desc *desc,
                                      int64_t trained, int64_t *least, int64_t *most);
/* Of several batches a crew takes care; the lead then measures losses alone, a sequence at a time. */
struct trainer_options pretrain_lead_options(const struct pretrain_options *options);

/* STATUS_CANCELLED when the listener stopped it, after everything was saved. */
must_use enum status pretrain_run(const struct pretrain_options *options);

#endif
