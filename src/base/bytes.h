/* bytes.h - checked size arithmetic and little-endian reads. Every size that comes out of a file or a
 * request goes through these, so that no product wraps. Pure functions, any thread. */
#ifndef HADAL_BASE_BYTES_H
#define HADAL_BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Return false when the exact result does not fit; *result is then unspecified. */
static inline bool multiply_fits(int64_t a, int64_t b, int64_t *result) {
    return !__builtin_mul_overflow(a, b, result);
}
static inline bool add_fits(int64_t a, int64_t b, int64_t *result) {
    return !__builtin_add_overflow(a, b, result);
}
static inline bool multiply_size_fits(size_t a, size_t b, size_t *result) {
    return !__builtin_mul_overflow(a, b, result);
}
static inline bool add_size_fits(size_t a, size_t b, size_t *result) {
    return !__builtin_add_overflow(a, b, result);
}

static inline uint16_t read_u16(const void *at) {
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint32_t read_u32(const void *at) {
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint64_t read_u64(const void *at) {
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline float read_f32(const void *at) {
    float v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline int64_t divide_up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}
static inline int64_t round_up(int64_t a, int64_t multiple) {
    return divide_up(a, multiple) * multiple;
}
static inline int64_t min_i64(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static inline int64_t max_i64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

#endif
