/* panel_tile.h - what the products over panels have in common at this level: rows that share one reading, sums of a
 * block, and the walk over panels and rows. Each file that includes it has its own copy of all of it.
 *
 * A group of rows is copied, a chunk of inputs at a time, to where its rows lie at a distance that the compiler knows: every
 * product then has its address in itself, no row needs a register, and the first cache level holds them all while the
 * panels pass by. */
#ifndef HADAL_KERNEL_X86_AVX512_PANEL_TILE_H
#define HADAL_KERNEL_X86_AVX512_PANEL_TILE_H

#include "kernel/level.h"
#include "kernel/panel_layout.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum {
    ROWS_MOST = 12,          /* sums and accumulators of so many rows fit the registers */
    HELD_INPUTS = 24576,     /* of all rows of a group together: half of the first cache level */
    BLOCK_BYTES = 512 << 10, /* panels that stay in the second cache level from one group to the next */
    BLOCK_GROUPS = 8,
    HALF_GROUPS = 4,
    AHEAD_BYTES = 8192,
    LINE = 64,
    ALL_BLOCKS = K_UNIT / 32
};

/* What a group of rows keeps at hand: [rows][inputs of a chunk], the number of rows being a constant wherever it is used. */
struct held_rows {
    _Alignas(LINE) int8_t x[HELD_INPUTS + ROWS_MOST * LINE];
    _Alignas(LINE) float scale[HELD_INPUTS / PANEL_BLOCK];
    _Alignas(LINE) union {
        int32_t start[HELD_INPUTS / 16];   /* what sums begin with, for a block or a half of it */
        float of_minima[HELD_INPUTS / 16]; /* what a block's minimum is multiplied by */
    };
};

/* Inputs of a chunk, a multiple of every unit, and the distance of rows, which does not fall on the same cache sets. */
INLINE int chunk_of(int rows) {
    return HELD_INPUTS / rows;
}
INLINE int pitch_of(int rows) {
    return chunk_of(rows) + LINE;
}

/* Where a group stands in its chunk: moves along with the blocks. */
struct tile {
    const int8_t *x;
    const float *scale;
    union {
        const int32_t *start;
        const float *of_minimum;
    };
    int64_t ahead; /* how far in front to ask for the panel; 0: it is in the caches */
};

INLINE void next_block(struct tile *t, int start_inputs) {
    t->x += PANEL_BLOCK;
    t->scale++;
    t->start += PANEL_BLOCK / start_inputs;
}

INLINE float scale_of(const struct tile *t, int r, int rows) {
    return t->scale[r * (chunk_of(rows) / PANEL_BLOCK)];
}
/* Of the block (part 0), or of its half `part` where halves have one each. */
INLINE __m512i start_of(const struct tile *t, int part, int r, int rows, int start_inputs) {
    return _mm512_set1_epi32(t->start[r * (chunk_of(rows) / start_inputs) + part]);
}

/* Adds the products of four inputs with those of sixteen outputs. Written out because compilers load and spread the inputs
 * by an instruction of their own, which with many rows is half of all. */
INLINE __m512i add_dots(__m512i sum, __m512i w, const int8_t *x) {
    typedef int __attribute__((may_alias, aligned(1))) four_bytes;
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*(const four_bytes *)(const void *)x));
    return sum;
}

INLINE __m512 halves(const uint8_t *at) {
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(const void *)at));
}

INLINE __m512 unsigned_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}

INLINE __m512 signed_bytes(const uint8_t *at) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)at)));
}

INLINE __m512i load(const uint8_t *at) {
    return _mm512_load_si512((const void *)at);
}

/* The first rows to meet a panel take it from memory, so each line asks for a later one; many at once would keep the loads
 behind them waiting. What is so far ahead goes to the second cache level: the first has few requests under way at a time,
 and its short latency hides behind the arithmetic. */
INLINE void ask_ahead(const struct tile *t, const uint8_t *at) {
    if (t->ahead) _mm_prefetch((const char *)at + t->ahead, _MM_HINT_T1);
}

