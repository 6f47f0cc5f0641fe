/* stage.h - a span of a panel's inputs made ready for tile products: numbers as int8 in the order of tile rows, scales
 * as floats. All numbers fit a signed byte, so one kind of product serves every format. */
#ifndef HADAL_KERNEL_X86_AMX_STAGE_H
#define HADAL_KERNEL_X86_AMX_STAGE_H

#include "kernel/panel.h"
#include "kernel/panel_layout.h"
#include "tensor/block.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    LINE = 64,
    SPAN = K_UNIT, /* inputs made ready together: one unit, or up to four units of 64 */
    SPAN_BLOCKS = SPAN / PANEL_BLOCK,
    SPAN_STEPS = 16, /* sums of a span, at most: by blocks of 32, or halves of 16 */
    AHEAD_BYTES = 4096
};

struct stage {
    _Alignas(LINE) int8_t number[SPAN / 4][LINE]; /* [group][output][4] */
    _Alignas(LINE) float scale[SPAN_STEPS][PANEL_OUTS];
    _Alignas(LINE) float minimum[SPAN_BLOCKS][PANEL_OUTS];
    const void *step[SPAN_STEPS]; /* the groups of each sum: in `number`, or where they lie in the panel */
    int steps;
};

/* Fills a stage with the units at `unit`, which hold `blocks` blocks. */
typedef void stage_function(const uint8_t *unit, int blocks, struct stage *stage);

INLINE __m512i stage_line(const uint8_t *at) {
    _mm_prefetch((const char *)at + AHEAD_BYTES, _MM_HINT_T0);
    return _mm512_load_si512((const void *)at);
}

INLINE void stage_ask(const uint8_t *at, int bytes) {
    for (int done = 0; done < bytes; done += LINE)
        _mm_prefetch((const char *)at + done + AHEAD_BYTES, _MM_HINT_T0);
}

INLINE __m512 stage_halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)at));
}

INLINE __m128i stage_bytes(const uint8_t *at) {
    return _mm_load_si128((const __m128i *)(const void *)at);
}

INLINE void stage_steps(struct stage *stage, int steps, int groups) {
    stage->steps = steps;
    for (int s = 0; s < steps; s++) stage->step[s] = stage->number[s * groups];
}

/* ---- units of 64 ---- */

INLINE void stage_i8(const uint8_t *unit, int blocks, struct stage *stage) {
    stage->steps = blocks;
    for (int b = 0; b < blocks; b++) {
        const uint8_t *here = unit + b / 2 * I8_BYTES, *numbers = here + b % 2 * (I8_SCALE / 2);
        stage_ask(numbers, I8_SCALE / 2 + (b % 2) * (I8_BYTES - I8_SCALE));
        stage->step[b] = numbers;
        _mm512_store_ps(stage->scale[b], stage_halves(here + I8_SCALE + b % 2 * 32));
    }
}

/* Numbers 0 to 15 of two blocks, in low and high nibbles, with `offset` added. */
INLINE void stage_quarter(const uint8_t *quarter, __m512i offset, int8_t (*number)[LINE]) {
    const __m512i low = _mm512_set1_epi8(15);
    for (int g = 0; g < 8; g++) {
        __m512i both = stage_line(quarter + g * LINE), high = _mm512_srli_epi16(both, 4);
        _mm512_store_si512(number[g], _mm512_add_epi8(_mm512_and_si512(both, low), offset));
        _mm512_store_si512(number[8 + g], _mm512_add_epi8(_mm512_and_si512(high, low), offset));
    }
}

INLINE void stage_i4(const uint8_t *unit, int blocks, struct stage *stage) {
    stage_steps(stage, blocks, 8);
    for (int b = 0; b < blocks; b += 2, unit += I4_BYTES) {
        stage_ask(unit + I4_SCALE, I4_BYTES - I4_SCALE);
        stage_quarter(unit, _mm512_set1_epi8(-8), stage->number + b * 8);
        _mm512_store_ps(stage->scale[b], stage_halves(unit + I4_SCALE));
        _mm512_store_ps(stage->scale[b + 1], stage_halves(unit + I4_SCALE + 32));
    }
}

/* ---- places in a table of sixteen levels ---- */

INLINE __m512i stage_table(const int8_t levels[16]) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)levels));
}

