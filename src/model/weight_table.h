/* weight_table.h - one row per weight of the architectures, and loops over the rows.
 *
 * Loading, validation, parameter counts, the memory plan and the writers of checkpoints are loops over
 * this table; a weight exists exactly when its row's condition holds for a layer. */
#ifndef HADAL_MODEL_WEIGHT_TABLE_H
#define HADAL_MODEL_WEIGHT_TABLE_H

#include "model/desc.h"

enum weight {
    WEIGHT_EMBED,
    WEIGHT_FINAL_NORM,
    WEIGHT_HEAD,
    WEIGHT_ROPE_DIVISOR,
    WEIGHT_ATTENTION_NORM,
    WEIGHT_FFN_NORM,
    WEIGHT_Q,
    WEIGHT_Q_BIAS,
    WEIGHT_K,
    WEIGHT_K_BIAS,
    WEIGHT_V,
    WEIGHT_V_BIAS,
    WEIGHT_OUTPUT,
    WEIGHT_OUTPUT_BIAS, /* grouped */
    WEIGHT_LATENT_Q,
    WEIGHT_Q_A,
    WEIGHT_Q_A_NORM,
    WEIGHT_Q_B,
    WEIGHT_KV_A,
    WEIGHT_KV_A_NORM,
    WEIGHT_KV_B,
    WEIGHT_K_B,
    WEIGHT_V_B,
    WEIGHT_LATENT_OUTPUT,
    WEIGHT_GATE,
    WEIGHT_UP,
    WEIGHT_DOWN,
    WEIGHT_ROUTER,
    WEIGHT_ROUTER_BIAS,
    WEIGHT_EXPERT_GATE,
    WEIGHT_EXPERT_UP,
    WEIGHT_EXPERT_DOWN,
    WEIGHT_SHARED_GATE,
    WEIGHT_SHARED_UP,
    WEIGHT_SHARED_DOWN,
    WEIGHT_MTP_EMBED,
    WEIGHT_MTP_EMBED_NORM,
    WEIGHT_MTP_HIDDEN_NORM,
    WEIGHT_MTP_PROJECT,
    WEIGHT_MTP_FINAL_NORM,
    WEIGHT_MTP_HEAD,
    WEIGHT_COUNT
};

enum weight_copies { PER_MODEL, PER_LAYER, PER_EXPERT };

enum weight_kind {
    WEIGHT_MATRIX,   /* may be quantised */
    WEIGHT_VECTOR,   /* norms and biases: kept as f32 */
    WEIGHT_SENSITIVE /* a matrix that stays in a float format: router, mtp projection */
};

struct weight_row {
    enum weight weight;
    const char *name;         /* "kv_b": in messages and inspect */
    const char *hugging_face; /* pattern with %d for layer and expert; NULL: the format has no such tensor */
    const char *gguf;         /* experts are stacked there: [experts, out, in] */
    enum weight_copies copies;
    enum weight_kind kind;
    bool optional; /* absent in some files: shared MTP tables, rope divisors */
    bool
        alternative; /* another form of a counted weight (k_b, v_b for kv_b), or a shared copy: adds no parameters */
    bool by_rows; /* a table that is read by rows or taken apart, never multiplied as a whole */
};

const struct weight_row *weight_rows(void); /* [WEIGHT_COUNT], indexed by enum weight */

/* Does the weight exist in `layer` (ignored for PER_MODEL)? MTP modules are layers [layers, layers + mtp_layers). */
bool weight_exists(const struct model_desc *desc, enum weight weight, int layer);

/* Shape of one copy, outermost first: [out, in], or [n] with rank 1. Returns the rank. k_b in GGUF is
 * [heads, kv_rank, nope_dim] and v_b [heads, value_dim, kv_rank]; there rank is 3. */
int weight_shape(const struct model_desc *desc, enum weight weight, int64_t shape[3]);

/* Tensor name of the copy in the container; `text` has room for `bytes`. GGUF names ignore `expert`. */
void weight_name(const struct weight_row *row, bool gguf, int layer, int expert, char *text, size_t bytes);

/* Sums over the table. */
struct parameter_counts {
    int64_t total; /* trunk, embedding and head; without MTP modules */
    int64_t
        active;  /* read for one token: total without idle experts, and of the embedding nothing but a row */
    int64_t mtp; /* unique to the MTP modules */
};
struct parameter_counts model_parameters(const struct model_desc *desc);

#endif
