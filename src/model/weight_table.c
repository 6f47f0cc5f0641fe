/* weight_table.c - the rows, their conditions and shapes; see weight_table.h. Constant data only. */
#include "model/weight_table.h"

#include <stdio.h>

#define LAYER   "model.layers.%d."
#define EXPERTS LAYER "mlp.experts.%d."

static const struct weight_row rows[WEIGHT_COUNT] = {
    {WEIGHT_EMBED, "embed", "model.embed_tokens.weight", "token_embd.weight", PER_MODEL, WEIGHT_MATRIX, false,
     false, true},
    {WEIGHT_FINAL_NORM, "final_norm", "model.norm.weight", "output_norm.weight", PER_MODEL, WEIGHT_VECTOR,
     false, false},
    {WEIGHT_HEAD, "head", "lm_head.weight", "output.weight", PER_MODEL, WEIGHT_MATRIX, false, false},
    {WEIGHT_ROPE_DIVISOR, "rope_divisor", NULL, "rope_freqs.weight", PER_MODEL, WEIGHT_VECTOR, true, true},
    {WEIGHT_ATTENTION_NORM, "attention_norm", LAYER "input_layernorm.weight", "blk.%d.attn_norm.weight",
     PER_LAYER, WEIGHT_VECTOR, false, false},
    {WEIGHT_FFN_NORM, "ffn_norm", LAYER "post_attention_layernorm.weight", "blk.%d.ffn_norm.weight",
     PER_LAYER, WEIGHT_VECTOR, false, false},
    {WEIGHT_Q, "q", LAYER "self_attn.q_proj.weight", "blk.%d.attn_q.weight", PER_LAYER, WEIGHT_MATRIX, false,
     false},
    {WEIGHT_Q_BIAS, "q_bias", LAYER "self_attn.q_proj.bias", "blk.%d.attn_q.bias", PER_LAYER, WEIGHT_VECTOR,
     false, false},
    {WEIGHT_K, "k", LAYER "self_attn.k_proj.weight", "blk.%d.attn_k.weight", PER_LAYER, WEIGHT_MATRIX, false,
     false},
    {WEIGHT_K_BIAS, "k_bias", LAYER "self_attn.k_proj.bias", "blk.%d.attn_k.bias", PER_LAYER, WEIGHT_VECTOR,
     false, false},
    {WEIGHT_V, "v", LAYER "self_attn.v_proj.weight", "blk.%d.attn_v.weight", PER_LAYER, WEIGHT_MATRIX, false,
     false},
    {WEIGHT_V_BIAS, "v_bias", LAYER "self_attn.v_proj.bias", "blk.%d.attn_v.bias", PER_LAYER, WEIGHT_VECTOR,
     false, false},
    {WEIGHT_OUTPUT, "output", LAYER "self_attn.o_proj.weight", "blk.%d.attn_output.weight", PER_LAYER,
     WEIGHT_MATRIX, false, false},
    {WEIGHT_OUTPUT_BIAS, "output_bias", LAYER "self_attn.o_proj.bias", "blk.%d.attn_output.bias", PER_LAYER,
     WEIGHT_VECTOR, false, false},
    {WEIGHT_LATENT_Q, "latent_q", LAYER "self_attn.q_proj.weight", "blk.%d.attn_q.weight", PER_LAYER,
     WEIGHT_MATRIX, false, false},
    {WEIGHT_Q_A, "q_a", LAYER "self_attn.q_a_proj.weight", "blk.%d.attn_q_a.weight", PER_LAYER, WEIGHT_MATRIX,
     false, false},
    {WEIGHT_Q_A_NORM, "q_a_norm", LAYER "self_attn.q_a_layernorm.weight", "blk.%d.attn_q_a_norm.weight",
     PER_LAYER, WEIGHT_VECTOR, false, false},
    {WEIGHT_Q_B, "q_b", LAYER "self_attn.q_b_proj.weight", "blk.%d.attn_q_b.weight", PER_LAYER, WEIGHT_MATRIX,
     false, false},
    {WEIGHT_KV_A, "kv_a", LAYER "self_attn.kv_a_proj_with_mqa.weight", "blk.%d.attn_kv_a_mqa.weight",
     PER_LAYER, WEIGHT_MATRIX, false, false},
    {WEIGHT_KV_A_NORM, "kv_a_norm", LAYER "self_attn.kv_a_layernorm.weight", "blk.%d.attn_kv_a_norm.weight",
     PER_LAYER, WEIGHT_VECTOR, false, false},
    /* GGUF holds either kv_b (older files) or k_b and v_b; weights.c demands one of the two. */
    {WEIGHT_KV_B, "kv_b", LAYER "self_attn.kv_b_proj.weight", "blk.%d.attn_kv_b.weight", PER_LAYER,
     WEIGHT_MATRIX, false, false, true},
    {WEIGHT_K_B, "k_b", NULL, "blk.%d.attn_k_b.weight", PER_LAYER, WEIGHT_MATRIX, false, true},
    {WEIGHT_V_B, "v_b", NULL, "blk.%d.attn_v_b.weight", PER_LAYER, WEIGHT_MATRIX, false, true},
    {WEIGHT_LATENT_OUTPUT, "latent_output", LAYER "self_attn.o_proj.weight", "blk.%d.attn_output.weight",
     PER_LAYER, WEIGHT_MATRIX, false, false},
    {WEIGHT_GATE, "gate", LAYER "mlp.gate_proj.weight", "blk.%d.ffn_gate.weight", PER_LAYER, WEIGHT_MATRIX,
     false, false},
    {WEIGHT_UP, "up", LAYER "mlp.up_proj.weight", "blk.%d.ffn_up.weight", PER_LAYER, WEIGHT_MATRIX, false,
     false},
    {WEIGHT_DOWN, "down", LAYER "mlp.down_proj.weight", "blk.%d.ffn_down.weight", PER_LAYER, WEIGHT_MATRIX,
     false, false},
    {WEIGHT_ROUTER, "router", LAYER "mlp.gate.weight", "blk.%d.ffn_gate_inp.weight", PER_LAYER,
     WEIGHT_SENSITIVE, false, false},
    {WEIGHT_ROUTER_BIAS, "router_bias", LAYER "mlp.gate.e_score_correction_bias", "blk.%d.exp_probs_b.bias",
     PER_LAYER, WEIGHT_VECTOR, false, false},
    {WEIGHT_EXPERT_GATE, "expert_gate", EXPERTS "gate_proj.weight", "blk.%d.ffn_gate_exps.weight", PER_EXPERT,
     WEIGHT_MATRIX, false, false},
    {WEIGHT_EXPERT_UP, "expert_up", EXPERTS "up_proj.weight", "blk.%d.ffn_up_exps.weight", PER_EXPERT,
     WEIGHT_MATRIX, false, false},
    {WEIGHT_EXPERT_DOWN, "expert_down", EXPERTS "down_proj.weight", "blk.%d.ffn_down_exps.weight", PER_EXPERT,
     WEIGHT_MATRIX, false, false},
    {WEIGHT_SHARED_GATE, "shared_gate", LAYER "mlp.shared_experts.gate_proj.weight",
     "blk.%d.ffn_gate_shexp.weight", PER_LAYER, WEIGHT_MATRIX, false, false},
    {WEIGHT_SHARED_UP, "shared_up", LAYER "mlp.shared_experts.up_proj.weight", "blk.%d.ffn_up_shexp.weight",
     PER_LAYER, WEIGHT_MATRIX, false, false},
    {WEIGHT_SHARED_DOWN, "shared_down", LAYER "mlp.shared_experts.down_proj.weight",
     "blk.%d.ffn_down_shexp.weight", PER_LAYER, WEIGHT_MATRIX, false, false},
    {WEIGHT_MTP_EMBED, "mtp_embed", LAYER "embed_tokens.weight", "blk.%d.nextn.embed_tokens.weight",
     PER_LAYER, WEIGHT_MATRIX, true, true, true},
    {WEIGHT_MTP_EMBED_NORM, "mtp_embed_norm", LAYER "enorm.weight", "blk.%d.nextn.enorm.weight", PER_LAYER,
     WEIGHT_VECTOR, false, false},
    {WEIGHT_MTP_HIDDEN_NORM, "mtp_hidden_norm", LAYER "hnorm.weight", "blk.%d.nextn.hnorm.weight", PER_LAYER,
     WEIGHT_VECTOR, false, false},
    {WEIGHT_MTP_PROJECT, "mtp_project", LAYER "eh_proj.weight", "blk.%d.nextn.eh_proj.weight", PER_LAYER,
     WEIGHT_SENSITIVE, false, false},
    {WEIGHT_MTP_FINAL_NORM, "mtp_final_norm", LAYER "shared_head.norm.weight",
     "blk.%d.nextn.shared_head_norm.weight", PER_LAYER, WEIGHT_VECTOR, false, false},
    {WEIGHT_MTP_HEAD, "mtp_head", LAYER "shared_head.head.weight", "blk.%d.nextn.shared_head_head.weight",
     PER_LAYER, WEIGHT_MATRIX, true, true},
};