INLINE __m512i stream(const struct tile *t, const uint8_t *at) {
    ask_ahead(t, at);
    return load(at);
}

INLINE void stream_scales(const struct tile *t, const uint8_t *at, int bytes) {
    for (int done = 0; done < bytes; done += LINE) ask_ahead(t, at + done);
}

INLINE __m512 fold(__m512i sum, __m512 w_scale, float x_scale, __m512 acc) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), _mm512_mul_ps(w_scale, _mm512_set1_ps(x_scale)), acc);
}

INLINE void fold_rows(const struct tile *t, __m512 w_scale, int rows, const __m512i *sum, __m512 *acc) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) acc[r] = fold(sum[r], w_scale, scale_of(t, r, rows), acc[r]);
}

/* The low four bits of group g of a block; the other nibbles belong to the block beside it. */
INLINE __m512i nibbles(const struct tile *t, const uint8_t *quarter, int b, int g) {
    __m512i both = b == 0 ? stream(t, quarter + g * LINE) : load(quarter + g * LINE);
    return b == 0 ? both : _mm512_srli_epi16(both, 4);
}

/* Of inputs [at, at + 4) of the block. */
INLINE void add_products(const struct tile *t, __m512i w, int at, int rows, __m512i *sum) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = add_dots(sum[r], w, t->x + r * pitch_of(rows) + at);
}

INLINE void zero_sums(int rows, __m512i *sum) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = _mm512_setzero_si512();
}

/* Sums that begin with what the recipe took off; for a block. */
INLINE void start_sums(const struct tile *t, int rows, __m512i *sum) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) sum[r] = start_of(t, 0, r, rows, PANEL_BLOCK);
}

/* Bit `from` of every byte, moved to bit `to`; other bits as they come. */
INLINE __m512i moved(__m512i bits, int from, int to) {
    return from <= to ? _mm512_slli_epi16(bits, (unsigned)(to - from))
                      : _mm512_srli_epi16(bits, (unsigned)(from - to));
}

/* Where `mask` is set the bits of a, else those of b. */
INLINE __m512i select_bits(__m512i mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(mask, a, b, 0xca);
}

/* ---- what a format is ---- */

/* Adds a unit to the rows' accumulators and moves the tile past it. */
typedef void unit_function(struct tile *t, const uint8_t *unit, int rows, __m512 *acc);
/* Starts of eight blocks, or of their sixteen halves, from the sums of the halves and the scales of the blocks. */
typedef __m512i start_function(__m512i of_halves, __m256 scale);

struct recipe {
    unit_function *unit;
    start_function *start;
    int unit_inputs, unit_bytes;
    int start_inputs; /* PANEL_BLOCK, or half of it */
    int rows_most;
};

/* Sums of blocks, in the lower half. */
INLINE __m512i block_sums(__m512i of_halves) {
    __m512i sums = _mm512_add_epi64(of_halves, _mm512_srli_epi64(of_halves, 32));
    return _mm512_castsi256_si512(_mm512_cvtepi64_epi32(sums));
}
INLINE __m512i less(__m512i sums, int times) {
    return _mm512_mullo_epi32(sums, _mm512_set1_epi32(-times));
}
INLINE __m512i less_8(__m512i of_halves, __m256 scale) {
    (void)scale;
    return less(block_sums(of_halves), 8);
}
INLINE __m512i less_16(__m512i of_halves, __m256 scale) {
    (void)scale;
    return less(block_sums(of_halves), 16);
}
INLINE __m512i less_128(__m512i of_halves, __m256 scale) {
    (void)scale;
    return less(block_sums(of_halves), 128);
}

/* ---- walking ---- */

struct walk {
    const struct panel_product *product;
    const struct recipe *recipe;
    int64_t begin, end; /* panels */
    int64_t row;        /* first one of the group; those that are there */
    int rows;
    int64_t at, inputs; /* of the chunk */
};

