/* columns.c - the scalar truth of rounding a matrix that lies by inputs into panels of int8. Every step is one rounded
 * operation, so that all levels have its bits. */
#include "base/bytes.h"
#include "kernel/level.h"
#include "kernel/panel_layout.h"
#include "tensor/block.h"

#include <math.h>

enum { LARGEST_HALF = 0x7bff, NAN_HALF = 0x7e00 };

/* The scale of 32 numbers, x_stride apart. */
static uint16_t scale_of(const float *x, int64_t x_stride) {
    float largest = 0;
    for (int i = 0; i < PANEL_BLOCK; i++) {
        if (!isfinite(x[i * x_stride])) return NAN_HALF;
        largest = fmaxf(largest, fabsf(x[i * x_stride]));
    }
    int half = f32_to_f16(largest / 127);
    if (f16_to_f32((uint16_t)half) * 127 < largest) half++;
    return (uint16_t)min_i64(half, LARGEST_HALF);
}

static void round_block(const float *x, int64_t x_stride, uint8_t *value, uint8_t *scale) {
    uint16_t half = scale_of(x, x_stride);
    float inverse = half != NAN_HALF && half > 0 ? 1 / f16_to_f32(half) : 0;
    memcpy(scale, &half, sizeof half);
    for (int i = 0; i < PANEL_BLOCK; i++) {
        float nearest =
            half == NAN_HALF ? 0 : rintf(fminf(fmaxf(x[i * x_stride] * inverse, -127.0f), 127.0f));
        value[i / 4 * 64 + i % 4] = (uint8_t)(int8_t)nearest;
    }
}

static void columns(const float *x, int64_t x_stride, int64_t in, int64_t outs, uint8_t *panels) {
    memset(panels, 0, (size_t)panels_bytes(PANEL_I8, outs, in));
    for (int64_t o = 0; o < outs; o++)
        for (int64_t i = 0; i < in; i += PANEL_BLOCK) {
            uint8_t *unit = panels + o / PANEL_OUTS * panel_row_bytes(PANEL_I8, in) + i / I8_UNIT * I8_BYTES;
            int64_t block = i / PANEL_BLOCK % 2, lane = o % PANEL_OUTS;
            round_block(x + i * x_stride + o, x_stride, unit + block * I8_SCALE / 2 + lane * 4,
                        unit + I8_SCALE + (block * PANEL_OUTS + lane) * 2);
        }
}

void reference_add_columns(struct kernels *kernels) {
    kernels->panel_from_columns = columns;
}
