/* dot_rows.c - BF16 and e4m3 weights times any number of rows with matrix tiles of bf16.
 *
 * A float x is the sum of two bf16, hi + lo, but for at most 2^-18 of it; both are multiplied. A product instruction
 * takes 16 rows, 32 inputs and 16 outputs: activations are its first factor, made ready once for all outputs of a chunk
 * of inputs; weights are the second, for which 16 outputs' words are transposed. Transposing 1 KiB takes some 64 cycles
 * of the one unit that shuffles, several times faster than memory delivers it, so that a single row goes the same way,
 * which makes its bits those of a row among many. e4m3 is widened behind the transposition by two tables of 128 bytes,
 * the high and low halves of every number as bf16.
 *
 * Order, whatever the rows and outputs: a segment of 128 inputs begins at zero; for each 32 inputs the instruction's sum
 * with hi is added, then that with lo. Segments are added, times their scale, by fused operations in ascending order. */
#include "kernel/level.h"
#include "kernel/x86/amx/tile.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    LINE = 64,
    STEP = 32, /* inputs of an instruction */
    SEGMENT = 128,
    STEPS = SEGMENT / STEP,
    ROWS_MOST = 256,            /* that meet a segment of weights while it is ready */
    ROOM = ROWS_MOST * SEGMENT, /* activations made ready together */
    OUTS = 16,
    AHEAD_BYTES = 512
};

struct work {
    _Alignas(LINE) uint16_t high[ROOM]; /* [step of the chunk][row][32]; e4m3: inputs 0 2 1 3 of each four */
    _Alignas(LINE) uint16_t low[ROOM];
    _Alignas(LINE) uint32_t weight[2][STEPS][OUTS][OUTS];     /* [outputs][step][pair of inputs][output] */
    _Alignas(LINE) float sum[2][2][TILE_ROWS][OUTS];          /* [rows][outputs] */
    _Alignas(LINE) uint8_t of_high[2][LINE], of_low[2][LINE]; /* halves of e4m3 0 to 127 as bf16 */
    const struct dot_rows *op;
    int64_t row;           /* first one in hand */
    int rows, places;      /* places: rows with those that fill up the last tile */
    int64_t begin, inputs; /* the chunk */
};

INLINE int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* The lowest `count` bits, of at most 64. */
INLINE uint64_t bits(int64_t count) {
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << (count > 0 ? count : 0)) - 1;
}

/* ---- activations ---- */

INLINE __m512 low_floats(__m512i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(halves)), 16));
}
INLINE __m512 high_floats(__m512i halves) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(halves, 1)), 16));
}
INLINE __m512i rounded(__m512 first, __m512 second) {
    return (__m512i)_mm512_cvtne2ps_pbh(second, first);
}

/* Too large to be rounded: numbers that would become infinite are cut off instead, infinities and NaN have no rest. */
static __attribute__((noinline)) void split_large(__m512 first, __m512 second, __m512i *high, __m512i *low) {
    float x[STEP], rest[STEP];
    uint16_t halves[STEP];
    _mm512_storeu_ps(x, first);
    _mm512_storeu_ps(x + 16, second);
    _mm512_storeu_si512(halves, rounded(first, second));
    for (int i = 0; i < STEP; i++) {
        uint32_t whole;
        __builtin_memcpy(&whole, &x[i], sizeof whole);
        bool finite = (whole >> 23 & 255) != 255, cut = finite && (halves[i] & 0x7f80) == 0x7f80;
        if (cut) halves[i] = (uint16_t)(whole >> 16);
        /* of a number that is cut off the rest is cut off as well: rounded, the two could add up to infinity */
        uint32_t half = (uint32_t)halves[i] << 16, taken = cut ? whole & 0xffffff00 : whole;
        float larger, all;
        __builtin_memcpy(&larger, &half, sizeof half);
        __builtin_memcpy(&all, &taken, sizeof taken);
        rest[i] = finite ? all - larger : 0;
    }
    *high = _mm512_loadu_si512(halves);
    *low = rounded(_mm512_loadu_ps(rest), _mm512_loadu_ps(rest + 16));
}

