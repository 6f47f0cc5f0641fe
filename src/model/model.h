/* model.h - a checkpoint made runnable: description, weights, backend, and the activations of one step.
 *
 * Owned and used by one thread, the engine's. Everything is allocated at open; a step allocates nothing. */
#ifndef HADAL_MODEL_MODEL_H
#define HADAL_MODEL_MODEL_H

#include "backend/backend.h"
#include "format/checkpoint.h"
#include "model/kv_planes.h"
#include "model/packed.h"
#include "model/placed.h"
#include "model/weights.h"

struct activations; /* forward.c */

struct model {
    struct checkpoint checkpoint;
    struct model_desc desc;
    struct weights weights;
    struct packed
        packed; /* what the matrices of `weights` are multiplied through, where they are rearranged */
    struct placed placed; /* the same on machines with several memory nodes */
    struct backend *backend;
    struct activations *activations;
    int max_rows;         /* of one step */
    bool strict;          /* every row in the absorbed form */
    int64_t context;      /* tokens of one sequence that the plan has room for */
    int64_t cache_tokens; /* of all sequences together; whole pages, at least a context */
    struct kv_plane plane[KV_PLANES];
};

enum { AUTOMATIC_CONTEXT = 32768, CACHE_AUTOMATIC = -1 };

struct model_options {
    const char *path;
    int threads;       /* 0: all */
    int cpu_level_cap; /* enum cpu_level */
    const char *numa;  /* "auto", "off" or a folder: nodes_plan_for(); NULL: off */
    int max_rows;      /* rows of one step: prefill chunk and largest batch */
    bool strict;
    bool kv_automatic;  /* bf16 for block-quantised checkpoints, otherwise f32 */
    enum dtype kv_type; /* unless automatic */
    int64_t
        context; /* tokens of one sequence; 0: the model's own, as far as AUTOMATIC_CONTEXT and memory allow */
    int sequences;        /* that are cached at once, >= 1 */
    int64_t cache_tokens; /* of all together, which may be less than each context or more; 0: each context;
                             CACHE_AUTOMATIC: each context, as far as half of the free memory goes */
    int64_t memory_limit; /* bytes; 0: what the machine has available */
    enum pack_mode pack;
    const char *cache_dir; /* of rearranged weights; NULL or "": no files */
    bool (*progress)(void *context, int64_t done, int64_t total); /* bytes rearranged; as in packed.h */
    void *progress_context;
};

/* Bytes that a model needs, by purpose. */
struct memory_plan {
    int64_t weights, kv, activations, scratch, total, available;
};

/* Opens, checks every tensor, settles the context, and refuses with the numbers when the plan does not fit. */
must_use enum status model_open(struct model *model, const struct model_options *options);
/* A model whose weights lie in the caller's memory and may change between steps: the trainer's. Takes `weights` over, also
 * on failure; path, pack and cache_dir of the options mean nothing, and the caller sees to the memory limit. */
must_use enum status model_open_weights(struct model *model, const struct model_desc *desc,
                                        struct weights *weights, const struct model_options *options);
void model_close(struct model *model); /* also of a zeroed model */
struct memory_plan model_memory_plan(const struct model *model, const struct model_options *options);

/* One step: the next rows of some sequences, each written to the cache and attending to it. */
struct model_step {
    int rows;
    const int32_t *token;        /* [rows], each below desc.vocab */
    const struct batch_run *run; /* in row order, covering all rows */
    int runs;
    const struct kv_plane_view *kv; /* [layers + mtp_layers][KV_PLANES] */
};

/* STATUS_IO when a mapped file has shrunk since. */
must_use enum status model_check(const struct model *model);

/* Leaves the final-normed hidden state of every row inside the model, for model_head and the MTP module. */
must_use enum status model_forward(struct model *model, const struct model_step *step);

/* Logits [count, vocab] of the given rows of the last step. */
void model_head(struct model *model, const int32_t *row, int count, float *logits);

/* The MTP module `module` over the rows of the last step: step->token holds the token that follows each row
 * (arXiv 2412.19437 section 2.2). Rows whose next token is unknown must be cut from the end of their runs by the caller,
 * with `hidden_row` [rows] telling which row of the trunk's step feeds each. */
must_use enum status model_mtp_forward(struct model *model, const struct model_step *step, int module,
                                       const int32_t *hidden_row);
void model_mtp_head(struct model *model, const int32_t *row, int count, float *logits);

#endif
