/* gguf_layout.c - the rules of gguf_layout.h. */
#include "model/gguf_layout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- names of mixes ---- */

static const struct {
    const char *suffix;
    enum gguf_mix_size size;
} sizes[] = {{"_s", MIX_SMALL}, {"_m", MIX_MEDIUM}, {"_l", MIX_LARGE}};

bool gguf_mix_from_name(const char *name, struct gguf_mix *mix) {
    char base[32];
    size_t bytes = strlen(name);
    *mix = (struct gguf_mix){0};
    if (dtype_from_name(name, &mix->type)) return true;
    if (bytes <= 2 || bytes >= sizeof base) return false;
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        if (!strcasecmp(name + bytes - 2, sizes[i].suffix)) mix->size = sizes[i].size;
    snprintf(base, sizeof base, "%.*s", (int)bytes - 2, name);
    return mix->size != MIX_PURE && dtype_from_name(base, &mix->type);
}

enum status gguf_mix_check(struct gguf_mix mix) {
    static const struct gguf_mix known[] = {{DTYPE_Q2_K, MIX_MEDIUM}, {DTYPE_Q3_K, MIX_SMALL},
                                            {DTYPE_Q3_K, MIX_MEDIUM}, {DTYPE_Q3_K, MIX_LARGE},
                                            {DTYPE_Q4_K, MIX_SMALL},  {DTYPE_Q4_K, MIX_MEDIUM},
                                            {DTYPE_Q5_K, MIX_SMALL},  {DTYPE_Q5_K, MIX_MEDIUM}};
    if (mix.size == MIX_PURE) return STATUS_OK;
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (known[i].type == mix.type && known[i].size == mix.size) return STATUS_OK;
    return fail(
        STATUS_USAGE,
        "there is no such mix of type %s: q2_k_m, q3_k_s, q3_k_m, q3_k_l, q4_k_s, q4_k_m, q5_k_s, q5_k_m",
        dtype_traits(mix.type)->name);
}

/* The medium and large mixes have the numbers behind their format's, which is the small one's. */
uint32_t gguf_mix_number(struct gguf_mix mix) {
    static const struct {
        enum dtype dtype;
        uint32_t number;
    } rows[] = {{DTYPE_F32, 0},      {DTYPE_F16, 1},     {DTYPE_Q4_0, 2},     {DTYPE_Q4_1, 3},
                {DTYPE_Q8_0, 7},     {DTYPE_Q5_0, 8},    {DTYPE_Q5_1, 9},     {DTYPE_Q2_K, 10},
                {DTYPE_Q3_K, 11},    {DTYPE_Q4_K, 14},   {DTYPE_Q5_K, 16},    {DTYPE_Q6_K, 18},
                {DTYPE_IQ2_XXS, 19}, {DTYPE_IQ2_XS, 20}, {DTYPE_IQ3_XXS, 23}, {DTYPE_IQ1_S, 24},
                {DTYPE_IQ4_NL, 25},  {DTYPE_IQ3_S, 26},  {DTYPE_IQ2_S, 28},   {DTYPE_IQ4_XS, 30},
                {DTYPE_IQ1_M, 31},   {DTYPE_BF16, 32},   {DTYPE_MXFP4, 38}};
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].dtype == mix.type)
            return rows[i].number + (mix.type == DTYPE_Q2_K   ? 0
                                     : mix.size == MIX_MEDIUM ? 1
                                     : mix.size == MIX_LARGE  ? 2
                                                              : 0);
    return 0;
}

/* ---- tensors ---- */

bool gguf_layout_has(const struct model_desc *desc, enum weight weight, int layer) {
    if (!weight_rows()[weight].gguf || !weight_exists(desc, weight, layer)) return false;
    if (weight == WEIGHT_KV_B) return false;
    return weight != WEIGHT_ROPE_DIVISOR || desc->rope.scaling == ROPE_LLAMA3;
}

int gguf_layout_shape(const struct model_desc *desc, enum weight weight, int64_t shape[3]) {
    int rank = weight_shape(desc, weight, shape);
    if (weight_rows()[weight].copies != PER_EXPERT) return rank;
    memmove(shape + 1, shape, 2 * sizeof *shape);
    shape[0] = desc->experts;
    return 3;
}

/* ---- number formats ---- */

/* A row that is no whole number of large blocks takes the next better format of small ones; one that is none of small
 * blocks either stays plain. The same choices as llama-quantize's. */
static enum dtype type_for_row(enum dtype type, int64_t row) {
    const struct dtype_traits *traits = dtype_traits(type);
    if (row % traits->block_elements == 0) return type;
    enum dtype small = type == DTYPE_Q4_K                         ? DTYPE_Q5_0
                       : type == DTYPE_Q5_K                       ? DTYPE_Q5_1
                       : type == DTYPE_Q6_K                       ? DTYPE_Q8_0
                       : type == DTYPE_Q2_K || type == DTYPE_Q3_K ? DTYPE_Q4_0
                                                                  : DTYPE_IQ4_NL;
    return row % dtype_traits(small)->block_elements == 0 ? small : DTYPE_F16;
}