/* As stage_quarter, with what stands in the table. */
INLINE void stage_level_quarter(const uint8_t *quarter, __m512i table, int8_t (*number)[LINE]) {
    const __m512i low = _mm512_set1_epi8(15);
    for (int g = 0; g < 8; g++) {
        __m512i both = stage_line(quarter + g * LINE), high = _mm512_srli_epi16(both, 4);
        _mm512_store_si512(number[g], _mm512_shuffle_epi8(table, _mm512_and_si512(both, low)));
        _mm512_store_si512(number[8 + g], _mm512_shuffle_epi8(table, _mm512_and_si512(high, low)));
    }
}

INLINE void stage_iq4_nl(const uint8_t *unit, int blocks, struct stage *stage) {
    __m512i table = stage_table(iq4_levels);
    stage_steps(stage, blocks, 8);
    for (int b = 0; b < blocks; b += 2, unit += I4_BYTES) {
        stage_ask(unit + I4_SCALE, I4_BYTES - I4_SCALE);
        stage_level_quarter(unit, table, stage->number + b * 8);
        _mm512_store_ps(stage->scale[b], stage_halves(unit + I4_SCALE));
        _mm512_store_ps(stage->scale[b + 1], stage_halves(unit + I4_SCALE + 32));
    }
}

/* 2^(e - 128), which is denormal for the lowest two. */
INLINE __m512 stage_half_powers(const uint8_t *at) {
    __m512i exponent = _mm512_cvtepu8_epi32(stage_bytes(at));
    __m512i bits = _mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(1)), 23);
    __mmask16 lowest = _mm512_cmplt_epu32_mask(exponent, _mm512_set1_epi32(2));
    bits = _mm512_mask_sllv_epi32(bits, lowest, _mm512_set1_epi32(1 << 21), exponent);
    return _mm512_castsi512_ps(bits);
}

/* Units of 128. */
INLINE void stage_mxfp4(const uint8_t *unit, int blocks, struct stage *stage) {
    enum { UNIT_BLOCKS = MXFP4_UNIT / PANEL_BLOCK };
    __m512i table = stage_table(mxfp4_levels);
    stage_steps(stage, blocks, 8);
    for (int b = 0; b < blocks; b += UNIT_BLOCKS, unit += MXFP4_BYTES) {
        stage_ask(unit + MXFP4_EXPONENT, MXFP4_BYTES - MXFP4_EXPONENT);
        stage_level_quarter(unit, table, stage->number + b * 8);
        stage_level_quarter(unit + K_QUARTER, table, stage->number + (b + 2) * 8);
        for (int i = 0; i < UNIT_BLOCKS; i++)
            _mm512_store_ps(stage->scale[b + i], stage_half_powers(unit + MXFP4_EXPONENT + i * PANEL_OUTS));
    }
}

INLINE void stage_i5(const uint8_t *unit, int blocks, struct stage *stage) {
    const __m512i bit = _mm512_set1_epi8(1), offset = _mm512_set1_epi8(-16);
    stage_steps(stage, blocks, 8);
    for (int b = 0; b < blocks; b++) {
        const uint8_t *here = unit + b / 2 * I5_BYTES;
        if (b % 2 == 0) stage_quarter(here, offset, stage->number + b * 8);
        __m512i bits = stage_line(here + I5_HIGH + b % 2 * LINE);
        for (int g = 0; g < 8; g++, bits = _mm512_srli_epi16(bits, 1)) {
            int8_t *number = stage->number[b * 8 + g];
            __m512i fifth = _mm512_slli_epi16(_mm512_and_si512(bits, bit), 4);
            _mm512_store_si512(number, _mm512_add_epi8(_mm512_load_si512(number), fifth));
        }
        _mm512_store_ps(stage->scale[b], stage_halves(here + I5_SCALE + b % 2 * 32));
    }
}

/* ---- units of 256 ---- */

INLINE void stage_k_scales(const uint8_t *scale, const uint8_t *minimum, const uint8_t *factor,
                           struct stage *stage) {
    __m512 of_scales = stage_halves(factor), of_minima = stage_halves(factor + 32);
    stage_ask(scale, Q4_K_BYTES - Q4_K_SCALE);
    for (int b = 0; b < SPAN_BLOCKS; b++) {
        __m512i s = _mm512_cvtepu8_epi32(stage_bytes(scale + b * PANEL_OUTS)),
                m = _mm512_cvtepu8_epi32(stage_bytes(minimum + b * PANEL_OUTS));
        _mm512_store_ps(stage->scale[b], _mm512_mul_ps(of_scales, _mm512_cvtepi32_ps(s)));
        _mm512_store_ps(stage->minimum[b], _mm512_mul_ps(of_minima, _mm512_cvtepi32_ps(m)));
    }
}

