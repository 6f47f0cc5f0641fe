/* dtype.h - the number formats: one row each in the traits table, and the conversions that define
 * rounding for the whole program. Pure functions over constant tables; any thread. */
#ifndef HADAL_TENSOR_DTYPE_H
#define HADAL_TENSOR_DTYPE_H

#include <stdbool.h>
#include <stdint.h>

/* One row per format; dtype.c holds the table. */
enum dtype {
    DTYPE_F32,
    DTYPE_F16,
    DTYPE_BF16,
    DTYPE_F8_E4M3, /* scaled by a second tensor, see struct tensor */
    DTYPE_F8_E8M0, /* powers of two, for scales */
    DTYPE_Q8_0,
    DTYPE_Q4_0,
    DTYPE_Q4_1,
    DTYPE_Q5_0,
    DTYPE_Q5_1,
    DTYPE_Q2_K,
    DTYPE_Q3_K,
    DTYPE_Q4_K,
    DTYPE_Q5_K,
    DTYPE_Q6_K,
    DTYPE_IQ4_NL,
    DTYPE_IQ4_XS,
    DTYPE_IQ1_S,
    DTYPE_IQ1_M,
    DTYPE_IQ2_XXS,
    DTYPE_IQ2_XS,
    DTYPE_IQ2_S,
    DTYPE_IQ3_XXS,
    DTYPE_IQ3_S,
    DTYPE_MXFP4,
    DTYPE_F8_SCALED, /* e4m3 with a scale for each 128: of caches, never of files */
    DTYPE_I32,
    DTYPE_I64,
    DTYPE_U8, /* known to the readers, never weights */
    DTYPE_COUNT
};

struct dtype_traits {
    const char *name;             /* "q4_k": command line and JSON */
    const char *safetensors_name; /* "BF16"; NULL when that format cannot hold it */
    int gguf_type;                /* ggml type id; -1 when GGUF cannot hold it */
    int block_elements;           /* elements that share one block; 1 for plain formats */
    int block_bytes;
    /* Decodes `elements` (a multiple of block_elements) to float; the definition of the format. NULL: not a weight. */
    void (*decode)(const void *blocks, float *values, int64_t elements);
    /* Rounds to nearest, ties to even, saturating; NULL when this build cannot write the format. */
    void (*encode)(const float *values, void *blocks, int64_t elements);
    /* The same with a search for the numbers and scales of least square error, each element's weighed by its importance
     * (NULL: all alike). NULL where there is nothing to search. */
    void (*fit)(const float *values, const float *importance, void *blocks, int64_t elements);
};

const struct dtype_traits *dtype_traits(enum dtype dtype);
bool dtype_from_name(const char *name, enum dtype *dtype); /* any case */
bool dtype_from_safetensors(const char *name, enum dtype *dtype);
bool dtype_from_gguf(uint32_t ggml_type, enum dtype *dtype);

/* Bytes of a row of `elements`; false when it is not a whole number of blocks or overflows. */
bool dtype_row_bytes(enum dtype dtype, int64_t elements, int64_t *bytes);

/* Scalar conversions. Encoders round to nearest even; e4m3 saturates at 448 and keeps NaN. */
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);
float e4m3_to_f32(uint8_t bits);
uint8_t f32_to_e4m3(float value);        /* saturating */
uint8_t f32_to_e4m3_strict(float value); /* over 464 -> NaN, as ml_dtypes */
float e5m2_to_f32(uint8_t bits);
uint8_t f32_to_e5m2(float value); /* overflow -> infinity */
float e8m0_to_f32(uint8_t bits);

#endif