const struct weight_row *weight_rows(void) {
    return rows;
}

static bool exists_in_attention(const struct model_desc *desc, enum weight weight,
                                const struct layer_desc *layer) {
    bool latent = layer->attention == ATTEND_LATENT;
    switch (weight) {
    case WEIGHT_Q:
    case WEIGHT_K:
    case WEIGHT_V:
    case WEIGHT_OUTPUT: return !latent;
    case WEIGHT_Q_BIAS:
    case WEIGHT_K_BIAS:
    case WEIGHT_V_BIAS: return !latent && desc->qkv_bias;
    case WEIGHT_OUTPUT_BIAS: return !latent && desc->output_bias;
    case WEIGHT_LATENT_Q: return latent && !desc->q_rank;
    case WEIGHT_Q_A:
    case WEIGHT_Q_A_NORM:
    case WEIGHT_Q_B: return latent && desc->q_rank;
    default: return latent;
    }
}

static bool exists_in_ffn(const struct model_desc *desc, enum weight weight, const struct layer_desc *layer) {
    bool experts = layer->ffn == FFN_EXPERTS;
    switch (weight) {
    case WEIGHT_GATE:
    case WEIGHT_UP:
    case WEIGHT_DOWN: return !experts;
    case WEIGHT_ROUTER_BIAS: return experts && layer->router == ROUTE_SIGMOID_BIASED;
    case WEIGHT_SHARED_GATE:
    case WEIGHT_SHARED_UP:
    case WEIGHT_SHARED_DOWN: return experts && desc->shared_experts;
    default: return experts;
    }
}

