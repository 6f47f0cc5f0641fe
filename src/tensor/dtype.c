/* dtype.c - the traits table: one row per number format, and the look-ups over it. Constant data, any thread. */
#include "tensor/dtype.h"
#include "base/bytes.h"
#include "base/status.h"
#include "tensor/block.h"
#include "tensor/codec.h"

#include <strings.h>

#define SMALL(name) BLOCK_SMALL, sizeof(struct block_##name)
#define LARGE(name) BLOCK_LARGE, sizeof(struct block_##name)

/* name, safetensors name, GGUF type, elements and bytes of a block, decode, encode, fit */
static const struct dtype_traits traits[DTYPE_COUNT] = {
    [DTYPE_F32] = {"f32", "F32", 0, 1, 4, decode_f32, encode_f32},
    [DTYPE_F16] = {"f16", "F16", 1, 1, 2, decode_f16, encode_f16},
    [DTYPE_BF16] = {"bf16", "BF16", 30, 1, 2, decode_bf16, encode_bf16},
    [DTYPE_F8_E4M3] = {"fp8", "F8_E4M3", -1, 1, 1, decode_e4m3, encode_e4m3},
    [DTYPE_F8_E8M0] = {"f8_e8m0", "F8_E8M0", -1, 1, 1, decode_e8m0, NULL},
    [DTYPE_Q8_0] = {"q8_0", NULL, 8, SMALL(q8_0), decode_q8_0, encode_q8_0},
    [DTYPE_Q4_0] = {"q4_0", NULL, 2, SMALL(q4_0), decode_q4_0, encode_q4_0, fit_q4_0},
    [DTYPE_Q4_1] = {"q4_1", NULL, 3, SMALL(q4_1), decode_q4_1, encode_q4_1, fit_q4_1},
    [DTYPE_Q5_0] = {"q5_0", NULL, 6, SMALL(q5_0), decode_q5_0, encode_q5_0, fit_q5_0},
    [DTYPE_Q5_1] = {"q5_1", NULL, 7, SMALL(q5_1), decode_q5_1, encode_q5_1, fit_q5_1},
    [DTYPE_Q2_K] = {"q2_k", NULL, 10, LARGE(q2_k), decode_q2_k, encode_q2_k, fit_q2_k},
    [DTYPE_Q3_K] = {"q3_k", NULL, 11, LARGE(q3_k), decode_q3_k, encode_q3_k, fit_q3_k},
    [DTYPE_Q4_K] = {"q4_k", NULL, 12, LARGE(q4_k), decode_q4_k, encode_q4_k, fit_q4_k},
    [DTYPE_Q5_K] = {"q5_k", NULL, 13, LARGE(q5_k), decode_q5_k, encode_q5_k, fit_q5_k},
    [DTYPE_Q6_K] = {"q6_k", NULL, 14, LARGE(q6_k), decode_q6_k, encode_q6_k, fit_q6_k},
    [DTYPE_IQ4_NL] = {"iq4_nl", NULL, 20, SMALL(iq4_nl), decode_iq4_nl, encode_iq4_nl, fit_iq4_nl},
    [DTYPE_IQ4_XS] = {"iq4_xs", NULL, 23, LARGE(iq4_xs), decode_iq4_xs, encode_iq4_xs, fit_iq4_xs},
    [DTYPE_IQ1_S] = {"iq1_s", NULL, 19, LARGE(iq1_s), decode_iq1_s, NULL},
    [DTYPE_IQ1_M] = {"iq1_m", NULL, 29, LARGE(iq1_m), decode_iq1_m, NULL},
    [DTYPE_IQ2_XXS] = {"iq2_xxs", NULL, 16, LARGE(iq2_xxs), decode_iq2_xxs, NULL},
    [DTYPE_IQ2_XS] = {"iq2_xs", NULL, 17, LARGE(iq2_xs), decode_iq2_xs, NULL},
    [DTYPE_IQ2_S] = {"iq2_s", NULL, 22, LARGE(iq2_s), decode_iq2_s, NULL},
    [DTYPE_IQ3_XXS] = {"iq3_xxs", NULL, 18, LARGE(iq3_xxs), decode_iq3_xxs, NULL},
    [DTYPE_IQ3_S] = {"iq3_s", NULL, 21, LARGE(iq3_s), decode_iq3_s, NULL},
    [DTYPE_MXFP4] = {"mxfp4", NULL, 39, SMALL(mxfp4), decode_mxfp4, encode_mxfp4},
    [DTYPE_F8_SCALED] = {"fp8_128", NULL, -1, BLOCK_SCALED, sizeof(struct block_f8), decode_f8_scaled,
                         encode_f8_scaled},
    [DTYPE_I32] = {"i32", "I32", 26, 1, 4, NULL, NULL},
    [DTYPE_I64] = {"i64", "I64", 27, 1, 8, NULL, NULL},
    [DTYPE_U8] = {"u8", "U8", -1, 1, 1, NULL, NULL},
};
#undef SMALL
#undef LARGE

/* A block is its bytes: no compiler may put padding in. */
_Static_assert(sizeof(struct block_q4_k) == 144 && sizeof(struct block_q5_k) == 176, "K block layout");
_Static_assert(sizeof(struct block_q6_k) == 210 && sizeof(struct block_iq1_m) == 56, "K and IQ block layout");
_Static_assert(sizeof(struct block_iq2_xxs) == 66 && sizeof(struct block_iq3_s) == 110, "IQ block layout");

const struct dtype_traits *dtype_traits(enum dtype dtype) {
    MUST((unsigned)dtype < DTYPE_COUNT);
    return &traits[dtype];
}

bool dtype_from_name(const char *name, enum dtype *dtype) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (strcasecmp(traits[i].name, name) != 0) continue;
        *dtype = (enum dtype)i;
        return true;
    }
    return false;
}

bool dtype_from_safetensors(const char *name, enum dtype *dtype) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (!traits[i].safetensors_name || strcmp(traits[i].safetensors_name, name) != 0) continue;
        *dtype = (enum dtype)i;
        return true;
    }
    return false;
}

bool dtype_from_gguf(uint32_t ggml_type, enum dtype *dtype) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        if (traits[i].gguf_type < 0 || (uint32_t)traits[i].gguf_type != ggml_type) continue;
        *dtype = (enum dtype)i;
        return true;
    }
    return false;
}

bool dtype_row_bytes(enum dtype dtype, int64_t elements, int64_t *bytes) {
    const struct dtype_traits *row = dtype_traits(dtype);
    if (elements < 0 || elements % row->block_elements != 0) return false;
    return multiply_fits(elements / row->block_elements, row->block_bytes, bytes);
}