/* llama.cpp cannot multiply by k_b and v_b in the formats that it gives to AMX. */
static enum dtype type_for_absorbed(enum dtype type, int64_t row) {
    if (type == DTYPE_F32 || type == DTYPE_BF16) return type;
    if (type == DTYPE_F16 || type == DTYPE_Q8_0) return DTYPE_BF16;
    return row % dtype_traits(DTYPE_Q5_0)->block_elements == 0 ? DTYPE_Q5_0 : DTYPE_BF16;
}

enum dtype gguf_layout_fitting(enum dtype type, enum weight weight, int64_t row) {
    if (weight == WEIGHT_K_B || weight == WEIGHT_V_B) return type_for_absorbed(type, row);
    return type_for_row(type, row);
}

/* The first and the last eighth of the layers, and every third one between them. */
static bool is_spread(int layer, int layers) {
    int eighth = layers / 8;
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

static enum dtype mixed_value(const struct model_desc *desc, struct gguf_mix mix, int layer) {
    bool grouped = desc->kv_heads > 0 && desc->heads >= 4 * desc->kv_heads;
    enum dtype type = mix.type;
    if (mix.type == DTYPE_Q2_K)
        type = grouped ? DTYPE_Q4_K : DTYPE_Q3_K;
    else if (mix.type == DTYPE_Q3_K && mix.size == MIX_MEDIUM)
        type = layer < 2 ? DTYPE_Q5_K : DTYPE_Q4_K;
    else if (mix.type == DTYPE_Q3_K && mix.size == MIX_LARGE)
        type = DTYPE_Q5_K;
    else if (mix.size == MIX_MEDIUM && is_spread(layer, desc->layers))
        type = DTYPE_Q6_K;
    else if (mix.type == DTYPE_Q4_K && mix.size == MIX_SMALL && layer < 4)
        type = DTYPE_Q5_K;
    /* its 64 queries share 8 keys and values, so that better ones are cheap */
    if (desc->layers == 80 && (type == DTYPE_Q3_K || type == DTYPE_Q4_K)) type = DTYPE_Q5_K;
    return type;
}

static enum dtype mixed_down(const struct model_desc *desc, struct gguf_mix mix, int layer) {
    int layers = desc->layers + desc->mtp_layers;
    if (mix.type == DTYPE_Q2_K) return DTYPE_Q3_K;
    if (mix.type == DTYPE_Q3_K && mix.size == MIX_MEDIUM)
        return layer < layers / 16 ? DTYPE_Q5_K : DTYPE_Q4_K;
    if (mix.type == DTYPE_Q3_K && mix.size == MIX_LARGE) return DTYPE_Q5_K;
    if (mix.size == MIX_MEDIUM && is_spread(layer, layers)) return DTYPE_Q6_K;
    if (mix.type == DTYPE_Q4_K && mix.size == MIX_SMALL && layer < layers / 8) return DTYPE_Q5_K;
    return mix.type;
}

static enum dtype mixed_output(struct gguf_mix mix) {
    if (mix.type == DTYPE_Q2_K) return DTYPE_Q3_K;
    if (mix.type != DTYPE_Q3_K || mix.size == MIX_SMALL) return mix.type;
    return mix.size == MIX_MEDIUM ? DTYPE_Q4_K : DTYPE_Q5_K;
}

/* The same choices as llama-quantize's. */
static enum dtype mixed_type(const struct model_desc *desc, struct gguf_mix mix, enum weight weight,
                             int layer) {
    if (mix.size == MIX_PURE) return mix.type;
    if (weight == WEIGHT_HEAD || (weight == WEIGHT_EMBED && desc->tied_head)) return DTYPE_Q6_K;
    if (weight == WEIGHT_V) return mixed_value(desc, mix, layer);
    if (weight == WEIGHT_DOWN || weight == WEIGHT_EXPERT_DOWN || weight == WEIGHT_SHARED_DOWN)
        return mixed_down(desc, mix, layer);
    if (weight == WEIGHT_OUTPUT || weight == WEIGHT_LATENT_OUTPUT) return mixed_output(mix);
    return mix.type;
}

enum dtype gguf_layout_type(const struct model_desc *desc, struct gguf_mix mix, enum weight weight, int layer,
                            int64_t row) {
    bool plain = mix.type == DTYPE_F32 || mix.type == DTYPE_F16;
    if (weight == WEIGHT_MTP_PROJECT) return plain ? mix.type : DTYPE_BF16; /* large, and sensitive */
    if (weight_rows()[weight].kind != WEIGHT_MATRIX) return DTYPE_F32;
    return gguf_layout_fitting(mixed_type(desc, mix, weight, layer), weight, row);
}

/* ---- rotary scaling ---- */

enum status gguf_rope_divisors(const struct rope_desc *rope, int dim, float *divisor) {
    struct rope_desc plain = {.scaling = ROPE_PLAIN, .base = rope->base};
    int count = dim / 2;
    double *scaled = calloc((size_t)dim, sizeof *scaled), *unscaled = scaled + count, multiplier;
    if (!scaled) return fail(STATUS_MEMORY, "no memory for %d frequencies", dim);
    rope_frequencies(rope, dim, scaled, &multiplier);
    rope_frequencies(&plain, dim, unscaled, &multiplier);
    for (int i = 0; i < count; i++) divisor[i] = (float)(unscaled[i] / scaled[i]);
    free(scaled);
    return STATUS_OK;
}
