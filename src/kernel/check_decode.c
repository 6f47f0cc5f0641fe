/* check_decode.c - decoders: the bits of the scalar ones for any bytes, at any address, and nothing beyond. */
#include "kernel/check_parts.h"

#include <stdio.h>
#include <string.h>

/* Any bytes at all: NaN and infinite scales occur among them. Returns how many elements differ. */
static double compare_decoders(struct check *check, enum dtype dtype, int64_t elements, bool *intact) {
    int64_t bytes;
    MUST(dtype_row_bytes(dtype, elements, &bytes));
    struct guarded blocks = guarded_take(check, (size_t)bytes, check_random(check) % 4);
    struct guarded values =
        guarded_take(check, (size_t)elements * sizeof(float), check_random(check) % 3 * sizeof(float));
    struct guarded expected = guarded_take(check, (size_t)elements * sizeof(float), 0);
    if (check->out_of_memory) return 0;
    for (int64_t i = 0; i < bytes; i++) ((uint8_t *)blocks.data)[i] = (uint8_t)(check_random(check) >> 11);
    check->tested.decode[dtype](blocks.data, values.data, elements);
    check->truth.decode[dtype](blocks.data, expected.data, elements);
    *intact = *intact && guarded_intact(&values) && guarded_intact(&blocks);
    double different = 0;
    for (int64_t i = 0; i < elements; i++) {
        const float *a = (const float *)values.data + i, *b = (const float *)expected.data + i;
        if (memcmp(a, b, sizeof *a) != 0 && !(*a != *a && *b != *b)) different++;
    }
    return different;
}

struct decode_work {
    void (*decode)(const void *, float *, int64_t);
    const void *blocks;
    float *values;
    int64_t elements;
};

static void run_decode(void *context) {
    const struct decode_work *work = context;
    work->decode(work->blocks, work->values, work->elements);
}

/* Speed from the first cache level, on blocks that encoders may write: no denormal scales. */
static void measure_decoder(struct check *check, enum dtype dtype) {
    int64_t elements = 4096, bytes;
    MUST(dtype_row_bytes(dtype, elements, &bytes));
    struct guarded blocks = guarded_take(check, (size_t)bytes, 0);
    struct guarded values = guarded_take(check, (size_t)elements * sizeof(float), 0);
    if (check->out_of_memory) return;
    memset(blocks.data, 0x35, (size_t)bytes); /* an f16 of 0.32, a bf16 and an e4m3 of small size */
    struct decode_work work = {check->tested.decode[dtype], blocks.data, values.data, elements};
    check_speed(check, "speed", run_decode, &work, (double)elements * 1e-9, "G values/s");
}

static void check_decoder(struct check *check, enum dtype dtype) {
    static const int counts[] = {0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 33, 47, 64, 100, 255, 1003};
    int64_t block = dtype_traits(dtype)->block_elements;
    double different = 0;
    bool intact = true;
    for (size_t i = 0; i < COUNT_OF(counts) && !check->out_of_memory; i++)
        if (counts[i] * block <= 8192)
            different += compare_decoders(check, dtype, counts[i] * block, &intact);
    if (check->out_of_memory) return;
    check_say(check, "bits", different, 0);
    check_say(check, "guard", intact ? 0 : 1, 0);
    if (check->options->bench) measure_decoder(check, dtype);
}

void check_decoders(struct check *check) {
    for (int i = 0; i < DTYPE_COUNT; i++) {
        char name[32];
        if (!check->truth.decode[i]) continue;
        snprintf(name, sizeof name, "decode.%s", dtype_traits((enum dtype)i)->name);
        if (check_wants(check, name, check->tested.decode[i] != check->below.decode[i]))
            check_decoder(check, (enum dtype)i);
        arena_free(&check->arena);
    }
}