INLINE void stage_q4_k(const uint8_t *unit, int blocks, struct stage *stage) {
    stage_steps(stage, blocks, 8);
    stage_k_scales(unit + Q4_K_SCALE, unit + Q4_K_MINIMUM, unit + Q4_K_FACTOR, stage);
    for (int q = 0; q < 4; q++)
        stage_quarter(unit + q * K_QUARTER, _mm512_setzero_si512(), stage->number + q * 16);
}

INLINE void stage_q5_k(const uint8_t *unit, int blocks, struct stage *stage) {
    const __m512i low = _mm512_set1_epi8(15), bit = _mm512_set1_epi8(1);
    stage_steps(stage, blocks, 8);
    stage_k_scales(unit + Q5_K_SCALE, unit + Q5_K_MINIMUM, unit + Q5_K_FACTOR, stage);
    for (int b = 0; b < SPAN_BLOCKS; b++) {
        __m512i bits = stage_line(unit + Q5_K_HIGH + b * LINE);
        const uint8_t *quarter = unit + b / 2 * K_QUARTER;
        __m128i down = _mm_cvtsi32_si128(b % 2 * 4);
        for (int g = 0; g < 8; g++, bits = _mm512_srli_epi16(bits, 1)) {
            __m512i nibble = _mm512_and_si512(_mm512_srl_epi16(stage_line(quarter + g * LINE), down), low);
            __m512i fifth = _mm512_slli_epi16(_mm512_and_si512(bits, bit), 4);
            _mm512_store_si512(stage->number[b * 8 + g], _mm512_or_si512(nibble, fifth));
        }
    }
}

INLINE void stage_iq4_xs(const uint8_t *unit, int blocks, struct stage *stage) {
    __m512i table = stage_table(iq4_levels);
    __m512 factor = stage_halves(unit + IQ4_XS_FACTOR);
    stage_steps(stage, blocks, 8);
    stage_ask(unit + IQ4_XS_SCALE, IQ4_XS_BYTES - IQ4_XS_SCALE);
    for (int q = 0; q < 4; q++) stage_level_quarter(unit + q * K_QUARTER, table, stage->number + q * 16);
    for (int b = 0; b < SPAN_BLOCKS; b++) {
        __m512i s = _mm512_cvtepi8_epi32(stage_bytes(unit + IQ4_XS_SCALE + b * PANEL_OUTS));
        _mm512_store_ps(stage->scale[b], _mm512_mul_ps(factor, _mm512_cvtepi32_ps(s)));
    }
}

INLINE void stage_q6_k(const uint8_t *unit, int blocks, struct stage *stage) {
    const __m512i low = _mm512_set1_epi8(15), two = _mm512_set1_epi8(3), offset = _mm512_set1_epi8(-32);
    __m512 factor = stage_halves(unit + Q6_K_FACTOR);
    stage_steps(stage, 2 * blocks, 4);
    stage_ask(unit + Q6_K_SCALE, Q6_K_BYTES - Q6_K_SCALE);
    for (int h = 0; h < SPAN_STEPS; h++) {
        __m512i bits = stage_line(unit + Q6_K_HIGH + h * LINE);
        const uint8_t *half = unit + h / 4 * K_QUARTER + h % 2 * 4 * LINE;
        __m128i down = _mm_cvtsi32_si128(h / 2 % 2 * 4);
        for (int g = 0; g < 4; g++, bits = _mm512_srli_epi16(bits, 2)) {
            __m512i nibble = _mm512_and_si512(_mm512_srl_epi16(stage_line(half + g * LINE), down), low);
            __m512i high = _mm512_slli_epi16(_mm512_and_si512(bits, two), 4);
            _mm512_store_si512(stage->number[h * 4 + g],
                               _mm512_add_epi8(_mm512_or_si512(nibble, high), offset));
        }
        __m512i s = _mm512_cvtepi8_epi32(stage_bytes(unit + Q6_K_SCALE + h * PANEL_OUTS));
        _mm512_store_ps(stage->scale[h], _mm512_mul_ps(factor, _mm512_cvtepi32_ps(s)));
    }
}

#endif