/* `lines` 64-byte lines, four at a time, so that no load waits for a store that looks as if it were to the same place. */
INLINE void copy_lines(const int8_t *from, int64_t lines, int8_t *to) {
    int64_t i = 0;
    for (; i + 4 <= lines; i += 4, from += 4 * LINE, to += 4 * LINE) {
        __m512i a = _mm512_loadu_si512(from), b = _mm512_loadu_si512(from + LINE);
        __m512i c = _mm512_loadu_si512(from + 2 * LINE), d = _mm512_loadu_si512(from + 3 * LINE);
        _mm512_store_si512(to, a);
        _mm512_store_si512(to + LINE, b);
        _mm512_store_si512(to + 2 * LINE, c);
        _mm512_store_si512(to + 3 * LINE, d);
    }
    for (; i < lines; i++, from += LINE, to += LINE) _mm512_store_si512(to, _mm512_loadu_si512(from));
}

/* Scales of a row at blocks [0, blocks), and what its sums begin with. */
INLINE void hold_scales(const struct recipe *recipe, const float *scale, const int32_t *sum, int64_t blocks,
                        float *held_scale, int32_t *held_start) {
    for (int64_t b = 0; b < blocks; b += ALL_BLOCKS) {
        unsigned left = blocks - b < ALL_BLOCKS ? (unsigned)(blocks - b) : ALL_BLOCKS;
        __m256 scales = _mm256_maskz_loadu_ps((__mmask8)((1u << left) - 1), scale + b);
        __m512i of_halves = _mm512_maskz_loadu_epi32((__mmask16)((1u << 2 * left) - 1), sum + 2 * b);
        __m512i starts = recipe->start(of_halves, scales);
        _mm256_storeu_ps(held_scale + b, scales);
        if (recipe->start_inputs == PANEL_BLOCK)
            _mm256_storeu_si256((__m256i *)(void *)(held_start + b), _mm512_castsi512_si256(starts));
        else
            _mm512_storeu_si512(held_start + 2 * b, starts);
    }
}

/* A row past the last one is the last one again; its results go nowhere. A single row stays where it is. */
INLINE void hold_rows(const struct walk *w, int rows, struct held_rows *held) {
    const struct rounded_rows *x = w->product->x;
    for (int r = 0; r < rows; r++) {
        int64_t from = (w->row + (r < w->rows ? r : w->rows - 1)) * x->in + w->at;
        if (rows > 1) copy_lines(x->value + from, w->inputs / LINE, held->x + r * pitch_of(rows));
        hold_scales(w->recipe, x->scale + from / PANEL_BLOCK, x->sum + from / 16, w->inputs / PANEL_BLOCK,
                    held->scale + r * (chunk_of(rows) / PANEL_BLOCK),
                    held->start + r * (chunk_of(rows) / w->recipe->start_inputs));
    }
}

/* The results of a group in one panel. Between chunks the sums rest there. */
struct results {
    float *y;
    int64_t stride;
    __mmask16 outs;
};

INLINE struct results results_of(const struct walk *w, int64_t p) {
    const struct panel_product *product = w->product;
    int64_t outs = product->w->outs - p * PANEL_OUTS;
    return (struct results){product->y + w->row * product->y_stride + p * PANEL_OUTS, product->y_stride,
                            outs >= PANEL_OUTS ? 0xffff : (__mmask16)((1u << outs) - 1)};
}

INLINE void begin_sums(const struct walk *w, const struct results *to, int rows, __m512 *acc) {
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        acc[r] = w->at > 0 && r < w->rows ? _mm512_maskz_loadu_ps(to->outs, to->y + r * to->stride)
                                          : _mm512_setzero_ps();
}

INLINE void end_sums(const struct walk *w, const struct results *to, const float *bias, int rows,
                     __m512 *acc) {
    if (bias && w->at + w->inputs == w->product->w->in)
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) acc[r] = _mm512_add_ps(acc[r], _mm512_maskz_loadu_ps(to->outs, bias));
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++)
        if (r < w->rows) _mm512_mask_storeu_ps(to->y + r * to->stride, to->outs, acc[r]);
}

