/* shape.h - what plans need to know of a model, computed from its description and a type of weights: bytes, and operations
 * for a token. No weights are read. Pure functions. */
#ifndef HADAL_PLAN_SHAPE_H
#define HADAL_PLAN_SHAPE_H

#include "model/desc.h"
#include "plan/hardware.h"
#include "plan/sheet.h"
#include "tensor/dtype.h"

struct plan_shape {
    const char *type;          /* "q4_k_m" */
    double parameters, active; /* without MTP modules */
    double weight_bytes;       /* of all weights, without MTP modules */
    double fixed_bytes;        /* read by every step: all but routed experts and the table of embeddings */
    double expert_bytes;       /* of one routed expert in all layers together */
    double experts, experts_used;
    double mtp_bytes;
    double bits;               /* of the larger part of the weights */
    double kv_bytes;           /* of a token in the cache */
    double ops_row, ops_head;  /* of a token through the layers, and of its logits */
    double ops_prompt_context; /* of a prompt's token, for each token before it: decompressed attention */
    double ops_decode_context; /* of a generated token: absorbed attention, where the cache is latent */
    double ops_index_context;  /* of either, for each token before it, however many attention looks at */
    double attended;           /* tokens that attention looks at, at most; 0: all */
    double kv_read;            /* of kv_bytes, what a generated token reads */
    double activation_bytes;   /* of a chunk of a prompt */
};

/* The types that are compared, from the largest. NULL past the end. */
const char *plan_type_at(int index);

/* `type`: bf16, fp8 (blocks of 128 x 128 with a scale), or a name that hadal quantize takes. */
must_use enum status plan_shape_of(struct plan_shape *shape, const struct model_desc *desc, const char *type,
                                   enum dtype kv_type);

/* Every matrix of the model without MTP modules and without the table of embeddings, as `type` has it; experts one for all
 * of their layer. */
struct plan_matrix {
    enum dtype dtype;
    double elements;
    bool expert, head;
};
must_use enum status plan_each_matrix(const struct model_desc *desc, const char *type,
                                      void (*take)(void *context, const struct plan_matrix *matrix),
                                      void *context);

/* Fills the inputs of a sheet that have the names of the shape's, or of the hardware's fields; others are left alone. */
must_use enum status plan_fill_shape(struct sheet *sheet, const struct plan_shape *shape);
must_use enum status plan_fill_hardware(struct sheet *sheet, const struct hardware *hardware, double bits);

#endif
