/* dot_rows.c - a few rows of activations against weights of plain formats: each vector of weights is widened in a
 * register and used for all rows, while the weights that come next are on their way. The tiles are those of dot.c, so
 * the bits are those of decoding first. */
#include "kernel/level.h"
#include "kernel/x86/avx2/tile.h"

#include <string.h>

/* What widening reads at a time: the last elements of a row by way of a copy. */
INLINE __m128i load_elements(const uint8_t *at, int64_t elements, int element_bytes) {
    uint8_t copy[16] = {0};
    if (elements >= LANES && element_bytes == 2) return _mm_loadu_si128((const __m128i *)at);
    if (elements >= LANES) return _mm_loadl_epi64((const __m128i *)at);
    memcpy(copy, at, (size_t)(elements * element_bytes));
    return _mm_loadu_si128((const __m128i *)copy);
}

INLINE __m256 widen_f16(const uint8_t *at, int64_t elements, __m256 factor) {
    (void)factor;
    return _mm256_cvtph_ps(load_elements(at, elements, 2));
}

INLINE __m256 widen_bf16(const uint8_t *at, int64_t elements, __m256 factor) {
    (void)factor;
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(load_elements(at, elements, 2)), 16));
}

/* As in unpack.h: an f16 of 1/256 of the value. Two factors, since the first is exact and the second rounds. */
INLINE __m256 widen_e4m3(const uint8_t *at, int64_t elements, __m256 factor) {
    const __m128i highest = _mm_set1_epi16(0x7f << 7);
    const __m256 nan = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fc00000));
    __m128i high = _mm_slli_epi16(_mm_cvtepu8_epi16(load_elements(at, elements, 1)), 8);
    __m128i half = _mm_and_si128(_mm_srai_epi16(high, 1), _mm_set1_epi16((short)0xbfff));
    __m256 value = _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(256.0f));
    __m256i is_nan = _mm256_cvtepi16_epi32(_mm_cmpeq_epi16(_mm_and_si128(half, highest), highest));
    return _mm256_blendv_ps(_mm256_mul_ps(value, factor), nan, _mm256_castsi256_ps(is_nan));
}

/* Sums of `in` inputs from `begin` on, which lie in one chunk. */
INLINE void add_pieces(const struct tile_shape *shape, const struct dot_rows *op, struct tile_operands *of,
                       int64_t begin, int64_t in, __m256 *sum) {
    if (!op->scale) {
        tile_add(shape, of, in, sum);
        return;
    }
    for (int64_t end = begin + in; begin < end;) {
        int64_t piece = op->scale_inputs - begin % op->scale_inputs, bytes;
        if (piece > end - begin) piece = end - begin;
        bytes = piece * shape->element_bytes;
        of->factor = op->scale[begin / op->scale_inputs];
        tile_add(shape, of, piece, sum);
        of->x += piece, of->w += bytes, of->next += bytes, begin += piece;
    }
}

/* Where a tile stands: rows from `row` on, outputs from `out` on, inputs from `begin` on. */
struct place {
    const struct dot_rows *op;
    const uint8_t *next;
    int64_t row, out, begin;
};

/* One chunk of a tile; `rows` and `outs` are constants where this is expanded. */
INLINE void chunk(tile_widen *widen, int element_bytes, int rows, int outs, const struct place *at) {
    const struct dot_rows *op = at->op;
    const struct tile_shape shape = {widen, element_bytes, rows, outs, true};
    int64_t left = op->in - at->begin, in = left < DOT_CHUNK ? left : DOT_CHUNK;
    struct tile_operands of = {.x = op->x + at->row * op->x_stride + at->begin,
                               .x_stride = op->x_stride,
                               .w =
                                   (const uint8_t *)op->w + at->out * op->w_bytes + at->begin * element_bytes,
                               .w_bytes = op->w_bytes,
                               .next = at->next,
                               .factor = 1};
    __m256 sum[TILE_SUMS];
    tile_clear(sum, rows * outs);
    add_pieces(&shape, op, &of, at->begin, in, sum);
    float *y = op->y + at->row * op->y_stride + at->out;
    bool more = at->begin > 0;
    if (outs == TILE_OUTS) tile_put(sum, rows, more, y, op->y_stride);
    for (int r = 0; outs == 1 && r < rows; r++, y += op->y_stride) {
        float one = sum_lanes(sum[r]);
        *y = more ? *y + one : one;
    }
}

/* One chunk of all rows. */
INLINE void chunk_rows(tile_widen *widen, int element_bytes, int outs, struct place *at) {
    int64_t rows = at->op->rows, group = rows == 4 ? 2 : TILE_ROWS;
    for (at->row = 0; at->row < rows; at->row += group) {
        switch (rows - at->row < group ? rows - at->row : group) {
        case 1: chunk(widen, element_bytes, 1, outs, at); break;
        case 2: chunk(widen, element_bytes, 2, outs, at); break;
        default: chunk(widen, element_bytes, TILE_ROWS, outs, at); break;
        }
    }
}

/* `outs` outputs from at->out on, over all inputs. */
INLINE void tile_outs(tile_widen *widen, int element_bytes, int outs, struct place *at) {
    const struct dot_rows *op = at->op;
    const uint8_t *w = (const uint8_t *)op->w + at->out * op->w_bytes;
    for (at->begin = 0; at->begin < op->in; at->begin += DOT_CHUNK) {
        at->next = w + (at->begin + DOT_CHUNK) * element_bytes;
        if (at->begin + DOT_CHUNK >= op->in) at->next = w + outs * op->w_bytes;
        chunk_rows(widen, element_bytes, outs, at);
    }
}

INLINE void dot_all(tile_widen *widen, int element_bytes, const struct dot_rows *op) {
    struct place at = {.op = op};
    for (; at.out + TILE_OUTS <= op->outs; at.out += TILE_OUTS)
        tile_outs(widen, element_bytes, TILE_OUTS, &at);
    for (; at.out < op->outs; at.out++) tile_outs(widen, element_bytes, 1, &at);
}

static void dot_f32(const struct dot_rows *op) {
    dot_all(widen_f32, 4, op);
}

static void dot_f16(const struct dot_rows *op) {
    dot_all(widen_f16, 2, op);
}

static void dot_bf16(const struct dot_rows *op) {
    dot_all(widen_bf16, 2, op);
}

static void dot_e4m3(const struct dot_rows *op) {
    dot_all(widen_e4m3, 1, op);
}

void avx2_add_dot_rows(struct kernels *kernels) {
    kernels->dot_rows[DTYPE_F32] = dot_f32;
    kernels->dot_rows[DTYPE_F16] = dot_f16;
    kernels->dot_rows[DTYPE_BF16] = dot_bf16;
    kernels->dot_rows[DTYPE_F8_E4M3] = dot_e4m3;
}
