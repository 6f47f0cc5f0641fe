/* desc.h - a model as data: every number that distinguishes one checkpoint from another.
 *
 * Filled from config.json or GGUF keys; forward, weight table, memory plan and inspect read nothing
 * else. Immutable after opening; any thread may read it. */
#ifndef HADAL_MODEL_DESC_H
#define HADAL_MODEL_DESC_H

#include "base/json.h"
#include "base/status.h"
#include "format/gguf.h"

#include <stdbool.h>
#include <stdint.h>

enum attention { ATTEND_GROUPED, ATTEND_LATENT };
enum ffn { FFN_DENSE, FFN_EXPERTS };
enum router {
    ROUTE_SOFTMAX_GREEDY, /* V2-Lite: top-k of the softmax */
    ROUTE_GROUP_LIMITED,  /* V2: top groups by their best expert first */
    ROUTE_SIGMOID_BIASED /* V3: selection by sigmoid + bias, groups by their two best, weights without bias */
};
enum rope_scaling { ROPE_PLAIN, ROPE_LINEAR, ROPE_YARN, ROPE_LLAMA3 };

struct rope_desc {
    enum rope_scaling scaling;
    bool interleaved; /* pairs (x[2i], x[2i+1]); otherwise (x[i], x[i + dim/2]) */
    double base, factor;
    double beta_fast, beta_slow;              /* YaRN */
    double mscale, mscale_all_dim;            /* YaRN; 0: absent */
    double low_freq_factor, high_freq_factor; /* Llama 3 */
    int64_t original_context;
};

struct layer_desc {
    enum attention attention;
    enum ffn ffn;
    enum router router; /* FFN_EXPERTS only */
};

/* Limits of a description. They also keep every product of weight_shape() and every sum of
 * model_parameters() inside int64_t. MODEL_MAX_LAYERS includes MODEL_MAX_MTP. */
enum {
    MODEL_MAX_LAYERS = 512,
    MODEL_MAX_MTP = 8,
    MODEL_MAX_EOS = 8,
    MODEL_MAX_WIDTH = 1 << 18,
    MODEL_MAX_VOCAB = 1 << 22,
    MODEL_MAX_EXPERTS = 4096,
    MODEL_MAX_HEADS = 4096,
    MODEL_MAX_CONTEXT = 1 << 30
};

struct model_desc {
    char architecture[32];         /* config.json's model_type: "deepseek_v3" */
    int64_t vocab, width, context; /* context: max_position_embeddings */
    int layers;                    /* of the trunk */
    int mtp_layers;                /* multi-token prediction modules behind it */
    int heads;
    int kv_heads, head_dim;                             /* grouped attention */
    int q_rank, kv_rank, nope_dim, rope_dim, value_dim; /* latent attention; q_rank 0: one q projection */
    bool qkv_bias, output_bias;
    int64_t dense_ffn, expert_ffn; /* inner widths */
    int experts, experts_used, shared_experts, expert_groups, groups_used;
    bool normalise_weights; /* norm_topk_prob */
    double routed_scale;
    float norm_epsilon;
    bool tied_head; /* lm_head is the embedding */
    struct rope_desc rope;
    float attention_scale; /* of the scores, YaRN's mscale included */
    int64_t fp8_block[2];  /* 0: not an FP8 checkpoint */
    int32_t bos, eos[MODEL_MAX_EOS];
    int eos_count;
    struct layer_desc layer[MODEL_MAX_LAYERS]; /* [layers + mtp_layers] */
};

/* From a parsed config.json (`origin` names it). Unknown architectures and out-of-range fields are refused by name. */
must_use enum status model_desc_from_config(struct model_desc *desc, const json_t *config,
                                            const char *origin);
must_use enum status model_desc_from_gguf(struct model_desc *desc, const struct gguf *gguf);

/* Writes the keys from which model_desc_from_gguf() makes the same description, but for the ids of bos and eos, which
 * belong to the tokenizer's keys. Descriptions that the format has no keys for are refused. */
must_use enum status model_desc_to_gguf(const struct model_desc *desc, struct gguf_writer *writer,
                                        const char *origin);

/* Fills what follows from the rest (attention scale) and checks that the numbers fit together. */
must_use enum status model_desc_finish(struct model_desc *desc, const char *origin);

/* Rotation frequencies [dim/2] in radians per position and the multiplier of cos and sin (YaRN's attention factor).
 * YaRN: arXiv 2309.00071; Llama 3: piecewise by wavelength. */
void rope_frequencies(const struct rope_desc *rope, int dim, double *frequency, double *multiplier);

/* The rotated width of one head: rope_dim or head_dim. */
int model_rope_dim(const struct model_desc *desc);

/* Published shapes without a checkpoint: rows of presets.c. NULL: unknown name. */
const char *model_preset_config(const char *name); /* config.json text */
const char *model_preset_name(int index);          /* NULL past the end */

#endif
