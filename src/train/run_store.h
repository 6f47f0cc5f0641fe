/* run_store.h - what a run of training leaves on the disk, so that it can go on after any interruption.
 *
 *   RUN/step-00000100/            a Hugging Face directory: config.json, model.safetensors, the tokenizer's files
 *   RUN/step-00000100/trainer/    optimizer.safetensors and state.json: what the next step needs beside the weights
 *                                 or of adapters a PEFT directory: adapter_config.json, adapter_model.safetensors
 *   RUN/latest                    a link to the newest of them
 *   RUN/best                      a link to the one whose validation loss was lowest, where that is wanted
 *   RUN/metrics.jsonl             one line for each step, and the same for TensorBoard in events.out.tfevents.hadal
 *
 * A step's directory appears under its name when everything in it is on the disk, and does not tell how many ranks made it:
 * the first rank alone touches the disk, and a store is opened there alone. Owned by one thread. */
#ifndef HADAL_TRAIN_RUN_STORE_H
#define HADAL_TRAIN_RUN_STORE_H

#include "train/event_file.h"
#include "train/optimizer.h"
#include "train/schedule.h"

#include <stdio.h>

struct run_state {       /* beside weights and moments */
    int64_t step;        /* steps done */
    int64_t sequence;    /* of the data, counted over all epochs */
    int64_t tokens;      /* learnt from so far */
    uint64_t seed, data; /* of the order; corpus_identity() */
    int64_t sequence_rows, batch_sequences;
    struct spike_watch loss, norm;
    int64_t best_step; /* of the lowest validation loss that was kept; 0: none yet */
    double best_loss;
};

struct run_store {
    char *path;           /* RUN */
    const json_t *config; /* written as config.json; borrowed */
    const char
        *base; /* the model that adapters are beside, as its user names it; borrowed. NULL: there are none */
    const char *tokenizer; /* directory, or a file in it, whose tokenizer files are copied */
    int keep;              /* newest steps that stay, beside the best; 0: all */
    float *reference; /* [elements] weights of another policy that a run needs too; borrowed. NULL: none */
    FILE *metrics;
    struct event_file events;
    int lock; /* the open directory: one process at a time */
};

/* Makes the directory. Refuses one that another process trains in, or that holds steps already unless `resume`. */
must_use enum status run_store_open(struct run_store *store, const char *path, bool resume);
void run_store_close(struct run_store *store); /* zeroed allowed */

/* Number of the newest complete step, or -1. */
int64_t run_store_newest(const struct run_store *store);
/* Collective over the optimizer's ranks, these two. What the first alone fails at it may return alone. */
must_use enum status run_store_save(struct run_store *store, const struct trainer *trainer,
                                    const struct optimizer *optimizer, const struct run_state *state);
/* Weights, moments and state of step `step`. */
must_use enum status run_store_load(const struct run_store *store, int64_t step, struct trainer *trainer,
                                    struct optimizer *optimizer, struct run_state *state);

/* Opens metrics.jsonl to append to, without what it says of steps from `step` on. */
must_use enum status run_store_open_metrics(struct run_store *store, int64_t step);
/* The same for another file of lines with "step" in the run's directory, which no other program reads. */
must_use enum status run_store_open_lines(struct run_store *store, const char *name, int64_t step,
                                          FILE **file);
/* One line, with the time when it has none; takes `line` over. */
must_use enum status run_store_write_metrics(struct run_store *store, json_t *line);

/* The weights of a model directory of the same description. */
must_use enum status run_load_weights(const char *path, struct trainer *trainer);
/* The model that adapters are beside, where there are adapters, and what these begin with: those of a PEFT directory, or
 * new ones. */
must_use enum status run_load_base(const char *path, struct trainer *trainer);
must_use enum status run_begin_adapters(struct trainer *trainer, const char *adapter, uint64_t seed);

#endif
