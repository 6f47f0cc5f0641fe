/* check_decode.c - decoders: the bits of the scalar ones for any bytes, at any address, and nothing beyond; and
 * dot products over blocks: the bits of decoding first. */
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

/* ---- dot products that leave the weights in their blocks ---- */

/* How many of `outs` results differ from decode followed by dot_tile. */
static double compare_dot_blocks(struct check *check, enum dtype dtype, int64_t outs, int64_t in,
                                 bool *intact) {
    int64_t row_bytes;
    MUST(dtype_row_bytes(dtype, in, &row_bytes));
    size_t row_values = (size_t)in * sizeof(float), shift = check_random(check) % 4;
    int64_t stride = row_bytes + check_random(check) % 3;
    struct guarded blocks = guarded_take(check, (size_t)(outs * stride), shift);
    int64_t x_stride = outs % 2 ? 0 : in + check_random(check) % 3, x_count = in + (outs - 1) * x_stride;
    struct guarded x = guarded_take(check, (size_t)x_count * sizeof(float), shift * sizeof(float));
    struct guarded w = guarded_take(check, row_values, 0);
    struct guarded y = guarded_take(check, (size_t)outs * sizeof(float), shift * sizeof(float));
    if (check->out_of_memory) return 0;
    check_fill(check, VALUES_WIDE, x.data, x_count);
    uint8_t *bytes = blocks.data;
    for (int64_t i = 0; i < outs * stride; i++) bytes[i] = (uint8_t)(check_random(check) >> 11);
    check->tested.dot_blocks[dtype](x.data, x_stride, bytes, stride, outs, in, y.data);
    *intact = *intact && guarded_intact(&y) && guarded_intact(&blocks);
    double different = 0;
    for (int64_t o = 0; o < outs; o++) {
        float wanted;
        check->tested.decode[dtype](bytes + o * stride, w.data, in);
        check->tested.dot_tile((float *)x.data + o * x_stride, in, 1, w.data, in, 1, in, &wanted, 1);
        const float *found = (const float *)y.data + o;
        different += memcmp(found, &wanted, sizeof wanted) != 0 && !(wanted != wanted && *found != *found);
    }
    return different;
}

struct dot_work {
    const struct kernels *kernels;
    enum dtype dtype;
    const float *x;
    const void *blocks;
    int64_t row_bytes;
    float y[4];
};

static void run_dot_blocks(void *context) {
    struct dot_work *work = context;
    work->kernels->dot_blocks[work->dtype](work->x, 0, work->blocks, work->row_bytes, 4, 512, work->y);
}

static void measure_dot_blocks(struct check *check, enum dtype dtype) {
    struct dot_work work = {.kernels = &check->tested, .dtype = dtype};
    MUST(dtype_row_bytes(dtype, 512, &work.row_bytes));
    struct guarded blocks = guarded_take(check, (size_t)work.row_bytes * 4, 0),
                   x = guarded_take(check, 512 * sizeof(float), 0);
    if (check->out_of_memory) return;
    memset(blocks.data, 0x35, (size_t)work.row_bytes * 4);
    check_fill(check, VALUES_ORDINARY, x.data, 512);
    work.x = x.data;
    work.blocks = blocks.data;
    check_speed(check, "speed", run_dot_blocks, &work, 4 * 512e-9, "G values/s");
}

static void check_dot_blocks(struct check *check, enum dtype dtype) {
    static const int counts[] = {0, 1, 2, 3, 7, 16, 17, 31, 32, 33, 47, 64, 100, 255, 511};
    int64_t block = dtype_traits(dtype)->block_elements;
    double different = 0;
    bool intact = true;
    for (size_t i = 0; i < COUNT_OF(counts) && !check->out_of_memory; i++)
        if (counts[i] * block <= 2048)
            different +=
                compare_dot_blocks(check, dtype, 1 + check_random(check) % 9, counts[i] * block, &intact);
    if (check->out_of_memory) return;
    check_say(check, "as decoded", different, 0);
    check_say(check, "guard", intact ? 0 : 1, 0);
    if (check->options->bench) measure_dot_blocks(check, dtype);
}

static void check_format(struct check *check, enum dtype dtype) {
    const struct kernels *tested = &check->tested, *below = &check->below;
    char name[32];
    snprintf(name, sizeof name, "decode.%s", dtype_traits(dtype)->name);
    if (check_wants(check, name, tested->decode[dtype] != below->decode[dtype])) check_decoder(check, dtype);
    arena_free(&check->arena);
    snprintf(name, sizeof name, "dot_blocks.%s", dtype_traits(dtype)->name);
    bool is_new =
        tested->dot_blocks[dtype] != below->dot_blocks[dtype] || tested->dot_tile != below->dot_tile;
    if (tested->dot_blocks[dtype] && check_wants(check, name, is_new)) check_dot_blocks(check, dtype);
    arena_free(&check->arena);
}

void check_decoders(struct check *check) {
    for (int i = 0; i < DTYPE_COUNT; i++)
        if (check->truth.decode[i]) check_format(check, (enum dtype)i);
}
