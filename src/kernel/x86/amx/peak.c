/* peak.c - tile products on registers: four sums of two by two tiles, as a kernel would keep them. Every thread
 * configures its tiles itself; the process has the system's permission for them when this level is there. */
#include "kernel/peak.h"

#include <immintrin.h>

enum {
    SUMS = 4,
    TILE_ROWS = 16,
    TILE_ROW_BYTES = 64,
    PRODUCTS_INT8 = TILE_ROWS * 16 * 64, /* of one instruction */
    PRODUCTS_BF16 = TILE_ROWS * 16 * 32
};

/* All eight tiles at their largest. In memory of its own, whole, before the compiler may reorder anything: it
 * believes that the instruction reads eight bytes. */
static const struct {
    _Alignas(64) uint8_t palette;
    uint8_t start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} whole_tiles = {
    .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

static void tiles_begin(void) {
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&whole_tiles);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
}

static float tiles_end(void) {
    _Alignas(64) float sum[TILE_ROWS * TILE_ROW_BYTES / sizeof(float)];
    _tile_stored(0, sum, TILE_ROW_BYTES);
    _tile_release();
    return sum[0];
}

static float multiply_bytes(int64_t rounds) {
    tiles_begin();
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    return tiles_end();
}

static float multiply_pairs(int64_t rounds) {
    tiles_begin();
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    return tiles_end();
}

void amx_add_peaks(struct peak_kernels *peaks) {
    peaks->multiply[PEAK_AMX_INT8].run = multiply_bytes;
    peaks->multiply[PEAK_AMX_INT8].operations = 2 * SUMS * PRODUCTS_INT8;
    peaks->multiply[PEAK_AMX_BF16].run = multiply_pairs;
    peaks->multiply[PEAK_AMX_BF16].operations = 2 * SUMS * PRODUCTS_BF16;
}
