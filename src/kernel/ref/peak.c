/* peak.c - the loops of the scalar level. */
#include "kernel/peak.h"

#include <string.h>

enum { SUMS = 8 };

static uint64_t read_words(const void *data, int64_t bytes) {
    const uint64_t *word = data;
    uint64_t sum[4] = {0};
    for (int64_t i = 0; i < bytes / 8; i += 4)
#pragma GCC unroll 16
        for (int k = 0; k < 4; k++) sum[k] += word[i + k];
    return sum[0] + sum[1] + sum[2] + sum[3];
}

static void copy_bytes(void *to, const void *from, int64_t bytes) {
    memcpy(to, from, (size_t)bytes);
}

/* Every sum tends to 2: no value of the loop is denormal or infinite. They begin apart, so that the compiler cannot see
 * one in another. */
static float multiply_floats(int64_t rounds) {
    float sum[SUMS] = {0, 1, 2, 3, 4, 5, 6, 7}, total = 0;
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] = sum[k] * 0.5f + 1.0f;
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) total += sum[k];
    return total;
}

static float multiply_bytes(int64_t rounds) {
    int8_t a[SUMS], b[SUMS];
    uint32_t sum[SUMS] = {0};
    float total = 0;
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) {
        a[k] = (int8_t)(k + 1);
        b[k] = (int8_t)(rounds % 100 + k);
    }
    for (int64_t i = 0; i < rounds; i++)
#pragma GCC unroll 16
        for (int k = 0; k < SUMS; k++) sum[k] += (uint32_t)(a[k] * (int8_t)(b[k] ^ (int8_t)i));
#pragma GCC unroll 16
    for (int k = 0; k < SUMS; k++) total += (float)sum[k];
    return total;
}

void reference_add_peaks(struct peak_kernels *peaks) {
    peaks->read = read_words;
    peaks->copy = copy_bytes;
    peaks->multiply[PEAK_F32].run = multiply_floats;
    peaks->multiply[PEAK_F32].operations = 2 * SUMS;
    peaks->multiply[PEAK_INT8].run = multiply_bytes;
    peaks->multiply[PEAK_INT8].operations = 2 * SUMS;
}
