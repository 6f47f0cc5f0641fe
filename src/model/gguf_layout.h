/* gguf_layout.h - how this program lays a model out as GGUF: which tensors there are, of which shape, in which
 * number format. The writers of made-up and of converted checkpoints follow it. Constant data; any thread. */
#ifndef HADAL_MODEL_GGUF_LAYOUT_H
#define HADAL_MODEL_GGUF_LAYOUT_H

#include "model/weight_table.h"
#include "tensor/dtype.h"

/* The number format of a whole file. A mix is named after the format that most tensors have: "q4_k_m"; it holds the
 * tensors in better ones that llama-quantize's mix of that name does. Its Q2_K is "q2_k_m" here. */
enum gguf_mix_size { MIX_PURE, MIX_MEDIUM, MIX_SMALL, MIX_LARGE };
struct gguf_mix {
    enum dtype type; /* of matrices; norms, biases and routers are F32 */
    enum gguf_mix_size size;
};
/* STATUS_USAGE for a size that there is no mix of. */
must_use enum status gguf_mix_check(struct gguf_mix mix);

bool gguf_mix_from_name(const char *name, struct gguf_mix *mix); /* any case */
/* general.file_type: llama.cpp's number for "mostly this format". */
uint32_t gguf_mix_number(struct gguf_mix mix);

/* The tensors of a model. kv_b is stored as k_b and v_b, and Llama 3's rotary scaling as divisors. */
bool gguf_layout_has(const struct model_desc *desc, enum weight weight, int layer);
/* Shape with the experts stacked; returns the rank. */
int gguf_layout_shape(const struct model_desc *desc, enum weight weight, int64_t shape[3]);
enum dtype gguf_layout_type(const struct model_desc *desc, struct gguf_mix mix, enum weight weight, int layer,
                            int64_t row);
/* What a matrix with rows of `row` elements is stored as when `type` is asked for: formats of large blocks give way where
 * the row is not whole blocks, and k_b and v_b are never in a format that llama.cpp cannot multiply them in. */
enum dtype gguf_layout_fitting(enum dtype type, enum weight weight, int64_t row);

/* rope_freqs.weight [dim/2]: what Llama 3's scaling divides each frequency by. */
must_use enum status gguf_rope_divisors(const struct rope_desc *rope, int dim, float *divisor);

#endif