INLINE void split_step(const float *x, int64_t inputs, bool exchange, __m512i *high, __m512i *low) {
    const __m512 largest =
        _mm512_castsi512_ps(_mm512_set1_epi32(0x7f7f7fff)); /* that is rounded to a finite one */
    __m512 first = _mm512_maskz_loadu_ps((__mmask16)bits(inputs), x);
    __m512 second = _mm512_maskz_loadu_ps((__mmask16)bits(inputs - 16), inputs > 16 ? x + 16 : x);
    if (exchange) {
        first = _mm512_permute_ps(first, 0xd8);
        second = _mm512_permute_ps(second, 0xd8);
    }
    if (_mm512_cmp_ps_mask(_mm512_abs_ps(first), largest, _CMP_NLE_UQ) |
        _mm512_cmp_ps_mask(_mm512_abs_ps(second), largest, _CMP_NLE_UQ)) {
        split_large(first, second, high, low);
        return;
    }
    *high = rounded(first, second);
    *low = rounded(_mm512_sub_ps(first, low_floats(*high)), _mm512_sub_ps(second, high_floats(*high)));
}

INLINE void split_rows(struct work *w, bool exchange) {
    const struct dot_rows *op = w->op;
    for (int r = 0; r < w->places; r++) {
        const float *x = op->x + (w->row + r) * op->x_stride + w->begin;
        for (int64_t at = 0; at < w->inputs; at += STEP) {
            int64_t place = (at / STEP * w->places + r) * STEP;
            __m512i high = _mm512_setzero_si512(), low = high;
            if (r < w->rows) split_step(x + at, w->inputs - at, exchange, &high, &low);
            _mm512_store_si512(w->high + place, high);
            _mm512_store_si512(w->low + place, low);
        }
    }
}

/* ---- weights ---- */