bool weight_exists(const struct model_desc *desc, enum weight weight, int layer) {
    if (weight == WEIGHT_HEAD) return !desc->tied_head;
    if (weight == WEIGHT_ROPE_DIVISOR) return desc->layer[0].attention == ATTEND_GROUPED;
    if (weight <= WEIGHT_FFN_NORM) return true;
    if (weight <= WEIGHT_LATENT_OUTPUT) return exists_in_attention(desc, weight, &desc->layer[layer]);
    if (weight <= WEIGHT_SHARED_DOWN) return exists_in_ffn(desc, weight, &desc->layer[layer]);
    return layer >= desc->layers;
}

static int vector(int64_t shape[3], int64_t n) {
    shape[0] = n;
    return 1;
}

static int matrix(int64_t shape[3], int64_t out, int64_t in) {
    shape[0] = out;
    shape[1] = in;
    return 2;
}

static int stack(int64_t shape[3], int64_t copies, int64_t out, int64_t in) {
    shape[0] = copies;
    shape[1] = out;
    shape[2] = in;
    return 3;
}

int weight_shape(const struct model_desc *d, enum weight weight, int64_t shape[3]) {
    int64_t query = (int64_t)d->heads * (d->nope_dim + d->rope_dim); /* of latent attention */
    int64_t key = (int64_t)d->kv_heads * d->head_dim, shared_ffn = d->shared_experts * d->expert_ffn;
    switch (weight) {
    case WEIGHT_EMBED:
    case WEIGHT_HEAD:
    case WEIGHT_MTP_EMBED:
    case WEIGHT_MTP_HEAD: return matrix(shape, d->vocab, d->width);
    case WEIGHT_ROPE_DIVISOR: return vector(shape, model_rope_dim(d) / 2);
    case WEIGHT_Q: return matrix(shape, (int64_t)d->heads * d->head_dim, d->width);
    case WEIGHT_Q_BIAS: return vector(shape, (int64_t)d->heads * d->head_dim);
    case WEIGHT_K:
    case WEIGHT_V: return matrix(shape, key, d->width);
    case WEIGHT_K_BIAS:
    case WEIGHT_V_BIAS: return vector(shape, key);
    case WEIGHT_OUTPUT: return matrix(shape, d->width, (int64_t)d->heads * d->head_dim);
    case WEIGHT_LATENT_Q: return matrix(shape, query, d->width);
    case WEIGHT_Q_A: return matrix(shape, d->q_rank, d->width);
    case WEIGHT_Q_A_NORM: return vector(shape, d->q_rank);
    case WEIGHT_Q_B: return matrix(shape, query, d->q_rank);
    case WEIGHT_KV_A: return matrix(shape, (int64_t)d->kv_rank + d->rope_dim, d->width);
    case WEIGHT_KV_A_NORM: return vector(shape, d->kv_rank);
    case WEIGHT_KV_B: return matrix(shape, (int64_t)d->heads * (d->nope_dim + d->value_dim), d->kv_rank);
    case WEIGHT_K_B: return stack(shape, d->heads, d->kv_rank, d->nope_dim);
    case WEIGHT_V_B: return stack(shape, d->heads, d->value_dim, d->kv_rank);
    case WEIGHT_LATENT_OUTPUT: return matrix(shape, d->width, (int64_t)d->heads * d->value_dim);
    case WEIGHT_GATE:
    case WEIGHT_UP: return matrix(shape, d->dense_ffn, d->width);
    case WEIGHT_DOWN: return matrix(shape, d->width, d->dense_ffn);
    case WEIGHT_ROUTER: return matrix(shape, d->experts, d->width);
    case WEIGHT_ROUTER_BIAS: return vector(shape, d->experts);
    case WEIGHT_EXPERT_GATE:
    case WEIGHT_EXPERT_UP: return matrix(shape, d->expert_ffn, d->width);
    case WEIGHT_EXPERT_DOWN: return matrix(shape, d->width, d->expert_ffn);
    case WEIGHT_SHARED_GATE:
    case WEIGHT_SHARED_UP: return matrix(shape, shared_ffn, d->width);
    case WEIGHT_SHARED_DOWN: return matrix(shape, d->width, shared_ffn);
    case WEIGHT_MTP_PROJECT: return matrix(shape, d->width, 2 * d->width);
    default: return vector(shape, d->width); /* the norms and the output bias */
    }
}