INLINE struct tile tile_of(const struct walk *w, const struct held_rows *held, int rows) {
    const struct rounded_rows *x = w->product->x;
    int64_t from = w->row * x->in + w->at;
    if (rows == 1) return (struct tile){x->value + from, x->scale + from / PANEL_BLOCK, {held->start}, 0};
    return (struct tile){held->x, held->scale, {held->start}, 0};
}

/* Units of one panel's share of the chunk. The first group of rows asks ahead: for the panel's own units, then for those of
 * the next panel, which lie behind a gap. */
INLINE void add_units(const struct recipe *recipe, const uint8_t *unit, int64_t bytes, int64_t gap,
                      bool first, struct tile *t, int rows, __m512 *acc) {
    for (int64_t done = 0; done < bytes; done += recipe->unit_bytes) {
        if (first) t->ahead = AHEAD_BYTES + (done + AHEAD_BYTES < bytes ? 0 : gap);
        recipe->unit(t, unit + done, rows, acc);
    }
}

INLINE void meet_panel(const struct walk *w, int64_t p, const struct held_rows *held, int rows) {
    const struct recipe *recipe = w->recipe;
    const float *bias = w->product->bias ? w->product->bias + p * PANEL_OUTS : NULL;
    int64_t panel_bytes = w->product->w->in / recipe->unit_inputs * recipe->unit_bytes;
    int64_t bytes = w->inputs / recipe->unit_inputs * recipe->unit_bytes, gap = panel_bytes - bytes;
    const uint8_t *unit =
        w->product->w->data + p * panel_bytes + w->at / recipe->unit_inputs * recipe->unit_bytes;
    struct tile t = tile_of(w, held, rows);
    struct results results = results_of(w, p);
    __m512 acc[ROWS_MOST];
    begin_sums(w, &results, rows, acc);
    if (rows >= 8 && w->row > 0) /* for many rows code of its own, without a branch for each line */
        add_units(recipe, unit, bytes, gap, false, &t, rows, acc);
    else
        add_units(recipe, unit, bytes, gap, w->row == 0, &t, rows, acc);
    end_sums(w, &results, bias, rows, acc);
}

INLINE void meet_rows(struct walk *w, int rows) {
    struct held_rows held;
    int64_t in = w->product->w->in;
    w->at = 0;
    do {
        w->inputs = in - w->at < chunk_of(rows) ? in - w->at : chunk_of(rows);
        hold_rows(w, rows, &held);
        for (int64_t p = w->begin; p < w->end; p++) meet_panel(w, p, &held, rows);
        w->at += w->inputs;
    } while (w->at < in);
}

/* Rows in groups of twelve, eight, four, two and one: a row's sums are the same in every group. A group may lack a row. */
INLINE void meet_panels(struct walk *w) {
    int64_t all = w->product->rows;
    for (w->row = 0; w->row < all; w->row += w->rows) {
        int64_t left = all - w->row;
        int size = left > 10 && w->recipe->rows_most == 12 ? 12 : left > 6 ? 8 : left > 2 ? 4 : (int)left;
        w->rows = left < size ? (int)left : size;
        switch (size) {
        case 12: meet_rows(w, 12); break;
        case 8: meet_rows(w, 8); break;
        case 4: meet_rows(w, 4); break;
        case 2: meet_rows(w, 2); break;
        default: meet_rows(w, 1); break;
        }
    }
}

INLINE void multiply(const struct panel_product *product, int64_t begin, int64_t end,
                     const struct recipe *recipe) {
    int64_t panel_bytes = product->w->in / recipe->unit_inputs * recipe->unit_bytes;
    int64_t together = panel_bytes > 0 && panel_bytes < BLOCK_BYTES ? BLOCK_BYTES / panel_bytes : 1;
    struct walk w = {.product = product, .recipe = recipe};
    for (w.begin = begin; w.begin < end; w.begin = w.end) {
        w.end = end - w.begin < together ? end : w.begin + together;
        meet_panels(&w);
    }
}

#endif