/* Sixteen rows of words to sixteen columns. */
INLINE void transpose(__m512i *row) {
    __m512i pair[16], four[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        pair[2 * i] = _mm512_unpacklo_epi32(row[2 * i], row[2 * i + 1]);
        pair[2 * i + 1] = _mm512_unpackhi_epi32(row[2 * i], row[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) { /* four[4 i + c]: column c of each lane, rows 4 i to 4 i + 3 */
        four[4 * i] = _mm512_unpacklo_epi64(pair[4 * i], pair[4 * i + 2]);
        four[4 * i + 1] = _mm512_unpackhi_epi64(pair[4 * i], pair[4 * i + 2]);
        four[4 * i + 2] = _mm512_unpacklo_epi64(pair[4 * i + 1], pair[4 * i + 3]);
        four[4 * i + 3] = _mm512_unpackhi_epi64(pair[4 * i + 1], pair[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) { /* lanes of the four quarters of rows: column c, c + 4, c + 8, c + 12 */
        __m512i low_even = _mm512_shuffle_i32x4(four[c], four[4 + c], 0x88),
                low_odd = _mm512_shuffle_i32x4(four[c], four[4 + c], 0xdd),
                high_even = _mm512_shuffle_i32x4(four[8 + c], four[12 + c], 0x88),
                high_odd = _mm512_shuffle_i32x4(four[8 + c], four[12 + c], 0xdd);
        row[c] = _mm512_shuffle_i32x4(low_even, high_even, 0x88);
        row[8 + c] = _mm512_shuffle_i32x4(low_even, high_even, 0xdd);
        row[4 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0x88);
        row[12 + c] = _mm512_shuffle_i32x4(low_odd, high_odd, 0xdd);
    }
}

/* 64 bytes of each of sixteen outputs, of which there may be fewer: the last one stands for those that lack. */
INLINE void read_lines(const struct dot_rows *op, int64_t out, int64_t byte, int64_t bytes, __m512i *line) {
    const uint8_t *first = op->w;
#pragma GCC unroll 16
    for (int o = 0; o < OUTS; o++) {
        const uint8_t *at = first + least(out + o, op->outs - 1) * op->w_bytes + byte;
        _mm_prefetch((const char *)at + AHEAD_BYTES, _MM_HINT_T0);
        line[o] = bytes >= LINE ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi8(bits(bytes), at);
    }
    transpose(line);
}

INLINE void ready_bf16(struct work *w, int tile, int64_t out, int64_t begin, int64_t inputs) {
    for (int s = 0; s * STEP < inputs; s++) {
        __m512i line[OUTS];
        read_lines(w->op, out, (begin + s * STEP) * 2, (inputs - s * STEP) * 2, line);
#pragma GCC unroll 16
        for (int i = 0; i < OUTS; i++) _mm512_store_si512(w->weight[tile][s][i], line[i]);
    }
}

/* 64 inputs to a line: bytes 0 and 2 of each word, then 1 and 3. */
INLINE void ready_e4m3(struct work *w, int tile, int64_t out, int64_t begin, int64_t inputs) {
    const __m512i sign = _mm512_set1_epi8((char)0x80), lower = _mm512_set1_epi16(255);
    const __m512i high_0 = _mm512_load_si512(w->of_high[0]), high_1 = _mm512_load_si512(w->of_high[1]),
                  low_0 = _mm512_load_si512(w->of_low[0]), low_1 = _mm512_load_si512(w->of_low[1]);
    for (int s = 0; s * STEP < inputs; s += 2) {
        __m512i line[OUTS];
        read_lines(w->op, out, begin + s * STEP, inputs - s * STEP, line);
#pragma GCC unroll 16
        for (int i = 0; i < OUTS; i++) {
            __m512i high = _mm512_permutex2var_epi8(high_0, line[i], high_1),
                    low = _mm512_permutex2var_epi8(low_0, line[i], low_1);
            high = _mm512_ternarylogic_epi32(sign, line[i], high, 0xca);
            uint32_t *to = w->weight[tile][s + i / 8][i % 8 * 2];
            _mm512_store_si512(to, _mm512_ternarylogic_epi32(lower, low, _mm512_slli_epi16(high, 8), 0xca));
            _mm512_store_si512(to + OUTS,
                               _mm512_ternarylogic_epi32(lower, _mm512_srli_epi16(low, 8), high, 0xca));
        }
    }
}

/* 1.mmm times a power of two, or .mmm times the lowest; the last one is NaN. */
static void fill_tables(struct work *w) {
    for (int i = 0; i < 128; i++) {
        int exponent = i >> 3, mantissa = i & 7, half = (exponent + 120) << 7 | mantissa << 4;
        if (exponent == 0) {
            int up = mantissa >= 4 ? 1 : mantissa >= 2 ? 2 : 3;
            half = mantissa ? (121 - up) << 7 | (mantissa << up & 7) << 4 : 0;
        }
        if (i == 127) half = 0x7fc0;
        w->of_high[i / LINE][i % LINE] = (uint8_t)(half >> 8);
        w->of_low[i / LINE][i % LINE] = (uint8_t)half;
    }
}

/* ---- products: tiles 0 to 3 the sums of two row tiles by two output tiles, 4 and 5 activations, 6 and 7 weights ---- */

static struct tile_config config_for(int64_t rows) {
    struct tile_config config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.rows[t] = (uint8_t)(t < 6 ? least(rows, TILE_ROWS) : TILE_ROWS);
        config.row_bytes[t] = TILE_ROW_BYTES;
    }
    return config;
}

/* Adds a factor of the activations, of one or two row tiles. */
INLINE void add_factor(const uint16_t *x, bool two) {
    TILE_LOAD(4, x, LINE);
    TILE_ADD_BF16(0, 4, 6);
    TILE_ADD_BF16(1, 4, 7);
    if (!two) return;
    TILE_LOAD(5, x + TILE_ROWS * STEP, LINE);
    TILE_ADD_BF16(2, 5, 6);
    TILE_ADD_BF16(3, 5, 7);
}

/* The sums of a segment; step: its first one in the chunk. */
INLINE void multiply_segment(struct work *w, int first_row, int64_t step, int steps, bool two) {
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (int s = 0; s < steps; s++) {
        int64_t place = ((step + s) * w->places + first_row) * STEP;
        TILE_LOAD(6, w->weight[0][s], LINE);
        TILE_LOAD(7, w->weight[1][s], LINE);
        add_factor(w->high + place, two);
        add_factor(w->low + place, two);
    }
    TILE_STORE(0, w->sum[0][0], LINE);
    TILE_STORE(1, w->sum[0][1], LINE);
    if (!two) return;
    TILE_STORE(2, w->sum[1][0], LINE);
    TILE_STORE(3, w->sum[1][1], LINE);
}

/* y += sums times scale, for up to 32 rows and outputs; the first segment starts from zero. */
INLINE void add_sums(const struct work *w, int first_row, int64_t out, int64_t begin) {
    const struct dot_rows *op = w->op;
    __m512 scale = _mm512_set1_ps(op->scale ? op->scale[begin / op->scale_inputs] : 1);
    int rows = (int)least(2 * TILE_ROWS, w->rows - first_row);
    for (int r = 0; r < rows; r++) {
        for (int tile = 0; tile < 2; tile++) {
            int64_t at = out + tile * OUTS;
            __mmask16 outs = (__mmask16)bits(op->outs - at);
            float *y = op->y + (w->row + first_row + r) * op->y_stride + at;
            __m512 before = begin ? _mm512_maskz_loadu_ps(outs, y) : _mm512_setzero_ps();
            __m512 sum = _mm512_load_ps(w->sum[r / TILE_ROWS][tile][r % TILE_ROWS]);
            if (outs) _mm512_mask_storeu_ps(y, outs, _mm512_fmadd_ps(sum, scale, before));
        }
    }
}

/* ---- walking ---- */

INLINE void multiply_chunk(struct work *w, bool e4m3) {
    split_rows(w, e4m3);
    for (int64_t out = 0; out < w->op->outs; out += 2 * OUTS) {
        for (int64_t at = 0; at < w->inputs; at += SEGMENT) {
            int64_t inputs = least(SEGMENT, w->inputs - at);
            for (int tile = 0; tile < 2; tile++) {
                if (e4m3)
                    ready_e4m3(w, tile, out + tile * OUTS, w->begin + at, inputs);
                else
                    ready_bf16(w, tile, out + tile * OUTS, w->begin + at, inputs);
            }
            for (int row = 0; row < w->rows; row += 2 * TILE_ROWS) {
                bool two = w->rows - row > TILE_ROWS;
                multiply_segment(w, row, at / STEP, (int)((inputs + STEP - 1) / STEP), two);
                add_sums(w, row, out, w->begin + at);
            }
        }
    }
}

INLINE void multiply(const struct dot_rows *op, bool e4m3) {
    struct work w;
    struct tile_config config = config_for(op->rows);
    if (op->rows <= 0 || op->outs <= 0) return;
    w.op = op;
    if (e4m3) fill_tables(&w);
    TILE_CONFIGURE(config);
    for (w.row = 0; w.row < op->rows; w.row += ROWS_MOST) {
        w.rows = (int)least(ROWS_MOST, op->rows - w.row);
        w.places = op->rows < TILE_ROWS ? w.rows : (w.rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
        int64_t chunk = ROOM / w.places / SEGMENT * SEGMENT;
        for (w.begin = 0; w.begin < op->in; w.begin += chunk) {
            w.inputs = least(chunk, op->in - w.begin);
            multiply_chunk(&w, e4m3);
        }
    }
    TILE_RELEASE();
}

static void multiply_bf16(const struct dot_rows *op) {
    multiply(op, false);
}
static void multiply_e4m3(const struct dot_rows *op) {
    multiply(op, true);
}

void amx_add_dot_rows(struct kernels *kernels) {
    kernels->dot_rows[DTYPE_BF16] = multiply_bf16;
    kernels->dot_rows[DTYPE_F8_E4M3] = multiply_e4m3;
    kernels->dot_rows_any[DTYPE_BF16] = kernels->dot_rows_any[DTYPE_F8_E4M3] = true;
}