void weight_name(const struct weight_row *row, bool gguf, int layer, int expert, char *text, size_t bytes) {
    const char *pattern = gguf ? row->gguf : row->hugging_face;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* patterns are the constant rows above */
    snprintf(text, bytes, pattern, layer, expert);
#pragma GCC diagnostic pop
}

struct parameter_counts model_parameters(const struct model_desc *desc) {
    struct parameter_counts counts = {0};
    for (int w = 0; w < WEIGHT_COUNT; w++) {
        if (rows[w].alternative) continue;
        int64_t shape[3], size = 1;
        int rank = weight_shape(desc, (enum weight)w, shape);
        for (int i = 0; i < rank; i++) size *= shape[i];
        bool expert = rows[w].copies == PER_EXPERT;
        int last = rows[w].copies == PER_MODEL ? 1 : desc->layers + desc->mtp_layers;
        for (int layer = 0; layer < last; layer++) {
            if (!weight_exists(desc, (enum weight)w, layer)) continue;
            int64_t all = expert ? size * desc->experts : size;
            if (rows[w].copies != PER_MODEL && layer >= desc->layers) {
                counts.mtp += all;
                continue;
            }
            counts.total += all;
            if (w == WEIGHT_EMBED && !desc->tied_head) continue; /* one row of it is read */
            counts.active += expert ? size * desc->experts_used : all;
        }
    }
    return counts;
}
