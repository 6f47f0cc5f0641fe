/* block_plain.c - the formats without blocks: arrays of single numbers. Pure functions, any thread. */
#include "base/bytes.h"
#include "tensor/codec.h"
#include "tensor/dtype.h"

static void write_u16(uint8_t *at, uint16_t value) {
    memcpy(at, &value, sizeof value);
}

void decode_f32(const void *blocks, float *values, int64_t elements) {
    if (elements > 0) memcpy(values, blocks, (size_t)elements * sizeof *values);
}

void decode_f16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) values[i] = f16_to_f32(read_u16(at + 2 * i));
}

void decode_bf16(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) values[i] = bf16_to_f32(read_u16(at + 2 * i));
}

void decode_e4m3(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) values[i] = e4m3_to_f32(at[i]);
}

void decode_e8m0(const void *blocks, float *values, int64_t elements) {
    const uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) values[i] = e8m0_to_f32(at[i]);
}

void encode_f32(const float *values, void *blocks, int64_t elements) {
    if (elements > 0) memcpy(blocks, values, (size_t)elements * sizeof *values);
}

void encode_f16(const float *values, void *blocks, int64_t elements) {
    uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) write_u16(at + 2 * i, f32_to_f16(values[i]));
}

void encode_bf16(const float *values, void *blocks, int64_t elements) {
    uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) write_u16(at + 2 * i, f32_to_bf16(values[i]));
}

void encode_e4m3(const float *values, void *blocks, int64_t elements) {
    uint8_t *at = blocks;
    for (int64_t i = 0; i < elements; i++) at[i] = f32_to_e4m3(values[i]);
}
